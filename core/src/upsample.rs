//! Resizing of maps: the upsampling of masks and of saliency maps.
//!
//! Each mode is a separable linear operator that keeps constants. An [`Upsampler`] holds its rows, at most
//! four source cells each: masks are made in f32 row by row, maps that are read by people in f64.

use crate::tensor::{gathered, reserve, room_for};
use crate::{Error, Result};

/// The resizing of a small map to a larger one. The numbers are those of the plugin ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum Upsample {
    /// Bilinear with pixel centers at half: PyTorch's `align_corners=False`, OpenCV's `INTER_LINEAR`.
    #[default]
    HalfPixel = 0,
    /// Bilinear with aligned corners: PyTorch's `align_corners=True`, TensorFlow 1.
    AlignCorners = 1,
    /// Bicubic with a = -0.75 and half-pixel centers: PyTorch's and OpenCV's.
    Bicubic = 2,
    /// Bilinear, half-pixel, with sample positions mirrored at the edges: `skimage.transform.resize`.
    Mirror = 3,
    /// The nearest cell, `floor(i * n_in / n_out)`: PyTorch's `nearest`.
    Nearest = 4,
}

named!(Upsample:
    HalfPixel = "half-pixel", AlignCorners = "align-corners", Bicubic = "bicubic", Mirror = "mirror",
    Nearest = "nearest");

/// The weights of one output cell over its source cells.
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
    /// Prepares the resizing of maps of `from` (height, width) to `to`; an error if a side is 0.
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

    /// The resize of columns as a matrix [H, h], row-major: `row_matrix * map * column_matrix^T` is the
    /// resized map. For devices on which a matrix product is the way to resize many maps at once.
    pub fn row_matrix(&self) -> Vec<f32> {
        dense(&self.rows, self.from.0)
    }

    /// The resize of rows as a matrix [W, w], row-major; see [`Upsampler::row_matrix`].
    pub fn column_matrix(&self) -> Vec<f32> {
        dense(&self.columns, self.from.1)
    }

    /// The minimum and maximum of `resize(map)`, computed without the whole map if the mode allows; an error if there
    /// is not enough memory.
    ///
    /// Between two source cells a bilinear map is linear in each direction, so its extremes lie at the first
    /// or last output cell of a segment; only those are looked at.
    pub fn extremes(&self, map: &[f32]) -> Result<(f64, f64)> {
        let map = gathered(&[map.len()], map.iter().map(|&v| f64::from(v)))?;
        let (rows, columns) = (self.ends(&self.rows), self.ends(&self.columns));
        let wide = widen(&map, self.from.1, &columns)?;
        let width = columns.len();
        let values = rows.iter().flat_map(|row| (0..width).map(|x| row.dot(|y| wide[y * width + x])));
        Ok(values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v))))
    }

    fn ends(&self, axis: &[Taps]) -> Vec<Taps> {
        let alike = |a: usize, b: Option<&Taps>| b.is_some_and(|b| b.segment == axis[a].segment);
        let inner = |i: usize| i > 0 && alike(i, axis.get(i - 1)) && alike(i, axis.get(i + 1));
        (0..axis.len()).filter(|&i| self.mode == Upsample::Bicubic || !inner(i)).map(|i| axis[i]).collect()
    }

    /// Resizes one map in f64; an error if there is not enough memory.
    pub fn resize(&self, map: &[f64]) -> Result<Vec<f64>> {
        let wide = widen(map, self.from.1, &self.columns)?;
        let (height, width) = self.size();
        let mut out = room_for(&[height, width])?;
        for row in &self.rows {
            out.extend((0..width).map(|x| row.dot(|y| wide[y * width + x])));
        }
        Ok(out)
    }

    /// Resizes one map in f32, row by row: `row(y, values)` sees each output row once, in order.
    ///
    /// `wide` is scratch space that keeps its allocation from call to call; an error where there is no memory for
    /// it.
    pub fn rows(&self, map: &[f32], wide: &mut Vec<f32>, mut row: impl FnMut(usize, &[f32])) -> Result<()> {
        let width = self.columns.len();
        wide.clear();
        reserve(wide, &[self.from.0, width])?;
        for source in map.chunks_exact(self.from.1) {
            wide.extend(self.columns.iter().map(|c| c.dot32(|x| source[x])));
        }
        let mut values = vec![0.0f32; width];
        for (y, taps) in self.rows.iter().enumerate() {
            values.fill(0.0);
            for t in 0..taps.count {
                let (weight, source) =
                    (taps.weights[t] as f32, &wide[taps.cells[t] as usize * width..][..width]);
                values.iter_mut().zip(source).for_each(|(v, s)| *v += weight * s);
            }
            row(y, &values);
        }
        Ok(())
    }
}

impl Taps {
    fn dot(&self, value: impl Fn(usize) -> f64) -> f64 {
        (0..self.count).map(|t| self.weights[t] * value(self.cells[t] as usize)).sum()
    }

    fn dot32(&self, value: impl Fn(usize) -> f32) -> f32 {
        (0..self.count).map(|t| self.weights[t] as f32 * value(self.cells[t] as usize)).sum()
    }
}

/// The weights of each output cell over all source cells. Cells that are clamped to an edge add up.
fn dense(axis: &[Taps], n_in: usize) -> Vec<f32> {
    let row = |taps: &Taps| {
        let mut weights = vec![0.0f64; n_in];
        (0..taps.count).for_each(|t| weights[taps.cells[t] as usize] += taps.weights[t]);
        weights.into_iter().map(|w| w as f32)
    };
    axis.iter().flat_map(row).collect()
}

/// Resizes each row of `map` from `width` cells to the width of `columns`.
fn widen(map: &[f64], width: usize, columns: &[Taps]) -> Result<Vec<f64>> {
    let rows = map.chunks_exact(width);
    gathered(&[rows.len(), columns.len()], rows.flat_map(|row| columns.iter().map(|c| c.dot(|x| row[x]))))
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
    // Mirrored cells run backwards over cells that are seen again, so they are a segment of their own.
    let segment = match mode {
        Upsample::Mirror if half_pixel < 0.0 => -1,
        Upsample::Mirror if half_pixel > last => n_in as i64,
        _ => floor as i64,
    };
    Taps { cells: [floor as u32, next as u32, 0, 0], weights: [1.0 - t, t, 0.0, 0.0], count: 2, segment }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_are_those_of_the_whole_resized_map() {
        for mode in Upsample::ALL {
            for (from, to) in [
                ((7, 7), (224, 224)),
                ((3, 5), (17, 64)),
                ((1, 4), (9, 9)),
                ((8, 8), (5, 3)),
                ((2, 2), (1, 1)),
            ] {
                let map: Vec<f32> = (0..from.0 * from.1).map(|i| ((i * 37 + 11) % 23) as f32 - 9.0).collect();
                let upsampler = Upsampler::new(mode, from, to).expect("sizes are positive");
                let whole = upsampler.resize(&map.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
                let whole = whole.expect("memory for it");
                let min = whole.iter().copied().fold(f64::INFINITY, f64::min);
                let max = whole.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let found = upsampler.extremes(&map).expect("memory for it");
                let far = (found.0 - min).abs().max((found.1 - max).abs());
                assert!(far < 1e-12, "{mode:?} {from:?} to {to:?}: {found:?}, not {min} and {max}");
            }
        }
    }

    #[test]
    fn rows_in_f32_equal_the_map_in_f64() {
        for mode in Upsample::ALL {
            let map: Vec<f32> = (0..12).map(|i| (i * i % 7) as f32 / 7.0).collect();
            let upsampler = Upsampler::new(mode, (3, 4), (20, 31)).expect("sizes are positive");
            let whole = upsampler.resize(&map.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
            let whole = whole.expect("memory for it");
            let found = upsampler.rows(&map, &mut Vec::new(), |y, row| {
                for (x, &v) in row.iter().enumerate() {
                    assert!((f64::from(v) - whole[y * 31 + x]).abs() < 1e-6, "{mode:?} at {y}, {x}");
                }
            });
            found.expect("memory for it");
        }
    }

    #[test]
    fn the_matrices_resize_as_the_map_is_resized() {
        for mode in Upsample::ALL {
            let map: Vec<f64> = (0..12).map(|i| f64::from(i * i % 7) / 7.0).collect();
            let upsampler = Upsampler::new(mode, (3, 4), (10, 9)).expect("sizes are positive");
            let (rows, columns) = (upsampler.row_matrix(), upsampler.column_matrix());
            for (i, wanted) in upsampler.resize(&map).expect("memory for it").into_iter().enumerate() {
                let (y, x) = (i / 9, i % 9);
                let term =
                    |j: usize| f64::from(rows[y * 3 + j / 4]) * map[j] * f64::from(columns[x * 4 + j % 4]);
                let found: f64 = (0..12).map(term).sum();
                assert!((found - wanted).abs() < 1e-6, "{mode:?} at {y}, {x}: {found}, not {wanted}");
            }
        }
    }
}
