//! `scorecam.backend/1` of a plugin as what loads models.

use scorecam_core::{Abilities, Error, Layout, ModelBackend, ModelConfig, Readiness, Result};

use super::import::{ImportedModel, check_functions};
use crate::abi;
use crate::plugin::Descriptor;
use crate::readiness::import::ImportedReadiness;
use crate::weights;
use crate::wire::{Texts, call};

/// A backend of a plugin.
pub struct ImportedLoader {
    table: &'static abi::scorecam_backend,
    readiness: Option<ImportedReadiness>,
    descriptor: Descriptor,
}

impl ImportedLoader {
    pub(crate) fn new(
        table: &'static abi::scorecam_backend,
        readiness: Option<ImportedReadiness>,
        descriptor: Descriptor,
    ) -> Result<Self> {
        check_functions(table)?;
        match table.load {
            Some(_) => Ok(Self { table, readiness, descriptor }),
            None => Err(Error::plugin("its backend table lacks the function load")),
        }
    }

    /// File extensions of the models that the backend loads.
    pub fn extensions(&self) -> &[String] {
        &self.descriptor.extensions
    }

    /// The backend's id.
    pub fn id(&self) -> &str {
        &self.descriptor.id
    }

    /// What can be done with its models, as far as the backend can.
    pub fn abilities(&self) -> Abilities {
        self.descriptor.abilities
    }

    /// Whether the backend can work on this machine, as [`scorecam_core::BackendLoader::readiness`] says; a plugin
    /// that does not say is ready.
    pub fn readiness(&self, device: Option<&str>) -> Result<Readiness> {
        match &self.readiness {
            Some(readiness) => readiness.ask(device, &format!("backend {:?}", self.descriptor.id)),
            None => Ok(Readiness::unsaid()),
        }
    }

    /// Loads a model.
    pub fn load(&self, config: &ModelConfig) -> Result<ImportedModel> {
        let who = format!("backend {:?}", self.descriptor.id);
        let owned = OwnedConfig::new(config)?;
        let load = self.table.load.ok_or_else(|| Error::internal("a loader without load was kept"))?;
        let mut model = std::ptr::null_mut();
        // SAFETY: config, place and message are valid for the call; the table was checked.
        call(&who, |why| unsafe { load(&raw const owned.c, &raw mut model, why) })?;
        // SAFETY: `load` succeeded, so `model` belongs to this table.
        let model = unsafe { ImportedModel::new(self.table, model, who) }?;
        match model.info().abilities.without(self.abilities()) {
            Abilities::NONE => Ok(model),
            more => Err(Error::plugin(format!(
                "{}: its model offers {more}, which is missing from the abilities in its descriptor",
                model.who()
            ))),
        }
    }
}

/// A config in C form with what it points to.
struct OwnedConfig {
    c: abi::scorecam_model_config,
    _texts: Texts,
    _settings: Vec<abi::scorecam_option>,
    _random: Option<Box<abi::scorecam_random_weights>>,
}

impl OwnedConfig {
    fn new(config: &ModelConfig) -> Result<Self> {
        let path = config.path.to_str().filter(|p| !p.contains('\0'));
        let path = path.ok_or_else(|| {
            Error::invalid(format!(
                "the path {:?} is not UTF-8, which plugins require",
                config.path.display()
            ))
        })?;
        let mut texts = Texts::default();
        let settings: Vec<_> = config.settings.iter().map(|(name, value)| texts.pair(name, value)).collect();
        let (height, width) = config.input_size.unwrap_or((0, 0));
        let mut optional = |text: &Option<String>| text.as_ref().map_or(std::ptr::null(), |t| texts.keep(t));
        let threads = config.threads.unwrap_or(0);
        let random = config.random.as_ref().map(|random| Box::new(weights::sent(random)));
        let c = abi::scorecam_model_config {
            struct_size: size_of::<abi::scorecam_model_config>() as u32,
            threads: u32::try_from(threads)
                .map_err(|_| Error::invalid(format!("{threads} threads are too many")))?,
            input: optional(&config.input),
            output: optional(&config.output),
            layer: optional(&config.layer),
            device: optional(&config.device),
            path: texts.keep(path),
            input_height: height as u64,
            input_width: width as u64,
            channels_last: match config.layout {
                None => 0,
                Some(Layout::Nhwc) => 1,
                Some(Layout::Nchw) => 2,
            },
            setting_count: settings.len() as u32,
            settings: settings.as_ptr(),
            random_weights: random.as_deref().map_or(std::ptr::null(), std::ptr::from_ref),
        };
        Ok(Self { c, _texts: texts, _settings: settings, _random: random })
    }
}
