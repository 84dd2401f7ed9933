//! Combines weighted maps.
//!
//! Upsampling is linear, so a weighted sum of upsampled maps is the upsampled sum of small ones: only the maximum needs
//! every map at full size, one at a time.

use super::masks::{Maps, MaskPlan};
use super::options::{Combine, Reduce, ScoreCamOptions};
use crate::methods::map::Map;
use crate::methods::principal;
use crate::{Result, Upsampler};

/// The sum or maximum of weighted maps, plus the bias; at the layer's size for raw maps, else at the input's.
pub(super) fn combine(
    maps: &Maps,
    plan: &MaskPlan,
    weights: &[f64],
    options: &ScoreCamOptions,
) -> Result<Map> {
    let upsampler = Upsampler::new(options.upsample, maps.size, plan.input_size)?;
    let at_layer = options.combine == Combine::Raw;
    let sized = |small: Map| match at_layer {
        true => Ok(small),
        false => Ok(Map { size: plan.input_size, values: upsampler.resize(&small.values)? }),
    };
    let weighted = maps.iter().zip(&plan.channels).zip(weights).map(|((map, channel), &weight)| {
        let values = match (options.combine, channel.mask) {
            (Combine::Normalized, Some(m)) => plan.masks.item(m),
            // A skipped channel has no mask; it stands for zeros.
            (Combine::Normalized, None) => &[],
            _ => map,
        };
        (values, weight)
    });
    let mut combined = match options.reduce {
        Reduce::Sum => sized(Map::weighted_sum(maps.size, weighted)?)?,
        Reduce::Principal => {
            sized(principal::Reduce::Principal.apply(maps.size, weighted.filter(has_values))?)?
        }
        Reduce::Max => {
            let alone = |one| Map::weighted_sum(maps.size, std::iter::once(one)).and_then(sized);
            let mut maps_alone = weighted.map(alone);
            let nothing = || Map::weighted_sum(maps.size, std::iter::empty()).and_then(sized);
            let first = maps_alone.next().unwrap_or_else(nothing)?;
            maps_alone.try_fold(first, |a, b| b.map(|b| maximum(a, b)))?
        }
    };
    combined.values.iter_mut().for_each(|v| *v += options.bias);
    Ok(combined)
}

/// Whether a channel has a map at all.
fn has_values((map, _): &(&[f32], f64)) -> bool {
    !map.is_empty()
}

fn maximum(mut a: Map, b: Map) -> Map {
    a.values.iter_mut().zip(b.values).for_each(|(a, b)| *a = a.max(b));
    a
}
