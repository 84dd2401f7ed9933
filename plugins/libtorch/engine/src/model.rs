//! [`TorchModel`]: a TorchScript model as core's [`ModelBackend`].
//!
//! Scoring passes run on one frozen, optimised program. Everything else (activations, gradients, runs from an
//! inner layer) is one pass of an explain call, and runs on programs that are made for it out of the model's
//! outline: they share the weights, cost some milliseconds, and nothing depends on what ran before. Only scoring
//! passes know another precision than the file's own.
//!
//! Each call works on a stream of the device to itself, and returns when nothing of it runs any more.

use scorecam_plugin::{
    Abilities, BatchRule, EachBatch, Error, ErrorKind, InputInfo, Inputs, Layout, MaskedRequest,
    ModelBackend, ModelConfig, ModelInfo, NamedTensor, OutputInfo, Result, Tensor, TensorView, precision,
    written,
};
use tch::Device;

use crate::layers::Listing;
use crate::masks;
use crate::model_layers::{ModelLayers, chosen_output, model_layers, raw_shape};
use crate::settings::{MemoryFormat, Precision, Settings};
use crate::shim::{HostCopy, Module, Program, Streams, Threads, Visit};
use crate::tensors::{arranged, from_device, shape_of, to_device};

/// A model that libtorch has loaded. Any number of threads may call at once.
pub(crate) struct TorchModel {
    module: Module,
    scores: Program,
    info: ModelInfo,
    calls: Vec<usize>,
    refused: Vec<(String, String)>,
    place: DevicePlacement,
    in_flight: usize,
    threads: Option<usize>,
    layout: Layout,
    remarks: Vec<String>,
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
    /// Loads the file, makes the scoring program, and looks at the model by trial passes.
    pub(crate) fn load(
        path: &str,
        place: DevicePlacement,
        settings: Settings,
        config: &ModelConfig,
    ) -> Result<Self> {
        // Small passes; more threads would cost more than they save on a machine that has other work.
        let call = place.enter(Some(1))?;
        let device = place.device;
        let (module, config) = opened(path, device, config)?;
        let (scores, model_layers) = tried(&module, (device, settings), &config)?;
        let ModelLayers { image: [c, h, w], layout, batch, output, listing } = model_layers;
        let Listing { layers, calls, default_layer, refused } = listing;
        let n = match batch {
            BatchRule::Fixed(n) => Some(n),
            BatchRule::Any { .. } => None,
        };
        let info = ModelInfo {
            input: InputInfo::image("input", vec![n, Some(c), Some(h), Some(w)]),
            other_inputs: Vec::new(),
            outputs: vec![OutputInfo { applied: module.output_activation(), ..output }],
            scores: Ok(0),
            layers,
            default_layer,
            batch,
            abilities: Abilities { masked: true, run_from: true, gradients: true },
        };
        // The weights are where they belong before another stream reads them.
        drop(call);
        let mut model = Self {
            module,
            scores,
            info,
            calls,
            refused,
            in_flight: settings.in_flight(device),
            place,
            threads: config.threads,
            layout,
            remarks: Vec::new(),
        };
        if let Some(layer) = &config.layer {
            model.layer(layer)?;
        }
        if settings.precision != Precision::F32 {
            model.remarks.push(model.remark_on(settings.precision)?);
        }
        Ok(model)
    }

    /// What `precision` makes of the scores of a trial image; an error where that is too much.
    fn remark_on(&self, precision: Precision) -> Result<String> {
        let _call = self.place.enter(Some(1))?;
        let shape: Vec<usize> = self.info.input.shape.iter().map(|n| n.unwrap_or(1)).collect();
        let shape: [usize; 4] = shape
            .try_into()
            .map_err(|shape| Error::internal(format!("a model takes no batch of images but {shape:?}")))?;
        let batch = to_device(precision::trial(shape)?.view(), self.place.device)?;
        let exact = self.module.optimized(Precision::F32, MemoryFormat::Auto)?;
        let exact = start_scores(&exact, &arranged(&batch, self.layout)?, shape[0])?.wait()?;
        precision.reduced().remark(&exact, &self.start_scores(&batch)?.wait()?)
    }

    pub(crate) fn device(&self) -> Device {
        self.place.device
    }

    /// Batches that may be under way at once.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Starts on the class scores of a batch that lies on the device. A GPU has only been told when this returns.
    pub(crate) fn start_scores(&self, batch: &tch::Tensor) -> Result<Scores> {
        let n = batch.size().first().copied().unwrap_or(0) as usize;
        start_scores(&self.scores, &arranged(batch, self.layout)?, n)
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

    fn is_output(&self, name: &str) -> bool {
        self.info.outputs[0].name == name
    }

    /// The call of a layer.
    fn call(&self, layer: &str) -> Result<usize> {
        Ok(self.calls[self.layer(layer)?])
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
                    "the input wants [{}]; the tensor is {given:?}",
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
        let layers = wanted.iter().filter(|name| !self.is_output(name));
        let calls = layers.map(|name| self.call(name)).collect::<Result<Vec<usize>>>()?;
        let _call = self.place.enter(self.threads)?;
        let on_device = to_device(batch, self.place.device)?;
        if calls.is_empty() {
            let output = self.start_scores(&on_device)?.wait()?;
            return Ok(vec![output; wanted.len()]);
        }
        let found = self.module.taps(&calls)?.run(&arranged(&on_device, self.layout)?)?;
        let mut layers = found[1..].iter();
        let tensor = |name: &&str| match self.is_output(name) {
            true => Scores::start(found.first(), batch.shape()[0])?.wait(),
            false => {
                from_device(layers.next().ok_or_else(|| Error::internal("a program gave too few taps"))?)
            }
        };
        wanted.iter().map(tensor).collect()
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        refuse_others(&request.inputs)?;
        // The scoring program has no layers among its outputs.
        if wanted.iter().any(|name| !self.is_output(name)) {
            return request.on_cpu(self, wanted, each);
        }
        let _call = self.place.enter(self.threads)?;
        masks::run(self, request, (wanted.len(), each))
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
                "layer {layer:?} wants activations of shape {listed:?} for each image; the tensor is {given:?}"
            )));
        }
        if let Some(name) = wanted.iter().find(|name| !self.is_output(name)) {
            return Err(Error::unsupported(format!(
                "layer {name:?} was asked for of a run from layer {layer:?}, which gives the output alone"
            )));
        }
        let _call = self.place.enter(self.threads)?;
        let outputs =
            self.module.from(self.calls[index])?.run(&to_device(activations, self.place.device)?)?;
        Ok(vec![Scores::start(outputs.first(), given[0])?.wait()?; wanted.len()])
    }

    fn gradients(&self, inputs: &Inputs<'_>, layer: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        let batch = inputs.images;
        self.check(batch.shape())?;
        refuse_others(inputs)?;
        let call = self.call(layer)?;
        let output = &self.info.outputs[0];
        let [(name, cotangent)] = cotangents else {
            let count = cotangents.len();
            return Err(Error::invalid(format!(
                "{count} cotangents were given; one for {:?} is needed",
                output.name
            )));
        };
        let sizes = cotangent.shape().iter().skip(1).map(|&n| Some(n));
        if *name != output.name || !sizes.eq(output.shape.iter().skip(1).copied()) {
            return Err(Error::invalid(format!(
                "the cotangent for {name:?} has shape {:?}; the output is {:?}, {}",
                cotangent.shape(),
                output.name,
                written(&output.shape)
            )));
        }
        let _call = self.place.enter(self.threads)?;
        let input = arranged(&to_device(batch, self.place.device)?, self.layout)?;
        let cotangent = to_device(*cotangent, self.place.device)?;
        let gradient = self.module.taps(&[call])?.gradient(&input, &cotangent);
        from_device(&gradient.map_err(|e| e.context(format!("layer {layer:?}")))?)
    }
}

/// An error where a call has inputs beside the image, which no TorchScript model is run with.
fn refuse_others(inputs: &Inputs<'_>) -> Result<()> {
    match inputs.others {
        [] => Ok(()),
        [(name, _), ..] => {
            Err(Error::not_found(format!("input {name:?} was given; the model takes the image alone")))
        }
    }
}

/// The raw output [N, ...] of a batch, which a device may still be working on.
pub(crate) struct Scores {
    copy: HostCopy,
    shape: Vec<usize>,
}

impl Scores {
    fn start(output: Option<&tch::Tensor>, n: usize) -> Result<Self> {
        let output = output.ok_or_else(|| Error::internal("a program gave no scores"))?;
        let shape = raw_shape(&shape_of(output), n)?;
        Ok(Self { copy: HostCopy::start(output)?, shape })
    }

    pub(crate) fn wait(self) -> Result<Tensor> {
        from_device(&self.copy.wait()?)?.reshape(self.shape)
    }
}

fn start_scores(program: &Program, arranged: &tch::Tensor, n: usize) -> Result<Scores> {
    Scores::start(program.run(arranged)?.first(), n)
}

/// The module in a file, with the one output that is explained named in the configuration where there are several.
fn opened(path: &str, device: Device, config: &ModelConfig) -> Result<(Module, ModelConfig)> {
    let module = Module::open(path, &device, config.output.as_deref())?;
    if !module.gives_several() {
        return Ok((module, config.clone()));
    }
    let output = Some(chosen_output(&module, device, config)?);
    Ok((Module::open(path, &device, output.as_deref())?, ModelConfig { output, ..config.clone() }))
}

/// The scoring program and what trial passes found. An optimised program that fails where the graph as it was
/// exported runs is given up.
fn tried(
    module: &Module,
    (device, settings): (Device, Settings),
    config: &ModelConfig,
) -> Result<(Program, ModelLayers)> {
    let with = |scores: Program| model_layers(module, &scores, (device, config)).map(|found| (scores, found));
    let plain = || with(module.taps(&[])?);
    match settings.optimized {
        true => {
            let fastest = settings.precision == Precision::F32 && settings.format == MemoryFormat::Auto;
            let of_settings = |e: Error| match fastest {
                true => e,
                false => e.context(settings.describe()),
            };
            let optimized = module.optimized(settings.precision, settings.format).map_err(of_settings)?;
            with(optimized).or_else(|e| match e.kind() {
                // A model that runs as exported has no fault of its own.
                ErrorKind::Model => plain().map_err(|_| e.clone()).and_then(|plain| match fastest {
                    true => Ok(plain),
                    false => Err(of_settings(e)),
                }),
                _ => Err(e),
            })
        }
        false => plain(),
    }
}
