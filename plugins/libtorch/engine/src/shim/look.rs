//! What can be seen of a model before any program is made: which outputs it has, and what its graph tells of them and of the
//! results of calls.

use std::ffi::{CStr, c_char, c_int, c_void};

use scorecam_plugin::{ElementType, OutputActivation, Result};
use tch::Tensor;
use torch_sys::C_tensor;

use super::{Module, RawError, RawModule, checked};

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawTraits {
    axes: c_int,
    makes_outputs: c_int,
    has_weights: c_int,
    family: usize,
}

#[repr(C)]
struct RawOutput {
    name: *const c_char,
    other: *const c_char,
    code: u8,
    bits: u8,
    lengths: *const i64,
    rank: usize,
}

unsafe extern "C" {
    fn sct_output_kind(model: *const RawModule, output: usize) -> c_int;
    fn sct_read_traits(
        model: *const RawModule,
        channels_last: c_int,
        outputs: *const usize,
        output_count: usize,
        traits: *mut RawTraits,
        error: *mut RawError,
    ) -> c_int;
    fn sct_find_outputs(
        model: *mut RawModule,
        input: *const C_tensor,
        visit: unsafe extern "C" fn(*mut c_void, *const RawOutput),
        context: *mut c_void,
        error: *mut RawError,
    ) -> c_int;
}

/// What the axes of a result are, where it has four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axes {
    Unknown,
    ChannelsFirst,
    ChannelsLast,
    /// Attention scores and the like.
    NoMap,
}

/// What the graph tells of a call's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) axes: Axes,
    /// Whether the outputs in question are made out of it.
    pub(crate) makes_outputs: bool,
    /// Whether the module has weights of its own.
    pub(crate) has_weights: bool,
    /// Results of one family have the same axes, but for the length of the last.
    pub(crate) family: usize,
}

/// One of the values that a model returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) value: Returned,
}

/// What a pass gave for an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Returned {
    /// A tensor of numbers, and the lengths of its axes.
    Tensor(ElementType, Vec<usize>),
    /// Something else ("Int").
    Other(String),
}

impl Module {
    /// The outputs of the model, by a pass on `input`. From then on their places in this list are what programs are made
    /// for.
    pub(crate) fn find_outputs(&mut self, input: &Tensor) -> Result<Vec<Output>> {
        let mut outputs: Vec<Output> = Vec::new();
        let context = (&raw mut outputs).cast();
        // SAFETY: model and tensor are alive, and nobody else has the model; `take` is given the list that it expects,
        // which lives through the call.
        checked(|error| unsafe { sct_find_outputs(self.0.as_ptr(), input.as_ptr(), take, context, error) })?;
        Ok(outputs)
    }

    /// What the model applies to one of its outputs, as far as its graph tells.
    pub(crate) fn output_activation(&self, output: usize) -> OutputActivation {
        // SAFETY: the model is alive; a wrong place is found out.
        match unsafe { sct_output_kind(self.0.as_ptr(), output) } {
            1 => OutputActivation::None,
            2 => OutputActivation::Softmax,
            3 => OutputActivation::Sigmoid,
            4 => OutputActivation::UnitLength,
            _ => OutputActivation::Unknown,
        }
    }

    /// The traits of each of [`Self::calls`], of a model whose images are [N, H, W, C] where `channels_last`, else
    /// [N, C, H, W], and as far as `outputs` go.
    pub(crate) fn traits(&self, channels_last: bool, outputs: &[usize]) -> Result<Vec<Traits>> {
        let mut raw = vec![RawTraits::default(); self.call_count()];
        // SAFETY: the model and the list of outputs are alive, and there is a place for the traits of each call.
        checked(|error| unsafe {
            let (model, last) = (self.0.as_ptr(), c_int::from(channels_last));
            sct_read_traits(model, last, outputs.as_ptr(), outputs.len(), raw.as_mut_ptr(), error)
        })?;
        let traits = |raw: RawTraits| Traits {
            axes: match raw.axes {
                1 => Axes::ChannelsFirst,
                2 => Axes::ChannelsLast,
                3 => Axes::NoMap,
                _ => Axes::Unknown,
            },
            makes_outputs: raw.makes_outputs != 0,
            has_weights: raw.has_weights != 0,
            family: raw.family,
        };
        Ok(raw.into_iter().map(traits).collect())
    }
}

/// Adds an output to the list that `context` is.
unsafe extern "C" fn take(context: *mut c_void, output: *const RawOutput) {
    // SAFETY: the list that `Module::find_outputs` passes, which nothing else uses meanwhile, and an output that lives
    // through the visit.
    let (outputs, raw) = unsafe { (&mut *context.cast::<Vec<Output>>(), &*output) };
    let text = |text: *const c_char| {
        // SAFETY: a string that ends with NUL.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    };
    // SAFETY: there is a length for each axis.
    let length = |axis| usize::try_from(unsafe { *raw.lengths.add(axis) }).unwrap_or(0);
    let value = match raw.other.is_null() {
        true => Returned::Tensor(ElementType::new(raw.code, raw.bits), (0..raw.rank).map(length).collect()),
        false => Returned::Other(text(raw.other)),
    };
    outputs.push(Output { name: text(raw.name), value });
}
