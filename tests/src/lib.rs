//! What the integration tests share: where built files and fetched models lie, and how a case is run.
//!
//! `cargo xtask test` builds every plugin and program and fetches every model before it runs these tests; a
//! test that misses one fails with the command to run, it is never skipped.

mod cases;
mod ended;
mod explained;
mod places;
mod programs;
mod watched;

pub use cases::{CaseFile, Crop, Expected, GoldenMap, difference, read_npy};
pub use ended::Ended;
pub use explained::{explained, pairs, refused};
pub use places::{
    built, cache, cuda_or_cpu, fetched, golden, library, only_backend, torch_cuda_or_cpu, torch_host,
    torch_model, toy_host,
};
pub use programs::{
    Language, build_example, compiler, compiler_named, header, link_shared, link_static, photo_as_ppm,
    raw_f32, root, run, scorecam,
};
pub use watched::{Sanitizer, Watched};
