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
use scorecam_core::{CamMethod, Error, ModelBackend, Request, Targets, Tensor, explain};
use scorecam_plugin::abi::*;
use scorecam_plugin::backend::ImportedModel;

use crate::engine::{Handed, hand_over, outstanding, shape};
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
    let imported = unsafe { ImportedModel::borrow_table(table, model, "the plugin".into()) };
    let accepted = match imported {
        Err(error) => check_line(&error),
        Ok(imported) => {
            let info = imported.info();
            assert_eq!(info.layers.len() as u64, layers, "the layers that were described");
            assert!(info.default_layer.is_none_or(|i| i < info.layers.len()));
            explain_with(&imported, &liar)
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
fn explain_with(model: &ImportedModel<'_>, liar: &Liar<'_>) -> bool {
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
    scorecam_shape { rank, reserved: 0, sizes: [size(input), size(input), size(input), size(input)] }
}

/// A model with its description, and how many layers the description says.
fn describe_model<'a>(input: &mut Unstructured<'_>, lent: &mut Lent) -> (Liar<'a>, u64) {
    let layers: Vec<scorecam_layer> = (0..byte(input) % 3)
        .map(|_| scorecam_layer {
            name: lent.text(input, &[c"maps", c"other"]),
            operation: lent.text(input, &[c"Conv"]),
            shape: any_shape(input, 3),
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
    let description = scorecam_model_description {
        struct_size: 0,
        output_activation: u32::from(byte(input) % 5),
        input_name: lent.text(input, &[c"image"]),
        input_shape: any_shape(input, 4),
        output_name: lent.text(input, &[c"scores"]),
        output_shape,
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

/// `Liar::abilities`: masked scores, gradients, remarks, and a table that is too small.
const MASKED_TOO: u8 = 1;
const GRADIENTS_TOO: u8 = 2;
const REMARKS_TOO: u8 = 4;
const CUT_TABLES: u8 = 0xc0;

unsafe extern "C" fn get_interface(model: *mut c_void, id: *const c_char) -> *const c_void {
    static MASKED: scorecam_masked_scores = scorecam_masked_scores {
        struct_size: size_of::<scorecam_masked_scores>() as u32,
        reserved: 0,
        run: Some(masked),
    };
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
    } else if has(MASKED_TOO) && id == scorecam_plugin::MASKED_SCORES {
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
    batch: *const scorecam_tensor,
    _taps: *const *const c_char,
    tap_count: u64,
    outputs: *mut scorecam_outputs,
    _why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the model is a `Liar`, the batch a tensor of four axes.
    let (liar, n) = unsafe { (&*model.cast::<Liar<'_>>(), (*batch).shape.sizes[0] as usize) };
    let [k, h, w] = liar.maps;
    let mut shapes = vec![shape(&[n, liar.classes])];
    shapes.extend((0..tap_count).map(|_| shape(&[n, k, h, w])));
    // SAFETY: the caller gives a place for the outputs.
    unsafe { liar.answer(shapes, outputs) }
}

unsafe extern "C" fn masked(
    model: *mut c_void,
    request: *const scorecam_masked_request,
    outputs: *mut scorecam_outputs,
    _why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the model is a `Liar`, the masks are [M, h, w].
    let (liar, request) = unsafe { (&*model.cast::<Liar<'_>>(), &*request) };
    let masks = request.masks.shape.sizes[0] as usize;
    let (told, obeys) = {
        let input = &mut *liar.bytes.borrow_mut();
        let told = if byte(input) < 240 { masks as u64 } else { number(input) };
        (told, byte(input) < 128)
    };
    // SAFETY: the request's own function and context.
    let status = request.on_batch.map_or(SCORECAM_OK, |report| unsafe { report(request.context, told) });
    if status != SCORECAM_OK && obeys {
        return status;
    }
    // SAFETY: the caller gives a place for the outputs.
    unsafe { liar.answer(vec![shape(&[masks, liar.classes])], outputs) }
}

unsafe extern "C" fn gradients(
    model: *mut c_void,
    _batch: *const scorecam_tensor,
    _layer: *const c_char,
    _class: u64,
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
        let tensors: Vec<Handed> =
            shapes.into_iter().map(|shape| Handed { shape, data: values(&shape, input) }).collect();
        let count = if tensors.is_empty() { number(input) } else { tensors.len() as u64 };
        // SAFETY: as the caller promises.
        unsafe { hand_over(tensors, count, outputs) };
        SCORECAM_OK
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
