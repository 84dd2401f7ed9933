//! The report of `debug`: wrong predictions first, the most certain of them before all others.

use std::io;
use std::path::Path;

use scorecam::evaluation::Estimate;
use scorecam::{Error, Result};
use scorecam_report::{Cell, Column, Fact, Map, Note, Photo, Report, Section, Table, Tone, Values};

use super::part::Part;
use super::summary::{Quantity, Summary};
use super::work::{Evidence, Found, OnPart};
use crate::survey::{self, Gallery};

/// Confusions that are listed at most.
const CONFUSIONS: usize = 200;

/// What a report says beside the photos.
pub(super) struct Head<'a> {
    pub(super) facts: Vec<Fact>,
    pub(super) notes: Vec<Note>,
    pub(super) summary: &'a Summary,
    pub(super) pictures: usize,
}

/// Writes the page; `found` is sorted.
pub(super) fn write(path: &Path, head: Head<'_>, (found, gallery): (&[Found], &Gallery)) -> Result<()> {
    let parts = &head.summary.parts;
    let energies = parts.iter().map(|&part| column(part.name(), Quantity::Energy));
    let report = Report {
        title: "The evidence behind decisions".into(),
        facts: head.facts,
        notes: head.notes,
        command: Some(survey::command()),
        sections: sections(head.summary),
        photo_columns: std::iter::once(Column::new("expected score", Values::Greater))
            .chain(changes(parts).map(|(part, change)| column(&changed_by(part, change), change)))
            .collect(),
        map_columns: std::iter::once(Column::new("score", Values::Number)).chain(energies).collect(),
        maps: ["predicted", "expected", "difference"].map(str::to_owned).to_vec(),
    };
    let cards = found.iter().take(head.pictures).filter_map(|photo| card(photo, parts, gallery).transpose());
    report.write_file(path, cards).map_err(|e| Error::io(format!("cannot write {}: {e}", path.display())))
}

fn column(name: &str, quantity: Quantity) -> Column {
    Column { help: quantity.summary().into(), ..Column::new(name, Values::Number) }
}

/// What becomes of the predicted class's score. Without the background is with the object alone, and the other way round.
fn changes(parts: &[Part]) -> impl Iterator<Item = (Part, Quantity)> {
    let parts = parts.iter().filter(|part| **part != Part::Background);
    parts.flat_map(|&part| [(part, Quantity::Without), (part, Quantity::Alone)])
}

fn changed_by(part: Part, change: Quantity) -> String {
    match change {
        Quantity::Without => format!("without the {}", part.name()),
        _ => format!("the {} alone", part.name()),
    }
}

fn sections(summary: &Summary) -> Vec<Section> {
    let groups = summary.groups();
    let columns = std::iter::once(Column::new("", Values::Text));
    let columns = columns.chain(groups.iter().map(|group| Column::new(group.title(), Values::Number)));
    let row = |(words, means): (String, &[Option<Estimate>; 3])| {
        let cells = groups.iter().map(|group| interval(means[*group as usize].as_ref()));
        std::iter::once(Cell::text(words)).chain(cells).collect()
    };
    let notes = [
        "Energy is the share of a map on a part of the photo. Lift is the energy divided by the part's share of the image: 1 for \
         an uninformative map.",
        "A map shows where the evidence seems to lie. The scores without a part and with only that part show whether the \
         decision depends on it.",
        "Means over photos, with 95 % bootstrap intervals.",
    ];
    let mut sections = vec![Section {
        title: "Where the evidence lies".into(),
        notes: notes.map(Note::remark).to_vec(),
        tables: vec![Table {
            title: "Right and wrong predictions".into(),
            columns: columns.collect(),
            rows: summary.rows().map(row).collect(),
        }],
        ..Section::default()
    }];
    if !summary.confusions.is_empty() {
        let row = |((expected, predicted), count): &((String, String), usize)| {
            vec![
                Cell::text(expected),
                Cell::text(predicted),
                Cell::Number { value: *count as f64, digits: 0 },
            ]
        };
        let columns = [("expected", Values::Text), ("predicted", Values::Text), ("photos", Values::Number)];
        sections.push(Section {
            title: "Confusions".into(),
            tables: vec![Table {
                title: "Wrong predictions".into(),
                columns: columns.map(|(name, values)| Column::new(name, values)).to_vec(),
                rows: summary.confusions.iter().take(CONFUSIONS).map(row).collect(),
            }],
            ..Section::default()
        });
    }
    sections
}

fn interval(found: Option<&Estimate>) -> Cell {
    match found {
        None => Cell::Missing,
        Some(Estimate { mean, interval: Some((low, high)), .. }) => {
            Cell::Interval { mean: *mean, low: *low, high: *high, digits: 3 }
        }
        Some(found) => Cell::number(found.mean),
    }
}

fn card(photo: &Found, parts: &[Part], gallery: &Gallery) -> io::Result<Option<Photo>> {
    let Some(kept) = &photo.pictures else { return Ok(None) };
    let mut card = gallery.card(kept)?;
    card.name = photo.photo.clone();
    let tone = if photo.right { Tone::Good } else { Tone::Warning };
    card.facts.push(Fact { tone, ..Fact::new("predicted", photo.predicted.words()) });
    card.facts.push(Fact::new("expected", photo.expected.words()));
    let on = |part: Part| photo.parts.get(part.name());
    let cell = |value: Option<f64>| value.map_or(Cell::Missing, Cell::number);
    let changed = |(part, change): (Part, Quantity)| cell(on(part).and_then(|on| change.of(&on.predicted)));
    card.values =
        std::iter::once(Cell::number(photo.expected.score)).chain(changes(parts).map(changed)).collect();
    let values = |score: Option<f64>, of: &dyn Fn(&OnPart) -> Option<Evidence>| {
        let energy = |&part: &Part| cell(on(part).and_then(of).and_then(|evidence| evidence.energy));
        std::iter::once(cell(score)).chain(parts.iter().map(energy)).collect::<Vec<_>>()
    };
    let (predicted, expected) = (&photo.predicted, &photo.expected);
    let greatest = photo.difference.as_ref().map_or(0.0, |difference| difference.greatest);
    let colors =
        format!("red: more of the predicted class, blue: more of the expected one, by up to {greatest:.2}");
    let texts = [
        ("predicted", predicted.name(), values(Some(predicted.score), &|on| Some(on.predicted))),
        ("expected", expected.name(), values(Some(expected.score), &|on| on.expected)),
        ("difference", colors, values(None, &|_| None)),
    ];
    for (map, (label, detail, values)) in card.maps.iter_mut().zip(texts) {
        *map = Map { label: label.into(), detail, values, ..std::mem::take(map) };
    }
    Ok(Some(card))
}
