//! [`BackendLoader`] and [`ModelBackend`] as `scorecam.backend/1` and the tables of its abilities.

use std::ffi::{CStr, c_char, c_void};

use scorecam_core::{
    Abilities, BackendLoader, BatchRule, Error, Layout, MaskedScores, ModelBackend, ModelConfig, ModelInfo,
    OutputActivation, Result, Upsample,
};

use crate::abi::{
    self, scorecam_message, scorecam_model_config, scorecam_model_description, scorecam_outputs,
};
use crate::wire::{
    Texts, caught, checked_struct, guard, hand_over, kind_of_status, optional_view, read, read_optional,
    shape_of, slice, view,
};
use crate::{DETAILS, GRADIENTS, MASKED_SCORES, REMARKS, RUN_FROM, details, remarks};

/// A loader that lives for the whole process; [`crate::export_plugin!`] implements it.
pub trait ExportedLoader: 'static {
    /// The one instance.
    fn loader() -> &'static dyn BackendLoader;
}

/// The table of a loader.
pub(crate) const fn table<L: ExportedLoader>() -> &'static abi::scorecam_backend {
    const { &abi::scorecam_backend { load: Some(load::<L>), release: Some(release), ..MODEL_TABLE } }
}

/// The table of a model that somebody else owns.
const MODEL_TABLE: abi::scorecam_backend = abi::scorecam_backend {
    struct_size: size_of::<abi::scorecam_backend>() as u32,
    reserved: 0,
    load: None,
    release: None,
    describe: Some(describe),
    forward: Some(forward),
    get_interface: Some(get_interface),
};

/// A model with its description in C form.
pub(crate) struct ExportedModel<'a> {
    pub(crate) model: Box<dyn ModelBackend + 'a>,
    description: Description,
    /// What [`get_interface`] gives tables for.
    offers: Abilities,
}

impl<'a> ExportedModel<'a> {
    /// The table to call an exported model by, without `load` and `release`.
    pub(crate) const TABLE: &'static abi::scorecam_backend = &MODEL_TABLE;

    pub(crate) fn new(model: Box<dyn ModelBackend + 'a>) -> Result<Self> {
        let description = Description::of(model.info())?;
        let offers = model.info().abilities;
        Ok(Self { model, description, offers })
    }

    /// As [`Self::new`], for a study: masked images are made here where the backend does not make them itself,
    /// so that no method has to.
    pub(crate) fn of_study(model: Box<dyn ModelBackend + 'a>) -> Result<Self> {
        let exported = Self::new(model)?;
        Ok(Self { offers: Abilities { masked_scores: true, ..exported.offers }, ..exported })
    }

    /// What the functions of the table take.
    pub(crate) fn as_model(&self) -> *mut c_void {
        (&raw const *self).cast_mut().cast()
    }
}

/// The model behind a pointer that a table's function got.
///
/// # Safety
/// `model` is NULL or came from [`ExportedModel::as_model`] or `load`, and is alive.
pub(crate) unsafe fn exported<'a>(model: *mut c_void) -> Result<&'a ExportedModel<'a>> {
    // SAFETY: as the caller promises.
    unsafe { model.cast::<ExportedModel<'a>>().as_ref() }.ok_or_else(|| Error::invalid("model is NULL"))
}

/// A description and what it points to.
struct Description {
    c: scorecam_model_description,
    _layers: Vec<abi::scorecam_layer>,
    _texts: Texts,
}

impl Description {
    fn of(info: &ModelInfo) -> Result<Self> {
        let mut texts = Texts::default();
        let layers = info
            .layers
            .iter()
            .map(|layer| {
                Ok(abi::scorecam_layer {
                    name: texts.keep(&layer.name),
                    operation: texts.keep(&layer.operator),
                    shape: shape_of(layer.shape.iter().copied())?,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let (fixed_batch, preferred_batch) = match info.batch {
            BatchRule::Any { preferred } => (0, preferred as u64),
            BatchRule::Fixed(n) => (n as u64, n as u64),
        };
        let c = scorecam_model_description {
            struct_size: size_of::<scorecam_model_description>() as u32,
            output_activation: activation_number(info.output_activation),
            input_name: texts.keep(&info.input.name),
            input_shape: shape_of(info.input.shape.iter().copied())?,
            output_name: texts.keep(&info.output.name),
            output_shape: shape_of(info.output.shape.iter().copied())?,
            layers: layers.as_ptr(),
            layer_count: layers.len() as u64,
            default_layer: info.default_layer.map_or(-1, |i| i as i64),
            fixed_batch,
            preferred_batch,
        };
        Ok(Self { c, _layers: layers, _texts: texts })
    }
}

/// The number of an output activation.
pub(crate) fn activation_number(activation: OutputActivation) -> u32 {
    match activation {
        OutputActivation::Unknown => abi::SCORECAM_OUTPUT_UNKNOWN,
        OutputActivation::None => abi::SCORECAM_OUTPUT_LOGITS,
        OutputActivation::Softmax => abi::SCORECAM_OUTPUT_SOFTMAX,
        OutputActivation::Sigmoid => abi::SCORECAM_OUTPUT_SIGMOID,
        OutputActivation::Binary => abi::SCORECAM_OUTPUT_BINARY,
        OutputActivation::Probability => abi::SCORECAM_OUTPUT_PROBABILITY,
        OutputActivation::Value => abi::SCORECAM_OUTPUT_VALUE,
        OutputActivation::UnitLength => abi::SCORECAM_OUTPUT_UNIT_LENGTH,
    }
}

unsafe extern "C" fn load<L: ExportedLoader>(
    config: *const scorecam_model_config,
    model: *mut *mut c_void,
    why: *mut scorecam_message,
) -> i32 {
    let body = || {
        // SAFETY: the caller passes a config whose strings end with NUL, or NULL, which is refused.
        let config = unsafe { read_config(config) }?;
        if model.is_null() {
            return Err(Error::invalid("model is NULL; the caller must give a place for it"));
        }
        let loaded = Box::new(ExportedModel::new(L::loader().load(&config)?)?);
        // SAFETY: not NULL, and writable by the contract of `load`.
        unsafe { model.write(Box::into_raw(loaded).cast()) };
        Ok(())
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

/// # Safety
/// `config` is NULL or points to a config whose pointers are valid.
unsafe fn read_config(config: *const scorecam_model_config) -> Result<ModelConfig> {
    // SAFETY: as the caller promises, here and below.
    let config = unsafe { config.as_ref() }.ok_or_else(|| Error::invalid("config is NULL"))?;
    if (config.struct_size as usize) < size_of::<scorecam_model_config>() {
        return Err(Error::invalid(format!(
            "config.struct_size is {}, which is too small",
            config.struct_size
        )));
    }
    // SAFETY: as the caller promises.
    let text = |text, what| unsafe { read_optional(text, what) }.map(|t| t.map(str::to_owned));
    // SAFETY: as the caller promises.
    let settings = unsafe { slice(config.settings, config.setting_count.into(), "config.settings") }?;
    Ok(ModelConfig {
        // SAFETY: as the caller promises.
        path: unsafe { read(config.path, "config.path") }?.into(),
        input: text(config.input, "config.input")?,
        input_size: match (config.input_height as usize, config.input_width as usize) {
            (0, _) | (_, 0) => None,
            size => Some(size),
        },
        layout: match config.channels_last {
            0 => None,
            2 => Some(Layout::Nchw),
            _ => Some(Layout::Nhwc),
        },
        output: text(config.output, "config.output")?,
        layer: text(config.layer, "config.layer")?,
        threads: (config.threads > 0).then_some(config.threads as usize),
        device: text(config.device, "config.device")?,
        settings: settings
            .iter()
            // SAFETY: as the caller promises.
            .map(|s| unsafe {
                Ok((read(s.name, "a setting's name")?.into(), read(s.value, "a setting")?.into()))
            })
            .collect::<Result<_>>()?,
    })
}

unsafe extern "C" fn release(model: *mut c_void) {
    if !model.is_null() {
        // SAFETY: `model` came from `load` and is released once. A panic in a destructor ends here.
        let drop_it = || drop(unsafe { Box::from_raw(model.cast::<ExportedModel<'static>>()) });
        let _nobody_to_tell = caught(drop_it);
    }
}

unsafe extern "C" fn describe(
    model: *mut c_void,
    description: *mut *const scorecam_model_description,
    why: *mut scorecam_message,
) -> i32 {
    let body = || {
        if description.is_null() {
            return Err(Error::invalid("description is NULL; the caller must give a place for it"));
        }
        // SAFETY: a live model and a writable place, by the contract of `describe`.
        unsafe { description.write(&raw const exported(model)?.description.c) };
        Ok(())
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

unsafe extern "C" fn forward(
    model: *mut c_void,
    batch: *const abi::scorecam_tensor,
    taps: *const *const c_char,
    tap_count: u64,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: model, tensors and strings are valid by the contract of `forward`, here and below.
    let body = || unsafe {
        let taps = slice(taps, tap_count, "taps")?;
        let taps = taps.iter().map(|&t| read(t, "a tap")).collect::<Result<Vec<_>>>()?;
        let forward = exported(model)?.model.forward(view(batch, "batch")?.view(), &taps)?;
        let tensors = std::iter::once(forward.scores).chain(forward.activations).collect();
        hand_over(tensors, outputs)
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

unsafe extern "C" fn get_interface(model: *mut c_void, id: *const c_char) -> *const c_void {
    static MASKED: abi::scorecam_masked_scores = abi::scorecam_masked_scores {
        struct_size: size_of::<abi::scorecam_masked_scores>() as u32,
        reserved: 0,
        run: Some(masked_scores),
    };
    static FROM: abi::scorecam_run_from = abi::scorecam_run_from {
        struct_size: size_of::<abi::scorecam_run_from>() as u32,
        reserved: 0,
        run: Some(run_from),
    };
    static GRADS: abi::scorecam_gradients = abi::scorecam_gradients {
        struct_size: size_of::<abi::scorecam_gradients>() as u32,
        reserved: 0,
        run: Some(gradients),
    };
    // SAFETY: a live model by the contract of `get_interface`.
    let Ok(exported) = (unsafe { exported(model) }) else { return std::ptr::null() };
    if id.is_null() {
        return std::ptr::null();
    }
    let has = exported.offers;
    // SAFETY: not NULL, and a string that ends with NUL.
    match unsafe { CStr::from_ptr(id) } {
        id if id == MASKED_SCORES && has.masked_scores => (&raw const MASKED).cast(),
        id if id == RUN_FROM && has.run_from => (&raw const FROM).cast(),
        id if id == GRADIENTS && has.gradients => (&raw const GRADS).cast(),
        id if id == REMARKS => (&raw const remarks::export::TABLE).cast(),
        id if id == DETAILS => {
            std::ptr::from_ref(details::export::table(exported.model.info().takes_bytes)).cast()
        }
        _ => std::ptr::null(),
    }
}

unsafe extern "C" fn masked_scores(
    model: *mut c_void,
    request: *const abi::scorecam_masked_request,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: model and request are valid by the contract of `run`.
    let body = || unsafe {
        let request = checked_struct(request, "request")?;
        let (images, masks) =
            (view(&raw const request.images, "images")?, view(&raw const request.masks, "masks")?);
        let fill = optional_view(&raw const request.fill, "fill")?;
        let indices = if request.image_of_mask.is_null() { 0 } else { masks.view().shape()[0] as u64 };
        let upsample = Upsample::ALL
            .get(request.upsample as usize)
            .copied()
            .ok_or_else(|| Error::unsupported(format!("upsample mode {} is not known", request.upsample)))?;
        let on_batch = |n: usize| match request.on_batch.map(|f| f(request.context, n as u64)) {
            None | Some(abi::SCORECAM_OK) => Ok(()),
            Some(status) => Err(Error::new(kind_of_status(status), "stopped by the caller")),
        };
        let scores = exported(model)?.model.masked_scores(&MaskedScores {
            images: images.view(),
            fill: fill.as_ref().map(|f| f.view()),
            masks: masks.view(),
            image_of_mask: slice(request.image_of_mask, indices, "image_of_mask")?,
            upsample,
            batch_size: request.batch_size as usize,
            on_batch: &on_batch,
        })?;
        hand_over(vec![scores], outputs)
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

unsafe extern "C" fn run_from(
    model: *mut c_void,
    layer: *const c_char,
    activations: *const abi::scorecam_tensor,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: all pointers are valid by the contract of `run`.
    let body = || unsafe {
        let activations = view(activations, "activations")?;
        let scores = exported(model)?.model.run_from(read(layer, "layer")?, activations.view())?;
        hand_over(vec![scores], outputs)
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

unsafe extern "C" fn gradients(
    model: *mut c_void,
    batch: *const abi::scorecam_tensor,
    layer: *const c_char,
    class_index: u64,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: all pointers are valid by the contract of `run`.
    let body = || unsafe {
        let batch = view(batch, "batch")?;
        let layer = read(layer, "layer")?;
        hand_over(vec![exported(model)?.model.gradients(batch.view(), layer, class_index as usize)?], outputs)
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}
