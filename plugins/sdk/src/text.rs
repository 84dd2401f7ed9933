//! Strings and messages across the boundary: owned C strings on the way out, bounded reads on the way in.

use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use scorecam_core::{Error, Result};

use crate::abi::{self, scorecam_message};
use crate::status::{kind_of_status, status_of_kind};

/// C strings that live as long as this; a NUL inside a text ends it there.
#[derive(Default)]
pub(crate) struct Texts(Vec<CString>);

impl Texts {
    /// Keeps a copy of `text` and returns its address, which stays the same when `self` moves.
    pub(crate) fn keep(&mut self, text: &str) -> *const c_char {
        let bytes = text.split('\0').next().unwrap_or_default();
        let text = CString::new(bytes).unwrap_or_default();
        let pointer = text.as_ptr();
        self.0.push(text);
        pointer
    }
}

/// Reads a string of a plugin, `what` naming it in errors: at most [`abi::SCORECAM_MAX_STRING`] bytes, UTF-8.
///
/// # Safety
/// `text` is NULL or points to a readable string that ends with NUL.
pub(crate) unsafe fn read<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    if text.is_null() {
        return Err(Error::plugin(format!("{what} is NULL; a string is needed")));
    }
    // SAFETY: reads byte by byte up to the NUL or the limit, whichever comes first.
    let end = (0..abi::SCORECAM_MAX_STRING).find(|&i| unsafe { *text.add(i) } == 0);
    if end.is_none() {
        let limit = abi::SCORECAM_MAX_STRING;
        return Err(Error::plugin(format!("{what} does not end within {limit} bytes")));
    }
    // SAFETY: a NUL was found within the limit.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Error::plugin(format!("{what} is not UTF-8: {:?}", text.to_string_lossy())))
}

/// As [`read`], for a name or a summary: one line, which can be shown in a list and cannot steer a terminal.
///
/// # Safety
/// As for [`read`].
pub(crate) unsafe fn read_line<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: as the caller promises.
    let text = unsafe { read(text, what) }?;
    match text.chars().find(|c| c.is_control()) {
        None => Ok(text),
        Some(c) => Err(Error::plugin(format!("{what} has the control character {c:?} in it: {text:?}"))),
    }
}

/// A text of a plugin that is passed on whatever it holds: control characters become blanks.
pub(crate) fn one_line(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// As [`read`], with NULL as `None`.
///
/// # Safety
/// As for [`read`].
pub(crate) unsafe fn read_optional<'a>(text: *const c_char, what: &str) -> Result<Option<&'a str>> {
    // SAFETY: as the caller promises.
    if text.is_null() { Ok(None) } else { unsafe { read(text, what) }.map(Some) }
}

/// As [`slice`], of at most `most` items: a count beyond that is a lie, and following it would end the process.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn list<'a, T>(items: *const T, count: u64, most: u64, what: &str) -> Result<&'a [T]> {
    match count <= most {
        // SAFETY: as the caller promises.
        true => unsafe { slice(items, count, what) },
        false => Err(Error::plugin(format!("{what} has {count} items; {most} is the most"))),
    }
}

/// A slice of `count` items, empty when `count` is 0; `what` names it in errors.
///
/// # Safety
/// `items` is NULL or points to `count` readable items that outlive `'a`.
pub(crate) unsafe fn slice<'a, T>(items: *const T, count: u64, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    let count = usize::try_from(count).ok().filter(|&n| n <= isize::MAX as usize / size_of::<T>().max(1));
    match count {
        Some(_) if items.is_null() => Err(Error::plugin(format!("{what} is NULL but not empty"))),
        Some(_) if !items.is_aligned() => Err(Error::plugin(format!("{what} is not aligned for its type"))),
        // SAFETY: not NULL, aligned, within the address space, and readable as the caller promises.
        Some(count) => Ok(unsafe { std::slice::from_raw_parts(items, count) }),
        None => Err(Error::plugin(format!("{what} has more items than memory can address"))),
    }
}

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

    #[test]
    fn a_string_without_end_is_refused() {
        let text = vec![b'a' as c_char; abi::SCORECAM_MAX_STRING];
        // SAFETY: reads no further than the limit.
        let error = unsafe { read(text.as_ptr(), "the id") }.unwrap_err();
        assert_eq!(error.to_string(), "the id does not end within 4096 bytes");
    }
}
