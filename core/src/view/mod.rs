//! The interpretation of a model's tensors, between backends and methods.
//!
//! Backends return raw tensors: tokens, channels-last maps, one logit. Methods work on maps [N, K, h, w] and class
//! scores [N, classes]. [`ModelView`] converts between them, both ways: [`form`] has the forms of layers, [`layers`]
//! applies them to a model's list, [`output`] has the forms of outputs. If a backend does not know the form of a layer,
//! [`trial`] passes determine it when the model is loaded, and [`probe`] interprets them; without a clear result, a
//! layer stays unknown until the caller specifies it.

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
