//! From data to HTML, part by part. The templates escape every text; what they must not escape, because it is the
//! page's own, they name `| safe`.

use std::io::{self, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::chart::Drawing;
use crate::data::{Cell, Column, Photo, Report, Section, Table};
use crate::file::{Existing, WholeFile};

const STYLE: &str = include_str!("../assets/report.css");
const SCRIPT: &str = include_str!("../assets/report.js");
/// The ending turns escaping on.
const TEMPLATES: [(&str, &str); 6] = [
    ("cells.html", include_str!("../templates/cells.html")),
    ("head.html", include_str!("../templates/head.html")),
    ("section.html", include_str!("../templates/section.html")),
    ("photos.html", include_str!("../templates/photos.html")),
    ("photo.html", include_str!("../templates/photo.html")),
    ("foot.html", include_str!("../templates/foot.html")),
];

impl Report {
    /// Begins the page, up to where photos stand. To end it, call [`Writer::finish`].
    ///
    /// # Errors
    ///
    /// Those of `out`; and, as for all that is written, data that contradict each other, such as a row with fewer
    /// cells than columns.
    pub fn begin<W: Write>(&self, out: W) -> io::Result<Writer<'_, W>> {
        let mut writer =
            Writer { report: self, out, templates: templates()?, photos: Photos::Before, ids: 0 };
        let values = context! {
            report => Serde(self), style => STYLE, style_hash => hash(STYLE), script_hash => hash(SCRIPT)
        };
        writer.fill("head.html", values)?;
        for section in &self.sections {
            writer.section(section)?;
        }
        Ok(writer)
    }

    /// Writes the whole page; each photo is dropped before the next one is asked for.
    pub fn write<W: Write>(
        &self,
        out: W,
        photos: impl IntoIterator<Item = io::Result<Photo>>,
    ) -> io::Result<W> {
        let mut writer = self.begin(out)?;
        for photo in photos {
            writer.photo(&photo?)?;
        }
        writer.finish()
    }

    /// Writes the whole page to a file, in the place of one that is there; nothing where that fails.
    /// Errors do not name the path, which the caller knows.
    pub fn write_file(
        &self,
        path: &Path,
        photos: impl IntoIterator<Item = io::Result<Photo>>,
    ) -> io::Result<()> {
        self.write(WholeFile::create(path, Existing::Replaced)?, photos)?.commit()
    }
}

/// Writes a page part by part: sections, photos, and further sections.
pub struct Writer<'a, W> {
    report: &'a Report,
    out: W,
    templates: Environment<'static>,
    photos: Photos,
    /// How many parts have an id.
    ids: usize,
}

/// Where the writer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Photos {
    Before,
    Among,
    After,
}

impl<W: Write> Writer<'_, W> {
    /// Writes a section. After photos it ends their part of the page.
    pub fn section(&mut self, section: &Section) -> io::Result<()> {
        for table in &section.tables {
            for (i, row) in table.rows.iter().enumerate() {
                let place = || format!("table \"{}\": row {}", table.title, i + 1);
                check_count(place, row.len(), table.columns.len())?;
            }
        }
        self.end_photos()?;
        let tables: Vec<_> = section.tables.iter().map(ShownTable::new).collect();
        let charts: Vec<_> = section.charts.iter().map(Drawing::new).collect();
        let id = self.next_id();
        let values =
            context! { id, section => Serde(section), tables => Serde(&tables), charts => Serde(&charts) };
        self.fill("section.html", values)
    }

    /// Writes a photo.
    ///
    /// # Errors
    ///
    /// As for [`Report::begin`]; a photo behind a section that follows photos; a photo without pixels.
    pub fn photo(&mut self, photo: &Photo) -> io::Result<()> {
        let report = self.report;
        check_photo(photo, report)?;
        if self.photos == Photos::Before {
            self.fill("photos.html", context! { report => Serde(report) })?;
        }
        if self.photos == Photos::After {
            return Err(invalid(format!("photo \"{}\" must come before the last sections", photo.name)));
        }
        self.photos = Photos::Among;
        let maps: Vec<_> = photo.maps.iter().map(|map| shown_cells(&map.values)).collect();
        let id = self.next_id();
        let values = context! {
            id,
            photo => Serde(photo),
            values => Serde(shown_cells(&photo.values)),
            map_values => Serde(&maps),
            photo_columns => Serde(&report.photo_columns),
            map_columns => Serde(&report.map_columns),
            // That of a card of 4:3, in which the photo is as large as it fits.
            text_size => f64::max(photo.size.0.into(), f64::from(photo.size.1) * 4.0 / 3.0) / 24.0,
        };
        self.fill("photo.html", values)
    }

    /// Ends the page and flushes it.
    pub fn finish(mut self) -> io::Result<W> {
        self.end_photos()?;
        self.fill("foot.html", context! { script => SCRIPT, version => env!("CARGO_PKG_VERSION") })?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn end_photos(&mut self) -> io::Result<()> {
        if self.photos == Photos::Among {
            self.photos = Photos::After;
            self.out.write_all(b"</div></section>")?;
        }
        Ok(())
    }

    fn next_id(&mut self) -> usize {
        self.ids += 1;
        self.ids
    }

    fn fill(&mut self, template: &str, values: Value) -> io::Result<()> {
        let text =
            self.templates.get_template(template).and_then(|t| t.render(values)).map_err(io::Error::other)?;
        self.out.write_all(text.as_bytes())
    }
}

fn templates() -> io::Result<Environment<'static>> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    templates.set_syntax(syntax.map_err(io::Error::other)?);
    for (name, text) in TEMPLATES {
        templates.add_template(name, text).map_err(io::Error::other)?;
    }
    Ok(templates)
}

/// As a content security policy names an inline style or script.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

pub(crate) fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn check_count(place: impl Fn() -> String, cells: usize, columns: usize) -> io::Result<()> {
    if cells == columns {
        return Ok(());
    }
    Err(invalid(format!("{} has {cells} values, and there are {columns} columns", place())))
}

fn check_photo(photo: &Photo, report: &Report) -> io::Result<()> {
    let name = || format!("photo \"{}\"", photo.name);
    check_count(name, photo.values.len(), report.photo_columns.len())?;
    for map in &photo.maps {
        let place = || format!("{}: map \"{}\"", name(), map.label);
        check_count(place, map.values.len(), report.map_columns.len())?;
    }
    if photo.size.0 == 0 || photo.size.1 == 0 {
        let (width, height) = photo.size;
        return Err(invalid(format!("{} must have pixels, got {width} x {height}", name())));
    }
    let areas = photo.maps.iter().filter_map(|map| map.area.as_ref());
    let corners = photo.boxes.iter().map(|found| &found.corners).chain(areas);
    for [x0, y0, x1, y1] in corners {
        if ![x0, y0, x1, y1].iter().all(|value| value.is_finite()) || x0 > x1 || y0 > y1 {
            let problem = "a box or area must be finite and go from left to right and from top to bottom";
            return Err(invalid(format!("{}: {problem}, got {x0}, {y0}, {x1}, {y1}", name())));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct ShownTable<'a> {
    title: &'a str,
    columns: &'a [Column],
    rows: Vec<Vec<ShownCell<'a>>>,
}

impl<'a> ShownTable<'a> {
    fn new(table: &'a Table) -> Self {
        let extents: Vec<_> =
            (0..table.columns.len()).map(|i| extent(table.rows.iter().map(|row| &row[i]))).collect();
        let row = |row: &'a Vec<Cell>| {
            row.iter().zip(&extents).map(|(cell, extent)| ShownCell::new(cell, *extent)).collect()
        };
        Self { title: &table.title, columns: &table.columns, rows: table.rows.iter().map(row).collect() }
    }
}

/// The ends of a column's intervals, where they differ.
fn extent<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<(f64, f64)> {
    let ends = cells.filter_map(|cell| match cell {
        Cell::Interval { low, high, .. } if low.is_finite() && high.is_finite() => Some((*low, *high)),
        _ => None,
    });
    ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).filter(|(low, high)| low < high)
}

/// A cell as the page has it.
#[derive(Serialize)]
struct ShownCell<'a> {
    /// A text; otherwise empty.
    text: &'a str,
    /// The number, as the page sorts it, and as it is read; empty where there is none.
    value: String,
    number: String,
    /// The interval as it is read, and in percent of the column's extent: low, mean, high.
    interval: String,
    bar: Option<[f64; 3]>,
}

fn shown_cells(cells: &[Cell]) -> Vec<ShownCell<'_>> {
    cells.iter().map(|cell| ShownCell::new(cell, None)).collect()
}

impl<'a> ShownCell<'a> {
    fn new(cell: &'a Cell, extent: Option<(f64, f64)>) -> Self {
        let mut shown = Self {
            text: "",
            value: String::new(),
            number: String::new(),
            interval: String::new(),
            bar: None,
        };
        let (value, digits) = match *cell {
            Cell::Text(ref text) => {
                shown.text = text;
                return shown;
            }
            Cell::Number { value, digits } if value.is_finite() => (value, digits),
            Cell::Interval { mean, digits, .. } if mean.is_finite() => (mean, digits),
            _ => return shown,
        };
        let read = |value: f64| format!("{value:.digits$}").replace('-', "\u{2212}");
        shown.value = value.to_string();
        shown.number = read(value);
        if let Cell::Interval { mean, low, high, .. } = *cell {
            shown.interval = format!("{} to {}", read(low), read(high));
            shown.bar = extent
                .filter(|_| low.is_finite() && high.is_finite())
                .map(|(least, most)| [low, mean, high].map(|end| 100.0 * (end - least) / (most - least)));
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{BoundingBox, Map, Picture, Values};

    fn report() -> Report {
        Report { photo_columns: vec![Column::new("score", Values::Greater)], ..Report::default() }
    }

    fn photo() -> Photo {
        Photo { name: "a.png".into(), size: (4, 3), values: vec![Cell::Missing], ..Photo::default() }
    }

    #[test]
    fn data_that_contradict_each_other_are_named() {
        let check = |report: &Report, photo: Photo, expected: &str| {
            let error = report.write(Vec::new(), [Ok(photo)]).expect_err("refused").to_string();
            assert_eq!(error, expected);
        };
        let rows = vec![vec![Cell::Missing], vec![]];
        let table = Table { title: "t".into(), columns: vec![Column::default()], rows };
        let section = Section { tables: vec![table], ..Section::default() };
        let with_table = Report { sections: vec![section], ..report() };
        check(&with_table, photo(), "table \"t\": row 2 has 0 values, and there are 1 columns");
        let no_values = Photo { values: vec![], ..photo() };
        check(&report(), no_values, "photo \"a.png\" has 0 values, and there are 1 columns");
        let map = Map { label: "m".into(), values: vec![Cell::Missing], ..Map::default() };
        let with_map = Photo { maps: vec![map], ..photo() };
        check(&report(), with_map, "photo \"a.png\": map \"m\" has 1 values, and there are 0 columns");
        check(&report(), Photo { size: (0, 3), ..photo() }, "photo \"a.png\" must have pixels, got 0 x 3");
        let wrong = BoundingBox { corners: [2.0, 0.0, 1.0, 1.0], ..BoundingBox::default() };
        let expected = "photo \"a.png\": a box or area must be finite and go from left to right and from top to bottom, \
                        got 2, 0, 1, 1";
        check(&report(), Photo { boxes: vec![wrong], ..photo() }, expected);
        assert!(Picture::new(b"GIF89a".to_vec()).is_err());
        assert!(Picture::new(vec![0xff, 0xd8, 0xff, 0xe0]).is_ok());
    }

    #[test]
    fn photos_come_between_sections() {
        let report = report();
        let mut writer = report.begin(Vec::new()).expect("begun");
        writer.section(&Section { title: "before".into(), ..Section::default() }).expect("written");
        writer.photo(&photo()).expect("written");
        writer.section(&Section { title: "after".into(), ..Section::default() }).expect("written");
        assert!(
            writer
                .photo(&photo())
                .is_err_and(|e| e.to_string().contains("must come before the last sections"))
        );
        let page = String::from_utf8(writer.finish().expect("ended")).expect("a text");
        let places = ["before</h2>", "a.png</h3>", "after</h2>", "</html>"].map(|part| page.find(part));
        assert!(places.is_sorted() && places.iter().all(Option::is_some), "{places:?}");
    }

    #[test]
    fn a_report_that_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.html");
        let photos = |last| (0..9).map(|_| Ok(photo())).chain([last]);
        report().write_file(&path, photos(Ok(photo()))).expect("written");
        let whole = std::fs::read(&path).expect("a file");
        let failed = report().write_file(&path, photos(Err(io::Error::other("a photo is gone"))));
        assert!(failed.is_err_and(|e| e.to_string() == "a photo is gone"));
        assert_eq!(std::fs::read(&path).expect("a file"), whole);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
        let error = report().write_file(&folder.path().join("no/report.html"), []).expect_err("no folder");
        assert!(error.to_string().ends_with("/no does not exist, make it first"), "{error}");
    }
}
