//! `scorecam explain`: one model and one method over all inputs.
//!
//! What is wrong with the command line, the output folders, the plugins, the model or the options' form ends the
//! run before the first photo is read. From there on an input that fails is reported and the others go on;
//! the program then ends with 1.
//!
//! Several inputs are at work at once, each on a thread of its own that reads, explains, draws and writes. Their
//! masks share batches of the model ([`SharedBatches`]), in the order of the inputs, so that the same run gives the
//! same maps every time.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use scorecam_cli::input::{self, Input};
use scorecam_core::image::{Overlay, Photo, Placement, Preprocess};
use scorecam_core::{
    CamMethod, Error, Explanation, Lane, Options, Progress, Request, Result, SharedBatches, Targets, Tensor,
    TensorView, Turn, printable,
};
use scorecam_host::{Host, Model};

use crate::Failure;
use crate::args::{ClassArg, ExplainArgs, OutputArgs};
use crate::output::{Destinations, Overlays};
use crate::progress::{self, Bars, StageClock};
use crate::report::{Outcome, Run, Seconds, TargetOutcome, shown};
use crate::results::{Results, Summaries};
use crate::{list, output, terminal};

/// The stack of a thread that explains: that of a program's first thread, which plugins may count on.
const STACK: usize = 8 << 20;

/// Explains every input; see the module's documentation for what is reported how.
pub(crate) fn run(args: &ExplainArgs) -> Result<(), Failure> {
    check_classes(&args.classes)?;
    let inputs = input::expand(&args.inputs)?;
    let outputs = &args.outputs;
    if inputs.len() > 1 && (outputs.map.is_some() || outputs.overlay.is_some()) {
        return Err(Failure::Usage(format!(
            "--map and --overlay name one file, but there are {} inputs; give --out DIR instead",
            inputs.len()
        )));
    }
    let json = prepare_outputs(outputs)?;
    let explainer = Explainer::new(args)?;
    let destinations = destinations(&inputs, outputs);

    let bars = Bars::new(inputs.len());
    let summaries = match outputs.json.as_deref() == Some(Path::new("-")) {
        true => Summaries::Left,
        false => Summaries::Printed,
    };
    let results = Results::new(&inputs, &bars, (summaries, &explainer.warned));
    let work = |lane: Lane<'_>| work(lane, (&explainer, &bars), (&inputs, &destinations), &results);
    at_once(&explainer, inputs.len(), &results, work)?;
    let run = results.into_run()?;
    drop(bars);
    write_json(&run, &json)?;
    if run.errors.is_empty() { Ok(()) } else { Err(Failure::Reported) }
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
fn work(
    mut lane: Lane<'_>,
    (explainer, bars): (&Explainer<'_>, &Bars),
    (inputs, destinations): (&[PathBuf], &[Destinations]),
    results: &Results<'_>,
) {
    while let Some(turn) = lane.next_turn() {
        let at = turn.position();
        if !results.is_stopped() {
            results.add(at, explainer.explain((&inputs[at], &destinations[at]), turn, bars));
        }
    }
}

/// Makes the output folder and makes sure that every file can be written; returns where the JSON goes.
fn prepare_outputs(outputs: &OutputArgs) -> Result<Vec<PathBuf>> {
    let mut json: Vec<PathBuf> = outputs.json.iter().cloned().collect();
    if let Some(folder) = &outputs.out {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::io(format!("cannot make folder {}: {e}", folder.display())))?;
        json.push(folder.join("results.json"));
    }
    let standard_output = |path: &&PathBuf| **path == Path::new("-");
    for path in json.iter().filter(|p| !standard_output(p)).chain(&outputs.map).chain(&outputs.overlay) {
        output::check_writable(path)?;
    }
    Ok(json)
}

fn write_json(run: &Run, paths: &[PathBuf]) -> Result<()> {
    // A single input that failed has said so; files about it would only look like results.
    if run.results.is_empty() && run.errors.len() == 1 {
        return Ok(());
    }
    for path in paths {
        match path == Path::new("-") {
            true => terminal::print(&run.json()?)?,
            false => output::write_text(path, &run.json()?)?,
        }
    }
    Ok(())
}

/// Where each input's files go. In a folder they are named for the input; a name that comes again gets a
/// number.
fn destinations(inputs: &[PathBuf], outputs: &OutputArgs) -> Vec<Destinations> {
    let mut taken = HashSet::new();
    let in_folder = |input: &PathBuf| {
        let Some(folder) = &outputs.out else { return Destinations::default() };
        let stem = input.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut names = (1..).map(|n| if n == 1 { stem.clone() } else { format!("{stem}-{n}") });
        let name = names.find(|name| !taken.contains(name)).unwrap_or_default();
        taken.insert(name.clone());
        Destinations {
            map: Some(folder.join(format!("{name}.npy"))),
            overlay: Overlays::PerClass(folder.join(format!("{name}.png"))),
        }
    };
    let mut all: Vec<Destinations> = inputs.iter().map(in_folder).collect();
    // These two come with a single input only.
    for destination in &mut all {
        if let Some(map) = &outputs.map {
            destination.map = Some(map.clone());
        }
        if let Some(overlay) = &outputs.overlay {
            destination.overlay = Overlays::File(overlay.clone());
        }
    }
    all
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
    /// Warnings that were shown already.
    warned: Vec<String>,
}

/// An input, ready for the model.
struct Ready {
    tensor: Tensor,
    /// The photo that it was made of and what of it the model sees; none for a tensor.
    photo: Option<(Photo, Placement)>,
    warning: Option<String>,
    decode: f64,
    preprocess: f64,
}

impl<'a> Explainer<'a> {
    fn new(args: &'a ExplainArgs) -> Result<Self> {
        let host = Host::new(None)?;
        list::load(&host, &args.model.plugins)?;
        // Options are cheap to check, a model may take seconds to load.
        let method = host.method(&args.how.method)?;
        let options = method.info().resolve(args.how.preset.as_deref(), &args.how.set)?;
        let model = list::load_model(&host, &args.model, args.layer.clone())?;
        host.check_needs(method.info(), &model)?;
        let targets = targets(&args.classes, &model)?;
        let reference = args.how.reference.as_ref().map(|path| {
            let ready = ready(path, &model).map_err(|e| e.context("reference"))?;
            Ok((path, ready))
        });
        let reference = reference.transpose()?;
        let mut explainer =
            Self { args, model, method, options, targets, reference: None, warned: Vec::new() };
        if let Some((path, ready)) = reference {
            if let Some(warning) = ready.warning {
                terminal::warning(format_args!("{}: {warning}", path.display()));
                explainer.warned.push(warning);
            }
            explainer.reference = Some(ready.tensor);
        }
        Ok(explainer)
    }

    fn explain(
        &self,
        (path, destination): (&Path, &Destinations),
        turn: Turn<'_>,
        bars: &Bars,
    ) -> Result<Outcome> {
        let started = Instant::now();
        let bar = bars.input(printable(&shown(path)));
        let clock_and_found = ready(path, &self.model).and_then(|ready| {
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
        found.warnings.splice(0..0, ready.warning.clone());

        let targets = self.write(&ready, &found, destination)?;
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
            measures: found.measures.into_iter().collect(),
            warnings: found.warnings,
            targets,
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

    /// Writes the files of one input; says which.
    fn write(&self, ready: &Ready, found: &Explanation, to: &Destinations) -> Result<Vec<TargetOutcome>> {
        let [count, height, width] = found.maps.view().dims("the maps")?;
        // Overlays come first: whoever sees the map's file finds the pictures there, too.
        let mut outcomes = Vec::with_capacity(count);
        for (i, target) in found.targets.iter().enumerate() {
            let overlay = to.overlay.of_class(target.class, count);
            if let Some(path) = &overlay {
                let size = [height, width];
                let picture = self.draw(ready, TensorView::new(&size, found.maps.item(i))?)?;
                output::write_png(path, &picture)?;
            }
            outcomes.push(TargetOutcome {
                class: target.class,
                label: self.model.label(target.class).map(str::to_owned),
                score: target.score,
                output: target.output,
                map: to.map.as_deref().map(shown),
                overlay: overlay.as_deref().map(shown),
            });
        }
        if let Some(path) = &to.map {
            let all = [count, height, width];
            let shape = if count == 1 { &all[1..] } else { &all[..] };
            output::write_npy(path, TensorView::new(shape, found.maps.data())?)?;
        }
        Ok(outcomes)
    }

    /// The photo with the map over it; for a tensor, of which there is no photo, the map's colours alone.
    fn draw(&self, ready: &Ready, map: TensorView<'_>) -> Result<Photo> {
        let outputs = &self.args.outputs;
        match &ready.photo {
            Some((photo, placement)) => {
                Overlay { colormap: outputs.colormap, opacity: outputs.opacity }.render(photo, map, placement)
            }
            None => outputs.colormap.paint(map),
        }
    }
}

/// Reads an input and makes it the model's.
fn ready(path: &Path, model: &Model) -> Result<Ready> {
    let started = Instant::now();
    let read = input::read(path)?;
    let decode = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let (tensor, photo, warning) = match read {
        Input::Tensor(tensor) => {
            let (tensor, warning) = model.arrange(tensor)?;
            (tensor, None, warning)
        }
        Input::Photo(photo) => {
            let (preprocess, warning): (Preprocess, _) = model.preprocess()?;
            let prepared = preprocess.apply(&photo).map_err(|e| e.context(path.display()))?;
            (prepared.input, Some((photo, prepared.placement)), warning)
        }
    };
    let preprocess = started.elapsed().as_secs_f64();
    Ok(Ready { tensor, photo, warning, decode, preprocess })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_of_one_name_get_files_of_their_own() {
        let outputs = OutputArgs {
            map: None,
            overlay: None,
            json: None,
            out: Some("out".into()),
            colormap: Default::default(),
            opacity: 0.5,
        };
        let inputs: Vec<PathBuf> = ["x/a.png", "y/a.jpg", "a-2.png"].map(PathBuf::from).to_vec();
        let maps: Vec<_> = destinations(&inputs, &outputs).into_iter().filter_map(|d| d.map).collect();
        assert_eq!(maps, ["out/a.npy", "out/a-2.npy", "out/a-2-2.npy"].map(PathBuf::from));
    }
}
