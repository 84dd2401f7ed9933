//! Measures of a map without a ground truth: its simplicity, and its agreement with the maps of related inputs.

use super::SaliencyMap;
use crate::Result;

/// The mean of the normalized map, 0..1: ADCC's complexity (Poppi et al., 2021). Lower is simpler.
pub fn complexity(map: &SaliencyMap) -> f64 {
    mean_of(map.normalized().values())
}

/// The entropy in nats of the map's magnitude as a distribution over pixels, `-sum p ln(p + 1e-12)`, 0 to ln(pixels):
/// Quantus' `Complexity` (Bhatt et al., 2020). None for a map of zeros.
pub fn entropy(map: &SaliencyMap) -> Option<f64> {
    let total: f64 = map.values().iter().map(|v| v.abs()).sum();
    let term = |v: &f64| {
        let p = v.abs() / total;
        p * (p + 1e-12).ln()
    };
    (total > 0.0).then(|| -map.values().iter().map(term).sum::<f64>())
}

/// The Gini index of the map's magnitude, 0 (flat) to 1 (one pixel): Quantus' `Sparseness` (Chalasani et al., 2020),
/// with its 1e-7 added to every pixel, so that a map of zeros is flat.
pub fn gini(map: &SaliencyMap) -> f64 {
    let mut values: Vec<f64> = map.values().iter().map(|v| v.abs() + 1e-7).collect();
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let weighted = values.iter().enumerate().map(|(i, v)| (2.0 * (i + 1) as f64 - n - 1.0) * v);
    weighted.sum::<f64>() / (n * values.iter().sum::<f64>())
}

/// The linear correlation of two maps, -1..1; 0 if one is flat. An error if their sizes differ.
pub fn pearson(a: &SaliencyMap, b: &SaliencyMap) -> Result<f64> {
    a.ensure_like(b)?;
    Ok(correlation(a.values(), b.values()))
}

/// ADCC's coherency, 0..1: `(1 + pearson) / 2` of a map and the map of the explained image (Poppi et al., 2021). An
/// error if their sizes differ.
pub fn coherency(map: &SaliencyMap, of_explained: &SaliencyMap) -> Result<f64> {
    Ok((1.0 + pearson(map, of_explained)?) / 2.0)
}

/// ADCC, 0..1: the harmonic mean of coherency, `1 - complexity` and `1 - drop`, with the relative drop under the soft
/// mask; 0 if one of the three is not positive (Poppi et al., 2021).
pub fn adcc(coherency: f64, complexity: f64, drop: f64) -> f64 {
    let parts = [coherency, 1.0 - complexity, 1.0 - drop];
    if parts.iter().any(|&part| part <= 0.0) {
        0.0
    } else {
        3.0 / parts.iter().map(|part| 1.0 / part).sum::<f64>()
    }
}

/// The greatest `|m' - m| / |m|` over maps m' of slightly changed inputs, in Euclidean norm, at least 0: max-sensitivity
/// (Yeh et al., 2019), for which captum adds U(-0.02, 0.02) to the input ten times. The divisor of a map of zeros is 1.
/// None without other maps; an error if sizes differ.
pub fn max_sensitivity(map: &SaliencyMap, others: &[SaliencyMap]) -> Result<Option<f64>> {
    others.iter().try_for_each(|other| map.ensure_like(other))?;
    let norm = map.values().iter().map(|v| v * v).sum::<f64>().sqrt();
    let distance = |other: &SaliencyMap| {
        let pairs = other.values().iter().zip(map.values());
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let greatest = others.iter().map(distance).reduce(f64::max);
    Ok(greatest.map(|distance| distance / if norm > 0.0 { norm } else { 1.0 }))
}

/// The mean of at least one value.
pub(super) fn mean_of(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Pearson's correlation of as many values each; 0 where one side is constant.
pub(super) fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean_of(a), mean_of(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        aa += a * a;
        bb += b * b;
        ab += a * b;
    }
    let norm = (aa * bb).sqrt();
    if norm > 0.0 { ab / norm } else { 0.0 }
}
