//! [`Cuda`]: a GPU for a model, and the execution providers that serve it.

use scorecam_onnx::ort::ep::cuda::ConvAlgorithmSearch;
use scorecam_onnx::ort::ep::{CUDA, ExecutionProviderDispatch, TensorRT};
use scorecam_onnx::ort::memory::AllocationDevice;
use scorecam_onnx::{Accelerator, Device, DeviceMemory, Masks, Precision, Settings};
use scorecam_plugin::{Error, ModelConfig, Readiness, Result, bail};

use crate::driver::{Driver, Gpu};
use crate::libraries;

/// Images a pass when the caller does not say: enough to fill a large GPU, and the activations of a ResNet-50 for
/// so many images fit into 4 GB.
const PREFERRED_BATCH: usize = 64;

/// Behind what runs on the processor for its own sake.
const BEHIND_CPU: u32 = Readiness::CPU - 1;

/// NVIDIA's GPUs through CUDA.
pub(crate) struct Cuda;

impl Accelerator for Cuda {
    fn readiness(&self, device: Option<&str>) -> Result<Readiness> {
        let Chosen::Gpu(index) = choose(device)? else {
            return Ok(Readiness { rank: BEHIND_CPU, device: "the CPU, by the runtime for GPUs".into() });
        };
        let driver = Driver::open()?;
        let gpu = driver.gpu(index)?;
        libraries::find(None)?;
        Ok(Readiness::on_accelerator(describe(&driver, &gpu)))
    }

    fn device(&self, config: &ModelConfig, settings: &Settings) -> Result<Device> {
        let Chosen::Gpu(index) = choose(config.device.as_deref())? else {
            check_for_cpu(settings)?;
            // All of the plugin but the GPU: for trying things out where there is none.
            return Ok(Device { masks: Masks::OnDevice, ..Device::cpu() });
        };
        Driver::open()?.gpu(index)?;
        libraries::open(settings.libraries.as_deref())?;
        let index = i32::try_from(index).map_err(|_| Error::invalid(format!("there is no GPU {index}")))?;
        let exact = provider(index, settings.memory_limit, Precision::F32);
        let mut providers = vec![provider(index, settings.memory_limit, settings.precision)];
        if settings.tensorrt {
            providers.insert(0, tensorrt(index, settings.precision)?);
        }
        Ok(Device {
            name: format!("cuda:{index}"),
            providers,
            exact_providers: vec![exact],
            memory: Some(DeviceMemory { kind: AllocationDevice::CUDA, index }),
            preferred_batch: PREFERRED_BATCH,
            masks: Masks::OnDevice,
        })
    }
}

/// What a device's name means.
#[derive(Debug, PartialEq, Eq)]
enum Chosen {
    Cpu,
    Gpu(usize),
}

/// Reads "cuda", "cuda:N", "N" or "cpu"; the first GPU when nothing is named.
fn choose(device: Option<&str>) -> Result<Chosen> {
    let index = match device {
        None | Some("cuda") => Some(0),
        Some("cpu") => return Ok(Chosen::Cpu),
        Some(name) => name.strip_prefix("cuda:").unwrap_or(name).parse().ok(),
    };
    index.map(Chosen::Gpu).ok_or_else(|| {
        let device = device.unwrap_or_default();
        Error::unsupported(format!("device {device:?} is not served by onnx-cuda; use \"cuda:N\" or \"cpu\""))
    })
}

/// CUDA's execution provider. Which kernels it takes for convolutions is told by cuDNN's heuristics and not by a
/// race, so that equal calls give equal bits.
fn provider(index: i32, memory_limit: Option<usize>, precision: Precision) -> ExecutionProviderDispatch {
    let cuda = CUDA::default()
        .with_device_id(index)
        // In f16, too: without it ONNX Runtime passes over every kernel that uses tensor cores.
        .with_tf32(precision != Precision::F32)
        .with_conv_algorithm_search(ConvAlgorithmSearch::Heuristic);
    let cuda = match memory_limit {
        Some(bytes) => cuda.with_memory_limit(bytes),
        None => cuda,
    };
    cuda.build().error_on_failure()
}

/// TensorRT's execution provider. It rounds to TF32 whatever it is told, so f32 is refused. What it builds is not
/// kept: ONNX Runtime names it by the names in a graph, and two models of one architecture would share it.
fn tensorrt(index: i32, precision: Precision) -> Result<ExecutionProviderDispatch> {
    if precision == Precision::F32 {
        bail!(invalid, "setting \"tensorrt\" has no f32; give precision=tf32 or precision=f16 with it");
    }
    let tensorrt = TensorRT::default().with_device_id(index).with_fp16(precision == Precision::F16);
    Ok(tensorrt.build().error_on_failure())
}

/// Refuses what a processor does not have.
fn check_for_cpu(settings: &Settings) -> Result<()> {
    let of_gpu = [
        (settings.tensorrt, "tensorrt"),
        (settings.memory_limit.is_some(), "memory_limit"),
        (settings.precision == Precision::Tf32, "precision=tf32"),
    ];
    match of_gpu.iter().find(|(set, _)| *set) {
        Some((_, what)) => Err(Error::unsupported(format!(
            "setting {what} is for GPUs; leave it out with device \"cpu\", or give another device"
        ))),
        None => Ok(()),
    }
}

/// One line on a GPU.
fn describe(driver: &Driver, gpu: &Gpu) -> String {
    let (major, minor) = driver.cuda();
    format!("{}, {} GiB, driver for CUDA {major}.{minor}", gpu.name, gpu.memory >> 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_by_number_or_in_full() {
        assert_eq!(choose(None), Ok(Chosen::Gpu(0)));
        assert_eq!(choose(Some("cuda")), Ok(Chosen::Gpu(0)));
        assert_eq!(choose(Some("cuda:3")), Ok(Chosen::Gpu(3)));
        assert_eq!(choose(Some("2")), Ok(Chosen::Gpu(2)));
        assert_eq!(choose(Some("cpu")), Ok(Chosen::Cpu));
        for name in ["", "cuda:", "cuda:x", "-1", "rocm:0"] {
            let message = choose(Some(name)).expect_err(name).to_string();
            assert!(message.contains("use \"cuda:N\" or \"cpu\""), "{message}");
        }
    }
}
