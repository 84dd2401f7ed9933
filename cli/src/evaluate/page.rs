//! `report.html`: the tables, curves and photos of an evaluation on one page.

use std::io;
use std::path::Path;

use scorecam::evaluation::{Curve, Estimate, Measure};
use scorecam::{Error, Result};
use scorecam_report::{
    Axis, BoxKind, Cell, Chart, Column, Fact, Note, Photo, Report, Section, Series, Table, Values,
};

use super::lines::Measured;
use super::over_set::OverSet;
use super::pictures::{Pictures, drawn, layer};
use super::summary::Summary;

/// A photo of the data that was measured: its number, its name, and what was found.
pub(super) type Known<'a> = (usize, &'a str, &'a Measured);

/// Writes the page.
pub(super) fn write(
    folder: &Path,
    (summary, sets, photos): (&Summary, &OverSet, &[Known<'_>]),
    (facts, notes): (Vec<Fact>, Vec<Note>),
    (counts, pictures): (&[usize], usize),
) -> Result<()> {
    let report = Report {
        title: "Evaluation of saliency maps".into(),
        facts,
        notes,
        sections: sections((summary, sets), photos, counts),
        photo_columns: vec![Column::new("score", Values::Number)],
        map_columns: summary.measures.iter().map(|&measure| column(measure)).collect(),
        maps: summary.maps.clone(),
        ..Report::default()
    };
    let path = folder.join("report.html");
    let shown = photos.iter().filter(|(number, ..)| *number < pictures);
    let cards = shown.filter_map(|known| card(folder, summary, known).transpose());
    report.write_file(&path, cards).map_err(|e| Error::io(format!("{}: {e}", path.display())))
}

/// The number of photos below which intervals of their means say little.
const FEW: usize = 10;

fn column(measure: Measure) -> Column {
    let info = measure.info();
    let values = match info.higher_is_better {
        Some(true) => Values::Greater,
        Some(false) => Values::Lesser,
        None => Values::Number,
    };
    Column { help: info.summary.into(), ..Column::new(info.name, values) }
}

fn sections((summary, sets): (&Summary, &OverSet), photos: &[Known<'_>], counts: &[usize]) -> Vec<Section> {
    let columns = || {
        std::iter::once(Column::new("map", Values::Text)).chain(summary.measures.iter().map(|&m| column(m)))
    };
    let rows = |cell: &dyn Fn(usize, Measure) -> Cell, first: usize| {
        let row = |map: usize| {
            let cells = summary.measures.iter().map(|&measure| cell(map, measure));
            std::iter::once(Cell::text(&summary.maps[map])).chain(cells).collect()
        };
        (first..summary.maps.len()).map(row).collect::<Vec<_>>()
    };
    let means = rows(&|map, measure| cell(summary.mean(map, measure)), 0);
    let less = rows(&|map, measure| cell(summary.difference(map, measure)), 1);
    let interval = "Means over the photos, with 95 % bootstrap intervals.";
    let mut sections = vec![Section {
        title: "Measures".into(),
        notes: vec![Note::remark(interval)],
        tables: vec![Table { title: "Means".into(), columns: columns().collect(), rows: means }],
        ..Section::default()
    }];
    sections.extend(sets.section());
    if summary.maps.len() > 1 {
        let title = format!("Difference from {}, per photo", summary.maps[0]);
        let note = match photos.len() {
            ..FEW => {
                "These are few photos: an interval that excludes 0 may do so by chance. Measure more of them."
            }
            _ => "If an interval excludes 0, the two maps differ on photos like these.",
        };
        sections.push(Section {
            title: "Differences".into(),
            notes: vec![Note::remark(note)],
            tables: vec![Table { title, columns: columns().collect(), rows: less }],
            ..Section::default()
        });
    }
    let curves: Vec<Chart> = [Measure::Deletion, Measure::Insertion]
        .into_iter()
        .filter_map(|measure| chart(measure, summary, photos, counts))
        .collect();
    if !curves.is_empty() {
        sections.push(Section { title: "Curves".into(), charts: curves, ..Section::default() });
    }
    sections
}

fn cell(found: Option<&Estimate>) -> Cell {
    match found {
        None => Cell::Missing,
        Some(Estimate { mean, interval: Some((low, high)), .. }) => {
            Cell::Interval { mean: *mean, low: *low, high: *high, digits: 3 }
        }
        Some(found) => Cell::number(found.mean),
    }
}

/// The mean curve of each map.
fn chart(measure: Measure, summary: &Summary, photos: &[Known<'_>], counts: &[usize]) -> Option<Chart> {
    let all = *counts.last()? as f64;
    let series = summary.maps.iter().enumerate().filter_map(|(map, name)| {
        let curves = photos.iter().filter_map(|(.., photo)| {
            let line = photo.maps.get(map)?;
            let scores = if measure == Measure::Deletion { &line.deletion } else { &line.insertion };
            Curve::new(counts.to_vec(), scores.clone()?).ok()
        });
        let curves: Vec<Curve> = curves.collect();
        let mean = |i: usize| curves.iter().map(|curve| curve.scores()[i]).sum::<f64>() / curves.len() as f64;
        let points = counts.iter().enumerate().map(|(i, &count)| (count as f64 / all, mean(i))).collect();
        (!curves.is_empty()).then(|| Series { name: name.clone(), points, ..Series::default() })
    });
    let series: Vec<Series> = series.collect();
    let title = if measure == Measure::Deletion { "Deletion" } else { "Insertion" };
    let x = Axis { title: "share of pixels changed".into(), range: Some((0.0, 1.0)) };
    let y = Axis { title: "mean score".into(), range: None };
    (!series.is_empty()).then(|| Chart { title: title.into(), x, y, series })
}

fn card(folder: &Path, summary: &Summary, (_, name, photo): &Known<'_>) -> io::Result<Option<Photo>> {
    let Some(id) = photo.pictures else { return Ok(None) };
    let pictures = Pictures::of(folder, id);
    let about = pictures.about()?;
    let mut maps = Vec::new();
    let mut boxes: Vec<_> = about.boxes.iter().map(|&corners| drawn(corners, BoxKind::Truth, None)).collect();
    for (i, line) in photo.maps.iter().enumerate() {
        let value =
            |measure: &Measure| line.values.get(measure).map_or(Cell::Missing, |&value| Cell::number(value));
        let values = summary.measures.iter().map(value).collect();
        maps.push(scorecam_report::Map { values, ..layer(&line.map, pictures.map(i)?, about.area) });
        boxes.extend(line.found.map(|corners| drawn(corners, BoxKind::Found, Some(i))));
    }
    let explained = photo.label.clone().unwrap_or_else(|| photo.target.clone());
    let expected = photo.expected.iter().map(|expected| Fact::new("annotated", expected));
    Ok(Some(Photo {
        name: (*name).to_owned(),
        size: about.size,
        picture: pictures.photo()?,
        facts: std::iter::once(Fact::new("explained", explained)).chain(expected).collect(),
        values: vec![Cell::number(photo.score)],
        maps,
        boxes,
    }))
}
