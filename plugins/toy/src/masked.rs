//! Masked images as the definition reads: cell by cell, in f64, one image at a time.
//!
//! It shares no code with core's default, so that each can be tested against the other.

use scorecam_core::{
    BatchRule, EachBatch, Error, Inputs, MaskedRequest, ModelBackend, Result, Tensor, Upsample, ensure,
    hand_over_batch,
};

use crate::model::ToyModel;

/// Runs the masked images of `request`, and hands each batch to `each`.
pub(crate) fn run(
    model: &ToyModel,
    request: &MaskedRequest<'_>,
    wanted: &[&str],
    each: &mut EachBatch<'_>,
) -> Result<()> {
    let [images, channels, height, width] = request.inputs.images.dims("images")?;
    let [maps, h, w] = request.masks.dims("masks")?;
    let masks = if request.cuts.is_empty() { maps } else { request.cuts.len() };
    if request.fill.is_some_and(|fill| fill.shape() != request.inputs.images.shape()) {
        return Err(Error::invalid("the fill's shape differs from that of the images; give one of the same"));
    }
    let batch = model.info().batch.size(request.batch_size);
    for first in (0..masks).step_by(batch) {
        let count = batch.min(masks - first);
        let mut pixels = Vec::new();
        for m in first..first + count {
            let index = request.image_of_mask.get(m).map_or(0, |&i| i as usize);
            ensure!(index < images, invalid, "mask {m} is for image {index} of {images}");
            let cut = request.cuts.get(m);
            let values = request.masks.item(cut.map_or(m, |cut| cut.map as usize));
            let mask = Mask { values, size: [h, w], mode: request.upsample };
            let fill = request.fill.map(|fill| fill.item(index));
            for (i, &value) in request.inputs.images.item(index).iter().enumerate() {
                let shown = match cut {
                    Some(cut) => f64::from(u8::from(values[i % (height * width)] >= cut.count as f32)),
                    None => mask.at([i / width % height, i % width], [height, width]),
                };
                let hidden = fill.map_or(0.0, |fill| f64::from(fill[i]));
                pixels.push((shown * f64::from(value) + (1.0 - shown) * hidden) as f32);
            }
        }
        // A fixed batch is filled up with black images, whose scores are dropped.
        let run = if matches!(model.info().batch, BatchRule::Fixed(_)) { batch } else { count };
        pixels.resize(run * channels * height * width, 0.0);
        let pixels = Tensor::new([run, channels, height, width], pixels)?;
        let inputs = Inputs { images: pixels.view(), ..request.inputs };
        let found = model.forward(&inputs, wanted)?;
        hand_over_batch(each, (count, run), &found, |_| true)?;
    }
    Ok(())
}

/// A small mask [h, w] that is sampled at the size of the image.
struct Mask<'a> {
    values: &'a [f32],
    size: [usize; 2],
    mode: Upsample,
}

impl Mask<'_> {
    /// The value at pixel `at` (row, column) of an image of `size`.
    fn at(&self, at: [usize; 2], size: [usize; 2]) -> f64 {
        let [rows, columns] = [0, 1].map(|axis| taps(self.mode, self.size[axis], size[axis], at[axis]));
        let cell = |y: usize, x: usize| f64::from(self.values[y * self.size[1] + x]);
        rows.iter().map(|&(y, wy)| wy * columns.iter().map(|&(x, wx)| wx * cell(y, x)).sum::<f64>()).sum()
    }
}

/// The cells that pixel `i` of `n_out` is mixed from, with their weights, on an axis of `n_in` cells.
fn taps(mode: Upsample, n_in: usize, n_out: usize, i: usize) -> [(usize, f64); 4] {
    let last = (n_in - 1) as f64;
    let centre = (2 * i + 1) as f64 * n_in as f64 / (2 * n_out) as f64 - 0.5;
    let position = match mode {
        Upsample::HalfPixel => centre.max(0.0).min(last),
        Upsample::AlignCorners if n_out == 1 => 0.0,
        Upsample::AlignCorners => i as f64 * last / (n_out - 1) as f64,
        Upsample::Mirror => last - (last - centre.abs()).abs(),
        Upsample::Nearest => (i * n_in / n_out) as f64,
        Upsample::Bicubic => centre,
    };
    let (cell, past) = (position.floor(), position - position.floor());
    [-1.0, 0.0, 1.0, 2.0].map(|step| {
        let distance = (step - past).abs();
        let weight = if mode == Upsample::Bicubic { cubic(distance) } else { (1.0 - distance).max(0.0) };
        ((cell + step).clamp(0.0, last) as usize, weight)
    })
}

/// Keys' kernel with a = -3/4, by its two pieces.
fn cubic(d: f64) -> f64 {
    match d {
        d if d <= 1.0 => 1.25 * d * d * d - 2.25 * d * d + 1.0,
        d if d < 2.0 => -0.75 * (d - 1.0) * (d - 2.0) * (d - 2.0),
        _ => 0.0,
    }
}
