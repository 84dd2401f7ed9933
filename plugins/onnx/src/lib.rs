//! ONNX models through ONNX Runtime, as a [`scorecam_core::ModelBackend`].
//!
//! A plugin crate exports an [`OnnxLoader`]; everything about models lives here, so that the plugins for the
//! CPU and for accelerators differ in a few values only. A load goes through these files in order:
//! `settings` (what the caller set), `file` (read, recognise, parse), `runtime` (find and open the library),
//! `ports` (input and output), `layers` with `graph` (what can be explained), `session` (the runtime's own),
//! and ends as a `model`.
//!
//! Inner tensors become outputs by a few bytes behind the model's own (`proto`), so a model is never
//! re-encoded. Unsafe code is one call: `OrtApi::Run` in `session`.

mod file;
mod graph;
mod layers;
mod loader;
mod model;
mod ports;
mod proto;
mod runtime;
mod session;
mod settings;

pub use layers::declared_layers;
pub use loader::{OnnxLoader, ProviderHook};
pub use ort;
pub use runtime::RuntimeRelease;
