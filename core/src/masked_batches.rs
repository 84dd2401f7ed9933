//! Batches of masked images, made on the CPU and run: the implementation of [`MaskedRequest::on_cpu`].
//!
//! On a machine of many cores the model runs fast, and making masks on one of them does not: there a thread
//! makes the next batch in a second buffer while the model runs one. The two change hands through channels, so
//! no buffer is ever in two hands. The model, the reports of progress and the cancelling stay on the calling
//! thread, and the thread ends before the call does, whatever ends the call. The same arithmetic makes a batch
//! on either thread, so scores do not tell which one it was.
//!
//! Elsewhere, and where no thread or no second buffer can be had, batches are made and run in turn.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::masking::{Cut, EachBatch, MaskedRequest, MaskedScores, RunBatch, hand_over_views};
use crate::tensor::room_for;
use crate::upsample::Upsampler;
use crate::{
    BatchRule, Error, Inputs, ModelBackend, ModelInfo, NamedTensor, Passed, Result, Tensor, TensorView,
    ViewedModel,
};

/// From how many cores on batches are made ahead. On two cores, which an engine keeps busy, a third thread gained
/// nothing that could be measured, and cost the memory of a batch.
const MANY_CORES: usize = 4;

/// How batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Schedule {
    /// Each before it is run.
    InTurn,
    /// Each while the one before it is run.
    Ahead,
}

/// Takes the number of a batch's masks, that of its images with those that filled it up, and what came of them.
type HandOn<'p> = dyn FnMut((usize, usize), &[TensorView<'_>]) -> Result<()> + 'p;
/// The model's rule, and which of its other inputs have a row for each image.
type Rule<'r> = (BatchRule, &'r dyn Fn(&str) -> bool);

impl MaskedRequest<'_> {
    /// The default of [`ModelBackend::masked`]: makes the masked images on the CPU, in at most two reused batch
    /// buffers, and runs them on the calling thread. On a machine with many cores, a thread that ends before the call
    /// makes the next batch meanwhile.
    pub fn on_cpu<B: ModelBackend + ?Sized>(
        &self,
        model: &B,
        wanted: &[&str],
        each: &mut EachBatch<'_>,
    ) -> Result<()> {
        let mut forward = |inputs: &Inputs<'_>, passed: &mut Passed<'_>| {
            let found = model.forward(inputs, wanted)?;
            passed(&found.iter().map(Tensor::view).collect::<Vec<_>>())
        };
        self.on_cpu_by(&mut forward, (model.info(), wanted), each)
    }

    /// Like [`Self::on_cpu`], for the model of `info`, with a function that runs batches.
    pub fn on_cpu_by(
        &self,
        forward: &mut RunBatch<'_>,
        (info, wanted): (&ModelInfo, &[&str]),
        each: &mut EachBatch<'_>,
    ) -> Result<()> {
        let per_image = |name: &str| info.other_inputs.iter().any(|i| i.name == name && i.per_image);
        let mut hand_on = |counts, found: &[TensorView<'_>]| {
            hand_over_views(each, counts, found, |i| info.is_per_image(wanted[i]))
        };
        run((info.batch, &per_image), self, forward, &mut hand_on)
    }
}

impl MaskedRequest<'_> {
    /// Makes the masked images like [`MaskedRequest::on_cpu`], and passes each batch to `begin` in order instead of
    /// running it, for backends that run many batches concurrently. `begin` receives the number of the batch's masks
    /// and the images [N, C, H, W] with the other inputs; N may be larger if the model fixes its batch size. An error
    /// of `begin` ends the run.
    pub fn each_batch_of_images(
        &self,
        info: &ModelInfo,
        begin: &mut dyn FnMut(usize, &Inputs<'_>) -> Result<()>,
    ) -> Result<()> {
        let per_image = |name: &str| info.other_inputs.iter().any(|i| i.name == name && i.per_image);
        let (size, (_, [count, ..])) = (info.batch.size(self.batch_size), self.dims()?);
        let mut left = count;
        let mut forward = |inputs: &Inputs<'_>, _: &mut Passed<'_>| {
            let masks = left.min(size);
            left -= masks;
            begin(masks, inputs)
        };
        run((info.batch, &per_image), self, &mut forward, &mut |_, _| Ok(()))
    }
}

impl MaskedScores<'_> {
    /// The default of [`ViewedModel::masked_scores`], like [`MaskedRequest::on_cpu`].
    pub fn on_cpu<B: ViewedModel + ?Sized>(&self, model: &B) -> Result<Tensor> {
        let mut forward = |inputs: &Inputs<'_>, passed: &mut Passed<'_>| {
            passed(&[model.forward(inputs.images, &[])?.scores.view()])
        };
        self.collected(|request, each| {
            let mut hand_on =
                |counts, found: &[TensorView<'_>]| hand_over_views(each, counts, found, |_| true);
            run((model.info().batch, &|_| false), request, &mut forward, &mut hand_on)
        })
    }
}

/// Runs all masks of `request` by `forward`, and hands what comes of each batch to `hand_on`, in order.
fn run(
    rule: Rule<'_>,
    request: &MaskedRequest<'_>,
    forward: &mut RunBatch<'_>,
    hand_on: &mut HandOn<'_>,
) -> Result<()> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let way = if cores < MANY_CORES { Schedule::InTurn } else { Schedule::Ahead };
    run_by(way, rule, request, (forward, hand_on))
}

fn run_by(
    way: Schedule,
    (rule, per_image): Rule<'_>,
    request: &MaskedRequest<'_>,
    (forward, hand_on): (&mut RunBatch<'_>, &mut HandOn<'_>),
) -> Result<()> {
    let ([_, channels, height, width], [count, h, w]) = request.dims()?;
    let (size, whole) = (rule.size(request.batch_size.min(count)), matches!(rule, BatchRule::Fixed(_)));
    let masker = Masker {
        images: request.inputs.images,
        fill: request.fill,
        masks: request.masks,
        cuts: request.cuts,
        image_of_mask: request.image_of_mask,
        upsampler: Upsampler::new(request.upsample, (h, w), (height, width))?,
        count,
        size,
    };
    let shape = [size, channels, height, width];
    let mut run = Run { request, per_image, shape, whole, forward, hand_on };
    let first = Tensor::zeros(run.shape)?.into_data();
    // Only reserved: its pages are touched first by the thread that fills it.
    let second = (way == Schedule::Ahead && count > size).then(|| room_for(&run.shape));
    match second {
        Some(Ok(second)) => run.ahead(&masker, first, second),
        Some(Err(_)) | None => run.in_turn(&masker, first),
    }
}

/// Makes masked images: all of a request that another thread may see.
struct Masker<'a> {
    images: TensorView<'a>,
    fill: Option<TensorView<'a>>,
    masks: TensorView<'a>,
    cuts: &'a [Cut],
    image_of_mask: &'a [u32],
    upsampler: Upsampler,
    /// How many masks there are.
    count: usize,
    /// Masks of a batch.
    size: usize,
}

impl Masker<'_> {
    /// The masks of batch `i`; none behind the last batch.
    fn batch(&self, i: usize) -> Option<Range<usize>> {
        let start = i.checked_mul(self.size).filter(|&start| start < self.count)?;
        Some(start..start.saturating_add(self.size).min(self.count))
    }

    /// Writes the masked images of `masks` into `batch` [size, C, H, W], and zeros behind them: what a fixed
    /// batch is filled up with must not depend on what the buffer held.
    fn make(&self, masks: Range<usize>, batch: &mut Vec<f32>) -> Result<()> {
        let item = self.images.item(0).len();
        batch.resize(self.size * item, 0.0);
        let (made, rest) = batch.split_at_mut(masks.len() * item);
        let mut wide = Vec::new();
        for (m, out) in masks.zip(made.chunks_exact_mut(item)) {
            self.mask_image(m, out, &mut wide)?;
        }
        rest.fill(0.0);
        Ok(())
    }

    /// Writes `U(mask) * image + (1 - U(mask)) * fill` into `out` [C, H, W].
    fn mask_image(&self, m: usize, out: &mut [f32], wide: &mut Vec<f32>) -> Result<()> {
        let of = self.image_of_mask.get(m).map_or(0, |&i| i as usize);
        let image = self.images.item(of);
        let fill = self.fill.map(|f| f.item(of));
        let (height, width) = self.upsampler.size();
        let row = |y: usize, mask: &[f32]| {
            for start in (y * width..out.len()).step_by(height * width) {
                let row = start..start + width;
                let pixels = out[row.clone()].iter_mut().zip(mask).zip(&image[row.clone()]);
                match fill {
                    None => pixels.for_each(|((o, m), x)| *o = m * x),
                    Some(fill) => {
                        pixels.zip(&fill[row]).for_each(|(((o, m), x), f)| *o = m * x + (1.0 - m) * f);
                    }
                }
            }
        };
        match self.cuts.get(m) {
            None => self.upsampler.rows(self.masks.item(m), wide, row),
            Some(cut) => {
                cut_rows(self.masks.item(cut.map as usize), (cut.count, width), wide, row);
                Ok(())
            }
        }
    }

    /// Makes all batches but the first in the buffers that come in, until nobody waits for them.
    fn make_ahead(&self, empty: &Receiver<Vec<f32>>, full: &Sender<Result<Vec<f32>>>) {
        for masks in (1..).map_while(|i| self.batch(i)) {
            let Ok(mut buffer) = empty.recv() else { return };
            let made = self.make(masks, &mut buffer).map(|()| buffer);
            let failed = made.is_err();
            if full.send(made).is_err() || failed {
                return;
            }
        }
    }
}

/// The rows of a mask that takes away the first `count` pixels, in order: `wide` is scratch space.
fn cut_rows(
    ranks: &[f32],
    (count, width): (u32, usize),
    wide: &mut Vec<f32>,
    mut row: impl FnMut(usize, &[f32]),
) {
    for (y, ranks) in ranks.chunks_exact(width).enumerate() {
        wide.clear();
        wide.extend(ranks.iter().map(|&rank| if f64::from(rank) < f64::from(count) { 0.0 } else { 1.0 }));
        row(y, wide);
    }
}

/// Batches being run forward.
struct Run<'a, 'r> {
    request: &'a MaskedRequest<'r>,
    per_image: &'a dyn Fn(&str) -> bool,
    /// Of a batch, [N, C, H, W].
    shape: [usize; 4],
    /// Whether the model takes whole batches only.
    whole: bool,
    forward: &'a mut RunBatch<'a>,
    hand_on: &'a mut HandOn<'a>,
}

impl Run<'_, '_> {
    /// Makes and runs batch after batch.
    fn in_turn(&mut self, masker: &Masker<'_>, mut buffer: Vec<f32>) -> Result<()> {
        for masks in (0..).map_while(|i| masker.batch(i)) {
            masker.make(masks.clone(), &mut buffer)?;
            self.pass(masks, &buffer)?;
        }
        Ok(())
    }

    /// Runs all batches, each of which is made while the one before it runs.
    fn ahead(&mut self, masker: &Masker<'_>, mut buffer: Vec<f32>, second: Vec<f32>) -> Result<()> {
        let (to_masker, empty) = channel();
        let (full, from_masker) = channel();
        thread::scope(|scope| {
            let work = move || masker.make_ahead(&empty, &full);
            // A system that grants no thread still grants the scores.
            if thread::Builder::new().name("scorecam-masks".into()).spawn_scoped(scope, work).is_err() {
                drop(second);
                return self.in_turn(masker, buffer);
            }
            // Both ends belong to this closure: whatever ends it ends the wait of the thread.
            let (to_masker, from_masker) = (to_masker, from_masker);
            // Where the thread has stopped it cannot take a buffer; why it did comes with its last batch.
            let hand_over = |buffer| drop(to_masker.send(buffer));
            hand_over(second);
            for (i, masks) in (0..).map_while(|i| masker.batch(i)).enumerate() {
                match i {
                    // The first one is made here, while the thread is at the second.
                    0 => masker.make(masks.clone(), &mut buffer)?,
                    _ => {
                        let stopped = |_| Error::internal("the thread that makes masked images has stopped");
                        buffer = from_masker.recv().map_err(stopped)??;
                    }
                }
                self.pass(masks, &buffer)?;
                hand_over(std::mem::take(&mut buffer));
            }
            Ok(())
        })
    }

    /// Runs the images of `masks`, which are the first of a batch, and hands on what comes of them.
    fn pass(&mut self, masks: Range<usize>, batch: &[f32]) -> Result<()> {
        let [size, c, h, w] = self.shape;
        let n = masks.len();
        let rows = if self.whole { size } else { n };
        let shape = [rows, c, h, w];
        let images = TensorView::new(&shape, &batch[..shape.iter().product()])?;
        let own = self.others(masks, rows)?;
        let names = self.request.inputs.others.iter().map(|(name, _)| *name);
        let others: Vec<NamedTensor<'_>> = names.zip(own.iter().map(Tensor::view)).collect();
        let hand_on = &mut *self.hand_on;
        let inputs = Inputs { images, others: &others, ..self.request.inputs };
        (self.forward)(&inputs, &mut |found| hand_on((n, rows), found))
    }

    /// The other inputs for a batch of `masks`, filled up to `rows` with the rows of its last mask.
    fn others(&self, masks: Range<usize>, rows: usize) -> Result<Vec<Tensor>> {
        let of_batch = |&(name, given): &NamedTensor<'_>| {
            if !(self.per_image)(name) {
                return given.try_to_tensor();
            }
            let last = masks.end.saturating_sub(1);
            let images = (masks.start..masks.start + rows).map(|m| self.request.image_of(m.min(last)));
            let shape = [&[rows], given.shape().get(1..).unwrap_or(&[])].concat();
            let mut values = room_for(&shape)?;
            for image in images {
                if image >= given.shape().first().copied().unwrap_or(0) {
                    return Err(Error::invalid(format!("input {name:?} has no row for image {image}")));
                }
                values.extend_from_slice(given.item(image));
            }
            Tensor::new(shape, values)
        };
        self.request.inputs.others.iter().map(of_batch).collect()
    }
}

#[cfg(test)]
mod tests;
