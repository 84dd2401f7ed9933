//! `cargo xtask soak`: what takes too long for `cargo xtask test`, which it supposes has passed.
//!
//! Every fuzz target runs for a minute, then every long test, then those of the Python package with the other tools
//! installed. Long tests are ordinary tests that cargo passes
//! over: `#[ignore = "long: cargo xtask soak"]`. Nothing else is ignored in this repository, so the whole list of
//! ignored tests is what runs here. All of it runs, also after something has failed: a night's work should not
//! end with the first failure.

use crate::cache::Cache;
use crate::failure::Outcome;
use crate::fetch;
use crate::fuzz;
use crate::libtorch::{Engine, Profile};
use crate::steps::Steps;
use crate::wheel;
use crate::workspace::{Workspace, run};

/// Builds everything, runs every long test, and prints a table. The test of many threads gets `minutes`.
pub(crate) fn soak(workspace: &Workspace, cache: &Cache, minutes: u32) -> Outcome {
    let mut steps = Steps::default();
    let outcome = run_all(&mut steps, workspace, cache, minutes);
    println!("\n{}", steps.table());
    outcome
}

fn run_all(steps: &mut Steps, workspace: &Workspace, cache: &Cache, minutes: u32) -> Outcome {
    let engine = steps.step("fetch", || Engine::prepare(workspace, cache, &fetch::for_tests()))?;
    steps.step("build", || run(&mut workspace.cargo(&["build", "--workspace"]), "cargo build"))?;
    steps.step("engine build", || engine.build(Profile::Dev))?;
    let fuzzed = steps.step("fuzz", || fuzz::fuzz(workspace, 60, &[]));
    let tested = steps.step("long tests", || {
        // One after the other, because tests of memory and of threads disturb each other; and no examples of the
        // documentation, which mean something else by "ignore".
        let arguments = ["--ignored", "--nocapture", "--test-threads=1"];
        let mut tests = workspace.cargo(&["test", "--workspace", "--tests", "--no-fail-fast", "--"]);
        tests.args(arguments).env("SCORECAM_CACHE", cache.root());
        run(tests.env("SCORECAM_SOAK_MINUTES", minutes.to_string()), "cargo test")
    });
    let packaged = steps.step("wheel", || wheel::wheel(workspace, cache, &wheel::Choice::thorough()));
    fuzzed.and(tested).and(packaged)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// The attribute that a long test has, spelt so that this line is none.
    const LONG: &str = concat!("#[ignore", " = \"long: cargo xtask soak\"]");

    #[test]
    fn whatever_test_is_ignored_runs_in_soak() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut long = 0;
        let mut folders: Vec<_> = ["core", "plugins", "ffi", "cli", "tests", "bench", "xtask"]
            .iter()
            .map(|name| root.join(name))
            .collect();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.ends_with("target") {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let source = std::fs::read_to_string(&path).unwrap();
                    for line in source.lines().map(str::trim).filter(|l| l.starts_with("#[ignore")) {
                        assert_eq!(line, LONG, "{}", path.display());
                        long += 1;
                    }
                }
            }
        }
        assert!(long > 0);
    }
}
