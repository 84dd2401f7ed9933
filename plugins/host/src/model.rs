//! [`Model`]: a loaded model with all that its manifest says.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::path::{Path, PathBuf};

use scorecam_core::image::{Photo, Prepared, Preprocess};
use scorecam_core::{Error, ModelBackend, ModelConfig, ModelInfo, OutputActivation, Result, printable};
use scorecam_plugin::AUTO;
use scorecam_plugin::abi::scorecam_backend;
use scorecam_plugin::import::ImportedModel;

use crate::text_file::read_text;
use crate::{BackendChoice, Host, Manifest};

/// Which model to load, and how; what is `None` comes from the manifest or the model.
#[derive(Debug, Clone, Default)]
pub struct ModelRequest {
    /// The model's file or its manifest (`.toml`). A manifest of the model's name beside it is read, too.
    pub path: PathBuf,
    /// The backend's id; [`AUTO`] or nothing for the best one that works.
    pub backend: Option<String>,
    /// The layer to explain.
    pub layer: Option<String>,
    /// Threads for the runtime; 1 to 1024.
    pub threads: Option<usize>,
    /// The device.
    pub device: Option<String>,
    /// Settings of the backend; they come before the manifest's.
    pub settings: BTreeMap<String, String>,
}

/// A loaded model. May be used from several threads at once.
pub struct Model {
    model: ImportedModel<'static>,
    backend: String,
    choice: Option<BackendChoice>,
    name: String,
    layer: Option<String>,
    manifest: Manifest,
    labels: Vec<String>,
}

/// More than any machine has use for; engines start as many as they are told, until the system has no more.
const MOST_THREADS: usize = 1024;

impl Host {
    /// Loads a model by the backend that the request or the manifest names; when neither does, or the first that
    /// does says [`AUTO`], by the best one that works here for such files.
    pub fn load_model(&self, request: &ModelRequest) -> Result<Model> {
        let (path, manifest, folder) = find_model(&request.path)?;
        if let Some(threads) = request.threads.filter(|threads| !(1..=MOST_THREADS).contains(threads)) {
            return Err(Error::invalid(format!(
                "{threads} threads were asked for; give 1 to {MOST_THREADS}"
            )));
        }
        let labels = read_labels(&manifest, &folder)?;
        let backend = request.backend.as_deref().or(manifest.model.backend.as_deref());
        let layer = request.layer.clone().or_else(|| manifest.model.layer.clone());
        let mut settings = manifest.settings.clone();
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
        };
        let (model, backend, choice) = match backend {
            Some(id) if id != AUTO => (self.backend(id, &path)?.load(&config)?, id.to_owned(), None),
            asked => self.load_by_best(&config, asked)?,
        };
        let name = printable(&path.display().to_string());
        Model { model, backend, choice, name, layer, manifest, labels }.with_known_layer()
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
        manifest: Option<&Path>,
    ) -> Result<Model> {
        let folder = manifest.and_then(Path::parent).unwrap_or(Path::new(""));
        let manifest = manifest.map(Manifest::read).transpose()?.unwrap_or_default();
        let labels = read_labels(&manifest, folder)?;
        let name = "the application's model".to_owned();
        // SAFETY: as the caller promises.
        let borrowed = unsafe { ImportedModel::borrow_table(table, model, name.clone()) }?;
        let layer = manifest.model.layer.clone();
        let backend = APPLICATION.to_owned();
        let mut adopted = Model { model: borrowed, backend, choice: None, name, layer, manifest, labels }
            .with_known_layer()?;
        adopted.model.take_over();
        Ok(adopted)
    }
}

/// The backend id of models that an application hands over.
const APPLICATION: &str = "application";

impl Model {
    /// Fails when request or manifest name a layer that there is not.
    fn with_known_layer(self) -> Result<Self> {
        if let Some(layer) = &self.layer {
            self.info().layer(Some(layer)).map_err(|e| e.context(format!("model {}", self.name)))?;
        }
        Ok(self)
    }

    /// The model, for [`scorecam_core::explain`].
    pub fn backend(&self) -> &dyn ModelBackend {
        &self.model
    }

    /// What the model takes and gives.
    pub fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    /// The id of the backend that runs it.
    pub fn backend_id(&self) -> &str {
        &self.backend
    }

    /// Why this backend, where there were several to choose from and none was asked for by its id.
    pub fn backend_choice(&self) -> Option<&BackendChoice> {
        self.choice.as_ref()
    }

    /// What it is called in messages: its file, or "the application's model".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The layer that request or manifest named.
    pub fn layer(&self) -> Option<&str> {
        self.layer.as_deref()
    }

    /// What the model applies to its scores, where the manifest says.
    pub fn output_activation(&self) -> Option<OutputActivation> {
        // The manifest was checked when it was read.
        self.manifest.activation().ok().flatten()
    }

    /// How photos become inputs; a warning when nobody said and plain RGB/255 is taken.
    pub fn preprocess(&self) -> Result<(Preprocess, Option<String>)> {
        let own = match self.info().input.shape[..] {
            [_, _, Some(h), Some(w)] => Some((h, w)),
            _ => None,
        };
        if own.is_none() && self.manifest.input.size.is_none() {
            return Err(Error::invalid(format!(
                "model {} takes images of any size; give input.size in a manifest",
                self.name
            )));
        }
        let warning = (!self.manifest.normalises()).then(|| {
            format!(
                "nothing says how {} wants its pixels: they are scaled to 0..1, without mean and deviation; a manifest can say",
                self.name
            )
        });
        Ok((self.manifest.preprocess(own)?, warning))
    }

    /// A photo as the model's input.
    pub fn prepare(&self, photo: &Photo) -> Result<Prepared> {
        self.preprocess()?.0.apply(photo)
    }

    /// The name of a class, where a labels file gives one.
    pub fn label(&self, class: usize) -> Option<&str> {
        self.labels.get(class).map(String::as_str)
    }

    /// The class that a text names: a number, or a label or one of its comma-separated names.
    pub fn class(&self, text: &str) -> Result<usize> {
        if let Ok(class) = text.parse() {
            return Ok(class);
        }
        if self.labels.is_empty() {
            return Err(Error::not_found(format!(
                "class {text:?} is not a number, and {} has no labels file; give model.labels in a manifest",
                self.name
            )));
        }
        let names = |label: &str| {
            label == text || label.split(',').any(|name| name.trim().eq_ignore_ascii_case(text))
        };
        let found: Vec<usize> = (0..self.labels.len()).filter(|&c| names(&self.labels[c])).collect();
        match found[..] {
            [class] => Ok(class),
            [] => {
                Err(Error::not_found(format!("class {text:?} is not in the labels file{}", self.near(text))))
            }
            _ => Err(Error::invalid(format!(
                "class {text:?} names classes {found:?}; give one of these numbers"
            ))),
        }
    }

    /// Labels that contain the text, to help a user on.
    fn near(&self, text: &str) -> String {
        let text = text.to_lowercase();
        let found = self.labels.iter().enumerate().filter(|(_, l)| l.to_lowercase().contains(&text));
        let near: Vec<String> = found.take(5).map(|(c, l)| format!("{c} {l:?}")).collect();
        if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(", ")) }
    }
}

/// The model's file, its manifest, and the folder that the manifest's paths start from.
fn find_model(path: &Path) -> Result<(PathBuf, Manifest, PathBuf)> {
    let missing = |p: &Path| Error::io(format!("model {} does not exist", p.display()));
    if !path.exists() {
        return Err(missing(path));
    }
    check_kind(path)?;
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    if path.extension().is_some_and(|e| e == "toml") {
        let manifest = Manifest::read(path)?;
        let file = manifest.model.file.as_ref().ok_or_else(|| {
            Error::invalid(format!(
                "manifest {}: model.file is not given, so there is no model to load",
                path.display()
            ))
        })?;
        let model = folder.join(file);
        if !model.exists() {
            return Err(missing(&model));
        }
        check_kind(&model)?;
        return Ok((model, manifest, folder));
    }
    let beside = path.with_extension("toml");
    let manifest = if beside.is_file() { Manifest::read(&beside)? } else { Manifest::default() };
    Ok((path.to_path_buf(), manifest, folder))
}

/// Pipes and devices are refused: an engine that opened one could wait for ever.
fn check_kind(path: &Path) -> Result<()> {
    match path.is_file() || path.is_dir() {
        true => Ok(()),
        false => Err(Error::io(format!("model {} is neither a file nor a folder", path.display()))),
    }
}

/// The lines of the labels file that the manifest names; none without one.
fn read_labels(manifest: &Manifest, folder: &Path) -> Result<Vec<String>> {
    let Some(file) = &manifest.model.labels else { return Ok(Vec::new()) };
    let path = folder.join(file);
    let text = read_text(&path).map_err(|e| e.context(format!("labels file {}", path.display())))?;
    Ok(text.lines().map(|l| printable(l.trim())).collect())
}
