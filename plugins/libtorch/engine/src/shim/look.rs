//! What can be seen of a model before any program is made: what its graph tells of the results of calls, and which outputs
//! there are to choose from.

use std::ffi::{CStr, c_char, c_int, c_void};

use scorecam_plugin::Result;
use tch::Tensor;
use torch_sys::C_tensor;

use super::{Module, RawError, RawModule, checked};

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawTraits {
    axes: c_int,
    makes_scores: c_int,
    has_weights: c_int,
    family: usize,
}

#[repr(C)]
struct RawOutput {
    name: *const c_char,
    element: *const c_char,
    is_float: c_int,
    lengths: *const i64,
    rank: i64,
}

unsafe extern "C" {
    fn sct_read_traits(
        model: *const RawModule,
        channels_last: c_int,
        traits: *mut RawTraits,
        error: *mut RawError,
    ) -> c_int;
    fn sct_gives_several(model: *const RawModule) -> c_int;
    fn sct_list_outputs(
        model: *const RawModule,
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
    /// Whether the scores are made out of it.
    pub(crate) makes_scores: bool,
    /// Whether the module has weights of its own.
    pub(crate) has_weights: bool,
    /// Results of one family have the same axes, but for the length of the last.
    pub(crate) family: usize,
}

/// One of the outputs of a model that returns several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) name: String,
    /// The type of its elements ("f32"), or what it is where it is no tensor.
    pub(crate) element: String,
    /// Whether it is a tensor of floating-point numbers.
    pub(crate) is_float: bool,
    /// The lengths of its axes; `None` where it is no tensor.
    pub(crate) shape: Option<Vec<usize>>,
}

impl Module {
    /// The traits of each of [`Self::calls`], of a model whose images are [N, H, W, C] where `channels_last`, else
    /// [N, C, H, W].
    pub(crate) fn traits(&self, channels_last: bool) -> Result<Vec<Traits>> {
        let mut raw = vec![RawTraits::default(); self.call_count()];
        // SAFETY: the model is alive, and there is a place for the traits of each call.
        checked(|error| unsafe {
            sct_read_traits(self.0.as_ptr(), c_int::from(channels_last), raw.as_mut_ptr(), error)
        })?;
        let traits = |raw: RawTraits| Traits {
            axes: match raw.axes {
                1 => Axes::ChannelsFirst,
                2 => Axes::ChannelsLast,
                3 => Axes::NoMap,
                _ => Axes::Unknown,
            },
            makes_scores: raw.makes_scores != 0,
            has_weights: raw.has_weights != 0,
            family: raw.family,
        };
        Ok(raw.into_iter().map(traits).collect())
    }

    /// Whether the model returns several outputs and none was chosen when it was opened.
    pub(crate) fn gives_several(&self) -> bool {
        // SAFETY: the model is alive.
        unsafe { sct_gives_several(self.0.as_ptr()) != 0 }
    }

    /// The outputs of such a model, by a pass on `input`.
    pub(crate) fn outputs(&self, input: &Tensor) -> Result<Vec<Output>> {
        let mut outputs: Vec<Output> = Vec::new();
        let context = (&raw mut outputs).cast();
        // SAFETY: model and tensor are alive; `take` is given the list that it expects, which lives through the call.
        checked(|error| unsafe { sct_list_outputs(self.0.as_ptr(), input.as_ptr(), take, context, error) })?;
        Ok(outputs)
    }
}

/// Adds an output to the list that `context` is.
unsafe extern "C" fn take(context: *mut c_void, output: *const RawOutput) {
    // SAFETY: the list that `Module::outputs` passes, which nothing else uses meanwhile, and an output that lives through
    // the visit.
    let (outputs, raw) = unsafe { (&mut *context.cast::<Vec<Output>>(), &*output) };
    let text = |text: *const c_char| {
        // SAFETY: a string that ends with NUL.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    };
    let shape = usize::try_from(raw.rank).ok().map(|rank| {
        // SAFETY: there is a length for each axis.
        let lengths = (0..rank).map(|axis| unsafe { *raw.lengths.add(axis) });
        lengths.map(|length| usize::try_from(length).unwrap_or(0)).collect()
    });
    let (name, element) = (text(raw.name), text(raw.element));
    outputs.push(Output { name, element, is_float: raw.is_float != 0, shape });
}
