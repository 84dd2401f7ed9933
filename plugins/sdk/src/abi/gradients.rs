//! `scorecam.gradients/1`: an ability of a model that can be differentiated.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::backend::scorecam_inputs;
use super::core::*;

/// `scorecam.gradients/1`: the backend differentiates outputs.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_gradients {
    /// `sizeof(scorecam_gradients)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Computes a vector-Jacobian product: tensor 0 of `outputs` is the derivative of the sum of each cotangent times
    /// its output, with respect to the layer's activations, in their shape. A cotangent has the shape of its output.
    /// [any thread, several at once]
    pub run: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            inputs: *const scorecam_inputs,
            layer: *const c_char,
            cotangents: *const scorecam_named_tensor,
            cotangent_count: u64,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
}
