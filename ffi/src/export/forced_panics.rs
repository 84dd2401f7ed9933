//! A panic inside the guard of every exported function: what C gets instead of it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::ptr::{null, null_mut};

use ::scorecam::abi;

use crate::classify::*;
use crate::explanation::*;
use crate::host::*;
use crate::located::*;
use crate::many::*;
use crate::model::*;
use crate::overlay::*;
use crate::version::*;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

/// Panics when this thread is to panic.
pub(super) fn strike() {
    if ARMED.get() {
        panic!("forced");
    }
}

/// What `call` gives with a panic in its guard.
fn struck<T>(call: impl FnOnce() -> T) -> T {
    ARMED.set(true);
    let got = call();
    ARMED.set(false);
    got
}

/// Calls that return a status, by name. The arguments are never looked at.
type StatusCall = (&'static str, fn() -> i32);

macro_rules! statuses {
    ($($function:ident($($argument:expr),*)),+ $(,)?) => {
        // SAFETY: every pointer is NULL, which each function refuses, if it were to look at it at all.
        [$((stringify!($function), || { #[allow(unused_unsafe)] unsafe { $function($($argument),*) } })),+]
    };
}

const STATUS_CALLS: [StatusCall; 30] = statuses![
    scorecam_host_create(null_mut()),
    scorecam_host_free(null_mut()),
    scorecam_host_load_plugin(null(), null()),
    scorecam_host_add_plugin(null(), null()),
    scorecam_host_method(null_mut(), null(), null()),
    scorecam_host_plugin_count(null_mut(), null()),
    scorecam_host_plugin(null_mut(), null(), 0),
    scorecam_model_load(null_mut(), null(), null(), null()),
    scorecam_model_from_backend(null_mut(), null(), null(), null_mut(), null()),
    scorecam_model_free(null_mut()),
    scorecam_model_describe(null_mut(), null()),
    scorecam_model_layer(null_mut(), null(), 0),
    scorecam_model_find_class(null_mut(), null(), null()),
    scorecam_model_label(null_mut(), null(), 0),
    scorecam_explain(null_mut(), null(), null(), null()),
    scorecam_explanation_free(null_mut()),
    scorecam_explain_many(null(), null(), 0, null(), None, null_mut()),
    scorecam_classify(null_mut(), null_mut(), 0, null_mut(), null(), null()),
    scorecam_log_to(None, 0, null_mut()),
    scorecam_explanation_describe(null_mut(), null()),
    scorecam_explanation_placement(null_mut(), null()),
    scorecam_explanation_photo_map(null_mut(), 0, null(), 0, 0, 0),
    scorecam_explanation_map(null_mut(), null_mut(), null_mut(), null(), 0),
    scorecam_explanation_errors(null_mut(), null_mut(), null_mut(), null(), 0),
    scorecam_explanation_target(null_mut(), null(), 0),
    scorecam_explanation_warning(null_mut(), null(), 0),
    scorecam_explanation_measure(null_mut(), null_mut(), null(), 0),
    scorecam_explanation_overlay(null_mut(), 0, null(), null(), null()),
    scorecam_explanation_boxes(null_mut(), 0, null_mut(), null(), 0, null()),
    scorecam_explanation_region(null_mut(), null(), 0, null()),
];

/// Calls that return a text, and an empty one after a panic.
type TextCall = (&'static str, fn() -> *const c_char);

const TEXT_CALLS: [TextCall; 3] = [
    ("scorecam_version", || scorecam_version()),
    ("scorecam_last_error", || scorecam_last_error()),
    ("scorecam_status_name", || scorecam_status_name(0)),
];

fn text(text: *const c_char) -> String {
    assert!(!text.is_null());
    // SAFETY: not NULL, and a string of this library that no call has changed since.
    unsafe { CStr::from_ptr(text) }.to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_panic_in_any_exported_function_is_a_status_or_the_empty_value() {
    // What the message was before is told apart from what the panic leaves.
    for (name, call) in STATUS_CALLS {
        super::status(|| Err(super::Failure::invalid("an older failure")));
        assert_eq!(struck(call), abi::SCORECAM_ERR_INTERNAL, "{name}");
        assert_eq!(text(scorecam_last_error()), "panic in scorecam: forced; please report it", "{name}");
    }
    for (name, call) in TEXT_CALLS {
        assert_eq!(text(struck(call)), "", "{name}");
    }
    assert_eq!(struck(|| scorecam_abi_version()), 0);
    assert_eq!(scorecam_abi_version(), abi::SCORECAM_ABI_VERSION, "the library lives on");
}

#[test]
fn every_function_of_the_header_was_struck() {
    let header = concat!(env!("CARGO_MANIFEST_DIR"), "/../include/scorecam.h");
    let header = std::fs::read_to_string(header).expect("the header");
    let declared: BTreeSet<&str> = header
        .lines()
        .filter(|line| {
            line.contains("scorecam_status scorecam_")
                || line.starts_with("const ")
                || line.starts_with("uint")
        })
        .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
        .collect();
    let struck: BTreeSet<&str> = STATUS_CALLS
        .iter()
        .map(|(name, _)| *name)
        .chain(TEXT_CALLS.iter().map(|(name, _)| *name))
        .chain(["scorecam_abi_version"])
        .collect();
    assert_eq!(struck, declared);
}
