//! What a run of `bench --peers` has found out: numbers and names, nothing of how they are shown.
//!
//! The page and the chart are made of this alone, so both can be tested without running anything.

use serde::{Deserialize, Serialize};

use crate::nvidia::Gpu;

/// All that the page tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The command that made it.
    pub(crate) command: String,
    pub(crate) machine: Machine,
    /// Program and version.
    pub(crate) versions: Vec<(String, String)>,
    /// The file of the chart, beside the page.
    pub(crate) chart: String,
    pub(crate) models: Vec<Measured>,
    pub(crate) quality: Vec<Quality>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    /// Threads of every tool.
    pub(crate) threads: usize,
    pub(crate) memory_gb: Option<f64>,
    pub(crate) system: String,
    /// Where the models of every tool run.
    pub(crate) device: String,
    /// Of a GPU, as far as its driver tells.
    pub(crate) gpu: Option<Gpu>,
}

/// One model's turn on one photo.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) model: String,
    pub(crate) layer: String,
    /// Channels of the layer: as many masks as there are without leaving any out.
    pub(crate) channels: u64,
    pub(crate) photo: String,
    pub(crate) class: u64,
    pub(crate) engines: Vec<Engine>,
    pub(crate) rows: Vec<Row>,
}

/// What one pass costs, without anything around it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) engine: String,
    /// Batch size, and milliseconds per image.
    pub(crate) batches: Vec<(u64, f64)>,
}

impl Engine {
    /// The batch size with the shortest time per image, and that time.
    pub(crate) fn best(&self) -> (u64, f64) {
        self.batches.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((1, f64::NAN))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) tool: String,
    pub(crate) kind: Kind,
    /// The map it computes, by the name of our method and preset.
    pub(crate) map: String,
    /// Median over the runs.
    pub(crate) seconds: f64,
    pub(crate) runs: usize,
    /// How many times as long as our exact map of the same kind; median over pairs of runs next to each other.
    pub(crate) times_ours: Option<f64>,
    pub(crate) passes: u64,
    /// Runs of the part of the network behind the layer.
    #[serde(default)]
    pub(crate) head_passes: u64,
    pub(crate) peak_mb: Option<f64>,
    /// Of the GPU's memory.
    pub(crate) device_mb: Option<f64>,
    pub(crate) distance: Option<Distance>,
    /// Of the map, as the method gives it.
    pub(crate) estimated_error: Option<f64>,
}

impl Row {
    /// A row of a tool that has not run yet.
    pub(crate) fn new(tool: String, kind: Kind, map: &str) -> Row {
        Row {
            tool,
            kind,
            map: map.to_owned(),
            seconds: f64::NAN,
            runs: 0,
            times_ours: None,
            passes: 0,
            head_passes: 0,
            peak_mb: None,
            device_mb: None,
            distance: None,
            estimated_error: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Our exact map on the engine that all ratios refer to.
    Reference,
    /// Ours, in another way or on another engine.
    Ours,
    /// Another tool that computes the same map.
    Peer,
}

/// How far a map is from our exact one of the same kind.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Distance {
    /// Largest difference of a pixel; both maps are 0 to 1.
    pub(crate) largest: f64,
    /// Length of the difference by length of the exact map.
    pub(crate) relative: f64,
    pub(crate) correlation: f64,
}

/// How good a model's maps are that were made with fewer passes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Quality {
    pub(crate) model: String,
    pub(crate) photos: usize,
    /// Passes of the exact map, the mean over the photos.
    pub(crate) exact_passes: f64,
    pub(crate) lines: Vec<Line>,
}

/// One method over all budgets.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) method: String,
    pub(crate) points: Vec<Point>,
    /// On how many of all maps of the line the true error was at most the estimated one, 0 to 1.
    pub(crate) coverage: Option<f64>,
}

/// One method at one budget, over all photos.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) budget: u64,
    pub(crate) mean_correlation: f64,
    pub(crate) worst_correlation: f64,
    pub(crate) mean_error: f64,
    pub(crate) worst_error: f64,
    pub(crate) mean_estimate: Option<f64>,
    /// The share of the time that was not spent in the engine, 0 to 1.
    pub(crate) mean_outside: f64,
}

/// The middle of some numbers; NaN of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}
