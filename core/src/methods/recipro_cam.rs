//! Recipro-CAM (Byun and Lee, 2022, arXiv 2209.14074): the class score from each cell of the layer alone.
//!
//! For each cell the part of the model after the layer runs once, on activations in which all other cells are 0; the
//! scores are the map. ViT-Recipro-CAM (arXiv 2310.02588) is the same on tokens, with an unchanged class token. Ports
//! differ in whether neighbors are kept and in the definition of the score, so both are options.

use std::sync::LazyLock;

use super::choices::{self, SCORE, choice, pick, spec};
use super::finish::Finish;
use super::map::{self, Map};
use crate::tensor::gathered;
use crate::{
    Abilities, Base, CamMethod, MethodInfo, MethodOutput, Options, Result, Study, Upsample, Work, class_score,
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
            "the part of the activations that is kept: a cell, it and its neighbors under a Gaussian, or its own \
             value spread over them",
        ),
        spec("score", choice(SCORE), "softmax", "the score of a cell"),
    ];
    // Scores are compared with each other, and need not be positive.
    options.extend(choices::with_default(Finish::specs(Upsample::HalfPixel), "post_relu", "false"));
    MethodInfo {
        id: "recipro-cam".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "the score from each cell of the layer alone".into(),
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
            let [channels, height, width] = context.layer_shape()?;
            let input_size = context.input_size()?;
            let size = (height, width);
            study.expect_passes(height * width)?;
            // Cell by cell, since all maps of a cell are looked at together.
            let columns = transposed(context.activations.data(), size)?;
            let columns = &columns;
            let scores = study.scores_of_changes(Base::Zeros, height * width, |cell| {
                kernel.left(cell, size).into_iter().flat_map(move |left| {
                    let own = columns[left.of * channels..][..channels].iter();
                    own.enumerate().map(move |(map, a)| (map * height * width + left.cell, a * left.weight))
                })
            });
            let scores = scores.await?;
            let maps = map::of_targets(study, |_, class| {
                let score = |cell| class_score(score, context.output_activation, scores.item(cell), class);
                let map = Map { size, values: (0..height * width).map(score).collect() };
                finish.apply(map, input_size)
            })?;
            Ok(MethodOutput { maps, errors: None, measures: Vec::new(), warnings: Vec::new() })
        })
    }
}

/// A cell of every map that is not 0.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Left {
    cell: usize,
    /// The cell whose activation it has, and its weight.
    of: usize,
    weight: f32,
}

/// Maps [K, cells] as [cells, K].
fn transposed(maps: &[f32], (height, width): (usize, usize)) -> Result<Vec<f32>> {
    let (cells, channels) = (height * width, maps.len() / (height * width));
    let columns = (0..cells).flat_map(|cell| (0..channels).map(move |map| maps[map * cells + cell]));
    gathered(&[cells, channels], columns)
}

impl Kernel {
    /// What is left of maps of this size for a cell.
    fn left(self, cell: usize, (height, width): (usize, usize)) -> Vec<Left> {
        if self == Self::Cell {
            return vec![Left { cell, of: cell, weight: 1.0 }];
        }
        let (row, column) = (cell / width, cell % width);
        let around = |at: usize, n: usize| at.saturating_sub(1)..(at + 2).min(n);
        let neighbor = |(r, c): (usize, usize)| {
            let neighbor = r * width + c;
            let of = if self == Self::Spread { cell } else { neighbor };
            Left { cell: neighbor, of, weight: GAUSSIAN[row.abs_diff(r)][column.abs_diff(c)] }
        };
        let rows = around(row, height);
        rows.flat_map(|r| around(column, width).map(move |c| (r, c))).map(neighbor).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_leave_a_cell_and_its_neighbors() {
        let left = |kernel: Kernel, cell| {
            let own: Vec<f32> = (1..=6).map(|v| 16.0 * v as f32).collect();
            let mut map = [0.0; 6];
            kernel.left(cell, (2, 3)).iter().for_each(|left| map[left.cell] = own[left.of] * left.weight);
            map
        };
        assert_eq!(left(Kernel::Cell, 4), [0.0, 0.0, 0.0, 0.0, 80.0, 0.0]);
        assert_eq!(left(Kernel::Gaussian, 0), [4.0, 4.0, 0.0, 8.0, 5.0, 0.0]);
        assert_eq!(left(Kernel::Spread, 5), [0.0, 6.0, 12.0, 0.0, 12.0, 24.0]);
    }
}
