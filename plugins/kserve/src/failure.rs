//! [`Failure`]: why a server did not answer a call, and whether the call may be made again.

use std::error::Error as StdError;
use std::fmt::Write as _;

/// Why a call to one server failed, in one line that does not name the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) text: String,
}

/// What may be done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The server is not there, too busy or too slow: the call is made again, there or elsewhere, while there is
    /// time.
    Passing,
    /// The server failed in the model, or its reply is not what was asked for: worth a few more attempts.
    Wrong,
    /// The server refuses the call, and will do so again.
    Lasting,
}

impl Failure {
    pub(crate) fn passing(text: impl Into<String>) -> Self {
        Self { kind: FailureKind::Passing, text: text.into() }
    }

    pub(crate) fn wrong(text: impl Into<String>) -> Self {
        Self { kind: FailureKind::Wrong, text: text.into() }
    }

    pub(crate) fn lasting(text: impl Into<String>) -> Self {
        Self { kind: FailureKind::Lasting, text: text.into() }
    }
}

/// An error with its causes, in one line; libraries keep the reason in the last of them.
pub(crate) fn with_causes(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            let _ = write!(text, ": {words}");
        }
        cause = error.source();
    }
    text
}
