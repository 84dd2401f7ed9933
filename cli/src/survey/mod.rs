//! What `compare` and `debug` have in common: photos come in from a photo, folder or dataset, each is looked at by itself, and
//! what was found goes out as a table, as JSON and as a report.
//!
//! A photo that fails is reported and counted, and the others go on.

mod gallery;
mod pictures;

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use scorecam::dataset::{Dataset, Form, Sample};
use scorecam::evaluation::Estimate;
use scorecam::walk::{Depth, Walk};
use scorecam::{Error, Model, Progress, Result};
use scorecam_core::{bail, printable};
use scorecam_report::Note;
use serde::Serialize;

pub(crate) use self::gallery::{Gallery, Kept, Layer};
pub(crate) use self::pictures::{
    area, colored, difference, drawn, greatest_difference, of_tensor, thumbnail,
};
use crate::progress::{self, Bars};
use crate::same_file::Files;
use crate::{output, terminal};

/// The outputs of a survey.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct FindingsArgs {
    /// Write the results of each photo and of the set as JSON; - for standard output
    #[arg(long, value_name = "OUT.json")]
    pub(crate) json: Option<PathBuf>,
    /// Write a report: one HTML page with tables and photos, whose maps can be switched and faded
    #[arg(long, value_name = "OUT.html", value_parser = html_path)]
    pub(crate) report: Option<PathBuf>,
    /// Photos in the report, at most
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) pictures: usize,
}

pub(crate) fn html_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(e) if e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm") => Ok(path),
        _ => Err("reports are HTML; give a name that ends in .html".into()),
    }
}

/// The photos of a folder or a dataset, or one photo; problems of annotations are printed as warnings.
pub(crate) fn open(data: &Path, is_recursive: bool) -> Result<Dataset> {
    let is_dataset = |ending: &std::ffi::OsStr| {
        ["json", "xml", "csv"].iter().any(|known| ending.eq_ignore_ascii_case(known))
    };
    if data.is_file() && !data.extension().is_some_and(is_dataset) {
        let name = printable(&data.file_name().unwrap_or_default().to_string_lossy());
        let file = data.to_path_buf();
        let sample = Sample { file, name, class: None, boxes: Vec::new(), mask: None, size: None };
        return Ok(Dataset {
            form: Form::Photos,
            samples: vec![sample],
            problems: Vec::new(),
            problem_count: 0,
            remarks: Vec::new(),
        });
    }
    let depth = if is_recursive { Depth::Tree } else { Depth::Folder };
    let data = Dataset::open(data, &Walk::new(depth))?;
    data.remarks.iter().for_each(terminal::note);
    data.problems.iter().for_each(terminal::warning);
    Ok(data)
}

impl FindingsArgs {
    /// An error where an output would replace a file that the run reads, or could not be written.
    pub(crate) fn check(&self, data: &Dataset, besides: &[(PathBuf, &'static str)]) -> Result<()> {
        let mut read = Files::default();
        besides.iter().for_each(|(path, what)| read.add(path, what));
        for sample in &data.samples {
            read.add(&sample.file, "a photo of this run");
            sample.mask.iter().for_each(|mask| read.add(mask, "a mask of this run"));
        }
        for (path, name) in self.files() {
            if let Some(named) = read.find(path) {
                let (path, of) = (path.display(), named.path.display());
                bail!(invalid, "{name} {path} would replace {} {of}; choose another name", named.what);
            }
            output::check_writable(path)?;
            read.add(path, "an output of this run");
        }
        Ok(())
    }

    fn files(&self) -> impl Iterator<Item = (&PathBuf, &'static str)> {
        let json = self.json.iter().filter(|path| **path != Path::new("-")).map(|path| (path, "--json"));
        json.chain(self.report.iter().map(|path| (path, "--report")))
    }

    /// Writes JSON where it was asked for; says whether standard output is taken by it.
    pub(crate) fn write_json(&self, found: &impl Serialize) -> Result<bool> {
        let Some(path) = &self.json else { return Ok(false) };
        let text = serde_json::to_string_pretty(found);
        let text = text.map_err(|e| Error::internal(format!("the results as JSON: {e}")))? + "\n";
        match path == Path::new("-") {
            true => terminal::print(&text).map(|()| true),
            false => output::write_text(path, &text).map(|()| false),
        }
    }
}

/// A photo with all classes that are annotated in it.
pub(crate) struct Case<'a> {
    pub(crate) name: String,
    pub(crate) file: &'a Path,
    /// At least one.
    pub(crate) samples: Vec<&'a Sample>,
}

impl Case<'_> {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The photos of a dataset, each once, in their order.
pub(crate) fn cases(data: &Dataset) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    let mut places: HashMap<&Path, usize> = HashMap::new();
    for sample in &data.samples {
        if let Some(&place) = places.get(sample.file.as_path()) {
            cases[place].samples.push(sample);
            continue;
        }
        // A sample of one class of several is called by both.
        let suffix = sample.class.as_ref().map(|class| format!("#{class}")).unwrap_or_default();
        let name = sample.name.strip_suffix(&suffix).unwrap_or(&sample.name).to_owned();
        places.insert(&sample.file, cases.len());
        cases.push(Case { name, file: &sample.file, samples: vec![sample] });
    }
    cases
}

/// A photo of which nothing was found, and why.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failed {
    pub(crate) photo: String,
    pub(crate) error: String,
}

/// What can be said while a photo is at work.
pub(crate) struct Desk<'a> {
    bars: &'a Bars,
    said: &'a mut HashSet<String>,
    /// Takes reports of passes.
    pub(crate) progress: &'a dyn Fn(Progress) -> ControlFlow<()>,
}

impl Desk<'_> {
    /// Says warnings about a photo, each once in a run.
    pub(crate) fn warn(&mut self, photo: &str, warnings: &[String]) {
        for warning in warnings {
            if self.said.insert(warning.clone()) {
                self.bars.aside(|| terminal::warning(format_args!("{photo}: {warning}")));
            }
        }
    }
}

/// Looks at each photo in turn.
pub(crate) fn each<T, P>(
    photos: &[P],
    name: impl Fn(&P) -> &str,
    mut look: impl FnMut(&P, &mut Desk<'_>) -> Result<T>,
) -> (Vec<T>, Vec<Failed>) {
    let bars = Bars::new(photos.len());
    let (mut found, mut failed, mut said) = (Vec::new(), Vec::new(), HashSet::new());
    for photo in photos {
        let bar = bars.input(name(photo).to_owned());
        let report = |now| {
            progress::show(&bar, now);
            ControlFlow::Continue(())
        };
        match look(photo, &mut Desk { bars: &bars, said: &mut said, progress: &report }) {
            Ok(one) => found.push(one),
            Err(error) => {
                bars.aside(|| terminal::error(format_args!("{}: {error}", name(photo))));
                failed.push(Failed { photo: name(photo).to_owned(), error: error.to_string() });
            }
        }
        bars.finished(&bar);
    }
    (found, failed)
}

/// "1 photo", "2 photos".
pub(crate) fn photos(count: usize) -> String {
    if count == 1 { "1 photo".into() } else { format!("{count} photos") }
}

/// What a report says of photos and annotations of which nothing was found.
pub(crate) fn left_out(count: usize) -> Option<Note> {
    match count {
        0 => None,
        1 => Some(Note::warning("1 photo or annotation was left out.")),
        n => Some(Note::warning(format!("{n} photos or annotations were left out."))),
    }
}

/// A class that a model chose or was asked for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Scored {
    pub(crate) class: usize,
    pub(crate) label: Option<String>,
    /// Its probability, 0 to 1; the model's own number where it gives one.
    pub(crate) score: f64,
}

impl Scored {
    pub(crate) fn new(model: &Model, class: usize, scores: &[f64]) -> Result<Self> {
        let Some(&score) = scores.get(class) else {
            bail!(
                invalid,
                "class {class} is out of range; the model has classes 0 to {}",
                scores.len().saturating_sub(1)
            );
        };
        Ok(Self { class, label: model.label(class).map(str::to_owned), score })
    }

    /// The class with the best score; the first one of several.
    pub(crate) fn best(model: &Model, scores: &[f64]) -> Result<Self> {
        let best = (0..scores.len()).reduce(|best, class| match scores[class] > scores[best] {
            true => class,
            false => best,
        });
        let Some(best) = best else { bail!(model, "the model gives no class scores") };
        Self::new(model, best, scores)
    }

    /// Its label, or its number.
    pub(crate) fn name(&self) -> String {
        self.label.clone().unwrap_or_else(|| format!("class {}", self.class))
    }

    /// The same with the score.
    pub(crate) fn words(&self) -> String {
        format!("{} {:.3}", self.name(), self.score)
    }
}

/// A mean over photos with its interval of 95 %, as JSON.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Interval {
    mean: f64,
    low: Option<f64>,
    high: Option<f64>,
    photos: usize,
}

impl From<&Estimate> for Interval {
    fn from(found: &Estimate) -> Self {
        let (low, high) = found.interval.unzip();
        Self { mean: found.mean, low, high, photos: found.count }
    }
}

/// A mean with half of the width of its interval, for a table.
pub(crate) fn shown(found: &Estimate) -> String {
    match found.interval {
        Some((low, high)) => format!("{:.3} ±{:.3}", found.mean, (high - low) / 2.0),
        None => format!("{:.3}", found.mean),
    }
}

/// The command line of this run, as one line for a shell.
pub(crate) fn command() -> String {
    let quoted = |word: std::ffi::OsString| {
        let word = word.to_string_lossy().into_owned();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,.:/@%".contains(c);
        match !word.is_empty() && word.chars().all(is_plain) {
            true => word,
            false => format!("'{}'", word.replace('\'', r"'\''")),
        }
    };
    let words = std::env::args_os().skip(1).map(quoted);
    std::iter::once("scorecam".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
