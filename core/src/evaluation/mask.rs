//! Images without some of their pixels: [`Mask`], the part that a map keeps; [`Fill`], the values that replace the rest.

use std::fmt;
use std::str::FromStr;

use super::{SaliencyMap, Ties, words};
use crate::tensor::room_for;
use crate::{Error, Result, Tensor, TensorView};

/// The mask that an image is multiplied by, to score the evidence in a map (Score-CAM, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mask {
    /// The normalized map itself (Grad-CAM++).
    Soft,
    /// The normalized map, zero outside this share (0 to 1) of its highest pixels.
    Top(f64),
    /// One on this share (0 to 1) of the highest pixels, zero elsewhere.
    Binary(f64),
}

impl Default for Mask {
    /// "50 % of the pixels of the image muted".
    fn default() -> Self {
        Self::Top(0.5)
    }
}

impl Mask {
    /// The mask of a map, 0..1. Of `n` pixels, `round(share * n)` (halves to even) are kept by rank, and never one
    /// whose normalized value is zero; so a flat map has an empty mask.
    pub fn of(self, map: &SaliencyMap, ties: Ties) -> SaliencyMap {
        let map = map.normalized();
        let (share, is_binary) = match self {
            Self::Soft => return map,
            Self::Top(share) => (share, false),
            Self::Binary(share) => (share, true),
        };
        let count = (share * map.values().len() as f64).round_ties_even();
        let mut kept = map.top(count as usize, ties).into_iter();
        map.map(|value| match kept.next() {
            Some(true) if is_binary && value > 0.0 => 1.0,
            Some(true) => value,
            _ => 0.0,
        })
    }
}

impl FromStr for Mask {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let share = |number: Option<f64>| Some(number.unwrap_or(0.5)).filter(|n| (0.0..=1.0).contains(n));
        let choices = "soft, top:SHARE or binary:SHARE, with a share of 0 to 1 as in top:0.5";
        words::read("mask", text, choices, |word, number| match (word, number) {
            ("soft", None) => Some(Self::Soft),
            ("top", n) => share(n).map(Self::Top),
            ("binary", n) => share(n).map(Self::Binary),
            _ => None,
        })
    }
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Soft => write!(f, "soft"),
            Self::Top(share) => write!(f, "top:{share}"),
            Self::Binary(share) => write!(f, "binary:{share}"),
        }
    }
}

/// The values that replace removed pixels, in the model's normalized input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// One number in every channel.
    Value(f32),
    /// The mean of each channel of each image.
    Mean,
    /// The image with RISE's blur: 11 taps of a Gaussian of 5 pixels, zeros beyond the border.
    Blur,
}

impl Fill {
    /// Zeros: the mean color of the data that most models were trained on.
    pub const ZERO: Self = Self::Value(0.0);

    /// The images [N, C, H, W] with every pixel removed; an error for other axes or if memory is short.
    pub fn of(self, images: TensorView<'_>) -> Result<Tensor> {
        let shape @ [_, _, height, width] = images.dims::<4>("the tensor of images")?;
        let mut out = room_for(&shape)?;
        let pixels = height * width;
        for plane in images.data().chunks_exact(pixels.max(1)) {
            match self {
                Self::Value(value) => out.extend(std::iter::repeat_n(value, pixels)),
                Self::Mean => out.extend(std::iter::repeat_n(mean(plane), pixels)),
                Self::Blur => out.extend(blurred(plane, width)),
            }
        }
        Tensor::new(shape, out)
    }
}

impl Default for Fill {
    fn default() -> Self {
        Self::ZERO
    }
}

impl FromStr for Fill {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let value = || text.parse().ok().filter(|value: &f32| value.is_finite()).map(Self::Value);
        words::read("fill", text, "zero, mean, blur or a number", |word, number| match (word, number) {
            ("zero", None) => Some(Self::ZERO),
            ("mean", None) => Some(Self::Mean),
            ("blur", None) => Some(Self::Blur),
            (_, None) => value(),
            _ => None,
        })
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(0.0) => write!(f, "zero"),
            Self::Value(value) => write!(f, "{value}"),
            Self::Mean => write!(f, "mean"),
            Self::Blur => write!(f, "blur"),
        }
    }
}

fn mean(plane: &[f32]) -> f32 {
    (plane.iter().map(|&v| f64::from(v)).sum::<f64>() / plane.len() as f64) as f32
}

const TAPS: usize = 11;
const SIGMA: f64 = 5.0;

/// RISE's kernel (`gkern` in its evaluation.py): SciPy's `gaussian_filter1d`, cut at four sigma, of a unit pulse of
/// 11 samples whose border reflects; what passes the border is folded back, so the sum is 1.
fn kernel() -> [f64; TAPS] {
    let radius = (4.0 * SIGMA) as isize;
    let bell = |d: isize| (-0.5 * (d as f64 / SIGMA).powi(2)).exp();
    let sum: f64 = (-radius..=radius).map(bell).sum();
    let n = TAPS as isize;
    let mut taps = [0.0; TAPS];
    for (tap, i) in taps.iter_mut().zip(0..n) {
        for d in -radius..=radius {
            let at = (i + d).rem_euclid(2 * n);
            if at.min(2 * n - 1 - at) == n / 2 {
                *tap += bell(d) / sum;
            }
        }
    }
    taps
}

fn blurred(plane: &[f32], width: usize) -> Vec<f32> {
    let (height, taps) = (plane.len() / width, kernel());
    let row = |i: usize| tap_sum(&taps, i % width, width, |x| f64::from(plane[i - i % width + x]));
    let rows: Vec<f64> = (0..plane.len()).map(row).collect();
    let column = |i: usize| tap_sum(&taps, i / width, height, |y| rows[y * width + i % width]) as f32;
    (0..plane.len()).map(column).collect()
}

/// The kernel around position `at` of a line of `n` values; beyond its ends are zeros.
fn tap_sum(taps: &[f64; TAPS], at: usize, n: usize, value: impl Fn(usize) -> f64) -> f64 {
    let inside = taps.iter().enumerate().filter_map(|(k, tap)| {
        let at = (at + k).checked_sub(TAPS / 2).filter(|&at| at < n)?;
        Some(tap * value(at))
    });
    inside.sum()
}
