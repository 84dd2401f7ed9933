//! Streams: where the work of one call goes on a GPU, and copies that wait for no other work. On a CPU all of this
//! does nothing and costs nothing.

use std::ffi::{c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use scorecam_plugin::Result;
use tch::{Device, Tensor};
use torch_sys::C_tensor;

use super::{RawError, checked, made, text};
use crate::device;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawStream {
    id: i64,
    device_index: i64,
    device_type: i64,
}

#[repr(C)]
struct RawVisit {
    _opaque: [u8; 0],
}

#[repr(C)]
struct RawCopy {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn sct_settle(device: *const c_char, error: *mut RawError) -> c_int;
    fn sct_new_stream(device: *const c_char, stream: *mut RawStream, error: *mut RawError) -> c_int;
    fn sct_enter(stream: *const RawStream, visit: *mut *mut RawVisit, error: *mut RawError) -> c_int;
    fn sct_leave(visit: *mut RawVisit);
    fn sct_start_copy(tensor: *const C_tensor, copy: *mut *mut RawCopy, error: *mut RawError) -> c_int;
    fn sct_wait_copy(copy: *mut RawCopy, host: *mut *mut C_tensor, error: *mut RawError) -> c_int;
    fn sct_free_copy(copy: *mut RawCopy);
}

/// Readies the process for `device`, before a model is loaded there: on a GPU, f32 is to mean f32.
pub(crate) fn settle(device: Device) -> Result<()> {
    let name = text(&device::name(device))?;
    // SAFETY: the name ends with NUL and lives through the call.
    checked(|error| unsafe { sct_settle(name.as_ptr(), error) })
}

/// The streams of one model. A call has one to itself; the next call gets it again, because libtorch keeps
/// freed memory and workspaces for each stream.
pub(crate) struct Streams {
    device: Device,
    idle: Mutex<Vec<RawStream>>,
}

impl Streams {
    pub(crate) fn new(device: Device) -> Self {
        Self { device, idle: Mutex::new(Vec::new()) }
    }

    /// Sends what the calling thread does from here on to a stream, until the visit is dropped.
    pub(crate) fn enter(&self) -> Result<Visit<'_>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let stream = match idle {
            Some(stream) => stream,
            None => self.another()?,
        };
        // SAFETY: the stream was given by libtorch, whose streams live as long as the process.
        let raw = made(|visit, error| unsafe { sct_enter(&stream, visit, error) })?;
        Ok(Visit { raw, stream, of: self, _of_thread: PhantomData })
    }

    fn another(&self) -> Result<RawStream> {
        let name = text(&device::name(self.device))?;
        let mut stream = RawStream::default();
        // SAFETY: the name ends with NUL and lives through the call; there is a place for a stream.
        checked(|error| unsafe { sct_new_stream(name.as_ptr(), &mut stream, error) })?;
        Ok(stream)
    }
}

/// The time that a thread's work goes to a stream; its end waits for that work.
pub(crate) struct Visit<'a> {
    raw: NonNull<RawVisit>,
    stream: RawStream,
    of: &'a Streams,
    /// Which stream is the current one is a thread's own, so a visit stays where it began.
    _of_thread: PhantomData<*const ()>,
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        // SAFETY: entered once, left here only, on the same thread.
        unsafe { sct_leave(self.raw.as_ptr()) };
        self.of.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.stream);
    }
}

/// A tensor on its way to the host, as f32.
pub(crate) struct HostCopy(NonNull<RawCopy>);

impl HostCopy {
    /// Starts behind what the thread's stream has been given so far, and does not wait.
    pub(crate) fn start(tensor: &Tensor) -> Result<Self> {
        // SAFETY: the tensor is alive.
        made(|copy, error| unsafe { sct_start_copy(tensor.as_ptr(), copy, error) }).map(Self)
    }

    /// The copy, once it is there; work that was started later is not waited for.
    pub(crate) fn wait(self) -> Result<Tensor> {
        let mut host = std::ptr::null_mut();
        // SAFETY: the copy is alive and there is a place for a tensor.
        checked(|error| unsafe { sct_wait_copy(self.0.as_ptr(), &mut host, error) })?;
        // SAFETY: the call succeeded, so the tensor is ours from here on.
        Ok(unsafe { Tensor::from_ptr(host) })
    }
}

impl Drop for HostCopy {
    fn drop(&mut self) {
        // SAFETY: started once, freed here only.
        unsafe { sct_free_copy(self.0.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Module;
    use super::*;
    use crate::settings::{MemoryFormat, Precision};
    use tch::Kind;

    #[test]
    fn a_stream_serves_one_call_at_a_time_and_the_next_one_again() {
        let streams = Streams::new(Device::Cpu);
        let outer = streams.enter().expect("a stream");
        let inner = streams.enter().expect("another");
        assert!(streams.idle.lock().expect("no panic").is_empty());
        drop(inner);
        drop(outer);
        drop(streams.enter().expect("one of the two"));
        assert_eq!(streams.idle.lock().expect("no panic").len(), 2);
    }

    #[test]
    fn a_copy_keeps_what_was_there_when_it_started() {
        let mut tensor = Tensor::from_slice(&[1.0f32, 2.0]);
        let copy = HostCopy::start(&tensor).expect("a copy");
        let _ = tensor.f_fill_(7.0).expect("filled");
        let copied = copy.wait().expect("it is there");
        assert_eq!(Vec::<f32>::try_from(&copied).expect("numbers"), [1.0, 2.0]);
        let half = Tensor::from_slice(&[0.5f32]).to_kind(Kind::Half);
        assert_eq!(HostCopy::start(&half).and_then(HostCopy::wait).expect("a copy").kind(), Kind::Float);
    }

    #[test]
    fn settling_for_a_gpu_needs_none() {
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(0)] {
            settle(device).expect("switches");
        }
    }

    /// On a CPU the marks that TF32 needs change no bit; what is tried is that the graph holds together.
    #[test]
    fn convolutions_marked_for_tf32_run() {
        for name in ["plain", "inplace", "twice", "softmax"] {
            let path = format!("{}/../../../tests/golden/torch/{name}.pt", env!("CARGO_MANIFEST_DIR"));
            let mut module = Module::open(&path, &Device::Cpu).expect("loads");
            let image = Tensor::arange(2 * 3 * 256, (Kind::Float, Device::Cpu)).view([2, 3, 16, 16]) / 700.0;
            module.find_outputs(&image).expect("runs");
            let scores = |precision, format| {
                let program = module.optimized(&[0], precision, format).expect("compiles");
                program.run(&image).expect("runs").remove(0)
            };
            let exact = scores(Precision::F32, MemoryFormat::ChannelsLast);
            assert_eq!(scores(Precision::Tf32, MemoryFormat::Auto), exact, "{name}");
            assert_eq!(scores(Precision::Tf32, MemoryFormat::ChannelsLast), exact, "{name}");
        }
    }
}
