//! `scorecam.method/1`: an explanation algorithm.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::core::*;

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

/// In `needs` of a method: it looks at no target layer. Then no layer is looked for in the model, and its studies have no
/// activations.
pub const SCORECAM_NEEDS_NO_LAYER: u32 = 65536;

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
    /// The abilities without which it cannot work, a sum of `SCORECAM_ABILITY_*`, and `SCORECAM_NEEDS_NO_LAYER`.
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

/// Small masks and how they cover the study's input. The image of pass m is `U(mask m) * input + (1 - U(mask m)) * fill`,
/// U being the upsampling to the input's size.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_masks {
    /// `sizeof(scorecam_masks)`.
    pub struct_size: u32,
    /// One of `SCORECAM_UPSAMPLE_*`.
    pub upsample: u32,
    /// The masks, [M, h, w].
    pub masks: scorecam_tensor,
    /// What shows where a mask is 0, [1, C, H, W]; `data` is NULL for zeros.
    pub fill: scorecam_tensor,
}

/// One image under explanation: all that a method is given, and its way to the model. Every pass is counted and
/// reported, cut into batches that the model takes, and may be cancelled: then a function returns
/// `SCORECAM_ERR_CANCELLED`, and the method should end with that. Each function puts its result into tensor 0 of `outputs`.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_study {
    /// `sizeof(scorecam_study)`.
    pub struct_size: u32,
    /// What the model applies to its scores: one of `SCORECAM_OUTPUT_*`, never unknown.
    pub output_activation: u32,
    /// The preprocessed input, [1, C, H, W].
    pub input: scorecam_tensor,
    /// An image to compare with, of the input's shape; `data` is NULL when there is none.
    pub reference: scorecam_tensor,
    /// Activations of the target layer, [1, K, h, w]; `data` is NULL where the method needs no layer.
    pub activations: scorecam_tensor,
    /// The target layer's name; empty where the method needs none.
    pub layer: *const c_char,
    /// The class scores of the input, one number a class.
    pub scores: *const f32,
    /// How many classes there are.
    pub class_count: u64,
    /// The classes to explain, each below `class_count`.
    pub targets: *const u64,
    /// How many there are, at least 1.
    pub target_count: u64,
    /// Images in a pass of a batch, 1 to 4096.
    pub batch_size: u64,
    /// Passed to every function below.
    pub context: *mut c_void,
    /// Says how many passes will be made, for progress reports. [any thread of the method]
    pub expect_passes: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            passes: u64,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// The class scores [M, classes] of the input under each of M masks. [any thread of the method]
    pub masked_scores: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            masks: *const scorecam_masks,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// The class scores [N, classes] of images [N, C, H, W]. [any thread of the method]
    pub image_scores: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            images: *const scorecam_tensor,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// The class scores [N, classes] with `activations` [N, K, h, w] in place of the target layer's.
    /// [any thread of the method]
    pub scores_from_layer: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            activations: *const scorecam_tensor,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// The derivatives [1, K, h, w] of a class's score with respect to the target layer's activations on the input.
    /// [any thread of the method]
    pub gradients: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            class_index: u64,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
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
    /// The standard error of each value of the maps, of their shape, finite and at least 0; `data` is NULL where the method
    /// estimates none.
    pub errors: scorecam_tensor,
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
    /// Frees everything above; may be NULL. [any thread]
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
    /// Describes the method; the result stays valid for the life of the process. [any thread]
    pub describe: Option<
        unsafe extern "C" fn(
            description: *mut *const scorecam_method_description,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Explains the study's targets. `options` holds a checked value for every option of the
    /// method. [any thread, several at once]
    pub explain: Option<
        unsafe extern "C" fn(
            study: *const scorecam_study,
            options: *const scorecam_option,
            option_count: u64,
            result: *mut scorecam_method_result,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
}
