//! [`ModelView`]: a model whose tensors are maps [N, K, h, w] and class scores [N, classes], whatever its backend
//! returns.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use super::description::{AT_RANDOM, remarks, viewed};
use super::form::{Channels, Form, MapView, Meaning};
use super::layers::Layers;
use super::output::{IsRegression, OutputView};
use super::targeted::Targeted;
use super::trial::{Batches, Findings, Trial};
use crate::image::Preprocess;
use crate::target::{Linear, TargetSet};
use crate::{
    Bake, BatchRule, Error, Forward, Inputs, LayerInfo, MaskedRequest, MaskedScores, ModelBackend, ModelInfo,
    NamedTensor, OutputActivation, Result, Rows, Tensor, TensorView, ViewInfo, ViewedModel, element_count,
};

/// The caller's settings for a model, which override inferred values.
#[derive(Debug, Clone, Default)]
pub struct ViewOptions {
    /// The layers to explain.
    pub layers: Vec<String>,
    /// The form of each of these, or of the default layer.
    pub form: Option<Form>,
    /// The activation that the model applies to its output.
    pub activation: Option<OutputActivation>,
    /// Whether a single output value is a number other than a score.
    pub is_regression: IsRegression,
    /// The preprocessing of photos, for the images of trial passes. Its size counts if the model's input size is
    /// variable.
    pub preprocess: Preprocess,
}

/// A model behind its view, with the description and tensors for methods.
pub struct ModelView<M> {
    model: M,
    info: ViewInfo,
    layers: RwLock<Layers>,
    /// The images of trial passes, and why these failed when the model was loaded.
    trial: Option<Trial>,
    failure: Option<Error>,
    /// How class scores are read, or why there are none.
    output: Result<OutputView>,
    batches: Batches,
    remarks: Vec<String>,
}

impl<M: ModelBackend> ModelView<M> {
    /// Determines by a few trial passes what `model`'s description leaves open, and how to interpret its tensors.
    ///
    /// An error if `options` contradict the model. A model without class scores supports only other targets: requests
    /// for its classes return the reason. A failed trial is ignored: its results stay unknown, and a remark reports it.
    pub fn new(model: M, options: &ViewOptions) -> Result<Self> {
        let described = model.info().clone();
        let known = options.activation.filter(|a| *a != OutputActivation::Unknown);
        let raw_output = described.score_output();
        let declared = known.or(raw_output.as_ref().ok().map(|raw| raw.applied)).unwrap_or_default();
        let mut output = raw_output
            .clone()
            .and_then(|raw| OutputView::new((&raw.name, &raw.shape), declared, options.is_regression));
        if options.is_regression == IsRegression::Yes {
            output = Ok(output?);
        }
        let applied =
            |output: &Result<OutputView>| output.as_ref().map_or(OutputActivation::None, |o| o.applied);

        let mut layers = Layers::new(&described);
        let named: Vec<usize> = options.layers.iter().filter_map(|name| layers.position(name)).collect();
        let trial = trial_of(&described, &options.preprocess)?;
        let taps = layers.first_look(&named);
        let is_needed = !taps.is_empty()
            || applied(&output) == OutputActivation::Unknown
            || described.batch != BatchRule::Fixed(1);
        let mut findings = Findings::default();
        let mut failure = None;
        if let Some(trial) = trial.as_ref().filter(|_| is_needed) {
            let found =
                trial.run(&model, Batches::AsDescribed, &names(&described, &taps)).and_then(|found| {
                    layers.read(&taps, &found.forms);
                    if layers.default().is_none() && options.form.is_none() {
                        let taps = layers.second_look();
                        let forms = if taps.is_empty() {
                            vec![]
                        } else {
                            trial.run(&model, found.batches, &names(&described, &taps))?.forms
                        };
                        layers.read(&taps, &forms);
                    }
                    Ok(found)
                });
            match found {
                Ok(found) => findings = found,
                Err(error) => failure = Some(error),
            }
        }
        if let Some(form) = options.form {
            layers.say(&named, form)?;
        }
        if applied(&output) == OutputActivation::Unknown {
            let rows: Vec<&[f32]> = findings.outputs.iter().map(Vec::as_slice).collect();
            let raw = described.score_output()?;
            output = output.and_then(|mut view| view.learn((&raw.name, &raw.shape), &rows).map(|()| view));
        }
        let mut remarks = remarks((applied(&output), declared, known), findings.batches, failure.as_ref());
        remarks.extend(findings.is_random.then(|| AT_RANDOM.into()));
        let info = viewed(&described, &layers, (&output, findings.batches));
        let (layers, batches) = (RwLock::new(layers), findings.batches);
        Ok(Self { model, info, layers, trial, failure, output, batches, remarks })
    }

    /// A weighted sum of raw class scores as a target. An error if the model has no class scores, or fewer.
    pub fn classes(&self, weights: &[(usize, f64)]) -> Result<Linear> {
        let (output, name) = self.output()?;
        let classes = output.classes;
        if let Some((class, _)) = weights.iter().find(|(class, _)| classes.is_some_and(|n| *class >= n)) {
            let last = classes.unwrap_or(1) - 1;
            bail!(invalid, "class {class} is out of range; the model has classes 0 to {last}");
        }
        let element = |&(class, weight): &(usize, f64)| {
            let (element, factor) = output.raw_class(class);
            (element, weight * f64::from(factor))
        };
        Ok(Linear::new(name, weights.iter().map(element).collect()))
    }

    /// The model as its backend describes it.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// The layers with their raw shapes, and the meanings known so far.
    pub fn raw_layers(&self) -> Vec<LayerInfo> {
        self.layers().all.clone()
    }

    /// Like [`Self::raw_layers`], after trial passes for all layers.
    pub fn all_raw_layers(&self) -> Result<Vec<LayerInfo>> {
        let taps = self.layers().every_look();
        self.look(&taps)?;
        Ok(self.raw_layers())
    }

    fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs trial passes with `taps`, and keeps what they tell.
    fn look(&self, taps: &[usize]) -> Result<()> {
        let (Some(trial), false) = (&self.trial, taps.is_empty() || self.failure.is_some()) else {
            return Ok(());
        };
        let found = trial.run(&self.model, self.batches, &names(self.model.info(), taps))?;
        // Another thread may have looked meanwhile, and has found the same.
        self.layers.write().unwrap_or_else(PoisonError::into_inner).read(taps, &found.forms);
        Ok(())
    }

    /// What the axes of a layer are; looked at now where nobody did before.
    fn layer(&self, name: &str) -> Result<Option<LayerInfo>> {
        let Some(i) = self.layers().position(name) else { return Ok(None) };
        let taps = self.layers().look_at(i);
        self.look(&taps)?;
        Ok(self.layers().all.get(i).cloned())
    }

    /// The view of a layer in a tensor of `shape`, batch first; an error that says why there is none.
    fn map_view(&self, name: &str, shape: &[usize]) -> Result<MapView> {
        let item = shape.get(1..).unwrap_or(&[]);
        let form = match self.layer(name)?.map_or(Meaning::Map(Form::MAPS), |layer| layer.meaning) {
            Meaning::Map(form) => form,
            Meaning::Unknown => return Err(self.uncertain(name, shape)),
            Meaning::NoMap => bail!(
                invalid,
                "layer {name:?} has shape {shape:?} and holds no map of the image; {}",
                self.info.known_layers()
            ),
        };
        form.view(item).ok_or_else(|| {
            Error::invalid(format!(
                "layer {name:?} has shape {shape:?}, which is not {form} after the batch; specify it with \
                 --layer-grid or model.layer_grid in a manifest"
            ))
        })
    }

    fn uncertain(&self, name: &str, shape: &[usize]) -> Error {
        let why = self.failure.as_ref().map_or(String::new(), |e| format!(" (no trial pass ran: {e})"));
        Error::invalid(format!(
            "layer {name:?} has shape {shape:?}, and its rows and columns are uncertain{why}; specify them with \
             --layer-grid or model.layer_grid in a manifest: nchw, nhwc, or tokens=1+14x14 for tokens of a grid"
        ))
    }

    /// The maps of raw tensors, in the order of `taps`.
    pub(super) fn maps(&self, (taps, n): (&[&str], usize), raw: Vec<Tensor>) -> Result<Vec<Tensor>> {
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
    pub(super) fn copies(&self) -> usize {
        match (self.batches, self.model.info().batch) {
            (Batches::Dependent, BatchRule::Fixed(n)) => n,
            _ => 1,
        }
    }
}

impl<M: ModelBackend> ViewedModel for ModelView<M> {
    fn info(&self) -> &ViewInfo {
        &self.info
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let (output, name) = self.output()?;
        let wanted = [&[name], taps].concat();
        let mut activations = self.run(&Inputs::of(batch), &wanted)?;
        let scores = output.scores(activations.remove(0))?;
        Ok(Forward { scores, activations: self.maps((taps, batch.shape()[0]), activations)? })
    }

    fn rows(&self, image: TensorView<'_>, outputs: &[&str], taps: &[&str]) -> Result<Rows> {
        let n = self.model.info().batch.size(1);
        self.check_rows(outputs)?;
        let images = repeated(image, n)?;
        let mut found = self.model.forward(&Inputs::of(images.view()), &[outputs, taps].concat())?;
        self.check_count(&found, outputs.len() + taps.len())?;
        let layers = found.split_off(outputs.len());
        let first = |tensor| every(tensor, n);
        let layers = layers.into_iter().map(first).collect::<Result<Vec<_>>>()?;
        let row = |(name, tensor): (&&str, Tensor)| match self.model.info().is_per_image(name) {
            true => tensor.view().at(0).try_to_tensor(),
            false => Ok(tensor),
        };
        let outputs = outputs.iter().zip(found).map(row).collect::<Result<_>>()?;
        Ok(Rows { outputs, activations: self.maps((taps, 1), layers)? })
    }

    fn with_targets(&self, targets: Arc<TargetSet>) -> Result<Box<dyn ViewedModel + '_>> {
        self.check_rows(&targets.outputs())?;
        Ok(Box::new(Targeted::new(self, targets)))
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        if self.copies() > 1 {
            return request.on_cpu(self);
        }
        let (output, name) = self.output()?;
        let raw = request.collected(|request, each| {
            let batch_size = match self.info.batch {
                BatchRule::Fixed(n) => n,
                BatchRule::Any { .. } => request.batch_size,
            };
            self.model.masked(&MaskedRequest { batch_size, ..*request }, &[name], each)
        })?;
        if raw.data().is_empty() { Ok(raw) } else { output.scores(raw) }
    }

    fn run_from(&self, image: TensorView<'_>, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let (output, name) = self.output()?;
        output.scores(only(self.outputs_from(image, layer, (activations, &[name]))?)?)
    }

    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        let (_, name) = self.output()?;
        let cotangent = self.cotangent(batch, class)?;
        self.map_gradients(batch, layer, &[(name, cotangent.view())])
    }

    fn remarks(&self) -> Vec<String> {
        [self.model.remarks(), self.remarks.clone()].concat()
    }
}

impl<M: ModelBackend> ModelView<M> {
    /// How class scores are read, and of which output; an error that says why there are none.
    fn output(&self) -> Result<(&OutputView, &str)> {
        let info = self.info.scores.as_ref().map_err(Clone::clone)?;
        Ok((self.output.as_ref().map_err(Clone::clone)?, &info.name))
    }

    /// An error where targets of `outputs` cannot be read: one that the model has not, or of a whole batch where the model
    /// runs several images only.
    fn check_rows(&self, outputs: &[&str]) -> Result<()> {
        let info = self.model.info();
        for name in outputs {
            let listed = || info.outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ");
            let Some(output) = info.outputs.iter().find(|o| o.name == *name) else {
                bail!(not_found, "output {name:?} is not in the model; outputs: {}", listed());
            };
            if !output.per_image && !matches!(info.batch, BatchRule::Any { .. } | BatchRule::Fixed(1)) {
                return Err(Error::unsupported(format!(
                    "output {name:?} is for a whole batch, and the model cannot run single images; export it for \
                     one image"
                )));
            }
        }
        Ok(())
    }

    fn check_count(&self, found: &[Tensor], wanted: usize) -> Result<()> {
        let count = found.len();
        ensure!(count == wanted, plugin, "the backend returned {count} tensors instead of {wanted}");
        Ok(())
    }

    /// Raw `outputs` with maps in the place of a layer's own.
    pub(super) fn outputs_from(
        &self,
        image: TensorView<'_>,
        layer: &str,
        (activations, outputs): (TensorView<'_>, &[&str]),
    ) -> Result<Vec<Tensor>> {
        let run = |raw: TensorView<'_>| {
            let found = self.model.run_from(&Inputs::of(image), layer, raw, outputs)?;
            self.check_count(&found, outputs.len()).map(|()| found)
        };
        let [n, channels, cells @ ..] = activations.dims::<4>("the tensor of activations")?;
        let is_pooled =
            |l: &LayerInfo| l.name == layer && l.pooled && l.shape.first() == Some(&Some(channels));
        if cells == [1, 1] && self.info.layers.iter().any(is_pooled) {
            return run(activations);
        }
        let axes = self.layer(layer)?.and_then(|l| l.shape.iter().copied().collect::<Option<Vec<usize>>>());
        let Some(axes) = axes else { return run(activations) };
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
            return run(activations);
        }
        let mut raw = match view.is_whole() {
            true => Tensor::zeros(shape)?,
            // Tokens that belong to no cell are those of the image's own pass.
            false => repeated(only(self.model.forward(&Inputs::of(image), &[layer])?)?.view(), n)?,
        };
        view.put_back(activations, &mut raw);
        run(raw.view())
    }

    /// Derivatives of outputs times `cotangents` with respect to the maps of `layer`.
    pub(super) fn map_gradients(
        &self,
        batch: TensorView<'_>,
        layer: &str,
        cotangents: &[NamedTensor<'_>],
    ) -> Result<Tensor> {
        let raw = self.model.gradients(&Inputs::of(batch), layer, cotangents)?;
        self.map_view(layer, raw.shape())?.maps(raw)
    }

    /// The raw tensors that are `wanted`, a row for each image, however many the backend has to be given for one.
    pub(super) fn run(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let copies = self.copies();
        let found = match copies {
            1 => self.model.forward(inputs, wanted)?,
            _ => {
                let images = repeated(inputs.images, copies)?;
                let found = self.model.forward(&Inputs { images: images.view(), ..*inputs }, wanted)?;
                found.into_iter().map(|t| every(t, copies)).collect::<Result<_>>()?
            }
        };
        self.check_count(&found, wanted.len()).map(|()| found)
    }

    /// The model's file with a map of `layer` as an additional output; see [`Bake::Map`].
    pub fn bake_map(&self, layer: &str, path: &Path) -> Result<Vec<u8>> {
        let output = self.output()?.0;
        ensure!(
            !output.applied.is_one_value(),
            unsupported,
            "the model has one value per image; a map can be baked only for one of several classes"
        );
        let known = self.layer(layer)?.map(|l| l.shape).unwrap_or_default();
        let Some(mut axes) = known.into_iter().collect::<Option<Vec<usize>>>() else {
            bail!(
                invalid,
                "the size of layer {layer:?} depends on the image's; give input.size in a manifest, because the \
                 map's size is written into the model"
            );
        };
        let [_, height, width] = self.map_view(layer, &[&[1], axes.as_slice()].concat())?.shape();
        let cells = height * width;
        ensure!(
            cells <= MOST_CELLS,
            unsupported,
            "layer {layer:?} has {height} x {width} cells, each of which runs the rest of the model; choose a later \
             layer"
        );
        let rank = axes.len();
        // All channels share a mask; what belongs to no cell stays.
        let Meaning::Map(form) = self.layer(layer)?.map_or(Meaning::Unknown, |l| l.meaning) else {
            return Err(Error::internal("a layer with maps has no form"));
        };
        match form.channels {
            Channels::First => axes[0] = 1,
            Channels::Last => axes[rank - 1] = 1,
        }
        let view = form.view(&axes).ok_or_else(|| Error::internal("one channel has no view"))?;
        let mut masks =
            Tensor::new([&[cells], axes.as_slice()].concat(), vec![1.0; cells * element_count(&axes)?])?;
        let alone = (0..cells * cells).map(|i| if i / cells == i % cells { 1.0 } else { 0.0 }).collect();
        view.put_back(Tensor::new([cells, 1, height, width], alone)?.view(), &mut masks);
        self.model.bake(layer, Bake::Map { grid: [height, width], cells: masks.view() }, path)
    }

    /// What the derivative of a class's score takes of the raw output of a batch.
    fn cotangent(&self, batch: TensorView<'_>, class: usize) -> Result<Tensor> {
        let [n, ..] = batch.dims::<4>("the batch")?;
        let described = self.model.info().score_output()?;
        let axes: Option<Vec<usize>> = described.shape.iter().skip(1).copied().collect();
        let axes = match axes {
            Some(axes) => axes,
            None => only(self.model.forward(&Inputs::of(batch), &[&described.name])?)?.shape()[1..].to_vec(),
        };
        let elements = element_count(&axes)?;
        let (element, factor) = self.output()?.0.raw_class(class);
        if element >= elements {
            bail!(invalid, "class {class} is out of range; the model has {elements} classes");
        }
        let mut cotangent = Tensor::zeros([&[n], axes.as_slice()].concat())?;
        cotangent.data_mut().chunks_exact_mut(elements).for_each(|row| row[element] = factor);
        Ok(cotangent)
    }
}

/// The most cells of a layer whose map is baked into a model.
const MOST_CELLS: usize = 4096;

/// The one tensor that was asked for.
fn only(tensors: Vec<Tensor>) -> Result<Tensor> {
    let [only] = <[Tensor; 1]>::try_from(tensors)
        .map_err(|t| Error::plugin(format!("the backend returned {} tensors instead of 1", t.len())))?;
    Ok(only)
}

/// The most values of a trial image: 64 MiB of them, of which there are four.
const MOST_VALUES: usize = 1 << 24;

/// The images of trial passes; none where the input is no image, or a huge one. A size that the model leaves free is
/// that of photos.
fn trial_of(info: &ModelInfo, preprocess: &Preprocess) -> Result<Option<Trial>> {
    let [_, channels, height, width] = info.input.shape[..] else { return Ok(None) };
    let channels = channels.unwrap_or(preprocess.color.channels());
    let (height, width) = (height.unwrap_or(preprocess.size.0), width.unwrap_or(preprocess.size.1));
    let shape = [channels, height, width];
    match element_count(&shape) {
        Ok(values) if values <= MOST_VALUES => Trial::new(shape, preprocess).map(Some),
        _ => Ok(None),
    }
}

fn names<'i>(info: &'i ModelInfo, layers: &[usize]) -> Vec<&'i str> {
    layers.iter().map(|&i| info.layers[i].name.as_str()).collect()
}

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
