//! [`Model`]: a loaded model with all that its manifest says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorecam_core::image::{Photo, Prepared, Preprocess};
use scorecam_core::{Error, ModelBackend, ModelConfig, ModelInfo, OutputActivation, Result};
use scorecam_plugin::import::ImportedModel;

use crate::{Host, Manifest};

/// Which model to load, and how; what is `None` comes from the manifest or the model.
#[derive(Debug, Clone, Default)]
pub struct ModelRequest {
    /// The model's file or its manifest (`.toml`). A manifest of the model's name beside it is read, too.
    pub path: PathBuf,
    /// The backend's id.
    pub backend: Option<String>,
    /// The layer to explain.
    pub layer: Option<String>,
    /// Threads for the runtime; at least 1.
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
    path: PathBuf,
    layer: Option<String>,
    manifest: Manifest,
    labels: Vec<String>,
}

impl Host {
    /// Loads a model by the backend that the request, the manifest or the file's extension names.
    pub fn load_model(&self, request: &ModelRequest) -> Result<Model> {
        let (path, manifest, folder) = find_model(&request.path)?;
        if request.threads == Some(0) {
            return Err(Error::invalid("0 threads were asked for; at least 1 is needed"));
        }
        let labels = match &manifest.model.labels {
            Some(file) => read_labels(&folder.join(file))?,
            None => Vec::new(),
        };
        let backend =
            self.backend(request.backend.as_deref().or(manifest.model.backend.as_deref()), &path)?;
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
        let model = backend.load(&config)?;
        if let Some(name) = &layer {
            model.info().layer(Some(name)).map_err(|e| e.context(format!("model {}", path.display())))?;
        }
        Ok(Model { model, backend: backend.id().to_owned(), path, layer, manifest, labels })
    }
}

impl Model {
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

    /// The model's file.
    pub fn path(&self) -> &Path {
        &self.path
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
                self.path.display()
            )));
        }
        let warning = (!self.manifest.normalises()).then(|| {
            format!(
                "nothing says how {} wants its pixels: they are scaled to 0..1, without mean and deviation; a manifest can say",
                self.path.display()
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
                self.path.display()
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
        return if model.exists() { Ok((model, manifest, folder)) } else { Err(missing(&model)) };
    }
    let beside = path.with_extension("toml");
    let manifest = if beside.is_file() { Manifest::read(&beside)? } else { Manifest::default() };
    Ok((path.to_path_buf(), manifest, folder))
}

fn read_labels(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::io(format!("labels file {}: {e}", path.display())))?;
    Ok(text.lines().map(|l| l.trim().to_owned()).collect())
}
