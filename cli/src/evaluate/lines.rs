//! `evaluation.jsonl`: what was measured, a line for each photo, written as it comes. The first line says by which settings;
//! a run with the same ones goes on behind the last whole line.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use scorecam::evaluation::{Localized, Measure};
use scorecam::{Error, Result};
use scorecam_core::bail;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was measured of a photo.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    /// Its name in the data.
    pub(crate) sample: String,
    /// The files and annotations that it was measured by: where these have changed, it is measured anew.
    pub(crate) made_of: Value,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// Why nothing was.
    Error(String),
    Measured(Box<Measured>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// What the maps explain: "class:281".
    pub(crate) target: String,
    pub(crate) label: Option<String>,
    /// The annotated class, where there is one.
    pub(crate) expected: Option<String>,
    /// The score of the target on the photo.
    pub(crate) score: f64,
    /// All passes, and those of explanations among them.
    pub(crate) passes: usize,
    pub(crate) seconds: f64,
    pub(crate) maps: Vec<MapLine>,
    /// The number of its pictures for the report, where it has any.
    pub(crate) pictures: Option<usize>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MapLine {
    /// The method, baseline or other tool.
    pub(crate) map: String,
    /// Passes of its explanation.
    pub(crate) passes: usize,
    pub(crate) values: BTreeMap<Measure, f64>,
    /// The scores at the points of the deletion curve.
    pub(crate) deletion: Option<Vec<f64>>,
    /// The same of the insertion curve.
    pub(crate) insertion: Option<Vec<f64>>,
    /// The box of the map in pixels of the photo, where objects are annotated.
    pub(crate) found: Option<[f64; 4]>,
    /// What the map adds to the measures of the whole set.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) set: Option<Localized>,
}

/// The name of the file in the folder of results.
pub(crate) const FILE: &str = "evaluation.jsonl";

/// The file, open for more lines, and locked.
pub(crate) struct Lines {
    path: PathBuf,
    file: File,
    /// What is measured, by sample, and what of.
    known: HashMap<String, (Value, Measured)>,
    /// How many lines there are behind the first.
    pub(crate) count: usize,
}

impl Lines {
    /// Opens the file in `folder`; what it holds was made by these `settings`, or is replaced where that is wanted.
    pub(crate) fn open(folder: &Path, settings: &Value, overwrite: bool) -> Result<Self> {
        let path = folder.join(FILE);
        let failed = |e| Error::io(format!("{}: {e}", path.display()));
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(failed)?;
        // Some network file systems have no locks; a run is possible there, but unguarded.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            bail!(
                io,
                "another evaluation is writing to {}; wait for it, or choose another --out",
                folder.display()
            );
        }
        // A kill may have cut a character.
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let text = String::from_utf8_lossy(&text);
        // A line without its end was being written when a run was killed.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut count = 0;
        let mut lines = text[..whole].lines();
        let is_same = lines
            .next()
            .map(|line| serde_json::from_str::<Value>(line).is_ok_and(|found| found == *settings));
        let mut known = HashMap::new();
        match is_same {
            Some(true) => {
                file.set_len(whole as u64).map_err(failed)?;
                for (i, line) in lines.enumerate() {
                    let line: Line = serde_json::from_str(line).map_err(|e| {
                        Error::invalid(format!(
                            "{}:{}: {e}; choose another --out, or give --overwrite",
                            path.display(),
                            i + 2
                        ))
                    })?;
                    count += 1;
                    if let Outcome::Measured(measured) = line.outcome {
                        known.insert(line.sample, (line.made_of, *measured));
                    }
                }
            }
            Some(false) if !overwrite => bail!(
                invalid,
                "{} contains results from other settings; choose another --out, or give --overwrite to start over",
                path.display()
            ),
            Some(false) | None => {
                file.set_len(0).map_err(failed)?;
                writeln!(file, "{settings}").map_err(failed)?;
            }
        }
        Ok(Self { path, file, known, count })
    }

    /// What was measured of a sample that is made of these.
    pub(crate) fn known(&self, sample: &str, made_of: &Value) -> Option<&Measured> {
        self.known.get(sample).filter(|(known, _)| known == made_of).map(|(_, measured)| measured)
    }

    /// Adds what came of a photo.
    pub(crate) fn add(&mut self, line: Line) -> Result<()> {
        let failed = |e: std::io::Error| Error::io(format!("{}: {e}", self.path.display()));
        let text =
            serde_json::to_string(&line).map_err(|e| Error::internal(format!("a line of results: {e}")))?;
        // One write, so that a kill leaves a whole line or a part that is known to be one.
        self.file.write_all(format!("{text}\n").as_bytes()).map_err(failed)?;
        self.count += 1;
        if let Outcome::Measured(measured) = line.outcome {
            self.known.insert(line.sample, (line.made_of, *measured));
        }
        Ok(())
    }
}
