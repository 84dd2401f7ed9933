//! The targets of explanations: a number per image, computed from a model's raw outputs.
//!
//! A [`Target`] is that number and its derivative. A [`Question`] is a user's request, independent of an image; the
//! unmasked pass on an image turns it into targets, because a detection or the model's own prediction is not known
//! before. [`ModelView`](crate::ModelView) computes targets wherever it computes class scores, so every method explains
//! every target, on every backend.

mod candidate;
mod chosen;
mod detection;
mod detector;
mod linear;
mod region;
mod similarity;

use std::sync::Arc;

pub use candidate::{BoxForm, BoxScale};
pub use chosen::Targets;
pub use detection::{Boxes, BoxesWanted, Detection, Kept};
pub use detector::{Detector, DetectorOutputs, Format};
pub use linear::Linear;
pub use region::{Region, RegionArea, RegionCells, Segments};
pub use similarity::{BoxSimilarity, CandidateScore, Cosine};

use crate::{Error, Result, Tensor, TensorView};

/// A number per image, computed from a model's raw outputs.
///
/// A target reads rows: the image's row of an output that is [`crate::OutputInfo::per_image`], without the batch axis,
/// or the whole of another output. The rows are in the order of [`Target::outputs`].
pub trait Target: Send + Sync {
    /// The names of the outputs that it reads.
    fn outputs(&self) -> Vec<&str>;

    /// The number for the image of `rows`. An error of kind model if a row has a wrong shape.
    fn value(&self, rows: &[TensorView<'_>]) -> Result<f64>;

    /// The derivative of the number with respect to each row, in the row's shape.
    fn slopes(&self, rows: &[TensorView<'_>]) -> Result<Vec<Tensor>>;

    /// The target of the image mirrored left to right: itself if it has no position in the image; `None` if unknown.
    fn mirrored(self: Arc<Self>) -> Option<Arc<dyn Target>> {
        None
    }
}

/// A user's request, independent of an image.
pub trait Question: Send + Sync {
    /// The names of the outputs that it reads on the unmasked image.
    fn outputs(&self) -> Vec<&str>;

    /// The targets for the image whose unmasked pass returned `rows`, at least one. An error of kind not-found if the
    /// image has none; it lists the alternatives.
    fn targets(&self, rows: &[TensorView<'_>]) -> Result<Vec<AskedTarget>>;
}

/// A target with its data for reports.
#[derive(Clone)]
pub struct AskedTarget {
    /// The number to explain.
    pub target: Arc<dyn Target>,
    /// The target as users write it ("box:3").
    pub text: String,
    /// Its class, if it has one.
    pub class: Option<usize>,
    /// Its detection.
    pub detection: Option<Detection>,
    /// Its region.
    pub region: Option<Arc<RegionCells>>,
}

/// Several questions as one, in order.
pub struct Several(pub Vec<Arc<dyn Question>>);

impl Question for Several {
    fn outputs(&self) -> Vec<&str> {
        let mut outputs: Vec<&str> = Vec::new();
        for output in self.0.iter().flat_map(|question| question.outputs()) {
            if !outputs.contains(&output) {
                outputs.push(output);
            }
        }
        outputs
    }

    fn targets(&self, rows: &[TensorView<'_>]) -> Result<Vec<AskedTarget>> {
        let outputs = self.outputs();
        let of_one = |question: &Arc<dyn Question>| {
            let place = |name: &str| outputs.iter().position(|output| *output == name);
            let own: Vec<_> = question.outputs().into_iter().filter_map(place).map(|i| rows[i]).collect();
            question.targets(&own)
        };
        Ok(self.0.iter().map(of_one).collect::<Result<Vec<_>>>()?.concat())
    }
}

/// Targets that do not depend on the image. They name their outputs, so that the first pass returns them.
pub struct Fixed(pub Vec<AskedTarget>);

impl Question for Fixed {
    fn outputs(&self) -> Vec<&str> {
        self.0.iter().flat_map(|asked| asked.target.outputs()).collect()
    }

    fn targets(&self, _: &[TensorView<'_>]) -> Result<Vec<AskedTarget>> {
        Ok(self.0.clone())
    }
}

/// The targets of one explanation, and the outputs that they read between them.
pub struct TargetSet {
    outputs: Vec<String>,
    /// Each target with the places of its outputs among all.
    targets: Vec<(Arc<dyn Target>, Vec<usize>)>,
}

impl TargetSet {
    /// Of `targets`, in their order.
    pub fn new(targets: impl IntoIterator<Item = Arc<dyn Target>>) -> Self {
        let mut outputs: Vec<String> = Vec::new();
        let mut placed = Vec::new();
        for target in targets {
            let place = |name: &str| match outputs.iter().position(|o| o == name) {
                Some(place) => place,
                None => {
                    outputs.push(name.to_owned());
                    outputs.len() - 1
                }
            };
            let places = target.outputs().into_iter().map(place).collect();
            placed.push((target, places));
        }
        Self { outputs, targets: placed }
    }

    /// The names of the outputs that are read.
    pub fn outputs(&self) -> Vec<&str> {
        self.outputs.iter().map(String::as_str).collect()
    }

    /// The targets of the image mirrored left to right; an error of kind unsupported if one has no mirror image.
    pub fn mirrored(&self) -> Result<Self> {
        let mirrored = self.targets.iter().map(|(target, _)| Arc::clone(target).mirrored());
        mirrored.collect::<Option<Vec<_>>>().map(Self::new).ok_or_else(|| {
            Error::unsupported(
                "a target has a position in the image but no mirror image, such as a candidate's number; explain it \
                 without mirroring",
            )
        })
    }

    /// The number of targets.
    pub fn count(&self) -> usize {
        self.targets.len()
    }

    /// The number of each target for the image of `rows`, which are those of [`Self::outputs`].
    pub fn values(&self, rows: &[TensorView<'_>]) -> Result<Vec<f32>> {
        let value = |(target, places): &(Arc<dyn Target>, Vec<usize>)| {
            target.value(&places.iter().map(|&place| rows[place]).collect::<Vec<_>>()).map(|v| v as f32)
        };
        self.targets.iter().map(value).collect()
    }

    /// The names of the outputs of target `index`, and the derivative of its number with respect to each one's row.
    pub fn slopes(&self, index: usize, rows: &[TensorView<'_>]) -> Result<Vec<(&str, Tensor)>> {
        let (target, places) = &self.targets[index];
        let slopes = target.slopes(&places.iter().map(|&place| rows[place]).collect::<Vec<_>>())?;
        Ok(places.iter().map(|&place| self.outputs[place].as_str()).zip(slopes).collect())
    }
}
