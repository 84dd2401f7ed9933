//! A model as several sessions: the part up to a layer, and its head; or where several layers are explained together, the
//! parts between them, one after the other.
//!
//! Methods that run from a layer need its head as a session of its own. Where the heads hold a large part of the weights (the
//! linear layers of VGG16, or everything behind an early layer), on a CPU the model itself runs by way of that session, so
//! that no weight is in memory twice. Which models run so depends on the file, the layers and the device alone, so equal calls
//! give equal bits.

use std::collections::HashMap;

use scorecam_core::{Error, ModelInfo, Result, bail};

use crate::cut::Cut;
use crate::described::Described;
use crate::element::Element;
use crate::proto::Value;
use crate::session::{OutputType, Session, SessionSpec};

/// The share of the weights up to which heads have their own copies of them.
const LIGHT_HEADS: f64 = 0.2;

/// A part of a model.
struct Part<'s> {
    /// The layer that it begins at; none where it begins at the image.
    from: Option<usize>,
    /// The layer that it ends at; none where it makes the outputs.
    to: Option<usize>,
    cut: Cut<'s>,
}

/// Opens a session on the model in `bytes` whose outputs include `layers`, sorted: in parts where that spares copies of the
/// weights. The bytes are left as they were, or taken.
pub(crate) fn open(
    spec: &SessionSpec,
    described: &Described,
    (bytes, layers): (&mut Vec<u8>, &[usize]),
) -> Result<Session> {
    // On an accelerator each number of images has sessions of its own, and values that are handed on would leave it.
    if described.is_run_from(layers) && !spec.device.is_accelerator() && !described.is_unsteady() {
        let heads = layers.iter().map(|&layer| (layer, described.cut(layer, described.outputs())));
        let heads: Vec<(usize, Cut<'_>)> = heads.collect();
        if is_worth_it(described, &heads) {
            // What cannot be opened in parts is opened whole, and fails with its own error if it does.
            match in_parts(spec, described, (bytes, heads)) {
                Ok(joined) => return Ok(joined),
                Err(_) => *bytes = spec.file.read_again()?,
            }
        }
    }
    spec.open(bytes, &described.taps(layers))
}

/// Whether the heads of these layers are heavy, and each is part of the one before.
fn is_worth_it(described: &Described, heads: &[(usize, Cut<'_>)]) -> bool {
    let is_within = |pair: &[(usize, Cut<'_>)]| {
        let name = described.info().layers[pair[1].0].name.as_str();
        pair[0].1.reads(name) && !pair[0].1.around.contains(&name)
    };
    let shares = heads.iter().map(|(_, head)| head.share_of_weights(described.graph()));
    let make_outputs = heads.iter().all(|(_, head)| !head.outputs.is_empty());
    make_outputs && heads.windows(2).all(is_within) && shares.sum::<f64>() > LIGHT_HEADS
}

/// The model in parts, one up to each of these layers, and the head of the last.
fn in_parts(
    spec: &SessionSpec,
    described: &Described,
    (bytes, heads): (&mut Vec<u8>, Vec<(usize, Cut<'_>)>),
) -> Result<Session> {
    let mut sessions: Vec<(Option<usize>, Session)> = Vec::new();
    for part in parts(described, heads) {
        let session = part.opened(spec, described, (bytes, &sessions))?;
        sessions.push((part.to, session));
    }
    let joined = sessions.into_iter().rev().reduce(|(end, head), (to, session)| match to {
        Some(layer) => (to, session.joined(described.tap_name(layer), head)),
        None => (end, head),
    });
    joined.map(|(_, session)| session).ok_or_else(|| Error::internal("a model was cut into no parts"))
}

/// The parts of a model that is cut at the layers of these heads.
fn parts<'s>(described: &'s Described, heads: Vec<(usize, Cut<'s>)>) -> Vec<Part<'s>> {
    let (mut parts, mut last) = (Vec::new(), None);
    for (layer, head) in heads {
        let cut = described.part(last.as_ref().map(|(from, head)| (*from, head)), (layer, &head));
        parts.push(Part { from: last.map(|(from, _)| from), to: Some(layer), cut });
        last = Some((layer, head));
    }
    parts.extend(last.map(|(layer, cut)| Part { from: Some(layer), to: None, cut }));
    parts
}

impl Part<'_> {
    /// A session on this part of the model in `bytes`; `before` are those of the parts before it.
    fn opened(
        &self,
        spec: &SessionSpec,
        described: &Described,
        (bytes, before): (&mut Vec<u8>, &[(Option<usize>, Session)]),
    ) -> Result<Session> {
        let mut taps = self.to.map(|layer| described.taps(&[layer])).unwrap_or_default();
        let Some(from) = self.from else {
            return spec.open(&mut self.cut.written(bytes, &[], &[])?, &taps);
        };
        // Whatever the file makes of a free batch, images are along the first axis.
        let axis = described.info().batch.fixed().is_none().then_some(0);
        let types = before.iter().flat_map(|(_, session)| session.output_types()).collect();
        let inputs =
            head_inputs(described, (from, &types), self.cut.around.iter().map(|&name| (name, axis)))?;
        let nodes = Vec::from_iter(described.tap(from).back(&described.info().layers[from].name));
        let mut part = self.cut.written(bytes, &inputs, &nodes)?;
        if self.to.is_none() {
            // Most of the file may be in the last part, and the runtime makes its own copy.
            drop(std::mem::take(bytes));
        }
        taps.names.retain(|name| !types.contains_key(name.as_str()));
        spec.open_head((&mut part, &taps), self.cut.convolves)
    }
}

/// The inputs of a layer's head: activations in the layer's place, and the tensors around it, of these `types`, each with the
/// axis, if any, that grows with the number of images.
pub(crate) fn head_inputs<'n>(
    described: &Described,
    (layer, types): (usize, &HashMap<&str, OutputType>),
    around: impl Iterator<Item = (&'n str, Option<usize>)>,
) -> Result<Vec<Value>> {
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

    fn open(name: &str, layers: &str) -> OnnxModel {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/forms/models");
        let path = folder.join(name).with_extension("onnx");
        let layer = Some(layers.to_owned()).filter(|layers| !layers.is_empty());
        OnnxLoader::cpu().open(&ModelConfig { path, layer, ..ModelConfig::default() }).expect(name)
    }

    /// One image of the model's.
    fn image(model: &OnnxModel) -> Tensor {
        let shape = [1, 2, 3].map(|axis| model.info().input.shape[axis]);
        let [channels, height, width] =
            [shape[0].unwrap_or(3), shape[1].unwrap_or(32), shape[2].unwrap_or(32)];
        trial([1, channels, height, width]).expect("an image")
    }

    fn near(found: &[Tensor], expected: &[Tensor], what: &str) {
        for (found, expected) in found.iter().zip(expected) {
            let off = found.data().iter().zip(expected.data()).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f32::max) < 1e-5, "{what}");
        }
    }

    /// Runs the model whole, in parts that end at `layers`, and from each of them on; false where it is not run in parts.
    fn is_in_parts(name: &str, layers: &[usize]) -> bool {
        let all = open(name, "").info().layers.clone();
        let layer_names: Vec<&str> = layers.iter().map(|&layer| all[layer].name.as_str()).collect();
        let model = open(name, &layer_names.join(","));
        let (image, session) = (image(&model), model.session(layers, 1).expect(name));
        let input = |&layer: &usize| model.described.tap_name(layer);
        if session.head(&input(&layers[0])).is_none() {
            return false;
        }
        assert!(
            layers.iter().all(|layer| session.head(&input(layer)).is_some()),
            "{name} at {layer_names:?}"
        );
        let outputs: Vec<&str> = model.info().outputs.iter().map(|output| output.name.as_str()).collect();
        let wanted = model.wanted(&[layer_names.as_slice(), &outputs].concat()).expect(name);
        let mut bytes = model.spec.file.read_again().expect(name);
        let whole = model.spec.open(&mut bytes, &model.described.taps(layers)).expect(name);
        let pass =
            |session| model.run(session, (&Inputs::of(image.view()), Element::F32), &wanted).expect(name);
        let (joined, whole) = (pass(&session), pass(&whole));
        near(&joined, &whole, &format!("{name} at {layer_names:?}"));
        for (layer, activations) in layer_names.iter().zip(&whole) {
            let found = model.run_from(&Inputs::of(image.view()), layer, activations.view(), &outputs);
            near(
                &found.expect(name),
                &whole[layers.len()..],
                &format!("{name} from {layer} of {layer_names:?}"),
            );
        }
        true
    }

    /// How many sets of so many layers, spread over the model, it is run in parts for.
    fn count(name: &str, together: usize) -> usize {
        let step = open(name, "").info().layers.len() / together;
        let sets = (0..step).map(|first| (0..together).map(|i| first + i * step).collect::<Vec<_>>());
        sets.filter(|layers| is_in_parts(name, layers)).count()
    }

    const STEADY: [&str; 6] =
        ["squeezenet", "two_heads", "vit_registers", "qdq", "qlinear_throughout", "function"];

    #[test]
    fn models_in_parts_give_what_they_give_in_one_session() {
        for (name, together) in STEADY.into_iter().flat_map(|name| [(name, 1), (name, 2), (name, 3)]) {
            assert!(count(name, together) > 0, "{name} never runs in parts at {together} layers");
        }
    }

    #[test]
    fn what_differs_from_pass_to_pass_runs_in_one_session() {
        for name in ["random", "dropout_in_training", "batch_norm_in_training"] {
            assert_eq!(count(name, 1) + count(name, 2), 0, "{name}");
        }
    }
}
