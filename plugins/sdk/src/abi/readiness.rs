//! `scorecam.readiness/1`: whether a backend can work on this machine.
// Types carry their C names, so that one name is searched for in both languages.
#![allow(non_camel_case_types)]

use core::ffi::c_char;

use abi_stable::StableAbi;

use super::core::*;

/// `scorecam_readiness`, the rank: a backend that runs models on the processor.
pub const SCORECAM_READY_CPU: u32 = 100;
/// `scorecam_readiness`, the rank: a backend that runs models on a graphics card or its like.
pub const SCORECAM_READY_ACCELERATOR: u32 = 200;
/// `scorecam_readiness`, the rank: the most that it may be.
pub const SCORECAM_READY_HIGHEST: u32 = 1000;

/// `scorecam.readiness/1`: whether a backend can work on this machine. The plugin's own `get_interface` answers to
/// this id, for the backend's index; where it answers NULL, the backend is taken to be ready, by a processor's rank.
#[repr(C)]
#[derive(StableAbi)]
pub struct scorecam_readiness {
    /// `sizeof(scorecam_readiness)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Called before any model is loaded, to choose among the backends that load such files. Takes
    /// milliseconds and starts no engine. `device` is what was asked for, as in "cpu" or "cuda:0", or NULL. When the
    /// backend can work, sets `*rank`, which is `SCORECAM_READY_CPU` before (the highest is preferred), writes
    /// into `text`, in one line, what it would run on ("the CPU"), and returns `SCORECAM_OK`. When it cannot,
    /// returns another status and writes why not, and which command gets what is missing. [any thread]
    pub assess: Option<
        unsafe extern "C" fn(
            device: *const c_char,
            rank: *mut u32,
            text: *mut scorecam_message,
        ) -> scorecam_status,
    >,
}
