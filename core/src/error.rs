//! The one error type of the workspace.
//!
//! An error is a kind, which decides the status number that C callers see, and one line of text, which
//! names the thing, the value and what to do. Nothing above core adds a type of its own: a file error
//! becomes [`ErrorKind::Io`] where the file was opened, a runtime's error [`ErrorKind::Model`].

/// The result type of the workspace.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as far as a program needs to tell cases apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A value that the caller gave is out of range or contradicts another.
    InvalidArgument,
    /// A layer, class, preset, option, backend or method of that name does not exist.
    NotFound,
    /// The backend or method lacks the ability, or the model has a form that is not handled.
    Unsupported,
    /// The model's file is wrong, or the runtime failed while it ran the model.
    Model,
    /// A library is no plugin, is of another version, or broke its contract.
    Plugin,
    /// A file could not be read or written.
    Io,
    /// The caller's progress callback asked to stop.
    Cancelled,
    /// The caller's time is up: no pass is begun any more, and a method that can ends with what it has.
    Deadline,
    /// A fault of this library: a panic that was caught, or an invariant that did not hold.
    Internal,
}

/// A kind and one line of text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// Makes an error; `message` is lower case, one line, and says what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: one_line(message.into()) }
    }

    /// An [`ErrorKind::InvalidArgument`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, message)
    }

    /// An [`ErrorKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// An [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// An [`ErrorKind::Model`].
    pub fn model(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Model, message)
    }

    /// An [`ErrorKind::Plugin`].
    pub fn plugin(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Plugin, message)
    }

    /// An [`ErrorKind::Io`].
    pub fn io(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Io, message)
    }

    /// The [`ErrorKind::Cancelled`] error.
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled by the progress callback")
    }

    /// An [`ErrorKind::Deadline`].
    pub fn deadline(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Deadline, message)
    }

    /// An [`ErrorKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The same error, its line led by `what: `.
    pub fn context(self, what: impl std::fmt::Display) -> Self {
        Self::new(self.kind, format!("{what}: {}", self.message))
    }
}

/// Returns an [`Error`] of a kind, with its message formatted: `bail!(invalid, "class {class} of {n}")`.
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($message:tt)+) => { return Err($crate::Error::$kind(format!($($message)+))) };
}

/// As [`bail!`], unless a condition holds: `ensure!(class < n, invalid, "class {class} of {n}")`.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $kind:ident, $($message:tt)+) => { if !$holds { $crate::bail!($kind, $($message)+) } };
}

/// Runtimes report over several lines; the promise is one, without what steers a terminal.
fn one_line(message: String) -> String {
    if !message.contains(char::is_control) {
        return message;
    }
    let lines = message.split(['\n', '\r']).map(str::trim).filter(|l| !l.is_empty());
    printable(&lines.collect::<Vec<_>>().join("; "))
}

/// A text that cannot steer a terminal, whoever wrote it: a tab becomes a blank, any other control character its
/// escape, as in `\u{1b}`.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => shown.push(' '),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_that_steers_no_terminal() {
        for (given, expected) in [
            ("model ä.onnx", "model ä.onnx"),
            ("first\r\n\n second", "first; second"),
            ("no \u{1b}[2Jx\u{9b}31m\0", "no \\u{1b}[2Jx\\u{9b}31m\\u{0}"),
            ("a\tb", "a b"),
        ] {
            assert_eq!(Error::io(given).to_string(), expected);
            assert_eq!(Error::io("x").context(given).to_string(), format!("{expected}: x"));
        }
    }
}
