//! Weighted maps into one.
//!
//! Upsampling is linear, so a weighted sum of upsampled maps is the upsampled sum of small ones: only the
//! maximum has to look at every map at full size, one at a time.

use super::Map;
use super::masks::{Maps, MaskPlan};
use super::options::{Combine, Reduce, ScoreCamOptions};
use crate::{Result, Upsampler};

/// The sum or maximum of weighted maps, at the layer's size for raw maps, else at the input's.
pub(super) fn combine(
    maps: &Maps,
    plan: &MaskPlan,
    weights: &[f64],
    options: &ScoreCamOptions,
) -> Result<Map> {
    let upsampler = Upsampler::new(options.upsample, maps.size, plan.input_size)?;
    let wide = |small: &[f64]| upsampler.resize(small);
    let at_layer = options.combine == Combine::Raw;
    let cells = maps.size.0 * maps.size.1;
    let weighted = maps.iter().zip(&plan.channels).zip(weights).map(|((map, channel), &weight)| {
        let values = match (options.combine, channel.mask) {
            (Combine::Normalised, Some(m)) => plan.masks.item(m),
            (Combine::Normalised, None) => &[],
            _ => map,
        };
        // A skipped channel has no mask; it stands for zeros.
        let mut scaled: Vec<f64> = values.iter().map(|&v| weight * f64::from(v)).collect();
        scaled.resize(cells, 0.0);
        scaled
    });
    let values = match options.reduce {
        Reduce::Sum => {
            let sum = weighted.fold(vec![0.0; cells], |sum, map| zip_with(sum, &map, |a, b| a + b));
            if at_layer { sum } else { wide(&sum) }
        }
        Reduce::Max => weighted
            .map(|map| if at_layer { map } else { wide(&map) })
            .reduce(|max, map| zip_with(max, &map, f64::max))
            .unwrap_or_default(),
    };
    Ok(Map { size: if at_layer { maps.size } else { plan.input_size }, values })
}

fn zip_with(mut a: Vec<f64>, b: &[f64], f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, &b)| *a = f(*a, b));
    a
}
