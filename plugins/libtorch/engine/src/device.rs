//! Devices: which one a model is to run on, and whether this machine has it.

use scorecam_plugin::{Error, Result};
use tch::Device;

use crate::shim;

/// Reads "cpu", "cuda", "cuda:N" or "N"; the CPU when nothing is named. An error says why a GPU can't be had.
pub(crate) fn choose(name: Option<&str>) -> Result<Device> {
    let name = name.unwrap_or("cpu");
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let index = match name {
        "cuda" => Some(0),
        _ => name.strip_prefix("cuda:").unwrap_or(name).parse::<usize>().ok(),
    };
    let index = index.ok_or_else(|| {
        Error::unsupported(format!("device {name:?} is not served by libtorch; use \"cpu\" or \"cuda:N\""))
    })?;
    match shim::cuda_devices() {
        None => Err(Error::unsupported(format!(
            "device {name:?}: this libtorch was built only for the CPU; name one with CUDA in setting \"runtime\" \
             (the folder torch of PyTorch's Python package is one), or use \"cpu\""
        ))),
        Some(0) => Err(Error::unsupported(format!(
            "device {name:?}: libtorch finds no usable GPU on this machine; use \"cpu\""
        ))),
        Some(count) if index >= count => Err(Error::unsupported(format!(
            "device {name:?}: the last GPU of this machine is \"cuda:{}\"",
            count - 1
        ))),
        Some(_) => Ok(Device::Cuda(index)),
    }
}

/// The name by which libtorch's C++ side knows a device.
pub(crate) fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".into(),
    }
}
