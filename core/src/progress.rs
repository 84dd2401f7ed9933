//! The progress of an explain call, which its caller receives and may use to cancel.

use std::cell::Cell;
use std::ops::ControlFlow;

use crate::{Error, Result};

/// The progress of an explain call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The current stage.
    pub stage: Stage,
    /// Passes so far, including the first one and those from an inner layer.
    pub passes: usize,
    /// Expected total of passes; 0 if unknown.
    pub expected: usize,
}

/// The stage of an explain call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The first pass, for scores and activations.
    Forward,
    /// The method's passes, mainly masked ones.
    Passes,
    /// Done.
    Done,
}

/// Receives progress reports; [`ControlFlow::Break`] cancels. Called on the thread of the explain call, one report at a
/// time.
pub type Report<'a> = dyn Fn(Progress) -> ControlFlow<()> + 'a;

/// Tells whether the caller's time limit has expired. Core uses no clock, so the caller supplies one.
pub type TimeUp<'a> = dyn Fn() -> bool + 'a;

/// Counts the passes of one explain call and reports them. After a cancellation it reports nothing more.
pub(crate) struct Monitor<'a> {
    report: Option<Box<Report<'a>>>,
    time_up: Option<Box<TimeUp<'a>>>,
    stage: Cell<Stage>,
    passes: Cell<usize>,
    /// Those of the passes that ran the part of the model behind the layer alone.
    head_passes: Cell<usize>,
    expected: Cell<usize>,
    cancelled: Cell<bool>,
}

impl<'a> Monitor<'a> {
    pub(crate) fn new(report: Option<Box<Report<'a>>>, time_up: Option<Box<TimeUp<'a>>>) -> Self {
        Self {
            report,
            time_up,
            stage: Cell::new(Stage::Forward),
            passes: Cell::new(0),
            head_passes: Cell::new(0),
            expected: Cell::new(0),
            cancelled: Cell::new(false),
        }
    }

    /// Passes made so far, those of the part behind the layer included.
    pub(crate) fn passes(&self) -> usize {
        self.passes.get()
    }

    /// Passes made so far of the part behind the layer alone.
    pub(crate) fn head_passes(&self) -> usize {
        self.head_passes.get()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    pub(crate) fn enter(&self, stage: Stage) -> Result<()> {
        self.stage.set(stage);
        self.report()
    }

    /// Expects so many passes from here on.
    pub(crate) fn expect(&self, passes: usize) -> Result<()> {
        self.expected.set(self.passes().saturating_add(passes));
        self.report()
    }

    /// An error when the time is up, so that no pass begins. The unmasked pass is made in any case: its scores are what
    /// there is to return.
    pub(crate) fn check_time(&self) -> Result<()> {
        let is_up = self.stage.get() != Stage::Forward && self.time_up.as_ref().is_some_and(|is_up| is_up());
        match is_up {
            false => Ok(()),
            true => Err(Error::deadline(format!(
                "the time limit expired after {} of {} passes",
                self.passes(),
                self.expected.get()
            ))),
        }
    }

    /// Counts `n` passes; an error where no further ones may begin.
    pub(crate) fn passed(&self, n: usize) -> Result<()> {
        self.passes.set(self.passes() + n);
        self.report()?;
        self.check_time()
    }

    /// Counts `n` passes of the part behind the layer.
    pub(crate) fn head_passed(&self, n: usize) -> Result<()> {
        self.head_passes.set(self.head_passes() + n);
        self.passed(n)
    }

    /// Reports where the call stands; an error from the first cancellation on.
    pub(crate) fn report(&self) -> Result<()> {
        if !self.is_cancelled() {
            let progress =
                Progress { stage: self.stage.get(), passes: self.passes(), expected: self.expected.get() };
            let answer = self.report.as_ref().map_or(ControlFlow::Continue(()), |report| report(progress));
            self.cancelled.set(answer.is_break());
        }
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}
