//! [`BackendLoader`]: what a backend plugin exports. It turns a [`ModelConfig`] into a model.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::{Abilities, ModelBackend, RandomWeights, Result};

/// What a backend needs to load a model. Made by the host from a manifest, the command line or C options.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelConfig {
    /// The model's file.
    pub path: PathBuf,
    /// Name of the image input; when `None`, the only input or the only one that may be an image.
    pub input: Option<String>,
    /// Height and width at which the model is to run, for models whose input size is free.
    pub input_size: Option<(usize, usize)>,
    /// The order of axes that the model's input wants; `None` for what its shape tells.
    pub layout: Option<Layout>,
    /// Name of the output that holds class scores; when `None`, the only output or the only one that looks like class
    /// scores ([`crate::choose_output`]).
    pub output: Option<String>,
    /// The layer that will be explained; a hint that lets a backend prepare for it.
    pub layer: Option<String>,
    /// Threads for the runtime; all cores when `None`.
    pub threads: Option<usize>,
    /// The device ("cpu", "cuda:0"); the backend's own default when `None`.
    pub device: Option<String>,
    /// Settings of the backend itself, as `key = value`; unknown keys are errors.
    pub settings: BTreeMap<String, String>,
    /// Random weights in place of trained ones. The host gives this only to models whose [`ModelBackend::weights`] lists
    /// layers.
    pub random: Option<RandomWeights>,
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

/// A runtime that loads models: what a backend plugin exports.
pub trait BackendLoader: Send + Sync {
    /// The backend's id ("onnx-cpu").
    fn id(&self) -> &str;

    /// The plugin's own version.
    fn version(&self) -> &str;

    /// File extensions of models that this backend loads, without the dot ("onnx").
    fn extensions(&self) -> &[&str];

    /// What can be done with its models, as far as the backend can. A model may have fewer of these abilities
    /// (see [`crate::ModelInfo::abilities`]), never another one: that is refused when it is loaded.
    fn abilities(&self) -> Abilities {
        Abilities::NONE
    }

    /// Whether this backend can work on this machine, on `device` where one was asked for ("cpu", "cuda:0"): what
    /// it would run on, or the line that says what is missing and which command gets it.
    ///
    /// It is asked before any model is loaded, of every backend that loads such files, so that the best one is
    /// tried first. So it takes milliseconds: it looks at files, and opens a driver's library at most; it starts
    /// no runtime, and what [`Self::load`] is going to find out anyway it leaves to that. The default is ready
    /// everywhere, by a processor's rank, and does not say on what.
    fn readiness(&self, device: Option<&str>) -> Result<Readiness> {
        let _ = device;
        Ok(Readiness::unsaid())
    }

    /// Loads a model.
    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>>;
}

/// That a backend can work on this machine, and how it goes among others that can, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness {
    /// Which of several backends is preferred: the highest, at most [`Self::HIGHEST`].
    pub rank: u32,
    /// What a model would run on, in one line ("the CPU", "NVIDIA H200, driver for CUDA 13.0"); empty when the
    /// backend does not say.
    pub device: String,
}

impl Readiness {
    /// The rank of a backend that runs models on the processor.
    pub const CPU: u32 = 100;
    /// The rank of a backend that runs models on a graphics card or its like.
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
