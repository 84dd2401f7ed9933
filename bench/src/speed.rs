//! `cargo xtask bench`: how close an explain call comes to the engine's own speed, in one run.
//!
//! The measuring is done by the program `bench`, one process a figure, so that peak memory is
//! that of one job. This only calls it and prints the table. On a GPU the rows are those of the backends that
//! have one, and each call's traffic over the bus is told beside its speed.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use serde_json::Value;
use xtask::cache::Cache;
use xtask::failure::{Failure, Outcome, While};
use xtask::fetch::{self, What};
use xtask::libtorch::{self, Engine, Profile};
use xtask::workspace::{Workspace, run};

use crate::device::Device;
use crate::peers::machine;

/// Which rows are measured.
#[derive(clap::Args)]
pub(crate) struct Rows {
    /// A backend to measure; may be repeated [default: libtorch, and onnx-cpu or, on a GPU, onnx-cuda]
    #[arg(long, value_enum, value_name = "ID", conflicts_with_all = ["peers", "quality"])]
    backend: Vec<Backend>,
    /// A model's manifest to measure with every backend; may be repeated [default: the models in the cache]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["peers", "quality"])]
    model: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    OnnxCpu,
    OnnxCuda,
    Libtorch,
}

impl Backend {
    fn id(self) -> &'static str {
        match self {
            Backend::OnnxCpu => "onnx-cpu",
            Backend::OnnxCuda => "onnx-cuda",
            Backend::Libtorch => "libtorch",
        }
    }

    /// The plugin's package.
    fn package(self) -> String {
        format!("scorecam-{}", self.id())
    }

    /// The plugin's library.
    fn library(self) -> String {
        format!("{DLL_PREFIX}{}{DLL_SUFFIX}", self.package().replace('-', "_"))
    }

    /// The manifests of the cache that it runs.
    fn manifests(self) -> [&'static str; 2] {
        match self {
            Backend::OnnxCpu | Backend::OnnxCuda => ["efficientnet_lite0.toml", "squeezenet1_1.toml"],
            Backend::Libtorch => ["efficientnet_lite0.ts.toml", "squeezenet1_1.ts.toml"],
        }
    }
}

impl Rows {
    /// `gpu_libtorch` says whether there is a libtorch that can use a GPU.
    fn backends(&self, device: Device, gpu_libtorch: bool) -> Vec<Backend> {
        match (&self.backend[..], device) {
            ([], Device::Cpu) => vec![Backend::OnnxCpu, Backend::Libtorch],
            ([], Device::Cuda(_)) if gpu_libtorch => vec![Backend::OnnxCuda, Backend::Libtorch],
            ([], Device::Cuda(_)) => vec![Backend::OnnxCuda],
            (named, _) => named.to_vec(),
        }
    }

    /// What these backends are measured with, model by model.
    fn list(&self, cache: &Cache, backends: &[Backend]) -> Vec<(Backend, PathBuf)> {
        let models = |backend: Backend| match &self.model[..] {
            [] => backend.manifests().map(|name| cache.path("models").join(name)).to_vec(),
            named => named.to_vec(),
        };
        let mut list: Vec<(usize, Backend, PathBuf)> = Vec::new();
        for &backend in backends {
            list.extend(models(backend).into_iter().enumerate().map(|(turn, model)| (turn, backend, model)));
        }
        list.sort_by_key(|(turn, ..)| *turn);
        list.into_iter().map(|(_, backend, model)| (backend, model)).collect()
    }
}

/// A column: its title, how wide it is, and what of a row's figures it shows with how many decimals.
struct Column(&'static str, usize, fn(&Figures) -> f64, usize);

/// What was measured of a row.
struct Figures {
    ratio: Value,
    forward: Value,
    explain: Value,
    few: Value,
}

const COLUMNS: [Column; 13] = [
    Column("channels", 9, |f| number(&f.ratio, "channels"), 0),
    Column("passes", 8, |f| number(&f.ratio, "passes"), 0),
    Column("batch", 7, |f| number(&f.ratio, "best_batch"), 0),
    Column("raw s", 10, |f| number(&f.ratio, "raw_seconds"), 3),
    Column("explain s", 11, |f| number(&f.ratio, "explain_seconds"), 3),
    Column("ratio", 8, |f| number(&f.ratio, "ratio"), 3),
    Column("raw images/s", 14, |f| number(&f.ratio, "passes") / number(&f.ratio, "raw_seconds"), 1),
    Column("images/s", 10, |f| number(&f.ratio, "passes") / number(&f.ratio, "explain_seconds"), 1),
    Column("bus MB", 9, |f| number(&f.ratio, "moved_mb"), 1),
    Column("whole MB", 10, |f| number(&f.ratio, "whole_mb"), 1),
    Column("forward MB", 12, |f| number(&f.forward, "peak_mb"), 0),
    Column("explain MB", 12, |f| number(&f.explain, "peak_mb"), 0),
    Column("64 channels MB", 16, |f| number(&f.few, "peak_mb"), 0),
];

const LEGEND: &str = "\
raw s: as many forward passes as the explain call makes, at the fastest batch, each batch handed over by the host; \
ratio: explain / raw, median of 5 rounds in turn; bus MB: what an explain call moves to the device and back, computed \
from its requests; whole MB: the same if every masked image were made by the host (on a processor nothing is moved); \
other MB: peak memory of a process, not of a device, that only runs batches, explains, or explains with 64 channels";

/// Measures every model with every backend that runs it, and prints the table.
pub(crate) fn bench(workspace: &Workspace, cache: &Cache, rows: &Rows, device: Device) -> Outcome {
    let release = workspace.target_dir()?.join("release");
    let gpu_libtorch = libtorch::own_for_gpus() && machine::library(&release, "scorecamtorch").is_file();
    if device.is_gpu() && !gpu_libtorch {
        println!(
            "libtorch is left out unless it is named: run cargo xtask libtorch, then set LIBTORCH to one for GPUs, as \
             PyTorch's own folder"
        );
    }
    let backends = rows.backends(device, gpu_libtorch);
    prepare(workspace, cache, &backends, device)?;
    let titles: String = COLUMNS.iter().map(|Column(title, width, ..)| format!("{title:>width$}")).collect();
    println!("device {device}\n{:<22}{:<11}{titles}", "model", "backend");
    for (backend, manifest) in rows.list(cache, &backends) {
        let measure = |mode: &str, set: &[&str]| {
            let program = Program { release: &release, cache, backend, device };
            program.measure(&manifest, mode, set)
        };
        let figures = Figures {
            ratio: measure("ratio", &[])?,
            forward: measure("forward", &[])?,
            explain: measure("explain", &[])?,
            few: measure("explain", &["select=std", "select_count=64"])?,
        };
        let shown: String = COLUMNS
            .iter()
            .map(|Column(_, width, value, decimals)| format!("{:>width$.decimals$}", value(&figures)))
            .collect();
        let name = manifest.file_name().unwrap_or_default().to_string_lossy();
        let name = name.trim_end_matches(".toml").trim_end_matches(".ts");
        println!("{name:<22}{:<11}{shown}", backend.id());
    }
    println!("\n{LEGEND}");
    Ok(())
}

/// Fetches and builds what these backends need.
fn prepare(workspace: &Workspace, cache: &Cache, backends: &[Backend], device: Device) -> Outcome {
    let mut what = vec![What::EfficientnetLite0, What::Squeezenet, What::Torchscript, What::Photos];
    for backend in backends {
        what.extend(match backend {
            Backend::OnnxCpu => Some(What::Onnxruntime),
            Backend::OnnxCuda if device.is_gpu() => Some(What::OnnxCuda),
            Backend::OnnxCuda => Some(What::OnnxruntimeGpu),
            Backend::Libtorch => None,
        });
    }
    let packages: Vec<String> = backends.iter().map(|backend| backend.package()).collect();
    let plugins: Vec<&str> = packages.iter().flat_map(|package| ["-p", package]).collect();
    // Two calls, since --bin leaves out the libraries of every package named beside it.
    for packages in [&plugins[..], &["-p", "scorecam-bench", "--bin", "bench"]] {
        run(workspace.cargo(&["build", "--release"]).args(packages), "cargo build")?;
    }
    // For a GPU the engine is there already: it is built with the cache's libtorch, and runs with the user's.
    match backends.contains(&Backend::Libtorch) && !device.is_gpu() {
        true => Engine::prepare(workspace, cache, &what)?.build(Profile::Release),
        false => fetch::fetch(workspace, cache, &what),
    }
}

/// The program that measures, for one backend on one device.
struct Program<'a> {
    release: &'a Path,
    cache: &'a Cache,
    backend: Backend,
    device: Device,
}

impl Program<'_> {
    fn measure(&self, manifest: &Path, mode: &str, set: &[&str]) -> Outcome<Value> {
        let mut command = Command::new(self.release.join(format!("bench{EXE_SUFFIX}")));
        command.arg(mode).arg(self.release.join(self.backend.library())).arg(manifest);
        command.arg(self.cache.path("photos").join("chelsea.png")).arg(format!("device={}", self.device));
        command.args(set).env("SCORECAM_CACHE", self.cache.root());
        let output = command.output().doing(|| "run the bench program".into())?;
        let what = format!("bench {mode} {} {}", self.backend.id(), manifest.display());
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(Failure::new(format!("{what}: {}", why.trim())));
        }
        serde_json::from_slice(&output.stdout).doing(|| format!("read what {what} printed"))
    }
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_are_those_of_the_device_or_those_that_are_named() {
        use Backend::{Libtorch, OnnxCpu, OnnxCuda};
        let gpu = Device::Cuda(1);
        let named = Rows { backend: vec![OnnxCuda], model: vec!["a.toml".into(), "b.toml".into()] };
        let plain = Rows { backend: vec![], model: vec![] };
        for (rows, device, gpu_libtorch, expected) in [
            (&plain, Device::Cpu, false, vec![OnnxCpu, Libtorch]),
            (&plain, gpu, true, vec![OnnxCuda, Libtorch]),
            (&plain, gpu, false, vec![OnnxCuda]),
            (&named, Device::Cpu, true, vec![OnnxCuda]),
        ] {
            assert_eq!(rows.backends(device, gpu_libtorch), expected, "{device} {gpu_libtorch}");
        }
        let check = |rows: &Rows, backends: &[Backend], expected: &[(&str, &str)]| {
            let listed = rows.list(&Cache::at("/cache".into()), backends);
            let shown = |(backend, path): &(Backend, PathBuf)| (backend.id(), path.display().to_string());
            let listed: Vec<_> = listed.iter().map(shown).collect();
            assert_eq!(listed.iter().map(|(id, path)| (*id, path.as_str())).collect::<Vec<_>>(), expected);
        };
        check(&named, &[OnnxCuda], &[("onnx-cuda", "a.toml"), ("onnx-cuda", "b.toml")]);
        let cached = [
            ("onnx-cuda", "/cache/models/efficientnet_lite0.toml"),
            ("libtorch", "/cache/models/efficientnet_lite0.ts.toml"),
            ("onnx-cuda", "/cache/models/squeezenet1_1.toml"),
            ("libtorch", "/cache/models/squeezenet1_1.ts.toml"),
        ];
        check(&plain, &[OnnxCuda, Libtorch], &cached);
        assert_eq!(OnnxCuda.library(), format!("{DLL_PREFIX}scorecam_onnx_cuda{DLL_SUFFIX}"));
    }
}
