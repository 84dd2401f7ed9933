//! ONNX models through ONNX Runtime, as a [`scorecam_core::ModelBackend`].
//!
//! A plugin crate exports an [`OnnxLoader`]; everything about models lives here, so that the plugins for the
//! CPU and for accelerators differ in a few values only. A load goes through these files in order:
//! `settings` (what the caller set), `file` (read, recognize, parse), `runtime` (find and open the library),
//! `ports` and `extras` (inputs), `layers` with `graph`, `axes`, `applied` and `tap` (what can be explained, and how it is
//! read), `session` (the runtime's own), and ends as a `model`. `device` says where it runs. On a GPU the masked images are made there, by a graph of our
//! own (`mask_graph`) in front of the model (`masked`), and `fp16` makes a model of f16 for those who want it.
//!
//! Inner tensors become outputs by a few bytes behind the model's own (`proto`), so a model is never
//! re-encoded. Unsafe code is one call: `OrtApi::Run` in `session`.

mod applied;
mod axes;
mod bake;
mod cells;
mod cut;
mod described;
mod device;
mod element;
mod external_constants;
mod extras;
mod file;
mod fp16;
mod functions;
mod graph;
mod head;
mod joined;
mod layers;
mod loader;
mod mask_graph;
mod masked;
mod model;
mod ports;
mod precision;
mod proto;
mod reduced;
mod runtime;
mod session;
mod settings;
mod shown;
mod tap;
mod values;
mod weights;
mod wire;

pub use device::{Accelerator, Device, DeviceMemory, Masks};
pub use layers::declared_layers;
pub use loader::OnnxLoader;
pub use ort;
pub use runtime::RuntimeRelease;
pub use settings::{Precision, Settings};
