//! Photos with their annotations, for evaluation.
//!
//! [`Dataset::open`] reads a folder of photos, a folder of folders by class, a COCO file, Pascal VOC files or a CSV;
//! the [`Form`] tells them apart. The annotations become one [`Sample`] per photo and class. An annotation that cannot
//! be used is a [`Problem`]; the others are unaffected. Photos are located, not decoded: [`Sample::check`] compares a
//! sample with its photo once the photo is read.

mod coco;
mod csv;
mod folder;
mod gathered;
mod voc;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use scorecam_core::evaluation::BoundingBox;
use scorecam_core::{Error, Result, bail, ensure};

use crate::evaluation::Truth;
use crate::walk::Walk;
use crate::{Input, Reader};
use gathered::Gathered;

/// Photos with their annotations.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// The form of the annotations.
    pub form: Form,
    /// The samples, in the order of the annotations; at least one. Photos in folders are sorted by path.
    pub samples: Vec<Sample>,
    /// The invalid annotations, which were left out, in order; at most [`Dataset::MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// The number of all problems, including those beyond the limit of `problems`.
    pub problem_count: usize,
    /// Valid items that were left out, one line each, such as `5 crowd annotations are skipped`.
    pub remarks: Vec<String>,
}

/// The form of annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A folder of photos, without classes or boxes.
    Photos,
    /// A folder with one folder of photos per class.
    Classes,
    /// A JSON file in COCO format: boxes.
    Coco,
    /// An XML file in Pascal VOC format, or a folder of such files: boxes.
    Voc,
    /// A CSV file: classes, boxes and masks.
    Csv,
}

/// A photo with the annotations of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The photo's file, which existed when the dataset was opened.
    pub file: PathBuf,
    /// The photo's path relative to the dataset, with `/` on every system, and `#class` if a photo may have several
    /// classes. Unique in the dataset, without control characters.
    pub name: String,
    /// The class of the photo; `None` if it has none.
    pub class: Option<ClassName>,
    /// The boxes of the class, in pixels of the upright photo, half-open, each with an area; may be empty.
    pub boxes: Vec<BoundingBox>,
    /// The file with the object's mask, which existed when the dataset was opened.
    pub mask: Option<PathBuf>,
    /// The photo's height and width according to its annotation.
    pub size: Option<(usize, usize)>,
}

/// A class: its number in the model, or a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClassName {
    /// The number, from 0.
    Number(usize),
    /// The label, or one of a label's names separated by commas.
    Label(String),
}

/// An annotation that cannot be used, with the reason. Displayed as `file:line: text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The invalid file: that of the annotation, if there is one.
    pub file: PathBuf,
    /// The line in it, from 1; `None` for files without lines and for JSON, where the text has the annotation's id.
    pub line: Option<usize>,
    /// One line in lower case.
    pub text: String,
}

impl Dataset {
    /// The maximum number of problems that are kept.
    pub const MAX_PROBLEMS: usize = 10_000;

    /// Reads annotations from a folder or a file (`.json`, `.xml`, `.csv`) and finds their photos. `walk` sets the
    /// depth of the search for a folder's photos and XML files; annotation files state the paths of their photos.
    ///
    /// An error if nothing can be used: the path does not exist or has no known form, a file is malformed as a whole, a
    /// folder has both photos and folders (unless [`Depth::Tree`](crate::walk::Depth::Tree) takes all of them as photos
    /// without a class), or no sample is left.
    pub fn open(path: &Path, walk: &Walk<'_>) -> Result<Self> {
        let mut gathered = Gathered::default();
        let form = if path.is_dir() {
            folder::read(path, walk, &mut gathered)
        } else {
            read_file(path, &mut gathered)
        };
        let dataset = form.and_then(|form| gathered.finish(form));
        dataset.map_err(|e| e.context(format!("data {}", path.display())))
    }
}

fn read_file(path: &Path, gathered: &mut Gathered) -> Result<Form> {
    std::fs::metadata(path).map_err(|e| Error::io(e.to_string()))?;
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    match ending.as_deref() {
        Some("json") => coco::read(path, gathered),
        Some("xml") => voc::read_one(path, gathered),
        Some("csv") => csv::read(path, gathered),
        _ => bail!(
            unsupported,
            "it is neither a folder nor a .json (COCO), .xml (Pascal VOC) or .csv file; give one of these"
        ),
    }
}

impl Sample {
    /// An error if the photo, with this height and width, does not match the annotation: it has another size, or a box
    /// lies outside of it.
    pub fn check(&self, (height, width): (usize, usize)) -> Result<()> {
        if let Some((annotated_height, annotated_width)) = self.size {
            ensure!(
                (annotated_height, annotated_width) == (height, width),
                invalid,
                "{}: the photo is {width} pixels wide and {height} high, its annotation says {annotated_width} wide and \
                 {annotated_height} high; annotate the photo at its own size",
                self.name
            );
        }
        for bounds in &self.boxes {
            checked_box((*bounds).into(), Some((height, width))).map_err(|e| e.context(&self.name))?;
        }
        Ok(())
    }

    /// The location of the class's objects on the photo and in the model's input; `None` without annotated boxes or a
    /// mask. `input` is the preprocessed photo.
    ///
    /// An error if the mask is not a picture or has another size than the photo, if the objects lie outside the model's
    /// input, or if the input was made from a tensor, which has no photo.
    pub fn truth(&self, reader: &Reader, input: &Input) -> Result<Option<Truth>> {
        if self.mask.is_none() && self.boxes.is_empty() {
            return Ok(None);
        }
        let Some(placement) = &input.placement else {
            bail!(invalid, "a tensor has no photo for its annotation; give the photo");
        };
        let Some(mask) = &self.mask else {
            return Truth::of_boxes(self.boxes.clone(), placement).map(Some);
        };
        let of_file = |e: Error| e.context(mask.display());
        let image = reader.read(mask).map_err(of_file)?;
        let Some(photo) = image.photo() else {
            bail!(invalid, "{}: a mask must be a photo, not a tensor", mask.display())
        };
        Truth::of_mask(photo, placement).map(Some).map_err(of_file)
    }
}

/// A box with an area inside the photo, if the photo's height and width are known. Annotations are rounded, and some
/// count from 0, others from 1: so a box may extend one pixel beyond the photo, and is clipped.
fn checked_box([x0, y0, x1, y1]: [f64; 4], size: Option<(usize, usize)>) -> Result<BoundingBox> {
    let named = format!("box {x0} {y0} {x1} {y1}");
    ensure!([x0, y0, x1, y1].iter().all(|v| v.is_finite()), invalid, "{named} is not finite");
    ensure!(x0 < x1 && y0 < y1, invalid, "{named} is empty; x0 must be less than x1, and y0 less than y1");
    let (height, width) = size.map_or((f64::INFINITY, f64::INFINITY), |(h, w)| (h as f64, w as f64));
    let is_inside = x0 >= -1.0 && y0 >= -1.0 && x1 <= width + 1.0 && y1 <= height + 1.0;
    let cut = BoundingBox { x0: x0.max(0.0), y0: y0.max(0.0), x1: x1.min(width), y1: y1.min(height) };
    if !is_inside || cut.x0 >= cut.x1 || cut.y0 >= cut.y1 {
        let of = size.map(|(height, width)| format!(", which is {width} pixels wide and {height} high"));
        bail!(invalid, "{named} extends beyond the photo{}", of.unwrap_or_default());
    }
    Ok(cut)
}

impl ClassName {
    /// A class: its number if the text is one, else a label; `None` for an empty text.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| match text.parse() {
            Ok(number) => Self::Number(number),
            Err(_) => Self::Label(text.to_owned()),
        })
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Label(label) => f.write_str(&scorecam_core::printable(label)),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Photos => "photos",
            Self::Classes => "folders by class",
            Self::Coco => "COCO",
            Self::Voc => "Pascal VOC",
            Self::Csv => "CSV",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&scorecam_core::printable(&self.file.to_string_lossy()))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.text)
    }
}
