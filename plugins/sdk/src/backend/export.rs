//! [`BackendLoader`] and [`ModelBackend`] as `scorecam.backend/1` and the tables of its abilities.

use std::ffi::{CStr, c_char, c_void};
use std::sync::OnceLock;

use scorecam_core::{
    BackendLoader, BatchRule, Cut, Error, Form, InputInfo, Inputs, LayerInfo, Layout, MaskedRequest, Meaning,
    ModelBackend, ModelConfig, ModelInfo, NamedTensor, Result, Tensor, TensorView, Upsample, bail, ensure,
};

use crate::abi::{
    self, scorecam_message, scorecam_model_config, scorecam_model_description, scorecam_outputs,
};
use crate::wire::{
    BorrowedTensor, Texts, caught, checked_struct, dtype_of, guard, hand_over, kind_of_status, named_views,
    optional_view, read, read_optional, shape_of, slice, tensor_of, view,
};
use crate::{BAKE, GRADIENTS, MASKED, REMARKS, RUN_FROM, WEIGHTS, bake, remarks, weights};

/// A loader that lives for the whole process; [`crate::export_plugin!`] implements it.
pub trait ExportedLoader: 'static {
    /// The one instance.
    fn loader() -> &'static dyn BackendLoader;
}

/// The table of a loader.
pub(crate) const fn table<L: ExportedLoader>() -> &'static abi::scorecam_backend {
    const {
        &abi::scorecam_backend {
            struct_size: size_of::<abi::scorecam_backend>() as u32,
            reserved: 0,
            load: Some(load::<L>),
            release: Some(release),
            describe: Some(describe),
            forward: Some(forward),
            get_interface: Some(get_interface),
        }
    }
}

/// A model with its description in C form.
pub(crate) struct ExportedModel {
    pub(crate) model: Box<dyn ModelBackend>,
    description: Description,
    /// [`ModelBackend::weights`], which is asked for name by name.
    weights: OnceLock<Result<Vec<String>>>,
}

impl ExportedModel {
    fn new(model: Box<dyn ModelBackend>) -> Result<Self> {
        let description = Description::of(model.info())?;
        Ok(Self { model, description, weights: OnceLock::new() })
    }

    /// The layers with weights.
    pub(crate) fn weights(&self) -> Result<&[String]> {
        self.weights.get_or_init(|| self.model.weights()).as_deref().map_err(Error::clone)
    }
}

/// The model behind a pointer that a table's function got.
///
/// # Safety
/// `model` is NULL or came from `load`, and is alive.
pub(crate) unsafe fn exported<'a>(model: *mut c_void) -> Result<&'a ExportedModel> {
    // SAFETY: as the caller promises.
    unsafe { model.cast::<ExportedModel>().as_ref() }.ok_or_else(|| Error::invalid("model is NULL"))
}

/// A description and what it points to.
struct Description {
    c: scorecam_model_description,
    _inputs: Vec<abi::scorecam_input_info>,
    _outputs: Vec<abi::scorecam_output_info>,
    _layers: Vec<abi::scorecam_layer>,
    _texts: Texts,
}

impl Description {
    fn of(info: &ModelInfo) -> Result<Self> {
        let mut texts = Texts::default();
        let input = |input: &InputInfo| {
            Ok(abi::scorecam_input_info {
                name: texts.keep(&input.name),
                shape: shape_of(input.shape.iter().copied())?,
                dtype: dtype_of(input.element),
                per_image: u32::from(input.per_image),
            })
        };
        let inputs = std::iter::once(&info.input).chain(&info.other_inputs).map(input);
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let outputs = info.outputs.iter().map(|output| {
            Ok(abi::scorecam_output_info {
                name: texts.keep(&output.name),
                shape: shape_of(output.shape.iter().copied())?,
                dtype: dtype_of(output.element),
                activation: output.applied as u32,
                per_image: u32::from(output.per_image),
                reserved: 0,
            })
        });
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let layers = info.layers.iter().map(|l| layer(l, &mut texts)).collect::<Result<Vec<_>>>()?;
        let (fixed_batch, preferred_batch) = match info.batch {
            BatchRule::Any { preferred } => (0, preferred as u64),
            BatchRule::Fixed(n) => (n as u64, n as u64),
        };
        let c = scorecam_model_description {
            struct_size: size_of::<scorecam_model_description>() as u32,
            image_input: 0,
            inputs: inputs.as_ptr(),
            input_count: inputs.len() as u64,
            outputs: outputs.as_ptr(),
            output_count: outputs.len() as u64,
            score_output: info.scores.as_ref().map_or(-1, |&i| i as i64),
            why_no_scores: match &info.scores {
                Ok(_) => std::ptr::null(),
                Err(why) => texts.keep(&why.to_string()),
            },
            layers: layers.as_ptr(),
            layer_count: layers.len() as u64,
            default_layer: info.default_layer.map_or(-1, |i| i as i64),
            fixed_batch,
            preferred_batch,
        };
        Ok(Self { c, _inputs: inputs, _outputs: outputs, _layers: layers, _texts: texts })
    }
}

/// A form that has no number is found out anew on the other side.
fn layer(layer: &LayerInfo, texts: &mut Texts) -> Result<abi::scorecam_layer> {
    Ok(abi::scorecam_layer {
        name: texts.keep(&layer.name),
        operation: texts.keep(&layer.operator),
        shape: shape_of(layer.shape.iter().copied())?,
        meaning: match layer.meaning {
            Meaning::Map(Form::MAPS) => abi::SCORECAM_LAYER_MAPS,
            Meaning::Map(Form::CHANNELS_LAST) => abi::SCORECAM_LAYER_CHANNELS_LAST,
            Meaning::Map(_) | Meaning::Unknown => abi::SCORECAM_LAYER_UNKNOWN,
            Meaning::NoMap => abi::SCORECAM_LAYER_NO_MAP,
        },
        preference: layer.preference,
        like: layer.like.map_or(0, |i| i as u64 + 1),
        pooled: layer.pooled.into(),
        reserved: 0,
    })
}

unsafe extern "C" fn load<L: ExportedLoader>(
    config: *const scorecam_model_config,
    model: *mut *mut c_void,
    why: *mut scorecam_message,
) -> i32 {
    let body = || {
        // SAFETY: the caller passes a config whose strings end with NUL, or NULL, which is refused.
        let config = unsafe { read_config(config) }?;
        ensure!(!model.is_null(), invalid, "model is NULL; it must point to the result");
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
        bail!(invalid, "config.struct_size is {}, which is too small", config.struct_size);
    }
    // SAFETY: as the caller promises.
    let text = |text, what| unsafe { read_optional(text, what) }.map(|t| t.map(str::to_owned));
    // SAFETY: as the caller promises.
    let settings = unsafe { slice(config.settings, config.setting_count.into(), "config.settings") }?;
    let random = match config.random_weights.is_null() {
        true => None,
        false => {
            // SAFETY: as the caller promises.
            let random = unsafe { checked_struct(config.random_weights, "random_weights") }?;
            Some(weights::read(random)?)
        }
    };
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
        random,
    })
}

unsafe extern "C" fn release(model: *mut c_void) {
    if !model.is_null() {
        // SAFETY: `model` came from `load` and is released once. A panic in a destructor ends here.
        let drop_it = || drop(unsafe { Box::from_raw(model.cast::<ExportedModel>()) });
        let _nobody_hears_of_it = caught(drop_it);
    }
}

unsafe extern "C" fn describe(
    model: *mut c_void,
    description: *mut *const scorecam_model_description,
    why: *mut scorecam_message,
) -> i32 {
    let body = || {
        ensure!(!description.is_null(), invalid, "description is NULL; it must point to the result");
        // SAFETY: a live model and a writable place, by the contract of `describe`.
        unsafe { description.write(&raw const exported(model)?.description.c) };
        Ok(())
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

/// What goes into a call, read from its C form.
struct ReadInputs<'a> {
    images: BorrowedTensor<'a>,
    others: Vec<(&'a str, BorrowedTensor<'a>)>,
    c: &'a abi::scorecam_inputs,
}

impl<'a> ReadInputs<'a> {
    /// # Safety
    /// `inputs` is NULL or leads to inputs whose pointers are valid for `'a`.
    unsafe fn new(inputs: *const abi::scorecam_inputs) -> Result<Self> {
        // SAFETY: as the caller promises.
        unsafe {
            let c = checked_struct(inputs, "inputs")?;
            let images = view(&raw const c.images, "images")?;
            Ok(Self { images, others: named_views((c.others, c.other_count.into()), "inputs.others")?, c })
        }
    }

    /// Calls `run` with the inputs.
    fn with<T>(&self, run: impl FnOnce(&Inputs<'_>) -> Result<T>) -> Result<T> {
        let others: Vec<NamedTensor<'_>> = self.others.iter().map(|(name, t)| (*name, t.view())).collect();
        let cancelled = || {
            // SAFETY: the context belongs to the function, by contract, and a backend asks on the thread of the call.
            self.c.is_cancelled.is_some_and(|ask| unsafe { ask(self.c.context) } != 0)
        };
        run(&Inputs { images: self.images.view(), others: &others, cancelled: &cancelled })
    }
}

/// # Safety
/// `wanted` is NULL or leads to `count` strings that end with NUL.
unsafe fn read_wanted<'a>(wanted: *const *const c_char, count: u64) -> Result<Vec<&'a str>> {
    // SAFETY: as the caller promises.
    unsafe { slice(wanted, count, "wanted")?.iter().map(|&name| read(name, "a wanted name")).collect() }
}

unsafe extern "C" fn forward(
    model: *mut c_void,
    inputs: *const abi::scorecam_inputs,
    wanted: *const *const c_char,
    wanted_count: u64,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: model, inputs and strings are valid by the contract of `forward`.
    let body = || unsafe {
        let (model, wanted) = (&exported(model)?.model, read_wanted(wanted, wanted_count)?);
        hand_over(ReadInputs::new(inputs)?.with(|inputs| model.forward(inputs, &wanted))?, outputs)
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

unsafe extern "C" fn get_interface(model: *mut c_void, id: *const c_char) -> *const c_void {
    static MASKED_TABLE: abi::scorecam_masked = abi::scorecam_masked {
        struct_size: size_of::<abi::scorecam_masked>() as u32,
        cuts: 1,
        run: Some(masked),
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
    let has = exported.model.info().abilities;
    // SAFETY: not NULL, and a string that ends with NUL.
    match unsafe { CStr::from_ptr(id) } {
        id if id == MASKED && has.masked => (&raw const MASKED_TABLE).cast(),
        id if id == RUN_FROM && has.run_from => (&raw const FROM).cast(),
        id if id == GRADIENTS && has.gradients => (&raw const GRADS).cast(),
        id if id == REMARKS => (&raw const remarks::export::TABLE).cast(),
        id if id == BAKE => (&raw const bake::export::TABLE).cast(),
        id if id == WEIGHTS => (&raw const weights::export::TABLE).cast(),
        _ => std::ptr::null(),
    }
}

unsafe extern "C" fn masked(
    model: *mut c_void,
    request: *const abi::scorecam_masked_request,
    wanted: *const *const c_char,
    wanted_count: u64,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: model, request and strings are valid by the contract of `run`.
    let body = || unsafe {
        let (model, wanted) = (&exported(model)?.model, read_wanted(wanted, wanted_count)?);
        let request = checked_struct(request, "request")?;
        let each = request.each.ok_or_else(|| Error::invalid("request.each is NULL; it is required"))?;
        let mut each = |masks: usize, tensors: &[TensorView<'_>]| {
            let tensors = tensors.iter().map(|t| tensor_of(Some(*t))).collect::<Result<Vec<_>>>()?;
            match each(request.context, masks as u64, tensors.as_ptr(), tensors.len() as u64) {
                abi::SCORECAM_OK => Ok(()),
                status => Err(Error::new(kind_of_status(status), "stopped by the caller")),
            }
        };
        let masks = view(&raw const request.masks, "masks")?;
        let fill = optional_view(&raw const request.fill, "fill")?;
        let cuts = slice(request.cuts, request.cut_count, "cuts")?;
        let cuts: Vec<Cut> = cuts.iter().map(|cut| Cut { map: cut.map, count: cut.count }).collect();
        let count = if cuts.is_empty() { masks.view().shape()[0] } else { cuts.len() };
        let indices = if request.image_of_mask.is_null() { 0 } else { count as u64 };
        let image_of_mask = slice(request.image_of_mask, indices, "image_of_mask")?;
        let upsample = upsample(request.upsample)?;
        ReadInputs::new(request.inputs)?.with(|inputs| {
            let request = MaskedRequest {
                inputs: *inputs,
                fill: fill.as_ref().map(|f| f.view()),
                masks: masks.view(),
                cuts: &cuts,
                image_of_mask,
                upsample,
                batch_size: request.batch_size as usize,
            };
            model.masked(&request, &wanted, &mut each)
        })
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

/// The way of resizing of a number.
pub(crate) fn upsample(number: u32) -> Result<Upsample> {
    let known = Upsample::ALL.get(number as usize).copied();
    known.ok_or_else(|| Error::unsupported(format!("upsample mode {number} is unknown")))
}

unsafe extern "C" fn run_from(
    model: *mut c_void,
    inputs: *const abi::scorecam_inputs,
    layer: *const c_char,
    activations: *const abi::scorecam_tensor,
    wanted: *const *const c_char,
    wanted_count: u64,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: all pointers are valid by the contract of `run`.
    let body = || unsafe {
        let (model, wanted) = (&exported(model)?.model, read_wanted(wanted, wanted_count)?);
        let (layer, activations) = (read(layer, "layer")?, view(activations, "activations")?);
        let run = |inputs: &Inputs<'_>| model.run_from(inputs, layer, activations.view(), &wanted);
        hand_over(ReadInputs::new(inputs)?.with(run)?, outputs)
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

unsafe extern "C" fn gradients(
    model: *mut c_void,
    inputs: *const abi::scorecam_inputs,
    layer: *const c_char,
    cotangents: *const abi::scorecam_named_tensor,
    cotangent_count: u64,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: all pointers are valid by the contract of `run`.
    let body = || unsafe {
        let (model, layer) = (&exported(model)?.model, read(layer, "layer")?);
        let cotangents = named_views((cotangents, cotangent_count), "cotangents")?;
        let cotangents: Vec<NamedTensor<'_>> = cotangents.iter().map(|(name, t)| (*name, t.view())).collect();
        let run = |inputs: &Inputs<'_>| model.gradients(inputs, layer, &cotangents);
        let found: Tensor = ReadInputs::new(inputs)?.with(run)?;
        hand_over(vec![found], outputs)
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}
