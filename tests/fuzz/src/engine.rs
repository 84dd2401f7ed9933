//! A tiny engine as an application would hand it over: the table of `scorecam.backend/1`, in plain Rust.
//!
//! Its one layer holds means of patches, its scores are sums of them. [`hand_over`] also serves an engine that
//! lies, which is why it hands over whatever tensors it is given.

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use scorecam_plugin::abi::{
    SCORECAM_DEVICE_CPU, SCORECAM_LAYER_MAPS, SCORECAM_OK, SCORECAM_OUTPUT_LOGITS, SCORECAM_TYPE_FLOAT,
    scorecam_backend, scorecam_data_type, scorecam_device, scorecam_input_info, scorecam_inputs,
    scorecam_layer, scorecam_message, scorecam_model_description, scorecam_output_info, scorecam_outputs,
    scorecam_shape, scorecam_tensor,
};

/// Channels, height and width of the input.
pub(crate) const INPUT: [usize; 3] = [3, 8, 8];
/// Maps, and their height and width.
const MAPS: [usize; 3] = [4, 2, 2];
const CLASSES: usize = 3;
/// The name of the output.
const SCORES: &CStr = c"scores";

/// The engine's functions.
pub(crate) static TABLE: scorecam_backend = scorecam_backend {
    struct_size: size_of::<scorecam_backend>() as u32,
    reserved: 0,
    load: None,
    release: None,
    describe: Some(describe),
    forward: Some(forward),
    get_interface: None,
};

/// The element type and the place of tensors that a host takes.
pub(crate) const F32: scorecam_data_type =
    scorecam_data_type { code: SCORECAM_TYPE_FLOAT, bits: 32, lanes: 1 };
pub(crate) const CPU: scorecam_device = scorecam_device { kind: SCORECAM_DEVICE_CPU, id: 0 };

/// A shape of the given sizes.
pub(crate) fn shape(sizes: &[usize]) -> scorecam_shape {
    let mut shape = scorecam_shape { rank: sizes.len() as u32, ..Default::default() };
    shape.sizes.iter_mut().zip(sizes).for_each(|(to, &size)| *to = size as u64);
    shape
}

struct Description {
    /// The description points to these.
    _ports: Box<(scorecam_input_info, scorecam_output_info, scorecam_layer)>,
    c: scorecam_model_description,
}

// SAFETY: never changed, and what its pointers lead to is static or owned by it.
unsafe impl Send for Description {}
// SAFETY: as above.
unsafe impl Sync for Description {}

static DESCRIPTION: std::sync::LazyLock<Description> = std::sync::LazyLock::new(|| {
    let [channels, height, width] = INPUT;
    let input = scorecam_input_info {
        name: c"image".as_ptr(),
        shape: shape(&[0, channels, height, width]),
        dtype: F32,
        per_image: 1,
    };
    let output = scorecam_output_info {
        name: SCORES.as_ptr(),
        shape: shape(&[0, CLASSES]),
        dtype: F32,
        activation: SCORECAM_OUTPUT_LOGITS,
        per_image: 1,
        reserved: 0,
    };
    let layer = scorecam_layer {
        name: c"maps".as_ptr(),
        operation: c"Mean".as_ptr(),
        shape: shape(&MAPS),
        meaning: SCORECAM_LAYER_MAPS,
        preference: 0,
        pooled: 0,
        reserved: 0,
        like: 0,
    };
    let ports = Box::new((input, output, layer));
    let c = scorecam_model_description {
        struct_size: size_of::<scorecam_model_description>() as u32,
        image_input: 0,
        inputs: &raw const ports.0,
        input_count: 1,
        outputs: &raw const ports.1,
        output_count: 1,
        score_output: 0,
        why_no_scores: ptr::null(),
        layers: &raw const ports.2,
        layer_count: 1,
        default_layer: 0,
        fixed_batch: 0,
        preferred_batch: 4,
    };
    Description { _ports: ports, c }
});

unsafe extern "C" fn describe(
    _model: *mut c_void,
    description: *mut *const scorecam_model_description,
    _why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the caller gives a place for the result.
    unsafe { description.write(&raw const DESCRIPTION.c) };
    SCORECAM_OK
}

unsafe extern "C" fn forward(
    _model: *mut c_void,
    inputs: *const scorecam_inputs,
    wanted: *const *const c_char,
    wanted_count: u64,
    outputs: *mut scorecam_outputs,
    _why: *mut scorecam_message,
) -> i32 {
    // SAFETY: the caller's batch is a tensor whose data is as long as its shape says.
    let (n, images) = unsafe {
        let images = &(*inputs).images;
        let [n, c, h, w, ..] = images.shape.sizes.map(|n| n as usize);
        assert_eq!([c, h, w], INPUT, "a batch of another size reached the engine");
        (n, std::slice::from_raw_parts(images.data.cast::<f32>(), n * c * h * w))
    };
    let (mut scores, mut maps) = (Vec::new(), Vec::new());
    for image in images.chunks_exact(INPUT.iter().product()) {
        let means: Vec<f32> = (0..MAPS.iter().product()).map(|i| cell(image, i)).collect();
        scores.extend((0..CLASSES).map(|class| {
            let weighted = means.iter().enumerate().map(|(i, m)| m * ((i * 7 + class * 5) % 11) as f32);
            weighted.sum::<f32>()
        }));
        maps.extend(means);
    }
    let [k, h, w] = MAPS;
    let tensor = |i: u64| {
        // SAFETY: the caller gives as many names, which end with NUL.
        let name = unsafe { CStr::from_ptr(*wanted.add(i as usize)) };
        match name == SCORES {
            true => Handed::new(&[n, CLASSES], Some(scores.clone())),
            false => Handed::new(&[n, k, h, w], Some(maps.clone())),
        }
    };
    let tensors: Vec<Handed> = (0..wanted_count).map(tensor).collect();
    let count = tensors.len() as u64;
    // SAFETY: the caller gives a place for the outputs.
    unsafe { hand_over(tensors, count, outputs) };
    SCORECAM_OK
}

/// Cell `i` of the maps: a mean over a patch of one channel, from 0 up.
fn cell(image: &[f32], i: usize) -> f32 {
    let ([_, height, width], [_, h, w]) = (INPUT, MAPS);
    let (k, y, x) = (i / (h * w), i / w % h, i % w);
    let channel = &image[k % INPUT[0] * height * width..][..height * width];
    let rows = channel.chunks_exact(width).skip(y * height / h).take(height / h);
    let sum: f32 = rows.flat_map(|row| &row[x * width / w..][..width / w]).sum();
    (sum * (k + 1) as f32).max(0.0)
}

/// A tensor as a plugin hands it over; without data its pointer is NULL.
pub(crate) struct Handed {
    pub(crate) shape: scorecam_shape,
    pub(crate) data: Option<Vec<f32>>,
    pub(crate) dtype: scorecam_data_type,
    pub(crate) device: scorecam_device,
}

impl Handed {
    /// One that a host takes.
    pub(crate) fn new(sizes: &[usize], data: Option<Vec<f32>>) -> Self {
        Self { shape: shape(sizes), data, dtype: F32, device: CPU }
    }

    /// Its C form, which points to it.
    pub(crate) fn raw(&self) -> scorecam_tensor {
        scorecam_tensor {
            data: self.data.as_ref().map_or(ptr::null(), |data| data.as_ptr().cast()),
            device: self.device,
            dtype: self.dtype,
            reserved: 0,
            shape: self.shape,
        }
    }
}

struct Owner {
    tensors: Vec<scorecam_tensor>,
    /// The tensors point to it.
    _handed: Vec<Handed>,
}

thread_local! {
    static OUTSTANDING: Cell<i64> = const { Cell::new(0) };
}

/// How many outputs of this thread were handed over and not released.
pub(crate) fn outstanding() -> i64 {
    OUTSTANDING.get()
}

/// Moves tensors into `outputs`, which then says that there are `count`.
///
/// # Safety
/// `outputs` is writable.
pub(crate) unsafe fn hand_over(handed: Vec<Handed>, count: u64, outputs: *mut scorecam_outputs) {
    let tensors = handed.iter().map(Handed::raw).collect();
    let owner = Box::new(Owner { tensors, _handed: handed });
    let first = if owner.tensors.is_empty() { ptr::null() } else { owner.tensors.as_ptr() };
    let owner = Box::into_raw(owner).cast();
    OUTSTANDING.set(OUTSTANDING.get() + 1);
    // SAFETY: as the caller promises.
    unsafe { outputs.write(scorecam_outputs { tensors: first, count, owner, release: Some(release) }) };
}

unsafe extern "C" fn release(owner: *mut c_void) {
    OUTSTANDING.set(OUTSTANDING.get() - 1);
    // SAFETY: the owner came from `hand_over`, and is released once, as the address sanitizer sees to.
    drop(unsafe { Box::from_raw(owner.cast::<Owner>()) });
}
