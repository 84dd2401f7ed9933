//! `cargo xtask demo`: from a fresh checkout to a page that shows what scorecam does.
//!
//! Fetches the runtime, a classifier and three photos, builds the program and its plugin in release, and runs the program
//! on the photos just as a user would: the page is the program's own report. All of it goes into `target/demo`, which is
//! emptied first.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use crate::cache::Cache;
use crate::failure::{Outcome, While};
use crate::fetch::{self, What};
use crate::workspace::{Workspace, run};

const PHOTOS: [&str; 3] = ["chelsea.png", "camera.png", "coffee.png"];
const MODEL: &str = "models/efficientnet_lite0.toml";

/// Runs the demo and prints where everything is.
pub(crate) fn demo(workspace: &Workspace, cache: &Cache) -> Outcome {
    fetch::fetch(workspace, cache, &[What::Onnxruntime, What::EfficientnetLite0, What::Photos])?;
    println!("building scorecam in release");
    let packages = ["-p", "scorecam-cli", "-p", "scorecam-onnx-cpu", "-p", "scorecam-ffi"];
    run(workspace.cargo(&["build", "--release"]).args(packages), "cargo build --release")?;
    let target = workspace.target_dir()?;
    let program = target.join("release").join(format!("scorecam{EXE_SUFFIX}"));
    let out = target.join("demo");
    // An old picture must not pass for a new one.
    match fs::remove_dir_all(&out) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(cause),
        _ => fs::create_dir_all(&out),
    }
    .doing(|| format!("empty {}", out.display()))?;

    println!("explaining {}", PHOTOS.join(", "));
    let page = out.join("index.html");
    let mut explain = Command::new(&program);
    explain.arg("explain").args(PHOTOS.map(|photo| cache.path("photos").join(photo)));
    explain.arg("--model").arg(cache.path(MODEL)).args(["--class", "top:3"]);
    explain.arg("--out").arg(out.join("results")).arg("--report").arg(&page);
    run(explain.env("SCORECAM_CACHE", cache.root()), "scorecam explain")?;
    println!("\nmodel, photos  {}", cache.root().display());
    println!("program        {}", program.display());
    println!("maps, overlays {}", out.join("results").display());
    println!("open this page {}", page.display());
    Ok(())
}
