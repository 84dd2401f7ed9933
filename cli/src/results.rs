//! [`Results`]: what came of each input, told in the order of the inputs.
//!
//! Several inputs are at work at once and end in any order. What is said of one (warnings, its summary or its error)
//! waits here until all before it are told, so that a run reads the same every time. Whoever adds a result tells what
//! has become due and goes on: no thread waits for another's input.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use scorecam_core::{Error, Result};

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
    told: Mutex<Told>,
}

/// Whether a summary of each input is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summaries {
    /// To standard output.
    Printed,
    /// Not at all, since standard output is for something else.
    Left,
}

struct Told {
    run: Run,
    /// How many inputs are told.
    count: usize,
    /// Results of later ones.
    waiting: BTreeMap<usize, Result<Outcome, FailedInput>>,
    /// Warnings that were shown; each is, once.
    warned: HashSet<String>,
    /// Why nothing more can be told.
    stopped: Option<Error>,
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
        let told = Told { run: Run::default(), count: 0, waiting: BTreeMap::new(), warned, stopped: None };
        Self { inputs, bars, summaries, journal, told: Mutex::new(told) }
    }

    /// Adds the result of the input at `position`, and tells all that are due.
    pub(crate) fn add(&self, position: usize, result: Result<Outcome>) {
        let mut told = self.lock();
        if told.stopped.is_some() {
            return;
        }
        let result = result.map_err(|error| FailedInput {
            input: shown(&self.inputs[position]),
            error: error.to_string(),
            file: self.journal.map(|_| key(&self.inputs[position])),
        });
        if let Err(error) = self.record(&result) {
            told.stopped = Some(error);
            return;
        }
        told.waiting.insert(position, result);
        while let Some(result) = {
            let count = told.count;
            told.waiting.remove(&count)
        } {
            told.count += 1;
            match result {
                Ok(outcome) => self.tell(&mut told, outcome),
                Err(failed) => {
                    self.bars.aside(|| terminal::error(&failed.error));
                    told.run.errors.push(failed);
                }
            }
        }
    }

    /// Writes a result into the journal. It does not wait for those before it, as what is told does.
    fn record(&self, result: &Result<Outcome, FailedInput>) -> Result<()> {
        let Some(journal) = self.journal else { return Ok(()) };
        journal.add(&match result {
            Ok(outcome) => Line::Result(Box::new(outcome.clone())),
            Err(failed) => Line::Error(failed.clone()),
        })
    }

    /// Ends the run before its inputs: what comes in from now on is not told.
    pub(crate) fn stop(&self, error: Error) {
        self.lock().stopped.get_or_insert(error);
    }

    /// Whether the run ended before its inputs.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped.is_some()
    }

    /// All of them, or why the run ended before.
    pub(crate) fn into_run(self) -> Result<Run> {
        let told = self.told.into_inner().unwrap_or_else(PoisonError::into_inner);
        told.stopped.map_or(Ok(told.run), Err)
    }

    fn tell(&self, told: &mut Told, outcome: Outcome) {
        for warning in &outcome.warnings {
            if told.warned.insert(warning.clone()) {
                self.bars.aside(|| terminal::warning(format_args!("{}: {warning}", outcome.input)));
            }
        }
        if self.summaries == Summaries::Printed
            && let Err(error) = self.bars.aside(|| terminal::print(&outcome.summary()))
        {
            told.stopped = Some(error);
        }
        told.run.results.push(outcome);
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
