//! Stamps, photographs of things without their surroundings, and textures: what composites are made of.
//!
//! Both come from the cache. `bench/stamps.csv` lists the stamps that are photographs of something that is a class of
//! ImageNet, with its number.

use std::path::Path;

use image::imageops::FilterType;
use image::{GrayImage, ImageBuffer, Rgba, RgbaImage, imageops};
use xtask::failure::{Failure, Outcome, While};

const LIST: &str = include_str!("../../stamps.csv");

/// The textures, by their names in the cache.
pub(crate) const TEXTURES: [&str; 3] = ["grass", "gravel", "brick"];

/// A line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The file's name in the cache, without its ending.
    pub(crate) name: &'static str,
    /// Its class in ImageNet.
    pub(crate) class: u64,
}

/// All stamps, in the order of the list.
pub(crate) fn stamps() -> Outcome<Vec<Stamp>> {
    LIST.lines().skip(1).map(stamp).collect()
}

fn stamp(line: &'static str) -> Outcome<Stamp> {
    let odd = || Failure::new(format!("bench/stamps.csv has the line {line:?}; it needs stamp,class,name"));
    let mut fields = line.split(',');
    let (Some(path), Some(class), Some(_), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(odd());
    };
    let name = path.rsplit('/').next().unwrap_or(path);
    Ok(Stamp { name, class: class.parse().map_err(|_| odd())? })
}

/// A picture whose colors are multiplied by its opacity, all 0 to 1, so that it can be resized without a fringe.
pub(crate) struct Cutout {
    pixels: ImageBuffer<Rgba<f32>, Vec<f32>>,
}

/// From this opacity on a pixel belongs to the object.
const SOLID: f32 = 0.5;

impl Cutout {
    /// A stamp of the cache, without what is empty around it.
    pub(crate) fn read(folder: &Path, stamp: &Stamp) -> Outcome<Cutout> {
        let place = folder.join(stamp.name).with_extension("png");
        let picture = image::open(&place).doing(|| format!("read {}", place.display()))?.to_rgba8();
        Cutout::of(&picture).ok_or_else(|| Failure::new(format!("{} shows nothing", place.display())))
    }

    /// What of a picture is solid; none where nothing is.
    pub(crate) fn of(picture: &RgbaImage) -> Option<Cutout> {
        let solid = || picture.enumerate_pixels().filter(|(.., pixel)| pixel[3] >= 128);
        let (left, right) = (solid().map(|(x, ..)| x).min()?, solid().map(|(x, ..)| x).max()?);
        let (top, bottom) = (solid().map(|(_, y, _)| y).min()?, solid().map(|(_, y, _)| y).max()?);
        let pixels = ImageBuffer::from_fn(right + 1 - left, bottom + 1 - top, |x, y| {
            let [r, g, b, a] = picture.get_pixel(left + x, top + y).0.map(|n| f32::from(n) / 255.0);
            Rgba([r * a, g * a, b * a, a])
        });
        Some(Cutout { pixels })
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        self.pixels.dimensions()
    }

    /// How many pixels belong to the object.
    pub(crate) fn area(&self) -> u32 {
        self.pixels.pixels().filter(|pixel| pixel[3] >= SOLID).count() as u32
    }

    /// The same object at another size, in pixels for each of now.
    pub(crate) fn scaled(&self, factor: f64) -> Cutout {
        let (width, height) = self.size();
        let length = |old: u32| ((f64::from(old) * factor).round() as u32).max(1);
        Cutout { pixels: imageops::resize(&self.pixels, length(width), length(height), FilterType::Lanczos3) }
    }

    /// Lays it over a photo with its upper left corner at a place, and marks in `mask` what belongs to the object.
    pub(crate) fn paste(&self, (left, top): (u32, u32), photo: &mut image::RgbImage, mask: &mut GrayImage) {
        for (x, y, pixel) in self.pixels.enumerate_pixels() {
            let [red, green, blue, opacity] = pixel.0;
            let under = photo.get_pixel_mut(left + x, top + y);
            for (value, over) in under.0.iter_mut().zip([red, green, blue]) {
                let mixed = f32::from(*value) * (1.0 - opacity) + 255.0 * over;
                *value = mixed.round().clamp(0.0, 255.0) as u8;
            }
            if opacity >= SOLID {
                mask.put_pixel(left + x, top + y, image::Luma([255]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use image::RgbImage;

    use super::*;

    /// A red disc with soft edges on nothing.
    pub(crate) fn disc(size: u32, radius: f64) -> RgbaImage {
        let center = f64::from(size) / 2.0;
        RgbaImage::from_fn(size, size, |x, y| {
            let away = (f64::from(x) + 0.5 - center).hypot(f64::from(y) + 0.5 - center);
            Rgba([200, 10, 30, (255.0 * (radius + 0.5 - away).clamp(0.0, 1.0)) as u8])
        })
    }

    #[test]
    fn every_stamp_has_a_name_of_its_own_and_a_class_of_imagenet() {
        let stamps = stamps().unwrap();
        let names: BTreeSet<_> = stamps.iter().map(|stamp| stamp.name).collect();
        assert_eq!(names.len(), stamps.len());
        assert!(stamps.len() > 40 && stamps.iter().all(|stamp| stamp.class < 1000));
        // These show more of animals than their outlines.
        for left_out in ["european-bear", "mantis", "pig-golden", "tiger-sumatran", "hog"] {
            assert!(!names.contains(left_out), "{left_out}");
        }
        assert!(stamp("a,b,c").unwrap_err().to_string().contains("stamps.csv"));
    }

    #[test]
    fn a_scaled_object_keeps_its_color_to_the_edge_and_its_mask_its_area() {
        let cutout = Cutout::of(&disc(64, 20.0)).unwrap();
        assert_eq!(cutout.size(), (40, 40));
        let scaled = cutout.scaled(1.5);
        let expected = std::f64::consts::PI * 30.0 * 30.0;
        assert!((f64::from(scaled.area()) / expected - 1.0).abs() < 0.03, "{}", scaled.area());
        let (mut photo, mut mask) = (RgbImage::new(80, 80), GrayImage::new(80, 80));
        scaled.paste((10, 15), &mut photo, &mut mask);
        assert_eq!(mask.pixels().filter(|pixel| pixel[0] == 255).count(), scaled.area() as usize);
        for (x, y, pixel) in photo.enumerate_pixels() {
            let [red, green, blue] = pixel.0.map(f64::from);
            // On black the color is the disc's, only darker, wherever it is solid.
            if mask.get_pixel(x, y)[0] == 255 {
                assert!(red > 90.0, "{pixel:?}");
                assert!((green / red - 0.05).abs() < 0.02 && (blue / red - 0.15).abs() < 0.03, "{pixel:?}");
            }
        }
        assert!(Cutout::of(&RgbaImage::new(4, 4)).is_none());
    }
}
