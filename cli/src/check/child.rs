//! One check in a process of its own, and what its end says.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use scorecam_core::{Error, Result};
use wait_timeout::ChildExt;

use super::Subject;

/// What leads the verdict among whatever else a plugin writes to stdout.
pub(super) const VERDICT: &str = "scorecam-check-ok: ";

/// The outcome of a check, in a word and a line.
pub(super) fn in_child(name: &str, subject: &Subject) -> Result<(&'static str, String)> {
    let failed = |e: std::io::Error| Error::io(format!("cannot run check {name:?}: {e}"));
    // Files and not pipes: nobody has to read them for the child to go on writing.
    let (mut stdout, mut stderr) =
        (tempfile::tempfile().map_err(failed)?, tempfile::tempfile().map_err(failed)?);
    // A child that crashes leaves its temporary files; they go with this folder.
    let scratch = tempfile::tempdir().map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.args(["__check", name, "--time-limit", &subject.time_limit.to_string()]);
    if let Some(model) = &subject.model {
        command.arg("--model").arg(model);
    }
    let mut child = command
        .arg("--")
        .arg(&subject.plugin)
        .env("TMPDIR", scratch.path())
        .env("TMP", scratch.path())
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().map_err(failed)?)
        .stderr(stderr.try_clone().map_err(failed)?)
        .spawn()
        .map_err(failed)?;
    let Some(status) = child.wait_timeout(Duration::from_secs(subject.time_limit)).map_err(failed)? else {
        child.kill().and_then(|()| child.wait()).map_err(failed)?;
        return Ok(("timed out", format!("no result after {} s", subject.time_limit)));
    };
    let said = contents(&mut stdout).map_err(failed)?;
    let complained = contents(&mut stderr).map_err(failed)?;
    Ok(verdict(status, &said, &complained))
}

fn verdict(status: ExitStatus, said: &str, complained: &str) -> (&'static str, String) {
    let error = complained.lines().rev().find_map(|l| l.strip_prefix("error: "));
    let passed = said.lines().rev().find_map(|l| l.strip_prefix(VERDICT));
    match (status.success(), passed, signal(status)) {
        (true, Some(detail), _) => ("ok", detail.to_owned()),
        (_, _, Some(signal)) => ("crashed", format!("signal {signal}{}", signal_name(signal))),
        (_, _, None) => {
            let silent = || format!("the plugin ended the process ({status}) before the check finished");
            ("failed", error.map_or_else(silent, str::to_owned))
        }
    }
}

fn contents(file: &mut File) -> std::io::Result<String> {
    const MOST: u64 = 1 << 20;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// The names of the signals of a crash that are the same on every Unix.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        4 => " (illegal instruction)",
        6 => " (abort)",
        8 => " (arithmetic error)",
        9 => " (killed)",
        11 => " (invalid memory access)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn only_a_verdict_counts_as_passed() {
        use std::os::unix::process::ExitStatusExt;
        let check = |raw: i32, said: &str, complained: &str, expected: &str| {
            assert_eq!(verdict(ExitStatus::from_raw(raw), said, complained).0, expected, "{raw} {said:?}");
        };
        check(0, "noise\nscorecam-check-ok: fine\n", "", "ok");
        check(0, "noise\n", "", "failed");
        check(1 << 8, "", "error: no\n", "failed");
        check(11, "scorecam-check-ok: fine\n", "", "crashed");
    }
}
