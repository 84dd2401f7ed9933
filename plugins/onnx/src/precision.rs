//! What a precision below f32 costs: the model's class scores of a trial image, in both.

use scorecam_core::{ModelInfo, Result, Tensor};
use scorecam_plugin::precision::{Reduced, trial};

use crate::element::Element;
use crate::model::Ports;
use crate::session::{Session, SessionSpec};
use crate::settings::Precision;
use crate::values::raw_output;

/// A trial image's height and width where the model leaves them open.
const SIDE: usize = 224;

/// Scores in f32 that were added up in another order differ by at most this part of their range. In TF32 it is some
/// hundred times more, less where few layers are in it.
const ROUNDING: f32 = 5e-5;
/// And by at most this part of the greatest of them, where they are nearly equal.
const LEAST_ROUNDING: f32 = 16.0 * f32::EPSILON;

/// Whether scores are those of an image `alone`, once or several times, but for rounding.
pub(crate) fn is_rounding(alone: &[f32], together: &[f32]) -> bool {
    let (low, high) = alone.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
    // A single score has no range; its size stands for it.
    let range = if alone.len() == 1 { high.abs() } else { high - low };
    let greatest = alone.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let most = (ROUNDING * range).max(LEAST_ROUNDING * greatest);
    let near = |(a, b): (&f32, &f32)| a == b || (a - b).abs() <= most || a.is_nan() && b.is_nan();
    alone.iter().cycle().zip(together).all(near)
}

/// One line on how far the scores of `session` are from those of f32. An error where they are too far for the model to
/// be taken.
pub(crate) fn remark(
    spec: &SessionSpec,
    session: &Session,
    (ports, info, bytes): (&Ports, &ModelInfo, &[u8]),
) -> Result<String> {
    let advice = match spec.settings.precision {
        Precision::F32 | Precision::Tf32 => "use f32",
        Precision::F16 => "use tf32 on a GPU, or f32",
    };
    let name = spec.settings.precision.to_string();
    let [n, channels, height, width] = ports.image.shape;
    let shape = [n.unwrap_or(1), channels.unwrap_or(3), height.unwrap_or(SIDE), width.unwrap_or(SIDE)];
    let image = trial(shape)?;
    let scores = |session: &Session, element: Element| -> Result<Tensor> {
        let output = info.score_output()?.name.as_str();
        let found = ports.run(session, (image.view(), element), &[output])?.swap_remove(0);
        let found = raw_output(output, shape[0], found)?;
        let classes = found.data().len() / shape[0];
        found.reshape([shape[0], classes])
    };
    let exact = match scores(&spec.open_exact(bytes)?, Element::F32) {
        Ok(exact) => exact,
        // A model that leaves its size open need not take any.
        Err(e) if [channels, height, width].contains(&None) => {
            return Ok(format!("precision {name}: its error in the class scores was not measured: {e}"));
        }
        Err(e) => return Err(e),
    };
    let reduced = scores(session, spec.element())?;
    let of_file = || format!("model {}", spec.file.path().display());
    Reduced { name: &name, advice }.remark(&exact, &reduced).map_err(|e| e.context(of_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_distinguished_from_a_lesser_precision() {
        for (alone, together, rounding) in [
            (&[1.0, -1.0][..], &[1.0, -1.0, 1.00005, -1.00005][..], true),
            (&[1.0, -1.0], &[1.0, -1.0, 1.0, -1.0003], false),
            (&[1000.0, 1000.0], &[1000.0, 1000.0001], true),
            (&[4.0], &[4.0001, 4.0], true),
            (&[4.0], &[4.0, 4.01], false),
            (&[0.0, 0.0], &[0.0, 0.0], true),
            (&[f32::NAN, 1.0], &[f32::NAN, 1.0], true),
            (&[f32::INFINITY, 1.0], &[f32::INFINITY, 1.0], true),
            (&[2.0, 1.0], &[f32::NAN, 1.0], false),
        ] {
            assert_eq!(is_rounding(alone, together), rounding, "{alone:?} {together:?}");
        }
    }
}
