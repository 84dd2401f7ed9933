//! Localization: a map against the [`Region`] of an object.

use super::{BoundingBox, SaliencyMap, Ties, similarity};
use crate::Result;
use crate::image::Placement;
use crate::tensor::gathered;

/// The pixels of an object, or of several of one class: their union.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    size: (usize, usize),
    inside: Vec<bool>,
    count: usize,
}

impl Region {
    /// The pixels of `size` (height, width) whose centers lie in one of the half-open boxes. A box without any center
    /// adds nothing, so the region may be empty. An error if memory is short.
    pub fn of_boxes(boxes: &[BoundingBox], size: (usize, usize)) -> Result<Self> {
        let (height, width) = size;
        let centers = (0..height).flat_map(|y| (0..width).map(move |x| (x as f64 + 0.5, y as f64 + 0.5)));
        let inside = centers.map(|center| boxes.iter().any(|bounds| bounds.contains(center)));
        Self::of_mask(gathered(&[height, width], inside)?, size)
    }

    /// The pixels where the mask of `size` (height, width) is true; an error if the length differs.
    pub fn of_mask(inside: Vec<bool>, size: (usize, usize)) -> Result<Self> {
        let (height, width) = size;
        ensure!(
            crate::element_count(&[height, width])? == inside.len(),
            invalid,
            "a region of {height} x {width} pixels does not fit a mask of {} values",
            inside.len()
        );
        let count = inside.iter().filter(|&&inside| inside).count();
        Ok(Self { size, inside, count })
    }

    /// A frame along the edge of the visible part of the photo: the pixels whose centers are closer to the edge than
    /// `share` of the shorter side, where backgrounds, watermarks and time stamps lie. Padding is not part of it. An
    /// error unless the share is above 0 and at most 0.5.
    pub fn frame(placement: &Placement, share: f64) -> Result<Self> {
        ensure!(
            share > 0.0 && share <= 0.5,
            invalid,
            "a border of {share} of the shorter side; give a share above 0, at most 0.5"
        );
        let ((height, width), part) = (placement.input_size(), placement.input_part());
        let wide = share * part.width.min(part.height);
        let is_inside = |i: usize| {
            let (x, y) = ((i % width) as f64 + 0.5 - part.x, (i / width) as f64 + 0.5 - part.y);
            let nearest = x.min(part.width - x).min(y).min(part.height - y);
            (0.0..wide).contains(&nearest)
        };
        Self::of_mask((0..height * width).map(is_inside).collect(), (height, width))
    }

    /// All other pixels.
    #[must_use]
    pub fn rest(&self) -> Self {
        let inside: Vec<bool> = self.inside.iter().map(|inside| !inside).collect();
        Self { size: self.size, count: inside.len() - self.count, inside }
    }

    /// Height and width of the whole.
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Whether each pixel belongs to the region, row by row.
    pub fn inside(&self) -> &[bool] {
        &self.inside
    }

    /// The number of pixels in the region.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The share of all pixels that belong to the region, 0..1: the energy of an uninformative map.
    pub fn share(&self) -> f64 {
        self.count as f64 / self.inside.len().max(1) as f64
    }
}

/// The rule of the pointing game.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pointing {
    /// The pixels that count, if several have the maximum.
    pub among: Greatest,
    /// Pixels closer to a region's pixel than this many pixels count as hits, too: 15 in TorchRay.
    pub tolerance: f64,
}

/// The pixels that the pointing game uses, if several have the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Greatest {
    /// Any of them (Quantus, OpenVINO XAI).
    #[default]
    Any,
    /// The first in reading order (TorchRay).
    First,
}

named!(Greatest of "greatest": Any = "any", First = "first");

/// A map against a region of its size.
#[derive(Debug, Clone, Copy)]
pub struct Localization<'a> {
    map: &'a SaliencyMap,
    region: &'a Region,
}

impl<'a> Localization<'a> {
    /// Pairs a map with a region; an error if their sizes differ.
    pub fn new(map: &'a SaliencyMap, region: &'a Region) -> Result<Self> {
        let [(h, w), (region_h, region_w)] = [map.size(), region.size()];
        ensure!(
            map.size() == region.size(),
            invalid,
            "a map of {h} x {w} pixels cannot be compared with a region of {region_h} x {region_w}; make the region at \
             the size of the map"
        );
        Ok(Self { map, region })
    }

    /// The share of the map's positive values inside, 0..1: the energy-based pointing game (Score-CAM, table 2). None
    /// for a map without positive values. Read it together with [`Localization::lift`].
    pub fn energy(&self) -> Option<f64> {
        let energy = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v.max(0.0)).sum::<f64>();
        let total = energy(&mut self.map.values().iter().copied());
        (total > 0.0).then(|| energy(&mut self.inside()) / total)
    }

    /// The energy over the region's share of the pixels: 1 for an uninformative map. None for a map without
    /// positive values or an empty region.
    pub fn lift(&self) -> Option<f64> {
        self.energy().filter(|_| self.region.count > 0).map(|energy| energy / self.region.share())
    }

    /// Whether the greatest pixel hits the region: the pointing game (Zhang et al., 2018). None for an empty region.
    pub fn pointing(&self, rule: Pointing) -> Option<bool> {
        let max = self.map.max();
        let mut greatest = (0..self.region.inside.len()).filter(|&i| self.map.values()[i] == max);
        let hits = |pixel: usize| self.is_near(pixel, rule.tolerance);
        (self.region.count > 0).then(|| match rule.among {
            Greatest::Any => greatest.any(hits),
            Greatest::First => greatest.next().is_some_and(hits),
        })
    }

    /// The share of the `n` highest pixels that lies inside, with the region's pixel count as `n`: relevance rank
    /// accuracy (Arras et al., 2022). Ties count in reading order. None for an empty region.
    pub fn rank_accuracy(&self) -> Option<f64> {
        self.top_k(self.region.count)
    }

    /// The share of the `k` highest pixels that lies inside, or of all pixels if there are fewer: Quantus'
    /// `TopKIntersection` (Theiner et al., 2021), whose `k` is 1000. Ties count in reading order. None for an empty
    /// region or `k` of 0.
    pub fn top_k(&self, k: usize) -> Option<f64> {
        let ranking = self.map.ranking(Ties::First);
        let top = &ranking[..k.min(ranking.len())];
        let inside = top.iter().filter(|&&pixel| self.region.inside[pixel as usize]).count();
        (self.region.count > 0 && k > 0).then(|| inside as f64 / top.len() as f64)
    }

    /// The probability that a pixel inside has a higher value than one outside, with ties counted as half: the area
    /// under the ROC curve, 0..1, and 0.5 for a flat map (Mann and Whitney, 1947). None if either side has no pixels.
    pub fn roc_area(&self) -> Option<f64> {
        let inside = self.region.count as f64;
        let outside = self.region.inside.len() as f64 - inside;
        let ranks = similarity::average_ranks(self.map.values());
        let sum: f64 =
            ranks.iter().zip(&self.region.inside).filter(|(_, inside)| **inside).map(|(r, _)| r).sum();
        (inside > 0.0 && outside > 0.0).then(|| (sum - inside * (inside + 1.0) / 2.0) / (inside * outside))
    }

    /// Grad-CAM++'s Loc, 0..1: of the pixels whose normalized value is above `threshold` (0.25 there), the number
    /// inside over the region's pixels plus the number outside. None if both are zero.
    pub fn loc(&self, threshold: f64) -> Option<f64> {
        let map = self.map.normalized();
        let above = map.values().iter().zip(&self.region.inside).filter(|(v, _)| **v > threshold);
        let (mut inside, mut outside) = (0usize, 0usize);
        above.for_each(|(_, &is_inside)| *if is_inside { &mut inside } else { &mut outside } += 1);
        let all = self.region.count + outside;
        (all > 0).then(|| inside as f64 / all as f64)
    }

    /// The values inside.
    fn inside(&self) -> impl Iterator<Item = f64> {
        self.map.values().iter().zip(&self.region.inside).filter(|(_, inside)| **inside).map(|(v, _)| *v)
    }

    /// Whether a pixel is inside, or closer than `tolerance` to a pixel that is.
    fn is_near(&self, pixel: usize, tolerance: f64) -> bool {
        if self.region.inside[pixel] {
            return true;
        }
        let ((height, width), reach) = (self.region.size, tolerance.max(0.0).ceil() as usize);
        let (y, x) = (pixel / width, pixel % width);
        let around =
            |at: usize, n: usize| at.saturating_sub(reach)..at.saturating_add(reach).saturating_add(1).min(n);
        let is_near = |y1: usize, x1: usize| {
            let squared = y.abs_diff(y1).pow(2) + x.abs_diff(x1).pow(2);
            self.region.inside[y1 * width + x1] && (squared as f64).sqrt() < tolerance
        };
        around(y, height).any(|y1| around(x, width).any(|x1| is_near(y1, x1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_as_wide_as_its_share_of_what_is_seen() {
        let placement = Placement::whole((50, 70), (10, 20));
        for (share, expected) in [(0.1, 2 * 20 + 2 * 8), (0.2, 4 * 20 + 4 * 6), (0.04, 0), (0.5, 200)] {
            let frame = Region::frame(&placement, share).expect("a frame");
            assert_eq!(frame.count(), expected, "{share}");
            let rest = frame.rest();
            assert_eq!(rest.count(), 200 - expected);
            assert!(rest.inside().iter().zip(frame.inside()).all(|(rest, inside)| rest != inside));
        }
        for share in [0.0, -1.0, 0.6, f64::NAN] {
            assert!(Region::frame(&placement, share).is_err(), "{share}");
        }
    }
}
