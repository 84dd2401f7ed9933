//! What a caller may set of libtorch itself: `ModelConfig::settings`, checked and typed.
//!
//! | key | values | default |
//! |---|---|---|
//! | `optimization` | `none`, `all`: whether scoring passes run on a frozen and optimised graph | `all` |
//!
//! The plugin has one more, `runtime`, and takes it out before the engine is asked.

use std::collections::BTreeMap;

use scorecam_plugin::{Error, Result};

/// The typed settings of one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) optimized: bool,
}

impl Settings {
    /// Reads `settings`; an error for an unknown key, which lists those that there are, or a wrong value.
    pub(crate) fn parse(settings: &BTreeMap<String, String>) -> Result<Self> {
        let mut parsed = Self { optimized: true };
        for (key, value) in settings {
            match (key.as_str(), value.as_str()) {
                ("optimization", "all") => parsed.optimized = true,
                ("optimization", "none") => parsed.optimized = false,
                ("optimization", _) => {
                    let text = format!("setting \"optimization\" is {value:?}; give none or all");
                    return Err(Error::invalid(text));
                }
                _ => {
                    let text = format!("setting {key:?} is not known; settings: runtime, optimization");
                    return Err(Error::not_found(text));
                }
            }
        }
        Ok(parsed)
    }
}
