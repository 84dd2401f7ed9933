//! What a caller may set of libtorch itself: `ModelConfig::settings`, checked and typed.
//!
//! | key | values | default |
//! |---|---|---|
//! | `optimization` | `none`, `all`: whether scoring passes run on a frozen and optimized graph | `all` |
//! | `precision` | `f32`, `tf32`, `f16`: what scoring passes compute in | `f32` |
//! | `memory_format` | `auto`, `contiguous`, `channels_last`: how images lie in scoring passes | `auto` |
//! | `in_flight` | `1`, `2`: batches that are under way at once | 2 on a GPU, 1 on the CPU |
//!
//! `f32` is the file's own numbers (a model of f16 weights keeps them) and never TF32; activations and gradients
//! are computed that way whatever is set. `tf32` concerns convolutions, as PyTorch's own default does, on a GPU.
//! `auto` is what is fastest by measurement or, on a GPU, by design: channels-last for `tf32` and `f16`.
//!
//! The plugin has one more, `runtime`, and takes it out before the engine is asked.

use std::collections::BTreeMap;

use scorecam_plugin::precision::Reduced;
use scorecam_plugin::{Error, Result};
use tch::Device;

const KNOWN: &str = "runtime, optimization, precision, memory_format, in_flight";

/// What scoring passes compute in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    F32,
    Tf32,
    F16,
}

impl Precision {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::F16 => "f16",
        }
    }

    /// For what is said of it when it is not f32.
    pub(crate) fn reduced(self) -> Reduced<'static> {
        let advice = match self {
            Precision::F16 => "use tf32 on a GPU, or f32",
            _ => "use f32",
        };
        Reduced { name: self.name(), advice }
    }
}

/// How images lie in memory during scoring passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemoryFormat {
    Auto,
    Contiguous,
    ChannelsLast,
}

impl MemoryFormat {
    fn name(self) -> &'static str {
        match self {
            MemoryFormat::Auto => "auto",
            MemoryFormat::Contiguous => "contiguous",
            MemoryFormat::ChannelsLast => "channels_last",
        }
    }
}

/// The typed settings of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) optimized: bool,
    pub(crate) precision: Precision,
    pub(crate) format: MemoryFormat,
    /// `None` is the device's default.
    in_flight: Option<usize>,
}

impl Settings {
    /// Reads `settings`; an error for an unknown key, which lists those that there are, or a wrong value.
    pub(crate) fn parse(settings: &BTreeMap<String, String>) -> Result<Self> {
        let mut parsed =
            Self { optimized: true, precision: Precision::F32, format: MemoryFormat::Auto, in_flight: None };
        for (key, value) in settings {
            let choice = Choice { key, value };
            match key.as_str() {
                "optimization" => parsed.optimized = choice.of(&[("none", false), ("all", true)])?,
                "precision" => {
                    let known = [Precision::F32, Precision::Tf32, Precision::F16];
                    parsed.precision = choice.of(&known.map(|precision| (precision.name(), precision)))?;
                }
                "memory_format" => {
                    let known = [MemoryFormat::Auto, MemoryFormat::Contiguous, MemoryFormat::ChannelsLast];
                    parsed.format = choice.of(&known.map(|format| (format.name(), format)))?;
                }
                "in_flight" => parsed.in_flight = Some(choice.of(&[("1", 1), ("2", 2)])?),
                _ => {
                    return Err(Error::not_found(format!("setting {key:?} is unknown; settings: {KNOWN}")));
                }
            }
        }
        parsed.agree()
    }

    /// Refuses settings that contradict each other.
    fn agree(self) -> Result<Self> {
        let needs_frozen = match (self.precision, self.format) {
            (Precision::F32, MemoryFormat::Auto) => return Ok(self),
            (Precision::F32, _) => "memory_format",
            _ => "precision",
        };
        match self.optimized {
            true => Ok(self),
            false => Err(Error::invalid(format!(
                "setting {needs_frozen:?} changes the optimized graph, but \"optimization\" is \"none\"; leave one out"
            ))),
        }
    }

    /// Refuses what `device` does not have.
    pub(crate) fn check(&self, device: Device) -> Result<()> {
        match (self.precision, device) {
            (Precision::Tf32, Device::Cpu) => Err(Error::unsupported(
                "setting \"precision\" is \"tf32\", which only GPUs have; on device \"cpu\" use f32, or leave it out",
            )),
            _ => Ok(()),
        }
    }

    /// The settings that change the scoring program, as a user writes them.
    pub(crate) fn describe(&self) -> String {
        format!("precision {}, memory_format {}", self.precision.name(), self.format.name())
    }

    /// Batches that may be under way on `device`. A CPU works on one at a time whatever it is given.
    pub(crate) fn in_flight(&self, device: Device) -> usize {
        self.in_flight.unwrap_or(if device == Device::Cpu { 1 } else { 2 })
    }
}

/// A setting whose value is one of a few words.
struct Choice<'a> {
    key: &'a str,
    value: &'a str,
}

impl Choice<'_> {
    fn of<T: Copy>(&self, known: &[(&str, T)]) -> Result<T> {
        if let Some((_, found)) = known.iter().find(|(name, _)| *name == self.value) {
            return Ok(*found);
        }
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        Err(Error::invalid(format!("setting {:?} is {:?}; give one of: {names}", self.key, self.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(settings: &[(&str, &str)]) -> Result<Settings> {
        Settings::parse(&settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn defaults_are_exact_and_depend_on_the_device() {
        let settings = parse(&[]).expect("no settings are fine");
        assert!(settings.optimized);
        assert_eq!((settings.precision, settings.format), (Precision::F32, MemoryFormat::Auto));
        assert_eq!((settings.in_flight(Device::Cpu), settings.in_flight(Device::Cuda(1))), (1, 2));
        let chosen = parse(&[("precision", "f16"), ("memory_format", "contiguous"), ("in_flight", "1")]);
        let chosen = chosen.expect("known values");
        assert_eq!((chosen.precision, chosen.format), (Precision::F16, MemoryFormat::Contiguous));
        assert_eq!(chosen.in_flight(Device::Cuda(0)), 1);
    }

    #[test]
    fn tf32_is_a_gpus() {
        let settings = parse(&[("precision", "tf32")]).expect("a known value");
        assert!(settings.check(Device::Cuda(0)).is_ok());
        assert!(settings.check(Device::Cpu).expect_err("no GPU").to_string().contains("use f32"));
    }

    #[test]
    fn wrong_settings_are_answered_with_what_there_is() {
        for (settings, expected) in [
            (
                &[("presicion", "f16")][..],
                "settings: runtime, optimization, precision, memory_format, in_flight",
            ),
            (&[("precision", "fp16")], "setting \"precision\" is \"fp16\"; give one of: f32, tf32, f16"),
            (&[("memory_format", "nhwc")], "give one of: auto, contiguous, channels_last"),
            (&[("in_flight", "3")], "give one of: 1, 2"),
            (&[("optimization", "")], "give one of: none, all"),
            (&[("optimization", "none"), ("precision", "f16")], "setting \"precision\" changes"),
            (&[("optimization", "none"), ("memory_format", "contiguous")], "\"memory_format\" changes"),
        ] {
            let message = parse(settings).expect_err("a wrong setting").to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
