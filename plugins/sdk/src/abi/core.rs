//! What every object of the ABI is made of: the entry table, statuses, strings, shapes, tensors, and what the host serves.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

/// The version of this ABI, first field of the entry table. A plugin of another version is refused.
pub const SCORECAM_ABI_VERSION: u32 = 2;
/// The most bytes that a string may have, its NUL included.
pub const SCORECAM_MAX_STRING: usize = 4096;
/// The most axes that a shape may have.
pub const SCORECAM_MAX_RANK: usize = 8;

/// How a call went: `SCORECAM_OK` or one of `SCORECAM_ERR_*`.
pub type scorecam_status = i32;

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
/// The caller's time limit has passed; a method may end with what it has, or with this status.
pub const SCORECAM_ERR_DEADLINE: i32 = 11;

/// `scorecam_descriptor.kind`: a runtime that loads models; interface `scorecam.backend/1`.
pub const SCORECAM_KIND_BACKEND: u32 = 1;
/// `scorecam_descriptor.kind`: an explanation algorithm; interface `scorecam.method/1`.
pub const SCORECAM_KIND_METHOD: u32 = 2;

/// What a backend offers or a method needs: outputs are differentiated, `scorecam.gradients/1`.
pub const SCORECAM_ABILITY_GRADIENTS: u32 = 1;
/// What a backend offers or a method needs: a model is run from an inner layer, `scorecam.run-from/1`.
pub const SCORECAM_ABILITY_RUN_FROM: u32 = 2;
/// What a backend offers: masked images are made by the backend itself, `scorecam.masked/1`.
pub const SCORECAM_ABILITY_MASKED: u32 = 4;
/// What a method needs: `SCORECAM_ABILITY_GRADIENTS` or `SCORECAM_ABILITY_RUN_FROM`, whichever a model has.
pub const SCORECAM_ABILITY_SLOPES: u32 = 8;

/// `scorecam_data_type.code`: signed whole numbers.
pub const SCORECAM_TYPE_INT: u8 = 0;
/// `scorecam_data_type.code`: unsigned whole numbers.
pub const SCORECAM_TYPE_UINT: u8 = 1;
/// `scorecam_data_type.code`: floating-point numbers.
pub const SCORECAM_TYPE_FLOAT: u8 = 2;
/// `scorecam_data_type.code`: bfloat numbers.
pub const SCORECAM_TYPE_BFLOAT: u8 = 4;
/// `scorecam_data_type.code`: truth values.
pub const SCORECAM_TYPE_BOOL: u8 = 6;

/// `scorecam_device.kind`: main memory.
pub const SCORECAM_DEVICE_CPU: i32 = 1;
/// `scorecam_device.kind`: a GPU of CUDA.
pub const SCORECAM_DEVICE_CUDA: i32 = 2;

/// Mask upsampling: bilinear, half-pixel centers.
pub const SCORECAM_UPSAMPLE_HALF_PIXEL: u32 = 0;
/// Mask upsampling: bilinear, corners on corners.
pub const SCORECAM_UPSAMPLE_ALIGN_CORNERS: u32 = 1;
/// Mask upsampling: bicubic, a = -0.75, half-pixel centers.
pub const SCORECAM_UPSAMPLE_BICUBIC: u32 = 2;
/// Mask upsampling: bilinear, half-pixel, positions mirrored at the edges.
pub const SCORECAM_UPSAMPLE_MIRROR: u32 = 3;
/// Mask upsampling: nearest cell.
pub const SCORECAM_UPSAMPLE_NEAREST: u32 = 4;

/// What is applied to values: not known.
pub const SCORECAM_OUTPUT_UNKNOWN: u32 = 0;
/// What is applied to values: nothing, they are logits.
pub const SCORECAM_OUTPUT_LOGITS: u32 = 1;
/// What is applied to values: softmax.
pub const SCORECAM_OUTPUT_SOFTMAX: u32 = 2;
/// What is applied to values: sigmoid.
pub const SCORECAM_OUTPUT_SIGMOID: u32 = 3;
/// What is applied to values: nothing, and they are a single logit in two columns, evidence against it (its negation) and
/// for it. The probability of either is its sigmoid. Only in a study.
pub const SCORECAM_OUTPUT_BINARY: u32 = 4;
/// What is applied to values: they are a single probability in two columns, 1 - p and p. Only in a study.
pub const SCORECAM_OUTPUT_PROBABILITY: u32 = 5;
/// What is applied to values: they are a single number in two columns, its negation and itself. Only in a study.
pub const SCORECAM_OUTPUT_VALUE: u32 = 6;
/// What is applied to values: they are scaled to length 1, an embedding that scores no class.
pub const SCORECAM_OUTPUT_UNIT_LENGTH: u32 = 7;

/// `scorecam_services.log`: something failed.
pub const SCORECAM_LOG_ERROR: u32 = 1;
/// `scorecam_services.log`: something that a user should know.
pub const SCORECAM_LOG_WARN: u32 = 2;
/// `scorecam_services.log`: something that happens once or now and then.
pub const SCORECAM_LOG_INFO: u32 = 3;
/// `scorecam_services.log`: what helps to find a fault.
pub const SCORECAM_LOG_DEBUG: u32 = 4;
/// `scorecam_services.log`: all there is.
pub const SCORECAM_LOG_TRACE: u32 = 5;

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
    pub sizes: [u64; 8],
}

/// An element type, by DLPack's numbers: f32 is {`SCORECAM_TYPE_FLOAT`, 32, 1}.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct scorecam_data_type {
    /// One of `SCORECAM_TYPE_*`, or another of DLPack's codes.
    pub code: u8,
    /// Bits of one number.
    pub bits: u8,
    /// Numbers of one element: 1 but for vectors.
    pub lanes: u16,
}

/// Where memory is, by DLPack's numbers: the CPU is {`SCORECAM_DEVICE_CPU`, 0}.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct scorecam_device {
    /// One of `SCORECAM_DEVICE_*`, or another of DLPack's types.
    pub kind: i32,
    /// Which of several.
    pub id: i32,
}

/// A dense tensor, row-major, that somebody else owns. Today every tensor is f32 on the CPU, and another one is refused.
/// `data` may be NULL only where that is said.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct scorecam_tensor {
    /// As many elements as the product of the shape's sizes, aligned as their type needs.
    pub data: *const c_void,
    /// The device that `data` is on.
    pub device: scorecam_device,
    /// The type of the elements.
    pub dtype: scorecam_data_type,
    /// Must be 0.
    pub reserved: u32,
    /// The shape. Only an axis of a result that the description leaves free may have the length 0.
    pub shape: scorecam_shape,
}

/// A tensor and the name of the input or output that it is for.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct scorecam_named_tensor {
    /// The name in the model.
    pub name: *const c_char,
    /// The tensor.
    pub tensor: scorecam_tensor,
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
    /// Frees `tensors` and all they point to; may be NULL. [any thread]
    pub release: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

/// What the host does for a plugin. Valid for the life of the process.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_services {
    /// `sizeof(scorecam_services)`.
    pub struct_size: u32,
    /// The most that anybody listens to, one of `SCORECAM_LOG_*`; 0 when nobody does. What is beyond need not be logged.
    pub log_level: u32,
    /// Passed to `log`.
    pub context: *mut c_void,
    /// Writes a line into the host's log, where users find it by SCORECAM_LOG. `level` is one of `SCORECAM_LOG_*`,
    /// `target` says which part of the plugin speaks, `text` is one line; both are copied. [any thread]
    pub log: Option<
        unsafe extern "C" fn(context: *mut c_void, level: u32, target: *const c_char, text: *const c_char),
    >,
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
    /// Hands over the host's services before any other function is called; may be NULL. Where several threads open the
    /// plugin at once it may be called more than once, with the same services. [any thread]
    pub open: Option<unsafe extern "C" fn(services: *const scorecam_services)>,
    /// Describes item `index` (0 to `count` - 1). The result stays valid for the life of the process. [any thread]
    pub descriptor: Option<unsafe extern "C" fn(index: u32) -> *const scorecam_descriptor>,
    /// The table of item `index` behind an interface id, or NULL. It stays valid for the life of the process.
    /// [any thread]
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
