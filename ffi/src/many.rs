//! `scorecam_explain_many`: several images in one call, whose masks share batches.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::ops::ControlFlow;
use std::ptr;

use scorecam::abi::{SCORECAM_OK, scorecam_status};
use scorecam::{Error, Explanation, Job, Progress};

use crate::explanation::{
    ExplanationObject, Prepared, prepare, scorecam_explain_options, scorecam_explanation,
};
use crate::export::{Failure, c_text, export};
use crate::handles;
use crate::image::{read_image, scorecam_image};
use crate::model::scorecam_model;
use crate::read;

/// Receives the result of image `index`: an explanation, which the callee must free, or NULL with a status and an error
/// message, which is valid only during the call. Any result other than 0 ends `scorecam_explain_many`. Called on the
/// thread of that call, once per image, usually but not always in order. Must return normally: no exception, no
/// longjmp.
pub type scorecam_found = Option<
    unsafe extern "C" fn(
        index: u64,
        explanation: *mut scorecam_explanation,
        status: scorecam_status,
        error: *const c_char,
        user_data: *mut c_void,
    ) -> i32,
>;

/// Explains `count` images, `options->jobs` of them concurrently: their masks share the model's batches, which is
/// faster than one image after the other. Equal calls make equal batches. `found` receives each result as soon as it is
/// ready; an image that fails does not affect the others. `options->progress` receives the passes of all images
/// together, and `options->user_data`; `found` receives `user_data`. The call fails if the options are invalid, and
/// with `SCORECAM_ERR_CANCELLED` if a callback ended it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explain_many(
    model: *const scorecam_model,
    images: *const *const scorecam_image,
    count: u64,
    options: *const scorecam_explain_options,
    found: scorecam_found,
    user_data: *mut c_void,
) -> scorecam_status {
    export!({
        let model = handles::get(model)?;
        // SAFETY: as the caller promises.
        let options = unsafe { read::read_optional(options, "options") }?;
        let found = found.ok_or_else(|| Failure::invalid("found is NULL"))?;
        // SAFETY: as the caller promises.
        let images = unsafe { read::array(images, count, "images") }?;
        // SAFETY: as the caller promises.
        let Prepared { explainer, progress, jobs, .. } = unsafe { prepare(&model, options.as_ref()) }?;
        if options.is_some_and(|options| !options.previous.is_null()) {
            return Err(Failure::invalid(
                "options.previous is only for single frames; use scorecam_explain frame by frame",
            ));
        }
        let (passes, ended) = (Cell::new(0), Cell::new(false));
        let report = || {
            let own = Cell::new(0);
            let (passes, ended, progress) = (&passes, &ended, &progress);
            Box::new(move |now: Progress| {
                passes.set(passes.get() + (now.passes - own.replace(now.passes)) as u64);
                if !ended.get() {
                    ended.set(progress.report(passes.get(), 0).is_break());
                }
                if ended.get() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        };
        let job = |&image: &*const scorecam_image| {
            // SAFETY: as the caller promises.
            let image = unsafe { read_image(image, "the image") }.map_err(Error::from)?;
            Ok(Job { input: model.model.prepare(&image)?, progress: Some(report()), previous: None })
        };
        explainer.explain_many(images.iter().map(job), jobs, |index, result| {
            // SAFETY: the caller's function with the caller's own pointer.
            let goes_on = !ended.get() && unsafe { hand_over(found, index, result, user_data) } == 0;
            ended.set(!goes_on);
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if ended.get() { Err(Error::cancelled().into()) } else { Ok(()) }
    })
}

/// Gives one result to the caller; what that says.
///
/// # Safety
/// `found` may be called with `user_data`.
unsafe fn hand_over(
    found: unsafe extern "C" fn(
        u64,
        *mut scorecam_explanation,
        scorecam_status,
        *const c_char,
        *mut c_void,
    ) -> i32,
    index: usize,
    result: scorecam::Result<Explanation>,
    user_data: *mut c_void,
) -> i32 {
    let handle = result
        .map_err(Failure::from)
        .and_then(|explanation| handles::insert(ExplanationObject::new(explanation)));
    let (explanation, status, error) = match handle {
        Ok(handle) => (handle, SCORECAM_OK, None),
        Err(failure) => (ptr::null_mut(), failure.status, Some(c_text(&failure.message))),
    };
    let error = error.as_ref().map_or(ptr::null(), |error| error.as_ptr());
    // SAFETY: as the caller promises.
    unsafe { found(index as u64, explanation, status, error, user_data) }
}
