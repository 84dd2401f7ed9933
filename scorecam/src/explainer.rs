//! [`Explainer`]: one model, one method and its settings, over any number of images.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorecam_core::{
    CamMethod, Error, MethodInfo, Options, Progress, Report, Request, Result, Targets, Tensor, ensure,
    explain_many, target::Kept,
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
    /// The target layer; the model's own when `None` ([`Model::layer`]), or its default one. A method that needs no layer does
    /// not look at it.
    pub layer: Option<String>,
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
    layer: Option<String>,
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

/// One input of [`Explainer::explain_many`].
pub struct Job<'a> {
    /// The input.
    pub input: Input,
    /// Receives a report of each batch; breaking off cancels this input alone.
    pub progress: Option<Box<Report<'a>>>,
}

impl<'m> Explainer<'m> {
    /// Checks `options` against the method and the model, before any pass.
    ///
    /// An error of kind not-found for a method, preset or option that does not exist; invalid-argument for a value that
    /// an option refuses; unsupported where the method needs an ability that the model's backend lacks.
    pub fn new(host: &Host, model: &'m Model, options: &ExplainOptions) -> Result<Self> {
        let layer = options.layer.as_deref().or(model.layer());
        let id = if options.method == AUTO { automatic(options, (model, layer))? } else { &options.method };
        let method = host.method(id)?;
        let resolved = method.info().resolve(options.preset.as_deref(), &options.set)?;
        method.check(&resolved)?;
        host.check_needs(method.info(), model)?;
        let preset = options.preset.as_deref().or(method.info().default_preset()).map(str::to_owned);
        let mut explainer = Self {
            model,
            options: resolved,
            preset,
            method,
            asked: Asked::Classes(options.targets.clone()),
            layer: layer.map(str::to_owned),
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
        self.explain_reporting(image, |_| ControlFlow::Continue(()))
    }

    /// As [`Self::explain`]. `progress` receives a report of each batch on the calling thread, and cancels by breaking off.
    pub fn explain_reporting(
        &self,
        image: &Image,
        progress: impl Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation> {
        let job = Job { input: self.model.prepare(image)?, progress: Some(Box::new(progress)) };
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
    /// let job = |photo| Ok(Job { input: model.prepare(&Image::from(photo?))?, progress: None });
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
            let Job { input, progress } = job?;
            let targets = self.asked.of(self.model, &input)?;
            let Input { tensor, placement, mut warnings } = input;
            warnings.extend(self.asked.remarks(self.model));
            // A tensor of another rank is refused below.
            let size = if let [_, _, height, width] = *tensor.shape() { (height, width) } else { (0, 0) };
            at_work.borrow_mut().insert(position, (size, placement, warnings));
            Ok(self.request(tensor, targets, progress))
        });
        explain_many(self.model.backend(), self.method.as_ref(), requests, at_once, |position, result| {
            let input = at_work.borrow_mut().remove(&position);
            let result = result.and_then(|result| match input {
                Some(input) => Ok(Explanation::new(self.model, result, input)),
                None => Err(Error::internal("an input was explained that nobody gave")),
            });
            found(position, result)
        });
    }

    fn request<'a>(
        &'a self,
        input: Arc<Tensor>,
        targets: Targets,
        progress: Option<Box<Report<'a>>>,
    ) -> Request<'a> {
        Request {
            input,
            reference: self.reference.clone(),
            targets,
            layer: self.layer.as_deref(),
            options: &self.options,
            batch_size: self.batch_size,
            progress,
            time_up: self.time_limit.and_then(time_up),
        }
    }
}

/// Whether `limit` has passed since now; `None` for a limit that no clock reaches.
fn time_up(limit: Duration) -> Option<Box<dyn Fn() -> bool>> {
    let end = Instant::now().checked_add(limit)?;
    Some(Box::new(move || Instant::now() >= end))
}
