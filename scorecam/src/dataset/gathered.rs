//! The results of the annotation readers: samples, problems and remarks.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use scorecam_core::evaluation::BoundingBox;
use scorecam_core::{Error, Result, ensure, printable};

use super::{ClassName, Dataset, Form, Problem, Sample};

/// A dataset while it is read.
#[derive(Default)]
pub(super) struct Gathered {
    samples: Vec<Sample>,
    /// The index of each sample, by name.
    places: HashMap<String, usize>,
    problems: Vec<Problem>,
    problem_count: usize,
    remarks: Vec<String>,
}

/// One annotation of a photo.
pub(super) struct Annotation<'a> {
    /// The photo.
    pub(super) file: &'a Path,
    /// The photo's name in the data.
    pub(super) photo: &'a str,
    pub(super) class: Option<ClassName>,
    pub(super) bounds: Option<BoundingBox>,
    pub(super) mask: Option<PathBuf>,
    pub(super) size: Option<(usize, usize)>,
}

impl Gathered {
    /// Adds a photo with a class for the whole photo.
    pub(super) fn add_photo(&mut self, annotation: Annotation<'_>) -> Result<()> {
        self.add_as(printable(annotation.photo), annotation)
    }

    /// Adds an annotation to the sample of its photo and class.
    pub(super) fn add(&mut self, annotation: Annotation<'_>) -> Result<()> {
        let name = match &annotation.class {
            Some(class) => format!("{}#{class}", printable(annotation.photo)),
            None => printable(annotation.photo),
        };
        self.add_as(name, annotation)
    }

    fn add_as(&mut self, name: String, annotation: Annotation<'_>) -> Result<()> {
        let Some(&place) = self.places.get(&name) else {
            self.places.insert(name.clone(), self.samples.len());
            self.samples.push(Sample {
                file: annotation.file.to_path_buf(),
                name,
                class: annotation.class,
                boxes: annotation.bounds.into_iter().collect(),
                mask: annotation.mask,
                size: annotation.size,
            });
            return Ok(());
        };
        let sample = &mut self.samples[place];
        let is_same = sample.file == annotation.file && sample.class == annotation.class;
        ensure!(is_same, invalid, "{name} already names {}; rename the photo", sample.file.display());
        if let (Some(one), Some(other)) = (&sample.mask, &annotation.mask) {
            ensure!(one == other, invalid, "{name} already has the mask {}; give one mask", one.display());
        }
        sample.mask = annotation.mask.or(sample.mask.take());
        sample.boxes.extend(annotation.bounds);
        Ok(())
    }

    /// Records an annotation that is left out.
    pub(super) fn problem(&mut self, file: &Path, line: Option<usize>, text: impl Display) {
        self.problem_count += 1;
        if self.problems.len() < Dataset::MAX_PROBLEMS {
            // An error's message is one line.
            let text = Error::invalid(text.to_string()).to_string();
            self.problems.push(Problem { file: file.to_path_buf(), line, text });
        }
    }

    /// Records a valid item that is left out.
    pub(super) fn remark(&mut self, text: impl Display) {
        self.remarks.push(Error::invalid(text.to_string()).to_string());
    }

    /// Like [`Gathered::remark`], with a count, unless it is 0.
    pub(super) fn remark_count(&mut self, count: usize, one: &str, many: &str) {
        match count {
            0 => {}
            1 => self.remark(format_args!("1 {one}")),
            count => self.remark(format_args!("{count} {many}")),
        }
    }

    /// The dataset; an error if it has no sample.
    pub(super) fn finish(self, form: Form) -> Result<Dataset> {
        if self.samples.is_empty() {
            let first = match self.problems.first() {
                Some(problem) => problem.to_string(),
                None if self.remarks.is_empty() => "it has no annotations".into(),
                None => self.remarks.join("; "),
            };
            let others = match self.problem_count {
                0 | 1 => String::new(),
                count => format!(" ({count} problems, this is the first)"),
            };
            return Err(Error::invalid(format!("nothing in it can be used: {first}{others}")));
        }
        let Self { samples, problems, problem_count, remarks, .. } = self;
        Ok(Dataset { form, samples, problems, problem_count, remarks })
    }
}

/// A file's path relative to a folder, with `/` between its parts; `None` if it is outside of the folder.
pub(super) fn name_below(root: &Path, file: &Path) -> Option<String> {
    let below = file.strip_prefix(root).ok()?;
    let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Some(parts.join("/"))
}

/// The first existing file among a relative path's candidates in several folders.
pub(super) fn file_in(folders: &[PathBuf], path: &str) -> Result<PathBuf> {
    ensure!(!path.is_empty(), invalid, "the name of the photo is empty");
    let found = folders.iter().map(|folder| folder.join(path)).find(|file| file.is_file());
    found.ok_or_else(|| {
        let mut looked: Vec<String> = folders.iter().map(|folder| shown(folder)).collect();
        looked.dedup();
        Error::not_found(format!("no file {path:?} in {}", looked.join(", ")))
    })
}

fn shown(folder: &Path) -> String {
    if folder.as_os_str().is_empty() { ".".into() } else { folder.display().to_string() }
}

/// The folder that a file lies in.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).to_path_buf()
}

/// The folder around a folder.
pub(super) fn around(folder: &Path) -> PathBuf {
    match (folder.file_name(), folder.parent()) {
        (Some(_), Some(parent)) => parent.to_path_buf(),
        _ => folder.join(".."),
    }
}
