//! [`Posterior`]: what is known and estimated of one target's scores.
//!
//! Probabilities range over decades, so their logarithms are what the Gaussian process sees; raw outputs are
//! seen as they are.

use nalgebra::DVector;

use super::super::options::WeightNorm;
use super::mask_geometry::MaskGeometry;
use super::process::Process;
use crate::Result;

/// Added to a probability before its logarithm is taken, relative to the greatest one observed.
const FLOOR: f64 = 0.01;
/// No prediction exceeds the greatest observed probability times this.
const CAP: f64 = 3.0;

/// No estimate is below this while a mask is not scored: weights that saturate hide what is not known.
const LEAST_ERROR: f64 = 1e-6;

/// No estimate is above this: then nothing is known, and no number says more.
const MOST_ERROR: f64 = 1e3;
/// The logarithm of what a variance without bound makes of a score.
const LARGEST_LOGARITHM: f64 = 300.0;

/// How scores become values of a Gaussian process and back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Link {
    /// Logarithms of probabilities; the values as they are where one is negative and so none.
    Log,
    /// Values as they are.
    Identity,
}

/// The values of observed scores, about what is expected of them.
pub(super) struct Values {
    pub(super) about_expected: DVector<f64>,
    /// What is expected of every mask, about the mean; empty where nothing is.
    expected: Vec<f64>,
    /// The share of the values' spread that is not expected, and at least what so many values leave open; 1 where nothing is.
    open: f64,
    link: Link,
    /// What a value of 1 is in scores, where scores are taken as they are.
    unit: f64,
    mean: f64,
    floor: f64,
    least: f64,
    greatest: f64,
}

impl Link {
    /// The values of the `scores` that some `masks` have, where `before` are the scores of all masks as the image before has
    /// them. What of its differences is found again is expected of all masks, by least squares, and never more than all.
    pub(super) fn values(self, scores: &[f64], (masks, before): (&[usize], Option<&[f64]>)) -> Values {
        let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let link = if least < 0.0 { Self::Identity } else { self };
        let unit = [greatest - least, greatest.abs()].into_iter().find(|&unit| unit > 0.0).unwrap_or(1.0);
        let floor = (FLOOR * greatest).max(f64::MIN_POSITIVE);
        let value = |&score: &f64| match link {
            Self::Log => (score.max(0.0) + floor).ln(),
            Self::Identity => score / unit,
        };
        let mut about_expected = DVector::from_iterator(scores.len(), scores.iter().map(value));
        let mean = about_expected.mean();
        about_expected.add_scalar_mut(-mean);
        let mut expected: Vec<f64> = before.unwrap_or_default().iter().map(value).collect();
        let mut open = 1.0;
        if !expected.is_empty() {
            let mut seen = DVector::from_iterator(masks.len(), masks.iter().map(|&m| expected[m]));
            let center = seen.mean();
            seen.add_scalar_mut(-center);
            let again = seen.dot(&about_expected) / seen.norm_squared().max(f64::MIN_POSITIVE);
            let again = again.clamp(0.0, 1.0);
            expected.iter_mut().for_each(|v| *v = again * (*v - center));
            let spread = about_expected.norm_squared().max(f64::MIN_POSITIVE);
            about_expected.axpy(-again, &seen, 1.0);
            open = (about_expected.norm_squared() / spread + 2.0 / scores.len() as f64).min(1.0);
        }
        Values { about_expected, expected, open, link, unit, mean, floor, least, greatest }
    }
}

impl Values {
    /// The expected score of a mask, and its deviation, where its value has this mean and variance about what is expected.
    fn score(&self, mask: usize, mean: f64, variance: f64) -> (f64, f64) {
        let mean = self.mean + self.expected.get(mask).unwrap_or(&0.0) + mean;
        match self.link {
            Link::Identity => {
                let range = self.greatest - self.least;
                let expected = (mean * self.unit).clamp(self.least - range, self.greatest + range);
                (expected, variance.sqrt() * self.unit)
            }
            // Of a lognormal distribution.
            Link::Log => {
                let expected = (mean + variance / 2.0).min(LARGEST_LOGARITHM).exp();
                let deviation = expected * variance.min(20.0).exp_m1().sqrt();
                // What is declared a probability may exceed 1 all the same.
                let most = (CAP * self.greatest).min(self.greatest.max(1.0));
                ((expected - self.floor).clamp(0.0, most), deviation)
            }
        }
    }
}

/// What one target's scores are estimated to be.
pub(super) struct Posterior {
    /// Observed scores, and predicted ones of the other masks.
    pub(super) scores: Vec<f64>,
    /// How much the weight of a mask changes with its value, relative to the one that changes most; 0 where it is
    /// known.
    pub(super) slopes: DVector<f32>,
    /// The greatest slope.
    steepest: f64,
    /// The process's own variance.
    scale: f64,
    /// The norm of the sum of maps weighted by these scores.
    norm: f64,
}

impl Posterior {
    /// `observed` holds the scores of `process.observed`, before the baseline's, `baseline`, is subtracted.
    pub(super) fn new(
        process: &Process<'_>,
        geometry: &MaskGeometry,
        (values, norm): (Values, WeightNorm),
        (observed, baseline): (&[f64], f64),
    ) -> Self {
        let (mean, scale) = process.mean(&values.about_expected, values.open);
        let scale = f64::from(scale);
        let mut scores = Vec::with_capacity(geometry.count());
        let mut slopes = Vec::with_capacity(geometry.count());
        let mut deviations = Vec::with_capacity(geometry.count());
        for (m, &mean) in mean.iter().enumerate() {
            let variance = scale * f64::from(process.variance[m] + process.kernel.nugget);
            let (score, deviation) = values.score(m, f64::from(mean), variance);
            scores.push(score);
            deviations.push(deviation.max(f64::MIN_POSITIVE));
            slopes.push(if variance > 0.0 { deviation / variance.sqrt() } else { 0.0 });
        }
        for (&m, &score) in process.observed.iter().zip(observed) {
            (scores[m], slopes[m]) = (score, 0.0);
        }
        let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights = scores.iter_mut().zip(&mut slopes).zip(&deviations);
        let weights: Vec<f64> = weights
            .map(|((score, slope), &deviation)| {
                let relative = (*score - highest).exp();
                *score -= baseline;
                let (weight, change) = match norm {
                    WeightNorm::Softmax => (relative, relative),
                    WeightNorm::Relu if *score <= 0.0 => (0.0, chance_above(*score / deviation)),
                    WeightNorm::Relu | WeightNorm::None | WeightNorm::One => (*score, 1.0),
                };
                *slope *= change;
                weight
            })
            .collect();
        let (weights, greatest) = relative(weights);
        let norm = greatest * (&geometry.maps * &weights).map(f64::from).norm();
        let (slopes, steepest) = relative(slopes);
        Self { scores, slopes, steepest, scale, norm }
    }

    /// What variances in terms of the process and of `slopes` have to be multiplied by to be relative to the
    /// map's squared norm.
    pub(super) fn factor(&self) -> f64 {
        // Divided first: the squares of either may be beyond what a number holds.
        let norm = if self.norm > 0.0 { self.norm } else { 1.0 };
        self.scale * (self.steepest / norm).powi(2)
    }

    /// The deviation of the weighted sum of maps from the exact one that is to be expected, relative to its norm.
    pub(super) fn error(&self, process: &Process<'_>, geometry: &MaskGeometry) -> Result<f64> {
        if process.observed.len() == geometry.count() {
            return Ok(0.0);
        }
        let open: Vec<usize> = (0..geometry.count()).filter(|&m| self.slopes[m] > 0.0).collect();
        let mut maps = geometry.maps.select_columns(&open);
        for (mut map, &m) in maps.column_iter_mut().zip(&open) {
            map *= self.slopes[m];
        }
        let error = (self.factor() * f64::from(process.trace(&open, &maps)?)).sqrt();
        Ok(match error.is_nan() {
            true => MOST_ERROR,
            false if self.norm > 0.0 => error.clamp(LEAST_ERROR, MOST_ERROR),
            false => 1.0,
        })
    }
}

/// `values` as multiples of the greatest magnitude among them, and that.
fn relative(values: Vec<f64>) -> (DVector<f32>, f64) {
    let greatest = values.iter().fold(0.0, |most: f64, v| most.max(v.abs()));
    let unit = if greatest > 0.0 { greatest } else { 1.0 };
    (DVector::from_iterator(values.len(), values.iter().map(|v| (v / unit) as f32)), greatest)
}

/// About how probable it is that a score is above 0 which is expected this many deviations from it, below; never
/// none, for an expectation is no knowledge.
fn chance_above(deviations: f64) -> f64 {
    (0.5 * (-0.5 * deviations.powi(2)).exp()).max(1e-3)
}
