//! [`Smoothing`]: several variants of a mask, over whose scores its score is averaged.
//!
//! SS-CAM (Wang et al., 2020, arXiv 2006.14255) adds noise to the mask, independent for each pixel and draw; IS-CAM
//! (Naidu et al., 2020, arXiv 2010.03023) scores it at rising strengths. Noise has the input's size, and so do these
//! masks; a few batches of them are made at a time.

use crate::methods::choices::{choice, number, pick, spec};
use crate::noise::Draws;
use crate::{OptionKind, OptionSpec, Options, Result};

/// How strong the mask of step i is, of n.
#[derive(Clone, Copy, PartialEq)]
enum Strengths {
    /// i / n.
    Even,
    /// The sum of these so far, which exceeds 1: torch-cam, after the paper's sum.
    Summed,
}

const STRENGTHS: &[(&str, Strengths)] = &[("even", Strengths::Even), ("summed", Strengths::Summed)];

/// How a mask is varied.
pub(super) struct Smoothing {
    noise: f64,
    draws: usize,
    seed: Draws,
    strengths: Vec<f64>,
}

pub(super) fn specs() -> [OptionSpec; 5] {
    let count = |min| OptionKind::Integer { min, max: i64::from(u32::MAX) };
    [
        spec(
            "noise",
            number(0.0, 1000.0),
            "0",
            "standard deviation of the noise on a mask's pixels (SS-CAM); 0 is none",
        ),
        spec("draws", count(1), "35", "number of noise draws over which a mask's score is averaged"),
        spec("seed", count(0), "0", "seed of the noise"),
        spec(
            "steps",
            OptionKind::Integer { min: 1, max: 1000 },
            "1",
            "number of strengths over which a mask's score is averaged (IS-CAM)",
        ),
        spec(
            "strengths",
            choice(STRENGTHS),
            "even",
            "1/steps up to 1, or their cumulative sums as in torch-cam",
        ),
    ]
}

impl Smoothing {
    pub(super) fn read(options: &Options) -> Result<Self> {
        let (noise, steps): (f64, u32) = (options.parse("noise")?, options.parse("steps")?);
        let strengths = pick(options, "strengths", STRENGTHS)?;
        let strength = |i: u32| match strengths {
            Strengths::Even => f64::from(i) / f64::from(steps),
            Strengths::Summed => f64::from(i) * f64::from(i + 1) / 2.0 / f64::from(steps),
        };
        Ok(Self {
            noise,
            draws: if noise > 0.0 { options.parse("draws")? } else { 1 },
            seed: Draws::new(options.parse("seed")?),
            strengths: (1..=steps).map(strength).collect(),
        })
    }

    /// Whether the one variant of a mask is the mask itself.
    pub(super) fn is_identity(&self) -> bool {
        self.noise == 0.0 && self.strengths.len() == 1
    }

    /// How many masks one becomes.
    pub(super) fn count(&self) -> usize {
        self.draws * self.strengths.len()
    }

    /// Writes variant `i` of mask `m` into `to`; `mask` has the same size. Pixel p of draw d has number p of the normal
    /// distribution from draw `m * draws + d` of the seed.
    pub(super) fn write(&self, (m, i): (usize, usize), mask: &[f32], to: &mut [f32]) {
        let (draw, strength) = (i / self.strengths.len(), self.strengths[i % self.strengths.len()]);
        let draws = self.seed.of(m * self.draws + draw);
        for (pixel, (to, &value)) in to.iter_mut().zip(mask).enumerate() {
            let noise = if self.noise > 0.0 { self.noise * draws.normal(pixel) } else { 0.0 };
            *to = (strength * (f64::from(value) + noise)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CamMethod;
    use crate::methods::ScoreCam;

    fn smoothing(set: &[(&str, &str)]) -> Smoothing {
        let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Smoothing::read(&ScoreCam.info().resolve(None, &set).expect("values in range")).expect("options")
    }

    #[test]
    fn strengths_rise_to_one_or_are_summed() {
        let check = |strengths: &str, expected: [f32; 4]| {
            let smoothing = smoothing(&[("steps", "4"), ("strengths", strengths)]);
            let found: Vec<f32> = (0..smoothing.count())
                .map(|i| {
                    let mut to = [0.0];
                    smoothing.write((7, i), &[2.0], &mut to);
                    to[0] / 2.0
                })
                .collect();
            assert_eq!(found, expected, "{strengths}");
        };
        check("even", [0.25, 0.5, 0.75, 1.0]);
        check("summed", [0.25, 0.75, 1.5, 2.5]);
        assert_eq!(smoothing(&[]).count(), 1);
    }

    #[test]
    fn noise_differs_by_mask_and_draw_and_has_its_deviation() {
        let smoothing = smoothing(&[("noise", "2"), ("draws", "3")]);
        let variant = |m: usize, i: usize| {
            let mut to = vec![0.0f32; 5000];
            smoothing.write((m, i), &[0.5; 5000], &mut to);
            to
        };
        assert_eq!(smoothing.count(), 3);
        assert!(
            variant(0, 1) != variant(0, 2)
                && variant(0, 1) != variant(1, 1)
                && variant(4, 2) == variant(4, 2)
        );
        let far: f64 = variant(0, 0).iter().map(|&v| (f64::from(v) - 0.5).powi(2)).sum::<f64>() / 5000.0;
        assert!((far.sqrt() - 2.0).abs() < 0.06, "{far}");
    }
}
