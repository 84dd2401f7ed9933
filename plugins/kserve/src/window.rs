//! [`Window`]: how many requests one server has under way.
//!
//! More requests at a time pay until the server has no idle moment; from then on they only wait in its queue. Where
//! that is depends on the model, the machine and the network, so it is found by trying: the window grows as long as
//! the rate of answers grows with it, goes back by the step that did not pay, and tries again later. A failure halves
//! it.

use std::time::{Duration, Instant};

/// Requests under way at the start: one that runs, and one that waits for it.
const FIRST: usize = 2;
/// How much more the rate must be for a step to have paid.
const PAYS: f64 = 1.04;
/// How many rounds a window stays after a step that did not pay.
const HELD: u32 = 12;

/// The window of one server.
#[derive(Debug)]
pub(crate) struct Window {
    size: usize,
    most: usize,
    /// The size and rate before the last step.
    before: Option<(usize, f64)>,
    held: u32,
    round: Round,
}

/// Answers that are counted to learn a rate.
#[derive(Debug)]
struct Round {
    since: Instant,
    answers: usize,
    /// Answers that came while the window was full; a rate that the caller limits says nothing of the server.
    full: usize,
}

impl Round {
    fn new(since: Instant) -> Self {
        Self { since, answers: 0, full: 0 }
    }
}

impl Window {
    /// A window of at most `most` requests.
    pub(crate) fn new(most: usize, now: Instant) -> Self {
        Self {
            size: FIRST.min(most.max(1)),
            most: most.max(1),
            before: None,
            held: 0,
            round: Round::new(now),
        }
    }

    /// How many requests may be under way.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Takes notice of an answer, which came while `under_way` requests were, itself included.
    pub(crate) fn answered(&mut self, under_way: usize, now: Instant) {
        let round = &mut self.round;
        round.answers += 1;
        round.full += usize::from(under_way >= self.size);
        if round.answers < (2 * self.size).max(6) {
            return;
        }
        let seconds = now.saturating_duration_since(round.since).max(Duration::from_micros(1)).as_secs_f64();
        let (rate, counts) = (round.answers as f64 / seconds, round.full * 4 >= round.answers * 3);
        self.round = Round::new(now);
        if counts {
            self.step(rate);
        }
    }

    /// A round at the present size brought `rate`.
    fn step(&mut self, rate: f64) {
        match self.before.take() {
            Some((size, before)) if rate < before * PAYS => {
                self.size = size;
                self.held = HELD;
            }
            _ if self.held > 0 => self.held -= 1,
            _ => {
                self.before = Some((self.size, rate));
                self.size = (self.size + self.size.div_ceil(2)).min(self.most);
                if self.before.is_some_and(|(size, _)| size == self.size) {
                    self.before = None;
                    self.held = HELD;
                }
            }
        }
    }

    /// Takes notice of a request that failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.size = (self.size / 2).max(1);
        self.before = None;
        self.held = HELD / 4;
        self.round = Round::new(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The window after `answers` from a server that answers `rate(window)` requests a second.
    fn after(answers: usize, most: usize, rate: impl Fn(usize) -> f64) -> usize {
        let mut now = Instant::now();
        let mut window = Window::new(most, now);
        for _ in 0..answers {
            now += Duration::from_secs_f64(1.0 / rate(window.size()));
            window.answered(window.size(), now);
        }
        window.size()
    }

    #[test]
    fn a_window_grows_while_more_requests_bring_more_answers() {
        let parallel = |cores: usize| move |window: usize| 10.0 * window.min(cores) as f64;
        // Up to two steps beyond the best are tried now and then.
        for (cores, range) in [(1, 1..=3), (2, 2..=3), (8, 8..=14), (100, 40..=64)] {
            let found = after(4000, 64, parallel(cores));
            assert!(range.contains(&found), "{cores} cores: {found}");
        }
        assert_eq!(after(4000, 5, parallel(100)), 5);
        assert_eq!(after(100, 1, parallel(100)), 1);
    }

    #[test]
    fn a_window_that_the_caller_does_not_fill_stays_and_failures_halve_it() {
        let mut now = Instant::now();
        let mut window = Window::new(64, now);
        for _ in 0..1000 {
            now += Duration::from_millis(1);
            window.answered(1, now);
        }
        assert_eq!(window.size(), FIRST);
        for size in [32, 16, 8, 4, 2, 1, 1] {
            window.size = window.size.max(size * 2 * usize::from(size == 32));
            window.failed(now);
            assert_eq!(window.size(), size);
        }
    }
}
