//! The methods that come with the host, in the same table that a plugin exports.

use scorecam_core::methods::{AdaptiveScoreCam, GradCam, ScoreCam};
use scorecam_plugin::abi::scorecam_plugin_table;

scorecam_plugin::plugin_table! {
    static BUILTIN = [
        method: ScoreCam::new(),
        method: AdaptiveScoreCam::new(),
        method: GradCam::new(),
    ];
}

/// The table of the built-in methods.
pub(crate) fn table() -> &'static scorecam_plugin_table {
    &BUILTIN
}
