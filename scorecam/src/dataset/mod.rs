//! Photos with their annotations, for evaluation.
//!
//! [`Dataset::open`] reads a folder of photos, a folder of folders by class, a COCO file, Pascal VOC files or a CSV; which of
//! them a path is, is a [`Form`]. Readers hand annotations to one place, which makes one [`Sample`] per photo and
//! class of them. An annotation that cannot be used is a [`Problem`], and the rest goes on. Photos are found, not decoded:
//! [`Sample::check`] compares a sample with its photo once that is read.

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
    /// How the annotations were given.
    pub form: Form,
    /// The samples, in the order of the annotations; at least one. Photos of folders are sorted by path.
    pub samples: Vec<Sample>,
    /// What was left out because it is wrong, in the order in which it was found; at most [`Dataset::MAX_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// The number of all problems, with those that `problems` has no room for.
    pub problem_count: usize,
    /// What was left out although nothing is wrong with it, a line each, such as `5 crowd annotations are skipped`.
    pub remarks: Vec<String>,
}

/// The form of annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A folder of photos, without classes or boxes.
    Photos,
    /// A folder with a folder of photos for each class.
    Classes,
    /// A JSON file of COCO's form: boxes.
    Coco,
    /// An XML file of Pascal VOC's form, or a folder of these: boxes.
    Voc,
    /// A CSV file: classes, boxes and masks.
    Csv,
}

/// A photo, and what is known of one class in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The photo's file, which was there when the data was opened.
    pub file: PathBuf,
    /// The photo's path below the data, with `/` on every system, and `#class` where several classes may be in one photo.
    /// No two samples of a dataset have the same name. Without control characters.
    pub name: String,
    /// The class that the photo shows; `None` where the data names none.
    pub class: Option<ClassName>,
    /// The boxes of the class, in pixels of the upright photo, half-open, each with an area; empty where there are none.
    pub boxes: Vec<BoundingBox>,
    /// The file with the object's mask, which was there when the data was opened.
    pub mask: Option<PathBuf>,
    /// The photo's height and width by its annotation.
    pub size: Option<(usize, usize)>,
}

/// A class by its number in the model, or by a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClassName {
    /// The number, from 0.
    Number(usize),
    /// The label, or one of a label's names separated by commas.
    Label(String),
}

/// An annotation that cannot be used, and why. Shown as `file:line: text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file that is wrong: that of the annotation, where there is one.
    pub file: PathBuf,
    /// The line in it, from 1; `None` where the file has none, or JSON, of which the text gives the annotation's id.
    pub line: Option<usize>,
    /// One line in lower case.
    pub text: String,
}

impl Dataset {
    /// The most problems that are kept.
    pub const MAX_PROBLEMS: usize = 10_000;

    /// Reads annotations from a folder or a file (`.json`, `.xml`, `.csv`) and finds their photos. `walk` says how deep a
    /// folder's photos and XML files are looked for; files have their photos wherever they say.
    ///
    /// An error where nothing can be used at all: the path does not exist or is of no known form, a file is malformed as a
    /// whole, a folder has photos and folders (unless [`Depth::Tree`](crate::walk::Depth::Tree) takes all of them as
    /// photos without a class), or no sample is left.
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
    /// An error where the photo, whose height and width are given, is not that of the annotation: it has another size, or
    /// a box lies outside of it.
    pub fn check(&self, (height, width): (usize, usize)) -> Result<()> {
        if let Some((annotated_height, annotated_width)) = self.size {
            ensure!(
                (annotated_height, annotated_width) == (height, width),
                invalid,
                "{}: the photo is {width} pixels wide and {height} high, its annotation says {annotated_width} wide and \
                 {annotated_height} high; annotate the photo as it is",
                self.name
            );
        }
        for bounds in &self.boxes {
            checked_box((*bounds).into(), Some((height, width))).map_err(|e| e.context(&self.name))?;
        }
        Ok(())
    }

    /// Where the objects of the class lie on the photo, and in what the model sees of it; `None` where no boxes and no mask are
    /// annotated. `input` is the photo as the model takes it.
    ///
    /// An error for a mask that is no picture or not of the photo's size, where the model sees nothing of the objects, or where
    /// the input was made of a tensor, which has no photo.
    pub fn truth(&self, reader: &Reader, input: &Input) -> Result<Option<Truth>> {
        if self.mask.is_none() && self.boxes.is_empty() {
            return Ok(None);
        }
        let Some(placement) = &input.placement else {
            bail!(invalid, "a tensor has no photo on which its annotation lies; give the photo");
        };
        let Some(mask) = &self.mask else {
            return Truth::of_boxes(self.boxes.clone(), placement).map(Some);
        };
        let of_file = |e: Error| e.context(mask.display());
        let image = reader.read(mask).map_err(of_file)?;
        let Some(photo) = image.photo() else {
            bail!(invalid, "{}: a mask must be a picture", mask.display())
        };
        Truth::of_mask(photo, placement).map(Some).map_err(of_file)
    }
}

/// A box that has an area and lies in the photo, as far as its height and width are known. Annotations are rounded, and some
/// count from 0 where others count from 1: so a box may reach one pixel beyond the photo, and is cut to it.
fn checked_box([x0, y0, x1, y1]: [f64; 4], size: Option<(usize, usize)>) -> Result<BoundingBox> {
    let named = format!("box {x0} {y0} {x1} {y1}");
    ensure!([x0, y0, x1, y1].iter().all(|v| v.is_finite()), invalid, "{named} is not finite");
    ensure!(x0 < x1 && y0 < y1, invalid, "{named} is empty; x0 must be less than x1, and y0 less than y1");
    let (height, width) = size.map_or((f64::INFINITY, f64::INFINITY), |(h, w)| (h as f64, w as f64));
    let is_inside = x0 >= -1.0 && y0 >= -1.0 && x1 <= width + 1.0 && y1 <= height + 1.0;
    let cut = BoundingBox { x0: x0.max(0.0), y0: y0.max(0.0), x1: x1.min(width), y1: y1.min(height) };
    if !is_inside || cut.x0 >= cut.x1 || cut.y0 >= cut.y1 {
        let of = size.map(|(height, width)| format!(", which is {width} pixels wide and {height} high"));
        bail!(invalid, "{named} reaches out of the photo{}", of.unwrap_or_default());
    }
    Ok(cut)
}

impl ClassName {
    /// A class by its number where the text is one, else by a label; `None` for an empty text.
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
