//! What a view says of its model: the description that methods see, and remarks for users.

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

/// What a user should know of how a model is read.
pub(super) fn remarks(
    (applied, declared, known): (OutputActivation, OutputActivation, Option<OutputActivation>),
    batches: Batches,
    failure: Option<&Error>,
) -> Vec<String> {
    let failed = failure.map(|error| {
        format!("the model did not run on a trial image, so what its tensors mean is not certain: {error}")
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
        "the outputs are taken for probabilities after {name}; if that is wrong, say what they are by output.activation \
         in a manifest"
    ))
}

fn remark_on_one_value(applied: OutputActivation, declared: OutputActivation) -> Option<String> {
    let what = match applied {
        OutputActivation::Binary if declared == OutputActivation::Unknown => "taken for a logit",
        OutputActivation::Binary => "a logit",
        OutputActivation::Probability => "a probability",
        _ => return None,
    };
    Some(format!(
        "the model gives one value an image, {what}: class 1 is the evidence for it, class 0 the evidence against; for a \
         regression, set output.kind = \"value\" in a manifest"
    ))
}

fn remark_on_batches(batches: Batches) -> Option<String> {
    let text = match batches {
        Batches::AsDescribed => return None,
        Batches::OneOnly => {
            "the model declares a free batch but runs on one image only, so each image has a pass of its own"
        }
        Batches::Dependent => {
            "the model's result for an image depends on what else is in its batch (as with dynamic quantization, or batch \
             normalization left in training mode), so each image has a pass of its own"
        }
    };
    Some(text.into())
}

pub(super) const AT_RANDOM: &str = "the model gives equal images different results (as with dropout left in training mode), so the map \
    is partly noise, and what its layers hold is not found out; export the model in evaluation mode";
