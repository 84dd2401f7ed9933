//! RISE (Petsiuk et al., 2018, arXiv 1806.07421): the mean of random masks, each times the score of the image that it
//! lets through. It needs no layer, so it supports any model. For box targets it is D-RISE (Petsiuk et al., 2021, arXiv
//! 2006.03204).
//!
//! The steps: [`masks`] draws masks from a seed, each from its own index, so that the map depends on nothing else; the
//! study scores them, a few batches at a time; [`estimate`] keeps the sums for the map and its standard error.

mod estimate;
mod masks;

use std::sync::LazyLock;

use self::estimate::Estimate;
use self::masks::RandomMasks;
use super::choices::{self, number, spec};
use super::finish::Finish;
use super::map;
use super::scoring::{Scorer, Scoring};
use crate::tensor::append;
use crate::{
    Abilities, CamMethod, ErrorKind, MethodInfo, MethodOutput, OptionKind, Options, Result, Study, Tensor,
    Upsample, Work,
};

/// The method of random masks.
#[derive(Debug, Clone, Copy)]
pub struct Rise;

/// No standard error is trusted before this many masks are scored.
const TRUSTED: usize = 256;

const PRESETS: &[(&str, &str, &str)] = &[
    ("official", "the authors' code, scaled to 0..1 (the default)", ""),
    ("paper", "the paper's setting for ResNet-50", "passes=8000 cells=7 probability=0.5"),
    ("d-rise", "D-RISE by its paper, for targets that are boxes", "passes=5000 cells=16 probability=0.5"),
    (
        "vision-explanation-methods",
        "Microsoft's D-RISE, for targets that are boxes",
        "passes=5000 cells=16 probability=0.5 upsample=nearest grid=padded center=true post_relu=false",
    ),
];

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    let mut options = vec![
        spec(
            "passes",
            OptionKind::Integer { min: 2, max: i64::from(u32::MAX) },
            "6000",
            "number of masks to score; the maximum if error is set",
        ),
        spec(
            "error",
            number(0.0, 1.0),
            "0",
            "stop at this maximum standard error of a pixel, relative to the map's range, such as 0.05; 0 is off",
        ),
        spec("seed", OptionKind::Integer { min: 0, max: i64::from(u32::MAX) }, "0", "seed of the masks"),
        spec(
            "center",
            OptionKind::Flag,
            "false",
            "subtract the mean score: less noise, and 0 for irrelevant pixels",
        ),
    ];
    options.extend(RandomMasks::specs());
    options.extend(Scoring::specs());
    options.extend(Finish::specs(Upsample::HalfPixel));
    MethodInfo {
        id: "rise".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary:
            "mean of random masks, weighted by the score of the image that each lets through; needs no layer"
                .into(),
        options,
        presets: choices::presets(PRESETS),
        needs: Abilities::NONE,
        needs_layer: false,
    }
});

impl CamMethod for Rise {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let scoring = Scoring::read(options)?;
            let (height, width) = study.context.input_size()?;
            let masks = RandomMasks::read(options, (height, width))?;
            let mut estimate =
                Estimate::new(study.context.targets.len(), height * width, options.parse("center")?)?;
            let scorer = Scorer::new(study, &scoring)?;
            score(&scorer, &masks, (options, &mut estimate)).await?;

            let finish = Finish::read(options)?;
            let mut all = Vec::new();
            let maps = map::of_targets(study, |target, _| {
                let found = estimate.map(target, masks.probability, (height, width))?;
                let (map, errors) = finish.apply_with_errors(found.map, found.errors, (height, width))?;
                errors.values.iter().try_for_each(|&error| append(&mut all, &[error as f32]))?;
                Ok(map)
            })?;
            let greatest = all.iter().copied().fold(0.0, f32::max);
            let mean = all.iter().map(|&error| f64::from(error)).sum::<f64>() / all.len() as f64;
            Ok(MethodOutput {
                errors: Some(Tensor::new(maps.shape(), all)?),
                maps,
                measures: vec![
                    ("masks".into(), estimate.count() as f64),
                    ("standard-error".into(), greatest.into()),
                    ("mean-standard-error".into(), mean),
                ],
                warnings: scoring.warning(study).into_iter().collect(),
            })
        })
    }
}

/// Scores masks until there are enough of them, the error is small enough, or the time is up and some are scored.
async fn score(
    scorer: &Scorer<'_>,
    masks: &RandomMasks,
    (options, estimate): (&Options, &mut Estimate),
) -> Result<()> {
    let (passes, error): (usize, f64) = (options.parse("passes")?, options.parse("error")?);
    scorer.study.expect_passes(passes)?;
    while estimate.count() < passes {
        let done = estimate.count();
        // Looked at after as many masks whatever the batches are, so that these do not change the map.
        let look_at =
            if error > 0.0 { TRUSTED.max(done * 9 / 8).next_multiple_of(TRUSTED / 8) } else { passes };
        let write = |i: usize, mask: &mut [f32]| masks.write(i, mask);
        let each = |_: usize, mask: &[f32], scores: &[f64]| {
            estimate.add(mask, scores);
            Ok(())
        };
        match scorer.scores_of_full(done..look_at.min(passes), write, each).await {
            Err(late) if late.kind() == ErrorKind::Deadline && estimate.count() > 1 => return Ok(()),
            scored => scored?,
        }
        if error > 0.0 && estimate.relative_error() <= error {
            return Ok(());
        }
    }
    Ok(())
}
