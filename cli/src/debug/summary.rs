//! All photos, right predictions apart from wrong ones: where the evidence lies, and what the scores are without it.

use std::collections::BTreeMap;

use scorecam::evaluation::{Bootstrap, Estimate};
use serde_json::{Map, Value, json};

use super::part::Part;
use super::work::{Evidence, Found};
use crate::survey::{Interval, shown};
use crate::table::lines;

/// Wrong predictions that are listed at most.
const LISTED: usize = 20;

/// The maps of a set of photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Those of right predictions.
    Right,
    /// Those of wrong predictions: the maps of the predicted classes.
    Wrong,
    /// On the same photos the maps of the expected classes.
    Missed,
}

impl Group {
    pub(super) const ALL: [Self; 3] = [Self::Right, Self::Wrong, Self::Missed];

    pub(super) fn name(self) -> &'static str {
        ["right", "wrong", "expected"][self as usize]
    }

    /// What stands above its column.
    pub(super) fn title(self) -> &'static str {
        ["right", "wrong: predicted class", "wrong: expected class"][self as usize]
    }

    fn takes(self, found: &Found) -> bool {
        found.right == (self == Self::Right)
    }

    fn of(self, found: &Found, part: Part) -> Option<&Evidence> {
        let on = found.parts.get(part.name())?;
        if self == Self::Missed { on.expected.as_ref() } else { Some(&on.predicted) }
    }
}

/// What is measured of the evidence on a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Energy,
    Lift,
    Without,
    Alone,
}

impl Quantity {
    pub(super) const ALL: [Self; 4] = [Self::Energy, Self::Lift, Self::Without, Self::Alone];

    pub(super) fn name(self) -> &'static str {
        ["energy", "lift", "without", "alone"][self as usize]
    }

    /// What it is, in a line.
    pub(super) fn summary(self) -> &'static str {
        [
            "share of the map on the part",
            "energy divided by the part's share of the image: 1 for an uninformative map",
            "score of the class without the part",
            "score of the class with only the part",
        ][self as usize]
    }

    pub(super) fn of(self, evidence: &Evidence) -> Option<f64> {
        match self {
            Self::Energy => evidence.energy,
            Self::Lift => evidence.lift,
            Self::Without => Some(evidence.without),
            Self::Alone => Some(evidence.alone),
        }
    }
}

pub(super) struct Summary {
    pub(super) photos: usize,
    pub(super) right: usize,
    pub(super) passes: usize,
    /// The parts that any photo has.
    pub(super) parts: Vec<Part>,
    /// The mean score of each group.
    scores: [Option<Estimate>; 3],
    /// By part and quantity.
    rows: Vec<(Part, Quantity, [Option<Estimate>; 3])>,
    /// How often a class is taken for another one: expected, predicted.
    pub(super) confusions: Vec<((String, String), usize)>,
}

impl Summary {
    pub(super) fn new(found: &[Found]) -> Self {
        let mean = |values: Vec<f64>| Bootstrap::default().mean(&values);
        let scores = Group::ALL.map(|group| {
            let photos = found.iter().filter(|photo| group.takes(photo));
            let score = |photo: &Found| match group {
                Group::Missed => photo.expected.score,
                _ => photo.predicted.score,
            };
            mean(photos.map(score).collect())
        });
        let has = |part: &Part| found.iter().any(|photo| photo.parts.contains_key(part.name()));
        let parts: Vec<Part> = Part::ALL.into_iter().filter(has).collect();
        let row = |(part, quantity): (Part, Quantity)| {
            let of_group = |group: Group| {
                let photos = found.iter().filter(|photo| group.takes(photo));
                mean(photos.filter_map(|photo| quantity.of(group.of(photo, part)?)).collect())
            };
            (part, quantity, Group::ALL.map(of_group))
        };
        let kinds = parts.iter().flat_map(|&part| Quantity::ALL.map(|quantity| (part, quantity)));
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for photo in found.iter().filter(|photo| !photo.right) {
            *counts.entry((photo.expected.name(), photo.predicted.name())).or_default() += 1;
        }
        let mut confusions: Vec<_> = counts.into_iter().collect();
        confusions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Self {
            photos: found.len(),
            right: found.iter().filter(|photo| photo.right).count(),
            passes: found.iter().map(|photo| photo.passes).sum(),
            rows: kinds.map(row).collect(),
            parts,
            scores,
            confusions,
        }
    }

    /// The groups that there are.
    pub(super) fn groups(&self) -> Vec<Group> {
        Group::ALL.into_iter().filter(|group| self.scores[*group as usize].is_some()).collect()
    }

    /// All rows of the table: their words, with the mean of each group.
    pub(super) fn rows(&self) -> impl Iterator<Item = (String, &[Option<Estimate>; 3])> {
        let rows = self.rows.iter();
        let rows =
            rows.map(|(part, quantity, means)| (format!("{}: {}", part.name(), quantity.name()), means));
        std::iter::once(("score".to_owned(), &self.scores)).chain(rows)
    }

    pub(super) fn json(&self) -> Value {
        let interval = |found: &Option<Estimate>| found.as_ref().map(|found| json!(Interval::from(found)));
        let group = |group: Group| {
            let at = group as usize;
            let mut all = Map::new();
            all.extend(interval(&self.scores[at]).map(|score| ("score".to_owned(), score)));
            for &part in &self.parts {
                let of_part = self.rows.iter().filter(|(of, ..)| *of == part);
                let values = of_part.filter_map(|(_, quantity, means)| {
                    Some((quantity.name().to_owned(), interval(&means[at])?))
                });
                all.insert(part.name().to_owned(), Value::Object(values.collect()));
            }
            (group.name().to_owned(), Value::Object(all))
        };
        Value::Object(self.groups().into_iter().map(group).collect())
    }

    /// The table that is printed.
    pub(super) fn text(&self) -> String {
        let groups = self.groups();
        let wrong = self.photos - self.right;
        let title = |group: &Group| {
            format!("{} ({})", group.title(), if *group == Group::Right { self.right } else { wrong })
        };
        let head = std::iter::once(String::new()).chain(groups.iter().map(title)).collect();
        let row = |(words, means): (String, &[Option<Estimate>; 3])| {
            let cell = |group: &Group| means[*group as usize].as_ref().map_or_else(|| "–".into(), shown);
            std::iter::once(words).chain(groups.iter().map(cell)).collect()
        };
        lines(&std::iter::once(head).chain(self.rows().map(row)).collect::<Vec<_>>(), 0)
    }
}

/// The wrong predictions, which come first in `found`.
pub(super) fn wrong(found: &[Found]) -> String {
    let all: Vec<&Found> = found.iter().filter(|photo| !photo.right).collect();
    if all.is_empty() {
        return String::new();
    }
    let row = |photo: &&Found| {
        let evidence = photo.parts.get(Part::Object.name()).or(photo.parts.get(Part::Region.name()));
        let on = evidence.and_then(|on| Some(format!("{:.2} of the evidence", on.predicted.energy?)));
        let place = if photo.parts.contains_key(Part::Object.name()) { "object" } else { "region" };
        vec![
            photo.photo.clone(),
            format!("predicted {}", photo.predicted.words()),
            format!("expected {}", photo.expected.words()),
            on.map_or_else(String::new, |on| format!("{on} on the {place}")),
        ]
    };
    let title = match all.len() {
        n if n > LISTED => format!("the {LISTED} wrong predictions with the highest scores:\n"),
        _ => "wrong predictions:\n".to_owned(),
    };
    title + &lines(&all.iter().take(LISTED).map(row).collect::<Vec<_>>(), 2)
}

/// The findings on one photo.
pub(super) fn one(photo: &Found) -> String {
    let head = match photo.right {
        true => format!("{}: predicted {}, as expected\n", photo.photo, photo.predicted.words()),
        false => format!(
            "{}: predicted {}, expected {}\n",
            photo.photo,
            photo.predicted.words(),
            photo.expected.words()
        ),
    };
    let Some(difference) = &photo.difference else { return head };
    let boxes = |boxes: &[[f64; 4]]| {
        let each = boxes.iter().take(5).map(|b| b.map(|at| format!("{at:.0}")).join(","));
        if boxes.is_empty() { "nothing".to_owned() } else { each.collect::<Vec<_>>().join(" ") }
    };
    let only = |class: &str, only: &super::work::Only| {
        format!(
            "  evidence only for {class}: {} ({:.1} % of the image)\n",
            boxes(&only.boxes),
            100.0 * only.share
        )
    };
    format!(
        "{head}  correlation of their maps: {:.3} (pearson), {:.3} (spearman)\n{}{}",
        difference.pearson,
        difference.spearman,
        only(&photo.predicted.name(), &difference.only_predicted),
        only(&photo.expected.name(), &difference.only_expected)
    )
}
