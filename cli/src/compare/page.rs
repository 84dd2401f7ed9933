//! The report of a comparison: the photos whose maps differ most come first.

use std::io;
use std::path::Path;

use scorecam::{Error, Result};
use scorecam_report::{
    Axis, Cell, Chart, Column, Fact, Note, Photo, Report, Section, Series, Table, Tone, Values,
};

use super::args::Likeness;
use super::summary::{Row, Summary};
use super::work::Compared;
use crate::survey::{self, Gallery};

/// The most points of a line.
const POINTS: usize = 200;

/// What a report says beside the photos.
pub(super) struct Head<'a> {
    pub(super) names: [&'a str; 2],
    pub(super) facts: Vec<Fact>,
    pub(super) notes: Vec<Note>,
    pub(super) summary: &'a Summary,
    pub(super) pictures: usize,
}

/// Writes the page; `found` is sorted.
pub(super) fn write(path: &Path, head: Head<'_>, (found, gallery): (&[Compared], &Gallery)) -> Result<()> {
    let [first, second] = head.names;
    let report = Report {
        title: format!("{first} and {second}: is the evidence the same?"),
        facts: head.facts,
        notes: head.notes,
        command: Some(survey::command()),
        sections: vec![section(head.summary)],
        photo_columns: head.summary.rows.iter().map(|row| column(row.kind)).collect(),
        map_columns: vec![Column::new("score", Values::Number)],
        maps: vec![first.into(), second.into(), DIFFERENCE.into()],
    };
    let kinds: Vec<Likeness> = head.summary.rows.iter().map(|row| row.kind).collect();
    let cards =
        found.iter().take(head.pictures).filter_map(|photo| card(photo, (&kinds, head.names), gallery));
    report.write_file(path, cards).map_err(|e| Error::io(format!("cannot write {}: {e}", path.display())))
}

const DIFFERENCE: &str = "difference";

fn column(kind: Likeness) -> Column {
    Column { help: kind.summary().into(), ..Column::new(kind.name(), Values::Greater) }
}

fn section(summary: &Summary) -> Section {
    let texts = ["similarity", "mean", "least", "5 %", "25 %", "median"];
    let columns = texts.iter().enumerate().map(|(i, name)| match i {
        0 => Column::new(*name, Values::Text),
        _ => Column::new(*name, Values::Greater),
    });
    let row = |row: &Row| {
        let (low, high) = row.mean.interval.unwrap_or((row.mean.mean, row.mean.mean));
        let mean = Cell::Interval { mean: row.mean.mean, low, high, digits: 3 };
        let cells = [Cell::text(row.kind.name()), mean];
        cells.into_iter().chain(row.quantiles.iter().map(|&value| Cell::number(value))).collect()
    };
    let series = |row: &Row| {
        let last = row.sorted.len().saturating_sub(1).max(1);
        let step = row.sorted.len().div_ceil(POINTS).max(1);
        let mut points: Vec<(f64, f64)> = row
            .sorted
            .iter()
            .enumerate()
            .step_by(step)
            .map(|(i, &value)| (i as f64 / last as f64, value))
            .collect();
        points.extend(row.sorted.last().map(|&value| (1.0, value)));
        Series { name: row.kind.name().into(), points, ..Series::default() }
    };
    let chart = Chart {
        title: "Similarity of the photos".into(),
        x: Axis { title: "share of photos below".into(), range: Some((0.0, 1.0)) },
        y: Axis { title: "similarity".into(), range: None },
        series: summary.rows.iter().map(series).collect(),
    };
    let note = "1 for equal maps, 0 for unrelated ones. Means have 95 % bootstrap intervals.";
    let charts = if summary.photos > 1 { vec![chart] } else { Vec::new() };
    let rows = summary.rows.iter().map(row).collect();
    Section {
        title: "Similarity of the maps".into(),
        notes: vec![Note::remark(note)],
        tables: vec![Table { title: "Over all photos".into(), columns: columns.collect(), rows }],
        charts,
    }
}

fn card(
    photo: &Compared,
    (kinds, [first, second]): (&[Likeness], [&str; 2]),
    gallery: &Gallery,
) -> Option<io::Result<Photo>> {
    let mut card = match gallery.card(photo.pictures.as_ref()?) {
        Ok(card) => card,
        Err(e) => return Some(Err(e)),
    };
    card.name = photo.photo.clone();
    card.values = kinds.iter().map(|&kind| photo.value(kind).map_or(Cell::Missing, Cell::number)).collect();
    card.facts.push(Fact::new("explained", photo.explained()));
    if let Some([one, other]) = &photo.predicted {
        let tone = if one.class == other.class { Tone::Good } else { Tone::Warning };
        let facts = [(first, one), (second, other)];
        card.facts.extend(facts.map(|(name, found)| Fact { tone, ..Fact::new(name, found.words()) }));
    }
    if photo.enough == Some(false) {
        card.facts.push(Fact { tone: Tone::Warning, ..Fact::new("similarity", "below the limit") });
    }
    for (i, name) in [first, second].into_iter().enumerate() {
        card.maps[i].label = name.into();
        card.maps[i].detail = if photo.flat[i] { "flat".into() } else { String::new() };
        card.maps[i].values = vec![Cell::number(photo.scores[i])];
    }
    card.maps[2].label = DIFFERENCE.into();
    card.maps[2].detail =
        format!("red: more of {first}, blue: more of {second}, by up to {:.2}", photo.difference);
    card.maps[2].values = vec![Cell::Missing];
    Some(Ok(card))
}
