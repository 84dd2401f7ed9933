//! What a precision other than f32 costs: the scores of one trial image in both, when the model is loaded.
//!
//! A model that overflows in f16, or whose scores are far from those in f32, is refused there and then: its maps
//! would look like any other. What lies within [`LIMIT`] is the user's to judge.

use scorecam_plugin::{Error, Result, Tensor};

use crate::settings::Precision;

/// The greatest difference of scores, as a part of their range, with which a model is taken. It is wide: that of
/// two neighbouring f16 numbers is a two-thousandth, and a network that adds up to more than this has overflowed or
/// cancelled somewhere.
const LIMIT: f32 = 0.05;
/// The trial image has squares of one value, as photos have areas; pure noise makes all scores alike.
const SQUARE: usize = 16;

/// One line on the difference that was found, for the user.
pub(crate) fn remark(precision: Precision, difference: f32) -> String {
    let (name, percent) = (precision.name(), 100.0 * difference);
    format!(
        "precision {name}: on a trial image the class scores differ by up to {percent:.2} % of their range from \
         those of f32"
    )
}

/// The greatest difference of `reduced` scores from the `exact` ones, as a part of the range of the latter; an
/// error where it is past what a model is taken with.
pub(crate) fn difference(exact: &Tensor, reduced: &Tensor, precision: Precision) -> Result<f32> {
    let name = precision.name();
    let other = match precision {
        Precision::F16 => "use tf32 on a GPU, or f32",
        _ => "use f32",
    };
    if reduced.data().iter().any(|v| !v.is_finite()) {
        return Err(Error::unsupported(format!(
            "in precision {name} its scores of a trial image are not finite; {other}"
        )));
    }
    let (low, high) = exact.data().iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    let most = exact.data().iter().zip(reduced.data()).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    let part = if most == 0.0 { 0.0 } else { most / (high - low).max(f32::MIN_POSITIVE) };
    match part <= LIMIT {
        true => Ok(part),
        false => Err(Error::unsupported(format!(
            "in precision {name} its scores of a trial image differ from those in f32 by {:.1} % of their range, and \
             {:.0} % is the most; {other}",
            part * 100.0,
            LIMIT * 100.0
        ))),
    }
}

/// A batch of `n` trial images [C, H, W], of values as normalised photos have them: the same in every run.
pub(crate) fn trial(n: usize, [c, height, width]: [usize; 3]) -> Result<Tensor> {
    let mut batch = Tensor::zeros([n, c, height, width])?;
    for (i, value) in batch.data_mut().iter_mut().enumerate() {
        let (plane, y, x) = (i / (height * width), i / width % height, i % width);
        let square = (plane * height.div_ceil(SQUARE) + y / SQUARE) * width.div_ceil(SQUARE) + x / SQUARE;
        *value = 2.0 * scattered(square) + 0.25 * scattered(i);
    }
    Ok(batch)
}

/// A number from -1 to 1 that is unlike those of the neighbours of `i`.
fn scattered(i: usize) -> f32 {
    let mixed = (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(values: &[f32]) -> Tensor {
        Tensor::new([1, values.len()], values.to_vec()).expect("scores")
    }

    #[test]
    fn the_difference_is_a_part_of_the_range() {
        let exact = scores(&[-1.0, 0.0, 3.0]);
        for (reduced, expected) in
            [([-1.0, 0.0, 3.0], 0.0), ([-1.0, 0.04, 3.0], 0.01), ([-1.1, 0.0, 3.0], 0.025)]
        {
            let found = difference(&exact, &scores(&reduced), Precision::F16).expect("within the limit");
            assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
        }
    }

    #[test]
    fn what_can_not_be_trusted_is_refused() {
        let exact = scores(&[-1.0, 0.0, 3.0]);
        for (reduced, precision, expected) in [
            ([-1.0, f32::NAN, 3.0], Precision::F16, "not finite; use tf32 on a GPU, or f32"),
            ([-1.0, 0.0, f32::INFINITY], Precision::Tf32, "not finite; use f32"),
            ([-1.0, 2.0, 3.0], Precision::F16, "by 50.0 % of their range, and 5 % is the most; use tf32"),
        ] {
            let message = difference(&exact, &scores(&reduced), precision).expect_err("refused").to_string();
            assert!(message.contains(expected), "{message}");
        }
        let even = scores(&[1.0, 1.0]);
        assert!(difference(&even, &even, Precision::F16).is_ok(), "equal scores have no range");
        assert!(difference(&even, &scores(&[1.0, 1.1]), Precision::F16).is_err());
    }

    #[test]
    fn the_trial_image_has_areas_and_spans_its_range() {
        let batch = trial(2, [3, 40, 33]).expect("a batch");
        let (low, high) = batch.data().iter().fold((0.0f32, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
        assert!((-2.25..-1.5).contains(&low) && (1.5..=2.25).contains(&high), "{low} to {high}");
        assert!((batch.data()[0] - batch.data()[1]).abs() <= 0.5, "one square");
        assert_ne!(batch.item(0), batch.item(1));
    }
}
