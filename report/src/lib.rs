//! Reports as one HTML file that needs nothing else: no network, no font, no folder beside it.
//!
//! A [`Report`] is plain data: facts, tables, line charts, and photos with maps and boxes. Photos are written one by
//! one, from an iterator or through a [`Writer`], so that a thousand of them are never in memory together. The page
//! creates the pictures of photos near the window only. Without scripts it shows all photos, each with its first map.
//!
//! Every text is escaped, and the page's content security policy allows its own style and script by their hashes and
//! nothing else, so a file name or a label cannot become part of the page.
//!
//! ```
//! use scorecam_report::{Cell, Column, Fact, Report, Section, Table, Values};
//!
//! let table = Table {
//!     title: "Faithfulness".into(),
//!     columns: vec![Column::new("method", Values::Text), Column::new("insertion", Values::Greater)],
//!     rows: vec![
//!         vec![Cell::text("score-cam"), Cell::number(0.61)],
//!         vec![Cell::text("recipro-cam"), Cell::Interval { mean: 0.63, low: 0.57, high: 0.68, digits: 2 }],
//!     ],
//! };
//! let report = Report {
//!     title: "Evaluation of efficientnet_lite0.onnx".into(),
//!     facts: vec![Fact::new("photos", "14")],
//!     sections: vec![Section { title: "Measures".into(), tables: vec![table], ..Section::default() }],
//!     ..Report::default()
//! };
//! let html = report.write(Vec::new(), std::iter::empty())?;
//! assert!(html.starts_with(b"<!doctype html>"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod chart;
mod data;
mod file;
mod writer;

pub use data::{
    Axis, BoundingBox, BoxKind, Cell, Chart, Column, Fact, Map, Note, Photo, Picture, Report, Section,
    Series, Table, Tone, Values,
};
pub use file::{Existing, WholeFile};
pub use writer::Writer;
