//! The sanity check of a method (Adebayo et al., 2018): a map that does not change when the model's weights become
//! random does not show what the model learned.
//!
//! Maps of different photos are also similar, because the evidence tends to be in the middle. So the null distribution
//! for the maps of a random model is the similarity of the trained model's maps of different photos.

use super::{SaliencyMap, Similarity, mean, percentile, similarity};
use crate::Result;

/// The similarity of the trained model's maps and the fully random model's, compared with maps of different photos.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SanityCheck {
    /// The verdict.
    pub verdict: SanityVerdict,
    /// Spearman's rank correlation.
    pub spearman: Option<Against>,
    /// Structural similarity; None for maps too small for it.
    pub ssim: Option<Against>,
    /// Photos whose map from the random model is flat, so the similarity is undefined.
    pub flat: usize,
}

/// A mean and its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Against {
    /// The mean similarity, over the photos, of the trained model's maps and the random model's.
    pub mean: f64,
    /// The 95th percentile of the similarities of the trained model's maps of different photos.
    pub limit: f64,
}

/// The verdict of a sanity check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SanityVerdict {
    /// The random model's maps are no more similar to the trained model's than maps of different photos are to each
    /// other.
    Passed,
    /// They are more similar: the method shows the image or the architecture, and not what the model learned.
    Failed,
    /// No conclusion: there are fewer than two photos, or at least half of the random model's maps are flat.
    Undecided,
}

named!(SanityVerdict: Passed = "passed", Failed = "failed", Undecided = "undecided");

impl SanityCheck {
    /// Compares the similarities of different photos' maps (`null`) with those of each photo's maps from the trained
    /// and the fully random model (`random`), None if the latter is flat.
    pub fn new(null: &[Similarity], random: &[Option<Similarity>]) -> Self {
        let defined: Vec<Similarity> = random.iter().flatten().copied().collect();
        let against = |value: &dyn Fn(&Similarity) -> Option<f64>| {
            let values = |of: &[Similarity]| of.iter().filter_map(value).collect::<Vec<f64>>();
            Some(Against { mean: mean(&values(&defined))?, limit: percentile(&values(null), 95.0)? })
        };
        let spearman = against(&|similarity| Some(similarity.spearman));
        let ssim = against(&|similarity| similarity.ssim);
        let is_below = |against: Option<Against>| against.is_none_or(|a| a.mean <= a.limit);
        let verdict = match spearman {
            Some(_) if defined.len() * 2 > random.len() => match is_below(spearman) && is_below(ssim) {
                true => SanityVerdict::Passed,
                false => SanityVerdict::Failed,
            },
            _ => SanityVerdict::Undecided,
        };
        Self { verdict, spearman, ssim, flat: random.len() - defined.len() }
    }
}

/// The similarity of a trained model's map and a random model's; None if the latter is flat. An error if sizes differ.
pub fn similarity_to_random(trained: &SaliencyMap, random: &SaliencyMap) -> Result<Option<Similarity>> {
    let values = random.values();
    let is_flat = values.iter().all(|value| Some(value) == values.first());
    (!is_flat).then(|| similarity(trained, random)).transpose()
}

/// The numbers of randomized layers, from 1 to `layers`, at which a cascade is measured: at most `most`, close together
/// at the beginning, where maps change fastest.
pub fn cascade(layers: usize, most: usize) -> Vec<usize> {
    if layers <= most {
        return (1..=layers).collect();
    }
    let steps = most.max(2) - 1;
    let at = |i: usize| (layers as f64).powf(i as f64 / steps as f64).round() as usize;
    let mut counts: Vec<usize> = (0..=steps).map(at).collect();
    // Small steps of a power fall together; each is at least one more than the one before.
    for i in 1..counts.len() {
        counts[i] = counts[i].max(counts[i - 1] + 1).min(layers);
    }
    counts.dedup();
    counts
}

/// At most `most` pairs of `photos` photos, spread evenly over all pairs.
pub fn pairs(photos: usize, most: usize) -> Vec<(usize, usize)> {
    let all = photos * photos.saturating_sub(1) / 2;
    let step = all.div_ceil(most.max(1)).max(1);
    let pairs = (0..photos).flat_map(|i| (i + 1..photos).map(move |j| (i, j)));
    pairs.step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similar(spearman: f64) -> Similarity {
        Similarity { spearman, pearson: 0.0, ssim: Some(spearman / 2.0), hog: None }
    }

    #[test]
    fn a_method_passes_where_random_maps_are_no_more_alike_than_photos() {
        let null: Vec<Similarity> = (0..=100).map(|i| similar(f64::from(i) / 100.0)).collect();
        let verdict = |random: &[Option<f64>]| {
            SanityCheck::new(&null, &random.iter().map(|s| s.map(similar)).collect::<Vec<_>>()).verdict
        };
        assert_eq!(verdict(&[Some(0.9), Some(0.99)]), SanityVerdict::Passed);
        assert_eq!(verdict(&[Some(0.96), Some(0.96)]), SanityVerdict::Failed);
        // A flat map is never a pass.
        assert_eq!(verdict(&[None, Some(0.1)]), SanityVerdict::Undecided);
        assert_eq!(verdict(&[None, Some(0.1), Some(0.1)]), SanityVerdict::Passed);
        assert_eq!(verdict(&[]), SanityVerdict::Undecided);
        assert_eq!(SanityCheck::new(&[], &[Some(similar(0.1))]).verdict, SanityVerdict::Undecided);
        let found = SanityCheck::new(&null, &[Some(similar(0.2)), None, Some(similar(0.4))]);
        let spearman = found.spearman.expect("a null");
        assert!((spearman.mean - 0.3).abs() < 1e-12 && (spearman.limit - 0.95).abs() < 1e-12);
        assert!((found.ssim.expect("a null").limit - 0.475).abs() < 1e-12);
        assert_eq!(found.flat, 1);
    }

    #[test]
    fn structural_similarity_alone_makes_a_method_fail() {
        let null = [similar(0.5), similar(0.6)];
        let random = [Some(Similarity { ssim: Some(0.9), ..similar(0.1) })];
        assert_eq!(SanityCheck::new(&null, &random).verdict, SanityVerdict::Failed);
    }

    #[test]
    fn a_cascade_begins_in_small_steps_and_ends_with_all() {
        assert_eq!(cascade(5, 8), [1, 2, 3, 4, 5]);
        assert_eq!(cascade(50, 8), [1, 2, 3, 5, 9, 16, 29, 50]);
        assert_eq!(cascade(50, 1), [1, 50]);
        assert_eq!(cascade(0, 8), [0; 0]);
        for (layers, most) in [(9, 8), (10, 9), (200, 12), (3, 2)] {
            let found = cascade(layers, most);
            assert!(found.len() <= most && found.is_sorted_by(|a, b| a < b), "{found:?}");
            assert_eq!((found[0], found[found.len() - 1]), (1, layers));
        }
    }

    #[test]
    fn pairs_are_of_different_photos() {
        assert_eq!(pairs(3, 100), [(0, 1), (0, 2), (1, 2)]);
        assert_eq!(pairs(1, 100), []);
        let some = pairs(100, 500);
        assert!(some.len() <= 500 && some.len() > 400 && some.iter().all(|(i, j)| i < j && *j < 100));
    }

    #[test]
    fn a_flat_map_is_similar_to_none() {
        let map = |values: &[f32]| SaliencyMap::new(values, (2, 2)).expect("a map");
        let trained = map(&[0.0, 1.0, 2.0, 3.0]);
        assert_eq!(similarity_to_random(&trained, &map(&[0.5; 4])), Ok(None));
        let found = similarity_to_random(&trained, &trained).expect("sizes").expect("not flat");
        assert!((found.spearman - 1.0).abs() < 1e-12);
    }
}
