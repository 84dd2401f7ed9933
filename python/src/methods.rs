//! What there is to choose from, as plain Python values.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use scorecam_core::{MethodInfo, OptionKind};

use crate::error::exception;
use crate::host::host;

/// Every method: a dict with id, summary, needs, needs_layer, options and presets.
#[pyfunction]
pub(crate) fn methods(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    let list = PyList::empty(py);
    for method in host().map_err(exception)?.methods() {
        list.append(described(py, method.info())?)?;
    }
    Ok(list)
}

fn described<'py>(py: Python<'py>, info: &MethodInfo) -> PyResult<Bound<'py, PyDict>> {
    let method = PyDict::new(py);
    method.set_item("id", &info.id)?;
    method.set_item("summary", &info.summary)?;
    method.set_item("needs", info.needs.to_string())?;
    method.set_item("needs_layer", info.needs_layer)?;
    let options = PyList::empty(py);
    for option in &info.options {
        let one = PyDict::new(py);
        one.set_item("name", &option.name)?;
        one.set_item("help", &option.help)?;
        one.set_item("default", &option.default)?;
        let (kind, range, choices) = match &option.kind {
            OptionKind::Flag => ("flag", None, Vec::new()),
            OptionKind::Integer { min, max } => ("integer", Some((*min as f64, *max as f64)), Vec::new()),
            OptionKind::Number { min, max } => ("number", Some((*min, *max)), Vec::new()),
            OptionKind::Choice(words) => ("choice", None, words.clone()),
            OptionKind::Text => ("text", None, Vec::new()),
        };
        one.set_item("kind", kind)?;
        one.set_item("range", range)?;
        one.set_item("choices", choices)?;
        options.append(one)?;
    }
    method.set_item("options", options)?;
    let presets: Vec<(&str, &str)> =
        info.presets.iter().map(|p| (p.name.as_str(), p.summary.as_str())).collect();
    method.set_item("presets", presets)?;
    Ok(method)
}

/// A backend: its id, its extensions, what it runs on or why it is not ready, and whether it is ready.
type Backend = (String, Vec<String>, String, bool);

/// Every backend that is registered.
#[pyfunction]
pub(crate) fn backends(py: Python<'_>) -> PyResult<Vec<Backend>> {
    let here = crate::call::released(py, || Ok(host()?.backends_here(None)))?;
    let one = |backend: scorecam::BackendHere| {
        let (words, ready) = match backend.readiness {
            Ok(ready) => (ready.device, true),
            Err(why) => (why.to_string(), false),
        };
        (backend.id, backend.extensions, words, ready)
    };
    Ok(here.into_iter().map(one).collect())
}
