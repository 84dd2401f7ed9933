//! The repository's own commands, run as `cargo xtask COMMAND`.
//!
//! `demo` shows the project at work on a fresh machine, `test` is what has to pass before a change goes in,
//! `soak` runs what is too long for that, `fetch` fills the cache that they use, `libtorch` builds the plugin
//! that needs more than cargo, `pictures` makes those of the documentation, `bench` measures and `quality` judges maps (a crate
//! of its own, `bench/`, which uses the public modules of this one), `zoo` explains real exports and judges their maps, `fuzz` looks for inputs that break something, `headers`
//! writes the C headers, `dist` makes what is installed, and `tools` lists what must be there beside cargo. They live
//! in Rust rather than in shell so that they behave the same wherever the project builds. This crate depends on none
//! of the workspace's own crates: it must compile when they don't, and it reaches them only through cargo and the
//! `scorecam` program.
//!
//! Exit status: 0, 1 for a command that failed (the last line on standard error says what and what to do), 2
//! for wrong usage.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a terminal")]

mod abi_page;
mod begin_values;
pub mod cache;
mod demo;
mod dist;
pub mod environment;
pub mod failure;
pub mod fetch;
mod fuzz;
mod hash;
mod headers;
pub mod libtorch;
mod pictures;
mod soak;
mod steps;
mod test;
mod tools;
mod wheel;
pub mod workspace;
mod zoo;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Parser, Subcommand};

use crate::cache::Cache;
use crate::dist::{OnnxRuntime, Request};
use crate::failure::{Outcome, While};
use crate::fetch::What;
use crate::libtorch::Profile;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The commands of this repository")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Explain three photos with a real network and show the result as a web page
    Demo,
    /// Make the pictures of docs/targets.md by the commands on that page
    Pictures {
        /// Build and use cargo's dev profile
        #[arg(long)]
        debug: bool,
    },
    /// Do everything the tests need, and run them all
    ///
    /// Compilers and tools that are missing are installed on Debian, as root or with `sudo -n`. Elsewhere the command
    /// ends with the list of them before it does anything else.
    Test {
        /// Passed on to `cargo test --workspace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CARGO TEST ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Download the runtimes, models and photos that demo and test use into the cache
    ///
    /// The cache is $SCORECAM_CACHE, or `scorecam` in the platform's cache folder. Downloads go through pip of
    /// `python3`, or of the interpreter that $PYTHON names.
    Fetch {
        /// What to fetch; when left out, everything but what serves GPUs
        #[arg(value_enum)]
        what: Vec<What>,
    },
    /// Get libtorch and build the libtorch plugin and its engine, in release
    ///
    /// libtorch comes from the folder that $LIBTORCH names, with lib/ and include/, or from the cache, which is
    /// filled first. The first build compiles for some minutes.
    Libtorch {
        /// Build in cargo's dev profile instead, into target/debug
        #[arg(long)]
        debug: bool,
    },
    /// Measure; `cargo xtask bench --help` says what
    #[command(disable_help_flag = true)]
    Bench {
        /// Passed on to the program of the crate `scorecam-bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Evaluate the maps of every method of the program, and write docs/quality.md and docs/quality.svg
    ///
    /// Makes photos of which it is known where each object lies, out of stamps and textures (175 MB to download), and
    /// builds in release. Takes --composites N, --pairs N, --threads N and --keep DIR, a folder where photos and
    /// results stay and a later run goes on. About half an hour on two cores.
    Quality {
        /// Passed on to the program of the crate `scorecam-bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Export the zoo of real networks, explain each, and judge layer and map
    ///
    /// Exports and the Python environment that makes them (PyTorch, timm, torchvision: some GB) are kept in the
    /// cache. Fails when fewer than 95 % of the files are explained right without a word from the user, or when a
    /// wrong map comes without a warning. The first run takes an hour or two.
    Zoo(zoo::Choice),
    /// Run the long tests: many threads for minutes, thousands of calls, sanitizers, fuzzing
    Soak {
        /// Minutes for the test of many threads
        #[arg(long, default_value_t = 5)]
        minutes: u32,
    },
    /// Try to break everything that reads foreign bytes, with bytes that a fuzzer makes up
    ///
    /// Inputs on which a target fails are kept in tests/fuzz/crashes. Needs a nightly compiler and cargo-fuzz.
    Fuzz {
        /// How long each target runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// What to fuzz; every target when left out
        target: Vec<String>,
    },
    /// Write include/scorecam.h and include/scorecam_plugin.h from the Rust sources
    Headers {
        /// Write nothing; fail if a header differs from its source
        #[arg(long)]
        check: bool,
    },
    /// Build what is installed, and put it below a folder, into packages, or both
    ///
    /// That is the program, libscorecam (shared and static) with its headers, its CMake package and its files for
    /// pkg-config, and the plugins: onnx-cpu with ONNX Runtime; onnx-cuda, without its ONNX Runtime and NVIDIA's
    /// libraries; and libtorch, with its engine where `cargo xtask libtorch` has built it (libtorch itself is not part
    /// of it). The tree can be moved as a whole.
    #[command(group = ArgGroup::new("out").required(true).multiple(true).args(["prefix", "packages"]))]
    Dist {
        /// Install below this folder: replaces its own files, touches no others
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
        /// Write a .tar.gz and a Debian package into this folder, the same bytes for the same build
        #[arg(long, value_name = "DIR")]
        packages: Option<PathBuf>,
        /// Leave ONNX Runtime out; the plugin then looks for the one that $ORT_DYLIB_PATH names
        #[arg(long)]
        without_onnxruntime: bool,
        /// Build in cargo's dev profile, and compress packages little
        #[arg(long)]
        debug: bool,
    },
    /// Build the Python package as a wheel into target/wheels, audit it, and test it in a fresh environment
    ///
    /// Every library and program in it must run with the glibc that its name promises. Python packages come by pip, into
    /// environments in the cache.
    Wheel(wheel::Choice),
    /// List the compilers and tools that tests and examples need beside cargo, and fail when one is missing
    ///
    /// `test` installs those that are missing where it may: the Debian packages, as root or with `sudo -n`.
    Tools,
}

/// The program `xtask`.
pub fn main() -> ExitCode {
    match run_command(Arguments::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run_command(command: Command) -> Outcome<ExitCode> {
    let workspace = Workspace::find()?;
    match command {
        Command::Bench { arguments } => return bench(&workspace, &arguments),
        Command::Quality { arguments } => {
            let all: Vec<String> = std::iter::once("--maps".into()).chain(arguments).collect();
            return bench(&workspace, &all);
        }
        Command::Zoo(choice) => zoo::zoo(&workspace, &Cache::locate()?, &choice),
        Command::Demo => demo::demo(&workspace, &Cache::locate()?),
        Command::Pictures { debug } => pictures::pictures(&workspace, &Cache::locate()?, profile(debug)),
        Command::Test { arguments } => test::test(&workspace, &Cache::locate()?, &arguments),
        Command::Fetch { what } if what.is_empty() => {
            fetch::fetch(&workspace, &Cache::locate()?, &fetch::all())
        }
        Command::Fetch { what } => fetch::fetch(&workspace, &Cache::locate()?, &what),
        Command::Libtorch { debug } => libtorch::libtorch(&workspace, &Cache::locate()?, profile(debug)),
        Command::Soak { minutes } => soak::soak(&workspace, &Cache::locate()?, minutes),
        Command::Fuzz { seconds, target } => fuzz::fuzz(&workspace, seconds, &target),
        Command::Headers { check: false } => headers::write(&workspace),
        Command::Headers { check: true } => headers::check(&workspace),
        Command::Dist { prefix, packages, without_onnxruntime, debug } => {
            let runtime = if without_onnxruntime { OnnxRuntime::LeftOut } else { OnnxRuntime::Bundled };
            let request = Request { prefix, packages, profile: profile(debug), runtime };
            dist::dist(&workspace, &Cache::locate()?, &request)
        }
        Command::Wheel(choice) => wheel::wheel(&workspace, &Cache::locate()?, &choice),
        Command::Tools => tools::list(),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the program of the crate `scorecam-bench`; its exit status is this program's.
fn bench(workspace: &Workspace, arguments: &[String]) -> Outcome<ExitCode> {
    let mut bench =
        workspace.cargo(&["run", "--quiet", "-p", "scorecam-bench", "--bin", "scorecam-bench", "--"]);
    let status = bench.args(arguments).status().doing(|| "run cargo".into())?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

fn profile(debug: bool) -> Profile {
    if debug { Profile::Dev } else { Profile::Release }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
