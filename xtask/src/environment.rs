//! Python environments: that of the other tools, made for the run and gone with it unless it is to stay, and that
//! of the zoo, kept in the cache.
//!
//! A `requirements.txt` beside the scripts pins what is installed. An environment that was kept is used again as
//! long as it was made of the same lines.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome, While};
use crate::fetch;
use crate::workspace::Workspace;

/// Written into an environment once it is whole: the requirements that it was made of.
const MADE_OF: &str = "made-of.txt";

/// Prints Python's version, and that of each package which is named.
const VERSIONS: &str = "import sys, platform, importlib.metadata as installed; \
                        print(platform.python_version(), *map(installed.version, sys.argv[1:]), sep='\\n')";

/// What an environment is made of, and what its messages advise.
pub(crate) struct Recipe {
    /// The folder of the checkout with the scripts and their `requirements.txt`.
    pub(crate) scripts: &'static str,
    /// Added to `pip install`.
    pub(crate) pip: &'static [&'static str],
    /// What is installed takes this much, with how to have it elsewhere; shown when the disk is full.
    pub(crate) room: &'static str,
    /// How to have the environment in another folder.
    pub(crate) elsewhere: &'static str,
}

/// The other tools that `bench --peers` measures.
pub(crate) const PEERS: Recipe = Recipe {
    scripts: "xtask/peers",
    pip: &[],
    room: "free some 8 GB, or name a folder on another disk with --environment",
    elsewhere: "name another folder with --environment",
};

/// The exporters and networks of the zoo. Its list is complete, and leaves CUDA out, which PyTorch would need.
pub(crate) const ZOO: Recipe = Recipe {
    scripts: "tests/zoo",
    pip: &["--no-deps"],
    room: "free some 3 GB, or set SCORECAM_CACHE to a folder on another disk",
    elsewhere: "remove it, or set SCORECAM_CACHE to another folder",
};

/// A virtual environment with what a recipe lists.
pub(crate) struct Environment {
    recipe: &'static Recipe,
    python: PathBuf,
    scripts: PathBuf,
}

impl Environment {
    /// Makes the environment in this folder, unless it is there already.
    pub(crate) fn make(
        workspace: &Workspace,
        recipe: &'static Recipe,
        folder: &Path,
    ) -> Outcome<Environment> {
        let scripts = workspace.path(recipe.scripts);
        let list = scripts.join("requirements.txt");
        let wanted = fs::read_to_string(&list).doing(|| format!("read {}", list.display()))?;
        let programs = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        let made = Environment { recipe, python: folder.join(programs), scripts };
        if fs::read_to_string(folder.join(MADE_OF)).is_ok_and(|made_of| made_of == wanted) {
            println!("the environment in {} is used again", folder.display());
            return Ok(made);
        }
        check_is_ours_to_clear(folder, recipe)?;
        println!(
            "installing {} (some GB; minutes)",
            wanted.split_whitespace().collect::<Vec<_>>().join(", ")
        );
        let own = env::var_os("PYTHON").filter(|program| !program.is_empty());
        let own = own.unwrap_or_else(|| "python3".into());
        let mut venv = Command::new(&own);
        venv.args(["-m", "venv", "--clear"]).arg(folder);
        finish(venv, &own, &|messages| {
            let last = messages.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
            format!("can't make a Python environment (Debian: apt-get install python3-venv): {}", last.trim())
        })?;
        let stamp = folder.join(MADE_OF);
        // From here on the folder is known for one of this command; what is in it is told at the end.
        fs::write(&stamp, "").doing(|| format!("write {}", stamp.display()))?;
        let mut pip = Command::new(&made.python);
        pip.args(["-m", "pip", "install", "--no-input", "--no-color", "--progress-bar", "off"]);
        pip.args(["--disable-pip-version-check", "--requirement"]);
        pip.arg(&list).args(recipe.pip);
        finish(pip, &own, &|messages| {
            let what = format!("a package of {}/requirements.txt", recipe.scripts);
            fetch::why_pip_failed(messages, &own.to_string_lossy(), &what, recipe.room)
        })?;
        fs::write(&stamp, wanted).doing(|| format!("write {}", stamp.display()))?;
        Ok(made)
    }

    /// The interpreter with a script of the recipe's folder.
    pub(crate) fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(self.scripts.join(name));
        command
    }

    /// Writes ResNet-50 with random weights into a folder, for our engines and for PyTorch.
    pub(crate) fn write_resnet50(&self, folder: &Path) -> Outcome {
        let mut command = self.script("networks.py");
        command.arg(folder);
        let python = self.python.clone().into_os_string();
        finish(command, &python, &|messages| {
            let last = messages.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
            format!("can't write ResNet-50: {}", last.trim())
        })
    }

    /// PyTorch's own folder, whose libtorch can use a GPU.
    pub(crate) fn libtorch(&self) -> Outcome<PathBuf> {
        let mut python = Command::new(&self.python);
        python.args(["-c", "import os, torch; print(os.path.dirname(torch.__file__))"]);
        let output = python.output().doing(|| "run the environment's Python".into())?;
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        if output.status.success() && folder.is_dir() {
            return Ok(folder);
        }
        Err(Failure::new(format!("the environment has no PyTorch; {}", self.recipe.elsewhere)))
    }

    /// Names and versions of what is installed, Python first.
    pub(crate) fn versions(&self) -> Outcome<Vec<(String, String)>> {
        let list = self.scripts.join("requirements.txt");
        let pins = fs::read_to_string(&list).doing(|| format!("read {}", list.display()))?;
        let names: Vec<&str> =
            pins.lines().filter_map(|line| line.split_once("==")).map(|pin| pin.0).collect();
        // Asked and not taken from the list: an environment that was named may hold others.
        let mut python = Command::new(&self.python);
        let output = python.args(["-c", VERSIONS]).args(&names).output();
        let output = output.doing(|| "run the environment's Python".into())?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let versions: Vec<&str> = printed.lines().map(str::trim).collect();
        if !output.status.success() || versions.len() != names.len() + 1 {
            return Err(Failure::new(format!(
                "the environment lacks packages of {}/requirements.txt; remove its folder, or {}",
                self.recipe.scripts, self.recipe.elsewhere
            )));
        }
        let names = ["Python"].into_iter().chain(names);
        Ok(names.zip(versions).map(|(name, version)| (name.to_owned(), version.to_owned())).collect())
    }
}

/// Making an environment empties its folder, which must not hold anything else, somebody's own environment included.
fn check_is_ours_to_clear(folder: &Path, recipe: &Recipe) -> Outcome {
    let holds_something = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if !holds_something || folder.join(MADE_OF).is_file() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} holds something else than an environment of this command; {}",
        folder.display(),
        recipe.elsewhere
    )))
}

/// Runs a command to its end; `explain` makes the one line of what it printed when it fails.
fn finish(mut command: Command, python: &OsString, explain: &dyn Fn(&str) -> String) -> Outcome {
    let output = command.stdin(Stdio::null()).output().doing(|| {
        format!("start {} (install Python 3, or set PYTHON to an interpreter)", python.to_string_lossy())
    })?;
    if output.status.success() {
        return Ok(());
    }
    let messages = [output.stdout, output.stderr].concat();
    Err(Failure::new(explain(&String::from_utf8_lossy(&messages))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_environment_of_this_command_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check_is_ours_to_clear(&folder.path().join("missing"), &PEERS).is_ok());
        assert!(check_is_ours_to_clear(folder.path(), &PEERS).is_ok());
        fs::write(folder.path().join("letter.txt"), "").unwrap();
        let failure = check_is_ours_to_clear(folder.path(), &PEERS).unwrap_err().to_string();
        assert!(failure.contains("--environment"), "{failure}");
        fs::write(folder.path().join("pyvenv.cfg"), "").unwrap();
        assert!(check_is_ours_to_clear(folder.path(), &PEERS).is_err());
        fs::write(folder.path().join(MADE_OF), "").unwrap();
        assert!(check_is_ours_to_clear(folder.path(), &PEERS).is_ok());
    }

    #[test]
    fn a_command_that_fails_is_told_in_the_words_of_its_messages() {
        let python = OsString::from("python3");
        let mut loud = Command::new("cargo");
        loud.arg("no-such-command-of-cargo");
        let failure = finish(loud, &python, &|messages| messages.lines().next().unwrap_or("").to_owned());
        assert!(failure.unwrap_err().to_string().contains("no-such-command-of-cargo"));
        let missing = finish(Command::new("no such program"), &"no such program".into(), &|_| String::new());
        assert!(missing.unwrap_err().to_string().contains("set PYTHON"));
    }
}
