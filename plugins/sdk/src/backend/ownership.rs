//! [`Ownership`]: who releases a model.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a model is released when its [`super::ImportedModel`] is dropped.
#[derive(Clone)]
pub struct Ownership(Arc<AtomicBool>);

impl Ownership {
    pub(super) fn new(is_ours: bool) -> Self {
        Self(Arc::new(AtomicBool::new(is_ours)))
    }

    pub(super) fn is_ours(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// From now on the model is released.
    pub fn take_over(self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
