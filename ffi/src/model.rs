//! `scorecam_model`: a loaded model, its layers and its classes.

use std::ffi::{CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::scorecam::abi::{SCORECAM_MAX_RANK, scorecam_backend, scorecam_option, scorecam_shape};
use ::scorecam::{Model, ModelRequest};
use scorecam_core::LayerInfo;

use crate::export::{Result, c_text, export};
use crate::handles::{self, Handle};
use crate::host::{HostObject, optional, scorecam_host};
use crate::read;

/// A loaded model. Every call that takes it as const may be made from several threads at once.
pub struct scorecam_model {
    _opaque: [u8; 0],
}

/// How to load a model. Begin with `SCORECAM_MODEL_OPTIONS_INIT`; every field may stay 0. What is not given
/// comes from the manifest, and else from the model's file.
#[repr(C)]
pub struct scorecam_model_options {
    /// `sizeof(scorecam_model_options)`.
    pub struct_size: u32,
    /// Threads for the engine, at most 1024; 0 for all cores.
    pub threads: u32,
    /// The backend's id; "auto" for the best one that loads files of this name and works on this machine. NULL for
    /// the manifest's, or else as "auto".
    pub backend: *const c_char,
    /// The layer to explain; NULL for the manifest's or the default one.
    pub layer: *const c_char,
    /// The device, as in "cpu" or "cuda:0"; NULL for the backend's default.
    pub device: *const c_char,
    /// Settings of the backend; an unknown one is an error.
    pub settings: *const scorecam_option,
    /// How many there are.
    pub setting_count: u64,
}
read::versioned!(scorecam_model_options = "SCORECAM_MODEL_OPTIONS_INIT");

/// A layer that can be explained or tapped. The strings are valid until the model is freed.
#[repr(C)]
pub struct scorecam_layer_info {
    /// `sizeof(scorecam_layer_info)`.
    pub struct_size: u32,
    /// 1 for the layer that is explained when none is named; else 0.
    pub is_default: u32,
    /// The name to give as layer.
    pub name: *const c_char,
    /// What it does, in the model's own words ("Conv").
    pub operation: *const c_char,
    /// Shape of its activations without the batch axis: [K, h, w] for a layer with spatial extent, which a
    /// saliency map needs. A size of 0 is free.
    pub shape: scorecam_shape,
}
read::versioned!(scorecam_layer_info = "SCORECAM_LAYER_INFO_INIT");

/// Loads a model. `path` is the model's file or its manifest (`.toml`); a manifest of the model's name beside
/// it is read, too. `options` may be NULL. `SCORECAM_ERR_IO`: no such file. `SCORECAM_ERR_NOT_FOUND`: no such
/// backend or layer. `SCORECAM_ERR_MODEL`: the file is wrong. Any thread.
///
/// # Safety
/// `out` leads to a writable handle; strings end with NUL; arrays have the lengths that stand beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_load(
    out: *mut *mut scorecam_model,
    host: *const scorecam_host,
    path: *const c_char,
    options: *const scorecam_model_options,
) -> i32 {
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

/// Makes a model of an application's own engine: `backend` holds its functions, and `user_data` is what they
/// get as `model`. `load` is not called and may be NULL; the table itself is copied. `manifest` is a TOML file
/// that says the layer, the labels, the input's preprocessing and the output's activation; what it says of
/// file, backend and settings is not read, and NULL is right. The functions may be called from any thread, and
/// from several at once when several threads use the model. `release`, unless NULL, is called with `user_data`
/// when the model has been freed and its last call has ended; when this function fails it is not called.
/// `SCORECAM_ERR_PLUGIN`: the table is of another size or lacks a function, or the description is wrong.
/// `SCORECAM_ERR_NOT_FOUND`: the model has no layer of the manifest's name. Any thread.
///
/// # Safety
/// `out` leads to a writable handle, `backend` to as many readable bytes as its `struct_size` says; its
/// functions and `user_data` stay valid until the model is released; `manifest` ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_from_backend(
    out: *mut *mut scorecam_model,
    host: *const scorecam_host,
    backend: *const scorecam_backend,
    user_data: *mut c_void,
    manifest: *const c_char,
) -> i32 {
    export!({
        read::check_pointer(out, "out")?;
        let host = handles::get(host)?;
        // SAFETY: as the caller promises.
        let manifest = unsafe { read::optional_text(manifest, "manifest") }?.map(Path::new);
        read::check_pointer(backend, "backend")?;
        // SAFETY: as the caller promises.
        let model = unsafe { host.host.adopt_model(backend, user_data, manifest) }?;
        let handle = handles::insert(ModelObject::new(host, model))?;
        // SAFETY: as the caller promises.
        unsafe { read::write(out, handle, "out") }
    })
}

/// Frees a model; NULL is right. Calls of other threads that use it go on; it goes with the last of them. Any
/// thread.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_model_free(model: *mut scorecam_model) -> i32 {
    export!({ handles::remove(model) })
}

/// The id of the backend that runs the model, valid until the model is freed; "application" for a model of
/// `scorecam_model_from_backend`. Any thread.
///
/// # Safety
/// `out` leads to a writable pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_backend(
    out: *mut *const c_char,
    model: *const scorecam_model,
) -> i32 {
    export!(out from model: |m| { Ok(m.backend.as_ptr()) })
}

/// Why this backend, in one line that is valid until the model is freed, as in "onnx-cpu on the CPU, since onnx-cuda is
/// not ready: ..."; NULL where there was nothing to choose: it was asked for by its id, or is the only one for such
/// files. Any thread.
///
/// # Safety
/// `out` leads to a writable pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_backend_reason(
    out: *mut *const c_char,
    model: *const scorecam_model,
) -> i32 {
    export!(out from model: |m| { Ok(optional(m.backend_reason.as_ref())) })
}

/// How many layers the model has. Any thread.
///
/// # Safety
/// `out` leads to a writable number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_layer_count(out: *mut u64, model: *const scorecam_model) -> i32 {
    export!(out from model: |m| { Ok(m.layers.len() as u64) })
}

/// Describes layer `index`, in the order in which layers run. Set `out` to `SCORECAM_LAYER_INFO_INIT` first.
/// Any thread.
///
/// # Safety
/// `out` leads to as many writable bytes as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_layer(
    out: *mut scorecam_layer_info,
    model: *const scorecam_model,
    index: u64,
) -> i32 {
    export!({
        let info = handles::get(model)?.layer_info(index)?;
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, info) }
    })
}

/// The class that a text names: a number, or a label, or one of a label's comma-separated names.
/// `SCORECAM_ERR_NOT_FOUND`: no label is like it. Any thread.
///
/// # Safety
/// `out` leads to a writable number; `text` ends with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_class(
    out: *mut u64,
    model: *const scorecam_model,
    text: *const c_char,
) -> i32 {
    export!({
        // SAFETY: as the caller promises.
        unsafe { read::write_from(out, model, |m| Ok(m.model.class(read::text(text, "text")?)? as u64)) }
    })
}

/// The label of a class, valid until the model is freed; NULL where no labels file gives one. Any thread.
///
/// # Safety
/// `out` leads to a writable pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_model_label(
    out: *mut *const c_char,
    model: *const scorecam_model,
    class_index: u64,
) -> i32 {
    export!({
        let class = usize::try_from(class_index).ok();
        // SAFETY: as the caller promises.
        unsafe { read::write_from(out, model, |m| Ok(optional(class.and_then(|c| m.labels.get(c))))) }
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
        let backend = c_text(model.backend_id());
        let backend_reason = model.backend_choice().map(|choice| c_text(choice.reason()));
        Self { model, host, layers, labels, backend, backend_reason }
    }

    fn layer_info(&self, index: u64) -> Result<scorecam_layer_info> {
        let i = read::place(index, self.layers.len(), "layer", "the model has")?;
        let ([name, operation], layer) = (&self.layers[i], &self.model.info().layers[i]);
        let is_default = match self.model.layer() {
            Some(chosen) => chosen == layer.name,
            None => self.model.info().default_layer == Some(i),
        };
        Ok(scorecam_layer_info {
            struct_size: size_of::<scorecam_layer_info>() as u32,
            is_default: is_default.into(),
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
    Ok(ModelRequest {
        path,
        backend: owned(options.backend, "options.backend")?,
        layer: owned(options.layer, "options.layer")?,
        layer_form: None,
        threads: (options.threads > 0).then_some(options.threads as usize),
        device: owned(options.device, "options.device")?,
        settings: settings.into_iter().collect(),
    })
}
