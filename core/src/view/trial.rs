//! Trial passes: what a few images tell of a model that its description does not.
//!
//! Four images are run, an image of noise and three that differ from it in one patch each: in three passes of two images,
//! or one by one in five passes where the model runs one image only. They show where patches appear in the layers of unknown meaning ([`super::probe`]),
//! what the values of the output are, and whether the result for an image depends on what else is in its batch.

use super::layers::Found;
use super::probe::{Change, PATCHES, Patch};
use crate::image::Preprocess;
use crate::tensor::room_for;
use crate::{
    BatchRule, Error, Inputs, ModelBackend, ModelInfo, OutputActivation, Result, Tensor, TensorView, noise,
};

/// Each patch, as a cell of a grid of 4 x 4; no two in one row or column. They are that large so that layers of few
/// cells, which look at parts of the image only, see each of them.
const CORNERS: [(usize, usize); PATCHES] = [(0, 2), (3, 1), (1, 3)];
/// The grid whose cell is a patch.
const GRID: usize = 4;
/// Side of the squares of equal brightness that images are made of, as part of the image.
const SQUARES: usize = 28;

/// What trial passes found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// For each tap its axes behind the batch and its form, where it is certain.
    pub(super) forms: Vec<Found>,
    /// The raw outputs of one image each.
    pub(super) outputs: Vec<Vec<f32>>,
    /// How the model treats batches.
    pub(super) batches: Batches,
    /// Whether equal images get different results.
    pub(super) is_random: bool,
}

/// How a model treats batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Batches {
    /// As its description says, as far as is known.
    #[default]
    AsDescribed,
    /// It runs one image only, though its description lets any number.
    OneOnly,
    /// The result for an image depends on what else is in its batch.
    Dependent,
}

/// The images of a trial.
pub(super) struct Trial {
    /// The image without a patch, then those with one, [C, H, W] each.
    images: Vec<Vec<f32>>,
    shape: [usize; 3],
    patches: [Patch; PATCHES],
}

impl Trial {
    /// Images [C, H, W] of pixels as photos have them, made a model's input by `preprocess`.
    pub(super) fn new(shape: [usize; 3], preprocess: &Preprocess) -> Result<Self> {
        let [_, height, width] = shape;
        let side = |length: usize, cell: usize| (length * cell / GRID, (length * (cell + 1)).div_ceil(GRID));
        let areas = CORNERS.map(|(row, column)| [side(height, row), side(width, column)]);
        let patches = areas.map(|[(top, bottom), (left, right)]| {
            let (h, w) = (height as f64, width as f64);
            Patch([top as f64 / h, bottom as f64 / h, left as f64 / w, right as f64 / w])
        });
        let mut images = vec![picture(shape, preprocess, |_, _| false)?];
        for [(top, bottom), (left, right)] in areas {
            let inside = |y: usize, x: usize| (top..bottom).contains(&y) && (left..right).contains(&x);
            images.push(picture(shape, preprocess, inside)?);
        }
        Ok(Self { images, shape, patches })
    }

    /// Runs `model` on the images with the layers `taps` tapped. An error only where it does not run on one image.
    /// `known` is what an earlier run found of batches.
    pub(super) fn run(&self, model: &dyn ModelBackend, known: Batches, taps: &[&str]) -> Result<Findings> {
        match (known, model.info().batch) {
            (Batches::OneOnly, _) | (_, BatchRule::Fixed(1)) => self.one_by_one(model, taps),
            (_, BatchRule::Fixed(n)) => self.together(model, taps, n),
            (_, BatchRule::Any { .. }) => self.together(model, taps, 2).or_else(|_| {
                let alone = self.one_by_one(model, taps)?;
                Ok(Findings { batches: Batches::OneOnly, ..alone })
            }),
        }
    }

    fn one_by_one(&self, model: &dyn ModelBackend, taps: &[&str]) -> Result<Findings> {
        let mut seen = Seen::default();
        for image in 0..self.images.len() {
            seen.look(&self.pass(model, taps, &[image])?, &[image]);
        }
        // Only what layers show could be chance.
        let is_random = !taps.is_empty() && {
            let again = self.pass(model, &[], &[0])?;
            is_noise(&seen.outputs[0], again[0].item(0))
        };
        Ok(seen.findings(self, Batches::AsDescribed, is_random))
    }

    /// Passes of `n` images, at least two. The last place of the first two passes holds the same image among others.
    fn together(&self, model: &dyn ModelBackend, taps: &[&str], n: usize) -> Result<Findings> {
        let filled = |first: &[usize]| [first, &vec![0; n - first.len()]].concat();
        let mut seen = Seen::default();
        let (equal, mixed) = (filled(&[0]), filled(&[1]));
        let among_equals = self.pass(model, taps, &equal)?;
        seen.look(&among_equals, &equal);
        let among_others = self.pass(model, taps, &mixed)?;
        seen.look(&among_others, &mixed);
        // What is read from the values of outputs needs more than two images.
        let applied = model.info().score_output().map(|output| output.applied);
        if !taps.is_empty() || applied == Ok(OutputActivation::Unknown) {
            let rest = filled(&[2, 3]);
            seen.look(&self.pass(model, taps, &rest)?, &rest);
        }
        let (equals, others) = (&among_equals[0], &among_others[0]);
        let is_random = is_noise(equals.item(0), equals.item(n - 1));
        let batches = match is_random {
            true => Batches::AsDescribed,
            false => dependence(equals.item(0), equals.item(n - 1), others.item(n - 1)),
        };
        Ok(seen.findings(self, batches, is_random))
    }

    /// The output and the taps of one pass on images by their number.
    fn pass(&self, model: &dyn ModelBackend, taps: &[&str], images: &[usize]) -> Result<Vec<Tensor>> {
        let [c, h, w] = self.shape;
        let shape = [images.len(), c, h, w];
        let mut batch = room_for(&shape)?;
        images.iter().for_each(|&i| batch.extend_from_slice(&self.images[i]));
        let output = looked_at(model.info())?;
        model.forward(&Inputs::of(TensorView::new(&shape, &batch)?), &[&[output], taps].concat())
    }
}

/// The output that shows how a model treats batches: its class scores, or else the first that has a row for each image.
fn looked_at(info: &ModelInfo) -> Result<&str> {
    let scores = info.score_output().ok();
    let output = scores.or_else(|| info.outputs.iter().find(|output| output.per_image));
    let none = || Error::unsupported("the model has no output with a row for each image");
    output.map(|output| output.name.as_str()).ok_or_else(none)
}

/// What the passes showed so far.
#[derive(Default)]
struct Seen {
    /// The output of each image, in the order of their numbers.
    outputs: Vec<Vec<f32>>,
    /// For each tap its tensor of the image without a patch, and the changes by patches; none where the first axis is not
    /// the batch.
    taps: Vec<Option<(Vec<f32>, Change)>>,
}

impl Seen {
    /// Takes in the tensors of a pass on `images`; each image counts once, in the order of their numbers.
    fn look(&mut self, tensors: &[Tensor], images: &[usize]) {
        for (place, &image) in images.iter().enumerate() {
            if image != self.outputs.len() {
                continue;
            }
            self.outputs.push(tensors[0].item(place).to_vec());
            if image == 0 {
                let is_batch = |t: &&Tensor| t.shape()[0] == images.len() && matches!(t.shape().len(), 3 | 4);
                let tap = |t: &Tensor| (t.item(place).to_vec(), Change::new(&t.shape()[1..]));
                self.taps = tensors[1..].iter().map(|t| Some(t).filter(is_batch).map(tap)).collect();
            } else {
                for (tap, tensor) in self.taps.iter_mut().zip(&tensors[1..]) {
                    match tap {
                        Some((before, change)) if tensor.shape()[0] == images.len() => {
                            change.add(before, tensor.item(place));
                        }
                        _ => *tap = None,
                    }
                }
            }
        }
    }

    fn findings(self, trial: &Trial, batches: Batches, is_random: bool) -> Findings {
        let [_, height, width] = trial.shape;
        let form = |(_, change): &(Vec<f32>, Change)| {
            Some((change.shape().to_vec(), change.form(&trial.patches, (height, width))?))
        };
        // Where a patch shows in noise is chance.
        let is_certain = |_: &&(Vec<f32>, Change)| !is_random;
        let forms = self.taps.iter().map(|tap| tap.as_ref().filter(is_certain).and_then(form)).collect();
        Findings { forms, outputs: self.outputs, batches, is_random }
    }
}

/// What an image's output says of batches: twice among images that equal it, then among others.
fn dependence(first: &[f32], equals: &[f32], others: &[f32]) -> Batches {
    /// Differences of rounding, as part of the greatest output.
    const ROUNDING: f32 = 1e-5;
    match apart(equals, others) > ROUNDING * greatest(equals) + 4.0 * apart(first, equals) {
        true => Batches::Dependent,
        false => Batches::AsDescribed,
    }
}

/// Whether outputs of equal images differ by more than rounding.
fn is_noise(first: &[f32], equals: &[f32]) -> bool {
    /// What equal images may differ by in one batch, where engines add up in another order at its end.
    const EQUAL: f32 = 1e-3;
    apart(first, equals) > EQUAL * greatest(equals)
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()))
}

fn greatest(values: &[f32]) -> f32 {
    values.iter().fold(f32::MIN_POSITIVE, |most, v| most.max(v.abs()))
}

/// An image of noise whose pixels `inside` a patch are others, and of more contrast.
fn picture(
    shape: [usize; 3],
    preprocess: &Preprocess,
    inside: impl Fn(usize, usize) -> bool,
) -> Result<Vec<f32>> {
    let [channels, height, width] = shape;
    let (rows, columns) = (height.div_ceil(SQUARES), width.div_ceil(SQUARES));
    let of_channel = |values: &[f32], c: usize| values.get(c).or(values.first()).copied();
    let mut values = room_for(&shape)?;
    for c in 0..channels {
        let mean = of_channel(&preprocess.mean, c).unwrap_or(0.0);
        let std = of_channel(&preprocess.std, c).unwrap_or(1.0);
        for y in 0..height {
            for x in 0..width {
                let place = (c * height + y) * width + x;
                let square = (c * SQUARES + y / rows) * SQUARES + x / columns;
                let pixel = match inside(y, x) {
                    false => 110.0 + 60.0 * noise(square) + 40.0 * noise(place + 1_000_003),
                    true => 150.0 + 100.0 * noise(square + 500_009) + 60.0 * noise(place + 7),
                };
                values.push((pixel.clamp(0.0, 255.0).round() * preprocess.scale - mean) / std);
            }
        }
    }
    Ok(values)
}
