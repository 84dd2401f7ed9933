//! [`ViewedModel`]: a model as the pipeline and methods see it.

use std::sync::Arc;

use crate::backend::{known_layers, layer};
use crate::target::TargetSet;
use crate::{
    Abilities, BatchRule, Error, InputInfo, LayerInfo, MaskedScores, OutputInfo, Result, Tensor, TensorView,
};

/// A model with class scores [N, classes] and activation maps [N, K, h, w]: a [`crate::ModelView`], or a wrapper that
/// counts or shares its passes. Several threads may call it concurrently.
pub trait ViewedModel: Send + Sync {
    /// The inputs, outputs and layers of the model; constant for the model's lifetime.
    fn info(&self) -> &ViewInfo;

    /// Runs `batch` [N, C, H, W] and returns the scores, with the maps of the layers in `taps`.
    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward>;

    /// Scores of masked images, [masks, classes].
    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        request.on_cpu(self)
    }

    /// The scores [N, classes] with `activations` [N, K, h, w] in place of those of `layer` in a pass on `image` [1, C,
    /// H, W].
    fn run_from(&self, image: TensorView<'_>, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let _ = (image, layer, activations);
        Err(Error::unsupported("this model cannot be run from an inner layer"))
    }

    /// The derivative of the output for `class` with respect to the maps of `layer`, in their shape.
    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        let _ = (batch, layer, class);
        Err(Error::unsupported("this model has no gradients"))
    }

    /// The rows of `outputs` for one image [1, C, H, W], each without its batch axis, and the maps of `taps`, of one pass.
    fn rows(&self, image: TensorView<'_>, outputs: &[&str], taps: &[&str]) -> Result<Rows> {
        let _ = (image, outputs, taps);
        Err(Error::unsupported("this model shows its class scores alone"))
    }

    /// The model with `targets` instead of its classes: scores are [N, targets], the unchanged values of the targets.
    fn with_targets(&self, targets: Arc<TargetSet>) -> Result<Box<dyn ViewedModel + '_>> {
        let _ = targets;
        Err(Error::unsupported("this model shows its class scores alone"))
    }

    /// What a user should know of how the model runs and is read, a line each.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The outputs and layers of a pass on one image.
#[derive(Debug, Clone)]
pub struct Rows {
    /// For each output its row, without the batch axis, or the whole output if it has none.
    pub outputs: Vec<Tensor>,
    /// Maps [1, K, h, w] of each tap.
    pub activations: Vec<Tensor>,
}

/// The result of one forward pass.
#[derive(Debug, Clone)]
pub struct Forward {
    /// Class scores, [N, classes].
    pub scores: Tensor,
    /// Maps [N, K, h, w] of each tap, in the requested order.
    pub activations: Vec<Tensor>,
}

/// The input, scores and layers of a viewed model.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewInfo {
    /// The image input, [N, C, H, W].
    pub input: InputInfo,
    /// The class scores, [N, classes], and the activation that the model applies to them; or the reason why it has
    /// none.
    pub scores: Result<OutputInfo>,
    /// All outputs as the backend describes them.
    pub outputs: Vec<OutputInfo>,
    /// The layers; those that are known to hold maps have the shape [K, h, w].
    pub layers: Vec<LayerInfo>,
    /// The index into `layers` of the default layer.
    pub default_layer: Option<usize>,
    /// The batch sizes of a forward pass.
    pub batch: BatchRule,
    /// The abilities beyond forward passes.
    pub abilities: Abilities,
}

impl ViewInfo {
    /// The layer with this name, or the default layer; the error lists the available layers.
    pub fn layer(&self, name: Option<&str>) -> Result<&LayerInfo> {
        layer(&self.layers, (self.default_layer, &self.input), name)
    }

    /// The layers that can be explained, as text.
    pub(super) fn known_layers(&self) -> String {
        known_layers(&self.layers, &self.input)
    }
}
