//! `cargo xtask test`: what has to pass before a change goes in, from a clean checkout.
//!
//! The steps run in the order in which a failure is cheapest to learn of, and the first one that fails ends
//! the run. At the end, and also after a failure, a table says what ran and how long it took. Only `fetch`
//! uses the network, and only until the cache is full.

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::failure::{Failure, Outcome};
use crate::fetch;
use crate::headers;
use crate::workspace::{Workspace, answers, run};

/// Runs every step; `arguments` go to `cargo test`.
pub(crate) fn test(workspace: &Workspace, cache: &Cache, arguments: &[String]) -> Outcome {
    let cargo = |title: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = workspace.cargo(arguments);
        // The tests look for models where this run has put them.
        command.env("SCORECAM_CACHE", cache.root()).envs(variables.iter().copied());
        run(&mut command, title)
    };
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    let mut tests = vec!["test", "--workspace"];
    tests.extend(arguments.iter().map(String::as_str));
    // Libraries only: the program and the C library share a name, and cargo can document but one of them.
    let documentation = ["doc", "--workspace", "--no-deps", "--lib"];

    let mut steps = Steps::default();
    let outcome = steps
        .step("tools", || check_tools(workspace))
        .and_then(|()| steps.step("fetch", || fetch::fetch(workspace, cache, &[])))
        .and_then(|()| steps.step("format", || cargo("cargo fmt", &["fmt", "--all", "--check"], &[])))
        .and_then(|()| steps.step("headers", || headers::check(workspace)))
        .and_then(|()| steps.step("clippy", || cargo("cargo clippy", &clippy, &[])))
        // `cargo test` alone does not make the shared libraries that tests load and link.
        .and_then(|()| steps.step("build", || cargo("cargo build", &["build", "--workspace"], &[])))
        .and_then(|()| steps.step("test", || cargo("cargo test", &tests, &[])))
        .and_then(|()| {
            steps.step("documentation", || {
                cargo("cargo doc", &documentation, &[("RUSTDOCFLAGS", "-D warnings")])
            })
        });
    println!("\n{}", steps.table());
    outcome
}

/// The tools that the tests call and that Rust does not bring.
fn check_tools(workspace: &Workspace) -> Outcome {
    for (variable, usual, purpose, package) in [
        ("CC", "cc", "the C tests need a C11 compiler", "gcc"),
        ("CXX", "c++", "the C++ tests need a C++17 compiler", "g++"),
    ] {
        let program = env::var_os(variable).filter(|name| !name.is_empty()).unwrap_or_else(|| usual.into());
        if !answers(Command::new(&program).arg("--version")) {
            return Err(Failure::new(format!(
                "{} was not found or does not run, and {purpose}; install one (Debian: apt-get install {package}) or \
                 set {variable}",
                program.to_string_lossy()
            )));
        }
    }
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !answers(&mut workspace.cargo(&[command, "--version"])) {
            return Err(Failure::new(format!(
                "cargo {command} is missing; run `rustup component add {component}`"
            )));
        }
    }
    println!("C and C++ compilers, rustfmt and clippy are here");
    Ok(())
}

/// The steps so far.
#[derive(Default)]
struct Steps(Vec<Step>);

struct Step {
    title: &'static str,
    passed: bool,
    time: Duration,
}

impl Steps {
    fn step(&mut self, title: &'static str, work: impl FnOnce() -> Outcome) -> Outcome {
        println!("\n=== {title} ===");
        let start = Instant::now();
        let outcome = work();
        self.0.push(Step { title, passed: outcome.is_ok(), time: start.elapsed() });
        outcome.map_err(|failure| Failure::new(format!("step {title}: {failure}")))
    }

    fn table(&self) -> String {
        let row = |title: &str, result: &str, time: Duration| {
            format!("{title:<14}{result:<8}{:>8.1} s\n", time.as_secs_f64())
        };
        let mut table = String::new();
        for step in &self.0 {
            table += &row(step.title, if step.passed { "passed" } else { "FAILED" }, step.time);
        }
        let all = self.0.iter().all(|step| step.passed);
        table
            + &row("in all", if all { "passed" } else { "FAILED" }, self.0.iter().map(|step| step.time).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_ran_and_what_failed() {
        let mut steps = Steps::default();
        steps.step("first", || Ok(())).unwrap();
        let failure = steps.step("second", || Err(Failure::new("it broke"))).unwrap_err();
        assert_eq!(failure.to_string(), "step second: it broke");
        let table = steps.table();
        let words: Vec<_> = table.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(words, ["passed", "FAILED", "all"]);
    }
}
