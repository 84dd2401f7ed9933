//! From masks to channel weights: the masked passes, the baseline, the normalization of scores.

use std::sync::Arc;

use super::Setup;
use super::masks::{Channel, MaskPlan};
use super::options::{Baseline, WeightNorm};
use crate::methods::scoring::{Scorer, reference};
use crate::tensor::{append, room_for};
use crate::{Result, Tensor, Upsampler};

/// Scores the masks of a plan against a baseline.
pub(super) struct MaskScorer<'s> {
    scorer: Scorer<'s>,
    setup: &'s Setup<'s>,
    /// The baseline's raw outputs, where there is one.
    baseline: Option<Vec<f32>>,
}

impl<'s> MaskScorer<'s> {
    /// Makes the baseline's pass, where one is needed; `masks` are expected to be scored after it.
    pub(super) async fn new(setup: &'s Setup<'s>, masks: usize) -> Result<Self> {
        let (study, options) = (setup.study, &setup.options);
        let scorer = Scorer::new(study, &options.scoring)?;
        let own_pass = !matches!(options.baseline, Baseline::None | Baseline::Input);
        study.expect_passes(masks.saturating_mul(options.smoothing.count()) + usize::from(own_pass))?;
        let baseline = match options.baseline {
            Baseline::None => None,
            Baseline::Input => Some(study.context.scores.to_vec()),
            Baseline::Image => Some(study.scores(reference(study, "baseline=image")?).await?.into_data()),
            Baseline::Zero | Baseline::Fill => {
                let filled = scorer.fill.clone().filter(|_| options.baseline == Baseline::Fill);
                let zeros = || Tensor::zeros(study.context.input.shape()).map(Arc::new);
                Some(study.scores(filled.map_or_else(zeros, Ok)?).await?.into_data())
            }
        };
        Ok(Self { scorer, setup, baseline })
    }

    /// For each target the class score of the input under each of these masks of the plan.
    pub(super) async fn scores(&self, masks: &[usize]) -> Result<Vec<Vec<f64>>> {
        let (plan, options) = (&self.setup.plan, &self.setup.options);
        if !options.smoothing.is_identity() {
            return self.averaged(masks).await;
        }
        if masks.len() == plan.count() {
            return self.scorer.scores(Arc::clone(&plan.masks), options.upsample).await;
        }
        let shape = [masks.len(), plan.masks.shape()[1], plan.masks.shape()[2]];
        let mut values = room_for(&shape)?;
        masks.iter().try_for_each(|&m| append(&mut values, plan.masks.item(m)))?;
        self.scorer.scores(Arc::new(Tensor::new(shape, values)?), options.upsample).await
    }

    /// The same over all variants of each mask.
    async fn averaged(&self, masks: &[usize]) -> Result<Vec<Vec<f64>>> {
        let (plan, options) = (&self.setup.plan, &self.setup.options);
        let variants = options.smoothing.count();
        let upsampler = Upsampler::new(options.upsample, self.setup.maps.size, plan.input_size)?;
        let targets = self.scorer.study.context.targets.len();
        let mut sums = vec![vec![0.0; masks.len()]; targets];
        let mut whole = Tensor::zeros([plan.input_size.0, plan.input_size.1])?;
        let mut wide = Vec::new();
        let write = |i: usize, to: &mut [f32]| {
            let (m, variant) = (masks[i / variants], i % variants);
            if variant == 0 {
                let width = plan.input_size.1;
                let row = |y: usize, row: &[f32]| whole.data_mut()[y * width..][..width].copy_from_slice(row);
                upsampler.rows(plan.masks.item(m), &mut wide, row)?;
            }
            options.smoothing.write((m, variant), whole.data(), to);
            Ok(())
        };
        let each = |i: usize, _: &[f32], scores: &[f64]| {
            sums.iter_mut()
                .zip(scores)
                .for_each(|(sums, score)| sums[i / variants] += score / variants as f64);
            Ok(())
        };
        self.scorer.scores_of_full(0..masks.len() * variants, write, each).await?;
        Ok(sums)
    }

    /// What is subtracted from the scores of `class`.
    pub(super) fn baseline(&self, class: usize) -> f64 {
        self.baseline.as_deref().map_or(0.0, |outputs| self.scorer.score(outputs, class))
    }
}

/// For each target the class score of every mask, less the baseline's; none where scores are not used.
pub(super) async fn score_all(setup: &Setup<'_>) -> Result<Vec<Vec<f64>>> {
    if setup.options.weight_norm == WeightNorm::One {
        return Ok(vec![Vec::new(); setup.study.context.targets.len()]);
    }
    let scorer = MaskScorer::new(setup, setup.plan.count()).await?;
    let mut scores = scorer.scores(&(0..setup.plan.count()).collect::<Vec<_>>()).await?;
    for (scores, &class) in scores.iter_mut().zip(&setup.study.context.targets) {
        let baseline = scorer.baseline(class);
        scores.iter_mut().for_each(|score| *score -= baseline);
    }
    Ok(scores)
}

/// A warning where all masks have one score, so that weights tell nothing of `class`.
pub(super) fn equal_scores(scores: &[f64], class: usize) -> Option<String> {
    let (low, high) =
        scores.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
    (scores.len() > 1 && low == high).then(|| {
        format!(
            "each mask gives class {class} the same score, {low}, so the weights carry no information: the map is the plain \
             sum of the activation maps"
        )
    })
}

/// One weight for each channel of the plan, from one class's `scores` of the masks.
pub(super) fn channel_weights(plan: &MaskPlan, scores: &[f64], norm: WeightNorm) -> Vec<f64> {
    let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let term = |m: usize| (scores[m] - highest).exp();
    let sum: f64 = match norm {
        WeightNorm::Softmax => plan.channels.iter().filter_map(|c| c.mask).map(term).sum(),
        _ => 1.0,
    };
    let weight = |m: usize| match norm {
        WeightNorm::Softmax => term(m) / sum,
        WeightNorm::Relu => scores[m].max(0.0),
        WeightNorm::None | WeightNorm::One => scores[m],
    };
    let of_channel = |c: &Channel| match (c.weighted, norm) {
        (false, _) => 0.0,
        (true, WeightNorm::One) => 1.0,
        (true, _) => c.mask.map_or(0.0, weight),
    };
    plan.channels.iter().map(of_channel).collect()
}
