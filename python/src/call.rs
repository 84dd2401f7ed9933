//! Calls that compute: the interpreter is released, and each report of progress asks it for signals.

use std::ops::ControlFlow;

use pyo3::prelude::*;
use scorecam_core::{Progress, Result, Stage};

use crate::error;

/// Runs `work` while other Python threads run. An exception of a callback comes out as itself.
pub(crate) fn released<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    error::forget();
    let done = py.detach(work).map_err(error::ended)?;
    match error::still_to_raise(py) {
        Some(raised) => Err(raised),
        None => Ok(done),
    }
}

/// Takes a report: ends the call where the user pressed Ctrl-C, and hands the report to a function of theirs.
pub(crate) fn report(callback: Option<&Py<PyAny>>, progress: Progress) -> ControlFlow<()> {
    let told = Python::attach(|py| {
        py.check_signals()?;
        match callback {
            Some(callback) => callback.call1(py, words(progress)).map(drop),
            None => Ok(()),
        }
    });
    match told {
        Ok(()) => ControlFlow::Continue(()),
        Err(raised) => {
            error::kept(raised);
            ControlFlow::Break(())
        }
    }
}

/// A report as Python gets it: (stage, passes, expected).
pub(crate) fn words(progress: Progress) -> (&'static str, usize, usize) {
    let stage = match progress.stage {
        Stage::Forward => "forward",
        Stage::Passes => "passes",
        Stage::Done => "done",
    };
    (stage, progress.passes, progress.expected)
}
