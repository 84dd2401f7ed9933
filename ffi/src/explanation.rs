//! `scorecam_explain` and the `scorecam_explanation` that it makes.

use std::ffi::{CString, c_char, c_void};

use scorecam::abi::{scorecam_option, scorecam_status};
use scorecam::{Explainer, Explanation, Learned, Placement, Rect, TensorView};

use crate::export::{Failure, Result, c_text, export};
use crate::handles::{self, Handle};
use crate::host::optional;
use crate::image::{read_image, scorecam_image};
use crate::model::{ModelObject, scorecam_model};
use crate::read;

mod settings;

use self::settings::{Progress, Settings};

/// Saliency maps and what belongs to them. It needs neither the model nor the host any more, and never
/// changes. What is read from it is valid until it is freed.
pub struct scorecam_explanation {
    _opaque: [u8; 0],
}

/// Receives a report of each batch: `passes` images were run through the model of `expected`, which is 0 while not
/// known, and in `scorecam_explain_many`. Any result but 0 cancels the call, which returns `SCORECAM_ERR_CANCELLED` and calls
/// it no more. Called on the thread of the call, never twice at once by one call. Must return: neither throw nor jump out by
/// longjmp.
pub type scorecam_progress =
    Option<unsafe extern "C" fn(passes: u64, expected: u64, user_data: *mut c_void) -> i32>;

/// What to explain, and how. Begin with `SCORECAM_EXPLAIN_OPTIONS_INIT`; every field may stay 0.
#[repr(C)]
pub struct scorecam_explain_options {
    /// `sizeof(scorecam_explain_options)`.
    pub struct_size: u32,
    /// Images of `scorecam_explain_many` at work at once, so that their masks share batches, at most 64; 0 for 3.
    pub jobs: u32,
    /// The method's id, or "auto" for a map at little cost, by what the model allows; NULL for "score-cam".
    pub method: *const c_char,
    /// A preset of the method; NULL for its defaults.
    pub preset: *const c_char,
    /// Options of the method, which come before the preset's.
    pub options: *const scorecam_option,
    /// How many there are.
    pub option_count: u64,
    /// The classes to explain, all from the same passes.
    pub classes: *const u64,
    /// How many there are; 0 to take the classes with the highest scores.
    pub class_count: u64,
    /// How many classes with the highest scores, where `class_count` is 0; 0 for one.
    pub top_k: u64,
    /// The layer to explain, or several with commas between; NULL for the one named at load, or the default one. A method
    /// that needs no layer does not look at it.
    pub layer: *const c_char,
    /// How the maps of several layers become one: "mean", "max" or "product"; NULL for "mean".
    pub fuse: *const c_char,
    /// 1 to explain the mirrored image as well, for twice the passes and one more, and to take the mean of both maps; else 0.
    pub augment: u64,
    /// Images in a pass, at most 4096; 0 for what the model runs fastest.
    pub batch_size: u64,
    /// Another image that some options compare with, of the same input shape; NULL for none.
    pub reference: *const scorecam_image,
    /// The explanation of a video's frame before: "score-cam-adaptive" begins with what it learned of it, and needs fewer
    /// passes for the same error. NULL to begin anew, as in `scorecam_explain_many`.
    pub previous: *const scorecam_explanation,
    /// Receives progress and may cancel; NULL for nobody.
    pub progress: scorecam_progress,
    /// Passed to `progress`.
    pub user_data: *mut c_void,
    /// Targets in words, in place of classes: "box:0", "contrast:tabby-lynx", "region:mask.png:15"; docs/targets.md has
    /// all of them.
    pub targets: *const *const c_char,
    /// How many there are.
    pub target_count: u64,
    /// The least score of a detection, 0 to 1; 0 for 0.25.
    pub min_score: f64,
    /// Seconds that the passes of an image may take, from its first one; 0 for no limit. Then no pass begins any more:
    /// score-cam-adaptive and rise make their map of the passes that were made and say its error; an explanation by another
    /// method has its targets, and no maps.
    pub time_limit: f64,
}
read::versioned!(scorecam_explain_options = "SCORECAM_EXPLAIN_OPTIONS_INIT");

/// `scorecam_target.class_index`: the target is about no class.
pub const SCORECAM_NO_CLASS: u64 = u64::MAX;

/// An explained target.
#[repr(C)]
pub struct scorecam_target {
    /// `sizeof(scorecam_target)`.
    pub struct_size: u32,
    /// 1 when the target is about a box, else 0.
    pub has_box: u32,
    /// The class that it is about, or `SCORECAM_NO_CLASS`.
    pub class_index: u64,
    /// A class's probability on the image, 0 to 1; the number of another target.
    pub score: f64,
    /// The model's raw output for a class; the number of another target.
    pub output: f64,
    /// The class's label; NULL where no labels file gives one.
    pub label: *const c_char,
    /// What was asked, in words: "class:285", "box:0".
    pub text: *const c_char,
    /// The box's left, top, right and bottom edge in pixels of the photo; of the input where a tensor was explained.
    pub rect: [f64; 4],
    /// How sure the detector is of the box, 0 to 1.
    pub box_score: f64,
}
read::versioned!(scorecam_target = "SCORECAM_TARGET_INIT");

/// What an explanation holds. The strings are valid until it is freed.
#[repr(C)]
pub struct scorecam_explanation_info {
    /// `sizeof(scorecam_explanation_info)`.
    pub struct_size: u32,
    /// 1 when there are maps; 0 when the time limit passed before.
    pub has_maps: u32,
    /// How many targets, and as many maps, there are.
    pub target_count: u64,
    /// Images run through the model, the unmasked one included.
    pub passes: u64,
    /// How many warnings there are.
    pub warning_count: u64,
    /// How many numbers the method reports of its work, beside the maps.
    pub measure_count: u64,
    /// The layer that was explained; empty where the method looks at none.
    pub layer: *const c_char,
}
read::versioned!(scorecam_explanation_info = "SCORECAM_EXPLANATION_INFO_INIT");

/// The rectangle of the photo and the rectangle of the model's input that show the same scene, each as left, top, right and
/// bottom edge in pixels.
#[repr(C)]
pub struct scorecam_placement {
    /// `sizeof(scorecam_placement)`.
    pub struct_size: u32,
    /// 1 after a photo; 0 after a tensor, of whose photo nothing is known: then the photo's fields are 0.
    pub is_known: u32,
    /// Columns of the upright photo.
    pub photo_width: u64,
    /// Rows of the upright photo.
    pub photo_height: u64,
    /// The part of the photo that the model saw.
    pub photo_rect: [f64; 4],
    /// Columns of the model's input, as of the maps.
    pub input_width: u64,
    /// Rows of the model's input.
    pub input_height: u64,
    /// The part of the input that shows the photo; the rest is padding.
    pub input_rect: [f64; 4],
}
read::versioned!(scorecam_placement = "SCORECAM_PLACEMENT_INIT");

/// Explains what the model sees in an image; blocks until done. `options` may be NULL: Score-CAM of the class
/// with the highest score.
/// `SCORECAM_ERR_INVALID_ARGUMENT`: a value, class or image is wrong. `SCORECAM_ERR_NOT_FOUND`: no such
/// method, preset, option or layer. `SCORECAM_ERR_CANCELLED`: the callback asked to stop.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explain(
    out: *mut *mut scorecam_explanation,
    model: *const scorecam_model,
    image: *const scorecam_image,
    options: *const scorecam_explain_options,
) -> scorecam_status {
    export!({
        read::check_pointer(out, "out")?;
        let model = handles::get(model)?;
        // SAFETY: as the caller promises.
        let options = unsafe { read::read_optional(options, "options") }?;
        // SAFETY: as the caller promises.
        let explanation = unsafe { explain(&model, image, options.as_ref()) }?;
        let handle = handles::insert(explanation)?;
        // SAFETY: as the caller promises.
        unsafe { read::write(out, handle, "out") }
    })
}

/// Frees an explanation; NULL is right.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_explanation_free(explanation: *mut scorecam_explanation) -> scorecam_status {
    export!({ handles::remove(explanation) })
}

/// What there is to read. Set `out` to `SCORECAM_EXPLANATION_INFO_INIT` first.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_describe(
    out: *mut scorecam_explanation_info,
    explanation: *const scorecam_explanation,
) -> scorecam_status {
    export!({
        let info = handles::get(explanation)?.info();
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, info) }
    })
}

/// The saliency map of target `index`: `*height` rows of `*width` values, without gaps, all finite. `SCORECAM_ERR_DEADLINE`:
/// there are no maps, since the time limit passed before.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_map(
    data: *mut *const f32,
    height: *mut u64,
    width: *mut u64,
    explanation: *const scorecam_explanation,
    index: u64,
) -> scorecam_status {
    export!({
        // SAFETY: as the caller promises.
        unsafe { hand_out((data, height, width), explanation, |found| found.map(index)) }
    })
}

/// Writes where a map of an explanation lies, and its size.
///
/// # Safety
/// The pointers are as [`scorecam_explanation_map`] demands.
unsafe fn hand_out(
    (data, height, width): (*mut *const f32, *mut u64, *mut u64),
    explanation: *const scorecam_explanation,
    of: impl FnOnce(&ExplanationObject) -> Result<TensorView<'_>>,
) -> Result<()> {
    read::check_pointer(data, "data")?;
    read::check_pointer(height, "height")?;
    read::check_pointer(width, "width")?;
    let explanation = handles::get(explanation)?;
    let map = of(&explanation)?;
    let [h, w] = map.dims("the saliency map")?;
    // SAFETY: as the caller promises.
    unsafe {
        read::write(width, w as u64, "width")?;
        read::write(height, h as u64, "height")?;
        read::write(data, map.data().as_ptr(), "data")
    }
}

/// The standard error of each value of the map of target `index`, of the map's size and in its units, none below 0.
/// `SCORECAM_ERR_UNSUPPORTED`: the method estimates none; "rise" does. `SCORECAM_ERR_DEADLINE`: there are no maps.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_errors(
    data: *mut *const f32,
    height: *mut u64,
    width: *mut u64,
    explanation: *const scorecam_explanation,
    index: u64,
) -> scorecam_status {
    export!({
        // SAFETY: as the caller promises.
        unsafe { hand_out((data, height, width), explanation, |found| found.errors(index)) }
    })
}

/// Target `index`: what was asked, its class, scores and box. Set `out` to `SCORECAM_TARGET_INIT` first.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_target(
    out: *mut scorecam_target,
    explanation: *const scorecam_explanation,
    index: u64,
) -> scorecam_status {
    export!({
        let explanation = handles::get(explanation)?;
        let i = explanation.index(index)?;
        let target = &explanation.found.targets[i];
        let info = scorecam_target {
            struct_size: size_of::<scorecam_target>() as u32,
            has_box: u32::from(target.detection.is_some()),
            class_index: target.class.map_or(SCORECAM_NO_CLASS, |class| class as u64),
            score: target.score,
            output: target.output.into(),
            label: optional(explanation.labels[i].as_ref()),
            text: explanation.texts[i].as_ptr(),
            rect: target.detection.map_or([0.0; 4], |found| edges(found.rect)),
            box_score: target.detection.map_or(0.0, |found| found.score),
        };
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, info) }
    })
}

/// The saliency map of target `index` at the size of the photo: `height` rows of `width` values into `out`, which holds `count`
/// floats. It is bilinear between the map's values, and 0 where the model did not see the photo. After a photo its upright
/// size is the only one, see `scorecam_explanation_placement`; after a tensor any size is right, and the input is taken to have
/// shown all. `SCORECAM_ERR_BUFFER_TOO_SMALL`: the message says how many floats `out` needs, and nothing was written.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_photo_map(
    out: *mut f32,
    count: u64,
    explanation: *const scorecam_explanation,
    index: u64,
    height: u64,
    width: u64,
) -> scorecam_status {
    export!({
        read::check_pointer(out, "out")?;
        let explanation = handles::get(explanation)?;
        explanation.map(index)?;
        let needed = height.checked_mul(width).filter(|&n| n > 0 && n <= count).ok_or_else(|| {
            Failure::too_small(format!(
                "out has {count} floats; a map of {width}x{height} needs one for each pixel"
            ))
        })?;
        let size = (height as usize, width as usize);
        let map = explanation.found.photo_map(explanation.index(index)?, size)?;
        // SAFETY: `needed` floats are writable, as the caller promises, and `map` is memory of our own of so many.
        unsafe { out.copy_from_nonoverlapping(map.data().as_ptr(), needed as usize) };
        Ok(())
    })
}

/// Which part of the photo the model saw, and where in its input. Set `out` to `SCORECAM_PLACEMENT_INIT` first.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_placement(
    out: *mut scorecam_placement,
    explanation: *const scorecam_explanation,
) -> scorecam_status {
    export!({
        let placement = handles::get(explanation)?.placement();
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, placement) }
    })
}

/// Warning `index`, one line: something that was taken for granted and may be wrong.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_warning(
    out: *mut *const c_char,
    explanation: *const scorecam_explanation,
    index: u64,
) -> scorecam_status {
    export!({
        let warning = |e: &ExplanationObject| {
            Ok(e.warnings[read::place(index, e.warnings.len(), "warning", "there are")?].as_ptr())
        };
        // SAFETY: as the caller promises.
        unsafe { read::write_from(out, explanation, warning) }
    })
}

/// Number `index` that the method reports, and its name, such as the "estimated-error" of "score-cam-adaptive":
/// how far a map is from the exact one, relative to its norm, as far as the method can tell. Which numbers there
/// are, and in which order, is the method's affair: look for the name.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_measure(
    name: *mut *const c_char,
    value: *mut f64,
    explanation: *const scorecam_explanation,
    index: u64,
) -> scorecam_status {
    export!({
        read::check_pointer(name, "name")?;
        let explanation = handles::get(explanation)?;
        let place = read::place(index, explanation.measures.len(), "measure", "there are")?;
        let (called, number) = &explanation.measures[place];
        // SAFETY: as the caller promises.
        unsafe {
            read::write(value, *number, "value")?;
            read::write(name, called.as_ptr(), "name")
        }
    })
}

/// What a `scorecam_explanation` leads to.
pub(crate) struct ExplanationObject {
    pub(crate) found: Explanation,
    layer: CString,
    labels: Vec<Option<CString>>,
    texts: Vec<CString>,
    warnings: Vec<CString>,
    measures: Vec<(CString, f64)>,
}

impl Handle for scorecam_explanation {
    type Object = ExplanationObject;
    const KIND: u8 = 3;
    const NAME: &'static str = "scorecam_explanation";
}

impl ExplanationObject {
    pub(crate) fn new(found: Explanation) -> Self {
        Self {
            layer: c_text(&found.layer),
            labels: found.targets.iter().map(|target| target.label.as_deref().map(c_text)).collect(),
            texts: found.targets.iter().map(|target| c_text(&target.text)).collect(),
            warnings: found.warnings.iter().map(|warning| c_text(warning)).collect(),
            measures: found.measures.iter().map(|(name, value)| (c_text(name), *value)).collect(),
            found,
        }
    }

    fn info(&self) -> scorecam_explanation_info {
        scorecam_explanation_info {
            struct_size: size_of::<scorecam_explanation_info>() as u32,
            has_maps: u32::from(self.found.late.is_none()),
            target_count: self.found.targets.len() as u64,
            passes: self.found.passes as u64,
            warning_count: self.warnings.len() as u64,
            measure_count: self.measures.len() as u64,
            layer: self.layer.as_ptr(),
        }
    }

    fn placement(&self) -> scorecam_placement {
        let (input_height, input_width) = self.found.input_size;
        let placement = self.found.placement;
        let (photo_height, photo_width) = placement.map_or((0, 0), |placement| placement.photo_size());
        let whole = Placement::whole(self.found.input_size, self.found.input_size);
        scorecam_placement {
            struct_size: size_of::<scorecam_placement>() as u32,
            is_known: u32::from(placement.is_some()),
            photo_width: photo_width as u64,
            photo_height: photo_height as u64,
            photo_rect: placement.map_or([0.0; 4], |placement| edges(placement.photo_part())),
            input_width: input_width as u64,
            input_height: input_height as u64,
            input_rect: edges(placement.unwrap_or(whole).input_part()),
        }
    }

    fn map(&self, index: u64) -> Result<TensorView<'_>> {
        Ok(self.found.map(self.index(index)?)?)
    }

    fn errors(&self, index: u64) -> Result<TensorView<'_>> {
        self.map(index)?;
        let errors = self.found.errors(self.index(index)?);
        errors.ok_or_else(|| {
            scorecam_core::Error::unsupported("the method estimates no standard errors; the method rise does")
                .into()
        })
    }

    /// The number of a target that there is.
    pub(crate) fn index(&self, index: u64) -> Result<usize> {
        read::place(index, self.found.targets.len(), "target", "the explanation has")
    }
}

/// Left, top, right and bottom edge.
fn edges(rect: Rect) -> [f64; 4] {
    [rect.x, rect.y, rect.x + rect.width, rect.y + rect.height]
}

/// Images at work at once where the caller does not say.
const JOBS: usize = 3;

/// What the options come to for a model.
pub(crate) struct Prepared<'m> {
    pub(crate) explainer: Explainer<'m>,
    pub(crate) progress: Progress,
    /// How many images are at work at once.
    pub(crate) jobs: usize,
    pub(crate) previous: Option<Learned>,
}

/// Reads and checks the options of a call.
///
/// # Safety
/// The options are as [`scorecam_explain`] demands.
pub(crate) unsafe fn prepare<'m>(
    model: &'m ModelObject,
    options: Option<&scorecam_explain_options>,
) -> Result<Prepared<'m>> {
    // SAFETY: as the caller promises.
    let settings = options.map(|o| unsafe { Settings::read(o) }).transpose()?.unwrap_or_default();
    let Settings { mut options, jobs, reference, previous, progress } = settings;
    // SAFETY: as the caller promises.
    options.reference = reference.map(|r| unsafe { read_image(r, "options.reference") }).transpose()?;
    let previous = previous.map(|before| handles::get(before).map(|before| before.found.learned.clone()));
    Ok(Prepared {
        explainer: Explainer::new(&model.host.host, &model.model, &options)?,
        progress,
        jobs: jobs.unwrap_or(JOBS),
        previous: previous.transpose()?.flatten(),
    })
}

/// # Safety
/// As for [`scorecam_explain`], of which this is the whole.
unsafe fn explain(
    model: &ModelObject,
    image: *const scorecam_image,
    options: Option<&scorecam_explain_options>,
) -> Result<ExplanationObject> {
    // SAFETY: as the caller promises.
    let Prepared { explainer, progress, previous, .. } = unsafe { prepare(model, options) }?;
    // SAFETY: as the caller promises.
    let image = unsafe { read_image(image, "image") }?;
    let report = |now: scorecam::Progress| progress.report(now.passes as u64, now.expected as u64);
    Ok(ExplanationObject::new(explainer.explain_reporting(&image, previous, report)?))
}
