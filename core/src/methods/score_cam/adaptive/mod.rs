//! [`AdaptiveScoreCam`]: Score-CAM from a fraction of the passes, with an estimate of its own error.
//!
//! The masks lie in a space of few dimensions and class scores change smoothly over it, so most passes add little
//! information. A Gaussian process over the masks predicts the unobserved scores; the next mask is always the one whose
//! score removes the most uncertainty from the map. The same process estimates the distance of the map from the exact
//! one.
//!
//! The flow: [`budget`] says when to stop; [`mask_geometry`] places masks and maps; [`process`] knows what observed
//! masks say about others, and [`before`] what a video's image before says; [`posterior`] makes scores and slopes of it for
//! one target; [`search`] is the loop.

mod before;
mod budget;
mod mask_geometry;
mod posterior;
mod process;
mod search;

use std::sync::LazyLock;

use self::budget::Budget;
use self::search::TRUSTED;
use super::options::{Reduce, ScoreCamOptions, WeightNorm};
use super::weights::score_all;
use super::{Setup, presets};
use crate::methods::choices;
use crate::{Abilities, CamMethod, MethodInfo, Options, Result, Study, Work};

/// Score-CAM within a budget of passes or to a wanted error.
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveScoreCam;

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| MethodInfo {
    id: "score-cam-adaptive".into(),
    version: env!("CARGO_PKG_VERSION").into(),
    summary: "score-cam from a fraction of the passes, with an estimate of its error".into(),
    options: budget::specs(),
    presets: choices::presets(presets::PRESETS),
    needs: Abilities::NONE,
    needs_layer: true,
});

impl CamMethod for AdaptiveScoreCam {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Budget::read(options).and(ScoreCamOptions::read(options)).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let budget = Budget::read(options)?;
            let setup = Setup::new(study, ScoreCamOptions::read(options)?)?;
            let within = setup.plan.count() <= budget.passes;
            // Where no estimate will be trusted before all masks are scored, or none can be made, all are scored at once.
            let without_estimate = setup.plan.count() <= TRUSTED || setup.options.reduce != Reduce::Sum;
            let exact = setup.options.weight_norm == WeightNorm::One
                || within && (budget.error == 0.0 || without_estimate);
            let (scores, error) =
                if exact { (score_all(&setup).await?, 0.0) } else { search::search(&setup, &budget).await? };
            let mut output = setup.output(&scores)?;
            output.measures.push(("estimated-error".into(), error));
            Ok(output)
        })
    }
}
