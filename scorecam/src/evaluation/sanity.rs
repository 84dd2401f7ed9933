//! [`Sanity`]: maps of a model whose weights are randomized layer by layer.

use std::ops::{ControlFlow, Range};

use scorecam_core::evaluation::{SaliencyMap, cascade};
use scorecam_core::image::Placement;
use scorecam_core::{ErrorKind, Meaning, Progress, RandomWeights, Result, Targets, ensure};

use crate::{ExplainOptions, Explainer, Host, Image, Model, ModelRequest, WeightDraw};

/// Which weights to randomize, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SanityOptions {
    /// The distribution.
    pub draw: WeightDraw,
    /// The seed of all random weights.
    pub seed: u64,
    /// The layers to randomize together.
    pub order: SanityOrder,
    /// The maximum number of stages (sets of layers).
    pub stages: usize,
}

impl Default for SanityOptions {
    fn default() -> Self {
        Self { draw: WeightDraw::Matched, seed: 0, order: SanityOrder::Cascade, stages: 8 }
    }
}

/// The layers to randomize together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SanityOrder {
    /// The last layer, then the last two, and so on up to all.
    Cascade,
    /// One layer at a time, from the last to the first.
    Independent,
}

/// Explains images with a trained model, and with random weights in some of its layers.
///
/// ```no_run
/// use scorecam::evaluation::{Sanity, SanityOptions, similarity_to_random};
/// use scorecam::{ExplainOptions, Host, Image};
///
/// let host = Host::new()?;
/// let how = ExplainOptions { method: "recipro-cam".into(), ..ExplainOptions::default() };
/// let sanity = Sanity::new(&host, "resnet50.toml".into(), how, SanityOptions::default())?;
/// let image = Image::open("cat.jpg")?;
/// let trained = sanity.trained(&image, |_| std::ops::ControlFlow::Continue(()))?;
/// for layers in sanity.stages() {
///     let random = sanity.randomized(layers.clone())?;
///     let map = random.map(&image, &trained, |_| std::ops::ControlFlow::Continue(()))?;
///     println!("{layers:?} {:?}", similarity_to_random(&trained.map, &map)?);
/// }
/// # Ok::<(), scorecam::Error>(())
/// ```
pub struct Sanity<'h> {
    host: &'h Host,
    request: ModelRequest,
    how: ExplainOptions,
    options: SanityOptions,
    model: Model,
    layers: Vec<String>,
}

/// The map of a trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainedMap {
    /// The target as text: "class:285".
    pub target: String,
    /// The label of its class, if the model has labels.
    pub label: Option<String>,
    /// Its score.
    pub score: f64,
    /// The map.
    pub map: SaliencyMap,
    /// The placement of the map on the photo; `None` for a tensor.
    pub placement: Option<Placement>,
}

/// A model with random weights in some layers.
pub struct RandomModel<'s> {
    sanity: &'s Sanity<'s>,
    model: Model,
}

impl<'h> Sanity<'h> {
    /// Loads the trained model, and finds its layers with weights.
    ///
    /// An error of kind unsupported if its backend cannot replace weights, or the model has none that can be replaced.
    pub fn new(
        host: &'h Host,
        request: ModelRequest,
        how: ExplainOptions,
        options: SanityOptions,
    ) -> Result<Self> {
        let model = host.load_model(request.clone())?;
        let layers = model.weights()?;
        ensure!(!layers.is_empty(), unsupported, "model {} has no layers with weights", model.name());
        // A wrong option is found before the first pass.
        Explainer::new(host, &model, &how)?;
        Ok(Self { host, request, how, options, model, layers })
    }

    /// The trained model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The names of its layers with weights, in execution order.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// The sets of layers to randomize, as indices into [`Self::layers`], from the last layer on.
    pub fn stages(&self) -> Vec<Range<usize>> {
        let all = self.layers.len();
        let counts = cascade(all, self.options.stages).into_iter();
        match self.options.order {
            SanityOrder::Cascade => counts.map(|count| all - count..all).collect(),
            SanityOrder::Independent => counts.map(|count| all - count..all - count + 1).collect(),
        }
    }

    /// The trained model's map for an image's first target. `progress` cancels by breaking off, here and below.
    pub fn trained(
        &self,
        image: &Image,
        progress: impl Fn(Progress) -> ControlFlow<()>,
    ) -> Result<TrainedMap> {
        let explainer = Explainer::new(self.host, &self.model, &self.how)?;
        let found = explainer.explain_reporting(image, None, progress)?;
        ensure!(!found.targets.is_empty(), not_found, "the model finds no target in the image");
        let target = &found.targets[0];
        Ok(TrainedMap {
            target: target.text.clone(),
            label: target.label.clone(),
            score: target.score,
            map: found.saliency(0)?,
            placement: found.placement,
        })
    }

    /// The model with random weights in `layers`. It keeps the trained model's results of trial passes, because random
    /// weights reveal little.
    pub fn randomized(&self, layers: Range<usize>) -> Result<RandomModel<'_>> {
        let SanityOptions { draw, seed, .. } = self.options;
        let explained = self.how.layer.as_deref().or(self.model.layer());
        let layer = self.model.info().layer(explained).ok().map(|layer| layer.name.clone());
        let known =
            layer.as_ref().and_then(|name| self.model.raw_layers().into_iter().find(|l| l.name == *name));
        let form = known.and_then(|layer| match layer.meaning {
            Meaning::Map(form) => Some(form),
            _ => None,
        });
        let request = ModelRequest {
            backend: Some(self.model.backend_id().to_owned()),
            layer: layer.or_else(|| self.request.layer.clone()),
            layer_form: self.request.layer_form.or(form),
            random: Some(RandomWeights { draw, seed, layers }),
            ..self.request.clone()
        };
        Ok(RandomModel { sanity: self, model: self.host.load_model(request)? })
    }
}

impl RandomModel<'_> {
    /// The map for the target of `trained`. It is flat if random weights leave nothing to show.
    pub fn map(
        &self,
        image: &Image,
        trained: &TrainedMap,
        progress: impl Fn(Progress) -> ControlFlow<()>,
    ) -> Result<SaliencyMap> {
        let class = trained.target.strip_prefix("class:").and_then(|class| class.parse().ok());
        let (targets, ask) = match class {
            Some(class) => (Targets::Classes(vec![class]), Vec::new()),
            None => (Targets::Top(1), vec![trained.target.clone()]),
        };
        let how = ExplainOptions { targets, ask, ..self.sanity.how.clone() };
        let explainer = Explainer::new(self.sanity.host, &self.model, &how)?;
        match explainer.explain_reporting(image, None, progress) {
            Ok(found) if !found.targets.is_empty() => found.saliency(0),
            // A detector of random weights finds nothing.
            Ok(_) => flat(&trained.map),
            Err(error) if error.kind() == ErrorKind::NotFound => flat(&trained.map),
            Err(error) => Err(error),
        }
    }
}

fn flat(like: &SaliencyMap) -> Result<SaliencyMap> {
    SaliencyMap::new(&vec![0.0; like.values().len()], like.size())
}
