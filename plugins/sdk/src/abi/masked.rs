//! `scorecam.masked/1`: an ability of a model whose backend makes masked images itself.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::backend::scorecam_inputs;
use super::core::*;

/// A mask of the image's size from the ranks of pixels: 0 where the rank is below `count`, 1 elsewhere.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_cut {
    /// The index of the rank map.
    pub map: u32,
    /// The number of pixels that the mask removes.
    pub count: u32,
}

/// A request to run masked images. Image m is `U(mask m) * image + (1 - U(mask m)) * fill`, where U upsamples to the
/// image's size.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_masked_request {
    /// `sizeof(scorecam_masked_request)`.
    pub struct_size: u32,
    /// One of `SCORECAM_UPSAMPLE_*`.
    pub upsample: u32,
    /// Preprocessed images, [I, C, H, W], and the other inputs, whose rows correspond to the images.
    pub inputs: *const scorecam_inputs,
    /// The fill where a mask is 0, [I, C, H, W]; `data` is NULL for zeros.
    pub fill: scorecam_tensor,
    /// Small masks, [M, h, w]. With `cuts`: rank maps [R, H, W] of the images' size, whose values are integers from 0
    /// to H W - 1.
    pub masks: scorecam_tensor,
    /// The M masks if they are cuts of rank maps, which need no upsampling; else NULL.
    pub cuts: *const scorecam_cut,
    /// The number of cuts; 0 if `masks` holds small masks.
    pub cut_count: u64,
    /// For each mask the index of its image; NULL if there is one image.
    pub image_of_mask: *const u32,
    /// Images per forward pass: 1 to 4096, or the model's fixed batch size. Unless the model fixes it, it never exceeds
    /// the number of masks.
    pub batch_size: u64,
    /// Passed to `each`.
    pub context: *mut c_void,
    /// To be called after every batch with the number of its masks and the wanted tensors, in that order: a row per
    /// mask, or the whole of an output that is not per image. They need not stay valid after it returns. Every mask
    /// must occur once, in order, or the host rejects the run. Any status other than `SCORECAM_OK` must end the run and
    /// be returned. [thread of the call]
    pub each: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            mask_count: u64,
            tensors: *const scorecam_tensor,
            tensor_count: u64,
        ) -> scorecam_status,
    >,
}

/// `scorecam.masked/1`: the backend makes masked images itself.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_masked {
    /// `sizeof(scorecam_masked)`.
    pub struct_size: u32,
    /// 1 if `run` also accepts cuts of rank maps; with 0 it never receives any.
    pub cuts: u32,
    /// Runs masked images, batch by batch, and passes the `wanted` tensors to `request->each`. [any thread, several at
    /// once]
    pub run: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            request: *const scorecam_masked_request,
            wanted: *const *const c_char,
            wanted_count: u64,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
}
