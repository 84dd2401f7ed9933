//! [`Evaluator`]: how good maps are, by the model's own scores and by where objects lie.

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

/// The choices and results of measures.
pub use scorecam_core::evaluation::*;

pub use self::baseline::Baseline;
pub use self::evidence::{Evidence, MapBox};
pub use self::measure::{MEASURES, Measure, MeasureInfo, Needs};
pub use self::over_set::{Localized, SetAccuracy, SetMeasure, SetValue};
pub use self::sanity::{RandomModel, Sanity, SanityOptions, SanityOrder, TrainedMap};
pub use self::truth::Truth;
use crate::question::Asked;
use crate::{Input, Model};

/// Inputs of max-sensitivity, and how much noise each gets (captum).
const NOISY: (usize, f64) = (10, 0.02);

/// What to measure, and by which choices.
#[derive(Debug, Clone)]
pub struct EvaluateOptions {
    /// The measures.
    pub measures: Vec<Measure>,
    /// The choices behind drop, increase, gain and the curves.
    pub protocol: Protocol,
    /// Those of ROAD.
    pub road: Road,
    /// How a map becomes boxes.
    pub boxes: BoxOptions,
    /// Images per pass; the model's preference when `None`.
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

/// Measures maps of one model's decisions. May be used from several threads at once.
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

/// What maps are about.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The image.
    pub input: &'a Input,
    /// What the maps explain, in words, as [`Target::text`](crate::Target::text) says it.
    pub target: &'a str,
    /// Where the object lies, where that is known.
    pub truth: Option<&'a Truth>,
}

/// Makes the map of another input by the method that made map number `n`; none where no method did.
pub type Again<'a> = dyn Fn(usize, Tensor) -> Result<Option<SaliencyMap>> + 'a;

/// What was measured of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The target's score on the image, as the protocol takes it.
    pub score: f64,
    /// For each map.
    pub maps: Vec<MeasuredMap>,
    /// Passes that were made, those of further explanations apart.
    pub passes: usize,
}

/// What was measured of a map. A measure that has no value for it (no truth, a flat map) is left out.
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
    /// For maps of `model`'s decisions.
    pub fn new(model: &'m Model, options: EvaluateOptions) -> Self {
        Self { model, options }
    }

    /// What is measured.
    pub fn options(&self) -> &EvaluateOptions {
        &self.options
    }

    /// Measures maps of one image; blocks until done. Measures that need further explanations are left out: see
    /// [`Self::evaluate_with`].
    pub fn evaluate(&self, subject: &Subject<'_>, maps: &[SaliencyMap]) -> Result<Measured> {
        self.evaluate_with(subject, maps, &|_, _| Ok(None), |_| ControlFlow::Continue(()))
    }

    /// As [`Self::evaluate`], where `again` makes the maps that ADCC and sensitivity compare with. `progress` receives a report
    /// of each batch on the calling thread, and cancels by breaking off.
    ///
    /// An error of kind invalid-argument for maps of another size than the input's.
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

    /// ADCC has a drop of its own: relative, and of the image times the whole map.
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
