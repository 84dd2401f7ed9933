//! What the figures were made on: the machine and our own versions.

use std::env::consts::{ARCH, DLL_PREFIX, DLL_SUFFIX, OS};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::fetch::{self, What};

use super::report::Machine;
use crate::device::Device;
use crate::nvidia;

/// A shared library of ours.
pub(crate) fn library(release: &Path, name: &str) -> PathBuf {
    release.join(format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"))
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// This machine, as far as the system tells.
pub(crate) fn machine(threads: usize, device: Device) -> Machine {
    let fact = |file: &str, key: &str| {
        let text = fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let kilobytes = fact("/proc/meminfo", "MemTotal");
    let kilobytes = kilobytes.and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok());
    Machine {
        processor: fact("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into()),
        cores: cores(),
        threads,
        memory_gb: kilobytes.map(|kilobytes| kilobytes / 1024.0 / 1024.0),
        system: format!("{OS}, {ARCH}"),
        device: device.to_string(),
        gpu: match device {
            Device::Cpu => None,
            Device::Cuda(index) => nvidia::gpu(index),
        },
    }
}

/// Our own version, and those of what we are built with and run on.
pub(crate) fn versions(device: Device) -> Vec<(String, String)> {
    let runtime = if device.is_gpu() { What::OnnxruntimeGpu } else { What::Onnxruntime };
    let folder = fetch::paths(runtime).find_map(|path| path.split('/').next());
    let runtime = folder.and_then(|folder| folder.rsplit_once('-')).map(|(_, version)| version);
    let rustc = Command::new("rustc").arg("--version").output().ok();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let rustc = rustc.as_deref().and_then(|line| line.split_whitespace().nth(1));
    let known = [("scorecam", Some(env!("CARGO_PKG_VERSION"))), ("ONNX Runtime", runtime), ("rustc", rustc)];
    let named =
        |(name, version): (&str, Option<&str>)| (name.to_owned(), version.unwrap_or("unknown").to_owned());
    known.map(named).into()
}
