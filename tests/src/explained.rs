//! Calls that many tests make alike: an explanation of a tensor, and an error that is one line.

use scorecam::{Error, ErrorKind, ExplainOptions, Explainer, Explanation, Host, Model, Result, Tensor};

/// Explains `input` [1, C, H, W], used as it is.
pub fn explained(
    host: &Host,
    model: &Model,
    options: &ExplainOptions,
    input: &Tensor,
) -> Result<Explanation> {
    Explainer::new(host, model, options)?.explain(&input.clone().into())
}

/// Options or settings as pairs of owned text.
pub fn pairs<C: FromIterator<(String, String)>>(pairs: &[(&str, &str)]) -> C {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// Asserts that `result` is an error of `kind`, one line that contains every word.
pub fn refused<T>(result: Result<T>, kind: ErrorKind, words: &[&str]) {
    let error: Error = result.err().unwrap_or_else(|| panic!("no error; {words:?} was expected"));
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    assert!(!message.contains('\n') && message.len() < 600, "not one line: {message}");
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}
