//! CSV files with a header: `file`, and optionally `class`, `x0`, `y0`, `x1`, `y1` or `box`, and `mask`.

use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};
use scorecam_core::{Error, Result, ensure};

use super::gathered::{Annotation, Gathered, file_in, folder_of};
use super::{ClassName, Form, checked_box};
use crate::text_file::read_bytes;

/// The maximum size of a file in bytes: room for a million lines.
const MOST_BYTES: u64 = 64 << 20;

const CORNERS: [&str; 4] = ["x0", "y0", "x1", "y1"];

pub(super) fn read(path: &Path, gathered: &mut Gathered) -> Result<Form> {
    let bytes = read_bytes(path, MOST_BYTES)?;
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(bytes.as_slice());
    let header =
        reader.headers().map_err(|e| Error::invalid(format!("its header cannot be read: {e}")))?.clone();
    let columns = Columns::of(&header, path, gathered)?;
    let table = Table { columns, count: header.len(), folder: folder_of(path) };
    let mut lines = Lines { bytes: &bytes, at: 0, line: 1 };
    let mut record = StringRecord::new();
    loop {
        let start = reader.position().byte();
        let line = lines.of(start);
        let added = match reader.read_record(&mut record) {
            Ok(false) => return Ok(Form::Csv),
            Ok(true) => table.add(&record, gathered),
            Err(e) => Err(Error::invalid(e.to_string())),
        };
        if let Err(e) = added {
            gathered.problem(path, Some(line), e);
        }
        // A reader that fails without going on would fail for ever.
        ensure!(reader.position().byte() > start, io, "line {line} cannot be read");
    }
}

/// The indices of the columns.
struct Columns {
    file: usize,
    class: Option<usize>,
    corners: Option<[usize; 4]>,
    bounds: Option<usize>,
    mask: Option<usize>,
}

impl Columns {
    fn of(header: &StringRecord, path: &Path, gathered: &mut Gathered) -> Result<Self> {
        let place = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let file = place("file").ok_or_else(|| {
            let columns: Vec<_> = header.iter().collect();
            Error::invalid(format!(
                "line 1: column \"file\" is missing, there are {columns:?}; the first line names the columns, separated by \
                 commas: file, class, x0, y0, x1, y1, box, mask"
            ))
        })?;
        let corners = CORNERS.map(place);
        let missing: Vec<_> = CORNERS.iter().zip(corners).filter(|(_, place)| place.is_none()).collect();
        if !(missing.is_empty() || missing.len() == CORNERS.len()) {
            let missing: Vec<_> = missing.iter().map(|(name, _)| **name).collect();
            gathered.problem(
                path,
                Some(1),
                format!("column {} is missing; no boxes are read", missing.join(", ")),
            );
        }
        let known = |column: &str| {
            let others = ["file", "class", "box", "mask"];
            CORNERS.iter().chain(&others).any(|name| column.eq_ignore_ascii_case(name))
        };
        let unknown: Vec<_> = header.iter().filter(|column| !known(column)).collect();
        if !unknown.is_empty() {
            gathered.remark(format!("ignored columns: {}", unknown.join(", ")));
        }
        let corners = match corners {
            [Some(x0), Some(y0), Some(x1), Some(y1)] => Some([x0, y0, x1, y1]),
            _ => None,
        };
        Ok(Self { file, class: place("class"), corners, bounds: place("box"), mask: place("mask") })
    }
}

/// A file's columns, and the base folder of its relative paths.
struct Table {
    columns: Columns,
    count: usize,
    folder: PathBuf,
}

impl Table {
    fn add(&self, record: &StringRecord, gathered: &mut Gathered) -> Result<()> {
        let (fields, columns) = (record.len(), self.count);
        ensure!(fields == columns, invalid, "it has {fields} fields, the header has {columns}");
        let photo = &record[self.columns.file];
        let folder = std::slice::from_ref(&self.folder);
        let file = file_in(folder, photo)?;
        let mask = self.columns.mask.map(|place| &record[place]).filter(|mask| !mask.is_empty());
        let mask = mask.map(|mask| file_in(folder, mask)).transpose().map_err(|e| e.context("mask"))?;
        let bounds = self.bounds(record)?.map(|bounds| checked_box(bounds, None)).transpose()?;
        let class = self.columns.class.and_then(|place| ClassName::parse(&record[place]));
        gathered.add(Annotation { file: &file, photo, class, bounds, mask, size: None })
    }

    /// The box of a line; `None` if its fields are empty.
    fn bounds(&self, record: &StringRecord) -> Result<Option<[f64; 4]>> {
        let corners = self.columns.corners.map(|places| places.map(|place| &record[place]));
        let corners = corners.filter(|corners| corners.iter().any(|text| !text.is_empty()));
        let text = self.columns.bounds.map(|place| &record[place]).filter(|text| !text.is_empty());
        let parts: Vec<&str> = match (corners, text) {
            (None, None) => return Ok(None),
            (Some(corners), None) => corners.to_vec(),
            (None, Some(text)) => text.split_whitespace().collect(),
            (Some(_), Some(_)) => {
                return Err(Error::invalid("it has two boxes; give either box, or x0, y0, x1 and y1"));
            }
        };
        let [x0, y0, x1, y1] = parts[..] else {
            return Err(Error::invalid(format!(
                "box {:?} has {} numbers; give x0 y0 x1 y1",
                parts.join(" "),
                parts.len()
            )));
        };
        let number = |text: &str, name| {
            text.parse::<f64>().map_err(|_| Error::invalid(format!("{name} {text:?} is not a number")))
        };
        Ok(Some([number(x0, "x0")?, number(y0, "y0")?, number(x1, "x1")?, number(y1, "y1")?]))
    }
}

/// Line numbers from byte positions. The reader's own count does not include the blank lines that it skips.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of the first byte from `byte` on that ends no line.
    fn of(&mut self, byte: u64) -> usize {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX).min(self.bytes.len());
        while let Some(&next) = self.bytes.get(self.at)
            && (self.at < byte || matches!(next, b'\n' | b'\r'))
        {
            self.line += usize::from(next == b'\n');
            self.at += 1;
        }
        self.line
    }
}
