//! Explain calls that share batches: which masks meet in which batch, and that no call's fault becomes another's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use scorecam_core::{
    Abilities, BatchRule, CamMethod, Error, ErrorKind, Explanation, Forward, InputInfo, LayerInfo,
    MaskedScores, Masks, MethodInfo, MethodOutput, Options, OutputActivation, OutputInfo, Progress, Request,
    Result, Study, Targets, Tensor, TensorView, Upsample, ViewInfo, ViewedModel, Work, explain_many,
};

/// Mask `.1` of photo `.0`.
type Masked = (usize, usize);

/// Images of 1 x 1 x 2 pixels: the first says which photo it is, the second is 1. The scores of a masked image are
/// made of its pixels and of its place in the batch.
struct Model {
    info: ViewInfo,
    batches: Mutex<Vec<Vec<Masked>>>,
    /// Called before each batch.
    before: Before,
}

type Before = Box<dyn Fn(&[Masked]) -> Result<()> + Send + Sync>;

impl Model {
    fn new(batch: BatchRule) -> Self {
        let info = ViewInfo {
            input: InputInfo::image("input", vec![None, Some(1), Some(1), Some(2)]),
            scores: Ok(OutputInfo::new("scores", vec![None, Some(2)], OutputActivation::None)),
            outputs: Vec::new(),
            layers: vec![LayerInfo::maps("maps", "Conv", vec![Some(1), Some(1), Some(2)])],
            default_layer: Some(0),
            batch,
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

impl ViewedModel for Model {
    fn info(&self) -> &ViewInfo {
        &self.info
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        let n = batch.shape()[0];
        let activations = taps.iter().map(|_| Tensor::zeros([n, 1, 1, 2])).collect::<Result<_>>()?;
        let scores = (0..n).flat_map(|i| [batch.item(i)[0] * 100.0 + batch.item(i)[1], i as f32]);
        Ok(Forward { scores: Tensor::new([n, 2], scores.collect())?, activations })
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        let photo = |m| request.images.item(request.image_of(m))[0] as usize;
        let all: Vec<Masked> =
            (0..request.masks.shape()[0]).map(|m| (photo(m), request.masks.item(m)[1] as usize)).collect();
        let size = self.info.batch.size(request.batch_size);
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

/// What a call asks for, one request after the other.
#[derive(Clone)]
struct Asked {
    masks: Vec<usize>,
    upsample: Upsample,
    fill: Option<f32>,
}

fn asked(masks: &[usize]) -> Asked {
    Asked { masks: masks.to_vec(), upsample: Upsample::Nearest, fill: None }
}

/// A method that asks for the scores of masks, numbered through; its measures are the first score of each.
struct Method {
    info: MethodInfo,
    calls: Vec<Asked>,
}

impl Method {
    fn new(calls: &[Asked]) -> Self {
        let info = MethodInfo {
            id: "test".into(),
            version: "1".into(),
            summary: "asks for the scores of masks".into(),
            options: Vec::new(),
            presets: Vec::new(),
            needs: Abilities::NONE,
            needs_layer: true,
        };
        Self { info, calls: calls.to_vec() }
    }
}

impl CamMethod for Method {
    fn info(&self) -> &MethodInfo {
        &self.info
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, _: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let asked = &self.calls[study.context.input.item(0)[0] as usize];
            let fill = asked.fill.map(|fill| Tensor::new([1, 1, 1, 2], vec![fill, -fill])).transpose()?;
            let fill = fill.map(Arc::new);
            let (mut first, mut measures) = (0, Vec::new());
            for &count in &asked.masks {
                let masks = (first..first + count).flat_map(|m| [1.0, m as f32]).collect();
                let masks = Arc::new(Tensor::new([count, 1, 2], masks)?);
                let masks = Masks { masks, upsample: asked.upsample, fill: fill.clone() };
                let scores = study.masked_scores(masks).await?;
                assert_eq!(scores.shape(), [count, 2]);
                measures.extend((0..count).map(|m| (String::new(), f64::from(scores.item(m)[0]))));
                first += count;
            }
            Ok(MethodOutput { maps: Tensor::zeros([1, 1, 2])?, errors: None, measures, warnings: Vec::new() })
        })
    }
}

/// Explains photo after photo, so many at once; the result of each, in the order of the photos. `progress` gets each report
/// with its photo.
fn run_with(
    model: &dyn ViewedModel,
    calls: &[Asked],
    at_once: usize,
    progress: &dyn Fn(usize, Progress) -> ControlFlow<()>,
) -> Vec<Result<Explanation>> {
    let (method, options) = (Method::new(calls), Options::default());
    let request = |photo: usize| {
        Ok(Request {
            input: Arc::new(Tensor::new([1, 1, 1, 2], vec![photo as f32, 1.0])?),
            reference: None,
            targets: Targets::Classes(vec![0]),
            layer: None,
            options: &options,
            batch_size: None,
            progress: Some(Box::new(move |now| progress(photo, now))),
            time_up: None,
            previous: None,
        })
    };
    let mut found = BTreeMap::new();
    explain_many(model, &method, (0..calls.len()).map(request), at_once, |photo, result| {
        assert!(found.insert(photo, result).is_none());
        ControlFlow::Continue(())
    });
    assert_eq!(found.len(), calls.len());
    found.into_values().collect()
}

fn run(model: &dyn ViewedModel, calls: &[Asked], at_once: usize) -> Vec<Result<Explanation>> {
    run_with(model, calls, at_once, &|_, _| ControlFlow::Continue(()))
}

/// The first score of each mask of a photo.
fn scores(found: &Result<Explanation>) -> Vec<f64> {
    found.as_ref().expect("an explanation").measures.iter().map(|m| m.1).collect()
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
    let check = |at_once: usize, calls: &[&[usize]], expected: &str| {
        let calls: Vec<Asked> = calls.iter().map(|masks| asked(masks)).collect();
        for batch in [FOUR, BatchRule::Fixed(4)] {
            let model = Model::new(batch);
            run(&model, &calls, at_once).iter().for_each(|found| assert!(found.is_ok(), "{found:?}"));
            assert_eq!(shown(&model.batches()), expected, "{at_once} at once");
        }
    };
    check(1, &[&[6], &[3]], "a0 a1 a2 a3 | a4 a5 | b0 b1 b2");
    check(2, &[&[6], &[3], &[5]], "a0 a1 a2 a3 | a4 a5 b0 b1 | b2 c0 c1 c2 | c3 c4");
    // With three at once, a call has company of two.
    check(3, &[&[5], &[1], &[3]], "a0 a1 a2 a3 | a4 b0 c0 c1 | c2");
    check(2, &[&[5], &[1], &[3]], "a0 a1 a2 a3 | a4 b0 | c0 c1 c2");
    check(2, &[&[2], &[1], &[1], &[1]], "a0 a1 b0 | c0 d0");
    // Small requests, one after the other, go side by side.
    check(2, &[&[2, 2], &[2, 2]], "a0 a1 b0 b1 | a2 a3 b2 b3");
    check(2, &[&[3, 3], &[3, 3]], "a0 a1 a2 b0 | a3 a4 a5 b1 | b2 | b3 b4 b5");
    check(3, &[&[2, 2], &[1, 1], &[1, 1]], "a0 a1 b0 c0 | a2 a3 b1 c1");
    // Full batches need no other call, and calls that ask for nothing do not hold the others up.
    check(3, &[&[4], &[8], &[], &[4]], "a0 a1 a2 a3 | b0 b1 b2 b3 | b4 b5 b6 b7 | d0 d1 d2 d3");
    check(2, &[&[], &[], &[1]], "c0");
    // More at once than there are calls.
    check(8, &[&[1], &[1]], "a0 b0");
}

#[test]
fn requests_that_differ_share_no_batch() {
    let check = |second: Asked, expected: &str| {
        let calls = [asked(&[1]), second, asked(&[1])];
        let model = Model::new(FOUR);
        let (found, alone) = (run(&model, &calls, 3), run(&Model::new(FOUR), &calls, 1));
        for (photo, (found, alone)) in found.iter().zip(&alone).enumerate() {
            assert_eq!(scores(found), scores(alone), "photo {photo}");
        }
        assert_eq!(shown(&model.batches()), expected);
    };
    check(asked(&[1]), "a0 b0 c0");
    check(Asked { upsample: Upsample::Bicubic, ..asked(&[1]) }, "a0 c0 | b0");
    check(Asked { fill: Some(0.5), ..asked(&[1]) }, "a0 c0 | b0");
}

#[test]
fn each_mask_keeps_its_image_and_its_fill() {
    let calls = [0.25, -3.0, 7.0, 0.5, 2.0].map(|fill| Asked { fill: Some(fill), ..asked(&[3, 2]) });
    for batch in [FOUR, BatchRule::Fixed(4)] {
        let (found, alone) = (run(&Model::new(batch), &calls, 3), run(&Model::new(batch), &calls, 1));
        for (photo, (found, alone)) in found.iter().zip(&alone).enumerate() {
            assert_eq!(scores(found), scores(alone), "photo {photo}");
            assert_eq!(found.as_ref().expect("an explanation").passes, 6, "each counts its own masks");
        }
    }
}

#[test]
fn a_call_begins_when_another_has_ended() {
    let (begun, ended) = (RefCell::new(0), RefCell::new(0));
    let calls: Vec<Asked> = [3, 1, 4, 1, 5].map(|n| asked(&[n])).into();
    let (method, options, model) = (Method::new(&calls), Options::default(), Model::new(FOUR));
    let requests = (0..calls.len()).map(|photo| {
        *begun.borrow_mut() += 1;
        assert!(*begun.borrow() - *ended.borrow() <= 2, "no more than two at once");
        match photo {
            2 => Err(Error::io("a photo that is none")),
            _ => Ok(Request {
                input: Arc::new(Tensor::new([1, 1, 1, 2], vec![photo as f32, 1.0])?),
                reference: None,
                targets: Targets::Top(1),
                layer: None,
                options: &options,
                batch_size: None,
                progress: None,
                time_up: None,
                previous: None,
            }),
        }
    });
    let mut order = Vec::new();
    explain_many(&model, &method, requests, 2, |photo, found| {
        *ended.borrow_mut() += 1;
        order.push((photo, found.is_ok()));
        if photo == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    // A request that is an error is known before the calls at work have ended.
    assert_eq!(order, [(0, true), (2, false), (1, true), (3, true)]);
    assert_eq!(shown(&model.batches()), "a0 a1 a2 b0 | d0 e0 e1 e2");
}

#[test]
fn a_batch_that_fails_is_an_error_of_the_photo_that_made_it_fail() {
    let check = |bad: usize, masks: [&[usize]; 3]| {
        let model =
            Model::new(FOUR).before(move |batch| match batch.iter().any(|&(photo, _)| photo == bad) {
                true => Err(Error::model("a bad photo")),
                false => Ok(()),
            });
        for (photo, found) in run(&model, &masks.map(asked), 3).iter().enumerate() {
            match found {
                Ok(found) => {
                    let all = masks[photo].iter().sum();
                    assert_eq!((photo == bad, found.measures.len(), found.passes), (false, all, 1 + all));
                }
                Err(error) => assert_eq!((photo, error.to_string().as_str()), (bad, "a bad photo")),
            }
        }
    };
    for bad in 0..3 {
        check(bad, [&[1], &[1], &[1]]);
        check(bad, [&[5, 2, 2], &[9], &[1, 1, 1]]);
    }
}

#[test]
fn a_backend_that_miscounts_a_shared_batch_runs_each_call_alone() {
    struct Miscounts(Model);
    impl ViewedModel for Miscounts {
        fn info(&self) -> &ViewInfo {
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
    for found in run(&Miscounts(Model::new(FOUR)), &[asked(&[1, 1]), asked(&[1, 1])], 2) {
        assert_eq!(found.expect("an explanation").passes, 3);
    }
}

#[test]
fn a_call_that_is_cancelled_holds_no_other_up() {
    for cancelled in 0..4 {
        let calls = vec![asked(&[3, 2]); 4];
        let progress = |photo: usize, now: Progress| match photo == cancelled && now.passes > 1 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        for (photo, found) in run_with(&Model::new(FOUR), &calls, 2, &progress).iter().enumerate() {
            match found {
                Ok(found) => assert_eq!((photo == cancelled, found.passes), (false, 6)),
                Err(error) => assert_eq!((photo, error.kind()), (cancelled, ErrorKind::Cancelled)),
            }
        }
    }
}

#[test]
fn a_call_that_waits_can_be_cancelled() {
    let reports = RefCell::new([0; 2]);
    let model = Model::new(FOUR);
    let progress = |photo: usize, now: Progress| {
        reports.borrow_mut()[photo] += 1;
        // The second gives up while the masks of the first are scored.
        match photo == 1 && reports.borrow()[0] > 5 && now.passes == 1 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let found = run_with(&model, &[asked(&[97]), asked(&[97])], 2, &progress);
    assert_eq!(found[0].as_ref().expect("an explanation").passes, 98);
    assert!(found[1].as_ref().is_err_and(|e| e.kind() == ErrorKind::Cancelled));
    assert!(model.batches().iter().flatten().all(|&(photo, _)| photo == 0));
}
