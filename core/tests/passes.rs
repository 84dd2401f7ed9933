//! What holds for every pass, whichever backend and method make it: passes are counted, padded, reported one at a
//! time, and cancelled for good; and what a backend says of them is not believed.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use scorecam_core::{
    Abilities, BatchRule, CamMethod, Error, ErrorKind, Explanation, Forward, InputInfo, LayerInfo,
    MaskedScores, Masks, MethodInfo, MethodOutput, Options, OutputActivation, OutputInfo, Progress, Request,
    Result, Study, Targets, Tensor, TensorView, Upsample, ViewInfo, ViewedModel, Work, explain,
};

/// Images of 1 x 1 x 2 pixels, two classes, and the layer `maps` of one map of 1 x 2 cells.
struct Model {
    info: ViewInfo,
    /// The number of images of each pass.
    sizes: Mutex<Vec<usize>>,
    masked: fn(&Self, &MaskedScores<'_>) -> Result<Tensor>,
}

impl Model {
    fn new(batch: BatchRule) -> Self {
        let axes = |sizes: &[usize]| sizes.iter().map(|&n| Some(n)).collect::<Vec<_>>();
        let shape = |sizes: &[usize]| [vec![None], axes(sizes)].concat();
        let info = ViewInfo {
            input: InputInfo::image("input", shape(&[1, 1, 2])),
            scores: Ok(OutputInfo::new("scores", shape(&[2]), OutputActivation::None)),
            outputs: Vec::new(),
            layers: vec![LayerInfo::maps("maps", "Conv", axes(&[1, 1, 2]))],
            default_layer: Some(0),
            batch,
            abilities: Abilities::NONE,
        };
        Self { info, sizes: Mutex::default(), masked: |model, request| request.on_cpu(model) }
    }

    fn sizes(&self) -> Vec<usize> {
        self.sizes.lock().expect("no test panicked").clone()
    }
}

impl ViewedModel for Model {
    fn info(&self) -> &ViewInfo {
        &self.info
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        if taps.contains(&"fused") {
            return Err(Error::not_found("layer \"fused\" was fused away"));
        }
        let n = batch.shape()[0];
        self.sizes.lock().map_err(|_| Error::internal("a test panicked"))?.push(n);
        let activations = taps.iter().map(|_| Tensor::zeros([n, 1, 1, 2])).collect::<Result<_>>()?;
        Ok(Forward { scores: Tensor::zeros([n, 2])?, activations })
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        (self.masked)(self, request)
    }
}

/// A method that does one thing and gives a map of zeros.
struct Method<F> {
    info: MethodInfo,
    work: F,
}

impl<F: AsyncFn(&Study<'_>) -> Result<()> + Send + Sync> CamMethod for Method<F> {
    fn info(&self) -> &MethodInfo {
        &self.info
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, _: &'s Options) -> Work<'s> {
        Box::pin(async move {
            (self.work)(study).await?;
            let maps = Tensor::zeros([study.context.targets.len(), 1, 2])?;
            Ok(MethodOutput { maps, errors: None, measures: Vec::new(), warnings: Vec::new() })
        })
    }
}

/// The scores of three masks.
async fn three_masks(study: &Study<'_>) -> Result<()> {
    let masks = Tensor::zeros([3, 1, 2])?.into();
    study.masked_scores(Masks { masks, upsample: Upsample::HalfPixel, fill: None }).await.map(|_| ())
}

/// One explain call: its layer, classes, size of batch, and who is told.
struct Call<'a> {
    layer: Option<&'a str>,
    classes: &'a [usize],
    batch_size: Option<usize>,
    progress: &'a dyn Fn(Progress) -> ControlFlow<()>,
}

const CALL: Call<'static> =
    Call { layer: None, classes: &[0], batch_size: None, progress: &|_| ControlFlow::Continue(()) };

impl Call<'_> {
    fn on(
        &self,
        model: &dyn ViewedModel,
        work: impl AsyncFn(&Study<'_>) -> Result<()> + Send + Sync,
    ) -> Result<Explanation> {
        let info = MethodInfo {
            id: "test".into(),
            version: "1".into(),
            summary: "does what a test says".into(),
            options: Vec::new(),
            presets: Vec::new(),
            needs: Abilities::NONE,
            needs_layer: true,
        };
        let method = Method { info, work };
        let input = Tensor::zeros([1, 1, 1, 2])?;
        let request = Request {
            input: input.into(),
            reference: None,
            targets: Targets::Classes(self.classes.to_vec()),
            layer: self.layer,
            options: &method.info().resolve(None, &[])?,
            batch_size: self.batch_size,
            progress: Some(Box::new(self.progress)),
            time_up: None,
            previous: None,
        };
        explain(model, &method, request)
    }
}

const ANY: BatchRule = BatchRule::Any { preferred: 4 };

fn failure(result: Result<Explanation>, kind: ErrorKind, words: &str) {
    let error = result.expect_err(words);
    assert!(error.kind() == kind && error.to_string().contains(words), "{:?}: {error}", error.kind());
}

#[test]
fn a_model_is_asked_of_an_unknown_layer_by_a_pass_like_any_other() {
    let model = Model::new(BatchRule::Fixed(4));
    let reports = RefCell::new(Vec::new());
    let progress = |now: Progress| {
        reports.borrow_mut().push(now.passes);
        ControlFlow::Continue(())
    };
    let call = Call { layer: Some("mapz"), progress: &progress, ..CALL };
    failure(call.on(&model, async |_| Ok(())), ErrorKind::NotFound, "layers with spatial extent: maps");
    assert_eq!((model.sizes(), reports.into_inner()), (vec![4], vec![1]));
    let call = Call { layer: Some("fused"), ..CALL };
    failure(call.on(&model, async |_| Ok(())), ErrorKind::NotFound, "layer \"fused\" was fused away");
}

#[test]
fn a_class_is_explained_once() {
    let call = |classes: &[usize]| Call { classes, ..CALL }.on(&Model::new(ANY), async |_| Ok(()));
    failure(call(&[1, 0, 1]), ErrorKind::InvalidArgument, "class 1 was given twice; give each class once");
    assert_eq!(call(&[1, 0]).expect("two maps").maps.shape(), [2, 1, 2]);
}

#[test]
fn a_caller_who_cancels_once_gets_no_report_more() {
    fn check(at: usize, work: impl AsyncFn(&Study<'_>) -> Result<()> + Send + Sync) {
        let reports = Cell::new(0);
        let progress = |_: Progress| {
            reports.set(reports.get() + 1);
            if reports.get() == at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let result = Call { progress: &progress, ..CALL }.on(&Model::new(ANY), work);
        failure(result, ErrorKind::Cancelled, "cancelled by the progress callback");
        assert_eq!(reports.get(), at);
    }
    // Reports so far: the beginning, the first pass, the method's beginning.
    let input = |study: &Study<'_>| Arc::clone(&study.context.input);
    check(4, async |study: &Study<'_>| study.expect_passes(9));
    check(4, async |study: &Study<'_>| study.expect_passes(9).or(Ok(())));
    check(4, async |study: &Study<'_>| {
        let _ignored = study.expect_passes(9);
        study.scores(input(study)).await.map(|_| ())
    });
    check(4, async |study: &Study<'_>| study.scores(input(study)).await.map(|_| ()).or(Ok(())));
}

#[test]
fn scores_of_many_images_are_made_in_batches() {
    let check = |batch: BatchRule, sizes: &[usize]| {
        let (model, counts) = (Model::new(batch), RefCell::new(Vec::new()));
        let progress = |now: Progress| {
            counts.borrow_mut().push(now.passes);
            ControlFlow::Continue(())
        };
        let found = Call { progress: &progress, ..CALL }.on(&model, async |study| {
            let scores = study.scores(Tensor::zeros([10, 1, 1, 2])?).await?;
            assert_eq!(scores.shape(), [10, 2]);
            Ok(())
        });
        assert_eq!((found.expect("a map").passes, model.sizes()), (11, sizes.to_vec()));
        assert_eq!(*counts.borrow(), [0, 1, 1, 5, 9, 11, 11]);
    };
    check(ANY, &[1, 4, 4, 2]);
    check(BatchRule::Fixed(4), &[4, 4, 4, 4]);
}

#[test]
fn a_method_may_ask_for_several_things_at_once() {
    let model = Model::new(ANY);
    let found = CALL.on(&model, async |study| {
        let mut asks = [
            Box::pin(study.scores(Tensor::zeros([2, 1, 1, 2])?)),
            Box::pin(study.scores(Tensor::zeros([3, 1, 1, 2])?)),
        ];
        let mut found = [None, None];
        poll_fn(|context| {
            for (ask, found) in asks.iter_mut().zip(&mut found) {
                if found.is_none()
                    && let Poll::Ready(scores) = ask.as_mut().poll(context)
                {
                    *found = Some(scores);
                }
            }
            if found.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let rows = found.map(|scores| scores.expect("polled").expect("scores").shape()[0]);
        assert_eq!(rows, [2, 3]);
        Ok(())
    });
    assert_eq!((found.expect("a map").passes, model.sizes()), (6, vec![1, 2, 3]));
}

#[test]
fn a_method_that_waits_for_something_other_than_its_study_is_refused() {
    let found = CALL.on(&Model::new(ANY), async |_| std::future::pending().await);
    failure(found, ErrorKind::Plugin, "the method waits for something other than its study");
}

#[test]
fn a_batch_is_no_larger_than_the_limit_and_what_there_is_to_score() {
    let check = |batch: BatchRule, asked: Option<usize>, passed_on: usize| {
        let mut model = Model::new(batch);
        model.masked = |model, request| {
            model.sizes.lock().expect("no test panicked").push(request.batch_size);
            (request.on_batch)(3)?;
            Tensor::zeros([3, 2])
        };
        Call { batch_size: asked, ..CALL }.on(&model, three_masks).expect("a map");
        assert_eq!(model.sizes().last(), Some(&passed_on), "{batch:?}, {asked:?}");
    };
    check(ANY, None, 3);
    check(ANY, Some(2), 2);
    check(ANY, Some(4096), 3);
    check(BatchRule::Fixed(8), Some(2), 8);
    let model = Model::new(ANY);
    let asked = |n| Call { batch_size: Some(n), ..CALL }.on(&model, three_masks);
    failure(asked(4097), ErrorKind::InvalidArgument, "batch size must be at most 4096, got 4097");
    failure(asked(usize::MAX), ErrorKind::InvalidArgument, "must be at most 4096");
    assert!(model.sizes().is_empty(), "refused before the first pass");
}

#[test]
fn what_a_backend_reports_of_its_masks_is_not_believed() {
    let check = |masked: fn(&Model, &MaskedScores<'_>) -> Result<Tensor>, expected: Result<usize, &str>| {
        let model = Model { masked, ..Model::new(ANY) };
        let passes = Mutex::new(0);
        let progress = |now: Progress| {
            *passes.lock().expect("no test panicked") = now.passes;
            ControlFlow::Continue(())
        };
        let result = Call { progress: &progress, ..CALL }.on(&model, three_masks);
        match expected {
            Ok(passes) => assert_eq!(result.expect("a map").passes, passes),
            Err(words) => failure(result, ErrorKind::Plugin, words),
        }
        assert!(*passes.lock().expect("no test panicked") <= 4, "more passes than there are masks");
    };
    check(|_, request| (request.on_batch)(2).and((request.on_batch)(1)).and(Tensor::zeros([3, 2])), Ok(4));
    check(|_, _| Tensor::zeros([3, 2]), Err("reported passes of 0 masks by on_batch; it was given 3"));
    check(
        |_, request| (request.on_batch)(2).and(Tensor::zeros([3, 2])),
        Err("reported passes of 2 masks by on_batch; it was given 3"),
    );
    let more = "reported passes of 4 masks by on_batch; it was given 3";
    check(|_, request| (request.on_batch)(4).and(Tensor::zeros([3, 2])), Err(more));
    check(
        |_, request| (request.on_batch)(3).and((request.on_batch)(1)).or(Ok(())).and(Tensor::zeros([3, 2])),
        Err(more),
    );
    check(|_, request| (request.on_batch)(usize::MAX).and(Tensor::zeros([3, 2])), Err("it was given 3"));
}

#[test]
fn masks_that_a_cancellation_left_out_are_not_missed() {
    let mut model = Model::new(ANY);
    model.masked = |_, request| (request.on_batch)(2).or(Ok(())).and(Tensor::zeros([3, 2]));
    let progress =
        |now: Progress| if now.passes == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let result = Call { progress: &progress, ..CALL }.on(&model, three_masks);
    failure(result, ErrorKind::Cancelled, "cancelled by the progress callback");
}
