//! The `scorecam` program: explains photos from the command line.
//!
//! [`args`] says what can be typed, `main` sends it on: [`explain`] runs a model over inputs, [`list`]
//! shows what there is, [`check`] tries a plugin out. Everything that is computed comes from the libraries;
//! here are files in ([`walk`]) and files out ([`output`]), what a run is going to do ([`plan`]) and
//! must not do ([`collisions`]), what an output folder knows of earlier runs ([`record`], [`journal`]), and what the
//! user sees meanwhile ([`progress`], [`terminal`]) and afterwards ([`results`], [`report`]).
//!
//! The program ends with 0, with 1 and one line on stderr for a run that failed, with 2 for wrong usage.

mod args;
mod bake;
mod check;
mod coco;
mod collisions;
mod compare;
mod debug;
mod evaluate;
mod explain;
mod journal;
mod list;
mod located;
mod output;
mod plan;
mod progress;
mod rank;
mod record;
mod report;
mod results;
mod same_file;
mod sanity;
mod survey;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::args::{Cli, Command};

/// Why the program ends without having done what it was asked.
enum Failure {
    /// The command line contradicts itself; what is wrong with it.
    Usage(String),
    /// The run failed.
    Run(scorecam_core::Error),
    /// Some of it failed, and was reported already.
    Reported,
}

impl From<scorecam_core::Error> for Failure {
    fn from(error: scorecam_core::Error) -> Self {
        Self::Run(error)
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log_when_asked();
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            let mut command = Cli::command();
            command.build();
            // Only this command has rules that go beyond one argument.
            let command = command.find_subcommand_mut("explain").expect("the command is declared in args");
            let error = command.error(clap::error::ErrorKind::ArgumentConflict, message);
            terminal::warn_raw(&error.render().to_string());
            ExitCode::from(2)
        }
        Err(Failure::Run(error)) => {
            terminal::error(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Reported) => ExitCode::FAILURE,
    }
}

fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Explain(args) => explain::run(args),
        Command::Evaluate(args) => evaluate::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Debug(args) => debug::run(args),
        Command::Sanity(args) => sanity::run(args),
        Command::Layers(args) => Ok(list::layers(args)?),
        Command::Bake(args) => Ok(bake::run(args)?),
        Command::Plugins(args) => Ok(list::plugins(&args.plugins)?),
        Command::Methods(args) => Ok(list::methods(&args.plugins)?),
        Command::Check(args) => check::run(args),
        Command::CheckOne(args) => check::run_one(&args.name, &args.of),
    }
}

/// The libraries' log goes to stderr when `SCORECAM_LOG` names a level ("debug") or filter.
fn log_when_asked() {
    const VARIABLE: &str = "SCORECAM_LOG";
    if std::env::var_os(VARIABLE).is_some_and(|v| !v.is_empty()) {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_env(VARIABLE))
            .with_writer(std::io::stderr)
            // Said here, because a feature that another crate of a build turns on would decide it otherwise.
            .with_ansi(false)
            .init();
    }
}
