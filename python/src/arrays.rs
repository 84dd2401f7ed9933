//! Tensors as NumPy arrays and back. Each way is a copy: a view of a batch would dangle where somebody keeps it.

use numpy::{PyArray1, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use scorecam_core::{Tensor, TensorView};

use crate::error::exception;

/// A new array with the values of a tensor.
pub(crate) fn array<'py>(py: Python<'py>, tensor: TensorView<'_>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
    PyArray1::from_slice(py, tensor.data()).reshape(tensor.shape().to_vec())
}

/// A tensor with the values of an array of f32 whose rows lie without gaps.
pub(crate) fn tensor(array: &PyReadonlyArrayDyn<'_, f32>) -> PyResult<Tensor> {
    let shape = array.shape().to_vec();
    let values = array.as_slice().map_err(|_| {
        PyValueError::new_err(format!(
            "the array of shape {shape:?} has gaps; give numpy.ascontiguousarray of it"
        ))
    })?;
    Tensor::new(shape, values.to_vec()).map_err(exception)
}

/// A new array [height, width, 3] of a picture's bytes.
pub(crate) fn picture<'py>(
    py: Python<'py>,
    (height, width): (usize, usize),
    pixels: &[u8],
) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
    PyArray1::from_slice(py, pixels).reshape(vec![height, width, 3])
}
