//! [`classify`]: the class scores of one image, without a map.

use std::sync::Arc;

use crate::ask::Ask;
use crate::explain::{check_input, resolve_activation};
use crate::scores::class_score;
use crate::tensor::only;
use crate::{ClassScore, Result, Tensor, ViewedModel, passes};

/// The scores of all classes.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassScores {
    /// The probability of each class, 0 to 1; for a model with a single value, that value.
    pub scores: Vec<f64>,
    /// The model's raw output for each class.
    pub outputs: Vec<f32>,
    /// Warnings for the user, one line each.
    pub warnings: Vec<String>,
}

/// The class scores of `model` on one input [1, C, H, W], in one forward pass: the same numbers as those of an
/// explanation's targets. May be called from any thread.
///
/// An error of kind invalid-argument if the input does not fit the model; the model's own error if it has no class
/// scores.
pub fn classify(model: &dyn ViewedModel, input: Arc<Tensor>) -> Result<ClassScores> {
    check_input(model, &input)?;
    model.info().scores.as_ref().map_err(Clone::clone)?;
    let ask = Ask::Forward { images: input, taps: Vec::new() };
    let outputs = only(passes::answer(model, &ask, 1, &|_| Ok(()))?)?.into_data();
    let mut warnings = model.remarks();
    let applied = resolve_activation(model, &outputs, &mut warnings);
    let score = |class| class_score(ClassScore::Softmax, applied, &outputs, class);
    Ok(ClassScores { scores: (0..outputs.len()).map(score).collect(), outputs, warnings })
}
