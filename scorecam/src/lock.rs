//! [`Lock`]: the lock of a table that threads share.
//!
//! The tables of this workspace that outlive a call (opened libraries, a host's register, handles) are generic over
//! their lock. The library uses std's; the unit tests use loom's, which runs the same code in every possible
//! interleaving.

use std::sync::{PoisonError, RwLock};

/// A lock around a `T`, for many readers or one writer.
pub trait Lock<T> {
    /// Runs `look` with shared access to the value.
    fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R;

    /// Runs `change` with exclusive access to the value. A panic in it must leave the value consistent, because later
    /// calls continue with it.
    fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R;
}

impl<T> Lock<T> for RwLock<T> {
    fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&self.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut self.write().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
pub(crate) mod models {
    /// loom's lock, for tests inside `loom::model`.
    #[derive(Default)]
    pub(crate) struct LoomLock<T>(loom::sync::RwLock<T>);

    impl<T> super::Lock<T> for LoomLock<T> {
        fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
            look(&self.0.read().expect("a model that panics has failed"))
        }

        fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
            change(&mut self.0.write().expect("a model that panics has failed"))
        }
    }
}
