//! `scorecam.weights/1`: a model whose trained weights can be replaced by random ones.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::c_void;

use abi_stable::StableAbi;

use super::core::*;

/// `scorecam.weights/1`: the model lists its layers with weights, and its backend can load it with random weights in
/// some of them, see `scorecam_model_config.random_weights`.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_weights {
    /// `sizeof(scorecam_weights)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Writes the name of layer `index`, in execution order, in one line to `text`, and returns `SCORECAM_OK`; returns
    /// `SCORECAM_ERR_NOT_FOUND` after the last one. If the weights of the model cannot be replaced, returns another
    /// status and writes the reason to `text`. [any thread, several at once]
    pub name: Option<
        unsafe extern "C" fn(model: *mut c_void, index: u64, text: *mut scorecam_message) -> scorecam_status,
    >,
}
