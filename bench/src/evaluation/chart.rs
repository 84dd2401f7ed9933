//! docs/quality.svg: a row for each method and baseline, a panel for each of three measures, a dot with its interval for
//! each model.
//!
//! Methods stand in the order of their cost on the first model, baselines below them. Where things lie is reckoned
//! here; what they look like is in `templates/quality.svg.jinja`. The same numbers give the same bytes.

use std::ops::Range;

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;
use xtask::failure::{Outcome, While};

use super::plan::DIFFERENCE;
use super::report::{Judged, Mean, Report, Row, SUM, Table};

/// Room for the names of maps, left of the panels, and for their costs.
const NAMES: f64 = 208.0;
const COSTS: f64 = 78.0;
/// Of one panel, in pixels, and between two.
const WIDTH: f64 = 260.0;
const GAP: f64 = 34.0;
const TOP: f64 = 92.0;
const ROW: f64 = 25.0;
/// Between methods and baselines.
const BREAK: f64 = 14.0;
const BOTTOM: f64 = 44.0;
/// Between the dots of two models in a row.
const APART: f64 = 8.0;
/// A color for each model, which those who see some of them poorly can tell apart (Okabe and Ito).
const COLORS: [&str; 2] = ["#0072b2", "#d55e00"];

/// What a panel shows.
struct Shown {
    title: &'static str,
    measure: &'static str,
    table: fn(&Judged) -> &Table,
}

const PANELS: [Shown; 3] = [
    Shown { title: "insertion − deletion", measure: DIFFERENCE, table: |judged| &judged.composites },
    Shown { title: "lift on the object", measure: "lift", table: |judged| &judged.composites },
    Shown { title: "energy on its own object of two", measure: "energy", table: |judged| &judged.pairs },
];

/// The chart as SVG.
pub(crate) fn render(report: &Report) -> Outcome<String> {
    let names = order(report);
    let panels: Vec<Panel> = PANELS
        .iter()
        .enumerate()
        .map(|(number, shown)| {
            let left = NAMES + COSTS + number as f64 * (WIDTH + GAP);
            Panel::new(shown, left, &names, report)
        })
        .collect();
    let legend: Vec<_> =
        report.models.iter().zip(COLORS).map(|(judged, color)| (&judged.model, color)).collect();
    let last = names.last().map_or(TOP, |name| name.y);
    let values = context! {
        names => Serde(&names),
        panels => Serde(panels),
        legend => Serde(legend),
        width => NAMES + COSTS + PANELS.len() as f64 * (WIDTH + GAP),
        height => last + ROW / 2.0 + BOTTOM,
        plot => context! { width => WIDTH, top => TOP - ROW / 2.0, bottom => last + ROW / 2.0, costs => NAMES + COSTS },
    };
    let mut templates = Environment::new();
    templates.add_filter("px", |value: f64| format!("{value:.1}"));
    // The name's ending turns escaping on.
    let text = include_str!("../../templates/quality.svg.jinja");
    templates.render_named_str("quality.xml", text, values).doing(|| "fill the template of the chart".into())
}

/// A row of the chart.
#[derive(Serialize)]
struct Name {
    map: String,
    is_baseline: bool,
    /// Of the first model, in passes.
    cost: Option<String>,
    y: f64,
}

/// All maps of any model, each once: methods by their cost, then baselines.
fn order(report: &Report) -> Vec<Name> {
    let mut maps: Vec<(&Row, f64)> = Vec::new();
    for judged in &report.models {
        for row in &judged.composites.rows {
            if !maps.iter().any(|(known, _)| known.map == row.map) {
                let cost = judged.costs.get(&row.map).map_or(f64::MAX, |cost| cost.times_a_pass);
                maps.push((row, cost));
            }
        }
    }
    maps.sort_by(|(a, cost), (b, other)| {
        let both = !a.is_baseline && !b.is_baseline;
        let by_cost = if both { cost.total_cmp(other) } else { std::cmp::Ordering::Equal };
        a.is_baseline.cmp(&b.is_baseline).then(by_cost)
    });
    let first_costs = report.models.first().map(|judged| &judged.costs);
    maps.iter()
        .enumerate()
        .map(|(number, (row, _))| Name {
            map: row.map.clone(),
            is_baseline: row.is_baseline,
            cost: first_costs.and_then(|costs| costs.get(&row.map)).map(|cost| passes(cost.times_a_pass)),
            y: TOP + ROW * number as f64 + if row.is_baseline { BREAK } else { 0.0 },
        })
        .collect()
}

/// Passes that take as long.
pub(super) fn passes(times: f64) -> String {
    if times < 10.0 { format!("{times:.1}") } else { format!("{times:.0}") }
}

#[derive(Serialize)]
struct Panel {
    title: &'static str,
    left: f64,
    /// Place and text.
    ticks: Vec<(f64, String)>,
    /// The mean of the sum of activation maps, and the color of its model.
    sums: Vec<(f64, &'static str)>,
    dots: Vec<Dot>,
}

#[derive(Serialize)]
struct Dot {
    x: f64,
    y: f64,
    /// The ends of the interval.
    ends: Option<(f64, f64)>,
    color: &'static str,
}

impl Panel {
    fn new(shown: &Shown, left: f64, names: &[Name], report: &Report) -> Panel {
        let tables: Vec<&Table> = report.models.iter().map(shown.table).collect();
        let found = |table: &Table, map: &str| -> Option<Mean> {
            table.rows.iter().find(|row| row.map == map)?.means[table.column(shown.measure)?]
        };
        let means = tables.iter().flat_map(|table| names.iter().filter_map(|name| found(table, &name.map)));
        let scale = Scale::new(left, means);
        let (mut dots, mut sums) = (Vec::new(), Vec::new());
        for (number, (table, color)) in tables.iter().zip(COLORS).enumerate() {
            sums.extend(found(table, SUM).map(|mean| (scale.x(mean.mean), color)));
            let aside = (number as f64 - (tables.len() as f64 - 1.0) / 2.0) * APART;
            dots.extend(names.iter().filter_map(|name| {
                let mean = found(table, &name.map)?;
                let ends = mean.interval.map(|(low, high)| (scale.x(low), scale.x(high)));
                Some(Dot { x: scale.x(mean.mean), y: name.y + aside, ends, color })
            }));
        }
        Panel { title: shown.title, left, ticks: scale.ticks(), sums, dots }
    }
}

/// Where a number lies in a panel.
struct Scale {
    left: f64,
    shown: Range<f64>,
    step: f64,
}

impl Scale {
    /// Whole steps around all intervals.
    fn new(left: f64, means: impl Iterator<Item = Mean>) -> Scale {
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for mean in means {
            let (from, to) = mean.interval.unwrap_or((mean.mean, mean.mean));
            (low, high) = (low.min(from), high.max(to));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let span = (high - low).max(1e-6);
        let power = 10f64.powf((span / 4.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| span / step <= 5.0);
        let step = step.unwrap_or(10.0 * power);
        Scale { left, shown: (low / step).floor() * step..(high / step).ceil() * step, step }
    }

    fn x(&self, value: f64) -> f64 {
        self.left + WIDTH * (value - self.shown.start) / (self.shown.end - self.shown.start)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        let digits = usize::try_from(-self.step.log10().floor() as i64).unwrap_or(0);
        let count = ((self.shown.end - self.shown.start) / self.step).round() as usize;
        let values = (0..=count).map(|n| self.shown.start + n as f64 * self.step);
        // Adding 0 makes the zero of a rounded negative number a plain one.
        values
            .map(|value| {
                let shown = if value.abs() < self.step / 2.0 { 0.0 } else { value };
                (self.x(value), format!("{shown:.digits$}"))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        serde_json::from_str(include_str!("sample.json")).unwrap()
    }

    #[test]
    fn the_chart_has_a_dot_for_each_map_of_each_model_and_is_the_same_each_time() {
        let chart = render(&report()).unwrap();
        for shown in
            ["score-cam", "recipro-cam", "sum", "insertion − deletion", "efficientnet_lite0", ">1.3<"]
        {
            assert!(chart.contains(shown), "{shown} is not in the chart");
        }
        // Three panels, three maps, one of two models without pairs of one of them.
        assert_eq!(chart.matches("<circle").count(), 2 + 3 * 2 * 3 - 1);
        assert_eq!(chart, render(&report()).unwrap());
        assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
    }

    #[test]
    fn methods_come_by_their_cost_and_baselines_last() {
        let names: Vec<String> = order(&report()).into_iter().map(|name| name.map).collect();
        assert_eq!(names, ["recipro-cam", "score-cam", "sum"]);
    }

    #[test]
    fn ticks_are_round_and_hold_all_intervals() {
        let check = |intervals: &[(f64, f64)], expected: &[&str]| {
            let means = intervals.iter().map(|&(low, high)| Mean { mean: low, interval: Some((low, high)) });
            let scale = Scale::new(0.0, means);
            let ticks = scale.ticks();
            assert_eq!(ticks.iter().map(|tick| tick.1.as_str()).collect::<Vec<_>>(), expected);
            for (low, high) in intervals {
                assert!(scale.x(*low) >= -1e-9 && scale.x(*high) <= WIDTH + 1e-9);
            }
        };
        check(&[(-0.12, 0.31)], &["-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3", "0.4"]);
        check(&[(0.5, 6.2)], &["0", "2", "4", "6", "8"]);
        check(&[], &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    }
}
