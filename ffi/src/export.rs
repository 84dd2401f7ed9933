//! The only way out of this library: [`export!`], the body of every exported function.
//!
//! It stops panics, turns a [`Failure`] into a status number and keeps its message for
//! `scorecam_last_error`. The signatures stand outside the macro, because the header is generated from
//! sources in which macros are not expanded; a test reads the sources and finds any function that does
//! without it.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use scorecam::{abi, status_of_kind};
use scorecam_core::Error;

/// `export!({ ... Ok(()) })` is a status. `export!(fallback => { value })` is a value that cannot fail, and
/// `fallback` after a panic. `export!(out from handle: |object| { Ok(value) })` is the status of writing to `out` what
/// the closure takes from the object behind `handle`.
macro_rules! export {
    ($body:block) => {
        $crate::export::status(|| $body)
    };
    ($fallback:expr => $body:block) => {
        $crate::export::value($fallback, || $body)
    };
    ($out:ident from $handle:ident: $of:expr) => {
        // SAFETY: the caller of the exported function promises that `out` is NULL or writable.
        $crate::export::status(|| unsafe { $crate::read::write_from($out, $handle, $of) })
    };
}
pub(crate) use export;

/// Why a call failed: a status number and one line of text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) status: i32,
    pub(crate) message: String,
}

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { status: abi::SCORECAM_ERR_INVALID_ARGUMENT, message: message.into() }
    }

    pub(crate) fn handle(message: impl Into<String>) -> Self {
        Self { status: abi::SCORECAM_ERR_INVALID_HANDLE, message: message.into() }
    }

    pub(crate) fn too_small(message: impl Into<String>) -> Self {
        Self { status: abi::SCORECAM_ERR_BUFFER_TOO_SMALL, message: message.into() }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { status: status_of_kind(error.kind()), message: error.to_string() }
    }
}

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::default();
}

/// The message of this thread's last failure; empty when there was none.
pub(crate) fn last_error() -> *const c_char {
    // While a thread ends its message is gone already; the empty text has no owner.
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Text for C: whatever follows a NUL would be lost, so NULs are left out.
pub(crate) fn c_text(text: &str) -> CString {
    let bytes: Vec<u8> = text.bytes().filter(|&b| b != 0).collect();
    CString::new(bytes).unwrap_or_default()
}

pub(crate) fn status(body: impl FnOnce() -> Result<()>) -> i32 {
    let failure = match catch_unwind(AssertUnwindSafe(guarded(body))) {
        Ok(Ok(())) => return abi::SCORECAM_OK,
        Ok(Err(failure)) => failure,
        Err(payload) => {
            let why = panic_text(&*payload).to_owned();
            // What a payload's destructor does is up to whoever panicked; it is not run.
            std::mem::forget(payload);
            Error::internal(format!("panic in scorecam: {why}; please report it")).into()
        }
    };
    let message = c_text(&failure.message);
    // While a thread ends there is nowhere left to keep a message; the status still tells.
    let _ = LAST_ERROR.try_with(|last| last.replace(message));
    failure.status
}

pub(crate) fn value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(guarded(body))).unwrap_or_else(|payload| {
        std::mem::forget(payload);
        fallback
    })
}

/// What runs inside the guard; the tests force it to panic first, in any function that they choose.
fn guarded<T>(body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    || {
        #[cfg(test)]
        forced_panics::strike();
        body()
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod forced_panics;

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn last() -> String {
        // SAFETY: the message of this thread, which makes no call before it is copied.
        unsafe { CStr::from_ptr(last_error()) }.to_string_lossy().into_owned()
    }

    #[test]
    fn a_failure_leaves_its_message_and_a_success_keeps_it() {
        assert_eq!(export!({ Err(Failure::invalid("one\0 two")) }), abi::SCORECAM_ERR_INVALID_ARGUMENT);
        assert_eq!(last(), "one two");
        assert_eq!(export!({ Ok(()) }), abi::SCORECAM_OK);
        assert_eq!(last(), "one two");
        assert_eq!(std::thread::spawn(last).join().unwrap(), "");
    }

    #[test]
    fn a_panic_becomes_a_status() {
        assert_eq!(export!({ panic!("a {}", "fault") }), abi::SCORECAM_ERR_INTERNAL);
        assert_eq!(last(), "panic in scorecam: a fault; please report it");
        assert_eq!(export!(7 => { panic!("fault") }), 7);
    }

    #[test]
    fn every_exported_function_is_made_by_the_macro() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let mut functions = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // Tests only.
                continue;
            }
            let source = std::fs::read_to_string(&path).unwrap();
            for (at, _) in source.match_indices("\n#[unsafe(no_mangle)]\n") {
                let function = &source[at..];
                let (signature, body) = function.split_once("{\n").unwrap();
                let body = body.split_once("\n}\n").unwrap().0;
                // The macro's call is all there is: its closing bracket is the only one at this depth.
                let whole = body.starts_with("    export!(")
                    && body.ends_with("})")
                    && body
                        .lines()
                        .skip(1)
                        .all(|line| line.is_empty() || line.starts_with("     ") || line == "    })");
                assert!(whole, "{}: {signature}", path.display());
                functions += 1;
            }
        }
        assert!(functions > 20, "only {functions} exported functions were found");
    }
}
