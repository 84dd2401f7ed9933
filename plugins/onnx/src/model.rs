//! A loaded ONNX model: the sessions that run it, and which of them serves a call.
//!
//! At load one session is opened, tapped at the layer that will be explained. Passes without taps run on it
//! too and fetch the scores alone: on two networks in batches of 16 no difference to an untapped session
//! could be measured. Another set of taps gets a session of its own on first use; a few of them are kept.
//! Which session serves a set never depends on what ran before, so equal calls give equal bits: optimised
//! graphs of different taps may differ in rounding.
//!
//! On an accelerator a session serves passes of one number of images only: it keeps its plans for one shape, and making
//! them anew takes longer than many passes do (half a second for EfficientNet-Lite0 on an H100).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use scorecam_core::{
    BatchRule, Forward, Layout, MaskedScores, ModelBackend, ModelConfig, ModelInfo, Result, Tensor,
    TensorInfo, TensorView,
};
use scorecam_plugin::precision::trial;

use crate::file::ModelFile;
use crate::graph::Network;
use crate::layers::{self, Survey};
use crate::masked::{self, MaskSessions, Masked, Sizing};
use crate::ports::{self, ImageInput};
use crate::precision;
use crate::proto;
use crate::session::{Session, SessionSpec};
use crate::settings::Precision;
use crate::values::Input;

/// Sessions beside the first that are kept; each holds a copy of the weights.
const KEPT: usize = 3;
/// The same where each size of batch has one: those of exact maps, and the small ones of methods that ask step by step.
const KEPT_ON_ACCELERATOR: usize = 8;

/// A model that ONNX Runtime has loaded.
pub(crate) struct OnnxModel {
    info: ModelInfo,
    input: ImageInput,
    /// For each layer of `info`, how its tensor is laid out in the model.
    layouts: Vec<Layout>,
    /// Layers that are outputs of the graph itself and so need no tap.
    untapped: Vec<String>,
    spec: SessionSpec,
    main: Arc<Session>,
    main_tap: Option<usize>,
    others: Mutex<VecDeque<(Serves, Arc<Session>)>>,
    /// On an accelerator: numbers of images with their shape that were tried, and whether they are exact.
    tried: Mutex<BTreeMap<(usize, [usize; 3]), bool>>,
    masks: MaskSessions,
    remarks: Vec<String>,
}

/// What a session beside the first one is for.
#[derive(PartialEq, Eq)]
struct Serves {
    /// Indices into the layers, sorted.
    taps: Vec<usize>,
    /// Images of its passes; `None` where any number will do.
    images: Option<usize>,
}

/// A model's file, parsed.
pub(crate) struct Parsed {
    pub(crate) graph: proto::Graph,
    pub(crate) bytes: Vec<u8>,
}

impl OnnxModel {
    /// Checks inputs and outputs, lists the layers and opens the first session.
    pub(crate) fn load(spec: SessionSpec, parsed: Parsed, config: &ModelConfig) -> Result<Self> {
        let Parsed { graph, mut bytes } = parsed;
        let of_file = |file: &ModelFile| format!("model {}", file.path().display());
        let input = ImageInput::find(&graph, config).map_err(|e| e.context(of_file(&spec.file)))?;
        let output = ports::find_output(&graph, config.output.as_deref())
            .map_err(|e| e.context(of_file(&spec.file)))?
            .name
            .clone();
        let Survey { layers, layouts, default_layer, scores, found_batch } =
            layers::survey(&spec, (&graph, &mut bytes), &input, &output)?;
        let scores = match scores {
            Some(shape) => {
                ports::scores_shape(&output, &shape).map_err(|e| e.context(of_file(&spec.file)))?
            }
            None => [None, None],
        };
        let batch = match input.fixed_batch().or(found_batch) {
            Some(n) => BatchRule::Fixed(n),
            None => BatchRule::Any { preferred: spec.device.preferred_batch },
        };
        let info = ModelInfo {
            input: input.tensor_info(),
            output_activation: Network::new(&graph).output_activation(&output),
            output: TensorInfo { name: output, shape: scores.to_vec() },
            layers,
            default_layer,
            batch,
            abilities: spec.device.abilities(),
        };
        // A hint that names no layer is not refused here: whoever explains names the layer again.
        let hinted = config.layer.as_ref().and_then(|name| info.layers.iter().position(|l| l.name == *name));
        let main_tap = hinted.or(default_layer);
        let untapped: Vec<String> = graph.outputs.into_iter().map(|o| o.name).collect();
        let taps: Vec<usize> = main_tap.into_iter().collect();
        let main = spec.open(&mut bytes, &tap_names(&info, &untapped, &taps))?;
        let remarks = precision::remark(&spec, &main, &bytes, (&input, &info))?.into_iter().collect();
        Ok(Self {
            remarks,
            info,
            input,
            layouts,
            untapped,
            spec,
            main: Arc::new(main),
            main_tap,
            others: Mutex::default(),
            tried: Mutex::default(),
            masks: MaskSessions::default(),
        })
    }

    /// Runs `batch` on the session that serves `taps`, indices into the layers.
    fn run(&self, session: &Session, batch: TensorView<'_>, taps: &[usize]) -> Result<Forward> {
        let (shape, data) = self.input.arrange(batch)?;
        let scores = self.info.output.name.as_str();
        let mut names = vec![scores];
        // A layer may be asked for twice, or be the scores output itself; the runtime is asked once.
        let mut places = vec![];
        for &tap in taps {
            let name = self.info.layers[tap].name.as_str();
            places.push(names.iter().position(|n| *n == name).unwrap_or(names.len()));
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let image = Input::of(self.spec.element(), &shape, &data)?;
        let mut outputs = session.run(&[(&self.input.name, image.value())], &names)?;
        let activations = taps.iter().zip(places).map(|(&tap, i)| self.activation(tap, outputs[i].clone()));
        let activations = activations.collect::<Result<Vec<_>>>()?;
        let scores = ports::scores(scores, shape[0], outputs.swap_remove(0))?;
        Ok(Forward { scores, activations })
    }

    fn activation(&self, tap: usize, activation: Tensor) -> Result<Tensor> {
        match self.layouts[tap] {
            Layout::Nchw => Ok(activation),
            Layout::Nhwc => ports::channels_first(activation),
        }
    }

    /// The session for passes of so many images whose outputs include `taps`, sorted.
    fn session(&self, taps: &[usize], images: usize) -> Result<Arc<Session>> {
        let planned = self.spec.device.is_accelerator();
        let main: Vec<usize> = self.main_tap.into_iter().collect();
        // Passes without taps run on what is tapped at the usual layer.
        let taps = if taps.is_empty() { &main } else { taps };
        if *taps == main && (!planned || images == self.fewest_images()) {
            return Ok(Arc::clone(&self.main));
        }
        // What has no size of our own shares a session, however many sizes callers come with.
        let images = (planned && images.is_power_of_two()).then_some(images);
        self.kept(Serves { taps: taps.to_vec(), images })
    }

    /// Images of the smallest pass that the model takes.
    fn fewest_images(&self) -> usize {
        match self.info.batch {
            BatchRule::Fixed(n) => n,
            BatchRule::Any { .. } => 1,
        }
    }

    /// A session beside the first one; opened when it is not among those kept.
    fn kept(&self, serves: Serves) -> Result<Arc<Session>> {
        // Held while a session opens: two threads that want the same one must not open it twice.
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = others.iter().position(|(kept, _)| *kept == serves)
            && let Some(kept) = others.remove(place)
        {
            let session = Arc::clone(&kept.1);
            others.push_back(kept);
            return Ok(session);
        }
        let mut bytes = self.spec.file.read_again()?;
        let taps = tap_names(&self.info, &self.untapped, &serves.taps);
        let session = Arc::new(self.spec.open(&mut bytes, &taps)?);
        let most = if self.spec.device.is_accelerator() { KEPT_ON_ACCELERATOR } else { KEPT };
        if others.len() == most {
            others.pop_front();
        }
        others.push_back((serves, Arc::clone(&session)));
        Ok(session)
    }

    /// How the masks of a request for [C, H, W] `item`s are divided among passes.
    fn sizing(&self, batch_size: usize, item: [usize; 3]) -> Result<Sizing> {
        match self.info.batch {
            BatchRule::Fixed(n) => Ok(Sizing::Whole(n)),
            BatchRule::Any { .. } if self.spec.device.is_accelerator() => {
                // Powers of two, so that few sizes have to be planned for whatever callers ask for.
                let mut size = 1 << batch_size.ilog2();
                while !(self.is_exact(size, item)? && self.is_exact(masked::quarter(size), item)?) {
                    size /= 2;
                }
                Ok(Sizing::Planned(size))
            }
            BatchRule::Any { .. } => Ok(Sizing::UpTo(batch_size)),
        }
    }

    /// Whether passes of so many images give in f32 what an image alone gets, tried once for each size.
    ///
    /// Where cuDNN has no plan in f32 for a convolution, ONNX Runtime takes one in TF32 and tells nobody. cuDNN had none
    /// for three convolutions of ResNet-50 with 128 images, on an H100, and one for each with 64.
    fn is_exact(&self, images: usize, item: [usize; 3]) -> Result<bool> {
        if images == 1 || self.spec.settings.precision != Precision::F32 {
            return Ok(true);
        }
        // Held while it is tried: two threads that want the same size must not both do so.
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exact) = tried.get(&(images, item)) {
            return Ok(*exact);
        }
        let [channels, height, width] = item;
        let one = trial([1, channels, height, width])?;
        let mut many = Tensor::zeros([images, channels, height, width])?;
        many.data_mut()
            .chunks_exact_mut(one.data().len())
            .for_each(|image| image.copy_from_slice(one.data()));
        let alone = self.run(&*self.session(&[], 1)?, one.view(), &[])?.scores;
        let together = self.run(&*self.session(&[], images)?, many.view(), &[])?.scores;
        let exact = precision::is_rounding(alone.data(), together.data());
        if !exact {
            // Its session will not be asked for again, and takes room.
            let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
            others.retain(|(serves, _)| serves.images != Some(images));
        }
        tried.insert((images, item), exact);
        Ok(exact)
    }
}

impl ModelBackend for OnnxModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        self.input.check(&batch, self.info.batch)?;
        let position = |name: &&str| match self.info.layers.iter().position(|l| l.name == *name) {
            Some(place) => Ok(place),
            None => Err(self.info.layer(Some(name)).err().unwrap_or_else(|| {
                scorecam_core::Error::internal(format!("layer {name:?} is both there and not"))
            })),
        };
        let taps = taps.iter().map(position).collect::<Result<Vec<usize>>>()?;
        let mut needed: Vec<usize> =
            taps.iter().copied().filter(|&t| !self.untapped.contains(&self.info.layers[t].name)).collect();
        needed.sort_unstable();
        needed.dedup();
        self.run(&*self.session(&needed, batch.shape()[0])?, batch, &taps)
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        if !self.info.abilities.masked_scores {
            return request.on_cpu(self);
        }
        self.input.check_images(&request.images)?;
        let ([_, channels, height, width], [count, ..]) = request.dims()?;
        let output = self.info.output.name.as_str();
        let passes = masked::passes(count, self.sizing(request.batch_size, [channels, height, width])?);
        let mut models = BTreeMap::new();
        for pass in &passes {
            if let Entry::Vacant(place) = models.entry(pass.images) {
                place.insert(self.session(&[], pass.images)?);
            }
        }
        let masked = Masked {
            spec: &self.spec,
            sessions: &self.masks,
            models,
            input: (&self.input.name, self.input.layout),
            output,
            scores: &|n, found| ports::scores(output, n, found),
        };
        masked.scores(request, &passes)
    }
}

/// The names to tap for `taps`, without those that are outputs anyway.
fn tap_names<'i>(info: &'i ModelInfo, untapped: &[String], taps: &[usize]) -> Vec<&'i str> {
    taps.iter().map(|&t| info.layers[t].name.as_str()).filter(|n| !untapped.iter().any(|u| u == n)).collect()
}
