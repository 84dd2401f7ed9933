//! The checkout these commands work on, and how they start other programs in it.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome, While};

/// The root of the checkout.
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that holds this crate. Cargo names it at run time, so a checkout that was moved after
    /// its first build is still found.
    pub(crate) fn find() -> Outcome<Workspace> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().filter(|root| root.join("Cargo.lock").is_file());
        root.map(|root| Workspace { root: root.to_owned() }).ok_or_else(|| {
            Failure::new("the checkout was not found; run this as `cargo xtask` from inside it")
        })
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// `cargo` with these arguments, in the root of the checkout.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Where cargo builds, which is not `target/` for everyone.
    pub(crate) fn target_dir(&self) -> Outcome<PathBuf> {
        let mut metadata = self.cargo(&["metadata", "--no-deps", "--format-version", "1"]);
        let output = metadata.stderr(Stdio::inherit()).output().doing(|| "run cargo metadata".into())?;
        let facts: serde_json::Value =
            serde_json::from_slice(&output.stdout).doing(|| "read what cargo metadata says".into())?;
        let folder = facts["target_directory"].as_str();
        folder.map(PathBuf::from).ok_or_else(|| Failure::new("cargo metadata names no target_directory"))
    }
}

/// Runs a program with the terminal as its own, and fails unless it succeeds. `what` names it in the error.
pub(crate) fn run(command: &mut Command, what: &str) -> Outcome {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("{what} failed ({status}); its own messages are above"))),
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            Err(Failure::new(format!("{what} failed: the program {program} was not found")))
        }
        Err(cause) => Err(Failure::new(format!("{what} failed: can't start {program}: {cause}"))),
    }
}

/// Whether a program starts and answers these arguments with success; what it prints is not shown.
pub(crate) fn answers(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
