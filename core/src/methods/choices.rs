//! Helpers for a method's options and presets: their descriptions and values.
//!
//! A choice is a table of words with their meanings. The description for callers and the parsing of a value both use
//! this table, so they cannot differ.
//!
//! ```
//! use scorecam_core::methods::choices::{choice, pick, spec};
//! # use scorecam_core::{Abilities, MethodInfo};
//! #[derive(Clone, Copy, PartialEq, Debug)]
//! enum Sign { Plus, Minus }
//! const SIGN: &[(&str, Sign)] = &[("plus", Sign::Plus), ("minus", Sign::Minus)];
//!
//! let option = spec("sign", choice(SIGN), "plus", "which evidence counts");
//! # let info = MethodInfo {
//! #     id: "m".into(), version: "1".into(), summary: String::new(), options: vec![option],
//! #     presets: vec![], needs: Abilities::NONE, needs_layer: true,
//! # };
//! let options = info.resolve(None, &[("sign".into(), "minus".into())])?;
//! assert_eq!(pick(&options, "sign", SIGN)?, Sign::Minus);
//! # Ok::<(), scorecam_core::Error>(())
//! ```

use crate::{ClassScore, Error, OptionKind, OptionSpec, Options, Preset, Result, Upsample};

/// What the score of a class is.
pub const SCORE: &[(&str, ClassScore)] =
    &[("softmax", ClassScore::Softmax), ("logit", ClassScore::Logit), ("sigmoid", ClassScore::Sigmoid)];

/// One option: its name, the values that it takes, its default and one line on what it decides.
pub fn spec(name: &str, kind: OptionKind, default: &str, help: &str) -> OptionSpec {
    OptionSpec { name: name.into(), help: help.into(), kind, default: default.into() }
}

/// `specs` with another default of the option `name`.
pub fn with_default(mut specs: Vec<OptionSpec>, name: &str, default: &str) -> Vec<OptionSpec> {
    specs.iter_mut().filter(|spec| spec.name == name).for_each(|spec| spec.default = default.into());
    specs
}

/// One of the words of a table.
pub fn choice<T>(words: &[(&str, T)]) -> OptionKind {
    OptionKind::Choice(words.iter().map(|(w, _)| (*w).to_owned()).collect())
}

/// A way of resizing.
pub fn upsample() -> OptionKind {
    choice(&Upsample::ALL.map(|mode| (mode.name(), mode)))
}

/// A number from `min` to `max`.
pub fn number(min: f64, max: f64) -> OptionKind {
    OptionKind::Number { min, max }
}

/// What the value of a [`choice`] means.
pub fn pick<T: Clone>(options: &Options, name: &str, words: &[(&str, T)]) -> Result<T> {
    let word = options.text(name)?;
    let found = words.iter().find(|(w, _)| *w == word).map(|(_, value)| value.clone());
    found.ok_or_else(|| Error::invalid(format!("option {name} is {word:?}, which it does not take")))
}

/// The value of an [`upsample`].
pub fn pick_upsample(options: &Options, name: &str) -> Result<Upsample> {
    pick(options, name, &Upsample::ALL.map(|mode| (mode.name(), mode)))
}

/// Presets from rows of a name, what it reproduces, and `key=value` pairs with spaces between them.
pub fn presets(rows: &[(&str, &str, &str)]) -> Vec<Preset> {
    let values = |pairs: &str| {
        let pairs = pairs.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let preset = |&(name, summary, pairs): &(&str, &str, &str)| Preset {
        name: name.into(),
        summary: summary.into(),
        values: values(pairs),
    };
    rows.iter().map(preset).collect()
}
