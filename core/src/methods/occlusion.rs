//! Occlusion (Zeiler and Fergus, 2014, arXiv 1311.2901): the drop of the score when a patch of the image is hidden. It
//! needs no layer, so it supports any model.
//!
//! A patch moves over the image by a stride. Its drop, the score of the whole image minus that of the occluded one,
//! counts for each pixel that it hides; a pixel under several patches gets their mean or sum.

use std::sync::LazyLock;

use super::choices::{self, choice, pick, spec};
use super::finish::Finish;
use super::map::{self, Map};
use super::scoring::{Scorer, Scoring};
use crate::tensor::gathered;
use crate::{
    Abilities, CamMethod, MethodInfo, MethodOutput, OptionKind, Options, Result, Study, Upsample, Work,
};

/// The method that hides patches.
#[derive(Debug, Clone, Copy)]
pub struct Occlusion;

/// Whether the last patches end at the border or are cut off by it.
#[derive(Clone, Copy, PartialEq)]
enum Border {
    Clip,
    Inside,
}

/// What a pixel has of several patches.
#[derive(Clone, Copy, PartialEq)]
enum Overlap {
    Mean,
    Sum,
}

const BORDER: &[(&str, Border)] = &[("clip", Border::Clip), ("inside", Border::Inside)];
const OVERLAP: &[(&str, Overlap)] = &[("mean", Overlap::Mean), ("sum", Overlap::Sum)];

const PRESETS: &[(&str, &str, &str)] = &[
    ("standard", "the mean drop of the probability, without evidence against the class (the default)", ""),
    ("captum", "captum 0.9: the drop of the logit, unscaled", "score=logit post_relu=false final=none"),
    (
        "xplique",
        "Xplique 2.0: small patches side by side",
        "patch=3 stride=3 border=inside overlap=sum score=logit post_relu=false final=none",
    ),
];

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    let side = || OptionKind::Integer { min: 0, max: 1 << 15 };
    let mut options = vec![
        spec(
            "patch",
            side(),
            "0",
            "side of the patch in pixels; 0 means a seventh of the input's shorter side",
        ),
        spec(
            "stride",
            side(),
            "0",
            "pixels from one patch to the next, at most patch; 0 means half of patch",
        ),
        spec(
            "border",
            choice(BORDER),
            "clip",
            "whether the last patches are cut off by the border or stay inside it",
        ),
        spec(
            "overlap",
            choice(OVERLAP),
            "mean",
            "the value of a pixel from the patches that hide it: their mean or sum",
        ),
    ];
    options.extend(Scoring::specs());
    options.extend(Finish::specs(Upsample::HalfPixel));
    MethodInfo {
        id: "occlusion".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "drop of the score when a patch of the image is hidden; needs no layer".into(),
        options,
        presets: choices::presets(PRESETS),
        needs: Abilities::NONE,
        needs_layer: false,
    }
});

impl CamMethod for Occlusion {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        let (patch, stride) = (options.parse("patch")?, options.parse("stride")?);
        Finish::read(options)?;
        if patch > 0 { check_stride(patch, stride) } else { Ok(()) }
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let scoring = Scoring::read(options)?;
            let scorer = Scorer::new(study, &scoring)?;
            let patches = Patches::read(study, options)?;
            study.expect_passes(patches.count())?;
            let (unmasked, cells) = (scorer.unmasked(), patches.size.0 * patches.size.1);
            let mut falls = unmasked.iter().map(|_| zeros(cells)).collect::<Result<Vec<_>>>()?;
            let write = |i: usize, mask: &mut [f32]| {
                mask.fill(1.0);
                patches.pixels(i).for_each(|pixel| mask[pixel] = 0.0);
                Ok(())
            };
            let each = |i: usize, _: &[f32], scores: &[f64]| {
                for ((falls, whole), score) in falls.iter_mut().zip(&unmasked).zip(scores) {
                    patches.pixels(i).for_each(|pixel| falls[pixel] += whole - score);
                }
                Ok(())
            };
            scorer.scores_of_full(0..patches.count(), write, each).await?;
            let shares = patches.shares(pick(options, "overlap", OVERLAP)?)?;
            let finish = Finish::read(options)?;
            let maps = map::of_targets(study, |target, _| {
                let values = falls[target].iter().zip(&shares).map(|(fall, share)| fall * share);
                finish.apply(Map { size: patches.size, values: gathered(&[cells], values)? }, patches.size)
            })?;
            Ok(MethodOutput {
                maps,
                errors: None,
                measures: vec![("patches".into(), patches.count() as f64)],
                warnings: scoring.warning(study).into_iter().collect(),
            })
        })
    }
}

fn zeros(cells: usize) -> Result<Vec<f64>> {
    gathered(&[cells], std::iter::repeat_n(0.0, cells))
}

fn check_stride(patch: usize, stride: usize) -> Result<()> {
    ensure!(
        stride <= patch,
        invalid,
        "option stride is {stride} and patch {patch}; a stride above patch leaves pixels between the patches uncovered"
    );
    Ok(())
}

/// Where the patches lie on an input of `size`.
struct Patches {
    size: (usize, usize),
    patch: usize,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Patches {
    fn read(study: &Study<'_>, options: &Options) -> Result<Self> {
        let (height, width) = study.context.input_size()?;
        let shorter = height.min(width);
        let chosen = |name: &str, own: usize| {
            options.parse(name).map(|given: usize| if given == 0 { own.max(1) } else { given })
        };
        let patch = chosen("patch", shorter / 7)?;
        let stride = chosen("stride", patch / 2)?;
        ensure!(patch <= shorter, invalid, "option patch is {patch}; the input has {height}x{width} pixels");
        check_stride(patch, stride)?;
        let border = pick(options, "border", BORDER)?;
        let starts = |side: usize| {
            let steps = match border {
                Border::Clip => (side - patch).div_ceil(stride),
                Border::Inside => (side - patch) / stride,
            };
            (0..=steps).map(|i| i * stride).collect()
        };
        Ok(Self { size: (height, width), patch, rows: starts(height), columns: starts(width) })
    }

    fn count(&self) -> usize {
        self.rows.len() * self.columns.len()
    }

    /// The pixels that patch `i` hides.
    fn pixels(&self, i: usize) -> impl Iterator<Item = usize> {
        let (height, width) = self.size;
        let (top, left) = (self.rows[i / self.columns.len()], self.columns[i % self.columns.len()]);
        let right = (left + self.patch).min(width);
        (top..(top + self.patch).min(height)).flat_map(move |y| (left..right).map(move |x| y * width + x))
    }

    /// What a pixel's sum is multiplied by.
    fn shares(&self, overlap: Overlap) -> Result<Vec<f64>> {
        let mut counts = zeros(self.size.0 * self.size.1)?;
        (0..self.count()).for_each(|i| self.pixels(i).for_each(|pixel| counts[pixel] += 1.0));
        let share =
            |count: &mut f64| *count = if overlap == Overlap::Sum { 1.0 } else { 1.0 / count.max(1.0) };
        counts.iter_mut().for_each(share);
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patches(size: (usize, usize), patch: usize, rows: &[usize], columns: &[usize]) -> Patches {
        Patches { size, patch, rows: rows.to_vec(), columns: columns.to_vec() }
    }

    #[test]
    fn patches_are_cut_off_by_the_border_and_share_what_they_overlap() {
        let all = patches((2, 5), 2, &[0], &[0, 1, 4]);
        let pixels = |i| all.pixels(i).collect::<Vec<_>>();
        assert_eq!((pixels(0), pixels(2)), (vec![0, 1, 5, 6], vec![4, 9]));
        let shares = all.shares(Overlap::Mean).expect("memory");
        assert_eq!(shares[..5], [1.0, 0.5, 1.0, 1.0, 1.0]);
        assert_eq!(all.shares(Overlap::Sum).expect("memory"), [1.0; 10]);
    }

    #[test]
    fn a_stride_above_the_patch_is_refused() {
        let set = [("patch".to_owned(), "4".to_owned()), ("stride".to_owned(), "5".to_owned())];
        let options = Occlusion.info().resolve(None, &set).expect("values in range");
        let error = Occlusion.check(&options).expect_err("it leaves pixels out");
        assert!(error.to_string().contains("option stride is 5 and patch 4"), "{error}");
    }
}
