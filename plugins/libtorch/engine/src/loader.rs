//! [`TorchLoader`]: the backend loader that the plugin finds in the engine.

use scorecam_plugin::{Abilities, BackendLoader, Error, ModelBackend, ModelConfig, Result};

use crate::device;
use crate::model::{DevicePlacement, TorchModel};
use crate::settings::Settings;
use crate::shim::{self, Streams};

/// Loads TorchScript files. May be used from several threads.
///
/// Its description repeats that of the plugin's loader, which is all that a host sees before libtorch is open.
pub(crate) struct TorchLoader;

impl BackendLoader for TorchLoader {
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

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        let settings = Settings::parse(&config.settings).map_err(|e| e.context(self.id()))?;
        let device = device::choose(config.device.as_deref())?;
        settings.check(device).map_err(|e| e.context(self.id()))?;
        shim::settle(device)?;
        let of_file = |e: Error| e.context(format!("model {}", config.path.display()));
        let path = config.path.to_str().ok_or_else(|| {
            Error::invalid(format!("path {:?} is not UTF-8, as libtorch needs; rename it", config.path))
        })?;
        let place = DevicePlacement { device, streams: Streams::new(device) };
        Ok(Box::new(TorchModel::load(path, place, settings, config).map_err(of_file)?))
    }
}
