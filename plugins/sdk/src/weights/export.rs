//! [`scorecam_core::ModelBackend::weights`] as `scorecam.weights/1`.

use std::ffi::c_void;

use scorecam_core::Error;

use crate::abi::{self, scorecam_message};
use crate::backend::export::exported;
use crate::wire::{guard, one_line, write_message};

/// The table of every model.
pub(crate) static TABLE: abi::scorecam_weights = abi::scorecam_weights {
    struct_size: size_of::<abi::scorecam_weights>() as u32,
    reserved: 0,
    name: Some(name),
};

unsafe extern "C" fn name(model: *mut c_void, index: u64, text: *mut scorecam_message) -> i32 {
    let body = || {
        // SAFETY: a live model by the contract of `name`.
        let layers = unsafe { exported(model) }?.weights()?;
        let name = usize::try_from(index).ok().and_then(|i| layers.get(i));
        let name = name.ok_or_else(|| Error::not_found(format!("there is no layer {index} with weights")))?;
        // SAFETY: NULL, which is refused, or a message of the caller's.
        let text = unsafe { text.as_mut() };
        let text = text.ok_or_else(|| Error::invalid("text is NULL; it must point to the result"))?;
        write_message(text, &one_line(name));
        Ok(())
    };
    // SAFETY: `text` is NULL or a message of the caller's.
    unsafe { guard(text, body) }
}
