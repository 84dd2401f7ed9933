//! [`Slopes`]: the slope of scores along whole activation maps.
//!
//! A model with gradients computes them in one pass per target. If only the part after the layer can run, slopes are
//! central differences, with two head passes per map for all targets together. They are exact if that part is linear
//! along the step, such as pooling and a linear layer; the difference between the slopes up and down is measured and
//! reported.

use crate::{Base, ErrorKind, Result, Study};

/// Which way activations are moved to see how scores follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// By the same number in every cell of a map.
    Constant,
    /// By a part of the map itself.
    Itself,
}

/// The slopes of each target's raw score along each map.
pub(super) struct Slopes {
    /// For each target a number for each map.
    pub(super) of_targets: Vec<Vec<f64>>,
    /// The largest difference between the slopes up and down, relative to the greatest slope; none of gradients.
    bend: Option<f64>,
}

/// How far activations are moved, relative to the greatest of all or to the map itself.
const STEP: f32 = 1.0 / 32.0;

/// From where on a user should know that slopes bend.
const NOTABLE_BEND: f64 = 0.1;

impl Direction {
    /// What each map's slope is divided by to be its weight: its cells, or its sum.
    pub(super) fn divisors(self, activations: &[f32], cells: usize) -> Vec<f64> {
        let of_map = |map: &[f32]| match self {
            Self::Constant => cells as f64,
            Self::Itself => {
                Some(map.iter().map(|&a| f64::from(a)).sum::<f64>()).filter(|s| *s != 0.0).unwrap_or(1.0)
            }
        };
        activations.chunks_exact(cells).map(of_map).collect()
    }

    /// The slope that gradients of one map have along the way.
    fn slope(self, (map, gradients): (&[f32], &[f32])) -> f64 {
        let along = |(&a, &g): (&f32, &f32)| match self {
            Self::Constant => f64::from(g),
            Self::Itself => f64::from(g) * f64::from(a),
        };
        map.iter().zip(gradients).map(along).sum()
    }
}

impl Slopes {
    /// Finds them by gradients where the model has such, else by head passes.
    pub(super) async fn find(study: &Study<'_>, direction: Direction) -> Result<Self> {
        if !study.model.abilities.gradients {
            return Self::by_differences(study, direction).await;
        }
        study.expect_passes(study.context.targets.len())?;
        match Self::by_gradients(study, direction).await {
            // What a method of a plugin sees of a model does not say what it can do.
            Err(error) if error.kind() == ErrorKind::Unsupported && study.model.abilities.run_from => {
                Self::by_differences(study, direction).await.map_err(|second| match second.kind() {
                    ErrorKind::Unsupported => error,
                    _ => second,
                })
            }
            found => found,
        }
    }

    async fn by_gradients(study: &Study<'_>, direction: Direction) -> Result<Self> {
        let [_, height, width] = study.context.layer_shape()?;
        let cells = height * width;
        let mut of_targets = Vec::new();
        for &class in &study.context.targets {
            let gradients = study.gradients(class).await?;
            let maps = study.context.activations.data().chunks_exact(cells);
            of_targets.push(
                maps.zip(gradients.data().chunks_exact(cells)).map(|pair| direction.slope(pair)).collect(),
            );
        }
        Ok(Self { of_targets, bend: None })
    }

    async fn by_differences(study: &Study<'_>, direction: Direction) -> Result<Self> {
        let context = &study.context;
        let [channels, height, width] = context.layer_shape()?;
        let cells = height * width;
        let greatest = context.activations.data().iter().fold(0.0f32, |most, a| most.max(a.abs()));
        let step = match direction {
            Direction::Constant => STEP * if greatest > 0.0 { greatest } else { 1.0 },
            Direction::Itself => STEP,
        };
        study.expect_passes(2 * channels)?;
        let scores = study.scores_of_changes(Base::Own, 2 * channels, |i| {
            let (sign, first) = (if i % 2 == 0 { step } else { -step }, i / 2 * cells);
            let map = &context.activations.data()[first..][..cells];
            map.iter().enumerate().map(move |(cell, a)| match direction {
                Direction::Constant => (first + cell, a + sign),
                Direction::Itself => (first + cell, a + sign * a),
            })
        });
        let scores = scores.await?;
        let (mut bend, mut steepest) = (0.0f64, 0.0f64);
        let mut of_target = |&class: &usize| {
            let own = f64::from(context.scores[class]);
            let mut slope = |channel: usize| {
                let [up, down] = [0, 1].map(|i| f64::from(scores.item(2 * channel + i)[class]));
                let slope = (up - down) / (2.0 * f64::from(step));
                bend = bend.max((up + down - 2.0 * own).abs() / f64::from(step));
                steepest = steepest.max(slope.abs());
                slope
            };
            (0..channels).map(&mut slope).collect::<Vec<f64>>()
        };
        let of_targets: Vec<Vec<f64>> = context.targets.iter().map(&mut of_target).collect();
        Ok(Self { of_targets, bend: (steepest > 0.0).then_some(bend / steepest) })
    }

    /// What a user should know of slopes that are differences.
    pub(super) fn warning(&self) -> Option<String> {
        let bend = self.bend.filter(|bend| *bend > NOTABLE_BEND)?;
        Some(format!(
            "slopes are differences between two runs of the part behind the layer, which is not linear there: up and down \
             they differ by up to {:.0} % of the greatest one",
            100.0 * bend
        ))
    }
}
