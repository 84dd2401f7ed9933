//! [`RandomWeights`]: random weights instead of trained ones, for the sanity check of a method (Adebayo et al., 2018).
//!
//! A backend lists its model's layers with weights in execution order, and loads a model with random weights in some of
//! them if [`crate::ModelConfig::random`] is set. This module computes the random values, so that they are the same in
//! every backend.

use std::ops::Range;

use crate::{Draws, Result};

/// The layers of a model that get random weights, and their distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RandomWeights {
    /// The distribution.
    pub draw: WeightDraw,
    /// The seed; a layer gets the same weights whichever other layers are random.
    pub seed: u64,
    /// The layers, as indices into [`crate::ModelBackend::weights`].
    pub layers: Range<usize>,
}

/// The distribution of random weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightDraw {
    /// Normal, with the mean and deviation of the trained tensor; variances are made positive.
    #[default]
    Matched,
    /// The trained values of the tensor, shuffled.
    Permuted,
    /// PyTorch's initialization: uniform within 1 / sqrt(fan in) of 0; scales and variances 1, offsets and means 0.
    Initial,
}

named!(WeightDraw of "draw of weights": Matched = "matched", Permuted = "permuted", Initial = "initial");

/// The role of a tensor in its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightRole {
    /// A factor of products, or a bias, in a layer that sums this number of products per output.
    Factor {
        /// Products per output.
        fan_in: usize,
    },
    /// The scale of a normalization.
    Scale,
    /// The offset or mean of a normalization.
    Offset,
    /// The variance of a normalization.
    Variance,
}

impl RandomWeights {
    /// Rejects a range beyond the model's layers, or an empty one.
    pub fn check(&self, known: usize) -> Result<()> {
        let Range { start, end } = self.layers;
        ensure!(
            start < end && end <= known,
            invalid,
            "layers {start} to {end} cannot be randomized; the model has {known} layers with weights"
        );
        Ok(())
    }

    /// New values for the `trained` ones of a tensor, number `tensor` of layer `layer`.
    pub fn drawn(&self, (layer, tensor): (usize, usize), role: WeightRole, trained: &[f64]) -> Vec<f64> {
        let draws = Draws::new(self.seed).of(layer).of(tensor);
        let count = trained.len();
        match (self.draw, role) {
            (WeightDraw::Permuted, _) => shuffled(draws, trained),
            (WeightDraw::Matched, role) => {
                let mean = trained.iter().sum::<f64>() / count.max(1) as f64;
                let variance = trained.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count.max(1) as f64;
                let value = |i| mean + variance.sqrt() * draws.normal(i);
                let positive = role == WeightRole::Variance;
                (0..count).map(value).map(|v: f64| if positive { v.abs() } else { v }).collect()
            }
            (WeightDraw::Initial, WeightRole::Factor { fan_in }) => {
                let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
                (0..count).map(|i| bound * (2.0 * draws.uniform(i) - 1.0)).collect()
            }
            (WeightDraw::Initial, WeightRole::Offset) => vec![0.0; count],
            (WeightDraw::Initial, WeightRole::Scale | WeightRole::Variance) => vec![1.0; count],
        }
    }
}

/// Shuffles the values (Fisher and Yates).
fn shuffled(draws: Draws, values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    for i in (1..values.len()).rev() {
        values.swap(i, draws.below(i, i + 1));
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(draw: WeightDraw) -> RandomWeights {
        RandomWeights { draw, seed: 7, layers: 0..2 }
    }

    fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt())
    }

    #[test]
    fn matched_weights_have_mean_and_deviation_of_the_trained_ones() {
        let trained: Vec<f64> = (0..20_000).map(|i| 3.0 + f64::from(i % 7)).collect();
        let drawn = random(WeightDraw::Matched).drawn((0, 0), WeightRole::Scale, &trained);
        let ((mean, deviation), (is_mean, is_deviation)) =
            (mean_and_deviation(&trained), mean_and_deviation(&drawn));
        assert!((mean - is_mean).abs() < 0.05 && (deviation - is_deviation).abs() < 0.05);
        assert!(drawn != trained);
        let variances = random(WeightDraw::Matched).drawn((0, 0), WeightRole::Variance, &[-1.0, 1.0, 0.5]);
        assert!(variances.iter().all(|&v| v >= 0.0));
    }

    #[test]
    fn permuted_weights_are_the_trained_ones_in_another_order() {
        let trained: Vec<f64> = (0..100).map(f64::from).collect();
        let mut drawn = random(WeightDraw::Permuted).drawn((1, 0), WeightRole::Offset, &trained);
        assert_ne!(drawn, trained);
        drawn.sort_by(f64::total_cmp);
        assert_eq!(drawn, trained);
    }

    #[test]
    fn initial_weights_are_those_of_pytorch() {
        let initial = random(WeightDraw::Initial);
        let drawn = initial.drawn((0, 0), WeightRole::Factor { fan_in: 16 }, &[0.0; 10_000]);
        let (mean, deviation) = mean_and_deviation(&drawn);
        assert!(drawn.iter().all(|v| v.abs() <= 0.25) && mean.abs() < 0.01);
        // Of a uniform distribution of this width.
        assert!((deviation - 0.25 / 3f64.sqrt()).abs() < 0.005);
        assert_eq!(initial.drawn((0, 0), WeightRole::Scale, &[5.0]), [1.0]);
        assert_eq!(initial.drawn((0, 0), WeightRole::Variance, &[5.0]), [1.0]);
        assert_eq!(initial.drawn((0, 0), WeightRole::Offset, &[5.0]), [0.0]);
    }

    #[test]
    fn a_layer_draws_the_same_whichever_others_do() {
        let trained: Vec<f64> = (0..50).map(f64::from).collect();
        let of = |layers, place| {
            let random = RandomWeights { layers, ..random(WeightDraw::Matched) };
            random.drawn(place, WeightRole::Scale, &trained)
        };
        assert_eq!(of(0..2, (1, 0)), of(1..2, (1, 0)));
        assert_ne!(of(0..2, (0, 0)), of(0..2, (1, 0)));
        assert_ne!(of(0..2, (0, 0)), of(0..2, (0, 1)));
    }

    #[test]
    fn layers_that_are_not_there_are_refused() {
        for (layers, known, is_right) in [(0..2, 2, true), (0..3, 2, false), (1..1, 2, false)] {
            assert_eq!(
                RandomWeights { layers, ..random(WeightDraw::Matched) }.check(known).is_ok(),
                is_right
            );
        }
    }
}
