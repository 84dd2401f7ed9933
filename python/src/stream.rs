//! [`Stream`]: explanations of many images, as an iterator that Python pulls from.
//!
//! The library pushes: it takes an image whenever another one has ended, and calls back with what it found. So it runs
//! on a thread of its own, and asks for each image by an event. The thread that pulls answers these, so that a user's
//! iterator runs where they made it; it reports progress, and ends the work on Ctrl-C. Results come in the order of the
//! images: one that is early waits here.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use scorecam::{ExplainOptions, Explainer, Job};
use scorecam_core::{Error, Progress, Result};

use crate::call::words;
use crate::error::{ended, exception, forget};
use crate::explanation::Explanation;
use crate::host::host;
use crate::images::Image;

/// How long a wait lasts before Python is asked for signals.
const PATIENCE: Duration = Duration::from_millis(50);

/// What the working thread says.
enum Event {
    /// There is room for another image.
    Wanted,
    /// A batch is done for the image of this position.
    Progress(usize, Progress),
    /// What came of the image of this position.
    Found(usize, Found),
}

/// An explanation, or the exception that it ended with.
type Found = Box<PyResult<scorecam::Explanation>>;

/// Explanations in the order of their images.
#[pyclass(module = "scorecam._native")]
pub(crate) struct Stream {
    images: Py<PyAny>,
    progress: Option<Py<PyAny>>,
    /// The ends of the two channels; none once the work has ended. Nobody else locks it: a class must be `Sync`.
    work: Mutex<Option<(Receiver<Event>, Sender<scorecam::Image>)>>,
    stop: Arc<AtomicBool>,
    early: BTreeMap<usize, Found>,
    next: usize,
    /// What the user's iterator raised; it comes behind the results of the images before.
    failure: Option<PyErr>,
}

impl Stream {
    /// Begins the work on `images`, an iterator of `Image`, on a new thread.
    pub(crate) fn begin(
        model: Arc<scorecam::Model>,
        options: ExplainOptions,
        (images, at_once, progress): (Py<PyAny>, usize, Option<Py<PyAny>>),
    ) -> PyResult<Self> {
        let (events, received) = channel();
        let (given, jobs) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker { events, jobs, stop: Arc::clone(&stop), reports: progress.is_some() };
        std::thread::Builder::new()
            .name("scorecam".into())
            .spawn(move || worker.run(&model, &options, at_once))
            .map_err(|e| PyRuntimeError::new_err(format!("cannot start a thread: {e}")))?;
        let work = Mutex::new(Some((received, given)));
        Ok(Self { images, progress, work, stop, early: BTreeMap::new(), next: 0, failure: None })
    }

    /// The next event; none once the work has ended.
    fn event(&mut self, py: Python<'_>) -> PyResult<Option<Event>> {
        let work = self.work.get_mut().unwrap_or_else(PoisonError::into_inner);
        loop {
            let Some((events, _)) = work.as_mut() else { return Ok(None) };
            match py.detach(move || events.recv_timeout(PATIENCE)) {
                Ok(event) => return Ok(Some(event)),
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    /// Gives the worker another image, or says that there is none by closing the channel.
    fn give(&mut self, py: Python<'_>) {
        let image = match self.images.bind(py).call_method0("__next__") {
            Ok(image) => image.cast_into::<Image>().map_err(PyErr::from),
            Err(raised) => Err(raised),
        };
        let work = self.work.get_mut().unwrap_or_else(PoisonError::into_inner);
        match (image, work.as_mut()) {
            (Ok(image), Some((_, jobs))) => {
                // A worker that is gone has said why, or is about to.
                let _ = jobs.send(image.get().0.clone());
            }
            (Ok(_), None) => {}
            (Err(raised), _) => {
                if !raised.is_instance_of::<pyo3::exceptions::PyStopIteration>(py) {
                    self.failure = Some(raised);
                }
                if let Some((_, jobs)) = work.as_mut() {
                    *jobs = channel().0;
                }
            }
        }
    }

    fn pull(&mut self, py: Python<'_>) -> PyResult<Option<Explanation>> {
        loop {
            if let Some(found) = self.early.remove(&self.next) {
                self.next += 1;
                return (*found).map(|found| Some(Explanation(Arc::new(found))));
            }
            match self.event(py)? {
                Some(Event::Wanted) => self.give(py),
                Some(Event::Progress(position, now)) => {
                    if let Some(progress) = &self.progress {
                        progress.call1(py, (position, words(now)))?;
                    }
                }
                Some(Event::Found(position, found)) => drop(self.early.insert(position, found)),
                None => return self.failure.take().map_or(Ok(None), Err),
            }
        }
    }
}

#[pymethods]
impl Stream {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Explanation>> {
        self.pull(py)
    }

    /// Ends the work after the batch that is running.
    fn close(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        *self.work.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        self.early.clear();
        self.failure = None;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The thread is not waited for: it may want the interpreter, which this thread holds.
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The end of the channels that computes.
struct Worker {
    events: Sender<Event>,
    jobs: Receiver<scorecam::Image>,
    stop: Arc<AtomicBool>,
    reports: bool,
}

impl Worker {
    fn run(self, model: &scorecam::Model, options: &ExplainOptions, at_once: usize) {
        forget();
        let explained = host().and_then(|host| Explainer::new(host, model, options));
        match explained {
            Ok(explainer) => self.explain(model, &explainer, at_once),
            Err(error) => drop(self.events.send(Event::Found(0, Box::new(Err(exception(error)))))),
        }
    }

    fn explain(&self, model: &scorecam::Model, explainer: &Explainer<'_>, at_once: usize) {
        let mut position = 0;
        let jobs = std::iter::from_fn(|| {
            let image = self.image()?;
            position += 1;
            Some(self.job(model, &image, position - 1))
        });
        explainer.explain_many(jobs, at_once, |position, found| {
            let with_remarks = |mut found: scorecam::Explanation| {
                found.warnings.splice(0..0, explainer.warnings().iter().cloned());
                found
            };
            let found = Event::Found(position, Box::new(found.map(with_remarks).map_err(ended)));
            match self.events.send(found).is_err() || self.is_stopped() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
    }

    fn image(&self) -> Option<scorecam::Image> {
        if self.is_stopped() {
            return None;
        }
        self.events.send(Event::Wanted).ok()?;
        self.jobs.recv().ok()
    }

    fn job<'a>(
        &'a self,
        model: &scorecam::Model,
        image: &scorecam::Image,
        position: usize,
    ) -> Result<Job<'a>> {
        let progress = move |now: Progress| {
            let told = !self.reports || self.events.send(Event::Progress(position, now)).is_ok();
            if told && !self.is_stopped() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let input = model.prepare(image).map_err(|e: Error| e.context(format!("image {position}")))?;
        Ok(Job { input, progress: Some(Box::new(progress)), previous: None })
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
