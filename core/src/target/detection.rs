//! [`Detection`]: a detector's result on the unmasked image, and the questions about its boxes.

use std::sync::Arc;

use super::candidate::{Candidate, overlap};
use super::{AskedTarget, BoxSimilarity, CandidateScore, Detector, Format, Question};
use crate::{Error, Result, TensorView};

/// A detected object.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// x0, y0, x1, y1 in pixels of the model's input.
    pub rect: [f64; 4],
    /// The class with the highest probability.
    pub class: usize,
    /// The detector's score, 0 to 1.
    pub score: f64,
    /// The probability of each class.
    pub classes: Vec<f64>,
}

/// The selection of detections among candidates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kept {
    /// The minimum score, 0 to 1.
    pub score: f64,
    /// The maximum IoU with a better box of the same class, 0 to 1.
    pub overlap: f64,
    /// The maximum number of detections.
    pub most: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self { score: 0.25, overlap: 0.45, most: 100 }
    }
}

impl Detector {
    /// The detections in the image of `rows`, the best first: candidates above a score, without those that overlap a
    /// better one of their class (greedy non-maximum suppression), unless the format has no overlaps. Equal scores keep
    /// the candidates' order.
    pub fn detections(&self, rows: &[TensorView<'_>], kept: &Kept) -> Result<Vec<Detection>> {
        let layout = self.layout(rows)?;
        let all = (0..layout.count()).filter_map(|j| {
            let candidate = layout.candidate(rows, j);
            let best = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
            let (class, probability) = candidate.classes.iter().copied().enumerate().reduce(best)?;
            let score = match self.format {
                Format::FastestDet => candidate.objectness.powf(0.6) * probability.powf(0.4),
                _ => candidate.objectness * probability,
            };
            let Candidate { rect, classes, .. } = candidate;
            (score > kept.score).then_some(Detection { rect, class, score, classes })
        });
        let mut all: Vec<Detection> = all.collect();
        all.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut found: Vec<Detection> = Vec::new();
        for detection in all {
            let hides = |better: &Detection| {
                better.class == detection.class && overlap(&better.rect, &detection.rect) > kept.overlap
            };
            if found.len() < kept.most && (self.format.is_final() || !found.iter().any(hides)) {
                found.push(detection);
            }
        }
        Ok(found)
    }
}

/// The boxes of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum BoxesWanted {
    /// Every detection.
    All,
    /// The detection with this number, from 0, the best first.
    Index(usize),
    /// The box x0, y0, x1, y1 in pixels of the model's input, for a class or for any.
    At([f64; 4], Option<usize>),
    /// A fixed row of the detector's raw list, and the class whose score counts; `None` for its best class.
    Candidate(usize, Option<usize>),
}

/// A question about boxes of a detector.
#[derive(Debug, Clone)]
pub struct Boxes {
    /// The detector.
    pub detector: Detector,
    /// The selection of detections.
    pub kept: Kept,
    /// The boxes to explain.
    pub wanted: BoxesWanted,
    /// The question as users write it ("box:0"); generated for all detections.
    pub text: String,
}

impl Question for Boxes {
    fn outputs(&self) -> Vec<&str> {
        self.detector.outputs()
    }

    fn targets(&self, rows: &[TensorView<'_>]) -> Result<Vec<AskedTarget>> {
        self.detector.check(rows)?;
        match &self.wanted {
            BoxesWanted::All => {
                let found = self.found(rows)?;
                Ok(found.into_iter().enumerate().map(|(i, d)| self.of(d, format!("box:{i}"))).collect())
            }
            BoxesWanted::Index(index) => {
                let mut found = self.found(rows)?;
                let (last, score) = (found.len() - 1, self.kept.score);
                match *index <= last {
                    true => Ok(vec![self.of(found.swap_remove(*index), self.text.clone())]),
                    false => Err(Error::not_found(format!(
                        "box {index} does not exist; on this image the model has {} with a score above {score}",
                        if last == 0 { "box 0 alone".into() } else { format!("boxes 0 to {last}") }
                    ))),
                }
            }
            BoxesWanted::At(rect, class) => self.at(rows, *rect, *class),
            BoxesWanted::Candidate(index, class) => self.candidate(rows, *index, *class),
        }
    }
}

impl Boxes {
    fn found(&self, rows: &[TensorView<'_>]) -> Result<Vec<Detection>> {
        let found = self.detector.detections(rows, &self.kept)?;
        match found.is_empty() {
            false => Ok(found),
            true => Err(Error::not_found(format!(
                "the model has no detection with a score above {} on this image; lower --min-score",
                self.kept.score
            ))),
        }
    }

    fn of(&self, found: Detection, text: String) -> AskedTarget {
        let Detection { rect, class, score: _, classes } = found.clone();
        let target = Arc::new(BoxSimilarity::new(self.detector.clone(), rect, Some(classes)));
        AskedTarget { target, text, class: Some(class), detection: Some(found), region: None }
    }

    fn at(&self, rows: &[TensorView<'_>], rect: [f64; 4], class: Option<usize>) -> Result<Vec<AskedTarget>> {
        let classes = self.detector.layout(rows)?.classes();
        if let Some(class) = class.filter(|class| *class >= classes) {
            return Err(Error::invalid(format!(
                "class {class} is out of range; the detector has {classes} classes"
            )));
        }
        let one_hot = class.map(|class| (0..=class).map(|c| f64::from(u8::from(c == class))).collect());
        let target = BoxSimilarity::new(self.detector.clone(), rect, one_hot);
        let score = super::Target::value(&target, rows)?;
        if score == 0.0 {
            let seen = self.detector.detections(rows, &self.kept)?;
            let seen: Vec<String> = seen.iter().take(5).map(Detection::to_string).collect();
            let seen = if seen.is_empty() { "none".into() } else { seen.join(", ") };
            return Err(Error::not_found(format!(
                "{} matches no box of the model on this image; its detections, in pixels of its input: {seen}",
                self.text
            )));
        }
        let detection = Detection { rect, class: class.unwrap_or(0), score, classes: Vec::new() };
        let text = self.text.clone();
        Ok(vec![AskedTarget {
            target: Arc::new(target),
            text,
            class,
            detection: Some(detection),
            region: None,
        }])
    }

    fn candidate(
        &self,
        rows: &[TensorView<'_>],
        index: usize,
        class: Option<usize>,
    ) -> Result<Vec<AskedTarget>> {
        let layout = self.detector.layout(rows)?;
        if index >= layout.count() {
            return Err(Error::invalid(format!(
                "candidate {index} does not exist; the detector has {}, numbered from 0",
                layout.count()
            )));
        }
        let count = layout.classes();
        if let Some(class) = class.filter(|class| *class >= count) {
            return Err(Error::invalid(format!(
                "class {class} is out of range; the detector has {count} classes"
            )));
        }
        let Candidate { rect, classes, objectness } = layout.candidate(rows, index);
        let best = (0..classes.len()).reduce(|a, b| if classes[b] > classes[a] { b } else { a });
        let class = class.or(best).unwrap_or(0);
        let target = CandidateScore::new(self.detector.clone(), index, class);
        let score = objectness * classes.get(class).copied().unwrap_or(0.0);
        let detection = Detection { rect, class, score, classes };
        let text = self.text.clone();
        Ok(vec![AskedTarget {
            target: Arc::new(target),
            text,
            class: Some(class),
            detection: Some(detection),
            region: None,
        }])
    }
}

impl std::fmt::Display for Detection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [x0, y0, x1, y1] = self.rect;
        write!(f, "class {} at {x0:.0},{y0:.0},{x1:.0},{y1:.0} ({:.2})", self.class, self.score)
    }
}
