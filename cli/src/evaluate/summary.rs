//! Means over photos with their intervals, and differences of methods.

use std::collections::BTreeMap;

use scorecam::evaluation::{Bootstrap, Estimate, Measure};
use serde::Serialize;
use serde_json::{Value, json};

use super::lines::Measured;
use crate::table::lines;

/// What was found over all photos.
pub(super) struct Summary {
    /// The names of maps, in their order.
    pub(super) maps: Vec<String>,
    /// The measures that have a value anywhere.
    pub(super) measures: Vec<Measure>,
    /// The mean of each map and measure.
    means: BTreeMap<(usize, Measure), Estimate>,
    /// The mean difference of each map from the first one.
    differences: BTreeMap<(usize, Measure), Estimate>,
    pub(super) photos: usize,
    pub(super) passes: usize,
    pub(super) seconds: f64,
}

#[derive(Serialize)]
struct Interval {
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
    photos: usize,
}

impl From<&Estimate> for Interval {
    fn from(found: &Estimate) -> Self {
        let (low, high) = found.interval.unzip();
        Self { mean: found.mean, low, high, photos: found.count }
    }
}

impl Summary {
    /// Of all photos that were measured, in the order of the data.
    pub(super) fn new(maps: Vec<String>, asked: &[Measure], photos: &[&Measured]) -> Self {
        let bootstrap = Bootstrap::default();
        let value =
            |photo: &Measured, map: usize, measure| photo.maps.get(map)?.values.get(&measure).copied();
        let (mut means, mut differences) = (BTreeMap::new(), BTreeMap::new());
        for (map, &measure) in (0..maps.len()).flat_map(|map| asked.iter().map(move |measure| (map, measure)))
        {
            let all: Vec<f64> = photos.iter().filter_map(|photo| value(photo, map, measure)).collect();
            means.extend(bootstrap.mean(&all).map(|found| ((map, measure), found)));
            let pair = |photo: &&Measured| Some((value(photo, map, measure)?, value(photo, 0, measure)?));
            let pairs: Vec<(f64, f64)> = photos.iter().filter_map(pair).collect();
            let is_other = map > 0;
            differences.extend(
                bootstrap.difference(&pairs).filter(|_| is_other).map(|found| ((map, measure), found)),
            );
        }
        let has_any = |measure: &Measure| (0..maps.len()).any(|map| means.contains_key(&(map, *measure)));
        Self {
            measures: asked.iter().copied().filter(has_any).collect(),
            maps,
            means,
            differences,
            photos: photos.len(),
            passes: photos.iter().map(|photo| photo.passes).sum(),
            seconds: photos.iter().map(|photo| photo.seconds).sum(),
        }
    }

    pub(super) fn mean(&self, map: usize, measure: Measure) -> Option<&Estimate> {
        self.means.get(&(map, measure))
    }

    pub(super) fn difference(&self, map: usize, measure: Measure) -> Option<&Estimate> {
        self.differences.get(&(map, measure))
    }

    /// The table that is printed: the mean, and half of the width of its interval.
    pub(super) fn text(&self) -> String {
        let mut rows = vec![vec!["map".to_owned()]];
        rows[0].extend(self.measures.iter().map(|measure| match measure.info().higher_is_better {
            Some(true) => format!("{measure} ↑"),
            Some(false) => format!("{measure} ↓"),
            None => measure.to_string(),
        }));
        for (map, name) in self.maps.iter().enumerate() {
            let cell = |&measure: &Measure| self.mean(map, measure).map_or_else(|| "–".into(), shown);
            rows.push(std::iter::once(name.clone()).chain(self.measures.iter().map(cell)).collect());
        }
        lines(&rows, 0)
    }

    /// The same, whole.
    pub(super) fn json(&self) -> Value {
        let of = |found: &BTreeMap<(usize, Measure), Estimate>, map: usize| {
            let values = self
                .measures
                .iter()
                .filter_map(|&m| Some((m.to_string(), Interval::from(found.get(&(map, m))?))));
            values.map(|(name, interval)| (name, json!(interval))).collect::<serde_json::Map<_, _>>()
        };
        let maps = self.maps.iter().enumerate().map(|(map, name)| {
            json!({ "map": name, "mean": of(&self.means, map), "less_the_first": of(&self.differences, map) })
        });
        json!({
            "photos": self.photos,
            "passes": self.passes,
            "seconds": self.seconds,
            "maps": maps.collect::<Vec<_>>(),
        })
    }
}

fn shown(found: &Estimate) -> String {
    match found.interval {
        Some((low, high)) => format!("{:.3} ±{:.3}", found.mean, (high - low) / 2.0),
        None => format!("{:.3}", found.mean),
    }
}
