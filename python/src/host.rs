//! The registry of this process: built-in methods, the ONNX backend, and plugins that are found or named.

use std::path::PathBuf;
use std::sync::OnceLock;

use pyo3::prelude::*;
use scorecam::Host;
use scorecam_core::Result;
use scorecam_onnx::OnnxLoader;

use crate::error::exception;

/// The folder of ONNX Runtime in the Python package `onnxruntime`, where that is installed.
static RUNTIME_FOLDER: OnceLock<PathBuf> = OnceLock::new();
static HOST: OnceLock<Host> = OnceLock::new();

scorecam_plugin::plugin_table! { static BUILT_IN = [backend: onnx()]; }

fn onnx() -> OnnxLoader {
    let loader = OnnxLoader::cpu();
    match RUNTIME_FOLDER.get() {
        Some(folder) => loader.with_plugin_folder(folder),
        None => loader,
    }
}

/// The registry, which is made at its first use.
pub(crate) fn host() -> Result<&'static Host> {
    if let Some(host) = HOST.get() {
        return Ok(host);
    }
    let host = Host::beside(scorecam::own_folder())?;
    // SAFETY: a static table of this very library, which is never closed.
    unsafe { host.add_plugin(&raw const BUILT_IN) }?;
    // Another thread may have been quicker; then its registry counts, and this one was only a table.
    Ok(HOST.get_or_init(|| host))
}

/// Says where ONNX Runtime lies. Only the first call counts, and only before the first model.
#[pyfunction]
pub(crate) fn set_runtime_folder(folder: PathBuf) {
    // A second call names the same folder: the package cannot move while the process runs.
    let _ = RUNTIME_FOLDER.set(folder);
}

/// Loads the plugin in a file, or every plugin in a folder.
#[pyfunction]
pub(crate) fn load_plugin(path: PathBuf) -> PyResult<()> {
    host().and_then(|host| host.load_plugin(&path)).map_err(exception)
}
