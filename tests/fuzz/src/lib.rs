//! What must hold for any bytes at all, for everything that reads what this project did not write.
//!
//! Each module has one function, `check(bytes)`: it hands the bytes to the code under test, panics when a
//! property does not hold, and says whether the bytes were accepted. A fuzzer calls it with bytes that it makes up (`libfuzzer/`, run by
//! `cargo xtask fuzz`), and an ordinary test with every file of `corpus/` and `crashes/`, so that what was
//! found once is tested ever after, by any compiler. Memory that is read beyond its end is found under the
//! fuzzer's address sanitizer: whatever is lent to the code under test is therefore exactly as long as it is
//! said to be.
//!
//! Unsafe code stands here because these functions play the part of callers and plugins in C.

pub mod c_api;
pub mod c_plugin;
mod engine;
mod foreign;
pub mod library;
pub mod manifest;
pub mod npy;
pub mod onnx;
pub mod photo;
pub mod torch_file;

use scorecam_core::{Error, ErrorKind};

/// A target's name and its function.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All targets.
pub const TARGETS: &[Target] = &[
    ("c_api", c_api::check),
    ("c_plugin", c_plugin::check),
    ("library", library::check),
    ("manifest", manifest::check),
    ("npy", npy::check),
    ("onnx", onnx::check),
    ("photo", photo::check),
    ("torch_file", torch_file::check),
];

/// Whether the bytes were accepted: they were not. A refusal is one line, and never the fault of this library.
fn check_refusal(error: &Error) -> bool {
    let line = error.to_string();
    assert!(!line.is_empty() && !line.contains(['\n', '\r']), "a refusal is one line: {line:?}");
    assert_ne!(error.kind(), ErrorKind::Internal, "bytes from outside are no fault of the library: {line}");
    false
}
