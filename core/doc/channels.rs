use scorecam_core::*;

/// An engine whose classes are the color channels of an image, and whose only layer is the image itself.
struct Channels(ModelInfo);

impl Channels {
    fn new() -> Self {
        let tensor = |name: &str, shape: &[Option<usize>]| TensorInfo { name: name.into(), shape: shape.into() };
        Self(ModelInfo {
            input: tensor("image", &[None, Some(3), Some(8), Some(8)]),
            output: tensor("means", &[None, Some(3)]),
            output_activation: OutputActivation::None,
            layers: vec![LayerInfo::maps("image", "Input", vec![Some(3), Some(8), Some(8)])],
            default_layer: Some(0),
            batch: BatchRule::Any { preferred: 16 },
            takes_bytes: false,
            abilities: Abilities::NONE,
        })
    }
}

impl ModelBackend for Channels {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let [n, c, h, w] = batch.dims("the batch")?;
        let means = batch.data().chunks(h * w).map(|channel| channel.iter().sum::<f32>() / (h * w) as f32);
        Ok(Forward {
            scores: Tensor::new([n, c], means.collect())?,
            activations: taps.iter().map(|_| batch.to_tensor()).collect(),
        })
    }
}
