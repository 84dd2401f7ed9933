//! The change of a score when an image is reduced to the evidence in a map.
//!
//! Here `y` is the class score of the image, `o` that of the image under the map's [`Mask`](super::Mask).

use std::fmt;
use std::str::FromStr;

use super::words;
use crate::{Error, Result};

/// The drop in confidence; its mean over images is Average Drop (Grad-CAM++; Score-CAM, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Drop {
    /// `max(0, y - o) / (y + eps)`, with this `eps`.
    Relative(f64),
    /// `max(0, y - o)`, for scores that may be negative (pytorch-grad-cam's `DropInConfidence`).
    Absolute,
}

impl Default for Drop {
    fn default() -> Self {
        Self::Relative(0.0)
    }
}

impl Drop {
    /// The drop, at least 0; a relative one is at most 1 if `o` is not negative. The drop of a zero score is 0. None
    /// for a relative drop of a negative score, which has no meaning, or for a score that is not finite.
    pub fn of(self, y: f64, o: f64) -> Option<f64> {
        let fall = (y - o).max(0.0);
        match self {
            _ if !y.is_finite() || !o.is_finite() => None,
            Self::Absolute => Some(fall),
            Self::Relative(_) if y < 0.0 => None,
            Self::Relative(eps) if y + eps > 0.0 => Some(fall / (y + eps)),
            Self::Relative(_) => Some(0.0),
        }
    }
}

impl FromStr for Drop {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let choices = "relative, relative:EPS or absolute, with EPS of at least 0 as in relative:1e-7";
        words::read("drop", text, choices, |word, number| match (word, number) {
            ("relative", eps) => Some(eps.unwrap_or(0.0)).filter(|&eps| eps >= 0.0).map(Self::Relative),
            ("absolute", None) => Some(Self::Absolute),
            _ => None,
        })
    }
}

impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative(0.0) => write!(f, "relative"),
            Self::Relative(eps) => write!(f, "relative:{eps:e}"),
            Self::Absolute => write!(f, "absolute"),
        }
    }
}

/// Whether the score rises, `y < o` strictly; the share of such images is Average Increase (Grad-CAM++).
pub fn increase(y: f64, o: f64) -> bool {
    y < o
}

/// The gain `max(0, o - y) / (1 - y)`, 0..1; its mean over images is Average Gain (Opti-CAM). None unless
/// both scores are 0..1; 0 for a score of 1, which cannot rise.
pub fn gain(y: f64, o: f64) -> Option<f64> {
    let is_probability = |score: f64| (0.0..=1.0).contains(&score);
    (is_probability(y) && is_probability(o)).then(|| if y < 1.0 { (o - y).max(0.0) / (1.0 - y) } else { 0.0 })
}

/// The win rate of one method over another (Grad-CAM++).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Win {
    /// The share of images on which the first method's drop is strictly smaller.
    pub wins: f64,
    /// The share of images on which both drops are equal. With many ties, the win rate depends on how they count.
    pub ties: f64,
}

/// The win rate of pairs of drops, one per image: the first method's, the second's. None without pairs.
pub fn win(drops: &[(f64, f64)]) -> Option<Win> {
    let share = |holds: fn(&(f64, f64)) -> bool| {
        drops.iter().filter(|pair| holds(pair)).count() as f64 / drops.len() as f64
    };
    (!drops.is_empty()).then(|| Win { wins: share(|(a, b)| a < b), ties: share(|(a, b)| a == b) })
}
