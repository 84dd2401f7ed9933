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

/// The result of an explanation: saliency maps and their data. It is immutable and independent of the model and the
/// host. Data read from it is valid until it is freed.
pub struct scorecam_explanation {
    _opaque: [u8; 0],
}

/// Reports progress after each batch: the model has run `passes` of `expected` images. `expected` is 0 if unknown, and
/// always in `scorecam_explain_many`. Any result other than 0 cancels the call, which then returns
/// `SCORECAM_ERR_CANCELLED` without further reports. Called on the thread of the call, never concurrently for the same
/// call. Must return normally: no exception, no longjmp.
pub type scorecam_progress =
    Option<unsafe extern "C" fn(passes: u64, expected: u64, user_data: *mut c_void) -> i32>;

/// What to explain, and how. Start with `SCORECAM_EXPLAIN_OPTIONS_INIT`; every field may stay 0.
#[repr(C)]
pub struct scorecam_explain_options {
    /// `sizeof(scorecam_explain_options)`.
    pub struct_size: u32,
    /// Images that `scorecam_explain_many` processes concurrently, so that their masks share batches, at most 64; 0 for
    /// 3.
    pub jobs: u32,
    /// The method's id, or "auto" for a cheap map by a method that the model supports; NULL for "score-cam".
    pub method: *const c_char,
    /// A preset of the method; NULL for its defaults.
    pub preset: *const c_char,
    /// Options of the method, which override the preset's.
    pub options: *const scorecam_option,
    /// The number of options.
    pub option_count: u64,
    /// The classes to explain; all of them share the same forward passes.
    pub classes: *const u64,
    /// The number of classes; 0 for the classes with the highest scores.
    pub class_count: u64,
    /// The number of top-scoring classes to explain if `class_count` is 0; 0 for one.
    pub top_k: u64,
    /// The layer to explain, or several separated by commas; NULL for the one given at load, or else the default layer.
    /// Ignored by methods that need no layer.
    pub layer: *const c_char,
    /// How to fuse the maps of several layers: "mean", "max" or "product"; NULL for "mean".
    pub fuse: *const c_char,
    /// 1 to average the maps of the image and of its mirror image, for twice the forward passes plus one; else 0.
    pub augment: u64,
    /// Images per forward pass, at most 4096; 0 for the fastest size for the model.
    pub batch_size: u64,
    /// A reference image for the options that need one, of the same input shape; NULL for none.
    pub reference: *const scorecam_image,
    /// The explanation of a video's previous frame: "score-cam-adaptive" starts from it, and needs fewer passes for the
    /// same error. NULL to start without one, and in `scorecam_explain_many`.
    pub previous: *const scorecam_explanation,
    /// Receives progress and may cancel; NULL for none.
    pub progress: scorecam_progress,
    /// Passed to `progress`.
    pub user_data: *mut c_void,
    /// Targets instead of classes, as text: "box:0", "contrast:tabby-lynx", "region:mask.png:15"; docs/targets.md lists
    /// all forms.
    pub targets: *const *const c_char,
    /// The number of targets.
    pub target_count: u64,
    /// The minimum score of a detection, 0 to 1; 0 for 0.25.
    pub min_score: f64,
    /// Time limit for the forward passes of an image, in seconds from its first pass; 0 for no limit. No pass starts
    /// after the limit: score-cam-adaptive and rise then return the map of the passes so far, with its error; with
    /// other methods the explanation has targets but no maps.
    pub time_limit: f64,
}
read::versioned!(scorecam_explain_options = "SCORECAM_EXPLAIN_OPTIONS_INIT");

/// `scorecam_target.class_index`: the target has no class.
pub const SCORECAM_NO_CLASS: u64 = u64::MAX;

/// An explained target.
#[repr(C)]
pub struct scorecam_target {
    /// `sizeof(scorecam_target)`.
    pub struct_size: u32,
    /// 1 if the target has a box, else 0.
    pub has_box: u32,
    /// The class of the target, or `SCORECAM_NO_CLASS`.
    pub class_index: u64,
    /// The probability of a class, 0 to 1; for other targets, their value.
    pub score: f64,
    /// The model's raw output for a class; for other targets, their value.
    pub output: f64,
    /// The class's label; NULL if there is none.
    pub label: *const c_char,
    /// The target as text: "class:285", "box:0".
    pub text: *const c_char,
    /// The left, top, right and bottom edges of the box in pixels of the photo, or of the input if a tensor was
    /// explained.
    pub rect: [f64; 4],
    /// The detector's score of the box, 0 to 1.
    pub box_score: f64,
}
read::versioned!(scorecam_target = "SCORECAM_TARGET_INIT");

/// The contents of an explanation. The strings are valid until it is freed.
#[repr(C)]
pub struct scorecam_explanation_info {
    /// `sizeof(scorecam_explanation_info)`.
    pub struct_size: u32,
    /// 1 if there are maps; 0 if the time limit expired first.
    pub has_maps: u32,
    /// The number of targets, which is also the number of maps.
    pub target_count: u64,
    /// Images that the model has run, including the unmasked one.
    pub passes: u64,
    /// The number of warnings.
    pub warning_count: u64,
    /// The number of measures that the method reports besides the maps.
    pub measure_count: u64,
    /// The explained layer; empty if the method needs none.
    pub layer: *const c_char,
}
read::versioned!(scorecam_explanation_info = "SCORECAM_EXPLANATION_INFO_INIT");

/// Corresponding rectangles of the photo and of the model's input, each as left, top, right and bottom edges in pixels.
#[repr(C)]
pub struct scorecam_placement {
    /// `sizeof(scorecam_placement)`.
    pub struct_size: u32,
    /// 1 for a photo; 0 for a tensor, whose photo is unknown: the photo's fields are then 0.
    pub is_known: u32,
    /// Columns of the upright photo.
    pub photo_width: u64,
    /// Rows of the upright photo.
    pub photo_height: u64,
    /// The part of the photo that the model saw.
    pub photo_rect: [f64; 4],
    /// Columns of the model's input and of the maps.
    pub input_width: u64,
    /// Rows of the model's input and of the maps.
    pub input_height: u64,
    /// The part of the input that shows the photo; the rest is padding.
    pub input_rect: [f64; 4],
}
read::versioned!(scorecam_placement = "SCORECAM_PLACEMENT_INIT");

/// Explains an image; blocks until done. `options` may be NULL for Score-CAM of the class with the highest score.
/// `SCORECAM_ERR_INVALID_ARGUMENT`: a value, class or image is invalid. `SCORECAM_ERR_NOT_FOUND`: no such method,
/// preset, option or layer. `SCORECAM_ERR_CANCELLED`: the callback cancelled the call.
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

/// Frees an explanation; NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_explanation_free(explanation: *mut scorecam_explanation) -> scorecam_status {
    export!({ handles::remove(explanation) })
}

/// Describes the contents of an explanation. Set `out` to `SCORECAM_EXPLANATION_INFO_INIT` first.
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

/// The saliency map of target `index`: `*height` rows of `*width` values, without gaps, all finite.
/// `SCORECAM_ERR_DEADLINE`: there are no maps, because the time limit expired.
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

/// The standard error of each value in the map of target `index`, with the map's size and units, at least 0.
/// `SCORECAM_ERR_UNSUPPORTED`: the method estimates no errors; "rise" does. `SCORECAM_ERR_DEADLINE`: there are no maps.
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

/// Describes target `index`: its text, class, scores and box. Set `out` to `SCORECAM_TARGET_INIT` first.
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

/// Writes the saliency map of target `index` at the photo's size: `height` rows of `width` values into `out`, which has
/// room for `count` floats. Values are interpolated bilinearly, and 0 where the photo lies outside the model's input.
/// For a photo, the size must be its upright size (see `scorecam_explanation_placement`); for a tensor, any size is
/// allowed, and the input counts as the whole photo. `SCORECAM_ERR_BUFFER_TOO_SMALL`: nothing was written, and the
/// message gives the number of floats needed.
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

/// The part of the photo that the model saw, and its place in the input. Set `out` to `SCORECAM_PLACEMENT_INIT` first.
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

/// Warning `index`, in one line: an assumption that may be wrong.
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

/// Measure `index` of the method, with its name, such as "estimated-error" of "score-cam-adaptive": the estimated
/// distance from the exact map, relative to its norm. The measures and their order depend on the method, so select them
/// by name.
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
