//! FEM, the feature explanation method (Fuad et al., 2020, hal-02963298): where activation maps are far above their own
//! mean, whatever the class. No pass is needed besides the first.
//!
//! A cell of a channel stands out where it is above the channel's mean plus `deviations` of its standard deviations. The paper
//! sums the cells that stand out, each times its channel's mean; pytorch-grad-cam sums the channels, each times the share of
//! its cells that stand out.

use std::sync::LazyLock;

use super::choices::{self, choice, number, pick, spec};
use super::eigen_cam::output;
use super::finish::Finish;
use super::map::Map;
use crate::tensor::room_for;
use crate::{Abilities, CamMethod, MethodInfo, Options, Result, Study, Upsample, Work};

/// The method that looks for cells that stand out.
#[derive(Debug, Clone, Copy)]
pub struct Fem;

/// What is summed, and how it is weighted.
#[derive(Clone, Copy, PartialEq)]
enum Sum {
    /// The channels, by the share of their cells that stand out.
    Channels,
    /// The cells that stand out, by their channel's mean.
    Cells,
}

const SUM: &[(&str, Sum)] = &[("channels", Sum::Channels), ("cells", Sum::Cells)];

const PRESETS: &[(&str, &str, &str)] = &[
    ("standard", "channels by the share of their cells that stand out (the default)", ""),
    (
        "paper",
        "the paper: cells that stand out by their channel's mean; the coarse map",
        "sum=cells final=none output=layer",
    ),
    ("pytorch-grad-cam", "grad-cam 1.5", "resize=half-pixel final_eps=1e-7 order=norm-resize-norm"),
    ("xplique", "Xplique 2.0", "sum=cells post_relu=false final=none resize=bicubic"),
];

static INFO: LazyLock<MethodInfo> = LazyLock::new(|| {
    let mut options = vec![
        spec(
            "deviations",
            number(0.0, 100.0),
            "2",
            "standard deviations above its channel's mean from which a cell stands out",
        ),
        spec(
            "sum",
            choice(SUM),
            "channels",
            "what is summed: channels, weighted by their share of cells that stand out, or these cells, weighted by \
             their channel's mean",
        ),
    ];
    options.extend(Finish::specs(Upsample::HalfPixel));
    MethodInfo {
        id: "fem".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "where activation maps are far above their mean; the same for every class".into(),
        options,
        presets: choices::presets(PRESETS),
        needs: Abilities::NONE,
        needs_layer: true,
    }
});

impl CamMethod for Fem {
    fn info(&self) -> &MethodInfo {
        &INFO
    }

    fn check(&self, options: &Options) -> Result<()> {
        Finish::read(options).map(|_| ())
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            study.expect_passes(0)?;
            let [_, h, w] = study.context.layer_shape()?;
            let (deviations, sum) = (options.parse("deviations")?, pick(options, "sum", SUM)?);
            let mut cells = room_for(&[h, w])?;
            cells.resize(h * w, 0.0);
            let mut map = Map { size: (h, w), values: cells };
            for channel in study.context.activations.data().chunks_exact(h * w) {
                add(&mut map.values, channel, (deviations, sum));
            }
            output(study, options, map)
        })
    }
}

/// Adds a channel to the map.
fn add(map: &mut [f64], channel: &[f32], (deviations, sum): (f64, Sum)) {
    let count = channel.len() as f64;
    let values = || channel.iter().map(|&v| f64::from(v));
    let mean = values().sum::<f64>() / count;
    let variance = values().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let threshold = mean + deviations * variance.sqrt();
    let share = values().filter(|&v| v > threshold).count() as f64 / count;
    for (sum_of_cell, value) in map.iter_mut().zip(values()) {
        *sum_of_cell += match sum {
            Sum::Channels => share * value,
            Sum::Cells if value > threshold => mean,
            Sum::Cells => 0.0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_count_that_are_above_their_channels_mean_by_deviations() {
        let check = |channel: [f32; 5], deviations: f64, sum: Sum, expected: [f64; 5]| {
            let mut map = [0.0; 5];
            add(&mut map, &channel, (deviations, sum));
            assert_eq!(map, expected, "{channel:?} at {deviations}");
        };
        // Mean 1, deviation 2: only the last cell is above 1 + 1.5 * 2.
        let one = [0.0, 0.0, 0.0, 0.0, 5.0];
        check(one, 1.5, Sum::Channels, [0.0, 0.0, 0.0, 0.0, 1.0]);
        check(one, 1.5, Sum::Cells, [0.0, 0.0, 0.0, 0.0, 1.0]);
        check(one, 3.0, Sum::Channels, [0.0; 5]);
        check([-1.0, 0.0, 1.0, 0.0, 10.0], 0.0, Sum::Channels, [-0.2, 0.0, 0.2, 0.0, 2.0]);
        check([-1.0, 0.0, 1.0, 0.0, 10.0], 0.0, Sum::Cells, [0.0, 0.0, 0.0, 0.0, 2.0]);
        check([4.0; 5], 0.0, Sum::Cells, [0.0; 5]);
    }
}
