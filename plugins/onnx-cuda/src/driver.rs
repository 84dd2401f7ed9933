//! NVIDIA's driver: whether there is one, for which CUDA, and which GPUs it has.
//!
//! Asked before a gigabyte of libraries is opened, and because ONNX Runtime's own words for a machine without a
//! driver or without a GPU are hard to read. Functions and numbers are those of `cuda.h`, which have not changed
//! since CUDA 3.2.

use std::ffi::{CStr, c_char, c_int, c_uint};
use std::mem::ManuallyDrop;

use libloading::{Library, Symbol};
use scorecam_plugin::{Error, Result, bail};

/// The least version of CUDA that the driver must serve, as `cuDriverGetVersion` gives it.
const LEAST_CUDA: c_int = 13_000;
/// `CUDA_ERROR_NO_DEVICE`.
const NO_DEVICE: c_int = 100;

#[cfg(windows)]
const LIBRARY: &str = "nvcuda.dll";
#[cfg(not(windows))]
const LIBRARY: &str = "libcuda.so.1";

/// `cuInit(flags)`.
type Init = unsafe extern "C" fn(c_uint) -> c_int;
/// `cuDriverGetVersion(version)`, `cuDeviceGetCount(count)`.
type Number = unsafe extern "C" fn(*mut c_int) -> c_int;
/// `cuDeviceGet(device, ordinal)`.
type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
/// `cuDeviceGetName(name, length, device)`.
type GetName = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
/// `cuDeviceTotalMem(bytes, device)`.
type TotalMemory = unsafe extern "C" fn(*mut usize, c_int) -> c_int;

/// The driver's library, initialized.
pub(crate) struct Driver {
    /// Never closed: the runtime uses it, too.
    library: ManuallyDrop<Library>,
    version: c_int,
}

/// A GPU.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gpu {
    pub(crate) name: String,
    /// In bytes.
    pub(crate) memory: u64,
}

impl Driver {
    /// Opens the driver; an error where there is none, or one that is too old, or one without a GPU.
    pub(crate) fn open() -> Result<Self> {
        // SAFETY: the driver's library has no initializers that depend on anything; it comes with the system.
        let library = unsafe { Library::new(LIBRARY) }.map_err(|e| {
            // The message proper of some systems says no more than that it failed.
            let cause = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            Error::unsupported(format!(
                "there is no NVIDIA driver ({cause}); install one, or use the backend \
                 onnx-cpu"
            ))
        })?;
        let mut driver = Self { library: ManuallyDrop::new(library), version: 0 };
        // SAFETY: the function's type is that of cuda.h.
        let init: Symbol<'_, Init> = unsafe { driver.function(b"cuInit\0") }?;
        // SAFETY: may be called at any time, any number of times; 0 is the only flag there is.
        match unsafe { init(0) } {
            0 => {}
            NO_DEVICE => {
                bail!(unsupported, "the NVIDIA driver finds no GPU on this machine; use the backend onnx-cpu")
            }
            code => bail!(
                unsupported,
                "the NVIDIA driver does not start (cuInit: error {code}); try \"nvidia-smi\""
            ),
        }
        // SAFETY: as above.
        let version: Symbol<'_, Number> = unsafe { driver.function(b"cuDriverGetVersion\0") }?;
        let mut found = 0;
        // SAFETY: a place for the version.
        checked("cuDriverGetVersion", unsafe { version(&raw mut found) })?;
        driver.version = found;
        check_version(found)?;
        Ok(driver)
    }

    /// The CUDA that the driver serves, as (major, minor).
    pub(crate) fn cuda(&self) -> (i32, i32) {
        (self.version / 1000, self.version % 1000 / 10)
    }

    /// The GPU of this index; an error that says how many there are where it is none of them.
    pub(crate) fn gpu(&self, index: usize) -> Result<Gpu> {
        // SAFETY: the functions' types are those of cuda.h.
        let count: Symbol<'_, Number> = unsafe { self.function(b"cuDeviceGetCount\0") }?;
        // SAFETY: as above.
        let get: Symbol<'_, Get> = unsafe { self.function(b"cuDeviceGet\0") }?;
        // SAFETY: as above.
        let name: Symbol<'_, GetName> = unsafe { self.function(b"cuDeviceGetName\0") }?;
        // SAFETY: as above.
        let memory: Symbol<'_, TotalMemory> = unsafe { self.function(b"cuDeviceTotalMem_v2\0") }?;
        let mut there = 0;
        // SAFETY: the driver is initialized, and there is a place for the number.
        checked("cuDeviceGetCount", unsafe { count(&raw mut there) })?;
        let number = c_int::try_from(index).ok().filter(|&number| number < there).ok_or_else(|| {
            Error::unsupported(match there {
                0 => "the NVIDIA driver finds no GPU on this machine; use the backend onnx-cpu".to_owned(),
                _ => {
                    format!("there is no GPU {index}; the last one of this machine is \"cuda:{}\"", there - 1)
                }
            })
        })?;
        let (mut device, mut bytes, mut text) = (0, 0, [0 as c_char; 256]);
        // SAFETY: the driver is initialized, and each place is of the size that is told.
        unsafe {
            checked("cuDeviceGet", get(&raw mut device, number))?;
            checked("cuDeviceGetName", name(text.as_mut_ptr(), text.len() as c_int - 1, device))?;
            checked("cuDeviceTotalMem", memory(&raw mut bytes, device))?;
        }
        // SAFETY: the last byte is still 0, whatever was written.
        let name = unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned();
        Ok(Gpu { name, memory: bytes as u64 })
    }

    /// # Safety
    /// `T` is the type of the function called `name`.
    unsafe fn function<T>(&self, name: &[u8]) -> Result<Symbol<'_, T>> {
        // SAFETY: as the caller promises.
        unsafe { self.library.get(name) }.map_err(|_| {
            let name = String::from_utf8_lossy(name);
            let name = name.trim_end_matches('\0');
            Error::unsupported(format!("{LIBRARY} has no function {name}; install NVIDIA's driver anew"))
        })
    }
}

fn check_version(version: c_int) -> Result<()> {
    let text = |v: c_int| format!("{}.{}", v / 1000, v % 1000 / 10);
    match version >= LEAST_CUDA {
        true => Ok(()),
        false => Err(Error::unsupported(format!(
            "the NVIDIA driver supports CUDA {}, but {} is required; install a driver of version 580 or later",
            text(version),
            text(LEAST_CUDA)
        ))),
    }
}

fn checked(function: &str, code: c_int) -> Result<()> {
    match code {
        0 => Ok(()),
        _ => bail!(unsupported, "the NVIDIA driver failed ({function}: error {code}); try \"nvidia-smi\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_of_an_older_cuda_is_refused_with_both_versions() {
        assert_eq!(check_version(13_000), Ok(()));
        assert_eq!(check_version(13_020), Ok(()));
        let message = check_version(12_040).expect_err("too old").to_string();
        assert!(message.contains("CUDA 12.4, but 13.0 is required"), "{message}");
    }
}
