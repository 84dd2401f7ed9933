//! What [`scorecam_core::ModelInfo`] says beyond a description, as `scorecam.details/1`.

use std::ffi::c_void;

use scorecam_core::{Error, Form, LayerInfo, Meaning};

use crate::abi::{self, scorecam_layer_hint, scorecam_message};
use crate::backend::export::exported;
use crate::wire::guard;

/// The table of a model that takes floating-point pixels, or that takes bytes.
pub(crate) fn table(takes_bytes: bool) -> &'static abi::scorecam_details {
    const fn of(takes_bytes: u32) -> abi::scorecam_details {
        let struct_size = size_of::<abi::scorecam_details>() as u32;
        abi::scorecam_details { struct_size, takes_bytes, hint: Some(hint) }
    }
    static TABLES: [abi::scorecam_details; 2] = [of(0), of(1)];
    &TABLES[usize::from(takes_bytes)]
}

unsafe extern "C" fn hint(
    model: *mut c_void,
    index: u64,
    hint: *mut scorecam_layer_hint,
    why: *mut scorecam_message,
) -> i32 {
    let body = || {
        // SAFETY: a live model by the contract of `hint`.
        let layers = &unsafe { exported(model) }?.model.info().layers;
        let layer = usize::try_from(index).ok().and_then(|i| layers.get(i));
        let layer = layer.ok_or_else(|| Error::not_found(format!("there is no layer {index}")))?;
        // SAFETY: NULL, which is refused, or a hint of the caller's.
        let hint = unsafe { hint.as_mut() };
        *hint.ok_or_else(|| Error::invalid("hint is NULL; the caller must give a place for it"))? =
            said(layer);
        Ok(())
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

/// A form that has no number is found out anew on the other side.
fn said(layer: &LayerInfo) -> scorecam_layer_hint {
    let meaning = match layer.meaning {
        Meaning::Map(Form::MAPS) => abi::SCORECAM_LAYER_MAPS,
        Meaning::Presumed if layer.shape.len() == 3 => abi::SCORECAM_LAYER_MAPS,
        Meaning::Map(Form::CHANNELS_LAST) => abi::SCORECAM_LAYER_CHANNELS_LAST,
        Meaning::Map(_) | Meaning::Unknown | Meaning::Presumed => abi::SCORECAM_LAYER_UNKNOWN,
        Meaning::NoMap => abi::SCORECAM_LAYER_NO_MAP,
    };
    let like = layer.like.map_or(0, |i| i as u64 + 1);
    scorecam_layer_hint { meaning, preference: layer.preference, like }
}
