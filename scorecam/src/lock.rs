//! [`Lock`]: what guards a table that threads share.
//!
//! The tables of this workspace that live longer than a call (opened libraries, a host's register, handles)
//! are generic over their lock. It is std's in the library; in the unit tests it is loom's, which runs the
//! same code through every order in which threads can meet.

use std::sync::{PoisonError, RwLock};

/// A lock around a `T`, to be looked into by many or changed by one.
pub trait Lock<T> {
    /// Runs `look` while nobody changes the value.
    fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R;

    /// Runs `change` while nobody else sees the value. A panic in it must leave the value whole, because
    /// later calls go on with it.
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
