//! A study as `scorecam_study`, for the time of one call.
//!
//! The function of a plugin blocks while it waits for passes, and the study it asks awaits them on another thread: between
//! the two is a [`StudyLine`].

use std::ffi::{CString, c_void};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use scorecam_core::{Ask, Error, Masks, Result, StudyContext, Tensor};

use crate::abi::{self, scorecam_message, scorecam_outputs};
use crate::backend::export::upsample;
use crate::wire::{BorrowedTensor, checked_struct, guard, hand_over, optional_view, tensor_of, view};

/// A message from a method's threads.
pub(crate) enum Request {
    /// So many passes are expected.
    Expect(usize),
    /// Passes are to be made.
    Passes(Ask, Sender<Result<Vec<Tensor>>>),
}

/// What is known of an image, and the way from a method's threads to its study.
pub(crate) struct StudyLine {
    pub(crate) context: Arc<StudyContext>,
    pub(crate) requests: Sender<Request>,
}

impl StudyLine {
    /// The first tensor that passes give. Who asks waits; when the call was given up it is cancelled.
    fn ask(&self, ask: Ask) -> Result<Tensor> {
        let (reply, answer) = channel();
        self.requests.send(Request::Passes(ask, reply)).map_err(|_| Error::cancelled())?;
        let tensors = answer.recv().map_err(|_| Error::cancelled())??;
        tensors.into_iter().next().ok_or_else(|| Error::internal("passes gave no tensor"))
    }
}

/// An owned copy, which another thread may read.
fn shared(tensor: &BorrowedTensor<'_>) -> Result<Arc<Tensor>> {
    tensor.view().try_to_tensor().map(Arc::new)
}

/// A study in C form with what it points to.
pub(crate) struct ExportedStudy<'a> {
    pub(crate) c: abi::scorecam_study,
    _layer: CString,
    _targets: Vec<u64>,
    _line: &'a StudyLine,
}

impl<'a> ExportedStudy<'a> {
    pub(crate) fn new(line: &'a StudyLine) -> Result<Self> {
        let context = &line.context;
        let layer = CString::new(context.layer.as_str());
        let layer = layer.map_err(|_| Error::invalid("the layer's name has a NUL in it"))?;
        let targets: Vec<u64> = context.targets.iter().map(|&t| t as u64).collect();
        let c = abi::scorecam_study {
            struct_size: size_of::<abi::scorecam_study>() as u32,
            output_activation: context.output_activation as u32,
            input: tensor_of(Some(context.input.view()))?,
            reference: tensor_of(context.reference.as_ref().map(|r| r.view()))?,
            activations: tensor_of(Some(context.activations.view()).filter(|maps| !maps.data().is_empty()))?,
            layer: layer.as_ptr(),
            scores: context.scores.as_ptr(),
            class_count: context.scores.len() as u64,
            targets: targets.as_ptr(),
            target_count: targets.len() as u64,
            batch_size: context.batch_size as u64,
            context: (&raw const *line).cast_mut().cast(),
            expect_passes: Some(expect_passes),
            masked_scores: Some(masked_scores),
            image_scores: Some(image_scores),
            scores_from_layer: Some(scores_from_layer),
            gradients: Some(gradients),
        };
        Ok(Self { c, _layer: layer, _targets: targets, _line: line })
    }
}

/// The line behind a context.
///
/// # Safety
/// `context` is NULL or that of an [`ExportedStudy`] that is alive.
unsafe fn line<'a>(context: *mut c_void) -> Result<&'a StudyLine> {
    // SAFETY: as the caller promises.
    unsafe { context.cast::<StudyLine>().as_ref() }.ok_or_else(|| Error::invalid("context is NULL"))
}

unsafe extern "C" fn expect_passes(context: *mut c_void, passes: u64, why: *mut scorecam_message) -> i32 {
    let body = || {
        // SAFETY: the context is that of the call under way.
        let requests = unsafe { &line(context)?.requests };
        let passes = usize::try_from(passes).unwrap_or(usize::MAX);
        requests.send(Request::Expect(passes)).map_err(|_| Error::cancelled())
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

/// Asks by `run`, and hands over what comes back.
///
/// # Safety
/// The pointers are those of a function of `scorecam_study`, by its contract.
unsafe fn answer(
    (context, outputs, why): (*mut c_void, *mut scorecam_outputs, *mut scorecam_message),
    run: impl FnOnce(&StudyLine) -> Result<Tensor>,
) -> i32 {
    // SAFETY: as the caller promises.
    let body = || unsafe { hand_over(vec![run(line(context)?)?], outputs) };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}

unsafe extern "C" fn masked_scores(
    context: *mut c_void,
    masks: *const abi::scorecam_masks,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: all pointers are valid by the contract of `masked_scores`.
    unsafe {
        answer((context, outputs, why), |line| {
            let given = checked_struct(masks, "masks")?;
            let masks = view(&raw const given.masks, "masks")?;
            let fill = optional_view(&raw const given.fill, "fill")?;
            let fill = fill.as_ref().map(shared).transpose()?;
            let masks = Masks { masks: shared(&masks)?, upsample: upsample(given.upsample)?, fill };
            line.ask(line.context.masked(masks))
        })
    }
}

unsafe extern "C" fn image_scores(
    context: *mut c_void,
    images: *const abi::scorecam_tensor,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: all pointers are valid by the contract of `image_scores`.
    unsafe {
        answer((context, outputs, why), |line| {
            line.ask(Ask::Forward { images: shared(&view(images, "images")?)?, taps: Vec::new() })
        })
    }
}

unsafe extern "C" fn scores_from_layer(
    context: *mut c_void,
    activations: *const abi::scorecam_tensor,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: all pointers are valid by the contract of `scores_from_layer`.
    unsafe {
        answer((context, outputs, why), |line| {
            line.ask(line.context.from_layer(shared(&view(activations, "activations")?)?))
        })
    }
}

unsafe extern "C" fn gradients(
    context: *mut c_void,
    class_index: u64,
    outputs: *mut scorecam_outputs,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: all pointers are valid by the contract of `gradients`.
    unsafe {
        answer((context, outputs, why), |line| {
            line.ask(line.context.gradients(usize::try_from(class_index).unwrap_or(usize::MAX)))
        })
    }
}
