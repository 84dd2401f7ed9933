//! [`PythonEngine`]: a model whose functions are Python's, as an engine of core's trait.
//!
//! The Python object (`scorecam._engines`) has `info`, a dict that is read once, and the functions `forward`, `masks`,
//! `cuts`, `run_from` and `gradients`. They get NumPy arrays that are theirs to keep, which costs a copy per batch: a view
//! would dangle where a model keeps its input. Each function runs on the thread of the call, which holds the
//! interpreter for as long as the function wants to.

use numpy::{PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use scorecam_core::{
    Abilities, BatchRule, Candidate, EachBatch, Error, Form, InputInfo, Inputs, LayerInfo, MaskedRequest,
    Meaning, ModelBackend, ModelInfo, NamedTensor, OutputActivation, OutputInfo, Result, Tensor, TensorView,
    Upsampler, choose_output, hand_over_batch,
};

use crate::arrays;
use crate::error::{exception, kept};

/// A Python object that computes.
pub(crate) struct PythonEngine {
    info: ModelInfo,
    engine: Py<PyAny>,
}

/// The engine's own words on what it takes and gives; see `scorecam._engines.Engine.info`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Description {
    /// [C, H, W].
    input: [Option<usize>; 3],
    /// Name and shape behind the batch axis.
    outputs: Vec<(String, Vec<Option<usize>>)>,
    layers: Vec<LayerDescription>,
    batch_size: usize,
    fixed_batch: bool,
    /// Whether masked images are made by `masks`.
    masked: bool,
    run_from: bool,
    gradients: bool,
}

#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct LayerDescription {
    name: String,
    operator: String,
    /// Behind the batch axis.
    shape: Vec<Option<usize>>,
    /// Whether it is [K, h, w] for certain.
    maps: bool,
    preference: u32,
}

impl LayerDescription {
    fn info(self) -> LayerInfo {
        let meaning = if self.maps { Meaning::Map(Form::MAPS) } else { Meaning::Unknown };
        LayerInfo {
            meaning,
            preference: self.preference,
            ..LayerInfo::new(self.name, self.operator, self.shape)
        }
    }
}

impl PythonEngine {
    /// An engine over `engine`, whose `info` is read now.
    pub(crate) fn new(engine: &Bound<'_, PyAny>, output: Option<&str>) -> PyResult<Self> {
        let described: Description = engine.getattr("info")?.extract()?;
        let with_batch = |shape: Vec<Option<usize>>| [&[None], &shape[..]].concat();
        let outputs: Vec<OutputInfo> = described
            .outputs
            .into_iter()
            .map(|(name, shape)| OutputInfo::new(name, with_batch(shape), OutputActivation::Unknown))
            .collect();
        let layers: Vec<LayerInfo> = described.layers.into_iter().map(LayerDescription::info).collect();
        let best =
            layers.iter().enumerate().filter(|(_, layer)| layer.preference > 0 && layer.has_spatial_extent());
        let default_layer = best.max_by_key(|(_, layer)| layer.preference).map(|(i, _)| i);
        let info = ModelInfo {
            input: InputInfo::image("input", with_batch(described.input.to_vec())),
            other_inputs: Vec::new(),
            scores: choose_output(&outputs.iter().map(candidate).collect::<Vec<_>>(), output),
            outputs,
            layers,
            default_layer,
            batch: match described.fixed_batch {
                true => BatchRule::Fixed(described.batch_size),
                false => BatchRule::Any { preferred: described.batch_size },
            },
            abilities: Abilities {
                masked: described.masked,
                run_from: described.run_from,
                gradients: described.gradients,
                ..Abilities::NONE
            },
        };
        Ok(Self { info, engine: engine.clone().unbind() })
    }
}

fn candidate(output: &OutputInfo) -> Candidate<'_> {
    Candidate { name: &output.name, shape: Some(output.shape.clone()), element: ("f32", true) }
}

/// The tensors that a function gave, as many as were wanted.
fn tensors(found: &Bound<'_, PyAny>, wanted: usize) -> PyResult<Vec<Tensor>> {
    let found: Vec<Bound<'_, PyAny>> = found.extract()?;
    if found.len() != wanted {
        return Err(PyTypeError::new_err(format!(
            "{wanted} arrays were wanted, the engine gave {}",
            found.len()
        )));
    }
    found.iter().map(tensor).collect()
}

fn tensor(found: &Bound<'_, PyAny>) -> PyResult<Tensor> {
    let array: PyReadonlyArrayDyn<'_, f32> = found.extract().map_err(|_| {
        PyTypeError::new_err(format!("the engine gave {}, not a NumPy array of float32", found.get_type()))
    })?;
    if array.shape().is_empty() {
        return Err(PyTypeError::new_err(
            "the engine gave a single number; give an array with a row per image",
        ));
    }
    arrays::tensor(&array)
}

impl ModelBackend for PythonEngine {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        inputs.check_cancelled()?;
        let run = |py: Python<'_>| {
            let images = arrays::array(py, inputs.images)?;
            let found = self.engine.bind(py).call_method1("forward", (images, names(py, wanted)?))?;
            tensors(&found, wanted.len())
        };
        Python::attach(run).map_err(kept)
    }

    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        match (self.info.abilities.masked, self.info.batch) {
            (true, BatchRule::Any { .. }) => Masks { engine: self, request, wanted }.run(each),
            _ => request.on_cpu(self, wanted, each),
        }
    }

    fn run_from(
        &self,
        inputs: &Inputs<'_>,
        layer: &str,
        activations: TensorView<'_>,
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        if !self.info.abilities.run_from {
            return Err(Error::unsupported("this model cannot be run from an inner layer; give run_from"));
        }
        inputs.check_cancelled()?;
        let run = |py: Python<'_>| {
            let (images, changed) = (arrays::array(py, inputs.images)?, arrays::array(py, activations)?);
            let arguments = (images, layer, changed, names(py, wanted)?);
            tensors(&self.engine.bind(py).call_method1("run_from", arguments)?, wanted.len())
        };
        Python::attach(run).map_err(kept)
    }

    fn gradients(&self, inputs: &Inputs<'_>, layer: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        if !self.info.abilities.gradients {
            return Err(Error::unsupported("this model has no gradients"));
        }
        inputs.check_cancelled()?;
        let run = |py: Python<'_>| {
            let images = arrays::array(py, inputs.images)?;
            let named = cotangents
                .iter()
                .map(|(name, values)| {
                    PyTuple::new(
                        py,
                        [name.into_pyobject(py)?.into_any(), arrays::array(py, *values)?.into_any()],
                    )
                })
                .collect::<PyResult<Vec<_>>>()?;
            let found = self.engine.bind(py).call_method1("gradients", (images, layer, named))?;
            tensor(&found)
        };
        Python::attach(run).map_err(kept)
    }
}

/// Masked images that the engine makes itself: images travel once, then only small masks.
struct Masks<'a> {
    engine: &'a PythonEngine,
    request: &'a MaskedRequest<'a>,
    wanted: &'a [&'a str],
}

impl Masks<'_> {
    fn run(&self, each: &mut EachBatch<'_>) -> Result<()> {
        let (images, [count, ..]) = self.request.dims()?;
        let maker = Python::attach(|py| self.maker(py, images)).map_err(kept)?;
        let size = self.engine.info.batch.size(self.request.batch_size);
        for first in (0..count).step_by(size) {
            self.request.inputs.check_cancelled()?;
            let places = first..count.min(first + size);
            let found = Python::attach(|py| self.batch(maker.bind(py), places.clone())).map_err(kept)?;
            let is_per_image = |i: usize| self.engine.info.is_per_image(self.wanted[i]);
            hand_over_batch(each, (places.len(), places.len()), &found, is_per_image)?;
        }
        Ok(())
    }

    /// The engine's own object for this request, with the images and the matrices that upsample masks, or the rank maps.
    fn maker(&self, py: Python<'_>, [_, _, height, width]: [usize; 4]) -> PyResult<Py<PyAny>> {
        let request = self.request;
        let fill = request.fill.map(|fill| arrays::array(py, fill)).transpose()?;
        let images = arrays::array(py, request.inputs.images)?;
        let engine = self.engine.engine.bind(py);
        if !request.cuts.is_empty() {
            let ranks = arrays::array(py, request.masks)?;
            return Ok(engine.call_method1("cuts", (images, fill, ranks))?.unbind());
        }
        let [_, h, w] = request.masks.dims("the tensor of masks").map_err(exception)?;
        let upsampler = Upsampler::new(request.upsample, (h, w), (height, width)).map_err(exception)?;
        let (rows, columns) = (upsampler.row_matrix(), upsampler.column_matrix());
        let rows = arrays::array(py, TensorView::new(&[height, h], &rows).map_err(exception)?)?;
        let columns = arrays::array(py, TensorView::new(&[width, w], &columns).map_err(exception)?)?;
        Ok(engine.call_method1("masks", (images, fill, rows, columns))?.unbind())
    }

    /// What is wanted of the masked images of these masks.
    fn batch(&self, maker: &Bound<'_, PyAny>, places: std::ops::Range<usize>) -> PyResult<Vec<Tensor>> {
        let (py, request) = (maker.py(), self.request);
        let images: Vec<usize> = places.clone().map(|m| request.image_of(m)).collect();
        let wanted = names(py, self.wanted)?;
        let found = match request.cuts.get(places.clone()) {
            Some(cuts) if !cuts.is_empty() => {
                let cuts: Vec<(u32, u32)> = cuts.iter().map(|cut| (cut.map, cut.count)).collect();
                maker.call_method1("run", (cuts, images, wanted))?
            }
            _ => {
                let [_, h, w] = request.masks.dims("the tensor of masks").map_err(exception)?;
                let values = &request.masks.data()[places.start * h * w..places.end * h * w];
                let masks = TensorView::new(&[places.len(), h, w], values).map_err(exception)?.to_tensor();
                maker.call_method1("run", (arrays::array(py, masks.view())?, images, wanted))?
            }
        };
        tensors(&found, self.wanted.len())
    }
}

fn names<'py>(py: Python<'py>, wanted: &[&str]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, wanted)
}
