//! The error of a precision other than f32, measured at load with the scores of a trial image in both.
//!
//! A model that overflows in f16, or whose scores are far from those in f32, is rejected at once, because its maps
//! would look normal. Errors within `LIMIT` are reported as a remark of the model, for the user to judge.

use crate::{Error, Result, Tensor, bail, noise};

/// The maximum difference of scores that is accepted, relative to their range. It is wide: neighboring f16 numbers
/// differ by 1/2000, and a network whose errors add up to more than this limit has overflowed or cancelled somewhere.
const LIMIT: f32 = 0.05;
/// The trial image has squares of constant value, like areas in photos; with pure noise all scores are similar.
const SQUARE: usize = 16;

/// A reduced precision: its name, and the advice if a model cannot use it.
pub struct Reduced<'a> {
    /// The name in settings ("f16").
    pub name: &'a str,
    /// The alternative ("use f32").
    pub advice: &'a str,
}

impl Reduced<'_> {
    /// A remark on the difference between the scores [N, classes] of the [`trial`] images and the `exact` ones in f32;
    /// an error if it is too large.
    pub fn remark(&self, exact: &Tensor, reduced: &Tensor) -> Result<String> {
        let percent = 100.0 * self.difference(exact, reduced)?;
        Ok(format!(
            "precision {}: on a trial image the class scores differ by up to {percent:.2} % of their range from those \
             of f32",
            self.name
        ))
    }

    /// The greatest difference as a part of the range of the exact scores.
    fn difference(&self, exact: &Tensor, reduced: &Tensor) -> Result<f32> {
        let Self { name, advice } = self;
        if exact.data().iter().any(|v| !v.is_finite()) {
            return Err(Error::unsupported(format!(
                "its scores of a trial image are not finite in f32 either, so the error of precision {name} cannot \
                 be measured; use f32"
            )));
        }
        if reduced.data().iter().any(|v| !v.is_finite()) {
            bail!(unsupported, "in precision {name} its scores of a trial image are not finite; {advice}");
        }
        // A single score has no range; its size stands for it.
        let least = if exact.data().len() == exact.shape()[0] { 0.0 } else { f32::MAX };
        let (low, high) = exact.data().iter().fold((least, -least), |(l, h), &v| (l.min(v), h.max(v)));
        let most =
            exact.data().iter().zip(reduced.data()).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
        let part = if most == 0.0 { 0.0 } else { most / (high - low).max(f32::MIN_POSITIVE) };
        match part <= LIMIT {
            true => Ok(part),
            false => Err(Error::unsupported(format!(
                "in precision {name} its scores of a trial image differ from those in f32 by {:.1} % of their \
                 range, above the limit of {:.0} %; {advice}",
                part * 100.0,
                LIMIT * 100.0
            ))),
        }
    }
}

/// Trial images [N, C, H, W], with values like those of normalized photos; the same in every run.
pub fn trial([n, c, height, width]: [usize; 4]) -> Result<Tensor> {
    let mut batch = Tensor::zeros([n, c, height, width])?;
    for (i, value) in batch.data_mut().iter_mut().enumerate() {
        let (plane, y, x) = (i / (height * width), i / width % height, i % width);
        let square = (plane * height.div_ceil(SQUARE) + y / SQUARE) * width.div_ceil(SQUARE) + x / SQUARE;
        *value = 2.0 * noise(square) + 0.25 * noise(i);
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    const F16: Reduced<'_> = Reduced { name: "f16", advice: "use f32" };

    fn scores(values: &[f32]) -> Tensor {
        Tensor::new([1, values.len()], values.to_vec()).expect("scores")
    }

    #[test]
    fn the_difference_is_a_part_of_the_range() {
        let exact = scores(&[-1.0, 0.0, 3.0]);
        for (reduced, expected) in
            [([-1.0, 0.0, 3.0], 0.0), ([-1.0, 0.04, 3.0], 0.01), ([-1.1, 0.0, 3.0], 0.025)]
        {
            let found = F16.difference(&exact, &scores(&reduced)).expect("within the limit");
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn what_can_not_be_trusted_is_refused() {
        let exact = scores(&[-1.0, 0.0, 3.0]);
        for (reduced, expected) in [
            ([-1.0, f32::NAN, 3.0], "in precision f16 its scores of a trial image are not finite; use f32"),
            ([-1.0, 0.0, f32::INFINITY], "not finite; use f32"),
            ([-1.0, 2.0, 3.0], "by 50.0 % of their range, above the limit of 5 %; use f32"),
        ] {
            let message = F16.remark(&exact, &scores(&reduced)).expect_err("refused").to_string();
            assert!(message.contains(expected), "{message}");
        }
        let even = scores(&[1.0, 1.0]);
        assert!(F16.remark(&even, &even).is_ok(), "equal scores have no range");
        assert!(F16.remark(&even, &scores(&[1.0, 1.1])).is_err());
        let found = F16.difference(&scores(&[2.0]), &scores(&[2.02])).expect("within the limit");
        assert!((found - 0.01).abs() < 1e-6, "{found} of the one score");
        let message = F16.remark(&scores(&[f32::NAN]), &scores(&[1.0])).expect_err("refused").to_string();
        assert!(message.contains("not finite in f32 either"), "{message}");
    }

    #[test]
    fn the_trial_image_has_areas_and_spans_its_range() {
        let batch = trial([2, 3, 40, 33]).expect("a batch");
        let (low, high) = batch.data().iter().fold((0.0f32, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
        assert!((-2.25..-1.5).contains(&low) && (1.5..=2.25).contains(&high), "{low} to {high}");
        assert!((batch.data()[0] - batch.data()[1]).abs() <= 0.5, "one square");
        assert_ne!(batch.item(0), batch.item(1));
    }
}
