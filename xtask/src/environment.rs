//! Python environments for what needs packages: the other tools of the benchmarks, and the zoo.
//!
//! A `requirements.txt` beside the scripts pins what is installed. An environment that was kept is used again as
//! long as it was made of the same lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Outcome, While};
use crate::tools::{self, PYTHON, VENV};
use crate::workspace::{Workspace, run};

/// Written into an environment once it is whole: the requirements that it was made of.
const MADE_OF: &str = "made-of.txt";

/// What an environment is made of, and what its messages advise.
pub struct Recipe {
    /// The folder of the checkout with the scripts and their `requirements.txt`.
    pub scripts: &'static str,
    /// Added to `pip install`.
    pub pip: &'static [&'static str],
    /// The room that the packages take, and how to have them elsewhere, for the message of a failure.
    pub room: &'static str,
    /// How to have the environment in another folder.
    pub elsewhere: &'static str,
}

/// A virtual environment with the packages of a recipe.
pub struct Environment {
    /// Its interpreter.
    pub python: PathBuf,
    /// The folder with the scripts and their `requirements.txt`.
    pub scripts: PathBuf,
}

impl Environment {
    /// Makes the environment in this folder, unless it is there already.
    ///
    /// # Errors
    ///
    /// Fails where the folder holds something else, and where Python or pip fails.
    pub fn make(workspace: &Workspace, recipe: &Recipe, folder: &Path) -> Outcome<Environment> {
        let scripts = workspace.path(recipe.scripts);
        let list = scripts.join("requirements.txt");
        let wanted = fs::read_to_string(&list).doing(|| format!("read {}", list.display()))?;
        let programs = if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" };
        let made = Environment { python: folder.join(programs), scripts };
        if fs::read_to_string(folder.join(MADE_OF)).is_ok_and(|made_of| made_of == wanted) {
            println!("the environment in {} is used again", folder.display());
            return Ok(made);
        }
        check_is_ours_to_clear(folder, recipe)?;
        tools::ensure(&[PYTHON, VENV], "a Python environment")?;
        run(PYTHON.command().args(["-m", "venv", "--clear"]).arg(folder), "python -m venv")?;
        let stamp = folder.join(MADE_OF);
        // From here on the folder is known for one of this command; its contents are written down at the end.
        fs::write(&stamp, "").doing(|| format!("write {}", stamp.display()))?;
        let mut pip = Command::new(&made.python);
        pip.args(["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--requirement"]);
        let install = format!("pip install of {}/requirements.txt", recipe.scripts);
        run(pip.arg(&list).args(recipe.pip), &install).map_err(|failure| {
            Failure::new(format!(
                "{failure}; check the network and pip's index, proxy and certificate (pip config list), and if the disk \
                 is full, {}",
                recipe.room
            ))
        })?;
        fs::write(&stamp, wanted).doing(|| format!("write {}", stamp.display()))?;
        Ok(made)
    }

    /// The interpreter with a script of the recipe's folder.
    pub fn script(&self, name: &str) -> Command {
        let mut command = self.python_command();
        command.arg("-B").arg(self.scripts.join(name));
        command
    }

    /// The interpreter alone.
    pub(crate) fn python_command(&self) -> Command {
        Command::new(&self.python)
    }
}

/// Making an environment empties its folder, which must not hold anything else, somebody's own environment included.
fn check_is_ours_to_clear(folder: &Path, recipe: &Recipe) -> Outcome {
    let holds_something = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if !holds_something || folder.join(MADE_OF).is_file() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{} contains other files than an environment of this command; {}",
        folder.display(),
        recipe.elsewhere
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_environment_of_this_command_is_emptied() {
        let recipe = Recipe { scripts: "", pip: &[], room: "", elsewhere: "name another with --environment" };
        let check = |folder: &Path| check_is_ours_to_clear(folder, &recipe);
        let folder = tempfile::tempdir().unwrap();
        assert!(check(&folder.path().join("missing")).is_ok());
        assert!(check(folder.path()).is_ok());
        fs::write(folder.path().join("letter.txt"), "").unwrap();
        let failure = check(folder.path()).unwrap_err().to_string();
        assert!(failure.contains("--environment"), "{failure}");
        fs::write(folder.path().join("pyvenv.cfg"), "").unwrap();
        assert!(check(folder.path()).is_err());
        fs::write(folder.path().join(MADE_OF), "").unwrap();
        assert!(check(folder.path()).is_ok());
    }
}
