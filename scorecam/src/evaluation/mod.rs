//! [`Evaluator`]: the quality of maps, measured with the model's own scores and the locations of objects.

mod baseline;
mod evidence;
mod measure;
mod over_set;
mod sanity;
mod truth;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use scorecam_core::image::Placement;
use scorecam_core::target::Kept;
use scorecam_core::{Draws, Progress, Result, Targets, Tensor};

/// The settings and results of measures.
pub use scorecam_core::evaluation::*;

pub use self::baseline::Baseline;
pub use self::evidence::{Evidence, MapBox};
pub use self::measure::{MEASURES, Measure, MeasureInfo, Needs};
pub use self::over_set::{Localized, SetAccuracy, SetMeasure, SetValue};
pub use self::sanity::{RandomModel, Sanity, SanityOptions, SanityOrder, TrainedMap};
pub use self::truth::Truth;
use crate::question::Asked;
use crate::{Input, Model};

/// The number of inputs of max-sensitivity, and the noise of each (as in captum).
const NOISY: (usize, f64) = (10, 0.02);

/// The measures and their settings.
#[derive(Debug, Clone)]
pub struct EvaluateOptions {
    /// The measures.
    pub measures: Vec<Measure>,
    /// The settings of drop, increase, gain and the curves.
    pub protocol: Protocol,
    /// Those of ROAD.
    pub road: Road,
    /// How to derive boxes from a map.
    pub boxes: BoxOptions,
    /// Images per forward pass; `None` for the model's preference.
    pub batch_size: Option<usize>,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        Self {
            measures: Measure::DEFAULT.to_vec(),
            protocol: Protocol::default(),
            road: Road::default(),
            boxes: BoxOptions::default(),
            batch_size: None,
        }
    }
}

/// Measures maps of one model's decisions. Several threads may use it concurrently.
///
/// ```
#[doc = include_str!("../../doc/toy_model.md")]
/// use scorecam::evaluation::{EvaluateOptions, Evaluator, Measure, SaliencyMap, Subject};
/// use scorecam::{ExplainOptions, Explainer, Image, Photo};
///
/// let photo = Photo::from_rgb8((32, 32), (0..32 * 32 * 3).map(|i| (i * 7 % 256) as u8).collect())?;
/// let image = Image::from(photo);
/// let found = Explainer::new(&host, &model, &ExplainOptions::default())?.explain(&image)?;
/// let maps = [SaliencyMap::new(found.map(0)?.data(), found.input_size)?];
/// let evaluator = Evaluator::new(&model, EvaluateOptions::default());
/// let input = model.prepare(&image)?;
/// let subject = Subject { input: &input, target: &found.targets[0].text, truth: None };
/// let measured = evaluator.evaluate(&subject, &maps)?;
/// assert!(measured.maps[0].values[&Measure::Insertion] > 0.0);
/// # Ok::<(), scorecam::Error>(())
/// ```
pub struct Evaluator<'m> {
    model: &'m Model,
    options: EvaluateOptions,
}

/// The subject of maps.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The image.
    pub input: &'a Input,
    /// The target of the maps as text, see [`Target::text`](crate::Target::text).
    pub target: &'a str,
    /// The location of the object, if it is known.
    pub truth: Option<&'a Truth>,
}

/// Makes the map of another input with the method of map number `n`; `None` if it has no method.
pub type Again<'a> = dyn Fn(usize, Tensor) -> Result<Option<SaliencyMap>> + 'a;

/// The measurements of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The target's score on the image, according to the protocol.
    pub score: f64,
    /// The measurements of each map.
    pub maps: Vec<MeasuredMap>,
    /// The number of forward passes, excluding those of more explanations.
    pub passes: usize,
}

/// The measurements of a map. A measure without a value (no truth, a flat map) is left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MeasuredMap {
    /// The measures.
    pub values: BTreeMap<Measure, f64>,
    /// The deletion curve.
    pub deletion: Option<Curve>,
    /// The insertion curve.
    pub insertion: Option<Curve>,
}

impl<'m> Evaluator<'m> {
    /// An evaluator for maps of `model`'s decisions.
    pub fn new(model: &'m Model, options: EvaluateOptions) -> Self {
        Self { model, options }
    }

    /// The measures and their settings.
    pub fn options(&self) -> &EvaluateOptions {
        &self.options
    }

    /// Measures maps of one image; blocks until done. Measures that need more explanations are left out: see
    /// [`Self::evaluate_with`].
    pub fn evaluate(&self, subject: &Subject<'_>, maps: &[SaliencyMap]) -> Result<Measured> {
        self.evaluate_with(subject, maps, &|_, _| Ok(None), |_| ControlFlow::Continue(()))
    }

    /// Like [`Self::evaluate`]; `again` makes the maps that ADCC and sensitivity compare with. `progress` receives a
    /// report after each batch on the calling thread, and cancels by breaking off.
    ///
    /// An error of kind invalid-argument for maps with another size than the input.
    pub fn evaluate_with(
        &self,
        subject: &Subject<'_>,
        maps: &[SaliencyMap],
        again: &Again<'_>,
        progress: impl Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Measured> {
        let found = self.by_passes(subject, maps, progress)?;
        let (score, passes) = (found.score, found.passes);
        let mut measured = Vec::with_capacity(maps.len());
        for (i, (map, faithful)) in maps.iter().zip(found.maps).enumerate() {
            let protocol = &self.options.protocol;
            let area = |curve: &Option<Curve>| curve.as_ref().map(|curve| curve.area(protocol.area));
            let mut values = vec![
                (Measure::Drop, faithful.drop),
                (Measure::Increase, faithful.increase.map(number)),
                (Measure::Gain, faithful.gain),
                (Measure::Deletion, area(&faithful.deletion)),
                (Measure::Insertion, area(&faithful.insertion)),
                (Measure::Road, faithful.road.map(|road| road.combined)),
                (Measure::Complexity, Some(complexity(map))),
                (Measure::Entropy, entropy(map)),
                (Measure::Gini, Some(gini(map))),
            ];
            values.extend(self.of_truth(subject, map)?);
            let again = |input| again(i, input);
            if self.measures(Measure::Sensitivity) {
                values.push((Measure::Sensitivity, sensitivity(subject, map, &again)?));
            }
            if self.measures(Measure::Adcc) {
                values.push((Measure::Adcc, self.adcc(subject, map, &again)?));
            }
            let is_wanted = |(measure, value): (Measure, Option<f64>)| {
                Some((measure, value?)).filter(|_| self.measures(measure))
            };
            let values = values.into_iter().filter_map(is_wanted).collect();
            measured.push(MeasuredMap { values, deletion: faithful.deletion, insertion: faithful.insertion });
        }
        Ok(Measured { score, maps: measured, passes })
    }

    fn measures(&self, measure: Measure) -> bool {
        self.options.measures.contains(&measure)
    }

    fn by_passes(
        &self,
        subject: &Subject<'_>,
        maps: &[SaliencyMap],
        progress: impl Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Evaluation> {
        let measures = Measures {
            drop: [Measure::Drop, Measure::Increase, Measure::Gain].into_iter().any(|m| self.measures(m)),
            deletion: self.measures(Measure::Deletion),
            insertion: self.measures(Measure::Insertion),
            road: self.measures(Measure::Road).then(|| self.options.road.clone()),
        };
        evaluate(
            self.model.backend(),
            EvaluationRequest {
                input: subject.input.tensor.clone(),
                target: self.target(subject)?,
                maps,
                protocol: self.options.protocol,
                measures: &measures,
                batch_size: self.options.batch_size,
                progress: Some(Box::new(progress)),
            },
        )
    }

    fn target(&self, subject: &Subject<'_>) -> Result<Targets> {
        let class = subject.target.strip_prefix("class:").and_then(|class| class.parse().ok());
        if let Some(class) = class {
            return Ok(Targets::Classes(vec![class]));
        }
        let asked = [subject.target.to_owned()];
        Asked::parse((&asked, &Targets::Top(1)), (self.model, Kept::default()))?.of(self.model, subject.input)
    }

    fn of_truth(&self, subject: &Subject<'_>, map: &SaliencyMap) -> Result<Vec<(Measure, Option<f64>)>> {
        let Some(truth) = subject.truth else { return Ok(Vec::new()) };
        let found = Localization::new(map, &truth.region)?;
        let size = map.size();
        let placement = subject.input.placement.unwrap_or_else(|| Placement::whole(size, size));
        let own = boxes(&map.normalized(), self.options.boxes);
        let own: Vec<_> = own.iter().map(|found| found.to_photo(&placement)).collect();
        Ok(vec![
            (Measure::Energy, found.energy()),
            (Measure::Lift, found.lift()),
            (Measure::Pointing, found.pointing(Pointing::default()).map(number)),
            (Measure::Rank, found.rank_accuracy()),
            (Measure::Roc, found.roc_area()),
            (Measure::Iou, Some(best_iou(&own, &truth.boxes))),
        ])
    }

    /// ADCC has its own drop: relative, of the image times the whole map.
    fn adcc(
        &self,
        subject: &Subject<'_>,
        map: &SaliencyMap,
        again: &dyn Fn(Tensor) -> Result<Option<SaliencyMap>>,
    ) -> Result<Option<f64>> {
        let Some(other) = again(explained(&subject.input.tensor, map)?)? else { return Ok(None) };
        let measures = Measures { drop: true, deletion: false, insertion: false, road: None };
        let found = evaluate(
            self.model.backend(),
            EvaluationRequest {
                input: subject.input.tensor.clone(),
                target: self.target(subject)?,
                maps: std::slice::from_ref(map),
                protocol: Protocol::preset("grad-cam++")?,
                measures: &measures,
                batch_size: self.options.batch_size,
                progress: None,
            },
        )?;
        let drop = found.maps.first().and_then(|map| map.drop);
        let coherency = coherency(&map.normalized(), &other.normalized())?;
        Ok(drop.map(|drop| adcc(coherency, complexity(map), drop)))
    }
}

fn number(flag: bool) -> f64 {
    f64::from(u8::from(flag))
}

/// The input times the normalized map.
fn explained(input: &Tensor, map: &SaliencyMap) -> Result<Tensor> {
    let mask = map.normalized();
    let mut image = input.view().try_to_tensor()?;
    for plane in image.data_mut().chunks_exact_mut(mask.values().len()) {
        plane
            .iter_mut()
            .zip(mask.values())
            .for_each(|(pixel, &mask)| *pixel = (f64::from(*pixel) * mask) as f32);
    }
    Ok(image)
}

/// Max-sensitivity over seeded uniform noise.
fn sensitivity(
    subject: &Subject<'_>,
    map: &SaliencyMap,
    again: &dyn Fn(Tensor) -> Result<Option<SaliencyMap>>,
) -> Result<Option<f64>> {
    let mut others = Vec::new();
    for n in 0..NOISY.0 {
        let mut noisy = subject.input.tensor.view().try_to_tensor()?;
        let draws = Draws::new(0).of(n);
        let noise = |i: usize| ((2.0 * draws.uniform(i) - 1.0) * NOISY.1) as f32;
        noisy.data_mut().iter_mut().enumerate().for_each(|(i, value)| *value += noise(i));
        let Some(other) = again(noisy)? else { return Ok(None) };
        others.push(other);
    }
    max_sensitivity(map, &others)
}
