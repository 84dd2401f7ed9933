//! [`TorchModel`]: a TorchScript model as core's [`ModelBackend`].
//!
//! Scoring passes run on frozen, optimized programs, one for each set of outputs that is wanted. Everything else
//! (activations, gradients, runs from an inner layer) is one pass of an explain call, and runs on programs that are made
//! for it out of the model's outline: they share the weights, cost some milliseconds, and nothing depends on what ran
//! before. Only scoring passes know another precision than the file's own.
//!
//! Each call works on a stream of the device to itself, and returns when nothing of it runs any more.

use std::sync::Arc;

use scorecam_plugin::{
    Abilities, EachBatch, Error, InputInfo, Inputs, MaskedRequest, ModelBackend, ModelConfig, ModelInfo,
    NamedTensor, OutputInfo, Result, Tensor, TensorView, written,
};
use tch::Device;

use crate::layers::Listing;
use crate::masks;
use crate::model_layers::{ModelLayers, Trial, model_layers};
use crate::programs::Programs;
use crate::settings::{MemoryFormat, Precision, Settings};
use crate::shim::{Module, Program, Streams, Threads, Visit};
use crate::tensors::{arranged, from_device, to_device};
use crate::wanted::{Pending, Wanted};

/// A model that libtorch has loaded. Any number of threads may call at once.
pub(crate) struct TorchModel {
    module: Module,
    programs: Programs,
    trial: Trial,
    info: ModelInfo,
    /// For each output its place among all that the module returns.
    places: Vec<usize>,
    /// For each layer its call.
    calls: Vec<usize>,
    refused: Vec<(String, String)>,
    place: DevicePlacement,
    in_flight: usize,
    threads: Option<usize>,
    remarks: Vec<String>,
    /// The modules with weights, in the order in which they are called.
    weights: Vec<String>,
}

/// Where a model lies and runs.
pub(crate) struct DevicePlacement {
    pub(crate) device: Device,
    pub(crate) streams: Streams,
}

/// What a call holds while it runs: its stream, and its number of threads.
pub(crate) struct Call<'a> {
    _visit: Visit<'a>,
    _threads: Threads,
}

impl DevicePlacement {
    fn enter(&self, threads: Option<usize>) -> Result<Call<'_>> {
        Ok(Call { _visit: self.streams.enter()?, _threads: Threads::of(threads) })
    }
}

impl TorchModel {
    /// Loads the file, looks at the model by trial passes, and makes the usual scoring program.
    pub(crate) fn load(
        path: &str,
        place: DevicePlacement,
        settings: Settings,
        config: &ModelConfig,
    ) -> Result<Self> {
        // Small passes; more threads would cost more than they save on a machine that has other work.
        let call = place.enter(Some(1))?;
        let device = place.device;
        let mut module = Module::open(path, &device)?;
        let weights = module.draw(config.random.as_ref())?;
        let ModelLayers { trial, batch, outputs, listing } = model_layers(&mut module, device, config)?;
        let programs = Programs::new(settings);
        let usual = outputs.usual();
        programs.of(&module, &outputs.places_of(&usual), (&trial, batch))?;
        let [c, h, w] = trial.image;
        let default_layer = listing.default_layer();
        let Listing { layers, calls, refused } = listing;
        let n = batch.fixed();
        let info = ModelInfo {
            input: InputInfo::image("input", vec![n, Some(c), Some(h), Some(w)]),
            other_inputs: Vec::new(),
            outputs: outputs.infos,
            scores: outputs.scores,
            layers,
            default_layer,
            batch,
            abilities: Abilities { masked: true, run_from: true, gradients: true, ..Abilities::NONE },
        };
        // The weights are where they belong before another stream reads them.
        drop(call);
        let mut model = Self {
            module,
            programs,
            trial,
            info,
            places: outputs.places,
            calls,
            refused,
            in_flight: settings.in_flight(device),
            place,
            threads: config.threads,
            remarks: Vec::new(),
            weights,
        };
        for layer in config.layers(|name| model.layer(name).is_ok()) {
            model.layer(layer)?;
        }
        if settings.precision != Precision::F32 {
            model.remarks.push(model.remark_on(settings.precision)?);
        }
        Ok(model)
    }

    /// What `precision` makes of the scores of a trial image; an error where that is too much.
    fn remark_on(&self, precision: Precision) -> Result<String> {
        let Ok(scores) = self.info.scores else {
            let name = precision.name();
            return Ok(format!(
                "precision {name}: its error was not measured, because no output is known to hold class scores"
            ));
        };
        let _call = self.place.enter(Some(1))?;
        let n = self.info.batch.size(1);
        let batch = self.trial.pictures(n)?;
        let exact = self.module.optimized(&[self.places[scores]], Precision::F32, MemoryFormat::Auto)?;
        let of = |program: &Program| -> Result<Tensor> {
            let outputs = std::iter::once(&self.info.outputs[scores]);
            Ok(Pending::start(outputs, &program.run(&batch)?, n)?.wait()?.remove(0))
        };
        let reduced = self.program(&[scores])?;
        precision.reduced().remark(&of(&exact)?, &of(&reduced)?)
    }

    /// The scoring program for `outputs`, indices in ascending order.
    pub(crate) fn program(&self, outputs: &[usize]) -> Result<Arc<Program>> {
        self.programs.of(&self.module, &self.places_of(outputs), (&self.trial, self.info.batch))
    }

    fn places_of(&self, outputs: &[usize]) -> Vec<usize> {
        outputs.iter().map(|&output| self.places[output]).collect()
    }

    fn output_infos(&self, outputs: &[usize]) -> impl Iterator<Item = &OutputInfo> {
        outputs.iter().map(|&output| &self.info.outputs[output])
    }

    pub(crate) fn device(&self) -> Device {
        self.place.device
    }

    /// Batches that may be under way at once.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Starts on the outputs of a batch that lies on the device, by their `program`. A GPU has only been told when this
    /// returns.
    pub(crate) fn start(&self, program: &Program, wanted: &Wanted, batch: &tch::Tensor) -> Result<Pending> {
        let n = batch.size().first().copied().unwrap_or(0) as usize;
        let found = program.run(&arranged(batch, self.trial.layout)?)?;
        Pending::start(self.output_infos(&wanted.outputs), &found, n)
    }

    fn wanted(&self, names: &[&str]) -> Result<Wanted> {
        Wanted::new(&self.info, names, |name| self.layer(name))
    }

    /// The index of a layer; an error that says why where the model has the module but can't tap it.
    fn layer(&self, name: &str) -> Result<usize> {
        if let Some((_, why)) = self.refused.iter().find(|(refused, _)| refused == name) {
            return Err(Error::invalid(format!("layer {name:?} can't be tapped: {why}; choose another")));
        }
        let layer = self.info.layer(Some(name))?;
        self.info
            .layers
            .iter()
            .position(|l| l.name == layer.name)
            .ok_or_else(|| Error::internal(format!("layer {name:?} is both there and not")))
    }

    /// The index of the output called `name`; an error where a cotangent for it has another shape.
    fn differentiated(&self, name: &str, cotangent: &[usize]) -> Result<usize> {
        let outputs = &self.info.outputs;
        let Some(index) = outputs.iter().position(|output| output.name == name) else {
            let known: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
            let known = known.join(", ");
            return Err(Error::not_found(format!("output {name:?} is not in the model; outputs: {known}")));
        };
        let shape = &outputs[index].shape;
        let fits = |(i, (given, known)): (usize, (&usize, &Option<usize>))| {
            known.is_none_or(|known| known == *given || i == 0)
        };
        match cotangent.len() == shape.len() && cotangent.iter().zip(shape).enumerate().all(fits) {
            true => Ok(index),
            false => Err(Error::invalid(format!(
                "the cotangent for output {name:?} has shape {cotangent:?}; the output is {}",
                written(shape)
            ))),
        }
    }

    /// Refuses a batch of another shape than the model's input.
    pub(crate) fn check(&self, given: &[usize]) -> Result<()> {
        let wanted = &self.info.input.shape;
        let fits = given.len() == wanted.len()
            && given.iter().zip(wanted).all(|(&g, w)| g > 0 && w.is_none_or(|w| w == g));
        match fits {
            true => Ok(()),
            false => {
                let wanted: Vec<String> =
                    wanted.iter().map(|w| w.map_or("N".into(), |w| w.to_string())).collect();
                Err(Error::invalid(format!(
                    "the input must be [{}]; the tensor is {given:?}",
                    wanted.join(", ")
                )))
            }
        }
    }
}

impl ModelBackend for TorchModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let batch = inputs.images;
        self.check(batch.shape())?;
        refuse_others(inputs)?;
        let wanted = self.wanted(wanted)?;
        let _call = self.place.enter(self.threads)?;
        let on_device = to_device(batch, self.place.device)?;
        if wanted.layers.is_empty() {
            let program = self.program(&wanted.outputs)?;
            return wanted.each(self.start(&program, &wanted, &on_device)?.wait()?);
        }
        let calls: Vec<usize> = wanted.layers.iter().map(|&layer| self.calls[layer]).collect();
        let program = self.module.taps(&self.places_of(&wanted.outputs), &calls)?;
        let mut found = program.run(&arranged(&on_device, self.trial.layout)?)?;
        let layers = found.split_off(wanted.outputs.len());
        let outputs = Pending::start(self.output_infos(&wanted.outputs), &found, batch.shape()[0])?;
        let mut tensors = outputs.wait()?;
        for layer in &layers {
            tensors.push(from_device(layer)?);
        }
        wanted.each(tensors)
    }

    fn weights(&self) -> Result<Vec<String>> {
        Ok(self.weights.clone())
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        refuse_others(&request.inputs)?;
        let known = self.wanted(wanted)?;
        // A scoring program has no layers among its outputs.
        if !known.layers.is_empty() {
            return request.on_cpu(self, wanted, each);
        }
        let _call = self.place.enter(self.threads)?;
        masks::run(self, request, (&known, wanted), each)
    }

    fn run_from(
        &self,
        inputs: &Inputs<'_>,
        layer: &str,
        activations: TensorView<'_>,
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        refuse_others(inputs)?;
        let index = self.layer(layer)?;
        let listed = &self.info.layers[index].shape;
        let given = activations.shape();
        let fits = given.len() == listed.len() + 1
            && given.iter().skip(1).zip(listed).all(|(&g, l)| l.is_none_or(|l| l == g));
        if !fits || given[0] == 0 {
            let listed: Vec<usize> = listed.iter().flatten().copied().collect();
            return Err(Error::invalid(format!(
                "layer {layer:?} takes activations of shape {listed:?} for each image; the tensor is {given:?}"
            )));
        }
        let wanted = self.wanted(wanted)?;
        if let Some(&other) = wanted.layers.first() {
            let name = &self.info.layers[other].name;
            return Err(Error::unsupported(format!(
                "layer {name:?} is not available in a run from layer {layer:?}, which returns only outputs"
            )));
        }
        let _call = self.place.enter(self.threads)?;
        let program = self.module.from(&self.places_of(&wanted.outputs), self.calls[index])?;
        let found = program.run(&to_device(activations, self.place.device)?)?;
        wanted.each(Pending::start(self.output_infos(&wanted.outputs), &found, given[0])?.wait()?)
    }

    fn gradients(&self, inputs: &Inputs<'_>, layer: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        let batch = inputs.images;
        self.check(batch.shape())?;
        refuse_others(inputs)?;
        let call = self.calls[self.layer(layer)?];
        let mut outputs = Vec::new();
        for (name, cotangent) in cotangents {
            outputs.push(self.differentiated(name, cotangent.shape())?);
        }
        let _call = self.place.enter(self.threads)?;
        let input = arranged(&to_device(batch, self.place.device)?, self.trial.layout)?;
        let weights = cotangents.iter().map(|(_, cotangent)| to_device(*cotangent, self.place.device));
        let weights = weights.collect::<Result<Vec<_>>>()?;
        let gradient = self.module.taps(&self.places_of(&outputs), &[call])?.gradient(&input, &weights);
        from_device(&gradient.map_err(|e| e.context(format!("layer {layer:?}")))?)
    }
}

/// An error where a call has inputs beside the image, which no TorchScript model is run with.
fn refuse_others(inputs: &Inputs<'_>) -> Result<()> {
    match inputs.others {
        [] => Ok(()),
        [(name, _), ..] => {
            Err(Error::not_found(format!("input {name:?} was given; the model takes only the image")))
        }
    }
}
