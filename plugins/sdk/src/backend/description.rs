//! What a model's description says, checked.

use scorecam_core::{
    Abilities, BatchRule, Error, Form, InputInfo, LayerInfo, Meaning, ModelInfo, OutputActivation,
    OutputInfo, Result, bail, ensure,
};

use crate::abi;
use crate::wire::{Sizes, element_of, list, read_line};

/// The most layers, inputs and outputs that a description may list.
const MOST_LAYERS: u64 = 1 << 20;
const MOST_PORTS: u64 = 4096;

/// # Safety
/// `d` is a description whose pointers are valid.
pub(super) unsafe fn read_description(
    d: &abi::scorecam_model_description,
    abilities: Abilities,
) -> Result<ModelInfo> {
    // SAFETY: as the caller promises, in this whole function.
    let (inputs, outputs, layers, why) = unsafe {
        (
            list(d.inputs, d.input_count, MOST_PORTS, "its list of inputs")?,
            list(d.outputs, d.output_count, MOST_PORTS, "its list of outputs")?,
            list(d.layers, d.layer_count, MOST_LAYERS, "its list of layers")?,
            (!d.why_no_scores.is_null())
                .then(|| read_line(d.why_no_scores, "why it has no scores"))
                .transpose()?,
        )
    };
    // SAFETY: as the caller promises.
    let mut inputs = inputs.iter().map(|i| unsafe { read_input(i) }).collect::<Result<Vec<_>>>()?;
    // SAFETY: as the caller promises.
    let outputs = outputs.iter().map(|o| unsafe { read_output(o) }).collect::<Result<Vec<_>>>()?;
    let layers = layers.iter().enumerate();
    // SAFETY: as the caller promises.
    let layers = layers.map(|(i, l)| unsafe { read_layer(i, l) }).collect::<Result<Vec<_>>>()?;
    let image = d.image_input as usize;
    ensure!(image < inputs.len(), plugin, "its image input is number {image} of {}", inputs.len());
    let input = InputInfo { per_image: true, ..inputs.remove(image) };
    if input.shape.len() != 4 {
        let axes = input.shape.len();
        return Err(Error::plugin(format!("its input has {axes} axes; it must be [N, C, H, W]")));
    }
    let scores = match usize::try_from(d.score_output) {
        Ok(i) if i >= outputs.len() => bail!(plugin, "its class scores are output {i} of {}", outputs.len()),
        Ok(i) if !outputs[i].per_image => {
            let name = &outputs[i].name;
            bail!(plugin, "its class scores are output {name:?}, which is not per image");
        }
        Ok(i) => Ok(i),
        Err(_) => {
            Err(Error::unsupported(why.unwrap_or("the model has no output that class scores are read from")))
        }
    };
    let default_layer = match usize::try_from(d.default_layer) {
        Ok(i) if i >= layers.len() => bail!(plugin, "its default layer is number {i} of {}", layers.len()),
        other => other.ok(),
    };
    let batch = batch_rule(d.fixed_batch, d.preferred_batch)?;
    Ok(ModelInfo { input, other_inputs: inputs, outputs, scores, layers, default_layer, batch, abilities })
}

/// # Safety
/// The input's name is NULL or ends with NUL.
unsafe fn read_input(input: &abi::scorecam_input_info) -> Result<InputInfo> {
    Ok(InputInfo {
        // SAFETY: as the caller promises.
        name: unsafe { read_line(input.name, "its input's name") }?.to_owned(),
        shape: Sizes::read(&input.shape, "its input")?.or_free(),
        element: element_of(input.dtype),
        per_image: input.per_image != 0,
    })
}

/// # Safety
/// The output's name is NULL or ends with NUL.
unsafe fn read_output(output: &abi::scorecam_output_info) -> Result<OutputInfo> {
    Ok(OutputInfo {
        // SAFETY: as the caller promises.
        name: unsafe { read_line(output.name, "its output's name") }?.to_owned(),
        shape: Sizes::read(&output.shape, "its output")?.or_free(),
        element: element_of(output.dtype),
        per_image: output.per_image != 0,
        applied: activation(output.activation)?,
    })
}

/// # Safety
/// The layer's strings are NULL or end with NUL.
unsafe fn read_layer(index: usize, layer: &abi::scorecam_layer) -> Result<LayerInfo> {
    // SAFETY: as the caller promises.
    let (name, operator) = unsafe {
        (
            read_line(layer.name, "a layer's name")?.to_owned(),
            read_line(layer.operation, "a layer's operation")?.to_owned(),
        )
    };
    let meaning = match layer.meaning {
        abi::SCORECAM_LAYER_UNKNOWN => Meaning::Unknown,
        abi::SCORECAM_LAYER_MAPS => Meaning::Map(Form::MAPS),
        abi::SCORECAM_LAYER_CHANNELS_LAST => Meaning::Map(Form::CHANNELS_LAST),
        abi::SCORECAM_LAYER_NO_MAP => Meaning::NoMap,
        other => bail!(plugin, "its layer {name:?} has meaning {other}; 0 to 3 are known"),
    };
    let like = match usize::try_from(layer.like) {
        Ok(like) if like <= index => like.checked_sub(1),
        _ => {
            let like = layer.like;
            bail!(plugin, "its layer {name:?} is like number {like}, which is not an earlier one");
        }
    };
    let shape = Sizes::read(&layer.shape, "a layer")?.or_free();
    let (preference, pooled) = (layer.preference, layer.pooled != 0);
    Ok(LayerInfo { name, operator, shape, meaning, preference, like, pooled })
}

fn batch_rule(fixed: u64, preferred: u64) -> Result<BatchRule> {
    const MOST: u64 = BatchRule::MOST as u64;
    if let Some(n) = [fixed, preferred].into_iter().find(|&n| n > MOST) {
        return Err(Error::plugin(format!("its batch size must be at most {MOST}, got {n}")));
    }
    Ok(match fixed as usize {
        0 => BatchRule::Any { preferred: preferred.max(1) as usize },
        n => BatchRule::Fixed(n),
    })
}

/// The output activation of a number.
pub(crate) fn activation(number: u32) -> Result<OutputActivation> {
    let known = OutputActivation::ALL.get(number as usize).copied();
    known.ok_or_else(|| Error::plugin(format!("output activation {number} is unknown; it must be 0 to 7")))
}
