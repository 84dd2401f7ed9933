//! Masked images and their scores: the passes of Score-CAM.
//!
//! Every mask of every preset is the upsampling of a small map, because normalization is affine and
//! upsampling keeps constants: norm(U(A)) = U(norm'(A)), where norm' takes the extremes of U(A). So only
//! small masks travel to a backend, which upsamples them, multiplies and runs.

use crate::tensor::append;
use crate::upsample::Upsample;
use crate::{Error, Inputs, Result, Tensor, TensorView};

/// A mask of the image's size by the rank of each pixel: 0 on the `count` pixels that come first, 1 on all others. So the
/// images of an insertion or deletion curve are made of one rank map, and only numbers are sent for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The index of the rank map.
    pub map: u32,
    /// The number of pixels that the mask removes.
    pub count: u32,
}

/// A request to run masked images.
///
/// Image `m` is `U(mask_m) * image + (1 - U(mask_m)) * fill`, with the image and fill selected by `image_of_mask[m]`.
#[derive(Clone, Copy)]
pub struct MaskedRequest<'a> {
    /// Preprocessed images, [I, C, H, W], and the other inputs, whose rows correspond to the images.
    pub inputs: Inputs<'a>,
    /// The fill where a mask is 0, [I, C, H, W]; `None` for zeros.
    pub fill: Option<TensorView<'a>>,
    /// Small masks, [M, h, w], used unchanged. With `cuts`: rank maps [R, H, W] of the images' size, whose values are
    /// integers from 0 to H W - 1.
    pub masks: TensorView<'a>,
    /// The M masks if they are cuts of rank maps; else empty.
    pub cuts: &'a [Cut],
    /// For each mask the index of its image; empty if there is one image.
    pub image_of_mask: &'a [u32],
    /// How to upsample small masks to the image's size.
    pub upsample: Upsample,
    /// Images per forward pass, subject to the model's own rule.
    pub batch_size: usize,
}

/// Receives the number of a batch's masks and the wanted tensors: a row per mask, or the whole of an output that is not
/// [`crate::OutputInfo::per_image`].
pub type EachBatch<'e> = dyn FnMut(usize, &[TensorView<'_>]) -> Result<()> + 'e;

/// Receives the result of a pass, a tensor for each wanted name.
pub type Passed<'p> = dyn FnMut(&[TensorView<'_>]) -> Result<()> + 'p;
/// Runs a batch, and calls back once with the result: the tensors need not outlive the call, so a backend can pass
/// those of its runtime.
pub type RunBatch<'r> = dyn FnMut(&Inputs<'_>, &mut Passed<'_>) -> Result<()> + 'r;

/// Calls `each` for a batch of `masks` masks with the `tensors` of a pass of `images` images, which may include padding
/// of the batch; `is_per_image` tells for each tensor whether it has a row per image.
pub fn hand_over_batch(
    each: &mut EachBatch<'_>,
    counts: (usize, usize),
    tensors: &[Tensor],
    is_per_image: impl Fn(usize) -> bool,
) -> Result<()> {
    hand_over_views(each, counts, &tensors.iter().map(Tensor::view).collect::<Vec<_>>(), is_per_image)
}

/// Like [`hand_over_batch`], for borrowed tensors.
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
    /// The index of the image of mask `m`.
    pub fn image_of(&self, m: usize) -> usize {
        self.image_of_mask.get(m).map_or(0, |&i| i as usize)
    }

    /// Validates shapes and indices; returns ([I, C, H, W], [M, h, w]).
    pub fn dims(&self) -> Result<([usize; 4], [usize; 3])> {
        let images: [usize; 4] = self.inputs.images.dims("the tensor of images")?;
        let mut masks: [usize; 3] = self.masks.dims("the tensor of masks")?;
        if !self.cuts.is_empty() {
            let size = &images[2..];
            ensure!(masks[1..] == *size, invalid, "rank maps have shape {masks:?} for images {images:?}");
            let fits = |cut: &&Cut| (cut.map as usize) < masks[0];
            if let Some(cut) = self.cuts.iter().find(|cut| !fits(cut)) {
                bail!(invalid, "rank map {} of a cut is out of range; there are {}", cut.map, masks[0]);
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
        ensure!(self.batch_size != 0, invalid, "batch size must be at least 1, got 0");
        Ok((images, masks))
    }
}

/// A request for the scores of masked images; the fields are those of [`MaskedRequest`].
#[derive(Clone, Copy)]
pub struct MaskedScores<'a> {
    /// Preprocessed images, [I, C, H, W].
    pub images: TensorView<'a>,
    /// The fill where a mask is 0, [I, C, H, W]; `None` for zeros.
    pub fill: Option<TensorView<'a>>,
    /// Small masks, [M, h, w], or rank maps [R, H, W].
    pub masks: TensorView<'a>,
    /// The M masks if they are cuts of rank maps; else empty.
    pub cuts: &'a [Cut],
    /// For each mask the index of its image; empty if there is one image.
    pub image_of_mask: &'a [u32],
    /// How to upsample small masks to the image's size.
    pub upsample: Upsample,
    /// Images per forward pass, subject to the model's own rule.
    pub batch_size: usize,
    /// Called after each batch with the number of masks scored in it, and with 0 in between; an error ends the run.
    pub on_batch: &'a dyn Fn(usize) -> Result<()>,
}

impl MaskedScores<'_> {
    /// The index of the image of mask `m`.
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
                bail!(model, "the model returned scores of different numbers of classes in two batches");
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
