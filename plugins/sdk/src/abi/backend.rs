//! `scorecam.backend/1`: a runtime that loads models and runs them.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::core::*;

/// The axes of a layer behind the batch: not known; trial passes find out when the model is loaded.
pub const SCORECAM_LAYER_UNKNOWN: u32 = 0;
/// The axes of a layer behind the batch: maps [K, h, w].
pub const SCORECAM_LAYER_MAPS: u32 = 1;
/// The axes of a layer behind the batch: maps [h, w, K].
pub const SCORECAM_LAYER_CHANNELS_LAST: u32 = 2;
/// The axes of a layer behind the batch: no map of the image, such as attention scores.
pub const SCORECAM_LAYER_NO_MAP: u32 = 3;

/// `scorecam_random_weights.draw`: normal, with mean and deviation of the trained tensor.
pub const SCORECAM_WEIGHTS_MATCHED: u32 = 1;
/// `scorecam_random_weights.draw`: the trained values of the tensor, shuffled.
pub const SCORECAM_WEIGHTS_PERMUTED: u32 = 2;
/// `scorecam_random_weights.draw`: as layers are initialized before training, uniform within 1 / sqrt(fan in) of 0.
pub const SCORECAM_WEIGHTS_INITIAL: u32 = 3;

/// Random weights in place of trained ones.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_random_weights {
    /// `sizeof(scorecam_random_weights)`.
    pub struct_size: u32,
    /// One of `SCORECAM_WEIGHTS_*`.
    pub draw: u32,
    /// What all draws are made from; a layer must draw the same whichever others do.
    pub seed: u64,
    /// The first layer that draws, by its index in `scorecam_weights`.
    pub first_layer: u64,
    /// How many layers draw, from that one on; at least 1.
    pub layer_count: u64,
}

/// What a backend needs to load a model.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_model_config {
    /// `sizeof(scorecam_model_config)`.
    pub struct_size: u32,
    /// Threads for the runtime; 0 for all cores.
    pub threads: u32,
    /// The model's file.
    pub path: *const c_char,
    /// Name of the image input; NULL for the only one.
    pub input: *const c_char,
    /// Name of the output that class scores are read from; NULL for the one that looks like class scores.
    pub output: *const c_char,
    /// The layer that will be explained, as a hint; NULL for the default one.
    pub layer: *const c_char,
    /// The device, as in "cpu" or "cuda:0"; NULL for the backend's default.
    pub device: *const c_char,
    /// Height at which a model of free input size is to run; 0 when not known.
    pub input_height: u64,
    /// Width at which a model of free input size is to run; 0 when not known.
    pub input_width: u64,
    /// 1 when the model itself wants [N, H, W, C]: the backend transposes. 2 when it wants [N, C, H, W], 0 when its
    /// shape must tell.
    pub channels_last: u32,
    /// How many settings follow.
    pub setting_count: u32,
    /// Settings of the backend itself; an unknown one is an error.
    pub settings: *const scorecam_option,
    /// Random weights in place of trained ones; NULL for the trained ones. Never given to a backend whose models do not
    /// answer to "scorecam.weights/1".
    pub random_weights: *const scorecam_random_weights,
}

/// An input of a model.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_input_info {
    /// The name in the model.
    pub name: *const c_char,
    /// Its shape; that of an image [N, C, H, W], whatever the model's own order.
    pub shape: scorecam_shape,
    /// The model's own element type. Tensors are given in f32, and the backend converts them. Bytes (u8) say that the
    /// model takes pixels as they are, 0 to 255.
    pub dtype: scorecam_data_type,
    /// 1 when it has a row for each image, so that its first axis is the batch. Else 0. Not read for the image.
    pub per_image: u32,
}

/// An output of a model.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_output_info {
    /// The name in the model.
    pub name: *const c_char,
    /// Its shape; where it is per image the batch first.
    pub shape: scorecam_shape,
    /// The model's own element type. Tensors are returned in f32, whichever it is.
    pub dtype: scorecam_data_type,
    /// What the model applies to the values: one of `SCORECAM_OUTPUT_*`.
    pub activation: u32,
    /// 1 when it has a row for each image, so that its first axis is the batch. 0 when it has not, such as detections of all
    /// images in one list; class scores are not read from it.
    pub per_image: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// A layer that can be tapped.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_layer {
    /// The name to give as target layer.
    pub name: *const c_char,
    /// What it does, in the model's own words.
    pub operation: *const c_char,
    /// Shape of its raw tensor without the batch axis.
    pub shape: scorecam_shape,
    /// What these axes are: one of `SCORECAM_LAYER_*`.
    pub meaning: u32,
    /// When no layer is named, the one of the highest preference that is known to hold maps is explained. 0 for one that
    /// is never taken unasked, unless it is the description's default.
    pub preference: u32,
    /// 1 + the index of an earlier layer whose axes behind the batch mean the same, though the last may have another
    /// length; 0 when there is none. Trial passes look at one of such a family.
    pub like: u64,
    /// 1 where all that lies behind the layer reads the mean of each map alone, so that `run_from` takes means [N, K, 1, 1]
    /// as well as maps [N, K, h, w]: a classifier that begins with global average pooling. Else 0.
    pub pooled: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// What a model takes and gives.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_model_description {
    /// `sizeof(scorecam_model_description)`.
    pub struct_size: u32,
    /// Index of the image input.
    pub image_input: u32,
    /// The inputs.
    pub inputs: *const scorecam_input_info,
    /// How many there are, at least 1.
    pub input_count: u64,
    /// The outputs.
    pub outputs: *const scorecam_output_info,
    /// How many there are, at least 1.
    pub output_count: u64,
    /// Index of the output that class scores are read from: [N, classes], with axes of length 1 anywhere, or `[N]` for one
    /// value an image. -1 when there is none.
    pub score_output: i64,
    /// Why there is none, in one line; NULL when there is one.
    pub why_no_scores: *const c_char,
    /// The layers, in the order in which they run.
    pub layers: *const scorecam_layer,
    /// How many layers there are.
    pub layer_count: u64,
    /// Index of the last layer with spatial extent before the classifier; -1 when there is none.
    pub default_layer: i64,
    /// Images in every pass when the model fixes their number, at most 4096; else 0.
    pub fixed_batch: u64,
    /// Images in a pass at which the model runs fastest: 1 to 4096.
    pub preferred_batch: u64,
}

/// What goes into a call.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_inputs {
    /// `sizeof(scorecam_inputs)`.
    pub struct_size: u32,
    /// How many `others` there are.
    pub other_count: u32,
    /// The images, [N, C, H, W].
    pub images: scorecam_tensor,
    /// Inputs beside the image, for this call in place of what was given when the model was loaded. One that is per image
    /// has a row for each image.
    pub others: *const scorecam_named_tensor,
    /// Passed to `is_cancelled`.
    pub context: *mut c_void,
    /// Whether the caller wants the call to end: 1 or 0. Then it should return `SCORECAM_ERR_CANCELLED` soon. NULL when
    /// nobody can want that. [thread of the call]
    pub is_cancelled: Option<unsafe extern "C" fn(context: *mut c_void) -> i32>,
}

/// `scorecam.backend/1`: a runtime that loads models and runs them forward.
///
/// A model is called from several threads at once. `load` may be NULL in a table that an application hands
/// over together with a model of its own.
///
/// `wanted` names outputs and layers alike. Tensor i of what a function returns is `wanted[i]`, raw, the batch first but for
/// outputs that are not per image; a name may be asked for twice, and one that is both an output and a layer is the output.
/// It may be one that the description does not list, since users and methods choose layers: to be refused by
/// `SCORECAM_ERR_NOT_FOUND`, with a text that is shown to them.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct scorecam_backend {
    /// `sizeof(scorecam_backend)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Loads a model; on success `*model` is what the other functions take. [any thread]
    pub load: Option<
        unsafe extern "C" fn(
            config: *const scorecam_model_config,
            model: *mut *mut c_void,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Frees a model; nobody else uses it any more. May be NULL when there is nothing to free. [any thread]
    pub release: Option<unsafe extern "C" fn(model: *mut c_void)>,
    /// Describes a model; the result stays valid and unchanged until `release`. [any thread]
    pub describe: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            description: *mut *const scorecam_model_description,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Runs a batch of images and returns the tensors that are `wanted`. [any thread, several at once]
    pub forward: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            inputs: *const scorecam_inputs,
            wanted: *const *const c_char,
            wanted_count: u64,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// The table of a further ability of this model (`scorecam.masked/1`, ...), or NULL. May itself be NULL. The result
    /// stays valid until `release`. The descriptor's `abilities` must name it, too. [any thread]
    pub get_interface: Option<unsafe extern "C" fn(model: *mut c_void, id: *const c_char) -> *const c_void>,
}
