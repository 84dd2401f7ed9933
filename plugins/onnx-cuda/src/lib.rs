//! The backend plugin `onnx-cuda`: ONNX models on NVIDIA's GPUs.
//!
//! What is done with a model is in `scorecam-onnx`. Here is what has to be known of the machine: the driver and its
//! GPUs (`driver`), and the libraries of CUDA and cuDNN, which are looked for and opened before ONNX Runtime asks
//! the system for them (`libraries`). The plugin builds and opens anywhere, and says what is missing.
//!
//! Unsafe code is the opening of those libraries and the calls of the driver.

mod device;
mod driver;
mod libraries;

scorecam_plugin::export_plugin! {
    backend: scorecam_onnx::OnnxLoader::accelerated(
        "onnx-cuda",
        scorecam_onnx::RuntimeRelease::CUDA,
        &device::Cuda,
    ),
}
