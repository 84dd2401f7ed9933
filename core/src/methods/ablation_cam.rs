//! Ablation-CAM (Desai and Ramaswamy, 2020, WACV): activation maps weighted by the score that is lost without them.
//!
//! For each map that is not zero already the part of the model behind the layer runs once, on activations without that map.
//! The weight is the part of the score that is lost (the paper's equation 3), which changes its sign with the score's: where the score may be
//! negative, `weight=difference` is what is meant. The map is the ReLU of the weighted sum.

use std::sync::LazyLock;

use super::choices::{self, SCORE, choice, pick, spec};
use super::finish::Finish;
use super::map;
use super::principal::Reduce;
use crate::{
    Abilities, Base, CamMethod, MethodInfo, MethodOutput, Options, Result, Study, Upsample, Work, class_score,
};

/// What stands in the place of a map that is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ablated {
    Zero,
    /// Where activations can be negative, a number far below all of them.
    Below,
}

/// How lost scores become weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    Relative,
    Difference,
}

const ABLATED: &[(&str, Ablated)] = &[("zero", Ablated::Zero), ("below", Ablated::Below)];
const LOSS: &[(&str, Loss)] = &[("relative", Loss::Relative), ("difference", Loss::Difference)];

/// How far below the least activation `ablated=below` is, as in pytorch-grad-cam.
const FAR: f32 = 1e7;

const PRESETS: &[(&str, &str, &str)] = &[
    ("paper", "the paper's equations 3 and 4, resized to the input (the default)", ""),
    ("pytorch-grad-cam", "grad-cam 1.5", "ablated=below final_eps=1e-7 order=norm-resize-norm"),
    ("captum", "the lost score itself, as captum's ablation gives it", "weight=difference"),
];

/// The method for models that run from an inner layer.
#[derive(Debug, Clone, Copy)]
pub struct AblationCam;

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    let mut options = vec![
        spec(
            "ablated",
            choice(ABLATED),
            "zero",
            "the values that replace a map: zeros, or a number far below all activations if they can be negative",
        ),
        spec("weight", choice(LOSS), "relative", "the lost score, divided by the score or as it is"),
        spec("score", choice(SCORE), "logit", "the score of a class"),
    ];
    options.push(Reduce::spec());
    options.extend(Finish::specs(Upsample::HalfPixel));
    MethodInfo {
        id: "ablation-cam".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "activation maps weighted by the score that is lost without each".into(),
        options,
        presets: choices::presets(PRESETS),
        needs: Abilities { run_from: true, ..Abilities::NONE },
        needs_layer: true,
    }
});

impl CamMethod for AblationCam {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let (score, loss) = (pick(options, "score", SCORE)?, pick(options, "weight", LOSS)?);
            let (reduce, finish) = (Reduce::read(options)?, Finish::read(options)?);
            let context = &study.context;
            let [channels, height, width] = context.layer_shape()?;
            let input_size = context.input_size()?;
            let (activations, cells) = (context.activations.data(), height * width);
            let least = activations.iter().copied().fold(f32::INFINITY, f32::min);
            let fill = match pick(options, "ablated", ABLATED)? {
                Ablated::Below if least != 0.0 => least - FAR,
                _ => 0.0,
            };
            // A map that holds nothing else already loses nothing.
            let is_left = |i: &usize| activations[i * cells..][..cells].iter().any(|&value| value != fill);
            let left: Vec<usize> = (0..channels).filter(is_left).collect();
            study.expect_passes(left.len())?;
            let without = |i: usize| (left[i] * cells..(left[i] + 1) * cells).map(|cell| (cell, fill));
            let scores = study.scores_of_changes(Base::Own, left.len(), without).await?;
            let mut warnings = Vec::new();
            let maps = map::of_targets(study, |_, class| {
                let of = |outputs: &[f32]| class_score(score, context.output_activation, outputs, class);
                let whole = of(&context.scores);
                if loss == Loss::Relative && whole <= 0.0 {
                    warnings.push(format!(
                        "the score of class {class} is {whole}: weights relative to it have the wrong sign; use weight=difference"
                    ));
                }
                let divisor = if loss == Loss::Relative && whole != 0.0 { whole } else { 1.0 };
                let mut weights = vec![0.0; channels];
                for (row, &channel) in left.iter().enumerate() {
                    weights[channel] = (whole - of(scores.item(row))) / divisor;
                }
                let map = reduce.apply((height, width), activations.chunks_exact(cells).zip(weights))?;
                finish.apply(map, input_size)
            })?;
            Ok(MethodOutput {
                maps,
                errors: None,
                measures: vec![("channels".into(), channels as f64)],
                warnings,
            })
        })
    }
}
