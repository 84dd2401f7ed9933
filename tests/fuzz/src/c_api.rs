//! The C functions, called as an older, a newer and a careless program would: structs of any size, numbers out
//! of range, strings that are none. The bytes decide every argument but the truth of lengths.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::LazyLock;

use arbitrary::Unstructured;
use scorecam_c_api::explanation::*;
use scorecam_c_api::host::*;
use scorecam_c_api::image::scorecam_image;
use scorecam_c_api::located::*;
use scorecam_c_api::model::*;
use scorecam_c_api::overlay::*;
use scorecam_c_api::version::scorecam_last_error;
use scorecam_plugin::abi::*;

use crate::engine;
use crate::foreign::{Lent, byte, number};

/// Handles of a host and of a model on the engine of this crate; the numbers that C programs hold.
static HANDLES: LazyLock<(usize, usize)> = LazyLock::new(|| {
    let (mut host, mut model) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: the places are writable, the table and its functions static.
    let made = unsafe {
        let made = scorecam_host_create(&raw mut host);
        let table = &raw const engine::TABLE;
        made | scorecam_model_from_backend(&raw mut model, host, table, ptr::null_mut(), ptr::null())
    };
    assert_eq!(made, SCORECAM_OK, "a host and a model: {}", last_error());
    (host as usize, model as usize)
});

const METHODS: &[&CStr] = &[c"score-cam", c"score-cam-adaptive", c"grad-cam", c"x"];
const PRESETS: &[&CStr] = &[c"official", c"paper", c"paper-alg1", c"torchcam", c"pytorch-grad-cam"];
const NAMES: &[&CStr] = &[
    c"score",
    c"baseline",
    c"fill",
    c"blur_sigma",
    c"weight_norm",
    c"upsample",
    c"norm_stage",
    c"norm",
    c"eps",
    c"flat",
    c"pre_relu",
    c"select",
    c"select_count",
    c"select_list",
    c"combine",
    c"reduce",
    c"bias",
    c"post_relu",
    c"final",
    c"final_eps",
    c"output",
    c"resize",
    c"order",
];
const VALUES: &[&CStr] = &[
    c"softmax",
    c"logit",
    c"zero",
    c"image",
    c"blur",
    c"input",
    c"none",
    c"true",
    c"1",
    c"0",
    c"1e300",
    c"nan",
    c"0.5",
    c"list",
    c"std",
    c"max",
    c"3,1,2",
    c"upsampled",
    c"before",
    c"range",
    c"keep",
    c"bicubic",
    c"-1",
    c"layer",
    c"7x300",
    c"32768x32768",
    c"norm-resize-norm",
];
const LAYERS: &[&CStr] = &[c"maps", c"other", c"maps,other"];
const FUSES: &[&CStr] = &[c"max", c"product", c"sum"];
const TARGETS: &[&CStr] =
    &[c"class:1", c"not:2", c"contrast:1-2", c"mean:0+1", c"box:0", c"region:predicted"];
const COLORMAPS: &[&CStr] = &[c"viridis", c"turbo", c"jet", c"inferno", c"gray"];

/// Every call ends in a documented status; a failure has a line of text and leaves its result alone; what
/// succeeds can be read and freed, once.
pub fn check(bytes: &[u8]) -> bool {
    let mut input = Unstructured::new(bytes);
    let mut lent = Lent::default();
    let image = image(&mut input, &mut lent);
    let options = options(&mut input, &mut lent);
    let model = HANDLES.1 as *const scorecam_model;
    let untouched = ptr::without_provenance_mut::<scorecam_explanation>(8);
    let mut explanation = untouched;
    // SAFETY: structs and arrays are exactly as long as they say, strings end or are as long as the limit.
    let status = unsafe { scorecam_explain(&raw mut explanation, model, image, options) };
    let explained = succeeded(status);
    if explained {
        read(explanation);
        draw(explanation, image, &mut input, &mut lent);
    } else {
        assert_eq!(explanation, untouched, "a failed call wrote its result");
    }
    describe(&mut input, &mut lent);
    if explained {
        locate(explanation, image, &mut input, &mut lent);
        assert_eq!(scorecam_explanation_free(explanation), SCORECAM_OK);
        assert_eq!(scorecam_explanation_free(explanation), SCORECAM_ERR_INVALID_HANDLE);
    }
    explained
}

/// Whether a status is 0; any other must be one of a caller's faults, and told.
fn succeeded(status: i32) -> bool {
    if status == SCORECAM_OK {
        return true;
    }
    let line = last_error();
    let known = SCORECAM_ERR_INVALID_ARGUMENT..=SCORECAM_ERR_BUFFER_TOO_SMALL;
    assert!(known.contains(&status) && status != SCORECAM_ERR_INTERNAL, "status {status}: {line}");
    assert!(!line.is_empty() && !line.contains(['\n', '\r']), "a failure is one line: {line:?}");
    false
}

fn last_error() -> String {
    // SAFETY: a string that ends with NUL, copied before the next call.
    unsafe { CStr::from_ptr(scorecam_last_error()) }.to_str().expect("messages are UTF-8").to_owned()
}

fn image(input: &mut Unstructured<'_>, lent: &mut Lent) -> *const scorecam_image {
    if byte(input) == 255 {
        return ptr::null();
    }
    let is_tensor = byte(input) % 4 == 1;
    let usual = byte(input).is_multiple_of(2);
    let [channels, height, width] = engine::INPUT;
    // A tensor of the engine's shape, or a photo of its size, unless the bytes want something else.
    let sides = if usual { [width as u64, height as u64] } else { [number(input), number(input)] };
    let size = if usual { channels * height * width * 4 } else { usize::from(byte(input)) * 8 };
    let misplaced = if usual { 0 } else { usize::from(byte(input) % 4) };
    let fill = byte(input);
    let data = lent.block((0..size + misplaced).map(|i| (i as u8).wrapping_mul(fill) & 0x3f).collect());
    let other = |input: &mut Unstructured<'_>| if usual { 0 } else { number(input) };
    let value = scorecam_image {
        struct_size: 0,
        kind: if is_tensor { 1 } else { (other(input) / 64) as u32 },
        // SAFETY: the block has `misplaced` bytes more than `size`.
        data: unsafe { data.add(misplaced) }.cast_const().cast(),
        data_size: size as u64,
        width: sides[0],
        height: sides[1],
        row_stride: other(input),
        plane_stride: other(input),
        format: u32::from(byte(input) % 7),
        sample_type: if is_tensor { 2 } else { u32::from(byte(input) % 4) },
        layout: if is_tensor { 1 } else { u32::from(byte(input) % 3) },
        orientation: if is_tensor { 0 } else { u32::from(byte(input) % 10) },
        channels: if usual { 3 } else { number(input) as u32 },
        reserved: u32::from(byte(input) == 255),
    };
    // SAFETY: repr(C) with its size first, declared in the C API to have no padding; so are those below.
    unsafe { lent.versioned(input, value) }
}

fn options(input: &mut Unstructured<'_>, lent: &mut Lent) -> *const scorecam_explain_options {
    if byte(input) == 255 {
        return ptr::null();
    }
    let pairs: Vec<_> = (0..byte(input) % 4)
        .map(|_| scorecam_option { name: lent.text(input, NAMES), value: lent.text(input, VALUES) })
        .collect();
    // Mostly few and known; now and then very many, since a map is made for each.
    let count = if byte(input) == 255 { 1 << 20 } else { usize::from(byte(input) % 4) };
    let first = number(input);
    let classes: Vec<u64> = (0..count as u64).map(|i| first.wrapping_add(i) % 5).collect();
    // SAFETY: neither options nor numbers have padding.
    let words: Vec<*const c_char> =
        (0..byte(input) / 128).map(|_| lent.text(input, TARGETS)).filter(|word| !word.is_null()).collect();
    // SAFETY: pointers have no padding.
    let first_target = unsafe { lent.array(&words) };
    // SAFETY: neither options nor numbers have padding.
    let (first, first_class) = unsafe { (lent.array(&pairs), lent.array(&classes)) };
    let (has_pairs, has_classes) = (!pairs.is_empty(), !classes.is_empty());
    let reference = if byte(input) % 4 == 3 { image(input, lent) } else { ptr::null() };
    let value = scorecam_explain_options {
        struct_size: 0,
        jobs: u32::from(byte(input) / 100),
        method: lent.text(input, METHODS),
        preset: lent.text(input, PRESETS),
        options: first,
        option_count: claimed(input, pairs.len(), has_pairs),
        classes: first_class,
        class_count: claimed(input, classes.len(), has_classes),
        top_k: if has_classes { u64::from(byte(input) / 250) } else { number(input) },
        layer: lent.text(input, LAYERS),
        fuse: lent.text(input, FUSES),
        augment: u64::from(byte(input) / 100),
        batch_size: number(input),
        reference,
        previous: ptr::null(),
        progress: if byte(input).is_multiple_of(2) { None } else { Some(tell) },
        user_data: ptr::without_provenance_mut(usize::from(byte(input))),
        targets: first_target,
        target_count: words.len() as u64,
        min_score: f64::from(byte(input)) / 200.0,
        time_limit: 0.0,
    };
    // SAFETY: as above.
    unsafe { lent.versioned(input, value) }
}

/// The length of an array as a caller says it: the true one, or with NULL any other.
fn claimed(input: &mut Unstructured<'_>, length: usize, is_there: bool) -> u64 {
    if is_there || byte(input) < 250 { length as u64 } else { number(input) }
}

/// Cancels after as many passes as `user_data` says, at once when it says 0.
unsafe extern "C" fn tell(passes: u64, _expected: u64, user_data: *mut c_void) -> i32 {
    i32::from(passes >= user_data.addr() as u64)
}

fn read(explanation: *const scorecam_explanation) {
    // SAFETY: integers and pointers, for which zeros are values.
    let mut info: scorecam_explanation_info = unsafe { std::mem::zeroed() };
    info.struct_size = size_of::<scorecam_explanation_info>() as u32;
    // SAFETY: all results have a place; maps and strings live until the explanation is freed.
    unsafe {
        assert_eq!(scorecam_explanation_describe(&raw mut info, explanation), SCORECAM_OK);
        assert!(info.target_count > 0 && info.passes > 0 && CStr::from_ptr(info.layer) == c"maps");
        for index in 0..info.target_count {
            let (mut data, mut height, mut width) = (ptr::null(), 0, 0);
            let status =
                scorecam_explanation_map(&raw mut data, &raw mut height, &raw mut width, explanation, index);
            assert_eq!(status, SCORECAM_OK);
            let map = std::slice::from_raw_parts(data, (height * width) as usize);
            assert!(!map.is_empty() && map.iter().all(|v| v.is_finite()), "a map of {height} x {width}");
            let status = scorecam_explanation_errors(
                &raw mut data,
                &raw mut height,
                &raw mut width,
                explanation,
                index,
            );
            assert_eq!(status, scorecam_plugin::abi::SCORECAM_ERR_UNSUPPORTED);
        }
        for index in 0..info.warning_count {
            let mut warning = ptr::null();
            assert_eq!(scorecam_explanation_warning(&raw mut warning, explanation, index), SCORECAM_OK);
            assert!(!CStr::from_ptr(warning).is_empty());
        }
        for index in 0..info.measure_count {
            let (mut name, mut value) = (ptr::null(), f64::NAN);
            let (to, number) = (&raw mut name, &raw mut value);
            assert_eq!(scorecam_explanation_measure(to, number, explanation, index), SCORECAM_OK);
            assert!(!CStr::from_ptr(name).is_empty() && value.is_finite(), "measure {index} is {value}");
        }
    }
}

fn draw(
    explanation: *const scorecam_explanation,
    photo: *const scorecam_image,
    input: &mut Unstructured<'_>,
    lent: &mut Lent,
) {
    let size = usize::from(byte(input)) * 4;
    let out = lent.block(vec![0; size]);
    let value = scorecam_overlay_options {
        struct_size: 0,
        opacity: f32::from_bits(input.arbitrary().unwrap_or(0x3f00_0000)),
        target: u64::from(byte(input) / 128),
        colormap: lent.text(input, COLORMAPS),
        row_stride: if byte(input) < 200 { 0 } else { number(input) },
    };
    // SAFETY: as above.
    let options = unsafe { lent.versioned(input, value) };
    // SAFETY: `out` leads to `size` bytes; the rest is as in `check`.
    succeeded(unsafe { scorecam_explanation_overlay(out, size, explanation, photo, options) });
}

/// Boxes lie in the photo or the input, and shares of a map between 0 and 1.
fn locate(
    explanation: *const scorecam_explanation,
    mask: *const scorecam_image,
    input: &mut Unstructured<'_>,
    lent: &mut Lent,
) {
    let options = scorecam_box_options {
        struct_size: 0,
        areas: u32::from(byte(input) / 100),
        threshold: f64::from_bits(input.arbitrary().unwrap_or(0x3fe0_0000_0000_0000)),
    };
    let nothing = || scorecam_box { rect: [0.0; 4], energy: 0.0 };
    let capacity = usize::from(byte(input) / 16);
    let mut found: Vec<scorecam_box> = (0..capacity).map(|_| nothing()).collect();
    let to = found.as_mut_ptr();
    // SAFETY: as above.
    let options = unsafe { lent.versioned(input, options) };
    let (mut count, index) = (0, u64::from(byte(input) / 200));
    // SAFETY: `to` leads to `capacity` boxes; the rest is as in `check`.
    let status = unsafe {
        scorecam_explanation_boxes(to, capacity as u64, &raw mut count, explanation, index, options)
    };
    if succeeded(status) {
        for found in found.iter().take(count as usize) {
            let [x0, y0, x1, y1] = found.rect;
            assert!(x0 >= 0.0 && x0 < x1 && y0 >= 0.0 && y0 < y1, "a box of {:?}", found.rect);
            assert!((0.0..=1.0 + 1e-9).contains(&found.energy), "{} of the map", found.energy);
        }
    }
    let mut edge = || f64::from(byte(input)) / 4.0 - 8.0;
    let part = scorecam_box { rect: [edge(), edge(), edge(), edge()], energy: f64::NAN };
    let is_mask = byte(input) > 200;
    let region = scorecam_region {
        struct_size: 0,
        reserved: u32::from(byte(input) > 250),
        boxes: if is_mask { ptr::null() } else { &raw const part },
        box_count: u64::from(!is_mask),
        mask: if is_mask { mask } else { ptr::null() },
    };
    // SAFETY: plain numbers, for which zeros are values.
    let mut evidence: scorecam_evidence = unsafe { std::mem::zeroed() };
    evidence.struct_size = size_of::<scorecam_evidence>() as u32;
    // SAFETY: as above.
    let status = unsafe {
        let region = lent.versioned(input, region);
        scorecam_explanation_region(&raw mut evidence, explanation, index, region)
    };
    if succeeded(status) {
        let scorecam_evidence { energy, share, lift, rank_accuracy, roc_area, .. } = evidence;
        assert!(share > 0.0 && share <= 1.0 && lift.is_finite() && lift >= 0.0, "lift {lift} on {share}");
        let shares = [energy, rank_accuracy, roc_area];
        assert!(shares.iter().all(|share| (0.0..=1.0 + 1e-9).contains(share)), "{shares:?}");
    } else {
        assert_eq!(evidence.share, 0.0, "a failed call wrote its result");
    }
}

/// What is filled in the caller's structs stays within the size that they say.
fn describe(input: &mut Unstructured<'_>, lent: &mut Lent) {
    let (host, model) = (HANDLES.0 as *const scorecam_host, HANDLES.1 as *const scorecam_model);
    // SAFETY: plain integers and pointers, for which zeros are values.
    let (layer, plugin): (scorecam_layer_info, scorecam_plugin_info) = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let info: scorecam_model_info = unsafe { std::mem::zeroed() };
    // SAFETY: each struct has as many bytes as it says.
    unsafe {
        let (layer, plugin) = (lent.versioned(input, layer), lent.versioned(input, plugin));
        let index = number(input) / 64;
        succeeded(scorecam_model_layer(layer, model, index));
        succeeded(scorecam_host_plugin(plugin, host, index));
        succeeded(scorecam_model_describe(lent.versioned(input, info), model));
        let mut class = 0;
        let text = lent.text(input, VALUES);
        succeeded(scorecam_model_find_class(&raw mut class, model, text));
    }
}
