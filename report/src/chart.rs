//! Where the parts of a chart lie. What they look like is in `templates/section.html` and the style.
//!
//! Lines are drawn in a square of 1000 units that the page stretches to any width; ticks lie at percentages of it, so
//! that texts keep their size.

use std::fmt::Write;

use serde::Serialize;

use crate::data::{Axis, Chart, Series};

/// Colors and dashes in the style: lines differ in both, for those who cannot tell colors apart.
const COLORS: usize = 8;
const DASHES: usize = 4;
/// Lines of at most so many points show them as dots.
const DOTS: usize = 40;

#[derive(Serialize)]
pub(crate) struct Drawing<'a> {
    title: &'a str,
    x: Scale<'a>,
    y: Scale<'a>,
    lines: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    color: usize,
    dash: usize,
    path: String,
    dots: String,
    band: String,
    /// In words, for those who do not see it.
    words: String,
}

#[derive(Serialize)]
struct Scale<'a> {
    title: &'a str,
    #[serde(skip)]
    ends: (f64, f64),
    ticks: Vec<Tick>,
}

#[derive(Serialize)]
struct Tick {
    /// In percent of the axis, from its lower end.
    at: f64,
    text: String,
}

impl<'a> Drawing<'a> {
    pub(crate) fn new(chart: &'a Chart) -> Self {
        let bands = || chart.series.iter().flat_map(|series| &series.band);
        let points = || chart.series.iter().flat_map(|series| &series.points);
        let x = Scale::new(&chart.x, points().map(|p| p.0).chain(bands().map(|b| b.0)));
        let y = Scale::new(&chart.y, points().map(|p| p.1).chain(bands().flat_map(|b| [b.1, b.2])));
        let lines = chart.series.iter().enumerate().map(|(i, series)| Line::new(i, series, &x, &y)).collect();
        Self { title: &chart.title, lines, x, y }
    }
}

impl<'a> Line<'a> {
    fn new(index: usize, series: &'a Series, x: &Scale<'_>, y: &Scale<'_>) -> Self {
        let place = |px: f64, py: f64| format!("{:.1} {:.1}", 1000.0 * x.of(px), 1000.0 * (1.0 - y.of(py)));
        let (mut path, mut dots, mut pen_is_down) = (String::new(), String::new(), false);
        for &(px, py) in &series.points {
            let seen = px.is_finite() && py.is_finite();
            if seen {
                let step = if pen_is_down { 'L' } else { 'M' };
                // A line of no length has round ends alone: a dot that stays round when its square is stretched.
                write!(path, "{step}{}", place(px, py)).expect("a string takes all");
                write!(dots, "M{}h0", place(px, py)).expect("a string takes all");
            }
            pen_is_down = seen;
        }
        let band = series.band.iter().filter(|b| b.0.is_finite() && b.1.is_finite() && b.2.is_finite());
        let edge = band.clone().map(|b| place(b.0, b.2)).chain(band.rev().map(|b| place(b.0, b.1)));
        let band = edge.collect::<Vec<_>>().join("L");
        Self {
            name: &series.name,
            color: index % COLORS,
            dash: (index + index / COLORS) % DASHES,
            path,
            dots: if series.points.len() <= DOTS { dots } else { String::new() },
            band: if band.is_empty() { band } else { format!("M{band}Z") },
            words: words(series),
        }
    }
}

/// The line in a sentence.
fn words(series: &Series) -> String {
    let seen = || series.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
    let (Some(first), Some(last)) = (seen().next(), seen().next_back()) else {
        return format!("{}: no points.", series.name);
    };
    let low = seen().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let high = seen().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let [x0, y0, x1, y1, low, high] = [first.0, first.1, last.0, last.1, low, high].map(short);
    format!("{}: from {y0} at {x0} to {y1} at {x1}, least {low}, greatest {high}.", series.name)
}

/// Three digits behind the point at most.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl<'a> Scale<'a> {
    fn new(axis: &'a Axis, values: impl Iterator<Item = f64>) -> Self {
        let ends = axis.range.filter(|(low, high)| low < high && (high - low).is_finite());
        let (low, high) = ends.unwrap_or_else(|| ends_of(values));
        let step = round_step((high - low) / 5.0);
        let (low, high) = match ends {
            Some(ends) => ends,
            None => ((low / step).floor() * step, (high / step).ceil() * step),
        };
        let digits = (-step.log10()).ceil().clamp(0.0, 12.0) as usize;
        let first = (low / step - 1e-9).ceil();
        let count = (high / step - first + 1e-9).floor() as usize;
        let tick = |i: usize| {
            let value = (first + i as f64) * step;
            // Adding zero makes a zero of -0.
            Tick { at: 100.0 * (value - low) / (high - low), text: format!("{:.digits$}", value + 0.0) }
        };
        Self { title: &axis.title, ends: (low, high), ticks: (0..=count).map(tick).collect() }
    }

    /// 0 at the lower end, 1 at the upper one.
    fn of(&self, value: f64) -> f64 {
        (value - self.ends.0) / (self.ends.1 - self.ends.0)
    }
}

/// The least and the greatest value, which differ.
fn ends_of(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let ends = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    match ends {
        (low, high) if low < high && (high - low).is_finite() => (low, high),
        (low, _) if low.is_finite() && low.abs() < 1e300 => (low, low + low.abs().max(1.0)),
        _ => (0.0, 1.0),
    }
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= least)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_around_the_data() {
        let check = |values: &[f64], range: Option<(f64, f64)>, expected: &[&str]| {
            let axis = Axis { title: String::new(), range };
            let scale = Scale::new(&axis, values.iter().copied());
            let texts: Vec<&str> = scale.ticks.iter().map(|tick| tick.text.as_str()).collect();
            assert_eq!(texts, expected, "{values:?} {range:?}");
        };
        check(&[0.03, 0.91], None, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(&[0.0, 100.0], None, &["0", "20", "40", "60", "80", "100"]);
        check(&[], Some((0.0, 1.0)), &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(&[], None, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(&[7.0, f64::NAN], None, &["6", "8", "10", "12", "14"]);
        check(&[-0.2, 0.2], None, &["-0.2", "-0.1", "0.0", "0.1", "0.2"]);
    }

    #[test]
    fn a_point_that_is_not_finite_is_a_gap() {
        let points = vec![(0.0, 0.0), (1.0, 1.0), (2.0, f64::NAN), (3.0, 0.0), (4.0, 1.0)];
        let series = Series { name: "s".into(), points, band: vec![(0.0, 0.0, 1.0), (4.0, 0.5, 1.0)] };
        let chart = Chart { series: vec![series], ..Chart::default() };
        let drawing = Drawing::new(&chart);
        assert_eq!(drawing.lines[0].path, "M0.0 1000.0L250.0 0.0M750.0 1000.0L1000.0 0.0");
        assert_eq!(drawing.lines[0].band, "M0.0 0.0L1000.0 0.0L1000.0 500.0L0.0 1000.0Z");
        assert_eq!(drawing.lines[0].words, "s: from 0 at 0 to 1 at 4, least 0, greatest 1.");
    }
}
