//! What cargo builds for dist, and where it lies.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};
use crate::libtorch::Profile;
use crate::workspace::{Workspace, run};

/// The packages that are shipped. The toy backend is for tests. They are built by one command, as `cargo build`
/// of the workspace builds them: dependencies get the same features then and are not compiled twice.
pub(crate) const PACKAGES: [&str; 6] = [
    "scorecam-ffi",
    "scorecam-cli",
    "scorecam-onnx-cpu",
    "scorecam-onnx-cuda",
    "scorecam-libtorch",
    "scorecam-kserve",
];

/// The plugins among them, by their libraries. onnx-cuda comes without its runtime, which is large and of use on few
/// machines, and without NVIDIA's libraries, whose license is NVIDIA's.
const PLUGINS: [&str; 4] =
    ["scorecam_onnx_cpu", "scorecam_onnx_cuda", "scorecam_libtorch", "scorecam_kserve"];

/// The half of the libtorch plugin that is linked to libtorch.
const ENGINE: &str = "scorecamtorch";

/// A finished build.
pub(crate) struct Built {
    folder: PathBuf,
}

impl Built {
    /// Builds, or finds that everything is up to date.
    pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Outcome<Built> {
        let mut cargo = workspace.cargo(&["build", "--profile", profile.name()]);
        for package in PACKAGES {
            cargo.args(["-p", package]);
        }
        run(&mut cargo, "cargo build of what is installed")?;
        Ok(Built { folder: workspace.target_dir()?.join(profile.folder()) })
    }

    /// The folder of this profile.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn program(&self) -> Outcome<PathBuf> {
        self.file("scorecam")
    }

    /// The C library as an archive of object files.
    pub(crate) fn archive(&self) -> Outcome<PathBuf> {
        self.file("libscorecam.a")
    }

    /// The plugins, and the libtorch engine where `cargo xtask libtorch` has built it.
    pub(crate) fn plugins(&self) -> Outcome<Vec<PathBuf>> {
        let library = |name: &str| format!("{DLL_PREFIX}{name}{DLL_SUFFIX}");
        let mut found = PLUGINS.iter().map(|name| self.file(&library(name))).collect::<Outcome<Vec<_>>>()?;
        found.extend(self.engine());
        Ok(found)
    }

    /// The libtorch engine, if it was built.
    pub(crate) fn engine(&self) -> Option<PathBuf> {
        let path = self.folder.join(format!("{DLL_PREFIX}{ENGINE}{DLL_SUFFIX}"));
        path.is_file().then_some(path)
    }

    fn file(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Failure::new(format!("cargo reports success but did not build {}", path.display())))
    }
}
