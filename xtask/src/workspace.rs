//! The checkout these commands work on, and how they start other programs in it.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome, While};

/// The root of the checkout.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that holds this crate. Cargo names it at run time, so a checkout that was moved after
    /// its first build is still found.
    pub fn find() -> Outcome<Workspace> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().filter(|root| root.join("Cargo.lock").is_file());
        root.map(|root| Workspace { root: root.to_owned() }).ok_or_else(|| {
            Failure::new("the checkout was not found; run this as `cargo xtask` from inside it")
        })
    }

    /// The place of a file of the checkout.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// `cargo` with these arguments, in the root of the checkout.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Where cargo builds, which is not `target/` for everyone.
    pub fn target_dir(&self) -> Outcome<PathBuf> {
        let mut metadata = self.cargo(&["metadata", "--no-deps", "--format-version", "1"]);
        let facts: serde_json::Value = serde_json::from_str(&output(&mut metadata, "cargo metadata")?)
            .doing(|| "read what cargo metadata says".into())?;
        let folder = facts["target_directory"].as_str();
        folder.map(PathBuf::from).ok_or_else(|| Failure::new("cargo metadata names no target_directory"))
    }
}

/// Runs a program with the terminal as its own, and fails unless it succeeds. `what` names it in the error.
pub fn run(command: &mut Command, what: &str) -> Outcome {
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

/// Runs a program and returns its standard output. `what` names it in the error, with the last line of its messages.
pub fn output(command: &mut Command, what: &str) -> Outcome<String> {
    let output = command.stdin(Stdio::null()).output().doing(|| format!("run {what}"))?;
    let messages = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = messages.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
        return Err(Failure::new(format!("{what} failed ({}): {}", output.status, last.trim())));
    }
    String::from_utf8(output.stdout).doing(|| format!("read what {what} printed"))
}

/// Whether a program starts and answers these arguments with success; what it prints is not shown.
pub fn answers(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
