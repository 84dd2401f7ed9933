//! `scorecam.method/1`: `export` makes it from a [`scorecam_core::CamMethod`], `import` reads it.

pub(crate) mod export;
pub(crate) mod import;

pub use export::{Description, ExportedMethod};
pub use import::ImportedMethod;
