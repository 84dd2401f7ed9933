//! Localization accuracy of a set of images under the best threshold (Choe et al., 2020; clovaai/wsolevaluation).
//!
//! Both accumulators take one image at a time and store only counts, so a set can have any size. The contribution of an
//! image can be stored and added later, without the map: [`BoxAccuracy::add_overlaps`] and
//! [`PixelPrecision::add_counts`].

use super::alone::mean_of;
use super::{Above, Areas, BoundingBox, BoxOptions, Localization, best_iou, boxes};
use super::{Region, SaliencyMap};
use crate::Result;

/// MaxBoxAcc: the share of images with a correct box, at the best single threshold of 0, 0.01, ..., 0.99 for the set.
#[derive(Debug, Clone, Default)]
pub struct BoxAccuracy {
    areas: Areas,
    /// For each image the best IoU at each threshold.
    overlaps: Vec<Vec<f64>>,
}

impl BoxAccuracy {
    /// The number of thresholds.
    pub const THRESHOLDS: usize = 100;

    /// Threshold number `i` of 0 to 99.
    pub fn threshold(i: usize) -> f64 {
        i as f64 * 0.01
    }

    /// The options for the boxes of a map at threshold number `i`.
    pub fn options(i: usize, areas: Areas) -> BoxOptions {
        BoxOptions { threshold: Self::threshold(i), above: Above::Strictly, areas }
    }

    /// An accumulator without images. MaxBoxAcc uses the largest area, MaxBoxAccV2 all of them.
    pub fn new(areas: Areas) -> Self {
        Self { areas, overlaps: Vec::new() }
    }

    /// Adds an image: its map, which is normalized here, and its ground-truth boxes, both in the same pixels.
    pub fn add(&mut self, map: &SaliencyMap, truth: &[BoundingBox]) {
        let map = map.normalized();
        let overlap = |i: usize| best_iou(&boxes(&map, Self::options(i, self.areas)), truth);
        self.overlaps.push((0..Self::THRESHOLDS).map(overlap).collect());
    }

    /// Adds an image by the best IoU at each threshold; an error if their number differs.
    pub fn add_overlaps(&mut self, overlaps: Vec<f64>) -> Result<()> {
        ensure!(
            overlaps.len() == Self::THRESHOLDS,
            invalid,
            "there are {} overlaps of an image; give one for each of the {} thresholds",
            overlaps.len(),
            Self::THRESHOLDS
        );
        self.overlaps.push(overlaps);
        Ok(())
    }

    /// MaxBoxAcc at an IoU of at least `iou` (0.5 in the paper), 0..1, and its threshold, the lowest of equally good
    /// ones; None without images.
    pub fn at(&self, iou: f64) -> Option<(f64, f64)> {
        let hits = |i: usize| self.overlaps.iter().filter(|overlaps| overlaps[i] >= iou).count();
        let best = (0..Self::THRESHOLDS).rev().max_by_key(|&i| hits(i))?;
        let images = self.overlaps.len();
        (images > 0).then(|| (hits(best) as f64 / images as f64, Self::threshold(best)))
    }

    /// MaxBoxAccV2, 0..1: the mean of [`BoxAccuracy::at`] at 0.3, 0.5 and 0.7; None without images.
    pub fn v2(&self) -> Option<f64> {
        let shares: Option<Vec<f64>> = [0.3, 0.5, 0.7].iter().map(|&iou| Some(self.at(iou)?.0)).collect();
        shares.map(|shares| mean_of(&shares))
    }
}

/// PxAP: average precision over the pixels of all images together, at thresholds 0, 0.001, ..., 0.999.
#[derive(Debug, Clone)]
pub struct PixelPrecision {
    /// For each threshold i, the pixels for which it is the greatest one not above their value: inside and outside the
    /// ground truth.
    counts: Vec<[u64; 2]>,
}

const PIXEL_THRESHOLDS: usize = 1000;

impl Default for PixelPrecision {
    fn default() -> Self {
        // The last one is that of the value 1.
        Self { counts: vec![[0; 2]; PIXEL_THRESHOLDS + 1] }
    }
}

impl PixelPrecision {
    /// Adds an image: its map, which is normalized here, and its ground truth.
    pub fn add(&mut self, map: &SaliencyMap, truth: &Region) -> Result<()> {
        Localization::new(map, truth)?;
        for (&value, &inside) in map.normalized().values().iter().zip(truth.inside()) {
            self.counts[bin(value)][usize::from(!inside)] += 1;
        }
        Ok(())
    }

    /// The pixels counted so far, by the greatest threshold not above their value: inside and outside the ground truth.
    pub fn counts(&self) -> &[[u64; 2]] {
        &self.counts
    }

    /// Adds the [`PixelPrecision::counts`] of other images; an error if the number of thresholds differs.
    pub fn add_counts(&mut self, counts: &[[u64; 2]]) -> Result<()> {
        ensure!(
            counts.len() == self.counts.len(),
            invalid,
            "there are counts for {} thresholds; give one for each of {}",
            counts.len(),
            self.counts.len()
        );
        for (sum, more) in self.counts.iter_mut().zip(counts) {
            *sum = [sum[0].saturating_add(more[0]), sum[1].saturating_add(more[1])];
        }
        Ok(())
    }

    /// PxAP, 0..1: the sum over falling thresholds of precision times the rise in recall; None if no image has a ground
    /// truth.
    pub fn value(&self) -> Option<f64> {
        let all: u64 = self.counts.iter().map(|[inside, _]| inside).sum();
        let (mut inside, mut outside, mut area) = (0, 0, 0.0);
        for &[hits, misses] in self.counts.iter().rev() {
            inside += hits;
            outside += misses;
            if hits > 0 {
                area += inside as f64 / (inside + outside) as f64 * hits as f64 / all as f64;
            }
        }
        (all > 0).then_some(area)
    }
}

/// The greatest i of 0 to 1000 whose threshold, i times 0.001 as floating point has it, is at most `value`.
fn bin(value: f64) -> usize {
    let edge = |i: usize| if i == PIXEL_THRESHOLDS { 1.0 } else { i as f64 * 0.001 };
    let near = ((value * PIXEL_THRESHOLDS as f64) as usize).min(PIXEL_THRESHOLDS);
    let upper = (near + 1).min(PIXEL_THRESHOLDS);
    (near.saturating_sub(1)..=upper).rev().find(|&i| edge(i) <= value).unwrap_or(0)
}
