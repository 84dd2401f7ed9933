//! The tests of the Python package on what `cargo build` has made, without a wheel: a step of `cargo xtask test`.
//!
//! The package is laid down as an installation has it: its modules, the native library, the program and its plugin. The
//! environment is kept from run to run, and has what the tests need but none of the large tools, whose tests pass over
//! themselves there; `cargo xtask wheel` runs these, and says whether the wheel itself is right.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fs;
use std::path::Path;

use crate::cache::Cache;
use crate::environment::{Environment, Recipe};
use crate::failure::{Outcome, While};
use crate::libtorch::Profile;
use crate::workspace::{Workspace, run};

const TESTING: Recipe = Recipe {
    scripts: "python/tests",
    pip: &["--quiet"],
    room: "free some 500 MB, or set SCORECAM_CACHE to a folder on another disk",
    elsewhere: "remove it, or set SCORECAM_CACHE to another folder",
};

/// Where the environment lies in the cache.
const ENVIRONMENT: &str = "wheel/tests";

/// Tests what lies in the folder of the dev profile.
pub(crate) fn test(workspace: &Workspace, cache: &Cache) -> Outcome {
    let environment = Environment::make(workspace, &TESTING, &cache.path(ENVIRONMENT))?;
    let built = workspace.target_dir()?.join(Profile::Dev.folder());
    let installed = tempfile::tempdir().doing(|| "make a folder for the Python package".into())?;
    let package = installed.path().join("scorecam");
    copy_modules(&workspace.path("python/scorecam"), &package)?;
    let native = if cfg!(windows) { "_native.pyd" } else { "_native.abi3.so" };
    copy(&built.join(format!("{DLL_PREFIX}scorecamnative{DLL_SUFFIX}")), &package.join(native))?;
    for name in [format!("scorecam{EXE_SUFFIX}"), format!("{DLL_PREFIX}scorecam_onnx_cpu{DLL_SUFFIX}")] {
        copy(&built.join(&name), &package.join("_program").join(&name))?;
    }
    let mut pytest = environment.python_command();
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX", "ORT_DYLIB_PATH", "SCORECAM_PROGRAM"] {
        pytest.env_remove(variable);
    }
    pytest.env("PYTHONPATH", installed.path()).current_dir(installed.path());
    pytest.env("SCORECAM_TOY", built.join(format!("{DLL_PREFIX}scorecam_toy{DLL_SUFFIX}")));
    pytest.args(["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider"]).arg(&environment.scripts);
    run(&mut pytest, "pytest")
}

/// Copies the sources of a Python package, but nothing that was built.
fn copy_modules(from: &Path, to: &Path) -> Outcome {
    for entry in fs::read_dir(from).doing(|| format!("read {}", from.display()))?.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let is_source =
            path.extension().is_some_and(|e| e == "py" || e == "pyi" || e == "typed") && path.is_file();
        if is_source {
            copy(&path, &to.join(&name))?;
        } else if path.is_dir() && name == "compat" {
            copy_modules(&path, &to.join(&name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Outcome {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
    }
    fs::copy(from, to).map(drop).doing(|| format!("copy {}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_copied_and_what_was_built_is_not() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["a.py", "py.typed", "_native.abi3.so", "compat/b.py", "_program/scorecam"] {
            let path = from.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        copy_modules(from.path(), to.path()).unwrap();
        let there = |name: &str| to.path().join(name).is_file();
        assert!(there("a.py") && there("py.typed") && there("compat/b.py"));
        assert!(!there("_native.abi3.so") && !there("_program/scorecam"));
    }
}
