//! One ONNX Runtime session: a model, opened with some of its inner tensors as further outputs, or a small graph
//! of our own.
//!
//! A session serves any number of threads at once. `ort` asks for `&mut Session` to run one; ONNX Runtime
//! documents `OrtApi::Run` as safe to call concurrently on one session, and takes a lock itself for
//! execution providers that are not. So [`Session`] makes that one call itself, on memory that this
//! call alone owns, and uses `ort`'s safe types for everything around it.

use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use ort::AsPointer;
use ort::environment::Environment;
use ort::ep::ExecutionProviderDispatch;
use ort::memory::Allocator;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::sys::OrtValue;
use ort::value::{DynTensor, DynValue, DynValueRef, TensorElementType, ValueType};
use scorecam_core::{Error, Result, Tensor, bail};

use crate::device::Device;
use crate::element::Element;
use crate::file::ModelFile;
use crate::fp16;
use crate::proto;
use crate::settings::{Precision, Settings};
use crate::tap::Taps;
use crate::values;

/// What all sessions of one model have in common.
pub(crate) struct SessionSpec {
    pub(crate) environment: Environment,
    pub(crate) file: ModelFile,
    pub(crate) settings: Settings,
    /// Threads within an operator on the CPU. When `None`: as many as there are physical cores, and one where an
    /// accelerator does the work.
    pub(crate) threads: Option<usize>,
    pub(crate) device: Device,
}

/// The element type and shape of an output, as ONNX Runtime inferred them; `None` for what is no tensor.
pub(crate) type OutputType = Option<(TensorElementType, Vec<Option<usize>>)>;

/// An input of a pass: its name, and a value that lives through the pass.
type Given<'v> = (&'v str, *const OrtValue);

/// An open session.
pub(crate) struct Session {
    inner: ort::session::Session,
    /// What it runs, for messages.
    name: String,
    /// What makes the model's other outputs of those of this one, so that no weight is there twice.
    head: Option<Joined>,
}

/// The part of a model behind a layer, which goes on from what the part before it gives.
struct Joined {
    /// Its input for the layer.
    input: String,
    session: Arc<Session>,
}

impl SessionSpec {
    /// The element type in which the model runs.
    pub(crate) fn element(&self) -> Element {
        self.settings.precision.element()
    }

    /// Opens a session on the model's `bytes` with `taps` as further outputs. Names that are outputs already must not
    /// be among them. The bytes are left as they were.
    pub(crate) fn open(&self, bytes: &mut Vec<u8>, taps: &Taps) -> Result<Session> {
        self.open_at(self.settings.optimization, bytes, taps)
    }

    /// Opens a session on the part of the model behind a layer. Where it has no convolutions, its tensors stay in the model's
    /// own layout: to bring them into the runtime's takes longer than pooling does.
    pub(crate) fn open_head(&self, (bytes, taps): (&mut Vec<u8>, &Taps), convolves: bool) -> Result<Session> {
        let optimization = match self.settings.optimization {
            GraphOptimizationLevel::All if !convolves => GraphOptimizationLevel::Level2,
            level => level,
        };
        self.open_at(optimization, bytes, taps)
    }

    fn open_at(
        &self,
        optimization: GraphOptimizationLevel,
        bytes: &mut Vec<u8>,
        taps: &Taps,
    ) -> Result<Session> {
        let how = (optimization, self.device.providers.as_slice());
        match self.settings.precision {
            Precision::F32 | Precision::Tf32 => self.open_with(bytes, taps, how),
            Precision::F16 => {
                let of_file = |e: Error| e.context(format!("model {}", self.file.path().display()));
                let mut half = fp16::in_half_precision(bytes).map_err(of_file)?;
                self.open_with(&mut half, taps, how).map_err(|e| e.context("in precision f16"))
            }
        }
    }

    /// Opens a session in f32, on the device itself, too, and without further outputs.
    pub(crate) fn open_exact(&self, bytes: &[u8]) -> Result<Session> {
        self.load(bytes, (self.settings.optimization, &self.device.exact_providers))
    }

    /// Opens a session that is only asked for types, or run once: in f32, and nothing is optimized.
    pub(crate) fn open_plain(&self, bytes: &mut Vec<u8>, taps: &Taps) -> Result<Session> {
        self.open_with(bytes, taps, (GraphOptimizationLevel::Disable, &self.device.exact_providers))
    }

    /// Opens a session on a graph of our own, on the model's device.
    pub(crate) fn open_own(&self, graph: &[u8], name: &str) -> Result<Session> {
        let opened = self
            .basics(GraphOptimizationLevel::All)
            .and_then(|builder| self.with_providers(builder, &self.device.exact_providers))
            .and_then(|mut builder| builder.commit_from_memory(graph));
        opened.map(|inner| Session { inner, name: name.into(), head: None }).map_err(|e| {
            Error::model(format!("onnxruntime cannot open {name} on {}: {}", self.device, e.message()))
        })
    }

    fn open_with(
        &self,
        bytes: &mut Vec<u8>,
        taps: &Taps,
        how: (GraphOptimizationLevel, &[ExecutionProviderDispatch]),
    ) -> Result<Session> {
        let length = bytes.len();
        let names = taps.names.iter().map(String::as_str);
        bytes.extend(proto::output_appendix(names, taps.nodes.clone()));
        let session = self.load(bytes, how);
        bytes.truncate(length);
        session
    }

    fn load(
        &self,
        bytes: &[u8],
        (optimization, providers): (GraphOptimizationLevel, &[ExecutionProviderDispatch]),
    ) -> Result<Session> {
        let name = self.file.path().display().to_string();
        let opened = self
            .basics(optimization)
            .and_then(|builder| self.with_weights(builder))
            .and_then(|builder| self.with_providers(builder, providers))
            .and_then(|mut builder| builder.commit_from_memory(bytes));
        match opened {
            Ok(inner) => Ok(Session { inner, name, head: None }),
            Err(e) => bail!(model, "onnxruntime cannot load {name}: {}", e.message()),
        }
    }

    fn basics(&self, optimization: GraphOptimizationLevel) -> ort::Result<SessionBuilder> {
        let switch = |on| if on { "1" } else { "0" };
        let builder = SessionBuilder::new(&self.environment)?
            .with_optimization_level(optimization)?
            .with_deterministic_compute(true)?
            // A plan of memory is kept for each batch size that was seen: up to a quarter more at the peak, for
            // no speed that could be measured.
            .with_memory_pattern(false)?
            .with_config_entry("session.intra_op.allow_spinning", switch(self.settings.spinning))?
            // Within a pass alone: else they take a core from the masks and maps that are made between two passes, and from
            // the session of a head (measured: an explanation by recipro-cam took twice the time).
            .with_config_entry("session.force_spinning_stop", "1")?;
        match self.threads.or(self.device.is_accelerator().then_some(1)) {
            Some(threads) => Ok(builder.with_intra_threads(threads)?),
            None => Ok(builder),
        }
    }

    /// With what the model needs from other files: weights, and operators of its own.
    fn with_weights(&self, mut builder: SessionBuilder) -> ort::Result<SessionBuilder> {
        const FOLDER: &str = "session.model_external_initializers_file_folder_path";
        if let Some(library) = &self.settings.operators {
            builder = builder.with_operator_library(library)?;
        }
        match self.file.external_data_folder() {
            Some(folder) => Ok(builder.with_config_entry(FOLDER, folder.to_string_lossy())?),
            None => Ok(builder),
        }
    }

    fn with_providers(
        &self,
        builder: SessionBuilder,
        providers: &[ExecutionProviderDispatch],
    ) -> ort::Result<SessionBuilder> {
        let cpu = ort::ep::CPU::default().with_arena_allocator(self.settings.arena).build();
        let providers: Vec<_> = providers.iter().cloned().chain([cpu]).collect();
        Ok(builder.with_execution_providers(&providers)?)
    }
}

impl Session {
    /// This session, which makes what `head` takes, and `head` as one. `input` is the head's input for the layer that it is
    /// behind.
    pub(crate) fn joined(self, input: String, head: Session) -> Self {
        Self { head: Some(Joined { input, session: Arc::new(head) }), ..self }
    }

    /// The part of it that begins at the layer whose name as an input is `input`; none where it is not divided there.
    pub(crate) fn head(&self, input: &str) -> Option<&Arc<Session>> {
        let head = self.head.as_ref()?;
        if head.input == input { Some(&head.session) } else { head.session.head(input) }
    }

    /// This session, and those that it is joined with, in the order in which they run.
    fn parts(&self) -> impl Iterator<Item = &Session> {
        std::iter::successors(Some(self), |part| part.head.as_ref().map(|head| &*head.session))
    }

    /// The type of each output, in the order of the graph's outputs and then of the taps, those of the last part first.
    pub(crate) fn output_types(&self) -> impl Iterator<Item = (&str, OutputType)> {
        let mut parts: Vec<&Session> = self.parts().collect();
        parts.reverse();
        let outlets = parts.into_iter().flat_map(|part| part.inner.outputs());
        outlets.map(|outlet| (outlet.name(), output_type(outlet.dtype())))
    }

    /// The type of each input that it does not make itself.
    pub(crate) fn input_types(&self) -> impl Iterator<Item = (&str, OutputType)> {
        let is_given = |(place, name): (usize, &str)| {
            let mut before = self.parts().take(place);
            !before.any(|part| part.makes(name) || part.takes(name))
        };
        let inlets = self
            .parts()
            .enumerate()
            .flat_map(|(i, part)| part.inner.inputs().iter().map(move |inlet| (i, inlet)));
        let given = inlets.filter(move |(i, inlet)| is_given((*i, inlet.name())));
        given.map(|(_, inlet)| (inlet.name(), output_type(inlet.dtype())))
    }

    fn makes(&self, name: &str) -> bool {
        self.inner.outputs().iter().any(|outlet| outlet.name() == name)
    }

    fn takes(&self, name: &str) -> bool {
        self.inner.inputs().iter().any(|inlet| inlet.name() == name)
    }

    /// Runs the session and returns the tensors `outputs`, which must be of floating point.
    ///
    /// May be called from several threads at once.
    pub(crate) fn run(&self, inputs: &[(&str, DynValueRef<'_>)], outputs: &[&str]) -> Result<Vec<Tensor>> {
        let values = self.run_raw(inputs, outputs)?;
        values.iter().zip(outputs).map(|(value, name)| values::read(value, name)).collect()
    }

    /// As [`Self::run`], with outputs of any type as the runtime gives them.
    pub(crate) fn run_raw(
        &self,
        inputs: &[(&str, DynValueRef<'_>)],
        outputs: &[&str],
    ) -> Result<Vec<DynValue>> {
        let mut results = vec![ptr::null_mut(); outputs.len()];
        let ran = self.call(inputs, outputs, &mut results);
        // SAFETY: what Run put there are values that it made for this call and that nothing else owns; the
        // session's allocator made them. They are taken over even where Run failed, so that none leaks.
        let own = |value| unsafe { DynValue::from_ptr(value, Some(self.inner.allocator())) };
        let values: Vec<DynValue> = results.into_iter().filter_map(NonNull::new).map(own).collect();
        ran?;
        if values.len() != outputs.len() {
            return Err(Error::model(format!("onnxruntime gave no value for an output of {}", self.name)));
        }
        Ok(values)
    }

    /// Runs the session and writes its output called `output` into `place`, which stays where it is: on a device
    /// as well as in the memory of the CPU.
    pub(crate) fn run_into(
        &self,
        inputs: &[(&str, DynValueRef<'_>)],
        output: &str,
        place: &mut DynTensor,
    ) -> Result<()> {
        self.call(inputs, &[output], &mut [place.ptr().cast_mut()])
    }

    /// A pass. `results` has one place for each output: a null there asks for a new value, which the caller then owns, and
    /// a value is written into.
    fn call(
        &self,
        inputs: &[(&str, DynValueRef<'_>)],
        outputs: &[&str],
        results: &mut [*mut OrtValue],
    ) -> Result<()> {
        let given = inputs.iter().map(|(name, value)| (*name, value.ptr())).collect();
        // SAFETY: the values are those of `inputs`, which live through the call.
        unsafe { self.call_parts(given, (outputs, results)) }
    }

    /// A pass of this session alone, and where outputs are wanted that it does not make, one of its head on what it gives.
    ///
    /// # Safety
    ///
    /// The values that are `given` live through the call.
    unsafe fn call_parts(
        &self,
        given: Vec<Given<'_>>,
        (outputs, results): (&[&str], &mut [*mut OrtValue]),
    ) -> Result<()> {
        let own_inputs = given.iter().copied().filter(|(name, _)| self.takes(name)).collect::<Vec<_>>();
        let Some(Joined { session: head, .. }) = &self.head else {
            // SAFETY: as the caller promises.
            return unsafe { self.call_runtime(&own_inputs, outputs, results) };
        };
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..outputs.len()).partition(|&i| self.makes(outputs[i]));
        let mut names: Vec<&str> = own.iter().map(|&i| outputs[i]).collect();
        let mut found: Vec<*mut OrtValue> = own.iter().map(|&i| results[i]).collect();
        if !others.is_empty() {
            let taken = head.input_types().map(|(name, _)| name).filter(|name| self.makes(name));
            let further: Vec<&str> = taken.filter(|name| !names.contains(name)).collect();
            names.extend(further);
            found.resize(names.len(), ptr::null_mut());
        }
        // SAFETY: as the caller promises.
        let ran = unsafe { self.call_runtime(&own_inputs, &names, &mut found) };
        own.iter().zip(&found).for_each(|(&i, &value)| results[i] = value);
        // SAFETY: these were null before, so this call made them and nothing else owns them.
        let value = |value| unsafe { DynValue::from_ptr(value, Some(self.inner.allocator())) };
        let _passed_on: Vec<DynValue> =
            found[own.len()..].iter().filter_map(|&value| NonNull::new(value)).map(value).collect();
        ran?;
        if others.is_empty() {
            return Ok(());
        }
        let made = names.iter().zip(&found).map(|(name, value)| (*name, value.cast_const()));
        let given = given.into_iter().chain(made).collect();
        let names: Vec<&str> = others.iter().map(|&i| outputs[i]).collect();
        let mut found: Vec<*mut OrtValue> = others.iter().map(|&i| results[i]).collect();
        // SAFETY: the values live as the caller promises, and those that were made now are in `results` or `_passed_on`.
        let ran = unsafe { head.call_parts(given, (&names, &mut found)) };
        others.iter().zip(found).for_each(|(&i, value)| results[i] = value);
        ran
    }

    /// The call into ONNX Runtime; see [`Self::call`] for `results`.
    ///
    /// # Safety
    ///
    /// The values that are `given` live through the call.
    unsafe fn call_runtime(
        &self,
        given: &[Given<'_>],
        outputs: &[&str],
        results: &mut [*mut OrtValue],
    ) -> Result<()> {
        let given_names = given.iter().map(|(name, _)| c_string(name)).collect::<Result<Vec<_>>>()?;
        let values: Vec<_> = given.iter().map(|(_, value)| *value).collect();
        let given: Vec<_> = given_names.iter().map(|name| name.as_ptr()).collect();
        let wanted_names = outputs.iter().map(|name| c_string(name)).collect::<Result<Vec<_>>>()?;
        let wanted: Vec<_> = wanted_names.iter().map(|name| name.as_ptr()).collect();
        debug_assert_eq!(results.len(), wanted.len());
        // SAFETY: the session lives as long as `self`, and Run may be called on it by several threads at once
        // (documented; it keeps what a run changes in a frame of its own). Names end in NUL and outlive the
        // call, as do the input values, which Run only reads. `results` has one place for each name, and a value
        // in it is one that the caller alone has (`run_into` takes it by `&mut`).
        let status = unsafe {
            ort::Error::result_from_status((ort::api().Run)(
                self.inner.ptr().cast_mut(),
                ptr::null(),
                given.as_ptr(),
                values.as_ptr(),
                values.len(),
                wanted.as_ptr(),
                wanted.len(),
                results.as_mut_ptr(),
            ))
        };
        status.map_err(|e| Error::model(format!("onnxruntime failed on {}: {}", self.name, e.message())))
    }

    /// An allocator for the memory of `device`.
    pub(crate) fn allocator(&self, device: &Device) -> Result<Allocator> {
        let Some(memory) = &device.memory else { return Ok(Allocator::default()) };
        memory.info().and_then(|info| Allocator::new(&self.inner, info)).map_err(|e| {
            Error::model(format!("onnxruntime cannot use the memory of {device}: {}", e.message()))
        })
    }
}

fn c_string(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::invalid(format!("tensor name {name:?} contains a NUL character")))
}

fn output_type(kind: &ValueType) -> OutputType {
    let (shape, element) = kind.tensor_shape().zip(kind.tensor_type())?;
    Some((element, shape.iter().map(|&d| usize::try_from(d).ok()).collect()))
}
