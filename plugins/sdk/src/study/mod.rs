//! `scorecam_study`: `export` makes it of a [`scorecam_core::Study`] for a method of a library, `import` explains one
//! by a method of Rust.

pub(crate) mod export;
pub(crate) mod import;
