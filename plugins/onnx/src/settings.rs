//! What a caller may set of ONNX Runtime itself: `ModelConfig::settings`, checked and typed.
//!
//! | key | values | default |
//! |---|---|---|
//! | `runtime` | path of the ONNX Runtime library | see [`crate::runtime`] |
//! | `optimization` | `none`, `basic`, `extended`, `all` | `all` |
//! | `arena` | `on`, `off`: keep freed memory for the next pass | `on` |
//! | `spinning` | `on`, `off`: threads that are idle within a pass wait for work in a loop | `on` |
//! | `operators` | path of a library with operators of the model's own | none |
//! | `input.NAME` | the value of an input beside the image ([`crate::extras`]) | must be given |
//!
//! The plugins for GPUs have these, too:
//!
//! | key | values | default |
//! |---|---|---|
//! | `precision` | `f32`, `tf32`, `f16`: the arithmetic of the model's passes | `f32` |
//! | `memory_limit` | MiB that each of a model's sessions may take on the GPU; it has one for each size of batch | all there is |
//! | `tensorrt` | `on`, `off`: TensorRT runs what it can, where its library is | `off` |
//! | `cuda` | folder with the libraries of CUDA and cuDNN | where the plugin looks |

use std::collections::BTreeMap;
use std::path::PathBuf;

use ort::session::builder::GraphOptimizationLevel;
use scorecam_core::{Error, Result, bail};

use crate::element::Element;
use crate::extras;

/// The typed settings of one model.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The runtime's library.
    pub(crate) runtime: Option<PathBuf>,
    pub(crate) optimization: GraphOptimizationLevel,
    pub(crate) arena: bool,
    pub(crate) spinning: bool,
    /// A library with operators of the model's own.
    pub(crate) operators: Option<PathBuf>,
    /// Values of the inputs beside the image, by their names.
    pub(crate) inputs: BTreeMap<String, String>,
    /// The arithmetic of the model's passes.
    pub precision: Precision,
    /// The most memory that the runtime may take on the device, in bytes.
    pub memory_limit: Option<usize>,
    /// Whether TensorRT runs what it can of the model.
    pub tensorrt: bool,
    /// A folder with the device's own libraries.
    pub libraries: Option<PathBuf>,
}

/// The arithmetic of a model's passes. Masks are made in f32 whatever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats, as on the CPU.
    #[default]
    F32,
    /// 32-bit floats whose products are rounded to 10 bits, which NVIDIA's GPUs have units for.
    Tf32,
    /// 16-bit floats, weights included.
    F16,
}

impl Precision {
    /// The type of the model's tensors.
    pub(crate) fn element(self) -> Element {
        match self {
            Self::F32 | Self::Tf32 => Element::F32,
            Self::F16 => Element::F16,
        }
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::F16 => "f16",
        })
    }
}

/// Which settings a plugin has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Cpu,
    Gpu,
}

impl Kind {
    fn known(self) -> &'static str {
        match self {
            Self::Cpu => "runtime, optimization, arena, spinning, operators, input.NAME",
            Self::Gpu => {
                "runtime, optimization, arena, spinning, operators, input.NAME, precision, memory_limit, tensorrt, cuda"
            }
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            runtime: None,
            optimization: GraphOptimizationLevel::All,
            arena: true,
            spinning: true,
            operators: None,
            inputs: BTreeMap::new(),
            precision: Precision::F32,
            memory_limit: None,
            tensorrt: false,
            libraries: None,
        }
    }
}

impl Settings {
    /// Reads `settings`; an error for an unknown key, which lists those that there are, or a wrong value.
    pub(crate) fn parse(settings: &BTreeMap<String, String>, kind: Kind) -> Result<Self> {
        let mut parsed = Self::default();
        for (key, value) in settings {
            let known = parsed.take(key, value)? || (kind == Kind::Gpu && parsed.take_of_gpu(key, value)?);
            if !known {
                let known = kind.known();
                return Err(Error::not_found(format!("setting {key:?} is unknown; settings: {known}")));
            }
        }
        Ok(parsed)
    }

    /// Takes a setting that every plugin has; false where it is none.
    fn take(&mut self, key: &str, value: &str) -> Result<bool> {
        match key {
            "runtime" => self.runtime = Some(path(key, value, "the path of the library")?),
            "optimization" => self.optimization = optimization(value)?,
            "arena" => self.arena = switch(key, value)?,
            "spinning" => self.spinning = switch(key, value)?,
            "operators" => self.operators = Some(path(key, value, "the path of the library")?),
            _ => match key.strip_prefix(extras::SETTING) {
                Some(name) => drop(self.inputs.insert(name.into(), value.into())),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    /// Takes a setting of the plugins for GPUs; false where it is none.
    fn take_of_gpu(&mut self, key: &str, value: &str) -> Result<bool> {
        match key {
            "precision" => self.precision = precision(value)?,
            "memory_limit" => self.memory_limit = Some(mebibytes(key, value)?),
            "tensorrt" => self.tensorrt = switch(key, value)?,
            "cuda" => self.libraries = Some(path(key, value, "a folder")?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn path(key: &str, value: &str, what: &str) -> Result<PathBuf> {
    match value {
        "" => Err(Error::invalid(format!("setting {key:?} is empty; give {what}"))),
        _ => Ok(value.into()),
    }
}

fn precision(value: &str) -> Result<Precision> {
    [Precision::F32, Precision::Tf32, Precision::F16]
        .into_iter()
        .find(|p| p.to_string() == value)
        .ok_or_else(|| Error::invalid(format!("setting \"precision\" is {value:?}; give f32, tf32 or f16")))
}

fn mebibytes(key: &str, value: &str) -> Result<usize> {
    let bytes = value.parse().ok().filter(|&m: &usize| m > 0).and_then(|m| m.checked_mul(1 << 20));
    bytes.ok_or_else(|| Error::invalid(format!("setting {key:?} is {value:?}; give a number of MiB")))
}

fn optimization(value: &str) -> Result<GraphOptimizationLevel> {
    match value {
        "none" => Ok(GraphOptimizationLevel::Disable),
        "basic" => Ok(GraphOptimizationLevel::Level1),
        "extended" => Ok(GraphOptimizationLevel::Level2),
        "all" => Ok(GraphOptimizationLevel::All),
        _ => bail!(invalid, "setting \"optimization\" is {value:?}; give none, basic, extended or all"),
    }
}

fn switch(key: &str, value: &str) -> Result<bool> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(Error::invalid(format!("setting {key:?} is {value:?}; give on or off"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str, value: &str) -> Result<Settings> {
        Settings::parse(&BTreeMap::from([(key.to_owned(), value.to_owned())]), Kind::Cpu)
    }

    fn parse_gpu(key: &str, value: &str) -> Result<Settings> {
        Settings::parse(&BTreeMap::from([(key.to_owned(), value.to_owned())]), Kind::Gpu)
    }

    #[test]
    fn settings_are_typed_and_unknown_ones_are_refused() {
        assert_eq!(Settings::parse(&BTreeMap::new(), Kind::Cpu), Ok(Settings::default()));
        assert_eq!(parse("arena", "off").map(|s| s.arena), Ok(false));
        assert_eq!(parse("spinning", "off").map(|s| s.spinning), Ok(false));
        assert_eq!(
            parse("optimization", "basic").map(|s| s.optimization),
            Ok(GraphOptimizationLevel::Level1)
        );
        for (key, value, expected) in [
            ("run_time", "x", "setting \"run_time\" is unknown; settings: runtime, optimization"),
            ("arena", "yes", "setting \"arena\" is \"yes\"; give on or off"),
            ("optimization", "fast", "give none, basic, extended or all"),
            ("runtime", "", "is empty"),
            ("precision", "f16", "setting \"precision\" is unknown"),
        ] {
            let message = parse(key, value).map_err(|e| e.to_string()).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn a_gpu_has_settings_of_its_own() {
        assert_eq!(parse_gpu("arena", "off").map(|s| s.arena), Ok(false));
        assert_eq!(parse_gpu("precision", "tf32").map(|s| s.precision), Ok(Precision::Tf32));
        assert_eq!(parse_gpu("memory_limit", "512").map(|s| s.memory_limit), Ok(Some(512 << 20)));
        assert_eq!(parse_gpu("tensorrt", "on").map(|s| s.tensorrt), Ok(true));
        assert_eq!(parse_gpu("cuda", "/x").map(|s| s.libraries), Ok(Some("/x".into())));
        for (key, value, expected) in [
            ("precision", "fp16", "give f32, tf32 or f16"),
            ("memory_limit", "0", "is \"0\"; give a number of MiB"),
            ("memory_limit", "18446744073709551615", "give a number of MiB"),
            ("cuda", "", "is empty; give a folder"),
            (
                "gpu",
                "1",
                "settings: runtime, optimization, arena, spinning, operators, input.NAME, precision",
            ),
        ] {
            let message = parse_gpu(key, value).map_err(|e| e.to_string()).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
