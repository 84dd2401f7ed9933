//! The network itself: one image forward, from any layer on, and backward.
//!
//! Sums run in one fixed order (bias first, then tap by tap, in f32; pooling and the head in f64), which the
//! numpy twin repeats. All slices are of one image; shapes are checked by the callers.

use scorecam_core::{RandomWeights, Result};

use crate::file::{Ending, ToyFile};
use crate::weights::Weights;

/// The layers that can be tapped, in the order in which they run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Conv1,
    Relu1,
    Conv2,
    Features,
}

impl Layer {
    pub(crate) const ALL: [Layer; 4] = [Self::Conv1, Self::Relu1, Self::Conv2, Self::Features];

    pub(crate) fn name(self) -> &'static str {
        ["conv1", "relu1", "conv2", "features"][self as usize]
    }

    pub(crate) fn operator(self) -> &'static str {
        ["Conv", "Relu", "Conv", "Relu"][self as usize]
    }
}

/// A network, ready to run.
pub(crate) struct Network {
    weights: Weights,
    patch: [usize; 2],
    maps: usize,
    ending: Ending,
}

/// Activations of one image, [K, h, w] for each layer.
pub(crate) struct Activations {
    layers: [Vec<f32>; 4],
    cells: [usize; 2],
}

impl Activations {
    pub(crate) fn of(&self, layer: Layer) -> &[f32] {
        &self.layers[layer as usize]
    }
}

impl Network {
    pub(crate) fn new(file: &ToyFile) -> Self {
        Self { weights: Weights::new(file), patch: file.patch(), maps: file.maps, ending: file.ending }
    }

    /// The network with random weights.
    pub(crate) fn with_random(mut self, random: &RandomWeights, classes: usize) -> Result<Self> {
        self.weights.draw(random, classes)?;
        Ok(self)
    }

    /// All activations of an image [C, h * patch height, w * patch width], where `cells` is [h, w].
    pub(crate) fn activations(&self, image: &[f32], cells: [usize; 2]) -> Activations {
        self.activations_from(Layer::Conv1, self.conv1(image, cells), cells)
    }

    /// The activations when `values` [K, h, w] stand in place of those of `layer`; earlier ones stay empty.
    pub(crate) fn activations_from(&self, layer: Layer, values: Vec<f32>, cells: [usize; 2]) -> Activations {
        let mut layers: [Vec<f32>; 4] = Default::default();
        layers[layer as usize] = values;
        for next in layer as usize + 1..layers.len() {
            let before = &layers[next - 1];
            layers[next] = match Layer::ALL[next] {
                Layer::Conv2 => self.conv2(before, cells),
                _ => before.iter().map(|&v| relu(v)).collect(),
            };
        }
        Activations { layers, cells }
    }

    /// Appends the scores of one image to `scores`.
    pub(crate) fn scores(&self, activations: &Activations, scores: &mut Vec<f32>) {
        let area = activations.cells[0] * activations.cells[1];
        let pooled: Vec<f64> = activations
            .of(Layer::Features)
            .chunks_exact(area)
            .map(|map| map.iter().map(|&v| f64::from(v)).sum::<f64>() / area as f64)
            .collect();
        let logits =
            self.weights.head.chunks_exact(self.maps).zip(&self.weights.head_bias).map(|(row, &bias)| {
                let sum: f64 = row.iter().zip(&pooled).map(|(&w, p)| f64::from(w) * p).sum();
                (sum + f64::from(bias)) as f32
            });
        let first = scores.len();
        scores.extend(logits);
        apply(self.ending, &mut scores[first..]);
    }

    /// The derivative [K, h, w] of the sum of `cotangent` times the scores, ending included, with respect to the
    /// activations of `layer`.
    pub(crate) fn gradient(&self, activations: &Activations, layer: Layer, cotangent: &[f32]) -> Vec<f32> {
        let area = activations.cells[0] * activations.cells[1];
        let mut gradient: Vec<f32> = self
            .gradient_of_pooled(activations, cotangent)
            .flat_map(|slope| std::iter::repeat_n((slope / area as f64) as f32, area))
            .collect();
        for step in Layer::ALL.into_iter().rev().take_while(|&step| step > layer) {
            if step == Layer::Conv2 {
                gradient = self.conv2_backward(&gradient, activations.cells);
            } else {
                let seen = &activations.layers[step as usize - 1];
                let dead = gradient.iter_mut().zip(seen).filter(|&(_, &v)| v <= 0.0);
                dead.for_each(|(g, _)| *g = 0.0);
            }
        }
        gradient
    }

    /// The derivative [K] of the same sum with respect to the pooled features.
    fn gradient_of_pooled(&self, activations: &Activations, cotangent: &[f32]) -> impl Iterator<Item = f64> {
        let mut scores = Vec::new();
        self.scores(activations, &mut scores);
        let score = |c: usize| f64::from(scores[c]);
        let weight = |c: usize| f64::from(cotangent[c]);
        let mean: f64 = (0..scores.len()).map(|c| weight(c) * score(c)).sum();
        let of_logit = |c: usize| match self.ending {
            Ending::Logits => weight(c),
            Ending::Sigmoid => weight(c) * (score(c) * (1.0 - score(c))),
            Ending::Softmax => score(c) * (weight(c) - mean),
        };
        let of_logits: Vec<f64> = (0..scores.len()).map(of_logit).collect();
        (0..self.maps).map(move |k| {
            let rows = self.weights.head.chunks_exact(self.maps);
            rows.zip(&of_logits).map(|(row, slope)| slope * f64::from(row[k])).sum()
        })
    }

    /// A convolution whose stride is its kernel. Patches are unfolded first, so that the inner loop runs
    /// along the cells of a map.
    fn conv1(&self, image: &[f32], [h, w]: [usize; 2]) -> Vec<f32> {
        let [p, q] = self.patch;
        let (width, area) = (w * q, h * w);
        let mut patches: Vec<f32> = Vec::with_capacity(image.len());
        for channel in image.chunks_exact(area * p * q) {
            for (dy, dx) in (0..p).flat_map(|dy| (0..q).map(move |dx| (dy, dx))) {
                for y in 0..h {
                    let row = &channel[(y * p + dy) * width..][..width];
                    patches.extend(row.iter().skip(dx).step_by(q));
                }
            }
        }
        let taps = patches.len() / area;
        let mut result = Vec::with_capacity(self.maps * area);
        for (kernel, &bias) in self.weights.conv1.chunks_exact(taps).zip(&self.weights.bias1) {
            let start = result.len();
            result.resize(start + area, bias);
            for (&weight, values) in kernel.iter().zip(patches.chunks_exact(area)) {
                result[start..].iter_mut().zip(values).for_each(|(sum, v)| *sum += weight * v);
            }
        }
        result
    }

    /// 3x3, padded by zeros, over the maps that each map is linked to.
    fn conv2(&self, maps: &[f32], cells: [usize; 2]) -> Vec<f32> {
        let area = cells[0] * cells[1];
        let mut result: Vec<f32> =
            self.weights.bias2.iter().flat_map(|&bias| std::iter::repeat_n(bias, area)).collect();
        self.for_each_link(|to, from, kernel| {
            let (seen, sums) = (&maps[from * area..][..area], &mut result[to * area..][..area]);
            for (tap, &weight) in kernel.iter().enumerate() {
                for_each_row(tap, cells, |target, source, length| {
                    let row = sums[target..][..length].iter_mut().zip(&seen[source..][..length]);
                    row.for_each(|(sum, v)| *sum += weight * v);
                });
            }
        });
        result
    }

    /// Gradient of conv2's input from that of its output.
    fn conv2_backward(&self, gradient: &[f32], cells: [usize; 2]) -> Vec<f32> {
        let area = cells[0] * cells[1];
        let mut result = vec![0.0; self.maps * area];
        self.for_each_link(|to, from, kernel| {
            let (given, sums) = (&gradient[to * area..][..area], &mut result[from * area..][..area]);
            for (tap, &weight) in kernel.iter().enumerate() {
                for_each_row(tap, cells, |target, source, length| {
                    let row = sums[source..][..length].iter_mut().zip(&given[target..][..length]);
                    row.for_each(|(sum, g)| *sum += weight * g);
                });
            }
        });
        result
    }

    /// Calls `visit(map of conv2, map of relu1, kernel [3, 3])` for each pair of linked maps.
    fn for_each_link(&self, mut visit: impl FnMut(usize, usize, &[f32])) {
        for (i, kernel) in self.weights.conv2.chunks_exact(9).enumerate() {
            let (to, link) = (i / self.weights.links, i % self.weights.links);
            visit(to, (self.weights.source[to] + link) % self.maps, kernel);
        }
    }
}

/// Calls `visit(first target cell, first source cell, length)` for each row that tap 0..9 reaches.
fn for_each_row(tap: usize, [h, w]: [usize; 2], mut visit: impl FnMut(usize, usize, usize)) {
    let (dy, dx) = (tap / 3, tap % 3);
    // Target x sees source x + dx - 1; both must lie in 0..w, and likewise for y.
    let (x, length) = (usize::from(dx == 0), w - usize::from(dx != 1));
    for y in usize::from(dy == 0)..h - usize::from(dy == 2) {
        visit(y * w + x, (y + dy - 1) * w + x + dx - 1, length);
    }
}

/// ReLU that keeps NaN, as real runtimes do.
fn relu(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

fn apply(ending: Ending, scores: &mut [f32]) {
    match ending {
        Ending::Logits => {}
        Ending::Sigmoid => {
            scores.iter_mut().for_each(|s| *s = (1.0 / (1.0 + (-f64::from(*s)).exp())) as f32);
        }
        Ending::Softmax => {
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let powers: Vec<f64> =
                scores.iter().map(|&s| (f64::from(s) - f64::from(highest)).exp()).collect();
            let sum: f64 = powers.iter().sum();
            scores.iter_mut().zip(&powers).for_each(|(s, p)| *s = (p / sum) as f32);
        }
    }
}
