//! `cargo xtask bench`: explain calls against raw forward passes of the same engine (`speed`), and other tools and ours
//! side by side (`peers`); and `cargo xtask quality`: how good maps are (`evaluation`).
//!
//! The measuring itself is done by the programs `bench` and `bench_worker` in `src/bin`, one process a figure, and by
//! `peers/peer.py` for the other tools. This program fetches and builds what they need, runs them, and writes down what
//! they found.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a terminal")]

mod device;
mod docs;
mod environment;
mod evaluation;
mod nvidia;
mod peers;
mod speed;

use std::process::ExitCode;

use clap::Parser;
use xtask::cache::Cache;
use xtask::failure::Outcome;
use xtask::workspace::Workspace;

use crate::peers::Choice;
use crate::speed::Rows;

/// Compare the time of explanations with that of raw forward passes in the same engine, and print a table
///
/// --peers, --quality and --maps select another measurement.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// Compare scorecam with other tools, and write docs/benchmarks.md and docs/benchmarks.svg
    ///
    /// On a GPU (--device) the files are docs/benchmarks-gpu.md and docs/benchmarks-gpu.svg.
    /// Installs the other tools and PyTorch into separate Python environments (several GB).
    #[arg(long)]
    peers: bool,
    /// Measure the similarity of maps from fewer passes to the exact map, and print a table; needs no Python packages
    #[arg(long, conflicts_with = "peers")]
    quality: bool,
    /// Evaluate the maps of every method, and write docs/quality.md and docs/quality.svg: `cargo xtask quality`
    ///
    /// Fetches stamps and textures (175 MB) and builds the libtorch engine.
    #[arg(long, conflicts_with_all = ["peers", "quality", "device"])]
    maps: bool,
    #[command(flatten)]
    data: evaluation::Choice,
    #[command(flatten)]
    rows: Rows,
    #[command(flatten)]
    choice: Choice,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome {
    let (workspace, cache) = (Workspace::find()?, Cache::locate()?);
    match arguments {
        Arguments { maps: true, data, choice, .. } => {
            evaluation::run_all(&workspace, &cache, data, choice.threads)
        }
        Arguments { peers: true, choice, .. } => peers::peers(&workspace, &cache, choice),
        Arguments { quality: true, choice, .. } => peers::quality(&workspace, &cache, choice),
        Arguments { rows, choice, .. } => speed::bench(&workspace, &cache, rows, choice.device),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
