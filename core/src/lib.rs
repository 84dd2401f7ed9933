//! The heart of scorecam: what a model and a method are, and how one explains the other.
#![forbid(unsafe_code)]

mod backend;
mod error;
mod masking;
mod tensor;
mod upsample;

pub use backend::{
    Abilities, BackendLoader, BatchRule, Forward, LayerInfo, Layout, ModelBackend, ModelConfig, ModelInfo,
    OutputActivation, TensorInfo,
};
pub use error::{Error, ErrorKind, Result};
pub use masking::MaskedScores;
pub use tensor::{Tensor, TensorView, element_count};
pub use upsample::{Upsample, Upsampler};
