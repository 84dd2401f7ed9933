//! What a model's tensors mean: the one place between backends and methods that knows.
//!
//! Backends give raw tensors: tokens, channels-last maps, one logit. Methods work on maps [N, K, h, w] and class scores
//! [N, classes]. [`ModelView`] stands between them and turns the ones into the others, both ways: [`form`] knows the
//! forms of layers, [`layers`] puts them on a model's list, [`output`] knows the forms of outputs. What a backend does not know of a layer is found out by [`trial`]
//! passes when the model is loaded, whose answers [`probe`] reads; where they give no clear answer, a layer stays
//! unknown until the caller says what it is.

mod description;
mod form;
mod layers;
mod model;
mod output;
mod probe;
mod targeted;
#[cfg(test)]
mod tests;
mod trial;
mod viewed;

pub use form::{Channels, Form, MapView, Meaning, Order, Tokens};
pub use model::{ModelView, ViewOptions};
pub use output::{Candidate, IsRegression, Looks, choose_output, fits, written};
pub use viewed::{Forward, Rows, ViewInfo, ViewedModel};
