//! [`OnnxLoader`]: the backend loader that a plugin crate exports.
//!
//! Plugins on ONNX Runtime differ in their id, in the build of the runtime that they open and in the
//! execution providers that they ask it for. All three are values here, so that a plugin crate is one
//! constructor and an export.

use std::path::PathBuf;

use ort::ep::ExecutionProviderDispatch;
use scorecam_core::{BackendLoader, Error, ModelBackend, ModelConfig, Result};

use crate::file::ModelFile;
use crate::model::{OnnxModel, Parsed};
use crate::runtime::{self, RuntimeRelease};
use crate::session::SessionSpec;
use crate::settings::Settings;

/// Chooses the execution providers for a model, the first choice first; the CPU's follows by itself.
///
/// It has the last word on `config.device`, and returns an error for a device that it does not serve. The
/// runtime is open when it is called.
pub type ProviderHook = fn(config: &ModelConfig) -> Result<Vec<ExecutionProviderDispatch>>;

/// Loads ONNX models with ONNX Runtime. May be used from several threads.
#[derive(Debug, Clone)]
pub struct OnnxLoader {
    id: &'static str,
    version: &'static str,
    release: RuntimeRelease,
    providers: ProviderHook,
    plugin_folder: Option<PathBuf>,
}

impl OnnxLoader {
    /// A loader with the given id, for one build of the runtime.
    pub fn new(id: &'static str, release: RuntimeRelease, providers: ProviderHook) -> Self {
        Self { id, version: env!("CARGO_PKG_VERSION"), release, providers, plugin_folder: None }
    }

    /// The loader `onnx-cpu`.
    pub fn cpu() -> Self {
        Self::new("onnx-cpu", RuntimeRelease::CPU, |config| match config.device.as_deref() {
            None | Some("cpu") => Ok(Vec::new()),
            Some(device) => {
                Err(Error::unsupported(format!("device {device:?} is not served by onnx-cpu; use \"cpu\"")))
            }
        })
    }

    /// Looks for the runtime in `folder` instead of beside the library that this code was linked into.
    pub fn with_plugin_folder(self, folder: impl Into<PathBuf>) -> Self {
        Self { plugin_folder: Some(folder.into()), ..self }
    }
}

impl BackendLoader for OnnxLoader {
    fn id(&self) -> &str {
        self.id
    }

    fn version(&self) -> &str {
        self.version
    }

    fn extensions(&self) -> &[&str] {
        &["onnx"]
    }

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        let settings = Settings::parse(&config.settings).map_err(|e| e.context(self.id))?;
        if config.threads == Some(0) {
            return Err(Error::invalid("threads is 0; give 1 or more, or leave it out for all cores"));
        }
        // The model first: a wrong file is told even where no runtime is installed.
        let (file, graph, bytes) = ModelFile::open(&config.path)?;
        let environment =
            runtime::open(&self.release, settings.runtime.as_deref(), self.plugin_folder.as_deref())?;
        let providers = (self.providers)(config)?;
        let spec = SessionSpec { environment, file, settings, threads: config.threads, providers };
        Ok(Box::new(OnnxModel::load(spec, Parsed { graph, bytes }, config)?))
    }
}
