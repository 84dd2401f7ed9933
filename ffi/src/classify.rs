//! `scorecam_classify`: class scores without a map.

use scorecam::abi::scorecam_status;

use crate::export::{Failure, Result, export};
use crate::handles;
use crate::image::{read_image, scorecam_image};
use crate::model::scorecam_model;
use crate::read;

/// Computes the scores of all classes in one forward pass, without a map: probabilities from 0 to 1 in `scores`, and
/// the model's raw outputs in `outputs`. Each has room for `capacity` numbers, and either may be NULL. `*count` is set
/// to the number of classes, even with `SCORECAM_ERR_BUFFER_TOO_SMALL`, which writes nothing else.
/// `SCORECAM_ERR_INVALID_ARGUMENT`: the model has no class scores.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_classify(
    scores: *mut f64,
    outputs: *mut f32,
    capacity: u64,
    count: *mut u64,
    model: *const scorecam_model,
    image: *const scorecam_image,
) -> scorecam_status {
    export!({
        read::check_pointer(count, "count")?;
        check_place(scores, "scores")?;
        check_place(outputs, "outputs")?;
        let model = handles::get(model)?;
        // SAFETY: as the caller promises.
        let found = model.model.classify(&unsafe { read_image(image, "image") }?)?;
        let classes = found.scores.len();
        // SAFETY: as the caller promises.
        unsafe { read::write(count, classes as u64, "count") }?;
        let wanted = !scores.is_null() || !outputs.is_null();
        if wanted && capacity < classes as u64 {
            return Err(Failure::too_small(format!(
                "there is room for {capacity} numbers; the model has {classes} classes"
            )));
        }
        // SAFETY: as many numbers are writable, as the caller promises.
        unsafe {
            fill(scores, &found.scores);
            fill(outputs, &found.outputs);
        }
        Ok(())
    })
}

/// An error for a place that is there and not aligned.
fn check_place<T>(out: *mut T, what: &str) -> Result<()> {
    if out.is_null() { Ok(()) } else { read::check_pointer(out, what) }
}

/// # Safety
/// `out` is NULL, or aligned and leads to as many writable numbers as there are `values`.
unsafe fn fill<T: Copy>(out: *mut T, values: &[T]) {
    if !out.is_null() {
        // SAFETY: as the caller promises.
        unsafe { out.copy_from_nonoverlapping(values.as_ptr(), values.len()) };
    }
}
