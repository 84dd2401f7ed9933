//! [`on_shared_part`]: maps of two models, resampled to the part of the photo that both models see.

use super::SaliencyMap;
use crate::image::{Placement, Rect};
use crate::{Result, element_count};

/// How close to a pixel's center a point counts as there, in pixels: rounding must not make equal values unequal, by which
/// ranks are tied.
const CLOSE: f64 = 1e-9;

/// Two maps on the part of a photo that both models see.
#[derive(Debug, Clone, PartialEq)]
pub struct Shared {
    /// The maps, of one size, in the given order.
    pub maps: [SaliencyMap; 2],
    /// The part in pixels of the photo.
    pub part: Rect,
}

/// Makes two models' maps of one photo comparable if their input sizes or crops differ: resamples both to one grid over
/// the part of the photo that both models see, at the coarser resolution, bilinearly between pixel centers. Maps of one
/// size that cover the same part of the photo are returned unchanged, without a letterbox's padding.
///
/// An error if a map's size differs from its placement, if the placements belong to photos of different sizes, or if
/// the models see no common part.
///
/// ```
/// use scorecam_core::evaluation::*;
/// use scorecam_core::image::Placement;
///
/// let photo = (100, 100);
/// let coarse = SaliencyMap::new(&[0.0, 1.0, 2.0, 3.0], (2, 2))?;
/// let fine: Vec<f32> = (0..16).map(|i| (2 * (i / 8) + i % 4 / 2) as f32).collect();
/// let fine = SaliencyMap::new(&fine, (4, 4))?;
/// let [placement, other] = [(2, 2), (4, 4)].map(|size| Placement::whole(photo, size));
/// let found = on_shared_part((&coarse, &placement), (&fine, &other))?;
/// assert_eq!(found.maps[0].values(), found.maps[1].values());
/// # Ok::<(), scorecam_core::Error>(())
/// ```
pub fn on_shared_part(a: (&SaliencyMap, &Placement), b: (&SaliencyMap, &Placement)) -> Result<Shared> {
    for (map, placement) in [a, b] {
        let ((h, w), (height, width)) = (map.size(), placement.input_size());
        ensure!(
            map.size() == placement.input_size(),
            invalid,
            "a map of {h} x {w} pixels was given for an input of {height} x {width}; give the map at the input's size"
        );
    }
    let ((h, w), (height, width)) = (a.1.photo_size(), b.1.photo_size());
    ensure!(
        a.1.photo_size() == b.1.photo_size(),
        invalid,
        "the maps are of photos of {w}x{h} and {width}x{height} pixels; give maps of one photo"
    );
    let [one, other] = [a.1.photo_part(), b.1.photo_part()];
    let (x, y) = (one.x.max(other.x), one.y.max(other.y));
    let right = (one.x + one.width).min(other.x + other.width);
    let down = (one.y + one.height).min(other.y + other.height);
    ensure!(
        x < right && y < down,
        invalid,
        "the models see no common part of the photo; give models that see the same part of it"
    );
    let part = Rect { x, y, width: right - x, height: down - y };
    let size = (
        cells(part.height, [a, b].map(|(_, p)| p.input_part().height / p.photo_part().height)),
        cells(part.width, [a, b].map(|(_, p)| p.input_part().width / p.photo_part().width)),
    );
    element_count(&[size.0, size.1])?;
    Ok(Shared { maps: [sampled(a, &part, size), sampled(b, &part, size)], part })
}

/// How many pixels of the coarser map cover a length of the photo, at least one.
fn cells(length: f64, pixels: [f64; 2]) -> usize {
    (length * pixels[0].min(pixels[1])).round().max(1.0) as usize
}

/// The map on a grid of `size` over a part of the photo.
fn sampled((map, placement): (&SaliencyMap, &Placement), part: &Rect, size: (usize, usize)) -> SaliencyMap {
    let (height, width) = size;
    let (rows, columns) = map.size();
    let down = (0..height).map(|i| {
        let at = part.y + (i as f64 + 0.5) / height as f64 * part.height;
        Spot::new(placement.to_input((part.x, at)).1 - 0.5, rows)
    });
    let across = (0..width).map(|i| {
        let at = part.x + (i as f64 + 0.5) / width as f64 * part.width;
        Spot::new(placement.to_input((at, part.y)).0 - 0.5, columns)
    });
    let across: Vec<Spot> = across.collect();
    let mut values = Vec::with_capacity(height * width);
    for row in down {
        let line = |y: usize| &map.values()[y * columns..][..columns];
        let (upper, lower) = (line(row.first), line(row.second));
        values.extend(across.iter().map(|column| row.between(column.of(upper), column.of(lower))));
    }
    SaliencyMap::of(values, size)
}

/// Two neighboring pixels, and the share of the second one.
struct Spot {
    first: usize,
    second: usize,
    share: f64,
}

impl Spot {
    fn new(at: f64, pixels: usize) -> Self {
        let at = at.clamp(0.0, pixels as f64 - 1.0);
        let at = if (at - at.round()).abs() < CLOSE { at.round() } else { at };
        let first = at as usize;
        Self { first, second: (first + 1).min(pixels - 1), share: at - first as f64 }
    }

    fn of(&self, line: &[f64]) -> f64 {
        self.between(line[self.first], line[self.second])
    }

    fn between(&self, first: f64, second: f64) -> f64 {
        first + (second - first) * self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{Filter, Fit, Photo, Preprocess};

    fn placement(photo: (usize, usize), input: (usize, usize), fit: Fit) -> Placement {
        let photo = Photo::from_rgb8(photo, vec![0; photo.0 * photo.1 * 3]).expect("a photo");
        let preprocess = Preprocess { size: input, fit, filter: Filter::Bilinear, ..Preprocess::default() };
        preprocess.apply(&photo).expect("an input").placement
    }

    /// A map whose values are a linear function of where its pixels lie on the photo: bilinear sampling keeps it.
    fn slope(placement: &Placement) -> SaliencyMap {
        let (height, width) = placement.input_size();
        let point = |i: usize| placement.to_photo(((i % width) as f64 + 0.5, (i / width) as f64 + 0.5));
        let values = (0..height * width).map(|i| point(i).0 + 3.0 * point(i).1).collect();
        SaliencyMap::of(values, placement.input_size())
    }

    #[test]
    fn maps_of_one_placement_come_back_as_they_are() {
        for (fit, expected) in [
            (Fit::Squash, (24, 32)),
            (Fit::Crop { fraction: 0.8 }, (24, 32)),
            // Without the padding.
            (Fit::Letterbox { pad: 0 }, (24, 24)),
        ] {
            let placement = placement((64, 64), (24, 32), fit);
            let values: Vec<f32> = (0..24 * 32).map(|i| (i * i % 97) as f32).collect();
            let map = SaliencyMap::new(&values, (24, 32)).expect("a map");
            let [a, b] = on_shared_part((&map, &placement), (&map, &placement)).expect("maps").maps;
            assert_eq!((a.size(), &a), (expected, &b), "{fit:?}");
            let first = (32 - expected.1) / 2;
            let kept = map.values().chunks(32).flat_map(|row| &row[first..first + expected.1]);
            assert!(a.values().iter().eq(kept), "{fit:?}");
        }
    }

    #[test]
    fn maps_of_different_sizes_and_crops_agree_on_what_both_see() {
        let photo = (90, 120);
        let whole = placement(photo, (60, 60), Fit::Squash);
        for (input, fit, size) in [
            ((45, 45), Fit::Crop { fraction: 0.75 }, (45, 34)),
            ((32, 48), Fit::Letterbox { pad: 0 }, (32, 43)),
            ((180, 30), Fit::Squash, (60, 30)),
        ] {
            let other = placement(photo, input, fit);
            let found = on_shared_part((&slope(&whole), &whole), (&slope(&other), &other)).expect("maps");
            let [a, b] = found.maps;
            // The other one sees no more of the photo.
            assert_eq!(found.part, other.photo_part(), "{fit:?}");
            assert_eq!(a.size(), b.size());
            let inner = |map: &SaliencyMap| {
                let (height, width) = map.size();
                let is_inner = |i: usize| {
                    (1..height - 1).contains(&(i / width)) && (1..width - 1).contains(&(i % width))
                };
                (0..height * width).filter(|&i| is_inner(i)).map(|i| map.values()[i]).collect::<Vec<_>>()
            };
            let far = inner(&a).iter().zip(inner(&b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-9, "{fit:?}: {far}");
            assert_eq!(a.size(), size, "{fit:?}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_named() {
        let map = SaliencyMap::new(&[0.0; 16], (4, 4)).expect("a map");
        let four = Placement::whole((9, 9), (4, 4));
        for (other, expected) in [
            (Placement::whole((9, 9), (5, 4)), "a map of 4 x 4 pixels was given for an input of 5 x 4"),
            (Placement::whole((9, 8), (4, 4)), "photos of 9x9 and 8x9 pixels"),
        ] {
            let error = on_shared_part((&map, &four), (&map, &other)).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
