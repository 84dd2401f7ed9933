//! What a TorchScript file does not say, found by trial passes on zeros: the image that the model takes, the number of
//! images that one pass may hold, and the shape of its output.

use scorecam_plugin::{
    BatchRule, Candidate, Error, Layout, MAX_RANK, ModelConfig, OutputActivation, OutputInfo, Result,
    choose_output, written,
};
use tch::{Device, Kind, Tensor};

use crate::layers::{self, Listing};
use crate::shim::{Module, OUT_OF_MEMORY, Output, Program};
use crate::tensors::{arranged, failed, likely_layout, shape_of};

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

/// What trial passes found.
pub(crate) struct ModelLayers {
    /// [C, H, W]
    pub(crate) image: [usize; 3],
    /// The order of axes in which the model takes it.
    pub(crate) layout: Layout,
    pub(crate) batch: BatchRule,
    /// The raw output, the batch first.
    pub(crate) output: OutputInfo,
    pub(crate) listing: Listing,
}

/// The order of axes that a model's images have: as the manifest says, or as its trace tells.
fn layout(module: &Module, config: &ModelConfig) -> Layout {
    let traced = || module.traced_shape().map_or(Layout::Nchw, |[_, a, b, c]| likely_layout([a, b, c]));
    config.layout.unwrap_or_else(traced)
}

/// Runs `scores` and taps of all calls on zeros.
pub(crate) fn model_layers(
    module: &Module,
    scores: &Program,
    (device, config): (Device, &ModelConfig),
) -> Result<ModelLayers> {
    let trial = Trial { module, device, layout: layout(module, config) };
    let (image, (batch, axes)) = trial.image(config, &|image| trial.batch(scores, image))?;
    let (n, images) = match batch {
        BatchRule::Fixed(n) => (Some(n), n),
        // With two images the batch axis is told from others of length 1.
        BatchRule::Any { .. } => (None, 2),
    };
    let classes = axes.iter().product();
    let name = config.output.clone().unwrap_or_else(|| "output".into());
    let shape: Vec<_> = std::iter::once(n).chain(axes.into_iter().map(Some)).collect();
    if shape.len() > MAX_RANK {
        return Err(Error::unsupported(format!(
            "output {name:?} has shape {}; at most {MAX_RANK} axes can be read",
            written(&shape)
        )));
    }
    let output = OutputInfo::new(name, shape, OutputActivation::Unknown);
    let zeros = trial.zeros(images, image)?;
    let listing = layers::list(module, (&zeros, images), (trial.layout == Layout::Nhwc, classes))?;
    Ok(ModelLayers { image, layout: trial.layout, batch, output, listing })
}

/// The name of the output to explain of a model that returns several.
pub(crate) fn chosen_output(module: &Module, device: Device, config: &ModelConfig) -> Result<String> {
    let trial = Trial { module, device, layout: layout(module, config) };
    let (_, (n, outputs)) = trial.image(config, &|image| {
        let mut failed = None;
        for n in [2, 1].into_iter().chain(trial.fixed_batches()) {
            match trial.zeros(n, image).and_then(|zeros| module.outputs(&zeros)) {
                Ok(outputs) => return Ok((n, outputs)),
                // With one image less can be wrong than with two.
                Err(error) => failed = Some(error).filter(|_| n == 1).or(failed),
            }
        }
        Err(failed.unwrap_or_else(|| Error::internal("no batch was tried")))
    })?;
    let candidate = |output: &'_ Output| {
        let axis = |(i, &length): (usize, &usize)| if i == 0 && length == n { None } else { Some(length) };
        output.shape.as_ref().map(|shape| shape.iter().enumerate().map(axis).collect())
    };
    let shapes: Vec<Option<Vec<Option<usize>>>> = outputs.iter().map(candidate).collect();
    let candidates: Vec<Candidate<'_>> = outputs
        .iter()
        .zip(shapes)
        .map(|(o, shape)| Candidate { name: &o.name, shape, element: (&o.element, o.is_float) })
        .collect();
    let chosen = choose_output(&candidates, None)?;
    Ok(outputs[chosen].name.clone())
}

/// Passes on zeros.
struct Trial<'a> {
    module: &'a Module,
    device: Device,
    layout: Layout,
}

impl Trial<'_> {
    /// The image [C, H, W] that the model takes, and what `look` makes of it; an error where it makes nothing of any.
    fn image<T>(
        &self,
        config: &ModelConfig,
        look: &dyn Fn([usize; 3]) -> Result<T>,
    ) -> Result<([usize; 3], T)> {
        let traced = self.module.traced_shape().map(|[_, a, b, c]| match self.layout {
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
            Layout::Nchw => self.module.input_channels().or(traced.map(|[c, ..]| c)),
            Layout::Nhwc => traced.map(|[c, ..]| c),
        };
        let candidates = known.map_or(USUAL_CHANNELS.to_vec(), |c| vec![c]);
        let mut first = None;
        for channels in candidates {
            let image = [channels, height, width];
            match look(image) {
                Ok(found) => return Ok((image, found)),
                Err(e) => first = first.or(Some((channels, e))),
            }
        }
        let (c, error) = first.ok_or_else(|| Error::internal("no number of channels was tried"))?;
        Err(error.context(format!("it does not run on an image of shape [{c}, {height}, {width}], {origin}")))
    }

    /// How many images a pass of `scores` may hold, and the axes of its output behind the batch. A trace that was made
    /// with `view(n, -1)` runs for n images only, so where one image fails the usual numbers are tried.
    fn batch(&self, scores: &Program, image: [usize; 3]) -> Result<(BatchRule, Vec<usize>)> {
        let preferred = if self.device == Device::Cpu { PREFERRED_BATCH } else { PREFERRED_GPU_BATCH };
        let axes = |n: usize| -> Result<Vec<usize>> {
            let outputs = scores.run(&self.zeros(n, image)?)?;
            let output = outputs.first().ok_or_else(|| Error::internal("a program gave no scores"))?;
            match output.is_floating_point() {
                true => Ok(raw_shape(&shape_of(output), n)?.split_off(1)),
                false => Err(Error::unsupported(
                    "its output is not of floating-point numbers, as class scores are",
                )),
            }
        };
        let error = match axes(1) {
            Ok(found) if axes(2).is_ok_and(|both| both == found) => {
                return Ok((BatchRule::Any { preferred }, found));
            }
            Ok(found) => return Ok((BatchRule::Fixed(1), found)),
            Err(error) => error,
        };
        // Another number of images needs no less memory.
        if !error.to_string().starts_with(OUT_OF_MEMORY) {
            for n in self.fixed_batches() {
                if let Ok(found) = axes(n) {
                    return Ok((BatchRule::Fixed(n), found));
                }
            }
        }
        Err(error)
    }

    fn fixed_batches(&self) -> impl Iterator<Item = usize> {
        self.module.traced_shape().map(|[n, ..]| n).into_iter().chain(FIXED_BATCHES)
    }

    /// A batch of `n` black images, in the order of axes that the model wants.
    fn zeros(&self, n: usize, [c, h, w]: [usize; 3]) -> Result<Tensor> {
        let shape = [n, c, h, w].map(|length| length as i64);
        let batch = Tensor::f_zeros(shape, (Kind::Float, self.device)).map_err(failed)?;
        arranged(&batch, self.layout)
    }
}

/// The shape of an output for `n` images, the batch first; of one image it may lack that axis.
pub(crate) fn raw_shape(shape: &[usize], n: usize) -> Result<Vec<usize>> {
    match *shape {
        [rows, ..] if rows == n && !shape.contains(&0) => Ok(shape.to_vec()),
        [] if n == 1 => Ok(vec![1]),
        [columns] if n == 1 && columns > 0 => Ok(vec![1, columns]),
        _ => Err(Error::model(format!(
            "its output has shape {shape:?} for {n} images; one row for each was expected"
        ))),
    }
}
