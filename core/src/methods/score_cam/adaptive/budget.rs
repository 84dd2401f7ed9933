//! [`Budget`]: how many masks may be scored, and which error is good enough.

use std::num::{IntErrorKind, ParseIntError};

use super::super::options;
use crate::methods::choices::spec;
use crate::{Error, OptionKind, OptionSpec, Options, Result};

/// Masks that are scored when neither option says anything.
const PASSES: usize = 128;

/// When to stop.
pub(super) struct Budget {
    /// The most masks to score.
    pub(super) passes: usize,
    /// The estimated error at which to stop; 0 when only passes count.
    pub(super) error: f64,
}

/// The options of Score-CAM and the two of the budget.
pub(super) fn specs() -> Vec<OptionSpec> {
    let mut specs = vec![
        spec(
            "passes",
            OptionKind::Text,
            "auto",
            "how many masks are scored at most; auto is 128, or as many as option error needs",
        ),
        spec(
            "error",
            OptionKind::Text,
            "none",
            "the relative error of the map at which to stop, above 0 and at most 1, such as 0.05; none looks at passes only",
        ),
    ];
    specs.extend(options::specs());
    specs
}

impl Budget {
    pub(super) fn read(options: &Options) -> Result<Self> {
        let error = match options.text("error")? {
            "none" => None,
            text => Some(text.parse().ok().filter(|&e: &f64| e > 0.0 && e <= 1.0).ok_or_else(|| {
                Error::invalid(format!(
                    "option error is {text:?}; it takes a number above 0 and at most 1, such as 0.05, or none"
                ))
            })?),
        };
        let passes = match (options.text("passes")?, error) {
            ("auto", None) => PASSES,
            ("auto", Some(_)) => usize::MAX,
            (text, _) => whole_number(text).filter(|&n| n > 0).ok_or_else(|| {
                Error::invalid(format!(
                    "option passes is {text:?}; it takes a whole number of at least 1, or auto"
                ))
            })?,
        };
        Ok(Self { passes, error: error.unwrap_or(0.0) })
    }
}

/// More than can be counted is as many as there are.
fn whole_number(text: &str) -> Option<usize> {
    text.parse()
        .or_else(|e: ParseIntError| match e.kind() {
            IntErrorKind::PosOverflow => Ok(usize::MAX),
            _ => Err(e),
        })
        .ok()
}
