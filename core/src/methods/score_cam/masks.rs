//! From activation maps to small masks: select, rectify, normalize, and keep each distinct mask once.

use std::collections::HashMap;
use std::sync::Arc;

use super::options::{Flat, Norm, NormStage, ScoreCamOptions, Select, WeightNorm};
use crate::tensor::{append, gathered};
use crate::{Result, Study, Tensor, Upsampler};

/// The activation maps that take part, one after the other.
pub(super) struct Maps {
    pub(super) size: (usize, usize),
    pub(super) values: Vec<f32>,
}

impl Maps {
    pub(super) fn count(&self) -> usize {
        self.values.len() / (self.size.0 * self.size.1)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.size.0 * self.size.1)
    }
}

/// Rectifies and selects, as the options say.
pub(super) fn selected_maps(study: &Study<'_>, options: &ScoreCamOptions) -> Result<Maps> {
    let [k, h, w] = study.context.layer_shape()?;
    let rectify = |v: f32| if options.pre_relu { v.max(0.0) } else { v };
    let activations = study.context.activations.data().iter().copied();
    let mut maps = Maps { size: (h, w), values: gathered(&[k, h, w], activations.map(rectify))? };
    let chosen = match &options.select {
        Select::All => return Ok(maps),
        Select::TopByStd(n) => top(&maps, *n, deviation),
        Select::TopByMax(n) => {
            top(&maps, *n, |map| map.iter().copied().fold(f32::NEG_INFINITY, f32::max).into())
        }
        Select::List(list) => match list.iter().find(|&&c| c >= k) {
            Some(c) => bail!(invalid, "option select_list names channel {c}; the layer has 0 to {}", k - 1),
            None => list.clone(),
        },
    };
    let values = chosen.iter().flat_map(|&c| &maps.values[c * h * w..][..h * w]).copied();
    maps.values = gathered(&[chosen.len(), h, w], values)?;
    Ok(maps)
}

/// The channels with the greatest key, earlier ones first where keys are equal.
fn top(maps: &Maps, n: usize, key: impl Fn(&[f32]) -> f64) -> Vec<usize> {
    let keys: Vec<f64> = maps.iter().map(key).collect();
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by(|&a, &b| keys[b].total_cmp(&keys[a]));
    order.truncate(n);
    order
}

fn deviation(map: &[f32]) -> f64 {
    let n = map.len() as f64;
    let mean = map.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    (map.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n).sqrt()
}

/// Which mask stands for which channel.
pub(super) struct MaskPlan {
    /// The input's height and width, to which masks are upsampled.
    pub(super) input_size: (usize, usize),
    /// Each distinct mask once, [M, h, w].
    pub(super) masks: Arc<Tensor>,
    /// For each channel its mask, and whether its score becomes a weight or counts as 0.
    pub(super) channels: Vec<Channel>,
}

/// What a channel's map became.
#[derive(Clone, Copy)]
pub(super) struct Channel {
    /// Index of its mask; `None` when no score is needed.
    pub(super) mask: Option<usize>,
    /// Whether the channel takes part in the combination.
    pub(super) weighted: bool,
}

impl MaskPlan {
    /// Normalizes each map and finds equal masks.
    pub(super) fn new(study: &Study<'_>, maps: &Maps, options: &ScoreCamOptions) -> Result<Self> {
        let (height, width) = study.context.input_size()?;
        let upsampler = Upsampler::new(options.upsample, maps.size, (height, width))?;
        let mut distinct = Distinct::default();
        let channels = maps
            .iter()
            .map(|map| {
                let (mask, flat) = small_mask(map, &upsampler, options)?;
                let skipped = flat && options.flat == Flat::Skip;
                // A softmax over channels has a term for every channel, skipped ones included.
                let needed = !skipped || options.weight_norm == WeightNorm::Softmax;
                let mask = needed.then(|| distinct.index_of(mask)).transpose()?;
                Ok(Channel { mask, weighted: !skipped })
            })
            .collect::<Result<_>>()?;
        let shape = [distinct.found.len(), maps.size.0, maps.size.1];
        Ok(Self {
            input_size: (height, width),
            masks: Arc::new(Tensor::new(shape, distinct.values)?),
            channels,
        })
    }

    /// The number of distinct masks.
    pub(super) fn count(&self) -> usize {
        self.masks.shape()[0]
    }

    /// The number of channels that take part in the combination.
    pub(super) fn live(&self) -> usize {
        self.channels.iter().filter(|c| c.weighted).count()
    }
}

/// The small mask whose upsampling is the normalized mask, and whether the map is flat.
fn small_mask(map: &[f32], upsampler: &Upsampler, options: &ScoreCamOptions) -> Result<(Vec<f32>, bool)> {
    let (low, high) = map.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    let flat = low == high;
    if flat && options.flat != Flat::Keep {
        return Ok((gathered(&[map.len()], map.iter().map(|_| 0.0))?, true));
    }
    let (min, max) = match options.norm_stage {
        NormStage::After if !flat => upsampler.extremes(map)?,
        _ => (f64::from(low), f64::from(high)),
    };
    let range = max - min + options.eps;
    let divisor = if range > 0.0 { range } else { 1.0 };
    let offset = if options.norm == Norm::MinMax { min } else { 0.0 };
    // Adding 0 makes -0 into 0, so that equal masks have equal bits.
    let mask = map.iter().map(|&v| ((f64::from(v) - offset) / divisor) as f32 + 0.0);
    Ok((gathered(&[map.len()], mask)?, flat))
}

/// A list of masks in which each occurs once.
#[derive(Default)]
struct Distinct {
    values: Vec<f32>,
    found: HashMap<Vec<u32>, usize>,
}

impl Distinct {
    fn index_of(&mut self, mask: Vec<f32>) -> Result<usize> {
        let next = self.found.len();
        let key = gathered(&[mask.len()], mask.iter().map(|v| v.to_bits()))?;
        let index = *self.found.entry(key).or_insert(next);
        if index == next {
            append(&mut self.values, &mask)?;
        }
        Ok(index)
    }
}
