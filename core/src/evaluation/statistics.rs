//! Statistics over a set of images: means with bootstrap intervals, and differences of two methods on the same images.
//! Faithfulness varies far more between images than between methods, so compare methods by paired differences.

use super::alone::mean_of;
use crate::Draws;

/// The mean; None without values.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| mean_of(values))
}

/// The percentile `p` (0 to 100) of finite values by linear interpolation between order statistics, as
/// `numpy.percentile`; None without values. Rounds like numpy, because ROAD compares the map's values with it.
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile_of_sorted(&sorted, p)
}

pub(super) fn percentile_of_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1).filter(|_| !p.is_nan())?;
    let at = last as f64 * (p / 100.0).clamp(0.0, 1.0);
    let below = at.floor() as usize;
    let (a, b, t) = (sorted[below], sorted[(below + 1).min(last)], at - at.floor());
    Some(if t < 0.5 { a + (b - a) * t } else { b - (b - a) * (1.0 - t) })
}

/// A mean over images with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The ends of the percentile interval; None for fewer than two values.
    pub interval: Option<(f64, f64)>,
    /// The number of values.
    pub count: usize,
}

/// The bootstrap by percentiles (Efron, 1979): means of images drawn with replacement.
///
/// Image `i` of resample `r` of `n` images is `Draws::new(seed).of(r).below(i, n)`, so other programs can reproduce it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// The number of resamples; 0 counts as 1.
    pub resamples: usize,
    /// The coverage of the interval, 0 to 1.
    pub level: f64,
    /// The seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, level: 0.95, seed: 0 }
    }
}

impl Bootstrap {
    /// The mean of one value per image, with its interval; None without values.
    pub fn mean(&self, values: &[f64]) -> Option<Estimate> {
        Some(Estimate { mean: mean(values)?, interval: self.interval(values), count: values.len() })
    }

    /// The mean difference of the first method's value and the second's, from pairs of values per image; None without
    /// pairs. An interval that excludes 0 shows that the methods differ on images like these.
    pub fn difference(&self, pairs: &[(f64, f64)]) -> Option<Estimate> {
        self.mean(&pairs.iter().map(|(a, b)| a - b).collect::<Vec<_>>())
    }

    fn interval(&self, values: &[f64]) -> Option<(f64, f64)> {
        let n = values.len();
        if n < 2 {
            return None;
        }
        let resample = |r: usize| {
            let draws = Draws::new(self.seed).of(r);
            (0..n).map(|i| values[draws.below(i, n)]).sum::<f64>() / n as f64
        };
        let mut means: Vec<f64> = (0..self.resamples.max(1)).map(resample).collect();
        means.sort_by(f64::total_cmp);
        let tail = 50.0 * (1.0 - self.level);
        Some((percentile_of_sorted(&means, tail)?, percentile_of_sorted(&means, 100.0 - tail)?))
    }
}
