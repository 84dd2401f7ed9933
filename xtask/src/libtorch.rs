//! `cargo xtask libtorch`, and how the other commands build the libtorch engine.
//!
//! The plugin `scorecam-libtorch` is a member of the workspace and needs no libtorch. The library that does the
//! work, its engine, is linked to libtorch and so is a workspace of its own, which plain cargo commands leave
//! alone. It is built into the workspace's target folder, where the plugin finds it beside itself.
//!
//! Every command on the engine gets the same environment: the build script that compiles libtorch's C++
//! interface takes minutes, and cargo repeats it when a variable that it reads has changed.
//! (For the same reason the engine's manifest has to fix `debug` for what build scripts depend on. Left open,
//! it differs between `cargo clippy` and `cargo build`, and each runs the script for itself.)

use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::Cache;
use crate::failure::{Failure, Outcome, While};
use crate::fetch::{self, What};
use crate::tools;
use crate::workspace::{Workspace, run};

/// Where libtorch lies in the cache.
const CACHED: &str = "libtorch-2.13.0";
const ENGINE: &str = "plugins/libtorch/engine/Cargo.toml";

/// One of cargo's profiles.
#[derive(Clone, Copy)]
pub enum Profile {
    /// `target/debug`.
    Dev,
    /// `target/release`.
    Release,
}

impl Profile {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Profile::Dev => "dev",
            Profile::Release => "release",
        }
    }

    /// The folder below the target folder.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Profile::Dev => "debug",
            Profile::Release => "release",
        }
    }
}

/// Makes sure that there is a libtorch, builds the plugin and its engine, and prints where they are.
pub(crate) fn libtorch(workspace: &Workspace, cache: &Cache, profile: Profile) -> Outcome {
    let engine = Engine::prepare(workspace, cache, &[])?;
    let thin = ["build", "--profile", profile.name(), "-p", "scorecam-libtorch"];
    run(&mut workspace.cargo(&thin), "cargo build of the libtorch plugin")?;
    engine.build(profile)?;
    println!("\nplugin    {}", engine.library("scorecam_libtorch", profile)?.display());
    println!("engine    {}", engine.library("scorecamtorch", profile)?.display());
    println!("libtorch  {}", engine.libtorch.display());
    Ok(())
}

/// The engine's workspace and the libtorch to build it with.
pub struct Engine<'a> {
    workspace: &'a Workspace,
    libtorch: PathBuf,
    target: PathBuf,
}

impl<'a> Engine<'a> {
    /// Makes sure that there is a libtorch to build with, and that the cache holds `what` (which may name
    /// libtorch, too).
    pub fn prepare(workspace: &'a Workspace, cache: &Cache, what: &[What]) -> Outcome<Engine<'a>> {
        tools::ensure(&[tools::CXX], "the libtorch engine")?;
        let own =
            env::var_os("LIBTORCH").filter(|folder| !folder.is_empty()).map(own_libtorch).transpose()?;
        let mut what: Vec<What> = what.iter().copied().filter(|what| *what != What::Libtorch).collect();
        if own.is_none() {
            what.push(What::Libtorch);
        }
        fetch::fetch(workspace, cache, &what)?;
        let libtorch = own.unwrap_or_else(|| cache.path(CACHED));
        Ok(Engine { workspace, libtorch, target: workspace.target_dir()? })
    }

    /// Builds the engine into the workspace's target folder.
    pub fn build(&self, profile: Profile) -> Outcome {
        println!("building the libtorch engine (the first time takes minutes)");
        run(&mut self.cargo(&["build", "--profile", profile.name()]), "cargo build of the libtorch engine")
    }

    /// Checks the engine's style and lints.
    pub(crate) fn clippy(&self) -> Outcome {
        let mut clippy = self.cargo(&["clippy", "--all-targets"]);
        run(clippy.args(["--", "-D", "warnings"]), "cargo clippy of the libtorch engine")
    }

    /// Runs the engine's own tests, whose program looks for libtorch by the loader's variable.
    pub(crate) fn test(&self) -> Outcome {
        // Without the profile's name: named, cargo runs the build script anew.
        let mut test = self.cargo(&["test"]);
        let variable = if cfg!(target_os = "macos") { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
        run(test.env(variable, self.libtorch.join("lib")), "cargo test of the libtorch engine")
    }

    /// Makes the engine's documentation, without that of others.
    pub(crate) fn document(&self) -> Outcome {
        let mut doc = self.cargo(&["doc", "--no-deps"]);
        run(doc.env("RUSTDOCFLAGS", "-D warnings"), "cargo doc of the libtorch engine")
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.workspace.cargo(arguments);
        command.arg("--manifest-path").arg(self.workspace.path(ENGINE));
        command.arg("--target-dir").arg(&self.target).env("LIBTORCH", &self.libtorch);
        // These would win over LIBTORCH.
        for variable in ["LIBTORCH_USE_PYTORCH", "LIBTORCH_INCLUDE", "LIBTORCH_LIB", "LIBTORCH_STATIC"] {
            command.env_remove(variable);
        }
        command
    }

    fn library(&self, name: &str, profile: Profile) -> Outcome<PathBuf> {
        let path = self.target.join(profile.folder()).join(format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"));
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::new(format!("cargo reports success but did not build {}", path.display())))
    }
}

/// Whether `LIBTORCH` names a libtorch that can use a GPU. That of the cache can't.
pub fn own_for_gpus() -> bool {
    let library = format!("lib/{DLL_PREFIX}torch_cuda{DLL_SUFFIX}");
    env::var_os("LIBTORCH").is_some_and(|folder| Path::new(&folder).join(library).is_file())
}

/// Fails unless the sources of the engine are formatted. Needs no libtorch.
pub(crate) fn check_format(workspace: &Workspace) -> Outcome {
    let mut fmt = workspace.cargo(&["fmt", "--check", "--manifest-path"]);
    run(fmt.arg(workspace.path(ENGINE)), "cargo fmt of the libtorch engine")
}

/// The folder that `LIBTORCH` names, as an absolute path, if it holds what a build needs.
fn own_libtorch(named: OsString) -> Outcome<PathBuf> {
    let shown = Path::new(&named).display();
    let folder = std::path::absolute(&named).doing(|| format!("make LIBTORCH={shown} an absolute path"))?;
    let library = format!("lib/{DLL_PREFIX}torch_cpu{DLL_SUFFIX}");
    for needed in [library.as_str(), "include/torch/csrc/api/include/torch/torch.h"] {
        if !folder.join(needed).is_file() {
            return Err(Failure::new(format!(
                "LIBTORCH={shown} has no {needed}; set LIBTORCH to the folder of libtorch 2.13.0, or unset it to have one \
                 fetched into the cache"
            )));
        }
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_libtorch_of_ones_own_must_have_libraries_and_headers() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |missing: &str| {
            let failure = own_libtorch(folder.path().into()).unwrap_err().to_string();
            assert!(failure.contains(&format!(" has no {missing}")) && !failure.contains('\n'), "{failure}");
        };
        let add = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).and_then(|()| fs::write(path, "")).unwrap();
        };
        refused("lib/");
        add(&format!("lib/{DLL_PREFIX}torch_cpu{DLL_SUFFIX}"));
        refused("include/");
        add("include/torch/csrc/api/include/torch/torch.h");
        assert_eq!(own_libtorch(folder.path().into()).unwrap(), folder.path());
    }
}
