//! What a run has found out, as numbers and names: the page and the chart are made of this alone.

use std::collections::BTreeMap;

use scorecam::evaluation::{Bootstrap, Estimate};
use serde::{Deserialize, Serialize};

use super::plan::{BASELINES, METHODS, Measure};
use super::program::Sample;
use crate::peers::report::Machine;

/// All that the page tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The command that made it.
    pub(crate) command: String,
    pub(crate) machine: Machine,
    /// Program and version.
    pub(crate) versions: Vec<(String, String)>,
    /// The file of the chart, beside the page.
    pub(crate) chart: String,
    pub(crate) models: Vec<Judged>,
}

/// One model.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Judged {
    pub(crate) model: String,
    /// Of one object each.
    pub(crate) composites: Table,
    /// Of two objects each, explained for either.
    pub(crate) pairs: Table,
    pub(crate) photos: Table,
    /// By the map's title.
    pub(crate) costs: BTreeMap<String, Cost>,
}

/// What a map costs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Runs of the part of the network behind the layer.
    pub(crate) head_passes: u64,
    /// The time of an explanation by that of one pass of the same engine.
    pub(crate) times_a_pass: f64,
    pub(crate) milliseconds: f64,
}

/// What was measured on one set of photos.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) photos: usize,
    /// Photos that were looked at.
    pub(crate) tried: usize,
    pub(crate) stamps: usize,
    /// Maps of each method that were measured: a photo has one for each of its objects.
    pub(crate) maps: usize,
    /// Passes and seconds of the whole set, measures included.
    pub(crate) passes: u64,
    pub(crate) seconds: f64,
    pub(crate) measures: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

/// A measure of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) more_is_better: bool,
}

/// A method or a baseline.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) map: String,
    pub(crate) is_baseline: bool,
    /// Passes of its explanation, the mean over the photos.
    pub(crate) passes: f64,
    /// For each measure of the table; none where no photo has a value.
    pub(crate) means: Vec<Option<Mean>>,
    /// The mean difference from the sum of activation maps, photo by photo.
    pub(crate) less_sum: Vec<Option<Mean>>,
    /// The mean difference from the first method.
    pub(crate) less_first: Vec<Option<Mean>>,
}

/// A mean over photos with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mean {
    pub(crate) mean: f64,
    /// None for fewer than two photos.
    pub(crate) interval: Option<(f64, f64)>,
}

impl From<Estimate> for Mean {
    fn from(found: Estimate) -> Self {
        Mean { mean: found.mean, interval: found.interval }
    }
}

impl Mean {
    /// Whether the interval leaves 0 out on the side that is better, or on the other; none where it holds it.
    pub(crate) fn is_better(&self, more_is_better: bool) -> Option<bool> {
        let (low, high) = self.interval?;
        match (low > 0.0, high < 0.0) {
            (true, _) => Some(more_is_better),
            (_, true) => Some(!more_is_better),
            _ => None,
        }
    }
}

/// The map that every other is compared with, because one pass gives it.
pub(crate) const SUM: &str = BASELINES[0];

impl Table {
    /// Of what was measured of each photo.
    pub(crate) fn new(samples: &[Sample], measures: &[Measure]) -> Table {
        let is_there = |title: &&str| samples.iter().any(|sample| sample.maps.contains_key(*title));
        let methods = METHODS.iter().map(|method| method.title).filter(is_there);
        let baselines = BASELINES.iter().copied().filter(is_there);
        let named = methods.map(|title| (title, false)).chain(baselines.map(|title| (title, true)));
        let first = METHODS[0].title;
        let rows = named.map(|(map, is_baseline)| {
            let each = |of: &dyn Fn(&str) -> Option<Mean>| measures.iter().map(|m| of(m.name)).collect();
            let less = |other: &str| {
                each(&|measure| if map == other { None } else { difference(samples, (map, other), measure) })
            };
            let passes =
                samples.iter().filter_map(|sample| sample.maps.get(map)).map(|map| map.passes as f64);
            let passes: Vec<f64> = passes.collect();
            Row {
                map: map.into(),
                is_baseline,
                passes: passes.iter().sum::<f64>() / passes.len().max(1) as f64,
                means: each(&|measure| mean(samples, map, measure)),
                less_sum: less(SUM),
                less_first: less(first),
            }
        });
        let column =
            |measure: &Measure| Column { name: measure.name.into(), more_is_better: measure.more_is_better };
        Table {
            photos: samples.len(),
            tried: samples.len(),
            stamps: 0,
            maps: samples.len(),
            passes: samples.iter().map(|sample| sample.passes).sum(),
            seconds: samples.iter().map(|sample| sample.seconds).sum(),
            measures: measures.iter().map(column).collect(),
            rows: rows.collect(),
        }
    }

    /// The place of a measure among the columns.
    pub(crate) fn column(&self, measure: &str) -> Option<usize> {
        self.measures.iter().position(|column| column.name == measure)
    }

    /// The methods, by whether they are told apart from the sum in a measure: better, worse, and neither.
    pub(crate) fn against_sum(&self, measure: &str) -> Option<[Vec<&str>; 3]> {
        let place = self.column(measure)?;
        let mut groups = [Vec::new(), Vec::new(), Vec::new()];
        for row in self.rows.iter().filter(|row| !row.is_baseline) {
            let better = row.less_sum[place]?.is_better(self.measures[place].more_is_better);
            groups[better.map_or(2, |better| usize::from(!better))].push(row.map.as_str());
        }
        Some(groups)
    }
}

fn value(sample: &Sample, map: &str, measure: &str) -> Option<f64> {
    sample.maps.get(map)?.values.get(measure).copied()
}

fn mean(samples: &[Sample], map: &str, measure: &str) -> Option<Mean> {
    let all: Vec<f64> = samples.iter().filter_map(|sample| value(sample, map, measure)).collect();
    Bootstrap::default().mean(&all).map(Mean::from)
}

fn difference(samples: &[Sample], (map, other): (&str, &str), measure: &str) -> Option<Mean> {
    let both = |sample| Some((value(sample, map, measure)?, value(sample, other, measure)?));
    let pairs: Vec<(f64, f64)> = samples.iter().filter_map(both).collect();
    Bootstrap::default().difference(&pairs).map(Mean::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::plan::{DIFFERENCE, FAITHFUL};
    use crate::evaluation::program::MapValues;

    /// Photos on which a map is better than the sum by these, in insertion minus deletion.
    fn samples(better: &[f64]) -> Vec<Sample> {
        let map = |value: f64| MapValues { passes: 8, values: [(DIFFERENCE.into(), value)].into() };
        let one = |(number, better): (usize, &f64)| {
            let own = number as f64;
            let maps = [("score-cam", own + better), (SUM, own), ("eigen-cam", own - 1.0), ("random", own)];
            Sample {
                name: number.to_string(),
                passes: 10,
                seconds: 2.0,
                maps: maps.map(|(name, value)| (name.into(), map(value))).into(),
            }
        };
        better.iter().enumerate().map(one).collect()
    }

    #[test]
    fn methods_come_before_baselines_and_differences_are_of_pairs() {
        let table = Table::new(&samples(&[1.0, 1.0, 1.0, 1.0]), &FAITHFUL);
        let names: Vec<_> = table.rows.iter().map(|row| (row.map.as_str(), row.is_baseline)).collect();
        assert_eq!(names, [("score-cam", false), ("eigen-cam", false), ("sum", true), ("random", true)]);
        let place = table.column(DIFFERENCE).unwrap();
        let first = table.rows[0].less_sum[place].unwrap();
        assert_eq!((first.mean, first.interval), (1.0, Some((1.0, 1.0))));
        assert_eq!(table.rows[0].less_first[place], None);
        assert_eq!(table.rows[1].less_first[place].unwrap().mean, -2.0);
        assert_eq!(table.rows[0].means[table.column("drop").unwrap()], None);
        assert_eq!((table.passes, table.rows[0].passes), (40, 8.0));
    }

    #[test]
    fn a_method_is_told_apart_where_its_interval_leaves_0_out() {
        let groups = |better: &[f64]| {
            let table = Table::new(&samples(better), &FAITHFUL);
            table.against_sum(DIFFERENCE).unwrap().map(|group| group.join(" "))
        };
        assert_eq!(groups(&[1.0, 2.0, 1.0]), ["score-cam", "eigen-cam", ""]);
        assert_eq!(groups(&[1.0, -1.0, 0.5, -0.5]), ["", "eigen-cam", "score-cam"]);
        let less_is_better = Mean { mean: -1.0, interval: Some((-2.0, -0.5)) };
        assert_eq!(less_is_better.is_better(false), Some(true));
        assert_eq!(Mean { mean: 1.0, interval: None }.is_better(true), None);
    }
}
