//! `cargo xtask quality`: how good the maps of every method of the program are, on data that everybody can have.
//!
//! `stamps` and `compose` make photos of which it is known where each object lies, and `data` chooses those that a
//! model recognizes. `program` runs `scorecam evaluate` on them. What it finds is a `report`; `page` and `chart`
//! turn it into docs/quality.md and docs/quality.svg, which are written when all else is done, or not at all.

mod chart;
mod compose;
mod costs;
mod data;
mod page;
mod plan;
mod program;
mod report;
mod stamps;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;
use xtask::cache::Cache;
use xtask::failure::{Outcome, While};
use xtask::fetch::{self, What};
use xtask::libtorch::{Engine, Profile};
use xtask::workspace::{Workspace, run};

use self::data::{Maker, Set};
use self::plan::{FAITHFUL, LOCATED, MODELS, Measure, Method, Model, TOLD_APART};
use self::program::{Baselines, Program, Run};
use self::report::{Judged, Report, Table};
use crate::device::Device;
use crate::docs::write_docs;
use crate::peers::machine;
use crate::peers::worker::{Ours, Workers};

/// The options of a run.
#[derive(clap::Args)]
#[group(skip)]
pub(crate) struct Choice {
    /// With --maps: photos with one object
    #[arg(long, value_name = "N", default_value_t = plan::COMPOSITES, value_parser = clap::value_parser!(u16).range(2..))]
    composites: u16,
    /// With --maps: photos with two objects
    #[arg(long, value_name = "N", default_value_t = plan::PAIRS, value_parser = clap::value_parser!(u16).range(2..))]
    pairs: u16,
    /// With --maps: keep photos and results in this folder, so that a later run can resume [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

impl Choice {
    /// The command that measures the same again.
    fn command(&self, threads: Option<u16>) -> String {
        let chosen = [
            ("composites", (self.composites != plan::COMPOSITES).then_some(self.composites)),
            ("pairs", (self.pairs != plan::PAIRS).then_some(self.pairs)),
            ("threads", threads),
        ];
        let chosen = chosen.iter().filter_map(|(name, value)| Some(format!(" --{name} {}", (*value)?)));
        std::iter::once("cargo xtask quality".to_owned()).chain(chosen).collect()
    }
}

const PAGE: &str = "quality.md";
const CHART: &str = "quality.svg";

/// Evaluates everything and writes the page and the chart.
pub(crate) fn run_all(
    workspace: &Workspace,
    cache: &Cache,
    choice: &Choice,
    threads: Option<u16>,
) -> Outcome {
    let stage = Stage::prepare(workspace, cache, choice, threads)?;
    let maker = Maker::new(cache, &stage.folder)?;
    let models = MODELS.iter().map(|model| stage.judge(model, &maker, choice)).collect::<Outcome<_>>()?;
    let report = Report {
        command: choice.command(threads),
        machine: machine::machine(stage.threads, Device::Cpu),
        versions: machine::versions(Device::Cpu),
        chart: CHART.into(),
        models,
    };
    let files = [(PAGE, page::render(&report)?), (CHART, chart::render(&report)?)];
    write_docs(workspace, &files)
}

/// What all parts need.
struct Stage<'a> {
    cache: &'a Cache,
    release: PathBuf,
    threads: usize,
    folder: PathBuf,
    /// Gone with this value, and all that is in it.
    _temporary: Option<TempDir>,
}

impl<'a> Stage<'a> {
    fn prepare(
        workspace: &Workspace,
        cache: &'a Cache,
        choice: &Choice,
        threads: Option<u16>,
    ) -> Outcome<Stage<'a>> {
        let what = [What::Onnxruntime, What::EfficientnetLite0, What::Squeezenet, What::Torchscript];
        fetch::fetch(workspace, cache, &[&what[..], &[What::Photos, What::Stamps]].concat())?;
        let engine = Engine::prepare(workspace, cache, &[])?;
        let ours = ["-p", "scorecam-cli", "-p", "scorecam-onnx-cpu", "-p", "scorecam-libtorch"];
        run(workspace.cargo(&["build", "--release"]).args(ours), "cargo build")?;
        let worker = ["-p", "scorecam-bench", "--bin", "bench_worker"];
        run(workspace.cargo(&["build", "--release"]).args(worker), "cargo build")?;
        engine.build(Profile::Release)?;
        let what = || "make a folder for photos and results".into();
        let temporary = match choice.keep {
            Some(_) => None,
            None => Some(tempfile::Builder::new().prefix("scorecam-quality-").tempdir().doing(what)?),
        };
        let folder = temporary.as_ref().map(|folder| folder.path().to_owned());
        let folder = folder.or_else(|| choice.keep.clone()).unwrap_or_default();
        fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
        let release = workspace.target_dir()?.join("release");
        let threads = threads.map_or_else(machine::cores, usize::from);
        Ok(Stage { cache, release, threads, folder, _temporary: temporary })
    }

    /// Everything about one model.
    fn judge(&self, model: &Model, maker: &Maker, choice: &Choice) -> Outcome<Judged> {
        println!("\n{}", model.name);
        let workers = self.workers();
        let mut worker = workers.ours(Ours::OnnxRuntime, &self.manifest(model, "toml"))?;
        let (composites, seen) = maker.singles(model.name, &mut worker, usize::from(choice.composites))?;
        let pairs = maker.pairs(model.name, &mut worker, &seen, usize::from(choice.pairs))?;
        drop(worker);
        let photos = data::photos(self.cache, &self.folder)?;
        let both = [&FAITHFUL[..], &LOCATED].concat();
        Ok(Judged {
            model: model.name.into(),
            composites: self.table(model, "composites", &composites, &both)?,
            pairs: self.table(model, "pairs", &pairs, &TOLD_APART)?,
            photos: self.table(model, "photos", &photos, &FAITHFUL)?,
            costs: costs::measure(self, model)?,
        })
    }

    fn table(&self, model: &Model, name: &str, set: &Set, measures: &[Measure]) -> Outcome<Table> {
        println!("\n{}: {name}, {} of {} photos", model.name, set.photos, set.tried);
        let program =
            Program { release: self.release.clone(), cache: self.cache.root(), threads: self.threads };
        let methods: Vec<&Method> = plan::methods_of(model).collect();
        let gradient_methods: Vec<&Method> = plan::gradient_methods().collect();
        let out = |backend: &str| self.folder.join(format!("{}-{name}-{backend}", model.name));
        let evaluate = |backend: &str, ending: &str, methods: &[&'static Method], baselines| {
            program.evaluate(&Run {
                data: &set.csv,
                samples: &set.samples,
                manifest: &self.manifest(model, ending),
                methods,
                baselines,
                measures,
                out: &out(backend),
            })
        };
        let mut samples = evaluate("onnx", "toml", &methods, Baselines::All)?;
        program::join(&mut samples, evaluate("libtorch", "ts.toml", &gradient_methods, Baselines::None)?)?;
        let table = Table::new(&samples, measures);
        Ok(Table { photos: set.photos, tried: set.tried, stamps: set.stamps, ..table })
    }

    fn manifest(&self, model: &Model, ending: &str) -> PathBuf {
        self.cache.path(&format!("models/{}.{ending}", model.name))
    }

    fn workers(&self) -> Workers<'_> {
        Workers {
            release: self.release.clone(),
            cache: self.cache.root(),
            threads: self.threads,
            device: Device::Cpu,
            libtorch: None,
            folder: self.folder.clone(),
        }
    }

    fn photo(&self) -> PathBuf {
        self.cache.path(plan::COST_PHOTO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_on_the_page_says_what_was_chosen() {
        let check = |composites, pairs, threads, expected: &str| {
            let choice = Choice { composites, pairs, keep: Some("/my/folder".into()) };
            assert_eq!(choice.command(threads), expected);
        };
        check(plan::COMPOSITES, plan::PAIRS, None, "cargo xtask quality");
        check(4, 2, Some(1), "cargo xtask quality --composites 4 --pairs 2 --threads 1");
    }
}
