//! The plugin ABI: only C-layout tables and their constants, with one file per object.
//!
//! The headers in `include/scorecam/` are generated from these files, so their comments are the headers' documentation.
//! The struct of an interface id never changes; a new ability gets a new id. Every struct that a caller fills starts
//! with `struct_size`. Strings are UTF-8, end with NUL, and have at most `SCORECAM_MAX_STRING` bytes. The side that
//! allocates memory frees it: each struct has a `release` for its memory. No panic or exception may leave a function:
//! return a status and a message instead.
//!
//! Every function documents the threads that may call it: \[any thread\], where "several at once" means that calls for
//! one object may overlap; \[thread of the call\], the thread of the current call; or \[any thread of the method\],
//! which includes threads that a method starts itself until its call ends.

mod backend;
mod bake;
mod core;
mod gradients;
mod masked;
mod method;
mod readiness;
mod remarks;
mod run_from;
mod weights;

pub use self::backend::*;
pub use self::bake::*;
pub use self::core::*;
pub use self::gradients::*;
pub use self::masked::*;
pub use self::method::*;
pub use self::readiness::*;
pub use self::remarks::*;
pub use self::run_from::*;
pub use self::weights::*;
