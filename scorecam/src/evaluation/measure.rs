//! [`Measure`]: what can be measured of a saliency map, by name.

use std::fmt;
use std::str::FromStr;

use scorecam_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// A measure of one map of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// The fall of the score where only the part of the image is left that the map keeps.
    Drop,
    /// 1 where that score rises, else 0.
    Increase,
    /// How far that score rises, of what it could.
    Gain,
    /// The area below the deletion curve.
    Deletion,
    /// The area below the insertion curve.
    Insertion,
    /// ROAD, least relevant first minus most relevant first.
    Road,
    /// ADCC, the harmonic mean of coherency, simplicity and faithfulness.
    Adcc,
    /// The mean of the map, stretched to 0..1.
    Complexity,
    /// The entropy of the map, in nats.
    Entropy,
    /// The Gini index of the map.
    Gini,
    /// The greatest change of the map under a little noise.
    Sensitivity,
    /// The share of the map's energy that lies on the object.
    Energy,
    /// The energy by the object's share of the image.
    Lift,
    /// 1 where the map's greatest pixel lies on the object, else 0.
    Pointing,
    /// The share on the object of as many of the greatest pixels as it has.
    Rank,
    /// The area under the ROC curve of the pixels.
    Roc,
    /// The overlap of the map's box with the object's.
    Iou,
}

/// What a measure needs beside the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Passes of the model.
    Passes,
    /// Further explanations by the method that made the map.
    Explanations,
    /// The object's region: boxes or a mask.
    Truth,
}

/// What is known of a measure.
#[derive(Debug, Clone, Copy)]
pub struct MeasureInfo {
    /// The measure.
    pub measure: Measure,
    /// Its name.
    pub name: &'static str,
    /// What it is, in a line.
    pub summary: &'static str,
    /// Whether more of it is better; `None` where neither is.
    pub higher_is_better: Option<bool>,
    /// What it needs.
    pub needs: Needs,
}

const fn of(
    measure: Measure,
    (name, summary): (&'static str, &'static str),
    higher_is_better: Option<bool>,
    needs: Needs,
) -> MeasureInfo {
    MeasureInfo { measure, name, summary, higher_is_better, needs }
}

const UP: Option<bool> = Some(true);
const DOWN: Option<bool> = Some(false);

/// All measures, in the order of tables.
pub const MEASURES: [MeasureInfo; 17] = [
    of(Measure::Drop, ("drop", "fall of the score on the part that the map keeps"), DOWN, Needs::Passes),
    of(Measure::Increase, ("increase", "share of images whose score rises on that part"), UP, Needs::Passes),
    of(Measure::Gain, ("gain", "rise of the score on that part, of what it could"), UP, Needs::Passes),
    of(Measure::Deletion, ("deletion", "area below the curve of deleted pixels"), DOWN, Needs::Passes),
    of(Measure::Insertion, ("insertion", "area below the curve of inserted pixels"), UP, Needs::Passes),
    of(
        Measure::Road,
        ("road", "removal of pixels without a trace, least first minus most first"),
        UP,
        Needs::Passes,
    ),
    of(
        Measure::Adcc,
        ("adcc", "harmonic mean of coherency, simplicity and faithfulness"),
        UP,
        Needs::Explanations,
    ),
    of(Measure::Complexity, ("complexity", "mean of the map"), None, Needs::Nothing),
    of(Measure::Entropy, ("entropy", "entropy of the map, in nats"), None, Needs::Nothing),
    of(Measure::Gini, ("gini", "Gini index of the map"), None, Needs::Nothing),
    of(
        Measure::Sensitivity,
        ("sensitivity", "greatest change of the map under noise"),
        DOWN,
        Needs::Explanations,
    ),
    of(Measure::Energy, ("energy", "share of the map on the object"), UP, Needs::Truth),
    of(Measure::Lift, ("lift", "energy by the object's share of the image"), UP, Needs::Truth),
    of(
        Measure::Pointing,
        ("pointing", "share of images whose greatest pixel is on the object"),
        UP,
        Needs::Truth,
    ),
    of(Measure::Rank, ("rank", "share on the object of its number of greatest pixels"), UP, Needs::Truth),
    of(Measure::Roc, ("roc", "area under the ROC curve of the pixels"), UP, Needs::Truth),
    of(Measure::Iou, ("iou", "overlap of the map's box with the object's"), UP, Needs::Truth),
];

impl Measure {
    /// What is measured where nobody says otherwise: few passes, and all that a truth gives.
    pub const DEFAULT: [Self; 9] = [
        Self::Drop,
        Self::Increase,
        Self::Deletion,
        Self::Insertion,
        Self::Energy,
        Self::Lift,
        Self::Pointing,
        Self::Roc,
        Self::Iou,
    ];

    /// What is known of it.
    pub fn info(self) -> &'static MeasureInfo {
        let index = MEASURES.iter().position(|info| info.measure == self).unwrap_or_default();
        &MEASURES[index]
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().name)
    }
}

impl FromStr for Measure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = MEASURES.iter().find(|info| info.name == text).map(|info| info.measure);
        found.ok_or_else(|| {
            let names = MEASURES.map(|info| info.name).join(", ");
            Error::not_found(format!("measure {text:?} is not known; measures: {names}"))
        })
    }
}
