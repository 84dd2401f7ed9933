//! [`Image`]: a photo or a tensor, and pictures as files.

use std::io::Cursor;
use std::path::PathBuf;

use image::{ExtendedColorType, ImageFormat};
use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use scorecam::Photo;
use scorecam_core::Result;
use scorecam_core::image::{PixelBuffer, PixelFormat, Samples};

use crate::arrays;
use crate::call::released;
use crate::error::exception;

/// An image to explain.
#[pyclass(frozen, module = "scorecam._native")]
pub(crate) struct Image(pub(crate) scorecam::Image);

#[pymethods]
impl Image {
    /// Reads a photo, or a tensor from a `.npy` file.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        released(py, || scorecam::Image::open(&path)).map(Self)
    }

    /// A photo of bytes [height, width, channels] with 1 to 4 channels: gray, gray and alpha, RGB, RGBA.
    #[staticmethod]
    fn photo(pixels: PyReadonlyArrayDyn<'_, u8>) -> PyResult<Self> {
        let shape = pixels.shape().to_vec();
        let samples = pixels.as_slice().map_err(|_| gaps(&shape))?;
        photo(Samples::U8(samples), &shape)
    }

    /// As `photo`, of 16 bits.
    #[staticmethod]
    fn photo16(pixels: PyReadonlyArrayDyn<'_, u16>) -> PyResult<Self> {
        let shape = pixels.shape().to_vec();
        let samples = pixels.as_slice().map_err(|_| gaps(&shape))?;
        photo(Samples::U16(samples), &shape)
    }

    /// A model's input [1, C, H, W].
    #[staticmethod]
    fn tensor(values: PyReadonlyArrayDyn<'_, f32>) -> PyResult<Self> {
        Ok(Self(arrays::tensor(&values)?.into()))
    }

    /// The photo's pixels [height, width, 3]; None for a tensor.
    fn pixels<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArrayDyn<u8>>>> {
        self.0.photo().map(|photo| arrays::picture(py, photo.size(), photo.pixels())).transpose()
    }
}

fn gaps(shape: &[usize]) -> PyErr {
    PyValueError::new_err(format!(
        "the photo of shape {shape:?} has gaps; give numpy.ascontiguousarray of it"
    ))
}

fn photo(samples: Samples<'_>, shape: &[usize]) -> PyResult<Image> {
    let made = || -> Result<Photo> {
        let &[height, width, channels] = shape else {
            scorecam_core::bail!(invalid, "the photo has shape {shape:?}; give [height, width, channels]");
        };
        let format = match channels {
            1 => PixelFormat::Gray,
            2 => PixelFormat::GrayAlpha,
            3 => PixelFormat::Rgb,
            4 => PixelFormat::Rgba,
            _ => scorecam_core::bail!(invalid, "the photo has {channels} channels; give 1 to 4"),
        };
        Photo::from_pixels(&PixelBuffer::packed(samples, (height, width), format))
    };
    Ok(Image(made().map_err(exception)?.into()))
}

/// A picture [height, width, 3] of bytes as a file's content; `format` is a file's ending without the dot.
#[pyfunction]
pub(crate) fn encoded<'py>(
    py: Python<'py>,
    pixels: PyReadonlyArrayDyn<'py, u8>,
    format: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let shape = pixels.shape().to_vec();
    let samples = pixels.as_slice().map_err(|_| gaps(&shape))?;
    let (&[height, width, 3], Some(kind)) = (&shape[..], ImageFormat::from_extension(format)) else {
        return Err(PyValueError::new_err(format!(
            "a picture of shape {shape:?} cannot be written as {format:?}; give bytes [height, width, 3] and png or jpg"
        )));
    };
    let mut file = Cursor::new(Vec::new());
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    image::write_buffer_with_format(
        &mut file,
        samples,
        side(width),
        side(height),
        ExtendedColorType::Rgb8,
        kind,
    )
    .map_err(|e| PyOSError::new_err(format!("a picture cannot be written as {format:?}: {e}")))?;
    Ok(PyBytes::new(py, &file.into_inner()))
}
