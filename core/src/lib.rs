//! The core of scorecam: the traits of models and methods, and the pipeline that explains a model's decision by a
//! method.
//!
//! Start with [`ModelBackend`] (a loaded model) and [`CamMethod`] (an explanation algorithm). [`explain`] applies a
//! method to a model on one preprocessed image, [`explain_many`] on many that share batches; [`image`] preprocesses
//! photos and draws the result. [`methods`] holds the built-in algorithms: Score-CAM, Grad-CAM and related methods.
//!
//! Tensors are dense f32, images [N, C, H, W]. This crate reads no files, uses no clock, prints nothing and loads no
//! libraries; its callers do. The only thread that it starts makes masked images while the model runs, and ends before
//! the call that started it.
#![forbid(unsafe_code)]

#[macro_use]
mod error;
#[macro_use]
mod names;

mod ask;
mod backend;
mod bake;
mod classify;
mod driver;
pub mod evaluation;
mod explain;
mod filters;
mod flat;
pub mod image;
mod loader;
mod masked_batches;
mod masking;
mod method;
pub mod methods;
mod noise;
mod passes;
mod progress;
mod scores;
mod study;
pub mod target;
mod tensor;
mod upsample;
mod view;
mod weights;

pub use ask::{Ask, Learned, MaskedImages};
pub use backend::{
    Abilities, BatchRule, ElementType, InputInfo, Inputs, LayerInfo, MAX_RANK, ModelBackend, ModelInfo,
    NamedTensor, OutputActivation, OutputInfo,
};
pub use bake::Bake;
pub use classify::{ClassScores, classify};
pub use error::{Error, ErrorKind, Result, printable};
pub use explain::{Explained, Explanation, Request, explain, explain_many, run_method};
pub use loader::{BackendLoader, Layout, ModelConfig, Readiness, layer_names};
pub use masking::{Cut, EachBatch, MaskedRequest, MaskedScores, Passed, RunBatch, hand_over_batch};
pub use method::{
    CamMethod, MethodInfo, MethodOutput, OptionKind, OptionSpec, Options, Preset, Work, repeated,
};
pub use noise::{Draws, noise};
pub use progress::{Progress, Report, Stage, TimeUp};
pub use scores::{ClassScore, class_score};
pub use study::{Base, Masks, Study, StudyContext};
pub use target::Targets;
pub use tensor::{Tensor, TensorView, element_count};
pub use upsample::{Upsample, Upsampler};
pub use view::{
    Candidate, Channels, Form, Forward, IsRegression, Looks, MapView, Meaning, ModelView, Order, Rows,
    Tokens, ViewInfo, ViewOptions, ViewedModel, choose_output, fits, written,
};
pub use weights::{RandomWeights, WeightDraw, WeightRole};
