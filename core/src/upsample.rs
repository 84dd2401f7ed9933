//! Resizing of maps: the upsampling of masks and of saliency maps.
//!
//! Each mode is a separable linear operator that keeps constants. An [`Upsampler`] holds its rows, at most
//! four source cells each; work is done in f32 for masks, in f64 for maps that are read by people.

use crate::{Error, Result};

/// How a small map is resized to a larger one. The numbers are those of the plugin ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum Upsample {
    /// Bilinear with pixel centres at half: PyTorch's `align_corners=False`, OpenCV's `INTER_LINEAR`.
    #[default]
    HalfPixel = 0,
    /// Bilinear with corner pixels on corner pixels: PyTorch's `align_corners=True`, TensorFlow 1.
    AlignCorners = 1,
    /// Bicubic with a = -0.75 and half-pixel centres: PyTorch's and OpenCV's.
    Bicubic = 2,
    /// Bilinear, half-pixel, with sample positions mirrored at the edges: `skimage.transform.resize`.
    Mirror = 3,
    /// The nearest cell, `floor(i * n_in / n_out)`: PyTorch's `nearest`.
    Nearest = 4,
}

impl Upsample {
    /// All modes, in the order of their numbers.
    pub const ALL: [Upsample; 5] =
        [Self::HalfPixel, Self::AlignCorners, Self::Bicubic, Self::Mirror, Self::Nearest];

    /// The name in options and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfPixel => "half-pixel",
            Self::AlignCorners => "align-corners",
            Self::Bicubic => "bicubic",
            Self::Mirror => "mirror",
            Self::Nearest => "nearest",
        }
    }
}

/// The weights of one output cell: `source[first..first + count]`, edge cells already merged.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Taps {
    cells: [u32; 4],
    weights: [f64; 4],
    count: usize,
    /// Output cells of one segment see the same source cells; along it a bilinear map is linear.
    segment: i64,
}

/// A prepared resize from [h, w] to [H, W].
#[derive(Debug, Clone)]
pub struct Upsampler {
    mode: Upsample,
    rows: Vec<Taps>,
    columns: Vec<Taps>,
    from: (usize, usize),
}

impl Upsampler {
    /// Prepares the resize of maps of `from` (height, width) to `to`; an error where a side is 0.
    pub fn new(mode: Upsample, from: (usize, usize), to: (usize, usize)) -> Result<Self> {
        if from.0 == 0 || from.1 == 0 || to.0 == 0 || to.1 == 0 {
            return Err(Error::invalid(format!("a map of {from:?} cells cannot be resized to {to:?}")));
        }
        let axis = |n_in, n_out| (0..n_out).map(|i| taps(mode, n_in, n_out, i)).collect();
        Ok(Self { mode, rows: axis(from.0, to.0), columns: axis(from.1, to.1), from })
    }

    /// Height and width of the result.
    pub fn size(&self) -> (usize, usize) {
        (self.rows.len(), self.columns.len())
    }

    /// Resizes one map in f64.
    pub fn resize(&self, map: &[f64]) -> Vec<f64> {
        let wide = widen(map, self.from.1, &self.columns);
        let width = self.columns.len();
        self.rows.iter().flat_map(|row| (0..width).map(|x| row.dot(|y| wide[y * width + x])).collect::<Vec<_>>())
            .collect()
    }
}

impl Taps {
    fn dot(&self, value: impl Fn(usize) -> f64) -> f64 {
        (0..self.count).map(|t| self.weights[t] * value(self.cells[t] as usize)).sum()
    }
}

/// Resizes each row of `map` from `width` cells to the width of `columns`.
fn widen(map: &[f64], width: usize, columns: &[Taps]) -> Vec<f64> {
    map.chunks_exact(width).flat_map(|row| columns.iter().map(|c| c.dot(|x| row[x]))).collect()
}

/// The weights of output cell `i` of `n_out` over `n_in` source cells.
fn taps(mode: Upsample, n_in: usize, n_out: usize, i: usize) -> Taps {
    let last = n_in as f64 - 1.0;
    let half_pixel = (i as f64 + 0.5) * n_in as f64 / n_out as f64 - 0.5;
    let position = match mode {
        Upsample::HalfPixel => half_pixel.clamp(0.0, last),
        Upsample::AlignCorners if n_out > 1 => i as f64 * (last / (n_out as f64 - 1.0)),
        Upsample::AlignCorners => 0.0,
        Upsample::Bicubic => return bicubic(half_pixel, n_in),
        Upsample::Mirror if half_pixel < 0.0 => -half_pixel,
        Upsample::Mirror if half_pixel > last => 2.0 * last - half_pixel,
        Upsample::Mirror => half_pixel,
        Upsample::Nearest => (i * n_in / n_out) as f64,
    };
    let floor = (position.floor().max(0.0) as usize).min(n_in - 1);
    let next = (floor + 1).min(n_in - 1);
    let t = position - floor as f64;
    Taps { cells: [floor as u32, next as u32, 0, 0], weights: [1.0 - t, t, 0.0, 0.0], count: 2, segment: floor as i64 }
}

/// Keys' cubic with a = -0.75 around `position`, source cells clamped to the edge.
fn bicubic(position: f64, n_in: usize) -> Taps {
    const A: f64 = -0.75;
    let kernel = |d: f64| {
        let d = d.abs();
        if d <= 1.0 {
            ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0
        } else if d < 2.0 {
            ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A
        } else {
            0.0
        }
    };
    let floor = position.floor();
    let t = position - floor;
    let cell = |k: i64| (floor as i64 + k).clamp(0, n_in as i64 - 1) as u32;
    Taps {
        cells: [cell(-1), cell(0), cell(1), cell(2)],
        weights: [kernel(1.0 + t), kernel(t), kernel(1.0 - t), kernel(2.0 - t)],
        count: 4,
        segment: floor as i64,
    }
}
