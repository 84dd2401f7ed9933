//! [`Candidate`]: one row of a detector's raw list, interpreted as a box, an objectness and class probabilities.
//!
//! The code is generic over the number type, so that the same lines compute values (f64) and derivatives (dual
//! numbers).

use num_dual::DualNum;

/// A number with or without a derivative.
pub(crate) trait Number: DualNum<Primitive = f64> + Copy {}

impl<D: DualNum<Primitive = f64> + Copy> Number for D {}

/// The form of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxForm {
    /// Left, top, right, bottom.
    Corners,
    /// Center, width and height.
    Center,
    /// Left, top, width and height.
    CornerSize,
}

/// The unit of a box's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxScale {
    /// Pixels of the model's input.
    Pixels,
    /// Shares of the input's width and height.
    Relative,
}

/// A candidate of a detector.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<D> {
    /// x0, y0, x1, y1 in pixels of the model's input.
    pub(crate) rect: [D; 4],
    /// The objectness score; 1 if the detector has none.
    pub(crate) objectness: D,
    /// The probability of each class.
    pub(crate) classes: Vec<D>,
}

/// The corners x0, y0, x1, y1 in pixels of a box in some form and scale; `size` is the input's (height, width).
pub(crate) fn corners<D: Number>(
    [a, b, c, d]: [D; 4],
    (form, scale): (BoxForm, BoxScale),
    size: (usize, usize),
) -> [D; 4] {
    let (right, down) = match scale {
        BoxScale::Pixels => (1.0, 1.0),
        BoxScale::Relative => (size.1 as f64, size.0 as f64),
    };
    let rect = match form {
        BoxForm::Corners => [a, b, c, d],
        BoxForm::Center => [a - c * 0.5, b - d * 0.5, a + c * 0.5, b + d * 0.5],
        BoxForm::CornerSize => [a, b, a + c, b + d],
    };
    [rect[0] * right, rect[1] * down, rect[2] * right, rect[3] * down]
}

/// Intersection over union of two boxes; 0 where they are apart.
pub(crate) fn overlap<D: Number>(a: &[D; 4], b: &[f64; 4]) -> D {
    let b = b.map(D::from);
    let zero = D::from(0.0);
    let side = |low: usize, high: usize| at_least(lesser(a[high], b[high]) - greater(a[low], b[low]), zero);
    let common = side(0, 2) * side(1, 3);
    let area = |r: &[D; 4]| at_least(r[2] - r[0], zero) * at_least(r[3] - r[1], zero);
    let union = area(a) + area(&b) - common;
    if union.re() > 0.0 && common.re() > 0.0 { common / union } else { zero }
}

/// The cosine of the angle between class probabilities; 0 where either are all 0.
pub(crate) fn cosine<D: Number>(a: &[D], b: &[f64]) -> D {
    let zero = D::from(0.0);
    let dot = a.iter().zip(b).fold(zero, |sum, (a, b)| sum + *a * *b);
    let own = a.iter().fold(zero, |sum, a| sum + *a * *a);
    let other: f64 = b.iter().map(|b| b * b).sum();
    if own.re() > 0.0 && other > 0.0 { dot / (own * other).sqrt() } else { zero }
}

/// The probability of each logit by itself.
pub(crate) fn sigmoid<D: Number>(logit: D) -> D {
    ((-logit).exp() + 1.0).recip()
}

/// The probabilities of logits among each other.
pub(crate) fn softmax<D: Number>(logits: &[D]) -> Vec<D> {
    let greatest = logits.iter().map(|logit| logit.re()).fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<D> = logits.iter().map(|logit| (*logit - greatest).exp()).collect();
    let sum = powers.iter().fold(D::from(0.0), |sum, power| sum + *power);
    powers.into_iter().map(|power| power / sum).collect()
}

/// How far apart, relative to themselves, edges may lie that are one: an engine rounds otherwise from pass to pass.
const ONE_EDGE: f64 = 1e-5;

/// Of equals half of either, so that a derivative is shared between them.
fn lesser<D: Number>(a: D, b: D) -> D {
    let (x, y) = (a.re(), b.re());
    if (x - y).abs() <= ONE_EDGE * x.abs().max(y.abs()).max(1.0) {
        return (a + b) * 0.5;
    }
    if x < y { a } else { b }
}

fn greater<D: Number>(a: D, b: D) -> D {
    -lesser(-a, -b)
}

fn at_least<D: Number>(a: D, least: D) -> D {
    greater(a, least)
}
