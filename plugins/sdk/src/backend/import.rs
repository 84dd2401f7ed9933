//! `scorecam.backend/1` as [`BackendLoader`] and [`ModelBackend`].

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use scorecam_core::{
    Abilities, BatchRule, Error, Forward, LayerInfo, Layout, MaskedScores, Meaning, ModelBackend,
    ModelConfig, ModelInfo, OutputActivation, Readiness, Result, Tensor, TensorInfo, TensorView,
};

use super::ownership::Ownership;
use crate::abi::{self, scorecam_outputs};
use crate::plugin::Descriptor;
use crate::readiness::import::ImportedReadiness;
use crate::wire::{
    Expected, Sizes, Texts, caught, check, checked_struct, checked_table, empty_message, list, read_line,
    status_of_kind, take, tensor_of,
};
use crate::{details, remarks};

/// A backend of a plugin.
pub struct ImportedLoader {
    table: &'static abi::scorecam_backend,
    readiness: Option<ImportedReadiness>,
    descriptor: Descriptor,
}

impl ImportedLoader {
    pub(crate) fn new(
        table: &'static abi::scorecam_backend,
        readiness: Option<ImportedReadiness>,
        descriptor: Descriptor,
    ) -> Result<Self> {
        check_functions(table)?;
        match table.load {
            Some(_) => Ok(Self { table, readiness, descriptor }),
            None => Err(Error::plugin("its backend table lacks the function load")),
        }
    }

    /// File extensions of the models that the backend loads.
    pub fn extensions(&self) -> &[String] {
        &self.descriptor.extensions
    }

    /// The backend's id.
    pub fn id(&self) -> &str {
        &self.descriptor.id
    }

    /// What can be done with its models, as far as the backend can.
    pub fn abilities(&self) -> Abilities {
        self.descriptor.abilities
    }

    /// Whether the backend can work on this machine, as [`scorecam_core::BackendLoader::readiness`] says; a plugin
    /// that does not say is ready.
    pub fn readiness(&self, device: Option<&str>) -> Result<Readiness> {
        match &self.readiness {
            Some(readiness) => readiness.ask(device, &format!("backend {:?}", self.descriptor.id)),
            None => Ok(Readiness::unsaid()),
        }
    }

    /// Loads a model.
    pub fn load(&self, config: &ModelConfig) -> Result<ImportedModel<'static>> {
        let who = format!("backend {:?}", self.descriptor.id);
        let owned = OwnedConfig::new(config)?;
        let load = self.table.load.ok_or_else(|| Error::internal("a loader without load was kept"))?;
        let (mut model, mut why) = (std::ptr::null_mut(), empty_message());
        // SAFETY: config, place and message are valid for the call; the table was checked.
        let status = unsafe { load(&raw const owned.c, &raw mut model, &raw mut why) };
        check(status, &why, &who)?;
        // SAFETY: `load` succeeded, so `model` belongs to this table.
        let model = unsafe { ImportedModel::new(self.table, model, who) }?;
        match model.info.abilities.without(self.abilities()) {
            Abilities::NONE => Ok(model),
            more => Err(Error::plugin(format!(
                "{}: its model offers {more}, which its descriptor does not name in abilities",
                model.who
            ))),
        }
    }
}

fn check_functions(table: &abi::scorecam_backend) -> Result<()> {
    match (table.describe, table.forward) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(Error::plugin("its backend table lacks the function describe or forward")),
    }
}

/// A config in C form with what it points to.
struct OwnedConfig {
    c: abi::scorecam_model_config,
    _texts: Texts,
    _settings: Vec<abi::scorecam_option>,
}

impl OwnedConfig {
    fn new(config: &ModelConfig) -> Result<Self> {
        let path = config.path.to_str().filter(|p| !p.contains('\0'));
        let path = path.ok_or_else(|| {
            Error::invalid(format!("the path {:?} is not UTF-8, which plugins need", config.path.display()))
        })?;
        let mut texts = Texts::default();
        let settings: Vec<abi::scorecam_option> = config
            .settings
            .iter()
            .map(|(name, value)| abi::scorecam_option { name: texts.keep(name), value: texts.keep(value) })
            .collect();
        let (height, width) = config.input_size.unwrap_or((0, 0));
        let mut optional = |text: &Option<String>| text.as_ref().map_or(std::ptr::null(), |t| texts.keep(t));
        let threads = config.threads.unwrap_or(0);
        let c = abi::scorecam_model_config {
            struct_size: size_of::<abi::scorecam_model_config>() as u32,
            threads: u32::try_from(threads).map_err(|_| {
                Error::invalid(format!("{threads} threads were asked for, which is too many"))
            })?,
            input: optional(&config.input),
            output: optional(&config.output),
            layer: optional(&config.layer),
            device: optional(&config.device),
            path: texts.keep(path),
            input_height: height as u64,
            input_width: width as u64,
            channels_last: match config.layout {
                None => 0,
                Some(Layout::Nhwc) => 1,
                Some(Layout::Nchw) => 2,
            },
            setting_count: settings.len() as u32,
            settings: settings.as_ptr(),
        };
        Ok(Self { c, _texts: texts, _settings: settings })
    }
}

/// A model behind a table; released when dropped, if the table can.
pub struct ImportedModel<'a> {
    table: abi::scorecam_backend,
    model: *mut c_void,
    release: Ownership,
    info: ModelInfo,
    who: String,
    masked: Option<&'static abi::scorecam_masked_scores>,
    from: Option<&'static abi::scorecam_run_from>,
    gradients: Option<&'static abi::scorecam_gradients>,
    remarks: Vec<String>,
    /// What a study lends goes with it.
    lent: PhantomData<&'a ()>,
}

// SAFETY: the ABI demands that a model can be called from several threads at once.
unsafe impl Send for ImportedModel<'_> {}
// SAFETY: as above.
unsafe impl Sync for ImportedModel<'_> {}

impl<'a> ImportedModel<'a> {
    /// Takes over a model that belongs to `table`, of which a copy is kept; `who` names it in errors.
    ///
    /// # Safety
    /// `model` and what `table` leads to are valid for `'a`, and the functions do what the ABI says.
    pub unsafe fn new(table: &abi::scorecam_backend, model: *mut c_void, who: String) -> Result<Self> {
        // Held from here on, so that an error below releases the model.
        Self::held(table, model, who, true).described()
    }

    /// As [`Self::new`], for a model that stays with its owner, also when this fails.
    ///
    /// # Safety
    /// As for [`Self::new`].
    pub unsafe fn borrow(table: &abi::scorecam_backend, model: *mut c_void, who: String) -> Result<Self> {
        Self::held(table, model, who, false).described()
    }

    /// As [`Self::borrow`], for a table that comes from outside of any plugin.
    ///
    /// # Safety
    /// As for [`Self::new`]; `table` is NULL or leads to as many readable bytes as its `struct_size` says.
    pub unsafe fn borrow_table(
        table: *const abi::scorecam_backend,
        model: *mut c_void,
        who: String,
    ) -> Result<Self> {
        // SAFETY: as the caller promises.
        let table = unsafe { checked_table(table.cast(), crate::BACKEND) };
        Self::held(table.map_err(|e| e.context(&who))?, model, who, false).described()
    }

    /// By which a model that was borrowed is taken over later.
    pub fn ownership(&self) -> Ownership {
        self.release.clone()
    }

    fn held(table: &abi::scorecam_backend, model: *mut c_void, who: String, release: bool) -> Self {
        Self {
            table: *table,
            model,
            release: Ownership::new(release),
            info: placeholder(),
            who,
            masked: None,
            from: None,
            gradients: None,
            remarks: Vec::new(),
            lent: PhantomData,
        }
    }

    fn described(mut self) -> Result<Self> {
        check_functions(&self.table).and_then(|()| self.describe()).map_err(|e| e.context(&self.who))?;
        Ok(self)
    }

    fn describe(&mut self) -> Result<()> {
        let describe =
            self.table.describe.ok_or_else(|| Error::internal("a table without describe was kept"))?;
        let (mut description, mut why) = (std::ptr::null(), empty_message());
        // SAFETY: the model belongs to the table; place and message are valid.
        let status = unsafe { describe(self.model, &raw mut description, &raw mut why) };
        check(status, &why, "describe")?;
        // SAFETY: a description that lives as long as the model, as far as its size says.
        let description: &abi::scorecam_model_description =
            unsafe { checked_struct(description, "model description") }?;
        self.masked = self.ability(crate::MASKED_SCORES)?;
        self.from = self.ability(crate::RUN_FROM)?;
        self.gradients = self.ability(crate::GRADIENTS)?;
        if let Some(table) = self.ability(crate::REMARKS)? {
            // SAFETY: the model belongs to the table.
            self.remarks = unsafe { remarks::import::read(table, self.model) }?;
        }
        let abilities = Abilities {
            masked_scores: self.masked.is_some_and(|t| t.run.is_some()),
            run_from: self.from.is_some_and(|t| t.run.is_some()),
            gradients: self.gradients.is_some_and(|t| t.run.is_some()),
        };
        // SAFETY: strings and layers of a live description.
        self.info = unsafe { read_description(description, abilities) }?;
        if let Some(table) = self.ability(crate::DETAILS)? {
            // SAFETY: the model belongs to the table.
            unsafe { details::import::complete(table, self.model, &mut self.info.layers) }?;
            self.info.takes_bytes = table.takes_bytes != 0;
        }
        Ok(())
    }

    fn ability<T>(&self, id: &CStr) -> Result<Option<&'static T>> {
        let Some(get) = self.table.get_interface else { return Ok(None) };
        // SAFETY: a live model, and a string that ends with NUL.
        let table = unsafe { get(self.model, id.as_ptr()) };
        // SAFETY: a table that stays valid until the model is released, by contract.
        (!table.is_null()).then(|| unsafe { checked_table(table, id) }).transpose()
    }

    /// The output for `items` images.
    fn expected_scores(&self, items: usize) -> Expected {
        let axes = self.info.output.shape.get(1..).unwrap_or(&[]);
        Expected(std::iter::once(Some(items)).chain(axes.iter().copied()).collect())
    }

    /// Activations of a layer on a batch [N, C, H, W], or their derivatives. Layers have the shapes of the
    /// description where the images are those of the description; else only N and the rank are known.
    fn expected_activations(&self, layer: &str, batch: TensorView<'_>) -> Expected {
        let known = |(wanted, is): (&Option<usize>, &usize)| *wanted == Some(*is);
        let described = &self.info.input.shape;
        let as_described =
            described.len() == batch.shape().len() && described.iter().zip(batch.shape()).skip(1).all(known);
        let layer = self.info.layers.iter().find(|l| l.name == layer);
        // Whether the first axis of a layer of unknown meaning is the batch is what trial passes find out.
        let is_open = layer.is_some_and(|l| l.meaning == Meaning::Unknown);
        let sizes = layer.map_or(&[None; 3][..], |l| &l.shape).iter();
        let sizes = sizes.map(|size| size.filter(|_| as_described && !is_open));
        let items = batch.shape().first().copied().filter(|_| !is_open);
        Expected(std::iter::once(items).chain(sizes).collect())
    }

    /// Calls a function that fills outputs, and takes the `expected` tensors from it.
    fn call(
        &self,
        expected: &[Expected],
        run: impl FnOnce(*mut scorecam_outputs, *mut abi::scorecam_message) -> i32,
    ) -> Result<Vec<Tensor>> {
        let mut why = empty_message();
        // SAFETY: all fields of the outputs are valid when zero.
        let mut outputs: scorecam_outputs = unsafe { MaybeUninit::zeroed().assume_init() };
        let status = run(&raw mut outputs, &raw mut why);
        check(status, &why, &self.who)?;
        // SAFETY: the callee returned SCORECAM_OK.
        unsafe { take(outputs, expected, &self.who) }
    }
}

impl Drop for ImportedModel<'_> {
    fn drop(&mut self) {
        if let Some(release) = self.table.release.filter(|_| self.release.is_ours()) {
            // SAFETY: the model belongs to the table and nobody else uses it any more.
            unsafe { release(self.model) };
        }
    }
}

fn placeholder() -> ModelInfo {
    let nothing = TensorInfo { name: String::new(), shape: Vec::new() };
    ModelInfo {
        input: nothing.clone(),
        output: nothing,
        output_activation: OutputActivation::Unknown,
        layers: Vec::new(),
        default_layer: None,
        batch: BatchRule::Fixed(1),
        takes_bytes: false,
        abilities: Abilities::default(),
    }
}

/// The most layers that a description may list.
const MOST_LAYERS: u64 = 1 << 20;

/// # Safety
/// `d` is a description whose pointers are valid.
unsafe fn read_description(d: &abi::scorecam_model_description, abilities: Abilities) -> Result<ModelInfo> {
    // SAFETY: as the caller promises, here and below.
    let layers = unsafe { list(d.layers, d.layer_count, MOST_LAYERS, "its list of layers") }?;
    let tensor = |name: *const c_char, shape: &abi::scorecam_shape, what: &str| -> Result<TensorInfo> {
        // SAFETY: as the caller promises.
        let name = unsafe { read_line(name, &format!("{what}'s name")) }?.to_owned();
        Ok(TensorInfo { name, shape: Sizes::read(shape, what)?.or_free() })
    };
    let layers = layers.iter().map(|l| {
        let TensorInfo { name, shape } = tensor(l.name, &l.shape, "a layer")?;
        // SAFETY: as the caller promises.
        let operator = unsafe { read_line(l.operation, "a layer's operation") }?.to_owned();
        Ok(LayerInfo::new(name, operator, shape))
    });
    let layers = layers.collect::<Result<Vec<_>>>()?;
    let default_layer = match usize::try_from(d.default_layer) {
        Ok(i) if i >= layers.len() => {
            return Err(Error::plugin(format!("its default layer is number {i} of {}", layers.len())));
        }
        other => other.ok(),
    };
    let input = tensor(d.input_name, &d.input_shape, "its input")?;
    if input.shape.len() != 4 {
        let axes = input.shape.len();
        return Err(Error::plugin(format!("its input has {axes} axes; [N, C, H, W] is needed")));
    }
    Ok(ModelInfo {
        input,
        output: tensor(d.output_name, &d.output_shape, "its output")?,
        output_activation: activation(d.output_activation)?,
        layers,
        default_layer,
        batch: batch_rule(d.fixed_batch, d.preferred_batch)?,
        takes_bytes: false,
        abilities,
    })
}

fn batch_rule(fixed: u64, preferred: u64) -> Result<BatchRule> {
    const MOST: u64 = BatchRule::MOST as u64;
    if let Some(n) = [fixed, preferred].into_iter().find(|&n| n > MOST) {
        return Err(Error::plugin(format!("its model wants {n} images in a pass; {MOST} is the most")));
    }
    Ok(match fixed as usize {
        0 => BatchRule::Any { preferred: preferred.max(1) as usize },
        n => BatchRule::Fixed(n),
    })
}

/// The output activation of a number.
pub(crate) fn activation(number: u32) -> Result<OutputActivation> {
    match number {
        abi::SCORECAM_OUTPUT_UNKNOWN => Ok(OutputActivation::Unknown),
        abi::SCORECAM_OUTPUT_LOGITS => Ok(OutputActivation::None),
        abi::SCORECAM_OUTPUT_SOFTMAX => Ok(OutputActivation::Softmax),
        abi::SCORECAM_OUTPUT_SIGMOID => Ok(OutputActivation::Sigmoid),
        abi::SCORECAM_OUTPUT_BINARY => Ok(OutputActivation::Binary),
        abi::SCORECAM_OUTPUT_PROBABILITY => Ok(OutputActivation::Probability),
        abi::SCORECAM_OUTPUT_VALUE => Ok(OutputActivation::Value),
        abi::SCORECAM_OUTPUT_UNIT_LENGTH => Ok(OutputActivation::UnitLength),
        other => Err(Error::plugin(format!("output activation {other} is not known; 0 to 7 are"))),
    }
}

fn c_name(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::invalid(format!("the name {name:?} has a NUL character in it")))
}

impl ModelBackend for ImportedModel<'_> {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let run = self.table.forward.ok_or_else(|| Error::internal("a table without forward was kept"))?;
        let items = batch.shape().first().copied().unwrap_or(0);
        let mut expected = vec![self.expected_scores(items)];
        expected.extend(taps.iter().map(|tap| self.expected_activations(tap, batch)));
        let names = taps.iter().map(|t| c_name(t)).collect::<Result<Vec<_>>>()?;
        let pointers: Vec<*const c_char> = names.iter().map(|n| n.as_ptr()).collect();
        let batch = tensor_of(Some(batch))?;
        let mut tensors = self.call(&expected, |outputs, why| {
            // SAFETY: every pointer is valid for the call, and the model belongs to the table.
            unsafe { run(self.model, &raw const batch, pointers.as_ptr(), taps.len() as u64, outputs, why) }
        })?;
        let activations = tensors.split_off(1);
        let scores = tensors.pop().ok_or_else(|| Error::internal("no scores were taken"))?;
        Ok(Forward { scores, activations })
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        let Some(run) = self.masked.and_then(|t| t.run) else {
            return request.on_cpu(self);
        };
        let (_, [masks, ..]) = request.dims()?;
        let expected = [self.expected_scores(masks)];
        let callback = Callback { on_batch: request.on_batch, error: RefCell::new(None) };
        let c = abi::scorecam_masked_request {
            struct_size: size_of::<abi::scorecam_masked_request>() as u32,
            upsample: request.upsample as u32,
            images: tensor_of(Some(request.images))?,
            fill: tensor_of(request.fill)?,
            masks: tensor_of(Some(request.masks))?,
            image_of_mask: match request.image_of_mask {
                [] => std::ptr::null(),
                indices => indices.as_ptr(),
            },
            batch_size: request.batch_size as u64,
            context: (&raw const callback).cast_mut().cast(),
            on_batch: Some(on_batch),
        };
        // SAFETY: request and callback live until the call returns.
        let called =
            self.call(&expected, |outputs, why| unsafe { run(self.model, &raw const c, outputs, why) });
        match callback.error.into_inner() {
            Some(error) => Err(error),
            None => called?.pop().ok_or_else(|| Error::internal("no scores were taken")),
        }
    }

    fn run_from(&self, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let Some(run) = self.from.and_then(|t| t.run) else {
            return Err(Error::unsupported(format!("{} cannot run a model from an inner layer", self.who)));
        };
        let expected = [self.expected_scores(activations.shape().first().copied().unwrap_or(0))];
        let (layer, activations) = (c_name(layer)?, tensor_of(Some(activations))?);
        let tensors = self.call(&expected, |outputs, why| {
            // SAFETY: every pointer is valid for the call, and the model belongs to the table.
            unsafe { run(self.model, layer.as_ptr(), &raw const activations, outputs, why) }
        });
        tensors?.pop().ok_or_else(|| Error::internal("no scores were taken"))
    }

    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        let Some(run) = self.gradients.and_then(|t| t.run) else {
            return Err(Error::unsupported(format!("{} has no gradients", self.who)));
        };
        let expected = [self.expected_activations(layer, batch)];
        let (layer, batch) = (c_name(layer)?, tensor_of(Some(batch))?);
        let tensors = self.call(&expected, |outputs, why| {
            // SAFETY: every pointer is valid for the call, and the model belongs to the table.
            unsafe { run(self.model, &raw const batch, layer.as_ptr(), class as u64, outputs, why) }
        });
        tensors?.pop().ok_or_else(|| Error::internal("no gradients were taken"))
    }
}

/// What `on_batch` finds behind its context.
struct Callback<'a> {
    on_batch: &'a dyn Fn(usize) -> Result<()>,
    error: RefCell<Option<Error>>,
}

unsafe extern "C" fn on_batch(context: *mut c_void, masks: u64) -> i32 {
    // SAFETY: the context is the callback of the request under way, on the thread of the call.
    let Some(callback) = (unsafe { context.cast::<Callback<'_>>().as_ref() }) else {
        return abi::SCORECAM_ERR_INVALID_ARGUMENT;
    };
    match caught(|| (callback.on_batch)(masks as usize)).flatten() {
        Ok(()) => abi::SCORECAM_OK,
        Err(error) => {
            let status = status_of_kind(error.kind());
            callback.error.replace(Some(error));
            status
        }
    }
}
