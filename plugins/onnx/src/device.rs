//! Where a model's sessions run: the CPU, or an accelerator that a plugin chose.

use std::fmt;

use ort::ep::ExecutionProviderDispatch;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use scorecam_core::{Abilities, ModelConfig, Readiness, Result};

use crate::settings::Settings;

/// On SqueezeNet and EfficientNet-Lite0 batches of 8, 16 and 32 are equally fast on a CPU within the noise; 16
/// needs half the memory of 32 and leaves room for more cores than 8.
const PREFERRED_ON_CPU: usize = 16;

/// A device, and the execution providers that serve it.
pub struct Device {
    /// What it is called ("the CPU", "cuda:0").
    pub name: String,
    /// The execution providers for the model, the first choice first; the CPU's follows by itself.
    pub providers: Vec<ExecutionProviderDispatch>,
    /// Those for the graphs that make masked images, in full f32 whatever precision the model's have.
    pub exact_providers: Vec<ExecutionProviderDispatch>,
    /// The device's own memory; `None` where it works in that of the CPU.
    pub memory: Option<DeviceMemory>,
    /// Images a pass when the caller does not say.
    pub preferred_batch: usize,
    /// Who makes masked images.
    pub masks: Masks,
}

/// What finds an accelerator on the machine: the part of a plugin that knows its driver and its libraries.
pub trait Accelerator: Send + Sync {
    /// Whether `device` can be used here, or any where none was asked for; see
    /// [`BackendLoader::readiness`](scorecam_core::BackendLoader::readiness).
    fn readiness(&self, device: Option<&str>) -> Result<Readiness>;

    /// The device for a model. It has the last word on `config.device`, and returns an error that says what is
    /// missing. It is called before the runtime is opened, and opens what that is going to need.
    fn device(&self, config: &ModelConfig, settings: &Settings) -> Result<Device>;
}

/// Who makes masked images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Masks {
    /// Core, on the CPU.
    ByCore,
    /// A graph of our own, on the device.
    OnDevice,
}

/// The memory of an accelerator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceMemory {
    /// ONNX Runtime's name for the kind of device.
    pub kind: AllocationDevice<'static>,
    /// Which one.
    pub index: i32,
}

impl Device {
    /// The CPU.
    pub fn cpu() -> Self {
        Self {
            name: "the CPU".into(),
            providers: vec![],
            exact_providers: vec![],
            memory: None,
            preferred_batch: PREFERRED_ON_CPU,
            masks: Masks::ByCore,
        }
    }

    /// What can be done with a model on it, beyond running forward.
    pub(crate) fn abilities(&self) -> Abilities {
        // On the CPU core's loop makes masked images; outputs are read where they are then, and not copied to the host first.
        Abilities { masked: true, run_from: true, ..Abilities::NONE }
    }

    /// Whether masked images are made there, by a graph.
    pub(crate) fn makes_masks(&self) -> bool {
        self.masks == Masks::OnDevice
    }

    /// Whether it is something else than the CPU.
    pub(crate) fn is_accelerator(&self) -> bool {
        self.memory.is_some()
    }
}

impl DeviceMemory {
    pub(crate) fn info(&self) -> ort::Result<MemoryInfo<'static>> {
        MemoryInfo::new(self.kind.clone(), self.index, AllocatorType::Device, MemoryType::Default)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
