//! `scorecam_services`: `export` is a host's table over its own `tracing`, `import` sends a plugin's `tracing` there.

pub(crate) mod export;
pub(crate) mod import;

pub use import::{Log, listen, log_to};
