//! The score of a masked image: the number of the output that counts, and the fill where a mask is 0.
//!
//! The options of this step have the same names and meanings in every method that masks the input.

use std::ops::Range;
use std::sync::Arc;

use super::choices::{SCORE, choice, number, pick, spec};
use crate::filters::blur;
use crate::tensor::gathered;
use crate::{
    ClassScore, Error, Masks, OptionSpec, Options, OutputActivation, Result, Study, Tensor, Upsample,
    class_score,
};

/// What shows where a mask is 0.
#[derive(Clone, Copy, PartialEq)]
enum Fill {
    Zero,
    Image,
    /// The input, blurred with this standard deviation in pixels.
    Blur(f64),
}

const FILL: &[(&str, Fill)] = &[("zero", Fill::Zero), ("image", Fill::Image), ("blur", Fill::Blur(0.0))];

/// How a masked image is scored.
#[derive(Clone, Copy)]
pub(super) struct Scoring {
    pub(super) score: ClassScore,
    fill: Fill,
}

impl Scoring {
    /// The options of this step.
    pub(super) fn specs() -> Vec<OptionSpec> {
        vec![
            spec("score", choice(SCORE), "softmax", "what the score of a masked image is"),
            spec(
                "fill",
                choice(FILL),
                "zero",
                "what shows where a mask is 0: zeros, the reference image, the blurred input",
            ),
            spec("blur_sigma", number(0.1, 1000.0), "10", "standard deviation of fill=blur, in input pixels"),
        ]
    }

    /// Reads what [`Self::specs`] describes.
    pub(super) fn read(options: &Options) -> Result<Self> {
        Ok(Self {
            score: pick(options, "score", SCORE)?,
            fill: match pick(options, "fill", FILL)? {
                Fill::Blur(_) => Fill::Blur(options.parse("blur_sigma")?),
                other => other,
            },
        })
    }

    /// A warning where the model has no such score as the options ask for.
    pub(super) fn warning(&self, study: &Study<'_>) -> Option<String> {
        let applied = match study.context.output_activation {
            OutputActivation::Softmax => "softmax",
            OutputActivation::Sigmoid | OutputActivation::Probability => "sigmoid",
            _ => return None,
        };
        (self.score == ClassScore::Logit).then(|| {
            format!(
                "score=logit asks for raw outputs, but the model applies {applied} itself: its probabilities are used"
            )
        })
    }
}

/// Makes masked passes and reads class scores off them.
pub(super) struct Scorer<'s> {
    pub(super) study: &'s Study<'s>,
    score: ClassScore,
    /// What shows where a mask is 0, [1, C, H, W]; zeros when `None`.
    pub(super) fill: Option<Arc<Tensor>>,
}

impl<'s> Scorer<'s> {
    pub(super) fn new(study: &'s Study<'s>, scoring: &Scoring) -> Result<Self> {
        let fill = match scoring.fill {
            Fill::Zero => None,
            Fill::Image => Some(reference(study, "fill=image")?),
            Fill::Blur(sigma) => Some(Arc::new(blur(study.context.input.view(), sigma)?)),
        };
        Ok(Self { study, score: scoring.score, fill })
    }

    /// For each target the class score of the input under each of the masks [M, h, w].
    pub(super) async fn scores(&self, masks: Arc<Tensor>, upsample: Upsample) -> Result<Vec<Vec<f64>>> {
        let count = masks.shape()[0];
        let outputs = self.study.masked_scores(Masks { masks, upsample, fill: self.fill.clone() }).await?;
        let of_class = |&class| gathered(&[count], (0..count).map(|m| self.score(outputs.item(m), class)));
        self.study.context.targets.iter().map(of_class).collect()
    }

    /// As [`Self::scores`], of masks of the input's size that `write` writes, `range` of them. At most two batches of masks are
    /// in memory: `each` takes a mask with its scores, one for each target, in their order.
    pub(super) async fn scores_of_full(
        &self,
        range: Range<usize>,
        mut write: impl FnMut(usize, &mut [f32]) -> Result<()>,
        mut each: impl FnMut(usize, &[f32], &[f64]) -> Result<()>,
    ) -> Result<()> {
        let (height, width) = self.study.context.input_size()?;
        let most = 2 * self.study.model.batch.size(self.study.context.batch_size);
        for first in range.clone().step_by(most) {
            let count = most.min(range.end - first);
            let mut masks = Tensor::zeros([count, height, width])?;
            for (i, mask) in masks.data_mut().chunks_exact_mut(height * width).enumerate() {
                write(first + i, mask)?;
            }
            let masks = Arc::new(masks);
            let scores = self.scores(Arc::clone(&masks), Upsample::Nearest).await?;
            for i in 0..count {
                let of_mask = scores.iter().map(|of_target| of_target[i]).collect::<Vec<f64>>();
                each(first + i, masks.item(i), &of_mask)?;
            }
        }
        Ok(())
    }

    /// The score of the input itself, for each target.
    pub(super) fn unmasked(&self) -> Vec<f64> {
        let context = &self.study.context;
        context.targets.iter().map(|&class| self.score(&context.scores, class)).collect()
    }

    /// The score of `class` in one image's outputs.
    pub(super) fn score(&self, outputs: &[f32], class: usize) -> f64 {
        class_score(self.score, self.study.context.output_activation, outputs, class)
    }
}

/// The reference image that `option` asks for.
pub(super) fn reference(study: &Study<'_>, option: &str) -> Result<Arc<Tensor>> {
    let reference = study.context.reference.clone();
    reference
        .ok_or_else(|| Error::invalid(format!("option {option} needs a reference image, and none was given")))
}
