//! docs/benchmarks.svg: error against passes, one panel per model, one line per method.
//!
//! Both axes are logarithmic. A method's line is the mean over the photos and its band reaches up to the worst of
//! them. Where things lie is reckoned here; what they look like is in `templates/benchmarks.svg.jinja`. The same
//! numbers give the same bytes.

use std::ops::Range;

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;
use xtask::failure::{Outcome, While};

use super::report::{Point, Quality};

/// Of one panel's plot, in pixels.
const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 280.0;
/// Room left of each plot for the numbers, right of it, above and below.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 84.0;
const BOTTOM: f64 = 64.0;
/// Colors that those who see some of them poorly can tell apart (Okabe and Ito), one a method.
const COLOURS: [&str; 4] = ["#d55e00", "#0072b2", "#009e73", "#cc79a7"];

/// The chart as SVG.
pub(crate) fn render(quality: &[Quality]) -> Outcome<String> {
    let (errors, budgets) = (range_of_errors(quality), range_of_budgets(quality));
    let panels: Vec<Panel<'_>> = quality
        .iter()
        .enumerate()
        .map(|(index, model)| {
            let left = LEFT + index as f64 * (LEFT + WIDTH + RIGHT);
            Panel::new(model, &Scale { left, budgets: budgets.clone(), errors: errors.clone() })
        })
        .collect();
    let legend: Vec<Sample<'_>> = quality.first().map_or_else(Vec::new, |model| {
        let methods = model.lines.iter().zip(COLOURS).enumerate();
        let place = |index: usize| LEFT + 150.0 * index as f64;
        methods.map(|(i, (line, colour))| Sample { method: &line.method, colour, x: place(i) }).collect()
    });
    let values = context! {
        panels => Serde(&panels),
        legend => Serde(legend),
        width => quality.len().max(1) as f64 * (LEFT + WIDTH + RIGHT),
        height => TOP + HEIGHT + BOTTOM,
        plot => context! { width => WIDTH, height => HEIGHT, top => TOP, bottom => TOP + HEIGHT },
    };
    let mut templates = Environment::new();
    templates.add_filter("px", |value: f64| format!("{value:.1}"));
    // The name's ending turns escaping on.
    let text = include_str!("../../templates/benchmarks.svg.jinja");
    templates
        .render_named_str("benchmarks.xml", text, values)
        .doing(|| "fill the template of the chart".into())
}

/// Whole powers of ten around every error but those of maps that are exact.
fn range_of_errors(quality: &[Quality]) -> Range<f64> {
    let points = quality.iter().flat_map(|model| &model.lines).flat_map(|line| &line.points);
    let errors = || points.clone().flat_map(|p| [p.mean_error, p.worst_error]).filter(|error| *error > 0.0);
    let lowest = errors().fold(1.0, f64::min).max(1e-6);
    let highest = errors().fold(lowest, f64::max);
    lowest.log10().floor()..highest.log10().ceil().max(lowest.log10().floor() + 1.0)
}

fn range_of_budgets(quality: &[Quality]) -> Range<f64> {
    let points = quality.iter().flat_map(|model| &model.lines).flat_map(|line| &line.points);
    let budgets = || points.clone().map(|point| (point.budget.max(1) as f64).log2());
    let lowest = budgets().fold(f64::MAX, f64::min);
    lowest..budgets().fold(lowest + 1.0, f64::max)
}

/// Where a budget and an error lie in a panel. The ranges are logarithms.
struct Scale {
    left: f64,
    budgets: Range<f64>,
    errors: Range<f64>,
}

impl Scale {
    fn x(&self, budget: u64) -> f64 {
        let along =
            ((budget.max(1) as f64).log2() - self.budgets.start) / (self.budgets.end - self.budgets.start);
        self.left + 16.0 + along * (WIDTH - 32.0)
    }

    /// An error below the lowest, as that of an exact map, lies on the axis.
    fn y(&self, error: f64) -> f64 {
        let exponent = error.log10().max(self.errors.start);
        TOP + HEIGHT * (self.errors.end - exponent) / (self.errors.end - self.errors.start)
    }
}

#[derive(Serialize)]
struct Panel<'a> {
    title: &'a str,
    exact: f64,
    photos: usize,
    left: f64,
    curves: Vec<Curve>,
    /// Place and text.
    x_ticks: Vec<(f64, String)>,
    y_ticks: Vec<(f64, String)>,
    /// Between the powers of ten.
    y_lines: Vec<f64>,
}

impl<'a> Panel<'a> {
    fn new(model: &'a Quality, scale: &Scale) -> Panel<'a> {
        let mut budgets: Vec<u64> =
            model.lines.iter().flat_map(|line| &line.points).map(|point| point.budget).collect();
        budgets.sort_unstable();
        budgets.dedup();
        let decades = scale.errors.start as i32..=scale.errors.end as i32;
        let minor = |decade: i32| (2..10).map(move |digit| f64::from(digit) * 10f64.powi(decade));
        Panel {
            title: &model.model,
            exact: model.exact_passes.round(),
            photos: model.photos,
            left: scale.left,
            curves: model
                .lines
                .iter()
                .zip(COLOURS)
                .map(|(line, c)| Curve::new(&line.points, c, scale))
                .collect(),
            x_ticks: budgets.iter().map(|&budget| (scale.x(budget), budget.to_string())).collect(),
            y_ticks: decades.clone().map(|d| (scale.y(10f64.powi(d)), percent(d))).collect(),
            y_lines: decades
                .take_while(|d| f64::from(*d) < scale.errors.end)
                .flat_map(minor)
                .map(|e| scale.y(e))
                .collect(),
        }
    }
}

/// A power of ten as a share of the exact map.
fn percent(decade: i32) -> String {
    let digits = usize::try_from(-decade - 2).unwrap_or(0);
    format!("{:.digits$} %", 100.0 * 10f64.powi(decade))
}

#[derive(Serialize)]
struct Curve {
    colour: &'static str,
    mean: Vec<(f64, f64)>,
    /// Around the space between mean and worst.
    band: Vec<(f64, f64)>,
}

impl Curve {
    fn new(points: &[Point], colour: &'static str, scale: &Scale) -> Curve {
        let place = |point: &Point, error: f64| (scale.x(point.budget), scale.y(error));
        let mean: Vec<_> = points.iter().map(|point| place(point, point.mean_error)).collect();
        let worst = points.iter().rev().map(|point| place(point, point.worst_error));
        let band = mean.iter().copied().chain(worst).collect();
        Curve { colour, mean, band }
    }
}

/// An entry of the legend.
#[derive(Serialize)]
struct Sample<'a> {
    method: &'a str,
    colour: &'a str,
    x: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::report::Report;

    fn quality() -> Vec<Quality> {
        serde_json::from_str::<Report>(include_str!("sample.json")).unwrap().quality
    }

    #[test]
    fn the_chart_names_models_and_methods_and_is_the_same_each_time() {
        let chart = render(&quality()).unwrap();
        for shown in
            ["efficientnet_lite0", "squeezenet1_1", "adaptive", "top n by std", ">64<", ">10 %<", ">1 %<"]
        {
            assert!(chart.contains(shown), "{shown} is not in the chart");
        }
        assert_eq!(chart.matches("<polyline").count(), 3);
        assert_eq!(chart, render(&quality()).unwrap());
    }

    #[test]
    fn lower_errors_lie_lower_and_exact_maps_on_the_axis() {
        let scale = Scale { left: 0.0, budgets: 5.0..8.0, errors: -3.0..0.0 };
        assert_eq!((scale.y(1.0), scale.y(1e-3), scale.y(0.0)), (TOP, TOP + HEIGHT, TOP + HEIGHT));
        assert!(scale.y(0.1) < scale.y(0.01) && scale.x(32) < scale.x(64));
    }

    #[test]
    fn a_chart_of_nothing_or_of_exact_maps_has_no_broken_numbers() {
        let check = |quality: &[Quality]| {
            let chart = render(quality).unwrap();
            assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
        };
        check(&[]);
        let mut exact = quality();
        for point in exact.iter_mut().flat_map(|model| &mut model.lines).flat_map(|line| &mut line.points) {
            (point.mean_error, point.worst_error) = (0.0, 0.0);
        }
        check(&exact);
    }
}
