//! Options in words: a word, and for some a number behind a colon, as in `top:0.5`.

use crate::{Error, Result};

/// Reads an option called `what`; `read` sees the word and its number, `choices` lists what it accepts.
pub(super) fn read<T>(
    what: &str,
    text: &str,
    choices: &str,
    read: impl FnOnce(&str, Option<f64>) -> Option<T>,
) -> Result<T> {
    let wrong = || Error::invalid(format!("{what} {text:?} does not exist; choose {choices}"));
    let Some((word, number)) = text.split_once(':') else {
        return read(text, None).ok_or_else(wrong);
    };
    let number = number.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(wrong)?;
    read(word, Some(number)).ok_or_else(wrong)
}
