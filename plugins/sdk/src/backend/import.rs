//! `scorecam.backend/1` as [`BackendLoader`] and [`ModelBackend`].

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;

use scorecam_core::{
    Abilities, Bake, EachBatch, Error, Inputs, MaskedRequest, Meaning, ModelBackend, ModelInfo, NamedTensor,
    Result, Tensor, TensorView,
};

use super::description::read_description;
use super::ownership::Ownership;

use crate::abi;
use crate::wire::{
    Expected, Texts, caught, check, checked_table, described, empty_message, named_of, status_of_kind, taken,
    tensor_of, views,
};
use crate::{bake, remarks, weights};

pub(super) fn check_functions(table: &abi::scorecam_backend) -> Result<()> {
    match (table.describe, table.forward) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(Error::plugin("its backend table lacks the function describe or forward")),
    }
}

/// A model behind a table; released when dropped, if the table can.
pub struct ImportedModel {
    held: Held,
    info: ModelInfo,
    who: String,
    masked: Option<&'static abi::scorecam_masked>,
    from: Option<&'static abi::scorecam_run_from>,
    gradients: Option<&'static abi::scorecam_gradients>,
    bake: Option<&'static abi::scorecam_bake>,
    weights: Option<&'static abi::scorecam_weights>,
    remarks: Vec<String>,
}

// SAFETY: the ABI demands that a model can be called from several threads at once.
unsafe impl Send for ImportedModel {}
// SAFETY: as above.
unsafe impl Sync for ImportedModel {}

/// A model and its table.
struct Held {
    table: abi::scorecam_backend,
    model: *mut c_void,
    release: Ownership,
}

impl ImportedModel {
    /// Takes over a model that belongs to `table`, of which a copy is kept; `who` names it in errors.
    ///
    /// # Safety
    /// `model` and what `table` leads to stay valid until this is dropped, and the functions do what the ABI says.
    pub unsafe fn new(table: &abi::scorecam_backend, model: *mut c_void, who: String) -> Result<Self> {
        Self::described(Held { table: *table, model, release: Ownership::new(true) }, who)
    }

    /// As [`Self::new`], for a model that stays with its owner, also when this fails, and a table that comes from outside
    /// of any plugin.
    ///
    /// # Safety
    /// As for [`Self::new`]; `table` is NULL or leads to as many readable bytes as its `struct_size` says.
    pub unsafe fn borrow(
        table: *const abi::scorecam_backend,
        model: *mut c_void,
        who: String,
    ) -> Result<Self> {
        // SAFETY: as the caller promises.
        let table = unsafe { checked_table(table.cast(), crate::BACKEND) };
        let table: &abi::scorecam_backend = table.map_err(|e| e.context(&who))?;
        Self::described(Held { table: *table, model, release: Ownership::new(false) }, who)
    }

    pub(super) fn who(&self) -> &str {
        &self.who
    }

    /// By which a model that was borrowed is taken over later.
    pub fn ownership(&self) -> Ownership {
        self.held.release.clone()
    }

    /// The model is held from here on, so that an error releases it.
    fn described(held: Held, who: String) -> Result<Self> {
        let named = |e: Error| e.context(&who);
        check_functions(&held.table).and_then(|()| held.describe(who.clone())).map_err(named)
    }

    /// Each of `wanted` for so many items, on images like `images`.
    fn expected(&self, wanted: &[&str], images: TensorView<'_>, items: usize) -> Vec<Expected> {
        wanted.iter().map(|name| self.expected_of(name, images, items)).collect()
    }

    fn expected_of(&self, name: &str, images: TensorView<'_>, items: usize) -> Expected {
        let Some(place) = self.info.outputs.iter().position(|o| o.name == name) else {
            return self.expected_layer(name, images, items);
        };
        let output = &self.info.outputs[place];
        let mut axes = output.shape.clone();
        if output.per_image {
            axes[0] = Some(items);
        }
        if self.info.scores == Ok(place) { Expected::Of(axes) } else { Expected::OrEmpty(axes) }
    }

    /// Activations of a layer, or their derivatives; any where the description does not list it. Layers have the shapes of the description where the images are those
    /// of the description; else only N and the rank are known.
    fn expected_layer(&self, layer: &str, images: TensorView<'_>, items: usize) -> Expected {
        let known = |(wanted, is): (&Option<usize>, &usize)| *wanted == Some(*is);
        let described = &self.info.input.shape;
        let as_described = described.len() == images.shape().len()
            && described.iter().zip(images.shape()).skip(1).all(known);
        let Some(layer) = self.info.layers.iter().find(|l| l.name == layer) else { return Expected::Any };
        // Whether the first axis of a layer of unknown meaning is the batch is what trial passes find out.
        let is_open = layer.meaning == Meaning::Unknown;
        let sizes = layer.shape.iter().map(|size| size.filter(|_| as_described && !is_open));
        Expected::Of(std::iter::once(Some(items).filter(|_| !is_open)).chain(sizes).collect())
    }
}

impl Held {
    fn describe(self, who: String) -> Result<ImportedModel> {
        let describe =
            self.table.describe.ok_or_else(|| Error::internal("a table without describe was kept"))?;
        // SAFETY: the model belongs to the table; its description lives as long.
        let description: &abi::scorecam_model_description =
            unsafe { described("model description", |place, why| describe(self.model, place, why)) }?;
        let masked: Option<&abi::scorecam_masked> = self.ability(crate::MASKED)?;
        let from: Option<&abi::scorecam_run_from> = self.ability(crate::RUN_FROM)?;
        let gradients: Option<&abi::scorecam_gradients> = self.ability(crate::GRADIENTS)?;
        // SAFETY: the model belongs to the table.
        let remarks =
            self.ability(crate::REMARKS)?.map(|table| unsafe { remarks::import::read(table, self.model) });
        let abilities = Abilities {
            masked: masked.is_some_and(|t| t.run.is_some()),
            run_from: from.is_some_and(|t| t.run.is_some()),
            gradients: gradients.is_some_and(|t| t.run.is_some()),
            ..Abilities::NONE
        };
        let remarks = remarks.transpose()?.unwrap_or_default();
        let bake = self.ability(crate::BAKE)?;
        let weights = self.ability(crate::WEIGHTS)?;
        // SAFETY: strings and lists of a live description.
        let info = unsafe { read_description(description, abilities) }?;
        Ok(ImportedModel { held: self, info, who, masked, from, gradients, bake, weights, remarks })
    }

    fn ability<T>(&self, id: &CStr) -> Result<Option<&'static T>> {
        let Some(get) = self.table.get_interface else { return Ok(None) };
        // SAFETY: a live model, and a string that ends with NUL.
        let table = unsafe { get(self.model, id.as_ptr()) };
        // SAFETY: a table that stays valid until the model is released, by contract.
        (!table.is_null()).then(|| unsafe { checked_table(table, id) }).transpose()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(release) = self.table.release.filter(|_| self.release.is_ours()) {
            // SAFETY: the model belongs to the table and nobody else uses it any more.
            unsafe { release(self.model) };
        }
    }
}

fn c_name(name: &str) -> Result<CString> {
    CString::new(name).map_err(|_| Error::invalid(format!("the name {name:?} has a NUL character in it")))
}

/// Inputs and names of wanted tensors in C form, with what they point to.
struct OwnedInputs<'a> {
    c: abi::scorecam_inputs,
    wanted: Vec<*const c_char>,
    _others: Vec<abi::scorecam_named_tensor>,
    _texts: Texts,
    _names: Vec<CString>,
    _inputs: &'a Inputs<'a>,
}

impl<'a> OwnedInputs<'a> {
    fn new(inputs: &'a Inputs<'a>, wanted: &[&str]) -> Result<Self> {
        let names = wanted.iter().map(|name| c_name(name)).collect::<Result<Vec<_>>>()?;
        let wanted = names.iter().map(|name| name.as_ptr()).collect();
        let mut texts = Texts::default();
        let others = named_of(inputs.others, &mut texts)?;
        let c = abi::scorecam_inputs {
            struct_size: size_of::<abi::scorecam_inputs>() as u32,
            other_count: others.len() as u32,
            images: tensor_of(Some(inputs.images))?,
            others: others.as_ptr(),
            context: (&raw const *inputs).cast_mut().cast(),
            is_cancelled: Some(is_cancelled),
        };
        Ok(Self { c, wanted, _others: others, _texts: texts, _names: names, _inputs: inputs })
    }
}

unsafe extern "C" fn is_cancelled(context: *mut c_void) -> i32 {
    // SAFETY: the context is the inputs of the call under way, on the thread of the call.
    let inputs = unsafe { context.cast::<Inputs<'_>>().as_ref() };
    let asked = inputs.map(|inputs| caught(|| (inputs.cancelled)()));
    // Nobody waits for a call whose caller cannot be asked any more.
    asked.map_or(0, |asked| i32::from(asked.unwrap_or(true)))
}

impl ModelBackend for ImportedModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn remarks(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn bake(&self, layer: &str, what: Bake<'_>, path: &Path) -> Result<Vec<u8>> {
        let unable =
            || Error::unsupported(format!("{} cannot write models; the ONNX backends can", self.who));
        let table = self.bake.ok_or_else(unable)?;
        // SAFETY: the model belongs to the table.
        unsafe { bake::import::run(table, self.held.model, (layer, what, path)) }
    }

    fn weights(&self) -> Result<Vec<String>> {
        let unable = || Error::unsupported(format!("{} cannot load models with random weights", self.who));
        let table = self.weights.ok_or_else(unable)?;
        // SAFETY: the model belongs to the table.
        unsafe { weights::import::read(table, self.held.model) }.map_err(|e| e.context(&self.who))
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let run =
            self.held.table.forward.ok_or_else(|| Error::internal("a table without forward was kept"))?;
        let items = inputs.images.shape().first().copied().unwrap_or(0);
        let expected = self.expected(wanted, inputs.images, items);
        let sent = OwnedInputs::new(inputs, wanted)?;
        // SAFETY: every pointer is valid for the call, and the model belongs to the table.
        unsafe {
            taken(&expected, &self.who, |outputs, why| {
                let (names, count) = (sent.wanted.as_ptr(), wanted.len() as u64);
                run(self.held.model, &raw const sent.c, names, count, outputs, why)
            })
        }
    }

    fn masked(&self, request: &MaskedRequest<'_>, wanted: &[&str], each: &mut EachBatch<'_>) -> Result<()> {
        let takes = |table: &&abi::scorecam_masked| request.cuts.is_empty() || table.cuts != 0;
        let Some(run) = self.masked.filter(takes).and_then(|table| table.run) else {
            return request.on_cpu(self, wanted, each);
        };
        let (_, [masks, ..]) = request.dims()?;
        let sent = OwnedInputs::new(&request.inputs, wanted)?;
        let cuts = request.cuts.iter().map(|cut| abi::scorecam_cut { map: cut.map, count: cut.count });
        let cuts: Vec<_> = cuts.collect();
        let mut batches = Batches { model: self, request, wanted, each, masks, rows: 0, failure: None };
        let c = abi::scorecam_masked_request {
            struct_size: size_of::<abi::scorecam_masked_request>() as u32,
            upsample: request.upsample as u32,
            inputs: &raw const sent.c,
            fill: tensor_of(request.fill)?,
            masks: tensor_of(Some(request.masks))?,
            cuts: if cuts.is_empty() { std::ptr::null() } else { cuts.as_ptr() },
            cut_count: cuts.len() as u64,
            image_of_mask: match request.image_of_mask {
                [] => std::ptr::null(),
                indices => indices.as_ptr(),
            },
            batch_size: request.batch_size as u64,
            context: (&raw mut batches).cast(),
            each: Some(each_batch),
        };
        let mut why = empty_message();
        let (names, count) = (sent.wanted.as_ptr(), wanted.len() as u64);
        // SAFETY: request, names and batches live until the call returns, and the model belongs to the table.
        let status = unsafe { run(self.held.model, &raw const c, names, count, &raw mut why) };
        match batches.failure {
            Some(error) => Err(error),
            None if status == abi::SCORECAM_OK && batches.rows != masks => Err(batches.miscounted()),
            None => check(status, &why, &self.who),
        }
    }

    fn run_from(
        &self,
        inputs: &Inputs<'_>,
        layer: &str,
        activations: TensorView<'_>,
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        let Some(run) = self.from.and_then(|t| t.run) else {
            return Err(Error::unsupported(format!("{} cannot run a model from an inner layer", self.who)));
        };
        let items = activations.shape().first().copied().unwrap_or(0);
        let expected = self.expected(wanted, inputs.images, items);
        let (sent, layer) = (OwnedInputs::new(inputs, wanted)?, c_name(layer)?);
        let given = tensor_of(Some(activations))?;
        // SAFETY: every pointer is valid for the call, and the model belongs to the table.
        unsafe {
            taken(&expected, &self.who, |outputs, why| {
                let (names, count) = (sent.wanted.as_ptr(), wanted.len() as u64);
                let (inputs, layer, given) = (&raw const sent.c, layer.as_ptr(), &raw const given);
                run(self.held.model, inputs, layer, given, names, count, outputs, why)
            })
        }
    }

    fn gradients(&self, inputs: &Inputs<'_>, layer: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        let Some(run) = self.gradients.and_then(|t| t.run) else {
            return Err(Error::unsupported(format!("{} has no gradients", self.who)));
        };
        let items = inputs.images.shape().first().copied().unwrap_or(0);
        let expected = [self.expected_layer(layer, inputs.images, items)];
        let mut texts = Texts::default();
        let (named, sent) = (named_of(cotangents, &mut texts)?, OwnedInputs::new(inputs, &[])?);
        let layer = c_name(layer)?;
        // SAFETY: every pointer is valid for the call, and the model belongs to the table.
        let found = unsafe {
            taken(&expected, &self.who, |outputs, why| {
                let (inputs, count) = (&raw const sent.c, named.len() as u64);
                run(self.held.model, inputs, layer.as_ptr(), named.as_ptr(), count, outputs, why)
            })
        };
        found?.pop().ok_or_else(|| Error::internal("no gradients were taken"))
    }
}

/// What [`each_batch`] finds behind its context.
struct Batches<'a, 'r> {
    model: &'a ImportedModel,
    request: &'a MaskedRequest<'r>,
    wanted: &'a [&'a str],
    each: &'a mut EachBatch<'r>,
    masks: usize,
    /// Masks that have come so far.
    rows: usize,
    failure: Option<Error>,
}

impl Batches<'_, '_> {
    /// Hands on the tensors of a batch.
    ///
    /// # Safety
    /// `tensors` leads to `count` tensors.
    unsafe fn take(
        &mut self,
        masks: u64,
        (tensors, count): (*const abi::scorecam_tensor, u64),
    ) -> Result<()> {
        // A backend may have gone on when it was asked to stop.
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let n = usize::try_from(masks).ok().filter(|&n| n > 0 && n <= self.masks - self.rows);
        let Some(n) = n else { return Err(self.miscounted()) };
        let expected = self.model.expected(self.wanted, self.request.inputs.images, n);
        // SAFETY: as the caller promises.
        let found = unsafe { views((tensors, count), &expected, &self.model.who) }?;
        self.rows += n;
        (self.each)(n, &found.iter().map(|t| t.view()).collect::<Vec<_>>())
    }

    fn miscounted(&self) -> Error {
        Error::plugin(format!(
            "{} ran other masks than the {} that it was given: {} of them came in whole batches",
            self.model.who, self.masks, self.rows
        ))
    }
}

unsafe extern "C" fn each_batch(
    context: *mut c_void,
    masks: u64,
    tensors: *const abi::scorecam_tensor,
    count: u64,
) -> i32 {
    // SAFETY: the context is that of the request under way, on the thread of the call.
    let Some(batches) = (unsafe { context.cast::<Batches<'_, '_>>().as_mut() }) else {
        return abi::SCORECAM_ERR_INVALID_ARGUMENT;
    };
    // SAFETY: tensors as the ABI says.
    match caught(|| unsafe { batches.take(masks, (tensors, count)) }).flatten() {
        Ok(()) => abi::SCORECAM_OK,
        Err(error) => {
            let status = status_of_kind(error.kind());
            batches.failure = Some(error);
            status
        }
    }
}
