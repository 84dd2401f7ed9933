//! Versions, statuses and the last error: what needs no handle.

use std::ffi::{CStr, c_char, c_void};

use scorecam::abi::{self, scorecam_status};
use scorecam::log_to;

use crate::export::{self, Failure, export};

/// The library's version, such as "1.0.0".
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_version() -> *const c_char {
    export!(c"".as_ptr() => { VERSION.as_ptr() })
}

/// The version of the plugin ABI that this library supports: `SCORECAM_ABI_VERSION` of its own header.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_abi_version() -> u32 {
    export!(0 => { abi::SCORECAM_ABI_VERSION })
}

/// Sends the log messages of the library and its plugins, up to `level` (`SCORECAM_LOG_*`), to `log`: a level, the
/// component and one line of text, both valid only during the call. `log` may be called from any thread, concurrently,
/// until the process ends, and must return. Plugins keep the level at the time when they are loaded, so call this
/// before creating the first host. `SCORECAM_ERR_INVALID_ARGUMENT`: the log already has a destination.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_log_to(
    log: scorecam_log,
    level: u32,
    user_data: *mut c_void,
) -> scorecam_status {
    export!({
        let log = log.ok_or_else(|| Failure::invalid("log is NULL"))?;
        // SAFETY: as the caller promises.
        match unsafe { log_to(log, level, user_data) } {
            true => Ok(()),
            false => {
                Err(Failure::invalid("the log of this process already has a destination; set it only once"))
            }
        }
    })
}

/// Receives a log message.
pub type scorecam_log = Option<
    unsafe extern "C" fn(user_data: *mut c_void, level: u32, target: *const c_char, text: *const c_char),
>;

/// The error message of this thread's last failed call: one line of UTF-8 that names the object, the value and the
/// remedy; empty if no call failed. Valid until this thread's next call. Successful calls keep the message, so it may
/// be read after cleaning up.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_last_error() -> *const c_char {
    export!(c"".as_ptr() => { export::last_error() })
}

/// The name of a status, such as "SCORECAM_ERR_NOT_FOUND"; "unknown status" for other numbers.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_status_name(status: scorecam_status) -> *const c_char {
    export!(c"".as_ptr() => {
        let known = STATUSES.iter().find(|(number, _)| *number == status);
        known.map_or(c"unknown status", |(_, name)| name).as_ptr()
    })
}

const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
    Ok(version) => version,
    Err(_) => panic!("a version has no NUL"),
};

const STATUSES: [(scorecam_status, &CStr); 12] = [
    (abi::SCORECAM_OK, c"SCORECAM_OK"),
    (abi::SCORECAM_ERR_INVALID_ARGUMENT, c"SCORECAM_ERR_INVALID_ARGUMENT"),
    (abi::SCORECAM_ERR_NOT_FOUND, c"SCORECAM_ERR_NOT_FOUND"),
    (abi::SCORECAM_ERR_UNSUPPORTED, c"SCORECAM_ERR_UNSUPPORTED"),
    (abi::SCORECAM_ERR_MODEL, c"SCORECAM_ERR_MODEL"),
    (abi::SCORECAM_ERR_PLUGIN, c"SCORECAM_ERR_PLUGIN"),
    (abi::SCORECAM_ERR_IO, c"SCORECAM_ERR_IO"),
    (abi::SCORECAM_ERR_CANCELLED, c"SCORECAM_ERR_CANCELLED"),
    (abi::SCORECAM_ERR_INTERNAL, c"SCORECAM_ERR_INTERNAL"),
    (abi::SCORECAM_ERR_INVALID_HANDLE, c"SCORECAM_ERR_INVALID_HANDLE"),
    (abi::SCORECAM_ERR_BUFFER_TOO_SMALL, c"SCORECAM_ERR_BUFFER_TOO_SMALL"),
    (abi::SCORECAM_ERR_DEADLINE, c"SCORECAM_ERR_DEADLINE"),
];
