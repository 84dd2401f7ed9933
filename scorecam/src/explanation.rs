//! [`Explanation`]: saliency maps with all that is known of them.

use std::sync::Arc;

use scorecam_core::evaluation::{BoundingBox, BoxOptions, SaliencyMap};
use scorecam_core::image::{Overlay, Photo, Placement, Rect};
use scorecam_core::target::RegionCells;
use scorecam_core::{Error, Explained, Learned, Result, Tensor, TensorView, Upsample, Upsampler, bail};

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
/// assert_eq!(explanation.map(0)?.shape(), [32, 32]); // the size of the model's input
/// let overlay = explanation.overlay(0, &photo, &Overlay::default())?;
/// assert_eq!(overlay.size(), photo.size());
/// # Ok::<(), scorecam::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The target layer; empty where the method needs none.
    pub layer: String,
    /// What was explained, in the order of the maps.
    pub targets: Vec<Target>,
    /// One saliency map for each target, [targets, H, W], all finite; as a rule 0 to 1, as the method's options say. None,
    /// [0, H, W], where [`Self::late`] says why.
    pub maps: Tensor,
    /// The standard error of each value of the maps, of their shape, where the method estimates them, as "rise" does.
    pub errors: Option<Tensor>,
    /// Why there are no maps: the time limit passed before the method had any.
    pub late: Option<String>,
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
    /// What the method learned that helps with a video's next frame, see [`Explainer::explain_next`](crate::Explainer::explain_next).
    pub learned: Option<Learned>,
}

/// An explained target.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// What was asked, in words: "class:285", "box:0".
    pub text: String,
    /// The index of the class that it is about, where there is one.
    pub class: Option<usize>,
    /// The class's label, where the model has labels.
    pub label: Option<String>,
    /// A class's probability on the unmasked image, 0 to 1; where the model gives a number of its own, and of any other
    /// target, that number.
    pub score: f64,
    /// The model's raw output for a class; the number of any other target.
    pub output: f32,
    /// The box that it is about.
    pub detection: Option<Detection>,
    /// The region of a segmentation map that it is about.
    pub region: Option<Arc<RegionCells>>,
}

/// An object that a detector found, or that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Its box in pixels of the photo; of the input where a tensor was explained.
    pub rect: Rect,
    /// How sure the detector is, 0 to 1; of a box that was asked for how similar its best candidate is.
    pub score: f64,
}

impl Target {
    /// The label or the class of a box and how sure the detector is of it; of another target what was asked.
    fn words(&self) -> String {
        let class = self.label.clone().or_else(|| self.class.map(|class| format!("class {class}")));
        match (self.detection, class) {
            (Some(detection), Some(class)) => format!("{class} {:.2}", detection.score),
            (None, Some(class)) => class,
            _ => self.text.clone(),
        }
    }
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
        Self {
            layer: found.layer,
            targets: found.targets.into_iter().map(target).collect(),
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

    /// The map of target `index`, [H, W]. An error of kind [`ErrorKind::Deadline`](crate::ErrorKind::Deadline) where there
    /// are no maps, see [`Self::late`]. Panics when there is no such target, as indexing does.
    pub fn map(&self, index: usize) -> Result<TensorView<'_>> {
        match &self.late {
            None => Ok(self.maps.view().at(index)),
            Some(why) => Err(Error::deadline(format!(
                "there is no map: {why}; give more time, or take the method score-cam-adaptive"
            ))),
        }
    }

    /// The map of target `index` at the size of the model's input, for measures. An error as of [`Self::map`]. Panics when
    /// there is no such target.
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

    /// The boxes around the great values of the map of target `index`, in pixels of the photo (of the input where a tensor was
    /// explained), the largest area first; none for a map that is flat, and none of a letterbox's padding.
    /// [`Explanation::map_boxes`] says the share of the map in each, too. An error as of [`Self::map`]. Panics when there is
    /// no such target.
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

    /// The standard error of each value of the map of target `index`, [H, W]; none where the method estimates none. Panics when
    /// there is no such target.
    pub fn errors(&self, index: usize) -> Option<TensorView<'_>> {
        self.errors.as_ref().map(|errors| errors.view().at(index))
    }

    /// The map of target `index` at the size (height, width) of the photo that was explained, or of one of the same content:
    /// bilinear between the map's values, and 0 where the model did not see the photo ([`Placement::photo_part`]). An error
    /// for another size than the explained photo's, or as of [`Self::map`]. Panics when there is no such target.
    pub fn photo_map(&self, index: usize, size: (usize, usize)) -> Result<Tensor> {
        let placement = self.placement_on(size);
        let ((own_height, own_width), (height, width)) = (placement.photo_size(), size);
        if placement.photo_size() != size {
            bail!(
                invalid,
                "the map is of a photo of {own_width}x{own_height} pixels; {width}x{height} was asked for"
            );
        }
        placement.on_photo(self.map(index)?)
    }

    /// The map of target `index` laid over the photo that was explained, or over another one of the same content; a box or
    /// region that the target is about is drawn and named. An error as of [`Self::map`]. Panics when there is no such target.
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

    /// A box, which is in pixels of the photo that was explained or of a tensor, in those of a photo with `placement`.
    fn on(&self, placement: &Placement, rect: Rect) -> Rect {
        let (from, to) = match self.placement {
            Some(own) => (own.photo_size(), placement.photo_size()),
            None => (self.input_size, placement.photo_size()),
        };
        let (right, down) = (to.1 as f64 / from.1 as f64, to.0 as f64 / from.0 as f64);
        Rect { x: rect.x * right, y: rect.y * down, width: rect.width * right, height: rect.height * down }
    }

    /// Where the maps lie on a photo of `size` (height, width).
    pub fn placement_on(&self, size: (usize, usize)) -> Placement {
        self.placement.unwrap_or_else(|| Placement::whole(size, self.input_size))
    }
}
