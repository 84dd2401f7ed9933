//! [`Estimate`]: the sums of which RISE's map and its standard error follow.
//!
//! With f_i the score of mask m_i of N, and p the probability of a cell, the map is the mean of (f_i - a) m_i / p: a is 0, or
//! where scores are centered their mean. Each pixel is a mean of N independent numbers, so its standard error is their
//! deviation over the root of N. Of centered scores the mean is itself estimated, and what that adds is taken away by the mask's
//! mean b: the numbers are then (f_i - a) (m_i - b).

use crate::Result;
use crate::methods::map::Map;
use crate::tensor::gathered;

/// Sums over masks.
pub(super) struct Estimate {
    count: usize,
    centered: bool,
    /// For each pixel the sums of m and m squared.
    masks: [Vec<f64>; 2],
    targets: Vec<Sums>,
}

/// Sums for one target: of f and f squared; for each pixel of f m, f m squared, f squared m, and f squared m squared.
struct Sums {
    scores: [f64; 2],
    products: [Vec<f64>; 4],
}

/// A map with the standard error of each pixel.
pub(super) struct WithErrors {
    pub(super) map: Map,
    pub(super) errors: Map,
}

impl Estimate {
    pub(super) fn new(targets: usize, cells: usize, centered: bool) -> Result<Self> {
        let zeros = || gathered(&[cells], std::iter::repeat_n(0.0, cells));
        let sums = |_| Ok(Sums { scores: [0.0; 2], products: [zeros()?, zeros()?, zeros()?, zeros()?] });
        Ok(Self {
            count: 0,
            centered,
            masks: [zeros()?, zeros()?],
            targets: (0..targets).map(sums).collect::<Result<_>>()?,
        })
    }

    /// How many masks there were.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds a mask with its scores, one for each target.
    pub(super) fn add(&mut self, mask: &[f32], scores: &[f64]) {
        self.count += 1;
        let [sums, squares] = &mut self.masks;
        for ((sum, square), &m) in sums.iter_mut().zip(squares).zip(mask) {
            let m = f64::from(m);
            *sum += m;
            *square += m * m;
        }
        for (target, &f) in self.targets.iter_mut().zip(scores) {
            target.scores = [target.scores[0] + f, target.scores[1] + f * f];
            let [fm, fmm, ffm, ffmm] = &mut target.products;
            let sums = fm.iter_mut().zip(fmm).zip(ffm.iter_mut().zip(ffmm));
            for (((fm, fmm), (ffm, ffmm)), &m) in sums.zip(mask) {
                let product = f * f64::from(m);
                *fm += product;
                *fmm += product * f64::from(m);
                *ffm += product * f;
                *ffmm += product * product;
            }
        }
    }

    /// The map of a target from masks of a `probability`, of `size`.
    pub(super) fn map(&self, target: usize, probability: f64, size: (usize, usize)) -> Result<WithErrors> {
        let values = |part: &dyn Fn((f64, f64)) -> f64| {
            let pixels = (0..self.masks[0].len()).map(|pixel| part(self.pixel(target, pixel)) / probability);
            Ok(Map { size, values: gathered(&[size.0, size.1], pixels)? })
        };
        Ok(WithErrors { map: values(&|(value, _)| value)?, errors: values(&|(_, error)| error)? })
    }

    /// The greatest standard error of any pixel and target, relative to the range of its map.
    pub(super) fn relative_error(&self) -> f64 {
        let of_target = |target: usize| {
            let pixels = (0..self.masks[0].len()).map(|pixel| self.pixel(target, pixel));
            let (low, high, greatest) = pixels.fold(
                (f64::INFINITY, f64::NEG_INFINITY, 0.0f64),
                |(low, high, greatest), (value, error)| {
                    (low.min(value), high.max(value), greatest.max(error))
                },
            );
            if greatest == 0.0 { 0.0 } else { greatest / (high - low) }
        };
        (0..self.targets.len()).map(of_target).fold(0.0, f64::max)
    }

    /// Value and standard error of a pixel, both yet to be divided by the probability.
    fn pixel(&self, target: usize, pixel: usize) -> (f64, f64) {
        let n = self.count as f64;
        let target = &self.targets[target];
        let [m, mm] = [0, 1].map(|i| self.masks[i][pixel] / n);
        let [fm, fmm, ffm, ffmm] = [0, 1, 2, 3].map(|i| target.products[i][pixel] / n);
        let [f, ff] = target.scores.map(|sum| sum / n);
        let (a, b) = if self.centered { (f, m) } else { (0.0, 0.0) };
        // The means of (f - a) (m - b) and of its square.
        let mean = fm - a * m - b * f + a * b;
        let square = ffmm - 2.0 * a * fmm + a * a * mm - 2.0 * b * (ffm - 2.0 * a * fm + a * a * m)
            + b * b * (ff - 2.0 * a * f + a * a);
        let variance = (square - mean * mean).max(0.0) / (n - 1.0).max(1.0);
        (fm - a * m, variance.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::noise::Draws;

    /// The same by two loops over the masks.
    fn check(centered: bool) {
        let draws = Draws::new(2);
        let masks: Vec<f32> = (0..50).map(|i| draws.uniform(i) as f32).collect();
        let scores: Vec<f64> = (50..100).map(|i| 30.0 + draws.normal(i)).collect();
        let mut estimate = Estimate::new(1, 1, centered).expect("memory");
        masks.iter().zip(&scores).for_each(|(&m, &f)| estimate.add(&[m], &[f]));
        let found = estimate.map(0, 0.5, (1, 1)).expect("a map");

        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let masks: Vec<f64> = masks.iter().map(|&m| f64::from(m)).collect();
        let (a, b) = if centered { (mean(&scores), mean(&masks)) } else { (0.0, 0.0) };
        let value: Vec<f64> = scores.iter().zip(&masks).map(|(f, m)| (f - a) * m / 0.5).collect();
        let terms: Vec<f64> = scores.iter().zip(&masks).map(|(f, m)| (f - a) * (m - b) / 0.5).collect();
        let variance = terms.iter().map(|t| (t - mean(&terms)).powi(2)).sum::<f64>() / 49.0;
        assert!((found.map.values[0] - mean(&value)).abs() < 1e-9, "{centered}");
        assert!((found.errors.values[0] - (variance / 50.0).sqrt()).abs() < 1e-9, "{centered}");
    }

    #[test]
    fn a_pixel_is_the_mean_of_its_terms_with_the_standard_error_of_a_mean() {
        check(false);
        check(true);
    }
}
