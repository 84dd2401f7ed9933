//! Maps alone, pairs of maps, and sets of images.

use scorecam_core::evaluation::{
    Bootstrap, Estimate, SaliencyMap, adcc, coherency, complexity, entropy, gini, max_sensitivity,
    percentile, similarity,
};

use crate::golden::Case;

/// The values of a case of this group.
pub(crate) fn measured(case: &Case<'_>) -> Option<Vec<Option<f64>>> {
    let map = || case.map("map");
    let bootstrap = || Bootstrap { resamples: 500, level: 0.9, seed: case.number("seed") as u64 };
    Some(vec![match case.measure() {
        "complexity" => Some(complexity(&map())),
        "entropy" => entropy(&map()),
        "gini" => Some(gini(&map())),
        "max_sensitivity" => max_sensitivity(&map(), &related(&map())).expect("maps of one size"),
        "max_sensitivity_of_none" => max_sensitivity(&map(), &[]).expect("maps of one size"),
        "coherency" => Some(coherency(&map(), &case.map("other")).expect("maps of one size")),
        "adcc" => {
            let parts = case.numbers("parts");
            Some(adcc(parts[0], parts[1], parts[2]))
        }
        "percentile" => percentile(&case.numbers("values"), case.number("at")),
        "similarity" => {
            let found = similarity(&map(), &case.map("other")).expect("maps of one size");
            return Some(vec![Some(found.spearman), Some(found.pearson), found.ssim, found.hog]);
        }
        "bootstrap" => return Some(plain(bootstrap().mean(&case.numbers("values")))),
        "difference" => return Some(plain(bootstrap().difference(&case.pairs("pairs")))),
        _ => return None,
    }])
}

/// Upside down, halved, and raised by 1/8.
fn related(map: &SaliencyMap) -> Vec<SaliencyMap> {
    let values: Vec<f32> = map.values().iter().map(|&v| v as f32).collect();
    let flipped = values.chunks_exact(map.size().1).rev().flatten().copied().collect();
    let halved = values.iter().map(|v| 0.5 * v).collect();
    let raised = values.iter().map(|v| v + 0.125).collect();
    let maps: [Vec<f32>; 3] = [flipped, halved, raised];
    maps.map(|values| SaliencyMap::new(&values, map.size()).expect("a map")).into()
}

fn plain(estimate: Option<Estimate>) -> Vec<Option<f64>> {
    let interval = estimate.and_then(|estimate| estimate.interval);
    vec![estimate.map(|e| e.mean), interval.map(|(low, _)| low), interval.map(|(_, high)| high)]
}
