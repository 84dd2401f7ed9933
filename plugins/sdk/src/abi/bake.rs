//! `scorecam.bake/1`: a backend that writes models.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::core::*;

/// `scorecam_bake_request.what`: the model with one more output, `saliency_map` [N, h, w], and an input
/// `saliency_class` with the default -1, the top class.
pub const SCORECAM_BAKE_MAP: u32 = 1;
/// `scorecam_bake_request.what`: the model with the layer as one more output.
pub const SCORECAM_BAKE_TAP: u32 = 2;
/// `scorecam_bake_request.what`: the part of the model after the layer.
pub const SCORECAM_BAKE_HEAD: u32 = 3;
/// `scorecam_bake_request.what`: the model with the masking built in. Instead of the images its inputs are
/// `saliency_image` [1, C, H, W], `saliency_masks` [M, 1, h, w], `saliency_rows` [H, h] and `saliency_columns` [w, W].
pub const SCORECAM_BAKE_MASKED: u32 = 4;

/// A request for a model file that is derived from a model's own.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_bake_request {
    /// `sizeof(scorecam_bake_request)`.
    pub struct_size: u32,
    /// One of `SCORECAM_BAKE_*`.
    pub what: u32,
    /// The layer's name.
    pub layer: *const c_char,
    /// The path where the caller will write the file: its references to other files must be valid from there.
    pub path: *const c_char,
    /// Rows of the layer's maps; 0 except for `SCORECAM_BAKE_MAP`.
    pub grid_height: u64,
    /// Columns of the layer's maps; 0 except for `SCORECAM_BAKE_MAP`.
    pub grid_width: u64,
    /// For each cell of the grid, row by row, a mask for the layer's raw tensor: [cells, ...], with length 1 for axes
    /// along which it is constant; `data` is NULL except for `SCORECAM_BAKE_MAP`.
    pub cells: scorecam_tensor,
    /// Passed to `write`.
    pub context: *mut c_void,
    /// Receives the parts of the file, in order. Any status other than `SCORECAM_OK` must end the call and be returned.
    /// [thread of the call]
    pub write:
        Option<unsafe extern "C" fn(context: *mut c_void, data: *const u8, length: u64) -> scorecam_status>,
}

/// `scorecam.bake/1`: the backend derives other models from a model's file.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_bake {
    /// `sizeof(scorecam_bake)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Makes a model file and passes it to `request->write`. [any thread, several at once]
    pub run: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            request: *const scorecam_bake_request,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
}
