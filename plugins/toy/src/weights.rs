//! The weights: a hash of the seed, in multiples of 1/256 so that every language holds the same numbers.

use scorecam_core::{RandomWeights, Result, WeightRole};

use crate::file::ToyFile;

/// Maps of relu1 that one map of conv2 sees, where there are so many.
const MAX_LINKS: usize = 4;

/// All weights of a toy network.
pub(crate) struct Weights {
    /// [K, C * patch height * patch width].
    pub(crate) conv1: Vec<f32>,
    /// [K].
    pub(crate) bias1: Vec<f32>,
    /// [K, links, 3, 3].
    pub(crate) conv2: Vec<f32>,
    /// [K].
    pub(crate) bias2: Vec<f32>,
    /// [classes, K].
    pub(crate) head: Vec<f32>,
    /// [classes].
    pub(crate) head_bias: Vec<f32>,
    /// Map k of conv2 sees maps `source[k]`, `source[k] + 1`, ... of relu1, cyclically.
    pub(crate) source: Vec<usize>,
    /// How many of them it sees.
    pub(crate) links: usize,
}

/// Streams of the hash: one for each kind of weight.
#[derive(Clone, Copy)]
enum Stream {
    Conv1 = 1,
    Bias1,
    Conv2,
    Bias2,
    Head,
    HeadBias,
}

impl Weights {
    pub(crate) fn new(file: &ToyFile) -> Self {
        let links = MAX_LINKS.min(file.maps);
        let taps = file.channels * file.patch()[0] * file.patch()[1];
        let make = |stream, count: usize, divisor: f32| -> Vec<f32> {
            (1..=count as u64).map(|i| hashed(file.seed, stream, i) / divisor).collect()
        };
        let mut weights = Self {
            conv1: make(Stream::Conv1, file.maps * taps, 256.0),
            bias1: make(Stream::Bias1, file.maps, 256.0),
            conv2: make(Stream::Conv2, file.maps * links * 9, 256.0),
            bias2: make(Stream::Bias2, file.maps, 256.0),
            head: make(Stream::Head, file.classes * file.maps, 64.0),
            head_bias: make(Stream::HeadBias, file.classes, 64.0),
            source: (0..file.maps).collect(),
            links,
        };
        weights.shape_maps(file);
        weights
    }

    /// The layers with weights, in the order in which they run.
    pub(crate) const LAYERS: [&str; 3] = ["conv1", "conv2", "head"];

    /// Replaces the weights of some layers.
    pub(crate) fn draw(&mut self, random: &RandomWeights, classes: usize) -> Result<()> {
        random.check(Self::LAYERS.len())?;
        let maps = self.bias1.len();
        let fan_ins = [self.conv1.len() / maps, self.conv2.len() / maps, self.head.len() / classes];
        let layers = [
            [&mut self.conv1, &mut self.bias1],
            [&mut self.conv2, &mut self.bias2],
            [&mut self.head, &mut self.head_bias],
        ];
        for (layer, (tensors, fan_in)) in layers.into_iter().zip(fan_ins).enumerate() {
            for (i, tensor) in tensors.into_iter().enumerate().filter(|_| random.layers.contains(&layer)) {
                let trained: Vec<f64> = tensor.iter().map(|&v| v.into()).collect();
                let drawn = random.drawn((layer, i), WeightRole::Factor { fan_in }, &trained);
                *tensor = drawn.into_iter().map(|v| v as f32).collect();
            }
        }
        Ok(())
    }

    /// Makes copies of the first maps, then constant and flat maps, at the end of conv2.
    fn shape_maps(&mut self, file: &ToyFile) {
        let (own, kernel) = (file.own_maps(), self.links * 9);
        for i in 0..file.duplicate_maps {
            let (copy, of) = (own + i, i % own);
            // Powers of two, so that the copies are exact.
            let scale = if i % 2 == 0 { 2.0 } else { 0.5 };
            for tap in 0..kernel {
                self.conv2[copy * kernel + tap] = self.conv2[of * kernel + tap] * scale;
            }
            self.bias2[copy] = self.bias2[of] * scale;
            self.source[copy] = of;
        }
        let first = own + file.duplicate_maps;
        self.conv2[first * kernel..].fill(0.0);
        self.bias2[first..first + file.constant_maps].fill(0.75);
        self.bias2[first + file.constant_maps..].fill(-0.5);
    }
}

/// An integer from -128 to 127: the top byte of a 64-bit mix (that of SplitMix64).
fn hashed(seed: u64, stream: Stream, index: u64) -> f32 {
    const A: u64 = 0x9E37_79B9_7F4A_7C15;
    const B: u64 = 0xBF58_476D_1CE4_E5B9;
    const C: u64 = 0x94D0_49BB_1331_11EB;
    let mut z = seed
        .wrapping_mul(A)
        .wrapping_add((stream as u64).wrapping_mul(B))
        .wrapping_add(index.wrapping_mul(C));
    z = (z ^ (z >> 30)).wrapping_mul(B);
    z = (z ^ (z >> 27)).wrapping_mul(C);
    z ^= z >> 31;
    (z >> 56) as f32 - 128.0
}
