//! [`Queue`]: which calls there are, where each stands, and who shares the leader's next batch.
//!
//! Nothing here waits or locks: [`super::SharedBatches`] keeps the queue behind a lock, and asks again after each
//! change what cannot be answered yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{Tensor, Upsample};

/// All calls of a [`super::SharedBatches`].
pub(super) struct Queue {
    /// How many there are in all.
    calls: usize,
    /// How many have begun; they begin in order.
    begun: usize,
    /// Lanes that calls can begin in.
    pub(super) lanes: usize,
    /// Batches that leaders have run. Whoever waits sees by it that time goes by.
    pub(super) batches: u64,
    /// Those that have begun and not ended. The first of them leads.
    open: BTreeMap<usize, Place>,
}

#[derive(Default)]
struct Place {
    stand: Stand,
    /// Shares no batch any more, because one failed that it was part of.
    alone: bool,
}

/// What a call is doing.
#[derive(Default)]
enum Stand {
    /// Something of its own. It will ask or end.
    #[default]
    Away,
    /// It waits, with masks to share.
    Offers(Offer),
    /// Some of its masks are in the leader's batch.
    Rides,
    /// The scores of some of its masks are there.
    Served(Tensor),
}

/// The first masks of those that a call wants scores of.
pub(super) struct Offer {
    pub(super) kind: Kind,
    pub(super) pictures: Arc<Pictures>,
    /// One after the other.
    pub(super) masks: Vec<f32>,
}

/// What masks cover, and what shows where they do not: copies, since they outlive no request.
pub(super) struct Pictures {
    pub(super) image: Vec<f32>,
    pub(super) fill: Option<Vec<f32>>,
}

/// What masks in one request have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// [C, H, W].
    pub(super) image: [usize; 3],
    /// [h, w].
    pub(super) mask: [usize; 2],
    pub(super) upsample: Upsample,
    pub(super) fill: bool,
}

/// A call in another one's batch.
pub(super) struct Rider {
    pub(super) position: usize,
    pub(super) offer: Offer,
    /// How many of the masks on offer are in the batch.
    pub(super) masks: usize,
}

impl Offer {
    /// The number of masks.
    pub(super) fn count(&self) -> usize {
        self.masks.len() / (self.kind.mask[0] * self.kind.mask[1])
    }
}

impl Queue {
    pub(super) fn new(calls: usize) -> Self {
        Self { calls, begun: 0, lanes: 0, batches: 0, open: BTreeMap::new() }
    }

    /// The next call begins.
    pub(super) fn begin(&mut self) -> Option<usize> {
        let position = self.begun;
        (position < self.calls).then(|| {
            self.begun += 1;
            self.open.insert(position, Place::default());
            position
        })
    }

    pub(super) fn end(&mut self, position: usize) {
        self.open.remove(&position);
    }

    pub(super) fn leads(&self, position: usize) -> bool {
        self.open.keys().next() == Some(&position)
    }

    /// Whether no other call can share a batch with the one at `position`.
    pub(super) fn is_last(&self, position: usize) -> bool {
        let others = self.open.keys().any(|&p| p != position);
        !others && !self.begins_another()
    }

    /// Whether a lane is free and there is a call for it.
    fn begins_another(&self) -> bool {
        self.open.len() < self.lanes && self.begun < self.calls
    }

    /// The calls that share the leader's batch, which has masks of `kind` and room for `room` more. None while one of
    /// them has yet to ask for something or to end.
    pub(super) fn riders(&mut self, leader: usize, kind: &Kind, room: usize) -> Option<Vec<Rider>> {
        let chosen = self.chosen(leader, kind, room)?;
        let ride = |(position, masks)| {
            let place = self.open.get_mut(&position)?;
            match std::mem::replace(&mut place.stand, Stand::Rides) {
                Stand::Offers(offer) => Some(Rider { position, offer, masks }),
                other => {
                    place.stand = other;
                    None
                }
            }
        };
        Some(chosen.into_iter().filter_map(ride).collect())
    }

    /// Positions with the masks that each gives.
    fn chosen(&self, leader: usize, kind: &Kind, mut room: usize) -> Option<Vec<(usize, usize)>> {
        let mut chosen = Vec::new();
        if self.open.get(&leader).is_some_and(|place| place.alone) {
            return Some(chosen);
        }
        for (&position, place) in self.open.range(leader + 1..) {
            if room == 0 {
                return Some(chosen);
            }
            match &place.stand {
                Stand::Offers(offer) if offer.kind == *kind && !place.alone => {
                    let masks = offer.count().min(room);
                    room -= masks;
                    chosen.push((position, masks));
                }
                Stand::Offers(_) => {}
                Stand::Away | Stand::Rides | Stand::Served(_) => return None,
            }
        }
        (room == 0 || !self.begins_another()).then_some(chosen)
    }

    /// The call waits, with masks to share.
    pub(super) fn offer(&mut self, position: usize, offer: Offer) {
        self.stands(position, Stand::Offers(offer));
    }

    /// The call goes on by itself, whatever it waited for.
    pub(super) fn leave(&mut self, position: usize) {
        self.stands(position, Stand::Away);
    }

    /// The scores that the call waits for, once they are there.
    pub(super) fn served(&mut self, position: usize) -> Option<Tensor> {
        let place = self.open.get_mut(&position)?;
        match std::mem::take(&mut place.stand) {
            Stand::Served(scores) => Some(scores),
            other => {
                place.stand = other;
                None
            }
        }
    }

    /// Hands a rider the scores of its masks, unless it has not waited for them.
    pub(super) fn serve(&mut self, position: usize, scores: Tensor) {
        if self.rides(position) {
            self.stands(position, Stand::Served(scores));
        }
    }

    /// The batch failed: the rider has what it had, and shares no other.
    pub(super) fn put_back(&mut self, rider: Rider) {
        if self.rides(rider.position) {
            self.stands(rider.position, Stand::Offers(rider.offer));
        }
        if let Some(place) = self.open.get_mut(&rider.position) {
            place.alone = true;
        }
    }

    fn rides(&self, position: usize) -> bool {
        self.open.get(&position).is_some_and(|place| matches!(place.stand, Stand::Rides))
    }

    fn stands(&mut self, position: usize, stand: Stand) {
        if let Some(place) = self.open.get_mut(&position) {
            place.stand = stand;
        }
    }
}
