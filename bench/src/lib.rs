//! What the programs that measure share: a model whose passes are timed, and what those move to a device and back.

mod timed;
mod traffic;

pub use timed::{Moved, Timed};
pub use traffic::Traffic;
