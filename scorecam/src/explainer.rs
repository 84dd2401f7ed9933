//! [`Explainer`]: a model and a method with its settings, for any number of images.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorecam_core::{
    CamMethod, Error, Learned, MethodInfo, Options, Progress, Report, Request, Result, Targets, Tensor,
    ensure, explain_many, layer_names,
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
    /// The method's id, or [`AUTO`] for a cheap map: `recipro-cam` if the model can run from its layer, otherwise
    /// `score-cam-adaptive`, or `rise` if no layer is known to hold maps.
    pub method: String,
    /// A preset of the method; `None` for the default preset.
    pub preset: Option<String>,
    /// Options of the method as (name, value), which override the preset's.
    pub set: Vec<(String, String)>,
    /// The classes to explain; all of them share the same forward passes.
    pub targets: Targets,
    /// Targets as text, which replace the classes if there are any: `class:NAME`, `not:NAME`, `value`, `value:down`,
    /// `contrast:A-B`, `sum:A+B`, `mean:A+B`, `like:PHOTO`, `region:MASK`, `region:predicted`, `boxes`, `box:NUMBER`,
    /// `box:X0,Y0,X1,Y1`, `candidate:NUMBER`. See docs/targets.md for their meanings.
    pub ask: Vec<String>,
    /// The detections that count when boxes are explained.
    pub detections: Kept,
    /// The target layer, or several separated by commas; `None` for the model's own ([`Model::layer`]), or else its
    /// default layer. Ignored by methods that need no layer.
    pub layer: Option<String>,
    /// How to fuse the maps of several layers.
    pub fuse: Fuse,
    /// Averages the maps of the image and of its mirror image, for twice the forward passes plus one. Boxes and regions
    /// are mirrored with the image; a target without a mirror image is an error of kind unsupported.
    pub augment: bool,
    /// Images per forward pass, 1 to 4096; `None` for the model's preference.
    pub batch_size: Option<usize>,
    /// A reference image, for method options that need one.
    pub reference: Option<Image>,
    /// Time limit for the forward passes of an image, from its first pass; `None` for no limit. No pass starts after
    /// the limit: score-cam-adaptive and rise then return the map of the passes so far, with its error; other methods
    /// return the targets with their scores but no map, see [`Explanation::late`]. The unmasked pass always runs.
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

/// Explains images with a method and its options, which are validated once. Several threads may use it concurrently.
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
    /// One layer, or several to fuse; none if the method needs none, or for the model's default.
    layers: Vec<String>,
    batch_size: Option<usize>,
    reference: Option<Arc<Tensor>>,
    time_limit: Option<Duration>,
    warnings: Vec<String>,
}

/// The id of the method that [`AUTO`] selects.
fn automatic(options: &ExplainOptions, (model, layer): (&Model, Option<&str>)) -> Result<&'static str> {
    ensure!(
        options.preset.is_none() && options.set.is_empty(),
        invalid,
        "method \"auto\" takes no preset or options, because these belong to a specific method; name one"
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

/// The layers in `text`: one, or several separated by commas.
fn layers(model: &Model, text: Option<&str>) -> Result<Vec<String>> {
    let (Some(text), info) = (text, model.info()) else { return Ok(Vec::new()) };
    let names = layer_names(text, |name| info.layer(Some(name)).is_ok());
    if let Some(name) = repeated(names.iter().copied()) {
        return Err(Error::invalid(format!("layer {name:?} was given twice; give each layer once")));
    }
    if let [name] = names[..] {
        return Ok(vec![name.to_owned()]);
    }
    names.iter().map(|name| info.layer(Some(name)).map(|layer| layer.name.clone())).collect()
}

/// `method`, wrapped for several layers and the mirrored image if the options request them.
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
    /// Receives a report after each batch; breaking off cancels only this input.
    pub progress: Option<Box<Report<'a>>>,
    /// The knowledge from the previous explanation, for the frames of a video, one at a time.
    pub previous: Option<Learned>,
}

impl<'m> Explainer<'m> {
    /// Validates `options` against the method and the model, before any forward pass.
    ///
    /// Errors: kind not-found for an unknown method, preset or option; invalid-argument for an invalid value;
    /// unsupported if the model's backend lacks an ability that the method needs.
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

    /// The preset in use, if the method has presets.
    pub fn preset(&self) -> Option<&str> {
        self.preset.as_deref()
    }

    /// Remarks about the reference image, one line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Explains one image; blocks until done.
    pub fn explain(&self, image: &Image) -> Result<Explanation> {
        self.explain_reporting(image, None, |_| ControlFlow::Continue(()))
    }

    /// Like [`Self::explain`], for the next frame of a video: score-cam-adaptive starts from its knowledge of the
    /// previous frame, and needs fewer passes for the same error. Other methods start without it, as does
    /// score-cam-adaptive if the previous explanation had another target or layer.
    pub fn explain_next(&self, image: &Image, previous: &Explanation) -> Result<Explanation> {
        self.explain_reporting(image, previous.learned.clone(), |_| ControlFlow::Continue(()))
    }

    /// Like [`Self::explain`], or [`Self::explain_next`] if `previous` is given. `progress` receives a report after
    /// each batch on the calling thread, and cancels by breaking off.
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

    /// Explains many inputs on the calling thread, `at_once` of them concurrently, so that their masks share batches.
    /// The next job is taken from `jobs` when one has ended, and `found` receives each result with the position of its
    /// job, from 0; see [`explain_many`]. A job that is an error is its own result. If `found` breaks off, the rest is
    /// dropped.
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

/// A function that tells whether `limit` has expired since now; `None` for a limit beyond any clock.
fn time_up(limit: Duration) -> Option<Box<dyn Fn() -> bool>> {
    let end = Instant::now().checked_add(limit)?;
    Some(Box::new(move || Instant::now() >= end))
}
