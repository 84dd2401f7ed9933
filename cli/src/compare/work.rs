//! One photo: what both sides predict, and how much their maps of one class are alike.

use std::collections::BTreeMap;

use scorecam::evaluation::{SaliencyMap, on_shared_part, similarity};
use scorecam::{ExplainOptions, Explainer, Explanation, Host, Image, Model, Reader, Rect, Result, Targets};
use scorecam_core::{bail, ensure};
use serde::Serialize;

use super::args::{CompareArgs, Likeness};
use crate::evaluate::MethodArg;
use crate::survey::{self, Case, Desk, Gallery, Kept, Scored};

/// A model with a method.
pub(super) struct Side<'a> {
    /// What tells it from the other one.
    pub(super) name: String,
    pub(super) model: &'a Model,
    pub(super) method: MethodArg,
    pub(super) layer: Option<String>,
}

/// All that is the same for every photo.
pub(super) struct Work<'a> {
    pub(super) host: &'a Host,
    pub(super) args: &'a CompareArgs,
    pub(super) sides: [Side<'a>; 2],
    /// The class that is compared on all photos.
    pub(super) class: Option<usize>,
    /// Where pictures are kept, if a report is wanted.
    pub(super) gallery: Option<&'a Gallery>,
    pub(super) reader: Reader,
}

/// What was found on a photo.
#[derive(Serialize)]
pub(super) struct Compared {
    pub(super) photo: String,
    pub(super) file: String,
    /// What the maps explain: "class:281".
    pub(super) target: String,
    pub(super) label: Option<String>,
    /// What each side predicts; null without class scores.
    pub(super) predicted: Option<[Scored; 2]>,
    /// Whether both predict the same class.
    pub(super) agree: Option<bool>,
    /// The scores of the target.
    pub(super) scores: [f64; 2],
    pub(super) similarity: BTreeMap<&'static str, f64>,
    /// The greatest difference of both maps where both show the photo, each stretched to 0..1.
    pub(super) difference: f64,
    /// Whether a map is flat, which correlates with nothing.
    pub(super) flat: [bool; 2],
    /// Whether it is as much as --least asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enough: Option<bool>,
    pub(super) passes: usize,
    #[serde(skip)]
    pub(super) pictures: Option<Kept>,
}

impl<'a> Work<'a> {
    /// An error where the sides cannot be compared on any photo.
    pub(super) fn check(&self) -> Result<()> {
        for side in &self.sides {
            self.explainer(side, &(Targets::Top(1), self.args.target.clone().into_iter().collect()))?;
        }
        let [first, second] = self.sides.each_ref().map(|side| side.model);
        let classes = |model: &Model| match &model.info().scores {
            Ok(scores) => scores.shape.get(1).copied().flatten(),
            Err(_) => None,
        };
        let (Some(one), Some(other)) = (classes(first), classes(second)) else { return Ok(()) };
        let name = |side: usize| self.sides[side].model.name();
        ensure!(
            one == other || self.args.target.is_some(),
            invalid,
            "{} has {one} classes and {} has {other}; only models with the same classes can be compared",
            name(0),
            name(1)
        );
        let differing = (0..one).find_map(|class| {
            let (one, other) = (first.label(class)?, second.label(class)?);
            (one != other).then_some((class, one, other))
        });
        if let Some((class, one, other)) = differing {
            crate::terminal::warning(format_args!(
                "class {class} is {one:?} in {} and {other:?} in {}; classes are compared by number",
                name(0),
                name(1)
            ));
        }
        Ok(())
    }

    fn explainer(&self, side: &Side<'a>, (targets, ask): &(Targets, Vec<String>)) -> Result<Explainer<'a>> {
        let options = ExplainOptions {
            method: side.method.id.clone(),
            preset: side.method.preset.clone(),
            set: side.method.set.clone(),
            targets: targets.clone(),
            ask: ask.clone(),
            layer: side.layer.clone(),
            batch_size: self.args.batch_size,
            ..ExplainOptions::default()
        };
        Explainer::new(self.host, side.model, &options).map_err(|e| e.context(&side.name))
    }

    /// Compares both sides on a photo.
    pub(super) fn photo(&self, case: &Case<'_>, desk: &mut Desk<'_>) -> Result<Compared> {
        let image = self.reader.read(case.file)?;
        let (predicted, mut passes) = self.predicted(&image)?;
        let targets = match (self.class, &predicted) {
            _ if self.args.target.is_some() => Targets::Top(1),
            (Some(class), _) => Targets::Classes(vec![class]),
            (None, Some([first, _])) => Targets::Classes(vec![first.class]),
            (None, None) => Targets::Top(1),
        };
        let asked = (targets, self.args.target.clone().into_iter().collect());
        let mut found = Vec::with_capacity(2);
        for side in &self.sides {
            let explained = self.explainer(side, &asked)?.explain_reporting(&image, None, desk.progress);
            let explained = explained.map_err(|e| e.context(&side.name))?;
            ensure!(!explained.targets.is_empty(), not_found, "{} has no target here", side.name);
            desk.warn(&case.name, &explained.warnings);
            passes += explained.passes;
            found.push(explained);
        }
        let [first, second] = &found[..] else { bail!(internal, "two sides did not return two maps") };
        let maps = [first.saliency(0)?, second.saliency(0)?];
        let flat = maps.each_ref().map(is_flat);
        let (shared, part) = comparable([(&maps[0], first), (&maps[1], second)])?;
        let [one, other] = &shared;
        let alike = similarity(one, other)?;
        let values = Likeness::ALL.into_iter().filter_map(|kind| Some((kind.name(), kind.of(&alike)?)));
        let Some(value) = self.args.measure.of(&alike) else {
            let (height, width) = one.size();
            bail!(
                invalid,
                "the maps of {height} x {width} pixels are too small for {}; give --measure pearson",
                self.args.measure.name()
            );
        };
        let mut layers = Vec::with_capacity(3);
        for (map, found) in maps.iter().zip(&found).filter(|_| self.gallery.is_some()) {
            layers.push((survey::colored(map)?, survey::area(found.placement.as_ref())));
        }
        let pictures = self.pictures(&image, (layers, &shared, part))?;
        Ok(Compared {
            photo: case.name.clone(),
            file: case.file.display().to_string(),
            target: first.targets[0].text.clone(),
            label: first.targets[0].label.clone(),
            agree: predicted.as_ref().map(|[first, second]| first.class == second.class),
            predicted,
            scores: [first.targets[0].score, second.targets[0].score],
            similarity: values.collect(),
            difference: survey::greatest_difference(one, other),
            flat,
            enough: self.args.least.map(|least| value >= least),
            passes,
            pictures,
        })
    }

    /// Keeps the maps, `layers`, and how they differ on the part of the photo that both show.
    fn pictures(
        &self,
        image: &Image,
        (mut layers, shared, part): (Vec<survey::Layer>, &[SaliencyMap; 2], Option<Rect>),
    ) -> Result<Option<Kept>> {
        let Some(gallery) = self.gallery else { return Ok(None) };
        let area = part.map(|part| [part.x, part.y, part.x + part.width, part.y + part.height]);
        layers.push((survey::difference(&shared[0], &shared[1])?, area));
        let kept = match image.photo() {
            Some(photo) => gallery.keep(photo, layers, Vec::new()),
            None => {
                let input = self.sides[0].model.prepare(image)?;
                gallery.keep(&survey::of_tensor(&input.tensor)?, layers, Vec::new())
            }
        };
        kept.map(Some)
    }

    /// What each side predicts, and the passes that it took; nothing where one of them has no class scores.
    fn predicted(&self, image: &Image) -> Result<(Option<[Scored; 2]>, usize)> {
        let [first, second] = self.sides.each_ref().map(|side| side.model);
        if first.info().scores.is_err() || second.info().scores.is_err() {
            return Ok((None, 0));
        }
        let one = first.classify(image)?.scores;
        let (other, passes) = match std::ptr::eq(first, second) {
            true => (one.clone(), 1),
            false => (second.classify(image)?.scores, 2),
        };
        ensure!(
            one.len() == other.len() || self.args.target.is_some(),
            invalid,
            "{} has {} classes and {} has {}",
            first.name(),
            one.len(),
            second.name(),
            other.len()
        );
        Ok((Some([Scored::best(first, &one)?, Scored::best(second, &other)?]), passes))
    }
}

impl Compared {
    /// How much the maps are alike by `kind`.
    pub(super) fn value(&self, kind: Likeness) -> Option<f64> {
        self.similarity.get(kind.name()).copied()
    }

    /// What is explained.
    pub(super) fn explained(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.target)
    }
}

fn is_flat(map: &SaliencyMap) -> bool {
    let first = map.values()[0];
    map.values().iter().all(|&value| value == first)
}

/// Both maps on the part of the photo that both models see, and that part; of a tensor, which has no photo, as they are.
fn comparable(
    [first, second]: [(&SaliencyMap, &Explanation); 2],
) -> Result<([SaliencyMap; 2], Option<Rect>)> {
    match (first.1.placement, second.1.placement) {
        (Some(one), Some(other)) => {
            let shared = on_shared_part((first.0, &one), (second.0, &other))?;
            Ok((shared.maps, Some(shared.part)))
        }
        _ => Ok(([first.0.clone(), second.0.clone()], None)),
    }
}
