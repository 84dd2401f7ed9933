//! Small pictures for reports.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageResult};
use scorecam::evaluation::SaliencyMap;
use scorecam::{Error, Photo, Placement, Result, Tensor};
use scorecam_core::ensure;
use scorecam_core::image::{Colormap, Filter};
use scorecam_report::{BoundingBox, BoxKind};

/// The longer side of a photo, and the quality of its JPEG.
const PHOTO: (usize, u8) = (480, 80);
/// The longer side of a map.
const MAP: usize = 224;

/// A photo as JPEG.
pub(crate) fn thumbnail(photo: &Photo) -> Result<Vec<u8>> {
    encoded(&within(photo, PHOTO.0)?, |bytes, (width, height), pixels| {
        JpegEncoder::new_with_quality(bytes, PHOTO.1).write_image(
            pixels,
            width,
            height,
            ExtendedColorType::Rgb8,
        )
    })
}

/// A map in colors, as PNG.
pub(crate) fn colored(map: &SaliencyMap) -> Result<Vec<u8>> {
    let colors =
        map.normalized().values().iter().flat_map(|&value| Colormap::Turbo.rgb(value as f32)).collect();
    png(&Photo::from_rgb8(map.size(), colors)?)
}

/// The greatest difference of two maps of one size, each stretched to 0..1.
pub(crate) fn greatest_difference(first: &SaliencyMap, second: &SaliencyMap) -> f64 {
    let (first, second) = (first.normalized(), second.normalized());
    let pairs = first.values().iter().zip(second.values());
    pairs.map(|(first, second)| (first - second).abs()).fold(0.0, f64::max)
}

/// How two maps of one size differ, each stretched to 0..1, as PNG: red where the first one has more, blue where the second one
/// has, near white where they are equal. The greatest difference has the full color, since maps of one photo differ little.
pub(crate) fn difference(first: &SaliencyMap, second: &SaliencyMap) -> Result<Vec<u8>> {
    ensure!(first.size() == second.size(), internal, "maps of different sizes cannot be subtracted");
    let (first, second) = (first.normalized(), second.normalized());
    let greatest = greatest_difference(&first, &second).max(f64::MIN_POSITIVE);
    let pairs = first.values().iter().zip(second.values());
    let colors = pairs.flat_map(|(first, second)| diverging((first - second) / greatest)).collect();
    png(&Photo::from_rgb8(first.size(), colors)?)
}

/// A color for -1 (blue) over 0 (near white) to 1 (red).
fn diverging(value: f64) -> [u8; 3] {
    const BLUE: [f64; 3] = [33.0, 102.0, 172.0];
    const WHITE: [f64; 3] = [247.0, 247.0, 247.0];
    const RED: [f64; 3] = [178.0, 24.0, 43.0];
    let (end, share) = (if value < 0.0 { BLUE } else { RED }, value.abs().min(1.0));
    std::array::from_fn(|c| (WHITE[c] + (end[c] - WHITE[c]) * share).round() as u8)
}

/// A tensor [1, C, H, W] as a picture, its values stretched to 0..255: in color where it has three channels, else the first one
/// in gray.
pub(crate) fn of_tensor(tensor: &Tensor) -> Result<Photo> {
    let [_, channels, height, width] = tensor.view().dims("the input")?;
    let pixels = height * width;
    let shown = if channels == 3 { 3 * pixels } else { pixels };
    let values = &tensor.data()[..shown];
    let (low, high) =
        values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let level =
        |value: f32| if high > low { (255.0 * (value - low) / (high - low)).round() as u8 } else { 128 };
    let plane = |c: usize| if channels == 3 { c * pixels } else { 0 };
    let rgb = (0..pixels).flat_map(|i| [0, 1, 2].map(|c| level(values[plane(c) + i]))).collect();
    Photo::from_rgb8((height, width), rgb)
}

/// The part of a photo that a map of the input covers: x0, y0, x1, y1. None for a tensor, which it covers whole.
pub(crate) fn area(placement: Option<&Placement>) -> Option<[f64; 4]> {
    let placement = placement?;
    let (height, width) = placement.input_size();
    let ((x0, y0), (x1, y1)) =
        (placement.to_photo((0.0, 0.0)), placement.to_photo((width as f64, height as f64)));
    Some([x0, y0, x1, y1])
}

/// A box as a report draws it.
pub(crate) fn drawn(corners: [f64; 4], (kind, map): (BoxKind, Option<usize>), label: &str) -> BoundingBox {
    BoundingBox { corners, label: label.into(), kind, map }
}

fn png(photo: &Photo) -> Result<Vec<u8>> {
    encoded(&within(photo, MAP)?, |bytes, (width, height), pixels| {
        PngEncoder::new(bytes).write_image(pixels, width, height, ExtendedColorType::Rgb8)
    })
}

/// A photo whose longer side has at most so many pixels.
fn within(photo: &Photo, most: usize) -> Result<Photo> {
    let (height, width) = photo.size();
    let longer = height.max(width);
    let side = |n: usize| if longer > most { (n * most / longer).max(1) } else { n };
    photo.resize((side(height), side(width)), Filter::Bilinear)
}

fn encoded(
    photo: &Photo,
    write: impl FnOnce(&mut Vec<u8>, (u32, u32), &[u8]) -> ImageResult<()>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // A photo's sides have 16 bits.
    write(&mut bytes, (photo.width() as u32, photo.height() as u32), photo.pixels())
        .map_err(|e| Error::internal(format!("a picture for the report: {e}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use scorecam_core::image::{Fit, Preprocess};

    use super::*;

    #[test]
    fn the_color_of_a_difference_says_which_map_has_more() {
        assert_eq!(diverging(0.0), [247, 247, 247]);
        let [red, _, blue] = diverging(0.7);
        assert!(red > blue);
        let [red, _, blue] = diverging(-0.7);
        assert!(blue > red);
        assert_eq!((diverging(1.5), diverging(-1.5)), (diverging(1.0), diverging(-1.0)));
    }

    #[test]
    fn pictures_keep_their_shape_and_are_small() {
        for ((height, width), expected) in [((300, 600), (112, 224)), ((7, 9), (7, 9)), ((1, 5000), (1, 224))]
        {
            let small = within(
                &Photo::from_rgb8((height, width), vec![9; height * width * 3]).expect("a photo"),
                MAP,
            );
            assert_eq!(small.expect("a picture").size(), expected);
        }
    }

    #[test]
    fn a_map_covers_a_letterbox_with_its_padding_and_a_crop_alone() {
        let photo = Photo::from_rgb8((32, 64), vec![0; 32 * 64 * 3]).expect("a photo");
        for (fit, expected) in [
            (Fit::Squash, [0.0, 0.0, 64.0, 32.0]),
            (Fit::Crop { fraction: 0.5 }, [24.0, 8.0, 40.0, 24.0]),
            (Fit::LETTERBOX, [0.0, -16.0, 64.0, 48.0]),
        ] {
            let preprocess = Preprocess { size: (16, 16), fit, ..Preprocess::default() };
            let placement = preprocess.apply(&photo).expect("an input").placement;
            assert_eq!(area(Some(&placement)), Some(expected), "{fit:?}");
        }
        assert_eq!(area(None), None);
    }

    #[test]
    fn a_tensor_is_shown_from_its_least_value_to_its_greatest() {
        let color = Tensor::new([1, 3, 1, 2], vec![-1.0, 1.0, 0.0, 0.0, 1.0, -1.0]).expect("a tensor");
        assert_eq!(of_tensor(&color).expect("a picture").pixels(), [0, 128, 255, 255, 128, 0]);
        let depth = Tensor::new([1, 2, 1, 2], vec![3.0, 5.0, 9.0, 9.0]).expect("a tensor");
        assert_eq!(of_tensor(&depth).expect("a picture").pixels(), [0, 0, 0, 255, 255, 255]);
        let flat = Tensor::new([1, 1, 1, 1], vec![4.0]).expect("a tensor");
        assert_eq!(of_tensor(&flat).expect("a picture").pixels(), [128; 3]);
    }
}
