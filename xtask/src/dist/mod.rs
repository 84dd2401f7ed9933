//! `cargo xtask dist`: builds what an integrator installs, and lays it down below a folder or packs it.
//!
//! `build` asks cargo for the program, the libraries and the plugins; `shared` links the shared library anew, with
//! a version of its own for every function; `archive` makes the static one; `layout` says which file goes where; `tree` puts that below a folder,
//! and `package` into archives. Everything is found from where it lies, so the tree may be moved as a whole.
//!
//! Names and versions of shared libraries are those of Linux, and so is this command.

mod archive;
mod build;
mod layout;
mod notices;
mod package;
mod shared;
mod symbols;
mod tree;

use std::env;
use std::path::PathBuf;

use self::build::Built;
use self::layout::{Parts, Release};
pub(crate) use self::notices::{of_packages, of_the_standard_library};
pub(crate) use self::symbols::glibc;
use crate::cache::Cache;
use crate::failure::{Failure, Outcome, While};
use crate::fetch::{self, What};
use crate::libtorch::Profile;
use crate::tools;
use crate::workspace::Workspace;

/// What to make.
pub(crate) struct Request {
    /// The folder to install below.
    pub(crate) prefix: Option<PathBuf>,
    /// The folder that gets the packages.
    pub(crate) packages: Option<PathBuf>,
    pub(crate) profile: Profile,
    pub(crate) runtime: OnnxRuntime,
}

/// Whether ONNX Runtime is part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnnxRuntime {
    Bundled,
    LeftOut,
}

/// Builds, and makes what was asked for.
pub(crate) fn dist(workspace: &Workspace, cache: &Cache, request: &Request) -> Outcome {
    if env::consts::OS != "linux" {
        return Err(Failure::new(format!(
            "dist makes the files of Linux, and this is {}; `cargo build --release` builds the libraries and the program",
            env::consts::OS
        )));
    }
    tools::ensure(&[tools::C, tools::STRIP, tools::NM, tools::OBJDUMP, tools::OBJCOPY, tools::AR], "dist")?;
    let bundled = match request.runtime {
        OnnxRuntime::Bundled => {
            fetch::fetch(workspace, cache, &[What::Onnxruntime])?;
            fetch::paths(What::Onnxruntime).map(|path| cache.path(path)).collect()
        }
        OnnxRuntime::LeftOut => Vec::new(),
    };
    let built = Built::build(workspace, request.profile)?;
    let work =
        tempfile::tempdir_in(built.folder()).doing(|| format!("write to {}", built.folder().display()))?;
    let release = Release::current();
    let parts =
        Parts { workspace, built: &built, onnxruntime: &bundled, work: work.path(), release: &release };
    let tree = layout::tree(&parts)?;
    println!("needs     glibc {} or later", package::oldest_glibc(&tree)?);

    if let Some(prefix) = &request.prefix {
        tree.install(prefix)?;
        println!("installed {} files below {}", tree.len(), prefix.display());
    }
    if let Some(folder) = &request.packages {
        let effort = match request.profile {
            Profile::Dev => package::Effort::Fast,
            Profile::Release => package::Effort::Small,
        };
        for package in package::write(&tree, &release, effort, (folder, work.path()))? {
            println!("packed    {}", package.display());
        }
    }
    Ok(())
}
