//! [`Baseline`]: trivial maps. A method that is no better than these is uninformative.

use std::fmt;
use std::str::FromStr;

use scorecam_core::evaluation::SaliencyMap;
use scorecam_core::{Draws, Error, Result, Tensor, Upsample, Upsampler};

use crate::{Input, Model};

/// A map without an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// The rectified sum of the target layer's activation maps: depends on the network, but on no class.
    Sum,
    /// A Gaussian in the center, a quarter of each side wide, because objects are usually in the center.
    Center,
    /// The strength of edges (Sobel, on the mean of the channels): depends on the photo, but on no network.
    Edges,
    /// Noise of 7 x 7 cells, seeded with the image's number.
    Random,
}

impl Baseline {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sum, Self::Center, Self::Edges, Self::Random];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Center => "center",
            Self::Edges => "edges",
            Self::Random => "random",
        }
    }

    /// The map of one input, with its size; `number` is the image's number. `Sum` needs a forward pass, for the
    /// activations of `layer` (the model's default layer if `None`).
    pub fn map(
        self,
        model: &Model,
        input: &Input,
        (layer, number): (Option<&str>, usize),
    ) -> Result<SaliencyMap> {
        let [_, _, height, width] = input.tensor.view().dims("the input")?;
        let size = (height, width);
        let (cells, from) = match self {
            Self::Sum => sum(model, &input.tensor, layer)?,
            Self::Center => (center(size), size),
            Self::Edges => (edges(&input.tensor, size), size),
            Self::Random => ((0..49).map(|i| Draws::new(0).of(number).uniform(i)).collect(), (7, 7)),
        };
        let values = match from == size {
            true => cells,
            false => Upsampler::new(Upsample::HalfPixel, from, size)?.resize(&cells)?,
        };
        SaliencyMap::new(&values.iter().map(|&value| value as f32).collect::<Vec<_>>(), size)
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Baseline {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|baseline| baseline.name() == text);
        found.ok_or_else(|| {
            Error::not_found(format!("baseline {text:?} is unknown; give sum, center, edges, random or none"))
        })
    }
}

fn sum(model: &Model, input: &Tensor, layer: Option<&str>) -> Result<(Vec<f64>, (usize, usize))> {
    let layer = &model.info().layer(layer)?.name;
    let maps = model.backend().forward(input.view(), &[layer])?.activations.swap_remove(0);
    let [_, _, height, width] = maps.view().dims("the tensor of activations")?;
    let mut sum = vec![0.0; height * width];
    for map in maps.data().chunks_exact(height * width) {
        sum.iter_mut().zip(map).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    Ok((sum.into_iter().map(|value: f64| value.max(0.0)).collect(), (height, width)))
}

fn center((height, width): (usize, usize)) -> Vec<f64> {
    let bell = |i: usize, n: usize| {
        let distance = ((i as f64 + 0.5) / n as f64 - 0.5) / 0.25;
        (-0.5 * distance * distance).exp()
    };
    (0..height * width).map(|i| bell(i / width, height) * bell(i % width, width)).collect()
}

fn edges(input: &Tensor, (height, width): (usize, usize)) -> Vec<f64> {
    let mut gray = vec![0.0; height * width];
    for plane in input.data().chunks_exact(height * width) {
        gray.iter_mut().zip(plane).for_each(|(gray, &value)| *gray += f64::from(value));
    }
    let at = |y: isize, x: isize| {
        let inside = |i: isize, n: usize| i.clamp(0, n as isize - 1) as usize;
        gray[inside(y, height) * width + inside(x, width)]
    };
    let strength = |i: usize| {
        let (y, x) = ((i / width) as isize, (i % width) as isize);
        let across = |d: isize| at(y + d, x - 1) + 2.0 * at(y + d, x) + at(y + d, x + 1);
        let along = |d: isize| at(y - 1, x + d) + 2.0 * at(y, x + d) + at(y + 1, x + d);
        // hypot would need a newer glibc.
        let (down, right) = (across(1) - across(-1), along(1) - along(-1));
        (down * down + right * right).sqrt()
    };
    (0..height * width).map(strength).collect()
}
