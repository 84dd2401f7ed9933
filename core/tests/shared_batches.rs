//! Explain calls that share batches: which masks meet in which batch, whatever the threads do, and that no call's
//! fault becomes another's.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use scorecam_core::{
    Abilities, BatchRule, Error, ErrorKind, Forward, MaskedScores, ModelBackend, ModelInfo, OutputActivation,
    Result, SharedBatches, Tensor, TensorInfo, TensorView, Turn, Upsample,
};

/// Mask `.1` of photo `.0`.
type Masked = (usize, usize);

/// Images of 1 x 1 x 2 pixels: the first says which photo it is, the second is 1. The scores of a masked image are
/// made of its pixels and of its place in the batch.
struct Model {
    info: ModelInfo,
    batches: Mutex<Vec<Vec<Masked>>>,
    /// Called before each batch.
    before: Before,
}

type Before = Box<dyn Fn(&[Masked]) -> Result<()> + Send + Sync>;

impl Model {
    fn new(batch: BatchRule) -> Self {
        let tensor = |name: &str, shape: Vec<Option<usize>>| TensorInfo { name: name.into(), shape };
        let info = ModelInfo {
            input: tensor("input", vec![None, Some(1), Some(1), Some(2)]),
            output: tensor("scores", vec![None, Some(2)]),
            output_activation: OutputActivation::None,
            layers: Vec::new(),
            default_layer: None,
            batch,
            takes_bytes: false,
            abilities: Abilities::NONE,
        };
        Self { info, batches: Mutex::default(), before: Box::new(|_| Ok(())) }
    }

    /// As often as a batch is about to run, `before` sees what is in it.
    fn before(self, before: impl Fn(&[Masked]) -> Result<()> + Send + Sync + 'static) -> Self {
        Self { before: Box::new(before), ..self }
    }

    fn batches(&self) -> Vec<Vec<Masked>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ModelBackend for Model {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, batch: TensorView<'_>, _: &[&str]) -> Result<Forward> {
        let n = batch.shape()[0];
        let scores = (0..n).flat_map(|i| [batch.item(i)[0] * 100.0 + batch.item(i)[1], i as f32]);
        Ok(Forward { scores: Tensor::new([n, 2], scores.collect())?, activations: Vec::new() })
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        let photo = |m| request.images.item(request.image_of(m))[0] as usize;
        let all: Vec<Masked> =
            (0..request.masks.shape()[0]).map(|m| (photo(m), request.masks.item(m)[1] as usize)).collect();
        let size = match self.info.batch {
            BatchRule::Fixed(n) => n,
            BatchRule::Any { .. } => request.batch_size,
        };
        let mut batches = all.chunks(size);
        let mut begin = || {
            let Some(batch) = batches.next() else { return Ok(()) };
            (self.before)(batch)?;
            self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(batch.to_vec());
            Ok(())
        };
        begin()?;
        let begin = std::cell::RefCell::new(begin);
        let on_batch = |n| {
            (request.on_batch)(n)?;
            (begin.borrow_mut())()
        };
        MaskedScores { on_batch: &on_batch, ..*request }.on_cpu(self)
    }
}

/// What one call asks for, one request after the other.
#[derive(Clone)]
struct Asked {
    masks: Vec<usize>,
    upsample: Upsample,
    fill: Option<f32>,
}

fn asked(masks: &[usize]) -> Asked {
    Asked { masks: masks.to_vec(), upsample: Upsample::Nearest, fill: None }
}

/// Makes the requests of photo `photo`; the scores of all its masks, numbered through.
fn scores(model: &dyn ModelBackend, photo: usize, asked: &Asked, on_batch: OnBatch<'_>) -> Result<Vec<f32>> {
    let image = Tensor::new([1, 1, 1, 2], vec![photo as f32, 1.0])?;
    let fill = asked.fill.map(|fill| Tensor::new([1, 1, 1, 2], vec![fill, -fill])).transpose()?;
    let (mut first, mut scores) = (0, Vec::new());
    for &count in &asked.masks {
        let masks = (first..first + count).flat_map(|m| [1.0, m as f32]).collect();
        let batch = match model.info().batch {
            BatchRule::Fixed(n) => n,
            BatchRule::Any { preferred } => preferred.min(count),
        };
        let some = model.masked_scores(&MaskedScores {
            images: image.view(),
            fill: fill.as_ref().map(Tensor::view),
            masks: Tensor::new([count, 1, 2], masks)?.view(),
            image_of_mask: &[],
            upsample: asked.upsample,
            batch_size: batch,
            on_batch,
        })?;
        assert_eq!(some.shape(), [count, 2]);
        scores.extend_from_slice(some.data());
        first += count;
    }
    Ok(scores)
}

type OnBatch<'a> = &'a dyn Fn(usize) -> Result<()>;

/// Works through all calls in so many lanes; what each gave, by its position.
fn run<T: Send>(
    model: &Model,
    calls: usize,
    lanes: usize,
    call: impl Fn(Turn<'_>) -> T + Sync,
) -> BTreeMap<usize, T> {
    let shared = SharedBatches::new(model, calls, None).expect("a batch size");
    let (found, call) = (Mutex::new(BTreeMap::new()), &call);
    std::thread::scope(|scope| {
        for mut lane in shared.lanes(lanes) {
            let found = &found;
            scope.spawn(move || {
                while let Some(turn) = lane.next_turn() {
                    let position = turn.position();
                    // As a lane of a program that outlives a panic; the turn itself ends by it.
                    if let Ok(result) = catch_unwind(AssertUnwindSafe(|| call(turn))) {
                        found.lock().expect("found").insert(position, result);
                    }
                }
            });
        }
    });
    found.into_inner().expect("found")
}

/// Batches as text: photos as letters, masks as numbers; `a0 a1 | b0`.
fn shown(batches: &[Vec<Masked>]) -> String {
    let item = |&(photo, mask): &Masked| format!("{}{mask}", (b'a' + photo as u8) as char);
    let batch = |b: &Vec<Masked>| b.iter().map(item).collect::<Vec<_>>().join(" ");
    batches.iter().map(batch).collect::<Vec<_>>().join(" | ")
}

const FOUR: BatchRule = BatchRule::Any { preferred: 4 };

#[test]
fn a_last_batch_is_filled_up_with_masks_of_the_next_calls_in_order() {
    let check = |lanes: usize, calls: &[&[usize]], expected: &str| {
        let calls: Vec<Asked> = calls.iter().map(|masks| asked(masks)).collect();
        for batch in [FOUR, BatchRule::Fixed(4)] {
            let model = Model::new(batch);
            run(&model, calls.len(), lanes, |turn| {
                let position = turn.position();
                scores(&turn, position, &calls[position], &|_| Ok(())).expect("scores");
            });
            assert_eq!(shown(&model.batches()), expected, "{lanes} lanes");
        }
    };
    // A lane alone is as if there were none.
    check(1, &[&[6], &[3]], "a0 a1 a2 a3 | a4 a5 | b0 b1 b2");
    check(2, &[&[6], &[3], &[5]], "a0 a1 a2 a3 | a4 a5 b0 b1 | b2 c0 c1 c2 | c3 c4");
    // With a lane more, a call has company of two.
    check(3, &[&[5], &[1], &[3]], "a0 a1 a2 a3 | a4 b0 c0 c1 | c2");
    check(2, &[&[5], &[1], &[3]], "a0 a1 a2 a3 | a4 b0 | c0 c1 c2");
    check(2, &[&[2], &[1], &[1], &[1]], "a0 a1 b0 | c0 d0");
    // Small requests, one after the other, go side by side.
    check(2, &[&[2, 2], &[2, 2]], "a0 a1 b0 b1 | a2 a3 b2 b3");
    check(2, &[&[3, 3], &[3, 3]], "a0 a1 a2 b0 | a3 a4 a5 b1 | b2 | b3 b4 b5");
    check(3, &[&[2, 2], &[1, 1], &[1, 1]], "a0 a1 b0 c0 | a2 a3 b1 c1");
    // Full batches need nobody, and calls that ask for nothing do not hold the others up.
    check(3, &[&[4], &[8], &[], &[4]], "a0 a1 a2 a3 | b0 b1 b2 b3 | b4 b5 b6 b7 | d0 d1 d2 d3");
    check(2, &[&[], &[], &[1]], "c0");
    // More lanes than calls.
    check(8, &[&[1], &[1]], "a0 b0");
}

#[test]
fn requests_that_differ_share_no_batch() {
    let check = |second: Asked, expected: &str| {
        let calls = [asked(&[1]), second, asked(&[1])];
        let model = Model::new(FOUR);
        let found = run(&model, 3, 3, |turn| {
            let position = turn.position();
            scores(&turn, position, &calls[position], &|_| Ok(())).expect("scores")
        });
        for (position, call) in calls.iter().enumerate() {
            let alone = scores(&Model::new(FOUR), position, call, &|_| Ok(())).expect("scores");
            assert_eq!(found[&position][0], alone[0], "photo {position}");
        }
        assert_eq!(shown(&model.batches()), expected);
    };
    check(asked(&[1]), "a0 b0 c0");
    check(Asked { upsample: Upsample::Bicubic, ..asked(&[1]) }, "a0 c0 | b0");
    check(Asked { fill: Some(0.5), ..asked(&[1]) }, "a0 c0 | b0");
}

#[test]
fn each_mask_keeps_its_image_and_its_fill() {
    let fills = [0.25, -3.0, 7.0, 0.5, 2.0];
    let call = |i: usize| Asked { fill: Some(fills[i]), ..asked(&[3, 2]) };
    for batch in [FOUR, BatchRule::Fixed(4)] {
        let model = Model::new(batch);
        let told = Mutex::new([0; 5]);
        let found = run(&model, 5, 3, |turn| {
            let position = turn.position();
            let on_batch = |n| {
                told.lock().expect("told")[position] += n;
                Ok(())
            };
            scores(&turn, position, &call(position), &on_batch).expect("scores")
        });
        for (position, shared) in &found {
            let alone = scores(&Model::new(FOUR), *position, &call(*position), &|_| Ok(())).expect("scores");
            let of_pixels = |scores: &[f32]| scores.iter().copied().step_by(2).collect::<Vec<f32>>();
            assert_eq!(of_pixels(shared), of_pixels(&alone), "photo {position}");
        }
        assert_eq!(*told.lock().expect("told"), [5; 5], "each is told of its own masks");
    }
}

/// A number that looks like chance.
fn chance(seed: &AtomicU64, below: u64) -> u64 {
    let mut x = seed.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (x ^ (x >> 31)) % below
}

#[test]
fn equal_runs_make_equal_batches_however_long_anything_takes() {
    let plan = AtomicU64::new(5);
    let size = |most| 1 + chance(&plan, most) as usize;
    let call = |_| asked(&(0..size(3)).map(|_| size(9)).collect::<Vec<_>>());
    let calls: Vec<Asked> = (0..12).map(call).collect();
    let run_once = |seed: u64| {
        let time = AtomicU64::new(seed);
        let pause = move || sleep(Duration::from_micros(chance(&time, 400)));
        let shaken = std::sync::Arc::new(pause);
        let own = shaken.clone();
        let model = Model::new(FOUR).before(move |_| {
            own();
            Ok(())
        });
        let found = run(&model, calls.len(), 4, |turn| {
            let position = turn.position();
            shaken();
            // One of them fails before it asks for anything.
            let asked = if position == 5 { &asked(&[]) } else { &calls[position] };
            let on_batch = |_| {
                shaken();
                Ok(())
            };
            scores(&turn, position, asked, &on_batch).expect("scores")
        });
        (model.batches(), found)
    };
    let first = run_once(1);
    let masks: usize = first.0.iter().map(Vec::len).sum();
    assert!(first.0.len() < masks.div_ceil(3), "{} batches for {masks} masks", first.0.len());
    for seed in 2..40 {
        assert_eq!(run_once(seed), first, "run {seed}");
    }
}

#[test]
fn a_batch_that_fails_is_an_error_of_the_photo_that_made_it_fail() {
    let check = |bad: usize, masks: [&[usize]; 3]| {
        let model =
            Model::new(FOUR).before(move |batch| match batch.iter().any(|&(photo, _)| photo == bad) {
                true => Err(Error::model("a bad photo")),
                false => Ok(()),
            });
        let found = run(&model, 3, 3, |turn| {
            let position = turn.position();
            let told = std::cell::Cell::new(0);
            let on_batch = |n| {
                told.set(told.get() + n);
                Ok(())
            };
            let found = scores(&turn, position, &asked(masks[position]), &on_batch);
            found.map(|scores| (scores.len(), told.get()))
        });
        for (position, result) in found {
            match result {
                Ok(scores) => {
                    let all: usize = masks[position].iter().sum();
                    assert_eq!((position == bad, scores), (false, (2 * all, all)));
                }
                Err(error) => assert_eq!((position, error.to_string().as_str()), (bad, "a bad photo")),
            }
        }
    };
    for bad in 0..3 {
        check(bad, [&[1], &[1], &[1]]);
        check(bad, [&[5, 2, 2], &[9], &[1, 1, 1]]);
    }
}

#[test]
fn a_backend_that_miscounts_a_shared_batch_is_believed_by_nobody() {
    // Through the whole of `masked_scores`, each alone is told its own count.
    struct Miscounts(Model);
    impl ModelBackend for Miscounts {
        fn info(&self) -> &ModelInfo {
            self.0.info()
        }
        fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
            self.0.forward(batch, taps)
        }
        fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
            let more = usize::from(!request.image_of_mask.is_empty());
            let on_batch = |n| (request.on_batch)(n + more);
            MaskedScores { on_batch: &on_batch, ..*request }.on_cpu(&self.0)
        }
    }
    let model = Miscounts(Model::new(FOUR));
    let shared = SharedBatches::new(&model, 2, None).expect("a batch size");
    std::thread::scope(|scope| {
        for mut lane in shared.lanes(2) {
            scope.spawn(move || {
                let turn = lane.next_turn().expect("a turn");
                let told = std::cell::Cell::new(0);
                let on_batch = |n| {
                    told.set(told.get() + n);
                    Ok(())
                };
                scores(&turn, turn.position(), &asked(&[1, 1]), &on_batch).expect("scores");
                assert_eq!(told.get(), 2);
            });
        }
    });
}

#[test]
fn a_call_that_panics_or_gives_up_holds_nobody_up() {
    // Photo `fails` panics or gives up when it is told of its first masks.
    let check = |fails: usize, panics: bool| {
        let model = Model::new(FOUR);
        let found = run(&model, 4, 2, |turn| {
            let position = turn.position();
            let on_batch = |_| match (position == fails, panics) {
                (true, true) => panic!("a panic that the test asks for"),
                (true, false) => Err(Error::cancelled()),
                _ => Ok(()),
            };
            scores(&turn, position, &asked(&[3, 2]), &on_batch).map(|s| s.len())
        });
        for position in (0..4).filter(|&p| p != fails) {
            assert_eq!(found[&position], Ok(10), "photo {position} beside {fails}");
        }
        let expected = (!panics).then(|| Err(Error::cancelled()));
        assert_eq!(found.get(&fails), expected.as_ref());
    };
    for fails in 0..4 {
        check(fails, true);
        check(fails, false);
    }
}

#[test]
fn an_engine_that_panics_takes_one_call_with_it() {
    let model = Model::new(FOUR).before(|batch| {
        assert!(batch.len() < 3, "a panic that the test asks for");
        Ok(())
    });
    let found = run(&model, 4, 3, |turn| {
        let position = turn.position();
        scores(&turn, position, &asked(&[1, 1]), &|_| Ok(())).map(|s| s.len())
    });
    // The first led the batch that was too large; those who rode in it went on alone.
    assert_eq!(found, BTreeMap::from([(1, Ok(4)), (2, Ok(4)), (3, Ok(4))]));
}

#[test]
fn a_call_that_waits_can_be_cancelled() {
    let cancelled = std::sync::Arc::new(AtomicBool::new(false));
    let seen = cancelled.clone();
    let model = Model::new(FOUR).before(move |_| {
        // The leader takes its time until the other has given up, or for a second in all.
        for _ in 0..40 {
            if seen.load(Ordering::Relaxed) {
                break;
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    });
    let found = run(&model, 2, 2, |turn| {
        let position = turn.position();
        let on_batch = |n| match position {
            0 => Ok(()),
            _ => {
                assert_eq!(n, 0);
                cancelled.store(true, Ordering::Relaxed);
                Err(Error::cancelled())
            }
        };
        scores(&turn, position, &asked(&[97]), &on_batch).map(|s| s.len())
    });
    assert_eq!(found[&0], Ok(194));
    assert!(found[&1].as_ref().is_err_and(|e| e.kind() == ErrorKind::Cancelled));
    assert!(model.batches().iter().flatten().all(|&(photo, _)| photo == 0));
}

#[test]
fn a_lane_that_is_dropped_leaves_its_calls_to_the_others() {
    let model = Model::new(FOUR);
    let shared = SharedBatches::new(&model, 3, None).expect("a batch size");
    let mut lanes = shared.lanes(3);
    lanes.truncate(1);
    let mut lane = lanes.pop().expect("a lane");
    while let Some(turn) = lane.next_turn() {
        scores(&turn, turn.position(), &asked(&[3]), &|_| Ok(())).expect("scores");
    }
    assert_eq!(shown(&model.batches()), "a0 a1 a2 | b0 b1 b2 | c0 c1 c2");
}

#[test]
fn a_method_may_ask_from_threads_of_its_own() {
    let model = Model::new(FOUR);
    run(&model, 4, 2, |turn| {
        let (turn, position) = (&turn, turn.position());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(move || {
                    let found = scores(turn, position, &asked(&[3, 6]), &|_| Ok(())).expect("scores");
                    assert_eq!(found.len(), 18);
                });
            }
        });
    });
    assert_eq!(model.batches().iter().map(Vec::len).sum::<usize>(), 4 * 3 * 9);
}
