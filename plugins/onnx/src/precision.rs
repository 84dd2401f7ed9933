//! What a precision below f32 costs: the model's class scores on a trial image, in both.

use scorecam_core::{Error, ModelInfo, Result, Tensor};

use crate::mask_graph::Element;
use crate::ports::{self, ImageInput};
use crate::session::{Session, SessionSpec};
use crate::settings::Precision;
use crate::values::Input;

/// One line on how far the scores of `session` are from those of f32; `None` where f32 is what runs, or where the
/// model's input has no size of its own. An error where its scores are not finite.
pub(crate) fn remark(
    spec: &SessionSpec,
    session: &Session,
    bytes: &[u8],
    (input, info): (&ImageInput, &ModelInfo),
) -> Result<Option<String>> {
    let precision = spec.settings.precision;
    let [n, Some(c), Some(h), Some(w)] = input.shape else { return Ok(None) };
    if precision == Precision::F32 {
        return Ok(None);
    }
    let image = trial_image([n.unwrap_or(1), c, h, w])?;
    let scores = |session: &Session, element: Element| {
        let (shape, data) = input.arrange(image.view())?;
        let value = Input::of(element, &shape, &data)?;
        let output = info.output.name.as_str();
        let found = session.run(&[(&input.name, value.value())], &[output])?.swap_remove(0);
        ports::scores(output, shape[0], found)
    };
    let found = scores(session, spec.element())?;
    let name = spec.file.path().display();
    if found.data().iter().any(|v| !v.is_finite()) {
        return Err(Error::unsupported(format!(
            "model {name}: in precision {precision} its class scores are not finite on a trial image; use f32"
        )));
    }
    let exact = scores(&spec.open_exact(bytes)?, Element::F32)?;
    let percent = 100.0 * relative_difference(found.data(), exact.data());
    Ok(Some(format!(
        "precision {precision}: on a trial image the class scores differ by up to {percent:.2} % of their range from \
         those of f32"
    )))
}

/// The largest difference by the range of `exact`.
fn relative_difference(found: &[f32], exact: &[f32]) -> f32 {
    let (low, high) =
        exact.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)));
    let far = found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    far / (high - low).max(f32::MIN_POSITIVE)
}

/// Waves of several lengths, from -2 to 2, as a normalised photo has.
fn trial_image(shape: [usize; 4]) -> Result<Tensor> {
    let mut image = Tensor::zeros(shape)?;
    let [_, _, height, width] = shape;
    for (i, value) in image.data_mut().iter_mut().enumerate() {
        let (x, y, plane) = (i % width, i / width % height, i / (width * height));
        let (x, y, phase) = (x as f32 / width as f32, y as f32 / height as f32, plane as f32);
        *value = (9.0 * x + phase).sin() + (23.0 * y * x + 5.0 * y - phase).cos();
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_told_by_the_range_of_the_scores() {
        assert_eq!(relative_difference(&[1.0, 2.0, 5.5], &[1.0, 3.0, 5.0]), 0.25);
        assert_eq!(relative_difference(&[1.0], &[1.0]), 0.0);
    }
}
