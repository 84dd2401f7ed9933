//! What a TorchScript file does not say, found by trial passes on zeros: the number of images that one pass
//! may hold, the number of classes, and which module calls give activations of which shape.

use scorecam_plugin::{BatchRule, Error, ErrorKind, LayerInfo, Layout, ModelConfig, Result};
use tch::{Device, Kind, Tensor};

use crate::model::scores_shape;
use crate::shim::{Module, OUT_OF_MEMORY, Program};
use crate::tensors::{arranged, failed, shape_of};

/// Images a pass on the CPU when the caller does not say. From 8 on, activations of the first layers exceed
/// what malloc keeps (32 MB), and each pass pays for fresh pages: EfficientNet-Lite0 takes 7.7 ms an image in
/// batches of 4, 11.3 in batches of 16; on SqueezeNet and ResNet-18 all of 4 to 16 are equally fast.
const PREFERRED_BATCH: usize = 4;
/// Images a pass on a GPU.
const PREFERRED_GPU_BATCH: usize = 32;
/// Batches that an export may have been fixed at, in the order in which they are tried after that of its trace.
const FIXED_BATCHES: [usize; 9] = [2, 3, 4, 5, 6, 8, 16, 32, 64];
/// Channels of the image where neither the model's first operators nor its trace tell, as they are tried.
const USUAL_CHANNELS: [usize; 3] = [3, 1, 4];
/// Calls that one trial pass taps, so that a large model's activations are not all in memory at once.
const TAPS_A_PASS: usize = 32;
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
    let trial = Trial { scores, device, layout: config.layout.unwrap_or_default(), traced: module.traced_shape() };
    let (image, batch, classes) = trial.image(module, config)?;
    let images = match batch {
        BatchRule::Fixed(n) => n,
        BatchRule::Any { .. } => 1,
    };
    let mut survey =
        Survey { image, batch, classes, layers: vec![], calls: vec![], default_layer: None, refused: vec![] };
    let calls = module.calls();
    let tappable: Vec<usize> = (0..calls.len()).filter(|&i| calls[i].refusal.is_none()).collect();
    let zeros = trial.zeros(images, image)?;
    for group in tappable.chunks(TAPS_A_PASS) {
        let results = module.taps(group)?.run(&zeros)?;
        for (&i, result) in group.iter().zip(&results[1..]) {
            let call = &calls[i];
            match why_no_activation(result, images) {
                Some(why) => survey.refused.push((call.path.clone(), why)),
                None => {
                    let shape = shape_of(result)[1..].iter().copied().map(Some).collect();
                    let (name, operator) = (call.path.clone(), call.kind.clone());
                    survey.layers.push(LayerInfo::new(name, operator, shape));
                    survey.calls.push(i);
                }
            }
        }
    }
    survey.refused.extend(calls.into_iter().filter_map(|call| Some((call.path, call.refusal?))));
    survey.default_layer = default_layer(&survey.layers, classes);
    Ok(survey)
}

/// Passes of scores on zeros.
struct Trial<'a> {
    scores: &'a Program,
    device: Device,
    layout: Layout,
    /// The shape of the batch that the model was traced with, in the model's order of axes.
    traced: Option<[usize; 4]>,
}

impl Trial<'_> {
    /// The image [C, H, W] that the model takes, how many a pass may hold, and the number of classes.
    fn image(&self, module: &Module, config: &ModelConfig) -> Result<([usize; 3], BatchRule, usize)> {
        let traced = self.traced.map(|[_, a, b, c]| match self.layout {
            Layout::Nchw => [a, b, c],
            Layout::Nhwc => [c, a, b],
        });
        let (height, width, origin) = match (config.input_size, traced) {
            (Some((height, width)), _) => (height, width, "as input.size in its manifest says"),
            (None, Some([_, height, width])) => (height, width, "with which it was traced"),
            (None, None) => {
                return Err(Error::invalid(
                    "the file does not say which input size the model takes, as only traced ones do; write it as \
                     size = [height, width] under [input] in the model's manifest",
                ));
            }
        };
        let known = match self.layout {
            Layout::Nchw => module.input_channels().or(traced.map(|[c, ..]| c)),
            Layout::Nhwc => traced.map(|[c, ..]| c),
        };
        let candidates = known.map_or(USUAL_CHANNELS.to_vec(), |c| vec![c]);
        let mut first = None;
        for channels in candidates {
            let image = [channels, height, width];
            match self.batch(image) {
                Ok((batch, classes)) => return Ok((image, batch, classes)),
                Err(e) => first = first.or(Some((channels, e))),
            }
        }
        let (c, error) = first.ok_or_else(|| Error::internal("no number of channels was tried"))?;
        Err(match error.kind() {
            ErrorKind::Unsupported => error,
            _ => error
                .context(format!("it does not run on an image of shape [{c}, {height}, {width}], {origin}")),
        })
    }

    /// How many images a pass may hold, and the number of classes. A trace that was made with `view(n, -1)`
    /// runs for n images only, so where one image fails the usual numbers are tried.
    fn batch(&self, image: [usize; 3]) -> Result<(BatchRule, usize)> {
        let preferred = if self.device == Device::Cpu { PREFERRED_BATCH } else { PREFERRED_GPU_BATCH };
        let error = match self.classes(1, image) {
            Ok(found) if self.classes(2, image).is_ok() => return Ok((BatchRule::Any { preferred }, found)),
            Ok(found) => return Ok((BatchRule::Fixed(1), found)),
            Err(error) => error,
        };
        // Another number of images makes no class scores of other outputs, and needs no less memory.
        if error.kind() != ErrorKind::Unsupported && !error.to_string().starts_with(OUT_OF_MEMORY) {
            for n in self.traced.map(|[n, ..]| n).into_iter().chain(FIXED_BATCHES) {
                if let Ok(found) = self.classes(n, image) {
                    return Ok((BatchRule::Fixed(n), found));
                }
            }
        }
        Err(error)
    }

    fn classes(&self, n: usize, image: [usize; 3]) -> Result<usize> {
        let outputs = self.scores.run(&self.zeros(n, image)?)?;
        let shape = outputs.first().map(shape_of).unwrap_or_default();
        scores_shape(&shape, n).map(|[_, classes]| classes)
    }

    /// A batch of `n` black images, in the order of axes that the model wants.
    fn zeros(&self, n: usize, [c, h, w]: [usize; 3]) -> Result<Tensor> {
        let shape = [n, c, h, w].map(|length| length as i64);
        let batch = Tensor::f_zeros(shape, (Kind::Float, self.device)).map_err(failed)?;
        arranged(&batch, self.layout)
    }
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
/// are taken for the classifier's own and passed over, and so is pooling, whose maps show what came before it
/// with less detail; unless there is nothing else.
fn default_layer(layers: &[LayerInfo], classes: usize) -> Option<usize> {
    let last = |wanted: &dyn Fn(&LayerInfo) -> bool| {
        layers.iter().rposition(|layer| layer.has_spatial_extent() && wanted(layer))
    };
    let own = |layer: &LayerInfo| layer.shape.first() != Some(&Some(classes));
    last(&|layer| own(layer) && !layer.operator.contains("Pool"))
        .or_else(|| last(&own))
        .or_else(|| last(&|_| true))
}
