//! [`ModelView`]: a model whose tensors are maps [N, K, h, w] and class scores [N, classes], whatever its backend gives.

use std::collections::BTreeMap;

use super::form::{Form, MapView, Meaning};
use super::output::{IsRegression, OutputView, written};
use super::trial::{Batches, Findings, Trial};
use crate::image::Preprocess;
use crate::{
    BatchRule, Error, Forward, LayerInfo, MaskedScores, ModelBackend, ModelInfo, OutputActivation, Result,
    Tensor, TensorInfo, TensorView,
};

/// What the caller says of a model; it counts more than what is found out.
#[derive(Debug, Clone, Default)]
pub struct ViewOptions {
    /// The layer that will be explained.
    pub layer: Option<String>,
    /// The form of that layer, or of the default one.
    pub form: Option<Form>,
    /// What the model applies to its output.
    pub activation: Option<OutputActivation>,
    /// Whether a single value is a number of its own.
    pub is_regression: IsRegression,
    /// How photos become inputs: trial passes run on what looks like one. Its size counts where the model's is free.
    pub preprocess: Preprocess,
}

/// A model behind its view. Itself a [`ModelBackend`], whose description and tensors are those that methods take.
pub struct ModelView<M> {
    model: M,
    info: ModelInfo,
    /// The model's layers as they are, with what is known of them now.
    raw: Vec<LayerInfo>,
    output: OutputView,
    batches: Batches,
    remarks: Vec<String>,
}

/// Values that trial passes may tap in one image: 256 MiB of them.
const MOST_TAPPED: usize = 1 << 26;

impl<M: ModelBackend> ModelView<M> {
    /// Finds out what `model`'s description does not say, by at most seven trial passes, and how its tensors are read.
    ///
    /// An error where the output holds no class scores, or where `options` contradict the model. A trial that fails is
    /// none: what it would have told stays unknown, and a remark says so.
    pub fn new(model: M, options: &ViewOptions) -> Result<Self> {
        let described = model.info().clone();
        let known = options.activation.filter(|a| *a != OutputActivation::Unknown);
        let declared = known.unwrap_or(described.output_activation);
        let port = (described.output.name.as_str(), described.output.shape.as_slice());
        let mut output = OutputView::new(port, declared, options.is_regression)?;

        let taps = unknown_layers(&described, options.layer.as_deref());
        let (findings, mut remarks) = match found(&model, &taps, options) {
            Ok(findings) => (findings, Vec::new()),
            Err(error) => (
                Findings::default(),
                vec![format!(
                    "the model did not run on a trial image, so what its tensors mean is not certain: {error}"
                )],
            ),
        };
        let mut raw = described.layers.clone();
        read_families(&mut raw, &taps, &findings.forms);
        if output.applied == OutputActivation::Unknown {
            let rows: Vec<&[f32]> = findings.outputs.iter().map(Vec::as_slice).collect();
            output.learn(port, &rows)?;
            remarks.extend(remark_on_values(output.applied));
        }
        remarks.extend(remark_on_one_value(output, declared));
        remarks.extend(remark_on_batches(findings.batches));
        remarks.extend(findings.is_random.then(|| AT_RANDOM.into()));
        let default_layer = default_layer(&described, &raw);
        say_form(&described, &mut raw, (options, default_layer))?;
        let info = viewed(&described, &raw, (output, findings.batches), default_layer);
        Ok(Self { model, info, raw, output, batches: findings.batches, remarks })
    }

    /// The model as its backend describes it.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// As [`Self::model`].
    pub fn model_mut(&mut self) -> &mut M {
        &mut self.model
    }

    /// The layers with the shapes of their raw tensors and what these mean, as far as it is known.
    pub fn raw_layers(&self) -> &[LayerInfo] {
        &self.raw
    }

    fn raw_layer(&self, name: &str) -> Option<&LayerInfo> {
        self.raw.iter().find(|layer| layer.name == name)
    }

    /// The view of a layer in a tensor of `shape`, batch first; an error that says why there is none.
    fn map_view(&self, name: &str, shape: &[usize]) -> Result<MapView> {
        let item = shape.get(1..).unwrap_or(&[]);
        let meaning = self.raw_layer(name).map_or(Meaning::Presumed, |layer| layer.meaning);
        let form = match meaning {
            Meaning::Map(form) => form,
            Meaning::Presumed => Form::MAPS,
            Meaning::Unknown => return Err(uncertain(name, shape)),
            Meaning::NoMap => {
                return Err(Error::invalid(format!(
                    "layer {name:?} has shape {shape:?} and holds no map of the image; {}",
                    self.info.known_layers()
                )));
            }
        };
        form.view(item).ok_or_else(|| {
            Error::invalid(format!(
                "layer {name:?} has shape {shape:?}, which is not {form} behind the batch; say what it is by \
                 --layer-grid or by model.layer_grid in a manifest"
            ))
        })
    }

    /// The maps of raw tensors, in the order of `taps`.
    fn maps(&self, (taps, n): (&[&str], usize), raw: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let maps = |(tap, raw): (&&str, Tensor)| {
            let view = self.map_view(tap, raw.shape())?;
            match raw.shape()[0] == n {
                true => view.maps(raw),
                false => Err(Error::model(format!(
                    "layer {tap:?} has shape {:?} for {n} images; the batch was expected first",
                    raw.shape()
                ))),
            }
        };
        taps.iter().zip(raw).map(maps).collect()
    }

    /// The number of images that the backend takes in place of one, where one image is run at a time.
    fn copies(&self) -> usize {
        match (self.batches, self.model.info().batch) {
            (Batches::Dependent, BatchRule::Fixed(n)) => n,
            _ => 1,
        }
    }
}

impl<M: ModelBackend> ModelBackend for ModelView<M> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let copies = self.copies();
        let forward = match copies {
            1 => self.model.forward(batch, taps)?,
            _ => {
                let repeated = repeated(batch, copies)?;
                let Forward { scores, activations } = self.model.forward(repeated.view(), taps)?;
                let first = |t: Tensor| every(t, copies);
                let activations = activations.into_iter().map(first).collect::<Result<_>>()?;
                Forward { scores: first(scores)?, activations }
            }
        };
        let scores = self.output.scores(forward.scores)?;
        Ok(Forward { scores, activations: self.maps((taps, batch.shape()[0]), forward.activations)? })
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        if self.copies() > 1 {
            return request.on_cpu(self);
        }
        let batch_size = match self.info.batch {
            BatchRule::Fixed(n) => n,
            BatchRule::Any { .. } => request.batch_size,
        };
        self.output.scores(self.model.masked_scores(&MaskedScores { batch_size, ..*request })?)
    }

    fn run_from(&self, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        self.run_with(None, layer, activations)
    }

    fn run_from_image(
        &self,
        image: TensorView<'_>,
        layer: &str,
        activations: TensorView<'_>,
    ) -> Result<Tensor> {
        self.run_with(Some(image), layer, activations)
    }

    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        let (element, factor) = self.output.raw_class(class);
        let raw = self.model.gradients(batch, layer, element)?;
        let mut maps = self.map_view(layer, raw.shape())?.maps(raw)?;
        if factor != 1.0 {
            maps.data_mut().iter_mut().for_each(|v| *v *= factor);
        }
        Ok(maps)
    }

    fn remarks(&self) -> Vec<String> {
        [self.model.remarks(), self.remarks.clone()].concat()
    }
}

impl<M: ModelBackend> ModelView<M> {
    /// Class scores with `activations` [N, K, h, w] in the place of a layer's own.
    fn run_with(
        &self,
        image: Option<TensorView<'_>>,
        layer: &str,
        activations: TensorView<'_>,
    ) -> Result<Tensor> {
        let [n, ..] = activations.dims::<4>("the tensor of activations")?;
        let axes =
            self.raw_layer(layer).and_then(|l| l.shape.iter().copied().collect::<Option<Vec<usize>>>());
        let Some(axes) = axes else {
            return self.output.scores(self.model.run_from(layer, activations)?);
        };
        let shape = [&[n], axes.as_slice()].concat();
        let view = self.map_view(layer, &shape)?;
        if activations.shape()[1..] != view.shape() {
            return Err(Error::invalid(format!(
                "layer {layer:?} has maps of shape {:?} for each image; the tensor is {:?}",
                view.shape(),
                activations.shape()
            )));
        }
        if view.is_plain() {
            return self.output.scores(self.model.run_from(layer, activations)?);
        }
        let mut raw = match (view.is_whole(), image) {
            (true, _) => Tensor::zeros(shape)?,
            (false, Some(image)) => {
                let own = self.model.forward(image, &[layer])?.activations;
                let own = own.first().ok_or_else(|| Error::plugin("the backend returned no activations"))?;
                repeated(own.view(), n)?
            }
            (false, None) => {
                return Err(Error::invalid(format!(
                    "layer {layer:?} has tokens that belong to no cell; they are taken from the pass of an image, and \
                     none was given"
                )));
            }
        };
        view.put_back(activations, &mut raw);
        self.output.scores(self.model.run_from(layer, raw.view())?)
    }
}

/// The layers that trial passes look at. Of each family of unknown meaning these are the first one, which shows patches most
/// clearly, and the one that would be explained; as many as memory allows, those first that may be explained.
fn unknown_layers(info: &ModelInfo, named: Option<&str>) -> Vec<usize> {
    let is_open = |layer: &LayerInfo| matches!(layer.meaning, Meaning::Unknown | Meaning::Presumed);
    let is_long = |axis: &Option<usize>| axis.is_none_or(|n| n > 1);
    let may_hold_cells = |layer: &LayerInfo| {
        matches!(layer.shape.len(), 2 | 3) && layer.shape.iter().filter(|axis| is_long(axis)).count() > 1
    };
    let rank = |i: usize| (Some(info.layers[i].name.as_str()) == named, info.layers[i].preference, i);
    let mut families: BTreeMap<usize, usize> = BTreeMap::new();
    for (i, layer) in info.layers.iter().enumerate().filter(|(_, l)| is_open(l) && may_hold_cells(l)) {
        let best = families.entry(layer.like.unwrap_or(i)).or_insert(i);
        if rank(i) > rank(*best) {
            *best = i;
        }
    }
    let mut open: Vec<usize> = families.into_iter().flat_map(|(head, best)| [head, best]).collect();
    open.sort_by_key(|&i| std::cmp::Reverse((rank(i), i)));
    open.dedup();
    let mut room = MOST_TAPPED;
    open.retain(|&i| {
        let values = info.layers[i].shape.iter().fold(1usize, |n, axis| n.saturating_mul(axis.unwrap_or(1)));
        room = room.saturating_sub(values);
        room > 0
    });
    open.sort_unstable();
    open
}

/// The axes of a layer behind the batch, and its form.
type Read = (Vec<usize>, Form);

/// Writes what was found of the layers `taps` into all layers of their families. Where two of a family show different
/// forms, neither is certain.
fn read_families(raw: &mut [LayerInfo], taps: &[usize], found: &[Option<Read>]) {
    let mut families: BTreeMap<usize, Vec<(usize, Option<&Read>)>> = BTreeMap::new();
    for (i, &tap) in taps.iter().enumerate() {
        let found = found.get(i).and_then(Option::as_ref);
        families.entry(raw[tap].like.unwrap_or(tap)).or_default().push((tap, found));
    }
    for (head, looks) in families {
        let mut forms = looks.iter().filter_map(|(_, found)| found.map(|(_, form)| *form));
        let form = forms.next().filter(|form| forms.all(|other| other == *form));
        for (i, layer) in raw.iter_mut().enumerate().filter(|(i, l)| *i == head || l.like == Some(head)) {
            match (form, layer.meaning) {
                (Some(form), _) => layer.meaning = Meaning::Map(form),
                (None, Meaning::Presumed) if layer.shape.len() == 3 => {}
                (None, _) => layer.meaning = Meaning::Unknown,
            }
            for (tap, found) in looks.iter().filter_map(|(tap, found)| Some((*tap, (*found)?))) {
                // The last axis of a family's layers differs.
                let same = if tap == i { layer.shape.len() } else { layer.shape.len().saturating_sub(1) };
                let axes = layer.shape.iter_mut().zip(&found.0).take(same);
                axes.for_each(|(axis, &n)| *axis = Some(n));
            }
        }
    }
}

/// Runs the trial, where it could tell something.
fn found(model: &dyn ModelBackend, taps: &[usize], options: &ViewOptions) -> Result<Findings> {
    let info = model.info();
    let unknown_output = info.output_activation == OutputActivation::Unknown && options.activation.is_none();
    if taps.is_empty() && !unknown_output && info.batch == BatchRule::Fixed(1) {
        return Ok(Findings::default());
    }
    let [_, channels, height, width] = info.input.shape[..] else { return Ok(Findings::default()) };
    let channels = channels.unwrap_or(options.preprocess.color.channels());
    let size = (height.unwrap_or(options.preprocess.size.0), width.unwrap_or(options.preprocess.size.1));
    let names: Vec<&str> = taps.iter().map(|&i| info.layers[i].name.as_str()).collect();
    Trial::new([channels, size.0, size.1], &options.preprocess)?.run(model, &names)
}

/// The layer of the highest preference that is known to hold maps.
fn default_layer(described: &ModelInfo, raw: &[LayerInfo]) -> Option<usize> {
    let preferred = |i: &usize| raw[*i].preference > 0 || described.default_layer == Some(*i);
    let key = |i: &usize| (raw[*i].preference, described.default_layer == Some(*i), *i);
    (0..raw.len()).filter(|i| preferred(i) && raw[*i].has_spatial_extent()).max_by_key(key)
}

/// Sets the form that the caller gave of a layer; an error where it does not fit.
fn say_form(
    described: &ModelInfo,
    raw: &mut [LayerInfo],
    (options, default_layer): (&ViewOptions, Option<usize>),
) -> Result<()> {
    let Some(form) = options.form else { return Ok(()) };
    let index = match &options.layer {
        Some(name) => raw.iter().position(|layer| layer.name == *name),
        None => default_layer.or(described.default_layer),
    };
    let Some(layer) = index.and_then(|i| raw.get_mut(i)) else {
        return Err(Error::invalid(format!(
            "layer grid {form} was given without a layer to which it applies"
        )));
    };
    if form.map_shape(&layer.shape).is_none() {
        let shape: Vec<_> = std::iter::once(None).chain(layer.shape.iter().copied()).collect();
        return Err(Error::invalid(format!(
            "layer {:?} has shape {}, which layer grid {form} does not fit",
            layer.name,
            written(&shape)
        )));
    }
    layer.meaning = Meaning::Map(form);
    Ok(())
}

/// The description of the model as its view shows it.
fn viewed(
    described: &ModelInfo,
    raw: &[LayerInfo],
    (output, batches): (OutputView, Batches),
    default_layer: Option<usize>,
) -> ModelInfo {
    let layer = |layer: &LayerInfo| match layer.map_shape() {
        Some(shape) => {
            LayerInfo { shape: shape.to_vec(), meaning: Meaning::Map(Form::MAPS), ..layer.clone() }
        }
        None => layer.clone(),
    };
    let batch = match batches {
        Batches::OneOnly | Batches::Dependent => BatchRule::Fixed(1),
        Batches::AsDescribed => described.batch,
    };
    let rows = described.output.shape.first().copied().flatten();
    ModelInfo {
        input: described.input.clone(),
        output: TensorInfo { name: described.output.name.clone(), shape: vec![rows, output.classes] },
        output_activation: output.applied,
        layers: raw.iter().map(layer).collect(),
        default_layer,
        batch,
        takes_bytes: described.takes_bytes,
        abilities: described.abilities,
    }
}

fn uncertain(name: &str, shape: &[usize]) -> Error {
    Error::invalid(format!(
        "layer {name:?} has shape {shape:?}, and which of its axes are rows and columns of the image is not certain; say \
         it by --layer-grid or by model.layer_grid in a manifest: nchw, nhwc, or tokens=1+14x14 for tokens of a grid"
    ))
}

fn remark_on_values(applied: OutputActivation) -> Option<String> {
    let name = match applied {
        OutputActivation::Softmax => "softmax: on trial images they sum to 1",
        OutputActivation::Sigmoid => "sigmoid: on trial images they lie between 0 and 1",
        _ => return None,
    };
    Some(format!(
        "the outputs are taken for probabilities after {name}; if that is wrong, say what they are by output.activation \
         in a manifest"
    ))
}

fn remark_on_one_value(output: OutputView, declared: OutputActivation) -> Option<String> {
    let what = match output.applied {
        OutputActivation::Binary if declared == OutputActivation::Unknown => "taken for a logit",
        OutputActivation::Binary => "a logit",
        OutputActivation::Probability => "a probability",
        _ => return None,
    };
    Some(format!(
        "the model gives one value an image, {what}: class 1 is the evidence for it, class 0 the evidence against; of a \
         regression say output.kind = \"value\" in a manifest"
    ))
}

fn remark_on_batches(batches: Batches) -> Option<String> {
    match batches {
        Batches::AsDescribed => None,
        Batches::OneOnly => Some(
            "the model declares a free batch but runs on one image only, so each image has a pass of its own".into(),
        ),
        Batches::Dependent => Some(
            "the model's result for an image depends on what else is in its batch (as with dynamic quantization, or \
             batch normalization left in training mode), so each image has a pass of its own"
                .into(),
        ),
    }
}

const AT_RANDOM: &str = "the model gives equal images different results (as with dropout left in training mode), so the map \
    is partly noise, and what its layers hold is not found out; export the model in evaluation mode";

/// Each item of `batch`, `copies` times.
fn repeated(batch: TensorView<'_>, copies: usize) -> Result<Tensor> {
    let shape = batch.shape();
    let items = (0..shape[0]).flat_map(|i| std::iter::repeat_n(batch.item(i), copies)).flatten().copied();
    let shape = [&[shape[0] * copies], &shape[1..]].concat();
    let data = crate::tensor::gathered(&shape, items)?;
    Tensor::new(shape, data)
}

/// The first of every `copies` items.
fn every(batch: Tensor, copies: usize) -> Result<Tensor> {
    let shape = [&[batch.shape()[0] / copies], &batch.shape()[1..]].concat();
    let data = (0..shape[0]).flat_map(|i| batch.item(i * copies)).copied().collect();
    Tensor::new(shape, data)
}
