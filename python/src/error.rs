//! Errors as Python's own exceptions, and the exceptions of a user's functions on their way through the library.
//!
//! The library knows errors of a kind and a line. An exception that a callback raised travels beside them: it is kept
//! for the thread of the call, and raised again in the place of the error that the library made of it.

use std::cell::RefCell;

use pyo3::PyErr;
use pyo3::exceptions::{
    PyLookupError, PyNotImplementedError, PyOSError, PyRuntimeError, PyTimeoutError, PyValueError,
};
use scorecam_core::{Error, ErrorKind};

thread_local! {
    /// The exception of a callback of the call that this thread is in.
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
}

/// The exception that an error is.
pub(crate) fn exception(error: Error) -> PyErr {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::InvalidArgument => PyValueError::new_err(message),
        ErrorKind::NotFound => PyLookupError::new_err(message),
        ErrorKind::Unsupported => PyNotImplementedError::new_err(message),
        ErrorKind::Io => PyOSError::new_err(message),
        ErrorKind::Deadline => PyTimeoutError::new_err(message),
        _ => PyRuntimeError::new_err(message),
    }
}

/// Forgets what an earlier call left, before a new one begins.
pub(crate) fn forget() {
    RAISED.take();
}

/// Keeps a callback's exception for the end of the call, and gives the error that ends it.
pub(crate) fn kept(raised: PyErr) -> Error {
    let error = Error::model(format!("a Python function failed: {raised}"));
    RAISED.set(Some(raised));
    error
}

/// The exception that ended a call: a callback's own, or that of the library's error.
pub(crate) fn ended(error: Error) -> PyErr {
    RAISED.take().unwrap_or_else(|| exception(error))
}

/// An exception that no `except Exception` catches, such as KeyboardInterrupt, where the call went on in spite of it.
pub(crate) fn still_to_raise(py: pyo3::Python<'_>) -> Option<PyErr> {
    RAISED.take().filter(|raised| !raised.is_instance_of::<pyo3::exceptions::PyException>(py))
}
