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
