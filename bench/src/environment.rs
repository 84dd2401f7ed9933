//! The Python environments with the other tools, made for the run and gone with it unless they are to stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::environment::{Environment, Recipe};
use xtask::failure::{Failure, Outcome, While};
use xtask::workspace::{Workspace, output, run};

/// The other tools on PyTorch that `bench --peers` measures.
const PYTORCH: Recipe = Recipe {
    scripts: "bench/peers",
    pip: &[],
    room: "free some 8 GB, or name a folder on another disk with --environment",
    elsewhere: "name another folder with --environment",
};

/// Intel's, which asks for an older numpy than the others, and for a release of OpenVINO that is no longer kept up: so
/// its requirements are a whole list, and pip adds none.
const OPENVINO: Recipe = Recipe { scripts: "bench/peers/openvino", pip: &["--no-deps"], ..PYTORCH };

/// What of that list is told on the page; the rest only serves these.
const OF_OPENVINO: [&str; 2] = ["openvino", "openvino_xai"];

/// The environments of all other tools.
pub(crate) struct Environments {
    pub(crate) pytorch: Environment,
    pub(crate) openvino: Environment,
}

impl Environments {
    /// Makes both, in folders of this one.
    pub(crate) fn make(workspace: &Workspace, folder: &Path) -> Outcome<Environments> {
        Ok(Environments {
            pytorch: Environment::make(workspace, &PYTORCH, &folder.join("pytorch"))?,
            openvino: Environment::make(workspace, &OPENVINO, &folder.join("openvino"))?,
        })
    }

    /// Names and versions of what is installed, Python first.
    pub(crate) fn versions(&self) -> Outcome<Vec<(String, String)>> {
        let list = self.pytorch.scripts.join("requirements.txt");
        let pins = fs::read_to_string(&list).doing(|| format!("read {}", list.display()))?;
        let names: Vec<&str> =
            pins.lines().filter_map(|line| line.split_once("==")).map(|pin| pin.0).collect();
        let mut all = versions(&self.pytorch, &names)?;
        all.extend(versions(&self.openvino, &OF_OPENVINO)?.into_iter().skip(1));
        Ok(all)
    }
}

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
    Err(Failure::new(format!("the environment has no PyTorch; {}", PYTORCH.elsewhere)))
}

/// Names and versions of Python and these packages.
fn versions(environment: &Environment, names: &[&str]) -> Outcome<Vec<(String, String)>> {
    // Asked and not taken from the list: an environment that was named may hold others.
    let mut python = Command::new(&environment.python);
    let printed = output(python.args(["-c", VERSIONS]).args(names), "the environment's Python")
        .map_err(|failure| Failure::new(format!("{failure}; remove its folder, or {}", PYTORCH.elsewhere)))?;
    let versions = printed.lines().map(|version| version.trim().to_owned());
    Ok(["Python"].iter().chain(names).map(|&name| name.to_owned()).zip(versions).collect())
}
