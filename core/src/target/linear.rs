//! [`Linear`]: a weighted sum of elements of one output, for a class, the evidence against it, a contrast, a concept or
//! a region.

use std::sync::Arc;

use super::Target;
use crate::{Error, Result, Tensor, TensorView};

/// A weighted sum of elements in an output's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    output: String,
    /// Elements of the row, as it lies in memory, and their weights.
    weights: Vec<(usize, f64)>,
    /// The cells of a row of maps, where the elements are cells of maps.
    width: Option<usize>,
}

impl Linear {
    /// The sum of `weights` times elements of `output`, which are numbered as they lie in an image's row.
    pub fn new(output: impl Into<String>, weights: Vec<(usize, f64)>) -> Self {
        Self { output: output.into(), weights, width: None }
    }

    /// The same of elements that are cells of maps, of `width` to a row.
    pub fn of_cells(output: impl Into<String>, weights: Vec<(usize, f64)>, width: usize) -> Self {
        Self { output: output.into(), weights, width: Some(width) }
    }
}

impl Target for Linear {
    fn outputs(&self) -> Vec<&str> {
        vec![&self.output]
    }

    fn value(&self, rows: &[TensorView<'_>]) -> Result<f64> {
        let row = rows[0].data();
        let term = |&(element, weight): &(usize, f64)| {
            let value = row.get(element).ok_or_else(|| lacks(&self.output, &rows[0], element))?;
            Ok(f64::from(*value) * weight)
        };
        self.weights.iter().map(term).sum()
    }

    fn slopes(&self, rows: &[TensorView<'_>]) -> Result<Vec<Tensor>> {
        let mut slopes = Tensor::zeros(rows[0].shape())?;
        for &(element, weight) in &self.weights {
            let slope = slopes.data_mut().get_mut(element);
            *slope.ok_or_else(|| lacks(&self.output, &rows[0], element))? += weight as f32;
        }
        Ok(vec![slopes])
    }

    fn mirrored(self: Arc<Self>) -> Option<Arc<dyn Target>> {
        let Some(width) = self.width else { return Some(self) };
        let weights = self.weights.iter().map(|&(e, weight)| (e - e % width + width - 1 - e % width, weight));
        Some(Arc::new(Self::of_cells(&self.output, weights.collect(), width)))
    }
}

fn lacks(output: &str, row: &TensorView<'_>, element: usize) -> Error {
    Error::model(format!(
        "output {output:?} has shape {:?} for an image, which holds no element {element}",
        row.shape()
    ))
}
