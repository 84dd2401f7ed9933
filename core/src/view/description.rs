//! A view's description of its model, for methods, and remarks for users.

use super::form::{Form, Meaning};
use super::layers::Layers;
use super::output::OutputView;
use super::trial::Batches;
use crate::{BatchRule, Error, LayerInfo, ModelInfo, OutputActivation, OutputInfo, Result, ViewInfo};

/// The description of the model as its view shows it.
pub(super) fn viewed(
    described: &ModelInfo,
    layers: &Layers,
    (output, batches): (&Result<OutputView>, Batches),
) -> ViewInfo {
    let layer = |layer: &LayerInfo| match layer.map_shape() {
        Some(shape) => LayerInfo {
            shape: shape.to_vec(),
            meaning: Meaning::Map(Form::MAPS),
            pooled: layer.pooled && layer.meaning == Meaning::Map(Form::MAPS),
            ..layer.clone()
        },
        None => LayerInfo { pooled: false, ..layer.clone() },
    };
    let batch = match batches {
        Batches::OneOnly | Batches::Dependent => BatchRule::Fixed(1),
        Batches::AsDescribed => described.batch,
    };
    let scores = output.clone().and_then(|output| {
        let raw = described.score_output()?;
        let shape = vec![raw.shape.first().copied().flatten(), output.classes];
        Ok(OutputInfo { shape, applied: output.applied, ..raw.clone() })
    });
    ViewInfo {
        input: described.input.clone(),
        scores,
        outputs: described.outputs.clone(),
        layers: layers.all.iter().map(layer).collect(),
        default_layer: layers.default(),
        batch,
        abilities: described.abilities,
    }
}

/// Remarks for users on the interpretation of a model.
pub(super) fn remarks(
    (applied, declared, known): (OutputActivation, OutputActivation, Option<OutputActivation>),
    batches: Batches,
    failure: Option<&Error>,
) -> Vec<String> {
    let failed = failure.map(|error| {
        format!("the model did not run on a trial image, so the meaning of its tensors is uncertain: {error}")
    });
    let values = (declared == OutputActivation::Unknown && known.is_none())
        .then(|| remark_on_values(applied))
        .flatten();
    let one_value = remark_on_one_value(applied, declared);
    [failed, values, one_value, remark_on_batches(batches)].into_iter().flatten().collect()
}

fn remark_on_values(applied: OutputActivation) -> Option<String> {
    let name = match applied {
        OutputActivation::Softmax => "softmax: on trial images they sum to 1",
        OutputActivation::Sigmoid => "sigmoid: on trial images they lie between 0 and 1",
        _ => return None,
    };
    Some(format!(
        "the outputs are interpreted as probabilities after {name}; if that is wrong, set output.activation in a \
         manifest"
    ))
}

fn remark_on_one_value(applied: OutputActivation, declared: OutputActivation) -> Option<String> {
    let what = match applied {
        OutputActivation::Binary if declared == OutputActivation::Unknown => "interpreted as a logit",
        OutputActivation::Binary => "a logit",
        OutputActivation::Probability => "a probability",
        _ => return None,
    };
    Some(format!(
        "the model has one value per image, {what}: class 1 is the evidence for it, class 0 the evidence against \
         it; for a regression, set output.kind = \"value\" in a manifest"
    ))
}

fn remark_on_batches(batches: Batches) -> Option<String> {
    let text = match batches {
        Batches::AsDescribed => return None,
        Batches::OneOnly => {
            "the model declares a variable batch size but runs only single images, so each image gets its own pass"
        }
        Batches::Dependent => {
            "the model's result for an image depends on the rest of its batch (as with dynamic quantization, or \
             batch normalization left in training mode), so each image gets its own pass"
        }
    };
    Some(text.into())
}

pub(super) const AT_RANDOM: &str = "the model returns different results for equal images (as with dropout left in \
    training mode), so the map is partly noise, and its layers cannot be examined; export the model in evaluation \
    mode";
