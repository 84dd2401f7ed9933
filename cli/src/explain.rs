//! `scorecam explain`: one model and one method over all inputs.
//!
//! What is wrong with the command line, the output folders, the plugins, the model or the options' form ends the
//! run before the first photo is read. From there on an input that fails is reported and the others go on;
//! the program then ends with 1.
//!
//! One thread reads the next input, this one explains, and a third draws and writes. `--jobs` inputs are explained at
//! once: their masks share batches of the model in the order of the inputs, so that the same run gives the same maps every
//! time.

mod files;
mod page;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use scorecam::{
    AUTO, Error, ExplainOptions, Explainer, Explanation, Host, Image, Input, Job, Kept, Model, Photo,
    Progress, Reader, Result, Target, Targets,
};
use scorecam_core::{bail, ensure, printable};

use crate::Failure;
use crate::args::{ClassArg, ExplainArgs};
use crate::journal::Journal;
use crate::located::Located;
use crate::plan::Plan;
use crate::progress::{self, Bars, StageClock, StageTimes};
use crate::record::{Line, Stamp, Trace};
use crate::report::{Detected, Outcome, Run, Seconds, TargetOutcome, shown};
use crate::results::{Results, Summaries};
use crate::survey::Gallery;
use crate::{coco, list, output, plan, report, terminal};

/// The method that begins with what it learned of the image before.
const LEARNS: &str = "score-cam-adaptive";

/// Explains every input; see the module's documentation for what is reported how.
pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    check_classes(&args.classes)?;
    let plan = Plan::new(args)?;
    plan.notes.iter().for_each(terminal::note);
    let journal = prepare_outputs(args, &plan)?;
    let has_more = args.locate.coco.is_some() || args.outputs.report.is_some();
    if plan.inputs.is_empty() && !has_more {
        return Ok(finish(&plan, journal, Run::default())?);
    }
    let host = Host::new()?;
    list::load_plugins(&host, &args.model.plugins)?;
    // Options are cheap to check, a model may take seconds to load.
    // A method that the model's abilities decide is checked after the load.
    if args.how.method != AUTO {
        let method = host.method(&args.how.method)?;
        method.check(&method.info().resolve(args.how.preset.as_deref(), &args.how.set)?)?;
    }
    let model = list::load_model(&host, &args.model, args.layer.clone())?;
    let work = Work::new((&host, &model), args, (&plan, journal.as_ref()))?;

    let bars = Bars::new(plan.inputs.len());
    let to_standard_output = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
    let summaries = match to_standard_output(&args.outputs.json) || to_standard_output(&args.outputs.map) {
        true => Summaries::Left,
        false => Summaries::Printed,
    };
    let results = Results::new(&plan.inputs, &bars, (summaries, work.explainer.warnings()), journal.as_ref());
    let run = work.run(&bars, results)?;
    drop(bars);
    let is_whole = run.errors.is_empty();
    let is_enough = run.results.iter().all(report::Outcome::is_enough);
    // A single input that failed has said so; files about it would only look like results.
    if is_whole || !run.results.is_empty() || run.errors.len() > 1 {
        write_json(&run, args.outputs.json.as_deref())?;
        coco::write(&run, (args, &plan), &model)?;
        work.write_report(&run, summaries)?;
    }
    if !is_whole && plan.inputs.len() > 1 {
        terminal::note(format!("{} explained, {} failed", run.results.len(), run.errors.len()));
    }
    finish(&plan, journal, run)?;
    if is_whole && is_enough { Ok(()) } else { Err(Failure::Reported) }
}

/// Makes the output folder, opens its journal, and makes sure that every file can be written.
fn prepare_outputs(args: &ExplainArgs, plan: &Plan) -> Result<Option<Journal>> {
    let outputs = &args.outputs;
    if outputs.map.as_deref() == Some(Path::new("-")) && std::io::stdout().is_terminal() {
        bail!(
            invalid,
            "--map - would write a .npy file to the terminal; redirect it to a file or pipe it to a program"
        );
    }
    let named =
        [&outputs.json, &outputs.map, &outputs.errors, &outputs.overlay, &args.locate.coco, &outputs.report];
    let named = named.into_iter().flatten();
    named.filter(|path| **path != Path::new("-")).try_for_each(|path| output::check_writable(path))?;
    let Some(folder) = &plan.folder else { return Ok(None) };
    plan::make_folder(&folder.path)?;
    let journal = Journal::open(&folder.path, &folder.record)?;
    // No other run is at work in the folder now.
    folder.record.clear_leftovers();
    Ok(Some(journal))
}

fn write_json(run: &Run, path: Option<&Path>) -> Result<()> {
    match path {
        None => Ok(()),
        Some(path) if path == Path::new("-") => terminal::print(&run.json()?),
        Some(path) => output::write_text(path, &run.json()?),
    }
}

/// Writes all results of the output folder, those of earlier runs included.
fn finish(plan: &Plan, journal: Option<Journal>, run: Run) -> Result<()> {
    let (Some(folder), Some(journal)) = (&plan.folder, journal) else { return Ok(()) };
    let is_nothing = run.results.is_empty() && run.errors.len() == 1 && folder.is_new();
    journal.finish(&if is_nothing { Run::default() } else { folder.all_results(run) })
}

fn check_classes(classes: &[ClassArg]) -> Result<(), Failure> {
    match classes {
        [_] => Ok(()),
        _ if classes.iter().any(|c| matches!(c, ClassArg::Top(_))) => {
            Err(Failure::Usage("--class top:K cannot be combined with other classes".into()))
        }
        _ => Ok(()),
    }
}

fn targets(classes: &[ClassArg], model: &Model) -> Result<Targets> {
    let mut numbers = Vec::new();
    for class in classes {
        match class {
            ClassArg::Top(k) => return Ok(Targets::Top(*k)),
            ClassArg::Numbers(some) => numbers.extend(some),
            ClassArg::Label(label) => numbers.push(model.class(label)?),
        }
    }
    Ok(Targets::Classes(numbers))
}

/// What stands for a target in a file's name.
fn file_part(target: &Target) -> String {
    match (target.text.starts_with("class:"), target.class) {
        (true, Some(class)) => class.to_string(),
        _ => output::part_of(&target.text),
    }
}

/// All that is the same for every input.
struct Work<'a> {
    args: &'a ExplainArgs,
    explainer: Explainer<'a>,
    reader: Reader,
    plan: &'a Plan,
    journal: Option<&'a Journal>,
    /// Where pictures are kept, if a report is wanted.
    gallery: Option<Gallery>,
}

/// An input, ready for the model.
struct Ready {
    input: Input,
    /// The photo that it was made of; none for a tensor.
    photo: Option<Photo>,
    /// Taken before the file was read: a change meanwhile shows later.
    stamp: Stamp,
    started: Instant,
    decode: f64,
    preprocess: f64,
}

/// An input that is explained.
struct AtWork {
    ready: Ready,
    bar: ProgressBar,
    clock: Rc<StageClock>,
}

/// An input that was explained, for the thread that draws and writes.
struct Explained {
    ready: Ready,
    found: Explanation,
    times: StageTimes,
}

impl<'a> Work<'a> {
    fn new(
        (host, model): (&Host, &'a Model),
        args: &'a ExplainArgs,
        (plan, journal): (&'a Plan, Option<&'a Journal>),
    ) -> Result<Self> {
        let reader = Reader::with_range(args.range);
        let reference = args.how.reference.as_ref();
        let options = ExplainOptions {
            method: args.how.method.clone(),
            preset: args.how.preset.clone(),
            set: args.how.set.clone(),
            targets: targets(&args.classes, model)?,
            ask: args.targets.clone(),
            detections: Kept { score: args.min_score, ..Kept::default() },
            layer: args.layer.clone(),
            fuse: args.how.fuse,
            augment: args.how.augment,
            batch_size: args.how.batch_size,
            reference: reference
                .map(|path| reader.read(path).map_err(|e| e.context("reference")))
                .transpose()?,
            time_limit: args.how.time_limit.map(Duration::from_secs_f64),
        };
        let explainer = Explainer::new(host, model, &options)?;
        let method = explainer.method().id.as_str();
        ensure!(
            !args.how.warm || method == LEARNS,
            invalid,
            "--warm needs --method {LEARNS}; {method} learns nothing from one image for the next"
        );
        for warning in explainer.warnings() {
            let path = reference.map(|path| path.display().to_string()).unwrap_or_default();
            terminal::warning(format_args!("{path}: {warning}"));
        }
        let gallery = args.outputs.report.as_ref().map(|_| Gallery::new()).transpose()?;
        Ok(Self { args, explainer, reader, plan, journal, gallery })
    }

    /// Explains all inputs; an error where the threads cannot be started, or the results cannot be kept.
    fn run(&self, bars: &Bars, results: Results<'_>) -> Result<Run> {
        let (read, inputs) = sync_channel(0);
        let (explained, outputs) = sync_channel(0);
        thread::scope(|scope| {
            let failed = |e| Error::io(format!("cannot start a thread: {e}"));
            let thread = |name: &str| thread::Builder::new().name(name.into());
            thread("read").spawn_scoped(scope, || self.read(read)).map_err(failed)?;
            let write = || self.write_all(outputs, results);
            let writer = thread("write").spawn_scoped(scope, write).map_err(failed)?;
            self.explain(inputs, explained, bars);
            writer.join().map_err(|_| Error::internal("the writer thread panicked"))?
        })
    }

    /// Reads input after input, each when the one before it is taken, until no more are.
    fn read(&self, read: SyncSender<Result<Ready>>) {
        let mut inputs = self.plan.inputs.iter();
        while let Some(path) = inputs.next()
            && read.send(self.ready(path)).is_ok()
        {}
    }

    /// Explains inputs as they come, and passes them on.
    fn explain(
        &self,
        inputs: Receiver<Result<Ready>>,
        explained: SyncSender<(usize, Result<Explained>)>,
        bars: &Bars,
    ) {
        let (at_work, previous) = (RefCell::new(BTreeMap::new()), RefCell::new(None));
        let how = &self.args.how;
        let jobs = inputs.iter().enumerate().map(|(position, ready)| {
            let ready = ready?;
            let bar = bars.input(printable(&shown(&self.plan.inputs[position])));
            let clock = Rc::new(StageClock::start());
            let progress = Some(report(&bar, &clock));
            let job = Job { input: ready.input.clone(), progress, previous: previous.take() };
            at_work.borrow_mut().insert(position, AtWork { ready, bar, clock });
            Ok(job)
        });
        // The next frame begins with what this one's explanation learned.
        let at_once = if how.warm { 1 } else { usize::from(how.jobs) };
        self.explainer.explain_many(jobs, at_once, |position, found| {
            if let Ok(found) = found.as_ref()
                && how.warm
            {
                previous.replace(found.learned.clone());
            }
            let at_work = at_work.borrow_mut().remove(&position);
            let found = match at_work {
                None => found.and(Err(Error::internal("an input was explained that was not read"))),
                Some(AtWork { ready, bar, clock }) => {
                    bars.finished(&bar);
                    let path = self.plan.inputs[position].display();
                    let found = found.and_then(in_time).map_err(|e| e.context(path));
                    found.map(|found| Explained { ready, found, times: clock.times() })
                }
            };
            // Nobody takes it where the results of others could not be kept.
            explained.send((position, found)).map_or(ControlFlow::Break(()), ControlFlow::Continue)
        });
    }

    /// Writes the files of inputs as they come, and reports them.
    fn write_all(
        &self,
        explained: Receiver<(usize, Result<Explained>)>,
        mut results: Results<'_>,
    ) -> Result<Run> {
        for (position, explained) in explained {
            results.add(position, explained.and_then(|explained| self.outcome(position, explained)))?;
        }
        Ok(results.into_run())
    }

    /// Writes the files of one input; what came of it.
    fn outcome(&self, position: usize, Explained { ready, found, times }: Explained) -> Result<Outcome> {
        let (targets, record) = self.write(position, (&ready, &found))?;
        let pictures = self.pictures(&ready, &found)?;
        let model = self.explainer.model();
        Ok(Outcome {
            input: shown(&self.plan.inputs[position]),
            model: model.name().to_owned(),
            backend: model.backend_id().to_owned(),
            backend_reason: model.backend_choice().map(|choice| choice.reason().to_owned()),
            method: self.explainer.method().id.clone(),
            preset: self.explainer.preset().map(str::to_owned),
            layer: found.layer,
            passes: found.passes,
            seconds: Seconds {
                decode: ready.decode,
                preprocess: ready.preprocess,
                forward: times.forward.as_secs_f64(),
                passes: times.passes.as_secs_f64(),
                map: times.map.as_secs_f64(),
                total: ready.started.elapsed().as_secs_f64(),
            },
            measures: found.measures.into_iter().map(|(k, v)| (k, v.is_finite().then_some(v))).collect(),
            warnings: found.warnings,
            targets,
            record,
            pictures,
        })
    }

    /// Writes the files of one input; says which, and in an output folder how they came about.
    fn write(
        &self,
        position: usize,
        (ready, found): (&Ready, &Explanation),
    ) -> Result<(Vec<TargetOutcome>, Option<Trace>)> {
        let to = &self.plan.destinations[position];
        let count = found.targets.len();
        let overlays: Vec<_> =
            found.targets.iter().map(|t| to.overlay.of_target(&file_part(t), count)).collect();
        let files: Vec<&Path> =
            overlays.iter().flatten().map(PathBuf::as_path).chain(to.map.path()).collect();
        if let (Some(folder), Some(journal)) = (&self.plan.folder, self.journal) {
            let pictures = overlays.iter().flatten().filter(|_| to.overlay.are_in_folder());
            let in_folder = pictures.map(PathBuf::as_path).chain(to.map.in_folder());
            in_folder.into_iter().try_for_each(|path| folder.make_way(path))?;
            journal
                .add(&Line::Writing { files: files.iter().map(|path| folder.relative(path)).collect() })?;
        }
        let located = self.args.locate.located(&self.reader, (&ready.input, found));
        let located = located.map_err(|e| e.context(self.plan.inputs[position].display()))?;
        self.write_files(to, &overlays, (ready, found, &located))?;
        let outcome = |((target, located), overlay): ((&Target, Located), &Option<PathBuf>)| TargetOutcome {
            located,
            target: target.text.clone(),
            class: target.class,
            label: target.label.clone(),
            score: target.score,
            output: target.output,
            detection: target.detection.map(|found| Detected {
                rect: [
                    found.rect.x,
                    found.rect.y,
                    found.rect.x + found.rect.width,
                    found.rect.y + found.rect.height,
                ],
                score: found.score,
            }),
            map: to.map.path().map(shown),
            overlay: overlay.as_deref().map(shown),
        };
        let outcomes = found.targets.iter().zip(located).zip(&overlays).map(outcome).collect();
        let trace =
            self.plan.folder.as_ref().map(|folder| folder.trace(position, ready.stamp.clone(), &files));
        if let (Some(folder), Some(trace)) = (&self.plan.folder, &trace) {
            folder.remove_stale(position, trace);
        }
        Ok((outcomes, trace))
    }

    /// Reads an input and makes it the model's.
    fn ready(&self, path: &Path) -> Result<Ready> {
        let (stamp, started) = (Stamp::of(path), Instant::now());
        let image: Image = self.reader.read(path)?;
        let decoded = Instant::now();
        let input = self.explainer.model().prepare(&image).map_err(|e| e.context(path.display()))?;
        Ok(Ready {
            input,
            photo: image.into_photo(),
            stamp,
            started,
            decode: (decoded - started).as_secs_f64(),
            preprocess: decoded.elapsed().as_secs_f64(),
        })
    }
}

/// An explanation with maps, or an error with the scores that are known.
fn in_time(found: Explanation) -> Result<Explanation> {
    let Some(late) = &found.late else { return Ok(found) };
    let scores = found.targets.iter().map(|target| {
        let name = target.label.as_ref().map_or(String::new(), |label| format!(" ({label})"));
        format!("{}{name} {:.4}", target.text, target.score)
    });
    Err(Error::deadline(format!(
        "no map was made: {late}; the scores: {}; allow more time, or use --method score-cam-adaptive, which meets \
         a time limit",
        scores.collect::<Vec<_>>().join(", ")
    )))
}

/// Keeps the time of each report, and shows it.
fn report(bar: &ProgressBar, clock: &Rc<StageClock>) -> Box<dyn Fn(Progress) -> ControlFlow<()>> {
    let (bar, clock) = (bar.clone(), Rc::clone(clock));
    Box::new(move |now| {
        clock.note(now);
        progress::show(&bar, now);
        ControlFlow::Continue(())
    })
}
