//! A model as two sessions: the part up to a layer, and its head.
//!
//! Methods that run from a layer need its head as a session of its own. Where the head holds a large part of the weights (the
//! linear layers of VGG16, or everything behind an early layer), on a CPU the model itself runs by way of that session, so
//! that no weight is in memory twice. Which models run so depends on the file, the layer and the device alone, so equal calls
//! give equal bits.

use std::collections::HashMap;
use std::sync::Arc;

use scorecam_core::{ModelInfo, Result, bail};

use crate::cut::Cut;
use crate::described::Described;
use crate::element::Element;
use crate::graph::Network;
use crate::proto::Value;
use crate::session::{OutputType, Session, SessionSpec};

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
        if is_worth_it(spec, described, &cut) {
            // What cannot be opened in parts is opened whole, and fails with its own error if it does.
            match in_two(spec, described, (bytes, &cut), *layer) {
                Ok(joined) => return Ok(joined),
                Err(_) => *bytes = spec.file.read_again()?,
            }
        }
    }
    spec.open(bytes, &described.taps(taps))
}

/// Whether the head is heavy, and gives in a session of its own what it gives in the model's.
fn is_worth_it(spec: &SessionSpec, described: &Described, cut: &Cut<'_>) -> bool {
    let is_heavy = !cut.outputs.is_empty() && cut.share_of_weights(described.graph()) > LIGHT_HEAD;
    // On an accelerator each number of images has sessions of its own, and values that are handed on would leave it.
    is_heavy && !spec.device.is_accelerator() && !described.is_unsteady()
}

fn in_two(
    spec: &SessionSpec,
    described: &Described,
    (bytes, cut): (&mut Vec<u8>, &Cut<'_>),
    layer: usize,
) -> Result<Session> {
    let (info, taps) = (described.info(), described.taps(&[layer]));
    let others = described.outputs().iter().filter(|name| !cut.outputs.contains(&name.as_str()));
    let others: Vec<&str> = others.map(String::as_str).collect();
    let layer_reads = [&info.layers[layer].name].into_iter().chain(described.tap(layer).reads());
    let needed: Vec<&str> = layer_reads.map(String::as_str).chain(cut.around.iter().copied()).collect();
    let before = Cut::before(&Network::new(described.graph()), (&others, &needed));
    let front = spec.open(&mut before.written(bytes, &[], &[])?, &taps)?;
    // Whatever the file makes of a free batch, images are along the first axis.
    let axis = info.batch.fixed().is_none().then_some(0);
    let inputs = head_inputs(described, (layer, &front), cut.around.iter().map(|&name| (name, axis)))?;
    let nodes = Vec::from_iter(described.tap(layer).back(&info.layers[layer].name));
    let mut rest = cut.written(bytes, &inputs, &nodes)?;
    // Most of the file is in the rest, and the runtime makes its own copy.
    drop(std::mem::take(bytes));
    let head = spec.open_head(&mut rest, cut.convolves)?;
    Ok(front.joined(Arc::new(head)))
}

/// The inputs of a layer's head: activations in the layer's place, and the tensors around it as the session `tapped` gives
/// them, each with the axis, if any, that grows with the number of images.
pub(crate) fn head_inputs<'n>(
    described: &Described,
    (layer, tapped): (usize, &Session),
    around: impl Iterator<Item = (&'n str, Option<usize>)>,
) -> Result<Vec<Value>> {
    let types: HashMap<&str, OutputType> = tapped.output_types().collect();
    let info = described.info();
    let kind_of = |name: &str| match types.get(name) {
        Some(Some((element, shape))) => Ok((Element::of_runtime(*element).number(), shape.clone())),
        _ => bail!(
            unsupported,
            "the model cannot be run from layer {:?}: {name:?} bypasses it, and is no tensor; choose a layer that all \
             paths go through",
            info.layers[layer].name
        ),
    };
    let name = described.tap_name(layer);
    let own = Value::tensor(&name, kind_of(&name)?.0, Some(head_shape(info, layer)));
    let others = around.map(|(name, axis)| {
        let (element, mut shape) = kind_of(name)?;
        axis.and_then(|axis| shape.get_mut(axis)).into_iter().for_each(|length| *length = None);
        // No axes are those of a tensor of which none are known.
        Ok(Value::tensor(name, element, Some(shape).filter(|axes| !axes.is_empty())))
    });
    std::iter::once(Ok(own)).chain(others).collect()
}

/// The axes of a layer's tensor, batch first.
pub(crate) fn layer_shape(info: &ModelInfo, layer: usize) -> Vec<Option<usize>> {
    [&[info.batch.fixed()], info.layers[layer].shape.as_slice()].concat()
}

/// The axes of what a head takes for a layer, batch first.
fn head_shape(info: &ModelInfo, layer: usize) -> Vec<Option<usize>> {
    let mut shape = layer_shape(info, layer);
    if info.layers[layer].pooled {
        // Their means have another size.
        shape[2..].fill(None);
    }
    shape
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use scorecam_core::{Inputs, ModelBackend, ModelConfig, Tensor};
    use scorecam_plugin::precision::trial;

    use crate::element::Element;
    use crate::loader::OnnxLoader;
    use crate::model::OnnxModel;

    /// One image of the model's.
    fn image(model: &OnnxModel) -> Tensor {
        let shape = [1, 2, 3].map(|axis| model.info().input.shape[axis]);
        let [channels, height, width] =
            [shape[0].unwrap_or(3), shape[1].unwrap_or(32), shape[2].unwrap_or(32)];
        trial([1, channels, height, width]).expect("an image")
    }

    /// Runs the model whole and in two sessions, at each of its layers that it is run in two for. Returns how many these are.
    fn check(name: &str) -> usize {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/forms/models");
        let config = ModelConfig { path: folder.join(name).with_extension("onnx"), ..ModelConfig::default() };
        let model = OnnxLoader::cpu().open(&config).expect(name);
        let (image, mut joined) = (image(&model), 0);
        for (place, layer) in model.info().layers.iter().enumerate() {
            let session = model.session(&[place], 1).expect(name);
            if session.head().is_none() {
                continue;
            }
            let outputs = model.info().outputs.iter().map(|output| output.name.as_str());
            let wanted = model.wanted(&outputs.chain([layer.name.as_str()]).collect::<Vec<_>>()).expect(name);
            let mut bytes = model.spec.file.read_again().expect(name);
            let whole = model.spec.open(&mut bytes, &model.described.taps(&[place])).expect(name);
            let pass = |session| model.run(session, (&Inputs::of(image.view()), Element::F32), &wanted);
            let found = [pass(&session), pass(&whole)].map(|found| found.expect(name));
            for (joined, whole) in found[0].iter().zip(&found[1]) {
                let off = joined.data().iter().zip(whole.data()).map(|(a, b)| (a - b).abs());
                assert!(off.fold(0.0, f32::max) < 1e-5, "{name} at {}", layer.name);
            }
            joined += 1;
        }
        joined
    }

    #[test]
    fn models_in_two_sessions_give_what_they_give_in_one() {
        let names = ["squeezenet", "two_heads", "vit_registers", "qdq", "qlinear_throughout", "function"];
        for name in names {
            assert!(check(name) > 0, "{name} never runs in two sessions");
        }
    }

    #[test]
    fn what_differs_from_pass_to_pass_runs_in_one_session() {
        for name in ["random", "dropout_in_training", "batch_norm_in_training"] {
            assert_eq!(check(name), 0, "{name}");
        }
    }
}
