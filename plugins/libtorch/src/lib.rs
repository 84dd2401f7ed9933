//! The backend plugin `libtorch`: TorchScript models (`torch.jit.trace`, `torch.jit.script`) on libtorch.
//!
//! libtorch is half a gigabyte and is opened when the first model is loaded, not when the plugin is. So the
//! plugin comes in two libraries: this one, which builds and opens anywhere and says what is missing, and the
//! engine in `engine/`, a workspace of its own, which is linked to libtorch. A load goes through `file` (is
//! it TorchScript at all), `runtime` (find and open libtorch, then the engine) and `loader`.
//!
//! Unsafe code is the opening of those libraries, in `runtime`.

pub mod file;
mod loader;
mod runtime;

scorecam_plugin::export_plugin! {
    backend: loader::LibtorchLoader,
}
