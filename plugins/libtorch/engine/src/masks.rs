//! Masked images on the model's device: only small masks go there, only the output comes back.
//!
//! Every upsampling of a preset is a separable linear operator, so a mask [h, w] becomes one of [H, W] by two
//! matrix products whose matrices core gives; this holds for all modes and for masks of any number. Cuts of rank maps are
//! compared there instead.
//!
//! What a batch is made of goes to the device once, before the first batch. So the device waits for nothing: with
//! two batches in flight, the next one is started before the outputs of the last are waited for.

use std::collections::VecDeque;

use scorecam_plugin::Upsampler;
use scorecam_plugin::{EachBatch, MaskedRequest, ModelBackend, Result, TensorView, hand_over_batch};
use tch::Device;

use crate::model::TorchModel;
use crate::tensors::{failed, to_device};
use crate::wanted::{Pending, Wanted};

/// Runs masked images, and hands the outputs that are `wanted`, by these `names`, of each batch to `each`.
pub(crate) fn run(
    model: &TorchModel,
    request: &MaskedRequest<'_>,
    (wanted, names): (&Wanted, &[&str]),
    each: &mut EachBatch<'_>,
) -> Result<()> {
    let ([_, channels, height, width], [count, ..]) = request.dims()?;
    let fixed = model.info().batch.fixed();
    let per_pass = fixed.unwrap_or(request.batch_size.min(count.max(1)));
    model.check(&[per_pass, channels, height, width])?;
    let program = model.program(&wanted.outputs)?;
    let shared = SharedInputs::new(request, per_pass, model.device())?;
    // Waits for the outputs of a batch, of whose images the first `n` count, and hands them on.
    let mut take = |batch: Option<(usize, Pending)>| -> Result<()> {
        let Some((n, outputs)) = batch else { return Ok(()) };
        let found = wanted.each(outputs.wait()?)?;
        hand_over_batch(each, (n, fixed.unwrap_or(n)), &found, |i| model.info().is_per_image(names[i]))
    };
    let mut under_way = VecDeque::new();
    for start in (0..count).step_by(per_pass) {
        let n = per_pass.min(count - start);
        let batch = shared.batch(start, fixed.unwrap_or(n))?;
        under_way.push_back((n, model.start(&program, wanted, &batch)?));
        // The device has the next batch to work on while the outputs of this one come back.
        if under_way.len() >= model.in_flight() {
            take(under_way.pop_front())?;
        }
    }
    while !under_way.is_empty() {
        take(under_way.pop_front())?;
    }
    Ok(())
}

/// What is brought to the device once, and from which every batch is made there.
struct SharedInputs {
    images: tch::Tensor,
    fill: Option<tch::Tensor>,
    masks: Masks,
    /// The image of each mask; `None` where one image serves all.
    image_of: Option<tch::Tensor>,
    /// The masks in the order of batches. A fixed batch is filled up with the last mask, so some more than M.
    order: tch::Tensor,
}

/// What masks of the images' size are made of.
enum Masks {
    /// Small masks [M, h, w], and the matrices that upsample them, [H, h] and [w, W].
    Small { masks: tch::Tensor, rows: tch::Tensor, columns: tch::Tensor },
    /// Rank maps [R, H, W], and for each mask the number of its map, [M], and how many pixels it takes away, [M, 1, 1].
    Cuts { ranks: tch::Tensor, map_of: tch::Tensor, counts: tch::Tensor },
}

impl Masks {
    fn new(request: &MaskedRequest<'_>, device: Device) -> Result<Self> {
        let ([.., height, width], [_, h, w]) = request.dims()?;
        let masks = to_device(request.masks, device)?;
        let matrix =
            |values: Vec<f32>, shape: [usize; 2]| to_device(TensorView::new(&shape, &values)?, device);
        if request.cuts.is_empty() {
            let upsampler = Upsampler::new(request.upsample, (h, w), (height, width))?;
            let columns = matrix(upsampler.column_matrix(), [width, w])?;
            let columns = columns.f_transpose(0, 1).and_then(|t| t.f_contiguous()).map_err(failed)?;
            return Ok(Self::Small { masks, rows: matrix(upsampler.row_matrix(), [height, h])?, columns });
        }
        let counts: Vec<f32> = request.cuts.iter().map(|cut| cut.count as f32).collect();
        let counts = to_device(TensorView::new(&[counts.len(), 1, 1], &counts)?, device)?;
        let map_of = numbers(request.cuts.iter().map(|cut| i64::from(cut.map)).collect(), device)?;
        Ok(Self::Cuts { ranks: masks, map_of, counts })
    }

    /// The masks of these numbers, [n, 1, H, W].
    fn made(&self, order: &tch::Tensor) -> Result<tch::Tensor> {
        let masks = match self {
            Self::Small { masks, rows, columns } => masks
                .f_index_select(0, order)
                .and_then(|small| rows.f_matmul(&small))
                .and_then(|wide| wide.f_matmul(columns)),
            Self::Cuts { ranks, map_of, counts } => map_of
                .f_index_select(0, order)
                .and_then(|maps| ranks.f_index_select(0, &maps))
                .and_then(|ranks| ranks.f_ge_tensor(&counts.f_index_select(0, order)?))
                .and_then(|kept| kept.f_to_kind(ranks.kind())),
        };
        masks.and_then(|masks| masks.f_unsqueeze(1)).map_err(failed)
    }
}

fn numbers(numbers: Vec<i64>, device: Device) -> Result<tch::Tensor> {
    tch::Tensor::f_from_slice(&numbers).and_then(|t| t.f_to_device(device)).map_err(failed)
}

impl SharedInputs {
    fn new(request: &MaskedRequest<'_>, per_pass: usize, device: Device) -> Result<Self> {
        let ([images, ..], [count, ..]) = request.dims()?;
        let image_of = || (0..count).map(|m| request.image_of(m) as i64).collect();
        let padded = count.next_multiple_of(per_pass.max(1));
        Ok(Self {
            images: to_device(request.inputs.images, device)?,
            fill: request.fill.map(|fill| to_device(fill, device)).transpose()?,
            masks: Masks::new(request, device)?,
            image_of: (images > 1).then(|| numbers(image_of(), device)).transpose()?,
            order: numbers((0..padded).map(|m| m.min(count.saturating_sub(1)) as i64).collect(), device)?,
        })
    }

    /// The masked images of `n` masks from `start` on in their order, [n, C, H, W].
    fn batch(&self, start: usize, n: usize) -> Result<tch::Tensor> {
        let order = self.order.f_narrow(0, start as i64, n as i64).map_err(failed)?;
        let mask = self.masks.made(&order)?;
        let shown = self.chosen(&self.images, &order)?.f_mul(&mask).map_err(failed)?;
        let Some(fill) = &self.fill else { return Ok(shown) };
        let hidden = mask.f_neg().and_then(|m| m.f_add_scalar(1)).map_err(failed)?;
        let behind = self.chosen(fill, &order)?.f_mul(&hidden).map_err(failed)?;
        shown.f_add(&behind).map_err(failed)
    }

    /// The images of the masks in `order`.
    fn chosen(&self, images: &tch::Tensor, order: &tch::Tensor) -> Result<tch::Tensor> {
        match &self.image_of {
            None => Ok(images.shallow_clone()),
            Some(image_of) => image_of
                .f_index_select(0, order)
                .and_then(|indices| images.f_index_select(0, &indices))
                .map_err(failed),
        }
    }
}
