//! What a run is going to do, before it does any of it: which inputs it explains, where their files go, and which
//! inputs have their results already.

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use scorecam::walk::{self, Depth, Source, Walk};
use scorecam::{Fuse, LabelSource, Manifest};
use scorecam_core::{Error, Result};

use crate::Failure;
use crate::args::{ClassArg, ExplainArgs, MapSize};
use crate::collisions;
use crate::located::RegionArg;
use crate::output::{Destinations, Existing, MapTo, Overlays};
use crate::record::{RESULTS, Record, Settings, Stamp, Trace};
use crate::report::{Outcome, Run};
use crate::same_file::{key, resolved};

/// The inputs of a run and where their files go.
pub(crate) struct Plan {
    /// The inputs to explain.
    pub(crate) inputs: Vec<PathBuf>,
    /// Where the files of each of them go.
    pub(crate) destinations: Vec<Destinations>,
    /// All inputs, with those that are passed over.
    pub(crate) sources: Vec<Source>,
    /// What the user should know before it begins, a line each.
    pub(crate) notes: Vec<String>,
    /// The output folder.
    pub(crate) folder: Option<OutFolder>,
}

/// The output folder of a run.
pub(crate) struct OutFolder {
    pub(crate) path: PathBuf,
    pub(crate) record: Record,
    /// The names in the folder of the inputs to explain.
    names: Vec<String>,
    /// The files of an earlier result of each of them.
    earlier_files: Vec<Vec<String>>,
    settings: Settings,
    /// The files besides the input that results are made of.
    stamps: Vec<Stamp>,
    /// Files of earlier runs, without links.
    own: HashSet<PathBuf>,
    is_overwritten: bool,
    /// The inputs in their order, and the results of those that are passed over.
    keys: Vec<String>,
    done: Vec<Outcome>,
}

impl Plan {
    /// Makes the plan; whatever can be wrong with it is an error before a folder is made or a model loaded.
    pub(crate) fn new(args: &ExplainArgs) -> Result<Self, Failure> {
        let outputs = &args.outputs;
        let record = outputs.out.as_deref().map(Record::read).transpose()?;
        let own = record.as_ref().map(Record::own_files).unwrap_or_default();
        let found = walk::expand(
            &args.inputs,
            &Walk {
                depth: if args.recursive { Depth::Tree } else { Depth::Folder },
                is_own: &|path| !own.is_empty() && own.contains(&resolved(path)),
                results: outputs.out.as_deref(),
            },
        )?;
        let named = [&outputs.map, &outputs.errors, &outputs.overlay].into_iter().flatten().next();
        if found.sources.len() > 1 && named.is_some() {
            return Err(Failure::Usage(format!(
                "--map, --errors and --overlay name one file, but there are {} inputs; give --out DIR instead",
                found.sources.len()
            )));
        }
        let notes = found.passed_over.iter();
        let notes = notes.map(|(folder, rest)| format!("{}: {rest}", folder.display())).collect();
        let mut plan = Self {
            inputs: Vec::new(),
            destinations: Vec::new(),
            sources: found.sources,
            notes,
            folder: None,
        };
        match record {
            Some(record) => plan.fill_folder(args, record, own)?,
            None => plan.inputs = plan.sources.iter().map(|source| source.path.clone()).collect(),
        }
        plan.destinations.resize_with(plan.inputs.len(), Destinations::default);
        // These two come with a single input only.
        for destination in &mut plan.destinations {
            match &outputs.map {
                Some(map) if map == Path::new("-") => destination.map = MapTo::StandardOutput,
                Some(map) => destination.map = MapTo::Named(map.clone()),
                None => {}
            }
            if let Some(overlay) = &outputs.overlay {
                destination.overlay = Overlays::Named(overlay.clone());
            }
        }
        collisions::check(args, &plan)?;
        Ok(plan)
    }

    /// Takes out inputs that are named again: the results of one input are in a folder once.
    fn drop_repeated(&mut self) {
        let before = self.sources.len();
        let mut seen = HashSet::new();
        self.sources.retain(|source| seen.insert(key(&source.path)));
        match before - self.sources.len() {
            0 => {}
            1 => self.notes.push("skipped: 1 duplicate input".into()),
            n => self.notes.push(format!("skipped: {n} duplicate inputs")),
        }
    }

    /// Names the files of each input in the output folder, and takes out the inputs that are done.
    fn fill_folder(&mut self, args: &ExplainArgs, record: Record, own: HashSet<PathBuf>) -> Result<()> {
        let outputs = &args.outputs;
        let path = outputs.out.clone().unwrap_or_default();
        let settings = settings(args);
        self.drop_repeated();
        let mut folder = OutFolder {
            stamps: read_besides(args).iter().map(|(path, _)| Stamp::of(path)).collect(),
            keys: self.sources.iter().map(|source| key(&source.path)).collect(),
            is_overwritten: outputs.overwrite,
            done: Vec::new(),
            names: Vec::new(),
            earlier_files: Vec::new(),
            record: Record::default(),
            path,
            settings,
            own,
        };
        let known = record.by_input();
        let names = names(&self.sources, &folder.keys, &known);
        for ((source, key), name) in self.sources.iter().zip(&folder.keys).zip(names) {
            let earlier = known.get(key.as_str());
            if let Some((_, trace)) = earlier {
                folder.check_settings(&source.path, trace)?;
            }
            match earlier {
                Some((outcome, trace)) if outputs.skip_existing && folder.is_done(&record, trace) => {
                    folder.done.push((*outcome).clone());
                }
                _ => {
                    self.inputs.push(source.path.clone());
                    self.destinations.push(Destinations {
                        map: MapTo::InFolder(folder.path.join(format!("{name}.npy"))),
                        overlay: Overlays::InFolder(folder.path.join(format!("{name}.png"))),
                    });
                    folder.names.push(name);
                    folder
                        .earlier_files
                        .push(earlier.map_or_else(Vec::new, |(_, trace)| trace.wrote.clone()));
                }
            }
        }
        drop(known);
        folder.record = record;
        if !folder.done.is_empty() {
            let (done, path) = (folder.done.len(), folder.path.join(RESULTS));
            let inputs = if done == 1 { "input" } else { "inputs" };
            let note = format!("skipped: {done} {inputs} whose results are already in {}", path.display());
            self.notes.push(note);
        }
        self.folder = Some(folder);
        Ok(())
    }
}

impl OutFolder {
    /// What becomes of a file that is in the way of one of this run's.
    pub(crate) fn existing(&self, path: &Path) -> Existing {
        match self.is_overwritten || self.own.contains(&resolved(path)) {
            true => Existing::Replaced,
            false => Existing::Kept,
        }
    }

    /// Makes room for a file of this folder; an error where something is in the way that is not this program's.
    pub(crate) fn make_way(&self, path: &Path) -> Result<()> {
        path.parent().map_or(Ok(()), make_folder)?;
        collisions::refuse_stranger(self, path)
    }

    /// Whether nothing is recorded yet.
    pub(crate) fn is_new(&self) -> bool {
        self.record.run().results.is_empty() && self.record.run().errors.is_empty()
    }

    /// How the files of the input at `position` come about, once `wrote` are written.
    pub(crate) fn trace(&self, position: usize, input: Stamp, wrote: &[&Path]) -> Trace {
        Trace {
            name: self.names[position].clone(),
            read: [vec![input], self.stamps.clone()].concat(),
            wrote: wrote.iter().map(|path| self.relative(path)).collect(),
            settings: self.settings.clone(),
        }
    }

    /// A file as the record names it: relative to the folder when it is in it.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.path).ok().and_then(Path::to_str);
        inside.map_or_else(|| key(path), str::to_owned)
    }

    /// Removes the files of an earlier result of the input at `position` that the new one does not have: they would
    /// pass for its own.
    pub(crate) fn remove_stale(&self, position: usize, new: &Trace) {
        let earlier = self.earlier_files[position].iter();
        for file in earlier.filter(|file| is_inside(file) && !new.wrote.contains(file)) {
            std::fs::remove_file(self.path.join(file)).ok();
        }
    }

    /// All results of the folder after a run that found `run`: those of earlier runs first, then those of this run's
    /// inputs in their order.
    pub(crate) fn all_results(&self, mut run: Run) -> Run {
        run.results = self.with_done(run.results);
        let mut all = self.record.run().clone();
        all.update(run);
        all
    }

    /// The results of a run's inputs in their order, those that are passed over included.
    pub(crate) fn with_done(&self, mut results: Vec<Outcome>) -> Vec<Outcome> {
        results.extend(self.done.iter().cloned());
        let order: HashMap<&str, usize> = self.keys.iter().map(String::as_str).zip(0..).collect();
        let place = |outcome: &Outcome| outcome.input_key().and_then(|key| order.get(key)).copied();
        results.sort_by_key(|outcome| place(outcome).unwrap_or(usize::MAX));
        results
    }

    fn is_done(&self, record: &Record, trace: &Trace) -> bool {
        let besides = trace.read.get(1..).unwrap_or_default();
        trace.settings == self.settings && besides == self.stamps && record.is_complete(trace)
    }

    /// An error where an earlier result of an input was made with other settings, which would be lost.
    fn check_settings(&self, input: &Path, earlier: &Trace) -> Result<()> {
        let all = self.settings.keys().chain(earlier.settings.keys());
        let differing = all.into_iter().find(|k| self.settings.get(*k) != earlier.settings.get(*k));
        let Some(name) = differing.filter(|_| !self.is_overwritten) else { return Ok(()) };
        let value =
            |of: &Settings| of.get(name).map_or(format!("no {name}"), |value| format!("{name} {value:?}"));
        Err(Error::invalid(format!(
            "{} has results of {} made with {}; this run has {}; choose another --out, or give --overwrite",
            self.path.join(RESULTS).display(),
            input.display(),
            value(&earlier.settings),
            value(&self.settings)
        )))
    }
}

/// Whether a file that a record names lies in its folder.
pub(crate) fn is_inside(file: &str) -> bool {
    Path::new(file).components().all(|part| matches!(part, Component::Normal(_)))
}

/// The file that a target names, if it names one: a photo to compare with, or a mask.
fn target_file(target: &str) -> Option<PathBuf> {
    let path = target.strip_prefix("like:").map(PathBuf::from);
    path.or_else(|| {
        let area = target.strip_prefix("region:")?;
        if area == "predicted" || area.starts_with("predicted:") {
            return None;
        }
        // A class may follow the mask's path.
        let mask = area.rsplit_once(':').map(|(mask, _)| mask).filter(|_| !PathBuf::from(area).exists());
        Some(PathBuf::from(mask.unwrap_or(area))).filter(|path| path.exists())
    })
}

/// A name for the files of each input, below the folder as the input is below its own. A name that comes again gets a
/// number; an input that has results keeps its name, and the names of other inputs' results are left to them.
fn names(sources: &[Source], keys: &[String], known: &HashMap<&str, (&Outcome, &Trace)>) -> Vec<String> {
    let mut taken: HashSet<String> = known.values().map(|(_, trace)| trace.name.clone()).collect();
    let name = |(source, key): (&Source, &String)| {
        if let Some((_, trace)) = known.get(key.as_str()) {
            return trace.name.clone();
        }
        let stem = source.below.join(source.path.file_stem().unwrap_or_default());
        let stem = stem.to_string_lossy().into_owned();
        let mut names = (1..).map(|n| if n == 1 { stem.clone() } else { format!("{stem}-{n}") });
        let name = names.find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(name.clone());
        name
    };
    sources.iter().zip(keys).map(name).collect()
}

/// The files besides inputs that a run reads, and what each is.
pub(crate) fn read_besides(args: &ExplainArgs) -> Vec<(PathBuf, &'static str)> {
    let mut files = read_of_model(&args.model.model);
    files.extend(args.model.plugins.files.iter().map(|file| (file.clone(), "a plugin")));
    files.extend(args.how.reference.iter().map(|file| (file.clone(), "the reference")));
    if let Some(RegionArg::Mask(file)) = &args.locate.region {
        files.push((file.clone(), "the region's mask"));
    }
    files.extend(
        args.targets.iter().filter_map(|target| target_file(target)).map(|file| (file, "a target's file")),
    );
    files
}

/// The files that loading a model reads, and what each is. A manifest that cannot be read names none; loading the model
/// says why.
pub(crate) fn read_of_model(model: &Path) -> Vec<(PathBuf, &'static str)> {
    let mut files = vec![(model.to_path_buf(), "the model")];
    let manifest = match model.extension() {
        Some(e) if e == "toml" => model.to_path_buf(),
        _ => model.with_extension("toml"),
    };
    if let Ok(read) = Manifest::read(&manifest) {
        let beside = |file: &PathBuf| manifest.parent().unwrap_or(Path::new("")).join(file);
        files.extend(read.model.file.iter().map(|file| (beside(file), "the model's file")));
        files.extend(read.model.labels.iter().filter_map(|source| match source {
            LabelSource::File(file) => Some((beside(file), "the model's labels")),
            LabelSource::Names(_) => None,
        }));
        if manifest != *model {
            files.push((manifest, "the model's manifest"));
        }
    }
    files
}

/// What decides about the files of an input, as it was typed. Threads and batches do not.
fn settings(args: &ExplainArgs) -> Settings {
    let (model, how, outputs) = (&args.model, &args.how, &args.outputs);
    let pairs = |pairs: &[(String, String)]| {
        let pairs: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        (!pairs.is_empty()).then(|| pairs.join(" "))
    };
    let classes: Vec<String> = args.classes.iter().map(ClassArg::to_string).collect();
    let all = [
        ("model", Some(key(&model.model))),
        ("backend", model.backend.clone()),
        ("device", model.device.clone()),
        ("backend-set", pairs(&model.backend_set)),
        ("layer", args.layer.clone()),
        ("class", Some(classes.join(" "))),
        ("target", Some(args.targets.join(" ")).filter(|targets| !targets.is_empty())),
        ("min-score", (args.min_score != 0.25).then(|| args.min_score.to_string())),
        ("boxes", args.locate.boxes.map(|share| format!("{share} {}", args.locate.box_areas.name()))),
        ("region", args.locate.region.as_ref().map(RegionArg::to_string)),
        ("least-energy", args.locate.least_energy.map(|share| share.to_string())),
        ("range", args.range.map(|range| range.to_string())),
        ("method", Some(how.method.clone())),
        ("preset", how.preset.clone()),
        ("set", pairs(&how.set)),
        ("fuse", (how.fuse != Fuse::default()).then(|| how.fuse.to_string())),
        ("augment", how.augment.then(|| "mirrored".to_owned())),
        ("warm", how.warm.then(|| "from the input before".to_owned())),
        ("reference", how.reference.as_deref().map(key)),
        ("colormap", Some(outputs.colormap.name().to_owned())),
        ("opacity", Some(outputs.opacity.to_string())),
        ("map-size", (outputs.map_size == MapSize::Photo).then(|| "photo".to_owned())),
        ("time-limit", how.time_limit.map(|seconds| seconds.to_string())),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// Makes a folder for results.
pub(crate) fn make_folder(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|e| Error::io(format!("cannot make folder {}: {e}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_one_name_get_files_of_their_own() {
        let source = |path: &str, below: &str| Source { path: path.into(), below: below.into() };
        let sources =
            [source("x/a.png", ""), source("y/a.jpg", ""), source("a-2.png", ""), source("z/s/a.png", "s")];
        let keys: Vec<String> = sources.iter().map(|source| source.path.display().to_string()).collect();
        assert_eq!(names(&sources, &keys, &HashMap::new()), ["a", "a-2", "a-2-2", "s/a"]);
        // What has results keeps its name, whichever inputs come before it now.
        let trace =
            Trace { name: "a".into(), read: Vec::new(), wrote: Vec::new(), settings: Settings::new() };
        let outcome: Outcome = serde_json::from_str(OUTCOME).expect("an outcome");
        let known = HashMap::from([("y/a.jpg", (&outcome, &trace)), ("gone", (&outcome, &trace))]);
        assert_eq!(names(&sources, &keys, &known), ["a-2", "a", "a-2-2", "s/a"]);
    }

    const OUTCOME: &str = r#"{"input": "a", "model": "m", "backend": "b", "backend_reason": null, "method": "s",
        "preset": null, "layer": "l", "passes": 1, "seconds": {"decode": 0, "preprocess": 0, "forward": 0,
        "passes": 0, "map": 0, "total": 0}, "measures": {"x": null}, "warnings": [], "targets": []}"#;

    #[test]
    fn a_record_names_no_file_outside_its_folder() {
        for (file, expected) in
            [("a.png", true), ("s/a.png", true), ("../a", false), ("/a", false), ("a/../../b", false)]
        {
            assert_eq!(is_inside(file), expected, "{file}");
        }
    }
}
