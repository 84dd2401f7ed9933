//! Class scores, computed from a model's raw output.

use crate::OutputActivation;

/// The definition of a class's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassScore {
    /// The softmax probability.
    Softmax,
    /// The raw output.
    Logit,
    /// The sigmoid of the raw output.
    Sigmoid,
}

/// The score of `class` in one row of raw outputs. If the model itself applies an activation, its output is the score,
/// whatever `kind` is: an activation is never applied twice.
pub fn class_score(kind: ClassScore, applied: OutputActivation, outputs: &[f32], class: usize) -> f64 {
    let raw = f64::from(outputs[class]);
    let sigmoid = || 1.0 / (1.0 + (-raw).exp());
    match applied {
        OutputActivation::None | OutputActivation::Unknown => {}
        // A softmax of the two columns would be the sigmoid of twice the logit.
        OutputActivation::Binary if kind != ClassScore::Logit => return sigmoid(),
        _ => return raw,
    }
    match kind {
        ClassScore::Logit => raw,
        ClassScore::Sigmoid => sigmoid(),
        ClassScore::Softmax => {
            let max = outputs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = outputs.iter().map(|&v| (f64::from(v) - f64::from(max)).exp()).sum();
            (raw - f64::from(max)).exp() / sum
        }
    }
}

/// Whether the outputs look like probabilities of one distribution.
pub(crate) fn sum_to_one(outputs: &[f32]) -> bool {
    let sum: f64 = outputs.iter().map(|&v| f64::from(v)).sum();
    outputs.len() > 1 && outputs.iter().all(|&v| (0.0..=1.0).contains(&v)) && (sum - 1.0).abs() < 1e-3
}
