//! Template of a method plugin: `my-eigen-cam` (Muhammad and Yeasin, 2020), which shows the common pattern of the
//! target layer's activation maps, whatever the class. It needs no passes beyond the first.
//!
//! ```text
//! cargo build --release
//! scorecam explain cat.jpg --model squeezenet.onnx --method my-eigen-cam --overlay cat.png \
//!     --plugin target/release/libscorecam_example_method.so
//! ```

use scorecam_plugin::methods::{finish::Finish, map};
use scorecam_plugin::{Abilities, CamMethod, MethodInfo, MethodOutput, Options, Study, Upsample, Work};

// This makes the library a plugin.
scorecam_plugin::export_plugin! {
    method: EigenCam(MethodInfo {
        id: "my-eigen-cam".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "first principal component of the activation maps; the same for every class".into(),
        options: Finish::specs(Upsample::HalfPixel),
        presets: vec![],
        needs: Abilities::NONE,
        needs_layer: true,
    }),
}

/// It has no state per image, because several threads may call it concurrently.
struct EigenCam(MethodInfo);

impl CamMethod for EigenCam {
    fn info(&self) -> &MethodInfo {
        &self.0
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            // The first pass is done: its activations are [1, K, h, w], the input is [1, C, H, W]. A method that needs
            // more passes awaits them, as in `study.masked_scores(masks).await?`.
            let [_, _, height, width] = study.context.input.view().dims("the input")?;
            let [_, _, h, w] = study.context.activations.view().dims("the activations")?;
            let activations = study.context.activations.data().chunks_exact(h * w);
            let mean = map::Map::weighted_sum((h, w), activations.clone().map(|map| (map, 1.0)))?;
            let centered: Vec<Vec<f32>> = activations.map(centered).collect();

            // Power iteration: the left singular vector of the greatest singular value of [h * w, K].
            let mut common = mean.values.clone();
            for _ in 0..200 {
                let weighted = centered.iter().map(|map| (map.as_slice(), dot(map, &common)));
                common = map::Map::weighted_sum((h, w), weighted)?.values;
                let length = common.iter().map(|v| v * v).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
                common.iter_mut().for_each(|v| *v /= length);
            }
            // Its sign is arbitrary: activations must count as evidence for, not against.
            let sign = common.iter().zip(&mean.values).map(|(a, b)| a * b).sum::<f64>().signum();
            let finish = Finish::read(options)?;
            let map = || map::Map { size: (h, w), values: common.iter().map(|v| v * sign).collect() };
            let maps = map::of_targets(study, |_, _| finish.apply(map(), (height, width)))?;
            Ok(MethodOutput { maps, errors: None, measures: vec![], warnings: vec![] })
        })
    }
}

/// A map minus its mean.
fn centered(map: &[f32]) -> Vec<f32> {
    let mean = map.iter().sum::<f32>() / map.len() as f32;
    map.iter().map(|v| v - mean).collect()
}

fn dot(map: &[f32], other: &[f64]) -> f64 {
    map.iter().zip(other).map(|(a, b)| f64::from(*a) * b).sum()
}
