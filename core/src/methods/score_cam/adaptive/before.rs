//! [`Before`]: what the image before, of a video, tells of the scores of this one's masks.
//!
//! A channel looks for the same thing in every image, so its mask lets the same thing through and scores about the same.
//! The scores that were estimated for the image before, channel by channel, are where the process starts: what it has to
//! find out is how far they are off, which is less than the scores themselves. How much they count is seen from the masks
//! that are scored; after a cut they count for nothing. Masks that were not scored before are not preferred: that was
//! measured, and costs more than it brings, since the strong masks of each image matter most.

use std::collections::BTreeMap;

use super::super::options::Select;
use crate::methods::score_cam::Setup;

/// What is kept of an image for the next one, by layer, since several may be explained in turn.
struct Known(BTreeMap<String, Scores>);

/// For each target the score of each channel; none of those that had no mask.
type Scores = Vec<(usize, Vec<Option<f64>>)>;

/// For each target the score of each mask as the image before has it; none where it says nothing.
pub(super) struct Before(Vec<Option<Vec<f64>>>);

impl Before {
    pub(super) fn new(setup: &Setup<'_>) -> Self {
        let context = &setup.study.context;
        let known = setup.study.learned::<Known>();
        let of_layer = known.as_ref().and_then(|known| known.0.get(&context.layer));
        let of_target = |class: &usize| {
            let (_, scores) = of_layer?.iter().find(|(of, _)| of == class)?;
            of_masks(setup, scores)
        };
        Self(context.targets.iter().map(of_target).collect())
    }

    /// The scores of all masks for a target.
    pub(super) fn target(&self, target: usize) -> Option<&[f64]> {
        self.0.get(target)?.as_deref()
    }
}

/// Keeps for the image that comes next for each target the scores of all masks, and what was taken off them.
pub(super) fn keep<'a>(setup: &Setup<'_>, scores: impl Iterator<Item = (&'a [f64], f64)>) {
    // Otherwise the same place in the list is another channel in the next image.
    if !matches!(setup.options.select, Select::All | Select::List(_)) {
        return;
    }
    let context = &setup.study.context;
    let by_channel = |(masks, off): (&[f64], f64)| {
        setup.plan.channels.iter().map(|channel| channel.mask.map(|mask| masks[mask] + off)).collect()
    };
    let scores = context.targets.iter().copied().zip(scores.map(by_channel)).collect();
    let mut layers = setup.study.learned::<Known>().map(|known| known.0.clone()).unwrap_or_default();
    layers.insert(context.layer.clone(), scores);
    setup.study.learn(Known(layers));
}

/// The mean over each mask's channels; of a mask that none is known of the mean of all.
fn of_masks(setup: &Setup<'_>, channels: &[Option<f64>]) -> Option<Vec<f64>> {
    let known: Vec<f64> = channels.iter().flatten().copied().collect();
    if channels.len() != setup.plan.channels.len() || known.is_empty() {
        return None;
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let mut sums = vec![(0.0, 0.0); setup.plan.count()];
    for (channel, score) in setup.plan.channels.iter().zip(channels) {
        if let (Some(mask), Some(score)) = (channel.mask, score) {
            sums[mask] = (sums[mask].0 + score, sums[mask].1 + 1.0);
        }
    }
    Some(sums.into_iter().map(|(sum, count)| if count > 0.0 { sum / count } else { mean }).collect())
}
