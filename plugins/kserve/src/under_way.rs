//! [`UnderWay`]: the requests of one call, begun on its thread, answered on others, taken on its thread in their
//! order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use scorecam_core::{Error, Inputs, Result, Tensor};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, TryAcquireError};
use tokio::task::JoinSet;

use crate::fleet::Fleet;
use crate::message::Request;

/// How often a call asks whether it is cancelled while it waits.
const LOOK: Duration = Duration::from_millis(10);
/// How many answers may wait for an earlier one.
const MOST_EARLY: usize = 256;

/// Takes what came with a request and its answer.
pub(crate) type Take<'t, T> = dyn FnMut(T, Vec<Tensor>) -> Result<()> + 't;

/// Requests of one call; dropped, it ends what is still under way.
pub(crate) struct UnderWay<'a, T> {
    fleet: &'a Arc<Fleet>,
    runtime: &'a Handle,
    tasks: JoinSet<()>,
    answer: Sender<(usize, Result<Vec<Tensor>>)>,
    answers: Receiver<(usize, Result<Vec<Tensor>>)>,
    early: BTreeMap<usize, Vec<Tensor>>,
    /// What came with the requests that are not taken.
    notes: VecDeque<T>,
    begun: usize,
    arrived: usize,
    taken: usize,
}

impl<'a, T> UnderWay<'a, T> {
    pub(crate) fn new(fleet: &'a Arc<Fleet>, runtime: &'a Handle) -> Self {
        let (answer, answers) = channel();
        Self {
            fleet,
            runtime,
            tasks: JoinSet::new(),
            answer,
            answers,
            early: BTreeMap::new(),
            notes: VecDeque::new(),
            begun: 0,
            arrived: 0,
            taken: 0,
        }
    }

    /// Sends a request as soon as there is room for it, and hands answers to `take` meanwhile.
    pub(crate) fn begin(
        &mut self,
        request: Request,
        note: T,
        inputs: &Inputs<'_>,
        take: &mut Take<'_, T>,
    ) -> Result<()> {
        inputs.check_cancelled()?;
        let permit = loop {
            self.take_arrived(take)?;
            if let Some(permit) = self.room(request.bytes())? {
                break permit;
            }
            self.wait(inputs)?;
        };
        let (fleet, answer, number) = (Arc::clone(self.fleet), self.answer.clone(), self.begun);
        let work = async move {
            let result = fleet.infer(Arc::new(request)).await;
            drop(permit);
            // Nobody listens where the call has ended.
            drop(answer.send((number, result)));
        };
        self.tasks.spawn_on(work, self.runtime);
        self.notes.push_back(note);
        self.begun += 1;
        Ok(())
    }

    /// Waits for all answers, and hands them to `take`.
    pub(crate) fn finish(mut self, inputs: &Inputs<'_>, take: &mut Take<'_, T>) -> Result<()> {
        loop {
            self.take_arrived(take)?;
            if self.taken == self.begun {
                return Ok(());
            }
            self.wait(inputs)?;
        }
    }

    fn room(&self, bytes: usize) -> Result<Option<OwnedSemaphorePermit>> {
        let is_full = self.begun - self.arrived >= self.fleet.capacity() || self.early.len() >= MOST_EARLY;
        if is_full {
            return Ok(None);
        }
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.fleet.memory_kib());
        match Arc::clone(&self.fleet.memory).try_acquire_many_owned(kib) {
            Ok(permit) => Ok(Some(permit)),
            Err(TryAcquireError::NoPermits) => Ok(None),
            Err(TryAcquireError::Closed) => Err(Error::internal("the room for requests is closed")),
        }
    }

    /// Waits for an answer, for a moment.
    fn wait(&mut self, inputs: &Inputs<'_>) -> Result<()> {
        match self.answers.recv_timeout(LOOK) {
            Ok((number, result)) => self.arrive(number, result)?,
            Err(RecvTimeoutError::Timeout) => self.reap()?,
            Err(RecvTimeoutError::Disconnected) => return Err(Error::internal("answers have no way back")),
        }
        inputs.check_cancelled()
    }

    /// Forgets requests that have ended; one that panicked has sent no answer.
    fn reap(&mut self) -> Result<()> {
        while let Some(ended) = self.tasks.try_join_next() {
            ended.map_err(|e| Error::internal(format!("a request ended by itself: {e}")))?;
        }
        Ok(())
    }

    fn arrive(&mut self, number: usize, result: Result<Vec<Tensor>>) -> Result<()> {
        self.arrived += 1;
        self.early.insert(number, result?);
        Ok(())
    }

    /// Takes what has arrived, as far as it is next.
    fn take_arrived(&mut self, take: &mut Take<'_, T>) -> Result<()> {
        while let Ok((number, result)) = self.answers.try_recv() {
            self.arrive(number, result)?;
        }
        self.reap()?;
        while let Some(tensors) = self.early.remove(&self.taken) {
            let note = self.notes.pop_front().ok_or_else(|| Error::internal("an answer to no request"))?;
            self.taken += 1;
            take(note, tensors)?;
        }
        Ok(())
    }
}
