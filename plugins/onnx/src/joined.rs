//! A model as two sessions: the part up to a layer, and its head.
//!
//! Methods that run from a layer need its head as a session of its own. Where the head holds a large part of the weights (the
//! linear layers of VGG16, or everything behind an early layer), the model itself runs by way of that session, so that no
//! weight is in memory twice. Which models run so depends on the file and the layer alone, so equal calls give equal bits.

use std::sync::Arc;

use scorecam_core::{ModelInfo, Result};

use crate::cut::Cut;
use crate::described::Described;
use crate::element::Element;
use crate::graph::Network;
use crate::proto::Value;
use crate::session::{Session, SessionSpec};
use crate::tap::Tap;

/// The share of the weights up to which a head has its own copy of them.
const LIGHT_HEAD: f64 = 0.2;

/// Opens a session on the model in `bytes` whose outputs include the layers `taps`: in two parts where that spares a copy of
/// the weights. The bytes are left as they were, or taken.
pub(crate) fn open(
    spec: &SessionSpec,
    described: &Described,
    (bytes, taps): (&mut Vec<u8>, &[usize]),
) -> Result<Session> {
    if let [layer] = taps {
        let cut = described.cut(*layer, described.outputs());
        if is_worth_it(spec, described, &cut, *layer) {
            // What cannot be opened in parts is opened whole, and fails with its own error if it does.
            match in_two(spec, described, (bytes, &cut), *layer) {
                Ok(joined) => return Ok(joined),
                Err(_) => *bytes = spec.file.read_again()?,
            }
        }
    }
    spec.open(bytes, &described.taps(taps))
}

/// Whether the head is heavy, makes all outputs, and needs nothing but the layer.
fn is_worth_it(spec: &SessionSpec, described: &Described, cut: &Cut<'_>, layer: usize) -> bool {
    let makes_all = described.outputs().iter().all(|output| cut.outputs.contains(&output.as_str()));
    let needs_layer_alone = cut.around.is_empty() && !cut.reads_image;
    let is_plain = !spec.device.is_accelerator()
        && spec.element() == Element::F32
        && *described.tap(layer) == Tap::Itself;
    is_plain && makes_all && needs_layer_alone && cut.share_of_weights(described.graph()) > LIGHT_HEAD
}

fn in_two(
    spec: &SessionSpec,
    described: &Described,
    (bytes, cut): (&mut Vec<u8>, &Cut<'_>),
    layer: usize,
) -> Result<Session> {
    let name = described.info().layers[layer].name.as_str();
    let before = Cut::before(&Network::new(described.graph()), &[name]);
    let front = spec.open(&mut before.written(bytes, &[], &[])?, &described.taps(&[layer]))?;
    let element = front.output_types().find(|(output, _)| *output == name).and_then(|(_, kind)| kind);
    let element = element.map_or(Element::F32, |(element, _)| Element::of_runtime(element));
    let input = Value::tensor(name, element.number(), Some(head_shape(described.info(), layer)));
    let mut rest = cut.written(bytes, &[input], &[])?;
    // Most of the file is in the rest, and the runtime makes its own copy.
    drop(std::mem::take(bytes));
    let head = spec.open_head(&mut rest, cut.convolves)?;
    Ok(front.joined(Arc::new(head)))
}

/// The axes of a layer's tensor, batch first.
pub(crate) fn layer_shape(info: &ModelInfo, layer: usize) -> Vec<Option<usize>> {
    [&[info.batch.fixed()], info.layers[layer].shape.as_slice()].concat()
}

/// The axes of what a head takes for a layer, batch first.
pub(crate) fn head_shape(info: &ModelInfo, layer: usize) -> Vec<Option<usize>> {
    let mut shape = layer_shape(info, layer);
    if info.layers[layer].pooled {
        // Their means have another size.
        shape[2..].fill(None);
    }
    shape
}
