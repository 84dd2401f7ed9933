//! [`Fleet`]: the servers of a model as one that answers.
//!
//! A request goes to the server that is expected to answer first, among those with room. A server that fails rests,
//! longer each time, and is asked whether it is well before it gets anything else. A request that a server keeps for
//! several times as long as others take is given to another one, too, as soon as one has room; the first answer
//! counts. So a dead or slow server costs the requests that it has, and nobody waits for it. What a request holds is
//! fixed before anybody is chosen: servers of equal models give equal answers, whichever they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use scorecam_core::{Error, Result, Tensor};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::address::Address;
use crate::connection::Security;
use crate::failure::{Failure, FailureKind};
use crate::file::Limits;
use crate::message::{Metadata, ModelName, Request};
use crate::server::{Server, Standing};

/// How often it is looked whether a request may go to a second server, or whether a server has rested.
const LOOK: Duration = Duration::from_millis(20);
/// A request goes to a second server after so many times what others take, and not before the least time.
const PATIENCE: f64 = 4.0;
const LEAST_PATIENCE: f64 = 0.25;
/// How many wrong replies a request takes of one server.
const WRONG_REPLIES: u32 = 3;
/// How often a server is asked for a model's description.
const DESCRIPTION_ATTEMPTS: u32 = 2;

/// All servers of a model.
pub(crate) struct Fleet {
    servers: Vec<Server>,
    limits: Limits,
    /// Told whenever a server has room again.
    freed: Notify,
    /// KiB of requests under way, for all calls together.
    pub(crate) memory: Arc<Semaphore>,
    /// What models are described as; one that has changed is another model.
    known: Mutex<HashMap<String, Metadata>>,
}

/// Room for one request at a server, until it is dropped.
struct Slot {
    fleet: Arc<Fleet>,
    server: usize,
    standing: Standing,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.fleet.servers[self.server].state().ended();
        self.fleet.freed.notify_waiters();
    }
}

/// What became of a request so far.
struct Story {
    /// For each server, how often its reply was wrong.
    wrong: Vec<u32>,
    /// Servers that will not be asked again.
    refused: Vec<bool>,
    last: Option<(usize, Failure)>,
}

impl Fleet {
    pub(crate) fn new(addresses: Vec<Address>, security: &Security, limits: Limits) -> Self {
        let servers = addresses.into_iter().map(|address| Server::new(address, security, &limits));
        Self {
            servers: servers.collect(),
            limits,
            freed: Notify::new(),
            memory: Arc::new(Semaphore::new(limits.memory_bytes >> 10)),
            known: Mutex::default(),
        }
    }

    /// All the room that requests under way have, in KiB.
    pub(crate) fn memory_kib(&self) -> u32 {
        u32::try_from(self.limits.memory_bytes >> 10).unwrap_or(u32::MAX)
    }

    /// How many requests are worth having under way: all that servers take, and one that waits for each.
    pub(crate) fn capacity(&self) -> usize {
        let now = Instant::now();
        self.servers
            .iter()
            .map(|server| server.state().capacity(now))
            .map(|n| n + n.min(1))
            .sum::<usize>()
            .max(1)
    }

    /// What the servers say of a model, and for each that says nothing why. An error where none does, or where they
    /// differ.
    pub(crate) async fn describe(self: &Arc<Self>, model: &ModelName) -> Result<(Metadata, Vec<String>)> {
        let mut asked = JoinSet::new();
        for i in 0..self.servers.len() {
            let (fleet, model) = (Arc::clone(self), model.clone());
            asked.spawn(async move { (i, fleet.described_by(i, &model).await) });
        }
        let mut answers: Vec<_> = asked.join_all().await;
        answers.sort_by_key(|(i, _)| *i);
        let mut found: Option<(usize, Metadata)> = None;
        let mut silent = Vec::new();
        for (i, answer) in answers {
            match (answer, &found) {
                (Ok(metadata), None) => found = Some((i, metadata)),
                (Ok(metadata), Some((_, other))) if metadata == *other => {}
                (Ok(_), Some((j, _))) => {
                    let [a, b] = [*j, i].map(|i| &self.servers[i].address);
                    return Err(Error::model(format!(
                        "{a} and {b} describe model {:?} differently; endpoints must serve the same model",
                        model.name
                    )));
                }
                (Err(failure), _) => {
                    self.servers[i].state().failed(&failure.text, Instant::now());
                    silent.push((i, failure));
                }
            }
        }
        let text =
            |(i, failure): &(usize, Failure)| format!("{}: {}", self.servers[*i].address, failure.text);
        let Some((_, metadata)) = found else {
            // What a server says weighs more than that another one is not there.
            silent.sort_by_key(|(_, failure)| failure.kind != FailureKind::Lasting);
            let more = match silent.len() {
                0 | 1 => String::new(),
                n => format!(" (and {} more)", n - 1),
            };
            let first = silent.first().map(text).unwrap_or_default();
            return Err(Error::model(format!("no server gives model {:?}: {first}{more}", model.name)));
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(model.name.clone(), metadata.clone());
        Ok((metadata, silent.iter().map(text).collect()))
    }

    /// The servers that read tensors in JSON only.
    pub(crate) fn json_only(&self) -> impl Iterator<Item = &Address> {
        self.servers.iter().filter(|server| server.is_json_only()).map(|server| &server.address)
    }

    async fn described_by(&self, i: usize, model: &ModelName) -> Result<Metadata, Failure> {
        let mut attempt = 1;
        loop {
            let asked = timeout(self.limits.connect(), self.servers[i].metadata(model)).await;
            let late = || Failure::passing(format!("no answer within {} s", self.limits.connect_seconds));
            match asked.unwrap_or_else(|_| Err(late())) {
                Err(failure) if failure.kind != FailureKind::Lasting && attempt < DESCRIPTION_ATTEMPTS => {
                    sleep(5 * LOOK).await;
                }
                other => return other,
            }
            attempt += 1;
        }
    }

    /// Runs a batch, and returns the outputs that it wants.
    pub(crate) async fn infer(self: Arc<Self>, request: Arc<Request>) -> Result<Vec<Tensor>> {
        let count = self.servers.len();
        let mut story = Story { wrong: vec![0; count], refused: vec![false; count], last: None };
        let limit = self.limits.total();
        let answered = timeout(limit, self.answered(&request, &mut story)).await;
        answered.unwrap_or_else(|_| {
            let last = story.last.as_ref().map(|last| self.told(last));
            let last = last.or_else(|| self.why()).unwrap_or_else(|| "no server had room for it".into());
            Err(Error::model(format!(
                "a batch was not answered within {} s; {last}",
                self.limits.total_seconds
            )))
        })
    }

    /// Why some server rests.
    fn why(&self) -> Option<String> {
        let why = |server: &Server| Some(format!("{}: {}", server.address, server.state().why()?));
        self.servers.iter().find_map(why)
    }

    fn told(&self, (server, failure): &(usize, Failure)) -> String {
        format!("{}: {}", self.servers[*server].address, failure.text)
    }

    async fn answered(self: &Arc<Self>, request: &Arc<Request>, story: &mut Story) -> Result<Vec<Tensor>> {
        // Dropped with this call, which ends what is still under way.
        let mut under_way = JoinSet::new();
        let mut asked: Vec<usize> = Vec::new();
        let mut begun = Instant::now();
        loop {
            if asked.is_empty() {
                let slot = self.slot(&story.refused).await;
                begun = Instant::now();
                asked.push(slot.server);
                under_way.spawn(attempt(slot, Arc::clone(request)));
            }
            let joined = tokio::select! {
                joined = under_way.join_next() => joined,
                () = sleep(LOOK) => {
                    if let Some(slot) = self.second_slot(begun, &asked, &story.refused) {
                        asked.push(slot.server);
                        under_way.spawn(attempt(slot, Arc::clone(request)));
                    }
                    continue;
                }
            };
            match joined {
                Some(Ok((server, Ok(tensors)))) => {
                    // Those that had it before; a second server that the first one outran is not slow.
                    let earlier = asked.iter().take_while(|&&other| other != server);
                    let late = "another server answered much earlier";
                    earlier.for_each(|&other| self.servers[other].state().failed(late, Instant::now()));
                    return Ok(tensors);
                }
                Some(Ok((server, Err(failure)))) => {
                    asked.retain(|&other| other != server);
                    story.note(server, failure);
                    if let (true, Some(last)) = (story.refused.iter().all(|&refused| refused), &story.last) {
                        return Err(Error::model(self.told(last)));
                    }
                }
                Some(Err(e)) => return Err(Error::internal(format!("a request ended by itself: {e}"))),
                None => asked.clear(),
            }
        }
    }

    /// Waits until a server that has not `refused` has room.
    async fn slot(self: &Arc<Self>, refused: &[bool]) -> Slot {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on no notice is missed.
            freed.as_mut().enable();
            if let Some(slot) = self.try_slot(|i| !refused[i]) {
                return slot;
            }
            let now = Instant::now();
            let rests = self.servers.iter().filter_map(|server| server.state().rests_until());
            let wait = rests.map(|until| until.saturating_duration_since(now)).min().unwrap_or(5 * LOOK);
            tokio::select! {
                () = freed => {}
                () = sleep(wait.clamp(LOOK / 10, 5 * LOOK)) => {}
            }
        }
    }

    /// Room at another server for a request that was `begun` too long ago.
    fn second_slot(self: &Arc<Self>, begun: Instant, asked: &[usize], refused: &[bool]) -> Option<Slot> {
        let typical =
            self.servers.iter().filter_map(|server| server.state().seconds()).min_by(f64::total_cmp)?;
        let patience = (PATIENCE * typical).max(LEAST_PATIENCE) * asked.len() as f64;
        if begun.elapsed().as_secs_f64() < patience {
            return None;
        }
        self.try_slot(|i| !refused[i] && !asked.contains(&i))
    }

    /// Room at the server that is expected to answer first, of those that `may` be asked.
    fn try_slot(self: &Arc<Self>, may: impl Fn(usize) -> bool) -> Option<Slot> {
        let now = Instant::now();
        let rooms = self.servers.iter().enumerate().filter(|(i, _)| may(*i));
        let rooms = rooms.filter_map(|(i, server)| server.state().room(now).map(|room| (i, room)));
        let (server, (standing, _)) = rooms.min_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b))?;
        let mut state = self.servers[server].state();
        // Somebody else may have taken the room meanwhile; then it is looked again.
        state.room(now)?;
        state.begun();
        drop(state);
        Some(Slot { fleet: Arc::clone(self), server, standing })
    }
}

impl Story {
    fn note(&mut self, server: usize, failure: Failure) {
        match failure.kind {
            FailureKind::Passing => {}
            FailureKind::Wrong => self.wrong[server] += 1,
            FailureKind::Lasting => self.refused[server] = true,
        }
        self.refused[server] |= self.wrong[server] >= WRONG_REPLIES;
        self.last = Some((server, failure));
    }
}

/// Asks the server of `slot` once, and takes notice of what it does.
async fn attempt(slot: Slot, request: Arc<Request>) -> (usize, Result<Vec<Tensor>, Failure>) {
    let (fleet, i) = (Arc::clone(&slot.fleet), slot.server);
    let (server, limits) = (&fleet.servers[i], fleet.limits);
    let asked = async {
        if slot.standing == Standing::Recovering {
            let late = |_| Failure::passing(format!("no answer within {} s", limits.connect_seconds));
            timeout(limits.connect(), fleet.is_well(server, &request.model)).await.map_err(late)??;
        }
        let begun = Instant::now();
        let late = |_| Failure::passing(format!("no answer within {} s", limits.request_seconds));
        let reply = timeout(limits.request(), server.infer(&request)).await.map_err(late)??;
        Ok((request.read(&reply)?, begun.elapsed().as_secs_f64()))
    };
    let answered: Result<_, Failure> = asked.await;
    let now = Instant::now();
    let result = match answered {
        Ok((tensors, seconds)) => {
            server.state().answered(seconds, now);
            Ok(tensors)
        }
        Err(failure) => {
            server.state().failed(&failure.text, now);
            scorecam_plugin::tracing::debug!(server = %server.address, failure = failure.text, "a request failed");
            Err(failure)
        }
    };
    drop(slot);
    (i, result)
}

impl Fleet {
    /// A failure unless a server that had failed is there, with the model that it had.
    async fn is_well(&self, server: &Server, model: &ModelName) -> Result<(), Failure> {
        server.ready(model).await?;
        let described = server.metadata(model).await?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&model.name).cloned();
        match known.is_none_or(|known| known == described) {
            true => Ok(()),
            false => {
                Err(Failure::passing(format!("model {:?} is described differently than before", model.name)))
            }
        }
    }
}
