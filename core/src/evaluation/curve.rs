//! Deletion and insertion curves: the pixels that change at each point, and the area below the scores.
//!
//! Pixels change in order of falling map value, all channels at once: deletion goes from the image to a base, insertion
//! from the base to the image. At a point of `count` pixels those of `rank < count` have changed, with the ranks of
//! [`SaliencyMap::ranks`](super::SaliencyMap::ranks). Both ends are scored.

use std::fmt;
use std::str::FromStr;

use super::words;
use crate::tensor::room_for;
use crate::{Error, Result};

/// The points of a curve over the `n` pixels of a map. A number of 0 counts as 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    /// `floor(i n / steps)` pixels, for i of 0 to `steps`.
    Floor(usize),
    /// Multiples of `ceil(n / steps)` pixels, then `n` (torch-cam).
    Ceil(usize),
    /// Multiples of the pixels in this number of rows, then `n` (RISE, whose step is the side of its image).
    Rows(usize),
}

impl Default for Points {
    fn default() -> Self {
        Self::Floor(100)
    }
}

impl Points {
    /// The number of pixels changed at each point, from 0 to all of a map of `size` (height, width); an error if memory
    /// is short.
    pub fn counts(self, (height, width): (usize, usize)) -> Result<Vec<usize>> {
        let n = crate::element_count(&[height, width])?;
        let step = match self {
            Self::Floor(steps) => return floors(n, steps.max(1)),
            Self::Ceil(steps) => n.div_ceil(steps.max(1)),
            Self::Rows(rows) => rows.saturating_mul(width),
        };
        let step = step.max(1);
        let mut counts = room_for(&[n.div_ceil(step) + 1])?;
        counts.extend((0..n).step_by(step).chain([n]));
        Ok(counts)
    }
}

fn floors(n: usize, steps: usize) -> Result<Vec<usize>> {
    let mut counts = room_for(&[steps.saturating_add(1)])?;
    counts.extend((0..=steps).map(|i| (i as u128 * n as u128 / steps as u128) as usize));
    Ok(counts)
}

impl FromStr for Points {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let choices =
            "floor:STEPS, ceil:STEPS or rows:ROWS, with a whole number of 1 to 1000000 as in floor:100";
        words::read("points", text, choices, |word, number| {
            let number = number.filter(|n| n.fract() == 0.0 && (1.0..=1e6).contains(n))? as usize;
            match word {
                "floor" => Some(Self::Floor(number)),
                "ceil" => Some(Self::Ceil(number)),
                "rows" => Some(Self::Rows(number)),
                _ => None,
            }
        })
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Floor(steps) => write!(f, "floor:{steps}"),
            Self::Ceil(steps) => write!(f, "ceil:{steps}"),
            Self::Rows(rows) => write!(f, "rows:{rows}"),
        }
    }
}

/// The width of a curve's trapezoids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AreaRule {
    /// The share of pixels changed between two points.
    #[default]
    Fraction,
    /// Equal for all, although the last step may change fewer pixels (RISE's `auc`).
    Uniform,
}

named!(AreaRule of "area": Fraction = "fraction", Uniform = "uniform");

/// A curve: the class score at each point.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    counts: Vec<usize>,
    scores: Vec<f64>,
}

impl Curve {
    /// A curve with one score for each of [`Points::counts`]; an error if there are fewer than two, the numbers differ,
    /// or a score is not finite.
    pub fn new(counts: Vec<usize>, scores: Vec<f64>) -> Result<Self> {
        ensure!(
            counts.len() == scores.len() && counts.len() > 1,
            invalid,
            "a curve of {} points has {} scores; give one for each of at least two points",
            counts.len(),
            scores.len()
        );
        ensure!(
            counts.is_sorted() && counts[0] < counts[counts.len() - 1],
            invalid,
            "the pixel counts of a curve must not fall and must end above their first, {}",
            counts[0]
        );
        if let Some(i) = scores.iter().position(|score| !score.is_finite()) {
            bail!(invalid, "the score at {} pixels is {}; every score must be finite", counts[i], scores[i]);
        }
        Ok(Self { counts, scores })
    }

    /// Pixels changed at each point.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The class score at each point.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// The area under the curve by the trapezoidal rule, with a total width of 1 (RISE): lower is better for deletion,
    /// higher for insertion.
    pub fn area(&self, rule: AreaRule) -> f64 {
        let all = self.counts[self.counts.len() - 1] as f64;
        let steps = (self.scores.len() - 1) as f64;
        let trapezoid = |(count, score): (&[usize], &[f64])| {
            let width = match rule {
                AreaRule::Fraction => count[1] as f64 / all - count[0] as f64 / all,
                AreaRule::Uniform => 1.0 / steps,
            };
            width * (score[0] + score[1]) / 2.0
        };
        self.counts.windows(2).zip(self.scores.windows(2)).map(trapezoid).sum()
    }
}
