//! `scorecam.run-from/1`: an ability of a model that runs from an inner layer.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::backend::scorecam_inputs;
use super::core::*;

/// `scorecam.run-from/1`: the backend runs a model from an inner layer.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_run_from {
    /// `sizeof(scorecam_run_from)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Replaces the layer's activations with `activations`, which have the layer's shape after N, and returns the
    /// `wanted` tensors. `inputs` holds the image to explain, [1, C, H, W]: paths that bypass the layer keep the values
    /// of its own forward pass. [any thread, several at once]
    pub run: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            inputs: *const scorecam_inputs,
            layer: *const c_char,
            activations: *const scorecam_tensor,
            wanted: *const *const c_char,
            wanted_count: u64,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
}
