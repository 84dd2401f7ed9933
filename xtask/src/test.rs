//! `cargo xtask test`: what has to pass before a change goes in, from a clean checkout.
//!
//! The steps run in the order in which a failure is cheapest to learn of, and the first one that fails ends
//! the run. At the end, and also after a failure, a table says what ran and how long it took. Only `tools`,
//! `fetch`, `checkers` and `python` use the network, until nothing is missing and the cache is full.

use crate::cache::Cache;
use crate::checkers::Checkers;
use crate::failure::Outcome;
use crate::fetch;
use crate::headers;
use crate::libtorch::{self, Engine, Profile};
use crate::python;
use crate::site;
use crate::steps::Steps;
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
    steps.step("tools", || tools::ensure_all(workspace))?;
    let engine = steps.step("fetch", || Engine::prepare(workspace, cache, &fetch::for_tests()))?;
    steps.step("format", || {
        cargo("cargo fmt", &["fmt", "--all", "--check"], &[])?;
        libtorch::check_format(workspace)
    })?;
    let checkers = steps.step("checkers", || Checkers::prepare(workspace, cache))?;
    steps.step("spelling", || checkers.spelling(workspace))?;
    steps.step("licenses", || checkers.dependencies(workspace))?;
    steps.step("headers", || headers::check(workspace))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.step("clippy", || cargo("cargo clippy", &clippy, &[]))?;
    // `cargo test` alone does not make the shared libraries that tests load and link.
    steps.step("build", || cargo("cargo build", &["build", "--workspace"], &[]))?;
    steps.step("python", || python::test(workspace, cache))?;
    steps.step("engine clippy", || engine.clippy())?;
    steps.step("engine build", || engine.build(Profile::Dev))?;
    steps.step("engine test", || engine.test())?;
    // Of the crate, the program and the C library, which share a name, only the crate has pages.
    let documentation = ["doc", "--workspace", "--no-deps"];
    steps.step("documentation", || {
        cargo("cargo doc", &documentation, &[("RUSTDOCFLAGS", "-D warnings")])?;
        engine.document()
    })?;
    steps.step("site", || site::site(workspace, cache))?;
    let mut tests = vec!["test", "--workspace"];
    tests.extend(arguments.iter().map(String::as_str));
    steps.step("test", || cargo("cargo test", &tests, &[]))
}
