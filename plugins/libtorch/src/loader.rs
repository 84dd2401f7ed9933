//! [`LibtorchLoader`]: checks what needs no libtorch, and hands the rest to the engine.

use std::path::PathBuf;

use scorecam_plugin::{Abilities, BackendLoader, Error, ModelBackend, ModelConfig, Readiness, Result};

use crate::{file, runtime};

/// The setting that names libtorch's folder.
const RUNTIME: &str = "runtime";

/// Loads TorchScript files. May be used from several threads.
pub(crate) struct LibtorchLoader;

impl BackendLoader for LibtorchLoader {
    fn id(&self) -> &str {
        "libtorch"
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn extensions(&self) -> &[&str] {
        &["pt", "pth", "ts"]
    }

    fn abilities(&self) -> Abilities {
        Abilities { masked: true, run_from: true, gradients: true, ..Abilities::NONE }
    }

    fn readiness(&self, device: Option<&str>) -> Result<Readiness> {
        runtime::look(device.is_some_and(is_gpu))
    }

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        if config.threads == Some(0) {
            return Err(Error::invalid("threads is 0; give 1 or more, or leave it out for all cores"));
        }
        // The model first: a wrong file is told even where no libtorch is installed.
        file::check(&config.path)?;
        let mut config = config.clone();
        let runtime = config.settings.remove(RUNTIME).map(PathBuf::from);
        let on_gpu = config.device.as_deref().is_some_and(is_gpu);
        let engine = runtime::open(runtime.as_deref(), on_gpu)?;
        Ok(Box::new(engine.load(&config)?))
    }
}

fn is_gpu(device: &str) -> bool {
    device != "cpu"
}
