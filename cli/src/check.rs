//! `scorecam check`: tries a plugin out.
//!
//! Each check runs in a process of its own, this same program with the hidden command `__check`, so that
//! one that crashes or hangs is a line in the table and not the end of the others. A check that was passed
//! says so in a line of its own at its very end: a plugin that ends the process early has not passed.
//! Checks that the later ones build on come first; when one of these fails, the rest is not run.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use scorecam_core::{Error, Result};
use scorecam_host::{Host, ModelRequest, PluginRecord};
use wait_timeout::ChildExt;

use crate::table::{lines, row};
use crate::{Failure, list, terminal};

/// How long one check may take.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// What leads the verdict among whatever else a plugin writes to stdout.
const VERDICT: &str = "scorecam-check-ok: ";

struct Check {
    name: &'static str,
    weight: Weight,
    run: fn(&Path) -> Result<String>,
}

#[derive(PartialEq)]
enum Weight {
    /// What comes later makes no sense without it.
    Base,
    /// It stands for itself.
    Single,
}

const CHECKS: [Check; 10] = [
    Check { name: "file", weight: Weight::Base, run: file },
    Check { name: "loads", weight: Weight::Base, run: loads },
    Check { name: "descriptors", weight: Weight::Base, run: descriptors },
    Check { name: "layout", weight: Weight::Single, run: layout },
    Check { name: "loads again", weight: Weight::Single, run: loads_again },
    Check { name: "method options", weight: Weight::Single, run: method_options },
    Check { name: "method texts", weight: Weight::Single, run: method_texts },
    Check { name: "empty model", weight: Weight::Single, run: empty_model },
    Check { name: "garbage model", weight: Weight::Single, run: garbage_model },
    Check { name: "folder as model", weight: Weight::Single, run: folder_as_model },
];

/// Runs every check on the plugin in a file and prints the table.
pub(crate) fn run(plugin: &Path) -> Result<(), Failure> {
    let mut rows = vec![row!["CHECK", "OUTCOME", ""]];
    let (mut failed, mut stopped) = (false, false);
    for check in &CHECKS {
        if stopped {
            rows.push(row![check.name, "not run", ""]);
            continue;
        }
        let (outcome, detail) = in_child(check.name, plugin)?;
        rows.push(row![check.name, outcome, detail]);
        failed |= outcome != "ok";
        stopped = outcome != "ok" && check.weight == Weight::Base;
    }
    terminal::print(&lines(&rows, 0))?;
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

/// Runs one check in this process; the hidden command's part.
pub(crate) fn run_one(name: &str, plugin: &Path) -> Result<(), Failure> {
    let check = CHECKS
        .iter()
        .find(|c| c.name == name)
        .ok_or_else(|| Error::not_found(format!("check {name:?} does not exist")))?;
    let detail = (check.run)(plugin)?;
    // A plugin may have left a line unfinished.
    Ok(terminal::print(&format!("\n{VERDICT}{detail}\n"))?)
}

/// The outcome of a check, in a word and a line.
fn in_child(name: &str, plugin: &Path) -> Result<(&'static str, String)> {
    let failed = |e: std::io::Error| Error::io(format!("check {name:?} cannot be run: {e}"));
    // Files and not pipes: nobody has to read them for the child to go on writing.
    let (mut stdout, mut stderr) =
        (tempfile::tempfile().map_err(failed)?, tempfile::tempfile().map_err(failed)?);
    // A child that crashes leaves its temporary files; they go with this folder.
    let scratch = tempfile::tempdir().map_err(failed)?;
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(["__check", name])
        .arg("--")
        .arg(plugin)
        .env("TMPDIR", scratch.path())
        .env("TMP", scratch.path())
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().map_err(failed)?)
        .stderr(stderr.try_clone().map_err(failed)?)
        .spawn()
        .map_err(failed)?;
    let Some(status) = child.wait_timeout(TIME_LIMIT).map_err(failed)? else {
        child.kill().and_then(|()| child.wait()).map_err(failed)?;
        return Ok(("timed out", format!("no end after {} s", TIME_LIMIT.as_secs())));
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
            let silent = || format!("the plugin ended the process ({status}) before the check was done");
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

/// The plugin in a host of its own.
fn hosted(plugin: &Path) -> Result<(Host, PluginRecord)> {
    let host = Host::new(None)?;
    host.load_plugin(plugin)?;
    let record = host.plugins().into_iter().rfind(|p| p.path.is_some());
    let record = record.ok_or_else(|| Error::internal("the host loaded the plugin but does not list it"))?;
    Ok((host, record))
}

fn file(plugin: &Path) -> Result<String> {
    let named = |e: std::io::Error| Error::io(format!("{}: {e}", plugin.display()));
    let metadata = std::fs::metadata(plugin).map_err(named)?;
    if !metadata.is_file() {
        return Err(Error::io(format!("{} is not a file", plugin.display())));
    }
    File::open(plugin).map_err(named)?;
    Ok(format!("{} bytes", metadata.len()))
}

/// Opening, the entry table and its version, the descriptors and interfaces: a host takes all or nothing.
fn loads(plugin: &Path) -> Result<String> {
    let (_, record) = hosted(plugin)?;
    match record.items.len() {
        0 => Err(Error::plugin("it holds nothing that this version knows")),
        n => Ok(format!("{n} {}", if n == 1 { "item" } else { "items" })),
    }
}

fn descriptors(plugin: &Path) -> Result<String> {
    let (_, record) = hosted(plugin)?;
    for item in &record.items {
        let usable = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if item.id.is_empty() || !item.id.chars().all(usable) {
            return Err(Error::plugin(format!(
                "the id {:?} cannot be typed; use letters, digits and - _ .",
                item.id
            )));
        }
        if item.version.is_empty() {
            return Err(Error::plugin(format!("{:?} has no version", item.id)));
        }
        if let Some(bad) =
            item.extensions.iter().find(|e| e.starts_with('.') || e.chars().any(char::is_uppercase))
        {
            return Err(Error::plugin(format!(
                "{:?} has the file extension {bad:?}; write it in lower case and without the dot",
                item.id
            )));
        }
    }
    let named = |item| format!("{} {}", list::kind(item), item.id);
    Ok(record.items.iter().map(named).collect::<Vec<_>>().join(", "))
}

/// Either proof will do; which one it is tells the author whether the Rust door works.
fn layout(plugin: &Path) -> Result<String> {
    Ok(hosted(plugin)?.1.proof.to_string())
}

fn loads_again(plugin: &Path) -> Result<String> {
    let (host, first) = hosted(plugin)?;
    host.load_plugin(plugin)?;
    let second = std::thread::scope(|scope| {
        let others: Vec<_> =
            (0..4).map(|_| scope.spawn(|| hosted(plugin).map(|(_, record)| record))).collect();
        others.into_iter().map(|o| o.join()).collect::<Vec<_>>()
    });
    for record in second {
        let record = record.map_err(|_| Error::plugin("a thread that loaded it panicked"))??;
        if record.items != first.items {
            return Err(Error::plugin("it describes itself differently when it is loaded again"));
        }
    }
    Ok("in one host, and in four more on threads of their own".into())
}

/// The methods of the plugin.
fn methods(plugin: &Path) -> Result<Vec<std::sync::Arc<dyn scorecam_core::CamMethod>>> {
    let (host, record) = hosted(plugin)?;
    let ids = record.items.iter().filter(|item| list::kind(item) == "method").map(|item| &item.id);
    ids.map(|id| host.method(id)).collect()
}

fn method_options(plugin: &Path) -> Result<String> {
    let (mut options, mut presets) = (0, 0);
    let methods = methods(plugin)?;
    for method in &methods {
        let info = method.info();
        let named = |e: Error| e.context(format!("method {:?}", info.id));
        for option in &info.options {
            let default = (option.name.clone(), option.default.clone());
            info.resolve(None, &[default]).map_err(|e| named(e.context("default")))?;
        }
        for preset in &info.presets {
            info.resolve(Some(&preset.name), &[])
                .map_err(|e| named(e.context(format!("preset {:?}", preset.name))))?;
        }
        (options, presets) = (options + info.options.len(), presets + info.presets.len());
    }
    match methods.len() {
        0 => Ok("it has no methods".into()),
        _ => Ok(format!("{options} options and {presets} presets resolve")),
    }
}

fn method_texts(plugin: &Path) -> Result<String> {
    let methods = methods(plugin)?;
    for method in &methods {
        let info = method.info();
        let mut names: Vec<&str> = info.options.iter().map(|o| o.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::plugin(format!("method {:?} has option {:?} twice", info.id, pair[0])));
        }
        if info.summary.is_empty() || info.options.iter().any(|o| o.help.is_empty()) {
            return Err(Error::plugin(format!("method {:?} leaves a summary or help text empty", info.id)));
        }
    }
    Ok(if methods.is_empty() {
        "it has no methods".into()
    } else {
        "no option twice, none without help".into()
    })
}

fn empty_model(plugin: &Path) -> Result<String> {
    refuses_model(plugin, |path| std::fs::write(path, b""))
}

fn garbage_model(plugin: &Path) -> Result<String> {
    // Bytes without any order, the same on each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    let garbage: Vec<u8> = (0..4096).map(|_| next()).collect();
    refuses_model(plugin, |path| std::fs::write(path, &garbage))
}

fn folder_as_model(plugin: &Path) -> Result<String> {
    refuses_model(plugin, |path| std::fs::create_dir(path))
}

/// Each backend must answer what `make` puts in a model's place with an error.
fn refuses_model(plugin: &Path, make: impl Fn(&Path) -> std::io::Result<()>) -> Result<String> {
    let (host, record) = hosted(plugin)?;
    let failed = |e: std::io::Error| Error::io(format!("a file to try cannot be made: {e}"));
    let mut answer = None;
    for backend in record.items.iter().filter(|item| list::kind(item) == "backend") {
        let folder = tempfile::tempdir().map_err(failed)?;
        let extension = backend.extensions.first().map_or("model", String::as_str);
        let path = folder.path().join("model").with_extension(extension);
        make(&path).map_err(failed)?;
        let request = ModelRequest { path, backend: Some(backend.id.clone()), ..ModelRequest::default() };
        match host.load_model(&request) {
            Ok(_) => return Err(Error::plugin(format!("backend {:?} loads it as a model", backend.id))),
            Err(error) => answer = Some(error.to_string()),
        }
    }
    Ok(answer.map_or_else(|| "it has no backends".into(), |text| format!("refused: {text}")))
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
