//! [`OnnxLoader`]: the backend loader that a plugin crate exports.
//!
//! Plugins on ONNX Runtime differ in their id, in the build of the runtime that they open and in the device that
//! they ask it for. All three are values here, so that a plugin crate says these and nothing about models.

use std::path::PathBuf;

use scorecam_core::{Abilities, BackendLoader, Error, ModelBackend, ModelConfig, Readiness, Result, bail};

use crate::device::{Accelerator, Device};
use crate::file::ModelFile;
use crate::model::OnnxModel;
use crate::runtime::{self, RuntimeRelease};
use crate::session::SessionSpec;
use crate::settings::{Kind, Settings};

/// Loads ONNX models with ONNX Runtime. May be used from several threads.
#[derive(Clone)]
pub struct OnnxLoader {
    id: &'static str,
    version: &'static str,
    release: RuntimeRelease,
    /// `None` for the CPU alone.
    accelerator: Option<&'static dyn Accelerator>,
    plugin_folder: Option<PathBuf>,
}

impl OnnxLoader {
    /// The loader `onnx-cpu`.
    pub fn cpu() -> Self {
        Self {
            id: "onnx-cpu",
            version: env!("CARGO_PKG_VERSION"),
            release: RuntimeRelease::CPU,
            accelerator: None,
            plugin_folder: None,
        }
    }

    /// A loader with the given id for an accelerator, with the settings that GPUs have.
    pub fn accelerated(
        id: &'static str,
        release: RuntimeRelease,
        accelerator: &'static dyn Accelerator,
    ) -> Self {
        Self { id, release, accelerator: Some(accelerator), ..Self::cpu() }
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
        Abilities { masked: true, run_from: true, ..Abilities::NONE }
    }

    fn readiness(&self, device: Option<&str>) -> Result<Readiness> {
        let ready = match self.accelerator {
            Some(accelerator) => accelerator.readiness(device)?,
            None => on_cpu(device).map(|()| Readiness::on_cpu())?,
        };
        match ready.rank >= Readiness::ACCELERATOR {
            true => runtime::check_providers(&self.release, None, self.plugin_folder.as_deref())?,
            false => drop(runtime::locate(&self.release, self.plugin_folder.as_deref())?),
        }
        Ok(ready)
    }

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        Ok(Box::new(self.open(config)?))
    }
}

impl OnnxLoader {
    pub(crate) fn open(&self, config: &ModelConfig) -> Result<OnnxModel> {
        let kind = if self.accelerator.is_some() { Kind::Gpu } else { Kind::Cpu };
        let settings = Settings::parse(&config.settings, kind).map_err(|e| e.context(self.id))?;
        if config.threads == Some(0) {
            return Err(Error::invalid("threads is 0; give 1 or more, or leave it out for all cores"));
        }
        // The model first: a wrong file is told even where no runtime is installed.
        let (file, parsed) = ModelFile::open(&config.path, config.random.clone())?;
        let device = match self.accelerator {
            Some(accelerator) => accelerator.device(config, &settings)?,
            None => on_cpu(config.device.as_deref()).map(|()| Device::cpu())?,
        };
        if device.is_accelerator() {
            let folder = self.plugin_folder.as_deref();
            runtime::check_providers(&self.release, settings.runtime.as_deref(), folder)?;
        }
        let environment =
            runtime::open(&self.release, settings.runtime.as_deref(), self.plugin_folder.as_deref())?;
        let spec = SessionSpec { environment, file, settings, threads: config.threads, device };
        OnnxModel::load(spec, parsed, config)
    }
}

/// Refuses another device than the CPU, for a loader that has no other.
fn on_cpu(device: Option<&str>) -> Result<()> {
    match device {
        None | Some("cpu") => Ok(()),
        Some(device) => bail!(unsupported, "device {device:?} is not served by onnx-cpu; use \"cpu\""),
    }
}
