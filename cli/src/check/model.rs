//! The checks that run a model: for authors, who have one that their backend loads or their methods explain.
//!
//! The input is a pattern made here, since nothing depends on what it shows. Scores of the same image may
//! differ in rounding where an engine's threads share work in another order, and by no more than that.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use scorecam::{
    Error, ErrorKind, ExplainOptions, Explainer, Host, Model, ModelRequest, Progress, Result, Tensor,
};
use scorecam_core::{BatchRule, CamMethod, bail, ensure, fits, repeated};

use super::Subject;
use super::plugin::hosted;
use crate::list;

/// How far two scores of one image may lie apart, as a part of the largest score.
const ROUNDING: f32 = 1e-3;

/// How many threads run one model at once.
const THREADS: usize = 4;

pub(super) fn loads(subject: &Subject) -> Result<String> {
    let model = Loaded::new(subject)?.model;
    let layers = model.info().layers.len();
    Ok(format!("by {}, {layers} {}", model.backend_id(), if layers == 1 { "layer" } else { "layers" }))
}

pub(super) fn description(subject: &Subject) -> Result<String> {
    let model = Loaded::new(subject)?.model;
    let info = model.info();
    if info.input.shape.len() != 4 {
        let axes = info.input.shape.len();
        return Err(Error::plugin(format!("its input has {axes} axes; it must be [N, C, H, W]")));
    }
    if let Some(name) = repeated(info.layers.iter().map(|l| l.name.as_str())) {
        bail!(plugin, "it lists the layer {name:?} twice");
    }
    let layer = info.layer(None)?;
    ensure!(layer.has_spatial_extent(), plugin, "its default layer {:?} has no spatial extent", layer.name);
    Ok(format!("default layer {:?}", layer.name))
}

pub(super) fn forward(subject: &Subject) -> Result<String> {
    let loaded = Loaded::new(subject)?;
    let scores = loaded.scores(loaded.least_batch())?;
    Ok(format!("{} classes from an input of {}", scores.shape()[1], axes(&loaded.input_shape()?)))
}

pub(super) fn batch(subject: &Subject) -> Result<String> {
    let loaded = Loaded::new(subject)?;
    let alone = loaded.scores(loaded.least_batch())?;
    let images = match loaded.model.info().batch {
        BatchRule::Fixed(n) => n,
        BatchRule::Any { preferred } => preferred,
    };
    let together = loaded.scores(images)?;
    for image in 0..images {
        let what = format!("image {image} of a batch of {images} equal images");
        compare(together.item(image), alone.item(0), &what)?;
    }
    Ok(match loaded.model.info().batch {
        BatchRule::Fixed(_) => format!("{images} images, the model's fixed batch size"),
        BatchRule::Any { .. } => {
            format!("{images} images, its preferred batch size; the scores equal those of a single image")
        }
    })
}

pub(super) fn activations(subject: &Subject) -> Result<String> {
    let loaded = Loaded::new(subject)?;
    let info = loaded.model.info();
    let layer = info.layer(loaded.model.layer())?;
    let images = loaded.least_batch();
    let forward = loaded.model.backend().forward(loaded.input(images)?.view(), &[&layer.name])?;
    compare(
        forward.scores.item(0),
        loaded.scores(images)?.item(0),
        "the scores of a forward pass with activations",
    )?;
    let maps = forward.activations.first().ok_or_else(|| Error::internal("no activations were taken"))?;
    finite(maps.data(), "an activation")?;
    match maps.shape() {
        [n, rest @ ..] if *n == images && fits(&layer.shape, rest) => {
            Ok(format!("{} of layer {:?}", axes(maps.shape()), layer.name))
        }
        shape => Err(Error::plugin(format!(
            "layer {:?} returned activations of {} for {images} images, which contradicts its description",
            layer.name,
            axes(shape)
        ))),
    }
}

pub(super) fn repeats(subject: &Subject) -> Result<String> {
    let loaded = Loaded::new(subject)?;
    let images = loaded.least_batch();
    let (first, second) = (loaded.scores(images)?, loaded.scores(images)?);
    compare(second.item(0), first.item(0), "the scores of the same input in a second pass")?;
    let equal = first == second;
    Ok(if equal {
        "equal input, equal scores, bit for bit"
    } else {
        "equal input, equal scores except for rounding"
    }
    .into())
}

/// A model must outlive others of the same file, and the file must load again after it was freed.
pub(super) fn frees(subject: &Subject) -> Result<String> {
    let first = Loaded::new(subject)?;
    let images = first.least_batch();
    let expected = first.scores(images)?;
    let second = Loaded::new(subject)?;
    drop(first);
    compare(second.scores(images)?.item(0), expected.item(0), "the scores of a second model of this file")?;
    drop(second);
    let third = Loaded::new(subject)?;
    compare(third.scores(images)?.item(0), expected.item(0), "the scores after the others were freed")?;
    Ok("loaded three times, freed in between".into())
}

pub(super) fn threads(subject: &Subject) -> Result<String> {
    let loaded = Loaded::new(subject)?;
    let images = loaded.least_batch();
    let expected = loaded.scores(images)?;
    let found = std::thread::scope(|scope| {
        let running: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| loaded.scores(images))).collect();
        running.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    for scores in found {
        let scores = scores.map_err(|_| Error::plugin("a thread that ran the model panicked"))??;
        compare(scores.item(0), expected.item(0), &format!("the scores with {THREADS} concurrent threads"))?;
    }
    Ok(format!("{THREADS} concurrent threads, the same scores as one"))
}

/// Explains by every method of the plugin, or by the default one if it holds none; a long run is cancelled, which
/// it must take.
pub(super) fn explains(subject: &Subject) -> Result<String> {
    let loaded = Loaded::new(subject)?;
    let own: Vec<&String> = loaded.items("method").collect();
    let fallback = "score-cam".to_owned();
    let ids = if own.is_empty() { vec![&fallback] } else { own };
    let budget = Duration::from_secs(subject.time_limit) / (2 * ids.len() as u32);
    let reported: Result<Vec<String>> = ids
        .iter()
        .map(|id| {
            let method = loaded.host.method(id)?;
            loaded.host.check_needs(method.info(), &loaded.model)?;
            loaded.explained(method.as_ref(), budget)
        })
        .collect();
    Ok(reported?.join("; "))
}

/// The model that is run, in the plugin's host.
struct Loaded {
    host: Host,
    plugin: scorecam::PluginRecord,
    model: Model,
}

impl Loaded {
    fn new(subject: &Subject) -> Result<Self> {
        let path = subject.model.as_deref().ok_or_else(|| Error::internal("a check of no model was run"))?;
        let (host, plugin) = hosted(&subject.plugin)?;
        let model = load(&host, &plugin, path)?;
        Ok(Self { host, plugin, model })
    }

    /// The ids of the plugin's own items of a kind.
    fn items<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a String> {
        self.plugin.items.iter().filter(move |item| list::kind(item) == kind).map(|item| &item.id)
    }

    /// The fewest images that the model takes.
    fn least_batch(&self) -> usize {
        self.model.info().batch.size(1)
    }

    /// [C, H, W]; what the model leaves free is as a manifest says.
    fn input_shape(&self) -> Result<[usize; 3]> {
        let (preprocess, _) = self.model.preprocess()?;
        let channels = self.model.info().input.shape.get(1).copied().flatten();
        let (height, width) = preprocess.size;
        Ok([channels.unwrap_or(preprocess.color.channels()), height, width])
    }

    /// So many equal images.
    fn input(&self, images: usize) -> Result<Tensor> {
        let [channels, height, width] = self.input_shape()?;
        let mut input = Tensor::zeros([images, channels, height, width])?;
        for image in input.data_mut().chunks_mut((channels * height * width).max(1)) {
            image.iter_mut().enumerate().for_each(|(i, value)| *value = (i % 97) as f32 / 96.0);
        }
        Ok(input)
    }

    /// The scores [images, classes] of so many equal images.
    fn scores(&self, images: usize) -> Result<Tensor> {
        let scores = self.model.backend().forward(self.input(images)?.view(), &[])?.scores;
        let scores_info = self.model.info().scores.as_ref().map_err(Clone::clone)?;
        let classes = scores_info.shape.get(1).copied().flatten();
        match scores.shape() {
            [n, c] if *n == images && *c > 0 && classes.is_none_or(|said| said == *c) => {
                finite(scores.data(), "a score")?;
                Ok(scores)
            }
            shape => Err(Error::plugin(format!(
                "it returned scores of {} for {images} images, but describes them as {}",
                axes(shape),
                classes.map_or("[N, classes]".into(), |c| format!("[N, {c}]"))
            ))),
        }
    }

    fn explained(&self, method: &dyn CamMethod, budget: Duration) -> Result<String> {
        let [channels, height, width] = self.input_shape()?;
        let input = Tensor::new([1, channels, height, width], self.input(1)?.into_data())?;
        let (started, passes) = (Instant::now(), Cell::new(0));
        let progress = |progress: Progress| {
            passes.set(progress.passes);
            if started.elapsed() < budget { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        let options = ExplainOptions { method: method.info().id.clone(), ..ExplainOptions::default() };
        let explainer = Explainer::new(&self.host, &self.model, &options)?;
        let id = &method.info().id;
        match explainer.explain_reporting(&input.into(), None, progress) {
            Ok(found) => Ok(format!("{id}: a map of {}, {} passes", axes(found.maps.shape()), found.passes)),
            Err(e) if e.kind() == ErrorKind::Cancelled => {
                Ok(format!("{id}: cancelled after {} passes, to save time", passes.get()))
            }
            Err(e) => Err(e),
        }
    }
}

/// Loads the model by the plugin's backend; one without backends leaves it to whichever is found.
fn load(host: &Host, plugin: &scorecam::PluginRecord, path: &Path) -> Result<Model> {
    let backends = || plugin.items.iter().filter(|item| list::kind(item) == "backend").map(|item| &item.id);
    let backend = match backends().collect::<Vec<_>>()[..] {
        [only] => Some(only.clone()),
        _ => None,
    };
    let model = host.load_model(ModelRequest { path: path.into(), backend, ..ModelRequest::default() })?;
    if backends().next().is_some() && backends().all(|id| id != model.backend_id()) {
        return Err(Error::invalid(format!(
            "{} is loaded by {:?}, which is not in this plugin; give a model that the plugin loads",
            path.display(),
            model.backend_id()
        )));
    }
    Ok(model)
}

fn compare(is: &[f32], expected: &[f32], what: &str) -> Result<()> {
    ensure!(is.len() == expected.len(), plugin, "{what}: {} values, expected {}", is.len(), expected.len());
    let largest = expected.iter().fold(1.0f32, |most, v| most.max(v.abs()));
    let differs = is.iter().zip(expected).position(|(a, b)| (a - b).abs() > ROUNDING * largest);
    match differs {
        None => Ok(()),
        Some(i) => bail!(plugin, "{what}: the score of class {i} is {}, expected {}", is[i], expected[i]),
    }
}

fn finite(values: &[f32], what: &str) -> Result<()> {
    match values.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(v) => Err(Error::plugin(format!("{what} is {v}, which is not finite"))),
    }
}

fn axes(shape: &[usize]) -> String {
    format!("{shape:?}")
}
