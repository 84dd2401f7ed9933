//! [`Model`]: a loaded model with all that its manifest says.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::path::{Path, PathBuf};

use scorecam_core::image::Preprocess;
use scorecam_core::target::Linear;
use scorecam_core::{
    Error, Form, LayerInfo, ModelBackend, ModelConfig, ModelView, RandomWeights, Result, Tensor, ViewInfo,
    ViewOptions, ViewedModel, bail, printable,
};
use scorecam_plugin::AUTO;
use scorecam_plugin::abi::scorecam_backend;
use scorecam_plugin::backend::ImportedModel;

use crate::labels::Labels;
use crate::memory::MemoryFile;
use crate::reading::Reading;
use crate::{BackendChoice, Host, Manifest};

/// Which model to load, and how; what is `None` comes from the manifest or the model.
#[derive(Debug, Clone, Default)]
pub struct ModelRequest {
    /// The model's file or its manifest (`.toml`). A manifest of the model's name beside it is read, too, unless
    /// [`Self::manifest`] is given.
    pub path: PathBuf,
    /// The model itself, where it is no file: then the path is its name alone (`net.onnx`), by which backends know the
    /// format. It is never written to a disk on Linux.
    pub bytes: Option<Vec<u8>>,
    /// The manifest; its `model.file` counts for nothing.
    pub manifest: Option<Manifest>,
    /// The backend's id; [`AUTO`] or nothing for the best one that works.
    pub backend: Option<String>,
    /// The layer to explain.
    pub layer: Option<String>,
    /// Takes no layer for the one to explain, not even the manifest's: for a list of the layers that there are.
    pub any_layer: bool,
    /// How maps lie in that layer, or in the default one.
    pub layer_form: Option<Form>,
    /// Threads for the runtime; 1 to 1024.
    pub threads: Option<usize>,
    /// The device.
    pub device: Option<String>,
    /// Settings of the backend; they come before the manifest's.
    pub settings: BTreeMap<String, String>,
    /// Random weights in place of trained ones, for a sanity check.
    pub random: Option<RandomWeights>,
}

impl<P: Into<PathBuf>> From<P> for ModelRequest {
    fn from(path: P) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// A loaded model. May be used from several threads at once.
pub struct Model {
    model: ModelView<Box<dyn ModelBackend>>,
    backend: String,
    choice: Option<BackendChoice>,
    name: String,
    file: PathBuf,
    layer: Option<String>,
    manifest_layer: Option<String>,
    labels: Labels,
    /// How photos become inputs, with a warning; an error where that is not known.
    preprocess: Result<(Preprocess, Option<String>)>,
    /// How boxes, regions and embeddings are read.
    reading: Reading,
    /// Where the model's bytes lie as a file: an engine may open it again for another set of layers.
    _memory: Option<MemoryFile>,
}

/// More than any machine has use for; engines start as many as they are told, until the system has no more.
const MOST_THREADS: usize = 1024;

impl Host {
    /// Loads a model by the backend that the request or the manifest names; when neither does, or the first that
    /// does says [`AUTO`], by the best one that works here for such files.
    ///
    /// ```no_run
    /// let host = scorecam::Host::new()?;
    /// let model = host.load_model("resnet50.toml")?;
    /// println!("{} explains layer {:?}", model.name(), model.layer());
    /// # Ok::<(), scorecam::Error>(())
    /// ```
    pub fn load_model(&self, request: impl Into<ModelRequest>) -> Result<Model> {
        let request = request.into();
        let memory =
            request.bytes.as_deref().map(|bytes| MemoryFile::new(&request.path, bytes)).transpose()?;
        let (path, manifest) = match (&memory, request.manifest.clone()) {
            (Some(file), manifest) => (file.path().to_path_buf(), manifest.unwrap_or_default()),
            (None, Some(manifest)) => (existing(&request.path)?, manifest),
            (None, None) => find_model(&request.path)?,
        };
        if let Some(threads) = request.threads.filter(|threads| !(1..=MOST_THREADS).contains(threads)) {
            bail!(invalid, "{threads} threads were asked for; give 1 to {MOST_THREADS}");
        }
        let labels = Labels::of(&manifest)?;
        let backend = request.backend.as_deref().or(manifest.model.backend.as_deref());
        let named = request.layer.clone().or_else(|| manifest.model.layer.clone());
        let layer = named.filter(|_| !request.any_layer);
        let mut settings = manifest.settings.clone();
        settings.extend(manifest.input_settings()?);
        settings.extend(request.settings.clone());
        let config = ModelConfig {
            path: path.clone(),
            input: manifest.input.name.clone(),
            input_size: manifest.input.size.map(|[h, w]| (h, w)),
            layout: manifest.layout()?,
            output: manifest.output.name.clone(),
            layer: layer.clone(),
            threads: request.threads,
            device: request.device.clone(),
            settings,
            random: request.random.clone(),
        };
        let (model, backend, choice) = match backend {
            Some(id) if id != AUTO => (self.backend(id, &path)?.load(&config)?, id.to_owned(), None),
            asked => self.load_by_best(&config, asked)?,
        };
        let shown = if memory.is_some() { &request.path } else { &path };
        let name = printable(&shown.display().to_string());
        let form = request.layer_form;
        let model = Model::new(Box::new(model), (backend, choice, name), (layer, form), (&manifest, labels))?;
        if request.random.is_some() {
            // A backend that does not know of random weights has loaded the trained ones.
            model.weights()?;
        }
        Ok(Model { _memory: memory, file: path, ..model })
    }

    /// A model whose functions are an application's own. Of the manifest all is read but what leads to a file
    /// and a backend: the layer, the labels, the input's preprocessing and the output's activation. When this
    /// fails, `model` stays with the application.
    ///
    /// # Safety
    /// `table` is NULL or leads to as many readable bytes as its `struct_size` says; its functions and `model`
    /// stay valid until the model is released, and do what the ABI says.
    pub unsafe fn adopt_model(
        &self,
        table: *const scorecam_backend,
        model: *mut c_void,
        manifest: &Manifest,
    ) -> Result<Model> {
        // SAFETY: as the caller promises.
        let borrowed = unsafe { ImportedModel::borrow(table, model, OWN_NAME.to_owned()) }?;
        let ownership = borrowed.ownership();
        let adopted = Model::from_engine(borrowed, manifest)?;
        ownership.take_over();
        Ok(adopted)
    }
}

/// The backend id of models that an application hands over.
const APPLICATION: &str = "application";
const OWN_NAME: &str = "the application's model";

impl Model {
    /// A model of the application's own. Of the manifest all is read but what leads to a file and a backend: the layer, the
    /// labels, the input's preprocessing and the output's activation.
    pub fn from_engine(engine: impl ModelBackend + 'static, manifest: &Manifest) -> Result<Self> {
        let origin = (APPLICATION.to_owned(), None, OWN_NAME.to_owned());
        let layer = manifest.model.layer.clone();
        Self::new(Box::new(engine), origin, (layer, None), (manifest, Labels::of(manifest)?))
    }

    /// The model behind its view; fails when manifest or request contradict it.
    fn new(
        model: Box<dyn ModelBackend>,
        (backend, choice, name): (String, Option<BackendChoice>, String),
        (layer, form): (Option<String>, Option<Form>),
        (manifest, labels): (&Manifest, Labels),
    ) -> Result<Self> {
        let of_model = |e: Error| e.context(format!("model {name}"));
        if let Some(layer) = &layer {
            let from =
                (manifest.model.layer.as_ref() == Some(layer)).then_some("model.layer of its manifest");
            let named = |e: Error| from.map_or(e.clone(), |from| e.context(from));
            model.info().layer(Some(layer)).map_err(|e| of_model(named(e)))?;
        }
        let options = ViewOptions {
            layer: layer.clone(),
            form: form.or(manifest.layer_form()?),
            activation: manifest.activation()?,
            is_regression: manifest.is_regression()?,
            preprocess: manifest.preprocess_for(&model.info().input)?,
        };
        let model = ModelView::new(model, &options).map_err(of_model)?;
        if let Ok(scores) = &model.info().scores
            && let [_, Some(classes)] = scores.shape[..]
        {
            labels.check(classes, scores.applied.is_one_value()).map_err(of_model)?;
        }
        let reading = Reading::of(model.model().info(), manifest).map_err(of_model)?;
        let preprocess = preprocess(&model, manifest, &name);
        let manifest_layer = manifest.model.layer.clone();
        Ok(Self {
            model,
            manifest_layer,
            backend,
            choice,
            name,
            file: PathBuf::new(),
            layer,
            labels,
            preprocess,
            reading,
            _memory: None,
        })
    }

    /// The model, for [`scorecam_core::explain`].
    pub fn backend(&self) -> &dyn ViewedModel {
        &self.model
    }

    /// The model as its backend shows it: raw tensors by their names.
    pub fn engine(&self) -> &dyn ModelBackend {
        self.model.model()
    }

    /// What the model takes and gives, as methods see it.
    pub fn info(&self) -> &ViewInfo {
        self.model.info()
    }

    /// The layers as they lie in the model, and what is known of their axes by now.
    pub fn raw_layers(&self) -> Vec<LayerInfo> {
        self.model.raw_layers()
    }

    /// As [`Self::raw_layers`], after a look at all of them by trial passes.
    pub fn all_raw_layers(&self) -> Result<Vec<LayerInfo>> {
        self.model.all_raw_layers()
    }

    /// What a user should know of how the model runs and is read, a line each.
    pub fn remarks(&self) -> Vec<String> {
        self.model.remarks()
    }

    /// The id of the backend that runs it.
    pub fn backend_id(&self) -> &str {
        &self.backend
    }

    /// Why this backend, where there were several to choose from and none was asked for by its id.
    pub fn backend_choice(&self) -> Option<&BackendChoice> {
        self.choice.as_ref()
    }

    /// The content of a model file that gives a map of `layer` by itself, on any runtime: this model with one more output,
    /// `saliency_map` [N, h, w] in [0, 1], for its best class or the one that the input `saliency_class` names. `path` is
    /// where the caller is going to write it.
    ///
    /// An error of kind unsupported where the backend writes no models, or the model has no such map.
    pub fn bake_map(&self, layer: &str, path: &Path) -> Result<Vec<u8>> {
        self.model.bake_map(layer, path)
    }

    /// The names of the layers with weights, in the order in which they run; an error of kind unsupported where the backend
    /// draws no random ones in their place.
    pub fn weights(&self) -> Result<Vec<String>> {
        self.engine().weights().map_err(|e| e.context(format!("model {}", self.name)))
    }

    /// What it is called in messages: its file, or "the application's model".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file, or where its bytes lie; empty where an application made it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The layer that request or manifest named.
    pub fn layer(&self) -> Option<&str> {
        self.layer.as_deref()
    }

    /// The layer that the manifest names, which the model may lack where the request takes any layer.
    pub fn manifest_layer(&self) -> Option<&str> {
        self.manifest_layer.as_deref()
    }

    /// How photos become inputs; a warning where nothing says it and plain RGB/255 is taken.
    pub fn preprocess(&self) -> Result<(&Preprocess, Option<&str>)> {
        let (preprocess, warning) = self.preprocess.as_ref().map_err(Error::clone)?;
        Ok((preprocess, warning.as_deref()))
    }

    /// A tensor [1, C, H, W] as the model's input; one that is [1, H, W, C] for this model is turned, with a warning.
    pub fn arrange(&self, tensor: Tensor) -> Result<(Tensor, Option<String>)> {
        let wanted = &self.info().input.shape[1..];
        let is =
            |axes: [usize; 3]| wanted.iter().zip(axes).all(|(wanted, is)| wanted.is_none_or(|n| n == is));
        match *tensor.shape() {
            [1, h, w, c] if !is([h, w, c]) && is([c, h, w]) => {
                let warning = format!("the tensor is [{h}, {w}, {c}] and was taken for [H, W, C]");
                let item = tensor.item(0);
                let data = (0..c).flat_map(|channel| item[channel..].iter().step_by(c)).copied().collect();
                Ok((Tensor::new([1, c, h, w], data)?, Some(warning)))
            }
            _ => Ok((tensor, None)),
        }
    }

    /// The sum of raw class scores, each times its weight, as a target.
    pub(crate) fn classes(&self, weights: &[(usize, f64)]) -> Result<Linear> {
        self.model.classes(weights)
    }

    /// How boxes, regions and embeddings are read.
    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The name of a class, where a labels file gives one.
    pub fn label(&self, class: usize) -> Option<&str> {
        self.labels.get(class)
    }

    /// The class that a text names: a number, or a label or one of its comma-separated names. Where the model gives one
    /// value an image, `not` is the evidence against it.
    pub fn class(&self, text: &str) -> Result<usize> {
        if let Ok(class) = text.parse() {
            return Ok(class);
        }
        if text == "not" && self.info().scores.as_ref().is_ok_and(|scores| scores.applied.is_one_value()) {
            return Ok(0);
        }
        self.labels.class(text, &self.name)
    }
}

fn preprocess(
    model: &dyn ViewedModel,
    manifest: &Manifest,
    name: &str,
) -> Result<(Preprocess, Option<String>)> {
    let info = model.info();
    if info.input.shape[2..].contains(&None) && manifest.input.size.is_none() {
        bail!(invalid, "model {name} takes images of any size; give input.size in a manifest");
    }
    let warning = (!manifest.normalises() && !info.input.takes_bytes()).then(|| {
        format!(
            "nothing says how {name} wants its pixels: they are scaled to 0..1, without mean and deviation; a manifest can say"
        )
    });
    let preprocess = manifest.preprocess_for(&info.input)?;
    match info.input.shape[1] {
        Some(n) if n != preprocess.color.channels() => Err(Error::invalid(format!(
            "model {name} takes {n} channels, and a photo in {} has {}; give input.color in a manifest, or the input itself \
             as a .npy tensor [{n}, H, W]",
            preprocess.color.name(),
            preprocess.color.channels()
        ))),
        _ => Ok((preprocess, warning)),
    }
}

/// The model's file and its manifest.
fn find_model(path: &Path) -> Result<(PathBuf, Manifest)> {
    let path = existing(path)?;
    if path.extension().is_some_and(|e| e == "toml") {
        let manifest = Manifest::read(&path)?;
        let file = manifest.model.file.as_ref().ok_or_else(|| {
            Error::invalid(format!(
                "manifest {}: model.file is not given, so there is no model to load",
                path.display()
            ))
        })?;
        return Ok((existing(&manifest.folder.join(file))?, manifest));
    }
    let beside = path.with_extension("toml");
    let manifest = if beside.is_file() { Manifest::read(&beside)? } else { Manifest::default() };
    Ok((path, manifest))
}

/// The path of a model that is there. Pipes and devices are refused: an engine that opened one could wait for ever.
fn existing(path: &Path) -> Result<PathBuf> {
    match path.is_file() || path.is_dir() {
        true => Ok(path.to_path_buf()),
        false if path.exists() => {
            Err(Error::io(format!("model {} is neither a file nor a folder", path.display())))
        }
        false => Err(Error::io(format!("model {} does not exist", path.display()))),
    }
}
