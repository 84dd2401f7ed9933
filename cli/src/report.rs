//! What a run found, for programs (JSON) and for people.
//!
//! The field names of these structs are the JSON's, and part of the program's interface. Paths are written
//! as they were given; what is not UTF-8 in them is replaced.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use scorecam::is_given_box;
use scorecam_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::located::Located;
use crate::record::Trace;
use crate::survey::Kept;

/// All of a run.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    /// One entry for each input that was explained, in the order of the inputs.
    pub(crate) results: Vec<Outcome>,
    /// The inputs that were not, and why; left out when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) errors: Vec<FailedInput>,
}

/// One explained input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) input: String,
    pub(crate) model: String,
    pub(crate) backend: String,
    /// Why this one, where there were several and none was asked for by its id.
    pub(crate) backend_reason: Option<String>,
    pub(crate) method: String,
    pub(crate) preset: Option<String>,
    pub(crate) layer: String,
    /// Images run through the model.
    pub(crate) passes: usize,
    pub(crate) seconds: Seconds,
    /// Numbers that the method reports; one that is not finite is null.
    pub(crate) measures: BTreeMap<String, Option<f64>>,
    pub(crate) warnings: Vec<String>,
    pub(crate) targets: Vec<TargetOutcome>,
    /// How its files came about, in an output folder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) record: Option<Trace>,
    /// Its pictures, where a report is going to show them.
    #[serde(skip)]
    pub(crate) pictures: Option<Kept>,
}

/// Wall-clock time by stage. Inputs that are at work at once share the processor and the model's batches, so each of
/// their times includes what it waited for others: together they are more than the run took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Seconds {
    pub(crate) decode: f64,
    pub(crate) preprocess: f64,
    pub(crate) forward: f64,
    pub(crate) passes: f64,
    pub(crate) map: f64,
    /// From before decoding until the last file is written.
    pub(crate) total: f64,
}

/// One explained target of an input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TargetOutcome {
    /// What was asked, in words.
    #[serde(default)]
    pub(crate) target: String,
    /// The class that it is about.
    pub(crate) class: Option<usize>,
    pub(crate) label: Option<String>,
    /// A class's probability, 0 to 1; the number of another target.
    pub(crate) score: f64,
    /// The model's raw output for a class; the number of another target.
    pub(crate) output: f32,
    /// The box that the target is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) detection: Option<Detected>,
    /// Where its map lies, as far as that was asked.
    #[serde(flatten)]
    pub(crate) located: Located,
    /// The file with the map; shared by all targets of an input.
    pub(crate) map: Option<String>,
    pub(crate) overlay: Option<String>,
}

/// A box in a photo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Detected {
    /// x0, y0, x1, y1 in pixels of the photo; of the input where a tensor was explained.
    #[serde(rename = "box")]
    pub(crate) rect: [f64; 4],
    /// How sure the detector is, 0 to 1.
    pub(crate) score: f64,
}

/// One input that could not be explained.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FailedInput {
    pub(crate) input: String,
    pub(crate) error: String,
    /// The input without links, in an output folder.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) file: Option<String>,
}

/// A path as it is written into JSON.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The items that are new, looked at from the last one back, in their order.
fn last_of<T>(mut items: Vec<T>, is_new: impl FnMut(&T) -> bool) -> Vec<T> {
    items.reverse();
    items.retain(is_new);
    items.reverse();
    items
}

impl Run {
    pub(crate) fn json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::internal(format!("cannot write the results as JSON: {e}")))?;
        Ok(text + "\n")
    }

    /// Adds what a later run found. What it found of an input, an error included, replaces what was known; of two
    /// results of one input in it, the last one counts.
    pub(crate) fn update(&mut self, newer: Run) {
        let mut known: HashSet<String> = HashSet::new();
        let mut is_new = |key: Option<&str>| key.is_none_or(|key| known.insert(key.to_owned()));
        let mut results = last_of(newer.results, |outcome| is_new(outcome.input_key()));
        let mut errors = last_of(newer.errors, |failed| is_new(failed.file.as_deref()));
        let is_old = |key: Option<&str>| key.is_none_or(|key| !known.contains(key));
        self.results.retain(|outcome| is_old(outcome.input_key()));
        self.errors.retain(|failed| is_old(failed.file.as_deref()));
        self.results.append(&mut results);
        self.errors.append(&mut errors);
    }
}

impl Outcome {
    /// Whether each map has as much on the region as was asked.
    pub(crate) fn is_enough(&self) -> bool {
        let enough = |target: &TargetOutcome| target.located.on_region.as_ref().and_then(|on| on.enough);
        self.targets.iter().all(|target| enough(target) != Some(false))
    }

    /// The input's file without links; none outside an output folder.
    pub(crate) fn input_key(&self) -> Option<&str> {
        Some(&self.record.as_ref()?.read.first()?.file)
    }

    /// A few lines for a reader at a terminal.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!("{}\n", self.input);
        for target in &self.targets {
            let label = target.label.as_ref().map(|l| format!(" {l}")).unwrap_or_default();
            let words = match (target.target.strip_prefix("class:"), target.class) {
                (Some(_), Some(class)) => format!("class {class}{label}: score"),
                (_, Some(class)) if target.detection.is_some() => {
                    let score = target.detection.as_ref().map_or(0.0, |found| found.score);
                    let what = if is_given_box(&target.target) { "similarity" } else { "detected with" };
                    format!("{}, class {class}{label}, {what} {score:.2}:", target.target)
                }
                (_, Some(class)) => format!("{}, class {class}{label}:", target.target),
                (_, None) => format!("{}:", target.target),
            };
            text.push_str(&format!("  {words} {:.4}\n{}", target.score, target.located.words()));
        }
        let preset = self.preset.as_ref().map(|p| format!(", preset {p}")).unwrap_or_default();
        let measure = |name: &str| self.measures.get(name).copied().flatten();
        let measured = |name: &str, words: &str| measure(name).map(|e| format!(", {words} {e:.3}"));
        let error = measured("estimated-error", "estimated error")
            .or_else(|| measured("standard-error", "standard error at most"));
        let heads = measure("head-passes").map(|n| format!(" and {n} head passes"));
        let layer = if self.layer.is_empty() { String::new() } else { format!(" at layer {}", self.layer) };
        text.push_str(&format!(
            "  {}{preset}{layer} on {}: {} pass{}{} in {:.2} s{}\n",
            self.method,
            self.backend,
            self.passes,
            if self.passes == 1 { "" } else { "es" },
            heads.unwrap_or_default(),
            self.seconds.total,
            error.unwrap_or_default()
        ));
        let mut files: Vec<&String> = self.targets.iter().filter_map(|t| t.map.as_ref()).take(1).collect();
        files.extend(self.targets.iter().filter_map(|t| t.overlay.as_ref()));
        for file in files {
            text.push_str(&format!("  wrote {file}\n"));
        }
        text
    }
}
