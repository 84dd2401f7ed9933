//! Many threads in one process, and many calls: what is asked at once is answered as if it were asked alone,
//! and what was freed is gone.
//!
//! The work is done by two C programs, `threads.c` and `memory.c`, because that is whose handles, callbacks and
//! last errors are at stake. The orders in which threads can meet in the handle table and the registers are
//! tried one by one in unit tests of their own, with loom.
#![allow(clippy::print_stdout, reason = "a long test tells how much it did")]

use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam_tests::{
    Language, Sanitizer, Watched, compiler, fetched, golden, library, link_shared, root, run,
};

/// Plugins that threads load meanwhile.
const PLUGINS: usize = 26;
const TOYS: [&str; 3] = ["toy/plain.toy", "toy/softmax.toy", "toy/wide.toy"];

fn source(name: &str) -> PathBuf {
    root().join("tests/c").join(name)
}

/// Builds a program of `tests/c` against this build's library.
fn build(name: &str, out: &Path) -> PathBuf {
    let program = out.join(name);
    let mut command = compiler(Language::C, "c11");
    command.arg("-pthread").arg(source(&format!("{name}.c"))).arg("-o").arg(&program);
    run(command.args(link_shared()));
    program
}

/// `threads` at work for some time with a backend, a copy of it and small plugins made by a compiler.
struct Threads {
    out: tempfile::TempDir,
    command: Command,
}

impl Threads {
    fn new(out: tempfile::TempDir, mut command: Command, seconds: u64) -> Self {
        command.arg(seconds.to_string());
        Self { out, command }
    }

    /// Runs it on models and returns how often it explained, cancelled, loaded, made and freed.
    fn run(mut self, backend: &Path, models: &[PathBuf]) -> [u64; 5] {
        let copy = self.out.path().join("copy.so");
        std::fs::copy(backend, &copy).expect("the backend is copied");
        self.command.arg(backend).arg(copy).args(models).arg("--");
        self.command.args(small_plugins(self.out.path()));
        let printed = run(&mut self.command);
        let numbers: Vec<u64> = printed.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        numbers.try_into().unwrap_or_else(|_| panic!("five numbers are printed: {printed}"))
    }
}

/// Plugins with ids of their own: one is compiled, and its id changed in copies of it.
fn small_plugins(out: &Path) -> Vec<PathBuf> {
    const ID: &[u8] = b"small-00";
    let first = out.join("small.so");
    let mut compiler = compiler(Language::C, "c11");
    compiler.args(["-shared", "-fPIC", "-DPLUGIN_ID=\"small-00\""]).arg(source("small_plugin.c"));
    run(compiler.arg("-o").arg(&first));
    let original = std::fs::read(first).expect("the plugin was built");
    let plugin = |number| {
        let mut bytes = original.clone();
        for at in 0..bytes.len() - ID.len() {
            if bytes[at..].starts_with(ID) {
                bytes[at..][..ID.len()].copy_from_slice(format!("small-{number:02}").as_bytes());
            }
        }
        let path = out.join(format!("small-{number:02}.so"));
        std::fs::write(&path, bytes).expect("the folder is writable");
        path
    };
    (0..PLUGINS).map(plugin).collect()
}

fn threads(seconds: u64, backend: &str, models: &[PathBuf]) -> [u64; 5] {
    let out = tempfile::tempdir().expect("a folder");
    let program = build("threads", out.path());
    Threads::new(out, Command::new(&program), seconds).run(&library(backend), models)
}

#[test]
fn sixteen_threads_get_the_answers_of_one_while_plugins_load_and_handles_go() {
    let [explained, cancelled, loads, made, freed] = threads(2, "scorecam_toy", &TOYS.map(golden));
    let reported =
        format!("explained {explained} cancelled {cancelled} loads {loads} made {made} freed {freed}");
    // Each thread does its work at least once, however slow the machine is.
    let all = explained >= 16 && cancelled >= 4 && made >= 2 && freed >= 3;
    assert!(all && loads >= 4 * PLUGINS as u64, "{reported}");
}

#[test]
fn sixteen_threads_get_the_answers_of_one_from_onnxruntime() {
    let [explained, cancelled, ..] = threads(2, "scorecam_onnx_cpu", &[fetched("models/squeezenet1_1.toml")]);
    assert!(explained >= 16 && cancelled >= 4, "explained {explained} cancelled {cancelled}");
}

/// `SCORECAM_SOAK_MINUTES` says how long; shared out between a toy network and two real ones.
#[test]
#[ignore = "long: cargo xtask soak"]
fn sixteen_threads_get_the_answers_of_one_for_minutes() {
    let minutes = std::env::var("SCORECAM_SOAK_MINUTES").ok().filter(|text| !text.is_empty());
    let minutes: u64 = minutes.map_or(1, |text| text.parse().expect("SCORECAM_SOAK_MINUTES is a number"));
    threads(minutes * 30, "scorecam_toy", &TOYS.map(golden));
    let real = ["models/squeezenet1_1.toml", "models/efficientnet_lite0.toml"].map(fetched);
    threads(minutes * 30, "scorecam_onnx_cpu", &real);
}

/// Runs `memory` and returns by how many kB the process grew.
fn growth(backend: &str, model: &Path, rounds: u32) -> i64 {
    let out = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(build("memory", out.path()));
    command.arg(library(backend)).arg(model).arg(rounds.to_string());
    // One heap for all threads: with several, how much of each is kept differs from run to run.
    let printed = run(command.env("MALLOC_ARENA_MAX", "1"));
    let sizes: Vec<i64> = printed.split_whitespace().map(|word| word.parse().expect("a number")).collect();
    println!("{backend}: {} kB before {rounds} rounds, {} kB after", sizes[0], sizes[1]);
    sizes[1] - sizes[0]
}

#[test]
fn a_thousand_explanations_and_their_failures_leave_memory_flat() {
    let grown = growth("scorecam_toy", &golden("toy/wide.toy"), 1000);
    assert!(grown < 1024, "1,000 rounds took {grown} kB");
}

#[test]
#[ignore = "long: cargo xtask soak"]
fn a_thousand_explanations_by_onnxruntime_leave_memory_flat() {
    let grown = growth("scorecam_onnx_cpu", &fetched("models/squeezenet1_1.toml"), 1000);
    assert!(grown < 8 * 1024, "1,000 rounds took {grown} kB");
}

/// The C library, the toy plugin and Rust's own library with every access watched, driven by a C program that
/// is watched as well.
#[test]
#[ignore = "long: cargo xtask soak"]
fn thread_sanitizer_sees_no_race() {
    let out = tempfile::tempdir().expect("a folder");
    let watched = Watched::build(Sanitizer::Thread);
    let program = watched.program(&source("threads.c"), out.path());
    // That it looks: the program races when told to.
    let race = watched.command(&program).arg("race").output().expect("the program starts");
    assert!(String::from_utf8_lossy(&race.stderr).contains("ThreadSanitizer: data race"), "{race:?}");

    let toy = watched.library("scorecam_toy");
    let threads = Threads::new(out, watched.command(&program), 20);
    let [explained, cancelled, loads, made, freed] = threads.run(&toy, &TOYS.map(golden));
    println!("explained {explained} cancelled {cancelled} loads {loads} made {made} freed {freed}");
}
