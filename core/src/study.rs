//! [`Study`]: the inputs of a method for one image, and its only access to the model.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use crate::ask::{Ask, Desk, Learned, MaskedImages};
use crate::target::TargetSet;
use crate::tensor::{append, only, room_for};
use crate::{Error, OutputActivation, Result, Tensor, Upsample, ViewInfo};

/// The inputs of a method for one image.
#[derive(Debug, Clone)]
pub struct StudyContext {
    /// The preprocessed input, [1, C, H, W].
    pub input: Arc<Tensor>,
    /// A reference image of the same shape, for methods that need one.
    pub reference: Option<Arc<Tensor>>,
    /// Activations of the target layer on the input, [1, K, h, w]; [1, 0, 0, 0] if the method needs no layer.
    pub activations: Arc<Tensor>,
    /// The target layer's name; empty if the method needs none.
    pub layer: String,
    /// The model's raw output on the input, one number per class.
    pub scores: Vec<f32>,
    /// The activation that the model applies to its scores; never [`OutputActivation::Unknown`].
    pub output_activation: OutputActivation,
    /// The classes to explain, each in range.
    pub targets: Vec<usize>,
    /// Images per pass.
    pub batch_size: usize,
}

/// One image to explain, on the thread that explains it.
///
/// Functions that need the model are awaited; meanwhile other images may be processed and share its batches. The driver
/// counts and reports passes, cuts them into batches and checks for finite values. A cancelled call never resumes its
/// method.
pub struct Study<'a> {
    /// The inputs of the method.
    pub context: Arc<StudyContext>,
    /// What the model takes and gives.
    pub model: &'a ViewInfo,
    desk: Rc<Desk<'a>>,
}

/// Small masks for the study's input; see [`crate::MaskedScores`].
#[derive(Debug, Clone)]
pub struct Masks {
    /// The masks, [M, h, w].
    pub masks: Arc<Tensor>,
    /// How to upsample them to the input's size.
    pub upsample: Upsample,
    /// The fill where a mask is 0, [1, C, H, W]; `None` for zeros.
    pub fill: Option<Arc<Tensor>>,
}

/// The base of changed activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The activations of the image.
    Own,
    /// Zeros.
    Zeros,
}

impl StudyContext {
    /// Channels, rows and columns of the target layer's activations.
    pub fn layer_shape(&self) -> Result<[usize; 3]> {
        let [_, channels, height, width] = self.activations.view().dims("the tensor of activations")?;
        Ok([channels, height, width])
    }

    /// Height and width of the input.
    pub fn input_size(&self) -> Result<(usize, usize)> {
        let [_, _, height, width] = self.input.view().dims("the input")?;
        Ok((height, width))
    }

    /// An ask for the scores of the input under each mask.
    pub fn masked(&self, masks: Masks) -> Ask {
        let Masks { masks, upsample, fill } = masks;
        let (images, batch_size) = (Arc::clone(&self.input), self.batch_size);
        let (cuts, image_of_mask) = (Vec::new(), Vec::new());
        Ask::Masked(MaskedImages { images, fill, masks, cuts, image_of_mask, upsample, batch_size })
    }

    /// An ask for the scores that activations [N, K, h, w] of the target layer lead to.
    pub fn from_layer(&self, activations: Arc<Tensor>) -> Ask {
        Ask::RunFrom { image: Arc::clone(&self.input), layer: self.layer.clone(), activations }
    }

    /// An ask for the derivatives of a class's raw score by the activations of the target layer.
    pub fn gradients(&self, class: usize) -> Ask {
        Ask::Gradients { images: Arc::clone(&self.input), layer: self.layer.clone(), class }
    }
}

impl<'a> Study<'a> {
    pub(crate) fn new(model: &'a ViewInfo, context: Arc<StudyContext>, desk: Rc<Desk<'a>>) -> Self {
        Self { context, model, desk }
    }

    /// The same call's study of another layer or image.
    pub(crate) fn of(&self, context: Arc<StudyContext>) -> Self {
        Self { context, model: self.model, desk: Rc::clone(&self.desk) }
    }

    /// The targets that replace the class scores.
    pub(crate) fn targets(&self) -> Option<Arc<TargetSet>> {
        self.desk.targets()
    }

    /// Sets the targets that replace the class scores from now on.
    pub(crate) fn read_by(&self, targets: Option<Arc<TargetSet>>) {
        self.desk.read_by(targets);
    }

    /// What the method learned of the image before, or in this call. Nothing where it was something else than a `T`.
    pub(crate) fn learned<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.desk.learned()?.of()
    }

    /// Keeps what the method learned for the image that comes next.
    pub(crate) fn learn<T: Any + Send + Sync>(&self, learned: T) {
        self.desk.learn(Learned::new(learned));
    }

    /// Announces the number of passes, for progress reports.
    pub fn expect_passes(&self, passes: usize) -> Result<()> {
        self.desk.monitor.expect(passes)
    }

    /// The model's raw scores [M, classes] of the input under each mask.
    pub async fn masked_scores(&self, masks: Masks) -> Result<Tensor> {
        self.scores_of(self.context.masked(masks)).await
    }

    /// The model's raw scores [N, classes] of the images [N, C, H, W].
    pub async fn scores(&self, images: impl Into<Arc<Tensor>>) -> Result<Tensor> {
        self.scores_of(Ask::Forward { images: images.into(), taps: Vec::new() }).await
    }

    /// Scores [N, classes] with `activations` [N, K, h, w] in place of the target layer's.
    pub async fn run_from_layer(&self, activations: impl Into<Arc<Tensor>>) -> Result<Tensor> {
        self.scores_of(self.context.from_layer(activations.into())).await
    }

    /// Like [`Self::run_from_layer`], for `count` activations that are built when their batch runs: `changes` gives the
    /// changed values of each with their indices in [K, h, w], each index at most once, and `base` all other values.
    pub async fn scores_of_changes<C: IntoIterator<Item = (usize, f32)>>(
        &self,
        base: Base,
        count: usize,
        changes: impl Fn(usize) -> C,
    ) -> Result<Tensor> {
        if self.model.layers.iter().any(|layer| layer.name == self.context.layer && layer.pooled) {
            return self.scores_of_means(base, count, changes).await;
        }
        let own = &self.context.activations;
        let (size, item) =
            (crate::passes::head_batch(own.shape(), self.context.batch_size), own.data().len());
        let size = size.min(count).max(1);
        let shape = |n| [&[n], &own.shape()[1..]].concat();
        let at = |place: usize| if base == Base::Own { own.data()[place] } else { 0.0 };
        let mut batch = room_for(&shape(size))?;
        match base {
            Base::Own => (0..size).for_each(|_| batch.extend_from_slice(own.data())),
            Base::Zeros => batch.resize(size * item, 0.0),
        }
        let mut scores = Vec::new();
        for first in (0..count).step_by(size) {
            let n = size.min(count - first);
            batch.truncate(n * item);
            for (i, activations) in batch.chunks_exact_mut(item).enumerate() {
                // What the batch before has left there.
                if let Some(before) = (first + i).checked_sub(size) {
                    changes(before).into_iter().for_each(|(place, _)| activations[place] = at(place));
                }
                changes(first + i).into_iter().for_each(|(place, value)| activations[place] = value);
            }
            let tensor = Arc::new(Tensor::new(shape(n), batch)?);
            let part = self.run_from_layer(Arc::clone(&tensor)).await?;
            append(&mut scores, part.data())?;
            // Made anew it would cost more than a small head does.
            let taken = Arc::try_unwrap(tensor);
            batch = taken.map_err(|_| Error::internal("activations are kept after their pass"))?.into_data();
        }
        Tensor::new([count, self.context.scores.len()], scores)
    }

    /// Like [`Self::scores_of_changes`], for a layer after which the model depends only on the means of maps.
    async fn scores_of_means<C: IntoIterator<Item = (usize, f32)>>(
        &self,
        base: Base,
        count: usize,
        changes: impl Fn(usize) -> C,
    ) -> Result<Tensor> {
        let [channels, height, width] = self.context.layer_shape()?;
        let (own, cells) = (self.context.activations.data(), height * width);
        let at = |place: usize| if base == Base::Own { f64::from(own[place]) } else { 0.0 };
        let sums = (0..channels).map(|c| (c * cells..(c + 1) * cells).map(at).sum::<f64>());
        let sums: Vec<f64> = sums.collect();
        let size = crate::passes::head_batch(&[1, channels, 1, 1], self.context.batch_size);
        let mut scores = Vec::new();
        for first in (0..count).step_by(size) {
            let batch = first..count.min(first + size);
            let shape = [batch.len(), channels, 1, 1];
            let mut means = room_for(&shape)?;
            for i in batch {
                let mut changed = sums.clone();
                let each = changes(i).into_iter();
                each.for_each(|(place, value)| changed[place / cells] += f64::from(value) - at(place));
                means.extend(changed.iter().map(|sum| (sum / cells as f64) as f32));
            }
            let part = self.run_from_layer(Tensor::new(shape, means)?).await?;
            append(&mut scores, part.data())?;
        }
        Tensor::new([count, self.context.scores.len()], scores)
    }

    /// Derivatives [1, K, h, w] of the model's own output for `class` with respect to the target layer's
    /// activations.
    pub async fn gradients(&self, class: usize) -> Result<Tensor> {
        let gradients = only(self.ask(self.context.gradients(class)).await?)?;
        let (is, wanted) = (gradients.shape(), self.context.activations.shape());
        if is != wanted {
            bail!(model, "the model returned gradients of shape {is:?} for activations of shape {wanted:?}");
        }
        Ok(gradients)
    }

    /// What passes of any kind give. The functions above ask this way, and check that the answer fits the image.
    pub async fn ask(&self, ask: Ask) -> Result<Vec<Tensor>> {
        self.desk.ask(ask).await
    }

    /// Scores of as many classes as the first pass had; methods index them by class. No scores at all pass, too.
    async fn scores_of(&self, ask: Ask) -> Result<Tensor> {
        let scores = only(self.ask(ask).await?)?;
        let known = self.context.scores.len();
        match scores.shape() {
            [0, _] => Ok(scores),
            [_, classes] if *classes == known => Ok(scores),
            other => Err(Error::model(format!(
                "the model returned scores of shape {other:?} after {known} classes on the first image"
            ))),
        }
    }
}
