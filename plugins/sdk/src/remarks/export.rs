//! [`scorecam_core::ModelBackend::remarks`] as `scorecam.remarks/1`.

use std::ffi::c_void;

use scorecam_core::Error;

use crate::abi::{self, scorecam_message};
use crate::backend::export::exported;
use crate::wire::{guard, one_line, write_message};

/// The table of every model.
pub(crate) static TABLE: abi::scorecam_remarks = abi::scorecam_remarks {
    struct_size: size_of::<abi::scorecam_remarks>() as u32,
    reserved: 0,
    remark: Some(remark),
};

unsafe extern "C" fn remark(model: *mut c_void, index: u64, text: *mut scorecam_message) -> i32 {
    let body = || {
        // SAFETY: a live model by the contract of `remark`.
        let remarks = unsafe { exported(model) }?.model.remarks();
        let remark = usize::try_from(index).ok().and_then(|i| remarks.get(i));
        let remark = remark.ok_or_else(|| Error::not_found(format!("there is no remark {index}")))?;
        // SAFETY: NULL, which is refused, or a message of the caller's.
        let text = unsafe { text.as_mut() };
        let text = text.ok_or_else(|| Error::invalid("text is NULL; it must point to the result"))?;
        write_message(text, &one_line(remark));
        Ok(())
    };
    // SAFETY: `text` is NULL or a message of the caller's.
    unsafe { guard(text, body) }
}
