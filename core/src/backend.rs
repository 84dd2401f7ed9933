//! [`ModelBackend`]: a model loaded by a runtime, with everything that the pipeline needs from it.
//!
//! Backends are raw: they name their inputs, outputs and layers, run, and return raw tensors. [`crate::ModelView`]
//! interprets them. An implementor writes two methods, [`ModelBackend::info`] and [`ModelBackend::forward`]. All others
//! are abilities, with a default that is correct but slow, or that returns "unsupported". A [`crate::BackendLoader`]
//! loads models.

use std::path::Path;

use crate::masking::{EachBatch, MaskedRequest};
use crate::view::{Form, Meaning};
use crate::{Bake, Error, Result, Tensor, TensorView};

/// A loaded model, ready to run. Several threads may call it concurrently.
///
/// `wanted` names both outputs and layers. The results come in that order, with any rank up to [`MAX_RANK`], the batch
/// first except for outputs that are not [`OutputInfo::per_image`]. A name may occur twice, and a name of both an
/// output and a layer means the output.
///
/// ```
#[doc = include_str!("../doc/channels.rs")]
/// let images = Tensor::zeros([2, 3, 8, 8])?;
/// let found = Channels::new().forward(&Inputs::of(images.view()), &["means", "image"])?;
/// assert_eq!((found[0].shape(), found[1].shape()), (&[2, 3][..], &[2, 3, 8, 8][..]));
/// # Ok::<(), scorecam_core::Error>(())
/// ```
#[auto_impl::auto_impl(Box)]
pub trait ModelBackend: Send + Sync {
    /// The inputs, outputs and layers of the model; constant for the model's lifetime.
    fn info(&self) -> &ModelInfo;

    /// Runs a batch of images and returns the `wanted` tensors.
    ///
    /// The result for one image must not depend on the rest of the batch, except for rounding.
    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>>;

    /// Runs masked images, batch by batch; [`MaskedRequest`] defines them. `each` receives the wanted tensors after
    /// every batch, so that they need not be stored. An error of `each` ends the run.
    ///
    /// The default makes the masked images on the CPU in reused buffers and runs them. A backend whose device makes
    /// them overrides this.
    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        request.on_cpu(self, wanted, each)
    }

    /// Returns the `wanted` tensors with `activations` [N, ...] in place of those of `layer`.
    ///
    /// `inputs` holds the image to explain, [1, C, H, W]: paths that bypass the layer keep the values of its own
    /// forward pass.
    fn run_from(
        &self,
        inputs: &Inputs<'_>,
        layer: &str,
        activations: TensorView<'_>,
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        let _ = (inputs, layer, activations, wanted);
        Err(Error::unsupported("this backend cannot run a model from an inner layer"))
    }

    /// Computes a vector-Jacobian product: the derivative of the sum of each cotangent times its output, with respect
    /// to the activations of `layer`, in their shape. A cotangent has the shape of its output.
    fn gradients(&self, inputs: &Inputs<'_>, layer: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        let _ = (inputs, layer, cotangents);
        Err(Error::unsupported("this backend has no gradients"))
    }

    /// The content of a model file that is derived from this model's: `what` at `layer`. The caller writes it to
    /// `path`; backends use `path` only to check that references to files beside the model stay valid.
    fn bake(&self, layer: &str, what: Bake<'_>, path: &Path) -> Result<Vec<u8>> {
        let _ = (layer, what, path);
        Err(Error::unsupported("this backend cannot write models; the ONNX backends can"))
    }

    /// The names of the layers with weights, in execution order. A backend with such a list can load a model with
    /// random weights, see [`crate::ModelConfig::random`].
    fn weights(&self) -> Result<Vec<String>> {
        Err(Error::unsupported("this backend cannot load models with random weights"))
    }

    /// Remarks for users on how this model runs, one line each: for example, that it runs in another precision than
    /// exported, and the resulting error. Constant for the model's lifetime; every explanation lists them among its
    /// warnings.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The maximum number of axes of a tensor.
pub const MAX_RANK: usize = 8;

/// A tensor and the name of its input or output.
pub type NamedTensor<'a> = (&'a str, TensorView<'a>);

/// The inputs of a forward pass.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The images, [N, C, H, W].
    pub images: TensorView<'a>,
    /// Inputs other than the image, which override those of [`crate::ModelConfig`] for this call. One that is
    /// [`InputInfo::per_image`] has a row per image.
    pub others: &'a [NamedTensor<'a>],
    /// Whether the caller cancels the call; query it only on the thread of the call.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl<'a> Inputs<'a> {
    /// Only images, without cancellation.
    pub fn of(images: TensorView<'a>) -> Self {
        Self { images, others: &[], cancelled: &|| false }
    }

    /// An error if the caller cancels the call.
    pub fn check_cancelled(&self) -> Result<()> {
        if (self.cancelled)() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// The inputs, outputs and layers of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The image input, [N, C, H, W].
    pub input: InputInfo,
    /// The inputs other than the image.
    pub other_inputs: Vec<InputInfo>,
    /// All outputs.
    pub outputs: Vec<OutputInfo>,
    /// The index into `outputs` of the default output with class scores, or the reason why there is none. See
    /// [`crate::choose_output`].
    pub scores: Result<usize>,
    /// The layers whose tensors can be returned, in execution order.
    pub layers: Vec<LayerInfo>,
    /// The index into `layers` of the default layer, if the backend knows one; see [`LayerInfo::preference`].
    pub default_layer: Option<usize>,
    /// The batch sizes of a forward pass.
    pub batch: BatchRule,
    /// The abilities of the backend beyond forward passes.
    pub abilities: Abilities,
}

impl ModelInfo {
    /// The layer with this name, or the default layer; the error lists the available layers.
    pub fn layer(&self, name: Option<&str>) -> Result<&LayerInfo> {
        layer(&self.layers, (self.default_layer, &self.input), name)
    }

    /// Whether the tensor `name` has a row per image: a layer, or such an output.
    pub fn is_per_image(&self, name: &str) -> bool {
        self.outputs.iter().find(|o| o.name == name).is_none_or(|o| o.per_image)
    }

    /// The output with class scores, or the reason why there is none.
    pub fn score_output(&self) -> Result<&OutputInfo> {
        let index = self.scores.clone()?;
        let none = || Error::internal(format!("class scores are output {index} of {}", self.outputs.len()));
        self.outputs.get(index).ok_or_else(none)
    }
}

/// The layer in `layers` with this name, or the default layer; the error lists the available layers.
pub(crate) fn layer<'l>(
    layers: &'l [LayerInfo],
    (default, input): (Option<usize>, &InputInfo),
    name: Option<&str>,
) -> Result<&'l LayerInfo> {
    let known = || known_layers(layers, input);
    match name {
        Some(name) => layers
            .iter()
            .find(|l| l.name == name)
            .ok_or_else(|| Error::not_found(format!("layer {name:?} is not in the model; {}", known()))),
        None => default.and_then(|i| layers.get(i)).ok_or_else(|| {
            Error::invalid(format!("no layer was given, and the default is uncertain; {}", known()))
        }),
    }
}

/// The layers that can be explained, as text.
pub(crate) fn known_layers(layers: &[LayerInfo], input: &InputInfo) -> String {
    const SHOWN: usize = 8;
    let spatial: Vec<&str> =
        layers.iter().filter(|l| l.has_spatial_extent()).map(|l| l.name.as_str()).collect();
    if spatial.is_empty() {
        let size = if input.shape.iter().skip(2).any(Option::is_none) {
            "; its input size is variable: give input.size in a manifest, so that layers can be examined"
        } else {
            ""
        };
        return format!(
            "no layer of the model is known to have spatial extent, which a saliency map requires{size}"
        );
    }
    let hidden = spatial.len().saturating_sub(SHOWN);
    let more = if hidden > 0 { format!("{hidden} earlier ones, ") } else { String::new() };
    format!("layers with spatial extent: {more}{}", spatial[hidden..].join(", "))
}

/// An input of a model; an axis of variable length is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputInfo {
    /// The name in the model.
    pub name: String,
    /// The length of each axis; for an image input [N, C, H, W], whatever the model's own order. A single number is
    /// `[1]`.
    pub shape: Vec<Option<usize>>,
    /// The model's own element type. Tensors are passed in f32, and the backend converts them.
    pub element: ElementType,
    /// Whether it has a row per image, so that its first axis is the batch.
    pub per_image: bool,
}

impl InputInfo {
    /// An f32 input for the images of a batch.
    pub fn image(name: impl Into<String>, shape: Vec<Option<usize>>) -> Self {
        Self { name: name.into(), shape, element: ElementType::F32, per_image: true }
    }

    /// Whether a model takes raw pixel values, 0 to 255 in 8 bits.
    pub fn takes_bytes(&self) -> bool {
        self.element == ElementType::U8
    }
}

/// An output of a model; an axis of variable length is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputInfo {
    /// The name in the model.
    pub name: String,
    /// The length of each axis; if it is `per_image`, with the batch first.
    pub shape: Vec<Option<usize>>,
    /// The model's own element type. The backend always returns f32.
    pub element: ElementType,
    /// Whether it has a row per image, so that its first axis is the batch. The detections of all images in one list do
    /// not.
    pub per_image: bool,
    /// The activation that the model itself applies, if the backend knows it.
    pub applied: OutputActivation,
}

impl OutputInfo {
    /// An f32 output with a row per image.
    pub fn new(name: impl Into<String>, shape: Vec<Option<usize>>, applied: OutputActivation) -> Self {
        Self { name: name.into(), shape, element: ElementType::F32, per_image: true, applied }
    }
}

/// An element type, with DLPack's numbers. Displayed as `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementType {
    /// The kind of number: 0 signed, 1 unsigned, 2 floating-point, 4 bfloat, 6 boolean.
    pub code: u8,
    /// Bits per number.
    pub bits: u8,
    /// Numbers per element: 1 except for vectors.
    pub lanes: u16,
}

impl ElementType {
    /// 32-bit floating-point numbers.
    pub const F32: Self = Self::new(2, 32);
    /// Bytes, 0 to 255.
    pub const U8: Self = Self::new(1, 8);

    /// A type of single numbers.
    pub const fn new(code: u8, bits: u8) -> Self {
        Self { code, bits, lanes: 1 }
    }
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, bits, lanes } = *self;
        match code {
            0 => write!(f, "i{bits}")?,
            1 => write!(f, "u{bits}")?,
            2 => write!(f, "f{bits}")?,
            4 => write!(f, "bf{bits}")?,
            6 => write!(f, "bool{bits}")?,
            code => write!(f, "type {code} of {bits} bits")?,
        }
        if lanes == 1 { Ok(()) } else { write!(f, "x{lanes}") }
    }
}

/// A layer whose tensor can be returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerInfo {
    /// The name of the layer.
    pub name: String,
    /// Its operation, as the model names it ("Conv", "Relu").
    pub operator: String,
    /// The shape of its raw tensor without the batch axis.
    pub shape: Vec<Option<usize>>,
    /// The meaning of these axes, if the backend knows it.
    pub meaning: Meaning,
    /// The preference as the default layer: the layer with the highest preference that is known to hold maps is chosen.
    /// 0 for a layer that is never chosen automatically.
    pub preference: u32,
    /// An earlier layer whose axes after the batch have the same meaning, though the last may have another length.
    /// Trial passes examine one layer of such a family.
    pub like: Option<usize>,
    /// Whether the part of the model after the layer depends only on the mean of each map, so that the model runs from
    /// means [N, K, 1, 1] as well as from maps [N, K, h, w]: a classifier that starts with global average pooling.
    /// False if unknown.
    pub pooled: bool,
}

impl LayerInfo {
    /// A layer with unknown axes.
    pub fn new(name: impl Into<String>, operator: impl Into<String>, shape: Vec<Option<usize>>) -> Self {
        Self {
            name: name.into(),
            operator: operator.into(),
            shape,
            meaning: Meaning::Unknown,
            preference: 0,
            like: None,
            pooled: false,
        }
    }

    /// A layer of activation maps [K, h, w].
    pub fn maps(name: impl Into<String>, operator: impl Into<String>, shape: Vec<Option<usize>>) -> Self {
        Self { meaning: Meaning::Map(Form::MAPS), ..Self::new(name, operator, shape) }
    }

    /// The shape [K, h, w] of its maps, if it has any.
    pub fn map_shape(&self) -> Option<[Option<usize>; 3]> {
        match self.meaning {
            Meaning::Map(form) => form.map_shape(&self.shape),
            Meaning::Unknown | Meaning::NoMap => None,
        }
    }

    /// Whether the activations are maps with more than one cell (or of variable size).
    pub fn has_spatial_extent(&self) -> bool {
        matches!(self.map_shape(), Some([_, h, w]) if h.is_none_or(|h| h > 1) || w.is_none_or(|w| w > 1))
    }
}

/// The batch sizes of a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchRule {
    /// Any number; `preferred` is the fastest known batch size for this model on this device.
    Any {
        /// The default batch size.
        preferred: usize,
    },
    /// Exactly this number, fixed by the export.
    Fixed(usize),
}

impl BatchRule {
    /// The maximum batch size, because a batch is held in memory as a whole.
    pub const MOST: usize = 4096;

    /// The batch size if the export fixed it.
    pub fn fixed(self) -> Option<usize> {
        match self {
            Self::Fixed(n) => Some(n),
            Self::Any { .. } => None,
        }
    }

    /// The batch size for running `wanted` images.
    pub fn size(self, wanted: usize) -> usize {
        match self {
            Self::Fixed(n) => n,
            Self::Any { .. } => wanted.clamp(1, Self::MOST),
        }
    }
}

/// The activation that a model applies to its class scores. The numbers are those of the plugin ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum OutputActivation {
    /// Unknown; the pipeline examines the values and warns if they are probabilities.
    #[default]
    Unknown = 0,
    /// None: the output is logits.
    None = 1,
    /// Softmax: the output is probabilities that sum to 1.
    Softmax = 2,
    /// Sigmoid: each output is an independent probability.
    Sigmoid = 3,
    /// One logit per image, represented as two columns: evidence against (its negation) and for. The probability of
    /// each column is its sigmoid.
    Binary = 4,
    /// One probability per image, represented as two columns: 1 - p and p.
    Probability = 5,
    /// The columns are plain numbers, used unchanged: a model's one number per image, as its negation and itself, or
    /// the values of targets.
    Value = 6,
    /// The output is scaled to length 1: an embedding without class scores.
    UnitLength = 7,
}

impl OutputActivation {
    /// All of them, each at the index of its number.
    pub const ALL: [Self; 8] = [
        Self::Unknown,
        Self::None,
        Self::Softmax,
        Self::Sigmoid,
        Self::Binary,
        Self::Probability,
        Self::Value,
        Self::UnitLength,
    ];

    /// Whether the model has one value per image, whose two sides are the classes.
    pub fn is_one_value(self) -> bool {
        matches!(self, Self::Binary | Self::Probability | Self::Value)
    }
}

/// Abilities beyond forward passes: those that a backend offers, or that a method needs. Displayed as a list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Abilities {
    /// The backend makes masked images itself, faster than the default.
    pub masked: bool,
    /// A model can run from an inner layer.
    pub run_from: bool,
    /// A class score can be differentiated.
    pub gradients: bool,
    /// The slope of a class score along a whole activation map: a possible need of a method, met by a model with
    /// gradients or one that can run from an inner layer.
    pub slopes: bool,
}

impl Abilities {
    /// No abilities.
    pub const NONE: Self = Self { masked: false, run_from: false, gradients: false, slopes: false };

    /// The abilities in `self` that `others` lacks.
    pub fn without(self, others: Self) -> Self {
        Self {
            masked: self.masked && !others.masked,
            run_from: self.run_from && !others.run_from,
            gradients: self.gradients && !others.gradients,
            slopes: self.slopes && !(others.slopes || others.gradients || others.run_from),
        }
    }
}

impl std::fmt::Display for Abilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            (self.masked, "masked"),
            (self.run_from, "run-from"),
            (self.gradients, "gradients"),
            (self.slopes, "gradients or run-from"),
        ];
        let names: Vec<&str> = all.into_iter().filter_map(|(has, name)| has.then_some(name)).collect();
        f.write_str(&names.join(", "))
    }
}
