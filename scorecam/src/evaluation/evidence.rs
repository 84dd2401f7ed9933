//! The location of the evidence in an [`Explanation`]: the boxes of a map, and the map's share on a part of the photo.
//!
//! Boxes are found and regions measured at the size of the model's input; arguments and results are in pixels of the
//! photo. The command line and the C and C++ APIs are thin layers over this file.

use scorecam_core::Result;
use scorecam_core::image::Placement;

use super::{Areas, BoundingBox, BoxOptions, Localization, Pointing, SaliencyMap, Truth, boxes};
use crate::Explanation;

/// A box of a map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MapBox {
    /// The box in pixels of the photo, or of the input if a tensor was explained.
    pub bounds: BoundingBox,
    /// The share of the map's positive values inside the box, 0..1; 0 for a map without any.
    pub energy: f64,
}

/// The relation of a map to a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The share of the map's positive values on the region, 0..1; `None` for a map without any.
    pub energy: Option<f64>,
    /// The region's share of the model's input, above 0 and at most 1: the energy of an uninformative map.
    pub share: f64,
    /// The energy divided by that share; `None` without an energy.
    pub lift: Option<f64>,
    /// Whether a maximum of the map lies on the region.
    pub pointing: bool,
    /// The share of the map's top N pixels on the region, where N is the region's number of pixels, 0..1.
    pub rank_accuracy: f64,
    /// The probability that a pixel on the region is above one outside it, 0..1; `None` if the region is the whole
    /// input.
    pub roc_area: Option<f64>,
}

impl Explanation {
    /// The boxes around the high values in the map of target `index`, the largest area first, each with the share of
    /// the map in it; none for a flat map, and none in a letterbox's padding. Errors and panics like
    /// [`Explanation::map`].
    pub fn map_boxes(&self, index: usize, options: BoxOptions) -> Result<Vec<MapBox>> {
        let map = self.saliency(index)?;
        let total = positive(&map, &whole(map.size()));
        let all = boxes(&map.normalized(), BoxOptions { areas: Areas::All, ..options });
        let found = all.into_iter().map(|bounds| MapBox {
            bounds: self.placement.as_ref().map_or(bounds, |placement| bounds.to_photo(placement)),
            energy: if total > 0.0 { positive(&map, &bounds) / total } else { 0.0 },
        });
        // One in the padding of a letterbox is of nothing in the photo.
        let found = found.filter(|found| found.bounds.area() > 0.0);
        Ok(match options.areas {
            Areas::Largest => found.take(1).collect(),
            Areas::All => found.collect(),
        })
    }

    /// Measures the map of target `index` on a region. An error if the region has another size than the model's input.
    /// Other errors and panics like [`Explanation::map`].
    ///
    /// ```
    #[doc = include_str!("../../doc/toy_model.md")]
    /// use scorecam::evaluation::Truth;
    /// use scorecam::{ExplainOptions, Explainer, Photo};
    ///
    /// let photo = Photo::from_rgb8((48, 64), (0..48 * 64 * 3).map(|i| (i * 7 % 256) as u8).collect())?;
    /// let explainer = Explainer::new(&host, &model, &ExplainOptions::default())?;
    /// let found = explainer.explain(&photo.into())?;
    /// // The left half of the photo, in its pixels.
    /// let part = Truth::of_boxes(vec![[0.0, 0.0, 32.0, 48.0].into()], &found.placement_of_input())?;
    /// let evidence = found.evidence(0, &part)?;
    /// if evidence.energy.is_none_or(|energy| energy < 0.25) {
    ///     println!("alarm: the decision rests on something else");
    /// }
    /// # Ok::<(), scorecam::Error>(())
    /// ```
    pub fn evidence(&self, index: usize, truth: &Truth) -> Result<Evidence> {
        let map = self.saliency(index)?;
        let found = Localization::new(&map, &truth.region)?;
        Ok(Evidence {
            energy: found.energy(),
            share: truth.region.share(),
            lift: found.lift(),
            pointing: found.pointing(Pointing::default()).unwrap_or_default(),
            rank_accuracy: found.rank_accuracy().unwrap_or_default(),
            roc_area: found.roc_area(),
        })
    }

    /// The placement of the model's input on the explained photo; for a tensor, on itself.
    pub fn placement_of_input(&self) -> Placement {
        self.placement_on(self.input_size)
    }
}

fn whole((height, width): (usize, usize)) -> BoundingBox {
    BoundingBox { x0: 0.0, y0: 0.0, x1: width as f64, y1: height as f64 }
}

/// The sum of the positive values in a box of whole pixels.
fn positive(map: &SaliencyMap, bounds: &BoundingBox) -> f64 {
    let width = map.size().1;
    let rows = map.values().chunks_exact(width).take(bounds.y1 as usize).skip(bounds.y0 as usize);
    let columns = bounds.x0 as usize..bounds.x1 as usize;
    rows.flat_map(|row| &row[columns.clone()]).map(|value| value.max(0.0)).sum()
}

#[cfg(test)]
mod tests {
    use scorecam_core::Tensor;
    use scorecam_core::image::{Filter, Fit, Photo, Preprocess};

    use super::*;

    /// A photo of 8 x 4 pixels in an input of 8 x 8 with two rows of padding above and below, of which an area of the padding
    /// has the greatest values, the photo two smaller ones.
    fn letterboxed() -> Explanation {
        let mut map = vec![0.0; 64];
        (0..8).for_each(|x| map[x] = 2.0);
        [26, 27, 34, 35].iter().for_each(|&i| map[i] = 1.5);
        map[38] = 1.0;
        let photo = Photo::from_rgb8((4, 8), vec![0; 96]).expect("a photo");
        let fit = Fit::LETTERBOX;
        let preprocess = Preprocess { size: (8, 8), fit, filter: Filter::Bilinear, ..Preprocess::default() };
        Explanation {
            layer: String::new(),
            targets: Vec::new(),
            maps: Tensor::new([1, 8, 8], map).expect("a map"),
            errors: None,
            late: None,
            passes: 1,
            measures: Vec::new(),
            warnings: Vec::new(),
            placement: Some(preprocess.apply(&photo).expect("an input").placement),
            input_size: (8, 8),
            learned: None,
        }
    }

    #[test]
    fn boxes_are_of_the_photo_and_not_of_its_padding() {
        let found = letterboxed();
        let boxes = |areas: Areas| {
            let options = BoxOptions { threshold: 0.5, areas, ..BoxOptions::default() };
            found.map_boxes(0, options).expect("boxes")
        };
        let [square, point] = [([2.0, 1.0, 4.0, 3.0], 6.0 / 23.0), ([6.0, 2.0, 7.0, 3.0], 1.0 / 23.0)]
            .map(|(corners, energy)| MapBox { bounds: corners.into(), energy });
        assert_eq!(boxes(Areas::All), [square, point]);
        assert_eq!(boxes(Areas::Largest), [square]);
        let whole = Truth::of_boxes(vec![[0.0, 0.0, 8.0, 4.0].into()], &found.placement_of_input());
        let evidence = found.evidence(0, &whole.expect("a region")).expect("evidence");
        assert_eq!((evidence.energy, evidence.share, evidence.pointing), (Some(7.0 / 23.0), 0.5, false));
    }

    #[test]
    fn the_energy_of_a_box_is_that_of_its_pixels() {
        let map = SaliencyMap::new(&[1.0, -2.0, 3.0, 4.0, 0.5, 6.0], (2, 3)).expect("a map");
        for (corners, expected) in [
            ([0.0, 0.0, 3.0, 2.0], 14.5),
            ([1.0, 0.0, 3.0, 1.0], 3.0),
            ([0.0, 1.0, 1.0, 2.0], 4.0),
            ([1.0, 0.0, 2.0, 2.0], 0.5),
        ] {
            assert_eq!(positive(&map, &corners.into()), expected, "{corners:?}");
        }
    }
}
