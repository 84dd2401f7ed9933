//! `scorecam.remarks/1`: a model's remarks on how it runs.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::c_void;

use abi_stable::StableAbi;

use super::core::*;

/// `scorecam.remarks/1`: a model's remarks on how it runs, which every explanation lists among its warnings.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_remarks {
    /// `sizeof(scorecam_remarks)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Writes remark `index` in one line to `text` and returns `SCORECAM_OK`; returns `SCORECAM_ERR_NOT_FOUND` after
    /// the last one. Called once per index after loading, for at most 16 remarks. [any thread]
    pub remark: Option<
        unsafe extern "C" fn(model: *mut c_void, index: u64, text: *mut scorecam_message) -> scorecam_status,
    >,
}
