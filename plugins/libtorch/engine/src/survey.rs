//! What a TorchScript file does not say, found by trial passes on zeros: the number of images that one pass
//! may hold, the number of classes, and which module calls give activations of which shape.

use scorecam_plugin::{BatchRule, Error, LayerInfo, ModelConfig, Result};
use tch::{Device, Kind, Tensor};

use crate::model::scores_shape;
use crate::shim::{Module, OUT_OF_MEMORY, Program};
use crate::tensors::{failed, shape_of};

/// Images a pass on the CPU when the caller does not say. From 8 on, activations of the first layers exceed
/// what malloc keeps (32 MB), and each pass pays for fresh pages: EfficientNet-Lite0 takes 7.7 ms an image in
/// batches of 4, 11.3 in batches of 16; on SqueezeNet and ResNet-18 all of 4 to 16 are equally fast.
const PREFERRED_BATCH: usize = 4;
/// Images a pass on a GPU.
const PREFERRED_GPU_BATCH: usize = 32;
/// Batches that an export may have been fixed at, in the order in which they are tried.
const FIXED_BATCHES: [usize; 10] = [1, 2, 3, 4, 5, 6, 8, 16, 32, 64];
/// Channels of the image where the model's first operator does not tell.
const USUAL_CHANNELS: usize = 3;
/// The most axes that an activation may have.
const MAX_RANK: usize = 4;

/// What trial passes found.
pub(crate) struct Survey {
    /// [C, H, W]
    pub(crate) image: [usize; 3],
    pub(crate) batch: BatchRule,
    pub(crate) classes: usize,
    pub(crate) layers: Vec<LayerInfo>,
    /// For each layer the index of its call.
    pub(crate) calls: Vec<usize>,
    pub(crate) default_layer: Option<usize>,
    /// Modules that are in the model and can't be tapped, with the reason.
    pub(crate) refused: Vec<(String, String)>,
}

/// Runs `scores` and taps of all calls on zeros.
pub(crate) fn survey(
    module: &Module,
    scores: &Program,
    device: Device,
    config: &ModelConfig,
) -> Result<Survey> {
    let traced = module.traced_shape();
    let (height, width) = config.input_size.or(traced.map(|[_, _, h, w]| (h, w))).ok_or_else(|| {
        Error::invalid(
            "the file does not say which input size the model takes, as only traced ones do; write it as \
             size = [height, width] under [input] in the model's manifest",
        )
    })?;
    let channels = module.input_channels().or(traced.map(|[_, c, _, _]| c)).unwrap_or(USUAL_CHANNELS);
    let image = [channels, height, width];
    let (batch, classes) = find_batch(scores, image, device)?;
    let images = match batch {
        BatchRule::Fixed(n) => n,
        BatchRule::Any { .. } => 1,
    };
    let calls = module.calls();
    let mut survey =
        Survey { image, batch, classes, layers: vec![], calls: vec![], default_layer: None, refused: vec![] };
    let tappable: Vec<usize> = (0..calls.len()).filter(|&i| calls[i].refusal.is_none()).collect();
    let mut results = module.taps(&tappable)?.run(&zeros(images, image, device)?)?.into_iter().skip(1);
    for (i, call) in calls.into_iter().enumerate() {
        let refusal = match call.refusal {
            Some(refusal) => Some(refusal),
            None => {
                let result = results.next().ok_or_else(|| Error::internal("a tapped call gave nothing"))?;
                let shape = shape_of(&result);
                let refusal = why_no_activation(&result, images);
                if refusal.is_none() {
                    let shape = shape[1..].iter().copied().map(Some).collect();
                    survey.layers.push(LayerInfo { name: call.path.clone(), operator: call.kind, shape });
                    survey.calls.push(i);
                }
                refusal
            }
        };
        survey.refused.extend(refusal.map(|why| (call.path, why)));
    }
    survey.default_layer = default_layer(&survey.layers, classes);
    Ok(survey)
}

/// A batch [n, C, H, W] of zeros.
fn zeros(n: usize, [c, h, w]: [usize; 3], device: Device) -> Result<Tensor> {
    Tensor::f_zeros([n as i64, c as i64, h as i64, w as i64], (Kind::Float, device)).map_err(failed)
}

/// How many images a pass may hold, and the number of classes. A trace that was made with `view(n, -1)` runs
/// for n images only, so where one image fails the usual numbers are tried.
fn find_batch(scores: &Program, image: [usize; 3], device: Device) -> Result<(BatchRule, usize)> {
    let classes = |n: usize| -> Result<usize> {
        let outputs = scores.run(&zeros(n, image, device)?)?;
        let shape = outputs.first().map(shape_of).unwrap_or_default();
        scores_shape(&shape, n).map(|[_, classes]| classes)
    };
    let preferred = if device == Device::Cpu { PREFERRED_BATCH } else { PREFERRED_GPU_BATCH };
    let first = match classes(1) {
        Ok(found) if classes(2).is_ok() => return Ok((BatchRule::Any { preferred }, found)),
        first => first,
    };
    if let Ok(found) = first {
        return Ok((BatchRule::Fixed(1), found));
    }
    // More images need more memory, so where one is too many no number will do.
    let exhausted = first.as_ref().is_err_and(|e| e.to_string().starts_with(OUT_OF_MEMORY));
    let further = if exhausted { &[] } else { &FIXED_BATCHES[1..] };
    for n in further {
        if let Ok(found) = classes(*n) {
            return Ok((BatchRule::Fixed(*n), found));
        }
    }
    let [c, h, w] = image;
    first.map(|found| (BatchRule::Fixed(1), found)).map_err(|e| {
        e.context(format!(
            "it does not run on an input of shape [1, {c}, {h}, {w}], which its manifest's input.size asks for"
        ))
    })
}

/// Why the result of a call can't serve as activations of `n` images.
fn why_no_activation(result: &Tensor, n: usize) -> Option<String> {
    let shape = shape_of(result);
    if !result.is_floating_point() {
        return Some("its result is not of floating-point numbers".into());
    }
    if shape.first() != Some(&n) || shape.len() < 2 || shape.len() > MAX_RANK || shape.contains(&0) {
        return Some(format!(
            "its result has shape {shape:?} for {n} images; 2 to {MAX_RANK} axes, the batch first, are needed"
        ));
    }
    None
}

/// The last layer with spatial extent before the classifier. Maps of as many channels as there are classes
/// are taken for the classifier's own and passed over, unless there are no others.
fn default_layer(layers: &[LayerInfo], classes: usize) -> Option<usize> {
    let last = |passed_over: Option<usize>| {
        layers.iter().rposition(|l| {
            l.has_spatial_extent() && (passed_over.is_none() || l.shape.first() != Some(&passed_over))
        })
    };
    last(Some(classes)).or_else(|| last(None))
}
