//! [`SetMeasure`]: measures of a method over a whole set of images.
//!
//! Each uses one threshold for all images, the best, so there is no value per image. An image contributes a
//! [`Localized`], small enough to be stored with its other measures, so that a resumed run can add up the stored ones.

use std::fmt;
use std::str::FromStr;

use scorecam_core::evaluation::{Areas, BoxAccuracy, PixelPrecision, SaliencyMap, best_iou, boxes};
use scorecam_core::image::Placement;
use scorecam_core::{Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::Truth;

/// A measure of a method over a set; higher is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SetMeasure {
    /// The share of images whose largest box reaches an IoU of 0.5, at the best threshold.
    MaxBoxAcc,
    /// The same for any box: the mean at IoU 0.3, 0.5 and 0.7, each at its best threshold.
    MaxBoxAccV2,
    /// The average precision of the pixels of all images together.
    Pxap,
}

impl SetMeasure {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 3] = [Self::MaxBoxAcc, Self::MaxBoxAccV2, Self::Pxap];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxBoxAcc => "max-box-acc",
            Self::MaxBoxAccV2 => "max-box-acc-v2",
            Self::Pxap => "pxap",
        }
    }

    /// A description in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::MaxBoxAcc => {
                "share of images whose largest box reaches an IoU of 0.5, at the best threshold"
            }
            Self::MaxBoxAccV2 => "the same for any box, mean over IoU 0.3, 0.5 and 0.7",
            Self::Pxap => "average precision of the pixels of all images together",
        }
    }

    /// The required IoUs of a box.
    pub fn fits(self) -> &'static [f64] {
        match self {
            Self::MaxBoxAcc => &FITS[1..2],
            Self::MaxBoxAccV2 => &FITS,
            Self::Pxap => &[],
        }
    }
}

impl fmt::Display for SetMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SetMeasure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|measure| measure.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::not_found(format!("measure {text:?} of a set is unknown; measures: {names}"))
        })
    }
}

/// The required overlaps.
const FITS: [f64; 3] = [0.3, 0.5, 0.7];

/// The contribution of a map to the measures of a set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Localized {
    /// For each threshold of MaxBoxAcc a digit: how many of 0.3, 0.5 and 0.7 the IoU of the largest box reaches.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub largest: String,
    /// The same for the best box.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub all: String,
    /// For each threshold of PxAP the number of pixels on the object with a value between it and the next: numbers
    /// separated by commas, with 0 omitted.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub inside: String,
    /// The same outside the object.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub outside: String,
}

impl Localized {
    /// The contribution of a map at the size of the model's input, for the given measures. Boxes are compared on the
    /// photo, as in [`Measure::Iou`](super::Measure::Iou), pixels in the input. An error if the truth has another size.
    pub fn of(
        map: &SaliencyMap,
        (truth, placement): (&Truth, &Placement),
        measures: &[SetMeasure],
    ) -> Result<Self> {
        let mut found = Self::default();
        if measures.iter().any(|measure| !measure.fits().is_empty()) {
            let map = map.normalized();
            for i in 0..BoxAccuracy::THRESHOLDS {
                let boxes = boxes(&map, BoxAccuracy::options(i, Areas::All));
                let boxes: Vec<_> = boxes.iter().map(|found| found.to_photo(placement)).collect();
                found.largest.push(digit(best_iou(&boxes[..boxes.len().min(1)], &truth.boxes)));
                found.all.push(digit(best_iou(&boxes, &truth.boxes)));
            }
        }
        if measures.contains(&SetMeasure::Pxap) {
            let mut pixels = PixelPrecision::default();
            pixels.add(map, &truth.region)?;
            let side = |side: usize| text(pixels.counts().iter().map(move |counts| counts[side]));
            (found.inside, found.outside) = (side(0), side(1));
        }
        Ok(found)
    }
}

/// The number of [`FITS`] that an overlap reaches.
fn digit(overlap: f64) -> char {
    char::from(b'0' + FITS.iter().filter(|&&least| overlap >= least).count() as u8)
}

/// The overlaps of digits, each the lowest possible.
fn overlaps(digits: &str) -> Result<Vec<f64>> {
    let overlap = |digit: char| match digit {
        '0' => Ok(0.0),
        '1'..='3' => Ok(FITS[digit as usize - '1' as usize]),
        other => bail!(invalid, "{other:?} is not an overlap; give digits of 0 to 3"),
    };
    digits.chars().map(overlap).collect()
}

/// Numbers separated by commas; 0 is omitted.
fn text(counts: impl Iterator<Item = u64>) -> String {
    let words = counts.map(|count| if count == 0 { String::new() } else { count.to_string() });
    words.collect::<Vec<_>>().join(",")
}

/// The numbers of [`text`].
fn counts(text: &str) -> Result<Vec<u64>> {
    let count = |word: &str| match word {
        "" => Ok(0),
        word => word.parse().map_err(|_| Error::invalid(format!("{word:?} is not a number of pixels"))),
    };
    text.split(',').map(count).collect()
}

/// Accumulates the contributions of one method's maps.
#[derive(Debug, Clone)]
pub struct SetAccuracy {
    largest: BoxAccuracy,
    all: BoxAccuracy,
    pixels: PixelPrecision,
    count: usize,
}

impl Default for SetAccuracy {
    fn default() -> Self {
        let [largest, all] = [Areas::Largest, Areas::All].map(BoxAccuracy::new);
        Self { largest, all, pixels: PixelPrecision::default(), count: 0 }
    }
}

/// The value of a method over a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SetValue {
    /// The value, 0..1.
    pub value: f64,
    /// The best threshold for each IoU of [`SetMeasure::fits`], as a share of a map's maximum; the lowest of equally
    /// good ones.
    pub thresholds: Vec<f64>,
    /// The number of images.
    pub images: usize,
}

impl SetAccuracy {
    /// Adds an image; an error if the contribution does not have the form of [`Localized::of`].
    pub fn add(&mut self, found: &Localized) -> Result<()> {
        if !found.largest.is_empty() {
            self.largest.add_overlaps(overlaps(&found.largest)?)?;
            self.all.add_overlaps(overlaps(&found.all)?)?;
        }
        if !found.inside.is_empty() {
            let (inside, outside) = (counts(&found.inside)?, counts(&found.outside)?);
            let (on, beside) = (inside.len(), outside.len());
            ensure!(on == beside, invalid, "there are {on} counts inside and {beside} outside");
            let both = inside.into_iter().zip(outside).map(|(inside, outside)| [inside, outside]);
            self.pixels.add_counts(&both.collect::<Vec<_>>())?;
        }
        self.count += 1;
        Ok(())
    }

    /// The value of a measure; `None` without measured images.
    pub fn value(&self, measure: SetMeasure) -> Option<SetValue> {
        let accuracy = if measure == SetMeasure::MaxBoxAcc { &self.largest } else { &self.all };
        let best: Option<Vec<(f64, f64)>> = measure.fits().iter().map(|&iou| accuracy.at(iou)).collect();
        let (shares, thresholds): (Vec<f64>, Vec<f64>) = best?.into_iter().unzip();
        let value = match measure {
            SetMeasure::Pxap => self.pixels.value()?,
            _ => shares.iter().sum::<f64>() / shares.len() as f64,
        };
        Some(SetValue { value, thresholds, images: self.count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_of_an_image_is_checked() {
        let digits = "0".repeat(BoxAccuracy::THRESHOLDS);
        let boxes = |largest: &str, all: &str| Localized {
            largest: largest.into(),
            all: all.into(),
            ..Localized::default()
        };
        let pixels = |inside: usize, outside: usize| Localized {
            inside: text(std::iter::repeat_n(1, inside)),
            outside: text(std::iter::repeat_n(0, outside)),
            ..Localized::default()
        };
        for (found, expected) in [
            (boxes("01", "01"), "there are 2 overlaps of an image"),
            (boxes(&digits, ""), "there are 0 overlaps of an image"),
            (boxes(&digits, &digits.replacen('0', "4", 1)), "'4' is not an overlap"),
            (pixels(1001, 1000), "1001 counts inside and 1000 outside"),
            (pixels(10, 10), "counts for 10 thresholds"),
            (Localized { inside: "1,-2".into(), ..Localized::default() }, "\"-2\" is not a number of pixels"),
        ] {
            let error = SetAccuracy::default().add(&found).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn an_overlap_comes_back_as_far_as_the_measures_ask() {
        for (overlap, expected) in [(0.0, 0.0), (0.29, 0.0), (0.3, 0.3), (0.5, 0.5), (0.699, 0.5), (1.0, 0.7)]
        {
            assert_eq!(overlaps(&digit(overlap).to_string()).expect("digits"), [expected], "{overlap}");
        }
    }
}
