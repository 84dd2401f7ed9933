//! What a caller asks of `scorecam_explain`, read and checked, and its callback.

use std::ffi::c_void;
use std::ops::ControlFlow;
use std::time::Duration;

use scorecam::{ExplainOptions, Kept, Targets};

use super::{scorecam_explain_options, scorecam_explanation, scorecam_progress};
use crate::export::{Failure, Result};
use crate::image::scorecam_image;
use crate::read;

/// [`scorecam_explain_options`], read and checked.
#[derive(Default)]
pub(super) struct Settings {
    /// All but the reference image.
    pub(super) options: ExplainOptions,
    /// Images at work at once, where the caller says.
    pub(super) jobs: Option<usize>,
    pub(super) reference: Option<*const scorecam_image>,
    pub(super) previous: Option<*const scorecam_explanation>,
    pub(super) progress: Progress,
}

impl Settings {
    /// # Safety
    /// The strings and arrays are as [`super::scorecam_explain`] demands.
    pub(super) unsafe fn read(given: &scorecam_explain_options) -> Result<Self> {
        let jobs = match given.jobs {
            0 => None,
            jobs @ 1..=64 => Some(jobs as usize),
            other => {
                return Err(Failure::invalid(format!("options.jobs must be between 0 and 64, got {other}")));
            }
        };
        let time_limit = match given.time_limit {
            0.0 => None,
            limit => Some(Duration::try_from_secs_f64(limit).map_err(|_| {
                Failure::invalid(format!(
                    "options.time_limit is {limit}; it must be a number of seconds, or 0 for no limit"
                ))
            })?),
        };
        // SAFETY: as the caller promises.
        let classes = unsafe { read::array(given.classes, given.class_count, "options.classes") }?;
        let size = |value: u64, what: &str| {
            usize::try_from(value).map_err(|_| Failure::invalid(format!("{what} {value} is too large")))
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
        let text = |given, what| unsafe { read::optional_text(given, what) }.map(|t| t.map(str::to_owned));
        // SAFETY: as the caller promises.
        let asked = unsafe { read::array(given.targets, given.target_count, "options.targets") }?;
        // SAFETY: as the caller promises.
        let word = |&given| unsafe { read::text(given, "a target in options.targets") }.map(str::to_owned);
        let ask: Vec<String> = asked.iter().map(word).collect::<Result<_>>()?;
        if !ask.is_empty() && (given.class_count > 0 || given.top_k > 0) {
            return Err(Failure::invalid("options has targets, and classes or top_k; give one of them"));
        }
        let plain = ExplainOptions::default();
        let detections = match given.min_score {
            0.0 => plain.detections,
            score if (0.0..=1.0).contains(&score) => Kept { score, ..plain.detections },
            other => {
                return Err(Failure::invalid(format!(
                    "options.min_score is {other}; it must be from 0 to 1"
                )));
            }
        };
        let options = ExplainOptions {
            method: text(given.method, "options.method")?.unwrap_or(plain.method),
            preset: text(given.preset, "options.preset")?,
            // SAFETY: as the caller promises.
            set: unsafe { read::options(given.options, given.option_count, "options.options") }?,
            targets,
            ask,
            detections,
            layer: text(given.layer, "options.layer")?,
            fuse: text(given.fuse, "options.fuse")?.map_or(Ok(plain.fuse), |fuse| fuse.parse())?,
            augment: match given.augment {
                flag @ (0 | 1) => flag == 1,
                other => {
                    return Err(Failure::invalid(format!("options.augment is {other}; it must be 0 or 1")));
                }
            },
            batch_size: (given.batch_size > 0)
                .then(|| size(given.batch_size, "options.batch_size"))
                .transpose()?,
            reference: None,
            time_limit,
        };
        let reference = Some(given.reference).filter(|image| !image.is_null());
        Ok(Self {
            options,
            jobs,
            reference,
            previous: Some(given.previous).filter(|before| !before.is_null()),
            progress: Progress { call: given.progress, user_data: given.user_data },
        })
    }
}

/// The caller's callback.
pub(crate) struct Progress {
    call: scorecam_progress,
    user_data: *mut c_void,
}

impl Default for Progress {
    fn default() -> Self {
        Self { call: None, user_data: std::ptr::null_mut() }
    }
}

impl Progress {
    /// Reports to the caller; breaks off where that asks to cancel.
    pub(crate) fn report(&self, passes: u64, expected: u64) -> ControlFlow<()> {
        // SAFETY: the caller's function with the caller's own pointer.
        match self.call.map_or(0, |call| unsafe { call(passes, expected, self.user_data) }) {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }
}
