//! Masked images on the model's device: only small masks go there, only scores come back.
//!
//! Every upsampling of a preset is a separable linear operator, so a mask [h, w] becomes one of [H, W] by two
//! matrix products whose matrices core gives; this holds for all modes and for masks of any number.

use scorecam_plugin::Upsampler;
use scorecam_plugin::{BatchRule, MaskedScores, ModelBackend, Result, Tensor, TensorView};
use tch::Device;

use crate::model::TorchModel;
use crate::tensors::{failed, to_device};

/// Scores of masked images, [masks, classes].
pub(crate) fn scores(model: &TorchModel, request: &MaskedScores<'_>) -> Result<Tensor> {
    let ([_, channels, height, width], [count, h, w]) = request.dims()?;
    let scene = Scene::new(request, (height, width), (h, w), model.device())?;
    let per_pass = match model.info().batch {
        BatchRule::Fixed(n) => n,
        BatchRule::Any { .. } => request.batch_size.min(count.max(1)),
    };
    model.check(&[per_pass, channels, height, width])?;
    let mut scores = Vec::new();
    let mut done = 0;
    while done < count {
        let n = per_pass.min(count - done);
        // A fixed batch is filled up with the last mask; the scores behind `n` are dropped.
        let run = if matches!(model.info().batch, BatchRule::Fixed(_)) { per_pass } else { n };
        let order: Vec<usize> = (done..done + run).map(|m| m.min(count - 1)).collect();
        let batch = scene.batch(request, &order)?;
        let found = model.scores_of(&batch)?;
        let [_, classes] = found.view().dims("the tensor of class scores")?;
        scores.extend_from_slice(&found.data()[..n * classes]);
        done += n;
        (request.on_batch)(n)?;
    }
    let classes = scores.len().checked_div(count).unwrap_or(0);
    Tensor::new([count, classes], scores)
}

/// What stays on the device from batch to batch.
struct Scene {
    images: tch::Tensor,
    fill: Option<tch::Tensor>,
    /// [H, h]
    rows: tch::Tensor,
    /// [w, W]
    columns: tch::Tensor,
    mask: [usize; 2],
    device: Device,
}

impl Scene {
    fn new(
        request: &MaskedScores<'_>,
        to: (usize, usize),
        from: (usize, usize),
        device: Device,
    ) -> Result<Self> {
        let upsampler = Upsampler::new(request.upsample, from, to)?;
        let matrix =
            |values: Vec<f32>, shape: [usize; 2]| to_device(TensorView::new(&shape, &values)?, device);
        let columns = matrix(upsampler.column_matrix(), [to.1, from.1])?;
        Ok(Self {
            images: to_device(request.images, device)?,
            fill: request.fill.map(|fill| to_device(fill, device)).transpose()?,
            rows: matrix(upsampler.row_matrix(), [to.0, from.0])?,
            columns: columns.f_transpose(0, 1).and_then(|t| t.f_contiguous()).map_err(failed)?,
            mask: [from.0, from.1],
            device,
        })
    }

    /// The masked images of the masks in `order`, [n, C, H, W].
    fn batch(&self, request: &MaskedScores<'_>, order: &[usize]) -> Result<tch::Tensor> {
        let values: Vec<f32> = order.iter().flat_map(|&m| request.masks.item(m)).copied().collect();
        let shape = [order.len(), self.mask[0], self.mask[1]];
        let small = to_device(TensorView::new(&shape, &values)?, self.device)?;
        let mask = self
            .rows
            .f_matmul(&small)
            .and_then(|wide| wide.f_matmul(&self.columns))
            .and_then(|mask| mask.f_unsqueeze(1))
            .map_err(failed)?;
        let indices: Vec<i64> = order.iter().map(|&m| request.image_of(m) as i64).collect();
        let shown = self.chosen(&self.images, &indices)?.f_mul(&mask).map_err(failed)?;
        let Some(fill) = &self.fill else { return Ok(shown) };
        let hidden = mask.f_neg().and_then(|m| m.f_add_scalar(1)).map_err(failed)?;
        let behind = self.chosen(fill, &indices)?.f_mul(&hidden).map_err(failed)?;
        shown.f_add(&behind).map_err(failed)
    }

    /// The images at `indices`; a single image serves all masks as it is.
    fn chosen(&self, images: &tch::Tensor, indices: &[i64]) -> Result<tch::Tensor> {
        if images.size().first() == Some(&1) {
            return Ok(images.shallow_clone());
        }
        tch::Tensor::f_from_slice(indices)
            .and_then(|t| t.f_to_device(self.device))
            .and_then(|t| images.f_index_select(0, &t))
            .map_err(failed)
    }
}
