//! `scorecam.backend/1`: a runtime that loads models and runs them.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::core::*;

/// Axes of a layer after the batch: unknown; the host finds out by trial passes when it loads the model.
pub const SCORECAM_LAYER_UNKNOWN: u32 = 0;
/// Axes of a layer after the batch: maps [K, h, w].
pub const SCORECAM_LAYER_MAPS: u32 = 1;
/// Axes of a layer after the batch: maps [h, w, K].
pub const SCORECAM_LAYER_CHANNELS_LAST: u32 = 2;
/// Axes of a layer after the batch: not maps of the image, such as attention scores.
pub const SCORECAM_LAYER_NO_MAP: u32 = 3;

/// `scorecam_random_weights.draw`: normal, with the mean and deviation of the trained tensor.
pub const SCORECAM_WEIGHTS_MATCHED: u32 = 1;
/// `scorecam_random_weights.draw`: the trained values of the tensor, shuffled.
pub const SCORECAM_WEIGHTS_PERMUTED: u32 = 2;
/// `scorecam_random_weights.draw`: the usual initialization before training, uniform within 1 / sqrt(fan in) of 0.
pub const SCORECAM_WEIGHTS_INITIAL: u32 = 3;

/// Random weights instead of trained ones.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_random_weights {
    /// `sizeof(scorecam_random_weights)`.
    pub struct_size: u32,
    /// One of `SCORECAM_WEIGHTS_*`.
    pub draw: u32,
    /// The seed; a layer must get the same weights whichever other layers are random.
    pub seed: u64,
    /// The first random layer, by its index in `scorecam_weights`.
    pub first_layer: u64,
    /// The number of random layers from that one on; at least 1.
    pub layer_count: u64,
}

/// The arguments for loading a model.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_model_config {
    /// `sizeof(scorecam_model_config)`.
    pub struct_size: u32,
    /// Threads for the runtime; 0 for all cores.
    pub threads: u32,
    /// The model's file.
    pub path: *const c_char,
    /// The name of the image input; NULL for the only one.
    pub input: *const c_char,
    /// The name of the output with class scores; NULL for the one that looks like class scores.
    pub output: *const c_char,
    /// A hint: the layer to explain, or several separated by commas; NULL for the default layer.
    pub layer: *const c_char,
    /// The device, such as "cpu" or "cuda:0"; NULL for the backend's default.
    pub device: *const c_char,
    /// The input height for a model of variable input size; 0 if unknown.
    pub input_height: u64,
    /// The input width for a model of variable input size; 0 if unknown.
    pub input_width: u64,
    /// 1 if the model itself takes [N, H, W, C] (the backend then transposes), 2 if it takes [N, C, H, W], 0 to infer
    /// the order from its shape.
    pub channels_last: u32,
    /// The number of settings.
    pub setting_count: u32,
    /// Settings of the backend; an unknown one must be an error.
    pub settings: *const scorecam_option,
    /// Random weights instead of trained ones; NULL for the trained ones. Always NULL for a backend whose models do not
    /// offer "scorecam.weights/1".
    pub random_weights: *const scorecam_random_weights,
}

/// An input of a model.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_input_info {
    /// The name in the model.
    pub name: *const c_char,
    /// The shape; for the image [N, C, H, W], whatever the model's own order.
    pub shape: scorecam_shape,
    /// The model's own element type. Tensors are passed in f32, and the backend converts them. Bytes (u8) mean that the
    /// model takes raw pixel values, 0 to 255.
    pub dtype: scorecam_data_type,
    /// 1 if it has a row per image, so that its first axis is the batch, else 0. Ignored for the image input.
    pub per_image: u32,
}

/// An output of a model.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_output_info {
    /// The name in the model.
    pub name: *const c_char,
    /// The shape; if it is per image, with the batch first.
    pub shape: scorecam_shape,
    /// The model's own element type. Tensors are always returned in f32.
    pub dtype: scorecam_data_type,
    /// The activation that the model applies: one of `SCORECAM_OUTPUT_*`.
    pub activation: u32,
    /// 1 if it has a row per image, so that its first axis is the batch. 0 if not, such as the detections of all images
    /// in one list; class scores are then not read from it.
    pub per_image: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// A layer whose tensor can be returned.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_layer {
    /// The name of the layer.
    pub name: *const c_char,
    /// Its operation, as the model names it.
    pub operation: *const c_char,
    /// The shape of its raw tensor without the batch axis.
    pub shape: scorecam_shape,
    /// The meaning of these axes: one of `SCORECAM_LAYER_*`.
    pub meaning: u32,
    /// The default layer is the one with the highest preference that is known to hold maps. 0 for a layer that is never
    /// chosen automatically, unless it is `default_layer`.
    pub preference: u32,
    /// 1 + the index of an earlier layer whose axes after the batch have the same meaning, though the last may have
    /// another length; 0 if there is none. Trial passes examine one layer of such a family.
    pub like: u64,
    /// 1 if the part of the model after the layer depends only on the mean of each map, so that `run_from` accepts
    /// means [N, K, 1, 1] as well as maps [N, K, h, w]: a classifier that starts with global average pooling. Else 0.
    pub pooled: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// The inputs, outputs and layers of a model.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_model_description {
    /// `sizeof(scorecam_model_description)`.
    pub struct_size: u32,
    /// The index of the image input.
    pub image_input: u32,
    /// The inputs.
    pub inputs: *const scorecam_input_info,
    /// The number of inputs, at least 1.
    pub input_count: u64,
    /// The outputs.
    pub outputs: *const scorecam_output_info,
    /// The number of outputs, at least 1.
    pub output_count: u64,
    /// The index of the output with class scores: [N, classes], with axes of length 1 anywhere, or `[N]` for one value
    /// per image. -1 if there is none.
    pub score_output: i64,
    /// The reason in one line if there is none; else NULL.
    pub why_no_scores: *const c_char,
    /// The layers in execution order.
    pub layers: *const scorecam_layer,
    /// The number of layers.
    pub layer_count: u64,
    /// The index of the last layer with spatial extent before the classifier; -1 if there is none.
    pub default_layer: i64,
    /// The batch size if the model fixes it, at most 4096; else 0.
    pub fixed_batch: u64,
    /// The batch size at which the model runs fastest: 1 to 4096.
    pub preferred_batch: u64,
}

/// The inputs of a call.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_inputs {
    /// `sizeof(scorecam_inputs)`.
    pub struct_size: u32,
    /// The number of `others`.
    pub other_count: u32,
    /// The images, [N, C, H, W].
    pub images: scorecam_tensor,
    /// Inputs other than the image, which override those given at load for this call. One that is per image has a row
    /// per image.
    pub others: *const scorecam_named_tensor,
    /// Passed to `is_cancelled`.
    pub context: *mut c_void,
    /// Returns 1 to cancel the call, else 0. A cancelled call should return `SCORECAM_ERR_CANCELLED` soon. NULL if the
    /// call cannot be cancelled. [thread of the call]
    pub is_cancelled: Option<unsafe extern "C" fn(context: *mut c_void) -> i32>,
}

/// `scorecam.backend/1`: a runtime that loads models and runs them.
///
/// Several threads may call a model concurrently. `load` may be NULL in a table that an application passes together
/// with its own model.
///
/// `wanted` names both outputs and layers. Tensor i of the result is the raw tensor `wanted[i]`, with the batch first
/// except for outputs that are not per image. A name may occur twice, and a name of both an output and a layer means
/// the output. A name may be missing from the description, because users and methods choose layers: return
/// `SCORECAM_ERR_NOT_FOUND` with a message for the user.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct scorecam_backend {
    /// `sizeof(scorecam_backend)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Loads a model; on success `*model` is the argument for the other functions. [any thread]
    pub load: Option<
        unsafe extern "C" fn(
            config: *const scorecam_model_config,
            model: *mut *mut c_void,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Frees a model that is no longer in use. May be NULL if there is nothing to free. [any thread]
    pub release: Option<unsafe extern "C" fn(model: *mut c_void)>,
    /// Describes a model; the result must stay valid and unchanged until `release`. [any thread]
    pub describe: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            description: *mut *const scorecam_model_description,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Runs a batch of images and returns the `wanted` tensors. [any thread, several at once]
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
    /// The table of an additional ability of this model (`scorecam.masked/1`, ...), or NULL. The function itself may be
    /// NULL. The result must stay valid until `release`. The descriptor's `abilities` must include the ability. [any
    /// thread]
    pub get_interface: Option<unsafe extern "C" fn(model: *mut c_void, id: *const c_char) -> *const c_void>,
}
