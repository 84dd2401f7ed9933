//! `scorecam_explain` and the `scorecam_explanation` that it makes.

use std::ffi::{CString, c_char, c_void};

use scorecam::abi::scorecam_option;
use scorecam::{Explainer, Explanation};

use crate::export::{Result, c_text, export};
use crate::handles::{self, Handle};
use crate::host::optional;
use crate::image::{read_image, scorecam_image};
use crate::model::{ModelObject, scorecam_model};
use crate::read;

mod settings;

use self::settings::Settings;

/// Saliency maps and what belongs to them. It needs neither the model nor the host any more, and never
/// changes. What is read from it is valid until it is freed.
pub struct scorecam_explanation {
    _opaque: [u8; 0],
}

/// Is told of progress: `passes` images were run through the model of `expected`, which is 0 while not
/// known. Any result but 0 cancels the call, which returns `SCORECAM_ERR_CANCELLED` and calls it no more. Called
/// on the thread of `scorecam_explain`; never twice at once by one `scorecam_explain`. Must return: neither throw nor
/// jump out by longjmp.
pub type scorecam_progress =
    Option<unsafe extern "C" fn(passes: u64, expected: u64, user_data: *mut c_void) -> i32>;

/// What to explain, and how. Begin with `SCORECAM_EXPLAIN_OPTIONS_INIT`; every field may stay 0.
#[repr(C)]
pub struct scorecam_explain_options {
    /// `sizeof(scorecam_explain_options)`.
    pub struct_size: u32,
    /// Threads for the call's own work, which runs on the calling thread: 0 or 1. The engine's threads are
    /// chosen when a model is loaded.
    pub threads: u32,
    /// The method's id; NULL for "score-cam".
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
    /// The layer to explain; NULL for the one named at load, or the default one.
    pub layer: *const c_char,
    /// Images in a pass, at most 4096; 0 for what the model runs fastest.
    pub batch_size: u64,
    /// Another image that some options compare with, of the same input shape; NULL for none.
    pub reference: *const scorecam_image,
    /// Is told of progress and may cancel; NULL for nobody.
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

/// Explains what the model sees in an image; blocks until done. `options` may be NULL: Score-CAM of the class
/// with the highest score. `*out` is the caller's, to be freed by `scorecam_explanation_free`.
/// `SCORECAM_ERR_INVALID_ARGUMENT`: a value, class or image is wrong. `SCORECAM_ERR_NOT_FOUND`: no such
/// method, preset, option or layer. `SCORECAM_ERR_CANCELLED`: the callback asked to stop. Any thread, also
/// several at once with one model.
///
/// # Safety
/// `out` leads to a writable handle; structs have the sizes that they say, arrays and images those that stand
/// beside them; strings end with NUL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explain(
    out: *mut *mut scorecam_explanation,
    model: *const scorecam_model,
    image: *const scorecam_image,
    options: *const scorecam_explain_options,
) -> i32 {
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

/// Frees an explanation; NULL is right. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn scorecam_explanation_free(explanation: *mut scorecam_explanation) -> i32 {
    export!({ handles::remove(explanation) })
}

/// How many targets, and as many maps, there are. Any thread.
///
/// # Safety
/// `out` leads to a writable number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_count(
    out: *mut u64,
    explanation: *const scorecam_explanation,
) -> i32 {
    export!(out from explanation: |e| { Ok(e.found.targets.len() as u64) })
}

/// The saliency map of target `index`: `*height` rows of `*width` values, without gaps, all finite. Any
/// thread.
///
/// # Safety
/// `data`, `height` and `width` lead to where the results are to be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_map(
    data: *mut *const f32,
    height: *mut u64,
    width: *mut u64,
    explanation: *const scorecam_explanation,
    index: u64,
) -> i32 {
    export!({
        read::check_pointer(data, "data")?;
        read::check_pointer(height, "height")?;
        let explanation = handles::get(explanation)?;
        let map = explanation.found.map(explanation.index(index)?);
        let [h, w] = map.dims("the saliency map")?;
        // SAFETY: as the caller promises.
        unsafe {
            read::write(width, w as u64, "width")?;
            read::write(height, h as u64, "height")?;
            read::write(data, map.data().as_ptr(), "data")
        }
    })
}

/// Target `index`: what was asked, its class, scores and box. Set `out` to `SCORECAM_TARGET_INIT` first. Any thread.
///
/// # Safety
/// `out` leads to as many writable bytes as its `struct_size` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_target(
    out: *mut scorecam_target,
    explanation: *const scorecam_explanation,
    index: u64,
) -> i32 {
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
            rect: target.detection.map_or([0.0; 4], |found| {
                let rect = found.rect;
                [rect.x, rect.y, rect.x + rect.width, rect.y + rect.height]
            }),
            box_score: target.detection.map_or(0.0, |found| found.score),
        };
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, info) }
    })
}

/// How many images were run through the model, the unmasked one included. Any thread.
///
/// # Safety
/// `out` leads to a writable number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_passes(
    out: *mut u64,
    explanation: *const scorecam_explanation,
) -> i32 {
    export!(out from explanation: |e| { Ok(e.found.passes as u64) })
}

/// The layer that was explained. Any thread.
///
/// # Safety
/// `out` leads to a writable pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_layer(
    out: *mut *const c_char,
    explanation: *const scorecam_explanation,
) -> i32 {
    export!(out from explanation: |e| { Ok(e.layer.as_ptr()) })
}

/// How many warnings there are. Any thread.
///
/// # Safety
/// `out` leads to a writable number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_warning_count(
    out: *mut u64,
    explanation: *const scorecam_explanation,
) -> i32 {
    export!(out from explanation: |e| { Ok(e.warnings.len() as u64) })
}

/// Warning `index`, one line: something that was taken for granted and may be wrong. Any thread.
///
/// # Safety
/// `out` leads to a writable pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_warning(
    out: *mut *const c_char,
    explanation: *const scorecam_explanation,
    index: u64,
) -> i32 {
    export!({
        let warning = |e: &ExplanationObject| {
            Ok(e.warnings[read::place(index, e.warnings.len(), "warning", "there are")?].as_ptr())
        };
        // SAFETY: as the caller promises.
        unsafe { read::write_from(out, explanation, warning) }
    })
}

/// How many numbers the method reports of its work, beside the maps. Any thread.
///
/// # Safety
/// `out` leads to a writable number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_measure_count(
    out: *mut u64,
    explanation: *const scorecam_explanation,
) -> i32 {
    export!(out from explanation: |e| { Ok(e.measures.len() as u64) })
}

/// Number `index` that the method reports, and its name, such as the "estimated-error" of "score-cam-adaptive":
/// how far a map is from the exact one, relative to its norm, as far as the method can tell. Which numbers there
/// are, and in which order, is the method's affair: look for the name. Any thread.
///
/// # Safety
/// `name` leads to a writable pointer, `value` to a writable number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_measure(
    name: *mut *const c_char,
    value: *mut f64,
    explanation: *const scorecam_explanation,
    index: u64,
) -> i32 {
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
    fn new(found: Explanation) -> Self {
        Self {
            layer: c_text(&found.layer),
            labels: found.targets.iter().map(|target| target.label.as_deref().map(c_text)).collect(),
            texts: found.targets.iter().map(|target| c_text(&target.text)).collect(),
            warnings: found.warnings.iter().map(|warning| c_text(warning)).collect(),
            measures: found.measures.iter().map(|(name, value)| (c_text(name), *value)).collect(),
            found,
        }
    }

    /// The number of a target that there is.
    pub(crate) fn index(&self, index: u64) -> Result<usize> {
        read::place(index, self.found.targets.len(), "target", "the explanation has")
    }
}

/// # Safety
/// As for [`scorecam_explain`], of which this is the whole.
unsafe fn explain(
    model: &ModelObject,
    image: *const scorecam_image,
    options: Option<&scorecam_explain_options>,
) -> Result<ExplanationObject> {
    // SAFETY: as the caller promises.
    let settings = options.map(|o| unsafe { Settings::read(o) }).transpose()?.unwrap_or_default();
    let Settings { mut options, reference, progress } = settings;
    // SAFETY: as the caller promises.
    options.reference = reference.map(|r| unsafe { read_image(r, "options.reference") }).transpose()?;
    let explainer = Explainer::new(&model.host.host, &model.model, &options)?;
    // SAFETY: as the caller promises.
    let image = unsafe { read_image(image, "image") }?;
    let report = |now: scorecam::Progress| progress.report(now.passes as u64, now.expected as u64);
    Ok(ExplanationObject::new(explainer.explain_reporting(&image, report)?))
}
