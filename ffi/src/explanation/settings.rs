//! What a caller asks of `scorecam_explain`, read and checked, and its callback.

use std::ffi::c_void;
use std::ops::ControlFlow;

use scorecam_core::Targets;

use super::{scorecam_explain_options, scorecam_progress};
use crate::export::{Failure, Result};
use crate::read;

/// [`scorecam_explain_options`], read and checked.
pub(super) struct Settings<'a> {
    pub(super) method: Option<&'a str>,
    pub(super) preset: Option<&'a str>,
    pub(super) options: Vec<(String, String)>,
    pub(super) targets: Targets,
    pub(super) layer: Option<&'a str>,
    pub(super) batch_size: Option<usize>,
    pub(super) progress: Progress,
}

impl Default for Settings<'_> {
    fn default() -> Self {
        Self {
            method: None,
            preset: None,
            options: Vec::new(),
            targets: Targets::Top(1),
            layer: None,
            batch_size: None,
            progress: Progress { call: None, user_data: std::ptr::null_mut() },
        }
    }
}

impl<'a> Settings<'a> {
    /// # Safety
    /// The strings and arrays are as [`super::scorecam_explain`] demands.
    pub(super) unsafe fn read(given: &'a scorecam_explain_options) -> Result<Self> {
        if given.threads > 1 {
            return Err(Failure::invalid(format!(
                "options.threads is {}; the call's own work runs on one thread, the engine's threads are set in \
                 scorecam_model_options",
                given.threads
            )));
        }
        // SAFETY: as the caller promises.
        let classes = unsafe { read::array(given.classes, given.class_count, "options.classes") }?;
        let size = |value: u64, what: &str| {
            usize::try_from(value).map_err(|_| Failure::invalid(format!("{what} {value} is too much")))
        };
        let targets = match (classes, given.top_k) {
            ([], 0) => Targets::Top(1),
            ([], k) => Targets::Top(size(k, "options.top_k")?),
            (_, 0) => {
                let class = |&c| size(c, "class");
                Targets::Classes(classes.iter().map(class).collect::<Result<_>>()?)
            }
            (_, k) => {
                return Err(Failure::invalid(format!(
                    "options has classes and top_k {k}; set one of them to 0"
                )));
            }
        };
        // SAFETY: as the caller promises.
        let text = |given, what| unsafe { read::optional_text(given, what) };
        Ok(Self {
            method: text(given.method, "options.method")?,
            preset: text(given.preset, "options.preset")?,
            // SAFETY: as the caller promises.
            options: unsafe { read::options(given.options, given.option_count, "options.options") }?,
            targets,
            layer: text(given.layer, "options.layer")?,
            batch_size: (given.batch_size > 0)
                .then(|| size(given.batch_size, "options.batch_size"))
                .transpose()?,
            progress: Progress { call: given.progress, user_data: given.user_data },
        })
    }
}

/// The caller's callback.
pub(super) struct Progress {
    call: scorecam_progress,
    user_data: *mut c_void,
}

// SAFETY: `user_data` is only handed through, and its callback is documented to be called from whichever
// thread makes the passes.
unsafe impl Sync for Progress {}

impl Progress {
    /// Tells the caller; breaks off where that asks to cancel.
    pub(super) fn tell(&self, passes: u64, expected: u64) -> ControlFlow<()> {
        // SAFETY: the caller's function with the caller's own pointer.
        match self.call.map_or(0, |call| unsafe { call(passes, expected, self.user_data) }) {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}
