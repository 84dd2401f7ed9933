//! ROAD: remove pixels without visible holes, and measure the score (Rong et al., 2022; as pytorch-grad-cam's
//! `ROADCombined`).
//!
//! The most relevant pixels are removed first, then the least relevant ones, each at several percentiles. With a good
//! map, the score falls for the former and stays for the latter.

use super::SaliencyMap;
use super::alone::mean_of;
use super::impute::imputed;
use super::statistics::percentile_of_sorted;
use crate::{Draws, Result, Tensor, TensorView};

/// The settings of ROAD: the pixels to remove, and the noise that hides the imputation.
#[derive(Debug, Clone, PartialEq)]
pub struct Road {
    /// Pixels of at least this percentile (0 to 100) of the map are removed, and of the inverted map.
    pub percentiles: Vec<f64>,
    /// The deviation of the normal noise added to removed pixels.
    pub noise: f64,
    /// The seed of the noise. Number c * n + j of `Draws::new(seed).of(i)` is that of channel c and the j-th of n removed
    /// pixels of image i, so the same map gets the same images.
    pub seed: u64,
}

impl Default for Road {
    fn default() -> Self {
        Self { percentiles: (1..10).map(|p| f64::from(p) * 10.0).collect(), noise: 0.01, seed: 0 }
    }
}

/// The result of ROAD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoadScore {
    /// (least first - most first) / 2: higher is better.
    pub combined: f64,
    /// The mean change of the score without the most relevant pixels.
    pub most_first: f64,
    /// The mean change of the score without the least relevant pixels.
    pub least_first: f64,
}

impl Road {
    /// The removed pixels of each image: one for each percentile of the normalized map m, the most relevant removed,
    /// then one for each percentile of 1 - m. If the minimum covers more of a map than the percentile, every pixel is
    /// removed.
    pub fn removed(&self, map: &SaliencyMap) -> Vec<Vec<bool>> {
        let most = map.normalized();
        let least = most.map(|v| 1.0 - v);
        [most, least].iter().flat_map(|map| self.above_percentiles(map)).collect()
    }

    fn above_percentiles(&self, map: &SaliencyMap) -> Vec<Vec<bool>> {
        let mut sorted = map.values().to_vec();
        sorted.sort_by(f64::total_cmp);
        let limits = self.percentiles.iter().filter_map(|&p| percentile_of_sorted(&sorted, p));
        limits.map(|limit| map.values().iter().map(|&v| v >= limit).collect()).collect()
    }

    /// Image `i` of [`Road::removed`]: `image` [1, C, H, W] with its `removed` pixels imputed by [`imputed`] and the noise
    /// added. An error if sizes differ or memory is short.
    pub fn image(&self, image: TensorView<'_>, removed: &[bool], i: usize) -> Result<Tensor> {
        let mut out = imputed(image, removed)?;
        if self.noise == 0.0 {
            return Ok(out);
        }
        let draws = Draws::new(self.seed).of(i);
        let n = removed.iter().filter(|&&removed| removed).count();
        for (c, plane) in out.data_mut().chunks_exact_mut(removed.len()).enumerate() {
            let pixels = plane.iter_mut().zip(removed).filter(|(_, removed)| **removed);
            for (j, (pixel, _)) in pixels.enumerate() {
                *pixel = (f64::from(*pixel) + self.noise * draws.normal(c * n + j)) as f32;
            }
        }
        Ok(out)
    }

    /// The result, from the score of the unchanged image and the scores of all images of [`Road::removed`], in order;
    /// None without percentiles. An error if the number of scores differs.
    pub fn score(&self, unchanged: f64, scores: &[f64]) -> Result<Option<RoadScore>> {
        let n = self.percentiles.len();
        ensure!(
            scores.len() == 2 * n,
            invalid,
            "ROAD has {} scores for {n} percentiles; give one for each image, {} in all",
            scores.len(),
            2 * n
        );
        let (most, least) = scores.split_at(n);
        let change =
            |scores: &[f64]| mean_of(&scores.iter().map(|score| score - unchanged).collect::<Vec<_>>());
        let (most_first, least_first) = (change(most), change(least));
        let combined = (least_first - most_first) / 2.0;
        Ok((n > 0).then_some(RoadScore { combined, most_first, least_first }))
    }
}
