//! How masks are cut into batches, on which threads, and what ends a run: the same whichever way they are made.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread::{self, ThreadId};

use super::{Schedule, run_by};
use crate::{
    Abilities, BatchRule, EachBatch, Error, ErrorKind, InputInfo, Inputs, MaskedRequest, ModelBackend,
    ModelInfo, NamedTensor, OutputActivation, OutputInfo, Passed, Result, Tensor, TensorView, Upsample,
    masking::hand_over_views,
};

const WAYS: [Schedule; 2] = [Schedule::InTurn, Schedule::Ahead];
const SIZE: [usize; 4] = [1, 2, 6, 5];

/// Scores an image with its own sums; fails in the batch `fails`.
struct Sums {
    info: ModelInfo,
    fails: Option<usize>,
    /// The number of scores, where it is not that of the images.
    rows: Option<usize>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    batches: Vec<usize>,
    threads: BTreeSet<String>,
    /// Where the batches lay.
    buffers: BTreeSet<usize>,
}

impl Sums {
    fn new(batch: BatchRule, fails: Option<usize>) -> Self {
        let axes = |shape: &[usize]| std::iter::once(None).chain(shape.iter().map(|&d| Some(d))).collect();
        let output = |name: &str| OutputInfo::new(name, axes(&[2]), OutputActivation::None);
        let info = ModelInfo {
            input: InputInfo::image("x", axes(&SIZE[1..])),
            other_inputs: vec![InputInfo::image("gain", axes(&[1]))],
            outputs: vec![output("sums"), output("twice")],
            scores: Ok(0),
            layers: Vec::new(),
            default_layer: None,
            batch,
            abilities: Abilities::NONE,
        };
        Self { info, fails, rows: None, seen: Mutex::default() }
    }
}

impl ModelBackend for Sums {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let batch = inputs.images;
        let mut seen = self.seen.lock().expect("no thread panics");
        if self.fails == Some(seen.batches.len()) {
            return Err(Error::model("the engine has had enough"));
        }
        let n = batch.shape()[0];
        seen.batches.push(n);
        seen.threads.insert(name(thread::current().id()));
        seen.buffers.insert(batch.data().as_ptr().addr());
        let sums = |image: &[f32]| {
            let weighted = image.iter().enumerate().map(|(i, v)| v * i as f32);
            [image.iter().sum::<f32>(), weighted.sum::<f32>()]
        };
        let rows = self.rows.unwrap_or(n);
        let gain = |i: usize| inputs.others.first().map_or(1.0, |(_, gain)| gain.item(i)[0]);
        let scores = |times: f32| -> Vec<f32> {
            let of = |i: usize| sums(batch.item(i.min(n - 1))).map(|sum| sum * times * gain(i.min(n - 1)));
            (0..rows).flat_map(of).collect()
        };
        let tensor = |name: &&str| Tensor::new([rows, 2], scores(if *name == "twice" { 2.0 } else { 1.0 }));
        wanted.iter().map(tensor).collect()
    }
}

fn name(id: ThreadId) -> String {
    format!("{id:?}")
}

fn some(shape: &[usize]) -> Tensor {
    let values = (0..shape.iter().product()).map(|i: usize| (i * 37 % 101) as f32 / 100.0).collect();
    Tensor::new(shape, values).expect("the length is that of the shape")
}

/// What a run over `count` masks in batches of `size` gives, and the masks that it reported.
fn run(
    way: Schedule,
    model: &Sums,
    (count, size): (usize, usize),
    stops: impl Fn(usize) -> Result<()>,
) -> (Result<Tensor>, Vec<usize>) {
    let (images, fill, masks) = (some(&[3, 2, 6, 5]), some(&[3, 2, 6, 5]), some(&[count, 2, 3]));
    let image_of_mask: Vec<u32> = (0..count as u32).map(|m| m % 3).collect();
    let reported = RefCell::new(Vec::new());
    let caller = thread::current().id();
    let request = MaskedRequest {
        inputs: Inputs::of(images.view()),
        fill: Some(fill.view()),
        masks: masks.view(),
        cuts: &[],
        image_of_mask: &image_of_mask,
        upsample: Upsample::HalfPixel,
        batch_size: size,
    };
    let mut scores = Vec::new();
    let mut each = |_: usize, tensors: &[TensorView<'_>]| {
        assert_eq!(thread::current().id(), caller, "batches are handed on by the caller's thread");
        scores.extend_from_slice(tensors[0].data());
        reported.borrow_mut().push(tensors[0].shape()[0]);
        stops(reported.borrow().len())
    };
    let ran = by(way, model, &request, (&["sums"], &mut each));
    (ran.and_then(|()| Tensor::new([scores.len() / 2, 2], scores)), reported.into_inner())
}

/// Runs a request one way.
fn by(
    way: Schedule,
    model: &dyn ModelBackend,
    request: &MaskedRequest<'_>,
    (wanted, each): (&[&str], &mut EachBatch<'_>),
) -> Result<()> {
    let mut forward = |inputs: &Inputs<'_>, passed: &mut Passed<'_>| {
        let found = model.forward(inputs, wanted)?;
        passed(&found.iter().map(Tensor::view).collect::<Vec<_>>())
    };
    let mut hand_on = |counts, found: &[TensorView<'_>]| hand_over_views(each, counts, found, |_| true);
    run_by(way, (model.info().batch, &|name| name == "gain"), request, (&mut forward, &mut hand_on))
}

#[test]
fn every_batch_has_all_that_was_wanted_and_the_inputs_of_its_images() {
    let (images, masks) = (some(&[2, 2, 6, 5]), some(&[5, 2, 3]));
    let gain = Tensor::new([2, 1], vec![1.0, -3.0]).expect("a tensor");
    let run = |way, rule, others: &[NamedTensor<'_>]| {
        let request = MaskedRequest {
            inputs: Inputs { others, ..Inputs::of(images.view()) },
            fill: None,
            masks: masks.view(),
            cuts: &[],
            image_of_mask: &[0, 1, 1, 0, 1],
            upsample: Upsample::HalfPixel,
            batch_size: 2,
        };
        let mut found = vec![Vec::new(); 2];
        let mut each = |_: usize, tensors: &[TensorView<'_>]| {
            found.iter_mut().zip(tensors).for_each(|(all, t)| all.extend_from_slice(t.data()));
            Ok(())
        };
        by(way, &Sums::new(rule, None), &request, (&["twice", "sums"], &mut each)).expect("it runs");
        found
    };
    for (way, rule) in
        WAYS.into_iter().flat_map(|w| [BatchRule::Any { preferred: 2 }, BatchRule::Fixed(3)].map(|r| (w, r)))
    {
        let (plain, gained) = (run(way, rule, &[]), run(way, rule, &[("gain", gain.view())]));
        assert_eq!(plain[0], plain[1].iter().map(|v| 2.0 * v).collect::<Vec<_>>());
        let factors = [1.0, -3.0, -3.0, 1.0, -3.0].into_iter().flat_map(|f: f32| [f, f]);
        assert_eq!(gained[1], plain[1].iter().zip(factors).map(|(v, f)| v * f).collect::<Vec<_>>());
    }
}

#[test]
fn every_way_of_cutting_gives_the_scores_of_masks_one_at_a_time() {
    let any = BatchRule::Any { preferred: 1 };
    let rows = [
        (any, 0, 4, vec![]),
        (any, 1, 4, vec![1]),
        (any, 4, 4, vec![4]),
        (any, 5, 4, vec![4, 1]),
        (any, 8, 4, vec![4, 4]),
        (any, 23, 4, vec![4, 4, 4, 4, 4, 3]),
        (any, 3, 1, vec![1, 1, 1]),
        (any, 7, 4096, vec![7]),
        (BatchRule::Fixed(4), 3, 1, vec![4]),
        (BatchRule::Fixed(4), 9, 1, vec![4, 4, 4]),
        (BatchRule::Fixed(1), 3, 4, vec![1, 1, 1]),
    ];
    for (way, (rule, count, size, batches)) in
        WAYS.into_iter().flat_map(|w| rows.iter().map(move |r| (w, r.clone())))
    {
        let shown = format!("{way:?}, {rule:?}, {count} in batches of {size}");
        let model = Sums::new(rule, None);
        let (scores, reported) = run(way, &model, (count, size), |_| Ok(()));
        let scores = scores.expect("nothing fails");
        let (single, _) = run(Schedule::InTurn, &Sums::new(any, None), (count.max(1), 1), |_| Ok(()));
        let single = single.expect("nothing fails");
        assert_eq!(scores.data(), &single.data()[..2 * count], "{shown}");
        assert_eq!(reported.iter().sum::<usize>(), count, "{shown}");
        let seen = model.seen.into_inner().expect("no thread panics");
        assert_eq!(seen.batches, batches, "{shown}");
        let caller = (!batches.is_empty()).then(|| name(thread::current().id()));
        assert_eq!(seen.threads, caller.into_iter().collect(), "the model runs on the caller's thread");
        let buffers = if way == Schedule::Ahead { 2 } else { 1 };
        assert_eq!(seen.buffers.len(), batches.len().min(buffers), "{shown}");
    }
}

#[test]
fn scores_of_another_number_than_images_are_refused() {
    for (way, rows) in WAYS.into_iter().flat_map(|way| [0, 3, 5].map(|rows| (way, rows))) {
        let model = Sums { rows: Some(rows), ..Sums::new(BatchRule::Any { preferred: 1 }, None) };
        let error = run(way, &model, (8, 4), |_| Ok(())).0.expect_err("a wrong number of scores");
        let text = format!("the model gave a tensor of {rows} images for 4");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Model, text), "{way:?}");
    }
}

#[test]
fn an_engine_that_fails_ends_the_run_with_its_own_words() {
    for (way, fails) in WAYS.into_iter().flat_map(|way| [0, 1, 2, 5].map(|fails| (way, fails))) {
        let model = Sums::new(BatchRule::Any { preferred: 1 }, Some(fails));
        let (scores, reported) = run(way, &model, (23, 4), |_| Ok(()));
        assert_eq!(scores.unwrap_err().to_string(), "the engine has had enough", "{way:?}, batch {fails}");
        assert_eq!(reported, vec![4; fails]);
    }
}

#[test]
fn a_caller_that_cancels_ends_the_run_after_that_batch() {
    for (way, last) in WAYS.into_iter().flat_map(|way| [1, 2, 6].map(|last| (way, last))) {
        let model = Sums::new(BatchRule::Any { preferred: 1 }, None);
        let stops = |batches| if batches == last { Err(Error::cancelled()) } else { Ok(()) };
        let (scores, reported) = run(way, &model, (23, 4), stops);
        assert_eq!(scores.unwrap_err().kind(), ErrorKind::Cancelled, "{way:?}, batch {last}");
        assert_eq!(reported.len(), last);
        assert_eq!(model.seen.into_inner().expect("no thread panics").batches.len(), last);
    }
}

#[test]
fn an_engine_that_panics_takes_no_thread_with_it() {
    struct Panics(Sums);
    impl ModelBackend for Panics {
        fn info(&self) -> &ModelInfo {
            self.0.info()
        }
        fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
            let made = self.0.seen.lock().map(|seen| seen.batches.len()).expect("no thread panics");
            assert!(made < 2, "on purpose");
            self.0.forward(inputs, wanted)
        }
    }
    let model = Panics(Sums::new(BatchRule::Any { preferred: 1 }, None));
    let (image, masks) = (some(&SIZE), some(&[9, 2, 3]));
    let request = MaskedRequest {
        inputs: Inputs::of(image.view()),
        fill: None,
        masks: masks.view(),
        cuts: &[],
        image_of_mask: &[],
        upsample: Upsample::Nearest,
        batch_size: 1,
    };
    for way in WAYS {
        model.0.seen.lock().expect("no thread panics").batches.clear();
        let run = std::panic::AssertUnwindSafe(|| by(way, &model, &request, (&["sums"], &mut |_, _| Ok(()))));
        let panic = std::panic::catch_unwind(run).expect_err("the engine's panic is handed on");
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"), "{way:?}");
    }
}
