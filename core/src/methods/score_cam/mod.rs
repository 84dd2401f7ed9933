//! Score-CAM (Wang et al., 2020, arXiv 1910.01279): activation maps weighted by the score of the image that
//! each of them lets through.
//!
//! The paper, its authors' code and every port differ, so each choice is an option and a preset names a set
//! of choices. The flow: [`masks`] turns activation maps into small masks, equal ones once; the study scores
//! them; [`weights`] makes channel weights of the scores; [`combine`] sums weighted maps, which
//! [`super::finish`] rectifies, resizes and normalises. All targets share the same passes.

mod combine;
mod masks;
mod options;
mod presets;
mod weights;

use self::masks::MaskPlan;
use self::options::ScoreCamOptions;
use super::{choices, map};
use crate::{Abilities, CamMethod, MethodInfo, MethodOutput, Options, Result, Study};

/// The reference method.
pub struct ScoreCam {
    info: MethodInfo,
}

impl ScoreCam {
    /// The method under its id `score-cam`.
    pub fn new() -> Self {
        Self {
            info: MethodInfo {
                id: "score-cam".into(),
                version: env!("CARGO_PKG_VERSION").into(),
                summary: "activation maps weighted by the score of the image that each lets through".into(),
                options: options::specs(),
                presets: choices::presets(presets::PRESETS),
                needs: Abilities::NONE,
            },
        }
    }
}

impl Default for ScoreCam {
    fn default() -> Self {
        Self::new()
    }
}

impl CamMethod for ScoreCam {
    fn info(&self) -> &MethodInfo {
        &self.info
    }

    fn explain(&self, study: &Study<'_>, options: &Options) -> Result<MethodOutput> {
        let options = ScoreCamOptions::read(options)?;
        let maps = masks::selected_maps(study, &options)?;
        let plan = MaskPlan::new(study, &maps, &options)?;
        let scored = weights::score_masks(study, &plan, &options)?;
        let maps_of_targets = map::of_targets(study, |class| {
            let weights = weights::channel_weights(study, &plan, &scored, (&options, class))?;
            let combined = combine::combine(&maps, &plan, &weights, &options)?;
            options.finish.apply(combined, plan.input_size)
        })?;
        Ok(MethodOutput {
            maps: maps_of_targets,
            measures: vec![
                ("channels".into(), maps.count() as f64),
                ("live-maps".into(), plan.live() as f64),
                ("distinct-masks".into(), plan.masks.shape()[0] as f64),
            ],
            warnings: options.warnings(study),
        })
    }
}
