//! `scorecam.details/1`: what a model knows of its layers and its input beyond their shapes.

use std::ffi::c_void;

use scorecam_core::{Error, Form, LayerInfo, Meaning, Result};

use crate::abi;
use crate::wire::{check, empty_message};

/// Completes what `layers` say.
///
/// # Safety
/// `model` is one whose interface the table is.
pub(crate) unsafe fn complete(
    table: &abi::scorecam_details,
    model: *mut c_void,
    layers: &mut [LayerInfo],
) -> Result<()> {
    let hint = table.hint.ok_or_else(|| Error::plugin("its details table lacks the function hint"))?;
    for (index, layer) in layers.iter_mut().enumerate() {
        let (mut said, mut why) = (abi::scorecam_layer_hint::default(), empty_message());
        // SAFETY: as the caller promises, with a place and a message to write into.
        let status = unsafe { hint(model, index as u64, &raw mut said, &raw mut why) };
        check(status, &why, "hint")?;
        layer.preference = said.preference;
        layer.like = match usize::try_from(said.like) {
            Ok(like) if like <= index => like.checked_sub(1),
            _ => {
                let (name, like) = (&layer.name, said.like);
                return Err(Error::plugin(format!(
                    "its layer {name:?} is like number {like}, which is no earlier one"
                )));
            }
        };
        layer.meaning = match said.meaning {
            abi::SCORECAM_LAYER_UNKNOWN => Meaning::Unknown,
            abi::SCORECAM_LAYER_MAPS => Meaning::Map(Form::MAPS),
            abi::SCORECAM_LAYER_CHANNELS_LAST => Meaning::Map(Form::CHANNELS_LAST),
            abi::SCORECAM_LAYER_NO_MAP => Meaning::NoMap,
            other => {
                let name = &layer.name;
                return Err(Error::plugin(format!(
                    "its layer {name:?} has meaning {other}; 0 to 3 are known"
                )));
            }
        };
    }
    Ok(())
}
