//! [`Study`]: all that a method knows of one image, and its only way to the model.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use crate::ask::{Ask, Desk, Learned, MaskedImages};
use crate::target::TargetSet;
use crate::tensor::{append, only, room_for};
use crate::{Error, OutputActivation, Result, Tensor, Upsample, ViewInfo};

/// What is known of an image before the method begins.
#[derive(Debug, Clone)]
pub struct StudyContext {
    /// The preprocessed input, [1, C, H, W].
    pub input: Arc<Tensor>,
    /// Another image of the same shape, for methods that compare with one.
    pub reference: Option<Arc<Tensor>>,
    /// Activations of the target layer on the input, [1, K, h, w]; [1, 0, 0, 0] where the method needs no layer.
    pub activations: Arc<Tensor>,
    /// The target layer's name; empty where the method needs none.
    pub layer: String,
    /// The model's raw output on the input, one number per class.
    pub scores: Vec<f32>,
    /// What the model has applied to its scores; never [`OutputActivation::Unknown`].
    pub output_activation: OutputActivation,
    /// The classes to explain, each in range.
    pub targets: Vec<usize>,
    /// Images per pass.
    pub batch_size: usize,
}

/// One image under explanation, on the thread that explains it.
///
/// Each function that needs the model is awaited: meanwhile other images may be at work, and share its batches. The passes
/// are counted, reported, cut into batches and checked for finite values by the driver. A cancelled call never resumes its
/// method.
pub struct Study<'a> {
    /// What is known of the image already.
    pub context: Arc<StudyContext>,
    /// What the model takes and gives.
    pub model: &'a ViewInfo,
    desk: Rc<Desk<'a>>,
}

/// Small masks and how they cover the study's input; see [`crate::MaskedScores`].
#[derive(Debug, Clone)]
pub struct Masks {
    /// The masks, [M, h, w].
    pub masks: Arc<Tensor>,
    /// How they reach the size of the input.
    pub upsample: Upsample,
    /// The content where a mask is 0, [1, C, H, W]; zeros when `None`.
    pub fill: Option<Arc<Tensor>>,
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
        Ask::Masked(MaskedImages { images, fill, masks, image_of_mask: Vec::new(), upsample, batch_size })
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

    /// What is read in the place of class scores.
    pub(crate) fn targets(&self) -> Option<Arc<TargetSet>> {
        self.desk.targets()
    }

    /// From now on `targets` are read in the place of class scores.
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

    /// Says how many passes the method expects to make, for progress reports.
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

    /// As [`Self::run_from_layer`], for `count` activations that are made when their batch runs: `change` gets the number
    /// of each and a copy [K, h, w] of the image's own to change.
    pub async fn scores_from_layer(
        &self,
        count: usize,
        mut change: impl FnMut(usize, &mut [f32]),
    ) -> Result<Tensor> {
        let own = &self.context.activations;
        let size = crate::passes::head_batch(own.shape());
        let mut scores = Vec::new();
        for first in (0..count).step_by(size) {
            let shape = [&[size.min(count - first)], &own.shape()[1..]].concat();
            let mut batch = room_for(&shape)?;
            for i in first..first + shape[0] {
                let start = batch.len();
                batch.extend_from_slice(own.data());
                change(i, &mut batch[start..]);
            }
            let part = self.run_from_layer(Tensor::new(shape, batch)?).await?;
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
