//! What a caller may set of ONNX Runtime itself: `ModelConfig::settings`, checked and typed.
//!
//! | key | values | default |
//! |---|---|---|
//! | `runtime` | path of the ONNX Runtime library | see [`crate::runtime`] |
//! | `optimization` | `none`, `basic`, `extended`, `all` | `all` |
//! | `arena` | `on`, `off`: keep freed memory for the next pass | `on` |
//! | `spinning` | `on`, `off`: idle threads wait for work in a loop | `on` |

use std::collections::BTreeMap;
use std::path::PathBuf;

use ort::session::builder::GraphOptimizationLevel;
use scorecam_core::{Error, Result};

const KNOWN: &str = "runtime, optimization, arena, spinning";

/// The typed settings of one model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    pub(crate) runtime: Option<PathBuf>,
    pub(crate) optimization: GraphOptimizationLevel,
    pub(crate) arena: bool,
    pub(crate) spinning: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { runtime: None, optimization: GraphOptimizationLevel::All, arena: true, spinning: true }
    }
}

impl Settings {
    /// Reads `settings`; an error for an unknown key, which lists those that there are, or a wrong value.
    pub(crate) fn parse(settings: &BTreeMap<String, String>) -> Result<Self> {
        let mut parsed = Self::default();
        for (key, value) in settings {
            match key.as_str() {
                "runtime" if value.is_empty() => {
                    return Err(Error::invalid("setting \"runtime\" is empty; give the path of the library"));
                }
                "runtime" => parsed.runtime = Some(value.into()),
                "optimization" => parsed.optimization = optimization(value)?,
                "arena" => parsed.arena = switch(key, value)?,
                "spinning" => parsed.spinning = switch(key, value)?,
                _ => {
                    return Err(Error::not_found(format!("setting {key:?} is not known; settings: {KNOWN}")));
                }
            }
        }
        Ok(parsed)
    }
}

fn optimization(value: &str) -> Result<GraphOptimizationLevel> {
    match value {
        "none" => Ok(GraphOptimizationLevel::Disable),
        "basic" => Ok(GraphOptimizationLevel::Level1),
        "extended" => Ok(GraphOptimizationLevel::Level2),
        "all" => Ok(GraphOptimizationLevel::All),
        _ => Err(Error::invalid(format!(
            "setting \"optimization\" is {value:?}; give none, basic, extended or all"
        ))),
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
        Settings::parse(&BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    #[test]
    fn settings_are_typed_and_unknown_ones_are_refused() {
        assert_eq!(Settings::parse(&BTreeMap::new()), Ok(Settings::default()));
        assert_eq!(parse("arena", "off").map(|s| s.arena), Ok(false));
        assert_eq!(parse("spinning", "off").map(|s| s.spinning), Ok(false));
        assert_eq!(
            parse("optimization", "basic").map(|s| s.optimization),
            Ok(GraphOptimizationLevel::Level1)
        );
        for (key, value, expected) in [
            ("run_time", "x", "setting \"run_time\" is not known; settings: runtime, optimization"),
            ("arena", "yes", "setting \"arena\" is \"yes\"; give on or off"),
            ("optimization", "fast", "give none, basic, extended or all"),
            ("runtime", "", "is empty"),
        ] {
            let message = parse(key, value).map_err(|e| e.to_string()).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
