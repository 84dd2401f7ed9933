//! The backend plugin `onnx-cpu`: ONNX models on the CPU.
//!
//! Everything is in `scorecam-onnx`; this crate gives it the plugin's entry points.

scorecam_plugin::export_plugin! {
    backend: scorecam_onnx::OnnxLoader::cpu(),
}
