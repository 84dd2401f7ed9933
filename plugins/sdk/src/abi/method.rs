//! `scorecam.method/1`: an explanation algorithm.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

use super::core::*;

/// Option kinds: `true` or `false`.
pub const SCORECAM_OPTION_FLAG: u32 = 1;
/// Option kinds: an integer from `min` to `max`.
pub const SCORECAM_OPTION_INTEGER: u32 = 2;
/// Option kinds: a finite number from `min` to `max`.
pub const SCORECAM_OPTION_NUMBER: u32 = 3;
/// Option kinds: one of `choices`.
pub const SCORECAM_OPTION_CHOICE: u32 = 4;
/// Option kinds: text that the method parses.
pub const SCORECAM_OPTION_TEXT: u32 = 5;

/// In `needs` of a method: it needs no target layer. The host then does not look for a layer, and its studies have no
/// activations.
pub const SCORECAM_NEEDS_NO_LAYER: u32 = 65536;

/// One option of a method.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_option_spec {
    /// The name.
    pub name: *const c_char,
    /// A description in one line.
    pub help: *const c_char,
    /// The default value.
    pub default_value: *const c_char,
    /// One of `SCORECAM_OPTION_*`.
    pub kind: u32,
    /// The number of choices, for `SCORECAM_OPTION_CHOICE`.
    pub choice_count: u32,
    /// The choices.
    pub choices: *const *const c_char,
    /// The minimum of a number.
    pub min: f64,
    /// The maximum of a number.
    pub max: f64,
}

/// A named set of option values.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_preset {
    /// The name.
    pub name: *const c_char,
    /// A description in one line.
    pub summary: *const c_char,
    /// Values that differ from the defaults.
    pub values: *const scorecam_option,
    /// The number of values.
    pub value_count: u64,
}

/// The options, presets and needs of a method.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_method_description {
    /// `sizeof(scorecam_method_description)`.
    pub struct_size: u32,
    /// The abilities that the method requires, a sum of `SCORECAM_ABILITY_*`, plus `SCORECAM_NEEDS_NO_LAYER`.
    pub needs: u32,
    /// The options.
    pub options: *const scorecam_option_spec,
    /// The number of options.
    pub option_count: u64,
    /// The presets.
    pub presets: *const scorecam_preset,
    /// The number of presets.
    pub preset_count: u64,
}

/// Small masks for the study's input. Image m is `U(mask m) * input + (1 - U(mask m)) * fill`, where U upsamples to the
/// input's size.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_masks {
    /// `sizeof(scorecam_masks)`.
    pub struct_size: u32,
    /// One of `SCORECAM_UPSAMPLE_*`.
    pub upsample: u32,
    /// The masks, [M, h, w].
    pub masks: scorecam_tensor,
    /// The fill where a mask is 0, [1, C, H, W]; `data` is NULL for zeros.
    pub fill: scorecam_tensor,
}

/// One image to explain: the inputs of a method, and its access to the model. The host counts and reports every pass,
/// cuts passes into batches that the model accepts, and may cancel them: a function then returns
/// `SCORECAM_ERR_CANCELLED`, which the method should return. Each function puts its result into tensor 0 of `outputs`.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_study {
    /// `sizeof(scorecam_study)`.
    pub struct_size: u32,
    /// The activation that the model applies to its scores: one of `SCORECAM_OUTPUT_*`, never unknown.
    pub output_activation: u32,
    /// The preprocessed input, [1, C, H, W].
    pub input: scorecam_tensor,
    /// The reference image, of the input's shape; `data` is NULL if there is none.
    pub reference: scorecam_tensor,
    /// Activations of the target layer, [1, K, h, w]; `data` is NULL if the method needs no layer.
    pub activations: scorecam_tensor,
    /// The target layer's name; empty if the method needs none.
    pub layer: *const c_char,
    /// The class scores of the input, one number per class.
    pub scores: *const f32,
    /// The number of classes.
    pub class_count: u64,
    /// The classes to explain, each below `class_count`.
    pub targets: *const u64,
    /// The number of targets, at least 1.
    pub target_count: u64,
    /// Images per batch, 1 to 4096.
    pub batch_size: u64,
    /// Passed to every function below.
    pub context: *mut c_void,
    /// Announces the number of passes, for progress reports. [any thread of the method]
    pub expect_passes: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            passes: u64,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Computes the class scores [M, classes] of the input under each of M masks. [any thread of the method]
    pub masked_scores: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            masks: *const scorecam_masks,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Computes the class scores [N, classes] of images [N, C, H, W]. [any thread of the method]
    pub image_scores: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            images: *const scorecam_tensor,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Computes the class scores [N, classes] with `activations` [N, K, h, w] in place of the target layer's. [any
    /// thread of the method]
    pub scores_from_layer: Option<
        unsafe extern "C" fn(
            context: *mut c_void,
            activations: *const scorecam_tensor,
            outputs: *mut scorecam_outputs,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Computes the derivatives [1, K, h, w] of a class score with respect to the target layer's activations on the
    /// input. [any thread of the method]
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

/// The result of a method. After reading it, the caller calls `release(owner)` once if the call succeeded and `release`
/// is not NULL.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_method_result {
    /// Saliency maps, [targets, H, W], all values finite.
    pub maps: scorecam_tensor,
    /// The standard error of each value in the maps, in their shape, finite and at least 0; `data` is NULL if the
    /// method estimates none.
    pub errors: scorecam_tensor,
    /// Numbers to report; may be NULL if there are none.
    pub measures: *const scorecam_measure,
    /// The number of measures.
    pub measure_count: u64,
    /// Warnings for the user, one line each; may be NULL if there are none.
    pub warnings: *const *const c_char,
    /// The number of warnings.
    pub warning_count: u64,
    /// Passed to `release`.
    pub owner: *mut c_void,
    /// Frees everything above; may be NULL. [any thread]
    pub release: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

/// `scorecam.method/1`: an explanation algorithm. Several threads may call it concurrently, and each call usually has
/// its own thread.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_method {
    /// `sizeof(scorecam_method)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Describes the method; the result must stay valid for the life of the process. [any thread]
    pub describe: Option<
        unsafe extern "C" fn(
            description: *mut *const scorecam_method_description,
            why: *mut scorecam_message,
        ) -> scorecam_status,
    >,
    /// Explains the study's targets. `options` holds a validated value for every option of the method. [any thread,
    /// several at once]
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
