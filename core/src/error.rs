//! The error type of the workspace.
//!
//! An error is a kind, which determines the status number in C, and one line of text, which names the object, the value
//! and the remedy. Crates above core add no types: a file error becomes [`ErrorKind::Io`] where the file is opened, a
//! runtime's error [`ErrorKind::Model`].

/// The result type of the workspace.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an error, for programs that handle cases differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument is out of range or contradicts another.
    InvalidArgument,
    /// A layer, class, preset, option, backend or method of that name does not exist.
    NotFound,
    /// The backend or method lacks the ability, or the model's form is not supported.
    Unsupported,
    /// The model's file is invalid, or the runtime failed to run the model.
    Model,
    /// A library is not a plugin, has another version, or violated its contract.
    Plugin,
    /// A file could not be read or written.
    Io,
    /// The caller's progress callback cancelled the call.
    Cancelled,
    /// The caller's time limit expired: no new pass starts, and methods that can return what they have.
    Deadline,
    /// A bug in this library: a caught panic or a violated invariant.
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
    /// Creates an error; `message` is one lower-case line that names the remedy.
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

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The same error, with its line prefixed by `what: `.
    pub fn context(self, what: impl std::fmt::Display) -> Self {
        Self::new(self.kind, format!("{what}: {}", self.message))
    }
}

/// Returns an [`Error`] of a kind, with its message formatted: `bail!(invalid, "class {class} of {n}")`.
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($message:tt)+) => { return Err($crate::Error::$kind(format!($($message)+))) };
}

/// Like [`bail!`], unless a condition holds: `ensure!(class < n, invalid, "class {class} of {n}")`.
#[macro_export]
macro_rules! ensure {
    ($holds:expr, $kind:ident, $($message:tt)+) => { if !$holds { $crate::bail!($kind, $($message)+) } };
}

/// Runtimes report errors in several lines; ours are one line without terminal control characters.
fn one_line(message: String) -> String {
    if !message.contains(char::is_control) {
        return message;
    }
    let lines = message.split(['\n', '\r']).map(str::trim).filter(|l| !l.is_empty());
    printable(&lines.collect::<Vec<_>>().join("; "))
}

/// Untrusted text without terminal control characters: a tab becomes a blank, any other control character its escape,
/// such as `\u{1b}`.
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
