//! `cargo xtask test`: what has to pass before a change goes in, from a clean checkout.
//!
//! The steps run in the order in which a failure is cheapest to learn of, and the first one that fails ends
//! the run. At the end, and also after a failure, a table says what ran and how long it took. Only `fetch`
//! uses the network, and only until the cache is full.

use std::time::{Duration, Instant};

use crate::cache::Cache;
use crate::failure::{Failure, Outcome};
use crate::fetch;
use crate::headers;
use crate::libtorch::{self, Engine, Profile};
use crate::tools;
use crate::workspace::{Workspace, run};

/// Runs every step; `arguments` go to `cargo test`.
pub(crate) fn test(workspace: &Workspace, cache: &Cache, arguments: &[String]) -> Outcome {
    let mut steps = Steps::default();
    let outcome = run_all(&mut steps, workspace, cache, arguments);
    println!("\n{}", steps.table());
    outcome
}

fn run_all(steps: &mut Steps, workspace: &Workspace, cache: &Cache, arguments: &[String]) -> Outcome {
    let cargo = |title: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = workspace.cargo(arguments);
        // The tests look for models where this run has put them.
        command.env("SCORECAM_CACHE", cache.root()).envs(variables.iter().copied());
        run(&mut command, title)
    };
    steps.step("tools", || check_tools(workspace))?;
    let engine = steps.step("fetch", || Engine::prepare(workspace, cache, fetch::all()))?;
    steps.step("format", || {
        cargo("cargo fmt", &["fmt", "--all", "--check"], &[])?;
        libtorch::check_format(workspace)
    })?;
    steps.step("headers", || headers::check(workspace))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.step("clippy", || cargo("cargo clippy", &clippy, &[]))?;
    // `cargo test` alone does not make the shared libraries that tests load and link.
    steps.step("build", || cargo("cargo build", &["build", "--workspace"], &[]))?;
    steps.step("engine clippy", || engine.clippy())?;
    steps.step("engine build", || engine.build(Profile::Dev))?;
    let mut tests = vec!["test", "--workspace"];
    tests.extend(arguments.iter().map(String::as_str));
    steps.step("test", || cargo("cargo test", &tests, &[]))?;
    // Libraries only: the program and the C library share a name, and cargo can document but one of them.
    let documentation = ["doc", "--workspace", "--no-deps", "--lib"];
    steps.step("documentation", || {
        cargo("cargo doc", &documentation, &[("RUSTDOCFLAGS", "-D warnings")])?;
        engine.document()
    })
}

fn check_tools(workspace: &Workspace) -> Outcome {
    tools::C.check("a test in C")?;
    tools::CXX.check("a test in C++")?;
    tools::check_cargo(workspace, &[("fmt", "rustfmt"), ("clippy", "clippy")])?;
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
    fn step<T>(&mut self, title: &'static str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
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
        let failure = steps.step::<()>("second", || Err(Failure::new("it broke"))).unwrap_err();
        assert_eq!(failure.to_string(), "step second: it broke");
        let table = steps.table();
        let words: Vec<_> = table.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(words, ["passed", "FAILED", "all"]);
    }
}
