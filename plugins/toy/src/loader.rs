//! [`ToyLoader`]: from a model configuration to a [`ToyModel`].

use scorecam_core::{Abilities, BackendLoader, Error, Layout, ModelBackend, ModelConfig, Result, bail};

use crate::file::ToyFile;
use crate::model::{INPUT, OUTPUT, ToyModel};

/// The backend `toy`, which loads `.toy` files.
#[derive(Debug, Clone, Copy, Default)]
pub struct ToyLoader;

impl BackendLoader for ToyLoader {
    fn id(&self) -> &str {
        "toy"
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn extensions(&self) -> &[&str] {
        &["toy"]
    }

    /// A file chooses which of them its model has.
    fn abilities(&self) -> Abilities {
        Abilities { masked: true, run_from: true, gradients: true, ..Abilities::NONE }
    }

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        check_config(config)?;
        let file = ToyFile::read(&config.path)?;
        let model = ToyModel::new(file, config.input_size).and_then(|model| match &config.random {
            Some(random) => model.with_random(random),
            None => Ok(model),
        });
        let model = model.map_err(|e| e.context(config.path.display()))?;
        Ok(Box::new(model))
    }
}

/// Refuses what the toy network cannot honour. Threads are an upper limit, and one is always below it.
fn check_config(config: &ModelConfig) -> Result<()> {
    for (what, given, known) in [("input", &config.input, INPUT), ("output", &config.output, OUTPUT)] {
        if let Some(name) = given.as_deref().filter(|&name| name != known) {
            bail!(not_found, "{what} {name:?} is not in the toy model; its only {what} is {known:?}");
        }
    }
    if config.layout == Some(Layout::Nhwc) {
        return Err(Error::unsupported("layout nhwc is not supported; a toy model takes nchw"));
    }
    if let Some(device) = config.device.as_deref().filter(|&device| device != "cpu") {
        bail!(unsupported, "device {device:?} is not supported; toy models run on \"cpu\"");
    }
    match config.settings.keys().next() {
        Some(key) => Err(Error::not_found(format!("setting {key:?} is unknown; the toy backend has none"))),
        None => Ok(()),
    }
}
