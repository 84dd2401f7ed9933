//! [`Call`]: one request for masked scores, worked off in batches that the call leads or rides in.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use super::queue::{Kind, Offer, Pictures, Rider};
use super::{SharedBatches, Turn};
use crate::tensor::{append, gathered, room_for};
use crate::{Error, MaskedScores, Result, Tensor, TensorView};

/// A request under way, on the thread that made it.
pub(super) struct Call<'c> {
    shared: &'c SharedBatches<'c>,
    position: usize,
    request: &'c MaskedScores<'c>,
    kind: Kind,
    /// The request's image for others, copied when it is first waited with.
    pictures: OnceCell<Arc<Pictures>>,
}

impl<'c> Call<'c> {
    pub(super) fn new(turn: &'c Turn<'c>, request: &'c MaskedScores<'c>, kind: Kind) -> Self {
        let Turn { shared, position, .. } = turn;
        Self { shared, position: *position, request, kind, pictures: OnceCell::new() }
    }

    /// The scores [M, classes] of all masks.
    pub(super) fn scores(&self) -> Result<Tensor> {
        let count = self.request.masks.shape()[0];
        let (mut scores, mut done) = (Vec::new(), 0);
        while done < count {
            let leads = self.shared.lock().leads(self.position);
            let some = if leads { Some(self.lead(done)?) } else { self.ride(done)? };
            // Who waited until it leads has got none.
            if let Some(some) = some {
                if done == 0 && some.shape()[0] == count {
                    return Ok(some);
                }
                append(&mut scores, some.data())?;
                done += some.shape()[0];
                if scores.len() != done * some.shape()[1] {
                    return Err(Error::model(
                        "the model returned scores of more classes in one batch than in another",
                    ));
                }
            }
        }
        Tensor::new([count, scores.len() / count], scores)
    }

    /// Scores of the next masks, as the leader: of all that fill batches, then of the rest along with others.
    fn lead(&self, done: usize) -> Result<Tensor> {
        let left = self.request.masks.shape()[0] - done;
        let size = self.shared.batch_size;
        let full = match self.shared.lock().is_last(self.position) {
            true => left,
            false => left / size * size,
        };
        if full > 0 {
            return self.run_own(done, full);
        }
        let company = self.company(size - left);
        if company.riders.is_empty() {
            return self.run_own(done, left);
        }
        match self.run_with(done, &company.riders) {
            Ok((own, others)) => {
                company.serve(others);
                (self.request.on_batch)(left)?;
                Ok(own)
            }
            Err(error) => {
                tracing::debug!(%error, "a shared batch failed; its calls go on alone");
                drop(company);
                self.run_own(done, left)
            }
        }
    }

    /// Waits for those who share the leader's batch.
    fn company(&self, room: usize) -> Company<'c> {
        let mut queue = self.shared.lock();
        loop {
            match queue.riders(self.position, &self.kind, room) {
                Some(riders) => return Company { shared: self.shared, riders },
                None => queue = self.shared.wait(queue),
            }
        }
    }

    /// Runs `count` masks of this call alone.
    fn run_own(&self, first: usize, count: usize) -> Result<Tensor> {
        let on_batch = |n| {
            self.shared.change(|queue| queue.batches += 1);
            (self.request.on_batch)(n)
        };
        let [h, w] = self.kind.mask;
        let shape = [count, h, w];
        let scores = self.shared.model.masked_scores(&MaskedScores {
            masks: TensorView::new(&shape, self.masks(first, count))?,
            batch_size: self.shared.batch_for(count),
            on_batch: &on_batch,
            ..*self.request
        })?;
        check_rows(&scores, count)?;
        Ok(scores)
    }

    /// Runs the last masks of this call and those of its riders as one batch: its own scores, and those of
    /// each rider.
    fn run_with(&self, first: usize, riders: &[Rider]) -> Result<(Tensor, Vec<Tensor>)> {
        let own = self.request.masks.shape()[0] - first;
        let counts: Vec<usize> = std::iter::once(own).chain(riders.iter().map(|r| r.masks)).collect();
        let total = counts.iter().sum();
        let ([c, height, width], [h, w]) = (self.kind.image, self.kind.mask);

        let mut masks = room_for(&[total, h, w])?;
        masks.extend_from_slice(self.masks(first, own));
        riders.iter().for_each(|r| masks.extend_from_slice(&r.offer.masks[..r.masks * h * w]));
        let images = [counts.len(), c, height, width];
        let stack = |own: TensorView<'_>, of: &dyn Fn(&Pictures) -> Option<&[f32]>| {
            let others = riders.iter().filter_map(|r| of(&r.offer.pictures));
            let all = std::iter::once(own.data()).chain(others);
            Tensor::new(images, gathered(&images, all.flatten().copied())?)
        };
        let pictures = stack(self.request.images, &|p| Some(&p.image))?;
        let fill = self.request.fill.map(|fill| stack(fill, &|p| p.fill.as_deref())).transpose()?;
        let owners = counts.iter().zip(0u32..);
        let owners: Vec<u32> = owners.flat_map(|(&n, i)| std::iter::repeat_n(i, n)).collect();

        let told = Cell::new(0usize);
        // Everyone is told of its own masks, on its own thread.
        let on_batch = |n| {
            told.set(told.get().saturating_add(n));
            Ok(())
        };
        let scores = self.shared.model.masked_scores(&MaskedScores {
            images: pictures.view(),
            fill: fill.as_ref().map(Tensor::view),
            masks: Tensor::new([total, h, w], masks)?.view(),
            image_of_mask: &owners,
            upsample: self.kind.upsample,
            batch_size: self.shared.batch_for(total),
            on_batch: &on_batch,
        })?;
        let classes = check_rows(&scores, total)?;
        if told.get() != total {
            let told = told.get();
            return Err(Error::plugin(format!(
                "the backend reported {told} masks by on_batch; it was given {total}"
            )));
        }
        let mut rest = scores.data();
        let mut part = |n: usize| {
            let (part, others) = rest.split_at(n * classes);
            rest = others;
            TensorView::new(&[n, classes], part)?.try_to_tensor()
        };
        let own = part(own)?;
        Ok((own, riders.iter().map(|r| part(r.masks)).collect::<Result<_>>()?))
    }

    /// Waits with the next masks until some of them are scored, or until this call leads: then there are none.
    fn ride(&self, done: usize) -> Result<Option<Tensor>> {
        let offer = self.offer(done)?;
        // Unlocks before it is dropped: what is declared later goes first.
        let _waiting = Waiting { shared: self.shared, position: self.position };
        self.shared.change(|queue| queue.offer(self.position, offer));
        let mut queue = self.shared.lock();
        let mut batches = queue.batches;
        loop {
            if let Some(scores) = queue.served(self.position) {
                drop(queue);
                (self.request.on_batch)(scores.shape()[0])?;
                return Ok(Some(scores));
            }
            if queue.leads(self.position) {
                return Ok(None);
            }
            if queue.batches != batches {
                batches = queue.batches;
                drop(queue);
                (self.request.on_batch)(0)?;
                queue = self.shared.lock();
            } else {
                queue = self.shared.wait(queue);
            }
        }
    }

    /// The next masks, no more than another's batch can have room for.
    fn offer(&self, done: usize) -> Result<Offer> {
        let left = self.request.masks.shape()[0] - done;
        let masks = self.masks(done, left.min(self.shared.batch_size - 1));
        let pictures = match self.pictures.get() {
            Some(pictures) => Arc::clone(pictures),
            None => {
                let copy = |t: TensorView<'_>| gathered(t.shape(), t.data().iter().copied());
                let fill = self.request.fill.map(copy).transpose()?;
                let pictures = Arc::new(Pictures { image: copy(self.request.images)?, fill });
                Arc::clone(self.pictures.get_or_init(|| pictures))
            }
        };
        Ok(Offer { kind: self.kind, pictures, masks: gathered(&[masks.len()], masks.iter().copied())? })
    }

    fn masks(&self, first: usize, count: usize) -> &'c [f32] {
        let [h, w] = self.kind.mask;
        &self.request.masks.data()[first * h * w..][..count * h * w]
    }
}

/// Those who share a batch. Who is not served gets back what it offered, also when the batch ends in a panic.
struct Company<'c> {
    shared: &'c SharedBatches<'c>,
    riders: Vec<Rider>,
}

impl Company<'_> {
    /// Hands each its scores.
    fn serve(mut self, scores: Vec<Tensor>) {
        let riders = std::mem::take(&mut self.riders);
        self.shared.change(|queue| {
            queue.batches += 1;
            riders.iter().zip(scores).for_each(|(rider, scores)| queue.serve(rider.position, scores));
        });
    }
}

impl Drop for Company<'_> {
    fn drop(&mut self) {
        let riders = std::mem::take(&mut self.riders);
        if !riders.is_empty() {
            self.shared.change(|queue| riders.into_iter().for_each(|rider| queue.put_back(rider)));
        }
    }
}

/// A call that waits. However it ends, nobody counts on its masks any more.
struct Waiting<'c> {
    shared: &'c SharedBatches<'c>,
    position: usize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.change(|queue| queue.leave(self.position));
    }
}

/// The number of classes of the scores of `items` masks.
fn check_rows(scores: &Tensor, items: usize) -> Result<usize> {
    match scores.shape() {
        [n, classes] if *n == items && *classes > 0 => Ok(*classes),
        shape => Err(Error::model(format!("the model returned scores of shape {shape:?} for {items} masks"))),
    }
}
