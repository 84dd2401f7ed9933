//! What a host serves: a line of a plugin becomes an event of the host's own `tracing`.

use std::ffi::{c_char, c_void};
use std::sync::OnceLock;

use tracing::Level;
use tracing::level_filters::LevelFilter;

use crate::abi;
use crate::wire::{caught, one_line, read};

/// The target of these events; the plugin's own is in the line.
const TARGET: &str = "scorecam::plugin";

/// The table that plugins are handed, made when the first one is opened.
pub(crate) fn services() -> &'static abi::scorecam_services {
    static SERVICES: OnceLock<Static> = OnceLock::new();
    let table = SERVICES.get_or_init(|| {
        Static(abi::scorecam_services {
            struct_size: size_of::<abi::scorecam_services>() as u32,
            log_level: LevelFilter::current().into_level().map_or(0, number),
            context: std::ptr::null_mut(),
            log: Some(log),
        })
    });
    &table.0
}

/// A table without a context.
struct Static(abi::scorecam_services);

// SAFETY: its only pointer is NULL.
unsafe impl Send for Static {}
// SAFETY: as above.
unsafe impl Sync for Static {}

/// The levels, from the number of [`abi::SCORECAM_LOG_ERROR`] on.
pub(super) const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

/// The number of a level.
pub(super) fn number(level: Level) -> u32 {
    LEVELS.iter().zip(abi::SCORECAM_LOG_ERROR..).find(|(l, _)| **l == level).map_or(0, |(_, number)| number)
}

unsafe extern "C" fn log(_: *mut c_void, level: u32, target: *const c_char, text: *const c_char) {
    let body = || {
        // SAFETY: NULL or strings that end with NUL, by the contract of `log`.
        let line = |given| unsafe { read(given, "a line of a log") }.map_or_else(|e| e.to_string(), one_line);
        let (from, text) = (line(target), line(text));
        match level {
            abi::SCORECAM_LOG_ERROR => tracing::error!(target: TARGET, "{from}: {text}"),
            abi::SCORECAM_LOG_WARN => tracing::warn!(target: TARGET, "{from}: {text}"),
            abi::SCORECAM_LOG_INFO => tracing::info!(target: TARGET, "{from}: {text}"),
            abi::SCORECAM_LOG_DEBUG => tracing::debug!(target: TARGET, "{from}: {text}"),
            _ => tracing::trace!(target: TARGET, "{from}: {text}"),
        }
    };
    // There is nobody left who could hear that a log failed.
    let _lost = caught(body);
}
