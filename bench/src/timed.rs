//! [`Timed`]: a model whose passes are measured.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use scorecam_core::{Forward, MaskedScores, Result, Tensor, TensorView, ViewInfo, ViewedModel};

use crate::Traffic;

/// A model that adds up the time that its passes take, and what they move to a device and back.
pub struct Timed<'a> {
    model: &'a dyn ViewedModel,
    nanoseconds: AtomicU64,
    moved: Mutex<Moved>,
}

/// What calls of a model moved between a host and its device.
#[derive(Clone, Copy, Default)]
pub struct Moved {
    /// The way that the model went.
    pub really: Traffic,
    /// If every masked image had been made on the host.
    pub whole: Traffic,
}

impl<'a> Timed<'a> {
    /// `model`, measured from here on. It runs forward, backward and from a layer, and scores masked images.
    pub fn new(model: &'a dyn ViewedModel) -> Self {
        Self { model, nanoseconds: AtomicU64::new(0), moved: Mutex::new(Moved::default()) }
    }

    /// Seconds within the model's calls, and what they moved.
    pub fn found(self) -> (f64, Moved) {
        let moved = self.moved.into_inner().unwrap_or_else(|broken| broken.into_inner());
        (self.nanoseconds.into_inner() as f64 / 1e9, moved)
    }

    fn timed<T>(&self, run: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = run();
        self.nanoseconds.fetch_add(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result
    }

    fn moves(&self, really: Traffic, whole: Traffic) {
        let mut moved = self.moved.lock().unwrap_or_else(|broken| broken.into_inner());
        moved.really += really;
        moved.whole += whole;
    }
}

impl ViewedModel for Timed<'_> {
    fn info(&self) -> &ViewInfo {
        self.model.info()
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let answer = self.timed(|| self.model.forward(batch, taps))?;
        let moved = Traffic::of_forward(&batch, &answer);
        self.moves(moved, moved);
        Ok(answer)
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        if !self.info().abilities.masked {
            return request.on_cpu(self);
        }
        let scores = self.timed(|| self.model.masked_scores(request))?;
        let whole = Traffic::of_masked_images(request, &scores, self.info().batch)?;
        self.moves(Traffic::of_masks(request, &scores), whole);
        Ok(scores)
    }

    fn run_from(&self, image: TensorView<'_>, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
        let scores = self.timed(|| self.model.run_from(image, layer, activations))?;
        let moved = Traffic::between(&activations, &scores);
        self.moves(moved, moved);
        Ok(scores)
    }

    fn gradients(&self, batch: TensorView<'_>, layer: &str, class: usize) -> Result<Tensor> {
        let slopes = self.timed(|| self.model.gradients(batch, layer, class))?;
        let moved = Traffic::between(&batch, &slopes);
        self.moves(moved, moved);
        Ok(slopes)
    }

    fn remarks(&self) -> Vec<String> {
        self.model.remarks()
    }
}
