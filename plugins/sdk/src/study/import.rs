//! `scorecam_study` as a study of Rust, for the time of one call.

use std::cell::Cell;
use std::ffi::c_void;
use std::ops::ControlFlow;
use std::sync::Arc;

use scorecam_core::{
    Abilities, BatchRule, CamMethod, Error, Forward, InputInfo, LayerInfo, MaskedScores, MethodOutput,
    Options, OutputInfo, Progress, Result, StudyContext, Tensor, TensorView, ViewInfo, ViewedModel,
    run_method,
};

use crate::abi::{self, scorecam_message, scorecam_outputs};
use crate::backend::activation;
use crate::wire::{
    BorrowedTensor, Expected, empty_message, optional_view, read, slice, taken, tensor_of, view,
};

/// Explains the study that `c` is by `method`.
///
/// # Safety
/// `c` is a study whose pointers are valid.
pub(crate) unsafe fn explain_study(
    method: &dyn CamMethod,
    c: &abi::scorecam_study,
    options: &Options,
) -> Result<MethodOutput> {
    // SAFETY: as the caller promises.
    let context = unsafe { context(c) }?;
    let model = StudiedModel { c, info: info(&context) };
    let expected = Cell::new(0);
    let passed_on = &model;
    let report = move |progress: Progress| {
        // What the method expects is passed on when it changes; passes are counted by the host.
        let is_new = expected.replace(progress.expected) != progress.expected;
        let left = progress.expected.saturating_sub(progress.passes);
        match is_new && !passed_on.expect_passes(left) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    run_method(&model, method, context, options, Box::new(report))
}

/// # Safety
/// `c` is a study whose pointers are valid.
unsafe fn context(c: &abi::scorecam_study) -> Result<StudyContext> {
    // SAFETY: as the caller promises, in this whole function.
    unsafe {
        let input = view(&raw const c.input, "study.input")?;
        let reference = optional_view(&raw const c.reference, "study.reference")?;
        let activations = optional_view(&raw const c.activations, "study.activations")?;
        let activations = activations
            .map_or_else(|| Tensor::zeros([1, 0, 0, 0]), |activations| activations.view().try_to_tensor())?;
        let targets = slice(c.targets, c.target_count, "study.targets")?;
        let targets: Vec<usize> = targets.iter().map(|&t| t as usize).collect();
        let scores = slice(c.scores, c.class_count, "study.scores")?;
        if let Some(class) = targets.iter().find(|&&t| t >= scores.len()) {
            return Err(Error::invalid(format!("study.targets names class {class} of {}", scores.len())));
        }
        let owned = |tensor: &BorrowedTensor<'_>| tensor.view().try_to_tensor().map(Arc::new);
        Ok(StudyContext {
            input: owned(&input)?,
            reference: reference.as_ref().map(owned).transpose()?,
            activations: Arc::new(activations),
            layer: read(c.layer, "study.layer")?.to_owned(),
            scores: scores.to_vec(),
            output_activation: activation(c.output_activation)?,
            targets,
            batch_size: (c.batch_size as usize).max(1),
        })
    }
}

/// What is known of a study's model.
fn info(given: &StudyContext) -> ViewInfo {
    let axes = |shape: &[usize]| shape.iter().map(|&n| Some(n)).collect::<Vec<_>>();
    let batched = |shape: &[usize]| [vec![None], axes(shape)].concat();
    let input = given.input.shape().get(1..).unwrap_or(&[]);
    let maps = given.activations.shape().get(1..).unwrap_or(&[]);
    ViewInfo {
        input: InputInfo::image("input", batched(input)),
        scores: Ok(OutputInfo::new("scores", batched(&[given.scores.len()]), given.output_activation)),
        outputs: Vec::new(),
        layers: vec![LayerInfo::maps(&given.layer, "", axes(maps))],
        default_layer: Some(0),
        // The host cuts what a method asks for into batches of the model.
        batch: BatchRule::Any { preferred: given.batch_size },
        abilities: Abilities { masked: true, run_from: true, gradients: true, slopes: true },
    }
}

/// The model of a study, as far as a method gets to it.
struct StudiedModel<'a> {
    c: &'a abi::scorecam_study,
    info: ViewInfo,
}

// SAFETY: the ABI lets a study's functions be called from any thread of the method.
unsafe impl Send for StudiedModel<'_> {}
// SAFETY: as above.
unsafe impl Sync for StudiedModel<'_> {}

impl StudiedModel<'_> {
    /// Whether the host wants the method to go on.
    fn expect_passes(&self, passes: usize) -> bool {
        let mut why = empty_message();
        let expect = self.c.expect_passes;
        // SAFETY: the context belongs to the function, by contract, and there is a message to write into.
        expect.is_none_or(
            |expect| unsafe { expect(self.c.context, passes as u64, &raw mut why) } == abi::SCORECAM_OK,
        )
    }

    /// Calls a function of the study, which gives a tensor of the `expected` shape.
    fn call(
        &self,
        expected: Vec<Option<usize>>,
        run: impl FnOnce(*mut c_void, *mut scorecam_outputs, *mut scorecam_message) -> i32,
    ) -> Result<Tensor> {
        // SAFETY: a function of the study fills the outputs.
        let mut found = unsafe {
            taken(&[Expected::Of(expected)], "the study", |outputs, why| run(self.c.context, outputs, why))
        }?;
        found.pop().ok_or_else(|| Error::internal("no tensor was taken"))
    }

    fn scores_of(&self, items: usize) -> Vec<Option<usize>> {
        vec![Some(items), self.info.scores.as_ref().ok().and_then(|scores| scores.shape[1])]
    }
}

/// The error for a study that lacks a function, which no host's does.
fn lacks(function: &str) -> Error {
    Error::plugin(format!("the study lacks the function {function}"))
}

impl ViewedModel for StudiedModel<'_> {
    fn info(&self) -> &ViewInfo {
        &self.info
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        if let [tap, ..] = taps {
            return Err(Error::unsupported(format!(
                "layer {tap:?} is not available; a method gets only the activations of its target layer"
            )));
        }
        let run = self.c.image_scores.ok_or_else(|| lacks("image_scores"))?;
        let images = tensor_of(Some(batch))?;
        let items = batch.shape().first().copied().unwrap_or(0);
        // SAFETY: every pointer is valid for the call.
        let scores = self.call(self.scores_of(items), |context, outputs, why| unsafe {
            run(context, &raw const images, outputs, why)
        })?;
        Ok(Forward { scores, activations: Vec::new() })
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        let run = self.c.masked_scores.ok_or_else(|| lacks("masked_scores"))?;
        let (_, [count, ..]) = request.dims()?;
        let masks = abi::scorecam_masks {
            struct_size: size_of::<abi::scorecam_masks>() as u32,
            upsample: request.upsample as u32,
            masks: tensor_of(Some(request.masks))?,
            fill: tensor_of(request.fill)?,
        };
        // SAFETY: every pointer is valid for the call.
        let scores = self.call(self.scores_of(count), |context, outputs, why| unsafe {
            run(context, &raw const masks, outputs, why)
        })?;
        (request.on_batch)(count)?;
        Ok(scores)
    }

    fn run_from(&self, _: TensorView<'_>, _: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let run = self.c.scores_from_layer.ok_or_else(|| lacks("scores_from_layer"))?;
        let given = tensor_of(Some(activations))?;
        let items = activations.shape().first().copied().unwrap_or(0);
        // SAFETY: every pointer is valid for the call.
        self.call(self.scores_of(items), |context, outputs, why| unsafe {
            run(context, &raw const given, outputs, why)
        })
    }

    fn gradients(&self, _: TensorView<'_>, _: &str, class: usize) -> Result<Tensor> {
        let run = self.c.gradients.ok_or_else(|| lacks("gradients"))?;
        let maps = self.info.layers.first().map_or(&[][..], |layer| &layer.shape);
        let expected = std::iter::once(Some(1)).chain(maps.iter().copied()).collect();
        // SAFETY: every pointer is valid for the call.
        self.call(expected, |context, outputs, why| unsafe { run(context, class as u64, outputs, why) })
    }
}
