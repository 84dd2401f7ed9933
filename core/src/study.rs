//! [`Study`]: all that a method gets to know of one image, and its only way to the model.
//!
//! Every pass goes through the study, so that passes are counted, reported, cancelled, cut into batches and
//! checked for finite scores in one place, whatever the method.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::masking::MaskedScores;
use crate::tensor::append;
use crate::{
    BatchRule, Error, Forward, ModelBackend, ModelInfo, OutputActivation, Result, Tensor, TensorView,
    Upsample, element_count,
};

/// What the pipeline found out before the method begins.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    /// The preprocessed input, [1, C, H, W].
    pub input: TensorView<'a>,
    /// Another image of the same shape, for methods that compare with one.
    pub reference: Option<TensorView<'a>>,
    /// Activations of the target layer on the input, [1, K, h, w].
    pub activations: TensorView<'a>,
    /// The target layer's name.
    pub layer: &'a str,
    /// The model's raw output on the input, one number a class.
    pub scores: &'a [f32],
    /// What the model has applied to its scores; never [`OutputActivation::Unknown`].
    pub output_activation: OutputActivation,
    /// The classes to explain, each in range.
    pub targets: &'a [usize],
    /// Images a pass.
    pub batch_size: usize,
}

/// One image under explanation.
pub struct Study<'a> {
    /// What is known of the image already.
    pub given: Given<'a>,
    model: &'a dyn ModelBackend,
    monitor: &'a Monitor<'a>,
}

/// Small masks and how they cover the study's input; see [`MaskedScores`].
#[derive(Clone, Copy)]
pub struct Masks<'a> {
    /// The masks, [M, h, w].
    pub masks: TensorView<'a>,
    /// How they reach the size of the input.
    pub upsample: Upsample,
    /// What shows where a mask is 0, [1, C, H, W]; zeros when `None`.
    pub fill: Option<TensorView<'a>>,
}

impl<'a> Study<'a> {
    /// Binds what is known to the model it is known of.
    pub fn new(model: &'a dyn ModelBackend, monitor: &'a Monitor<'a>, given: Given<'a>) -> Self {
        Self { given, model, monitor }
    }

    /// Tells how many passes the method expects to make, for progress reports.
    pub fn expect_passes(&self, passes: usize) -> Result<()> {
        self.monitor.expect(passes)
    }

    /// The model's raw scores [M, classes] of the input under each mask.
    pub fn masked_scores(&self, masks: &Masks<'_>) -> Result<Tensor> {
        let scores = self.counted().masked_scores(&MaskedScores {
            images: self.given.input,
            fill: masks.fill,
            masks: masks.masks,
            image_of_mask: &[],
            upsample: masks.upsample,
            batch_size: self.given.batch_size,
            on_batch: &|_| Ok(()),
        })?;
        self.of_known_classes(scores)
    }

    /// The model's raw scores [N, classes] of the images [N, C, H, W].
    pub fn scores(&self, images: TensorView<'_>) -> Result<Tensor> {
        self.of_known_classes(self.counted().forward(images, &[])?.scores)
    }

    /// Scores [N, classes] with `activations` [N, K, h, w] in place of the target layer's.
    pub fn run_from_layer(&self, activations: TensorView<'_>) -> Result<Tensor> {
        self.of_known_classes(self.counted().run_from(self.given.layer, activations)?)
    }

    /// Derivatives [1, K, h, w] of the model's own output for `class` with respect to the target layer's
    /// activations.
    pub fn gradients(&self, class: usize) -> Result<Tensor> {
        let gradients = self.counted().gradients(self.given.input, self.given.layer, class)?;
        let (is, wanted) = (gradients.shape(), self.given.activations.shape());
        if is != wanted {
            return Err(Error::model(format!(
                "the model returned gradients of shape {is:?} for activations of shape {wanted:?}"
            )));
        }
        Ok(gradients)
    }

    /// Scores of as many classes as the first pass had; methods index them by class. None at all are right.
    fn of_known_classes(&self, scores: Tensor) -> Result<Tensor> {
        let known = self.given.scores.len();
        match scores.shape() {
            [0, _] => Ok(scores),
            [_, classes] if *classes == known => Ok(scores),
            other => Err(Error::model(format!(
                "the model returned scores of shape {other:?} after {known} classes on the first image"
            ))),
        }
    }

    /// The model behind the study, as a backend of its own whose every pass is counted and checked. This is
    /// what a method in another library is handed.
    pub fn counted(&self) -> CountedModel<'_> {
        CountedModel { model: self.model, monitor: self.monitor, image: Some(self.given.input) }
    }
}

/// A model whose passes are counted, reported, cancelled and checked; a batch of any size is cut to what the
/// model takes.
pub struct CountedModel<'a> {
    model: &'a dyn ModelBackend,
    monitor: &'a Monitor<'a>,
    /// The image under explanation, [1, C, H, W], once it is.
    image: Option<TensorView<'a>>,
}

impl<'a> CountedModel<'a> {
    pub(crate) fn new(model: &'a dyn ModelBackend, monitor: &'a Monitor<'a>) -> Self {
        Self { model, monitor, image: None }
    }
}

impl ModelBackend for CountedModel<'_> {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let [n, ..] = batch.dims::<4>("the batch")?;
        let mut tensors = self.in_batches(batch, |batch| {
            let Forward { scores, activations } = self.model.forward(batch, taps)?;
            Ok(std::iter::once(scores).chain(activations).collect())
        })?;
        let activations = tensors.split_off(tensors.len().min(1));
        let forward = Forward { scores: only(tensors)?, activations };
        check_scores(&forward.scores, n)?;
        for (tap, activations) in taps.iter().zip(&forward.activations) {
            check_finite(activations.data(), || format!("the activations of layer {tap:?}"))?;
        }
        self.monitor.passed(n)?;
        Ok(forward)
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        let (_, [count, ..]) = request.dims()?;
        if count == 0 {
            return Tensor::zeros([0, 0]);
        }
        let told = Cell::new(0usize);
        let wrong = || {
            let told = told.get();
            Error::plugin(format!(
                "the backend reported passes of {told} masks by on_batch; it was given {count}"
            ))
        };
        let on_batch = |n| {
            told.set(told.get().saturating_add(n));
            if told.get() > count {
                return Err(wrong());
            }
            self.monitor.passed(n)?;
            (request.on_batch)(n)
        };
        let batch_size = match self.model.info().batch {
            BatchRule::Fixed(size) => size,
            // A backend makes a batch whole, so none is larger than what there is to score.
            BatchRule::Any { .. } => request.batch_size.min(count).min(BatchRule::MOST),
        };
        let request = MaskedScores { batch_size, on_batch: &on_batch, ..*request };
        let scores = self.model.masked_scores(&request)?;
        check_scores(&scores, count)?;
        // A backend may have gone on when it was told to stop.
        self.monitor.check_cancelled()?;
        if told.get() != count {
            return Err(wrong());
        }
        Ok(scores)
    }

    fn run_from(&self, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let [n, ..] = activations.dims::<4>("the tensor of activations")?;
        let run = |part: TensorView<'_>| match self.image {
            Some(image) => self.model.run_from_image(image, layer, part),
            None => self.model.run_from(layer, part),
        };
        let scores = only(self.in_batches(activations, |part| Ok(vec![run(part)?]))?)?;
        check_scores(&scores, n)?;
        self.monitor.passed(n)?;
        Ok(scores)
    }

    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        let [n, ..] = batch.dims::<4>("the batch")?;
        let gradients =
            only(self.in_batches(batch, |part| Ok(vec![self.model.gradients(part, layer, class)?]))?)?;
        check_finite(gradients.data(), || format!("the gradients of layer {layer:?}"))?;
        self.monitor.passed(n)?;
        Ok(gradients)
    }

    fn remarks(&self) -> Vec<String> {
        self.model.remarks()
    }
}

impl CountedModel<'_> {
    /// Runs any number of items [N, C, H, W]. Where the model takes a fixed number at a time they are cut to
    /// it, and the last batch is filled up with zeros. `run` gives some tensors [items, ...]; the result has
    /// as many, [N, ...].
    fn in_batches(
        &self,
        items: TensorView<'_>,
        run: impl Fn(TensorView<'_>) -> Result<Vec<Tensor>>,
    ) -> Result<Vec<Tensor>> {
        let [n, c, h, w] = items.dims("the batch")?;
        let size = match self.model.info().batch {
            BatchRule::Fixed(size) if size != n => size,
            BatchRule::Any { .. } | BatchRule::Fixed(_) => return run(items),
        };
        let mut padded = Tensor::zeros([size, c, h, w])?;
        let mut parts = Vec::new();
        for some in items.data().chunks(size * c * h * w) {
            padded.data_mut()[..some.len()].copy_from_slice(some);
            parts.push(run(padded.view())?);
        }
        let count = parts.first().map_or(0, Vec::len);
        (0..count).map(|t| join(parts.iter().filter_map(|p| p.get(t)), n)).collect()
    }
}

/// The first `n` items of tensors one after the other.
fn join<'a>(parts: impl Iterator<Item = &'a Tensor>, n: usize) -> Result<Tensor> {
    let (mut shape, mut data) = (Vec::new(), Vec::new());
    for part in parts {
        shape = part.shape().to_vec();
        append(&mut data, part.data())?;
    }
    if let Some(items) = shape.first_mut() {
        *items = n;
    }
    data.truncate(element_count(&shape)?);
    Tensor::new(shape, data)
}

/// The one tensor that a run gave.
fn only(tensors: Vec<Tensor>) -> Result<Tensor> {
    tensors.into_iter().next().ok_or_else(|| Error::model("the model was run on no image"))
}

fn check_scores(scores: &Tensor, items: usize) -> Result<()> {
    match scores.shape() {
        [n, classes] if *n == items && *classes > 0 => {
            check_finite(scores.data(), || "the model's class scores".into())
        }
        shape => {
            Err(Error::model(format!("the model returned scores of shape {shape:?} for {items} images")))
        }
    }
}

/// An error when a value is NaN or infinite; `what` is only called then.
pub(crate) fn check_finite(values: &[f32], what: impl Fn() -> String) -> Result<()> {
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::model(format!("{}: value {} at index {i} is not finite", what(), values[i]))),
    }
}

/// Where an explain call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Passes made so far, the first one included.
    pub passes: usize,
    /// Passes expected in all; 0 while not known.
    pub expected: usize,
}

/// What an explain call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The first pass, which gives scores and activations.
    Forward,
    /// The method at work: masked passes above all.
    Passes,
    /// All is done.
    Done,
}

/// What is told of progress; [`ControlFlow::Break`] cancels.
pub type Report<'a> = dyn Fn(Progress) -> ControlFlow<()> + Sync + 'a;

/// Counts passes and reports them to the caller, who may cancel: once is enough, for the caller is not asked again.
pub struct Monitor<'a> {
    report: &'a Report<'a>,
    stage: AtomicUsize,
    passes: AtomicUsize,
    expected: AtomicUsize,
    /// Whether the caller cancelled. Held during each report, so that none begins before another has ended.
    cancelled: Mutex<bool>,
}

impl<'a> Monitor<'a> {
    /// Reports to `report`, on whichever thread makes the passes; as a rule the caller's. Never twice at once.
    pub fn new(report: &'a Report<'a>) -> Self {
        let zero = || AtomicUsize::new(0);
        Self { report, stage: zero(), passes: zero(), expected: zero(), cancelled: Mutex::new(false) }
    }

    /// Passes made so far.
    pub fn passes(&self) -> usize {
        self.passes.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self, stage: Stage) -> Result<()> {
        self.stage.store(stage as usize, Ordering::Relaxed);
        self.tell()
    }

    fn expect(&self, passes: usize) -> Result<()> {
        self.expected.store(self.passes().saturating_add(passes), Ordering::Relaxed);
        self.tell()
    }

    fn passed(&self, n: usize) -> Result<()> {
        self.passes.fetch_add(n, Ordering::Relaxed);
        self.tell()
    }

    fn check_cancelled(&self) -> Result<()> {
        match *self.cancelled.lock().unwrap_or_else(PoisonError::into_inner) {
            true => Err(Error::cancelled()),
            false => Ok(()),
        }
    }

    /// An error from the first time on that the caller cancels, so that neither a method that ignores it nor one
    /// that could not be told goes on.
    fn tell(&self) -> Result<()> {
        // A report that panicked leaves nothing half done.
        let mut cancelled = self.cancelled.lock().unwrap_or_else(PoisonError::into_inner);
        if *cancelled {
            return Err(Error::cancelled());
        }
        let stage = match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Forward,
            1 => Stage::Passes,
            _ => Stage::Done,
        };
        let progress =
            Progress { stage, passes: self.passes(), expected: self.expected.load(Ordering::Relaxed) };
        match (self.report)(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => {
                *cancelled = true;
                Err(Error::cancelled())
            }
        }
    }
}
