//! `scorecam.backend/1`: [`export`] makes it of a [`scorecam_core::BackendLoader`], [`import`] reads it.

pub(crate) mod export;
pub(crate) mod import;
mod ownership;

pub use export::ExportedLoader;
pub use import::{ImportedLoader, ImportedModel};
pub use ownership::Ownership;
