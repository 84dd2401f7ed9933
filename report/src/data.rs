//! What a report holds: plain data, in the order in which the page shows it.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Serialize, Serializer};

use crate::writer::invalid;

/// A page: all but its photos, which follow one by one.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// The heading and the title of the browser's tab.
    pub title: String,
    /// Short facts below the title, such as model, method and number of photos.
    pub facts: Vec<Fact>,
    /// Warnings and remarks about the whole.
    pub notes: Vec<Note>,
    /// The command that made the report, as one line for a shell.
    pub command: Option<String>,
    /// Tables and charts above the photos. [`Writer::section`](crate::Writer::section) adds further ones.
    pub sections: Vec<Section>,
    /// The values of a photo ([`Photo::values`]), by any of which the reader can sort the photos.
    pub photo_columns: Vec<Column>,
    /// The values of a map ([`Map::values`]); photos are sorted by those of the map that each shows.
    pub map_columns: Vec<Column>,
    /// Labels of maps that most photos have, such as methods: the reader switches all photos to one of them
    /// at once. Empty where each photo has maps of its own.
    pub maps: Vec<String>,
}

/// How a fact or note is to be taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// As it should be: a check that passed, a right prediction.
    Good,
    /// To be looked at: a check that failed, a wrong prediction, a warning.
    Warning,
}

/// A label with its value.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Fact {
    /// What it is, such as "predicted".
    pub label: String,
    /// Its value, such as "282 tiger cat .39".
    pub value: String,
    /// How it is to be taken.
    pub tone: Tone,
}

impl Fact {
    /// A fact in a plain tone.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), tone: Tone::Plain }
    }
}

/// A sentence or two.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Note {
    /// The sentence.
    pub text: String,
    /// How it is to be taken.
    pub tone: Tone,
}

impl Note {
    /// A remark in a plain tone.
    pub fn remark(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }

    /// A warning.
    pub fn warning(text: impl Into<String>) -> Self {
        Self { text: text.into(), tone: Tone::Warning }
    }
}

/// Notes, tables and charts under a heading.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// What the reader has to know of it.
    pub notes: Vec<Note>,
    /// The tables, above the charts.
    pub tables: Vec<Table>,
    /// The charts.
    pub charts: Vec<Chart>,
}

/// A table, which the reader can sort by each column.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Table {
    /// The caption.
    pub title: String,
    /// The columns; the first one names the row.
    pub columns: Vec<Column>,
    /// The rows, each with a cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Values {
    /// Text, on the left, sorted from A to Z.
    #[default]
    Text,
    /// Numbers of which none is better than another.
    Number,
    /// Numbers, of which a greater one is better. The worst photos are those with the least.
    Greater,
    /// Numbers, of which a lesser one is better.
    Lesser,
}

/// A column of a table, or a value of each photo or map.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Column {
    /// The name.
    pub name: String,
    /// The unit, such as "%" or "s"; empty for none.
    pub unit: String,
    /// A sentence that explains the column; empty for none.
    pub help: String,
    /// What it holds.
    pub values: Values,
}

impl Column {
    /// A column without a unit or an explanation.
    pub fn new(name: impl Into<String>, values: Values) -> Self {
        Self { name: name.into(), values, ..Self::default() }
    }
}

/// A cell of a table. A number that is not finite is shown as missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub enum Cell {
    /// No value; sorted behind all others.
    #[default]
    Missing,
    /// A text.
    Text(String),
    /// A number.
    Number {
        /// The number.
        value: f64,
        /// Digits behind the point.
        digits: usize,
    },
    /// A number with its interval, such as a mean with a bootstrap interval of 95 %.
    Interval {
        /// The number, by which rows are sorted.
        mean: f64,
        /// The interval's lower end.
        low: f64,
        /// The interval's upper end.
        high: f64,
        /// Digits behind the point.
        digits: usize,
    },
}

impl Cell {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number with three digits behind the point.
    pub fn number(value: f64) -> Self {
        Self::Number { value, digits: 3 }
    }
}

/// A line chart.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Chart {
    /// The heading.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines; from the ninth on colors repeat, with another dash.
    pub series: Vec<Series>,
}

/// An axis of a chart.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Axis {
    /// The title, with the unit.
    pub title: String,
    /// Its ends; otherwise those of the data, widened to round numbers.
    pub range: Option<(f64, f64)>,
}

/// A line of a chart.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// (x, y) in the order of the line. A point that is not finite is a gap.
    pub points: Vec<(f64, f64)>,
    /// (x, low, high) of a band around the line; empty for none.
    pub band: Vec<(f64, f64, f64)>,
}

/// A photo with its maps: a card of the page.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Photo {
    /// The name, such as that of the file.
    pub name: String,
    /// Width and height of the photo in pixels, the unit of boxes and areas; at least 1.
    pub size: (u32, u32),
    /// What is shown: a thumbnail of the same aspect ratio. 480 pixels on the longer side are sharp in the
    /// usual size of a card, and as JPEG take some 30 kB.
    pub picture: Picture,
    /// Short facts, such as the predicted and the expected class.
    pub facts: Vec<Fact>,
    /// A value for each of [`Report::photo_columns`].
    pub values: Vec<Cell>,
    /// The maps, of which the first is shown first.
    pub maps: Vec<Map>,
    /// The boxes.
    pub boxes: Vec<BoundingBox>,
}

/// A map that is laid over a photo.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Map {
    /// The label, such as the method; the key of [`Report::maps`].
    pub label: String,
    /// What else is to be known, such as the class and its score; empty for nothing.
    pub detail: String,
    /// The map in colors, of any size: it is stretched, smoothly, over its area. The reader sets its opacity.
    /// 64 to 224 pixels are enough.
    pub picture: Picture,
    /// The part of the photo that it covers: x0, y0, x1, y1 in pixels of the photo; otherwise all of it.
    pub area: Option<[f64; 4]>,
    /// A value for each of [`Report::map_columns`].
    pub values: Vec<Cell>,
}

/// The file of a PNG or JPEG.
#[derive(Debug, Clone, Default)]
pub struct Picture(Vec<u8>);

impl Picture {
    /// A picture by its file's bytes, or an error that they are neither PNG nor JPEG.
    pub fn new(bytes: Vec<u8>) -> io::Result<Self> {
        let picture = Self(bytes);
        let known = picture.media().is_some();
        known.then_some(picture).ok_or_else(|| invalid("a picture must be PNG or JPEG".into()))
    }

    fn media(&self) -> Option<&'static str> {
        match self.0.as_slice() {
            [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
            [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
            _ => None,
        }
    }
}

/// As a data URI, the form in which it stands in the page: letters, digits and `:;,/+=` alone.
impl Serialize for Picture {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.media() {
            Some(media) => {
                serializer.collect_str(&format_args!("data:{media};base64,{}", STANDARD.encode(&self.0)))
            }
            None => serializer.serialize_str("data:,"),
        }
    }
}

/// Whose box it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxKind {
    /// An annotation's.
    Truth,
    /// Found in the shown map, or by the model.
    #[default]
    Found,
}

/// A box in a photo.
#[derive(Debug, Clone, Default, Serialize)]
pub struct BoundingBox {
    /// Left, top, right and bottom in pixels of the photo.
    pub corners: [f64; 4],
    /// The label; empty for none.
    pub label: String,
    /// Whose it is.
    pub kind: BoxKind,
    /// The index of the map that it belongs to: it is shown with this one only. Otherwise with all.
    pub map: Option<usize>,
}
