//! `scorecam.remarks/1`: what a model has to say of how it runs.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::c_void;

use abi_stable::StableAbi;

use super::core::*;

/// `scorecam.remarks/1`: a model has something to say of how it runs, for every explanation's warnings.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_remarks {
    /// `sizeof(scorecam_remarks)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Writes remark `index`, in one line, into `text` and returns `SCORECAM_OK`; `SCORECAM_ERR_NOT_FOUND` behind the
    /// last one. Asked once, when a model has been loaded, for at most 16. [any thread]
    pub remark: Option<
        unsafe extern "C" fn(model: *mut c_void, index: u64, text: *mut scorecam_message) -> scorecam_status,
    >,
}
