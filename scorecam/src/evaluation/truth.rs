//! [`Truth`]: the location of an object, on the photo and in the model's input.

use scorecam_core::evaluation::{BoundingBox, Region};
use scorecam_core::image::{Photo, Placement};
use scorecam_core::{Result, bail, ensure};

/// The location of the objects of one class.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Their boxes in pixels of the photo, not clipped to the model's input; for a mask, its bounding box.
    pub boxes: Vec<BoundingBox>,
    /// Their region in the model's input.
    pub region: Region,
}

impl Truth {
    /// The location of boxes in pixels of a photo. An error if they lie outside the model's input.
    pub fn of_boxes(boxes: Vec<BoundingBox>, placement: &Placement) -> Result<Self> {
        let seen: Vec<BoundingBox> = boxes.iter().map(|b| b.to_input(placement)).collect();
        Self::checked(boxes, Region::of_boxes(&seen, placement.input_size())?)
    }

    /// The location of a mask of the photo's size, white on the object: samples above half of the maximum.
    pub fn of_mask(mask: &Photo, placement: &Placement) -> Result<Self> {
        let (height, width) = placement.photo_size();
        if mask.size() != (height, width) {
            let (h, w) = mask.size();
            bail!(
                invalid,
                "the mask has {w}x{h} pixels, its photo {width}x{height}; give one of the photo's size"
            );
        }
        let is_white = |rgb: &[u8]| rgb.iter().map(|&v| u32::from(v)).sum::<u32>() > 3 * 127;
        let inside: Vec<bool> = mask.pixels().chunks_exact(3).map(is_white).collect();
        let at = |(x, y): (f64, f64)| {
            let is_there = x >= 0.0 && y >= 0.0 && x < width as f64 && y < height as f64;
            is_there && inside[y as usize * width + x as usize]
        };
        let (rows, columns) = placement.input_size();
        let pixel = |i: usize| placement.to_photo(((i % columns) as f64 + 0.5, (i / columns) as f64 + 0.5));
        let region = (0..rows * columns).map(|i| at(pixel(i))).collect();
        Self::checked(bounds(&inside, width).into_iter().collect(), Region::of_mask(region, (rows, columns))?)
    }

    fn checked(boxes: Vec<BoundingBox>, region: Region) -> Result<Self> {
        ensure!(
            region.count() > 0,
            invalid,
            "the object lies outside the model's input; it is empty or cropped away"
        );
        Ok(Self { boxes, region })
    }
}

/// The bounding box of the pixels inside.
fn bounds(inside: &[bool], width: usize) -> Option<BoundingBox> {
    let pixels = || (0..inside.len()).filter(|&i| inside[i]).map(|i| (i % width, i / width));
    let (x0, x1) = (pixels().map(|p| p.0).min()?, pixels().map(|p| p.0).max()?);
    let (y0, y1) = (pixels().map(|p| p.1).min()?, pixels().map(|p| p.1).max()?);
    Some([x0 as f64, y0 as f64, x1 as f64 + 1.0, y1 as f64 + 1.0].into())
}
