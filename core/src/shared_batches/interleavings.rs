//! Every order in which the threads of a few calls can meet, tried by loom: the batches are the same in each, and
//! none ends in threads that wait for each other.

use std::sync::{Arc, Mutex, PoisonError};

use loom::thread;

use super::{Lane, SharedBatches, Turn};
use crate::{
    Abilities, BatchRule, Error, Forward, MaskedScores, ModelBackend, ModelInfo, OutputActivation, Result,
    Tensor, TensorInfo, TensorView, Upsample,
};

/// Writes down what is in each batch: the photos of its masks. Two images a batch.
struct Model {
    info: ModelInfo,
    batches: Arc<Mutex<Vec<Vec<u32>>>>,
    /// A photo on which it fails.
    bad: Option<u32>,
}

impl ModelBackend for Model {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, _: TensorView<'_>, _: &[&str]) -> Result<Forward> {
        Err(Error::unsupported("only masked scores are asked for"))
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        let masks = request.masks.shape()[0];
        let photos: Vec<u32> =
            (0..masks).map(|m| request.images.item(request.image_of(m))[0] as u32).collect();
        if photos.iter().any(|&p| Some(p) == self.bad) {
            return Err(Error::model("a bad photo"));
        }
        for batch in photos.chunks(request.batch_size) {
            self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch.to_vec());
            (request.on_batch)(batch.len())?;
        }
        Tensor::new([masks, 1], photos.iter().map(|&p| p as f32).collect())
    }
}

fn ask(turn: &Turn<'_>, masks: usize) -> Result<()> {
    let masks = Tensor::zeros([masks, 1, 1])?;
    let image = Tensor::new([1, 1, 1, 1], vec![turn.position() as f32])?;
    let scores = turn.masked_scores(&MaskedScores {
        images: image.view(),
        fill: None,
        masks: masks.view(),
        image_of_mask: &[],
        upsample: Upsample::Nearest,
        batch_size: masks.shape()[0].min(2),
        on_batch: &|_| Ok(()),
    })?;
    assert!(scores.data().iter().all(|&s| s == turn.position() as f32));
    Ok(())
}

/// Two lanes work through calls that make these requests each. In every order, these batches are made.
fn check(calls: &'static [&'static [usize]], bad: Option<u32>, expected: &'static [&'static [u32]]) {
    let axes = |n| TensorInfo { name: "x".into(), shape: vec![None; n] };
    let info = ModelInfo {
        input: axes(4),
        output: axes(2),
        output_activation: OutputActivation::None,
        layers: Vec::new(),
        default_layer: None,
        batch: BatchRule::Any { preferred: 2 },
        takes_bytes: false,
        abilities: Abilities::NONE,
    };
    let mut explorer = loom::model::Builder::new();
    explorer.preemption_bound = Some(3);
    explorer.check(move || {
        let batches = Arc::default();
        let model = Model { info: info.clone(), batches: Arc::clone(&batches), bad };
        let shared = SharedBatches::new(Box::leak(Box::new(model)), calls.len(), None).expect("a batch size");
        let shared: &'static SharedBatches<'static> = Box::leak(Box::new(shared));
        let work = move |mut lane: Lane<'_>| {
            while let Some(turn) = lane.next_turn() {
                for &masks in calls[turn.position()] {
                    let failed = ask(&turn, masks).is_err();
                    assert_eq!(failed, bad == Some(turn.position() as u32));
                }
            }
        };
        let mut lanes = shared.lanes(2);
        let (second, first) = (lanes.pop().expect("a lane"), lanes.pop().expect("a lane"));
        let other = thread::spawn(move || work(second));
        work(first);
        other.join().expect("no panic");
        assert_eq!(*batches.lock().unwrap_or_else(PoisonError::into_inner), expected);
    });
}

#[test]
fn equal_batches_are_made_in_every_order() {
    check(&[&[1], &[1]], None, &[&[0, 1]]);
    check(&[&[1], &[2]], None, &[&[0, 1], &[1]]);
    check(&[&[1], &[], &[1]], None, &[&[0, 2]]);
    check(&[&[1, 1], &[1, 1]], None, &[&[0, 1], &[0, 1]]);
    check(&[&[3], &[1]], None, &[&[0, 0], &[0, 1]]);
}

#[test]
fn a_batch_that_fails_ends_its_own_call_in_every_order() {
    check(&[&[1], &[1]], Some(1), &[&[0]]);
    check(&[&[1], &[1]], Some(0), &[&[1]]);
}
