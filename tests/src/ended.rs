//! How a process ended, for programs that are expected to fail, crash or hang.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use wait_timeout::ChildExt;

/// The end of a process, and what it had said until then.
pub struct Ended {
    /// Its status; `None` when it was stopped because it took too long.
    pub status: Option<ExitStatus>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Ended {
    /// Runs a command for at most `limit`.
    pub fn of(command: &mut Command, limit: Duration) -> Self {
        // Files and not pipes: nobody has to read them for the process to go on writing.
        let file = || tempfile::tempfile().expect("a temporary file");
        let (mut stdout, mut stderr) = (file(), file());
        command.stdin(Stdio::null());
        command.stdout(stdout.try_clone().expect("a file")).stderr(stderr.try_clone().expect("a file"));
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let status = child.wait_timeout(limit).expect("the process is ours");
        if status.is_none() {
            child.kill().and_then(|()| child.wait()).expect("the process is ours");
        }
        Self { status, stdout: contents(&mut stdout), stderr: contents(&mut stderr) }
    }

    /// The status in words: "ended with 0", "crashed by signal 11", "timed out".
    pub fn how(&self) -> String {
        let Some(status) = self.status else { return "timed out".into() };
        match (status.code(), signal(status)) {
            (Some(code), _) => format!("ended with {code}"),
            (None, Some(signal)) => format!("crashed by signal {signal}"),
            (None, None) => status.to_string(),
        }
    }

    /// The last line on stderr that begins with `error: `, without that.
    pub fn error(&self) -> Option<&str> {
        self.stderr.lines().rev().find_map(|line| line.strip_prefix("error: "))
    }
}

fn contents(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a temporary file");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}
