//! [`Explanation`]: what was found, as NumPy arrays and plain values.

use std::sync::Arc;

use numpy::PyArrayDyn;
use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use scorecam::evaluation::BoxOptions;
use scorecam::{Overlay, Rect};
use scorecam_core::Result;

use crate::arrays;
use crate::call::released;
use crate::error::exception;
use crate::images::Image;

/// The result of an explanation.
#[pyclass(frozen, module = "scorecam._native")]
pub(crate) struct Explanation(pub(crate) Arc<scorecam::Explanation>);

impl Explanation {
    fn check(&self, index: usize) -> PyResult<()> {
        let count = self.0.targets.len();
        match index < count {
            true => Ok(()),
            false => Err(PyIndexError::new_err(format!("target {index} of {count}; count from 0"))),
        }
    }
}

fn sides(rect: Rect) -> (f64, f64, f64, f64) {
    (rect.x, rect.y, rect.x + rect.width, rect.y + rect.height)
}

#[pymethods]
impl Explanation {
    /// All maps, [targets, H, W].
    fn maps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        match &self.0.late {
            None => arrays::array(py, self.0.maps.view()),
            Some(_) => match self.0.map(0) {
                Err(late) => Err(exception(late)),
                Ok(_) => arrays::array(py, self.0.maps.view()),
            },
        }
    }

    /// The standard errors of all maps, where the method estimates them.
    fn errors<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArrayDyn<f32>>>> {
        self.0.errors.as_ref().map(|errors| arrays::array(py, errors.view())).transpose()
    }

    /// A dict per target.
    fn targets<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let one = |target: &scorecam::Target| {
            let dict = PyDict::new(py);
            dict.set_item("text", &target.text)?;
            dict.set_item("index", target.class)?;
            dict.set_item("label", &target.label)?;
            dict.set_item("score", target.score)?;
            dict.set_item("output", target.output)?;
            dict.set_item("box", target.detection.map(|found| sides(found.rect)))?;
            dict.set_item("box_score", target.detection.map(|found| found.score))?;
            Ok(dict)
        };
        self.0.targets.iter().map(one).collect()
    }

    #[getter]
    fn layer(&self) -> &str {
        &self.0.layer
    }

    #[getter]
    fn passes(&self) -> usize {
        self.0.passes
    }

    #[getter]
    fn measures(&self) -> Vec<(String, f64)> {
        self.0.measures.clone()
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.0.warnings.clone()
    }

    #[getter]
    fn late(&self) -> Option<String> {
        self.0.late.clone()
    }

    #[getter]
    fn input_size(&self) -> (usize, usize) {
        self.0.input_size
    }

    /// The boxes of a map: (x0, y0, x1, y1) in pixels of the photo.
    fn boxes(
        &self,
        index: usize,
        threshold: f64,
        above: &str,
        areas: &str,
    ) -> PyResult<Vec<(f64, f64, f64, f64)>> {
        self.check(index)?;
        let options = || -> Result<BoxOptions> {
            Ok(BoxOptions { threshold, above: above.parse()?, areas: areas.parse()? })
        };
        let found = options().and_then(|options| self.0.boxes(index, options)).map_err(exception)?;
        Ok(found.iter().map(|b| (b.x0, b.y0, b.x1, b.y1)).collect())
    }

    /// A map at the size (height, width) of the photo that was explained.
    fn photo_map<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        size: (usize, usize),
    ) -> PyResult<Bound<'py, PyArrayDyn<f32>>> {
        self.check(index)?;
        let map = released(py, || self.0.photo_map(index, size))?;
        arrays::array(py, map.view())
    }

    /// A map over a photo, as bytes [height, width, 3].
    fn overlay<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        photo: &Bound<'py, Image>,
        colormap: &str,
        opacity: f32,
    ) -> PyResult<Bound<'py, PyArrayDyn<u8>>> {
        self.check(index)?;
        let photo = photo
            .get()
            .0
            .photo()
            .ok_or_else(|| PyValueError::new_err("a tensor has no pixels to draw on; give the photo"))?;
        let picture = released(py, || {
            let overlay = Overlay { colormap: colormap.parse()?, opacity };
            self.0.overlay(index, photo, &overlay)
        })?;
        arrays::picture(py, picture.size(), picture.pixels())
    }
}
