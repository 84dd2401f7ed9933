//! `scorecam.backend/1`: `export` makes it from a [`scorecam_core::BackendLoader`], `import` reads it.

mod description;
pub(crate) mod export;
pub(crate) mod import;
mod loader;
mod ownership;

pub(crate) use description::activation;
pub use export::ExportedLoader;
pub use import::ImportedModel;
pub use loader::ImportedLoader;
pub use ownership::Ownership;
