//! `cargo xtask bench`: how close an explain call comes to the engine's own speed, in one run.
//!
//! The measuring is done by the `bench` program of the tests, one process a figure, so that peak memory is
//! that of one job. This only calls it and prints the table.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::cache::Cache;
use crate::failure::{Failure, Outcome, While};
use crate::fetch;
use crate::libtorch::{Engine, Profile};
use crate::workspace::{Workspace, run};

/// A row of the table.
struct Row {
    backend: &'static str,
    /// The library of the backend's plugin, without the platform's prefix and suffix.
    plugin: &'static str,
    model: &'static str,
    /// In the models folder of the cache.
    manifest: &'static str,
}

const fn onnx_cpu(model: &'static str, manifest: &'static str) -> Row {
    Row { backend: "onnx-cpu", plugin: "scorecam_onnx_cpu", model, manifest }
}

const fn libtorch(model: &'static str, manifest: &'static str) -> Row {
    Row { backend: "libtorch", plugin: "scorecam_libtorch", model, manifest }
}

const ROWS: [Row; 4] = [
    onnx_cpu("efficientnet_lite0", "efficientnet_lite0.toml"),
    libtorch("efficientnet_lite0", "efficientnet_lite0.ts.toml"),
    onnx_cpu("squeezenet1_1", "squeezenet1_1.toml"),
    libtorch("squeezenet1_1", "squeezenet1_1.ts.toml"),
];

/// Measures every model with every backend that runs it, and prints the table.
pub(crate) fn bench(workspace: &Workspace, cache: &Cache) -> Outcome {
    let engine = Engine::prepare(workspace, cache, &fetch::all())?;
    // Two calls, since --bin leaves out the libraries of every package named beside it.
    let plugins = ["-p", "scorecam-onnx-cpu", "-p", "scorecam-libtorch"];
    for packages in [&plugins[..], &["-p", "scorecam-tests", "--bin", "bench"]] {
        run(workspace.cargo(&["build", "--release"]).args(packages), "cargo build")?;
    }
    engine.build(Profile::Release)?;
    let release = workspace.target_dir()?.join("release");
    println!(
        "{:<22}{:<11}{:>9}{:>8}{:>7}{:>10}{:>11}{:>8}{:>12}{:>12}{:>16}",
        "model",
        "backend",
        "channels",
        "passes",
        "batch",
        "raw s",
        "explain s",
        "ratio",
        "forward MB",
        "explain MB",
        "64 channels MB"
    );
    for row in &ROWS {
        let measure = |mode: &str, set: &[&str]| measure(&release, cache, row, (mode, set));
        let ratio = measure("ratio", &[])?;
        let forward = measure("forward", &[])?;
        let explain = measure("explain", &[])?;
        let few = measure("explain", &["select=std", "select_count=64"])?;
        println!(
            "{:<22}{:<11}{:>9}{:>8}{:>7}{:>10.3}{:>11.3}{:>8.3}{:>12.0}{:>12.0}{:>16.0}",
            row.model,
            row.backend,
            number(&ratio, "channels"),
            number(&ratio, "passes"),
            number(&ratio, "best_batch"),
            number(&ratio, "raw_seconds"),
            number(&ratio, "explain_seconds"),
            number(&ratio, "ratio"),
            number(&forward, "peak_mb"),
            number(&explain, "peak_mb"),
            number(&few, "peak_mb"),
        );
    }
    println!(
        "\nraw s: as many forward passes as the explain call makes, at the fastest batch; ratio: explain / raw, median \
         of 5 rounds in turn; MB: peak memory of a process that only runs batches of 16, explains, or explains with 64 \
         channels"
    );
    Ok(())
}

fn measure(release: &Path, cache: &Cache, row: &Row, (mode, set): (&str, &[&str])) -> Outcome<Value> {
    let library = format!("{DLL_PREFIX}{}{DLL_SUFFIX}", row.plugin);
    let mut command = Command::new(release.join(format!("bench{EXE_SUFFIX}")));
    command.arg(mode).arg(release.join(library)).arg(cache.path("models").join(row.manifest));
    command.arg(cache.path("photos").join("chelsea.png")).args(set).env("SCORECAM_CACHE", cache.root());
    let output = command.output().doing(|| "run the bench program".into())?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("bench {mode} {} {}: {}", row.backend, row.manifest, why.trim())));
    }
    let printed = || format!("read what bench {mode} {} {} printed", row.backend, row.manifest);
    serde_json::from_slice(&output.stdout).doing(printed)
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(f64::NAN)
}
