//! [`Steps`]: what a command of several steps has done, and how long each took.

use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome};

/// The steps so far.
#[derive(Default)]
pub(crate) struct Steps(Vec<Step>);

struct Step {
    title: &'static str,
    passed: bool,
    time: Duration,
}

impl Steps {
    /// Does one step and keeps how it went.
    pub(crate) fn step<T>(&mut self, title: &'static str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        println!("\n=== {title} ===");
        let start = Instant::now();
        let outcome = work();
        self.0.push(Step { title, passed: outcome.is_ok(), time: start.elapsed() });
        outcome.map_err(|failure| Failure::new(format!("step {title}: {failure}")))
    }

    /// A line for each step and one for all of them.
    pub(crate) fn table(&self) -> String {
        let row = |title: &str, result: &str, time: Duration| {
            format!("{title:<14}{result:<8}{:>8.1} s\n", time.as_secs_f64())
        };
        let mut table = String::new();
        for step in &self.0 {
            table += &row(step.title, if step.passed { "passed" } else { "FAILED" }, step.time);
        }
        let all = self.0.iter().all(|step| step.passed);
        table
            + &row("in all", if all { "passed" } else { "FAILED" }, self.0.iter().map(|step| step.time).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_ran_and_what_failed() {
        let mut steps = Steps::default();
        steps.step("first", || Ok(())).unwrap();
        let failure = steps.step::<()>("second", || Err(Failure::new("it broke"))).unwrap_err();
        assert_eq!(failure.to_string(), "step second: it broke");
        let table = steps.table();
        let words: Vec<_> = table.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(words, ["passed", "FAILED", "all"]);
    }
}
