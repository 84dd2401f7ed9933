//! A loaded ONNX model: the sessions that run it, and which of them serves a call.
//!
//! The main session is tapped at the layers that will be explained. Passes without taps run on it too and fetch the
//! scores alone: on two networks in batches of 16 no difference to an untapped session could be measured. Another set of
//! taps gets a session of its own on first use; a few of them are kept. Which session serves a set never depends on what
//! ran before, so equal calls give equal bits: optimized graphs of different taps may differ in rounding.
//!
//! A pass with several taps, some of which nobody knows the axes of, is no explanation but a look at the model. It runs on
//! an overview: a session that is not optimized, and is closed when the first ordinary pass comes.
//!
//! On an accelerator a session serves passes of one number of images only: it keeps its plans for one shape, and making
//! them anew takes longer than many passes do (half a second for EfficientNet-Lite0 on an H100).

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ort::value::DynValueRef;
use scorecam_core::{
    Bake, BatchRule, EachBatch, Error, Inputs, MaskedRequest, ModelBackend, ModelConfig, ModelInfo,
    NamedTensor, OutputInfo, Passed, Result, Tensor, TensorView,
};
use scorecam_plugin::precision::trial;

use crate::described::Described;
use crate::element::Element;
use crate::extras::{self, Extra};
use crate::file::Parsed;
use crate::head::Heads;
use crate::joined;
use crate::layers::{self, Runtime, Surveyed};
use crate::masked::{self, MaskSessions, Masked, Sizing};
use crate::ports::{self, ImageInput};
use crate::precision;
use crate::session::{Session, SessionSpec};
use crate::settings::Precision;
use crate::values::{Input, raw_output};
use crate::weights;

/// Sessions beside the first that are kept; each holds a copy of the weights.
const KEPT: usize = 3;
/// The same where each size of batch has one: those of exact maps, and the small ones of methods that ask step by step.
const KEPT_ON_ACCELERATOR: usize = 8;

/// A model that ONNX Runtime has loaded.
pub(crate) struct OnnxModel {
    pub(crate) described: Described,
    pub(crate) ports: Ports,
    pub(crate) spec: SessionSpec,
    /// Opened when it is first wanted.
    main: Mutex<Option<Arc<Session>>>,
    /// With the layers that it is tapped at.
    overview: Mutex<Option<(Vec<usize>, Arc<Session>)>>,
    others: Mutex<VecDeque<(Serves, Arc<Session>)>>,
    /// On an accelerator: numbers of images with their shape that were tried, and whether they are exact.
    tried: Mutex<BTreeMap<(usize, [usize; 3]), bool>>,
    masks: MaskSessions,
    heads: Heads,
    remarks: Vec<String>,
}

/// What goes into a pass.
pub(crate) struct Ports {
    pub(crate) image: ImageInput,
    extras: Vec<Extra>,
}

/// What a session beside the first one is for.
#[derive(PartialEq, Eq)]
struct Serves {
    /// Indices into the layers, sorted.
    taps: Vec<usize>,
    /// Images of its passes; `None` where any number will do.
    images: Option<usize>,
}

/// What a pass is to give.
#[derive(Default)]
pub(crate) struct Wanted {
    /// Names of outputs of a session, and what they are to the model.
    names: Vec<(String, Role)>,
    /// The layers among them, indices into the list of layers.
    pub(crate) layers: Vec<usize>,
}

/// What a tensor that is wanted is.
enum Role {
    Layer,
    /// An output with a row for each image, of so many axes; what scores are read from may have any.
    Rows(Option<usize>),
    /// An output of the whole batch.
    Whole,
}

impl Role {
    fn of(output: &OutputInfo, is_scores: bool) -> Self {
        match output.per_image {
            true => Self::Rows(Some(output.shape.len()).filter(|_| !is_scores)),
            false => Self::Whole,
        }
    }
}

impl Wanted {
    /// Whether tensor `i` has a row for each image.
    pub(crate) fn is_per_image(&self, i: usize) -> bool {
        !matches!(self.names[i].1, Role::Whole)
    }

    /// Whether output `i` of a pass of `n` images needs no other shape than the one that it has.
    pub(crate) fn is_as_given(&self, i: usize, n: usize, shape: &[usize]) -> bool {
        match self.names[i].1 {
            Role::Rows(rank) => shape.first() == Some(&n) && rank.is_none_or(|rank| rank == shape.len()),
            Role::Layer | Role::Whole => true,
        }
    }

    /// Each name once, and for each that is wanted its place among these.
    pub(crate) fn once(&self) -> (Vec<&str>, Vec<usize>) {
        let (mut names, mut places) = (Vec::new(), Vec::new());
        for (name, _) in &self.names {
            let place = names.iter().position(|n| n == name).unwrap_or(names.len());
            if place == names.len() {
                names.push(name.as_str());
            }
            places.push(place);
        }
        (names, places)
    }

    /// A tensor for each name, of what a pass of `n` images gave.
    pub(crate) fn each(&self, n: usize, places: &[usize], found: Vec<Tensor>) -> Result<Vec<Tensor>> {
        let mut left = vec![0; found.len()];
        places.iter().for_each(|&place| left[place] += 1);
        let mut found: Vec<Option<Tensor>> = found.into_iter().map(Some).collect();
        let one = |((name, role), &place): (&(String, Role), &usize)| {
            left[place] -= 1;
            let tensor = if left[place] == 0 { found[place].take() } else { found[place].clone() };
            let tensor = tensor.ok_or_else(|| Error::internal(format!("output {name:?} was given away")))?;
            match role {
                Role::Rows(None) => raw_output(name, n, tensor),
                Role::Rows(Some(rank)) if *rank != tensor.shape().len() => raw_output(name, n, tensor),
                Role::Rows(_) | Role::Layer | Role::Whole => Ok(tensor),
            }
        };
        self.names.iter().zip(places).map(one).collect()
    }
}

impl Ports {
    /// Runs a session on a batch [N, C, H, W], given in `element`, and returns its outputs of these names.
    pub(crate) fn run(
        &self,
        session: &Session,
        (batch, element): (TensorView<'_>, Element),
        outputs: &[&str],
    ) -> Result<Vec<Tensor>> {
        self.run_with(session, (batch, element), (outputs, &[]))
    }

    /// As [`Self::run`], with other inputs for this pass in place of those that were given at load.
    fn run_with(
        &self,
        session: &Session,
        (batch, element): (TensorView<'_>, Element),
        (outputs, others): (&[&str], &[NamedTensor<'_>]),
    ) -> Result<Vec<Tensor>> {
        self.with(((batch, element), others), vec![], |_| true, |inputs| session.run(inputs, outputs))
    }

    /// Hands to `run` the `inputs` and those of the model's own that `reads` names.
    pub(crate) fn with<R>(
        &self,
        ((batch, element), others): ((TensorView<'_>, Element), &[NamedTensor<'_>]),
        inputs: Vec<(&str, DynValueRef<'_>)>,
        reads: impl Fn(&str) -> bool,
        run: impl FnOnce(&[(&str, DynValueRef<'_>)]) -> Result<R>,
    ) -> Result<R> {
        if let Some((name, _)) = others.iter().find(|(name, _)| !self.extras.iter().any(|e| e.name == *name))
        {
            let image = &self.image.name;
            return Err(Error::not_found(format!("input {name:?} is none of the model's beside {image:?}")));
        }
        let arranged = reads(&self.image.name).then(|| self.image.arrange(batch)).transpose()?;
        let mut own = Vec::new();
        if let Some((shape, data)) = &arranged {
            own.push((self.image.name.as_str(), Input::of(element, shape, data)?));
        }
        for extra in self.extras.iter().filter(|extra| reads(&extra.name)) {
            let given = others.iter().find(|(name, _)| *name == extra.name).map(|(_, tensor)| *tensor);
            own.push((extra.name.as_str(), extra.input(batch.shape()[0], given)?));
        }
        let own = own.iter().map(|(name, input)| (*name, input.value()));
        run(&inputs.into_iter().chain(own).collect::<Vec<_>>())
    }

    /// The element type in which images are given to sessions of `spec`.
    pub(crate) fn element(&self, spec: &SessionSpec) -> Element {
        match (self.image.element, spec.element()) {
            (Element::F32, element) => element,
            (own, _) => own,
        }
    }

    /// Whether passes take a batch of f32 and nothing else, which graphs of our own can make.
    fn are_plain(&self) -> bool {
        self.image.is_plain() && self.extras.is_empty()
    }
}

impl OnnxModel {
    /// Checks inputs and outputs, lists the layers, and opens the main session where it is certain which that is.
    pub(crate) fn load(spec: SessionSpec, parsed: Parsed, config: &ModelConfig) -> Result<Self> {
        let Parsed { graph, mut bytes } = parsed;
        let file = spec.file.path().display().to_string();
        let of_file = |e: Error| e.context(format!("model {file}"));
        let inputs = ports::inputs(&graph);
        let image = ImageInput::find(&inputs, config).map_err(of_file)?;
        let extras = extras::find(&inputs, &image.name, &spec.settings.inputs).map_err(of_file)?;
        let ports = Ports { image, extras };
        let output = config.output.as_deref();
        let surveyed = Surveyed { graph: &graph, input: &ports.image, output };
        let mut look = |distrusts| -> Result<_> {
            if bytes.is_empty() {
                bytes = spec.file.read_again()?;
            }
            let runtime = Runtime { spec: &spec, bytes: &mut bytes, distrusts, ports: &ports };
            let survey = layers::survey(&surveyed, runtime)?;
            let described = Described::new((survey, &graph), (&spec, &ports.image, &ports.extras), config)
                .map_err(of_file)?;
            // Where the layer to explain is certain, its session opens now; else trial passes come first.
            let main = match described.is_main_certain() {
                true => Some(joined::open(&spec, &described, (&mut bytes, described.main_taps()))?),
                false => None,
            };
            Ok((described, main))
        };
        let mut found = look(false)?;
        if found.0.is_stale(found.1.as_ref(), (&ports, ports.element(&spec)))? {
            found = look(true)?;
        }
        let (described, main) = found;
        let mut model = Self {
            described,
            ports,
            spec,
            main: Mutex::new(main.map(Arc::new)),
            overview: Mutex::default(),
            others: Mutex::default(),
            tried: Mutex::default(),
            masks: MaskSessions::default(),
            heads: Heads::default(),
            remarks: Vec::new(),
        };
        model.remarks.extend(model.described.remark().map(str::to_owned));
        if model.spec.settings.precision != Precision::F32 {
            let main = model.main()?;
            if bytes.is_empty() {
                bytes = model.spec.file.read_again()?;
            }
            let of_model = (&model.ports, model.described.info(), &bytes[..]);
            model.remarks.push(precision::remark(&model.spec, &main, of_model)?);
        }
        Ok(model)
    }

    /// The place of a layer; an error that lists those that there are.
    pub(crate) fn place(&self, name: &str) -> Result<usize> {
        let info = self.info();
        match (info.layers.iter().position(|l| l.name == name), info.layer(Some(name))) {
            (Some(place), _) => Ok(place),
            (None, Err(unknown)) => Err(unknown),
            (None, Ok(_)) => Err(Error::internal(format!("layer {name:?} is both there and not"))),
        }
    }

    /// What is wanted, by the names that outputs and taps have in sessions, and the layers that have to be tapped.
    pub(crate) fn wanted(&self, names: &[&str]) -> Result<Wanted> {
        let info = self.info();
        let scores = info.score_output().ok().map(|o| o.name.as_str());
        let mut wanted = Wanted::default();
        for name in names {
            if let Some(output) = info.outputs.iter().find(|o| o.name == *name) {
                wanted.names.push(((*name).to_owned(), Role::of(output, scores == Some(name))));
                continue;
            }
            let place = self.place(name)?;
            wanted.names.push((self.described.tap_name(place), Role::Layer));
            wanted.layers.push(place);
        }
        Ok(wanted)
    }

    /// Runs `inputs`, given in `element`, on a session that serves what is wanted.
    pub(crate) fn run(
        &self,
        session: &Session,
        (inputs, element): (&Inputs<'_>, Element),
        wanted: &Wanted,
    ) -> Result<Vec<Tensor>> {
        // A tensor may be asked for twice, as a layer and as an output; the runtime is asked once.
        let (names, places) = wanted.once();
        let found = self.ports.run_with(session, (inputs.images, element), (&names, inputs.others))?;
        wanted.each(inputs.images.shape()[0], &places, found)
    }

    /// The session for passes of so many images whose outputs include `taps`, sorted.
    pub(crate) fn session(&self, taps: &[usize], images: usize) -> Result<Arc<Session>> {
        let planned = self.spec.device.is_accelerator();
        let main = self.described.main_taps();
        // Passes without taps run on what is tapped at the usual layers.
        let taps = if self.described.are_main(taps) { main } else { taps };
        if taps == main && (!planned || images == self.info().batch.size(1)) {
            return self.main();
        }
        // What has no size of our own shares a session, however many sizes callers come with.
        let images = (planned && images.is_power_of_two()).then_some(images);
        self.kept(Serves { taps: taps.to_vec(), images })
    }

    fn main(&self) -> Result<Arc<Session>> {
        // Held while it opens: two threads must not both open it.
        let mut main = lock(&self.main);
        if let Some(session) = &*main {
            return Ok(Arc::clone(session));
        }
        let session = self.open(self.described.main_taps())?;
        Ok(Arc::clone(main.insert(Arc::new(session))))
    }

    fn open(&self, taps: &[usize]) -> Result<Session> {
        joined::open(&self.spec, &self.described, (&mut self.spec.file.read_again()?, taps))
    }

    /// A session that has all of `taps` among its outputs, to look at the model.
    fn overview(&self, taps: &[usize]) -> Result<Arc<Session>> {
        let mut overview = lock(&self.overview);
        let has_all = |(known, _): &&(Vec<usize>, _)| taps.iter().all(|tap| known.contains(tap));
        if let Some((_, session)) = overview.as_ref().filter(has_all) {
            return Ok(Arc::clone(session));
        }
        // Another one needs as much room.
        drop(overview.take());
        let outputs = self.described.taps(taps);
        let session = Arc::new(self.spec.open_plain(&mut self.spec.file.read_again()?, &outputs)?);
        *overview = Some((taps.to_vec(), Arc::clone(&session)));
        Ok(session)
    }

    /// A session beside the first one; opened when it is not among those kept.
    fn kept(&self, serves: Serves) -> Result<Arc<Session>> {
        // Held while a session opens: two threads that want the same one must not open it twice.
        let mut others = lock(&self.others);
        if let Some(place) = others.iter().position(|(kept, _)| *kept == serves)
            && let Some(kept) = others.remove(place)
        {
            let session = Arc::clone(&kept.1);
            others.push_back(kept);
            return Ok(session);
        }
        let session = Arc::new(self.open(&serves.taps)?);
        let most = if self.spec.device.is_accelerator() { KEPT_ON_ACCELERATOR } else { KEPT };
        if others.len() == most {
            others.pop_front();
        }
        others.push_back((serves, Arc::clone(&session)));
        Ok(session)
    }

    /// How the masks of a request for [C, H, W] `item`s are divided among passes.
    fn sizing(&self, batch_size: usize, item: [usize; 3]) -> Result<Sizing> {
        match self.info().batch {
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
        let mut tried = lock(&self.tried);
        if let Some(exact) = tried.get(&(images, item)) {
            return Ok(*exact);
        }
        let [channels, height, width] = item;
        let one = trial([1, channels, height, width])?;
        let mut many = Tensor::zeros([images, channels, height, width])?;
        many.data_mut()
            .chunks_exact_mut(one.data().len())
            .for_each(|image| image.copy_from_slice(one.data()));
        let element = self.ports.element(&self.spec);
        let wanted = self.wanted(&[&self.info().score_output()?.name])?;
        let scores = |images: &Tensor| {
            let session = self.session(&[], images.shape()[0])?;
            self.run(&session, (&Inputs::of(images.view()), element), &wanted)
                .map(|mut found| found.remove(0))
        };
        let (alone, together) = (scores(&one)?, scores(&many)?);
        let exact = precision::is_rounding(alone.data(), together.data());
        if !exact {
            // Its session will not be asked for again, and takes room.
            lock(&self.others).retain(|(serves, _)| serves.images != Some(images));
        }
        tried.insert((images, item), exact);
        Ok(exact)
    }
}

impl ModelBackend for OnnxModel {
    fn info(&self) -> &ModelInfo {
        self.described.info()
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let n = self.info().batch.fixed();
        self.ports.image.check(&inputs.images, n)?;
        let wanted = self.wanted(wanted)?;
        let needed = self.described.needed(&wanted.layers);
        if self.described.is_look(&needed) {
            return self.run(&*self.overview(&needed)?, (inputs, self.ports.image.element), &wanted);
        }
        let session = self.session(&needed, inputs.images.shape()[0])?;
        drop(lock(&self.overview).take());
        self.run(&session, (inputs, self.ports.element(&self.spec)), &wanted)
    }

    fn run_from(
        &self,
        inputs: &Inputs<'_>,
        layer: &str,
        activations: TensorView<'_>,
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        self.ports.image.check(&inputs.images, Some(1))?;
        self.heads.run(self, inputs, (layer, activations), wanted)
    }

    fn weights(&self) -> Result<Vec<String>> {
        let layers = weights::layers(self.described.graph())?;
        Ok(layers.into_iter().map(|layer| layer.name).collect())
    }

    fn bake(&self, layer: &str, what: Bake<'_>, path: &Path) -> Result<Vec<u8>> {
        self.baked(layer, what, path)
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        let image = &self.ports.image;
        if !self.spec.device.makes_masks() || !self.ports.are_plain() {
            let mut forward =
                |inputs: &Inputs<'_>, passed: &mut Passed<'_>| self.show(inputs, wanted, passed);
            return request.on_cpu_by(&mut forward, (self.info(), wanted), each);
        }
        image.check(&request.inputs.images, None)?;
        let ([_, channels, height, width], [count, ..]) = request.dims()?;
        let wanted = self.wanted(wanted)?;
        let needed = self.described.needed(&wanted.layers);
        let passes = masked::passes(count, self.sizing(request.batch_size, [channels, height, width])?);
        let mut models = BTreeMap::new();
        for pass in &passes {
            if let Entry::Vacant(place) = models.entry(pass.images) {
                place.insert(self.session(&needed, pass.images)?);
            }
        }
        let masked = Masked {
            spec: &self.spec,
            sessions: &self.masks,
            models,
            input: (&image.name, image.layout),
            wanted: &wanted,
        };
        masked.run(request, &passes, each)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
