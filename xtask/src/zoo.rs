//! `cargo xtask zoo`: explains real exports of many architectures without any options, as a new user would.
//!
//! The zoo itself is written in Python, in `tests/zoo`, because PyTorch's exporters are. This module prepares its
//! environment and a folder for exports, both in the cache, the release program, and the libtorch plugin.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

use crate::cache::Cache;
use crate::environment::{Environment, Recipe};
use crate::failure::Outcome;
use crate::fetch::{self, What};
use crate::libtorch::{self, Profile};
use crate::workspace::{Workspace, run};

/// The exporters and networks of the zoo. The list is complete, and omits CUDA, which PyTorch depends on.
const ZOO: Recipe = Recipe {
    scripts: "tests/zoo",
    pip: &["--no-deps"],
    room: "free 3 GB, or set SCORECAM_CACHE to a folder on another disk",
    elsewhere: "remove it, or set SCORECAM_CACHE to another folder",
};

/// Where the environment and the exports lie in the cache.
const ENVIRONMENT: &str = "zoo/environment";
const MODELS: &str = "zoo/models";

/// The options of a run.
#[derive(clap::Args)]
pub(crate) struct Choice {
    /// Only architectures or families with this name or pattern, such as 'swin*' or CNN
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Write the table to this file, as Markdown
    #[arg(long, value_name = "FILE.md")]
    out: Option<PathBuf>,
}

/// Builds the program and its plugins, and runs `tests/zoo/zoo.py` with them.
pub(crate) fn zoo(workspace: &Workspace, cache: &Cache, choice: &Choice) -> Outcome {
    fetch::fetch(workspace, cache, &[What::Onnxruntime])?;
    let environment = Environment::make(workspace, &ZOO, &cache.path(ENVIRONMENT))?;
    run(&mut workspace.cargo(&["build", "--release"]), "cargo build")?;
    libtorch::libtorch(workspace, cache, Profile::Release)?;
    let program = workspace.target_dir()?.join("release").join(format!("scorecam{EXE_SUFFIX}"));
    let mut zoo = environment.script("zoo.py");
    zoo.arg("--program").arg(program).arg("--models").arg(cache.path(MODELS));
    if let Some(pattern) = &choice.only {
        zoo.arg("--only").arg(pattern);
    }
    if let Some(file) = &choice.out {
        zoo.arg("--out").arg(file);
    }
    run(&mut zoo, "the zoo")
}
