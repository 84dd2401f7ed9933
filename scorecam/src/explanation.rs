//! [`Explanation`]: saliency maps with all that is known of them.

use scorecam_core::image::{Overlay, Photo, Placement};
use scorecam_core::{Result, Tensor, TensorView};

use crate::Model;

/// Saliency maps of one image. It needs neither the model nor the explainer any more.
///
/// ```
#[doc = include_str!("../doc/toy_model.md")]
/// use scorecam::{ExplainOptions, Explainer, Overlay, Photo};
///
/// let photo = Photo::from_rgb8((48, 64), (0..48 * 64 * 3).map(|i| (i * 7 % 256) as u8).collect())?;
/// let explainer = Explainer::new(&host, &model, &ExplainOptions::default())?;
/// let explanation = explainer.explain(&photo.clone().into())?;
/// assert_eq!(explanation.map(0).shape(), [32, 32]); // the size of the model's input
/// let overlay = explanation.overlay(0, &photo, &Overlay::default())?;
/// assert_eq!(overlay.size(), photo.size());
/// # Ok::<(), scorecam::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The target layer.
    pub layer: String,
    /// The explained classes, in the order of the maps.
    pub targets: Vec<Target>,
    /// One saliency map for each target, [targets, H, W], all finite; as a rule 0 to 1, as the method's options say.
    pub maps: Tensor,
    /// Images run through the model, the unmasked one included.
    pub passes: usize,
    /// Numbers that the method reports, by name.
    pub measures: Vec<(String, f64)>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
    /// Where the maps lie on the photo; `None` when a tensor was explained, whose photo is not known.
    pub placement: Option<Placement>,
    /// Height and width of the model's input.
    pub input_size: (usize, usize),
}

/// An explained class.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The class's index.
    pub class: usize,
    /// Its label, where the model has labels.
    pub label: Option<String>,
    /// Its probability on the unmasked image, 0 to 1; where the model gives a number of its own, that number.
    pub score: f64,
    /// The model's raw output for it.
    pub output: f32,
}

impl Explanation {
    pub(crate) fn new(
        model: &Model,
        found: scorecam_core::Explanation,
        (input_size, placement, mut warnings): ((usize, usize), Option<Placement>, Vec<String>),
    ) -> Self {
        let target = |t: scorecam_core::Target| Target {
            class: t.class,
            label: model.label(t.class).map(str::to_owned),
            score: t.score,
            output: t.output,
        };
        warnings.extend(found.warnings);
        Self {
            layer: found.layer,
            targets: found.targets.into_iter().map(target).collect(),
            maps: found.maps,
            passes: found.passes,
            measures: found.measures,
            warnings,
            placement,
            input_size,
        }
    }

    /// The map of target `index`, [H, W]. Panics when there is none, as indexing does.
    pub fn map(&self, index: usize) -> TensorView<'_> {
        self.maps.view().at(index)
    }

    /// The map of target `index` laid over the photo that was explained, or over another one of the same content. Panics
    /// when there is no such target.
    pub fn overlay(&self, index: usize, photo: &Photo, overlay: &Overlay) -> Result<Photo> {
        overlay.render(photo, self.map(index), &self.placement_on(photo.size()))
    }

    /// Where the maps lie on a photo of `size` (height, width).
    pub fn placement_on(&self, size: (usize, usize)) -> Placement {
        self.placement.unwrap_or_else(|| Placement::whole(size, self.input_size))
    }
}
