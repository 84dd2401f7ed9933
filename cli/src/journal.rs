//! The results of a run as they come, in `results.jsonl` of its output folder.
//!
//! Each line is written at once and whole, so that a run which is stopped in whatever way loses the photos that it
//! was at work on, and nothing else. Files are announced before they are written: what a run that was stopped left
//! behind is known for its own. At the end all results are in `results.json`, and the lines go.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use scorecam_core::{Error, Result};

use crate::output;
use crate::record::{LINES, Line, RESULTS, Record, Texts};
use crate::report::Run;

/// The open journal of a folder. It is locked, so that two runs never write into one folder at once.
pub(crate) struct Journal {
    folder: PathBuf,
    file: Mutex<File>,
    /// Its file is gone; there may be another run's by now.
    is_finished: bool,
}

impl Journal {
    /// Opens the journal of a folder whose record is `record`. Lines of a run that was stopped stay; an error where
    /// another run is at work in the folder, or has been since the record was read.
    pub(crate) fn open(folder: &Path, record: &Record) -> Result<Self> {
        let path = folder.join(LINES);
        let failed = |e: std::io::Error| Error::io(format!("cannot write {}: {e}", path.display()));
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        let busy = || {
            Error::io(format!(
                "another run is writing to folder {}; wait for it, or choose another --out",
                folder.display()
            ))
        };
        // Some network file systems have no locks; a run is possible there, but unguarded.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(busy());
        }
        let journal = Self { folder: folder.to_path_buf(), file: Mutex::new(file), is_finished: false };
        let texts = Texts::read(folder)?;
        let lines = |texts: &Texts| texts.lines.clone().unwrap_or_default();
        let known = record.text();
        // The file that was opened may be gone: a run that ends takes it away.
        if texts.lines.is_none() || texts.results != known.results || lines(&texts) != lines(known) {
            return Err(busy());
        }
        journal.drop_torn_line().map_err(failed)?;
        output::check_writable(&folder.join(RESULTS))?;
        Ok(journal)
    }

    /// Adds a line.
    pub(crate) fn add(&self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line)
            .map_err(|e| Error::internal(format!("cannot write a result as JSON: {e}")))?;
        text.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes())
            .map_err(|e| Error::io(format!("cannot write {}: {e}", self.folder.join(LINES).display())))
    }

    /// Writes all results of the folder; the lines are needed no more.
    pub(crate) fn finish(mut self, run: &Run) -> Result<()> {
        if !run.results.is_empty() || !run.errors.is_empty() {
            output::write_text(&self.folder.join(RESULTS), &run.json()?)?;
        }
        let path = self.folder.join(LINES);
        std::fs::remove_file(&path)
            .map_err(|e| Error::io(format!("cannot remove {}: {e}", path.display())))?;
        self.is_finished = true;
        Ok(())
    }

    /// Takes away what follows the last line break: it was being written when a run was stopped.
    fn drop_torn_line(&self) -> std::io::Result<()> {
        let bytes = std::fs::read(self.folder.join(LINES))?;
        let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |last| last + 1);
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if whole < bytes.len() { file.set_len(whole as u64) } else { Ok(()) }
    }
}

impl Drop for Journal {
    /// A run that came to nothing leaves nothing.
    fn drop(&mut self) {
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join(LINES);
        if !self.is_finished && file.metadata().is_ok_and(|m| m.len() == 0) {
            std::fs::remove_file(path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::FailedInput;

    #[test]
    fn a_folder_has_one_run_at_a_time_and_no_line_is_lost() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(LINES);
        let record = || Record::read(folder.path()).expect("a record");
        let journal = Journal::open(folder.path(), &record()).expect("free");
        let error = Journal::open(folder.path(), &record()).err().expect("busy").to_string();
        assert!(error.contains("another run is writing to folder"), "{error}");
        let failed = |input: &str| {
            Line::Error(FailedInput { input: input.into(), error: "broken".into(), file: Some(input.into()) })
        };
        journal.add(&failed("a")).expect("written");
        drop(journal);
        let text = std::fs::read_to_string(&path).expect("lines");
        std::fs::write(&path, text + "{\"error\":{\"inp").expect("written");

        let journal = Journal::open(folder.path(), &record()).expect("free again");
        journal.add(&failed("b")).expect("written");
        let run = record().run().clone();
        let inputs: Vec<&str> = run.errors.iter().map(|e| e.input.as_str()).collect();
        assert_eq!(inputs, ["a", "b"]);
        journal.finish(&run).expect("written");
        assert!(!path.exists() && folder.path().join(RESULTS).exists());
        let stale = Record::default();
        assert!(Journal::open(folder.path(), &stale).is_err(), "results came since");
        drop(Journal::open(folder.path(), &record()).expect("free"));
        assert!(!path.exists(), "nothing is left of a run that came to nothing");
    }
}
