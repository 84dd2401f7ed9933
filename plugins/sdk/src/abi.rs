//! The plugin ABI: C-layout tables and the numbers in them, and nothing else.
//!
//! `include/scorecam_plugin.h` is generated from this file, so its comments are the header's documentation.
//! A struct behind an interface id never changes; a new ability is a new id. Every struct that a caller
//! fills begins with `struct_size`. Strings are UTF-8, end with NUL, and are at most
//! `SCORECAM_MAX_STRING` bytes. Whoever made memory frees it: `release` stands next to what it frees.
//! No panic and no exception may leave a function; it becomes a status and a message.
//!
//! Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

/// The version of this ABI, first field of the entry table.
pub const SCORECAM_ABI_VERSION: u32 = 1;
/// The most bytes that a string may have, its NUL included.
pub const SCORECAM_MAX_STRING: usize = 4096;
/// The most axes that a shape may have.
pub const SCORECAM_MAX_RANK: usize = 4;

/// Success.
pub const SCORECAM_OK: i32 = 0;
/// An argument is out of range, NULL where it must not be, or contradicts another.
pub const SCORECAM_ERR_INVALID_ARGUMENT: i32 = 1;
/// A layer, class, preset, option, backend or method of that name does not exist.
pub const SCORECAM_ERR_NOT_FOUND: i32 = 2;
/// The backend or method lacks the ability, or the model has a form that is not handled.
pub const SCORECAM_ERR_UNSUPPORTED: i32 = 3;
/// The model's file is wrong, or the runtime failed while it ran the model.
pub const SCORECAM_ERR_MODEL: i32 = 4;
/// A library is no plugin, is of another version, or broke its contract.
pub const SCORECAM_ERR_PLUGIN: i32 = 5;
/// A file could not be read or written.
pub const SCORECAM_ERR_IO: i32 = 6;
/// A callback asked to stop.
pub const SCORECAM_ERR_CANCELLED: i32 = 7;
/// A fault of the library itself: a panic that was caught.
pub const SCORECAM_ERR_INTERNAL: i32 = 8;
/// A handle was freed, is of another type, or never was one.
pub const SCORECAM_ERR_INVALID_HANDLE: i32 = 9;
/// A buffer is too small; the message says what it must hold.
pub const SCORECAM_ERR_BUFFER_TOO_SMALL: i32 = 10;

/// `scorecam_descriptor.kind`: a runtime that loads models; interface `scorecam.backend/1`.
pub const SCORECAM_KIND_BACKEND: u32 = 1;
/// `scorecam_descriptor.kind`: an explanation algorithm; interface `scorecam.method/1`.
pub const SCORECAM_KIND_METHOD: u32 = 2;

/// What a model applies to its scores: not known.
pub const SCORECAM_OUTPUT_UNKNOWN: u32 = 0;
/// What a model applies to its scores: nothing, they are logits.
pub const SCORECAM_OUTPUT_LOGITS: u32 = 1;
/// What a model applies to its scores: softmax.
pub const SCORECAM_OUTPUT_SOFTMAX: u32 = 2;
/// What a model applies to its scores: sigmoid.
pub const SCORECAM_OUTPUT_SIGMOID: u32 = 3;

/// What a model applies to its scores: nothing, and they are a single logit in two columns, evidence against it (its
/// negation) and for it. The probability of either is its sigmoid. Only in a study.
pub const SCORECAM_OUTPUT_BINARY: u32 = 4;
/// What a model applies to its scores: they are a single probability in two columns, 1 - p and p. Only in a study.
pub const SCORECAM_OUTPUT_PROBABILITY: u32 = 5;
/// What a model applies to its scores: they are a single number in two columns, its negation and itself. Only in a
/// study.
pub const SCORECAM_OUTPUT_VALUE: u32 = 6;
/// What a model applies to its output: it is scaled to length 1, an embedding that scores no class.
pub const SCORECAM_OUTPUT_UNIT_LENGTH: u32 = 7;

/// The axes of a layer behind the batch: not known; trial passes find out when the model is loaded.
pub const SCORECAM_LAYER_UNKNOWN: u32 = 0;
/// The axes of a layer behind the batch: maps [K, h, w].
pub const SCORECAM_LAYER_MAPS: u32 = 1;
/// The axes of a layer behind the batch: maps [h, w, K].
pub const SCORECAM_LAYER_CHANNELS_LAST: u32 = 2;
/// The axes of a layer behind the batch: no map of the image, such as attention scores.
pub const SCORECAM_LAYER_NO_MAP: u32 = 3;

/// Mask upsampling: bilinear, half-pixel centres.
pub const SCORECAM_UPSAMPLE_HALF_PIXEL: u32 = 0;
/// Mask upsampling: bilinear, corners on corners.
pub const SCORECAM_UPSAMPLE_ALIGN_CORNERS: u32 = 1;
/// Mask upsampling: bicubic, a = -0.75, half-pixel centres.
pub const SCORECAM_UPSAMPLE_BICUBIC: u32 = 2;
/// Mask upsampling: bilinear, half-pixel, positions mirrored at the edges.
pub const SCORECAM_UPSAMPLE_MIRROR: u32 = 3;
/// Mask upsampling: nearest cell.
pub const SCORECAM_UPSAMPLE_NEAREST: u32 = 4;

/// Option kinds: `true` or `false`.
pub const SCORECAM_OPTION_FLAG: u32 = 1;
/// Option kinds: a whole number from `min` to `max`.
pub const SCORECAM_OPTION_INTEGER: u32 = 2;
/// Option kinds: a finite number from `min` to `max`.
pub const SCORECAM_OPTION_NUMBER: u32 = 3;
/// Option kinds: one of `choices`.
pub const SCORECAM_OPTION_CHOICE: u32 = 4;
/// Option kinds: text, read by the method.
pub const SCORECAM_OPTION_TEXT: u32 = 5;

/// What a backend offers or a method needs: class scores are differentiated, `scorecam.gradients/1`.
pub const SCORECAM_ABILITY_GRADIENTS: u32 = 1;
/// What a backend offers or a method needs: a model is run from an inner layer, `scorecam.run-from/1`.
pub const SCORECAM_ABILITY_RUN_FROM: u32 = 2;
/// What a backend offers: masked images are made by the backend itself, `scorecam.masked-scores/1`.
pub const SCORECAM_ABILITY_MASKED_SCORES: u32 = 4;

/// `scorecam_readiness`, the rank: a backend that runs models on the processor.
pub const SCORECAM_READY_CPU: u32 = 100;
/// `scorecam_readiness`, the rank: a backend that runs models on a graphics card or its like.
pub const SCORECAM_READY_ACCELERATOR: u32 = 200;
/// `scorecam_readiness`, the rank: the most that it may be.
pub const SCORECAM_READY_HIGHEST: u32 = 1000;

/// Where a function writes, in one line ending with NUL, why it failed. The caller owns it.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_message {
    /// The text; empty when nothing was written.
    pub text: [c_char; 1024],
}

/// A shape: `rank` sizes, the outermost axis first. A size of 0 in a description means that it is free.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Default)]
pub struct scorecam_shape {
    /// The number of axes, at most `SCORECAM_MAX_RANK`.
    pub rank: u32,
    /// Must be 0.
    pub reserved: u32,
    /// The length of each axis; unused ones are 0.
    pub sizes: [u64; 4],
}

/// A dense f32 tensor, row-major, that somebody else owns. `data` may be NULL only where that is said.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct scorecam_tensor {
    /// As many values as the product of the shape's sizes.
    pub data: *const f32,
    /// The shape; no size is 0 or free.
    pub shape: scorecam_shape,
}

/// Tensors that a callee made. The caller calls `release(owner)` once when it has read them, if the call
/// succeeded and `release` is not NULL.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_outputs {
    /// The tensors, valid until released.
    pub tensors: *const scorecam_tensor,
    /// How many there are.
    pub count: u64,
    /// Passed to `release`.
    pub owner: *mut c_void,
    /// Frees `tensors` and all they point to; may be NULL. Called from any thread.
    pub release: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

/// The one data symbol of a plugin: a variable of this type called `scorecam_plugin_entry`.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_plugin_table {
    /// `SCORECAM_ABI_VERSION`; read before anything else.
    pub abi_version: u32,
    /// `sizeof(scorecam_plugin_table)`.
    pub struct_size: u32,
    /// How many backends and methods the plugin holds.
    pub count: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Describes item `index` (0 to `count` - 1). The result stays valid for the life of the process.
    pub descriptor: Option<unsafe extern "C" fn(index: u32) -> *const scorecam_descriptor>,
    /// The table of item `index` behind an interface id, or NULL. It stays valid for the life of the process.
    pub get_interface: Option<unsafe extern "C" fn(index: u32, id: *const c_char) -> *const c_void>,
}

/// What one item of a plugin is.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_descriptor {
    /// `sizeof(scorecam_descriptor)`.
    pub struct_size: u32,
    /// `SCORECAM_KIND_BACKEND` or `SCORECAM_KIND_METHOD`; hosts pass over kinds that they do not know.
    pub kind: u32,
    /// The id by which users choose it: a-z, 0-9 and hyphens.
    pub id: *const c_char,
    /// The plugin's own version.
    pub version: *const c_char,
    /// One line on what it is.
    pub summary: *const c_char,
    /// For a backend: file extensions of its models, without dots, separated by spaces. Else NULL.
    pub extensions: *const c_char,
    /// For a backend: what can be done with its models, a sum of `SCORECAM_ABILITY_*`. A model may lack some of
    /// these; one that offers another is refused. Else 0.
    pub abilities: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// A name and a value, both text.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_option {
    /// The option's name.
    pub name: *const c_char,
    /// Its value, as a user writes it.
    pub value: *const c_char,
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
    /// Name of the output that holds class scores; NULL for the first.
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
}

/// A layer that can be tapped.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_layer {
    /// The name to give as target layer.
    pub name: *const c_char,
    /// What it does, in the model's own words.
    pub operation: *const c_char,
    /// Shape of its raw tensor without the batch axis: [K, h, w] for a layer of maps, unless `scorecam.details/1` or trial
    /// passes say otherwise.
    pub shape: scorecam_shape,
}

/// What a model takes and gives.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_model_description {
    /// `sizeof(scorecam_model_description)`.
    pub struct_size: u32,
    /// One of `SCORECAM_OUTPUT_*`.
    pub output_activation: u32,
    /// Name of the image input.
    pub input_name: *const c_char,
    /// Its shape, [N, C, H, W].
    pub input_shape: scorecam_shape,
    /// Name of the output that holds class scores.
    pub output_name: *const c_char,
    /// Its shape, the batch first: [N, classes], with axes of length 1 anywhere, or `[N]` for one value an image.
    pub output_shape: scorecam_shape,
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

/// `scorecam.backend/1`: a runtime that loads models and runs them forward.
///
/// A model is called from several threads at once. `load` may be NULL in a table that an application hands
/// over together with a model of its own.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct scorecam_backend {
    /// `sizeof(scorecam_backend)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Loads a model; on success `*model` is what the other functions take.
    pub load: Option<
        unsafe extern "C" fn(
            config: *const scorecam_model_config,
            model: *mut *mut c_void,
            why: *mut scorecam_message,
        ) -> i32,
    >,
    /// Frees a model; nobody else uses it any more. May be NULL when there is nothing to free.
    pub release: Option<unsafe extern "C" fn(model: *mut c_void)>,
    /// Describes a model; the result stays valid and unchanged until `release`.
    pub describe: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            description: *mut *const scorecam_model_description,
            why: *mut scorecam_message,
        ) -> i32,
    >,
    /// Runs `batch` [N, C, H, W]. Tensor 0 of `outputs` is the model's output, of the described shape, tensor 1 + i the
    /// activations of layer `taps[i]`, of the layer's shape behind N. A tap may be a name that the description does not list, since
    /// users and methods choose it: to be refused by `SCORECAM_ERR_NOT_FOUND`, with a text that is shown to them.
    pub forward: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            batch: *const scorecam_tensor,
            taps: *const *const c_char,
            tap_count: u64,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> i32,
    >,
    /// The table of a further ability of this model (`scorecam.masked-scores/1`, ...), or NULL. May itself be
    /// NULL. The result stays valid until `release`. The descriptor's `abilities` must name it, too.
    pub get_interface: Option<unsafe extern "C" fn(model: *mut c_void, id: *const c_char) -> *const c_void>,
}

/// A request for the scores of masked images. Image of pass m:
/// `U(mask m) * image + (1 - U(mask m)) * fill`, U being the upsampling to the image's size.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_masked_request {
    /// `sizeof(scorecam_masked_request)`.
    pub struct_size: u32,
    /// One of `SCORECAM_UPSAMPLE_*`.
    pub upsample: u32,
    /// Preprocessed images, [I, C, H, W].
    pub images: scorecam_tensor,
    /// What shows where a mask is 0, [I, C, H, W]; `data` is NULL for zeros.
    pub fill: scorecam_tensor,
    /// Small masks, [M, h, w].
    pub masks: scorecam_tensor,
    /// For each mask the index of its image; NULL when there is one image.
    pub image_of_mask: *const u32,
    /// Images in a pass: 1 to 4096, and as many as the model fixes where it does. A backend is never asked for more
    /// than there are masks, except where the model fixes them.
    pub batch_size: u64,
    /// Passed to `on_batch`.
    pub context: *mut c_void,
    /// To be called after each batch, on the thread of the call, with the masks scored in it: all masks in the end, or
    /// the run is refused. Any status but `SCORECAM_OK` must end the run and be returned.
    pub on_batch: Option<unsafe extern "C" fn(context: *mut c_void, masks: u64) -> i32>,
}

/// `scorecam.masked-scores/1`: the backend makes masked images itself.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_masked_scores {
    /// `sizeof(scorecam_masked_scores)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Tensor 0 of `outputs` is the model's output for the M masks, as of `forward`.
    pub run: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            request: *const scorecam_masked_request,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> i32,
    >,
}

/// `scorecam.run-from/1`: the backend runs a model from an inner layer.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_run_from {
    /// `sizeof(scorecam_run_from)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Puts `activations`, of the layer's shape behind N, in place of the layer's own. Tensor 0 of `outputs` is the
    /// model's output, as of `forward`.
    pub run: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            layer: *const c_char,
            activations: *const scorecam_tensor,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> i32,
    >,
}

/// `scorecam.gradients/1`: the backend differentiates class scores.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_gradients {
    /// `sizeof(scorecam_gradients)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Tensor 0 of `outputs` is the derivative of the model's own output for a class, as `forward` gives it, with respect
    /// to the layer's activations on `batch` [N, C, H, W], and of their shape. Of one value an image the class is 0.
    pub run: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            batch: *const scorecam_tensor,
            layer: *const c_char,
            class_index: u64,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> i32,
    >,
}

/// `scorecam.readiness/1`: whether a backend can work on this machine. The plugin's own `get_interface` answers to
/// this id, for the backend's index; where it answers NULL, the backend is taken to be ready, by a processor's rank.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_readiness {
    /// `sizeof(scorecam_readiness)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Called before any model is loaded, to choose among the backends that load such files; from any thread. Takes
    /// milliseconds and starts no engine. `device` is what was asked for, as in "cpu" or "cuda:0", or NULL. When the
    /// backend can work, sets `*rank`, which is `SCORECAM_READY_CPU` before (the highest is preferred), writes
    /// into `text`, in one line, what it would run on ("the CPU"), and returns `SCORECAM_OK`. When it cannot,
    /// returns another status and writes why not, and which command gets what is missing.
    pub assess: Option<
        unsafe extern "C" fn(device: *const c_char, rank: *mut u32, text: *mut scorecam_message) -> i32,
    >,
}

/// `scorecam.remarks/1`: a model has something to say of how it runs, for every explanation's warnings.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_remarks {
    /// `sizeof(scorecam_remarks)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Writes remark `index`, in one line, into `text` and returns `SCORECAM_OK`; `SCORECAM_ERR_NOT_FOUND` behind the
    /// last one. Asked once, when a model has been loaded, for at most 16.
    pub remark:
        Option<unsafe extern "C" fn(model: *mut c_void, index: u64, text: *mut scorecam_message) -> i32>,
}

/// What is known of a layer beyond its shape.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Default)]
pub struct scorecam_layer_hint {
    /// One of `SCORECAM_LAYER_*`.
    pub meaning: u32,
    /// When no layer is named, the one of the highest preference that is known to hold maps is explained. 0 for one that
    /// is never taken unasked.
    pub preference: u32,
    /// 1 + the index of an earlier layer whose axes behind the batch mean the same, though the last may have another
    /// length; 0 when there is none. Trial passes look at one of such a family.
    pub like: u64,
}

/// `scorecam.details/1`: what a model knows of its layers and its input. Without it, layers of three axes are taken for [K, h, w] unless
/// trial passes show another form, and only the description's default layer is taken unasked.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_details {
    /// `sizeof(scorecam_details)`.
    pub struct_size: u32,
    /// 1 when the model takes pixels as they are, 0 to 255 in 8 bits. Else 0.
    pub takes_bytes: u32,
    /// Writes what is known of layer `index` of the description. Asked once for each layer, when a model has been loaded.
    pub hint: Option<
        unsafe extern "C" fn(
            model: *mut c_void,
            index: u64,
            hint: *mut scorecam_layer_hint,
            why: *mut scorecam_message,
        ) -> i32,
    >,
}

/// One option of a method.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_option_spec {
    /// The name.
    pub name: *const c_char,
    /// One line on what it decides.
    pub help: *const c_char,
    /// The value when none is given.
    pub default_value: *const c_char,
    /// One of `SCORECAM_OPTION_*`.
    pub kind: u32,
    /// How many choices there are, for `SCORECAM_OPTION_CHOICE`.
    pub choice_count: u32,
    /// The choices.
    pub choices: *const *const c_char,
    /// The least value of a number.
    pub min: f64,
    /// The greatest value of a number.
    pub max: f64,
}

/// A named set of option values.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_preset {
    /// The name.
    pub name: *const c_char,
    /// One line on what it reproduces.
    pub summary: *const c_char,
    /// Values that differ from the defaults.
    pub values: *const scorecam_option,
    /// How many there are.
    pub value_count: u64,
}

/// How a method can be set, and what it needs.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_method_description {
    /// `sizeof(scorecam_method_description)`.
    pub struct_size: u32,
    /// The abilities without which it cannot work, a sum of `SCORECAM_ABILITY_*`.
    pub needs: u32,
    /// The options.
    pub options: *const scorecam_option_spec,
    /// How many there are.
    pub option_count: u64,
    /// The presets.
    pub presets: *const scorecam_preset,
    /// How many there are.
    pub preset_count: u64,
}

/// One image under explanation: what a method is given.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_study {
    /// `sizeof(scorecam_study)`.
    pub struct_size: u32,
    /// What the model applies to its scores: one of `SCORECAM_OUTPUT_*`, never unknown.
    pub output_activation: u32,
    /// The way to the model: every pass through this table is counted and reported, and may be cancelled. It
    /// offers `scorecam.masked-scores/1` whatever the backend does.
    pub backend: *const scorecam_backend,
    /// The model, for the functions of `backend`.
    pub model: *mut c_void,
    /// The preprocessed input, [1, C, H, W].
    pub input: scorecam_tensor,
    /// An image to compare with, of the input's shape; `data` is NULL when there is none.
    pub reference: scorecam_tensor,
    /// Activations of the target layer, [1, K, h, w].
    pub activations: scorecam_tensor,
    /// The target layer's name.
    pub layer: *const c_char,
    /// The model's raw output on the input, one number a class.
    pub scores: *const f32,
    /// How many classes there are.
    pub class_count: u64,
    /// The classes to explain, each below `class_count`.
    pub targets: *const u64,
    /// How many there are, at least 1.
    pub target_count: u64,
    /// Images in a pass, 1 to 4096.
    pub batch_size: u64,
    /// Passed to `expect_passes`.
    pub context: *mut c_void,
    /// Tells how many passes will be made, for progress reports.
    pub expect_passes: Option<unsafe extern "C" fn(context: *mut c_void, passes: u64)>,
}

/// A number that a method reports.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_measure {
    /// Its name.
    pub name: *const c_char,
    /// Its value.
    pub value: f64,
}

/// What a method returns. The caller calls `release(owner)` once when it has read it, if the call succeeded
/// and `release` is not NULL.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_method_result {
    /// Saliency maps, [targets, H, W], all values finite.
    pub maps: scorecam_tensor,
    /// Numbers worth reporting; may be NULL when there are none.
    pub measures: *const scorecam_measure,
    /// How many there are.
    pub measure_count: u64,
    /// What the user should know, a line each; may be NULL when there are none.
    pub warnings: *const *const c_char,
    /// How many there are.
    pub warning_count: u64,
    /// Passed to `release`.
    pub owner: *mut c_void,
    /// Frees everything above; may be NULL.
    pub release: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

/// `scorecam.method/1`: an explanation algorithm. Called from several threads at once, as a rule on a thread of its own.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_method {
    /// `sizeof(scorecam_method)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Describes the method; the result stays valid for the life of the process.
    pub describe: Option<
        unsafe extern "C" fn(
            description: *mut *const scorecam_method_description,
            why: *mut scorecam_message,
        ) -> i32,
    >,
    /// Explains the study's targets. `options` holds a checked value for every option of the method.
    pub explain: Option<
        unsafe extern "C" fn(
            study: *const scorecam_study,
            options: *const scorecam_option,
            option_count: u64,
            result: *mut scorecam_method_result,
            why: *mut scorecam_message,
        ) -> i32,
    >,
}
