//! [`CamMethod`]: an explanation algorithm and its options.
//!
//! A method describes its options once, as [`OptionSpec`]s, the source for the command line, the C API and the
//! documentation. Values are text, because they come from text (a command line, a C string, a TOML file) and cross the
//! plugin ABI as text; [`MethodInfo::resolve`] validates all of them before a method sees them.

use std::collections::BTreeMap;
use std::pin::Pin;

use crate::{Abilities, Error, Result, Study, Tensor};

/// An explanation algorithm. Several threads may call it concurrently.
///
/// ```
/// use scorecam_core::*;
///
/// /// The score that is left when the image is dimmed to a half, as a map of one value.
/// struct Dimmed(MethodInfo);
///
/// impl CamMethod for Dimmed {
///     fn info(&self) -> &MethodInfo {
///         &self.0
///     }
///
///     fn explain<'s>(&'s self, study: &'s Study<'_>, _: &'s Options) -> Work<'s> {
///         Box::pin(async move {
///             let context = &study.context;
///             let masks = Tensor::new([1, 1, 1], vec![0.5])?.into();
///             study.expect_passes(1)?;
///             let scores = study.masked_scores(Masks { masks, upsample: Upsample::Nearest, fill: None }).await?;
///             let left = context.targets.iter().map(|&class| scores.item(0)[class]);
///             Ok(MethodOutput {
///                 maps: Tensor::new([context.targets.len(), 1, 1], left.collect())?,
///                 errors: None,
///                 measures: Vec::new(),
///                 warnings: Vec::new(),
///             })
///         })
///     }
/// }
/// ```
pub trait CamMethod: Send + Sync {
    /// The method's name, options and presets; constant for the method's lifetime.
    fn info(&self) -> &MethodInfo;

    /// Rejects options that are valid individually but contradict each other; called before the first image is read.
    fn check(&self, options: &Options) -> Result<()> {
        let _ = options;
        Ok(())
    }

    /// Explains each of the study's targets. `options` came from [`MethodInfo::resolve`].
    ///
    /// The work is an `async` block that awaits only the study's functions: `Box::pin(async move { ... })`.
    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s>;
}

/// The work of a method on one image.
pub type Work<'s> = Pin<Box<dyn Future<Output = Result<MethodOutput>> + 's>>;

/// The result of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodOutput {
    /// One saliency map per target, [targets, H, W], finite.
    pub maps: Tensor,
    /// The standard error of each value in the maps, in their shape and at least 0, if the method estimates it.
    pub errors: Option<Tensor>,
    /// Measures to report, by name ("distinct-masks").
    pub measures: Vec<(String, f64)>,
    /// Warnings for the user, one line each.
    pub warnings: Vec<String>,
}

/// The description of a method: its id, options, presets and needs.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodInfo {
    /// The id ("score-cam").
    pub id: String,
    /// The plugin's own version.
    pub version: String,
    /// A description in one line.
    pub summary: String,
    /// Its options.
    pub options: Vec<OptionSpec>,
    /// Named sets of option values.
    pub presets: Vec<Preset>,
    /// The abilities that it requires.
    pub needs: Abilities,
    /// Whether it needs a target layer. If not, the pipeline does not look for one.
    pub needs_layer: bool,
}

/// A named set of option values.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// The name ("official").
    pub name: String,
    /// A description in one line.
    pub summary: String,
    /// Values that differ from the defaults.
    pub values: Vec<(String, String)>,
}

/// One option of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionSpec {
    /// The name ("weight_norm").
    pub name: String,
    /// A description in one line.
    pub help: String,
    /// The values that it accepts.
    pub kind: OptionKind,
    /// The default value.
    pub default: String,
}

/// The values that an option accepts.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionKind {
    /// `true` or `false`.
    Flag,
    /// An integer in an inclusive range.
    Integer {
        /// The minimum.
        min: i64,
        /// The maximum.
        max: i64,
    },
    /// A finite number in an inclusive range.
    Number {
        /// The minimum.
        min: f64,
        /// The maximum.
        max: f64,
    },
    /// One of these words.
    Choice(Vec<String>),
    /// Text that the method parses; its help describes the form.
    Text,
}

impl OptionSpec {
    fn check(&self, value: &str) -> Result<()> {
        let wanted = match &self.kind {
            OptionKind::Flag if matches!(value, "true" | "false") => return Ok(()),
            OptionKind::Flag => "true or false".to_owned(),
            OptionKind::Integer { min, max } => match value.parse::<i64>() {
                Ok(v) if (*min..=*max).contains(&v) => return Ok(()),
                _ => format!("a whole number {}", range(min, max, i64::MAX)),
            },
            OptionKind::Number { min, max } => match value.parse::<f64>() {
                Ok(v) if v.is_finite() && (*min..=*max).contains(&v) => return Ok(()),
                _ => format!("a finite number {}", range(min, max, f64::MAX)),
            },
            OptionKind::Choice(words) if words.iter().any(|w| w == value) => return Ok(()),
            OptionKind::Choice(words) => format!("one of {}", words.join(", ")),
            OptionKind::Text => return Ok(()),
        };
        Err(Error::invalid(format!("option {} is {value:?}; it must be {wanted}", self.name)))
    }
}

fn range<T: std::fmt::Display + PartialEq>(min: &T, max: &T, unbounded: T) -> String {
    if *max == unbounded { format!("of at least {min}") } else { format!("from {min} to {max}") }
}

impl MethodInfo {
    /// The complete options: defaults, overridden by the preset, overridden by `set`; every value is validated.
    pub fn resolve(&self, preset: Option<&str>, set: &[(String, String)]) -> Result<Options> {
        let mut values: BTreeMap<String, String> =
            self.options.iter().map(|o| (o.name.clone(), o.default.clone())).collect();
        let preset = preset.map(|name| self.preset(name)).transpose()?;
        for (name, value) in preset.iter().flat_map(|p| &p.values).chain(set) {
            self.option(name)?.check(value)?;
            values.insert(name.clone(), value.clone());
        }
        Ok(Options { values })
    }

    /// An error if a model with these abilities lacks a need of the method; it names what is missing.
    pub fn check_needs(&self, abilities: Abilities) -> Result<()> {
        match self.needs.without(abilities) {
            Abilities::NONE => Ok(()),
            lacking => Err(Error::unsupported(format!(
                "method {:?} needs {lacking}, which the model's backend does not offer for it",
                self.id
            ))),
        }
    }

    /// The default preset: the first one that changes no default.
    pub fn default_preset(&self) -> Option<&str> {
        self.presets.iter().find(|p| p.values.is_empty()).map(|p| p.name.as_str())
    }

    fn preset(&self, name: &str) -> Result<&Preset> {
        self.presets.iter().find(|p| p.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.presets.iter().map(|p| p.name.as_str()).collect();
            Error::not_found(format!(
                "method {:?} has no preset {name:?}; it has {}",
                self.id,
                or_none(&known)
            ))
        })
    }

    fn option(&self, name: &str) -> Result<&OptionSpec> {
        self.options.iter().find(|o| o.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.options.iter().map(|o| o.name.as_str()).collect();
            Error::not_found(format!(
                "method {:?} has no option {name:?}; it has {}",
                self.id,
                or_none(&known)
            ))
        })
    }
}

fn or_none(known: &[&str]) -> String {
    if known.is_empty() { "none".into() } else { known.join(", ") }
}

/// A value for every option of a method, validated against its [`OptionSpec`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    values: BTreeMap<String, String>,
}

impl Options {
    /// Wraps values from [`MethodInfo::resolve`] on the other side of a plugin boundary.
    pub fn from_checked(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }

    /// All values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The value as text; an error if the method has no such option.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.values.get(name).map(String::as_str).ok_or_else(|| {
            Error::internal(format!("option {name:?} was read but is not in the method's list"))
        })
    }

    /// The value of an [`OptionKind::Flag`], [`OptionKind::Integer`] or [`OptionKind::Number`].
    pub fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        text.parse().map_err(|_| Error::invalid(format!("option {name} is {text:?}, which is invalid")))
    }
}

/// The first duplicate name.
pub fn repeated<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}
