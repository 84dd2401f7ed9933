//! [`explain`]: an [`Explanation`] of one image by one model and one method; [`explain_many`]: the same for many
//! images, which share batches.
//!
//! The steps: validate, run one forward pass for scores and activations, choose targets, run the method on a [`Study`],
//! validate its result. Decoding comes before and drawing after; see [`crate::image`].

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use crate::ask::{Ask, Desk, Learned};
use crate::driver::{Driver, Task};
use crate::passes::check_finite;
use crate::progress::Monitor;
use crate::scores::{self, ClassScore};
use crate::target::{AskedTarget, Detection, Question, RegionCells, TargetSet, Targets};
use crate::{
    BatchRule, CamMethod, Error, ErrorKind, MethodOutput, Options, OutputActivation, Report, Result, Stage,
    Study, StudyContext, Tensor, TimeUp, ViewedModel, fits,
};

/// What to explain, and how.
pub struct Request<'a> {
    /// The preprocessed input, [1, C, H, W].
    pub input: Arc<Tensor>,
    /// A reference image of the same shape, for options that need one.
    pub reference: Option<Arc<Tensor>>,
    /// The targets to explain; all of them share the same forward passes.
    pub targets: Targets,
    /// The target layer; `None` for the model's default. Ignored if the method needs none.
    pub layer: Option<&'a str>,
    /// The method's options, from [`crate::MethodInfo::resolve`].
    pub options: &'a Options,
    /// Images per forward pass, at most [`BatchRule::MOST`]; `None` for the model's preference.
    pub batch_size: Option<usize>,
    /// Receives a report after each batch, on the calling thread; breaking off cancels.
    pub progress: Option<Box<Report<'a>>>,
    /// Queried between batches: whether the time limit for this image has expired. No pass starts after that: some
    /// methods, such as score-cam-adaptive and rise, return maps of the passes so far; others return the targets
    /// without maps.
    pub time_up: Option<Box<TimeUp<'a>>>,
    /// The knowledge from a video's previous image: with it, score-cam-adaptive needs fewer passes for the same error.
    pub previous: Option<Learned>,
}

/// The result of an explanation.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The target layer; empty if the method needs none.
    pub layer: String,
    /// The explained targets, in the order of the maps.
    pub targets: Vec<Explained>,
    /// One saliency map per target, [targets, H, W]; empty, [0, H, W], if [`Self::late`] is set.
    pub maps: Tensor,
    /// The standard error of each value in the maps, in their shape, if the method estimates it.
    pub errors: Option<Tensor>,
    /// The reason for missing maps: the time limit expired before the method had any.
    pub late: Option<String>,
    /// The number of images that the whole model has run, including the first one.
    pub passes: usize,
    /// The measures that the method reports, by name. "head-passes" counts runs of only the part after the layer.
    pub measures: Vec<(String, f64)>,
    /// Warnings for the user, one line each.
    pub warnings: Vec<String>,
    /// The method's knowledge for a video's next image, if there is any.
    pub learned: Option<Learned>,
}

/// An explained target.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The target as users write it: "class:285", "box:0".
    pub text: String,
    /// Its class, if it has one.
    pub class: Option<usize>,
    /// The class's probability on the unmasked input, 0 to 1; for a model with a single value, and for any other
    /// target, that value.
    pub score: f64,
    /// The model's raw output for the class; for any other target, its value.
    pub output: f32,
    /// Its detection, in pixels of the model's input.
    pub detection: Option<Detection>,
    /// Its region.
    pub region: Option<Arc<RegionCells>>,
}

/// Explains the decision of `model` on one input; blocks until done. May be called from any thread.
///
/// Errors: kind invalid-argument if the input, class or batch size does not fit the model; not-found for an unknown
/// layer; unsupported if the model lacks an ability that the method needs; cancelled if `progress` broke off.
///
/// ```
#[doc = include_str!("../doc/channels.rs")]
/// use scorecam_core::methods::ScoreCam;
///
/// let model = ModelView::new(Channels::new(), &ViewOptions::default())?;
/// let method = ScoreCam;
/// let mut input = Tensor::zeros([1, 3, 8, 8])?;
/// input.data_mut()[64 + 9] = 1.0; // one green pixel, in row 1 and column 1
/// let request = Request {
///     input: input.into(),
///     reference: None,
///     targets: Targets::Top(1),
///     layer: None,
///     options: &method.info().resolve(None, &[])?,
///     batch_size: None,
///     progress: None,
///     time_up: None,
///     previous: None,
/// };
/// let found = explain(&model, &method, request)?;
/// assert_eq!((found.targets[0].class, found.maps.shape()), (Some(1), &[1, 8, 8][..]));
/// assert_eq!(found.maps.data().iter().position(|&v| v == 1.0), Some(9));
/// # Ok::<(), scorecam_core::Error>(())
/// ```
pub fn explain(model: &dyn ViewedModel, method: &dyn CamMethod, request: Request<'_>) -> Result<Explanation> {
    let mut found = Err(Error::internal("an explain call has ended without a result"));
    explain_many(model, method, std::iter::once(Ok(request)), 1, |_, result| {
        found = result;
        ControlFlow::Continue(())
    });
    found
}

/// Explains many inputs on the calling thread, `at_once` of them concurrently; their masks share the model's batches.
///
/// The next request is taken from `requests` when an explanation has ended, and `found` receives each result with the
/// position of its request, from 0, as it becomes ready: usually but not always in order. A request that is an error is
/// its own result. If `found` breaks off, unfinished explanations are dropped.
///
/// Equal requests in the same order make equal batches, on any machine at any time.
pub fn explain_many<'a>(
    model: &'a dyn ViewedModel,
    method: &'a dyn CamMethod,
    requests: impl Iterator<Item = Result<Request<'a>>>,
    at_once: usize,
    mut found: impl FnMut(usize, Result<Explanation>) -> ControlFlow<()>,
) {
    let at_once = at_once.max(1);
    let mut requests = requests.enumerate().fuse();
    let mut driver = Driver::new(model);
    loop {
        let mut ended = None;
        while driver.len() < at_once && ended.is_none() {
            let Some((position, request)) = requests.next() else { break };
            match request.and_then(|request| task(position, model, method, request)) {
                Ok(task) => driver.add(task),
                Err(error) => ended = Some((position, Err(error))),
            }
        }
        // No task joins those at work where there is room for one only, or no request is left.
        let is_all = at_once == 1 || driver.len() < at_once;
        let Some((position, result)) = ended.or_else(|| driver.next(is_all)) else { return };
        if found(position, result).is_break() {
            return;
        }
    }
}

/// An explain call as the driver runs it.
fn task<'a>(
    position: usize,
    model: &'a dyn ViewedModel,
    method: &'a dyn CamMethod,
    mut request: Request<'a>,
) -> Result<Task<'a, Explanation>> {
    check_images(model, &request)?;
    if let (Targets::Classes(_) | Targets::Top(_), Err(why)) = (&request.targets, &model.info().scores) {
        return Err(why.clone());
    }
    method.info().check_needs(model.info().abilities)?;
    let batch_size = batch_size(model, request.batch_size)?;
    let desk = Rc::new(Desk::new(
        Monitor::new(request.progress.take(), request.time_up.take()),
        request.previous.take(),
    ));
    let work = explain_one(model, method, request, batch_size, Rc::clone(&desk));
    Ok(Task::new(position, desk, batch_size, work))
}

async fn explain_one<'a>(
    model: &'a dyn ViewedModel,
    method: &'a dyn CamMethod,
    request: Request<'a>,
    batch_size: usize,
    desk: Rc<Desk<'a>>,
) -> Result<Explanation> {
    let layer = match method.info().needs_layer {
        true => Some(find_layer(model, &request, &desk).await?),
        false => None,
    };
    desk.monitor.enter(Stage::Forward)?;
    let mut warnings = model.remarks();
    let first = match &request.targets {
        Targets::Asked(question) => {
            first_pass_by_targets(&request.input, question.as_ref(), layer.as_deref(), &desk).await?
        }
        classes => {
            let asked = (classes, layer.as_deref());
            first_pass(model, &request.input, asked, (&desk, &mut warnings)).await?
        }
    };
    let FirstPass { scores, activations, output_activation, targets, explained } = first;

    desk.monitor.enter(Stage::Passes)?;
    let context = Arc::new(StudyContext {
        input: request.input,
        reference: request.reference,
        activations: Arc::new(activations),
        layer: layer.unwrap_or_default(),
        scores,
        output_activation,
        targets,
        batch_size,
    });
    let study = Study::new(model.info(), Arc::clone(&context), Rc::clone(&desk));
    let (output, late) = match method.explain(&study, request.options).await {
        Err(error) if error.kind() == ErrorKind::Deadline => {
            (without_maps(&context)?, Some(error.to_string()))
        }
        output => (output?, None),
    };
    if late.is_none() {
        check_maps(&output, context.targets.len(), &method.info().id)?;
        let texts = explained.iter().map(|target| target.text.as_str()).collect::<Vec<_>>();
        warnings.extend(output.warnings);
        warnings.extend(crate::flat::warning(&output.maps, (&texts, &context), request.options));
    }
    desk.monitor.enter(Stage::Done)?;

    let head_passes = desk.monitor.head_passes();
    let passes = desk.monitor.passes() - head_passes;
    let mut measures = output.measures;
    measures.extend((head_passes > 0).then(|| ("head-passes".into(), head_passes as f64)));
    tracing::debug!(layer = context.layer, passes, shape = ?context.input.shape(), "explained");
    Ok(Explanation {
        layer: context.layer.clone(),
        targets: explained,
        maps: output.maps,
        errors: output.errors,
        late,
        passes,
        measures,
        warnings,
        learned: desk.learned(),
    })
}

/// The result of a method whose time limit expired.
fn without_maps(context: &StudyContext) -> Result<MethodOutput> {
    let [_, _, height, width] = context.input.view().dims("the input")?;
    let maps = Tensor::zeros([0, height, width])?;
    Ok(MethodOutput { maps, errors: None, measures: Vec::new(), warnings: Vec::new() })
}

/// What the unmasked pass tells.
pub(crate) struct FirstPass {
    /// Class scores, or the numbers of the targets.
    pub(crate) scores: Vec<f32>,
    activations: Tensor,
    pub(crate) output_activation: OutputActivation,
    /// Indices into the scores.
    pub(crate) targets: Vec<usize>,
    pub(crate) explained: Vec<Explained>,
}

/// The pass on the unmasked image `input` where classes are explained.
pub(crate) async fn first_pass(
    model: &dyn ViewedModel,
    input: &Arc<Tensor>,
    (classes, layer): (&Targets, Option<&str>),
    (desk, warnings): (&Desk<'_>, &mut Vec<String>),
) -> Result<FirstPass> {
    let (images, taps) = (Arc::clone(input), layer.into_iter().map(str::to_owned).collect());
    let mut tensors = desk.ask(Ask::Forward { images, taps }).await?.into_iter();
    let scores = tensors.next().ok_or_else(|| Error::plugin("the backend returned no output"))?.into_data();
    let activations = spatial_activations(tensors.next(), layer)?;
    let output_activation = resolve_activation(model, &scores, warnings);
    let targets = classes.choose(&scores, output_activation)?;
    let explained = |&class: &usize| Explained {
        text: format!("class:{class}"),
        class: Some(class),
        score: scores::class_score(ClassScore::Softmax, output_activation, &scores, class),
        output: scores[class],
        detection: None,
        region: None,
    };
    let explained = targets.iter().map(explained).collect();
    Ok(FirstPass { scores, activations, output_activation, targets, explained })
}

/// The same of targets: the pass gives the rows that answer the question, and from then on its targets are read.
pub(crate) async fn first_pass_by_targets(
    input: &Arc<Tensor>,
    question: &dyn Question,
    layer: Option<&str>,
    desk: &Desk<'_>,
) -> Result<FirstPass> {
    let mut outputs: Vec<String> = question.outputs().into_iter().map(str::to_owned).collect();
    outputs.sort_unstable();
    outputs.dedup();
    let (image, taps) = (Arc::clone(input), layer.into_iter().map(str::to_owned).collect());
    let mut rows = desk.ask(Ask::Rows { image, outputs: outputs.clone(), taps }).await?;
    let activations = spatial_activations(layer.and_then(|_| rows.pop()), layer)?;
    let rows_of = |names: Vec<&str>| {
        let row = |name: &str| outputs.iter().position(|output| output == name).map(|i| rows[i].view());
        let found = names.into_iter().map(row).collect::<Option<Vec<_>>>();
        found.ok_or_else(|| Error::internal("a target reads an output that its question did not"))
    };
    let asked = question.targets(&rows_of(question.outputs())?)?;
    let set = Arc::new(TargetSet::new(asked.iter().map(|asked| Arc::clone(&asked.target))));
    let scores = set.values(&rows_of(set.outputs())?)?;
    desk.read_by(Some(set));
    let explained = asked.into_iter().zip(&scores).map(|(asked, &value)| {
        let AskedTarget { text, class, detection, region, .. } = asked;
        Explained { text, class, score: value.into(), output: value, detection, region }
    });
    let explained = explained.collect();
    let targets = (0..scores.len()).collect();
    Ok(FirstPass { scores, activations, output_activation: OutputActivation::Value, targets, explained })
}

/// Runs `method` on an image whose first pass is already done, on the calling thread. A method plugin's `explain` uses
/// it, with the study's table as `model`.
pub fn run_method<'a>(
    model: &'a dyn ViewedModel,
    method: &'a dyn CamMethod,
    context: StudyContext,
    options: &'a Options,
    progress: Box<Report<'a>>,
) -> Result<MethodOutput> {
    let desk = Rc::new(Desk::new(Monitor::new(Some(progress), None), None));
    let batch_size = context.batch_size;
    let study = Study::new(model.info(), Arc::new(context), Rc::clone(&desk));
    let mut driver = Driver::new(model);
    driver.add(Task::new(0, desk, batch_size, async move { method.explain(&study, options).await }));
    driver
        .next(true)
        .map_or_else(|| Err(Error::internal("a method has ended without a result")), |(_, found)| found)
}

/// The target layer. Of a layer that is not listed the model itself is asked, since it may know why: a backend's
/// own words say more than a list of others. That is a pass like any other, counted and of a size that it takes.
async fn find_layer(model: &dyn ViewedModel, request: &Request<'_>, desk: &Desk<'_>) -> Result<String> {
    let unknown = match model.info().layer(request.layer) {
        Ok(layer) => return Ok(layer.name.clone()),
        Err(unknown) => unknown,
    };
    let Some(name) = request.layer else { return Err(unknown) };
    let ask = Ask::Forward { images: Arc::clone(&request.input), taps: vec![name.to_owned()] };
    Err(desk.ask(ask).await.err().unwrap_or(unknown))
}

/// An error where `input` is no image that the model takes.
pub(crate) fn check_input(model: &dyn ViewedModel, input: &Tensor) -> Result<()> {
    let shape: [usize; 4] = input.view().dims("the input")?;
    if shape[0] != 1 || shape.contains(&0) {
        bail!(invalid, "the input has shape {shape:?}; it must be one image [1, C, H, W]");
    }
    // An engine may trust its own description, and read as many values as it says.
    let wanted = &model.info().input.shape;
    if wanted.len() == shape.len() && !fits(&wanted[1..], &shape[1..]) {
        let sizes = wanted[1..].iter().map(|n| n.map_or("any".into(), |n| n.to_string()));
        let sizes = sizes.collect::<Vec<String>>().join(", ");
        return Err(Error::invalid(format!("the model takes [N, {sizes}]; the input has shape {shape:?}")));
    }
    finite(input, "the input")
}

fn check_images(model: &dyn ViewedModel, request: &Request<'_>) -> Result<()> {
    check_input(model, &request.input)?;
    let Some(reference) = &request.reference else { return Ok(()) };
    if reference.shape() != request.input.shape() {
        return Err(Error::invalid(format!(
            "the reference image has shape {:?}, the input {:?}; they must be equal",
            reference.shape(),
            request.input.shape()
        )));
    }
    finite(reference, "the reference image")
}

fn finite(tensor: &Tensor, what: &str) -> Result<()> {
    check_finite(tensor.data(), || what.to_owned()).map_err(|e| Error::invalid(e.to_string()))
}

/// The activations of the target layer, or none at all where there is no such layer.
pub(crate) fn spatial_activations(activations: Option<Tensor>, layer: Option<&str>) -> Result<Tensor> {
    let Some(layer) = layer else { return Tensor::zeros([1, 0, 0, 0]) };
    let activations = activations
        .ok_or_else(|| Error::plugin(format!("the backend returned no activations for layer {layer:?}")))?;
    match activations.shape() {
        [1, k, h, w] if *k > 0 && h * w > 1 => Ok(activations),
        shape => Err(Error::invalid(format!(
            "layer {layer:?} has activations of shape {shape:?}; a saliency map needs [1, K, h, w] with more than one cell"
        ))),
    }
}

pub(crate) fn resolve_activation(
    model: &dyn ViewedModel,
    scores: &[f32],
    warnings: &mut Vec<String>,
) -> OutputActivation {
    match model.info().scores.as_ref().map_or(OutputActivation::None, |scores| scores.applied) {
        OutputActivation::Unknown if scores::sum_to_one(scores) => {
            warnings.push(
                "the model's output sums to 1, so it is interpreted as softmax probabilities; specify it with \
                 output.activation in the manifest"
                    .into(),
            );
            OutputActivation::Softmax
        }
        OutputActivation::Unknown => OutputActivation::None,
        OutputActivation::Softmax => {
            warnings.push(
                "the model ends in softmax: its output is used unchanged, without another softmax".into(),
            );
            OutputActivation::Softmax
        }
        declared => declared,
    }
}

/// The number of images per pass that `wanted` comes to.
pub(crate) fn batch_size(model: &dyn ViewedModel, wanted: Option<usize>) -> Result<usize> {
    match (wanted, model.info().batch) {
        (Some(0), _) => Err(Error::invalid("batch size must be at least 1, got 0")),
        (Some(n), _) if n > BatchRule::MOST => {
            Err(Error::invalid(format!("batch size must be at most {}, got {n}", BatchRule::MOST)))
        }
        (None, BatchRule::Any { preferred }) => Ok(preferred.max(1)),
        (wanted, rule) => Ok(rule.size(wanted.unwrap_or(1))),
    }
}

pub(crate) fn check_maps(output: &MethodOutput, targets: usize, method: &str) -> Result<()> {
    let check = |values: &[f32], what: &str| {
        check_finite(values, || format!("{what} of method {method:?}"))
            .map_err(|e| Error::new(ErrorKind::Plugin, e.to_string()))
    };
    let shape = output.maps.shape();
    let is_right = matches!(shape, [n, h, w] if *n == targets && *h > 0 && *w > 0);
    ensure!(is_right, plugin, "method {method:?} returned maps of shape {shape:?} for {targets} targets");
    check(output.maps.data(), "the map")?;
    let Some(errors) = &output.errors else { return Ok(()) };
    let other = errors.shape();
    ensure!(
        other == shape,
        plugin,
        "method {method:?} returned standard errors of shape {other:?} for maps of {shape:?}"
    );
    check(errors.data(), "a standard error")?;
    let negative = errors.data().iter().find(|v| **v < 0.0);
    negative.map_or(Ok(()), |v| {
        Err(Error::plugin(format!("a standard error of method {method:?} is {v}, which is below 0")))
    })
}
