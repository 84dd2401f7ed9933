//! Targets that compare: a detection with all candidates, one candidate's score, an embedding with another one.

use std::sync::Arc;

use num_dual::Dual64;

use super::candidate::{Candidate, Number, cosine, overlap};
use super::{Detector, Target};
use crate::{Error, Result, Tensor, TensorView};

/// Derivatives below this are rounding.
const FLAT: f32 = 1e-6;

/// The similarity to a detection of D-RISE (arXiv 2006.03204, equation 5): the maximum, over all candidates, of IoU x
/// cosine of the class probabilities x objectness.
#[derive(Debug, Clone)]
pub struct BoxSimilarity {
    detector: Detector,
    /// x0, y0, x1, y1 in pixels of the model's input.
    rect: [f64; 4],
    /// Class probabilities to compare with; `None` if the class does not count.
    classes: Option<Vec<f64>>,
}

impl BoxSimilarity {
    /// The similarity to a box of `detector` (x0, y0, x1, y1 in pixels of the model's input) and its class
    /// probabilities, or to the box alone.
    pub fn new(detector: Detector, rect: [f64; 4], classes: Option<Vec<f64>>) -> Self {
        Self { detector, rect, classes }
    }

    fn similarity<D: Number>(&self, candidate: &Candidate<D>) -> D {
        let place = overlap(&candidate.rect, &self.rect) * candidate.objectness;
        match &self.classes {
            Some(classes) => place * cosine(&candidate.classes, classes),
            None => place,
        }
    }

    /// The most similar candidate with its similarity; `None` without candidates.
    fn best(&self, rows: &[TensorView<'_>]) -> Result<Option<(usize, f64)>> {
        let layout = self.detector.layout(rows)?;
        let mut best = None;
        for j in 0..layout.count() {
            let Some((_, greatest)) = best else {
                best = Some((j, self.similarity(&layout.candidate(rows, j))));
                continue;
            };
            // Objectness and cosine are at most 1, so most candidates need no look at their classes.
            if overlap(&layout.rect(rows, j), &self.rect) > greatest {
                let similarity = self.similarity(&layout.candidate(rows, j));
                best = Some((j, similarity)).filter(|_| similarity > greatest).or(best);
            }
        }
        Ok(best)
    }
}

impl Target for BoxSimilarity {
    fn outputs(&self) -> Vec<&str> {
        self.detector.outputs()
    }

    fn value(&self, rows: &[TensorView<'_>]) -> Result<f64> {
        Ok(self.best(rows)?.map_or(0.0, |(_, similarity)| similarity))
    }

    fn slopes(&self, rows: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        let best = self.best(rows)?.map(|(j, _)| j);
        let slopes = slopes_at(&self.detector, rows, best, |candidate| self.similarity(candidate))?;
        let is_flat = slopes.iter().flat_map(|slopes| slopes.data()).all(|slope| slope.abs() < FLAT);
        match best.filter(|_| is_flat) {
            None => Ok(slopes),
            Some(j) => Err(Error::unsupported(format!(
                "a box is most similar to itself, so its similarity has no derivative there; use target \
                 candidate:{j}, or a method without gradients, such as score-cam"
            ))),
        }
    }

    fn mirrored(self: Arc<Self>) -> Option<Arc<dyn Target>> {
        let ([x0, y0, x1, y1], width) = (self.rect, self.detector.input_size().1 as f64);
        Some(Arc::new(Self { rect: [width - x1, y0, width - x0, y1], ..Self::clone(&self) }))
    }
}

/// The score of one fixed candidate of a detector: its objectness times the probability of a class.
#[derive(Debug, Clone)]
pub struct CandidateScore {
    detector: Detector,
    candidate: usize,
    class: usize,
}

impl CandidateScore {
    /// Of row `candidate` of the detector's raw list.
    pub fn new(detector: Detector, candidate: usize, class: usize) -> Self {
        Self { detector, candidate, class }
    }

    /// 0 of a row that names another class.
    fn score<D: Number>(&self, candidate: &Candidate<D>) -> D {
        candidate.classes.get(self.class).map_or(D::from(0.0), |class| candidate.objectness * *class)
    }

    /// The candidate's row; none where the list of an image is shorter.
    fn row(&self, rows: &[TensorView<'_>]) -> Result<Option<usize>> {
        let count = self.detector.layout(rows)?.count();
        Ok(Some(self.candidate).filter(|row| *row < count))
    }
}

impl Target for CandidateScore {
    fn outputs(&self) -> Vec<&str> {
        self.detector.outputs()
    }

    fn value(&self, rows: &[TensorView<'_>]) -> Result<f64> {
        let layout = self.detector.layout(rows)?;
        Ok(self.row(rows)?.map_or(0.0, |row| self.score(&layout.candidate(rows, row))))
    }

    fn slopes(&self, rows: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        slopes_at(&self.detector, rows, self.row(rows)?, |candidate| self.score(candidate))
    }
}

/// The derivatives of a number that one candidate makes, with respect to all rows: zero but for the candidate's elements,
/// each of which is the variable in turn. Zero where there is no candidate.
fn slopes_at(
    detector: &Detector,
    rows: &[TensorView<'_>],
    candidate: Option<usize>,
    number: impl Fn(&Candidate<Dual64>) -> Dual64,
) -> Result<Vec<Tensor>> {
    let mut slopes = rows.iter().map(|row| Tensor::zeros(row.shape())).collect::<Result<Vec<_>>>()?;
    let Some(j) = candidate else { return Ok(slopes) };
    let layout = detector.layout(rows)?;
    for at in layout.elements(j) {
        let lift = |(output, element): (usize, usize)| {
            let value = f64::from(rows[output].data()[element]);
            if (output, element) == at { Dual64::from(value).derivative() } else { Dual64::from(value) }
        };
        slopes[at.0].data_mut()[at.1] = number(&layout.candidate_of(j, &lift)).eps as f32;
    }
    Ok(slopes)
}

/// The cosine similarity of an output and that of a reference image, for embeddings.
#[derive(Debug, Clone)]
pub struct Cosine {
    output: String,
    reference: Vec<f64>,
}

impl Cosine {
    /// The similarity to a reference image's row of the same output. An error if its length is 0.
    pub fn new(output: impl Into<String>, reference: &[f32]) -> Result<Self> {
        let reference: Vec<f64> = reference.iter().map(|&v| f64::from(v)).collect();
        match length(reference.iter().copied()) > 0.0 {
            true => Ok(Self { output: output.into(), reference }),
            false => {
                Err(Error::model("the reference image's embedding is zero, so nothing is similar to it"))
            }
        }
    }

    /// The dot product and the lengths of the row and of the reference.
    fn parts(&self, row: &TensorView<'_>) -> Result<(f64, f64, f64)> {
        let (is, wanted) = (row.data().len(), self.reference.len());
        if is != wanted {
            return Err(Error::model(format!(
                "output {:?} has {is} values for an image; the reference image's has {wanted}",
                self.output
            )));
        }
        let dot = row.data().iter().zip(&self.reference).map(|(a, b)| f64::from(*a) * b).sum();
        Ok((dot, length(row.data().iter().map(|&v| f64::from(v))), length(self.reference.iter().copied())))
    }
}

impl Target for Cosine {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn value(&self, rows: &[TensorView<'_>]) -> Result<f64> {
        let (dot, own, other) = self.parts(&rows[0])?;
        Ok(if own > 0.0 { dot / (own * other) } else { 0.0 })
    }

    fn slopes(&self, rows: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        let (dot, own, other) = self.parts(&rows[0])?;
        let slope = |(a, b): (&f32, &f64)| match own > 0.0 {
            true => (b / (own * other) - f64::from(*a) * dot / (own.powi(3) * other)) as f32,
            false => 0.0,
        };
        let slopes = rows[0].data().iter().zip(&self.reference).map(slope).collect();
        Ok(vec![Tensor::new(rows[0].shape(), slopes)?])
    }

    fn mirrored(self: Arc<Self>) -> Option<Arc<dyn Target>> {
        Some(self)
    }
}

fn length(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}
