//! Masked images and their scores: the passes that Score-CAM is made of.
//!
//! Every mask of every preset is the upsampling of a small map, because normalisation is affine and
//! upsampling keeps constants: norm(U(A)) = U(norm'(A)), where norm' takes the extremes of U(A). So only
//! small masks travel to a backend, which upsamples them, multiplies and runs.

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

/// The default of [`ModelBackend::masked_scores`].
pub(crate) fn masked_scores_on_cpu<B: ModelBackend + ?Sized>(
    model: &B,
    request: &MaskedScores<'_>,
) -> Result<Tensor> {
    let _ = (model, request, BatchRule::Fixed(1), Upsampler::new(Upsample::HalfPixel, (1, 1), (1, 1)));
    Err(Error::internal("not built yet"))
}
