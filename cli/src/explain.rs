//! `scorecam explain`: one model and one method over all inputs.
//!
//! What is wrong with the command line, the output folders, the plugins, the model or the options' form ends the
//! run before the first photo is read. From there on an input that fails is reported and the others go on;
//! the program then ends with 1.
//!
//! Several inputs are at work at once, each on a thread of its own that reads, explains, draws and writes. Their
//! masks share batches of the model ([`SharedBatches`]), in the order of the inputs, so that the same run gives the
//! same maps every time.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use scorecam_cli::input::{Decoded, Held, Input, Reader};
use scorecam_core::image::{Overlay, Photo, Placement};
use scorecam_core::{
    CamMethod, Error, Explanation, Lane, Options, Progress, Request, Result, SharedBatches, Target, Targets,
    Tensor, TensorView, Turn, printable,
};
use scorecam_host::{Host, Model};

use crate::Failure;
use crate::args::{ClassArg, ExplainArgs};
use crate::journal::Journal;
use crate::output::{Destinations, Existing, MapTo};
use crate::plan::Plan;
use crate::progress::{self, Bars, StageClock};
use crate::record::{Line, Stamp, Trace};
use crate::report::{Outcome, Run, Seconds, TargetOutcome, shown};
use crate::results::{Results, Summaries};
use crate::{list, output, plan, terminal};

/// Bytes a pixel for an overlay and its PNG, which is made in memory.
const ENCODING_BYTES: u64 = 8;

/// The stack of a thread that explains: that of a program's first thread, which plugins may count on.
const STACK: usize = 8 << 20;

/// Explains every input; see the module's documentation for what is reported how.
pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    check_classes(&args.classes)?;
    let plan = Plan::new(args)?;
    plan.notes.iter().for_each(terminal::note);
    let journal = prepare_outputs(args, &plan)?;
    if plan.inputs.is_empty() {
        return Ok(finish(&plan, journal, Run::default())?);
    }
    let explainer = Explainer::new(args, &plan, journal.as_ref())?;

    let bars = Bars::new(plan.inputs.len());
    let to_standard_output = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
    let summaries = match to_standard_output(&args.outputs.json) || to_standard_output(&args.outputs.map) {
        true => Summaries::Left,
        false => Summaries::Printed,
    };
    let results = Results::new(&plan.inputs, &bars, (summaries, &explainer.warned), journal.as_ref());
    let work = |lane: Lane<'_>| work(lane, (&explainer, &bars), &results);
    at_once(&explainer, plan.inputs.len(), &results, work)?;
    let run = results.into_run()?;
    drop((bars, explainer));
    let is_whole = run.errors.is_empty();
    // A single input that failed has said so; files about it would only look like results.
    if is_whole || !run.results.is_empty() || run.errors.len() > 1 {
        write_json(&run, args.outputs.json.as_deref())?;
    }
    finish(&plan, journal, run)?;
    if is_whole { Ok(()) } else { Err(Failure::Reported) }
}

/// Does `work` in as many lanes as inputs are to be at work at once, one of them on this thread.
fn at_once(
    explainer: &Explainer<'_>,
    inputs: usize,
    results: &Results<'_>,
    work: impl Fn(Lane<'_>) + Sync,
) -> Result<()> {
    let how = &explainer.args.how;
    let shared = SharedBatches::new(explainer.model.backend(), inputs, how.batch_size)?;
    let mut lanes = shared.lanes(usize::from(how.jobs).min(inputs)).into_iter();
    let own = lanes.next();
    std::thread::scope(|scope| {
        for lane in lanes {
            let started = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || work(lane));
            if let Err(error) = started {
                results
                    .stop(Error::io(format!("a thread cannot be started: {error}; give a smaller --jobs")));
            }
        }
        own.map(&work);
    });
    Ok(())
}

/// Explains the inputs that come up in a lane.
fn work(mut lane: Lane<'_>, (explainer, bars): (&Explainer<'_>, &Bars), results: &Results<'_>) {
    while let Some(turn) = lane.next_turn() {
        let at = turn.position();
        if !results.is_stopped() {
            results.add(at, explainer.explain(at, turn, bars));
        }
    }
}

/// Makes the output folder, opens its journal, and makes sure that every file can be written.
fn prepare_outputs(args: &ExplainArgs, plan: &Plan) -> Result<Option<Journal>> {
    let outputs = &args.outputs;
    if outputs.map.as_deref() == Some(Path::new("-")) && std::io::stdout().is_terminal() {
        return Err(Error::invalid(
            "--map - would write a .npy file to the terminal; send it to a file or a program",
        ));
    }
    let named = outputs.json.iter().chain(&outputs.map).chain(&outputs.overlay);
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
            Err(Failure::Usage("--class top:K stands alone; it cannot be given with other classes".into()))
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

/// All that is the same for every input.
struct Explainer<'a> {
    args: &'a ExplainArgs,
    model: Model,
    method: Arc<dyn CamMethod>,
    options: Options,
    targets: Targets,
    reference: Option<Tensor>,
    reader: Reader,
    plan: &'a Plan,
    journal: Option<&'a Journal>,
    /// Warnings that were shown already.
    warned: Vec<String>,
}

/// An input, ready for the model.
struct Ready {
    tensor: Tensor,
    /// The photo that it was made of and what of it the model sees; none for a tensor.
    photo: Option<(Photo, Placement)>,
    warnings: Vec<String>,
    decode: f64,
    preprocess: f64,
}

impl<'a> Explainer<'a> {
    fn new(args: &'a ExplainArgs, plan: &'a Plan, journal: Option<&'a Journal>) -> Result<Self> {
        let host = Host::new(None)?;
        list::load(&host, &args.model.plugins)?;
        // Options are cheap to check, a model may take seconds to load.
        let method = host.method(&args.how.method)?;
        let options = method.info().resolve(args.how.preset.as_deref(), &args.how.set)?;
        let model = list::load_model(&host, &args.model, args.layer.clone())?;
        host.check_needs(method.info(), &model)?;
        let targets = targets(&args.classes, &model)?;
        let reader = Reader::with_range(args.range);
        let mut explainer = Self {
            args,
            model,
            method,
            options,
            targets,
            reference: None,
            reader,
            plan,
            journal,
            warned: Vec::new(),
        };
        if let Some(path) = &args.how.reference {
            let ready = explainer.ready(path).map_err(|e| e.context("reference"))?;
            for warning in ready.warnings {
                terminal::warning(format_args!("{}: {warning}", path.display()));
                explainer.warned.push(warning);
            }
            explainer.reference = Some(ready.tensor);
        }
        Ok(explainer)
    }

    /// Explains the input at `position` and writes its files.
    fn explain(&self, position: usize, turn: Turn<'_>, bars: &Bars) -> Result<Outcome> {
        let started = Instant::now();
        let path = &self.plan.inputs[position];
        // Taken before the file is read: a change meanwhile shows later.
        let stamp = Stamp::of(path);
        let bar = bars.input(printable(&shown(path)));
        let clock_and_found = self.ready(path).and_then(|ready| {
            let clock = StageClock::start();
            let report = |p: Progress| {
                clock.note(p);
                progress::show(&bar, p);
                ControlFlow::Continue(())
            };
            let found = self.find(&turn, &ready, &report).map_err(|e| e.context(path.display()))?;
            Ok((ready, clock, found))
        });
        // Others wait for this input's masks no longer; it is drawn and written while theirs are scored.
        drop(turn);
        bars.finished(&bar);
        let (ready, clock, mut found) = clock_and_found?;
        found.warnings.splice(0..0, ready.warnings.clone());

        let (targets, record) = self.write(position, stamp, (&ready, &found))?;
        let times = clock.times();
        Ok(Outcome {
            input: shown(path),
            model: self.model.name().to_owned(),
            backend: self.model.backend_id().to_owned(),
            backend_reason: self.model.backend_choice().map(|choice| choice.reason().to_owned()),
            method: self.method.info().id.clone(),
            preset: self
                .args
                .how
                .preset
                .as_deref()
                .or(self.method.info().default_preset())
                .map(str::to_owned),
            layer: found.layer,
            passes: found.passes,
            seconds: Seconds {
                decode: ready.decode,
                preprocess: ready.preprocess,
                forward: times.forward.as_secs_f64(),
                passes: times.passes.as_secs_f64(),
                map: times.map.as_secs_f64(),
                total: started.elapsed().as_secs_f64(),
            },
            measures: found.measures.into_iter().map(|(k, v)| (k, v.is_finite().then_some(v))).collect(),
            warnings: found.warnings,
            targets,
            record,
        })
    }

    fn find(
        &self,
        turn: &Turn<'_>,
        ready: &Ready,
        report: &scorecam_core::Report<'_>,
    ) -> Result<Explanation> {
        let request = Request {
            input: ready.tensor.view(),
            reference: self.reference.as_ref().map(Tensor::view),
            targets: self.targets.clone(),
            layer: self.model.layer(),
            options: &self.options,
            batch_size: self.args.how.batch_size,
            output_activation: None,
            progress: report,
        };
        scorecam_core::explain(turn, self.method.as_ref(), &request)
    }

    /// Writes the files of one input; says which, and in an output folder how they came about.
    fn write(
        &self,
        position: usize,
        stamp: Stamp,
        (ready, found): (&Ready, &Explanation),
    ) -> Result<(Vec<TargetOutcome>, Option<Trace>)> {
        let to = &self.plan.destinations[position];
        let count = found.targets.len();
        let overlays: Vec<_> = found.targets.iter().map(|t| to.overlay.of_class(t.class, count)).collect();
        let files: Vec<&Path> =
            overlays.iter().flatten().map(PathBuf::as_path).chain(to.map.path()).collect();
        if let (Some(folder), Some(journal)) = (&self.plan.folder, self.journal) {
            let pictures = overlays.iter().flatten().filter(|_| to.overlay.are_in_folder());
            let in_folder = pictures.map(PathBuf::as_path).chain(to.map.in_folder());
            in_folder.into_iter().try_for_each(|path| folder.make_way(path))?;
            journal
                .add(&Line::Writing { files: files.iter().map(|path| folder.relative(path)).collect() })?;
        }
        self.write_files(to, &overlays, (ready, found))?;
        let outcome = |(target, overlay): (&Target, &Option<PathBuf>)| TargetOutcome {
            class: target.class,
            label: self.model.label(target.class).map(str::to_owned),
            score: target.score,
            output: target.output,
            map: to.map.path().map(shown),
            overlay: overlay.as_deref().map(shown),
        };
        let outcomes = found.targets.iter().zip(&overlays).map(outcome).collect();
        let trace = self.plan.folder.as_ref().map(|folder| folder.trace(position, stamp, &files));
        if let (Some(folder), Some(trace)) = (&self.plan.folder, &trace) {
            folder.remove_stale(position, trace);
        }
        Ok((outcomes, trace))
    }

    fn write_files(
        &self,
        to: &Destinations,
        overlays: &[Option<PathBuf>],
        (ready, found): (&Ready, &Explanation),
    ) -> Result<()> {
        let [count, height, width] = found.maps.view().dims("the maps")?;
        let in_folder = |path: &Path| {
            self.plan.folder.as_ref().map_or(Existing::Replaced, |folder| folder.existing(path))
        };
        // Overlays come first: whoever sees the map's file finds the pictures there, too.
        for (i, path) in overlays.iter().enumerate() {
            let Some(path) = path else { continue };
            let existing = if to.overlay.are_in_folder() { in_folder(path) } else { Existing::Replaced };
            let size = [height, width];
            let (picture, _held) = self.draw(ready, TensorView::new(&size, found.maps.item(i))?)?;
            output::write_png(path, &picture, existing)?;
        }
        let all = [count, height, width];
        let map = TensorView::new(if count == 1 { &all[1..] } else { &all[..] }, found.maps.data())?;
        match &to.map {
            MapTo::Nowhere => Ok(()),
            MapTo::StandardOutput => output::print_npy(map),
            MapTo::Named(path) => output::write_npy(path, map, Existing::Replaced),
            MapTo::InFolder(path) => output::write_npy(path, map, in_folder(path)),
        }
    }

    /// The photo with the map over it; for a tensor, of which there is no photo, the map's colors alone. The claim is
    /// for what it takes to encode the picture.
    fn draw(&self, ready: &Ready, map: TensorView<'_>) -> Result<(Photo, Held<'_>)> {
        let outputs = &self.args.outputs;
        let pixels =
            ready.photo.as_ref().map_or(map.data().len(), |(photo, _)| photo.width() * photo.height());
        let held = self.reader.hold(ENCODING_BYTES * pixels as u64)?;
        let picture = match &ready.photo {
            Some((photo, placement)) => {
                Overlay { colormap: outputs.colormap, opacity: outputs.opacity }.render(photo, map, placement)
            }
            None => outputs.colormap.paint(map),
        };
        Ok((picture?, held))
    }

    /// Reads an input and makes it the model's.
    fn ready(&self, path: &Path) -> Result<Ready> {
        let started = Instant::now();
        let read = self.reader.read(path)?;
        let decode = started.elapsed().as_secs_f64();
        let started = Instant::now();
        let (tensor, photo, warnings) = match read {
            Input::Tensor(tensor) => {
                let (tensor, warning) = self.model.arrange(tensor)?;
                (tensor, None, Vec::from_iter(warning))
            }
            Input::Photo(Decoded { photo, mut warnings }) => {
                let (preprocess, warning) = self.model.preprocess()?;
                let prepared = preprocess.apply(&photo).map_err(|e| e.context(path.display()))?;
                warnings.extend(warning);
                (prepared.input, Some((photo, prepared.placement)), warnings)
            }
        };
        let preprocess = started.elapsed().as_secs_f64();
        Ok(Ready { tensor, photo, warnings, decode, preprocess })
    }
}
