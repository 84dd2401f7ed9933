//! The engine of the libtorch plugin: everything that is linked to libtorch.
//!
//! The plugin proper needs no libtorch to be built or opened; it opens libtorch, then this library, and takes
//! the backend out of its table, which is that of any plugin. A load goes through these files in order:
//! `settings`, `device`, `shim` (the C++ part in `cpp/`, which loads the file and works on its graph),
//! `model_layers` (trial passes: shapes, batch), `outputs`, `layers`, and ends as a `model`. `wanted` says which tensors a call
//! gives, `programs` keeps what scoring passes run on, and `masks` makes masked images on the model's device.
//!
//! Unsafe code is the calls of the shim, all in `shim`.

mod device;
mod layers;
mod loader;
mod masks;
mod model;
mod model_layers;
mod outputs;
mod programs;
mod settings;
mod shim;
mod tensors;
mod wanted;

scorecam_plugin::export_plugin! {
    backend: loader::TorchLoader,
}
