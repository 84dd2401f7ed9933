//! `scorecam.weights/1`: the layers of a model whose weights can be replaced.

use std::ffi::c_void;

use scorecam_core::{Error, Result};

use crate::abi;
use crate::wire::{check, empty_message, read_message};

/// More layers than any network has.
const MOST: u64 = 1 << 16;

/// The names of the layers with weights of a model.
///
/// # Safety
/// `model` is one whose interface the table is.
pub(crate) unsafe fn read(table: &abi::scorecam_weights, model: *mut c_void) -> Result<Vec<String>> {
    let name = table.name.ok_or_else(|| Error::plugin("its weights table lacks the function name"))?;
    let mut names = Vec::new();
    for index in 0..MOST {
        let mut text = empty_message();
        // SAFETY: as the caller promises, with a message to write into.
        let status = unsafe { name(model, index, &raw mut text) };
        if status == abi::SCORECAM_ERR_NOT_FOUND {
            return Ok(names);
        }
        check(status, &text, "weights")?;
        names.push(read_message(&text, &format!("its layer {index} with weights"))?.to_owned());
    }
    Err(Error::plugin(format!("it lists more than {MOST} layers with weights")))
}
