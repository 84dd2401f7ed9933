//! [`BackendLoader`]: the trait that a backend plugin exports. It turns a [`ModelConfig`] into a model.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{Abilities, ModelBackend, RandomWeights, Result};

/// The arguments for loading a model. The host builds them from a manifest, the command line or C options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelConfig {
    /// The model's file.
    pub path: PathBuf,
    /// The name of the image input; `None` for the only input, or the only one that may be an image.
    pub input: Option<String>,
    /// The input height and width, for models of variable input size.
    pub input_size: Option<(usize, usize)>,
    /// The order of the input's axes; `None` to infer it from its shape.
    pub layout: Option<Layout>,
    /// The name of the output with class scores; `None` for the only output, or the only one that looks like class
    /// scores ([`crate::choose_output`]).
    pub output: Option<String>,
    /// A hint: the layer to explain, or several separated by commas ([`Self::layers`]), so that a backend can prepare for it.
    pub layer: Option<String>,
    /// Threads for the runtime; `None` for all cores.
    pub threads: Option<usize>,
    /// The device ("cpu", "cuda:0"); `None` for the backend's default.
    pub device: Option<String>,
    /// Settings of the backend, as `key = value`; unknown keys are errors.
    pub settings: BTreeMap<String, String>,
    /// Random weights instead of trained ones. The host sets this only for models whose [`ModelBackend::weights`] lists
    /// layers.
    pub random: Option<RandomWeights>,
}

impl ModelConfig {
    /// The names in [`Self::layer`]; a name of a layer of the model may itself contain commas.
    pub fn layers(&self, is_layer: impl Fn(&str) -> bool) -> Vec<&str> {
        self.layer.as_deref().map(|text| layer_names(text, is_layer)).unwrap_or_default()
    }
}

/// The names in `text`: of one layer, or of several separated by commas. A layer's own name may contain commas.
pub fn layer_names(text: &str, is_layer: impl Fn(&str) -> bool) -> Vec<&str> {
    match text.contains(',') && !is_layer(text) {
        true => text.split(',').map(str::trim).collect(),
        false => vec![text],
    }
}

/// The order of axes of a model's input. Tensors in this workspace are always NCHW; a backend transposes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Channels before rows and columns.
    #[default]
    Nchw,
    /// Channels last, as TensorFlow exports.
    Nhwc,
}

/// A runtime that loads models; a backend plugin exports it.
pub trait BackendLoader: Send + Sync {
    /// The backend's id ("onnx-cpu").
    fn id(&self) -> &str;

    /// The plugin's own version.
    fn version(&self) -> &str;

    /// The file extensions of this backend's models, without the dot ("onnx").
    fn extensions(&self) -> &[&str];

    /// The abilities of its models. A model may have fewer of them (see [`crate::ModelInfo::abilities`]), but no
    /// others: the host rejects such a model.
    fn abilities(&self) -> Abilities {
        Abilities::NONE
    }

    /// The readiness of this backend on this machine, on `device` if one was requested ("cpu", "cuda:0"); the error
    /// names the missing part and the command that installs it.
    ///
    /// The host calls it before loading a model, for every backend that loads this type of file, to try the best one
    /// first. So it must take only milliseconds: it may check files and open a driver's library, but starts no runtime,
    /// and leaves other checks to [`Self::load`]. The default is ready, with the rank of a CPU and no device.
    fn readiness(&self, device: Option<&str>) -> Result<Readiness> {
        let _ = device;
        Ok(Readiness::unsaid())
    }

    /// Loads a model.
    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>>;
}

/// Availability of a backend on this machine, and its rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// The rank: the backend with the highest one is preferred; at most [`Self::HIGHEST`].
    pub rank: u32,
    /// The device in one line ("the CPU", "NVIDIA H200, driver for CUDA 13.0"); may be empty.
    pub device: String,
}

impl Readiness {
    /// The rank of a backend that runs models on the CPU.
    pub const CPU: u32 = 100;
    /// The rank of a backend that runs models on a GPU or another accelerator.
    pub const ACCELERATOR: u32 = 200;
    /// The most that a rank may be.
    pub const HIGHEST: u32 = 1000;

    /// Ready on the processor.
    pub fn on_cpu() -> Self {
        Self { rank: Self::CPU, device: "the CPU".into() }
    }

    /// Ready on an accelerator, which `device` names.
    pub fn on_accelerator(device: impl Into<String>) -> Self {
        Self { rank: Self::ACCELERATOR, device: device.into() }
    }

    /// What is taken of a backend that says nothing of it.
    pub fn unsaid() -> Self {
        Self { rank: Self::CPU, device: String::new() }
    }
}
