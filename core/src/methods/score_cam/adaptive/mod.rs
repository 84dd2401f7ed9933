//! [`AdaptiveScoreCam`]: Score-CAM from a fraction of the passes, with an estimate of its own error.
//!
//! The masks live in a space of few dimensions and class scores change smoothly over it, so most passes tell
//! little that is new. A Gaussian process over the masks predicts the scores that were not observed; each next
//! mask is the one whose score takes the most uncertainty out of the map. The same process tells how far the
//! map is from the exact one.
//!
//! The flow: [`budget`] says when to stop; [`space`] places masks and maps; [`process`] knows what observed
//! masks tell of others; [`belief`] makes scores and slopes of it for one target; [`search`] goes round.

mod belief;
mod budget;
mod process;
mod search;
mod space;

use self::budget::Budget;
use self::search::TRUSTED;
use super::options::{Reduce, ScoreCamOptions, WeightNorm};
use super::weights::score_all;
use super::{Case, presets};
use crate::methods::choices;
use crate::{Abilities, CamMethod, MethodInfo, MethodOutput, Options, Result, Study};

/// Score-CAM within a budget of passes or to a wanted error.
pub struct AdaptiveScoreCam {
    info: MethodInfo,
}

impl AdaptiveScoreCam {
    /// The method under its id `score-cam-adaptive`.
    pub fn new() -> Self {
        Self {
            info: MethodInfo {
                id: "score-cam-adaptive".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                summary: "score-cam from a fraction of the passes, with an estimate of its error".into(),
                options: budget::specs(),
                presets: choices::presets(presets::PRESETS),
                needs: Abilities::NONE,
            },
        }
    }
}

impl Default for AdaptiveScoreCam {
    fn default() -> Self {
        Self::new()
    }
}

impl CamMethod for AdaptiveScoreCam {
    fn info(&self) -> &MethodInfo {
        &self.info
    }

    fn explain(&self, study: &Study<'_>, options: &Options) -> Result<MethodOutput> {
        let budget = Budget::read(options)?;
        let case = Case::new(study, ScoreCamOptions::read(options)?)?;
        let within = case.plan.count() <= budget.passes;
        // Where no estimate will be trusted before all masks are scored, or none can be made, all are scored at once.
        let untold = case.plan.count() <= TRUSTED || case.options.reduce == Reduce::Max;
        let exact = case.options.weight_norm == WeightNorm::One || within && (budget.error == 0.0 || untold);
        let (scores, error) = if exact { (score_all(&case)?, 0.0) } else { search::search(&case, &budget)? };
        let mut output = case.output(&scores)?;
        output.measures.push(("estimated-error".into(), error));
        Ok(output)
    }
}
