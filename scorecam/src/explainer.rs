//! [`Explainer`]: one model, one method and its settings, over any number of images.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorecam_core::{
    CamMethod, Error, Learned, MethodInfo, Options, Progress, Report, Request, Result, Targets, Tensor,
    ensure, explain_many,
    methods::{Fuse, Fused},
    repeated,
    target::Kept,
};

use scorecam_plugin::AUTO;

use crate::explanation::Explanation;
use crate::question::Asked;
use crate::{Host, Image, Input, Model};

/// What to explain, and how. The default is Score-CAM of the class with the highest score.
#[derive(Debug, Clone)]
pub struct ExplainOptions {
    /// The method's id, or [`AUTO`] for a map at little cost: `recipro-cam` where the model runs from its layer,
    /// `score-cam-adaptive` where it does not, `rise` where no layer is known to hold maps.
    pub method: String,
    /// A preset of the method; its default one when `None`.
    pub preset: Option<String>,
    /// Options of the method as (name, value), which come before the preset's.
    pub set: Vec<(String, String)>,
    /// The classes to explain, all from the same passes.
    pub targets: Targets,
    /// Targets in words, in place of classes where there are any: `class:NAME`, `not:NAME`, `value`, `value:down`,
    /// `contrast:A-B`, `sum:A+B`, `mean:A+B`, `like:PHOTO`, `region:MASK`, `region:predicted`, `boxes`, `box:NUMBER`,
    /// `box:X0,Y0,X1,Y1`, `candidate:NUMBER`. The page docs/targets.md says what each means.
    pub ask: Vec<String>,
    /// What counts as a detection where boxes are asked for.
    pub detections: Kept,
    /// The target layer, or several with commas between; the model's own when `None` ([`Model::layer`]), or its default one. A
    /// method that needs no layer does not look at it.
    pub layer: Option<String>,
    /// How the maps of several layers become one.
    pub fuse: Fuse,
    /// Explains the mirrored image as well, for twice the passes and one more, and gives the mean of both maps. Boxes and
    /// regions are mirrored with the image; an error of kind unsupported for a target that has no mirror image.
    pub augment: bool,
    /// Images per pass, 1 to 4096; the model's preference when `None`.
    pub batch_size: Option<usize>,
    /// Another image, for method options that compare with one.
    pub reference: Option<Image>,
    /// How long the passes of an image may take, from its first one; without end when `None`. Then no pass begins any more:
    /// score-cam-adaptive and rise make their map of the passes that were made and say its error; other methods give the targets
    /// with their scores and no map, see [`Explanation::late`]. The unmasked pass is made in any case.
    pub time_limit: Option<Duration>,
}

impl Default for ExplainOptions {
    fn default() -> Self {
        Self {
            method: "score-cam".into(),
            preset: None,
            set: Vec::new(),
            targets: Targets::Top(1),
            ask: Vec::new(),
            detections: Kept::default(),
            layer: None,
            fuse: Fuse::default(),
            augment: false,
            batch_size: None,
            reference: None,
            time_limit: None,
        }
    }
}

/// Explains images, with a method and options that were checked once. May be used from several threads at once.
///
/// ```
#[doc = include_str!("../doc/toy_model.md")]
/// use scorecam::{ExplainOptions, Explainer, Image, Photo, Targets};
///
/// let options = ExplainOptions { targets: Targets::Top(2), ..Default::default() };
/// let explainer = Explainer::new(&host, &model, &options)?;
/// let photo = Photo::from_rgb8((24, 32), (0..24 * 32 * 3).map(|i| (i * 7 % 256) as u8).collect())?;
/// let explanation = explainer.explain(&Image::from(photo))?;
/// assert_eq!(explanation.targets.len(), 2);
/// assert!(explanation.map(0)?.data().iter().all(|value| (0.0..=1.0).contains(value)));
/// # Ok::<(), scorecam::Error>(())
/// ```
pub struct Explainer<'m> {
    model: &'m Model,
    method: Arc<dyn CamMethod>,
    options: Options,
    preset: Option<String>,
    asked: Asked,
    /// One, but where several are fused; none where the method needs none, or the model's default is meant.
    layers: Vec<String>,
    batch_size: Option<usize>,
    reference: Option<Arc<Tensor>>,
    time_limit: Option<Duration>,
    warnings: Vec<String>,
}

/// The id of the method that [`AUTO`] stands for.
fn automatic(options: &ExplainOptions, (model, layer): (&Model, Option<&str>)) -> Result<&'static str> {
    ensure!(
        options.preset.is_none() && options.set.is_empty(),
        invalid,
        "method \"auto\" takes no preset and no options, since these belong to a method; name one"
    );
    let info = model.info();
    Ok(match (info.layer(layer), info.abilities.run_from) {
        (Ok(_), true) => "recipro-cam",
        (Ok(_), false) => "score-cam-adaptive",
        // A name that is wrong is an error all the same.
        (Err(unknown), _) if layer.is_some() => return Err(unknown),
        (Err(_), _) => "rise",
    })
}

/// The layers that `text` names: one, or several with commas between.
fn layers(model: &Model, text: Option<&str>) -> Result<Vec<String>> {
    let (Some(text), info) = (text, model.info()) else { return Ok(Vec::new()) };
    if !text.contains(',') || info.layer(Some(text)).is_ok() {
        return Ok(vec![text.to_owned()]);
    }
    let names = || text.split(',').map(str::trim);
    if let Some(name) = repeated(names()) {
        return Err(Error::invalid(format!("layer {name:?} was given twice; give each layer once")));
    }
    names().map(|name| info.layer(Some(name)).map(|layer| layer.name.clone())).collect()
}

/// `method` over all that the options ask for: several layers, and the mirrored image.
fn fused(
    method: Arc<dyn CamMethod>,
    (model, mut layers): (&Model, Vec<String>),
    options: &ExplainOptions,
) -> Result<(Arc<dyn CamMethod>, Vec<String>)> {
    let ExplainOptions { fuse, augment, .. } = *options;
    if !method.info().needs_layer {
        layers.clear();
    }
    if layers.len() < 2 && !augment {
        return Ok((method, layers));
    }
    if layers.is_empty() && method.info().needs_layer {
        layers.push(model.info().layer(None)?.name.clone());
    }
    Ok((Arc::new(Fused { method, layers: layers.clone(), fuse, augment }), layers))
}

/// One input of [`Explainer::explain_many`].
pub struct Job<'a> {
    /// The input.
    pub input: Input,
    /// Receives a report of each batch; breaking off cancels this input alone.
    pub progress: Option<Box<Report<'a>>>,
    /// What the explanation before learned, where the inputs are a video's frames, one at a time.
    pub previous: Option<Learned>,
}

impl<'m> Explainer<'m> {
    /// Checks `options` against the method and the model, before any pass.
    ///
    /// An error of kind not-found for a method, preset or option that does not exist; invalid-argument for a value that
    /// an option refuses; unsupported where the method needs an ability that the model's backend lacks.
    pub fn new(host: &Host, model: &'m Model, options: &ExplainOptions) -> Result<Self> {
        let layers = layers(model, options.layer.as_deref().or(model.layer()))?;
        let layer = layers.first().map(String::as_str);
        let id = if options.method == AUTO { automatic(options, (model, layer))? } else { &options.method };
        let method = host.method(id)?;
        let resolved = method.info().resolve(options.preset.as_deref(), &options.set)?;
        method.check(&resolved)?;
        host.check_needs(method.info(), model)?;
        let preset = options.preset.as_deref().or(method.info().default_preset()).map(str::to_owned);
        let (method, layers) = fused(method, (model, layers), options)?;
        let mut explainer = Self {
            model,
            options: resolved,
            preset,
            method,
            asked: Asked::Classes(options.targets.clone()),
            layers,
            batch_size: options.batch_size,
            reference: None,
            time_limit: options.time_limit,
            warnings: Vec::new(),
        };
        let asked = ((options.ask.as_slice(), &options.targets), (model, options.detections));
        explainer.asked = Asked::parse(asked.0, asked.1)?;
        if let Some(reference) = &options.reference {
            let input = model.prepare(reference).map_err(|e| e.context("the reference image"))?;
            explainer.reference = Some(input.tensor);
            explainer.warnings = input.warnings;
        }
        Ok(explainer)
    }

    /// The model.
    pub fn model(&self) -> &'m Model {
        self.model
    }

    /// The method's name, options and presets.
    pub fn method(&self) -> &MethodInfo {
        self.method.info()
    }

    /// The preset that the method's options begin with, where the method has presets.
    pub fn preset(&self) -> Option<&str> {
        self.preset.as_deref()
    }

    /// Remarks about the reference image, a line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Explains one image; blocks until done.
    pub fn explain(&self, image: &Image) -> Result<Explanation> {
        self.explain_reporting(image, None, |_| ControlFlow::Continue(()))
    }

    /// As [`Self::explain`], of a video's next frame: score-cam-adaptive begins with what it learned of the one before, and
    /// needs fewer passes for the same error. Other methods begin anew, and so does it where the previous explanation had
    /// another target or layer.
    pub fn explain_next(&self, image: &Image, previous: &Explanation) -> Result<Explanation> {
        self.explain_reporting(image, previous.learned.clone(), |_| ControlFlow::Continue(()))
    }

    /// As [`Self::explain`] or, with what the `previous` frame's explanation learned, [`Self::explain_next`]. `progress` receives a report of each batch on the calling thread, and cancels by breaking off.
    pub fn explain_reporting(
        &self,
        image: &Image,
        previous: Option<Learned>,
        progress: impl Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation> {
        let job = Job { input: self.model.prepare(image)?, progress: Some(Box::new(progress)), previous };
        let mut found = Err(Error::internal("an explain call has ended without a result"));
        self.explain_many(std::iter::once(Ok(job)), 1, |_, result| {
            found = result;
            ControlFlow::Continue(())
        });
        found
    }

    /// Explains many inputs on the calling thread, `at_once` of them at a time, so that their masks share batches. `jobs` is
    /// asked for the next one when another has ended, and `found` gets each result with the position of its job, from 0; see
    /// [`explain_many`]. A job that is an error is its own result. Where `found` breaks off, the rest is dropped.
    ///
    /// ```
    #[doc = include_str!("../doc/toy_model.md")]
    /// use std::ops::ControlFlow;
    ///
    /// use scorecam::{ExplainOptions, Explainer, Image, Job, Photo};
    ///
    /// let photos = [40, 120, 200].map(|gray| Photo::from_rgb8((32, 32), vec![gray; 32 * 32 * 3]));
    /// let explainer = Explainer::new(&host, &model, &ExplainOptions::default())?;
    /// let job = |photo| Ok(Job { input: model.prepare(&Image::from(photo?))?, progress: None, previous: None });
    /// let mut classes = [None; 3];
    /// explainer.explain_many(photos.into_iter().map(job), 2, |position, found| {
    ///     classes[position] = found.ok().and_then(|explanation| explanation.targets[0].class);
    ///     ControlFlow::Continue(())
    /// });
    /// assert!(classes.iter().all(Option::is_some));
    /// # Ok::<(), scorecam::Error>(())
    /// ```
    pub fn explain_many<'a>(
        &'a self,
        jobs: impl Iterator<Item = Result<Job<'a>>>,
        at_once: usize,
        mut found: impl FnMut(usize, Result<Explanation>) -> ControlFlow<()>,
    ) {
        let at_work = RefCell::new(BTreeMap::new());
        let requests = jobs.enumerate().map(|(position, job)| {
            let Job { input, progress, previous } = job?;
            let targets = self.asked.of(self.model, &input)?;
            let Input { tensor, placement, mut warnings } = input;
            warnings.extend(self.asked.remarks(self.model));
            // A tensor of another rank is refused below.
            let size = if let [_, _, height, width] = *tensor.shape() { (height, width) } else { (0, 0) };
            at_work.borrow_mut().insert(position, (size, placement, warnings));
            Ok(self.request(tensor, targets, (progress, previous)))
        });
        explain_many(self.model.backend(), self.method.as_ref(), requests, at_once, |position, result| {
            let input = at_work.borrow_mut().remove(&position);
            let result = result.and_then(|mut result| match input {
                Some(input) => {
                    if self.layers.len() > 1 {
                        result.layer = self.layers.join(",");
                    }
                    Ok(Explanation::new(self.model, result, input))
                }
                None => Err(Error::internal("an input was explained that nobody gave")),
            });
            found(position, result)
        });
    }

    fn request<'a>(
        &'a self,
        input: Arc<Tensor>,
        targets: Targets,
        (progress, previous): (Option<Box<Report<'a>>>, Option<Learned>),
    ) -> Request<'a> {
        Request {
            input,
            reference: self.reference.clone(),
            targets,
            layer: self.layers.first().map(String::as_str),
            options: &self.options,
            batch_size: self.batch_size,
            progress,
            time_up: self.time_limit.and_then(time_up),
            previous,
        }
    }
}

/// Whether `limit` has passed since now; `None` for a limit that no clock reaches.
fn time_up(limit: Duration) -> Option<Box<dyn Fn() -> bool>> {
    let end = Instant::now().checked_add(limit)?;
    Some(Box::new(move || Instant::now() >= end))
}
