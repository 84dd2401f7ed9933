//! Strings across the boundary: owned C strings on the way out, bounded reads on the way in.

use std::ffi::{CStr, CString, c_char};

use scorecam_core::{Error, Result, ensure};

use crate::abi;

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

    /// Copies of a name and a value.
    pub(crate) fn pair(&mut self, name: &str, value: &str) -> abi::scorecam_option {
        abi::scorecam_option { name: self.keep(name), value: self.keep(value) }
    }
}

/// Reads a string of a plugin, `what` naming it in errors: at most [`abi::SCORECAM_MAX_STRING`] bytes, UTF-8.
///
/// # Safety
/// `text` is NULL or points to a readable string that ends with NUL.
pub(crate) unsafe fn read<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    ensure!(!text.is_null(), plugin, "{what} is NULL; it must be a string");
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

/// The text of a message as [`read_line`] reads it; `what` names it.
pub(crate) fn read_message<'a>(message: &'a abi::scorecam_message, what: &str) -> Result<&'a str> {
    let room = message.text.len();
    ensure!(message.text.contains(&0), plugin, "{what} does not end within {room} bytes");
    // SAFETY: it ends with NUL within the message.
    unsafe { read_line(message.text.as_ptr(), what) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_without_end_is_refused() {
        let text = vec![b'a' as c_char; abi::SCORECAM_MAX_STRING];
        // SAFETY: reads no further than the limit.
        let error = unsafe { read(text.as_ptr(), "the id") }.unwrap_err();
        assert_eq!(error.to_string(), "the id does not end within 4096 bytes");
    }
}
