//! `scorecam_model`: a loaded model, its layers and its classes.

use std::ffi::{CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::scorecam::abi::{
    SCORECAM_MAX_RANK, scorecam_backend, scorecam_option, scorecam_shape, scorecam_status,
};
use ::scorecam::{Manifest, Model, ModelRequest, OutputKind};
use scorecam_core::{LayerInfo, layer_names};

use crate::export::{Failure, Result, c_text, export};
use crate::handles::{self, Handle};
use crate::host::{HostObject, optional, scorecam_host};
use crate::read;

/// A loaded model. Several threads may make the calls that take it as const concurrently.
pub struct scorecam_model {
    _opaque: [u8; 0],
}

/// How to load a model. Start with `SCORECAM_MODEL_OPTIONS_INIT`; every field may stay 0. The defaults come from the
/// manifest, or else from the model's file.
#[repr(C)]
pub struct scorecam_model_options {
    /// `sizeof(scorecam_model_options)`.
    pub struct_size: u32,
    /// Threads for the runtime, at most 1024; 0 for all cores.
    pub threads: u32,
    /// The backend's id, or "auto" for the best one that loads this type of file and is ready on this machine; NULL for
    /// the manifest's, or else "auto".
    pub backend: *const c_char,
    /// The layer to explain, or several separated by commas, whose maps are fused; NULL for the manifest's, or else the
    /// default layer.
    pub layer: *const c_char,
    /// The device, such as "cpu" or "cuda:0"; NULL for the backend's default.
    pub device: *const c_char,
    /// Settings of the backend; an unknown one is an error.
    pub settings: *const scorecam_option,
    /// The number of settings.
    pub setting_count: u64,
    /// The text of a manifest (TOML, at most 16 MiB) that replaces the one on disk; NULL for none. Its relative paths
    /// start from the current folder.
    pub manifest: *const c_char,
    /// The file of a manifest that replaces the one beside the model; NULL for none. At most one of `manifest` and
    /// `manifest_file` may be set.
    pub manifest_file: *const c_char,
    /// The model in memory, read only during the call; NULL to open the file `path`.
    pub data: *const c_void,
    /// The number of bytes.
    pub data_size: u64,
}
read::versioned!(scorecam_model_options = "SCORECAM_MODEL_OPTIONS_INIT");

/// `scorecam_model_info.output_kind`: another kind of output.
pub const SCORECAM_MODEL_OTHER: u32 = 0;
/// `scorecam_model_info.output_kind`: class scores.
pub const SCORECAM_MODEL_CLASSES: u32 = 1;
/// `scorecam_model_info.output_kind`: one number per image, such as an age.
pub const SCORECAM_MODEL_VALUE: u32 = 2;
/// `scorecam_model_info.output_kind`: boxes.
pub const SCORECAM_MODEL_DETECTIONS: u32 = 3;
/// `scorecam_model_info.output_kind`: a class per cell of a map.
pub const SCORECAM_MODEL_SEGMENTS: u32 = 4;
/// `scorecam_model_info.output_kind`: an embedding, a vector to compare with another image's.
pub const SCORECAM_MODEL_EMBEDDING: u32 = 5;

/// The input, output and layers of a model. The strings are valid until the model is freed.
#[repr(C)]
pub struct scorecam_model_info {
    /// `sizeof(scorecam_model_info)`.
    pub struct_size: u32,
    /// One of `SCORECAM_MODEL_*`.
    pub output_kind: u32,
    /// The number of classes; 0 if it is variable or the model has no class scores.
    pub class_count: u64,
    /// Channels of the input; 0 if variable.
    pub channels: u64,
    /// Rows of the input; 0 if variable.
    pub height: u64,
    /// Columns of the input; 0 if variable.
    pub width: u64,
    /// The number of layers.
    pub layer_count: u64,
    /// The model's file, or "the application's model".
    pub name: *const c_char,
    /// The id of its backend; "application" for a model of `scorecam_model_from_backend`.
    pub backend: *const c_char,
    /// The reason for this backend in one line, such as "onnx-cpu on the CPU, since onnx-cuda is not ready: ..."; NULL
    /// if there was no choice: it was requested by its id, or it is the only one for this type of file.
    pub backend_reason: *const c_char,
    /// The default layer; NULL if there is none.
    pub layer: *const c_char,
}
read::versioned!(scorecam_model_info = "SCORECAM_MODEL_INFO_INIT");

/// A layer of a model. The strings are valid until the model is freed.
#[repr(C)]
pub struct scorecam_layer_info {
    /// `sizeof(scorecam_layer_info)`.
    pub struct_size: u32,
    /// 1 for the default layer, else 0.
    pub is_default: u32,
    /// The name, as in `scorecam_explain_options.layer`.
    pub name: *const c_char,
    /// Its operation, as the model names it ("Conv").
    pub operation: *const c_char,
    /// Shape of its activations without the batch axis: [K, h, w] for a layer with spatial extent, which a saliency map
    /// requires. A size of 0 is variable.
    pub shape: scorecam_shape,
}
read::versioned!(scorecam_layer_info = "SCORECAM_LAYER_INFO_INIT");

/// Loads a model. `path` is the model's file or its manifest (`.toml`); a manifest beside the model with the same name
/// is also read. `options` may be NULL. With `options.data` the model comes from memory, and `path` is only its name,
/// such as "net.onnx", whose extension selects the format. `SCORECAM_ERR_IO`: no such file. `SCORECAM_ERR_NOT_FOUND`:
/// no such backend or layer. `SCORECAM_ERR_MODEL`: the file is invalid.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_load(
    out: *mut *mut scorecam_model,
    host: *const scorecam_host,
    path: *const c_char,
    options: *const scorecam_model_options,
) -> scorecam_status {
    export!({
        read::check_pointer(out, "out")?;
        let host = handles::get(host)?;
        // SAFETY: as the caller promises.
        let request = unsafe { read_request(path, options) }?;
        let model = host.host.load_model(request)?;
        let handle = handles::insert(ModelObject::new(host, model))?;
        // SAFETY: as the caller promises.
        unsafe { read::write(out, handle, "out") }
    })
}

/// Creates a model from an application's own engine: `backend` holds its functions, which receive `user_data` as
/// `model`. `load` is not called and may be NULL; the table is copied. `options` may be NULL; only its manifest is
/// used: the layer, the labels, the input's preprocessing and the output's activation. The functions and `user_data`
/// must stay valid until the model is released. The functions may be called from any thread, and concurrently if
/// several threads use the model. `release`, unless NULL, is called with `user_data` once the model has been freed and
/// its last call has ended, but not if this function fails. `SCORECAM_ERR_PLUGIN`: the table has another size or lacks
/// a function, or the description is invalid. `SCORECAM_ERR_NOT_FOUND`: the model has no layer with the manifest's
/// name.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_from_backend(
    out: *mut *mut scorecam_model,
    host: *const scorecam_host,
    backend: *const scorecam_backend,
    user_data: *mut c_void,
    options: *const scorecam_model_options,
) -> scorecam_status {
    export!({
        read::check_pointer(out, "out")?;
        let host = handles::get(host)?;
        // SAFETY: as the caller promises.
        let options = unsafe { read::read_optional(options, "options") }?;
        // SAFETY: as the caller promises.
        let manifest = options.map(|o| unsafe { read_manifest(&o) }).transpose()?.flatten();
        read::check_pointer(backend, "backend")?;
        // SAFETY: as the caller promises.
        let model = unsafe { host.host.adopt_model(backend, user_data, &manifest.unwrap_or_default()) }?;
        let handle = handles::insert(ModelObject::new(host, model))?;
        // SAFETY: as the caller promises.
        unsafe { read::write(out, handle, "out") }
    })
}

/// Frees a model; NULL is allowed. Calls that use it in other threads continue, and the last of them frees it.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_model_free(model: *mut scorecam_model) -> scorecam_status {
    export!({ handles::remove(model) })
}

/// Describes the model. Set `out` to `SCORECAM_MODEL_INFO_INIT` first.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_describe(
    out: *mut scorecam_model_info,
    model: *const scorecam_model,
) -> scorecam_status {
    export!({
        let info = handles::get(model)?.info();
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, info) }
    })
}

/// Describes layer `index`, in execution order. Set `out` to `SCORECAM_LAYER_INFO_INIT` first.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_layer(
    out: *mut scorecam_layer_info,
    model: *const scorecam_model,
    index: u64,
) -> scorecam_status {
    export!({
        let info = handles::get(model)?.layer_info(index)?;
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, info) }
    })
}

/// Finds a class by its number, its label, or one of a label's comma-separated names. `SCORECAM_ERR_NOT_FOUND`: no
/// label matches.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_find_class(
    out: *mut u64,
    model: *const scorecam_model,
    text: *const c_char,
) -> scorecam_status {
    export!({
        // SAFETY: as the caller promises.
        unsafe { read::write_from(out, model, |m| Ok(m.model.class(read::text(text, "text")?)? as u64)) }
    })
}

/// The label of a class, valid until the model is freed; NULL if the model has no labels.
/// `SCORECAM_ERR_INVALID_ARGUMENT`: the model has no such class.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_label(
    out: *mut *const c_char,
    model: *const scorecam_model,
    class_index: u64,
) -> scorecam_status {
    export!({
        // SAFETY: as the caller promises.
        unsafe { read::write_from(out, model, |m| m.label(class_index)) }
    })
}

/// What a `scorecam_model` leads to.
pub(crate) struct ModelObject {
    pub(crate) model: Model,
    /// Methods are looked up here; a freed host lives on in its models.
    pub(crate) host: Arc<HostObject>,
    /// Name and operation of each layer.
    layers: Vec<[CString; 2]>,
    labels: Vec<CString>,
    name: CString,
    backend: CString,
    backend_reason: Option<CString>,
}

impl Handle for scorecam_model {
    type Object = ModelObject;
    const KIND: u8 = 2;
    const NAME: &'static str = "scorecam_model";
}

impl ModelObject {
    fn new(host: Arc<HostObject>, model: Model) -> Self {
        let layers = model.info().layers.iter().map(|l| [c_text(&l.name), c_text(&l.operator)]).collect();
        let labels = (0..).map_while(|class| model.label(class)).map(c_text).collect();
        let (name, backend) = (c_text(model.name()), c_text(model.backend_id()));
        let backend_reason = model.backend_choice().map(|choice| c_text(choice.reason()));
        Self { model, host, layers, labels, name, backend, backend_reason }
    }

    fn info(&self) -> scorecam_model_info {
        let size = |n: Option<usize>| n.unwrap_or(0) as u64;
        let axis = |i: usize| size(self.model.info().input.shape.get(i).copied().flatten());
        let layer = (0..self.layers.len()).find(|&i| self.is_default(i));
        scorecam_model_info {
            struct_size: size_of::<scorecam_model_info>() as u32,
            output_kind: match self.model.output_kind() {
                OutputKind::Classes => SCORECAM_MODEL_CLASSES,
                OutputKind::Value => SCORECAM_MODEL_VALUE,
                OutputKind::Detections => SCORECAM_MODEL_DETECTIONS,
                OutputKind::Segments => SCORECAM_MODEL_SEGMENTS,
                OutputKind::Embedding => SCORECAM_MODEL_EMBEDDING,
                OutputKind::Other => SCORECAM_MODEL_OTHER,
            },
            class_count: size(self.model.class_count()),
            channels: axis(1),
            height: axis(2),
            width: axis(3),
            layer_count: self.layers.len() as u64,
            name: self.name.as_ptr(),
            backend: self.backend.as_ptr(),
            backend_reason: optional(self.backend_reason.as_ref()),
            layer: optional(layer.map(|i| &self.layers[i][0])),
        }
    }

    fn label(&self, class_index: u64) -> Result<*const c_char> {
        let class = usize::try_from(class_index).unwrap_or(usize::MAX);
        let count = self.model.class_count().or((!self.labels.is_empty()).then_some(self.labels.len()));
        match count {
            Some(count) if class >= count => Err(Failure::invalid(format!(
                "class {class_index} is out of range; the model has classes 0 to {}",
                count.saturating_sub(1)
            ))),
            _ => Ok(optional(self.labels.get(class))),
        }
    }

    fn is_default(&self, layer: usize) -> bool {
        match self.model.layer() {
            Some(chosen) => {
                let layers = &self.model.info().layers;
                let is_layer = |name: &str| layers.iter().any(|layer| layer.name == name);
                layer_names(chosen, is_layer).contains(&layers[layer].name.as_str())
            }
            None => self.model.info().default_layer == Some(layer),
        }
    }

    fn layer_info(&self, index: u64) -> Result<scorecam_layer_info> {
        let i = read::place(index, self.layers.len(), "layer", "the model has")?;
        let ([name, operation], layer) = (&self.layers[i], &self.model.info().layers[i]);
        Ok(scorecam_layer_info {
            struct_size: size_of::<scorecam_layer_info>() as u32,
            is_default: self.is_default(i).into(),
            name: name.as_ptr(),
            operation: operation.as_ptr(),
            shape: shape(layer),
        })
    }
}

/// Layers of more axes than a shape can hold show the first ones; none of them can be explained.
fn shape(layer: &LayerInfo) -> scorecam_shape {
    let mut shape =
        scorecam_shape { rank: layer.shape.len().min(SCORECAM_MAX_RANK) as u32, ..Default::default() };
    for (out, size) in shape.sizes.iter_mut().zip(&layer.shape) {
        *out = size.unwrap_or(0) as u64;
    }
    shape
}

/// The manifest that the options give.
///
/// # Safety
/// The strings end with NUL.
unsafe fn read_manifest(options: &scorecam_model_options) -> Result<Option<Manifest>> {
    if !options.manifest.is_null() && !options.manifest_file.is_null() {
        return Err(Failure::invalid("options has manifest and manifest_file; give one of them"));
    }
    // SAFETY: as the caller promises.
    let (text, file) = unsafe {
        let text = read::long_text(options.manifest, "options.manifest")?;
        (text, read::optional_text(options.manifest_file, "options.manifest_file")?)
    };
    Ok(match (text, file) {
        (Some(text), _) => Some(Manifest::parse(text).map_err(|e| e.context("options.manifest"))?),
        (None, Some(file)) => Some(Manifest::read(Path::new(file))?),
        (None, None) => None,
    })
}

/// # Safety
/// As for [`scorecam_model_load`].
unsafe fn read_request(path: *const c_char, options: *const scorecam_model_options) -> Result<ModelRequest> {
    // SAFETY: as the caller promises.
    let path = PathBuf::from(unsafe { read::text(path, "path") }?);
    // SAFETY: as the caller promises.
    let Some(options) = (unsafe { read::read_optional(options, "options") })? else {
        return Ok(ModelRequest { path, ..ModelRequest::default() });
    };
    // SAFETY: the strings end with NUL, as the caller promises.
    let owned = |text, what| unsafe { read::optional_text(text, what) }.map(|t| t.map(str::to_owned));
    // SAFETY: as the caller promises.
    let settings = unsafe { read::options(options.settings, options.setting_count, "options.settings") }?;
    // SAFETY: as the caller promises.
    let (manifest, bytes) = unsafe {
        (read_manifest(&options)?, read::array(options.data.cast::<u8>(), options.data_size, "options.data")?)
    };
    Ok(ModelRequest {
        path,
        manifest,
        bytes: (!options.data.is_null()).then(|| bytes.to_vec()),
        backend: owned(options.backend, "options.backend")?,
        layer: owned(options.layer, "options.layer")?,
        threads: (options.threads > 0).then_some(options.threads as usize),
        device: owned(options.device, "options.device")?,
        settings: settings.into_iter().collect(),
        ..ModelRequest::default()
    })
}
