//! Similarity of two maps, the basis of sanity checks and of comparisons between models.

use std::cmp::Ordering;

use super::SaliencyMap;
use super::alone::{correlation, mean_of};
use super::hog::hog;
use crate::Result;

/// The similarity of two maps, both normalized first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    /// Rank correlation; see [`spearman`].
    pub spearman: f64,
    /// Linear correlation, -1..1; 0 if a map is flat.
    pub pearson: f64,
    /// Structural similarity; see [`ssim`]. None for maps of less than 7 x 7 pixels.
    pub ssim: Option<f64>,
    /// The linear correlation of [`hog`]; None for maps of less than 48 x 48 pixels.
    pub hog: Option<f64>,
}

/// The four measures of Adebayo et al. (2018) and later sanity checks; an error if sizes differ.
pub fn similarity(a: &SaliencyMap, b: &SaliencyMap) -> Result<Similarity> {
    a.ensure_like(b)?;
    let (a, b) = (a.normalized(), b.normalized());
    Ok(Similarity {
        spearman: spearman(&a, &b)?,
        pearson: correlation(a.values(), b.values()),
        ssim: ssim(&a, &b)?,
        hog: hog(&a).zip(hog(&b)).map(|(a, b)| correlation(&a, &b)),
    })
}

/// Spearman's rank correlation, -1..1, with equal values sharing the mean of their ranks; 0 if a map is flat. An error
/// if sizes differ.
pub fn spearman(a: &SaliencyMap, b: &SaliencyMap) -> Result<f64> {
    a.ensure_like(b)?;
    Ok(correlation(&average_ranks(a.values()), &average_ranks(b.values())))
}

/// Ranks from 1; equal values share the mean of theirs.
pub(super) fn average_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&i, &j| values[i].partial_cmp(&values[j]).unwrap_or(Ordering::Equal));
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for equal in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = below as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|&i| ranks[i] = rank);
        below += equal.len();
    }
    ranks
}

const WINDOW: usize = 7;
const C1: f64 = 0.01 * 0.01;
const C2: f64 = 0.03 * 0.03;

/// Mean structural similarity of two maps of 0..1 (Wang et al., 2004), -1..1: a flat window of 7 x 7, sample covariance, K1
/// 0.01, K2 0.03, whole windows only, as in scikit-image's `structural_similarity` with data range 1. None for maps of
/// less than 7 x 7 pixels; an error if sizes differ.
pub fn ssim(a: &SaliencyMap, b: &SaliencyMap) -> Result<Option<f64>> {
    a.ensure_like(b)?;
    let (height, width) = a.size();
    if height < WINDOW || width < WINDOW {
        return Ok(None);
    }
    let means = |value: &dyn Fn(f64, f64) -> f64| {
        let values: Vec<f64> = a.values().iter().zip(b.values()).map(|(&a, &b)| value(a, b)).collect();
        window_means(&values, width)
    };
    let (of_a, of_b) = (means(&|a, _| a), means(&|_, b| b));
    let (of_aa, of_bb, of_ab) = (means(&|a, _| a * a), means(&|_, b| b * b), means(&|a, b| a * b));
    let n = (WINDOW * WINDOW) as f64;
    let local = |i: usize| {
        let (a, b) = (of_a[i], of_b[i]);
        let covariance = |mean: f64, of_mean: f64| n / (n - 1.0) * (mean - of_mean);
        let (aa, bb, ab) =
            (covariance(of_aa[i], a * a), covariance(of_bb[i], b * b), covariance(of_ab[i], a * b));
        (2.0 * a * b + C1) * (2.0 * ab + C2) / ((a * a + b * b + C1) * (aa + bb + C2))
    };
    Ok(Some(mean_of(&(0..of_a.len()).map(local).collect::<Vec<_>>())))
}

/// The means of all whole windows of an image, row by row.
fn window_means(values: &[f64], width: usize) -> Vec<f64> {
    let rows: Vec<f64> = values
        .chunks_exact(width)
        .flat_map(|row| row.windows(WINDOW).map(|w| w.iter().sum::<f64>()))
        .collect();
    let width = width + 1 - WINDOW;
    let last = rows.len() - (WINDOW - 1) * width;
    let sum = |i: usize| rows[i..].iter().step_by(width).take(WINDOW).sum::<f64>();
    (0..last).map(|i| sum(i) / (WINDOW * WINDOW) as f64).collect()
}
