//! One ONNX Runtime session: a model, opened with some of its inner tensors as further outputs.
//!
//! A session serves any number of threads at once. `ort` asks for `&mut Session` to run one; ONNX Runtime
//! documents `OrtApi::Run` as safe to call concurrently on one session, and takes a lock itself for
//! execution providers that are not. So [`Session::run`] makes that one call itself, on memory that this
//! call alone owns, and uses `ort`'s safe types for everything around it.

use std::ffi::CString;
use std::path::Path;
use std::ptr::{self, NonNull};

use ort::AsPointer;
use ort::environment::Environment;
use ort::ep::ExecutionProviderDispatch;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::{DynValue, TensorElementType, TensorRef, ValueType};
use scorecam_core::{Error, Result, Tensor};

use crate::file::ModelFile;
use crate::proto;
use crate::settings::Settings;

/// What all sessions of one model have in common.
pub(crate) struct SessionSpec {
    pub(crate) environment: Environment,
    pub(crate) file: ModelFile,
    pub(crate) settings: Settings,
    /// Threads within an operator; as many as there are physical cores when `None`.
    pub(crate) threads: Option<usize>,
    pub(crate) providers: Vec<ExecutionProviderDispatch>,
}

/// The element type and shape of an output, as ONNX Runtime inferred them; `None` for what is no tensor.
pub(crate) type OutputType = Option<(TensorElementType, Vec<Option<usize>>)>;

/// An open session.
pub(crate) struct Session {
    inner: ort::session::Session,
}

impl SessionSpec {
    /// Opens a session on the model's `bytes` with the tensors `taps` as further outputs. Names that are
    /// outputs already must not be among them. The bytes are left as they were.
    pub(crate) fn open(&self, bytes: &mut Vec<u8>, taps: &[&str]) -> Result<Session> {
        self.open_with(bytes, taps, self.settings.optimization)
    }

    /// Opens a session that is only asked for types, or run once: nothing is optimised.
    pub(crate) fn open_plain(&self, bytes: &mut Vec<u8>, taps: &[&str]) -> Result<Session> {
        self.open_with(bytes, taps, GraphOptimizationLevel::Disable)
    }

    fn open_with(
        &self,
        bytes: &mut Vec<u8>,
        taps: &[&str],
        optimization: GraphOptimizationLevel,
    ) -> Result<Session> {
        let length = bytes.len();
        bytes.extend(proto::output_appendix(taps.iter().copied()));
        let session = SessionBuilder::new(&self.environment)
            .and_then(|builder| self.configure(builder, optimization))
            .and_then(|mut builder| builder.commit_from_memory(bytes));
        bytes.truncate(length);
        session.map(|inner| Session { inner }).map_err(|e| {
            Error::model(format!("onnxruntime cannot load {}: {}", self.file.path().display(), e.message()))
        })
    }

    fn configure(
        &self,
        builder: SessionBuilder,
        optimization: GraphOptimizationLevel,
    ) -> ort::Result<SessionBuilder> {
        let switch = |on| if on { "1" } else { "0" };
        let mut builder = builder
            .with_optimization_level(optimization)?
            .with_deterministic_compute(true)?
            // A plan of memory is kept for each batch size that was seen: up to a quarter more at the peak, for
            // no speed that could be measured.
            .with_memory_pattern(false)?
            .with_config_entry("session.intra_op.allow_spinning", switch(self.settings.spinning))?;
        if let Some(threads) = self.threads {
            builder = builder.with_intra_threads(threads)?;
        }
        if let Some(folder) = self.file.external_data_folder() {
            let folder = folder.to_string_lossy();
            builder =
                builder.with_config_entry("session.model_external_initializers_file_folder_path", folder)?;
        }
        let cpu = ort::ep::CPU::default().with_arena_allocator(self.settings.arena).build();
        let providers: Vec<_> = self.providers.iter().cloned().chain([cpu]).collect();
        Ok(builder.with_execution_providers(&providers)?)
    }
}

impl Session {
    /// The type of each output, in the order of the graph's outputs and then of the taps.
    pub(crate) fn output_types(&self) -> impl Iterator<Item = (&str, OutputType)> {
        self.inner.outputs().iter().map(|outlet| (outlet.name(), output_type(outlet.dtype())))
    }

    /// Runs the session on one input of `shape` and returns the tensors `outputs`, which must be f32.
    ///
    /// May be called from several threads at once.
    pub(crate) fn run(
        &self,
        model: &Path,
        input: (&str, &[usize], &[f32]),
        outputs: &[&str],
    ) -> Result<Vec<Tensor>> {
        let failed = |e: ort::Error| {
            Error::model(format!("onnxruntime failed on {}: {}", model.display(), e.message()))
        };
        let (name, shape, data) = input;
        let shape: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        let value = TensorRef::from_array_view((shape, data)).map_err(failed)?;
        let values = self.call(name, &value, outputs)?.map_err(failed)?;
        values.iter().zip(outputs).map(|(value, name)| tensor(value, name)).collect()
    }

    /// The call into ONNX Runtime; the outer error is a name that holds a NUL.
    fn call(
        &self,
        input: &str,
        value: &TensorRef<'_, f32>,
        outputs: &[&str],
    ) -> Result<Result<Vec<DynValue>, ort::Error>> {
        let input = c_string(input)?;
        let names = outputs.iter().map(|name| c_string(name)).collect::<Result<Vec<_>>>()?;
        let name_pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
        let mut results = vec![ptr::null_mut(); outputs.len()];
        // SAFETY: the session lives as long as `self`, and Run may be called on it by several threads at once
        // (documented; it keeps what a run changes in a frame of its own). Names end in NUL and outlive the
        // call, as does the input value, which Run only reads. `results` has one place for each name; a null
        // there asks Run to allocate the output.
        let status = unsafe {
            ort::Error::result_from_status((ort::api().Run)(
                self.inner.ptr().cast_mut(),
                ptr::null(),
                [input.as_ptr()].as_ptr(),
                [value.ptr()].as_ptr(),
                1,
                name_pointers.as_ptr(),
                name_pointers.len(),
                results.as_mut_ptr(),
            ))
        };
        // SAFETY: what Run put there are values that it made for this call and that nothing else owns; the
        // session's allocator made them. They are taken over even where Run failed, so that none leaks.
        let own = |value| unsafe { DynValue::from_ptr(value, Some(self.inner.allocator())) };
        let values: Vec<DynValue> = results.into_iter().filter_map(NonNull::new).map(own).collect();
        Ok(status.and_then(|()| match values.len() == outputs.len() {
            true => Ok(values),
            false => Err(ort::Error::new("an output has no value")),
        }))
    }
}

fn c_string(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::invalid(format!("tensor name {name:?} holds a NUL character")))
}

fn output_type(kind: &ValueType) -> OutputType {
    let (shape, element) = kind.tensor_shape().zip(kind.tensor_type())?;
    Some((element, shape.iter().map(|&d| usize::try_from(d).ok()).collect()))
}

/// Copies an output out of the runtime's memory.
fn tensor(value: &DynValue, name: &str) -> Result<Tensor> {
    let (shape, data) = value.try_extract_tensor::<f32>().map_err(|e| {
        Error::unsupported(format!("output {name:?} is not a tensor of f32: {}", e.message()))
    })?;
    let shape = shape.iter().map(|&d| usize::try_from(d)).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| Error::model(format!("output {name:?} has a negative length")))?;
    Tensor::new(shape, data.to_vec())
}
