//! [`Sanity`]: maps of a model whose weights are drawn anew, layer by layer.

use std::ops::{ControlFlow, Range};

use scorecam_core::evaluation::{SaliencyMap, cascade};
use scorecam_core::image::Placement;
use scorecam_core::{ErrorKind, Meaning, Progress, RandomWeights, Result, Targets, ensure};

use crate::{ExplainOptions, Explainer, Host, Image, Model, ModelRequest, WeightDraw};

/// How weights are drawn, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SanityOptions {
    /// The distribution.
    pub draw: WeightDraw,
    /// What all draws are made from.
    pub seed: u64,
    /// Which layers are random at the same time.
    pub order: SanityOrder,
    /// How many sets of layers are looked at, at most.
    pub stages: usize,
}

impl Default for SanityOptions {
    fn default() -> Self {
        Self { draw: WeightDraw::Matched, seed: 0, order: SanityOrder::Cascade, stages: 8 }
    }
}

/// Which layers are random at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SanityOrder {
    /// The last one, then the last two, and so on to all of them.
    Cascade,
    /// One at a time, from the last to the first.
    Independent,
}

/// Explains images by a model as it was trained, and with random weights in some of its layers.
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
    /// What is explained, in words: "class:285".
    pub target: String,
    /// The label of its class, where the model has labels.
    pub label: Option<String>,
    /// Its score.
    pub score: f64,
    /// The map.
    pub map: SaliencyMap,
    /// Where it lies on the photo; `None` when a tensor was explained.
    pub placement: Option<Placement>,
}

/// A model some of whose layers have random weights.
pub struct RandomModel<'s> {
    sanity: &'s Sanity<'s>,
    model: Model,
}

impl<'h> Sanity<'h> {
    /// Loads the model as it was trained, and finds its layers with weights.
    ///
    /// An error of kind unsupported where its backend draws no weights, or the model keeps none that can be drawn.
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

    /// The model as it was trained.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The names of its layers with weights, in the order in which they run.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// The sets of layers that are to be random, as places in [`Self::layers`], from the last layer on.
    pub fn stages(&self) -> Vec<Range<usize>> {
        let all = self.layers.len();
        let counts = cascade(all, self.options.stages).into_iter();
        match self.options.order {
            SanityOrder::Cascade => counts.map(|count| all - count..all).collect(),
            SanityOrder::Independent => counts.map(|count| all - count..all - count + 1).collect(),
        }
    }

    /// The map of an image's first target by the trained model. `progress` cancels by breaking off, here and below.
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

    /// The model with random weights in `layers`. What trial passes showed of the trained one is taken over, since random
    /// weights show little.
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
    /// The map of the target that `trained` is of. Where random weights leave the method nothing to show, the map is flat.
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
