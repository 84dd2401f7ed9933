//! What a run must not write over, found before it begins.
//!
//! A file that a run reads is never one that it writes, by whichever names it is given. In the output folder only
//! files of earlier runs are replaced. Which overlays there are going to be is known when the classes and boxes are: until
//! then any number may be one, and a photo `cat-0.png` in the output folder of `cat.png` is refused although class 0 may
//! not come up. That is said before the work and not after it, and the user gives another folder.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use scorecam_core::{Error, Result, bail};

use crate::args::{ClassArg, ExplainArgs};
use crate::output::{Existing, Overlays, part_of};
use crate::plan::{OutFolder, Plan, read_besides};
use crate::record::{LINES, RESULTS};
use crate::same_file::{Files, Named, resolved};

/// An error where a file that the run may write is one that it reads, one that it writes otherwise, or in the output
/// folder one that is not this program's.
pub(crate) fn check(args: &ExplainArgs, plan: &Plan) -> Result<()> {
    let mut read = Files::default();
    plan.sources.iter().for_each(|source| read.add(&source.path, "an input of this run"));
    read_besides(args).iter().for_each(|(path, what)| read.add(path, what));
    let outputs = fixed_outputs(args, plan);
    let overlays = OverlayNames::new(args, plan);

    let standard_output = outputs.iter().filter(|(path, _)| path == Path::new("-")).count();
    if standard_output > 1 {
        bail!(invalid, "--map - and --json - both write to standard output; give a file for one of them");
    }
    let mut written = Files::default();
    for (path, what) in outputs.iter().filter(|(path, _)| !is_device(path)) {
        refuse_read(&read, path, what)?;
        if let Some(other) = written.find(path) {
            return Err(same_output(what, path, other));
        }
        if overlays.may_be(&resolved(path)) {
            let other = Named { path: path.clone(), what: "an overlay" };
            return Err(same_output(what, path, &other));
        }
        written.add(path, what);
    }
    let overlays = overlays.existing();
    overlays.iter().try_for_each(|path| refuse_read(&read, path, "overlay"))?;
    let Some(folder) = &plan.folder else { return Ok(()) };
    // All overlays go into the folder or none: the other place is for a single input.
    let are_in_folder = plan.destinations.iter().any(|to| to.overlay.are_in_folder());
    let overlays = overlays.iter().filter(|_| are_in_folder).map(PathBuf::as_path);
    let maps = plan.destinations.iter().filter_map(|to| to.map.in_folder());
    overlays.chain(maps).try_for_each(|path| refuse_stranger(folder, path))
}

/// Files whose names are known, each with what it is.
fn fixed_outputs(args: &ExplainArgs, plan: &Plan) -> Vec<(PathBuf, &'static str)> {
    let outputs = &args.outputs;
    let mut all = Vec::new();
    all.extend(outputs.map.iter().map(|path| (path.clone(), "--map")));
    all.extend(outputs.errors.iter().map(|path| (path.clone(), "--errors")));
    all.extend(outputs.json.iter().map(|path| (path.clone(), "--json")));
    all.extend(args.locate.coco.iter().map(|path| (path.clone(), "--coco")));
    all.extend(outputs.report.iter().map(|path| (path.clone(), "--report")));
    if count(args) == 1 {
        all.extend(outputs.overlay.iter().map(|path| (path.clone(), "--overlay")));
    }
    let results = outputs.out.iter().flat_map(|folder| [RESULTS, LINES].map(|name| folder.join(name)));
    all.extend(results.map(|path| (path, "the record")));
    let maps = plan.destinations.iter().filter_map(|to| to.map.in_folder());
    all.extend(maps.map(|path| (path.to_path_buf(), "map")));
    all
}

fn refuse_read(read: &Files, path: &Path, what: &str) -> Result<()> {
    match read.find(path) {
        None => Ok(()),
        Some(named) => Err(Error::invalid(format!(
            "{what} {} would replace {} {}; choose another name or folder",
            path.display(),
            named.what,
            named.path.display()
        ))),
    }
}

/// An error where something is at `path` in an output folder that is not this program's.
pub(crate) fn refuse_stranger(folder: &OutFolder, path: &Path) -> Result<()> {
    match path.symlink_metadata().is_ok() && folder.existing(path) == Existing::Kept {
        false => Ok(()),
        true => Err(Error::invalid(format!(
            "{} already exists and is not listed in {}; move it, choose another --out, or give --overwrite",
            path.display(),
            folder.path.join(RESULTS).display()
        ))),
    }
}

fn same_output(what: &str, path: &Path, other: &Named) -> Error {
    Error::invalid(format!(
        "{} {} and {what} {} are the same file; give each a different name",
        other.what,
        other.path.display(),
        path.display()
    ))
}

/// What is no ordinary file is written to directly, and nothing of it replaced.
fn is_device(path: &Path) -> bool {
    path == Path::new("-") || std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir())
}

/// How many classes or targets are asked for. One may turn out to be several where it is the boxes of a detector.
fn count(args: &ExplainArgs) -> usize {
    let classes = args.classes.iter().map(|class| match class {
        ClassArg::Top(k) => *k,
        ClassArg::Numbers(numbers) => numbers.len(),
        ClassArg::Label(_) => 1,
    });
    if args.targets.is_empty() { classes.sum() } else { args.targets.len() }
}

/// What may stand for a target in an overlay's name.
struct Parts {
    /// The classes by number, where all that may be are known.
    classes: Option<Vec<usize>>,
    /// Those of other targets.
    words: Vec<String>,
    /// Whether there may be boxes, of any number.
    has_boxes: bool,
}

impl Parts {
    fn of(args: &ExplainArgs) -> Self {
        let number = |name: &str| name.parse::<usize>().ok().map(|number| vec![number]);
        let classes: Option<Vec<_>> = match args.targets.is_empty() {
            true => args
                .classes
                .iter()
                .map(|class| match class {
                    ClassArg::Numbers(numbers) => Some(numbers.clone()),
                    ClassArg::Top(_) | ClassArg::Label(_) => None,
                })
                .collect(),
            false => {
                args.targets.iter().filter_map(|target| target.strip_prefix("class:")).map(number).collect()
            }
        };
        // A model without class scores is asked for these unless the user says otherwise.
        let unasked = args.targets.is_empty() && args.classes == [ClassArg::Top(1)];
        let words = args.targets.iter().map(|target| part_of(target));
        Self {
            classes: classes.map(|classes| classes.concat()),
            words: words.chain(unasked.then(|| part_of("region:predicted"))).collect(),
            has_boxes: unasked || args.targets.iter().any(|target| target == "boxes"),
        }
    }

    fn may_have(&self, part: &str) -> bool {
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| number.to_string() == text);
        let is_class = |class: usize| self.classes.as_ref().is_none_or(|known| known.contains(&class));
        number(part).is_some_and(is_class)
            || self.words.iter().any(|words| words == part)
            || self.has_boxes && part.strip_prefix("box-").and_then(number).is_some()
    }
}

/// The names that overlays may have: a stem in a folder, a hyphen, a class or target, `.png`.
struct OverlayNames {
    /// Folders without links, and the stems in each.
    stems: HashMap<PathBuf, Vec<OsString>>,
    parts: Parts,
}

impl OverlayNames {
    fn new(args: &ExplainArgs, plan: &Plan) -> Self {
        let mut stems: HashMap<PathBuf, Vec<OsString>> = HashMap::new();
        let mut parts = Parts::of(args);
        for destination in &plan.destinations {
            let path = match &destination.overlay {
                Overlays::InFolder(path) => path,
                Overlays::Named(path) if count(args) > 1 => path,
                // The only target has the name as it is, and boxes where they are several a number.
                Overlays::Named(path) if parts.has_boxes => {
                    parts = Parts { classes: Some(Vec::new()), words: Vec::new(), has_boxes: true };
                    path
                }
                Overlays::Named(_) | Overlays::None => continue,
            };
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = resolved(folder.unwrap_or(Path::new(".")));
            stems.entry(folder).or_default().push(path.file_stem().unwrap_or_default().to_owned());
        }
        stems.values_mut().for_each(|stems| stems.sort());
        Self { stems, parts }
    }

    /// Whether an overlay may come to `path`, which has no links.
    fn may_be(&self, path: &Path) -> bool {
        let stems = path.parent().and_then(|folder| self.stems.get(folder));
        stems.is_some_and(|stems| path.file_name().is_some_and(|name| self.may_be_name(name, stems)))
    }

    fn may_be_name(&self, name: &OsStr, stems: &[OsString]) -> bool {
        // Only the end of the name has to be text.
        let path = Path::new(name);
        let (Some(stem), true) = (path.file_stem(), path.extension() == Some(OsStr::new("png"))) else {
            return false;
        };
        let stem = stem.to_string_lossy();
        let is_stem =
            |stem: &str| stems.binary_search_by(|known| known.to_string_lossy().as_ref().cmp(stem)).is_ok();
        let mut hyphens = stem.match_indices('-');
        hyphens.any(|(at, _)| self.parts.may_have(&stem[at + 1..]) && is_stem(&stem[..at]))
    }

    /// The files that there are by such names.
    fn existing(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for (folder, stems) in &self.stems {
            // A folder that cannot be listed has no file that could be written over.
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if self.may_be_name(&entry.file_name(), stems) {
                    found.push(folder.join(entry.file_name()));
                }
            }
        }
        found.sort();
        found
    }
}
