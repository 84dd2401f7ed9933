//! [`CamMethod`]: an explanation algorithm, and the options by which a caller sets it.
//!
//! A method describes its options once, as [`OptionSpec`]s; command line, C API and documentation are made
//! from that description. Values travel as text, because they come from text (a command line, a C string, a
//! TOML file) and cross the plugin ABI as text; [`MethodInfo::resolve`] checks every one before a method
//! sees it.

use std::collections::BTreeMap;
use std::pin::Pin;

use crate::{Abilities, Error, Result, Study, Tensor};

/// An explanation algorithm. Calls may come from several threads at once.
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
    /// The method's name, options and presets; the same for the method's whole life.
    fn info(&self) -> &MethodInfo;

    /// An error where options contradict each other, each of them being right: called before the first image is read.
    fn check(&self, options: &Options) -> Result<()> {
        let _ = options;
        Ok(())
    }

    /// Explains each of the study's targets. `options` came from [`MethodInfo::resolve`].
    ///
    /// The work is an `async` block that awaits the study's functions and nothing else: `Box::pin(async move { ... })`.
    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s>;
}

/// A method at work on one image.
pub type Work<'s> = Pin<Box<dyn Future<Output = Result<MethodOutput>> + 's>>;

/// What a method returns.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodOutput {
    /// One saliency map for each target, [targets, H, W], finite.
    pub maps: Tensor,
    /// The standard error of each value of the maps, of their shape and none below 0, where the method estimates them.
    pub errors: Option<Tensor>,
    /// Numbers worth reporting, by name ("distinct-masks").
    pub measures: Vec<(String, f64)>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
}

/// What a method is called and how it can be set.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodInfo {
    /// The id ("score-cam").
    pub id: String,
    /// The plugin's own version.
    pub version: String,
    /// One line on what it does.
    pub summary: String,
    /// Its options.
    pub options: Vec<OptionSpec>,
    /// Named sets of option values.
    pub presets: Vec<Preset>,
    /// The abilities without which it cannot work.
    pub needs: Abilities,
    /// Whether it looks at a target layer. Where it does not, no layer is looked for and none is tapped.
    pub needs_layer: bool,
}

/// A named set of option values.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// The name ("official").
    pub name: String,
    /// One line on what it reproduces.
    pub summary: String,
    /// Values that differ from the defaults.
    pub values: Vec<(String, String)>,
}

/// One option of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionSpec {
    /// The name ("weight_norm").
    pub name: String,
    /// One line on what it decides.
    pub help: String,
    /// What values it takes.
    pub kind: OptionKind,
    /// The value when none is given.
    pub default: String,
}

/// The values that an option takes.
#[derive(Debug, Clone, PartialEq)]
pub enum OptionKind {
    /// `true` or `false`.
    Flag,
    /// A whole number in a range, both ends included.
    Integer {
        /// The least value.
        min: i64,
        /// The greatest value.
        max: i64,
    },
    /// A finite number in a range, both ends included.
    Number {
        /// The least value.
        min: f64,
        /// The greatest value.
        max: f64,
    },
    /// One of these words.
    Choice(Vec<String>),
    /// Text that the method itself reads; its help says in which form.
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
        Err(Error::invalid(format!("option {} is {value:?}; it takes {wanted}", self.name)))
    }
}

fn range<T: std::fmt::Display + PartialEq>(min: &T, max: &T, unbounded: T) -> String {
    if *max == unbounded { format!("of at least {min}") } else { format!("from {min} to {max}") }
}

impl MethodInfo {
    /// The complete options: defaults, then the preset, then `set`, each value checked.
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

    /// An error when a model of these abilities lacks what the method needs; it names what is lacking.
    pub fn check_needs(&self, abilities: Abilities) -> Result<()> {
        match self.needs.without(abilities) {
            Abilities::NONE => Ok(()),
            lacking => Err(Error::unsupported(format!(
                "method {:?} needs {lacking}, which the model's backend does not offer for it",
                self.id
            ))),
        }
    }

    /// The preset that holds when none is chosen: the first one that changes no default.
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

/// A value for every option of a method, checked against its [`OptionSpec`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Options {
    values: BTreeMap<String, String>,
}

impl Options {
    /// Wraps values that came from [`MethodInfo::resolve`] on the other side of a plugin boundary.
    pub fn from_checked(values: BTreeMap<String, String>) -> Self {
        Self { values }
    }

    /// All values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// The value as it was written; an error when the method has no such option.
    pub fn text(&self, name: &str) -> Result<&str> {
        self.values.get(name).map(String::as_str).ok_or_else(|| {
            Error::internal(format!("option {name:?} was read but is not in the method's list"))
        })
    }

    /// The value of an [`OptionKind::Flag`], [`OptionKind::Integer`] or [`OptionKind::Number`].
    pub fn parse<T: std::str::FromStr>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        text.parse().map_err(|_| Error::invalid(format!("option {name} is {text:?}, which cannot be read")))
    }
}

/// A name that is there twice.
pub fn repeated<'n>(names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}
