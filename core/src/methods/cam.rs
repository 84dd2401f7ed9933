//! CAM (Zhou et al., 2016, arXiv 1512.04150): activation maps weighted by the classifier's own weights, for networks that
//! end in a linear layer and average pooling, in either order.
//!
//! The classifier is used as a whole. Its score is a sum over the layer's cells, and the contribution of a cell is the
//! difference between the score with only that cell and with none: the map of the paper's equation 2, divided by the
//! number of cells. The same passes show whether the cells add up to the score; if not, CAM is not defined, and the
//! call fails.

use std::sync::LazyLock;

use super::choices;
use super::finish::Finish;
use super::map::{self, Map};
use crate::{Abilities, Base, CamMethod, MethodInfo, MethodOutput, Options, Result, Study, Upsample, Work};

const PRESETS: &[(&str, &str, &str)] = &[
    ("official", "the authors' code (the default)", ""),
    ("torchcam", "torch-cam 0.5", "final_eps=1e-8 output=layer"),
];

/// By how much the cells' sum may differ from the score, relative to the greatest part of it.
const ROUNDING: f64 = 1e-3;

/// The method for models that run from an inner layer.
#[derive(Debug, Clone, Copy)]
pub struct Cam;

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    MethodInfo {
        id: "cam".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "activation maps weighted by a linear classifier's own weights".into(),
        // Evidence against the class stays.
        options: choices::with_default(Finish::specs(Upsample::HalfPixel), "post_relu", "false"),
        presets: choices::presets(PRESETS),
        needs: Abilities { run_from: true, ..Abilities::NONE },
        needs_layer: true,
    }
});

impl CamMethod for Cam {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let finish = Finish::read(options)?;
            let context = &study.context;
            let [channels, height, width] = context.layer_shape()?;
            let input_size = context.input_size()?;
            let cells = height * width;
            study.expect_passes(cells + 1)?;
            // The last one has no cell at all.
            let scores = study.scores_of_changes(Base::Zeros, cells + 1, |cell| {
                let column = (0..if cell < cells { channels } else { 0 }).map(move |map| map * cells + cell);
                column.map(|place| (place, context.activations.data()[place]))
            });
            let scores = scores.await?;
            let maps = map::of_targets(study, |_, class| {
                let score = |i: usize| f64::from(scores.item(i)[class]);
                let none = score(cells);
                let parts: Vec<f64> = (0..cells).map(|cell| score(cell) - none).collect();
                check_sum(&parts, f64::from(context.scores[class]) - none, &context.layer)?;
                // The paper's map sums channels where pooling takes their mean.
                let values = parts.iter().map(|part| part * cells as f64).collect();
                finish.apply(Map { size: (height, width), values }, input_size)
            })?;
            Ok(MethodOutput { maps, errors: None, measures: Vec::new(), warnings: Vec::new() })
        })
    }
}

/// An error where what cells add is not what all of them give.
fn check_sum(parts: &[f64], whole: f64, layer: &str) -> Result<()> {
    let sum: f64 = parts.iter().sum();
    let scale = parts.iter().map(|part| part.abs()).sum::<f64>().max(whole.abs());
    let adds_up = (sum - whole).abs() <= ROUNDING * scale;
    ensure!(
        adds_up,
        unsupported,
        "method \"cam\" needs a score that is a sum over the layer's cells, as from pooling and a linear layer: the \
         cells of {layer:?} add up to {sum:.4}, but all together give {whole:.4}; use recipro-cam, which does not need that"
    );
    Ok(())
}
