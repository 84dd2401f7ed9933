//! A plugin that lies: descriptions with any numbers, and outputs of any count and shape.
//!
//! Pointers are NULL or lead to as much memory as is said, for that is all that can be told from outside. A
//! shape whose product no memory can hold comes with a single value: it must be refused before it is read.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::{Arc, LazyLock};

use arbitrary::Unstructured;
use scorecam::Host;
use scorecam_core::{
    CamMethod, Error, ModelBackend, ModelView, Request, Targets, Tensor, ViewOptions, ViewedModel, explain,
};
use scorecam_plugin::abi::*;
use scorecam_plugin::backend::ImportedModel;

use crate::engine::{F32, Handed, hand_over, outstanding, shape};
use crate::foreign::{Lent, byte, number};

/// The most values of a tensor that is really made.
const MOST_VALUES: usize = 1 << 12;
/// The longest axis of an input that is really explained.
const LONGEST: usize = 12;
/// After this many calls the plugin fails, so that an input is done with in time.
const MOST_CALLS: u32 = 48;

static METHODS: LazyLock<[Arc<dyn CamMethod>; 3]> = LazyLock::new(|| {
    let host = Host::new().expect("the built-in methods register");
    ["score-cam", "score-cam-adaptive", "grad-cam"].map(|id| host.method(id).expect("a built-in method"))
});

/// The model of a plugin, behind its `void *`.
struct Liar<'a> {
    description: *const scorecam_model_description,
    abilities: u8,
    /// The shapes that are right, for some of the answers.
    classes: usize,
    maps: [usize; 3],
    bytes: RefCell<Unstructured<'a>>,
    calls: Cell<u32>,
}

/// What is accepted is what was said; an explanation is finite and of the input's size; every output is
/// released once; nothing panics, behind a guard or not.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Unstructured::new(bytes);
    let mut lent = Lent::default();
    let (liar, layers) = describe_model(&mut input, &mut lent);
    let table = scorecam_backend {
        struct_size: 0,
        reserved: 0,
        load: None,
        release: None,
        describe: if byte(&mut input) == 255 { None } else { Some(describe) },
        forward: if byte(&mut input) == 255 { None } else { Some(forward) },
        get_interface: if byte(&mut input).is_multiple_of(2) { None } else { Some(get_interface) },
    };
    // SAFETY: repr(C) with its size first, without padding.
    let table = unsafe { lent.versioned(&mut input, table) };
    liar.bytes.replace(input);
    let model = (&raw const liar).cast_mut().cast();
    // SAFETY: the table has as many bytes as it says; its functions and the model outlive the imported one.
    let imported = unsafe { ImportedModel::borrow(table, model, "the plugin".into()) };
    let accepted = match imported {
        Err(error) => check_line(&error),
        Ok(imported) => {
            let info = imported.info();
            assert_eq!(info.layers.len() as u64, layers, "the layers that were described");
            assert!(info.default_layer.is_none_or(|i| i < info.layers.len()));
            match ModelView::new(imported, &ViewOptions::default()) {
                Err(error) => check_line(&error),
                Ok(view) => explain_with(&view, &liar),
            }
        }
    };
    assert_eq!(outstanding(), 0, "outputs that were not released");
    accepted
}

/// Never accepted. A plugin may fail with any status, so of an error only the line counts.
fn check_line(error: &Error) -> bool {
    let line = error.to_string();
    assert!(!line.is_empty() && !line.contains(['\n', '\r']), "a refusal is one line: {line:?}");
    assert!(!line.contains("panic"), "{line}");
    false
}

/// Whether the plugin told so few lies that there is an explanation.
fn explain_with(model: &ModelView<ImportedModel>, liar: &Liar<'_>) -> bool {
    let info = model.info();
    let axes: Vec<usize> = info.input.shape.iter().map(|axis| axis.unwrap_or(8)).collect();
    let &[_, channels, height, width] = axes.as_slice() else { return false };
    if [channels, height, width].iter().any(|&axis| axis > LONGEST) {
        return false;
    }
    let pixels = channels * height * width;
    let input = Tensor::new([1, channels, height, width], (0..pixels).map(|i| (i % 7) as f32).collect());
    let input = input.expect("the shape's length");
    let method = METHODS[usize::from(liar.abilities & GRADIENTS_TOO != 0)].clone();
    let options = method.info().resolve(None, &[]).expect("the method's defaults");
    let request = Request {
        input: input.into(),
        reference: None,
        targets: Targets::Top(2),
        layer: info.layers.first().map(|layer| layer.name.as_str()),
        options: &options,
        batch_size: None,
        progress: None,
        time_up: None,
        previous: None,
    };
    match explain(model, method.as_ref(), request) {
        Err(error) => check_line(&error),
        Ok(explanation) => {
            let targets = explanation.targets.len();
            assert_eq!(explanation.maps.shape(), [targets, height, width]);
            assert!(explanation.maps.data().iter().all(|v| v.is_finite()), "{:?}", explanation.maps);
            assert!(
                !explanation.warnings.iter().any(|w| w.contains(char::is_control)),
                "{:?}",
                explanation.warnings
            );
            true
        }
    }
}

/// A size of an axis: usually small.
fn size(input: &mut Unstructured<'_>) -> u64 {
    match byte(input) {
        small @ 0..=239 => u64::from(small % 6),
        _ => number(input),
    }
}

fn any_shape(input: &mut Unstructured<'_>, usual_rank: u32) -> scorecam_shape {
    let rank = if byte(input) < 240 { usual_rank } else { number(input) as u32 };
    let mut shape = scorecam_shape { rank, ..Default::default() };
    shape.sizes.iter_mut().take(4).for_each(|to| *to = size(input));
    shape
}

/// A model with its description, and how many layers the description says.
fn describe_model<'a>(input: &mut Unstructured<'_>, lent: &mut Lent) -> (Liar<'a>, u64) {
    let layers: Vec<scorecam_layer> = (0..byte(input) % 3)
        .map(|_| scorecam_layer {
            name: lent.text(input, &[c"maps", c"other"]),
            operation: lent.text(input, &[c"Conv"]),
            shape: any_shape(input, 3),
            meaning: match byte(input) {
                usual @ 0..=250 => u32::from(usual % 2),
                _ => number(input) as u32,
            },
            preference: u32::from(byte(input) % 2),
            like: if byte(input) < 240 { 0 } else { number(input) },
            pooled: 0,
            reserved: 0,
        })
        .collect();
    let count = match layers.len() {
        0 if byte(input) > 250 => number(input),
        length => length as u64,
    };
    let axis = |shape: &scorecam_shape, i: usize| (shape.sizes[i] as usize).clamp(1, 5);
    let maps = layers.first().map_or([1; 3], |l| [0, 1, 2].map(|i| axis(&l.shape, i)));
    // SAFETY: a layer has no padding.
    let first = unsafe { lent.array(&layers) };
    let output_shape = any_shape(input, 2);
    let inputs = [scorecam_input_info {
        name: lent.text(input, &[c"image"]),
        shape: any_shape(input, 4),
        dtype: F32,
        per_image: 1,
    }];
    let outputs = [scorecam_output_info {
        name: lent.text(input, &[c"scores"]),
        shape: output_shape,
        dtype: F32,
        activation: u32::from(byte(input) % 5),
        per_image: u32::from(byte(input) > 0),
        reserved: 0,
    }];
    let (odd, index) = (byte(input), byte(input));
    // SAFETY: neither has padding.
    let (inputs, outputs) = unsafe { (lent.array(&inputs), lent.array(&outputs)) };
    let description = scorecam_model_description {
        struct_size: 0,
        image_input: if odd & 1 == 0 { 0 } else { u32::from(index % 2) },
        inputs,
        input_count: if odd < 240 { 1 } else { u64::from(index % 2) },
        outputs,
        output_count: if odd < 240 { 1 } else { u64::from(index % 2) },
        score_output: if odd & 2 == 0 { 0 } else { i64::from(index % 3) - 1 },
        why_no_scores: if odd & 4 == 0 { ptr::null() } else { lent.text(input, &[c"it has none"]) },
        layers: first,
        layer_count: count,
        default_layer: if byte(input) < 128 { 0 } else { number(input) as i64 - 2 },
        fixed_batch: if byte(input) < 200 { 0 } else { number(input) },
        preferred_batch: number(input),
    };
    // SAFETY: as for the table.
    let description = unsafe { lent.versioned(input, description) }.cast_const();
    let liar = Liar {
        description: if byte(input) == 255 || !description.is_aligned() { ptr::null() } else { description },
        abilities: byte(input),
        classes: axis(&output_shape, 1),
        maps,
        bytes: RefCell::new(Unstructured::new(&[])),
        calls: Cell::new(0),
    };
    (liar, count)
}

unsafe extern "C" fn describe(
    model: *mut c_void,
    description: *mut *const scorecam_model_description,
    _why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the model is a `Liar`, and the caller gives a place for the result.
    unsafe { description.write((*model.cast::<Liar<'_>>()).description) };
    SCORECAM_OK
}

/// `Liar::abilities`: masked images, gradients, remarks, and a table that is too small.
const MASKED_TOO: u8 = 1;
const GRADIENTS_TOO: u8 = 2;
const REMARKS_TOO: u8 = 4;
const CUT_TABLES: u8 = 0xc0;

unsafe extern "C" fn get_interface(model: *mut c_void, id: *const c_char) -> *const c_void {
    static MASKED: scorecam_masked =
        scorecam_masked { struct_size: size_of::<scorecam_masked>() as u32, cuts: 1, run: Some(masked) };
    static GRADIENTS: scorecam_gradients = scorecam_gradients {
        struct_size: size_of::<scorecam_gradients>() as u32,
        reserved: 0,
        run: Some(gradients),
    };
    static REMARKS: scorecam_remarks = scorecam_remarks {
        struct_size: size_of::<scorecam_remarks>() as u32,
        reserved: 0,
        remark: Some(remark),
    };
    static CUT: [u64; 1] = [8];
    // SAFETY: the model is a `Liar`, and the id ends with NUL.
    let (liar, id) = unsafe { (&*model.cast::<Liar<'_>>(), CStr::from_ptr(id)) };
    let has = |ability: u8| liar.abilities & ability != 0;
    if liar.abilities & CUT_TABLES == CUT_TABLES {
        CUT.as_ptr().cast()
    } else if has(MASKED_TOO) && id == scorecam_plugin::MASKED {
        (&raw const MASKED).cast()
    } else if has(GRADIENTS_TOO) && id == scorecam_plugin::GRADIENTS {
        (&raw const GRADIENTS).cast()
    } else if has(REMARKS_TOO) && id == scorecam_plugin::REMARKS {
        (&raw const REMARKS).cast()
    } else {
        ptr::null()
    }
}

unsafe extern "C" fn forward(
    model: *mut c_void,
    inputs: *const scorecam_inputs,
    wanted: *const *const c_char,
    wanted_count: u64,
    outputs: *mut scorecam_outputs,
    _why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the model is a `Liar`, the images a tensor of four axes.
    let (liar, n) = unsafe { (&*model.cast::<Liar<'_>>(), (*inputs).images.shape.sizes[0] as usize) };
    let [k, h, w] = liar.maps;
    let shapes = (0..wanted_count as usize).map(|i| {
        // SAFETY: the caller gives as many names, which end with NUL.
        match unsafe { CStr::from_ptr(*wanted.add(i)) }.to_bytes() {
            b"maps" | b"other" => shape(&[n, k, h, w]),
            _ => shape(&[n, liar.classes]),
        }
    });
    // SAFETY: the caller gives a place for the outputs.
    unsafe { liar.answer(shapes.collect(), outputs) }
}

unsafe extern "C" fn masked(
    model: *mut c_void,
    request: *const scorecam_masked_request,
    _wanted: *const *const c_char,
    _wanted_count: u64,
    _why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the model is a `Liar`, the masks are [M, h, w].
    let (liar, request) = unsafe { (&*model.cast::<Liar<'_>>(), &*request) };
    let mut left = request.masks.shape.sizes[0] as usize;
    while left > 0 {
        let (rows, handed, count, obeys) = {
            let input = &mut *liar.bytes.borrow_mut();
            let rows = if byte(input) < 250 { left.min(usize::from(byte(input) % 9) + 1) } else { left + 1 };
            let handed = liar.tensors(vec![shape(&[rows, liar.classes])], input);
            let count = if byte(input) < 250 { handed.len() as u64 } else { number(input) % 2 };
            left = left.saturating_sub(rows);
            (rows, handed, count, byte(input) < 128)
        };
        let raw: Vec<scorecam_tensor> = handed.iter().map(Handed::raw).collect();
        let first = if raw.is_empty() { ptr::null() } else { raw.as_ptr() };
        let count = count.min(raw.len() as u64);
        // SAFETY: the request's own function and context.
        let status = request
            .each
            .map_or(SCORECAM_OK, |each| unsafe { each(request.context, rows as u64, first, count) });
        if status != SCORECAM_OK && obeys {
            return status;
        }
    }
    SCORECAM_OK
}

unsafe extern "C" fn gradients(
    model: *mut c_void,
    _inputs: *const scorecam_inputs,
    _layer: *const c_char,
    _cotangents: *const scorecam_named_tensor,
    _cotangent_count: u64,
    outputs: *mut scorecam_outputs,
    _why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the model is a `Liar`.
    let liar = unsafe { &*model.cast::<Liar<'_>>() };
    let [k, h, w] = liar.maps;
    // SAFETY: the caller gives a place for the outputs.
    unsafe { liar.answer(vec![shape(&[1, k, h, w])], outputs) }
}

/// Any bytes and, now and then, any status; without an end of its own where they are zeros.
unsafe extern "C" fn remark(model: *mut c_void, index: u64, text: *mut scorecam_message) -> i32 {
    // SAFETY: the model is a `Liar`, and the caller gives a message.
    let (liar, text) = unsafe { (&*model.cast::<Liar<'_>>(), &mut *text) };
    let input = &mut *liar.bytes.borrow_mut();
    let (length, status) = (number(input) as usize, byte(input));
    text.text.iter_mut().take(length).for_each(|c| *c = byte(input) as c_char);
    match status {
        0..=200 if index < u64::from(status % 20) => SCORECAM_OK,
        0..=200 => SCORECAM_ERR_NOT_FOUND,
        _ => i32::from(status) - 228,
    }
}

impl Liar<'_> {
    /// Tensors of the right shapes, or whatever the bytes say.
    ///
    /// # Safety
    /// `outputs` is writable.
    unsafe fn answer(&self, mut shapes: Vec<scorecam_shape>, outputs: *mut scorecam_outputs) -> i32 {
        let input = &mut *self.bytes.borrow_mut();
        self.calls.set(self.calls.get() + 1);
        let mode = byte(input);
        if mode == 255 || self.calls.get() > MOST_CALLS {
            return if mode == 255 { i32::from(byte(input)) - 100 } else { SCORECAM_ERR_MODEL };
        }
        if mode == 254 {
            // Says that all went well, and gives nothing.
            return SCORECAM_OK;
        }
        if mode >= 240 {
            shapes.pop();
        }
        if (200..240).contains(&mode) {
            shapes.iter_mut().for_each(|shape| *shape = any_shape(input, shape.rank));
        }
        let tensors = self.tensors(shapes, input);
        let count = if tensors.is_empty() { number(input) } else { tensors.len() as u64 };
        // SAFETY: as the caller promises.
        unsafe { hand_over(tensors, count, outputs) };
        SCORECAM_OK
    }
}

impl Liar<'_> {
    /// Tensors of these shapes, now and then of another type or in another place.
    fn tensors(&self, shapes: Vec<scorecam_shape>, input: &mut Unstructured<'_>) -> Vec<Handed> {
        let tensor = |shape: scorecam_shape| {
            let mut handed = Handed { shape, ..Handed::new(&[], values(&shape, input)) };
            match byte(input) {
                254 => handed.dtype.bits = byte(input),
                255 => handed.device.kind = i32::from(byte(input)),
                _ => {}
            }
            handed
        };
        shapes.into_iter().map(tensor).collect()
    }
}

/// As many values as the shape says; none where that would take too long to make, a single one where no
/// memory could hold them.
fn values(shape: &scorecam_shape, input: &mut Unstructured<'_>) -> Option<Vec<f32>> {
    let sizes = shape.sizes.get(..shape.rank as usize)?;
    let product = sizes.iter().try_fold(1usize, |product, &n| product.checked_mul(usize::try_from(n).ok()?));
    let possible = product.filter(|&n| n <= isize::MAX as usize / size_of::<f32>());
    match possible {
        None => Some(vec![1.0]),
        Some(count) if count > MOST_VALUES || byte(input) == 255 => None,
        Some(count) => {
            let (step, odd) = (byte(input), byte(input));
            let mut values: Vec<f32> = (0..count).map(|i| f32::from((i as u8).wrapping_mul(step))).collect();
            if odd > 127
                && let Some(value) = values.get_mut(usize::from(odd - 128))
            {
                *value = f32::from_bits(input.arbitrary().unwrap_or(0x7fc0_0000));
            }
            Some(values)
        }
    }
}
