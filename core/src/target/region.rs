//! [`Region`]: the mean score of a class over a region of a segmentation map.

use std::sync::Arc;

use super::{AskedTarget, Linear, Question};
use crate::{Error, Result, TensorView};

/// The output of a segmentation network: scores [C, H, W] of each pixel for an image, or one map [H, W].
#[derive(Debug, Clone, PartialEq)]
pub struct Segments {
    /// The output's name.
    pub output: String,
    /// The threshold above which a single map predicts its class: 0 for logits, 0.5 for probabilities.
    pub threshold: f32,
}

/// The selection of cells in a segmentation map.
#[derive(Clone)]
pub enum RegionArea {
    /// Cells whose center is inside: the function receives x and y as shares of the model's input, 0 to 1.
    Inside(Arc<dyn Fn(f64, f64) -> bool + Send + Sync>),
    /// Cells where the model predicts the class on the unmasked image; without a class, its most frequent one except
    /// class 0, which is usually the background. For a single map, cells above the threshold.
    Predicted,
}

/// The cells of a segmentation map that belong to a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionCells {
    /// Height and width of the map.
    pub size: (usize, usize),
    /// For each cell, row by row, whether it belongs to the region.
    pub inside: Vec<bool>,
}

impl RegionCells {
    /// Whether the cell at x and y, shares of the model's input from 0 to 1, belongs to the region; false outside the
    /// input.
    pub fn contains(&self, x: f64, y: f64) -> bool {
        let cell = |at: f64, n: usize| (0.0..1.0).contains(&at).then_some((at * n as f64) as usize);
        match (cell(y, self.size.0), cell(x, self.size.1)) {
            (Some(row), Some(column)) => self.inside[row * self.size.1 + column],
            _ => false,
        }
    }
}

/// A question about a region.
#[derive(Clone)]
pub struct Region {
    /// The segmentation map.
    pub segments: Segments,
    /// Its part.
    pub area: RegionArea,
    /// The class; `None` for the one that is predicted most often in the region.
    pub class: Option<usize>,
    /// The question as users write it.
    pub text: String,
}

impl Question for Region {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.segments.output]
    }

    fn targets(&self, rows: &[TensorView<'_>]) -> Result<Vec<AskedTarget>> {
        let map = SegmentMap::of(&self.segments, &rows[0])?;
        if let Some(class) = self.class.filter(|class| *class >= map.classes) {
            let classes = map.classes;
            return Err(Error::invalid(format!(
                "class {class} is out of range; the model has {classes} classes"
            )));
        }
        let (cells, class) = match &self.area {
            RegionArea::Inside(inside) => {
                let cells = map.cells(|x, y| inside(x, y));
                let class = self.class.or_else(|| map.most_frequent(&cells, |_| true));
                (cells, class)
            }
            RegionArea::Predicted => {
                let all: Vec<usize> = (0..map.area()).collect();
                let class = self.class.or_else(|| map.most_frequent(&all, |class| class > 0));
                let class = class.or_else(|| map.most_frequent(&all, |_| true));
                (all.into_iter().filter(|&cell| map.predicts(cell, class)).collect(), class)
            }
        };
        if cells.is_empty() {
            return Err(Error::not_found(format!(
                "{} is empty on the map of {} x {} cells; the model predicts {}",
                self.text,
                map.size.0,
                map.size.1,
                map.seen()
            )));
        }
        let mut inside = vec![false; map.area()];
        cells.iter().for_each(|&cell| inside[cell] = true);
        let region = Some(Arc::new(RegionCells { size: map.size, inside }));
        let (share, first) = (1.0 / cells.len() as f64, class.unwrap_or(0) * map.area());
        let weights = cells.into_iter().map(|cell| (first + cell, share)).collect();
        let target = Arc::new(Linear::of_cells(&self.segments.output, weights, map.size.1));
        Ok(vec![AskedTarget { target, text: self.text.clone(), class, detection: None, region }])
    }
}

/// One image's scores of each pixel.
struct SegmentMap<'a> {
    classes: usize,
    size: (usize, usize),
    scores: &'a [f32],
    threshold: f32,
}

impl<'a> SegmentMap<'a> {
    fn of(Segments { output, threshold }: &Segments, row: &TensorView<'a>) -> Result<Self> {
        let (classes, size) = match *row.shape() {
            [h, w] => (1, (h, w)),
            [classes, h, w] if classes > 0 => (classes, (h, w)),
            ref other => {
                return Err(Error::model(format!(
                    "output {output:?} has shape {other:?} per image; it must be a segmentation map [C, H, W] or [H, W]"
                )));
            }
        };
        Ok(Self { classes, size, scores: row.data(), threshold: *threshold })
    }

    fn area(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// The cells whose center is inside.
    fn cells(&self, inside: impl Fn(f64, f64) -> bool) -> Vec<usize> {
        let (h, w) = self.size;
        let center = |i: usize, n: usize| (i as f64 + 0.5) / n as f64;
        (0..h * w).filter(|cell| inside(center(cell % w, w), center(cell / w, h))).collect()
    }

    /// The class of the highest score in a cell; none where there is one map.
    fn class(&self, cell: usize) -> Option<usize> {
        let score = |class: usize| self.scores[class * self.area() + cell];
        let best = |a: usize, b: usize| if score(b) > score(a) { b } else { a };
        (self.classes > 1).then(|| (0..self.classes).reduce(best)).flatten()
    }

    fn predicts(&self, cell: usize, class: Option<usize>) -> bool {
        match self.class(cell) {
            Some(predicted) => Some(predicted) == class,
            None => self.scores[cell] > self.threshold,
        }
    }

    /// How many cells each class is predicted in.
    fn counts(&self, cells: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        cells.filter_map(|cell| self.class(cell)).for_each(|class| counts[class] += 1);
        counts
    }

    /// The class that is predicted most often in `cells`, among those that count.
    fn most_frequent(&self, cells: &[usize], counts: impl Fn(usize) -> bool) -> Option<usize> {
        let frequency = self.counts(cells.iter().copied());
        let seen = (0..self.classes).filter(|&class| frequency[class] > 0 && counts(class));
        seen.reduce(|a, b| if frequency[b] > frequency[a] { b } else { a })
    }

    /// The classes that are predicted anywhere, in words.
    fn seen(&self) -> String {
        if self.classes == 1 {
            return format!("no cell above {}", self.threshold);
        }
        let counts = self.counts(0..self.area());
        let seen = (0..self.classes).filter(|&class| counts[class] > 0);
        let seen: Vec<String> =
            seen.map(|class| format!("class {class} in {} cells", counts[class])).collect();
        seen.join(", ")
    }
}
