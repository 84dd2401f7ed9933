//! What the user sees while a run goes on, and how long each stage took.
//!
//! Bars are drawn on a terminal and nowhere else: in a pipe or a log nothing of them appears. What is
//! printed meanwhile goes through [`Bars::aside`], or bar and text would overwrite each other. The clock
//! lives here because core asks none: it reads the stages off the progress reports.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use scorecam_core::{Progress, Stage};

/// The bars of a run: one for all inputs when there are several, one for each input at work.
pub(crate) struct Bars {
    all: MultiProgress,
    inputs: Option<ProgressBar>,
}

impl Bars {
    /// Bars for a run over so many inputs, on stderr.
    pub(crate) fn new(inputs: usize) -> Self {
        let all = MultiProgress::new();
        let bar = (inputs > 1).then(|| {
            let bar = all.add(ProgressBar::new(inputs as u64));
            bar.set_style(style("{pos:>5}/{len} inputs {wide_bar} {eta} left"));
            bar
        });
        Self { all, inputs: bar }
    }

    /// A bar for the passes of one input; it goes when it is dropped by [`Bars::finished`].
    pub(crate) fn input(&self, name: String) -> ProgressBar {
        let bar = self.all.add(ProgressBar::new_spinner());
        bar.set_style(style("{spinner} {msg}"));
        bar.set_message(name);
        bar
    }

    /// Takes the bar of an input away.
    pub(crate) fn finished(&self, bar: &ProgressBar) {
        bar.finish_and_clear();
        self.all.remove(bar);
        if let Some(inputs) = &self.inputs {
            inputs.inc(1);
        }
    }

    /// Runs what prints while no bar is on the screen.
    pub(crate) fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.all.suspend(print)
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Some(inputs) = &self.inputs {
            inputs.finish_and_clear();
        }
    }
}

/// Shows a report on the bar of its input. After the first pass an input may wait for others, and nobody knows for
/// how long; so there is no more than its name until its own passes begin.
pub(crate) fn show(bar: &ProgressBar, progress: Progress) {
    let known = progress.expected > 0 && progress.passes > 1;
    if known && bar.length() != Some(progress.expected as u64) {
        bar.set_style(style("{pos:>5}/{len} passes {wide_bar} {eta} left  {msg}"));
        bar.set_length(progress.expected as u64);
        bar.reset_eta();
    }
    bar.set_position(progress.passes as u64);
}

/// The templates are constants, so a mistake in one shows in the first test that runs.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Reads the stages of one explain call off its progress reports.
pub(crate) struct StageClock(RefCell<Marks>);

struct Marks {
    started: Instant,
    passes: Option<Instant>,
    last_pass: Option<Instant>,
    done: Option<Instant>,
    count: usize,
}

/// How long the stages of an explain call took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct StageTimes {
    /// The first pass.
    pub(crate) forward: Duration,
    /// From there to the end of the last masked pass.
    pub(crate) passes: Duration,
    /// Making the map of the scores.
    pub(crate) map: Duration,
}

impl StageClock {
    pub(crate) fn start() -> Self {
        let started = Instant::now();
        Self(RefCell::new(Marks { started, passes: None, last_pass: None, done: None, count: 0 }))
    }

    /// Takes note of a report at the moment it comes.
    pub(crate) fn note(&self, progress: Progress) {
        let now = Instant::now();
        let mut marks = self.0.borrow_mut();
        match progress.stage {
            Stage::Forward => {}
            Stage::Passes => {
                marks.passes.get_or_insert(now);
                if progress.passes > marks.count {
                    marks.last_pass = Some(now);
                }
            }
            Stage::Done => marks.done = Some(now),
        }
        // The first report of a stage tells the passes of the stage before.
        marks.count = progress.passes;
    }

    pub(crate) fn times(&self) -> StageTimes {
        let marks = self.0.borrow();
        let Some(passes) = marks.passes else { return StageTimes::default() };
        let last_pass = marks.last_pass.unwrap_or(passes);
        let done = marks.done.unwrap_or(last_pass);
        StageTimes {
            forward: passes - marks.started,
            passes: last_pass - passes,
            map: done.saturating_duration_since(last_pass),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_gets_its_own_time() {
        let clock = StageClock::start();
        let wait = || std::thread::sleep(Duration::from_millis(5));
        let report = |stage, passes| {
            wait();
            clock.note(Progress { stage, passes, expected: 3 });
        };
        report(Stage::Forward, 1);
        report(Stage::Passes, 1);
        assert_eq!(clock.times().passes, Duration::ZERO);
        report(Stage::Passes, 3);
        report(Stage::Done, 3);
        let times = clock.times();
        assert!(times.forward >= Duration::from_millis(10));
        assert!(times.passes >= Duration::from_millis(5));
        assert!(times.map >= Duration::from_millis(5));
    }
}
