//! `cargo xtask fuzz`: every fuzz target for some time, and a table of what came of it.
//!
//! The targets are in `tests/fuzz`, in `libfuzzer/` as cargo-fuzz wants them. A target begins with the
//! committed corpus; what it finds worth keeping lies in the build folder, so that the next run goes on from
//! there and the checkout stays as it is. Only an input on which a target failed goes into the checkout, to be
//! committed with its repair: the ordinary tests replay it from then on.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome, While};
use crate::workspace::{Workspace, answers, run};

const TARGETS: &str = "tests/fuzz/libfuzzer";
/// Megabytes that a target may hold in all, and ask for at once. Photos of the size that its target takes need
/// less than 8; everything beyond is memory that a file claimed and nobody checked.
const LIMITS: [&str; 2] = ["-rss_limit_mb=1536", "-malloc_limit_mb=64"];
/// Seconds for one input, address sanitizer and a busy machine included.
const TIMEOUT: &str = "-timeout=20";

/// Fuzzes `chosen`, or every target, for `seconds` each.
pub(crate) fn fuzz(workspace: &Workspace, seconds: u32, chosen: &[String]) -> Outcome {
    let known = targets(workspace)?;
    if let Some(stranger) = chosen.iter().find(|name| !known.contains(name)) {
        return Err(Failure::new(format!(
            "{stranger} is not a fuzz target; the targets are {}",
            known.join(", ")
        )));
    }
    check_tools()?;
    let chosen = if chosen.is_empty() { &known[..] } else { chosen };
    let build = workspace.target_dir()?.join("fuzz");
    let mut reports = Vec::new();
    for target in chosen {
        println!("\n=== {target} ===");
        let runner = Runner { workspace, build: &build, target };
        runner.build()?;
        reports.push(runner.fuzz(seconds)?);
    }
    println!("\n{:<12}{:>10}{:>8}{:>10}  outcome", "target", "runs", "a s", "features");
    reports.iter().for_each(|report| println!("{report}"));
    match reports.iter().filter(|report| report.failed()).count() {
        0 => Ok(()),
        failed => Err(Failure::new(format!(
            "{failed} of {} targets failed; the inputs are in tests/fuzz/crashes",
            reports.len()
        ))),
    }
}

/// The names of the targets, in alphabetical order.
fn targets(workspace: &Workspace) -> Outcome<Vec<String>> {
    let folder = workspace.path(TARGETS).join("targets");
    let entries = fs::read_dir(&folder).doing(|| format!("list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.doing(|| format!("list {}", folder.display()))?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn check_tools() -> Outcome {
    // cargo runs this program with one toolchain; only rustup leads to another.
    if !answers(Command::new("rustup").args(["run", "nightly", "cargo", "--version"])) {
        return Err(Failure::new(
            "fuzzing needs a nightly compiler; run `rustup toolchain install nightly --profile minimal`",
        ));
    }
    if !answers(Command::new("rustup").args(["run", "nightly", "cargo", "fuzz", "--version"])) {
        return Err(Failure::new(
            "cargo fuzz is missing; run `cargo install cargo-fuzz --version 0.13.2 --locked`",
        ));
    }
    Ok(())
}

/// One target's way through the build and the run.
struct Runner<'a> {
    workspace: &'a Workspace,
    build: &'a Path,
    target: &'a str,
}

impl Runner<'_> {
    fn cargo_fuzz(&self, command: &str) -> Command {
        let mut rustup = Command::new("rustup");
        rustup.args(["run", "nightly", "cargo", "fuzz", command, "--fuzz-dir"]);
        rustup.arg(self.workspace.path(TARGETS)).arg("--target-dir").arg(self.build).arg(self.target);
        // What cargo has set for this program belongs to its toolchain and not to the nightly one.
        ["CARGO", "RUSTC", "RUSTDOC", "CARGO_MANIFEST_DIR"].iter().for_each(|name| {
            rustup.env_remove(name);
        });
        rustup
    }

    fn build(&self) -> Outcome {
        run(&mut self.cargo_fuzz("build"), &format!("cargo fuzz build of {}", self.target))
    }

    fn fuzz(&self, seconds: u32) -> Outcome<Report> {
        let own = |kind: &str| self.workspace.path("tests/fuzz").join(kind).join(self.target);
        let found = self.build.join("corpus").join(self.target);
        let failed = self.build.join("failed").join(self.target);
        for folder in [&found, &failed] {
            fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
        }
        let mut command = self.cargo_fuzz("run");
        command.arg(&found).arg(own("corpus")).arg("--").args(LIMITS).arg(TIMEOUT);
        command.arg(format!("-max_total_time={seconds}")).args(["-print_final_stats=1", "-max_len=4096"]);
        command.arg(format!("-artifact_prefix={}/", failed.display()));
        let dictionary = self.workspace.path("tests/fuzz/dictionaries").join(format!("{}.dict", self.target));
        if dictionary.is_file() {
            command.arg(format!("-dict={}", dictionary.display()));
        }
        let output = command.stdin(Stdio::null()).output().doing(|| format!("run {}", self.target))?;
        let text = String::from_utf8_lossy(&output.stderr);
        let crashes = move_files(&failed, &own("crashes"))?;
        let report = Report { numbers: Numbers::read(&text), target: self.target.to_owned(), crashes };
        if !output.status.success() {
            // The fuzzer's own account of the fault is the last thing that it prints.
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(60)..].iter().for_each(|line| println!("{line}"));
            if report.crashes.is_empty() {
                return Err(Failure::new(format!("{} did not run; see above", self.target)));
            }
        }
        println!("{report}");
        Ok(report)
    }
}

/// Moves the files of a folder into another one, which is made when there are any; returns where they are.
fn move_files(from: &Path, to: &Path) -> Outcome<Vec<PathBuf>> {
    let mut moved = Vec::new();
    for entry in fs::read_dir(from).doing(|| format!("list {}", from.display()))? {
        let source = entry.doing(|| format!("list {}", from.display()))?.path();
        let place = to.join(source.file_name().unwrap_or_default());
        // The build folder may be on another disk, where a file cannot be renamed to.
        fs::create_dir_all(to)
            .and_then(|()| fs::copy(&source, &place))
            .and_then(|_| fs::remove_file(&source))
            .doing(|| format!("move {} to {}", source.display(), place.display()))?;
        moved.push(place);
    }
    Ok(moved)
}

/// What libFuzzer counted.
#[derive(Debug, Default, PartialEq)]
struct Numbers {
    runs: u64,
    per_second: u64,
    features: u64,
}

impl Numbers {
    /// Reads the statistics at the end of a run, and the last line that says how many features there are.
    fn read(text: &str) -> Numbers {
        let statistic = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
            value.and_then(|value| value.trim_start_matches(':').trim().parse().ok()).unwrap_or(0)
        };
        let features = text.lines().rev().find_map(|line| line.split(" ft: ").nth(1)?.split(' ').next());
        Numbers {
            runs: statistic("number_of_executed_units"),
            per_second: statistic("average_exec_per_sec"),
            features: features.and_then(|number| number.parse().ok()).unwrap_or(0),
        }
    }
}

/// A row of the table.
struct Report {
    target: String,
    numbers: Numbers,
    crashes: Vec<PathBuf>,
}

impl Report {
    fn failed(&self) -> bool {
        !self.crashes.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Numbers { runs, per_second, features } = self.numbers;
        write!(f, "{:<12}{runs:>10}{per_second:>8}{features:>10}  ", self.target)?;
        match &self.crashes[..] {
            [] => f.write_str("passed"),
            crashes => {
                let names: Vec<String> = crashes.iter().map(|path| path.display().to_string()).collect();
                write!(f, "FAILED: {}", names.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_run_are_read() {
        let text = "#2\tINITED cov: 10 ft: 11 corp: 1/1b\n#97\tDONE   cov: 50 ft: 62 corp: 3/9b\n\
                    stat::number_of_executed_units: 97\nstat::average_exec_per_sec:     48\n";
        assert_eq!(Numbers::read(text), Numbers { runs: 97, per_second: 48, features: 62 });
        assert_eq!(Numbers::read("==1==ERROR: it died early"), Numbers::default());
    }

    #[test]
    fn a_kept_input_is_named_in_the_table() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("failed"), folder.path().join("crashes/npy"));
        fs::create_dir_all(&from).unwrap();
        assert!(move_files(&from, &to).unwrap().is_empty() && !to.exists());
        fs::write(from.join("crash-1"), "x").unwrap();
        let crashes = move_files(&from, &to).unwrap();
        assert_eq!((crashes.len(), fs::read(to.join("crash-1")).unwrap()), (1, b"x".to_vec()));
        let report = Report { target: "npy".into(), numbers: Numbers::default(), crashes };
        assert!(report.failed() && report.to_string().contains("crash-1"));
    }
}
