//! Composites: one or two objects on a texture, with the exact mask of each.
//!
//! An object is small (at most [`SHARE`] of the picture) and never in the middle, so that a map of the middle is wrong,
//! and the textures are rough, so that a map of edges is wrong. Everything is drawn from a seed: the same stamps and
//! textures give the same bytes on every machine.

use image::{GrayImage, RgbImage};
use scorecam_core::Draws;

use super::stamps::Cutout;

/// Width and height of a composite, in pixels.
pub(crate) const SIZE: u32 = 448;
/// The share of the composite that an object covers, unless it is long and thin or its stamp is small.
pub(crate) const SHARE: f64 = 0.07;
/// What models that crop do not see, on each side: objects keep out of it.
const MARGIN: u32 = SIZE / 16;
/// How far from the middle the middle of a single object is at least, by the width of the composite.
const AWAY: f64 = 0.2;
/// The greatest width or height of an object: what fits into half of what is seen.
const LONGEST: u32 = SIZE / 2 - MARGIN;
/// Stamps are not enlarged by more than this.
const MOST_ENLARGED: f64 = 3.0;
/// Places that are drawn for an object before it goes into the corner.
const TRIES: usize = 64;

/// A composite.
pub(crate) struct Composite {
    pub(crate) photo: RgbImage,
    /// For each object, 255 where it is and 0 elsewhere.
    pub(crate) masks: Vec<GrayImage>,
}

/// One object away from the middle.
pub(crate) fn single(object: &Cutout, texture: &GrayImage, draws: Draws) -> Composite {
    let object = fitted(object);
    let whole = Area { left: MARGIN, top: MARGIN, width: SIZE - 2 * MARGIN, height: SIZE - 2 * MARGIN };
    let place = (0..TRIES)
        .map(|i| whole.place(&object, (draws.of(1), i)))
        .find(|&place| distance_from_middle(&object, place) >= AWAY * f64::from(SIZE))
        .unwrap_or((MARGIN, MARGIN));
    composed(&[(&object, place)], texture, draws)
}

/// Two objects, side by side or one above the other.
pub(crate) fn pair(objects: [&Cutout; 2], texture: &GrayImage, draws: Draws) -> Composite {
    let [first, second] = objects.map(fitted);
    let (long, half) = (SIZE - 2 * MARGIN, SIZE / 2 - MARGIN);
    let is_upright = draws.of(2).below(0, 2) == 0;
    let (width, height) = if is_upright { (long, half) } else { (half, long) };
    let (left, top) = if is_upright { (MARGIN, SIZE / 2) } else { (SIZE / 2, MARGIN) };
    let mut halves = [Area { left: MARGIN, top: MARGIN, width, height }, Area { left, top, width, height }];
    // The first object is not always the one at the top or on the left.
    if draws.of(2).below(1, 2) == 0 {
        halves.reverse();
    }
    let places = [
        (&first, halves[0].place(&first, (draws.of(3), 0))),
        (&second, halves[1].place(&second, (draws.of(4), 0))),
    ];
    composed(&places, texture, draws)
}

/// An object at the size that it has in composites.
fn fitted(object: &Cutout) -> Cutout {
    let (width, height) = object.size();
    let by_area = (SHARE * f64::from(SIZE * SIZE) / f64::from(object.area().max(1))).sqrt();
    let by_side = f64::from(LONGEST) / f64::from(width.max(height));
    object.scaled(by_area.min(by_side).min(MOST_ENLARGED))
}

fn distance_from_middle(object: &Cutout, (left, top): (u32, u32)) -> f64 {
    let (width, height) = object.size();
    let away = |start: u32, length: u32| f64::from(start) + f64::from(length) / 2.0 - f64::from(SIZE) / 2.0;
    away(left, width).hypot(away(top, height))
}

/// A part of the composite.
struct Area {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Area {
    /// Draw `i` of places that keep an object in the area.
    fn place(&self, object: &Cutout, (draws, i): (Draws, usize)) -> (u32, u32) {
        let (width, height) = object.size();
        let along =
            |i, length: u32, own: u32| draws.below(i, (length.saturating_sub(own) + 1) as usize) as u32;
        (self.left + along(2 * i, self.width, width), self.top + along(2 * i + 1, self.height, height))
    }
}

fn composed(objects: &[(&Cutout, (u32, u32))], texture: &GrayImage, draws: Draws) -> Composite {
    let (width, height) = texture.dimensions();
    let offset = |i, length: u32| draws.of(0).below(i, (length.saturating_sub(SIZE) + 1) as usize) as u32;
    let (left, top) = (offset(0, width), offset(1, height));
    let mut photo = RgbImage::from_fn(SIZE, SIZE, |x, y| {
        let gray = texture.get_pixel((left + x) % width, (top + y) % height)[0];
        image::Rgb([gray; 3])
    });
    let masks = objects.iter().map(|(object, place)| {
        let mut mask = GrayImage::new(SIZE, SIZE);
        object.paste(*place, &mut photo, &mut mask);
        mask
    });
    let masks = masks.collect();
    Composite { photo, masks }
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    fn texture() -> GrayImage {
        GrayImage::from_fn(512, 512, |x, y| image::Luma([(x * 7 + y * 13) as u8]))
    }

    fn block(width: u32, height: u32) -> Cutout {
        Cutout::of(&RgbaImage::from_pixel(width, height, Rgba([250, 0, 0, 255]))).unwrap()
    }

    /// Left, top, right and bottom of what is white, half-open, and how much is.
    fn bounds(mask: &GrayImage) -> ([u32; 4], f64) {
        let white: Vec<(u32, u32)> =
            mask.enumerate_pixels().filter(|(.., p)| p[0] == 255).map(|(x, y, _)| (x, y)).collect();
        let (xs, ys) = (|| white.iter().map(|p| p.0), || white.iter().map(|p| p.1));
        let ends = [xs().min(), ys().min(), xs().max().map(|x| x + 1), ys().max().map(|y| y + 1)];
        (ends.map(Option::unwrap), white.len() as f64 / f64::from(SIZE * SIZE))
    }

    #[test]
    fn a_single_object_is_small_whole_and_off_the_middle() {
        for (number, (width, height)) in [(50, 50), (400, 40), (30, 900), (8, 8)].into_iter().enumerate() {
            for draw in 0..20 {
                let made = single(&block(width, height), &texture(), Draws::new(7).of(20 * number + draw));
                let ([left, top, right, bottom], share) = bounds(&made.masks[0]);
                assert!(share <= SHARE * 1.03, "{share}");
                assert!(left >= MARGIN && top >= MARGIN, "{left} {top}");
                assert!(right <= SIZE - MARGIN && bottom <= SIZE - MARGIN, "{right} {bottom}");
                let middle = |a: u32, b: u32| f64::from(a + b) / 2.0 - f64::from(SIZE) / 2.0;
                assert!(middle(left, right).hypot(middle(top, bottom)) >= AWAY * f64::from(SIZE));
                let shown = made.photo.get_pixel((left + right) / 2, (top + bottom) / 2).0;
                assert!(shown[0] > 200 && shown[1] < 50, "{shown:?}");
            }
        }
    }

    #[test]
    fn two_objects_never_touch_and_change_sides() {
        let mut first_is_before = [0, 0];
        for draw in 0..40 {
            let made = pair([&block(80, 60), &block(20, 90)], &texture(), Draws::new(3).of(draw));
            let ([[left, top, right, bottom], other], shares): ([_; 2], Vec<_>) = {
                let found: Vec<_> = made.masks.iter().map(bounds).collect();
                ([found[0].0, found[1].0], found.iter().map(|found| found.1).collect())
            };
            assert!(shares.iter().all(|share| *share <= SHARE * 1.03), "{shares:?}");
            let apart = right <= other[0] || other[2] <= left || bottom <= other[1] || other[3] <= top;
            assert!(apart, "{:?} {other:?}", [left, top, right, bottom]);
            first_is_before[usize::from(right <= other[0] || bottom <= other[1])] += 1;
        }
        assert!(first_is_before.iter().all(|count| *count > 8), "{first_is_before:?}");
    }

    #[test]
    fn the_same_draws_give_the_same_bytes() {
        let made = |seed| single(&block(50, 50), &texture(), Draws::new(seed)).photo.into_raw();
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }
}
