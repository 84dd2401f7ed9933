//! [`Server`]: one server of a model, and what is known of it: how much it takes, how fast it is, whether it rests.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::address::{Address, Form};
use crate::connection::Security;
use crate::failure::Failure;
use crate::file::Limits;
use crate::grpc::GrpcServer;
use crate::message::{Metadata, ModelName, Received, Request};
use crate::rest::RestServer;
use crate::window::Window;

/// How long a server rests after its first failure; four times as long after each further one.
const FIRST_REST: Duration = Duration::from_millis(20);
const LONGEST_REST: Duration = Duration::from_secs(5);
/// How much of a new time goes into what is known.
const NEWS: f64 = 0.3;

/// One server.
pub(crate) struct Server {
    pub(crate) address: Address,
    wire: Wire,
    state: Mutex<State>,
}

enum Wire {
    Grpc(GrpcServer),
    Rest(RestServer),
}

/// What is known of a server.
pub(crate) struct State {
    window: Window,
    under_way: usize,
    /// Failures since the last success.
    failures: u32,
    rests_until: Option<Instant>,
    /// The last failure.
    why: Option<String>,
    longest_rest: Duration,
    /// For an answer, as far as it has given any.
    seconds: Option<f64>,
}

/// How a request stands with a server that has room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Well,
    /// It has failed, and is asked whether it is there before it gets anything.
    Recovering,
}

impl Server {
    pub(crate) fn new(address: Address, security: &Security, limits: &Limits) -> Self {
        let wire = match address.form {
            Form::Grpc => Wire::Grpc(GrpcServer::new(&address, security, limits.connect())),
            Form::Http => Wire::Rest(RestServer::new(&address, security, limits.connect())),
        };
        let state = State {
            window: Window::new(limits.requests, Instant::now()),
            under_way: 0,
            failures: 0,
            rests_until: None,
            why: None,
            // A request can wait for a rest to end, several times.
            longest_rest: LONGEST_REST.min(limits.total() / 8),
            seconds: None,
        };
        Self { address, wire, state: Mutex::new(state) }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn metadata(&self, model: &ModelName) -> Result<Metadata, Failure> {
        match &self.wire {
            Wire::Grpc(server) => server.metadata(model).await,
            Wire::Rest(server) => server.metadata(model).await,
        }
    }

    /// Whether tensors go there as JSON, as far as that is known.
    pub(crate) fn is_json_only(&self) -> bool {
        matches!(&self.wire, Wire::Rest(server) if server.is_json_only())
    }

    /// A failure unless the model can answer.
    pub(crate) async fn ready(&self, model: &ModelName) -> Result<(), Failure> {
        let ready = match &self.wire {
            Wire::Grpc(server) => server.ready(model).await?,
            Wire::Rest(server) => server.ready(model).await?,
        };
        if ready { Ok(()) } else { Err(Failure::passing(format!("model {:?} is not ready", model.name))) }
    }

    pub(crate) async fn infer(&self, request: &Request) -> Result<Vec<Received>, Failure> {
        match &self.wire {
            Wire::Grpc(server) => server.infer(request).await,
            Wire::Rest(server) => server.infer(request).await,
        }
    }
}

impl State {
    /// How many requests the server may have under way by now.
    pub(crate) fn capacity(&self, now: Instant) -> usize {
        match self.failures {
            0 => self.window.size(),
            // One of them shows whether it is well again.
            _ => usize::from(self.rests_until.is_none_or(|until| until <= now)),
        }
    }

    /// How a request would stand here, and about how long it would take; `None` where there is no room.
    pub(crate) fn room(&self, now: Instant) -> Option<(Standing, f64)> {
        let capacity = self.capacity(now);
        let standing = if self.failures == 0 { Standing::Well } else { Standing::Recovering };
        let share = (self.under_way + 1) as f64 / capacity.max(1) as f64;
        (self.under_way < capacity).then(|| (standing, self.seconds.unwrap_or(0.0) * share))
    }

    /// When the server has rested, where it rests.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Why the server rests, where it does.
    pub(crate) fn why(&self) -> Option<&str> {
        self.why.as_deref().filter(|_| self.failures > 0)
    }

    /// How long an answer takes.
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.seconds.filter(|_| self.failures == 0)
    }

    pub(crate) fn begun(&mut self) {
        self.under_way += 1;
    }

    pub(crate) fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Takes notice of an answer that is right, after `seconds`.
    pub(crate) fn answered(&mut self, seconds: f64, now: Instant) {
        self.failures = 0;
        self.rests_until = None;
        self.seconds = Some(self.seconds.map_or(seconds, |known| known + NEWS * (seconds - known)));
        self.window.answered(self.under_way, now);
    }

    /// Takes notice of a failure, or of an answer that another server gave much earlier.
    pub(crate) fn failed(&mut self, why: &str, now: Instant) {
        self.why = Some(why.into());
        self.failures = self.failures.saturating_add(1);
        let rest = FIRST_REST.saturating_mul(4u32.saturating_pow(self.failures - 1)).min(self.longest_rest);
        self.rests_until = Some(now + rest);
        self.window.failed(now);
    }
}
