//! `scorecam_study`: `export` makes it from a [`scorecam_core::Study`] for a library's method, `import` explains one
//! with a Rust method.

pub(crate) mod export;
pub(crate) mod import;
