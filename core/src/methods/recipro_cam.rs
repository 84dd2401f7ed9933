//! Recipro-CAM (Byun and Lee, 2022, arXiv 2209.14074): the class score that each cell of the layer leads to by itself.
//!
//! For each cell the part of the model behind the layer runs once, on activations of which all other cells are 0; the
//! scores are the map. ViT-Recipro-CAM (arXiv 2310.02588) is the same on tokens, whose class token stays as it is. Ports
//! differ in whether neighbors are let through, too, and in what the score is, so both are options.

use std::sync::LazyLock;

use super::choices::{self, SCORE, choice, pick, spec};
use super::finish::Finish;
use super::map::{self, Map};
use crate::{
    Abilities, CamMethod, MethodInfo, MethodOutput, Options, Result, Study, Upsample, Work, class_score,
};

/// What is left of the activations around a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    /// The cell alone.
    Cell,
    /// The cell and its neighbors, each its own activation times a 3 x 3 Gaussian.
    Gaussian,
    /// The cell's activation in the place of its neighbors' as well, times a 3 x 3 Gaussian.
    Spread,
}

const KERNEL: &[(&str, Kernel)] =
    &[("cell", Kernel::Cell), ("gaussian", Kernel::Gaussian), ("spread", Kernel::Spread)];

/// The weight of a neighbor, by its distance in rows and columns.
const GAUSSIAN: [[f32; 2]; 2] = [[0.25, 0.125], [0.125, 0.0625]];

const PRESETS: &[(&str, &str, &str)] = &[
    ("official", "the authors' code (the default)", ""),
    ("official-gaussian", "the authors' code with its 3 x 3 Gaussian", "kernel=spread"),
    ("openvino-xai", "openvino_xai 1.1 for convolutional networks: logits", "score=logit output=layer"),
    (
        "openvino-xai-vit",
        "openvino_xai 1.1 for transformers: logits under a 3 x 3 Gaussian",
        "kernel=gaussian score=logit output=layer",
    ),
];

/// The method for models that run from an inner layer.
#[derive(Debug, Clone, Copy)]
pub struct ReciproCam;

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    let mut options = vec![
        spec(
            "kernel",
            choice(KERNEL),
            "cell",
            "what stays of the activations: a cell, it and its neighbors under a Gaussian, or its own value spread over them",
        ),
        spec("score", choice(SCORE), "softmax", "what the score of a cell is"),
    ];
    // Scores are compared with each other, and need not be positive.
    options.extend(choices::with_default(Finish::specs(Upsample::HalfPixel), "post_relu", "false"));
    MethodInfo {
        id: "recipro-cam".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "the score that each cell of the layer leads to by itself".into(),
        options,
        presets: choices::presets(PRESETS),
        needs: Abilities { run_from: true, ..Abilities::NONE },
        needs_layer: true,
    }
});

impl CamMethod for ReciproCam {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let (kernel, score) = (pick(options, "kernel", KERNEL)?, pick(options, "score", SCORE)?);
            let finish = Finish::read(options)?;
            let context = &study.context;
            let [_, height, width] = context.layer_shape()?;
            let input_size = context.input_size()?;
            let size = (height, width);
            study.expect_passes(height * width)?;
            let scores =
                study.scores_from_layer(height * width, |cell, maps| kernel.apply(cell, size, maps)).await?;
            let maps = map::of_targets(study, |_, class| {
                let score = |cell| class_score(score, context.output_activation, scores.item(cell), class);
                let map = Map { size, values: (0..height * width).map(score).collect() };
                finish.apply(map, input_size)
            })?;
            Ok(MethodOutput { maps, errors: None, measures: Vec::new(), warnings: Vec::new() })
        })
    }
}

impl Kernel {
    /// Leaves of `maps`, of `size` each, what belongs to a cell.
    fn apply(self, cell: usize, (height, width): (usize, usize), maps: &mut [f32]) {
        let (row, column) = (cell / width, cell % width);
        for map in maps.chunks_exact_mut(height * width) {
            let center = map[cell];
            if self == Self::Cell {
                map.fill(0.0);
                map[cell] = center;
                continue;
            }
            for (i, a) in map.iter_mut().enumerate() {
                let away = (row.abs_diff(i / width), column.abs_diff(i % width));
                *a = match (self, away) {
                    (Self::Gaussian, (r @ 0..2, c @ 0..2)) => *a * GAUSSIAN[r][c],
                    (Self::Spread, (r @ 0..2, c @ 0..2)) => center * GAUSSIAN[r][c],
                    _ => 0.0,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_leave_a_cell_and_its_neighbors() {
        let left = |kernel: Kernel, cell| {
            let mut map: Vec<f32> = (1..=6).map(|v| 16.0 * v as f32).collect();
            kernel.apply(cell, (2, 3), &mut map);
            map
        };
        assert_eq!(left(Kernel::Cell, 4), [0.0, 0.0, 0.0, 0.0, 80.0, 0.0]);
        assert_eq!(left(Kernel::Gaussian, 0), [4.0, 4.0, 0.0, 8.0, 5.0, 0.0]);
        assert_eq!(left(Kernel::Spread, 5), [0.0, 6.0, 12.0, 0.0, 12.0, 24.0]);
    }
}
