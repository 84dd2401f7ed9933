//! `scorecam evaluate`: how good maps are, over a set of photos.
//!
//! Each photo is a line of `evaluation.jsonl`, written as it comes. A photo that fails is a line, too, and the others go on; the
//! program then ends with 1. The same command goes on behind the lines that are there.

mod args;
mod lines;
mod over_set;
mod page;
mod pictures;
mod summary;
mod work;

use std::ops::ControlFlow;

use scorecam::dataset::Dataset;
use scorecam::evaluation::{Baseline, BoxOptions, EvaluateOptions, MEASURES, Measure, Protocol};
use scorecam::walk::{Depth, Walk};
use scorecam::{Error, Host, Model, Result};
use scorecam_core::{ensure, printable, repeated};
use scorecam_report::{Fact, Note};
use serde_json::{Value, json};

use self::args::MeasureArg;
pub(crate) use self::args::{EXAMPLES, EvaluateArgs, MethodArg};
use self::lines::{Line, Lines, Measured, Outcome};
use self::over_set::OverSet;
use self::pictures::Pictures;
use self::summary::Summary;
use self::work::Work;
use crate::Failure;
use crate::progress::{self, Bars};
use crate::record::Stamp;
use crate::{list, output, plan, terminal};

/// Evaluates; see the module's documentation for what is reported how.
pub(crate) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let options = options(args)?;
    let baselines = baselines(&args.baselines)?;
    let methods = match &args.methods[..] {
        [] => vec!["score-cam".parse::<MethodArg>().map_err(Error::internal)?],
        methods => methods.to_vec(),
    };
    let depth = if args.recursive { Depth::Tree } else { Depth::Folder };
    let walk = Walk { depth, is_own: &|_| false, results: Some(&args.out) };
    let data = Dataset::open(&args.data, &walk)?;
    data.remarks.iter().for_each(terminal::note);
    data.problems.iter().for_each(terminal::warning);
    refuse_strangers(args)?;
    plan::make_folder(&args.out)?;
    let host = Host::new()?;
    list::load_plugins(&host, &args.model.plugins)?;
    let model = list::load_model(&host, &args.model, args.layer.clone())?;
    let measures = options.measures.clone();
    let work = Work::new((&host, &model), (args, &methods), (baselines, options))?;
    let names = work.names();
    if let Some(name) = repeated(names.iter().map(String::as_str)) {
        return Err(Error::invalid(format!(
            "two maps have the name {name:?}; rename one with --map-from NAME=PATH"
        ))
        .into());
    }
    let mut lines = Lines::open(&args.out, &settings(args, &model, (&names, &work)), args.overwrite)?;
    let failed = evaluate_all(&work, &data, &mut lines)?;

    let known: Vec<page::Known<'_>> = data
        .samples
        .iter()
        .enumerate()
        .filter_map(|(i, sample)| {
            Some((i, sample.name.as_str(), lines.known(&sample.name, &work.made_of(sample))?))
        })
        .collect();
    let photos: Vec<&Measured> = known.iter().map(|(.., photo)| *photo).collect();
    let sets = OverSet::new(&names, &work.sets, &photos)?;
    let summary = Summary::new(names, &measures, &photos);
    finish(args, (&summary, &sets, &known), (&work, failed + data.problem_count))?;
    if failed + data.problem_count > 0 { Err(Failure::Reported) } else { Ok(()) }
}

/// An error where the folder holds files of our names that no evaluation wrote.
fn refuse_strangers(args: &EvaluateArgs) -> Result<()> {
    if args.overwrite || args.out.join(lines::FILE).exists() {
        return Ok(());
    }
    let ours = ["summary.json", "report.html", "pictures"].map(|name| args.out.join(name));
    match ours.iter().find(|path| path.exists()) {
        None => Ok(()),
        Some(path) => Err(Error::invalid(format!(
            "{} already exists and no evaluation wrote it; choose another --out, or give --overwrite to replace it",
            path.display()
        ))),
    }
}

/// Measures what is not known yet; returns how many photos failed.
fn evaluate_all(work: &Work<'_>, data: &Dataset, lines: &mut Lines) -> Result<usize> {
    let mut failed = 0;
    let bars = Bars::new(data.samples.len());
    for (number, sample) in data.samples.iter().enumerate() {
        let bar = bars.input(printable(&sample.name));
        let made_of = work.made_of(sample);
        if lines.known(&sample.name, &made_of).is_none() {
            let report = |progress| {
                progress::show(&bar, progress);
                ControlFlow::Continue(())
            };
            // A number of its own, whatever photos come into the data between two runs.
            let id = lines.count;
            let found = work.sample((number, sample), &report).and_then(|mut found| {
                if number < work.args.pictures && found.photo.is_some() {
                    let boxes = sample.boxes.iter().map(|&corners| corners.into()).collect();
                    Pictures::of(&work.args.out, id).write(&found, boxes)?;
                    found.measured.pictures = Some(id);
                }
                Ok(found.measured)
            });
            let outcome = match found {
                Ok(measured) => Outcome::Measured(Box::new(measured)),
                Err(error) => {
                    failed += 1;
                    bars.aside(|| terminal::error(format_args!("{}: {error}", sample.file.display())));
                    Outcome::Error(error.to_string())
                }
            };
            lines.add(Line { sample: sample.name.clone(), made_of, outcome })?;
        }
        bars.finished(&bar);
    }
    Ok(failed)
}

/// Writes and prints what was found over all photos.
fn finish(
    args: &EvaluateArgs,
    (summary, sets, known): (&Summary, &OverSet, &[page::Known<'_>]),
    (work, left_out): (&Work<'_>, usize),
) -> Result<()> {
    let mut json = summary.json();
    if !sets.is_empty() {
        json["over_all_photos"] = sets.json();
    }
    let text = serde_json::to_string_pretty(&json);
    let text = text.map_err(|e| Error::internal(format!("the summary: {e}")))?;
    output::write_text(&args.out.join("summary.json"), &(text + "\n"))?;
    let model = work.model;
    let facts = vec![
        Fact::new("model", model.name()),
        Fact::new("backend", model.backend_id()),
        Fact::new("photos", summary.photos.to_string()),
        Fact::new("passes", summary.passes.to_string()),
        Fact::new("protocol", &args.protocol),
    ];
    let notes =
        (left_out > 0).then(|| Note::warning(format!("{left_out} photos or annotations were left out")));
    let size = model.info().input.shape[2..].iter().copied().collect::<Option<Vec<usize>>>();
    let counts = match size.as_deref() {
        Some(&[height, width]) => work.evaluator.options().protocol.points.counts((height, width))?,
        // Of a model of any size, curves of different photos have different points.
        _ => Vec::new(),
    };
    page::write(
        &args.out,
        (summary, sets, known),
        (facts, notes.into_iter().collect()),
        (&counts, args.pictures),
    )?;
    let seconds = summary.seconds;
    let (photos, passes) = (summary.photos, summary.passes);
    terminal::print(&format!(
        "{}{}{photos} photos, {passes} passes in {seconds:.1} s; {left_out} left out\nwrote {}\n",
        summary.text(),
        sets.text(),
        args.out.join("report.html").display()
    ))
}

fn options(args: &EvaluateArgs) -> Result<EvaluateOptions> {
    let mut protocol = Protocol::preset(&args.protocol)?;
    args.protocol_set.iter().try_for_each(|(key, value)| protocol.set(key, value))?;
    ensure!(
        args.threshold > 0.0 && args.threshold <= 1.0,
        invalid,
        "--threshold must be above 0 and at most 1, got {}",
        args.threshold
    );
    let mut measures: Vec<Measure> = match &args.measures[..] {
        [] => Measure::DEFAULT.to_vec(),
        asked => asked
            .iter()
            .flat_map(|asked| match asked {
                MeasureArg::All => MEASURES.map(|info| info.measure).to_vec(),
                MeasureArg::One(measure) => vec![*measure],
                MeasureArg::Set(_) => Vec::new(),
            })
            .collect(),
    };
    measures.sort();
    measures.dedup();
    let boxes = BoxOptions { threshold: args.threshold, ..BoxOptions::default() };
    Ok(EvaluateOptions {
        measures,
        protocol,
        boxes,
        batch_size: args.batch_size,
        ..EvaluateOptions::default()
    })
}

fn baselines(names: &[String]) -> Result<Vec<Baseline>> {
    match names {
        [] => Ok(Baseline::ALL.to_vec()),
        [none] if none == "none" => Ok(Vec::new()),
        names => names.iter().map(|name| name.parse()).collect(),
    }
}

/// What must be the same where a run goes on.
fn settings(args: &EvaluateArgs, model: &Model, (names, work): (&[String], &Work<'_>)) -> Value {
    let options = work.evaluator.options();
    json!({
        "scorecam": env!("CARGO_PKG_VERSION"),
        "data": args.data,
        "model": Stamp::of(model.file()),
        "backend": model.backend_id(),
        "layer": args.layer,
        "class": args.class.map(|which| format!("{which:?}").to_lowercase()),
        "target": args.target,
        "maps": names,
        "maps_from": args.maps_from.iter().map(|from| &from.path).collect::<Vec<_>>(),
        "measures": options.measures,
        "set_measures": work.sets,
        "protocol": options.protocol.words(),
        "threshold": args.threshold,
    })
}
