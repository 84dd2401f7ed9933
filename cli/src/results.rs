//! [`Results`]: what came of each input, reported in the order of the inputs.
//!
//! Several inputs are at work at once and end in any order. What is said of one (warnings, its summary or its error)
//! waits here until all before it are reported, so that a run reads the same every time.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use scorecam_core::Result;

use crate::journal::Journal;
use crate::progress::Bars;
use crate::record::Line;
use crate::report::{FailedInput, Outcome, Run, shown};
use crate::same_file::key;
use crate::terminal;

/// The results of a run, as they come in.
pub(crate) struct Results<'a> {
    inputs: &'a [PathBuf],
    bars: &'a Bars,
    summaries: Summaries,
    journal: Option<&'a Journal>,
    run: Run,
    /// How many inputs are reported.
    count: usize,
    /// Results of later ones.
    waiting: BTreeMap<usize, Result<Outcome, FailedInput>>,
    /// Warnings that were shown; each is, once.
    warned: HashSet<String>,
}

/// Whether a summary of each input is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summaries {
    /// To standard output.
    Printed,
    /// Not at all, since standard output is for something else.
    Left,
}

impl<'a> Results<'a> {
    /// None yet. `warned` are warnings that were shown before; each result goes into the journal as it comes.
    pub(crate) fn new(
        inputs: &'a [PathBuf],
        bars: &'a Bars,
        (summaries, warned): (Summaries, &[String]),
        journal: Option<&'a Journal>,
    ) -> Self {
        let warned = warned.iter().cloned().collect();
        let (run, waiting) = (Run::default(), BTreeMap::new());
        Self { inputs, bars, summaries, journal, run, count: 0, waiting, warned }
    }

    /// Adds the result of the input at `position`, and reports all that are due; an error where the run cannot go on.
    pub(crate) fn add(&mut self, position: usize, result: Result<Outcome>) -> Result<()> {
        let result = result.map_err(|error| FailedInput {
            input: shown(&self.inputs[position]),
            error: error.to_string(),
            file: self.journal.map(|_| key(&self.inputs[position])),
        });
        self.record(&result)?;
        self.waiting.insert(position, result);
        while let Some(result) = self.waiting.remove(&self.count) {
            self.count += 1;
            match result {
                Ok(outcome) => self.report(outcome)?,
                Err(failed) => {
                    self.bars.aside(|| terminal::error(&failed.error));
                    self.run.errors.push(failed);
                }
            }
        }
        Ok(())
    }

    /// All of them.
    pub(crate) fn into_run(self) -> Run {
        self.run
    }

    /// Writes a result into the journal. It does not wait for those before it, as reports do.
    fn record(&self, result: &Result<Outcome, FailedInput>) -> Result<()> {
        let Some(journal) = self.journal else { return Ok(()) };
        journal.add(&match result {
            Ok(outcome) => Line::Result(Box::new(outcome.clone())),
            Err(failed) => Line::Error(failed.clone()),
        })
    }

    fn report(&mut self, outcome: Outcome) -> Result<()> {
        for warning in &outcome.warnings {
            if self.warned.insert(warning.clone()) {
                self.bars.aside(|| terminal::warning(format_args!("{}: {warning}", outcome.input)));
            }
        }
        if self.summaries == Summaries::Printed {
            self.bars.aside(|| terminal::print(&outcome.summary()))?;
        }
        self.run.results.push(outcome);
        Ok(())
    }
}
