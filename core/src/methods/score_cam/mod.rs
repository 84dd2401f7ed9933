//! Score-CAM (Wang et al., 2020, arXiv 1910.01279): activation maps weighted by the score of the image that
//! each of them lets through.
//!
//! The paper, its authors' code and every port differ, so each choice is an option and a preset names a set of choices.
//! The steps: [`masks`] turns activation maps into small masks, without duplicates; the study scores them; [`weights`]
//! computes channel weights from the scores; [`combine`] sums weighted maps, which [`super::finish`] rectifies, resizes
//! and normalizes. All targets share the same passes.
//!
//! [`ScoreCam`] scores every mask; [`AdaptiveScoreCam`] scores some and predicts the others; [`GroupCam`] scores groups of
//! channels. [`smoothing`] makes several masks from one, for SS-CAM and IS-CAM.

mod adaptive;
mod combine;
mod group;
mod masks;
mod options;
mod presets;
mod smoothing;
mod weights;

use std::sync::LazyLock;

pub use self::adaptive::AdaptiveScoreCam;
pub use self::group::GroupCam;
use self::masks::{Maps, MaskPlan};
use self::options::ScoreCamOptions;
use super::{choices, map};
use crate::{Abilities, CamMethod, MethodInfo, MethodOutput, Options, Result, Study, Work};

/// The reference method.
#[derive(Debug, Clone, Copy)]
pub struct ScoreCam;

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| MethodInfo {
    id: "score-cam".into(),
    version: env!("CARGO_PKG_VERSION").into(),
    summary: "activation maps weighted by the score of the image that each lets through".into(),
    options: options::specs(),
    presets: choices::presets(presets::PRESETS),
    needs: Abilities::NONE,
    needs_layer: true,
});

impl CamMethod for ScoreCam {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        ScoreCamOptions::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let setup = Setup::new(study, ScoreCamOptions::read(options)?)?;
            setup.output(&weights::score_all(&setup).await?)
        })
    }
}

/// One study as every kind of Score-CAM begins it: options read, masks planned.
struct Setup<'s> {
    study: &'s Study<'s>,
    options: ScoreCamOptions,
    maps: Maps,
    plan: MaskPlan,
}

impl<'s> Setup<'s> {
    fn new(study: &'s Study<'s>, options: ScoreCamOptions) -> Result<Self> {
        let maps = masks::selected_maps(study, &options)?;
        Self::of(study, options, maps)
    }

    /// The same of maps that are chosen already.
    fn of(study: &'s Study<'s>, options: ScoreCamOptions, maps: Maps) -> Result<Self> {
        let plan = MaskPlan::new(study, &maps, &options)?;
        Ok(Self { study, options, maps, plan })
    }

    /// The saliency maps that follow from `scores`: for each target one of every mask.
    fn output(&self, scores: &[Vec<f64>]) -> Result<MethodOutput> {
        let mut warnings = self.options.warnings(self.study);
        let maps = map::of_targets(self.study, |target, class| {
            warnings.extend(weights::equal_scores(&scores[target], class));
            let weights = weights::channel_weights(&self.plan, &scores[target], self.options.weight_norm);
            let combined = combine::combine(&self.maps, &self.plan, &weights, &self.options)?;
            self.options.finish.apply(combined, self.plan.input_size)
        })?;
        Ok(MethodOutput {
            maps,
            errors: None,
            measures: vec![
                ("channels".into(), self.maps.count() as f64),
                ("live-maps".into(), self.plan.live() as f64),
                ("distinct-masks".into(), self.plan.count() as f64),
            ],
            warnings,
        })
    }
}
