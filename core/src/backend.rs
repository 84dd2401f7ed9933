//! [`ModelBackend`]: a model that a runtime has loaded, and all that the pipeline asks of it.
//!
//! Backends are raw: they name their inputs, outputs and layers, run, and return tensors as they are. What these mean is
//! [`crate::ModelView`]'s business. An implementor writes two methods, [`ModelBackend::info`] and
//! [`ModelBackend::forward`]. Everything else is an ability with a default that is right but slow, or that answers
//! "unsupported". A [`crate::BackendLoader`] makes models.

use std::path::Path;

use crate::masking::{EachBatch, MaskedRequest};
use crate::view::{Form, Meaning};
use crate::{Bake, Error, Result, Tensor, TensorView};

/// A loaded model, ready to run. Calls may come from several threads at once.
///
/// `wanted` names outputs and layers alike. What is asked for comes back in that order, of any rank up to [`MAX_RANK`], the
/// batch first but for outputs that are not [`OutputInfo::per_image`]; a name may be asked for twice, and one that is both
/// an output and a layer is the output.
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
    /// What the model takes and gives; the same for the model's whole life.
    fn info(&self) -> &ModelInfo;

    /// Runs a batch of images and returns the tensors that are `wanted`.
    ///
    /// The result for one image must not depend on what else is in the batch, beyond rounding.
    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>>;

    /// Runs masked images, batch by batch; see [`MaskedRequest`] for what is computed. `each` gets the wanted tensors of
    /// every batch as they come, so that nothing piles up. An error of `each` ends the run.
    ///
    /// The default makes the masked images on the CPU in reused buffers and runs them forward. A backend whose device
    /// makes them itself overrides this.
    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        request.on_cpu(self, wanted, each)
    }

    /// The tensors that are `wanted` when `activations` [N, ...] are put in place of those of `layer`.
    ///
    /// `inputs` holds the one image [1, C, H, W] under explanation: what goes round the layer is that of its own pass.
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

    /// Vector-Jacobian product: the derivative of the sum of `cotangents` times the outputs of their names with respect
    /// to the activations of `layer`, and of their shape. A cotangent has the shape of its output.
    fn gradients(&self, inputs: &Inputs<'_>, layer: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        let _ = (inputs, layer, cotangents);
        Err(Error::unsupported("this backend has no gradients"))
    }

    /// The content of a model file, made of this model's by `what` with regard to `layer`. The caller writes it to `path`,
    /// which a backend looks at for nothing but whether files beside the model will be found from there.
    fn bake(&self, layer: &str, what: Bake<'_>, path: &Path) -> Result<Vec<u8>> {
        let _ = (layer, what, path);
        Err(Error::unsupported("this backend writes no models; the ONNX backends do"))
    }

    /// The names of the layers with weights, in the order in which they run. A backend that has such a list loads a model with
    /// random weights where [`crate::ModelConfig::random`] asks for them.
    fn weights(&self) -> Result<Vec<String>> {
        Err(Error::unsupported("this backend loads no model with random weights"))
    }

    /// What a user should know of how this model runs, a line each: that it runs in another precision than it was
    /// exported in, and what that costs. The same for the model's whole life; every explanation has them among
    /// its warnings.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The most axes that a tensor may have.
pub const MAX_RANK: usize = 8;

/// A tensor and the name of the input or output that it is for.
pub type NamedTensor<'a> = (&'a str, TensorView<'a>);

/// What goes into a pass.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The images, [N, C, H, W].
    pub images: TensorView<'a>,
    /// Inputs beside the image, for this call in place of those of [`crate::ModelConfig`]. One that is
    /// [`InputInfo::per_image`] has a row for each image.
    pub others: &'a [NamedTensor<'a>],
    /// Whether the caller wants the call to end; to be asked on the thread of the call.
    pub cancelled: &'a dyn Fn() -> bool,
}

impl<'a> Inputs<'a> {
    /// Images alone, which nobody cancels.
    pub fn of(images: TensorView<'a>) -> Self {
        Self { images, others: &[], cancelled: &|| false }
    }

    /// An error that says so where the caller wants the call to end.
    pub fn check_cancelled(&self) -> Result<()> {
        if (self.cancelled)() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// What a model takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// The image input, [N, C, H, W].
    pub input: InputInfo,
    /// The inputs beside the image.
    pub other_inputs: Vec<InputInfo>,
    /// All outputs.
    pub outputs: Vec<OutputInfo>,
    /// Index into `outputs` of the one that class scores are read from when nothing else is asked for, or why there is
    /// none. See [`crate::choose_output`].
    pub scores: Result<usize>,
    /// Layers that can be tapped, in the order in which they run.
    pub layers: Vec<LayerInfo>,
    /// Index into `layers` of the one to explain when none is named, as far as the backend can tell; see
    /// [`LayerInfo::preference`].
    pub default_layer: Option<usize>,
    /// How many images one pass may hold.
    pub batch: BatchRule,
    /// What the backend can do beyond running forward.
    pub abilities: Abilities,
}

impl ModelInfo {
    /// The layer called `name`, or the default one; an error that lists those that there are.
    pub fn layer(&self, name: Option<&str>) -> Result<&LayerInfo> {
        layer(&self.layers, (self.default_layer, &self.input), name)
    }

    /// Whether the tensor called `name` has a row for each image: a layer, or an output that says so.
    pub fn is_per_image(&self, name: &str) -> bool {
        self.outputs.iter().find(|o| o.name == name).is_none_or(|o| o.per_image)
    }

    /// The output that class scores are read from, or why there is none.
    pub fn score_output(&self) -> Result<&OutputInfo> {
        let index = self.scores.clone()?;
        let none = || Error::internal(format!("class scores are output {index} of {}", self.outputs.len()));
        self.outputs.get(index).ok_or_else(none)
    }
}

/// The one of `layers` called `name`, or the default one; an error that lists those that there are.
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
            Error::invalid(format!("no layer was given, and which one to take is not certain; {}", known()))
        }),
    }
}

/// The layers that can be explained, in words.
pub(crate) fn known_layers(layers: &[LayerInfo], input: &InputInfo) -> String {
    const SHOWN: usize = 8;
    let spatial: Vec<&str> =
        layers.iter().filter(|l| l.has_spatial_extent()).map(|l| l.name.as_str()).collect();
    if spatial.is_empty() {
        let size = if input.shape.iter().skip(2).any(Option::is_none) {
            "; its input may have any size: give input.size in a manifest, so that layers can be looked at"
        } else {
            ""
        };
        return format!(
            "no layer of the model is known to have spatial extent, which a saliency map needs{size}"
        );
    }
    let hidden = spatial.len().saturating_sub(SHOWN);
    let more = if hidden > 0 { format!("{hidden} earlier ones, ") } else { String::new() };
    format!("layers with spatial extent: {more}{}", spatial[hidden..].join(", "))
}

/// An input of a model; an axis whose length is free is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputInfo {
    /// The name in the model.
    pub name: String,
    /// The length of each axis; of an image input [N, C, H, W], whatever the model's own order. A single number is `[1]`.
    pub shape: Vec<Option<usize>>,
    /// The model's own element type. Tensors are given in f32, and the backend converts them.
    pub element: ElementType,
    /// Whether it has a row for each image, so that its first axis is the batch.
    pub per_image: bool,
}

impl InputInfo {
    /// An input of f32 for the images of a batch.
    pub fn image(name: impl Into<String>, shape: Vec<Option<usize>>) -> Self {
        Self { name: name.into(), shape, element: ElementType::F32, per_image: true }
    }

    /// Whether a model takes pixels as they are, 0 to 255 in 8 bits.
    pub fn takes_bytes(&self) -> bool {
        self.element == ElementType::U8
    }
}

/// An output of a model; an axis whose length is free is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputInfo {
    /// The name in the model.
    pub name: String,
    /// The length of each axis; where it is `per_image` the batch first.
    pub shape: Vec<Option<usize>>,
    /// The model's own element type. The backend returns f32, whichever it is.
    pub element: ElementType,
    /// Whether it has a row for each image, so that its first axis is the batch. Detections of all images in one list
    /// have not.
    pub per_image: bool,
    /// What the model itself applies to the values, when the backend can tell.
    pub applied: OutputActivation,
}

impl OutputInfo {
    /// An output of f32 with a row for each image.
    pub fn new(name: impl Into<String>, shape: Vec<Option<usize>>, applied: OutputActivation) -> Self {
        Self { name: name.into(), shape, element: ElementType::F32, per_image: true, applied }
    }
}

/// An element type by DLPack's numbers. Shown as `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementType {
    /// The kind of number: 0 signed, 1 unsigned, 2 floating-point, 4 bfloat, 6 truth value.
    pub code: u8,
    /// Bits of one number.
    pub bits: u8,
    /// Numbers of one element; 1 but for vectors.
    pub lanes: u16,
}

impl ElementType {
    /// 32-bit floating-point numbers.
    pub const F32: Self = Self::new(2, 32);
    /// Bytes, 0 to 255.
    pub const U8: Self = Self::new(1, 8);

    /// Single numbers of a kind.
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
    /// Whether all that lies behind the layer reads the mean of each map alone, so that means [N, K, 1, 1] run from it as
    /// maps [N, K, h, w] do: a classifier that begins with global average pooling. False where that is not known.
    pub pooled: bool,
}

impl LayerInfo {
    /// A layer whose axes are not known.
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

    /// The shape [K, h, w] of its maps, as far as it has any.
    pub fn map_shape(&self) -> Option<[Option<usize>; 3]> {
        match self.meaning {
            Meaning::Map(form) => form.map_shape(&self.shape),
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

    /// How many images each pass has, where the export fixed it.
    pub fn fixed(self) -> Option<usize> {
        match self {
            Self::Fixed(n) => Some(n),
            Self::Any { .. } => None,
        }
    }

    /// The images of a pass where `wanted` are to run.
    pub fn size(self, wanted: usize) -> usize {
        match self {
            Self::Fixed(n) => n,
            Self::Any { .. } => wanted.clamp(1, Self::MOST),
        }
    }
}

/// What a model applies to its class scores before it returns them. The numbers are those of the plugin ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum OutputActivation {
    /// Not known; the pipeline looks at the values and warns when they are probabilities.
    #[default]
    Unknown = 0,
    /// Nothing: the output is logits.
    None = 1,
    /// Softmax: the output is probabilities that sum to 1.
    Softmax = 2,
    /// Sigmoid: each output is a probability of its own.
    Sigmoid = 3,
    /// The model gives one logit an image, which is here as two columns: evidence against (its negation) and for it.
    /// The probability of either is its sigmoid.
    Binary = 4,
    /// The model gives one probability an image, which is here as two columns: 1 - p and p.
    Probability = 5,
    /// The columns are numbers of their own, used as they are: the one number that a model gives an image, as its negation
    /// and itself, or the numbers of targets.
    Value = 6,
    /// The output is scaled to length 1: an embedding, which scores no class.
    UnitLength = 7,
}

impl OutputActivation {
    /// All of them, each in the place of its number.
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
    pub masked: bool,
    /// A model is run from an inner layer.
    pub run_from: bool,
    /// A class score is differentiated.
    pub gradients: bool,
    /// What a method may need, and a model with gradients or one that runs from an inner layer has: how steeply a class
    /// score rises with a whole activation map.
    pub slopes: bool,
}

impl Abilities {
    /// None at all.
    pub const NONE: Self = Self { masked: false, run_from: false, gradients: false, slopes: false };

    /// Those that `others` lacks.
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
