//! `scorecam.readiness/1`: the readiness of a backend on this machine.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::c_char;

use abi_stable::StableAbi;

use super::core::*;

/// `scorecam_readiness`, the rank: a backend that runs models on the CPU.
pub const SCORECAM_READY_CPU: u32 = 100;
/// `scorecam_readiness`, the rank: a backend that runs models on a GPU or another accelerator.
pub const SCORECAM_READY_ACCELERATOR: u32 = 200;
/// `scorecam_readiness`, the rank: the maximum.
pub const SCORECAM_READY_HIGHEST: u32 = 1000;

/// `scorecam.readiness/1`: the readiness of a backend on this machine. Queried through the plugin's `get_interface`
/// with the backend's index; if that returns NULL, the backend counts as ready, with the rank of a CPU.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_readiness {
    /// `sizeof(scorecam_readiness)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Called before a model is loaded, to choose among the backends that load its type of file. Must take only
    /// milliseconds and start no engine. `device` is the requested device, such as "cpu" or "cuda:0", or NULL. If the
    /// backend is ready, sets `*rank` (the initial value is `SCORECAM_READY_CPU`; the highest rank is preferred),
    /// writes the device in one line to `text` ("the CPU"), and returns `SCORECAM_OK`. Otherwise returns another status
    /// and writes the reason, with the command that installs the missing part. [any thread]
    pub assess: Option<
        unsafe extern "C" fn(
            device: *const c_char,
            rank: *mut u32,
            text: *mut scorecam_message,
        ) -> scorecam_status,
    >,
}
