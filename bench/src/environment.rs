//! The Python environment with the other tools, made for the run and gone with it unless it is to stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::environment::{Environment, Recipe};
use xtask::failure::{Failure, Outcome, While};
use xtask::workspace::{output, run};

/// The other tools that `bench --peers` measures.
pub(crate) const PEERS: Recipe = Recipe {
    scripts: "bench/peers",
    pip: &[],
    room: "free some 8 GB, or name a folder on another disk with --environment",
    elsewhere: "name another folder with --environment",
};

/// Prints Python's version, and that of each package which is named.
const VERSIONS: &str = "import sys, platform, importlib.metadata as installed; \
                        print(platform.python_version(), *map(installed.version, sys.argv[1:]), sep='\\n')";

/// Writes ResNet-50 with random weights into a folder, for our engines and for PyTorch.
pub(crate) fn write_resnet50(environment: &Environment, folder: &Path) -> Outcome {
    run(environment.script("networks.py").arg(folder), "writing ResNet-50")
}

/// PyTorch's own folder, whose libtorch can use a GPU.
pub(crate) fn libtorch(environment: &Environment) -> Outcome<PathBuf> {
    let mut python = Command::new(&environment.python);
    python.args(["-c", "import os, torch; print(os.path.dirname(torch.__file__))"]);
    let folder = PathBuf::from(output(&mut python, "the environment's Python")?.trim());
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Failure::new(format!("the environment has no PyTorch; {}", PEERS.elsewhere)))
}

/// Names and versions of what is installed, Python first.
pub(crate) fn versions(environment: &Environment) -> Outcome<Vec<(String, String)>> {
    let list = environment.scripts.join("requirements.txt");
    let pins = fs::read_to_string(&list).doing(|| format!("read {}", list.display()))?;
    let names: Vec<&str> = pins.lines().filter_map(|line| line.split_once("==")).map(|pin| pin.0).collect();
    // Asked and not taken from the list: an environment that was named may hold others.
    let mut python = Command::new(&environment.python);
    let printed = output(python.args(["-c", VERSIONS]).args(&names), "the environment's Python")
        .map_err(|failure| Failure::new(format!("{failure}; remove its folder, or {}", PEERS.elsewhere)))?;
    let versions = printed.lines().map(|version| version.trim().to_owned());
    Ok(["Python"].into_iter().chain(names).map(str::to_owned).zip(versions).collect())
}
