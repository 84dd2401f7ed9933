//! Backend `toy`: a tiny deterministic CNN in plain Rust, on which most tests of the workspace run.
//!
//! A model is a small TOML file, `name.toy`, whose keys ([`ToyFile`]) choose the network's shape and every
//! awkward thing a real model may do: flat, constant and equal activation maps, a fixed batch, a built-in
//! softmax, no spatial layer, NaN scores, failing or slow passes, abilities. Weights are a hash of the seed,
//! so a file of six lines is a whole model, and `tests/golden/toy.py` computes the same numbers in numpy.
//!
//! The network: conv1 (kernel = stride = one patch of the input) -> relu1 -> conv2 (3x3, four maps each)
//! -> features (ReLU) -> global average pool -> linear -> ending. Each image is computed on its own, in one
//! fixed order, on the calling thread, so scores do not depend on the batch by a single bit.

mod file;
mod loader;
mod masked;
mod model;
mod network;
mod weights;

pub use file::{Ability, Batch, Ending, ToyFile};
pub use loader::ToyLoader;
pub use model::ToyModel;

scorecam_plugin::export_plugin! {
    backend: ToyLoader,
}
