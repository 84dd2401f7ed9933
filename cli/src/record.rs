//! The record of an output folder: what earlier runs wrote there, and of what.
//!
//! A folder takes the results of any number of runs. `results.json` holds all of them; a run adds its own, and an
//! input that is explained anew replaces its own earlier result. Refusing a folder that has results would leave a run
//! that was stopped nowhere to go on, and replacing them (as once was done) lost what had taken hours. What is refused
//! is to replace the result of an input by one that was made differently: nobody could tell afterwards.
//!
//! While a run goes on, its results are lines in `results.jsonl` ([`Journal`](crate::journal::Journal)), since writing
//! all results anew for each photo would take longer with each. Here both files are read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use scorecam_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::output::TEMPORARY;
use crate::plan::is_inside;
use crate::report::{FailedInput, Outcome, Run};
use crate::same_file::{key, resolved};

/// The file with all results of a folder.
pub(crate) const RESULTS: &str = "results.json";
/// The file with the results of a run that has not ended.
pub(crate) const LINES: &str = "results.jsonl";

/// All that decides about the files of an input, by name. Two runs that agree in it make the same files.
pub(crate) type Settings = BTreeMap<String, String>;

/// How the files of an input came about; what a later run goes by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trace {
    /// The name of its files in the folder, without class and ending.
    pub(crate) name: String,
    /// The files that were read, the input first, as they were.
    pub(crate) read: Vec<Stamp>,
    /// The files that were written; those in the folder relative to it.
    pub(crate) wrote: Vec<String>,
    pub(crate) settings: Settings,
}

/// A file as it was: one with another size or time has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(crate) file: String,
    pub(crate) bytes: u64,
    /// When it was modified, in milliseconds since 1970.
    pub(crate) modified: u64,
}

impl Stamp {
    /// The stamp of a file; zeros for one that is not there.
    pub(crate) fn of(path: &Path) -> Self {
        let metadata = std::fs::metadata(path).ok();
        let modified = metadata.as_ref().and_then(|m| m.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        Self {
            file: key(path),
            bytes: metadata.map_or(0, |m| m.len()),
            modified: modified.map_or(0, |time| time.as_millis() as u64),
        }
    }
}

/// A line of `results.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Line {
    /// These files are about to be written, under a name in the folder.
    Writing { files: Vec<String> },
    /// An input was explained.
    Result(Box<Outcome>),
    /// An input failed.
    Error(FailedInput),
}

/// What is known of an output folder.
#[derive(Debug, Default)]
pub(crate) struct Record {
    folder: PathBuf,
    run: Run,
    /// Files of the folder that a run which was stopped had begun to write.
    begun: Vec<String>,
    /// Both files as they were read.
    text: Texts,
}

/// The two files of a record; none where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Texts {
    pub(crate) results: Option<String>,
    pub(crate) lines: Option<String>,
}

impl Texts {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                // A folder that cannot be one is said when it is made.
                Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
                Err(e) => Err(Error::io(format!("cannot read {}: {e}", path.display()))),
            }
        };
        Ok(Self { results: read(RESULTS)?, lines: read(LINES)? })
    }
}

impl Record {
    /// Reads the record of a folder, which need not exist. A file of a record's name that is none is an error.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let text = Texts::read(folder)?;
        let stranger = |name: &str, why: &dyn std::fmt::Display| {
            Error::io(format!(
                "{} is not a results file of scorecam ({why}); choose another --out, or move the file",
                folder.join(name).display()
            ))
        };
        let mut record = Self { folder: folder.to_path_buf(), ..Self::default() };
        if let Some(results) = &text.results {
            record.run = serde_json::from_str(results).map_err(|e| stranger(RESULTS, &e))?;
        }
        // What follows the last line break was being written when the run was stopped.
        let whole =
            text.lines.as_deref().and_then(|lines| lines.rsplit_once('\n')).map_or("", |(whole, _)| whole);
        let mut newer = Run::default();
        for line in whole.lines() {
            match serde_json::from_str(line).map_err(|e| stranger(LINES, &e))? {
                Line::Writing { files } => record.begun.extend(files),
                Line::Result(outcome) => newer.results.push(*outcome),
                Line::Error(failed) => newer.errors.push(failed),
            }
        }
        record.run.update(newer);
        record.text = text;
        Ok(record)
    }

    /// The two files as they were read.
    pub(crate) fn text(&self) -> &Texts {
        &self.text
    }

    /// The results, of which the ones in `results.jsonl` replace earlier ones of their inputs.
    pub(crate) fn run(&self) -> &Run {
        &self.run
    }

    /// The results by the keys of their inputs.
    pub(crate) fn by_input(&self) -> HashMap<&str, (&Outcome, &Trace)> {
        self.run.results.iter().filter_map(|o| Some((o.input_key()?, (o, o.record.as_ref()?)))).collect()
    }

    /// The files that earlier runs wrote, without links.
    pub(crate) fn own_files(&self) -> HashSet<PathBuf> {
        let traces = self.run.results.iter().filter_map(|outcome| outcome.record.as_ref());
        let wrote = traces.flat_map(|trace| &trace.wrote).chain(&self.begun);
        wrote.filter(|file| is_inside(file)).map(|file| resolved(&self.folder.join(file))).collect()
    }

    /// Removes the temporary files that a run left behind which was stopped while it wrote: nobody would.
    pub(crate) fn clear_leftovers(&self) {
        let files = self.begun.iter().filter(|file| is_inside(file)).map(|file| self.folder.join(file));
        let folders: HashSet<PathBuf> =
            files.filter_map(|file| file.parent().map(Path::to_path_buf)).collect();
        for entry in folders.iter().flat_map(std::fs::read_dir).flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
                std::fs::remove_file(entry.path()).ok();
            }
        }
    }

    /// Whether all files of a result are there, and what they were made of is as it was.
    pub(crate) fn is_complete(&self, trace: &Trace) -> bool {
        trace.wrote.iter().all(|file| self.folder.join(file).is_file())
            && trace.read.iter().all(|stamp| *stamp == Stamp::of(Path::new(&stamp.file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_both_files_and_a_line_that_was_cut_off_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let read = || Record::read(folder.path());
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        assert!(read().expect("no record").run().results.is_empty());
        write(RESULTS, r#"{"results": [], "errors": [{"input": "a", "error": "old", "file": "/a"}]}"#);
        write(
            LINES,
            "{\"error\":{\"input\":\"a\",\"error\":\"new\",\"file\":\"/a\"}}\n{\"writing\":{\"files\":[\"x.npy\"]}}\n{\"err",
        );
        let record = read().expect("a record");
        let errors: Vec<&str> = record.run().errors.iter().map(|e| e.error.as_str()).collect();
        assert_eq!(errors, ["new"]);
        assert!(record.own_files().contains(&resolved(&folder.path().join("x.npy"))));
        write(LINES, "no line\n");
        assert!(read().expect_err("no record").to_string().contains("results.jsonl is not a results file"));
        write(RESULTS, "[1, 2]");
        assert!(read().expect_err("no record").to_string().contains("results.json is not a results file"));
    }
}
