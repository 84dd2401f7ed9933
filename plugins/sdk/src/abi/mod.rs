//! The plugin ABI: C-layout tables and the numbers in them, and nothing else; a file for each object.
//!
//! The headers in `include/scorecam/` are generated from these files, so their comments are the headers' documentation.
//! A struct behind an interface id never changes; a new ability is a new id. Every struct that a caller
//! fills begins with `struct_size`. Strings are UTF-8, end with NUL, and are at most
//! `SCORECAM_MAX_STRING` bytes. Whoever made memory frees it: `release` stands next to what it frees.
//! No panic and no exception may leave a function; it becomes a status and a message.
//!
//! Every function says which threads may call it: \[any thread\], where "several at once" means that calls for one object
//! may overlap; \[thread of the call\], the one that made the call under way; or \[any thread of the method\], which is
//! those that a method starts itself, too, while it works on the study.

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
