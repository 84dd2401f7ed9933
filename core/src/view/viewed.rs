//! [`ViewedModel`]: a model as the pipeline and methods see it.

use std::sync::Arc;

use crate::backend::{known_layers, layer};
use crate::target::TargetSet;
use crate::{
    Abilities, BatchRule, Error, InputInfo, LayerInfo, MaskedScores, OutputInfo, Result, Tensor, TensorView,
};

/// A model that gives class scores [N, classes] and activation maps [N, K, h, w]: a [`crate::ModelView`], or what stands
/// before one and counts or shares its passes. Calls may come from several threads at once.
pub trait ViewedModel: Send + Sync {
    /// What the model takes and gives; the same for the model's whole life.
    fn info(&self) -> &ViewInfo;

    /// Runs `batch` [N, C, H, W] and returns the scores, with the maps of the layers in `taps`.
    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward>;

    /// Scores of masked images, [masks, classes].
    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        request.on_cpu(self)
    }

    /// The scores [N, classes] when `activations` [N, K, h, w] are put in place of those of `layer` in a pass on `image`
    /// [1, C, H, W].
    fn run_from(&self, image: TensorView<'_>, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let _ = (image, layer, activations);
        Err(Error::unsupported("this model cannot be run from an inner layer"))
    }

    /// The derivative of the output for `class` with respect to the maps of `layer`, and of their shape.
    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        let _ = (batch, layer, class);
        Err(Error::unsupported("this model has no gradients"))
    }

    /// The rows of `outputs` for one image [1, C, H, W], each without its batch axis, and the maps of `taps`, of one pass.
    fn rows(&self, image: TensorView<'_>, outputs: &[&str], taps: &[&str]) -> Result<Rows> {
        let _ = (image, outputs, taps);
        Err(Error::unsupported("this model shows its class scores alone"))
    }

    /// The model with `targets` in the place of its classes: scores are [N, targets], their numbers as they are.
    fn with_targets(&self, targets: Arc<TargetSet>) -> Result<Box<dyn ViewedModel + '_>> {
        let _ = targets;
        Err(Error::unsupported("this model shows its class scores alone"))
    }

    /// What a user should know of how the model runs and is read, a line each.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a pass on one image gives of outputs and layers.
#[derive(Debug, Clone)]
pub struct Rows {
    /// For each output its row: without the batch axis, or whole where it has none.
    pub outputs: Vec<Tensor>,
    /// Maps [1, K, h, w] for each tap.
    pub activations: Vec<Tensor>,
}

/// What one forward pass returns.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Class scores, [N, classes].
    pub scores: Tensor,
    /// Maps [N, K, h, w] for each tap, in the order in which they were asked for.
    pub activations: Vec<Tensor>,
}

/// What a viewed model takes and gives.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewInfo {
    /// The image input, [N, C, H, W].
    pub input: InputInfo,
    /// The class scores, [N, classes], and what the model has applied to them; or why it has none.
    pub scores: Result<OutputInfo>,
    /// All outputs as the backend describes them.
    pub outputs: Vec<OutputInfo>,
    /// Layers that can be tapped; those that are known to hold maps have the shape [K, h, w].
    pub layers: Vec<LayerInfo>,
    /// Index into `layers` of the one to explain when none is named.
    pub default_layer: Option<usize>,
    /// How many images one pass may hold.
    pub batch: BatchRule,
    /// What can be done beyond running forward.
    pub abilities: Abilities,
}

impl ViewInfo {
    /// The layer called `name`, or the default one; an error that lists those that there are.
    pub fn layer(&self, name: Option<&str>) -> Result<&LayerInfo> {
        layer(&self.layers, (self.default_layer, &self.input), name)
    }

    /// The layers that can be explained, in words.
    pub(super) fn known_layers(&self) -> String {
        known_layers(&self.layers, &self.input)
    }
}
