//! Pascal VOC: one XML file per photo.
//!
//! Boxes have inclusive corners that count from 1, so `xmin` 1 and `xmax` 10 are the pixels 0 to 9. Objects marked as
//! difficult are skipped, as in VOC's own evaluation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node, ParsingOptions};
use scorecam_core::{Error, Result, ensure};

use super::gathered::{Annotation, Gathered, around, file_in, folder_of, name_below};
use super::{ClassName, Form, checked_box};
use crate::text_file::read_text;
use crate::walk::Walk;

/// The maximum number of nodes in a file: room for ten thousand objects.
const MOST_NODES: u32 = 250_000;

/// The counts of items left out of all files.
#[derive(Default)]
struct Skipped {
    difficult: usize,
    /// Files without an object.
    empty: usize,
}

/// A file's place in the data.
struct Place<'a> {
    /// The dataset's folder, the base of photo names.
    root: &'a Path,
    file: &'a Path,
}

/// Reads the files of a folder, or of `Annotations` in it; `false` if there are none.
pub(super) fn read_folder(root: &Path, walk: &Walk<'_>, gathered: &mut Gathered) -> Result<bool> {
    let annotations = root.join("Annotations");
    let folder = if annotations.is_dir() { &annotations } else { root };
    let (files, _) = walk.files_in(folder, &["xml"])?;
    let (mut skipped, mut photos) = (Skipped::default(), BTreeSet::new());
    for file in &files {
        let place = Place { root, file: &file.path };
        match read(&place, &mut skipped, gathered) {
            Ok(photo) => _ = photos.insert(photo),
            Err((line, e)) => gathered.problem(&file.path, line, e),
        }
    }
    if files.is_empty() {
        return Ok(false);
    }
    skipped.remark(gathered);
    let beside = root.join("JPEGImages");
    let (beside, _) = walk.photos_in(if beside.is_dir() { &beside } else { root })?;
    let others = beside.iter().filter(|photo| !photos.contains(&photo.path)).count();
    gathered.remark_count(others, "photo has no annotation", "photos have no annotations");
    Ok(true)
}

/// Reads one file.
pub(super) fn read_one(file: &Path, gathered: &mut Gathered) -> Result<Form> {
    let mut skipped = Skipped::default();
    let place = Place { root: &folder_of(file), file };
    if let Err((line, e)) = read(&place, &mut skipped, gathered) {
        gathered.problem(file, line, e);
    }
    skipped.remark(gathered);
    Ok(Form::Voc)
}

impl Skipped {
    fn remark(&self, gathered: &mut Gathered) {
        let (one, many) = ("difficult object is skipped", "difficult objects are skipped");
        gathered.remark_count(self.difficult, one, many);
        gathered.remark_count(self.empty, "annotation has no object", "annotations have no object");
    }
}

/// A file that cannot be used: the line if it is known, and the reason.
type Refused = (Option<usize>, Error);

/// Reads a file and returns its photo; invalid objects are problems.
fn read(place: &Place<'_>, skipped: &mut Skipped, gathered: &mut Gathered) -> Result<PathBuf, Refused> {
    let text = read_text(place.file).map_err(|e| (None, e))?;
    let options = ParsingOptions { nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    // A byte order mark is part of the text, and no part of XML.
    let document = Document::parse_with_options(text.trim_start_matches('\u{feff}'), options)
        .map_err(|e| (Some(e.pos().row as usize), Error::invalid(format!("it is not XML: {e}"))))?;
    let root = document.root_element();
    let refused = |e: Error| (line_of(root), e);
    if root.tag_name().name() != "annotation" {
        let text = format!(
            "it is not a Pascal VOC file: <annotation> is missing, <{}> is there",
            root.tag_name().name()
        );
        return Err(refused(Error::invalid(text)));
    }
    let name = text_of(root, "filename").map_err(refused)?;
    let folder = folder_of(place.file);
    let photo = file_in(&[folder.clone(), around(&folder).join("JPEGImages")], name).map_err(refused)?;
    let objects: Vec<_> = root.children().filter(|node| node.has_tag_name("object")).collect();
    skipped.empty += usize::from(objects.is_empty());
    for object in objects {
        if text_of(object, "difficult").is_ok_and(|text| text == "1") {
            skipped.difficult += 1;
        } else if let Err(e) = add(place, &photo, object, size_of(root), gathered) {
            gathered.problem(place.file, line_of(object), e);
        }
    }
    Ok(photo)
}

fn add(
    place: &Place<'_>,
    photo: &Path,
    object: Node<'_, '_>,
    size: Option<(usize, usize)>,
    gathered: &mut Gathered,
) -> Result<()> {
    let class = ClassName::parse(text_of(object, "name")?);
    ensure!(class.is_some(), invalid, "<name> of the object is empty");
    let bounds = child(object, "bndbox")?;
    let corner = |name| number(text_of(bounds, name)?, name);
    let [x0, y0, x1, y1] = [corner("xmin")?, corner("ymin")?, corner("xmax")?, corner("ymax")?];
    let bounds = checked_box([x0 - 1.0, y0 - 1.0, x1, y1], size)?;
    let name = name_below(place.root, photo).unwrap_or_else(|| photo.to_string_lossy().into_owned());
    gathered.add(Annotation { file: photo, photo: &name, class, bounds: Some(bounds), mask: None, size })
}

/// The photo's height and width; some tools write 0 or nothing.
fn size_of(root: Node<'_, '_>) -> Option<(usize, usize)> {
    let size = child(root, "size").ok()?;
    let side = |name| text_of(size, name).ok()?.parse().ok().filter(|&side| side > 0);
    Some((side("height")?, side("width")?))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Result<Node<'a, 'i>> {
    let found = node.children().find(|child| child.has_tag_name(name));
    found.ok_or_else(|| Error::invalid(format!("<{name}> of <{}> is missing", node.tag_name().name())))
}

fn text_of<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str> {
    Ok(child(node, name)?.text().unwrap_or_default().trim())
}

fn number(text: &str, name: &str) -> Result<f64> {
    text.parse().map_err(|_| Error::invalid(format!("<{name}> {text:?} is not a number")))
}

fn line_of(node: Node<'_, '_>) -> Option<usize> {
    Some(node.document().text_pos_at(node.range().start).row as usize)
}
