//! [`evaluate`]: the measures that need the model's scores of images that are changed by maps.

use std::rc::Rc;
use std::sync::Arc;

use super::parallel::on_all_cores;
use super::points::{CurvePoints, Way};
use super::{Curve, Fill, Protocol, Road, RoadScore, SaliencyMap, gain, increase};
use crate::ask::{Ask, Desk, MaskedImages};
use crate::driver::{Driver, Task};
use crate::explain::{FirstPass, batch_size, check_input, first_pass, first_pass_by_targets};
use crate::progress::Monitor;
use crate::scores::class_score;
use crate::target::Targets;
use crate::tensor::{only, room_for};
use crate::{
    ClassScore, Error, Explained, OutputActivation, Report, Result, Stage, Tensor, Upsample, ViewedModel,
};

/// From this many pixels on f32 does not hold each rank.
const MOST_PIXELS: usize = 1 << 24;

/// The measures to run; the default is drop, deletion and insertion.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Drop, increase and gain: one pass per map.
    pub drop: bool,
    /// The deletion curve: a pass for each inner point.
    pub deletion: bool,
    /// The insertion curve: a pass for each inner point.
    pub insertion: bool,
    /// ROAD: two passes for each percentile.
    pub road: Option<Road>,
}

impl Default for Measures {
    fn default() -> Self {
        Self { drop: true, deletion: true, insertion: true, road: None }
    }
}

/// Maps to measure, of one image and one target.
pub struct EvaluationRequest<'a> {
    /// The preprocessed input, [1, C, H, W].
    pub input: Arc<Tensor>,
    /// The target of the maps: the first of these.
    pub target: Targets,
    /// The maps, of the input's size [H, W].
    pub maps: &'a [SaliencyMap],
    /// The settings of the measures.
    pub protocol: Protocol,
    /// What is measured.
    pub measures: &'a Measures,
    /// Images per pass; the model's preference when `None`.
    pub batch_size: Option<usize>,
    /// Receives a report after each batch, on the calling thread; breaking off cancels.
    pub progress: Option<Box<Report<'a>>>,
}

/// The measured maps.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The target, with its score on the unchanged image.
    pub target: Explained,
    /// The score of the unchanged image, as the protocol defines it.
    pub score: f64,
    /// For each map.
    pub maps: Vec<Faithfulness>,
    /// Images run through the model, the unchanged one included.
    pub passes: usize,
}

/// The faithfulness of a map to the model; measures that were not requested are None.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faithfulness {
    /// The score of the part of the image that the map keeps.
    pub kept: Option<f64>,
    /// The drop, as the protocol defines it; also None if it has no meaning.
    pub drop: Option<f64>,
    /// Whether the score rose.
    pub increase: Option<bool>,
    /// The gain; also None if the score is not a probability.
    pub gain: Option<f64>,
    /// The deletion curve.
    pub deletion: Option<Curve>,
    /// The insertion curve.
    pub insertion: Option<Curve>,
    /// ROAD.
    pub road: Option<RoadScore>,
}

/// Measures maps by the model's scores of images that they change; blocks until done. Thread-safe.
///
/// All points of the curves of all maps form one stream of masks, which the model's backend turns into images if it
/// can: only rank maps and pixel counts are sent. The ends of a curve are the image and its base, which are scored
/// once.
///
/// The error kind is invalid-argument for an input or target that the model does not accept, or for maps of another
/// size; unsupported for an image of more than 2^24 pixels; cancelled if `progress` broke off.
///
/// ```
#[doc = include_str!("../../doc/channels.rs")]
/// use scorecam_core::evaluation::*;
///
/// let model = ModelView::new(Channels::new(), &ViewOptions::default())?;
/// let mut input = Tensor::zeros([1, 3, 8, 8])?;
/// input.data_mut()[64 + 9] = 1.0; // one green pixel, in row 1 and column 1
/// let mut map = vec![0.0; 64];
/// map[9] = 1.0;
/// let maps = [SaliencyMap::new(&map, (8, 8))?, SaliencyMap::new(&[0.5; 64], (8, 8))?];
/// let request = EvaluationRequest {
///     input: input.into(),
///     target: Targets::Classes(vec![1]),
///     maps: &maps,
///     protocol: Protocol::default(),
///     measures: &Measures::default(),
///     batch_size: None,
///     progress: None,
/// };
/// let found = evaluate(&model, request)?;
/// let [right, flat] = &found.maps[..] else { unreachable!() };
/// assert_eq!((right.drop, right.increase), (Some(0.0), Some(false)));
/// assert!(flat.drop > Some(0.0)); // a flat map keeps nothing
/// let area = |map: &Faithfulness| map.insertion.as_ref().map(|curve| curve.area(AreaRule::Fraction));
/// assert!(area(right) > area(flat));
/// # Ok::<(), scorecam_core::Error>(())
/// ```
pub fn evaluate(model: &dyn ViewedModel, mut request: EvaluationRequest<'_>) -> Result<Evaluation> {
    check_input(model, &request.input)?;
    let [_, _, height, width] = request.input.view().dims("the input")?;
    if let Some(map) = request.maps.iter().find(|map| map.size() != (height, width)) {
        let (h, w) = map.size();
        bail!(invalid, "a saliency map has {h} x {w} pixels; the model's input has {height} x {width}");
    }
    if height * width > MOST_PIXELS {
        bail!(
            unsupported,
            "an image of {height} x {width} pixels is too large for ranks; at most 2^24 can be measured"
        );
    }
    let batch_size = batch_size(model, request.batch_size)?;
    let desk = Rc::new(Desk::new(Monitor::new(request.progress.take(), None), None));
    let work = evaluate_one(model, request, batch_size, Rc::clone(&desk));
    let mut driver = Driver::new(model);
    driver.add(Task::new(0, desk, batch_size, work));
    let ended = || Err(Error::internal("an evaluation has ended without a result"));
    driver.next(true).map_or_else(ended, |(_, found)| found)
}

async fn evaluate_one<'a>(
    model: &'a dyn ViewedModel,
    request: EvaluationRequest<'a>,
    batch_size: usize,
    desk: Rc<Desk<'a>>,
) -> Result<Evaluation> {
    let EvaluationRequest { input, target, maps, protocol, measures, .. } = request;
    desk.monitor.enter(Stage::Forward)?;
    let first = match &target {
        Targets::Asked(question) => first_pass_by_targets(&input, question.as_ref(), None, &desk).await?,
        classes => first_pass(model, &input, (classes, None), (&desk, &mut Vec::new())).await?,
    };
    let FirstPass { scores, output_activation, targets, mut explained, .. } = first;
    let Some(&column) = targets.first() else {
        bail!(not_found, "there is no target whose maps could be measured")
    };
    let mut scorer =
        Scorer { desk, input, batch_size, kind: protocol.score, output_activation, column, score: 0.0 };
    scorer.score = scorer.of(&scores);
    scorer.desk.monitor.enter(Stage::Passes)?;
    if maps.is_empty() {
        return scorer.done(explained.swap_remove(0), Vec::new());
    }
    let mut found = vec![Faithfulness::default(); maps.len()];
    if measures.drop {
        scorer.drops(maps, &protocol, &mut found).await?;
    }
    let ways = [(measures.deletion, Way::Deletion), (measures.insertion, Way::Insertion)];
    let ways: Vec<Way> = ways.into_iter().filter_map(|(wanted, way)| wanted.then_some(way)).collect();
    if !ways.is_empty() {
        scorer.curves(maps, (&protocol, &ways), &mut found).await?;
    }
    if let Some(road) = &measures.road {
        for (map, found) in maps.iter().zip(&mut found) {
            found.road = scorer.road(road, map).await?;
        }
    }
    scorer.done(explained.swap_remove(0), found)
}

/// One image whose changed copies are scored.
struct Scorer<'a> {
    desk: Rc<Desk<'a>>,
    input: Arc<Tensor>,
    batch_size: usize,
    kind: ClassScore,
    output_activation: OutputActivation,
    /// The target's place among the scores of an image.
    column: usize,
    /// Of the unchanged image.
    score: f64,
}

impl Scorer<'_> {
    fn done(self, target: Explained, maps: Vec<Faithfulness>) -> Result<Evaluation> {
        self.desk.monitor.enter(Stage::Done)?;
        Ok(Evaluation { target, score: self.score, maps, passes: self.desk.monitor.passes() })
    }

    /// The target's score in a row of all scores.
    fn of(&self, row: &[f32]) -> f64 {
        class_score(self.kind, self.output_activation, row, self.column)
    }

    async fn scores(&self, ask: Ask) -> Result<Vec<f64>> {
        let scores = only(self.desk.ask(ask).await?)?;
        Ok((0..scores.shape()[0]).map(|i| self.of(scores.item(i))).collect())
    }

    async fn drops(
        &self,
        maps: &[SaliencyMap],
        protocol: &Protocol,
        found: &mut [Faithfulness],
    ) -> Result<()> {
        let kept = maps.iter().map(|map| protocol.mask.of(map, protocol.ties).to_tensor());
        let masks = stacked(kept, self.size()?)?;
        let scores = self.scores(Ask::Masked(MaskedImages {
            images: Arc::clone(&self.input),
            fill: None,
            masks: Arc::new(masks),
            cuts: Vec::new(),
            image_of_mask: Vec::new(),
            // They have the size of the image.
            upsample: Upsample::Nearest,
            batch_size: self.batch_size,
        }));
        let is_probability = |score: f64| (0.0..=1.0).contains(&score);
        for (found, kept) in found.iter_mut().zip(scores.await?) {
            found.kept = Some(kept);
            found.drop = protocol.drop.of(self.score, kept);
            found.increase = Some(increase(self.score, kept));
            found.gain = (is_probability(self.score) && is_probability(kept))
                .then(|| gain(self.score, kept))
                .flatten();
        }
        Ok(())
    }

    /// The curves of all maps, from one request.
    async fn curves(
        &self,
        maps: &[SaliencyMap],
        (protocol, ways): (&Protocol, &[Way]),
        found: &mut [Faithfulness],
    ) -> Result<()> {
        let points = CurvePoints::new(protocol, ways, maps.len(), self.size()?)?;
        let base = |fill: Fill| fill.of(self.input.view());
        let ranks = maps.iter().map(|map| {
            let ranks = map.ranks(protocol.ties).into_iter().map(|rank| rank as f32).collect::<Vec<_>>();
            Tensor::new([map.size().0, map.size().1], ranks)
        });
        let scores = self.scores(Ask::Masked(MaskedImages {
            images: Arc::new(pair(&self.input, &base(protocol.insertion)?)?),
            fill: Some(Arc::new(pair(&base(protocol.deletion)?, &self.input)?)),
            masks: Arc::new(stacked(ranks, self.size()?)?),
            cuts: points.cuts(),
            image_of_mask: points.image_of_mask(),
            upsample: Upsample::Nearest,
            batch_size: self.batch_size,
        }));
        let known = points.known(scores.await?);
        for (map, found) in found.iter_mut().enumerate() {
            for &way in ways {
                let curve = Some(points.curve(&known, (way, map), self.score)?);
                match way {
                    Way::Deletion => found.deletion = curve,
                    Way::Insertion => found.insertion = curve,
                }
            }
        }
        Ok(())
    }

    async fn road(&self, road: &Road, map: &SaliencyMap) -> Result<Option<RoadScore>> {
        let removed = road.removed(map);
        let input = self.input.view();
        let images = on_all_cores(removed.len(), |i| road.image(input, &removed[i], i));
        let [_, shape @ ..] = input.dims::<4>("the input")?;
        let mut all = room_for(&[&[removed.len()], &shape[..]].concat())?;
        images.into_iter().try_for_each(|image| image.map(|image| all.extend_from_slice(image.data())))?;
        let images = Arc::new(Tensor::new([&[removed.len()], &shape[..]].concat(), all)?);
        let scores = self.scores(Ask::Forward { images, taps: Vec::new() }).await?;
        road.score(self.score, &scores)
    }

    /// Height and width.
    fn size(&self) -> Result<(usize, usize)> {
        let [_, _, height, width] = self.input.view().dims("the input")?;
        Ok((height, width))
    }
}

/// Two images [1, C, H, W] as [2, C, H, W].
fn pair(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    Tensor::new([&[2], &a.shape()[1..]].concat(), [a.data(), b.data()].concat())
}

/// Maps [H, W] as [N, H, W].
pub(super) fn stacked(
    maps: impl ExactSizeIterator<Item = Result<Tensor>>,
    (height, width): (usize, usize),
) -> Result<Tensor> {
    let shape = [maps.len(), height, width];
    let mut all = room_for(&shape)?;
    for map in maps {
        all.extend_from_slice(map?.data());
    }
    Tensor::new(shape, all)
}
