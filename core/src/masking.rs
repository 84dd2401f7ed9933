//! Masked images and their scores: the passes that Score-CAM is made of.
//!
//! Every mask of every preset is the upsampling of a small map, because normalisation is affine and
//! upsampling keeps constants: norm(U(A)) = U(norm'(A)), where norm' takes the extremes of U(A). So only
//! small masks travel to a backend, which upsamples them, multiplies and runs.

use crate::tensor::append;
use crate::upsample::Upsample;
use crate::{Error, Inputs, Result, Tensor, TensorView};

/// A mask of the image's size by the rank of each pixel: 0 on the `count` pixels that come first, 1 on all others. So the
/// images of an insertion or deletion curve are made of one rank map, and only numbers are sent for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Which of the rank maps.
    pub map: u32,
    /// How many pixels the mask takes away.
    pub count: u32,
}

/// Masked images to run.
///
/// Image of pass `m`: `U(mask_m) * image + (1 - U(mask_m)) * fill`, with the image and fill that
/// `image_of_mask[m]` selects.
#[derive(Clone, Copy)]
pub struct MaskedRequest<'a> {
    /// Preprocessed images, [I, C, H, W], and the other inputs, whose rows are those of the images.
    pub inputs: Inputs<'a>,
    /// What shows where a mask is 0, [I, C, H, W]; zeros when `None`.
    pub fill: Option<TensorView<'a>>,
    /// Small masks, [M, h, w]; values are used as they are. With `cuts`: rank maps [R, H, W] of the images' size, whose values
    /// are whole numbers from 0 to H W - 1.
    pub masks: TensorView<'a>,
    /// The M masks, where they are cuts of rank maps; else empty.
    pub cuts: &'a [Cut],
    /// For each mask the index of its image; empty when there is one image.
    pub image_of_mask: &'a [u32],
    /// How small masks reach the size of the image.
    pub upsample: Upsample,
    /// Images a pass; the model's own rule has the last word.
    pub batch_size: usize,
}

/// Takes the number of a batch's masks and the tensors that are wanted: a row for each of the masks, or an output that is
/// not [`crate::OutputInfo::per_image`] whole.
pub type EachBatch<'e> = dyn FnMut(usize, &[TensorView<'_>]) -> Result<()> + 'e;

/// Takes what a pass gave, a tensor for each that was wanted.
pub type Passed<'p> = dyn FnMut(&[TensorView<'_>]) -> Result<()> + 'p;
/// Runs a batch forward, and calls back once with what came of it: the tensors need not outlive the call, so a backend can show
/// those of its runtime.
pub type RunBatch<'r> = dyn FnMut(&Inputs<'_>, &mut Passed<'_>) -> Result<()> + 'r;

/// Calls `each` for a batch of `masks` masks with the `tensors` of a pass of `images` images, which may be more to fill the
/// batch up; `is_per_image` says of each tensor whether it has a row for each of them.
pub fn hand_over_batch(
    each: &mut EachBatch<'_>,
    counts: (usize, usize),
    tensors: &[Tensor],
    is_per_image: impl Fn(usize) -> bool,
) -> Result<()> {
    hand_over_views(each, counts, &tensors.iter().map(Tensor::view).collect::<Vec<_>>(), is_per_image)
}

/// As [`hand_over_batch`], of tensors that somebody else owns.
pub(crate) fn hand_over_views(
    each: &mut EachBatch<'_>,
    (masks, images): (usize, usize),
    tensors: &[TensorView<'_>],
    is_per_image: impl Fn(usize) -> bool,
) -> Result<()> {
    let shapes = tensors.iter().enumerate().map(|(i, tensor)| match tensor.shape() {
        whole if !is_per_image(i) => Ok(whole.to_vec()),
        [rows, item @ ..] if *rows == images => Ok([&[masks], item].concat()),
        other => Err(Error::model(format!(
            "the model gave a tensor of {} images for {images}",
            other.first().copied().unwrap_or(0)
        ))),
    });
    let shapes = shapes.collect::<Result<Vec<_>>>()?;
    let views = tensors.iter().zip(&shapes);
    let views = views.map(|(t, shape)| TensorView::new(shape, &t.data()[..shape.iter().product()]));
    each(masks, &views.collect::<Result<Vec<_>>>()?)
}

impl MaskedRequest<'_> {
    /// The index of the image that mask `m` covers.
    pub fn image_of(&self, m: usize) -> usize {
        self.image_of_mask.get(m).map_or(0, |&i| i as usize)
    }

    /// Checks that shapes agree and indices are in range; returns ([I, C, H, W], [M, h, w]).
    pub fn dims(&self) -> Result<([usize; 4], [usize; 3])> {
        let images: [usize; 4] = self.inputs.images.dims("the tensor of images")?;
        let mut masks: [usize; 3] = self.masks.dims("the tensor of masks")?;
        if !self.cuts.is_empty() {
            let size = &images[2..];
            ensure!(masks[1..] == *size, invalid, "rank maps have shape {masks:?} for images {images:?}");
            let fits = |cut: &&Cut| (cut.map as usize) < masks[0];
            if let Some(cut) = self.cuts.iter().find(|cut| !fits(cut)) {
                bail!(invalid, "a cut of rank map {} was asked for; there are {}", cut.map, masks[0]);
            }
            masks[0] = self.cuts.len();
        }
        if let Some(fill) = self.fill.filter(|f| f.shape() != self.inputs.images.shape()) {
            return Err(Error::invalid(format!(
                "the fill has shape {:?}, the images {images:?}; they must be equal",
                fill.shape()
            )));
        }
        let wanted = if self.image_of_mask.is_empty() && images[0] == 1 { 0 } else { masks[0] };
        if self.image_of_mask.len() != wanted {
            return Err(Error::invalid(format!(
                "{} masks came with {} image indices for {} images",
                masks[0],
                self.image_of_mask.len(),
                images[0]
            )));
        }
        if let Some(&i) = self.image_of_mask.iter().find(|&&i| i as usize >= images[0]) {
            return Err(Error::invalid(format!("image index {i} is out of range; there are {}", images[0])));
        }
        ensure!(self.batch_size != 0, invalid, "batch size 0 was asked for; at least 1 is needed");
        Ok((images, masks))
    }
}

/// A request for the scores of masked images; the fields are those of [`MaskedRequest`].
#[derive(Clone, Copy)]
pub struct MaskedScores<'a> {
    /// Preprocessed images, [I, C, H, W].
    pub images: TensorView<'a>,
    /// What shows where a mask is 0, [I, C, H, W]; zeros when `None`.
    pub fill: Option<TensorView<'a>>,
    /// Small masks, [M, h, w], or rank maps [R, H, W].
    pub masks: TensorView<'a>,
    /// The M masks, where they are cuts of rank maps; else empty.
    pub cuts: &'a [Cut],
    /// For each mask the index of its image; empty when there is one image.
    pub image_of_mask: &'a [u32],
    /// How small masks reach the size of the image.
    pub upsample: Upsample,
    /// Images a pass; the model's own rule has the last word.
    pub batch_size: usize,
    /// Called after each batch with the number of masks scored in it, and with 0 in between; an error stops the run.
    pub on_batch: &'a dyn Fn(usize) -> Result<()>,
}

impl MaskedScores<'_> {
    /// The index of the image that mask `m` covers.
    pub fn image_of(&self, m: usize) -> usize {
        self.with_raw(|request| request.image_of(m))
    }

    /// Checks the request; see [`MaskedRequest::dims`].
    pub fn dims(&self) -> Result<([usize; 4], [usize; 3])> {
        self.with_raw(|request| request.dims())
    }

    /// The scores that batches bring one after the other, in order.
    pub(crate) fn collected(
        &self,
        run: impl FnOnce(&MaskedRequest<'_>, &mut EachBatch<'_>) -> Result<()>,
    ) -> Result<Tensor> {
        let (mut scores, mut item, mut rows) = (Vec::new(), None, 0);
        let mut each = |masks: usize, tensors: &[TensorView<'_>]| {
            let [found] = tensors else {
                return Err(Error::internal("a batch has not one tensor of scores"));
            };
            let (n, axes) =
                found.shape().split_first().ok_or_else(|| Error::model("the scores have no batch axis"))?;
            if item.get_or_insert_with(|| axes.to_vec()) != axes {
                bail!(model, "the model returned scores of more classes in one batch than in another");
            }
            append(&mut scores, found.data())?;
            rows += n;
            (self.on_batch)(masks)
        };
        self.with_raw(|request| run(request, &mut each))?;
        Tensor::new([&[rows], item.as_deref().unwrap_or(&[0])].concat(), scores)
    }

    fn with_raw<T>(&self, use_it: impl FnOnce(&MaskedRequest<'_>) -> T) -> T {
        // Between batches nothing is reported, but the caller may want the run to end.
        let cancelled = || (self.on_batch)(0).is_err();
        use_it(&MaskedRequest {
            inputs: Inputs { images: self.images, others: &[], cancelled: &cancelled },
            fill: self.fill,
            masks: self.masks,
            cuts: self.cuts,
            image_of_mask: self.image_of_mask,
            upsample: self.upsample,
            batch_size: self.batch_size,
        })
    }
}
