//! Passes from an inner layer: sessions of a model's part behind that layer, its head.
//!
//! A head holds the weights that it needs and no others, so next to the default layer it is small. It is opened when it is
//! first asked for, on the model's file as it is cut by [`crate::cut`]. What leads around the layer is the same for all
//! activations that one image is given: it is computed in the image's own pass, once, and repeated.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use ort::value::DynValue;
use scorecam_core::{
    BatchRule, Error, Inputs, ModelBackend, Result, Tensor, TensorView, bail, ensure, fits, written,
};

use crate::cut::Cut;
use crate::element::Element;
use crate::joined::head_inputs;
use crate::model::{OnnxModel, lock};
use crate::session::Session;
use crate::tap::Taps;
use crate::values::raw_output;
use crate::values::{Input, Repeat};

/// Heads that are kept beside those of the layers that are explained, and images whose tensors around a layer are.
const KEPT: usize = 2;
/// Activations that a head is given at once on a CPU, or 1 MiB of small ones: more at once take as long (16 take 0.96 to 1.08
/// times the time of 4 on SqueezeNet, EfficientNet-Lite0, DeiT, ViT and Swin), and each part of the model keeps room for them.
const AT_ONCE: usize = 4;
const VALUES_AT_ONCE: usize = 1 << 18;

/// The heads of one model.
#[derive(Default)]
pub(crate) struct Heads {
    open: Mutex<VecDeque<(Behind, Arc<Head>)>>,
    around: Mutex<VecDeque<Around>>,
}

/// What a head is for.
#[derive(PartialEq, Eq, Clone)]
struct Behind {
    /// The layer's place.
    layer: usize,
    /// The outputs that are wanted.
    outputs: Vec<String>,
}

/// A model's part behind a layer, open.
struct Head {
    /// None where no output depends on the layer.
    session: Option<Arc<Session>>,
    /// The input for the layer's activations.
    input: String,
    element: Element,
    /// The tensors that lead around the layer, and how they become those of a batch.
    around: Vec<(String, Repeat)>,
    /// Whether it reads the image, and not its shape alone.
    reads_image: bool,
    /// Those of the wanted outputs that depend on the layer.
    outputs: Vec<String>,
}

/// The tensors that one head reads of one image's own pass.
struct Around {
    behind: Behind,
    image: Tensor,
    values: Arc<Vec<DynValue>>,
}

impl Heads {
    /// The outputs that are `wanted` with `activations` [N, ...] in the place of a layer's.
    pub(crate) fn run(
        &self,
        model: &OnnxModel,
        inputs: &Inputs<'_>,
        (layer, activations): (&str, TensorView<'_>),
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        let info = model.info();
        let place = model.place(layer)?;
        let known = &info.layers[place];
        let shape = [&[None], known.shape.as_slice()].concat();
        let is = activations.shape();
        let are_means = known.pooled && is.len() == 4 && is[2..] == [1, 1] && fits(&shape[..2], &is[..2]);
        let is_right = (are_means || fits(&shape, is)) && is[0] > 0;
        ensure!(is_right, invalid, "layer {layer:?} has shape {}; the tensor is {is:?}", written(&shape));
        let outputs = wanted.iter().map(|name| match info.outputs.iter().any(|o| o.name == *name) {
            true => Ok((*name).to_owned()),
            false => Err(Error::not_found(format!("output {name:?} is not in the model"))),
        });
        let behind = Behind { layer: place, outputs: outputs.collect::<Result<_>>()? };
        let head = self.head(model, &behind, inputs)?;
        let around = self.around(model, &behind, (&head, inputs))?;
        let found = head.run_in_turn(model, (inputs, activations), &around)?;
        let n = activations.shape()[0];
        let mut found: HashMap<String, Tensor> = head.outputs.iter().cloned().zip(found).collect();
        let one = |name: &&str| match found.remove(*name) {
            Some(tensor) if info.is_per_image(name) => raw_output(name, n, tensor),
            Some(tensor) => Ok(tensor),
            None if *name == layer => activations.try_to_tensor(),
            None => own_output(model, inputs, name, n),
        };
        wanted.iter().map(one).collect()
    }

    /// The head for these outputs, opened when it is not among those kept.
    fn head(&self, model: &OnnxModel, behind: &Behind, inputs: &Inputs<'_>) -> Result<Arc<Head>> {
        // Held while it opens: two threads must not both open it.
        let mut open = lock(&self.open);
        if let Some((_, head)) = open.iter().find(|(known, _)| known == behind) {
            return Ok(Arc::clone(head));
        }
        let head = Arc::new(Head::open(model, behind, inputs)?);
        if open.len() == KEPT + model.described.main_taps().len() {
            open.pop_front();
        }
        open.push_back((behind.clone(), Arc::clone(&head)));
        Ok(head)
    }

    /// The tensors around a layer that the image's own pass gives.
    fn around(
        &self,
        model: &OnnxModel,
        behind: &Behind,
        (head, inputs): (&Head, &Inputs<'_>),
    ) -> Result<Arc<Vec<DynValue>>> {
        if head.around.is_empty() {
            return Ok(Arc::default());
        }
        let is_known = |around: &&Around| {
            around.behind == *behind && around.image.view() == inputs.images && inputs.others.is_empty()
        };
        if let Some(known) = lock(&self.around).iter().find(is_known) {
            return Ok(Arc::clone(&known.values));
        }
        let names: Vec<&str> = head.around.iter().map(|(name, _)| name.as_str()).collect();
        let values = Arc::new(own_values(model, behind.layer, (inputs, model.info().batch.size(1)), &names)?);
        if !inputs.others.is_empty() {
            return Ok(values);
        }
        let image = inputs.images.try_to_tensor()?;
        let mut kept = lock(&self.around);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Around { behind: behind.clone(), image, values: Arc::clone(&values) });
        Ok(values)
    }
}

impl Head {
    fn open(model: &OnnxModel, behind: &Behind, inputs: &Inputs<'_>) -> Result<Self> {
        let described = &model.described;
        let tapped = model.session(&[behind.layer], model.info().batch.size(1))?;
        let input = described.tap_name(behind.layer);
        // A head that is open already makes all outputs.
        let made = if tapped.head(&input).is_some() { described.outputs() } else { &behind.outputs };
        let cut = described.cut(behind.layer, made);
        let is_wanted = |name: &&&str| behind.outputs.iter().any(|wanted| wanted == *name);
        let outputs: Vec<String> =
            cut.outputs.iter().filter(is_wanted).map(|name| (*name).to_owned()).collect();
        if outputs.is_empty() {
            let (element, around) = (Element::NONE, vec![]);
            return Ok(Self { session: None, input, element, around, reads_image: false, outputs });
        }
        let name = &model.info().layers[behind.layer].name;
        let around = repeats(model, (behind.layer, name), (&cut, inputs))?;
        let session = match tapped.head(&input) {
            Some(head) => Arc::clone(head),
            None => {
                let grows = |repeat: &Repeat| repeat.axis().filter(|_| model.info().batch.fixed().is_none());
                let around = around.iter().map(|(name, repeat)| (name.as_str(), grows(repeat)));
                let types = tapped.output_types().collect();
                let inputs = head_inputs(described, (behind.layer, &types), around)?;
                let nodes = Vec::from_iter(described.tap(behind.layer).back(name));
                let mut bytes = cut.written(&model.spec.file.read_again()?, &inputs, &nodes)?;
                let of_layer = |e: Error| e.context(format!("the part behind layer {name:?}"));
                Arc::new(
                    model.spec.open_head((&mut bytes, &Taps::default()), cut.convolves).map_err(of_layer)?,
                )
            }
        };
        let taken = session.input_types().find(|(name, _)| *name == input).and_then(|(_, kind)| kind);
        let element = taken.map_or(Element::F32, |(element, _)| Element::of_runtime(element));
        Ok(Self { session: Some(session), input, element, around, reads_image: cut.reads_image, outputs })
    }

    /// As [`Self::run`], but on a CPU a few activations at a time.
    fn run_in_turn(
        &self,
        model: &OnnxModel,
        (inputs, activations): (&Inputs<'_>, TensorView<'_>),
        around: &[DynValue],
    ) -> Result<Vec<Tensor>> {
        let (n, item) = (activations.shape()[0], activations.item(0).len());
        let is_divisible = self.outputs.iter().all(|name| model.info().is_per_image(name))
            && matches!(model.info().batch, BatchRule::Any { .. });
        let at_once = AT_ONCE.max(VALUES_AT_ONCE / item.max(1));
        if n <= at_once || model.spec.device.is_accelerator() || !is_divisible {
            return self.run(model, (inputs, activations), around);
        }
        let mut all: Vec<(Vec<usize>, Vec<f32>)> = vec![(vec![], vec![]); self.outputs.len()];
        for part in activations.data().chunks(at_once * item) {
            inputs.check_cancelled()?;
            let shape = [&[part.len() / item], &activations.shape()[1..]].concat();
            let found = self.run(model, (inputs, TensorView::new(&shape, part)?), around)?;
            for (((shape, data), found), name) in all.iter_mut().zip(found).zip(&self.outputs) {
                // A single row may lack its axis.
                let found = raw_output(name, part.len() / item, found)?;
                let rows = [&[n], &found.shape()[1..]].concat();
                if !shape.is_empty() && *shape != rows {
                    // Rows as long as the longest of a pass are of one length in one pass alone.
                    return self.run(model, (inputs, activations), around);
                }
                *shape = rows;
                data.extend(found.into_data());
            }
        }
        all.into_iter().map(|(shape, data)| Tensor::new(shape, data)).collect()
    }

    /// The outputs that depend on the layer, with `activations` in its place.
    fn run(
        &self,
        model: &OnnxModel,
        (inputs, activations): (&Inputs<'_>, TensorView<'_>),
        around: &[DynValue],
    ) -> Result<Vec<Tensor>> {
        let Some(session) = &self.session else { return Ok(Vec::new()) };
        let n = activations.shape()[0];
        let repeat = |((_, repeat), value): (&(String, Repeat), &DynValue)| match model.info().batch {
            // The image's own pass had as many images as this one has.
            BatchRule::Fixed(_) => Repeat::Same.apply(value, n),
            BatchRule::Any { .. } => repeat.apply(value, n),
        };
        let around = self.around.iter().zip(around).map(repeat).collect::<Result<Vec<_>>>()?;
        let layer = Input::of(self.element, activations.shape(), activations.data())?;
        let reads = |name: &str| session.input_types().any(|(input, _)| input == name);
        let images = match (self.reads_image, reads(&model.ports.image.name)) {
            (true, _) => copies(inputs.images, n)?,
            // Nothing but its shape is looked at.
            (false, true) => Tensor::zeros([&[n], &inputs.images.shape()[1..]].concat())?,
            (false, false) => Tensor::zeros([n, 0, 0, 0])?,
        };
        let names: Vec<&str> = self.outputs.iter().map(String::as_str).collect();
        let element = model.ports.element(&model.spec);
        let around = self.around.iter().zip(&around).map(|((name, _), value)| (name.as_str(), value.view()));
        let given = std::iter::once((self.input.as_str(), layer.value())).chain(around).collect();
        let own = ((images.view(), element), inputs.others);
        model.ports.with(own, given, reads, |inputs| session.run(inputs, &names))
    }
}

/// How each tensor around a layer becomes that of a batch.
fn repeats(
    model: &OnnxModel,
    (layer, name): (usize, &str),
    (cut, inputs): (&Cut<'_>, &Inputs<'_>),
) -> Result<Vec<(String, Repeat)>> {
    let around: Vec<String> = cut.around.iter().map(|name| (*name).to_owned()).collect();
    let names: Vec<&str> = around.iter().map(String::as_str).collect();
    if names.is_empty() || matches!(model.info().batch, BatchRule::Fixed(_)) {
        return Ok(around.into_iter().map(|name| (name, Repeat::Same)).collect());
    }
    let [one, two] = [1, 2].map(|n| own_values(model, layer, (inputs, n), &names));
    let (one, two) = (one?, two?);
    let repeat = |((tensor, one), two): ((String, &DynValue), &DynValue)| match Repeat::of(one, two) {
        Some(repeat) => Ok((tensor, repeat)),
        None => bail!(
            unsupported,
            "the model cannot be run from layer {name:?}: tensor {tensor:?} bypasses it, and is not per image; \
             choose a layer that all paths go through"
        ),
    };
    around.into_iter().zip(&one).zip(&two).map(repeat).collect()
}

/// Tensors of a session that is tapped at a layer, in a pass of `n` times the image.
fn own_values(
    model: &OnnxModel,
    layer: usize,
    (inputs, n): (&Inputs<'_>, usize),
    names: &[&str],
) -> Result<Vec<DynValue>> {
    let session = model.session(&[layer], n)?;
    let images = copies(inputs.images, n)?;
    let element = model.ports.element(&model.spec);
    model.ports.with(
        ((images.view(), element), inputs.others),
        vec![],
        |_| true,
        |given| session.run_raw(given, names),
    )
}

/// An output that does not depend on the layer: that of the image's own pass, for each of `n`.
fn own_output(model: &OnnxModel, inputs: &Inputs<'_>, name: &str, n: usize) -> Result<Tensor> {
    let images = copies(inputs.images, model.info().batch.size(1))?;
    let mut found = model.forward(&Inputs { images: images.view(), ..*inputs }, &[name])?;
    let found = found.swap_remove(0);
    match model.info().is_per_image(name) {
        true => copies(found.view(), n),
        false => Ok(found),
    }
}

/// The first item of a batch, `n` times.
fn copies(batch: TensorView<'_>, n: usize) -> Result<Tensor> {
    let mut tensor = Tensor::zeros([&[n], &batch.shape()[1..]].concat())?;
    let one = batch.item(0);
    tensor.data_mut().chunks_exact_mut(one.len().max(1)).for_each(|item| item.copy_from_slice(one));
    Ok(tensor)
}
