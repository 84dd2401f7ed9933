use scorecam_core::*;

/// An engine whose classes are the color channels of an image, and whose only layer is the image itself.
struct Channels(ModelInfo);

impl Channels {
    fn new() -> Self {
        Self(ModelInfo {
            input: InputInfo::image("image", vec![None, Some(3), Some(8), Some(8)]),
            other_inputs: Vec::new(),
            outputs: vec![OutputInfo::new("means", vec![None, Some(3)], OutputActivation::None)],
            // Class scores are read from the first output.
            scores: Ok(0),
            layers: vec![LayerInfo::maps("image", "Input", vec![Some(3), Some(8), Some(8)])],
            default_layer: Some(0),
            batch: BatchRule::Any { preferred: 16 },
            abilities: Abilities::NONE,
        })
    }
}

impl ModelBackend for Channels {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let images = inputs.images;
        let [n, c, h, w] = images.dims("the batch")?;
        let means = || images.data().chunks(h * w).map(|pixels| pixels.iter().sum::<f32>() / (h * w) as f32);
        let tensor = |name: &&str| match *name {
            "means" => Tensor::new([n, c], means().collect()),
            _ => Ok(images.to_tensor()),
        };
        wanted.iter().map(tensor).collect()
    }
}
