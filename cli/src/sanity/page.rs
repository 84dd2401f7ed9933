//! The report of a sanity check: the curve, the verdict, and the maps of each stage.

use std::io;
use std::path::Path;

use scorecam::evaluation::SanityVerdict;
use scorecam::{Error, Result};
use scorecam_report::{
    Axis, Cell, Chart, Column, Fact, Note, Photo, Report, Section, Series, Table, Tone, Values,
};

use super::Subject;
use super::summary::{KINDS, Row, Summary};
use crate::survey::{self, Gallery, Kept};

/// Writes the page.
pub(super) fn write(
    path: &Path,
    (summary, subjects): (&Summary, &[Subject<'_>]),
    (mut facts, mut notes): (Vec<Fact>, Vec<Note>),
    (gallery, kept): &(Gallery, Vec<Option<Kept>>),
) -> Result<()> {
    if let Some(verdict) = summary.verdict() {
        let tone = match verdict {
            SanityVerdict::Passed => Tone::Good,
            SanityVerdict::Failed | SanityVerdict::Undecided => Tone::Warning,
        };
        facts.push(Fact { tone, ..Fact::new("verdict", verdict.name()) });
    }
    notes.extend(summary.sentence().map(Note::remark));
    notes.extend(summary.remark().map(Note::remark));
    let maps = std::iter::once("trained".to_owned()).chain(summary.stages.iter().map(label));
    let report = Report {
        title: "Do maps depend on what the model learned?".into(),
        facts,
        notes,
        command: Some(survey::command()),
        sections: vec![section(summary)],
        photo_columns: vec![Column::new("score", Values::Number)],
        map_columns: KINDS.iter().map(|(name, _)| Column::new(*name, Values::Number)).collect(),
        maps: maps.collect(),
    };
    let cards = subjects
        .iter()
        .zip(kept)
        .filter_map(|(subject, kept)| Some(card((subject, kept.as_ref()?), summary, gallery)));
    report.write_file(path, cards).map_err(|e| Error::io(format!("cannot write {}: {e}", path.display())))
}

fn count(value: usize) -> Cell {
    Cell::Number { value: value as f64, digits: 0 }
}

fn label(row: &Row) -> String {
    format!("{} ({})", row.name, row.count)
}

fn section(summary: &Summary) -> Section {
    let numbers = KINDS.iter().map(|(name, _)| Column::new(*name, Values::Number));
    let head = [Column::new("random layers", Values::Text), Column::new("count", Values::Number)];
    let columns = head.into_iter().chain(numbers).chain([Column::new("flat maps", Values::Number)]).collect();
    let row = |row: &Row| {
        let mean = |found: &Option<scorecam::evaluation::Estimate>| match found {
            None => Cell::Missing,
            Some(found) => {
                let (low, high) = found.interval.unwrap_or((found.mean, found.mean));
                Cell::Interval { mean: found.mean, low, high, digits: 3 }
            }
        };
        let head = [Cell::text(&row.name), count(row.count)];
        let flat = count(row.flat);
        head.into_iter().chain(row.means.iter().map(mean)).chain([flat]).collect()
    };
    let limits = |name: &str, value: &dyn Fn((f64, f64)) -> f64| {
        let cells = summary.null.iter().map(|found| found.map_or(Cell::Missing, |f| Cell::number(value(f))));
        [Cell::text(name), Cell::Missing].into_iter().chain(cells).chain([Cell::Missing]).collect()
    };
    let mut rows: Vec<Vec<Cell>> = summary.stages.iter().map(row).collect();
    rows.push(limits("different photos, mean", &|(mean, _)| mean));
    rows.push(limits("different photos, 95 %", &|(_, limit)| limit));
    Section {
        title: "Similarity to the trained model's maps".into(),
        notes: vec![Note::remark(
            "Means over the photos, with 95 % bootstrap intervals. Even the maps of different photos are similar; a random model's \
             maps should not be more similar than these.",
        )],
        tables: vec![Table { title: "By random layers".into(), columns, rows }],
        charts: vec![chart(summary)],
    }
}

/// The curve of each similarity, with the limit of those that the verdict is made of.
fn chart(summary: &Summary) -> Chart {
    let deepest = summary.stages.iter().map(|row| row.depth).max().unwrap_or(1) as f64;
    let curve = |(i, (name, _)): (usize, &(&'static str, _))| {
        let point = |row: &Row| Some((row.depth as f64, row.means[i].as_ref()?.mean));
        Series {
            name: (*name).into(),
            points: summary.stages.iter().filter_map(point).collect(),
            ..Series::default()
        }
    };
    let limit = |i: usize| {
        let (_, limit) = summary.null[i]?;
        let name = format!("{}, different photos (95 %)", KINDS[i].0);
        Some(Series { name, points: vec![(1.0, limit), (deepest, limit)], ..Series::default() })
    };
    let series = KINDS.iter().enumerate().take(3).map(curve).chain([0, 1].into_iter().filter_map(limit));
    Chart {
        title: "Similarity by random layers".into(),
        x: Axis { title: "random layers, from the last one on".into(), range: Some((0.0, deepest)) },
        y: Axis { title: "similarity".into(), range: None },
        series: series.collect(),
    }
}

fn card((subject, kept): (&Subject<'_>, &Kept), summary: &Summary, gallery: &Gallery) -> io::Result<Photo> {
    let mut card = gallery.card(kept)?;
    let trained = &subject.trained;
    card.name = subject.sample.name.clone();
    card.values = vec![Cell::number(trained.score)];
    card.facts.push(Fact::new("explained", trained.label.as_ref().unwrap_or(&trained.target)));
    let labels = std::iter::once("trained".to_owned()).chain(summary.stages.iter().map(label));
    let found = std::iter::once(None).chain(subject.similarities.iter().map(Some));
    for ((map, label), found) in card.maps.iter_mut().zip(labels).zip(found) {
        map.label = label;
        map.detail = if found == Some(&None) { "flat".into() } else { String::new() };
        let cell = |value: Option<f64>| value.map_or(Cell::Missing, Cell::number);
        let similarity = found.copied().flatten();
        map.values = KINDS.iter().map(|(_, read)| cell(similarity.as_ref().and_then(read))).collect();
    }
    Ok(card)
}
