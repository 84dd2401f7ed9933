//! [`Model`]: a loaded model, and the calls on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyReadonlyArrayDyn;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use scorecam::{Explainer, Manifest, ModelRequest};
use scorecam_core::{Error, LayerInfo, Result};

use crate::call::{released, report};
use crate::engine::PythonEngine;
use crate::error::exception;
use crate::evaluation::{Evaluated, Question};
use crate::explanation::Explanation;
use crate::host::host;
use crate::images::Image;
use crate::request::Wanted;
use crate::stream::Stream;

/// A loaded model. May be used from several threads at once.
#[pyclass(frozen, module = "scorecam._native")]
pub(crate) struct Model {
    model: Arc<scorecam::Model>,
    /// The process that loaded it.
    process: u32,
    /// Whether its threads are the engine's own, which a fork leaves behind.
    has_threads: bool,
}

/// The items of the dict that `load_model` makes of its arguments.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Loading {
    path: PathBuf,
    bytes: Option<Vec<u8>>,
    /// The manifest's text, and the folder that its paths start from.
    manifest: Option<(String, PathBuf)>,
    backend: Option<String>,
    layer: Option<String>,
    layer_form: Option<String>,
    threads: Option<usize>,
    device: Option<String>,
    settings: BTreeMap<String, String>,
}

/// Of each layer name, operator and shape, and whether it is known to hold maps.
type Layers = Vec<(String, String, Vec<Option<usize>>, bool)>;

fn manifest((text, folder): &(String, PathBuf)) -> Result<Manifest> {
    let parsed = Manifest::parse(text).map_err(|e| e.context("manifest"))?;
    Ok(Manifest { folder: folder.clone(), ..parsed })
}

#[pymethods]
impl Model {
    /// Loads a model from a file or from bytes.
    #[staticmethod]
    fn load(py: Python<'_>, request: Loading) -> PyResult<Self> {
        let load = || {
            host()?.load_model(ModelRequest {
                path: request.path,
                bytes: request.bytes,
                manifest: request.manifest.as_ref().map(manifest).transpose()?,
                backend: request.backend,
                layer: request.layer,
                layer_form: request.layer_form.as_deref().map(str::parse).transpose()?,
                threads: request.threads,
                device: request.device,
                settings: request.settings,
                ..ModelRequest::default()
            })
        };
        let model = released(py, load)?;
        Ok(Self { model: Arc::new(model), process: std::process::id(), has_threads: true })
    }

    /// A model whose engine is a Python object.
    #[staticmethod]
    fn from_engine(
        py: Python<'_>,
        engine: &Bound<'_, PyAny>,
        manifest_text: (String, PathBuf),
    ) -> PyResult<Self> {
        let manifest = manifest(&manifest_text).map_err(exception)?;
        let engine = PythonEngine::new(engine, manifest.output.name.as_deref())?;
        let model = released(py, || scorecam::Model::from_engine(engine, &manifest))?;
        Ok(Self { model: Arc::new(model), process: std::process::id(), has_threads: false })
    }

    #[getter]
    fn name(&self) -> &str {
        self.model.name()
    }

    #[getter]
    fn backend(&self) -> &str {
        self.model.backend_id()
    }

    /// [N, C, H, W]; None for an axis of free length.
    #[getter]
    fn input_shape(&self) -> Vec<Option<usize>> {
        self.model.info().input.shape.clone()
    }

    /// The layers that hold maps, or may hold them.
    fn layers(&self) -> Layers {
        let one = |layer: &LayerInfo| {
            let is_map = layer.map_shape().is_some();
            (layer.name.clone(), layer.operator.clone(), layer.shape.clone(), is_map)
        };
        self.model.info().layers.iter().map(one).collect()
    }

    /// The layer that is explained unless another is named.
    #[getter]
    fn layer(&self) -> Option<String> {
        let info = self.model.info();
        let default = || info.default_layer.and_then(|i| info.layers.get(i)).map(|layer| layer.name.clone());
        self.model.layer().map(str::to_owned).or_else(default)
    }

    /// How many classes it scores, where that is known.
    #[getter]
    fn classes(&self) -> Option<usize> {
        self.model.info().scores.as_ref().ok()?.shape.get(1).copied().flatten()
    }

    fn label(&self, class: usize) -> Option<&str> {
        self.model.label(class)
    }

    #[getter]
    fn remarks(&self) -> Vec<String> {
        self.model.remarks()
    }

    #[getter]
    fn abilities(&self) -> String {
        self.model.info().abilities.to_string()
    }

    /// The scores of all classes, and warnings.
    fn classify(&self, py: Python<'_>, image: &Bound<'_, Image>) -> PyResult<(Vec<f64>, Vec<String>)> {
        self.check_process()?;
        let image = &image.get().0;
        let found = released(py, || self.model.classify(image))?;
        Ok((found.scores, found.warnings))
    }

    /// Explains one image.
    fn explain(
        &self,
        py: Python<'_>,
        image: &Bound<'_, Image>,
        wanted: Wanted,
        progress: Option<Py<PyAny>>,
        previous: Option<&Bound<'_, Explanation>>,
    ) -> PyResult<Explanation> {
        self.check_process()?;
        let image = &image.get().0;
        let learned = previous.and_then(|previous| previous.get().0.learned.clone());
        let found = released(py, || {
            let explainer = Explainer::new(host()?, &self.model, &wanted.options()?)?;
            let mut found =
                explainer.explain_reporting(image, learned, |now| report(progress.as_ref(), now))?;
            found.warnings.splice(0..0, explainer.warnings().iter().cloned());
            Ok(found)
        })?;
        Ok(Explanation(Arc::new(found)))
    }

    /// Explains many images, whose masks share batches. `images` is an iterator of images.
    fn explain_many(
        &self,
        py: Python<'_>,
        images: Py<PyAny>,
        wanted: Wanted,
        at_once: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Stream> {
        self.check_process()?;
        let options = released(py, || {
            let options = wanted.options()?;
            // What is wrong with the request is said now, and not when the first image is asked for.
            Explainer::new(host()?, &self.model, &options)?;
            match at_once {
                1..=64 => Ok(options),
                _ => Err(Error::invalid(format!("at_once is {at_once}; give 1 to 64"))),
            }
        })?;
        Stream::begin(Arc::clone(&self.model), options, (images, at_once, progress))
    }

    /// Measures maps [maps, H, W] of one image.
    fn evaluate(
        &self,
        py: Python<'_>,
        image: &Bound<'_, Image>,
        maps: PyReadonlyArrayDyn<'_, f32>,
        question: Question,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Evaluated> {
        self.check_process()?;
        let maps = crate::arrays::tensor(&maps)?;
        let image = &image.get().0;
        released(py, || question.evaluate((&self.model, image), &maps, progress.as_ref()))
    }
}

impl Model {
    /// An engine's threads do not live in a forked child, where a pass would wait for them for ever.
    fn check_process(&self) -> PyResult<()> {
        match self.has_threads && self.process != std::process::id() {
            false => Ok(()),
            true => Err(PyRuntimeError::new_err(format!(
                "model {} was loaded before this process was forked; load it in the child, or start children by spawn",
                self.model.name()
            ))),
        }
    }
}
