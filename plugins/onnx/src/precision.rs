//! What a precision below f32 costs: the model's class scores of a trial image, in both.

use scorecam_core::{ModelInfo, Result, Tensor};
use scorecam_plugin::precision::{Reduced, trial};

use crate::mask_graph::Element;
use crate::ports::{self, ImageInput};
use crate::session::{Session, SessionSpec};
use crate::settings::Precision;
use crate::values::Input;

/// A trial image's height and width where the model leaves them open.
const SIDE: usize = 224;

/// One line on how far the scores of `session` are from those of f32; `None` where f32 is what runs. An error where
/// they are too far for the model to be taken.
pub(crate) fn remark(
    spec: &SessionSpec,
    session: &Session,
    bytes: &[u8],
    (input, info): (&ImageInput, &ModelInfo),
) -> Result<Option<String>> {
    let advice = match spec.settings.precision {
        Precision::F32 => return Ok(None),
        Precision::Tf32 => "use f32",
        Precision::F16 => "use tf32 on a GPU, or f32",
    };
    let name = spec.settings.precision.to_string();
    let [n, channels, height, width] = input.shape;
    let shape = [n.unwrap_or(1), channels.unwrap_or(3), height.unwrap_or(SIDE), width.unwrap_or(SIDE)];
    let image = trial(shape)?;
    let scores = |session: &Session, element: Element| -> Result<Tensor> {
        let (shape, data) = input.arrange(image.view())?;
        let value = Input::of(element, &shape, &data)?;
        let output = info.output.name.as_str();
        let found = session.run(&[(&input.name, value.value())], &[output])?.swap_remove(0);
        ports::scores(output, shape[0], found)
    };
    let exact = match scores(&spec.open_exact(bytes)?, Element::F32) {
        Ok(exact) => exact,
        // A model that leaves its size open need not take any.
        Err(e) if [channels, height, width].contains(&None) => {
            return Ok(Some(format!("precision {name}: what it does to class scores was not measured: {e}")));
        }
        Err(e) => return Err(e),
    };
    let reduced = scores(session, spec.element())?;
    let of_file = || format!("model {}", spec.file.path().display());
    let remark = Reduced { name: &name, advice }.remark(&exact, &reduced);
    remark.map(Some).map_err(|e| e.context(of_file()))
}
