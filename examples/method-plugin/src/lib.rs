//! Template of a method plugin: method `mean-activation`, which needs no passes beyond the first one.
//!
//! Build and use it:
//!
//! ```text
//! cargo build --release
//! scorecam explain cat.jpg --model squeezenet.onnx --method mean-activation --overlay cat.png \
//!     --plugin target/release/libscorecam_example_method.so
//! ```
//!
//! The map is the mean of the target layer's activation maps, resized to the input and scaled to 0..1. To
//! write a method of your own, change [`MeanActivation::new`] (name, options, presets) and
//! [`CamMethod::explain`] (the algorithm); the rest stays as it is.

use scorecam_plugin::{
    Abilities, CamMethod, MethodInfo, MethodOutput, OptionKind, OptionSpec, Options, Preset, Study, Tensor,
    Upsample, Upsampler, Work,
};

// This is all that makes the library a plugin.
scorecam_plugin::export_plugin! {
    method: MeanActivation::new(),
}

/// The method. It holds what it says of itself, and nothing of any image: calls may come from many threads.
struct MeanActivation {
    info: MethodInfo,
}

impl MeanActivation {
    fn new() -> Self {
        let upsample = OptionSpec {
            name: "upsample".into(),
            help: "how the map is resized to the input".into(),
            kind: OptionKind::Choice(Upsample::ALL.map(|mode| mode.name().to_owned()).to_vec()),
            default: Upsample::HalfPixel.name().into(),
        };
        let rectify = OptionSpec {
            name: "rectify".into(),
            help: "whether negative activations count as 0".into(),
            kind: OptionKind::Flag,
            default: "true".into(),
        };
        let cells = Preset {
            name: "cells".into(),
            summary: "shows each cell of the layer as it is, without smoothing".into(),
            values: vec![("upsample".into(), Upsample::Nearest.name().into())],
        };
        let info = MethodInfo {
            id: "mean-activation".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "mean of the layer's activation maps; the same for every class".into(),
            options: vec![upsample, rectify],
            presets: vec![cells],
            needs: Abilities::NONE,
        };
        Self { info }
    }
}

impl CamMethod for MeanActivation {
    fn info(&self) -> &MethodInfo {
        &self.info
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            // The host has checked every option against `info` by the time it gets here.
            let rectify: bool = options.parse("rectify")?;
            let name = options.text("upsample")?;
            let mode = Upsample::ALL.into_iter().find(|mode| mode.name() == name).unwrap_or_default();

            // The first pass is made already: its activations are [1, K, h, w], the input is [1, C, H, W].
            let context = &study.context;
            let [_, _, height, width] = context.input.view().dims("the input")?;
            let [_, maps, h, w] = context.activations.view().dims("the activations")?;
            let mut mean = vec![0.0; h * w];
            for map in context.activations.data().chunks_exact(h * w) {
                for (sum, &activation) in mean.iter_mut().zip(map) {
                    let counted = if rectify { activation.max(0.0) } else { activation };
                    *sum += f64::from(counted) / maps as f64;
                }
            }
            let map = scaled_to_one(Upsampler::new(mode, (h, w), (height, width))?.resize(&mean)?);

            // One map is due for each target. A method that weighs maps by class awaits its class scores:
            // `study.masked_scores(masks).await?` or `study.scores(images).await?`.
            let targets = context.targets.len();
            Ok(MethodOutput {
                maps: Tensor::new([targets, height, width], map.repeat(targets))?,
                measures: vec![("mean-activation".into(), mean.iter().sum::<f64>() / mean.len() as f64)],
                warnings: Vec::new(),
            })
        })
    }
}

/// The map with its least value at 0 and its greatest at 1; zeros when it is flat.
fn scaled_to_one(map: Vec<f64>) -> Vec<f32> {
    let least = map.iter().copied().fold(f64::INFINITY, f64::min);
    let range = map.iter().copied().fold(f64::NEG_INFINITY, f64::max) - least;
    let scale = if range > 0.0 { 1.0 / range } else { 0.0 };
    map.iter().map(|value| ((value - least) * scale) as f32).collect()
}
