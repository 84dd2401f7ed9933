//! [`SharedBatches`]: masks of several explain calls in one batch of the model.
//!
//! A model is fastest with full batches, but a call rarely has masks for full ones only: few live masks, a method
//! that asks for eight at a time, an export that fixes the batch. Here calls that run at once, each on a thread of
//! its own, fill each other's batches. The caller starts the threads; each works in a [`Lane`], which hands out one
//! [`Turn`] after the other; a turn is the model for one explain call. Methods and studies know nothing of this.
//!
//! **The rule.** Calls have an order. The first that has not ended leads. It runs its masks in full batches, and
//! fills up its last one with masks of the next calls: at most as many as there are other lanes, in order, from the
//! front of what each has asked for. It waits until each of them, as long as there is room, has asked for something
//! or ended. Only the leader's masks start a batch. When it ends, the next call leads.
//!
//! **Why equal runs make equal batches.** What a call asks for next depends on its input and on the scores that it
//! has got, never on the time. A leader looks at another call only when that has asked or ended, and which of both
//! it will be is certain beforehand. So, from one batch to the next, the contents of all batches follow from the
//! inputs, their order and the number of lanes. (A leader that finds itself the last hands all that it has to the
//! model in one request instead of two; the batches are the same.)
//!
//! **Why nobody waits for ever.** A leader waits only for calls that lanes are at work on, or are free to begin:
//! there are never more of them than lanes, and a lane has one call at a time. Such a call goes on by itself until
//! it asks for masked scores or ends, since its other passes go straight to the model, one at a time. All others
//! wait for a leader, and a call that ends, in whichever way, leaves the lead to the next.
//!
//! **Whose error it is.** Where a shared batch fails, its leader runs its own masks once more without the others, so
//! that it reports an error of its own or none; the others share no batch from then on and learn theirs alone.

mod call;
#[cfg(test)]
mod interleavings;
mod queue;

#[cfg(not(test))]
use std::sync::{Condvar, Mutex, MutexGuard};
use std::sync::{PoisonError, TryLockError};

// loom runs the same code through every order in which threads can meet.
#[cfg(test)]
use loom::sync::{Condvar, Mutex, MutexGuard};

use self::call::Call;
use self::queue::{Kind, Queue};
use crate::explain::batch_size;
use crate::{BatchRule, Forward, MaskedScores, ModelBackend, ModelInfo, Result, Tensor, TensorView};

/// A model whose batches are shared by several explain calls at once.
///
/// ```
/// # use scorecam_core::{explain, CamMethod, ModelBackend, Request, SharedBatches};
/// # fn all(model: &dyn ModelBackend, method: &dyn CamMethod, requests: &[Request<'_>]) -> scorecam_core::Result<()> {
/// let shared = SharedBatches::new(model, requests.len(), None)?;
/// std::thread::scope(|scope| {
///     for mut lane in shared.lanes(2) {
///         scope.spawn(move || {
///             while let Some(turn) = lane.next_turn() {
///                 let found = explain(&turn, method, &requests[turn.position()]);
///                 drop(turn); // before anything else is done with what was found
///                 # drop(found);
///             }
///         });
///     }
/// });
/// # Ok(())
/// # }
/// ```
pub struct SharedBatches<'a> {
    model: &'a dyn ModelBackend,
    batch_size: usize,
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Held by each pass that is not of masked images. So there are two batches in memory at most, the leader's and this
    /// one, instead of one a lane. Masked passes that cannot be shared are not held up by it: they call back.
    other_pass: Mutex<()>,
}

impl<'a> SharedBatches<'a> {
    /// For so many explain calls on `model`, all with this batch size (see [`crate::Request::batch_size`]); an error
    /// where the size is not one that a request may have.
    pub fn new(model: &'a dyn ModelBackend, calls: usize, batch_size: Option<usize>) -> Result<Self> {
        let batch_size = self::batch_size(model, batch_size)?;
        Ok(Self {
            model,
            batch_size,
            queue: Mutex::new(Queue::new(calls)),
            changed: Condvar::new(),
            other_pass: Mutex::new(()),
        })
    }

    /// So many lanes, one for each thread. Calls are shared among those that exist before the first turn begins;
    /// each must be worked in until it has no more turns, or dropped.
    pub fn lanes(&self, count: usize) -> Vec<Lane<'_>> {
        self.change(|queue| queue.lanes += count);
        (0..count).map(|_| Lane { shared: self }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code but the queue's own runs while it is locked, and that leaves it whole.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Queue) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_all();
        changed
    }

    fn wait<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the model when no other pass that shares nothing runs.
    fn pass<T>(&self, run: impl FnOnce(&dyn ModelBackend) -> Result<T>) -> Result<T> {
        // A pass that panicked left nothing behind.
        let _alone = self.other_pass.lock().unwrap_or_else(PoisonError::into_inner);
        run(self.model)
    }

    /// The size of the batches that `masks` are to be run in.
    fn batch_for(&self, masks: usize) -> usize {
        match self.model.info().batch {
            BatchRule::Fixed(size) => size,
            BatchRule::Any { .. } => self.batch_size.min(masks),
        }
    }

    /// What a request must have in common with another to share a batch; none where it cannot share any, because it
    /// is for several images already or wants batches of another size.
    fn kind(&self, request: &MaskedScores<'_>) -> Result<Option<Kind>> {
        let ([_, c, height, width], [count, h, w]) = request.dims()?;
        let usual = request.image_of_mask.is_empty() && request.batch_size == self.batch_for(count);
        let kind = Kind {
            image: [c, height, width],
            mask: [h, w],
            upsample: request.upsample,
            fill: request.fill.is_some(),
        };
        // Masks of no cell are refused by the model, which gets them alone.
        Ok((usual && count > 0 && h * w > 0).then_some(kind))
    }
}

/// Where explain calls are worked through one after the other, on one thread. That thread must never wait for
/// another lane, or the call that is due in this one is waited for in turn.
pub struct Lane<'s> {
    shared: &'s SharedBatches<'s>,
}

impl Lane<'_> {
    /// The next call that no lane has begun yet; none when all have.
    pub fn next_turn(&mut self) -> Option<Turn<'_>> {
        let position = self.shared.change(Queue::begin)?;
        Some(Turn { shared: self.shared, position, sharing: Mutex::new(()) })
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.shared.change(|queue| queue.lanes -= 1);
    }
}

/// The model as one explain call sees it. To be dropped as soon as the call is over: until then others may wait for
/// its next masks.
///
/// While masked scores wait for another call's batches, the request's `on_batch` is called with 0 now and then, so
/// that it can be cancelled there, too.
pub struct Turn<'l> {
    shared: &'l SharedBatches<'l>,
    position: usize,
    /// Held by the request that shares. A method with threads of its own may make others meanwhile.
    sharing: Mutex<()>,
}

impl Turn<'_> {
    /// Which call it is, counted from 0.
    pub fn position(&self) -> usize {
        self.position
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.shared.change(|queue| queue.end(self.position));
    }
}

impl ModelBackend for Turn<'_> {
    fn info(&self) -> &ModelInfo {
        self.shared.model.info()
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        self.shared.pass(|model| model.forward(batch, taps))
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        let Some(kind) = self.shared.kind(request)? else {
            return self.shared.model.masked_scores(request);
        };
        let _sharing = match self.sharing.try_lock() {
            Ok(sharing) => sharing,
            // A request that panicked left nothing behind.
            Err(TryLockError::Poisoned(sharing)) => sharing.into_inner(),
            Err(TryLockError::WouldBlock) => return self.shared.model.masked_scores(request),
        };
        Call::new(self, request, kind).scores()
    }

    fn run_from(&self, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        self.shared.pass(|model| model.run_from(layer, activations))
    }

    fn run_from_image(
        &self,
        image: TensorView<'_>,
        layer: &str,
        activations: TensorView<'_>,
    ) -> Result<Tensor> {
        self.shared.pass(|model| model.run_from_image(image, layer, activations))
    }

    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        self.shared.pass(|model| model.gradients(batch, layer, class))
    }

    fn remarks(&self) -> Vec<String> {
        self.shared.model.remarks()
    }
}
