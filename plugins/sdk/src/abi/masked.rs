//! `scorecam.masked/1`: an ability of a model whose backend makes masked images itself.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::backend::scorecam_inputs;
use super::core::*;

/// A mask of the image's size by the rank of each pixel: 0 on the `count` pixels that come first, 1 on all others.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_cut {
    /// Which of the rank maps.
    pub map: u32,
    /// How many pixels the mask takes away.
    pub count: u32,
}

/// Masked images to run. Image of pass m: `U(mask m) * image + (1 - U(mask m)) * fill`, U being the upsampling to the
/// image's size.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_masked_request {
    /// `sizeof(scorecam_masked_request)`.
    pub struct_size: u32,
    /// One of `SCORECAM_UPSAMPLE_*`.
    pub upsample: u32,
    /// Preprocessed images, [I, C, H, W], and the other inputs, whose rows are those of the images.
    pub inputs: *const scorecam_inputs,
    /// What shows where a mask is 0, [I, C, H, W]; `data` is NULL for zeros.
    pub fill: scorecam_tensor,
    /// Small masks, [M, h, w]. With `cuts`: rank maps [R, H, W] of the images' size, whose values are whole numbers from 0 to
    /// H W - 1.
    pub masks: scorecam_tensor,
    /// The M masks, where they are cuts of rank maps, which need no upsampling; else NULL.
    pub cuts: *const scorecam_cut,
    /// How many cuts there are; 0 where `masks` holds small masks.
    pub cut_count: u64,
    /// For each mask the index of its image; NULL when there is one image.
    pub image_of_mask: *const u32,
    /// Images in a pass: 1 to 4096, and as many as the model fixes where it does. A backend is never asked for more
    /// than there are masks, except where the model fixes them.
    pub batch_size: u64,
    /// Passed to `each`.
    pub context: *mut c_void,
    /// To be called after every batch with the number of its masks and the tensors that are wanted, in that order: a row for
    /// each of the masks, or an output that is not per image whole. They need not stay valid after it has returned. All masks
    /// come in their order, in the end each once, or the run is refused. Any status but `SCORECAM_OK` must end the run and be
    /// returned. [thread of the call]
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
    /// 1 where `run` takes cuts of rank maps, too; with 0 it never gets any.
    pub cuts: u32,
    /// Runs masked images, batch by batch, and hands the tensors that are `wanted` to `request->each`.
    /// [any thread, several at once]
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
