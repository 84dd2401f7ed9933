//! The native half of the Python package `scorecam`: the front door for Rust, as Python objects.
//!
//! It is thin on purpose. Whatever can be said in Python stands in `python/scorecam`: which arguments there are, how
//! an image that a user has becomes pixels or a tensor, how results are shown. Here are the calls that compute, with
//! the interpreter released while they do (`call`), the errors as Python's own (`error`), and an engine whose
//! functions are Python's (`engine`). `host` holds the one registry of a process, with the ONNX backend in it.

mod arrays;
mod call;
mod engine;
mod error;
mod evaluation;
mod explanation;
mod host;
mod images;
mod methods;
mod model;
mod request;
mod stream;

/// The module `scorecam._native`.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use super::evaluation::measures;
    #[pymodule_export]
    use super::explanation::Explanation;
    #[pymodule_export]
    use super::host::{load_plugin, set_runtime_folder};
    #[pymodule_export]
    use super::images::{Image, encoded};
    #[pymodule_export]
    use super::methods::{backends, methods};
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::stream::Stream;

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "it is the name in Python")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
