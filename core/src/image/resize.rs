//! Resizing of 8-bit pixels, equal to Pillow's `Image.resize` to the last bit.
//!
//! Pillow resizes in two passes, along rows and then along columns, and rounds and clips to 8 bits after
//! each. The order, the clipping in between and the 22-bit weights all show in the result, so they are the
//! same here. Libraries that resize columns first differ from it by tens of gray levels at sharp edges.
//! Only the wanted window of the resized picture is computed, and of the photo only the rows that it sees.

use std::f64::consts::PI;
use std::ops::Range;

use crate::{Error, Result};

use super::Photo;

/// The filter for resizing a photo; all except `Nearest` widen when shrinking (antialiasing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Filter {
    /// The pixel under the center.
    Nearest,
    /// A triangle, 2 pixels wide.
    #[default]
    Bilinear,
    /// Keys' cubic with a = -0.5, 4 pixels wide.
    Bicubic,
    /// Lanczos with a = 3, 6 pixels wide.
    Lanczos,
}

named!(Filter of "resize filter":
    Nearest = "nearest", Bilinear = "bilinear", Bicubic = "bicubic", Lanczos = "lanczos");

impl Filter {
    /// The weight at distance `x` from the center, in pixels of the coarser of the two pictures.
    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
        let d = x.abs();
        match self {
            Self::Nearest => f64::from(d <= 0.5),
            Self::Bilinear => (1.0 - d).max(0.0),
            Self::Bicubic if d < 1.0 => ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0,
            Self::Bicubic if d < 2.0 => (((d - 5.0) * d + 8.0) * d - 4.0) * A,
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Bicubic | Self::Lanczos => 0.0,
        }
    }

    /// Half the width of the filter.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.5,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }
}

/// A window of a picture that is resized as a whole.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Height and width of the whole; a long thin photo can have more rows than memory holds.
    pub(super) whole: (u64, u64),
    /// Top and left of the window.
    pub(super) corner: (u64, u64),
    /// Height and width of the window.
    pub(super) size: (usize, usize),
}

impl Window {
    /// The whole of a picture of `size` (height, width).
    pub(super) fn whole(size: (usize, usize)) -> Self {
        Self { whole: (size.0 as u64, size.1 as u64), corner: (0, 0), size }
    }
}

/// The window of the resized photo, [height, width, C]: RGB where C is 3, Pillow's L where it is 1.
pub(super) fn resize<const C: usize>(photo: &Photo, to: &Window, filter: Filter) -> Result<Vec<u8>> {
    let columns = Axis::new(filter, photo.width(), to.whole.1, to.corner.1..to.corner.1 + to.size.1 as u64);
    let rows = Axis::new(filter, photo.height(), to.whole.0, to.corner.0..to.corner.0 + to.size.0 as u64);
    let seen = rows.seen();
    let line = to.size.1 * C;
    let picture = || format!("a photo of {}x{} pixels while it is resized", photo.width(), photo.height());
    let mut narrow = zeroed(line.saturating_mul(seen.len()), picture)?;
    let mut out = zeroed(line.saturating_mul(to.size.0), picture)?;
    let mut gray = Vec::new();
    for (y, out) in seen.clone().zip(narrow.chunks_exact_mut(line)) {
        columns.resize_row::<C>(source_row(photo, y, &mut gray), out);
    }
    let mut sums = vec![0; line];
    for (taps, out) in rows.taps.iter().zip(out.chunks_exact_mut(line)) {
        let first = (taps.first - seen.start) * line;
        rows.mix_rows(taps, narrow[first..].chunks_exact(line), (&mut sums, out));
    }
    Ok(out)
}

/// Zeros; an error that names `what` where there is no memory for them.
pub(super) fn zeroed(length: usize, what: impl Fn() -> String) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    data.try_reserve_exact(length)
        .map_err(|_| Error::invalid(format!("not enough memory for {}; scale it down first", what())))?;
    data.resize(length, 0);
    Ok(data)
}

/// One row as C channels; gray is made row by row, so that the photo is never held twice.
fn source_row<'a, const C: usize>(photo: &'a Photo, y: usize, gray: &'a mut Vec<u8>) -> &'a [[u8; C]] {
    if C == 3 {
        return photo.row(y).as_flattened().as_chunks().0;
    }
    gray.clear();
    gray.extend(photo.row(y).iter().map(|&rgb| luma(rgb)));
    gray.as_chunks().0
}

/// ITU-R 601-2 luma in Pillow's integers.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
}

/// Weights are integers with this many bits behind the point: 8 for the pixel and 2 to spare remain of 32.
const PRECISION: u32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The source cells of one output cell and where their weights lie.
struct Taps {
    first: usize,
    weights: Range<usize>,
}

/// The weights along one axis.
struct Axis {
    taps: Vec<Taps>,
    weights: Vec<i32>,
}

impl Axis {
    /// The cells `wanted` of `n_out`, over `n_in` source cells.
    fn new(filter: Filter, n_in: usize, n_out: u64, wanted: Range<u64>) -> Self {
        let scale = n_in as f64 / n_out as f64;
        let mut axis = Self { taps: Vec::new(), weights: Vec::new() };
        if filter == Filter::Nearest {
            axis.nearest(n_in, scale, wanted);
            return axis;
        }
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let mut exact = Vec::new();
        for i in wanted {
            let centre = (i as f64 + 0.5) * scale;
            // A cast from f64 truncates and saturates at 0, as the original's does by hand.
            let first = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(n_in);
            exact.clear();
            exact.extend((first..end).map(|x| filter.weight((x as f64 - centre + 0.5) * (1.0 / stretch))));
            let sum: f64 = exact.iter().sum();
            let start = axis.weights.len();
            axis.weights.extend(exact.iter().map(|w| (w / sum * f64::from(1 << PRECISION)).round() as i32));
            axis.taps.push(Taps { first, weights: start..axis.weights.len() });
        }
        axis
    }

    /// One source cell each.
    fn nearest(&mut self, n_in: usize, scale: f64, wanted: Range<u64>) {
        // Pillow sums positions up step by step, so near a cell's edge the sum's error decides; a window
        // further along than any picture of Pillow's reaches starts at a product instead.
        const LONGEST: u64 = 1 << 24;
        let skipped = if wanted.start <= LONGEST { 0 } else { wanted.start };
        let mut position = scale * 0.5 + skipped as f64 * scale;
        self.weights.push(1 << PRECISION);
        for i in skipped..wanted.end {
            if i >= wanted.start {
                self.taps.push(Taps { first: (position as usize).min(n_in - 1), weights: 0..1 });
            }
            position += scale;
        }
    }

    /// The source cells that any output cell looks at.
    fn seen(&self) -> Range<usize> {
        let start = self.taps.iter().map(|t| t.first).min().unwrap_or(0);
        let end = self.taps.iter().map(|t| t.first + t.weights.len()).max().unwrap_or(0);
        start..end
    }

    fn resize_row<const C: usize>(&self, row: &[[u8; C]], out: &mut [u8]) {
        for (taps, out) in self.taps.iter().zip(out.as_chunks_mut::<C>().0) {
            let mut sums = [HALF; C];
            for (pixel, weight) in row[taps.first..].iter().zip(&self.weights[taps.weights.clone()]) {
                for (sum, &sample) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(sample) * weight;
                }
            }
            *out = sums.map(clip);
        }
    }

    /// The weighted sum of whole rows; `sums` is scratch.
    fn mix_rows<'a>(
        &self,
        taps: &Taps,
        rows: impl Iterator<Item = &'a [u8]>,
        (sums, out): (&mut [i32], &mut [u8]),
    ) {
        sums.fill(HALF);
        for (row, &weight) in rows.zip(&self.weights[taps.weights.clone()]) {
            for (sum, &sample) in sums.iter_mut().zip(row) {
                *sum += i32::from(sample) * weight;
            }
        }
        for (out, &sum) in out.iter_mut().zip(sums.iter()) {
            *out = clip(sum);
        }
    }
}
