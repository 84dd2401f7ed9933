//! Masked images and their scores: the passes that Score-CAM is made of.
//!
//! Every mask of every preset is the upsampling of a small map, because normalisation is affine and
//! upsampling keeps constants: norm(U(A)) = U(norm'(A)), where norm' takes the extremes of U(A). So only
//! small masks travel to a backend, which upsamples them, multiplies and runs.

use crate::tensor::append;
use crate::upsample::{Upsample, Upsampler};
use crate::{BatchRule, Error, ModelBackend, Result, Tensor, TensorView};

/// A request for the scores of masked images.
///
/// Image of pass `m`: `U(mask_m) * image + (1 - U(mask_m)) * fill`, with the image and fill that
/// `image_of_mask[m]` selects.
#[derive(Clone, Copy)]
pub struct MaskedScores<'a> {
    /// Preprocessed images, [I, C, H, W].
    pub images: TensorView<'a>,
    /// What shows where a mask is 0, [I, C, H, W]; zeros when `None`.
    pub fill: Option<TensorView<'a>>,
    /// Small masks, [M, h, w]; values are used as they are.
    pub masks: TensorView<'a>,
    /// For each mask the index of its image; empty when there is one image.
    pub image_of_mask: &'a [u32],
    /// How masks reach the size of the image.
    pub upsample: Upsample,
    /// Images a pass; the model's own rule has the last word.
    pub batch_size: usize,
    /// Called after each batch with the number of masks scored in it; an error stops the run.
    pub on_batch: &'a dyn Fn(usize) -> Result<()>,
}

impl MaskedScores<'_> {
    /// The default of [`ModelBackend::masked_scores`]: makes the masked images on the CPU, in one reused
    /// buffer of a batch, and runs them forward.
    pub fn on_cpu<B: ModelBackend + ?Sized>(&self, model: &B) -> Result<Tensor> {
        masked_scores_on_cpu(model, self)
    }

    /// The index of the image that mask `m` covers.
    pub fn image_of(&self, m: usize) -> usize {
        self.image_of_mask.get(m).map_or(0, |&i| i as usize)
    }

    /// Checks that shapes agree and indices are in range; returns ([I, C, H, W], [M, h, w]).
    pub fn dims(&self) -> Result<([usize; 4], [usize; 3])> {
        let images: [usize; 4] = self.images.dims("the tensor of images")?;
        let masks: [usize; 3] = self.masks.dims("the tensor of masks")?;
        if let Some(fill) = self.fill.filter(|f| f.shape() != self.images.shape()) {
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
        if self.batch_size == 0 {
            return Err(Error::invalid("batch size 0 was asked for; at least 1 is needed"));
        }
        Ok((images, masks))
    }
}

fn masked_scores_on_cpu<B: ModelBackend + ?Sized>(model: &B, request: &MaskedScores<'_>) -> Result<Tensor> {
    let ([_, c, height, width], [count, h, w]) = request.dims()?;
    let upsampler = Upsampler::new(request.upsample, (h, w), (height, width))?;
    let per_pass = match model.info().batch {
        BatchRule::Fixed(n) => n,
        BatchRule::Any { .. } => request.batch_size.min(count.max(1)),
    };
    let mut batch = Tensor::zeros([per_pass, c, height, width])?.into_data();
    let item_length = c * height * width;
    let mut wide = Vec::new();
    let mut scores = Vec::new();
    let mut done = 0;
    while done < count {
        let n = per_pass.min(count - done);
        for (m, item) in (done..done + n).zip(batch.chunks_exact_mut(item_length)) {
            mask_image(request, &upsampler, m, item, &mut wide)?;
        }
        // A fixed batch runs whole; the items behind `n` are left over from earlier and are not read.
        let run = if matches!(model.info().batch, BatchRule::Fixed(_)) { per_pass } else { n };
        let shape = [run, c, height, width];
        let forward = model.forward(TensorView::new(&shape, &batch[..run * item_length])?, &[])?;
        let [_, classes] = forward.scores.view().dims("the tensor of class scores")?;
        append(&mut scores, &forward.scores.data()[..n * classes])?;
        done += n;
        (request.on_batch)(n)?;
    }
    let classes = scores.len().checked_div(count).unwrap_or(0);
    Tensor::new([count, classes], scores)
}

/// Writes `U(mask) * image + (1 - U(mask)) * fill` into `out` [C, H, W].
fn mask_image(
    request: &MaskedScores<'_>,
    upsampler: &Upsampler,
    m: usize,
    out: &mut [f32],
    wide: &mut Vec<f32>,
) -> Result<()> {
    let image = request.images.item(request.image_of(m));
    let fill = request.fill.map(|f| f.item(request.image_of(m)));
    let (height, width) = upsampler.size();
    upsampler.rows(request.masks.item(m), wide, |y, mask| {
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
    })
}
