//! [`ModelBackend`]: a model that a runtime has loaded, and all that the pipeline asks of it.
//!
//! An implementor writes two methods: [`ModelBackend::info`] and [`ModelBackend::forward`]. Everything
//! else is an ability with a default that is right but slow, or that answers "unsupported".
//! [`BackendLoader`] is what a backend plugin exports: it turns a [`ModelConfig`] into a model.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::masking::MaskedScores;
use crate::view::{Form, Meaning};
use crate::{Error, Result, Tensor, TensorView};

/// A loaded model, ready to run forward. Calls may come from several threads at once.
///
/// ```
#[doc = include_str!("../doc/channels.rs")]
/// let scores = Channels::new().forward(Tensor::zeros([2, 3, 8, 8])?.view(), &[])?.scores;
/// assert_eq!(scores.shape(), [2, 3]);
/// # Ok::<(), scorecam_core::Error>(())
/// ```
pub trait ModelBackend: Send + Sync {
    /// What the model takes and gives; the same for the model's whole life.
    fn info(&self) -> &ModelInfo;

    /// Runs `batch` [N, C, H, W] and returns the output, with the activations of the layers in `taps`.
    ///
    /// Tensors are raw: [`crate::ModelView`] makes class scores and maps of them.
    ///
    /// The result for one item must not depend on what else is in the batch, beyond rounding.
    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward>;

    /// Scores of masked images, [masks, classes]; see [`MaskedScores`] for what is computed.
    ///
    /// The default makes the masked images on the CPU in reused buffers and runs them in batches. A
    /// backend whose device makes them itself overrides this, and reports each batch to `request.on_batch`.
    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        request.on_cpu(self)
    }

    /// The raw output [N, ...] when `activations` [N, ...] are put in place of those of `layer`.
    fn run_from(&self, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let _ = (layer, activations);
        Err(Error::unsupported("this backend cannot run a model from an inner layer"))
    }

    /// As [`Self::run_from`], for activations that replace those of a pass on `image` [1, C, H, W]. A view of the layer
    /// takes from that pass what its maps do not hold, such as a class token.
    fn run_from_image(
        &self,
        image: TensorView<'_>,
        layer: &str,
        activations: TensorView<'_>,
    ) -> Result<Tensor> {
        let _ = image;
        self.run_from(layer, activations)
    }

    /// The derivative of the model's own output for `class`, as [`Self::forward`] returns it, with respect to the
    /// activations of `layer`, and of their shape.
    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        let _ = (batch, layer, class);
        Err(Error::unsupported("this backend has no gradients"))
    }

    /// What a user should know of how this model runs, a line each: that it runs in another precision than it was
    /// exported in, and what that costs. The same for the model's whole life; every explanation has them among
    /// its warnings.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

impl<M: ModelBackend + ?Sized> ModelBackend for Box<M> {
    fn info(&self) -> &ModelInfo {
        (**self).info()
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        (**self).forward(batch, taps)
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        (**self).masked_scores(request)
    }

    fn run_from(&self, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        (**self).run_from(layer, activations)
    }

    fn run_from_image(
        &self,
        image: TensorView<'_>,
        layer: &str,
        activations: TensorView<'_>,
    ) -> Result<Tensor> {
        (**self).run_from_image(image, layer, activations)
    }

    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        (**self).gradients(batch, layer, class)
    }

    fn remarks(&self) -> Vec<String> {
        (**self).remarks()
    }
}

/// What one forward pass returns.
#[derive(Debug, Clone)]
pub struct Forward {
    /// The model's raw output, the batch first: [N, classes] for a classifier.
    pub scores: Tensor,
    /// One raw tensor for each tap, the batch first, in the order in which they were asked for.
    pub activations: Vec<Tensor>,
}

/// What a model takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The image input, [N, C, H, W].
    pub input: TensorInfo,
    /// The output that holds the class scores, the batch first.
    pub output: TensorInfo,
    /// What the model itself applies to its scores, when the backend can tell.
    pub output_activation: OutputActivation,
    /// Layers that can be tapped, in the order in which they run.
    pub layers: Vec<LayerInfo>,
    /// Index into `layers` of the one to explain when none is named, as far as the backend can tell; see
    /// [`LayerInfo::preference`].
    pub default_layer: Option<usize>,
    /// How many images one pass may hold.
    pub batch: BatchRule,
    /// Whether the model takes pixels as they are, 0 to 255 in 8 bits.
    pub takes_bytes: bool,
    /// What the backend can do beyond running forward.
    pub abilities: Abilities,
}

impl ModelInfo {
    /// The layer called `name`, or the default one; an error that lists those that there are.
    pub fn layer(&self, name: Option<&str>) -> Result<&LayerInfo> {
        match name {
            Some(name) => self.layers.iter().find(|l| l.name == name).ok_or_else(|| {
                Error::not_found(format!("layer {name:?} is not in the model; {}", self.known_layers()))
            }),
            None => self.default_layer.and_then(|i| self.layers.get(i)).ok_or_else(|| {
                Error::invalid(format!(
                    "no layer was given, and which one to take is not certain; {}",
                    self.known_layers()
                ))
            }),
        }
    }

    /// The layers that can be explained, in words.
    pub(crate) fn known_layers(&self) -> String {
        const SHOWN: usize = 8;
        let spatial: Vec<&str> =
            self.layers.iter().filter(|l| l.has_spatial_extent()).map(|l| l.name.as_str()).collect();
        if spatial.is_empty() {
            let size = match self.input.shape.iter().skip(2).any(Option::is_none) {
                true => {
                    "; its input may have any size: give input.size in a manifest, so that layers can be looked at"
                }
                false => "",
            };
            return format!(
                "no layer of the model is known to have spatial extent, which a saliency map needs{size}"
            );
        }
        let hidden = spatial.len().saturating_sub(SHOWN);
        let more = if hidden > 0 { format!("{hidden} earlier ones, ") } else { String::new() };
        format!("layers with spatial extent: {more}{}", spatial[hidden..].join(", "))
    }
}

/// Name and shape of an input or output; an axis whose length is free is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// The name in the model.
    pub name: String,
    /// The length of each axis, batch first.
    pub shape: Vec<Option<usize>>,
}

/// A layer that can be tapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerInfo {
    /// The name to give as target layer.
    pub name: String,
    /// What the layer does, in the model's own words ("Conv", "Relu").
    pub operator: String,
    /// Shape of its raw tensor without the batch axis.
    pub shape: Vec<Option<usize>>,
    /// What these axes are, as far as the backend knows.
    pub meaning: Meaning,
    /// How much a layer recommends itself when none is named: the highest of those that are known to hold maps is
    /// taken. 0 for one that is never taken unasked.
    pub preference: u32,
    /// An earlier layer whose axes behind the batch mean the same, though the last may have another length. Trial passes
    /// look at one of such a family.
    pub like: Option<usize>,
}

impl LayerInfo {
    /// A layer whose three axes are [K, h, w] unless trial passes show another form.
    pub fn new(name: impl Into<String>, operator: impl Into<String>, shape: Vec<Option<usize>>) -> Self {
        Self {
            name: name.into(),
            operator: operator.into(),
            shape,
            meaning: Meaning::Presumed,
            preference: 0,
            like: None,
        }
    }

    /// A layer of activation maps [K, h, w].
    pub fn maps(name: impl Into<String>, operator: impl Into<String>, shape: Vec<Option<usize>>) -> Self {
        Self { meaning: Meaning::Map(Form::MAPS), ..Self::new(name, operator, shape) }
    }

    /// The shape [K, h, w] of its maps, as far as it has any.
    pub fn map_shape(&self) -> Option<[Option<usize>; 3]> {
        match self.meaning {
            Meaning::Map(form) => form.map_shape(&self.shape),
            Meaning::Presumed => Form::MAPS.map_shape(&self.shape),
            Meaning::Unknown | Meaning::NoMap => None,
        }
    }

    /// Whether the activations are maps with more than one cell (or of free size).
    pub fn has_spatial_extent(&self) -> bool {
        matches!(self.map_shape(), Some([_, h, w]) if h.is_none_or(|h| h > 1) || w.is_none_or(|w| w > 1))
    }
}

/// How many images one pass may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchRule {
    /// Any number; `preferred` is the fastest known for this model on this device.
    Any {
        /// Images a pass when the caller does not say.
        preferred: usize,
    },
    /// Exactly this many, because the export fixed it.
    Fixed(usize),
}

impl BatchRule {
    /// The most images that a pass may have, whoever asks: a batch is made whole.
    pub const MOST: usize = 4096;

    /// The images of a pass where `wanted` are to run.
    pub fn size(self, wanted: usize) -> usize {
        match self {
            Self::Fixed(n) => n,
            Self::Any { .. } => wanted.clamp(1, Self::MOST),
        }
    }
}

/// What a model applies to its class scores before it returns them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputActivation {
    /// Not known; the pipeline looks at the values and warns when they are probabilities.
    #[default]
    Unknown,
    /// Nothing: the output is logits.
    None,
    /// Softmax: the output is probabilities that sum to 1.
    Softmax,
    /// Sigmoid: each output is a probability of its own.
    Sigmoid,
    /// The model gives one logit an image, which is here as two columns: evidence against (its negation) and for it.
    /// The probability of either is its sigmoid.
    Binary,
    /// The model gives one probability an image, which is here as two columns: 1 - p and p.
    Probability,
    /// The model gives one number an image, which is here as two columns: its negation and itself.
    Value,
    /// The output is scaled to length 1: an embedding, which scores no class.
    UnitLength,
}

impl OutputActivation {
    /// Whether the model gives one value an image, whose two sides are the classes.
    pub fn is_one_value(self) -> bool {
        matches!(self, Self::Binary | Self::Probability | Self::Value)
    }
}

/// What can be done with a model beyond running it forward: what a backend offers, or what a method needs.
/// Shown as a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// Masked images are made by the backend itself, faster than by the default.
    pub masked_scores: bool,
    /// A model is run from an inner layer.
    pub run_from: bool,
    /// A class score is differentiated.
    pub gradients: bool,
}

impl Abilities {
    /// None at all.
    pub const NONE: Self = Self { masked_scores: false, run_from: false, gradients: false };

    /// Those that `others` lacks.
    pub fn without(self, others: Self) -> Self {
        Self {
            masked_scores: self.masked_scores && !others.masked_scores,
            run_from: self.run_from && !others.run_from,
            gradients: self.gradients && !others.gradients,
        }
    }
}

impl std::fmt::Display for Abilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            (self.masked_scores, "masked-scores"),
            (self.run_from, "run-from"),
            (self.gradients, "gradients"),
        ];
        let names: Vec<&str> = all.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
        f.write_str(&names.join(", "))
    }
}

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
    /// (see [`ModelInfo::abilities`]), never another one: that is refused when it is loaded.
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
