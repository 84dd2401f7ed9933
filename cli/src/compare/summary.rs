//! All photos: how often both sides agree, and means and quantiles of how much their maps are alike.

use scorecam::evaluation::{Bootstrap, Estimate, percentile};
use serde_json::{Map, Value, json};

use super::args::Likeness;
use super::work::Compared;
use crate::survey::{Interval, shown};
use crate::table::lines;

/// The quantiles that are shown, in percent, and their names in JSON.
const QUANTILES: [(f64, &str); 4] = [(0.0, "least"), (5.0, "p5"), (25.0, "p25"), (50.0, "median")];
/// Photos that are listed at most where no limit names them.
const LISTED: usize = 10;

pub(super) struct Summary {
    pub(super) photos: usize,
    /// Photos whose predictions are known, and those of them on which both sides predict the same class.
    pub(super) predicted: usize,
    pub(super) agree: usize,
    pub(super) passes: usize,
    pub(super) rows: Vec<Row>,
}

/// A similarity over all photos.
pub(super) struct Row {
    pub(super) kind: Likeness,
    pub(super) mean: Estimate,
    /// As [`QUANTILES`] are.
    pub(super) quantiles: Vec<f64>,
    /// The value of each photo, the least first.
    pub(super) sorted: Vec<f64>,
}

impl Summary {
    pub(super) fn new(found: &[Compared]) -> Self {
        let row = |kind: Likeness| {
            // In the order of the photos, by which the bootstrap draws.
            let mut sorted: Vec<f64> = found.iter().filter_map(|photo| photo.value(kind)).collect();
            let mean = Bootstrap::default().mean(&sorted)?;
            sorted.sort_by(f64::total_cmp);
            let quantiles = QUANTILES.iter().filter_map(|&(p, _)| percentile(&sorted, p)).collect();
            Some(Row { kind, mean, quantiles, sorted })
        };
        Self {
            photos: found.len(),
            predicted: found.iter().filter(|photo| photo.agree.is_some()).count(),
            agree: found.iter().filter(|photo| photo.agree == Some(true)).count(),
            passes: found.iter().map(|photo| photo.passes).sum(),
            rows: Likeness::ALL.into_iter().filter_map(row).collect(),
        }
    }

    pub(super) fn json(&self) -> Value {
        let row = |row: &Row| {
            let mut all = Map::from_iter([("mean".to_owned(), json!(Interval::from(&row.mean)))]);
            let quantiles = QUANTILES.iter().zip(&row.quantiles);
            all.extend(quantiles.map(|((_, name), &value)| ((*name).to_owned(), json!(value))));
            (row.kind.name().to_owned(), Value::Object(all))
        };
        self.rows.iter().map(row).collect::<Map<_, _>>().into()
    }

    /// The table that is printed.
    pub(super) fn text(&self) -> String {
        let head = ["", "mean", "least", "5 %", "25 %", "median"].map(str::to_owned).to_vec();
        let row = |row: &Row| {
            let cells = [row.kind.name().to_owned(), shown(&row.mean)];
            cells.into_iter().chain(row.quantiles.iter().map(|value| format!("{value:.3}"))).collect()
        };
        lines(&std::iter::once(head).chain(self.rows.iter().map(row)).collect::<Vec<_>>(), 0)
    }

    /// Whether both sides decide alike.
    pub(super) fn agreement(&self) -> String {
        match self.predicted {
            0 => "without predictions to compare".into(),
            all => format!("the same prediction on {} of {all}", self.agree),
        }
    }
}

/// The photos that differ most, which come first in `found`: all below the limit, or a few where there is none.
pub(super) fn worst(found: &[Compared], (measure, least): (Likeness, Option<f64>)) -> String {
    let (listed, title) = match least {
        Some(least) => {
            let below: Vec<_> = found.iter().filter(|photo| photo.enough == Some(false)).collect();
            let count = match below.len() {
                0 => return format!("no photo is below --least {least} by {}\n", measure.name()),
                1 => "1 photo is".to_owned(),
                n => format!("{n} photos are"),
            };
            (below, format!("{count} below --least {least} by {}:\n", measure.name()))
        }
        None => (found.iter().take(LISTED).collect(), format!("the least similar by {}:\n", measure.name())),
    };
    let row = |photo: &&Compared| {
        let predicted = match &photo.predicted {
            Some([one, other]) if one.class == other.class => {
                format!("{} {:.3}, {:.3}", one.name(), one.score, other.score)
            }
            Some([one, other]) => format!("{} | {}", one.words(), other.words()),
            None => photo.explained().to_owned(),
        };
        let value = photo.value(measure).map_or_else(String::new, |value| format!("{value:.3}"));
        vec![value, photo.photo.clone(), predicted]
    };
    title + &lines(&listed.iter().map(row).collect::<Vec<_>>(), 2)
}
