//! Masked images and their scores: the passes that Score-CAM is made of.
//!
//! Every mask of every preset is the upsampling of a small map, because normalisation is affine and
//! upsampling keeps constants: norm(U(A)) = U(norm'(A)), where norm' takes the extremes of U(A). So only
//! small masks travel to a backend, which upsamples them, multiplies and runs.

use crate::masked_batches;
use crate::upsample::Upsample;
use crate::{Error, ModelBackend, Result, Tensor, TensorView};

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
    /// The default of [`ModelBackend::masked_scores`]: makes the masked images on the CPU, in at most two
    /// reused buffers of a batch, and runs them forward on the calling thread. On a machine of many
    /// cores a thread that ends before the call makes the next batch meanwhile.
    pub fn on_cpu<B: ModelBackend + ?Sized>(&self, model: &B) -> Result<Tensor> {
        masked_batches::scores(model, self)
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
