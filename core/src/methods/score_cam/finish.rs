//! The last step: bias, ReLU, resize and normalise, in the order that the options say.

use super::Map;
use super::options::{Final, Order, Output, ScoreCamOptions};
use crate::{Result, Upsampler};

/// Turns the combined map into the saliency map.
pub(super) fn finish(mut map: Map, input_size: (usize, usize), options: &ScoreCamOptions) -> Result<Map> {
    for v in &mut map.values {
        *v += options.bias;
        if options.post_relu {
            *v = v.max(0.0);
        }
    }
    let size = match options.output {
        Output::Input => input_size,
        Output::Layer => map.size,
        Output::Size(h, w) => (h, w),
    };
    let resized = match options.order {
        Order::ResizeNorm => normalise(resize(map, size, options)?, options),
        Order::NormResize | Order::NormResizeNorm => resize(normalise(map, options), size, options)?,
    };
    if options.order != Order::NormResizeNorm {
        return Ok(resized);
    }
    let values = resized.values.iter().map(|v| v.max(0.0)).collect();
    Ok(normalise(Map { values, ..resized }, options))
}

fn resize(map: Map, size: (usize, usize), options: &ScoreCamOptions) -> Result<Map> {
    if map.size == size {
        return Ok(map);
    }
    let values = Upsampler::new(options.resize, map.size, size)?.resize(&map.values);
    Ok(Map { size, values })
}

/// A range this far below the values themselves is rounding, not evidence.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

/// Brings a map to [0, 1]; one without range becomes zeros rather than rounding blown up.
fn normalise(mut map: Map, options: &ScoreCamOptions) -> Map {
    let min = map.values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = map.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (offset, divisor) = match options.final_norm {
        Final::None => return map,
        Final::MinMax if max - min <= ROUNDING * max.abs().max(min.abs()) => {
            map.values.fill(0.0);
            return map;
        }
        Final::MinMax => (min, max - min + options.final_eps),
        Final::Max => (0.0, max + options.final_eps),
    };
    let divisor = if divisor == 0.0 { 1.0 } else { divisor };
    map.values.iter_mut().for_each(|v| *v = (*v - offset) / divisor);
    map
}
