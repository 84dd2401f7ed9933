//! One photo: what the model predicts and what it should, where the evidence for both lies, and whether the scores change when
//! parts of the photo go.

use std::collections::BTreeMap;

use scorecam::dataset::{ClassName, Sample};
use scorecam::evaluation::{
    Areas, BoundingBox, BoxOptions, Intervention, InterventionRequest, Localization, Region, SaliencyMap,
    Truth, boxes, intervene, similarity,
};
use scorecam::{ExplainOptions, Explainer, Host, Image, Input, Model, Reader, Result, Targets};
use scorecam_core::{ClassScore, bail, classify};
use scorecam_report::BoxKind;
use serde::Serialize;

use super::args::DebugArgs;
use super::part::{Named, Part, parts};
use crate::survey::{self, Case, Desk, Gallery, Kept, Scored};

/// The most boxes of an area that are listed.
const BOXES: usize = 20;
/// The most that a report draws.
const DRAWN: usize = 3;

/// All that is the same for every photo.
pub(super) struct Work<'a> {
    pub(super) host: &'a Host,
    pub(super) model: &'a Model,
    pub(super) args: &'a DebugArgs,
    /// The class of photos without an annotated one.
    pub(super) expected: Option<usize>,
    pub(super) region: Option<Named>,
    /// Where pictures are kept, if a report is wanted.
    pub(super) gallery: Option<&'a Gallery>,
    pub(super) reader: Reader,
}

/// What was found on a photo.
#[derive(Serialize)]
pub(super) struct Found {
    pub(super) photo: String,
    pub(super) file: String,
    pub(super) right: bool,
    pub(super) predicted: Scored,
    pub(super) expected: Scored,
    /// How the maps of both classes differ; left out where they are one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) difference: Option<Difference>,
    /// The evidence on each part of the photo.
    pub(super) parts: BTreeMap<&'static str, OnPart>,
    pub(super) passes: usize,
    #[serde(skip)]
    pub(super) pictures: Option<Kept>,
}

/// How the maps of the predicted and of the expected class differ.
#[derive(Serialize)]
pub(super) struct Difference {
    pub(super) pearson: f64,
    pub(super) spearman: f64,
    /// The greatest difference of both maps, each stretched to 0..1.
    pub(super) greatest: f64,
    /// What only the map of the predicted class has.
    pub(super) only_predicted: Only,
    /// What only that of the expected class has.
    pub(super) only_expected: Only,
}

/// What one map has, and the other one has not.
#[derive(Serialize)]
pub(super) struct Only {
    /// The share of the model's input.
    pub(super) share: f64,
    /// The boxes of its connected areas, the largest first, at most 20: x0, y0, x1, y1 in pixels of the photo; of the input
    /// where a tensor was explained.
    pub(super) boxes: Vec<[f64; 4]>,
}

/// What lies on a part of a photo.
#[derive(Serialize)]
pub(super) struct OnPart {
    /// Its share of the model's input.
    pub(super) share: f64,
    pub(super) predicted: Evidence,
    /// The same for the expected class, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expected: Option<Evidence>,
}

/// The evidence for one class on a part; energy and lift are null for a map without a positive value.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Evidence {
    /// The share of the map on it, 0 to 1.
    pub(super) energy: Option<f64>,
    /// The energy by the part's share of the input: 1 for a map that is uninformative.
    pub(super) lift: Option<f64>,
    /// The score of the class without the part.
    pub(super) without: f64,
    /// The score with the part alone.
    pub(super) alone: f64,
}

/// Two maps at most: that of the predicted class, and that of the expected one where it is another.
struct Maps {
    predicted: SaliencyMap,
    expected: Option<SaliencyMap>,
}

impl<'a> Work<'a> {
    /// An error where the method and the model do not go together.
    pub(super) fn check(&self) -> Result<()> {
        self.model.info().scores.as_ref().map_err(|e| {
            e.clone().context(format!("{}: debug compares what a model predicts", self.model.name()))
        })?;
        self.explainer(Targets::Top(1)).map(drop)
    }

    fn explainer(&self, targets: Targets) -> Result<Explainer<'a>> {
        let options = ExplainOptions {
            method: self.args.method.id.clone(),
            preset: self.args.method.preset.clone(),
            set: self.args.method.set.clone(),
            targets,
            layer: self.args.layer.clone(),
            batch_size: self.args.batch_size,
            ..ExplainOptions::default()
        };
        Explainer::new(self.host, self.model, &options)
            .map_err(|e| e.context(format!("--method {}", self.args.method.text)))
    }

    /// Looks into a photo.
    pub(super) fn photo(&self, case: &Case<'_>, desk: &mut Desk<'_>) -> Result<Found> {
        let image = self.reader.read(case.file)?;
        if let Some(photo) = image.photo() {
            case.samples.iter().try_for_each(|sample| sample.check(photo.size()))?;
        }
        let input = self.model.prepare(&image)?;
        let scores = classify(self.model.backend(), input.tensor.clone())?.scores;
        let predicted = Scored::best(self.model, &scores)?;
        let (expected, sample) = self.expected(case, (&predicted, &scores))?;
        let truth = sample.truth(&self.reader, &input)?;
        let region = self.region.as_ref().map(|region| region.on(&input)).transpose()?;
        let parts = parts(&input, (truth.as_ref(), region.as_ref()), self.args.border)?;

        let is_right = predicted.class == expected.class;
        let mut classes = vec![predicted.class, expected.class];
        classes.truncate(if is_right { 1 } else { 2 });
        let targets = Targets::Classes(classes);
        let explained = self.explainer(targets.clone())?.explain_reporting(&image, None, desk.progress)?;
        desk.warn(&case.name, &explained.warnings);
        let other = (!is_right).then(|| explained.saliency(1)).transpose()?;
        let maps = Maps { predicted: explained.saliency(0)?, expected: other };
        let (confirmed, passes) = self.confirmed(&input, (targets, &parts), desk)?;
        let difference = maps.difference((self.args.threshold, &input))?;
        let pictures =
            self.pictures(&image, (&input, &maps), (&difference, [truth.as_ref(), region.as_ref()]));
        Ok(Found {
            photo: case.name.clone(),
            file: case.file.display().to_string(),
            right: is_right,
            predicted,
            expected,
            parts: maps.on(&parts, &confirmed)?,
            difference,
            passes: 1 + explained.passes + passes,
            pictures: pictures?,
        })
    }

    /// The class that the photo shows, and the annotation that says so. Of several it is the predicted one; else that with the
    /// best score.
    fn expected<'c>(
        &self,
        case: &Case<'c>,
        (predicted, scores): (&Scored, &[f64]),
    ) -> Result<(Scored, &'c Sample)> {
        let mut best: Option<(Scored, &Sample)> = None;
        for &sample in &case.samples {
            let class = match (&sample.class, self.expected) {
                (Some(ClassName::Number(number)), _) => *number,
                (Some(ClassName::Label(label)), _) => self.model.class(label)?,
                (None, Some(class)) => class,
                (None, None) => bail!(
                    invalid,
                    "the photo has no annotated class; annotate it, or give the class of all photos with --expected"
                ),
            };
            let found = Scored::new(self.model, class, scores)?;
            let is_better = best.as_ref().is_none_or(|(best, _)| {
                best.class != predicted.class && (class == predicted.class || found.score > best.score)
            });
            if is_better {
                best = Some((found, sample));
            }
        }
        match best {
            Some(best) => Ok(best),
            None => bail!(internal, "a photo has no annotation"),
        }
    }

    /// The scores without each part and with it alone, and the passes that it took.
    fn confirmed(
        &self,
        input: &Input,
        (targets, parts): (Targets, &[(Part, Region)]),
        desk: &Desk<'_>,
    ) -> Result<(BTreeMap<Part, Intervention>, usize)> {
        // The photo without its background is the object alone, and the other way round.
        let asked = || parts.iter().filter(|(part, _)| *part != Part::Background);
        let regions: Vec<Region> = asked().map(|(_, region)| region.clone()).collect();
        let found = intervene(
            self.model.backend(),
            InterventionRequest {
                input: input.tensor.clone(),
                targets,
                regions: &regions,
                fill: self.args.fill,
                score: ClassScore::Softmax,
                batch_size: self.args.batch_size,
                progress: Some(Box::new(desk.progress)),
            },
        )?;
        let mut confirmed: BTreeMap<Part, Intervention> =
            asked().map(|(part, _)| *part).zip(found.regions).collect();
        if let Some(Intervention { without, alone }) = confirmed.get(&Part::Object).cloned() {
            confirmed.insert(Part::Background, Intervention { without: alone, alone: without });
        }
        Ok((confirmed, found.passes))
    }

    /// Keeps the maps and boxes for the report.
    fn pictures(
        &self,
        image: &Image,
        (input, maps): (&Input, &Maps),
        (difference, marked): (&Option<Difference>, [Option<&Truth>; 2]),
    ) -> Result<Option<Kept>> {
        let Some(gallery) = self.gallery else { return Ok(None) };
        let area = survey::area(input.placement.as_ref());
        let mut layers = vec![(survey::colored(&maps.predicted)?, area)];
        if let Some(expected) = &maps.expected {
            layers.push((survey::colored(expected)?, area));
            layers.push((survey::difference(&maps.predicted, expected)?, area));
        }
        let [object, region] = marked.map(|truth| truth.map_or(&[][..], |truth| &truth.boxes[..]));
        let named = [(object, ""), (region, "region")];
        let marks = named.iter().flat_map(|(boxes, label)| {
            boxes.iter().map(|&corners| survey::drawn(corners.into(), (BoxKind::Truth, None), label))
        });
        let mut drawn: Vec<_> = marks.collect();
        if let Some(difference) = difference {
            for (map, only) in [&difference.only_predicted, &difference.only_expected].into_iter().enumerate()
            {
                // The page says what dashed boxes are; a second label would lie over the first one.
                drawn.extend(only.boxes.iter().take(DRAWN).enumerate().map(|(i, &corners)| {
                    let label = if i == 0 { "only here" } else { "" };
                    survey::drawn(corners, (BoxKind::Found, Some(map)), label)
                }));
            }
        }
        let kept = match image.photo() {
            Some(photo) => gallery.keep(photo, layers, drawn),
            None => gallery.keep(&survey::of_tensor(&input.tensor)?, layers, drawn),
        };
        kept.map(Some)
    }
}

impl Maps {
    /// The evidence on each part, and what became of the scores without it and with it alone.
    fn on(
        &self,
        parts: &[(Part, Region)],
        confirmed: &BTreeMap<Part, Intervention>,
    ) -> Result<BTreeMap<&'static str, OnPart>> {
        let one = |(part, region): &(Part, Region)| {
            let Some(changed) = confirmed.get(part) else { bail!(internal, "a part was not scored") };
            let evidence = |map: &SaliencyMap, target: usize| -> Result<Evidence> {
                let place = Localization::new(map, region)?;
                let (without, alone) = (changed.without[target], changed.alone[target]);
                Ok(Evidence { energy: place.energy(), lift: place.lift(), without, alone })
            };
            let expected = self.expected.as_ref().map(|map| evidence(map, 1)).transpose()?;
            let on = OnPart { share: region.share(), predicted: evidence(&self.predicted, 0)?, expected };
            Ok((part.name(), on))
        };
        parts.iter().map(one).collect()
    }

    fn difference(&self, (threshold, input): (f64, &Input)) -> Result<Option<Difference>> {
        let Some(expected) = &self.expected else { return Ok(None) };
        let alike = similarity(&self.predicted, expected)?;
        let (one, other) = (self.predicted.normalized(), expected.normalized());
        Ok(Some(Difference {
            pearson: alike.pearson,
            spearman: alike.spearman,
            greatest: survey::greatest_difference(&one, &other),
            only_predicted: only((&one, &other), threshold, input)?,
            only_expected: only((&other, &one), threshold, input)?,
        }))
    }
}

/// What the first of two normalized maps has and the second one has not.
fn only((first, second): (&SaliencyMap, &SaliencyMap), threshold: f64, input: &Input) -> Result<Only> {
    // A flat map is zeros, and has nothing.
    let has = |value: f64| value >= threshold && value > 0.0;
    let pairs = first.values().iter().zip(second.values());
    let alone: Vec<f32> =
        pairs.map(|(&first, &second)| f32::from(u8::from(has(first) && !has(second)))).collect();
    let share = alone.iter().sum::<f32>() / alone.len() as f32;
    let map = SaliencyMap::new(&alone, first.size())?;
    let found = boxes(&map, BoxOptions { threshold: 0.5, areas: Areas::All, ..BoxOptions::default() });
    let on_photo = |found: &BoundingBox| match &input.placement {
        Some(placement) => found.to_photo(placement).into(),
        None => (*found).into(),
    };
    Ok(Only { share: share.into(), boxes: found.iter().take(BOXES).map(on_photo).collect() })
}
