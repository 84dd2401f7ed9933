//! The C++ part behind safe types: [`Module`], a loaded file with the outline of its calls, and [`Program`],
//! something that runs. What concerns a device's streams is in [`stream`]. `cpp/shim.h` says what each function
//! does.

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::NonNull;
use std::sync::OnceLock;

use scorecam_plugin::{Error, Result};
use tch::{Device, Tensor};
use torch_sys::C_tensor;

use crate::device;
use crate::settings::{MemoryFormat, Precision};

mod look;
mod stream;
mod weights;

pub(crate) use look::{Axes, Output, Returned, Traits};
pub(crate) use stream::{HostCopy, Streams, Visit, settle};

const ERROR_LENGTH: usize = 4096;
/// How the error line for exhausted memory begins.
pub(crate) const OUT_OF_MEMORY: &str = "out of memory";
/// Of a longer line only the first sentence is kept.
const LONG_LINE: usize = 240;

#[repr(C)]
struct RawModule {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawProgram {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawError {
    text: [c_char; ERROR_LENGTH],
}

#[repr(C)]
struct RawCall {
    path: *const c_char,
    kind: *const c_char,
    refusal: *const c_char,
}

unsafe extern "C" {
    fn sct_open(
        path: *const c_char,
        device: *const c_char,
        model: *mut *mut RawModule,
        error: *mut RawError,
    ) -> c_int;
    fn sct_close(model: *mut RawModule);
    fn sct_call_count(model: *const RawModule) -> usize;
    fn sct_call_at(model: *const RawModule, index: usize) -> RawCall;
    fn sct_traced_shape(model: *const RawModule, shape: *mut i64) -> c_int;
    fn sct_input_channels(model: *const RawModule) -> i64;
    fn sct_compile_optimized(
        model: *const RawModule,
        outputs: *const usize,
        output_count: usize,
        precision: c_int,
        format: c_int,
        program: *mut *mut RawProgram,
        error: *mut RawError,
    ) -> c_int;
    fn sct_compile_taps(
        model: *const RawModule,
        outputs: *const usize,
        output_count: usize,
        calls: *const usize,
        call_count: usize,
        program: *mut *mut RawProgram,
        error: *mut RawError,
    ) -> c_int;
    fn sct_compile_from(
        model: *const RawModule,
        outputs: *const usize,
        output_count: usize,
        call: usize,
        program: *mut *mut RawProgram,
        error: *mut RawError,
    ) -> c_int;
    fn sct_free_program(program: *mut RawProgram);
    fn sct_run(
        program: *const RawProgram,
        input: *const C_tensor,
        outputs: *mut *mut C_tensor,
        error: *mut RawError,
    ) -> c_int;
    fn sct_gradient(
        program: *const RawProgram,
        input: *const C_tensor,
        cotangents: *const *const C_tensor,
        gradient: *mut *mut C_tensor,
        error: *mut RawError,
    ) -> c_int;
    fn sct_cuda_devices() -> c_int;
    fn sct_set_threads(threads: c_int) -> c_int;
}

/// One call of a module inside a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Dotted, as in the module tree.
    pub(crate) path: String,
    /// The module's class.
    pub(crate) kind: String,
    /// Why the call's result can't be tapped.
    pub(crate) refusal: Option<String>,
}

/// A loaded TorchScript file.
pub(crate) struct Module(NonNull<RawModule>);

// SAFETY: the C++ side writes to a model where it is given a `*mut` alone, which takes a `&mut Module` here.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Module {
    /// Loads a file onto a device.
    pub(crate) fn open(path: &str, device: &Device) -> Result<Self> {
        let path = text(path)?;
        let device = text(&device::name(*device))?;
        // SAFETY: strings end with NUL and live through the call.
        made(|made, error| unsafe { sct_open(path.as_ptr(), device.as_ptr(), made, error) }).map(Self)
    }

    /// The calls of modules, in the order in which they end.
    pub(crate) fn calls(&self) -> Vec<Call> {
        (0..self.call_count()).map(|i| self.call(i)).collect()
    }

    fn call_count(&self) -> usize {
        // SAFETY: the model is alive.
        unsafe { sct_call_count(self.0.as_ptr()) }
    }

    fn call(&self, index: usize) -> Call {
        // SAFETY: the model is alive and the index is below the count.
        let raw = unsafe { sct_call_at(self.0.as_ptr(), index) };
        let read = |text: *const c_char| {
            // SAFETY: NULL, or a string of the model that ends with NUL.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
        };
        Call {
            path: read(raw.path).unwrap_or_default(),
            kind: read(raw.kind).unwrap_or_default(),
            refusal: read(raw.refusal),
        }
    }

    /// The shape of the image that the model was traced with, in the model's own order, where the file tells.
    pub(crate) fn traced_shape(&self) -> Option<[usize; 4]> {
        let mut shape = [0i64; 4];
        // SAFETY: the model is alive and there is a place for four numbers.
        let known = unsafe { sct_traced_shape(self.0.as_ptr(), shape.as_mut_ptr()) } != 0;
        known.then(|| shape.map(|n| usize::try_from(n).unwrap_or(0))).filter(|shape| !shape.contains(&0))
    }

    /// Channels of the image, where the first operator tells.
    pub(crate) fn input_channels(&self) -> Option<usize> {
        // SAFETY: the model is alive.
        usize::try_from(unsafe { sct_input_channels(self.0.as_ptr()) }).ok().filter(|&c| c > 0)
    }

    /// A program for `outputs` alone, on a frozen graph. A model that can't be frozen runs as exported where
    /// neither a precision nor a memory format is asked for.
    pub(crate) fn optimized(
        &self,
        outputs: &[usize],
        precision: Precision,
        format: MemoryFormat,
    ) -> Result<Program> {
        let precision = match precision {
            Precision::F32 => 0,
            Precision::Tf32 => 1,
            Precision::F16 => 2,
        };
        let format = match format {
            MemoryFormat::Auto => 0,
            MemoryFormat::Contiguous => 1,
            MemoryFormat::ChannelsLast => 2,
        };
        // SAFETY: the model and the list are alive, and the numbers are those of the header.
        let raw = made(|made, error| unsafe {
            let model = self.0.as_ptr();
            sct_compile_optimized(model, outputs.as_ptr(), outputs.len(), precision, format, made, error)
        })?;
        Ok(Program { raw, tensors: outputs.len() })
    }

    /// A program for `outputs` and the results of `calls`.
    pub(crate) fn taps(&self, outputs: &[usize], calls: &[usize]) -> Result<Program> {
        // SAFETY: the model is alive; the lists live through the call.
        let raw = made(|made, error| unsafe {
            let (model, (calls, count)) = (self.0.as_ptr(), (calls.as_ptr(), calls.len()));
            sct_compile_taps(model, outputs.as_ptr(), outputs.len(), calls, count, made, error)
        })?;
        Ok(Program { raw, tensors: outputs.len() + calls.len() })
    }

    /// A program for `outputs` from the result of `call` on; unsupported where the graph can't be cut there.
    pub(crate) fn from(&self, outputs: &[usize], call: usize) -> Result<Program> {
        // SAFETY: the model is alive; the list lives through the call.
        let raw = made(|made, error| unsafe {
            sct_compile_from(self.0.as_ptr(), outputs.as_ptr(), outputs.len(), call, made, error)
        });
        raw.map(|raw| Program { raw, tensors: outputs.len() }).map_err(|e| Error::unsupported(e.to_string()))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: opened once, closed here only; programs keep alive what they need by themselves.
        unsafe { sct_close(self.0.as_ptr()) }
    }
}

/// A graph that is ready to run.
pub(crate) struct Program {
    raw: NonNull<RawProgram>,
    /// How many outputs and taps it gives.
    tensors: usize,
}

// SAFETY: running a program makes an interpreter state of its own; one whose model writes to itself takes turns.
unsafe impl Send for Program {}
// SAFETY: as above.
unsafe impl Sync for Program {}

impl Program {
    /// The outputs and the taps for `input`, without autograd.
    pub(crate) fn run(&self, input: &Tensor) -> Result<Vec<Tensor>> {
        let mut outputs = vec![std::ptr::null_mut(); self.tensors];
        // SAFETY: the program and the tensor are alive, and there is a place for each output.
        checked(|error| unsafe { sct_run(self.raw.as_ptr(), input.as_ptr(), outputs.as_mut_ptr(), error) })?;
        // SAFETY: the call succeeded, so each place holds a tensor that is ours from here on.
        Ok(outputs.into_iter().map(|t| unsafe { Tensor::from_ptr(t) }).collect())
    }

    /// The derivative of the sum of `cotangents`, one for each output, times the outputs, with respect to the only tap.
    pub(crate) fn gradient(&self, input: &Tensor, cotangents: &[Tensor]) -> Result<Tensor> {
        if cotangents.len() + 1 != self.tensors {
            return Err(Error::internal(
                "a program for a gradient has not a cotangent for each output and one tap",
            ));
        }
        let cotangents: Vec<*const C_tensor> = cotangents.iter().map(Tensor::as_ptr).collect();
        let mut gradient = std::ptr::null_mut();
        // SAFETY: the program and the tensors are alive, and there is a cotangent for each output.
        checked(|error| unsafe {
            sct_gradient(self.raw.as_ptr(), input.as_ptr(), cotangents.as_ptr(), &mut gradient, error)
        })?;
        // SAFETY: the call succeeded, so the tensor is ours from here on.
        Ok(unsafe { Tensor::from_ptr(gradient) })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: compiled once, freed here only.
        unsafe { sct_free_program(self.raw.as_ptr()) }
    }
}

/// GPUs that this libtorch can use; `None` where it has no CUDA at all.
pub(crate) fn cuda_devices() -> Option<usize> {
    // SAFETY: the function takes nothing and catches what it meets.
    usize::try_from(unsafe { sct_cuda_devices() }).ok()
}

/// While it lives, operators that the calling thread runs use this many threads. OpenMP keeps the number for
/// each thread, so it is set for a call and set back after it.
pub(crate) struct Threads {
    before: c_int,
}

impl Threads {
    /// `None` is what libtorch would use by itself, within the cores that this process may use.
    pub(crate) fn of(wanted: Option<usize>) -> Self {
        static USUAL: OnceLock<usize> = OnceLock::new();
        // Threads that wait for each other in a loop crawl where there are more of them than cores.
        let cores = || std::thread::available_parallelism().map_or(usize::MAX, |n| n.get());
        let usual = *USUAL.get_or_init(|| usize::try_from(tch::get_num_threads()).unwrap_or(1).min(cores()));
        let wanted = wanted.unwrap_or(usual).clamp(1, 1024);
        // SAFETY: the function takes any positive number.
        Self { before: unsafe { sct_set_threads(wanted as c_int) } }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // SAFETY: as above; the number is one that libtorch gave.
        unsafe { sct_set_threads(self.before) };
    }
}

/// The one line that matters of what libtorch says: its interpreter puts a traceback in front, c10 stack frames
/// behind, and some messages go on with a page of advice.
pub(crate) fn cause(text: &str) -> String {
    let text = text.rsplit_once("RuntimeError: ").map_or(text, |(_, last)| last);
    let text = text.split("Exception raised from").next().unwrap_or(text);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no message");
    let line = if line.len() > LONG_LINE { line.split(". ").next().unwrap_or(line) } else { line };
    let line = line.trim_end_matches('.');
    match line.contains("allocate memory") || line.contains("out of memory") {
        true => format!("{OUT_OF_MEMORY}: {line}; use a smaller batch or input"),
        false => line.to_owned(),
    }
}

fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| Error::invalid(format!("{text:?} contains a NUL character")))
}

/// Runs a function that reports by an error text.
fn checked(call: impl FnOnce(*mut RawError) -> c_int) -> Result<()> {
    let mut error = RawError { text: [0; ERROR_LENGTH] };
    if call(&mut error) == 0 {
        return Ok(());
    }
    // SAFETY: the text ends with NUL within its array, as it began full of zeros and the last is kept.
    let text = unsafe { CStr::from_ptr(error.text.as_ptr()) };
    Err(Error::model(cause(&text.to_string_lossy())))
}

/// Runs a function that makes an object.
fn made<T>(call: impl FnOnce(*mut *mut T, *mut RawError) -> c_int) -> Result<NonNull<T>> {
    let mut object = std::ptr::null_mut();
    checked(|error| call(&mut object, error))?;
    NonNull::new(object).ok_or_else(|| Error::internal("the C++ part reports success but made nothing"))
}
