//! [`Measure`]: the measures of a saliency map, by name.

use std::fmt;
use std::str::FromStr;

use scorecam_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// A measure of one map of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// The drop of the score if only the part of the image that the map keeps is left.
    Drop,
    /// 1 if that score rises, else 0.
    Increase,
    /// The rise of that score, relative to the possible rise.
    Gain,
    /// The area under the deletion curve.
    Deletion,
    /// The area under the insertion curve.
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
    /// The maximum change of the map under slight noise.
    Sensitivity,
    /// The share of the map's energy on the object.
    Energy,
    /// The energy divided by the object's share of the image.
    Lift,
    /// 1 if the map's maximum lies on the object, else 0.
    Pointing,
    /// The share of the map's top N pixels on the object, where N is the object's number of pixels.
    Rank,
    /// The area under the ROC curve of the pixels.
    Roc,
    /// The overlap of the map's box with the object's.
    Iou,
}

/// The needs of a measure besides the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Forward passes of the model.
    Passes,
    /// More explanations by the map's method.
    Explanations,
    /// The object's region: boxes or a mask.
    Truth,
}

/// The description of a measure.
#[derive(Debug, Clone, Copy)]
pub struct MeasureInfo {
    /// The measure.
    pub measure: Measure,
    /// Its name.
    pub name: &'static str,
    /// A description in one line.
    pub summary: &'static str,
    /// Whether higher is better; `None` if neither direction is.
    pub higher_is_better: Option<bool>,
    /// Its needs.
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
    of(Measure::Drop, ("drop", "drop of the score on the part that the map keeps"), DOWN, Needs::Passes),
    of(Measure::Increase, ("increase", "share of images whose score rises on that part"), UP, Needs::Passes),
    of(
        Measure::Gain,
        ("gain", "rise of the score on that part, relative to the possible rise"),
        UP,
        Needs::Passes,
    ),
    of(Measure::Deletion, ("deletion", "area under the curve of deleted pixels"), DOWN, Needs::Passes),
    of(Measure::Insertion, ("insertion", "area under the curve of inserted pixels"), UP, Needs::Passes),
    of(
        Measure::Road,
        ("road", "score with imputed pixels, least relevant removed first minus most relevant first"),
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
        ("sensitivity", "maximum change of the map under noise"),
        DOWN,
        Needs::Explanations,
    ),
    of(Measure::Energy, ("energy", "share of the map on the object"), UP, Needs::Truth),
    of(Measure::Lift, ("lift", "energy divided by the object's share of the image"), UP, Needs::Truth),
    of(Measure::Pointing, ("pointing", "share of images whose maximum is on the object"), UP, Needs::Truth),
    of(
        Measure::Rank,
        ("rank", "share of the map's top pixels on the object, as many as it has"),
        UP,
        Needs::Truth,
    ),
    of(Measure::Roc, ("roc", "area under the ROC curve of the pixels"), UP, Needs::Truth),
    of(Measure::Iou, ("iou", "overlap of the map's box with the object's"), UP, Needs::Truth),
];

impl Measure {
    /// The default measures: those with few passes, and those based on a truth.
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

    /// Its description.
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
            Error::not_found(format!("measure {text:?} is unknown; measures: {names}"))
        })
    }
}
