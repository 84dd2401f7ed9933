//! All that the program says: results on stdout, notes, warnings and errors on stderr.
//!
//! A reader that closes its end of a pipe (`scorecam methods | head -1`) is no error; any other failure to
//! write to stdout is one. Nothing can be done when stderr fails, so that is passed over.
//!
//! Paths and labels may hold anything: what would steer the terminal is shown as an escape.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use scorecam_core::{Result, bail, printable};

/// Writes a text that ends in a line break to stdout.
pub(crate) fn print(text: &str) -> Result<()> {
    let text = text.split('\n').map(printable).collect::<Vec<_>>().join("\n");
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => bail!(io, "cannot write to standard output: {e}"),
        _ => Ok(()),
    }
}

/// `error: ...` on stderr.
pub(crate) fn error(error: impl Display) {
    warn_raw(&format!("error: {error}\n"));
}

/// `warning: ...` on stderr.
pub(crate) fn warning(warning: impl Display) {
    warn_raw(&format!("warning: {}\n", printable(&warning.to_string())));
}

/// `note: ...` on stderr: nothing is wrong, but it may not be what was expected.
pub(crate) fn note(note: impl Display) {
    warn_raw(&format!("note: {}\n", printable(&note.to_string())));
}

/// A finished text on stderr.
pub(crate) fn warn_raw(text: &str) {
    io::stderr().lock().write_all(text.as_bytes()).ok();
}
