//! The tools that a build or a test calls and that Rust does not bring, asked for by name before they are
//! missed in the middle of the work.

use std::env;
use std::process::Command;

use crate::failure::{Failure, Outcome};
use crate::workspace::{Workspace, answers};

/// A compiler, by the variable that chooses it.
pub(crate) struct Compiler {
    variable: &'static str,
    usual: &'static str,
    language: &'static str,
    package: &'static str,
}

pub(crate) const C: Compiler =
    Compiler { variable: "CC", usual: "cc", language: "a C11 compiler", package: "gcc" };
pub(crate) const CXX: Compiler =
    Compiler { variable: "CXX", usual: "c++", language: "a C++17 compiler", package: "g++" };

impl Compiler {
    /// Fails unless the compiler runs; `who` needs it.
    pub(crate) fn check(&self, who: &str) -> Outcome {
        let Compiler { variable, usual, language, package } = self;
        let program = env::var_os(variable).filter(|name| !name.is_empty()).unwrap_or_else(|| usual.into());
        if answers(Command::new(&program).arg("--version")) {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} was not found or does not run, and {who} needs {language}; install one (Debian: apt-get install \
             {package}) or set {variable}",
            program.to_string_lossy()
        )))
    }
}

/// Fails unless these commands of cargo are installed, each given with the component it comes in.
pub(crate) fn check_cargo(workspace: &Workspace, commands: &[(&str, &str)]) -> Outcome {
    for (command, component) in commands {
        if !answers(&mut workspace.cargo(&[command, "--version"])) {
            return Err(Failure::new(format!(
                "cargo {command} is missing; run `rustup component add {component}`"
            )));
        }
    }
    Ok(())
}
