//! What a TorchScript file does not say, found by trial passes: the image that the model takes, its outputs, the number of
//! images that one pass may hold, and its layers.

use scorecam_plugin::{BatchRule, Error, Layout, ModelConfig, Result, precision};
use tch::{Device, Kind, Tensor};

use crate::layers::{self, Listing, Looked};
use crate::outputs::Outputs;
use crate::shim::{Module, OUT_OF_MEMORY, Output, Returned};
use crate::tensors::{arranged, failed, likely_layout, to_device};

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
    pub(crate) trial: Trial,
    pub(crate) batch: BatchRule,
    pub(crate) outputs: Outputs,
    pub(crate) listing: Listing,
}

/// Finds out what the model's outputs and layers are, the former first: programs are made for outputs that are known.
pub(crate) fn model_layers(module: &mut Module, device: Device, config: &ModelConfig) -> Result<ModelLayers> {
    let (trial, (n, found)) = first_pass(module, device, config)?;
    let is_tensor = |&i: &usize| matches!(found[i].value, Returned::Tensor(..));
    let tensors: Vec<usize> = (0..found.len()).filter(is_tensor).collect();
    let module = &*module;
    let look = |images: usize| layers::look(module, (&trial.pictures(images)?, images), &tensors);
    let told = |looked: &Looked, images: usize| {
        Outputs::told(module, (&found, n), (&looked.outputs, images), config.output.as_deref())
    };
    // With two images the batch axis is told from others of length 1.
    let both = if n == 1 { look(2).ok() } else { None };
    let any = match both {
        Some(looked) => told(&looked, 2)?.map(|outputs| (outputs, looked)),
        None => None,
    };
    let preferred = if device == Device::Cpu { PREFERRED_BATCH } else { PREFERRED_GPU_BATCH };
    let (batch, (outputs, looked)) = match any {
        Some(found) => (BatchRule::Any { preferred }, found),
        None => {
            let looked = look(n)?;
            let outputs = told(&looked, n)?;
            let outputs = outputs.ok_or_else(|| Error::internal("equal passes contradict each other"))?;
            (BatchRule::Fixed(n), (outputs, looked))
        }
    };
    let classes = |&scores: &usize| outputs.infos[scores].shape.iter().skip(1).flatten().product();
    let classes = outputs.scores.as_ref().map_or(0, classes);
    let explained = outputs.places_of(&outputs.usual());
    let mut listing = layers::list(module, looked, trial.layout == Layout::Nhwc, (&explained, classes))?;
    if let Ok(scores) = outputs.scores {
        let images = trial.pictures(n)?;
        let place = outputs.places[scores];
        listing.pass_over_unread(|call| slopes(module, (place, call), &images));
    }
    Ok(ModelLayers { trial, batch, outputs, listing })
}

/// The derivative of an output with respect to the result of a call, of a sum in which no two values weigh the same: those of
/// a softmax have a sum that never changes.
fn slopes(module: &Module, (output, call): (usize, usize), images: &Tensor) -> Result<Tensor> {
    let program = module.taps(&[output], &[call])?;
    let found = program.run(images)?;
    let values = Tensor::f_arange(found[0].numel() as i64, (Kind::Float, images.device())).map_err(failed)?;
    let weights =
        values.f_reshape(found[0].size()).and_then(|w| w.f_to_kind(found[0].kind())).map_err(failed)?;
    program.gradient(images, &[weights])
}

/// The image that the model takes, and how many of them gave which outputs; an error where it runs on none.
fn first_pass(
    module: &mut Module,
    device: Device,
    config: &ModelConfig,
) -> Result<(Trial, (usize, Vec<Output>))> {
    let traced = module.traced_shape();
    let likely = || traced.map_or(Layout::Nchw, |[_, a, b, c]| likely_layout([a, b, c]));
    let layout = config.layout.unwrap_or_else(likely);
    let [batch, traced_channels, ..] = axes_of(traced, layout);
    let (height, width, origin) = match (config.input_size, axes_of(traced, layout)) {
        (Some((height, width)), _) => (height, width, "as input.size in its manifest says"),
        (None, [_, _, Some(height), Some(width)]) => (height, width, "with which it was traced"),
        (None, _) => {
            return Err(Error::invalid(
                "the file does not contain the model's input size, unlike a traced model's; set size = [height, \
                 width] under [input] in the model's manifest",
            ));
        }
    };
    let known = match layout {
        Layout::Nchw => module.input_channels().or(traced_channels),
        Layout::Nhwc => traced_channels,
    };
    let mut first = None;
    for channels in known.map_or(USUAL_CHANNELS.to_vec(), |c| vec![c]) {
        let trial = Trial { image: [channels, height, width], layout, device };
        match trial.outputs(module, batch) {
            Ok(found) => return Ok((trial, found)),
            Err(e) => first = first.or(Some((channels, e))),
        }
    }
    let (c, error) = first.ok_or_else(|| Error::internal("no number of channels was tried"))?;
    Err(error.context(format!("it does not run on an image of shape [{c}, {height}, {width}], {origin}")))
}

/// Batch, channels, height and width of a traced image, where there is one.
fn axes_of(traced: Option<[usize; 4]>, layout: Layout) -> [Option<usize>; 4] {
    match (traced, layout) {
        (None, _) => [None; 4],
        (Some([n, a, b, c]), Layout::Nchw) => [n, a, b, c].map(Some),
        (Some([n, a, b, c]), Layout::Nhwc) => [n, c, a, b].map(Some),
    }
}

/// The images of trial passes.
pub(crate) struct Trial {
    /// [C, H, W]
    pub(crate) image: [usize; 3],
    /// The order of axes in which the model takes it.
    pub(crate) layout: Layout,
    device: Device,
}

impl Trial {
    /// The outputs of a pass on one image, or on as many as the model takes. A trace that was made with `view(n, -1)` runs
    /// for n images only, so where one image fails that of the trace and the usual numbers are tried.
    fn outputs(&self, module: &mut Module, traced: Option<usize>) -> Result<(usize, Vec<Output>)> {
        let mut pass = |n: usize| module.find_outputs(&self.zeros(n)?).map(|found| (n, found));
        pass(1).or_else(|error| match error.to_string().starts_with(OUT_OF_MEMORY) {
            // Another number of images needs no less memory.
            true => Err(error),
            false => traced.into_iter().chain(FIXED_BATCHES).find_map(|n| pass(n).ok()).ok_or(error),
        })
    }

    /// A batch of `n` black images, in the order of axes that the model wants.
    pub(crate) fn zeros(&self, n: usize) -> Result<Tensor> {
        let [c, h, w] = self.image;
        let shape = [n, c, h, w].map(|length| length as i64);
        let batch = Tensor::f_zeros(shape, (Kind::Float, self.device)).map_err(failed)?;
        arranged(&batch, self.layout)
    }

    /// A batch of `n` images that are not black, in the same order.
    pub(crate) fn pictures(&self, n: usize) -> Result<Tensor> {
        let [c, h, w] = self.image;
        arranged(&to_device(precision::trial([n, c, h, w])?.view(), self.device)?, self.layout)
    }
}
