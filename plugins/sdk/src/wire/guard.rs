//! The panic guard of every function of a table, and the messages that say why a call failed.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use scorecam_core::{Error, Result};

use super::status::{kind_of_status, status_of_kind};
use super::text::one_line;
use crate::abi::{self, scorecam_message};

/// An empty message to hand to a callee.
pub(crate) fn empty_message() -> scorecam_message {
    scorecam_message { text: [0; 1024] }
}

/// The error of a call that returned `status`, or `Ok`; `who` names the callee.
pub(crate) fn check(status: i32, message: &scorecam_message, who: &str) -> Result<()> {
    if status == abi::SCORECAM_OK {
        return Ok(());
    }
    let bytes: Vec<u8> = message.text.iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
    let text = String::from_utf8_lossy(&bytes);
    match one_line(&text).as_str() {
        "" => Err(Error::new(
            kind_of_status(status),
            format!("{who} failed with status {status} and no message"),
        )),
        text => Err(Error::new(kind_of_status(status), text)),
    }
}

/// Calls a function of a table with a message to write into; `who` names it where it leaves that empty.
pub(crate) fn call(who: &str, run: impl FnOnce(*mut scorecam_message) -> i32) -> Result<()> {
    let mut why = empty_message();
    let status = run(&raw mut why);
    check(status, &why, who)
}

/// Runs `body`; an error or a panic becomes a status and a line in `why`.
///
/// # Safety
/// `why` is NULL or points to a writable message.
pub(crate) unsafe fn guard(why: *mut scorecam_message, body: impl FnOnce() -> Result<()>) -> i32 {
    let Err(error) = caught(body).flatten() else { return abi::SCORECAM_OK };
    // SAFETY: as the caller promises.
    if let Some(why) = unsafe { why.as_mut() } {
        write_message(why, &error.to_string());
    }
    status_of_kind(error.kind())
}

/// Runs `body`; a panic becomes an error with its text. For threads that a plugin starts itself: the adapters do it
/// for every call.
pub fn caught<T>(body: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|panic| {
        let line = panic_line(&*panic);
        // What a payload's destructor does is up to whoever panicked, and might be to panic again.
        std::mem::forget(panic);
        Error::internal(line)
    })
}

fn panic_line(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    format!("a panic was caught: {text}")
}

/// Writes a text into a message, cut at a character where it is too long.
pub(crate) fn write_message(why: &mut scorecam_message, text: &str) {
    let room = why.text.len() - 1;
    let end = (0..=room.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    why.text.fill(0);
    for (to, from) in why.text.iter_mut().zip(text[..end].bytes()) {
        *to = from as c_char;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_at_a_character_and_ends_with_nul() {
        let mut why = empty_message();
        write_message(&mut why, &"ä".repeat(1000));
        let text = check(1, &why, "it").unwrap_err().to_string();
        assert_eq!(text, "ä".repeat(511));
    }

    #[test]
    fn a_panic_becomes_a_status_and_a_message() {
        let mut why = empty_message();
        // SAFETY: `why` is a valid message.
        let status = unsafe { guard(&raw mut why, || panic!("boom {}", 7)) };
        assert_eq!(status, abi::SCORECAM_ERR_INTERNAL);
        assert_eq!(check(status, &why, "it").unwrap_err().to_string(), "a panic was caught: boom 7");
    }

    #[test]
    fn a_message_of_many_lines_becomes_one() {
        let mut why = empty_message();
        write_message(&mut why, "no\nmodel\u{1b}[2J\n");
        assert_eq!(check(1, &why, "it").unwrap_err().to_string(), "no model [2J");
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_is_kept() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        let error = caught(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(error.to_string(), "a panic was caught: no message");
    }
}
