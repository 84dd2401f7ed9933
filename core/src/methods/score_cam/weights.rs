//! From masks to channel weights: the masked passes, the baseline, the normalisation of scores.

use super::masks::MaskPlan;
use super::options::{Baseline, Fill, ScoreCamOptions, WeightNorm};
use crate::tensor::{gathered, room_for};
use crate::{Error, Masks, Result, Study, Tensor, TensorView, class_score};

/// Raw outputs of every pass that the weights are made from.
pub(super) struct Scored {
    /// One row a distinct mask, [M, classes].
    masks: Tensor,
    /// The baseline's row, where there is one.
    baseline: Option<Vec<f32>>,
}

/// Runs the passes; none at all when scores are not used.
pub(super) fn score_masks(study: &Study<'_>, plan: &MaskPlan, options: &ScoreCamOptions) -> Result<Scored> {
    if options.weight_norm == WeightNorm::One {
        return Ok(Scored { masks: Tensor::zeros([0, 0])?, baseline: None });
    }
    let blurred;
    let fill = match options.fill {
        Fill::Zero => None,
        Fill::Image => Some(reference(study, "fill=image")?),
        Fill::Blur(sigma) => {
            blurred = blur(study.given.input, sigma)?;
            Some(blurred.view())
        }
    };
    let own_pass = matches!(options.baseline, Baseline::Zero | Baseline::Image);
    study.expect_passes(plan.masks.shape()[0] + usize::from(own_pass))?;
    let baseline = match options.baseline {
        Baseline::None => None,
        Baseline::Input => Some(study.given.scores.to_vec()),
        Baseline::Zero => {
            let zero = Tensor::zeros(study.given.input.shape())?;
            Some(study.scores(zero.view())?.into_data())
        }
        Baseline::Image => Some(study.scores(reference(study, "baseline=image")?)?.into_data()),
    };
    let masks = Masks { masks: plan.masks.view(), upsample: options.upsample, fill };
    Ok(Scored { masks: study.masked_scores(&masks)?, baseline })
}

fn reference<'a>(study: &Study<'a>, option: &str) -> Result<TensorView<'a>> {
    study
        .given
        .reference
        .ok_or_else(|| Error::invalid(format!("option {option} needs a reference image, and none was given")))
}

/// One weight for each channel of the plan, for one class.
pub(super) fn channel_weights(
    study: &Study<'_>,
    plan: &MaskPlan,
    scored: &Scored,
    (options, class): (&ScoreCamOptions, usize),
) -> Result<Vec<f64>> {
    if options.weight_norm == WeightNorm::One {
        return Ok(plan.channels.iter().map(|c| if c.weighted { 1.0 } else { 0.0 }).collect());
    }
    let score = |row: &[f32]| class_score(options.score, study.given.output_activation, row, class);
    let baseline = scored.baseline.as_deref().map_or(0.0, score);
    let scores: Vec<f64> =
        (0..plan.masks.shape()[0]).map(|m| score(scored.masks.item(m)) - baseline).collect();
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let term = |m: usize| (scores[m] - highest).exp();
    let sum: f64 = plan.channels.iter().filter_map(|c| c.mask).map(term).sum();
    let weight = |m: usize| match options.weight_norm {
        WeightNorm::Softmax => term(m) / sum,
        WeightNorm::Relu => scores[m].max(0.0),
        WeightNorm::None | WeightNorm::One => scores[m],
    };
    Ok(plan.channels.iter().map(|c| if c.weighted { c.mask.map_or(0.0, weight) } else { 0.0 }).collect())
}

/// The input under a Gaussian of `sigma` pixels, cut at three sigma, edges mirrored without repeating them.
fn blur(input: TensorView<'_>, sigma: f64) -> Result<Tensor> {
    let [_, c, h, w] = input.dims("the input")?;
    let radius = (3.0 * sigma).ceil() as isize;
    let bell = |d: isize| (-0.5 * (d as f64 / sigma).powi(2)).exp();
    let sum: f64 = (-radius..=radius).map(bell).sum();
    let kernel: Vec<f64> = (-radius..=radius).map(|d| bell(d) / sum).collect();
    let mut out = room_for(&[1, c, h, w])?;
    for plane in input.data().chunks_exact(h * w) {
        let plane = gathered(&[h, w], plane.iter().map(|&v| f64::from(v)))?;
        let rows = blur_rows(&plane, w, &kernel)?;
        let columns = blur_rows(&transpose(&rows, w)?, h, &kernel)?;
        out.extend(transpose(&columns, h)?.iter().map(|&v| v as f32));
    }
    Tensor::new([1, c, h, w], out)
}

fn blur_rows(plane: &[f64], width: usize, kernel: &[f64]) -> Result<Vec<f64>> {
    let radius = kernel.len() as isize / 2;
    let value = |row: &[f64], x: usize| -> f64 {
        kernel.iter().zip(x as isize - radius..).map(|(k, at)| k * row[mirror(at, width)]).sum()
    };
    let rows = plane.chunks_exact(width);
    gathered(&[rows.len(), width], rows.flat_map(|row| (0..width).map(move |x| value(row, x))))
}

/// Folds a position back into 0..n at both ends, as often as it takes.
fn mirror(at: isize, n: usize) -> usize {
    let period = (2 * n as isize - 2).max(1);
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

fn transpose(plane: &[f64], width: usize) -> Result<Vec<f64>> {
    gathered(&[plane.len()], (0..width).flat_map(|x| plane[x..].iter().step_by(width).copied()))
}
