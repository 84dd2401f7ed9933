//! A model whose scores are smooth in the image, and maps for its layer.

use std::sync::Mutex;

use scorecam_core::{
    Abilities, BatchRule, Error, Forward, InputInfo, LayerInfo, OutputActivation, OutputInfo, Result, Tensor,
    TensorView, ViewInfo, ViewedModel,
};

/// What three windows of the image let through, each from 0 to 1, made into outputs of three classes.
pub(crate) type Scores = fn([f32; 3]) -> [f32; 3];

/// A layer of given maps, and outputs that follow what shows of the image in three windows of it.
pub(crate) struct Model {
    pub(crate) info: ViewInfo,
    maps: Tensor,
    /// Side of the image in pixels.
    pub(crate) side: usize,
    scores: Scores,
    /// Outputs, made of the first three.
    classes: usize,
    /// The number of images of each pass.
    pub(crate) batches: Mutex<Vec<usize>>,
}

impl Model {
    pub(crate) fn new(maps: Tensor) -> Self {
        let [count, height, width] = maps.view().dims("maps").expect("maps are [K, h, w]");
        let side = 2 * height.max(width);
        let axes = |sizes: &[usize]| sizes.iter().map(|&n| Some(n)).collect::<Vec<_>>();
        let shape = |sizes: &[usize]| [vec![None], axes(sizes)].concat();
        let info = ViewInfo {
            input: InputInfo::image("input", shape(&[1, side, side])),
            scores: Ok(OutputInfo::new("scores", shape(&[3]), OutputActivation::None)),
            outputs: Vec::new(),
            layers: vec![LayerInfo::maps("maps", "Conv", axes(&[count, height, width]))],
            default_layer: Some(0),
            batch: BatchRule::Any { preferred: 16 },
            abilities: Abilities::NONE,
        };
        let scores: Scores = |seen| seen.map(|s| 9.0 * s * s);
        Self { info, maps, side, scores, classes: 3, batches: Mutex::default() }
    }

    /// Many small maps, of more kinds than there are cells.
    pub(crate) fn many() -> Self {
        Self::new(bumps(300, 7, 7))
    }

    /// Few large maps, which are gathered into fewer cells.
    pub(crate) fn large() -> Self {
        Self::new(bumps(40, 20, 20))
    }

    pub(crate) fn with(self, scores: Scores) -> Self {
        Self { scores, ..self }
    }

    pub(crate) fn with_classes(mut self, classes: usize) -> Self {
        self.info.scores.as_mut().expect("scores").shape[1] = Some(classes);
        Self { classes, ..self }
    }

    fn outputs(&self, image: &[f32]) -> [f32; 3] {
        let seen = |window: usize| {
            let (mut seen, mut all) = (0.0, 0.0);
            for (at, value) in image.iter().enumerate() {
                let part = |n: usize| (n as f32 + 0.5) / self.side as f32;
                let (y, x) = (part(at / self.side), part(at % self.side));
                let middle = 0.25 * (window as f32 + 1.0);
                let weight = (-((y - 0.5).powi(2) + (x - middle).powi(2)) / 0.05).exp();
                (seen, all) = (seen + weight * value, all + weight);
            }
            seen / all
        };
        (self.scores)([seen(0), seen(1), seen(2)])
    }
}

impl ViewedModel for Model {
    fn info(&self) -> &ViewInfo {
        &self.info
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let n = batch.shape()[0];
        self.batches.lock().map_err(|_| Error::internal("a test panicked"))?.push(n);
        let outputs = |i| {
            let three = self.outputs(batch.item(i));
            // Those beyond the eighth change fast from mask to mask, so that they would steer elsewhere.
            let score = move |class: usize| match class {
                0..8 => three[class % 3] * (1.0 - 0.05 * (class / 3) as f32),
                _ => (40.0 * three[class % 3]).sin(),
            };
            (0..self.classes).map(score)
        };
        let scores = (0..n).flat_map(outputs).collect();
        let shape = [&[n], self.maps.shape()].concat();
        let activations = |_: &&str| Tensor::new(shape.clone(), self.maps.data().repeat(n));
        let activations = taps.iter().map(activations).collect::<Result<_>>()?;
        Ok(Forward { scores: Tensor::new([n, self.classes], scores)?, activations })
    }
}

/// Maps of two round spots each, anywhere, from a fixed sequence.
pub(crate) fn bumps(count: usize, height: usize, width: usize) -> Tensor {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32
    };
    let mut values = Vec::new();
    for _ in 0..count {
        let spots = [(); 2].map(|()| [next(), next(), 0.2 + next()]);
        let strength = 0.3 + 2.0 * next();
        for at in 0..height * width {
            let y = ((at / width) as f32 + 0.5) / height as f32;
            let x = ((at % width) as f32 + 0.5) / width as f32;
            let spot = |[v, u, s]: [f32; 3]| s * (-((y - v).powi(2) + (x - u).powi(2)) / 0.04).exp();
            values.push(strength * spots.into_iter().map(spot).sum::<f32>());
        }
    }
    Tensor::new([count, height, width], values).expect("as many values as cells")
}
