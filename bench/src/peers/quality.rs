//! The quality part: how close maps of fewer passes come to the exact one, over all photos.
//!
//! It needs no other tool, so it runs by itself as well (`cargo xtask bench --quality`).

use std::path::PathBuf;

use serde_json::json;
use xtask::failure::Outcome;

use super::maps::Map;
use super::plan::{BUDGETED, BUDGETS, Budgeted, Model, OFFICIAL};
use super::report::{Distance, Line, Point, Quality};
use super::worker::{Ours, Worker, Workers};

/// A map of fewer passes: how far off it is, how far off its method takes it to be, and which share of the time was
/// not the engine's.
struct Case {
    distance: Distance,
    estimate: Option<f64>,
    outside: f64,
}

/// Makes the exact map and all others of each photo. `manifest` is the model's.
pub(crate) fn quality(
    workers: &Workers<'_>,
    model: &Model,
    manifest: &std::path::Path,
    photos: &[PathBuf],
) -> Outcome<Quality> {
    println!("\n{}: maps of fewer passes, {} photos", model.name, photos.len());
    let mut sitting = Sitting {
        worker: workers.ours(Ours::OnnxRuntime, manifest)?,
        input: workers.folder.join("quality-input.npy"),
        map: workers.folder.join("quality-map.npy"),
    };
    let mut passes = 0;
    let mut lines: Vec<Vec<Vec<Case>>> = BUDGETED.iter().map(|_| Vec::new()).collect();
    for photo in photos {
        let class = sitting.worker.prepare(photo, &sitting.input)?;
        let exact = json!({ "method": "score-cam", "preset": OFFICIAL.preset, "set": {} });
        let (explained, exact) = sitting.explain(class, exact)?;
        passes += explained.passes;
        println!("  {:<44}{:>9.2} s {:>5} passes", photo.display(), explained.seconds, explained.passes);
        for (way, line) in BUDGETED.iter().zip(&mut lines) {
            line.push(sitting.cases(way, class, &exact)?);
        }
    }
    Ok(Quality {
        model: model.name.to_owned(),
        photos: photos.len(),
        exact_passes: passes as f64 / photos.len() as f64,
        lines: BUDGETED.iter().zip(lines).map(|(way, photos)| line(way, &photos)).collect(),
    })
}

/// One model, loaded, with one photo after the other.
struct Sitting {
    worker: Worker,
    input: PathBuf,
    map: PathBuf,
}

impl Sitting {
    fn explain(&mut self, class: u64, how: serde_json::Value) -> Outcome<(super::worker::Explained, Map)> {
        let mut request = json!({ "do": "explain", "input": self.input, "class": class, "map": self.map });
        if let (Some(request), serde_json::Value::Object(how)) = (request.as_object_mut(), how) {
            request.extend(how);
        }
        let explained = self.worker.explain(&request)?;
        Ok((explained, Map::read(&self.map)?))
    }

    /// The maps of one method at every budget.
    fn cases(&mut self, way: &Budgeted, class: u64, exact: &Map) -> Outcome<Vec<Case>> {
        let mut cases = Vec::new();
        for budget in BUDGETS {
            let how = json!({ "method": way.method, "preset": OFFICIAL.preset, "set": way.options(budget) });
            let (explained, map) = self.explain(class, how)?;
            let engine = explained.engine_seconds.unwrap_or(f64::NAN);
            cases.push(Case {
                distance: map.distance_from(exact)?,
                estimate: explained.estimated_error,
                outside: 1.0 - engine / explained.seconds,
            });
        }
        Ok(cases)
    }
}

/// One method, from its cases by photo and budget.
fn line(way: &Budgeted, photos: &[Vec<Case>]) -> Line {
    let points = BUDGETS.iter().enumerate().map(|(index, &budget)| {
        let cases: Vec<&Case> = photos.iter().map(|cases| &cases[index]).collect();
        let of = |number: fn(&Case) -> f64| cases.iter().map(|case| number(case)).collect::<Vec<_>>();
        let (errors, correlations) =
            (of(|case| case.distance.relative), of(|case| case.distance.correlation));
        let estimates: Option<Vec<f64>> = cases.iter().map(|case| case.estimate).collect();
        Point {
            budget,
            mean_correlation: mean(&correlations),
            worst_correlation: correlations.iter().copied().fold(f64::INFINITY, f64::min),
            mean_error: mean(&errors),
            worst_error: errors.iter().copied().fold(0.0, f64::max),
            mean_estimate: estimates.map(|estimates| mean(&estimates)),
            mean_outside: mean(&of(|case| case.outside)),
        }
    });
    let estimated: Vec<bool> = photos
        .iter()
        .flatten()
        .filter_map(|case| case.estimate.map(|estimate| case.distance.relative <= estimate))
        .collect();
    let covered = estimated.iter().filter(|covered| **covered).count();
    let coverage = (!estimated.is_empty()).then(|| covered as f64 / estimated.len() as f64);
    Line { method: way.title.to_owned(), points: points.collect(), coverage }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(relative: f64, estimate: Option<f64>) -> Case {
        Case {
            distance: Distance { largest: 0.0, relative, correlation: 1.0 - relative },
            estimate,
            outside: relative / 8.0,
        }
    }

    #[test]
    fn a_line_tells_mean_worst_and_how_often_the_estimate_held() {
        let check = |estimates: [Option<f64>; 2], mean_estimate: Option<f64>, coverage: Option<f64>| {
            let photo = |relative: f64, estimate| BUDGETS.map(|_| case(relative, estimate)).into();
            let found = line(&BUDGETED[0], &[photo(0.25, estimates[0]), photo(0.75, estimates[1])]);
            assert_eq!(found.points.len(), BUDGETS.len());
            assert_eq!((found.points[0].mean_error, found.points[0].worst_error), (0.5, 0.75));
            assert_eq!((found.points[0].mean_correlation, found.points[0].worst_correlation), (0.5, 0.25));
            assert_eq!((found.points[0].mean_estimate, found.coverage), (mean_estimate, coverage));
            assert_eq!(found.points[0].mean_outside, 0.0625);
        };
        check([Some(0.25), Some(0.5)], Some(0.375), Some(0.5));
        check([Some(0.5), Some(1.0)], Some(0.75), Some(1.0));
        check([None, None], None, None);
    }
}
