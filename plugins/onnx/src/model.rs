//! A loaded ONNX model: the sessions that run it, and which of them serves a call.
//!
//! At load one session is opened, tapped at the layer that will be explained. Passes without taps run on it
//! too and fetch the scores alone: on two networks in batches of 16 no difference to an untapped session
//! could be measured. Another set of taps gets a session of its own on first use; a few of them are kept.
//! Which session serves a set never depends on what ran before, so equal calls give equal bits: optimised
//! graphs of different taps may differ in rounding.
//!
//! On an accelerator masked passes have a session of their own, equal to the first. There a session keeps what it has
//! planned for one shape of input only, and a call's first pass, of one image, would have it planned anew each time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use scorecam_core::{
    BatchRule, Forward, Layout, MaskedScores, ModelBackend, ModelConfig, ModelInfo, Result, Tensor,
    TensorInfo, TensorView,
};

use crate::file::ModelFile;
use crate::graph::Network;
use crate::layers::{self, Survey};
use crate::masked::{MaskSessions, Masked};
use crate::ports::{self, ImageInput};
use crate::precision;
use crate::proto;
use crate::session::{Session, SessionSpec};
use crate::values::Input;

/// Sessions for further sets of taps that are kept; each holds a copy of the weights.
const KEPT_SESSIONS: usize = 3;

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
    /// What scores masked images on an accelerator, once it is wanted.
    scoring: Mutex<Option<Arc<Session>>>,
    others: Mutex<VecDeque<(Vec<usize>, Arc<Session>)>>,
    masks: MaskSessions,
    remarks: Vec<String>,
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
            scoring: Mutex::default(),
            others: Mutex::default(),
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

    /// The session for the passes of masked images.
    fn scoring(&self) -> Result<Arc<Session>> {
        if !self.spec.device.is_accelerator() {
            return Ok(Arc::clone(&self.main));
        }
        let mut place = self.scoring.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*place {
            return Ok(Arc::clone(session));
        }
        let taps: Vec<usize> = self.main_tap.into_iter().collect();
        let mut bytes = self.spec.file.read_again()?;
        let session = Arc::new(self.spec.open(&mut bytes, &tap_names(&self.info, &self.untapped, &taps))?);
        *place = Some(Arc::clone(&session));
        Ok(session)
    }

    /// The session whose further outputs are exactly `taps`, sorted; opened when it is not among those kept.
    fn tapped(&self, taps: &[usize]) -> Result<Arc<Session>> {
        // Held while a session opens: two threads that want the same one must not open it twice.
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = others.iter().position(|(set, _)| set == taps)
            && let Some(kept) = others.remove(place)
        {
            let session = Arc::clone(&kept.1);
            others.push_back(kept);
            return Ok(session);
        }
        let mut bytes = self.spec.file.read_again()?;
        let session = Arc::new(self.spec.open(&mut bytes, &tap_names(&self.info, &self.untapped, taps))?);
        if others.len() == KEPT_SESSIONS {
            others.pop_front();
        }
        others.push_back((taps.to_vec(), Arc::clone(&session)));
        Ok(session)
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
        match needed[..] {
            [] => self.run(&self.main, batch, &taps),
            [only] if Some(only) == self.main_tap => self.run(&self.main, batch, &taps),
            _ => self.run(&*self.tapped(&needed)?, batch, &taps),
        }
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        if !self.info.abilities.masked_scores {
            return request.on_cpu(self);
        }
        self.input.check_images(&request.images)?;
        let output = self.info.output.name.as_str();
        let masked = Masked {
            spec: &self.spec,
            sessions: &self.masks,
            model: &*self.scoring()?,
            input: (&self.input.name, self.input.layout),
            batch: self.info.batch,
            output,
            scores: &|n, found| ports::scores(output, n, found),
        };
        masked.scores(request)
    }
}

/// The names to tap for `taps`, without those that are outputs anyway.
fn tap_names<'i>(info: &'i ModelInfo, untapped: &[String], taps: &[usize]) -> Vec<&'i str> {
    taps.iter().map(|&t| info.layers[t].name.as_str()).filter(|n| !untapped.iter().any(|u| u == n)).collect()
}
