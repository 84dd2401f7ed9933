//! `cargo xtask bench --peers`: other tools and ours on the same models, photos, layer and class, in one run.
//!
//! `plan` lists what is measured. `contest` gives each tool its turns, `quality` compares maps of fewer passes with
//! the exact one, and both talk to processes that `worker` starts: our own `bench_worker`, and `bench/peers/peer.py`
//! or `bench/peers/openvino/peer.py` in Python environments. What they find is a `report`; `page` and `chart` turn it into
//! docs/benchmarks.md and docs/benchmarks.svg, or on a GPU docs/benchmarks-gpu.md and its chart, which are written when
//! all else is done, or not at all.

mod chart;
mod contest;
pub(crate) mod machine;
mod maps;
mod page;
mod plan;
mod quality;
pub(crate) mod report;
pub(crate) mod worker;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use xtask::cache::Cache;
use xtask::failure::{Failure, Outcome, While};
use xtask::fetch::{self, What};
use xtask::workspace::{Workspace, run};

use self::contest::{Contest, Engines};
use self::plan::{MODELS, Model, Origin, OurMap};
use self::report::{Measured, Quality, Report};
use self::worker::Workers;
use crate::device::Device;
use crate::docs::write_docs;
use crate::environment::{self, Environments};

/// The options of a run.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// Photos for the maps from fewer passes [default: the photos in the cache]
    #[arg(long, value_name = "DIR")]
    photos: Option<PathBuf>,
    /// The device for the models of every tool: cpu, cuda, or cuda:N
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub(crate) device: Device,
    /// Threads per tool [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Compare only this map of scorecam, on the trained models, and print the result instead of writing the page; may
    /// be repeated
    #[arg(long = "map", value_name = "METHOD:PRESET", requires = "peers")]
    only: Vec<OurMap>,
    /// Runs per tool, fewer for slow tools
    #[arg(long, value_name = "N", default_value_t = ROUNDS, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Keep the Python environments in this folder for the next run [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    environment: Option<PathBuf>,
}

impl Choice {
    /// The command that measures the same again. What the folders are called does not matter to anybody else.
    fn command(&self) -> String {
        let mut command = "cargo xtask bench --peers".to_owned();
        if self.device.is_gpu() {
            command += &format!(" --device {}", self.device);
        }
        if let Some(threads) = self.threads {
            command += &format!(" --threads {threads}");
        }
        if self.rounds != ROUNDS {
            command += &format!(" --rounds {}", self.rounds);
        }
        if self.photos.is_some() {
            command += " --photos DIR";
        }
        command
    }
}

/// The page and the chart. Those of a GPU are of their own, since both are measured on machines of their own.
fn names(device: Device) -> [&'static str; 2] {
    if device.is_gpu() {
        ["benchmarks-gpu.md", "benchmarks-gpu.svg"]
    } else {
        ["benchmarks.md", "benchmarks.svg"]
    }
}

/// Rounds when nobody says otherwise.
const ROUNDS: u16 = 3;
/// File endings of what is taken for a photo.
const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "webp", "bmp", "tiff", "gif"];
/// The photo of the speed part.
const PHOTO: &str = "photos/chelsea.png";

/// Measures everything and writes the page and the chart.
pub(crate) fn peers(workspace: &Workspace, cache: &Cache, choice: &Choice) -> Outcome {
    let mut bench = Bench::prepare(workspace, cache, choice)?;
    let place = choice.environment.clone().unwrap_or_else(|| bench.folder.path().join("environment"));
    let environments = Environments::make(workspace, &place)?;
    let mut versions = machine::versions(choice.device);
    versions.extend(environments.versions()?);
    if choice.device.is_gpu() {
        // The cache's libtorch knows no GPU, and PyTorch's own is the one that the other tools run on.
        bench.libtorch = Some(environment::libtorch(&environments.pytorch)?);
    }
    if !choice.only.is_empty() {
        let is_trained = |model: &&Model| model.origin == Origin::Fetched;
        let contested = |model| bench.contest(&environments, model, choice, &choice.only);
        return MODELS.iter().filter(is_trained).try_for_each(|model| contested(model).map(print));
    }
    println!("making ResNet-50 with random weights");
    environment::write_resnet50(&environments.pytorch, bench.folder.path())?;
    let contested = |model| bench.contest(&environments, model, choice, plan::maps_of(model));
    let models = MODELS.iter().map(contested).collect::<Outcome<Vec<_>>>()?;
    let quality = bench.quality()?;
    let command = choice.command();
    let machine = machine::machine(bench.threads, choice.device);
    let [page_name, chart_name] = names(choice.device);
    let report = Report { command, machine, versions, chart: chart_name.into(), models, quality };
    let (page, chart) = (page::render(&report)?, chart::render(&report.quality)?);
    write_docs(workspace, &[(chart_name, chart), (page_name, page)])
}

/// Prints the maps of one model.
fn print(measured: Measured) {
    println!("\n{}, class {}", measured.model, measured.class);
    for row in &measured.rows {
        let ratio = row.times_ours.map_or_else(String::new, |times| format!("{times:>8.2} times ours"));
        let apart =
            row.distance.map_or_else(String::new, |d| format!(", apart by at most {:.1e}", d.largest));
        let tool = format!("{} ({})", row.tool.replace("**", ""), row.map);
        println!("  {tool:<68}{:>9.4} s{ratio}{apart}, {} runs", row.seconds, row.runs);
    }
}

/// Measures the maps of fewer passes alone, which needs no Python, and prints the table.
pub(crate) fn quality(workspace: &Workspace, cache: &Cache, choice: &Choice) -> Outcome {
    let quality = Bench::prepare(workspace, cache, choice)?.quality()?;
    println!("\n{}", page::quality_tables(&quality)?);
    Ok(())
}

/// What both parts need.
struct Bench<'a> {
    cache: &'a Cache,
    release: PathBuf,
    photos: Vec<PathBuf>,
    threads: usize,
    device: Device,
    engines: Engines,
    /// The folder of libtorch, where it is not that of the cache.
    libtorch: Option<PathBuf>,
    /// All that is written on the way; gone with this value.
    folder: TempDir,
}

impl<'a> Bench<'a> {
    fn prepare(workspace: &Workspace, cache: &'a Cache, choice: &Choice) -> Outcome<Bench<'a>> {
        // Looked at first, so that a wrong folder is told before minutes have passed.
        let own = choice.photos.as_deref().map(photos_of).transpose()?;
        let (runtime, plugin) = match choice.device {
            Device::Cpu => (What::Onnxruntime, "scorecam-onnx-cpu"),
            Device::Cuda(_) => (What::OnnxCuda, "scorecam-onnx-cuda"),
        };
        let what = [runtime, What::EfficientnetLite0, What::Squeezenet, What::Torchscript, What::Photos];
        fetch::fetch(workspace, cache, &what)?;
        for packages in
            [["-p", plugin, "-p", "scorecam-libtorch"], ["-p", "scorecam-bench", "--bin", "bench_worker"]]
        {
            run(workspace.cargo(&["build", "--release"]).args(packages), "cargo build")?;
        }
        let release = workspace.target_dir()?.join("release");
        let built = machine::library(&release, "scorecamtorch").is_file();
        if !built {
            println!("libtorch is left out, since its engine is not built (cargo xtask libtorch)");
        }
        Ok(Bench {
            cache,
            release,
            photos: own.map_or_else(|| photos_of(&cache.path("photos")), Ok)?,
            threads: choice.threads.map_or_else(machine::cores, usize::from),
            device: choice.device,
            libtorch: None,
            engines: if built { Engines::Both } else { Engines::OnnxRuntime },
            folder: tempfile::Builder::new()
                .prefix("scorecam-bench-")
                .tempdir()
                .doing(|| "make a temporary folder".into())?,
        })
    }

    fn workers(&self) -> Workers<'_> {
        Workers {
            release: self.release.clone(),
            cache: self.cache.root(),
            threads: self.threads,
            device: self.device,
            libtorch: self.libtorch.as_deref(),
            folder: self.folder.path().to_owned(),
        }
    }

    /// Every tool on one model.
    fn contest(
        &self,
        environments: &Environments,
        model: &Model,
        choice: &Choice,
        maps: &[OurMap],
    ) -> Outcome<Measured> {
        let contest = Contest {
            workers: &self.workers(),
            environments,
            model,
            models: &self.models(model),
            photo: &self.cache.path(PHOTO),
            rounds: usize::from(choice.rounds),
            engines: self.engines,
        };
        contest.run(maps)
    }

    /// Where a model's files lie.
    fn models(&self, model: &Model) -> PathBuf {
        match model.origin {
            Origin::Fetched => self.cache.path("models"),
            Origin::Random => self.folder.path().to_owned(),
        }
    }

    fn quality(&self) -> Outcome<Vec<Quality>> {
        let workers = self.workers();
        let trained = MODELS.iter().filter(|model| model.origin == Origin::Fetched);
        trained
            .map(|model| {
                let manifest = self.models(model).join(format!("{}.toml", model.name));
                quality::quality(&workers, model, &manifest, &self.photos)
            })
            .collect()
    }
}

/// The photos in a folder, by name.
fn photos_of(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let what = || format!("read the folder of photos {}", folder.display());
    let entries = fs::read_dir(folder).doing(what)?.collect::<Result<Vec<_>, _>>().doing(what)?;
    let ending = |path: &PathBuf| path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    let mut photos: Vec<PathBuf> = entries.iter().map(|entry| entry.path()).collect();
    photos.retain(|path| ending(path).is_some_and(|ending| ENDINGS.contains(&ending.as_str())));
    photos.sort();
    if photos.is_empty() {
        let endings = ENDINGS.join(", ");
        return Err(Failure::new(format!(
            "{} contains no photos; their endings are {endings}",
            folder.display()
        )));
    }
    Ok(photos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_on_the_page_says_what_was_chosen_and_names_no_folder() {
        let check = |device, (threads, rounds), photos: Option<&str>, expected: &str| {
            let environment = Some(PathBuf::from("/my/environment"));
            let only = Vec::new();
            let choice =
                Choice { photos: photos.map(Into::into), device, threads, only, rounds, environment };
            assert_eq!(choice.command(), expected);
        };
        let (cpu, gpu) = (Device::Cpu, Device::Cuda(1));
        check(cpu, (None, ROUNDS), None, "cargo xtask bench --peers");
        check(cpu, (Some(2), 1), None, "cargo xtask bench --peers --threads 2 --rounds 1");
        check(cpu, (None, ROUNDS), Some("/my/photos"), "cargo xtask bench --peers --photos DIR");
        check(gpu, (None, ROUNDS), None, "cargo xtask bench --peers --device cuda:1");
    }

    #[test]
    fn photos_come_by_name_and_a_folder_without_any_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(photos_of(folder.path()).unwrap_err().to_string().contains("contains no photos"));
        for name in ["b.JPG", "a.png", "notes.txt"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = photos_of(folder.path()).unwrap();
        assert_eq!(found, [folder.path().join("a.png"), folder.path().join("b.JPG")]);
        assert!(photos_of(&folder.path().join("missing")).unwrap_err().to_string().contains("missing"));
    }
}
