//! [`OnnxLoader`]: the backend loader that a plugin crate exports.
//!
//! Plugins on ONNX Runtime differ in their id, in the build of the runtime that they open and in the device that
//! they ask it for. All three are values here, so that a plugin crate says these and nothing about models.

use std::path::PathBuf;

use scorecam_core::{Abilities, BackendLoader, Error, ModelBackend, ModelConfig, Result};

use crate::device::Device;
use crate::file::ModelFile;
use crate::model::{OnnxModel, Parsed};
use crate::runtime::{self, RuntimeRelease};
use crate::session::SessionSpec;
use crate::settings::{Kind, Settings};

/// Chooses the device for a model, and says what is missing where it can't be had.
///
/// It has the last word on `config.device`, and returns an error for a device that it does not serve. It is
/// called before the runtime is opened, so that libraries which that needs can be opened first.
pub type DeviceHook = fn(config: &ModelConfig, settings: &Settings) -> Result<Device>;

/// Loads ONNX models with ONNX Runtime. May be used from several threads.
#[derive(Debug, Clone)]
pub struct OnnxLoader {
    id: &'static str,
    version: &'static str,
    release: RuntimeRelease,
    kind: Kind,
    device: DeviceHook,
    plugin_folder: Option<PathBuf>,
}

impl OnnxLoader {
    /// A loader with the given id, for one build of the runtime, that offers the settings of GPUs.
    pub fn for_gpu(id: &'static str, release: RuntimeRelease, device: DeviceHook) -> Self {
        Self::new(id, release, (Kind::Gpu, device))
    }

    /// The loader `onnx-cpu`.
    pub fn cpu() -> Self {
        Self::new(
            "onnx-cpu",
            RuntimeRelease::CPU,
            (Kind::Cpu, |config, _| match config.device.as_deref() {
                None | Some("cpu") => Ok(Device::cpu()),
                Some(device) => Err(Error::unsupported(format!(
                    "device {device:?} is not served by onnx-cpu; use \"cpu\""
                ))),
            }),
        )
    }

    fn new(id: &'static str, release: RuntimeRelease, (kind, device): (Kind, DeviceHook)) -> Self {
        Self { id, version: env!("CARGO_PKG_VERSION"), release, kind, device, plugin_folder: None }
    }

    /// Opens another build of the runtime.
    pub fn with_release(self, release: RuntimeRelease) -> Self {
        Self { release, ..self }
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

    fn abilities(&self) -> Abilities {
        Abilities { masked_scores: self.kind == Kind::Gpu, ..Abilities::NONE }
    }

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        let settings = Settings::parse(&config.settings, self.kind).map_err(|e| e.context(self.id))?;
        if config.threads == Some(0) {
            return Err(Error::invalid("threads is 0; give 1 or more, or leave it out for all cores"));
        }
        // The model first: a wrong file is told even where no runtime is installed.
        let (file, graph, bytes) = ModelFile::open(&config.path)?;
        let device = (self.device)(config, &settings)?;
        let environment =
            runtime::open(&self.release, settings.runtime.as_deref(), self.plugin_folder.as_deref())?;
        let spec = SessionSpec { environment, file, settings, threads: config.threads, device };
        Ok(Box::new(OnnxModel::load(spec, Parsed { graph, bytes }, config)?))
    }
}
