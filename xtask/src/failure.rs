//! Why a command stopped: one line that names the thing and the value and says what to do.
//!
//! Nobody handles these errors in code, they end on a terminal, so text is all they are.

use std::fmt;

/// The result of a step that ends the command when it fails.
pub type Outcome<T = ()> = Result<T, Failure>;

/// One line for the terminal.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    /// A failure with this line.
    pub fn new(line: impl Into<String>) -> Failure {
        Failure(line.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Turns any error into a `Failure` by saying what was being done.
pub trait While<T> {
    /// `result.doing(|| "read x".into())` fails with `can't read x: CAUSE`.
    fn doing(self, what: impl FnOnce() -> String) -> Outcome<T>;
}

impl<T, E: fmt::Display> While<T> for Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Outcome<T> {
        self.map_err(|cause| Failure(format!("can't {}: {cause}", what())))
    }
}
