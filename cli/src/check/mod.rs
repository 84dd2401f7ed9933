//! `scorecam check`: tries a plugin out.
//!
//! Each check runs in a process of its own, this same program with the hidden command `__check`, so that
//! one that crashes or hangs is a line in the table and not the end of the others. A check that was passed
//! says so in a line of its own at its very end: a plugin that ends the process early has not passed.
//! Checks that the later ones build on come first; when one of these fails, the rest is not run.
//!
//! [`plugin`] holds the checks of the plugin by itself, [`model`] those that run a model and are made when one
//! is given, [`child`] the process around each.

mod child;
mod model;
mod plugin;

use std::path::PathBuf;

use scorecam_core::{Error, Result};

use crate::args::CheckArgs;
use crate::table::{lines, row};
use crate::{Failure, terminal};

/// What is tried out.
struct Subject {
    plugin: PathBuf,
    /// A model to run.
    model: Option<PathBuf>,
    /// How many seconds one check may take.
    time_limit: u64,
}

struct Check {
    name: &'static str,
    weight: Weight,
    run: fn(&Subject) -> Result<String>,
}

#[derive(PartialEq)]
enum Weight {
    /// What comes later makes no sense without it.
    Base,
    /// It stands for itself.
    Single,
}

/// The checks of the plugin by itself.
const PLUGIN_CHECKS: &[Check] = &[
    Check { name: "file", weight: Weight::Base, run: plugin::file },
    Check { name: "loads", weight: Weight::Base, run: plugin::loads },
    Check { name: "descriptors", weight: Weight::Base, run: plugin::descriptors },
    Check { name: "layout", weight: Weight::Single, run: plugin::layout },
    Check { name: "readiness", weight: Weight::Single, run: plugin::readiness },
    Check { name: "loads again", weight: Weight::Single, run: plugin::loads_again },
    Check { name: "method options", weight: Weight::Single, run: plugin::method_options },
    Check { name: "method texts", weight: Weight::Single, run: plugin::method_texts },
    Check { name: "empty model", weight: Weight::Single, run: plugin::empty_model },
    Check { name: "garbage model", weight: Weight::Single, run: plugin::garbage_model },
    Check { name: "folder as model", weight: Weight::Single, run: plugin::folder_as_model },
];

/// The checks that run a model.
const MODEL_CHECKS: &[Check] = &[
    Check { name: "model loads", weight: Weight::Base, run: model::loads },
    Check { name: "description", weight: Weight::Single, run: model::description },
    Check { name: "forward", weight: Weight::Base, run: model::forward },
    Check { name: "batch", weight: Weight::Single, run: model::batch },
    Check { name: "activations", weight: Weight::Single, run: model::activations },
    Check { name: "repeats", weight: Weight::Single, run: model::repeats },
    Check { name: "frees", weight: Weight::Single, run: model::frees },
    Check { name: "threads", weight: Weight::Single, run: model::threads },
    Check { name: "explains", weight: Weight::Single, run: model::explains },
];

/// Runs every check on the plugin in a file and prints the table.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let subject = Subject::new(args);
    let mut rows = vec![row!["CHECK", "OUTCOME", ""]];
    let (mut failed, mut stopped) = (false, false);
    let of_model = if subject.model.is_some() { MODEL_CHECKS } else { &[] };
    for check in PLUGIN_CHECKS.iter().chain(of_model) {
        if stopped {
            rows.push(row![check.name, "not run", ""]);
            continue;
        }
        let (outcome, detail) = child::in_child(check.name, &subject)?;
        rows.push(row![check.name, outcome, detail]);
        failed |= outcome != "ok";
        stopped = outcome != "ok" && check.weight == Weight::Base;
    }
    terminal::print(&lines(&rows, 0))?;
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

/// Runs one check in this process; the hidden command's part.
pub(crate) fn run_one(name: &str, args: &CheckArgs) -> Result<(), Failure> {
    let check = PLUGIN_CHECKS
        .iter()
        .chain(MODEL_CHECKS)
        .find(|c| c.name == name)
        .ok_or_else(|| Error::not_found(format!("check {name:?} does not exist")))?;
    let detail = (check.run)(&Subject::new(args))?;
    // A plugin may have left a line unfinished.
    Ok(terminal::print(&format!("\n{}{detail}\n", child::VERDICT))?)
}

impl Subject {
    fn new(args: &CheckArgs) -> Self {
        Self { plugin: args.plugin.clone(), model: args.model.clone(), time_limit: args.time_limit }
    }
}
