//! `scorecam.remarks/1`: what a model says of how it runs.

use std::ffi::c_void;

use scorecam_core::{Error, Result};

use crate::abi;
use crate::wire::{check, empty_message, read_message};

/// The most that a model is asked for.
const MOST: u64 = 16;

/// The remarks of a model, each one line.
///
/// # Safety
/// `model` is one whose interface the table is.
pub(crate) unsafe fn read(table: &abi::scorecam_remarks, model: *mut c_void) -> Result<Vec<String>> {
    let remark = table.remark.ok_or_else(|| Error::plugin("its remarks table lacks the function remark"))?;
    let mut remarks = Vec::new();
    for index in 0..MOST {
        let mut text = empty_message();
        // SAFETY: as the caller promises, with a message to write into.
        let status = unsafe { remark(model, index, &raw mut text) };
        if status == abi::SCORECAM_ERR_NOT_FOUND {
            break;
        }
        check(status, &text, "remark")?;
        remarks.push(read_message(&text, &format!("its remark {index}"))?.to_owned());
    }
    Ok(remarks)
}

#[cfg(test)]
mod tests {
    use std::ffi::c_char;

    use super::*;

    /// Spells out the texts that `model` points to.
    unsafe extern "C" fn spell(model: *mut c_void, index: u64, text: *mut abi::scorecam_message) -> i32 {
        // SAFETY: the tests give a slice of slices and a message.
        let (texts, text) = unsafe { (&*model.cast::<&[&[u8]]>(), &mut *text) };
        let Some(bytes) = texts.get(index as usize) else { return abi::SCORECAM_ERR_NOT_FOUND };
        text.text.iter_mut().zip(*bytes).for_each(|(to, &from)| *to = from as c_char);
        abi::SCORECAM_OK
    }

    fn remarks(mut texts: &[&[u8]]) -> Result<Vec<String>> {
        let table = abi::scorecam_remarks { struct_size: 16, reserved: 0, remark: Some(spell) };
        // SAFETY: `spell` takes such a model.
        unsafe { read(&table, (&raw mut texts).cast()) }
    }

    #[test]
    fn remarks_are_read_until_there_are_no_more() {
        assert_eq!(remarks(&[]), Ok(vec![]));
        assert_eq!(remarks(&[&b"one"[..], b"two"]), Ok(vec!["one".into(), "two".into()]));
        assert_eq!(remarks(&[&b"x"[..]; 100]).map(|r| r.len()), Ok(MOST as usize));
    }

    #[test]
    fn remarks_that_cannot_be_shown_are_refused() {
        for (bytes, expected) in [
            (&[b'x'; 1024][..], "does not end within 1024 bytes"),
            (b"two\nlines", "control character"),
            (b"\xff", "not UTF-8"),
        ] {
            let error = remarks(&[bytes]).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
