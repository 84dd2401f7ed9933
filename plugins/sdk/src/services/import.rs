//! A plugin's own `tracing`, sent to the host that opened it.
//!
//! A plugin is a library with a copy of `tracing` to itself, whose events would reach nobody.

use std::cell::Cell;
use std::ffi::c_void;
use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::export::{LEVELS, number};
use crate::abi;
use crate::wire::{Texts, checked_struct};

/// The function behind `scorecam_plugin_table.open`: from here on what this library logs goes to `services`. The first
/// services stay.
///
/// # Safety
/// `services` is NULL or leads to a table that is valid for the life of the process.
pub unsafe fn listen(services: *const abi::scorecam_services) {
    // SAFETY: as the caller promises.
    let Ok(services) = (unsafe { checked_struct(services, "services") }) else { return };
    if let Some(log) = services.log {
        // It is set already where the plugin was opened before, or is part of the program.
        // SAFETY: as the caller promises.
        let _first_stays = unsafe { log_to(log, services.log_level, services.context) };
    }
}

/// Sends what this library logs, up to `level`, to `log`; whether nothing was set before. A `level` of 0 is nothing.
///
/// # Safety
/// `log` may be called with `context` from any thread for the life of the process.
pub unsafe fn log_to(log: Log, level: u32, context: *mut c_void) -> bool {
    let Some(level) = LEVELS.iter().take(level as usize).next_back() else { return false };
    tracing::subscriber::set_global_default(ToHost { log, context, level: (*level).into() }).is_ok()
}

/// Receives its context, a level, the part that logs and a line.
pub type Log = unsafe extern "C" fn(*mut c_void, u32, *const std::ffi::c_char, *const std::ffi::c_char);

/// Sends each event to the host as a line.
struct ToHost {
    log: Log,
    context: *mut c_void,
    level: LevelFilter,
}

// SAFETY: the ABI lets `log` be called with its context from any thread.
unsafe impl Send for ToHost {}
// SAFETY: as above.
unsafe impl Sync for ToHost {}

thread_local! {
    /// Whether this thread is sending an event, so that one that comes of it goes no further.
    static SENDING: Cell<bool> = const { Cell::new(false) };
}

impl Subscriber for ToHost {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        if SENDING.try_with(|sending| sending.replace(true)).unwrap_or(true) {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let mut texts = Texts::default();
        let (target, text) = (texts.keep(event.metadata().target()), texts.keep(&line.text()));
        // SAFETY: the context belongs to the function, by contract, and the strings end with NUL.
        unsafe { (self.log)(self.context, number(*event.metadata().level()), target, text) };
        let _gone = SENDING.try_with(|sending| sending.set(false));
    }

    // Spans are not sent.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// An event's message, and its other fields behind it.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    /// One line within the length of a string.
    fn text(&self) -> String {
        let mut text = format!("{}{}", self.message, self.fields);
        let end = (0..abi::SCORECAM_MAX_STRING.min(text.len() + 1)).rev().find(|&i| text.is_char_boundary(i));
        text.truncate(end.unwrap_or(0));
        text
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing into a string does not fail.
        let _written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
