//! The parts that all objects of the ABI share: the entry table, statuses, strings, shapes, tensors and the host's
//! services.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::{c_char, c_void};

use abi_stable::StableAbi;

/// The version of this ABI, the first field of the entry table. The host rejects plugins of another version.
pub const SCORECAM_ABI_VERSION: u32 = 2;
/// The maximum length of a string in bytes, including its NUL.
pub const SCORECAM_MAX_STRING: usize = 4096;
/// The maximum number of axes of a shape.
pub const SCORECAM_MAX_RANK: usize = 8;

/// The result of a call: `SCORECAM_OK` or one of `SCORECAM_ERR_*`.
pub type scorecam_status = i32;

/// Success.
pub const SCORECAM_OK: i32 = 0;
/// An argument is out of range, NULL but required, or contradicts another.
pub const SCORECAM_ERR_INVALID_ARGUMENT: i32 = 1;
/// A layer, class, preset, option, backend or method of that name does not exist.
pub const SCORECAM_ERR_NOT_FOUND: i32 = 2;
/// The backend or method lacks the ability, or the model's form is not supported.
pub const SCORECAM_ERR_UNSUPPORTED: i32 = 3;
/// The model's file is invalid, or the runtime failed to run the model.
pub const SCORECAM_ERR_MODEL: i32 = 4;
/// A library is not a plugin, has another version, or violated its contract.
pub const SCORECAM_ERR_PLUGIN: i32 = 5;
/// A file could not be read or written.
pub const SCORECAM_ERR_IO: i32 = 6;
/// A callback cancelled the call.
pub const SCORECAM_ERR_CANCELLED: i32 = 7;
/// A bug in the library: a caught panic.
pub const SCORECAM_ERR_INTERNAL: i32 = 8;
/// A handle was freed, has another type, or was never created.
pub const SCORECAM_ERR_INVALID_HANDLE: i32 = 9;
/// A buffer is too small; the message gives the required size.
pub const SCORECAM_ERR_BUFFER_TOO_SMALL: i32 = 10;
/// The caller's time limit expired; a method may return what it has, or this status.
pub const SCORECAM_ERR_DEADLINE: i32 = 11;

/// `scorecam_descriptor.kind`: a runtime that loads models; interface `scorecam.backend/1`.
pub const SCORECAM_KIND_BACKEND: u32 = 1;
/// `scorecam_descriptor.kind`: an explanation algorithm; interface `scorecam.method/1`.
pub const SCORECAM_KIND_METHOD: u32 = 2;

/// Ability of a backend, or need of a method: differentiation of outputs, `scorecam.gradients/1`.
pub const SCORECAM_ABILITY_GRADIENTS: u32 = 1;
/// Ability of a backend, or need of a method: running a model from an inner layer, `scorecam.run-from/1`.
pub const SCORECAM_ABILITY_RUN_FROM: u32 = 2;
/// Ability of a backend: making masked images itself, `scorecam.masked/1`.
pub const SCORECAM_ABILITY_MASKED: u32 = 4;
/// Need of a method: `SCORECAM_ABILITY_GRADIENTS` or `SCORECAM_ABILITY_RUN_FROM`, whichever the model has.
pub const SCORECAM_ABILITY_SLOPES: u32 = 8;

/// `scorecam_data_type.code`: signed integers.
pub const SCORECAM_TYPE_INT: u8 = 0;
/// `scorecam_data_type.code`: unsigned integers.
pub const SCORECAM_TYPE_UINT: u8 = 1;
/// `scorecam_data_type.code`: floating-point numbers.
pub const SCORECAM_TYPE_FLOAT: u8 = 2;
/// `scorecam_data_type.code`: bfloat numbers.
pub const SCORECAM_TYPE_BFLOAT: u8 = 4;
/// `scorecam_data_type.code`: booleans.
pub const SCORECAM_TYPE_BOOL: u8 = 6;

/// `scorecam_device.kind`: main memory.
pub const SCORECAM_DEVICE_CPU: i32 = 1;
/// `scorecam_device.kind`: a CUDA GPU.
pub const SCORECAM_DEVICE_CUDA: i32 = 2;

/// Mask upsampling: bilinear, half-pixel centers.
pub const SCORECAM_UPSAMPLE_HALF_PIXEL: u32 = 0;
/// Mask upsampling: bilinear, aligned corners.
pub const SCORECAM_UPSAMPLE_ALIGN_CORNERS: u32 = 1;
/// Mask upsampling: bicubic, a = -0.75, half-pixel centers.
pub const SCORECAM_UPSAMPLE_BICUBIC: u32 = 2;
/// Mask upsampling: bilinear, half-pixel centers, mirrored at the edges.
pub const SCORECAM_UPSAMPLE_MIRROR: u32 = 3;
/// Mask upsampling: nearest cell.
pub const SCORECAM_UPSAMPLE_NEAREST: u32 = 4;

/// Activation of an output: unknown.
pub const SCORECAM_OUTPUT_UNKNOWN: u32 = 0;
/// Activation of an output: none, the values are logits.
pub const SCORECAM_OUTPUT_LOGITS: u32 = 1;
/// Activation of an output: softmax.
pub const SCORECAM_OUTPUT_SOFTMAX: u32 = 2;
/// Activation of an output: sigmoid.
pub const SCORECAM_OUTPUT_SIGMOID: u32 = 3;
/// Activation of an output: none; a single logit in two columns, its negation (evidence against) and itself (evidence
/// for). The probability of each column is its sigmoid. Only in a study.
pub const SCORECAM_OUTPUT_BINARY: u32 = 4;
/// Activation of an output: a single probability in two columns, 1 - p and p. Only in a study.
pub const SCORECAM_OUTPUT_PROBABILITY: u32 = 5;
/// Activation of an output: none; a single number in two columns, its negation and itself. Only in a study.
pub const SCORECAM_OUTPUT_VALUE: u32 = 6;
/// Activation of an output: scaling to length 1, for an embedding without class scores.
pub const SCORECAM_OUTPUT_UNIT_LENGTH: u32 = 7;

/// `scorecam_services.log`: a failure.
pub const SCORECAM_LOG_ERROR: u32 = 1;
/// `scorecam_services.log`: a warning for users.
pub const SCORECAM_LOG_WARN: u32 = 2;
/// `scorecam_services.log`: a rare event.
pub const SCORECAM_LOG_INFO: u32 = 3;
/// `scorecam_services.log`: information for debugging.
pub const SCORECAM_LOG_DEBUG: u32 = 4;
/// `scorecam_services.log`: everything.
pub const SCORECAM_LOG_TRACE: u32 = 5;

/// The buffer for the error message of a function: one line that ends with NUL. The caller owns it.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_message {
    /// The text; empty if nothing was written.
    pub text: [c_char; 1024],
}

/// A shape: `rank` sizes, the outermost axis first. A size of 0 in a description is variable.
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

/// An element type, with DLPack's numbers: f32 is {`SCORECAM_TYPE_FLOAT`, 32, 1}.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct scorecam_data_type {
    /// One of `SCORECAM_TYPE_*`, or another of DLPack's codes.
    pub code: u8,
    /// Bits per number.
    pub bits: u8,
    /// Numbers per element: 1 except for vectors.
    pub lanes: u16,
}

/// The location of memory, with DLPack's numbers: the CPU is {`SCORECAM_DEVICE_CPU`, 0}.
#[repr(C)]
#[derive(StableAbi, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct scorecam_device {
    /// One of `SCORECAM_DEVICE_*`, or another of DLPack's types.
    pub kind: i32,
    /// The index of the device.
    pub id: i32,
}

/// A dense, row-major tensor that borrows its memory. At present every tensor must be f32 on the CPU. `data` may be
/// NULL only where documented.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct scorecam_tensor {
    /// The elements, as many as the product of the shape's sizes, aligned for their type.
    pub data: *const c_void,
    /// The device that `data` is on.
    pub device: scorecam_device,
    /// The type of the elements.
    pub dtype: scorecam_data_type,
    /// Must be 0.
    pub reserved: u32,
    /// The shape. A length of 0 is allowed only in results, for an axis that is variable in the description.
    pub shape: scorecam_shape,
}

/// A tensor and the name of its input or output.
#[repr(C)]
#[derive(StableAbi, Clone, Copy)]
pub struct scorecam_named_tensor {
    /// The name in the model.
    pub name: *const c_char,
    /// The tensor.
    pub tensor: scorecam_tensor,
}

/// Tensors that a callee returns. After reading them, the caller calls `release(owner)` once if the call succeeded and
/// `release` is not NULL.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_outputs {
    /// The tensors, valid until released.
    pub tensors: *const scorecam_tensor,
    /// The number of tensors.
    pub count: u64,
    /// Passed to `release`.
    pub owner: *mut c_void,
    /// Frees `tensors` and everything they point to; may be NULL. [any thread]
    pub release: Option<unsafe extern "C" fn(owner: *mut c_void)>,
}

/// The host's services for a plugin. Valid for the life of the process.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_services {
    /// `sizeof(scorecam_services)`.
    pub struct_size: u32,
    /// The maximum level that is logged, one of `SCORECAM_LOG_*`; 0 for none. Messages of higher levels may be omitted.
    pub log_level: u32,
    /// Passed to `log`.
    pub context: *mut c_void,
    /// Writes a line to the host's log, which users enable with SCORECAM_LOG. `level` is one of `SCORECAM_LOG_*`,
    /// `target` is the part of the plugin, `text` is one line; both are copied. [any thread]
    pub log: Option<
        unsafe extern "C" fn(context: *mut c_void, level: u32, target: *const c_char, text: *const c_char),
    >,
}

/// The only data symbol of a plugin: a variable of this type with the name `scorecam_plugin_entry`.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_plugin_table {
    /// `SCORECAM_ABI_VERSION`; read before anything else.
    pub abi_version: u32,
    /// `sizeof(scorecam_plugin_table)`.
    pub struct_size: u32,
    /// The number of backends and methods in the plugin.
    pub count: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Receives the host's services before any other function is called; may be NULL. If several threads open the
    /// plugin concurrently, it may be called more than once, with the same services. [any thread]
    pub open: Option<unsafe extern "C" fn(services: *const scorecam_services)>,
    /// Describes item `index` (0 to `count` - 1). The result must stay valid for the life of the process. [any thread]
    pub descriptor: Option<unsafe extern "C" fn(index: u32) -> *const scorecam_descriptor>,
    /// The table of item `index` for an interface id; NULL if the id is unknown. It must stay valid for the life of the
    /// process. [any thread]
    pub get_interface: Option<unsafe extern "C" fn(index: u32, id: *const c_char) -> *const c_void>,
}

/// The description of one item of a plugin.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_descriptor {
    /// `sizeof(scorecam_descriptor)`.
    pub struct_size: u32,
    /// `SCORECAM_KIND_BACKEND` or `SCORECAM_KIND_METHOD`; hosts ignore unknown kinds.
    pub kind: u32,
    /// The id: a-z, 0-9 and hyphens.
    pub id: *const c_char,
    /// The plugin's own version.
    pub version: *const c_char,
    /// A description in one line.
    pub summary: *const c_char,
    /// The file extensions of a backend's models, without dots, separated by spaces; NULL for a method.
    pub extensions: *const c_char,
    /// The abilities of a backend's models, a sum of `SCORECAM_ABILITY_*`; 0 for a method. A model may lack some of
    /// them; the host rejects a model that offers others.
    pub abilities: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// An option: a name and a value, both text.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_option {
    /// The option's name.
    pub name: *const c_char,
    /// The value, as the user typed it.
    pub value: *const c_char,
}
