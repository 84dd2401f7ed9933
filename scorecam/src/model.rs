//! [`Model`]: a loaded model with its manifest.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::path::{Path, PathBuf};

use scorecam_core::image::Preprocess;
use scorecam_core::target::Linear;
use scorecam_core::{
    Error, Form, LayerInfo, ModelBackend, ModelConfig, ModelView, RandomWeights, Result, Tensor, ViewInfo,
    ViewOptions, ViewedModel, bail, layer_names, printable,
};
use scorecam_plugin::AUTO;
use scorecam_plugin::abi::scorecam_backend;
use scorecam_plugin::backend::ImportedModel;

use crate::labels::Labels;
use crate::memory::MemoryFile;
use crate::reading::Reading;
use crate::{BackendChoice, Host, Manifest};

/// The model to load, and how to load it; the defaults for `None` come from the manifest or the model.
#[derive(Debug, Clone, Default)]
pub struct ModelRequest {
    /// The model's file or its manifest (`.toml`). A manifest beside the model with the same name is also read, unless
    /// [`Self::manifest`] is given.
    pub path: PathBuf,
    /// The model in memory: the path is then only its name (`net.onnx`), which tells backends the format. On Linux it
    /// is never written to a disk.
    pub bytes: Option<Vec<u8>>,
    /// The manifest; its `model.file` is ignored.
    pub manifest: Option<Manifest>,
    /// The backend's id; [`AUTO`] or `None` for the best available one.
    pub backend: Option<String>,
    /// The layer to explain, or several separated by commas, whose maps are fused. Backends prepare for these: with
    /// ONNX Runtime on a CPU, layers that are named only later have copies of the weights.
    pub layer: Option<String>,
    /// Ignores the layer to explain, even the manifest's; useful to list the layers.
    pub any_layer: bool,
    /// The layout of each of these, or of the default layer.
    pub layer_form: Option<Form>,
    /// Threads for the runtime; 1 to 1024.
    pub threads: Option<usize>,
    /// The device.
    pub device: Option<String>,
    /// Settings of the backend, which override the manifest's.
    pub settings: BTreeMap<String, String>,
    /// Random weights instead of trained ones, for a sanity check.
    pub random: Option<RandomWeights>,
}

impl<P: Into<PathBuf>> From<P> for ModelRequest {
    fn from(path: P) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// A loaded model. Several threads may use it concurrently.
pub struct Model {
    model: ModelView<Box<dyn ModelBackend>>,
    backend: String,
    choice: Option<BackendChoice>,
    name: String,
    file: PathBuf,
    layer: Option<String>,
    manifest_layer: Option<String>,
    labels: Labels,
    /// The preprocessing of photos, with a warning; an error if it is unknown.
    preprocess: Result<(Preprocess, Option<String>)>,
    /// How to read boxes, regions and embeddings.
    reading: Reading,
    /// The model's bytes as a file: an engine may open it again for another set of layers.
    _memory: Option<MemoryFile>,
}

/// More than any machine needs; engines start as many threads as requested, until the system has no more.
const MOST_THREADS: usize = 1024;

impl Host {
    /// Loads a model with the backend of the request, or else of the manifest; without one, or for [`AUTO`], with the
    /// best backend that is available for the file.
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
            bail!(invalid, "threads must be between 1 and {MOST_THREADS}, got {threads}");
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

    /// A model with an application's own functions. The manifest supplies the layer, the labels, the input's
    /// preprocessing and the output's activation; its file and backend are ignored. On failure, the application keeps
    /// `model`.
    ///
    /// # Safety
    /// `table` is NULL or points to as many readable bytes as its `struct_size`; its functions and `model` stay valid
    /// until the model is released, and follow the ABI.
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

/// The backend id of models that an application supplies.
const APPLICATION: &str = "application";
const OWN_NAME: &str = "the application's model";

impl Model {
    /// A model of the application. The manifest supplies the layer, the labels, the input's preprocessing and the
    /// output's activation; its file and backend are ignored.
    pub fn from_engine(engine: impl ModelBackend + 'static, manifest: &Manifest) -> Result<Self> {
        let origin = (APPLICATION.to_owned(), None, OWN_NAME.to_owned());
        let layer = manifest.model.layer.clone();
        Self::new(Box::new(engine), origin, (layer, None), (manifest, Labels::of(manifest)?))
    }

    /// The model behind its view; fails if the manifest or the request contradicts it.
    fn new(
        model: Box<dyn ModelBackend>,
        (backend, choice, name): (String, Option<BackendChoice>, String),
        (layer, form): (Option<String>, Option<Form>),
        (manifest, labels): (&Manifest, Labels),
    ) -> Result<Self> {
        let of_model = |e: Error| e.context(format!("model {name}"));
        let info = model.info();
        let names = layer.as_deref().map(|text| layer_names(text, |name| info.layer(Some(name)).is_ok()));
        let names = names.unwrap_or_default();
        for name in &names {
            let from =
                (manifest.model.layer.as_deref() == Some(name)).then_some("model.layer of its manifest");
            let named = |e: Error| from.map_or(e.clone(), |from| e.context(from));
            info.layer(Some(name)).map_err(|e| of_model(named(e)))?;
        }
        let options = ViewOptions {
            layers: names.iter().map(|&name| name.to_owned()).collect(),
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

    /// The model as its backend exposes it: raw tensors by name.
    pub fn engine(&self) -> &dyn ModelBackend {
        self.model.model()
    }

    /// The input, scores and layers of the model, as methods see them.
    pub fn info(&self) -> &ViewInfo {
        self.model.info()
    }

    /// The layers with their raw shapes, and the axes known so far.
    pub fn raw_layers(&self) -> Vec<LayerInfo> {
        self.model.raw_layers()
    }

    /// Like [`Self::raw_layers`], after trial passes for all layers.
    pub fn all_raw_layers(&self) -> Result<Vec<LayerInfo>> {
        self.model.all_raw_layers()
    }

    /// Remarks for the user on how the model runs and is interpreted, one line each.
    pub fn remarks(&self) -> Vec<String> {
        self.model.remarks()
    }

    /// The id of its backend.
    pub fn backend_id(&self) -> &str {
        &self.backend
    }

    /// The reason for this backend, if several were available and none was requested by its id.
    pub fn backend_choice(&self) -> Option<&BackendChoice> {
        self.choice.as_ref()
    }

    /// The content of a model file that returns a map of `layer` in any runtime: this model with one more output,
    /// `saliency_map` [N, h, w] in [0, 1], for its top class or the class in the input `saliency_class`. `path` is the
    /// path where the caller will write it.
    ///
    /// An error of kind unsupported if the backend cannot write models, or the model has no such map.
    pub fn bake_map(&self, layer: &str, path: &Path) -> Result<Vec<u8>> {
        self.model.bake_map(layer, path)
    }

    /// The names of the layers with weights, in execution order; an error of kind unsupported if the backend cannot
    /// replace them with random ones.
    pub fn weights(&self) -> Result<Vec<String>> {
        self.engine().weights().map_err(|e| e.context(format!("model {}", self.name)))
    }

    /// Its name in messages: its file, or "the application's model".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its file, or the file that holds its bytes; empty for an application's model.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The layer named in the request, or several separated by commas; else that of the manifest.
    pub fn layer(&self) -> Option<&str> {
        self.layer.as_deref()
    }

    /// The layer named in the manifest; it may not exist if the request accepts any layer.
    pub fn manifest_layer(&self) -> Option<&str> {
        self.manifest_layer.as_deref()
    }

    /// The preprocessing of photos, with a warning if it is unspecified and defaults to RGB/255.
    pub fn preprocess(&self) -> Result<(&Preprocess, Option<&str>)> {
        let (preprocess, warning) = self.preprocess.as_ref().map_err(Error::clone)?;
        Ok((preprocess, warning.as_deref()))
    }

    /// A tensor [1, C, H, W] as the model's input; one that is [1, H, W, C] for this model is transposed, with a
    /// warning.
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

    /// A weighted sum of raw class scores as a target.
    pub(crate) fn classes(&self, weights: &[(usize, f64)]) -> Result<Linear> {
        self.model.classes(weights)
    }

    /// How to read boxes, regions and embeddings.
    pub(crate) fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The label of a class, if there is one.
    pub fn label(&self, class: usize) -> Option<&str> {
        self.labels.get(class)
    }

    /// Finds a class by its number, its label or one of a label's comma-separated names. For a model with one value per
    /// image, `not` is the evidence against it.
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
            "the preprocessing for {name} is unknown: pixels are scaled to 0..1, without mean and deviation; \
             specify it in a manifest"
        )
    });
    let preprocess = manifest.preprocess_for(&info.input)?;
    match info.input.shape[1] {
        Some(n) if n != preprocess.color.channels() => Err(Error::invalid(format!(
            "model {name} takes {n} channels, but a photo in {} has {}; give input.color in a manifest, or the \
             input itself \
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
                "manifest {}: model.file is missing, so there is no model to load",
                path.display()
            ))
        })?;
        return Ok((existing(&manifest.folder.join(file))?, manifest));
    }
    let beside = path.with_extension("toml");
    let manifest = if beside.is_file() { Manifest::read(&beside)? } else { Manifest::default() };
    Ok((path, manifest))
}

/// The path of an existing model. Pipes and devices are rejected, because an engine could wait for them forever.
fn existing(path: &Path) -> Result<PathBuf> {
    match path.is_file() || path.is_dir() {
        true => Ok(path.to_path_buf()),
        false if path.exists() => {
            Err(Error::io(format!("model {} is neither a file nor a folder", path.display())))
        }
        false => Err(Error::io(format!("model {} does not exist", path.display()))),
    }
}
