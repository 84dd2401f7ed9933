//! Measures of all photos together: a value for each map, under the threshold that is best for the set.

use scorecam::Result;
use scorecam::evaluation::{SetAccuracy, SetMeasure, SetValue};
use scorecam_report::{Cell, Column, Note, Section, Table, Values};
use serde_json::{Value, json};

use super::lines::Measured;
use crate::table::lines;

/// What was found of each map over the whole set.
pub(super) struct OverSet {
    maps: Vec<String>,
    /// The measures that have a value.
    measures: Vec<SetMeasure>,
    /// The values of each map, for each measure.
    values: Vec<Vec<Option<SetValue>>>,
}

impl OverSet {
    /// Of all photos that were measured; an error where what is kept of one is of another form.
    pub(super) fn new(maps: &[String], asked: &[SetMeasure], photos: &[&Measured]) -> Result<Self> {
        let mut values = Vec::new();
        for (place, map) in maps.iter().enumerate() {
            let mut accuracy = SetAccuracy::default();
            for found in photos.iter().filter_map(|photo| photo.maps.get(place)?.set.as_ref()) {
                accuracy.add(found).map_err(|e| e.context(format!("what is kept of {map}")))?;
            }
            values.push(asked.iter().map(|&measure| accuracy.value(measure)).collect::<Vec<_>>());
        }
        let has_any =
            |column: usize| values.iter().any(|values: &Vec<Option<SetValue>>| values[column].is_some());
        let kept: Vec<usize> = (0..asked.len()).filter(|&column| has_any(column)).collect();
        for values in &mut values {
            *values = kept.iter().map(|&column| values[column].take()).collect();
        }
        let measures = kept.iter().map(|&column| asked[column]).collect();
        Ok(Self { maps: maps.to_vec(), measures, values })
    }

    /// Whether there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.measures.is_empty()
    }

    /// The table that is printed: each value, and the thresholds that it is reached under.
    pub(super) fn text(&self) -> String {
        if self.is_empty() {
            return String::new();
        }
        let mut rows = vec![vec!["over all photos".to_owned()]];
        rows[0].extend(self.measures.iter().map(|measure| format!("{measure} ↑")));
        for (map, values) in self.maps.iter().zip(&self.values) {
            let cell = |value: &Option<SetValue>| value.as_ref().map_or_else(|| "–".into(), shown);
            rows.push(std::iter::once(map.clone()).chain(values.iter().map(cell)).collect());
        }
        lines(&rows, 0)
    }

    /// The same, whole.
    pub(super) fn json(&self) -> Value {
        let maps = self.maps.iter().zip(&self.values).map(|(map, values)| {
            let values = self.measures.iter().zip(values);
            let values =
                values.filter_map(|(measure, value)| Some((measure.to_string(), json!(value.as_ref()?))));
            json!({ "map": map, "values": values.collect::<serde_json::Map<_, _>>() })
        });
        maps.collect()
    }

    /// The part of the report; none where there is nothing to say.
    pub(super) fn section(&self) -> Option<Section> {
        let column = |&measure: &SetMeasure| {
            let value =
                Column { help: measure.summary().into(), ..Column::new(measure.name(), Values::Greater) };
            let threshold = |iou: &f64| {
                let title = format!("best at IoU {iou}");
                let help = format!("the threshold of {measure}, as a share of a map's maximum");
                Column { help, ..Column::new(title, Values::Number) }
            };
            std::iter::once(value).chain(measure.fits().iter().map(threshold)).collect::<Vec<_>>()
        };
        let row = |(map, values): (&String, &Vec<Option<SetValue>>)| {
            let cells = |(value, measure): (&Option<SetValue>, &SetMeasure)| match value {
                Some(found) => {
                    let thresholds = found.thresholds.iter().map(|&value| Cell::Number { value, digits: 2 });
                    std::iter::once(Cell::number(found.value)).chain(thresholds).collect()
                }
                None => vec![Cell::Missing; 1 + measure.fits().len()],
            };
            let cells = values.iter().zip(&self.measures).flat_map(cells);
            std::iter::once(Cell::text(map)).chain(cells).collect()
        };
        let table = Table {
            title: "Localization".into(),
            columns: std::iter::once(Column::new("map", Values::Text))
                .chain(self.measures.iter().flat_map(column))
                .collect(),
            rows: self.maps.iter().zip(&self.values).map(row).collect(),
        };
        let note = "One threshold, the best, applies to all photos: these measures have no value per photo and no interval.";
        (!self.is_empty()).then(|| Section {
            title: "Over all photos".into(),
            notes: vec![Note::remark(note)],
            tables: vec![table],
            ..Section::default()
        })
    }
}

fn shown(found: &SetValue) -> String {
    let thresholds = found.thresholds.iter().map(|threshold| format!("{threshold:.2}")).collect::<Vec<_>>();
    match thresholds.is_empty() {
        true => format!("{:.3}", found.value),
        false => format!("{:.3} at {}", found.value, thresholds.join(", ")),
    }
}
