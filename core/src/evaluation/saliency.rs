//! [`SaliencyMap`]: the input of the measures, and the order of its pixels.

use std::cmp::Ordering;

use crate::tensor::gathered;
use crate::{Result, Tensor};

/// The order of pixels of equal value. Rectified maps have large areas of zeros, so the choice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ties {
    /// Reading order.
    #[default]
    First,
    /// Reverse reading order, as from a reversed ascending sort (RISE's `evaluation.py`, Xplique).
    Last,
}

named!(Ties of "ties": First = "first", Last = "last");

/// A saliency map [H, W] of finite values in f64, at the size of the model's input unless a measure says otherwise.
///
/// All measures take it. Their scratch memory is at most a few times that of the map.
#[derive(Debug, Clone, PartialEq)]
pub struct SaliencyMap {
    size: (usize, usize),
    values: Vec<f64>,
}

impl SaliencyMap {
    /// A map of `size` (height, width), row-major; an error if the length differs, the map is empty, a value is not
    /// finite, or memory is short.
    pub fn new(values: &[f32], size: (usize, usize)) -> Result<Self> {
        let (height, width) = size;
        let pixels = crate::element_count(&[height, width])?;
        ensure!(
            pixels == values.len() && pixels > 0,
            invalid,
            "a saliency map of {height} x {width} pixels does not fit {} values; give at least one pixel, and a value \
             for each",
            values.len()
        );
        ensure!(
            u32::try_from(pixels).is_ok(),
            invalid,
            "a saliency map of {height} x {width} pixels has too many to rank; at most {} are allowed",
            u32::MAX
        );
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            bail!(
                invalid,
                "the saliency map is {} in row {}, column {}; every value must be finite",
                values[i],
                i / width,
                i % width
            );
        }
        Ok(Self { size, values: gathered(&[height, width], values.iter().map(|&v| f64::from(v)))? })
    }

    /// Height and width.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The maximum.
    pub fn max(&self) -> f64 {
        self.values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The map stretched to 0..1 by its minimum and maximum; a flat map becomes zeros.
    #[must_use]
    pub fn normalized(&self) -> Self {
        let (high, low) = (self.max(), self.values.iter().copied().fold(f64::INFINITY, f64::min));
        let range = high - low;
        self.map(|v| if range == 0.0 { 0.0 } else { (v - low) / range })
    }

    /// Pixels (row * width + column) in order of falling value.
    pub fn ranking(&self, ties: Ties) -> Vec<u32> {
        let order = |a: &u32, b: &u32| {
            let [a, b] = [a, b].map(|&i| self.values[i as usize]);
            a.partial_cmp(&b).unwrap_or(Ordering::Equal)
        };
        let mut pixels: Vec<u32> = (0..self.values.len() as u32).collect();
        match ties {
            Ties::First => pixels.sort_by(|a, b| order(b, a)),
            Ties::Last => {
                pixels.sort_by(order);
                pixels.reverse();
            }
        }
        pixels
    }

    /// The position of each pixel in [`SaliencyMap::ranking`], 0 for the highest. The `n` highest pixels are those with
    /// `rank < n`, so one rank map and a count per image describe every mask of a deletion or insertion curve.
    pub fn ranks(&self, ties: Ties) -> Vec<u32> {
        let mut ranks = vec![0; self.values.len()];
        for (rank, pixel) in self.ranking(ties).into_iter().enumerate() {
            ranks[pixel as usize] = rank as u32;
        }
        ranks
    }

    /// Whether each pixel is one of the `count` highest.
    pub fn top(&self, count: usize, ties: Ties) -> Vec<bool> {
        self.ranks(ties).into_iter().map(|rank| (rank as usize) < count).collect()
    }

    /// The map in f32, [H, W]; an error if memory is short.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let shape = [self.size.0, self.size.1];
        Tensor::new(shape, gathered(&shape, self.values.iter().map(|&v| v as f32))?)
    }

    /// A map of finite values, one for each pixel of `size`, of which there is at least one.
    pub(super) fn of(values: Vec<f64>, size: (usize, usize)) -> Self {
        Self { size, values }
    }

    /// Another map of this size, from each value.
    pub(super) fn map(&self, value: impl FnMut(f64) -> f64) -> Self {
        Self { size: self.size, values: self.values.iter().copied().map(value).collect() }
    }

    /// An error where another map has another size.
    pub(super) fn ensure_like(&self, other: &Self) -> Result<()> {
        let [(h, w), (other_h, other_w)] = [self.size, other.size];
        ensure!(
            self.size == other.size,
            invalid,
            "the maps have {h} x {w} and {other_h} x {other_w} pixels; resize one to the size of the other"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_cannot_be_measured_is_refused() {
        for (values, size, expected) in [
            (&[1.0f32, 2.0][..], (1, 3), "1 x 3 pixels does not fit 2 values"),
            (&[], (0, 4), "0 x 4 pixels does not fit 0 values"),
            (&[0.0, 1.0, f32::NAN, 0.0], (2, 2), "NaN in row 1, column 0"),
            (&[0.0, f32::INFINITY], (1, 2), "inf in row 0, column 1"),
            (&[], (usize::MAX, 2), "more elements than memory"),
        ] {
            let error = SaliencyMap::new(values, size).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn ties_are_ranked_in_reading_order_or_backwards() {
        let map = SaliencyMap::new(&[0.0, 2.0, 0.0, -0.0, 2.0, 1.0], (2, 3)).expect("a map");
        assert_eq!(map.ranking(Ties::First), [1, 4, 5, 0, 2, 3]);
        assert_eq!(map.ranking(Ties::Last), [4, 1, 5, 3, 2, 0]);
        assert_eq!(map.ranks(Ties::First), [3, 0, 4, 5, 1, 2]);
        assert_eq!(map.top(2, Ties::Last), [false, true, false, false, true, false]);
    }
}
