//! [`Explanation`]: saliency maps with their data.

use std::sync::Arc;

use scorecam_core::evaluation::{BoundingBox, BoxOptions, SaliencyMap};
use scorecam_core::image::{Overlay, Photo, Placement, Rect};
use scorecam_core::target::RegionCells;
use scorecam_core::{Error, Explained, Learned, Result, Tensor, TensorView, Upsample, Upsampler, bail};

use crate::Model;

/// The saliency maps of one image, independent of the model and the explainer.
///
/// ```
#[doc = include_str!("../doc/toy_model.md")]
/// use scorecam::{ExplainOptions, Explainer, Overlay, Photo};
///
/// let photo = Photo::from_rgb8((48, 64), (0..48 * 64 * 3).map(|i| (i * 7 % 256) as u8).collect())?;
/// let explainer = Explainer::new(&host, &model, &ExplainOptions::default())?;
/// let explanation = explainer.explain(&photo.clone().into())?;
/// assert_eq!(explanation.map(0)?.shape(), [32, 32]); // the size of the model's input
/// let overlay = explanation.overlay(0, &photo, &Overlay::default())?;
/// assert_eq!(overlay.size(), photo.size());
/// # Ok::<(), scorecam::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The target layer; empty if the method needs none.
    pub layer: String,
    /// The explained targets, in the order of the maps.
    pub targets: Vec<Target>,
    /// One saliency map per target, [targets, H, W], all finite; usually 0 to 1, depending on the method's options.
    /// Empty, [0, H, W], if [`Self::late`] is set.
    pub maps: Tensor,
    /// The standard error of each value in the maps, in their shape, if the method estimates it, as "rise" does.
    pub errors: Option<Tensor>,
    /// The reason for missing maps: the time limit expired before the method had any.
    pub late: Option<String>,
    /// The number of images that the model has run, including the unmasked one.
    pub passes: usize,
    /// The measures that the method reports, by name.
    pub measures: Vec<(String, f64)>,
    /// Warnings for the user, one line each.
    pub warnings: Vec<String>,
    /// The placement of the maps on the photo; `None` for a tensor, whose photo is unknown.
    pub placement: Option<Placement>,
    /// Height and width of the model's input.
    pub input_size: (usize, usize),
    /// The knowledge that the method can reuse for a video's next frame, see
    /// [`Explainer::explain_next`](crate::Explainer::explain_next).
    pub learned: Option<Learned>,
}

/// An explained target.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The target as text: "class:285", "box:0".
    pub text: String,
    /// The index of its class, if it has one.
    pub class: Option<usize>,
    /// The class's label, if the model has labels.
    pub label: Option<String>,
    /// The class's probability on the unmasked image, 0 to 1; for a model with a single value, and for any other
    /// target, that value.
    pub score: f64,
    /// The model's raw output for a class; for any other target, its value.
    pub output: f32,
    /// The box of the target.
    pub detection: Option<Detection>,
    /// The region of a segmentation map.
    pub region: Option<Arc<RegionCells>>,
}

/// A detected object, or a requested box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Its box in pixels of the photo, or of the input if a tensor was explained.
    pub rect: Rect,
    /// The detector's score, 0 to 1; for a requested box, the similarity of its best candidate.
    pub score: f64,
}

impl Target {
    /// The label or class of a box with the detector's score or the similarity; for any other target, its text.
    fn words(&self) -> String {
        let class = self.label.clone().or_else(|| self.class.map(|class| format!("class {class}")));
        match (self.detection, class) {
            (Some(detection), Some(class)) if is_given_box(&self.text) => {
                format!("{class}, similarity {:.2}", detection.score)
            }
            (Some(detection), Some(class)) => format!("{class} {:.2}", detection.score),
            (None, Some(class)) => class,
            _ => self.text.clone(),
        }
    }
}

/// Whether a target's text is that of a box that the user gave, whose score is the similarity of the most similar detection.
pub fn is_given_box(text: &str) -> bool {
    text.strip_prefix("box:").is_some_and(|corners| corners.contains(','))
}

/// The similarity below which a given box is none that the model sees.
const UNLIKE: f64 = 0.25;

/// A warning where the model detects nothing like a given box.
fn unlike_any_detection(target: &Target) -> Option<String> {
    let similarity = target.detection.filter(|_| is_given_box(&target.text))?.score;
    (similarity < UNLIKE).then(|| {
        format!(
            "{}: the model detects nothing like it; the most similar detection has similarity {similarity:.2}, so its map \
             says little; --target boxes explains the model's own boxes",
            target.text
        )
    })
}

impl Explanation {
    pub(crate) fn new(
        model: &Model,
        found: scorecam_core::Explanation,
        (input_size, placement, mut warnings): ((usize, usize), Option<Placement>, Vec<String>),
    ) -> Self {
        let target = |t: Explained| Target {
            label: t.class.and_then(|class| model.label(class)).map(str::to_owned),
            detection: t.detection.map(|d| {
                let [x0, y0, x1, y1] = d.rect;
                let to_photo = |x, y| placement.map_or((x, y), |placement| placement.to_photo((x, y)));
                let ((x0, y0), (x1, y1)) = (to_photo(x0, y0), to_photo(x1, y1));
                Detection { rect: Rect { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, score: d.score }
            }),
            region: t.region,
            text: t.text,
            class: t.class,
            score: t.score,
            output: t.output,
        };
        warnings.extend(found.warnings);
        let targets: Vec<Target> = found.targets.into_iter().map(target).collect();
        warnings.extend(targets.iter().filter_map(unlike_any_detection));
        Self {
            layer: found.layer,
            targets,
            maps: found.maps,
            errors: found.errors,
            late: found.late,
            passes: found.passes,
            measures: found.measures,
            warnings,
            placement,
            input_size,
            learned: found.learned,
        }
    }

    /// The map of target `index`, [H, W]. An error of kind [`ErrorKind::Deadline`](crate::ErrorKind::Deadline) if there
    /// are no maps, see [`Self::late`]. Panics if there is no such target, like indexing.
    pub fn map(&self, index: usize) -> Result<TensorView<'_>> {
        match &self.late {
            None => Ok(self.maps.view().at(index)),
            Some(why) => Err(Error::deadline(format!(
                "no map was made: {why}; allow more time, or use the method score-cam-adaptive"
            ))),
        }
    }

    /// The map of target `index` at the size of the model's input, for measures. Errors and panics like [`Self::map`].
    pub fn saliency(&self, index: usize) -> Result<SaliencyMap> {
        let (map, size) = (self.map(index)?, self.input_size);
        let own = (map.shape()[0], map.shape()[1]);
        if own == size {
            return SaliencyMap::new(map.data(), size);
        }
        // Of presets that leave it at the layer's size.
        let values: Vec<f64> = map.data().iter().map(|&value| f64::from(value)).collect();
        let values = Upsampler::new(Upsample::HalfPixel, own, size)?.resize(&values)?;
        SaliencyMap::new(&values.iter().map(|&value| value as f32).collect::<Vec<_>>(), size)
    }

    /// The boxes around the high values in the map of target `index`, in pixels of the photo (of the input if a tensor
    /// was explained), the largest area first; none for a flat map, and none in a letterbox's padding.
    /// [`Explanation::map_boxes`] also returns the share of the map in each box. Errors and panics like [`Self::map`].
    ///
    /// ```
    #[doc = include_str!("../doc/toy_model.md")]
    /// use scorecam::evaluation::BoxOptions;
    /// use scorecam::{ExplainOptions, Explainer, Photo};
    ///
    /// let photo = Photo::from_rgb8((48, 64), (0..48 * 64 * 3).map(|i| (i * 7 % 256) as u8).collect())?;
    /// let explainer = Explainer::new(&host, &model, &ExplainOptions::default())?;
    /// let found = explainer.explain(&photo.into())?.boxes(0, BoxOptions::default())?;
    /// assert!(found[0].x0 >= 0.0 && found[0].x1 <= 64.0 && found[0].y1 <= 48.0);
    /// # Ok::<(), scorecam::Error>(())
    /// ```
    pub fn boxes(&self, index: usize, options: BoxOptions) -> Result<Vec<BoundingBox>> {
        Ok(self.map_boxes(index, options)?.into_iter().map(|found| found.bounds).collect())
    }

    /// The standard error of each value in the map of target `index`, [H, W]; `None` if the method estimates none.
    /// Panics if there is no such target.
    pub fn errors(&self, index: usize) -> Option<TensorView<'_>> {
        self.errors.as_ref().map(|errors| errors.view().at(index))
    }

    /// The map of target `index` at the size (height, width) of the explained photo, or of one with the same content:
    /// interpolated bilinearly, and 0 where the photo lies outside the model's input ([`Placement::photo_part`]). An
    /// error for another size than the explained photo's. Other errors and panics like [`Self::map`].
    pub fn photo_map(&self, index: usize, size: (usize, usize)) -> Result<Tensor> {
        let placement = self.placement_on(size);
        let ((own_height, own_width), (height, width)) = (placement.photo_size(), size);
        if placement.photo_size() != size {
            bail!(
                invalid,
                "the map is of a photo of {own_width}x{own_height} pixels; {width}x{height} was requested"
            );
        }
        placement.on_photo(self.map(index)?)
    }

    /// The map of target `index` drawn over the explained photo, or over another one with the same content; the
    /// target's box or region is drawn and labeled. Errors and panics like [`Self::map`].
    pub fn overlay(&self, index: usize, photo: &Photo, overlay: &Overlay) -> Result<Photo> {
        let placement = self.placement_on(photo.size());
        let picture = overlay.render(photo, self.map(index)?, &placement)?;
        let target = &self.targets[index];
        Ok(match (target.detection, &target.region) {
            (Some(detection), _) => picture.boxed(&self.on(&placement, detection.rect), &target.words()),
            (None, Some(region)) => {
                let (height, width) = placement.input_size();
                let inside = |point: (f64, f64)| {
                    let (x, y) = placement.to_input(point);
                    region.contains(x / width as f64, y / height as f64)
                };
                picture.outlined(inside, &target.words())
            }
            (None, None) => picture,
        })
    }

    /// Converts a box from pixels of the explained photo or tensor to those of a photo with `placement`.
    fn on(&self, placement: &Placement, rect: Rect) -> Rect {
        let (from, to) = match self.placement {
            Some(own) => (own.photo_size(), placement.photo_size()),
            None => (self.input_size, placement.photo_size()),
        };
        let (right, down) = (to.1 as f64 / from.1 as f64, to.0 as f64 / from.0 as f64);
        Rect { x: rect.x * right, y: rect.y * down, width: rect.width * right, height: rect.height * down }
    }

    /// The placement of the maps on a photo of `size` (height, width).
    pub fn placement_on(&self, size: (usize, usize)) -> Placement {
        self.placement.unwrap_or_else(|| Placement::whole(size, self.input_size))
    }
}
