//! What is explained: photos and tensors, from files and folders.
//!
//! A photo is decoded within limits and set upright by its EXIF orientation; core makes the rest of it
//! (alpha, grey, 16 bits). A `.npy` tensor is the model's input itself: any conversion would be a guess, so
//! anything but little-endian f32 in C order is refused by the name of its type.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use scorecam_core::image::{Photo, PixelBuffer, PixelFormat, Samples};
use scorecam_core::{Error, Result, Tensor, element_count};

use crate::tiff_tags::check_tags;

/// One input, read.
pub enum Input {
    /// A photo, which the model's preprocessing makes a tensor of.
    Photo(Photo),
    /// A tensor [1, C, H, W], used as it is.
    Tensor(Tensor),
}

/// Endings by which photos are found in a folder; a file that is named itself is known by its content.
const PHOTO_ENDINGS: [&str; 14] =
    ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "pbm", "pgm", "ppm", "pnm", "pam", "jfif"];

/// The most bytes of a decoded pixel that are counted on: four channels of 16 bits.
const PIXEL_BYTES: u64 = 8;

/// The files that are meant: each folder's photos, sorted by name, in its place. A missing file is kept and
/// fails by itself, so that the others are explained.
pub fn expand(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            files.extend(photos_in(input)?);
        } else {
            files.push(input.clone());
        }
    }
    Ok(files)
}

/// Reads a photo or, by its ending `.npy`, a tensor.
pub fn read(path: &Path) -> Result<Input> {
    let named = |e: Error| e.context(path.display());
    // A pipe or device could keep the program waiting for ever, or never end.
    let metadata = std::fs::metadata(path).map_err(|e| named(Error::io(e.to_string())))?;
    if !metadata.is_file() {
        return Err(named(Error::io("it is not a file")));
    }
    let file = File::open(path).map_err(|e| named(Error::io(e.to_string())))?;
    let (file, length) = (BufReader::new(file), metadata.len());
    if has_ending(path, &["npy"]) {
        read_tensor(file, length).map(Input::Tensor).map_err(named)
    } else {
        read_photo(file, Photo::MAX_PIXELS).map(Input::Photo).map_err(named)
    }
}

fn photos_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| Error::io(format!("folder {}: {e}", folder.display()));
    let mut photos = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if has_ending(&path, &PHOTO_ENDINGS) && path.is_file() {
            photos.push(path);
        }
    }
    if photos.is_empty() {
        let endings = PHOTO_ENDINGS.join(", ");
        return Err(Error::not_found(format!(
            "folder {} has no photos; files that end in {endings} count",
            folder.display()
        )));
    }
    photos.sort();
    Ok(photos)
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|e| endings.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// Decodes a photo of at most `max_pixels` pixels. Its decoder gets 8 bytes a pixel of memory, so a small file
/// that claims to be a large photo is refused before anything is allocated for it.
pub fn read_photo(mut file: impl BufRead + Seek, max_pixels: usize) -> Result<Photo> {
    let broken = |e: image::ImageError| Error::io(format!("the photo cannot be decoded: {e}"));
    check_tags(&mut file)?;
    let mut reader = ImageReader::new(file).with_guessed_format().map_err(|e| Error::io(e.to_string()))?;
    if reader.format().is_none() {
        return Err(Error::io("it is neither a photo (png, jpeg, webp, bmp, tiff, gif, pnm) nor .npy"));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(max_pixels as u64 * PIXEL_BYTES);
    limits.max_image_width = Some(Photo::MAX_SIDE as u32);
    limits.max_image_height = Some(Photo::MAX_SIDE as u32);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels as u64 {
        return Err(Error::invalid(format!(
            "the photo has {width}x{height} pixels; at most {max_pixels} are taken, scale it down first"
        )));
    }
    // A photo whose EXIF block is broken is shown upright by every viewer; so it is here.
    let orientation = decoder.orientation().map_or(1, image::metadata::Orientation::to_exif);
    upright(DynamicImage::from_decoder(decoder).map_err(broken)?, orientation)
}

fn upright(image: DynamicImage, orientation: u8) -> Result<Photo> {
    let size = (image.height() as usize, image.width() as usize);
    let image = match image {
        // The usual photo needs no copy.
        DynamicImage::ImageRgb8(pixels) if orientation == 1 => {
            return Photo::from_rgb8(size, pixels.into_raw());
        }
        other => other,
    };
    let (data, format) = match &image {
        DynamicImage::ImageLuma8(p) => (Samples::U8(p), PixelFormat::Gray),
        DynamicImage::ImageLumaA8(p) => (Samples::U8(p), PixelFormat::GrayAlpha),
        DynamicImage::ImageRgb8(p) => (Samples::U8(p), PixelFormat::Rgb),
        DynamicImage::ImageRgba8(p) => (Samples::U8(p), PixelFormat::Rgba),
        DynamicImage::ImageLuma16(p) => (Samples::U16(p), PixelFormat::Gray),
        DynamicImage::ImageLumaA16(p) => (Samples::U16(p), PixelFormat::GrayAlpha),
        DynamicImage::ImageRgb16(p) => (Samples::U16(p), PixelFormat::Rgb),
        DynamicImage::ImageRgba16(p) => (Samples::U16(p), PixelFormat::Rgba),
        DynamicImage::ImageRgb32F(p) => (Samples::F32(p), PixelFormat::Rgb),
        DynamicImage::ImageRgba32F(p) => (Samples::F32(p), PixelFormat::Rgba),
        other => {
            return Err(Error::unsupported(format!("photos of pixels {:?} are not read", other.color())));
        }
    };
    Photo::from_pixels(&PixelBuffer { orientation, ..PixelBuffer::packed(data, size, format) })
}

/// Reads a tensor from a `.npy` file of `bytes` bytes; nothing is allocated that the file is too short for.
pub fn read_tensor(mut file: impl BufRead, bytes: u64) -> Result<Tensor> {
    let broken = |e: std::io::Error| Error::io(format!("the .npy file cannot be read: {e}"));
    let mut start = Vec::new();
    file.by_ref().take(MOST_HEADER + 12).read_to_end(&mut start).map_err(broken)?;
    check_header(&start, bytes)?;
    let npy = npyz::NpyFile::new(start.as_slice().chain(file)).map_err(broken)?;
    let dtype = npy.dtype().descr();
    if dtype.trim_matches(['\'', '"']) != "<f4" {
        return Err(Error::invalid(format!(
            "the tensor has dtype {dtype}; save it as little-endian f32 ('<f4', numpy.float32)"
        )));
    }
    if npy.order() != npyz::Order::C {
        return Err(Error::invalid("the tensor is in Fortran order; save numpy.ascontiguousarray of it"));
    }
    let shape = model_shape(npy.shape())?;
    let needed = element_count(&shape)? as u64 * size_of::<f32>() as u64;
    if needed > bytes {
        return Err(Error::io(format!(
            "the .npy file is cut off: shape {shape:?} needs {needed} bytes, the file has {bytes}"
        )));
    }
    Tensor::new(shape, npy.into_vec::<f32>().map_err(broken)?)
}

/// The most bytes of a header; that of a plain array has some 120.
const MOST_HEADER: u64 = 4096;

/// Refuses headers that npyz would make room for without looking (from version 2 on they may have 4 GB), and
/// nested ones, which it reads in a time that doubles with each bracket. What is no header is left to it.
fn check_header(start: &[u8], bytes: u64) -> Result<()> {
    let (length, text) = match *start {
        [b'\x93', _, _, _, _, _, ..=1, _, a, b, ref text @ ..] => {
            (u64::from(u16::from_le_bytes([a, b])), text)
        }
        [b'\x93', _, _, _, _, _, _, _, a, b, c, d, ref text @ ..] => {
            (u64::from(u32::from_le_bytes([a, b, c, d])), text)
        }
        _ => return Ok(()),
    };
    if length > bytes {
        return Err(Error::io(format!(
            "the .npy file is cut off: its header has {length} bytes, the file has {bytes}"
        )));
    }
    if length > MOST_HEADER {
        return Err(Error::io(format!(
            "the .npy file's header has {length} bytes; {MOST_HEADER} is the most"
        )));
    }
    let header = &text[..text.len().min(length as usize)];
    match header.iter().filter(|b| b"([{".contains(b)).count() {
        // The dictionary and the shape.
        0..=2 => Ok(()),
        _ => Err(Error::invalid("the .npy file does not hold a plain array; save one of numpy.float32")),
    }
}

/// [C, H, W] or [1, C, H, W] as [1, C, H, W].
fn model_shape(shape: &[u64]) -> Result<[usize; 4]> {
    let refused = || {
        Error::invalid(format!(
            "the tensor has shape {shape:?}; one image [C, H, W] or [1, C, H, W] is needed"
        ))
    };
    let axes: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    match axes.ok_or_else(refused)?[..] {
        [c, h, w] | [1, c, h, w] if c > 0 && h > 0 && w > 0 => Ok([1, c, h, w]),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_is_one_image_with_or_without_a_batch_axis() {
        let check = |shape: &[u64], expected: Option<[usize; 4]>| {
            assert_eq!(model_shape(shape).ok(), expected, "{shape:?}");
        };
        check(&[3, 4, 5], Some([1, 3, 4, 5]));
        check(&[1, 3, 4, 5], Some([1, 3, 4, 5]));
        check(&[2, 3, 4, 5], None);
        check(&[3, 0, 5], None);
        check(&[4, 5], None);
        check(&[], None);
        check(&[1, 1, 3, 4, 5], None);
    }

    #[test]
    fn a_folder_stands_for_its_photos_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.PNG", "a.jpg", "notes.txt", "map.npy", "c"] {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        std::fs::create_dir(folder.path().join("deeper.png")).expect("a folder");
        let missing = PathBuf::from("missing.png");
        let files = expand(&[missing.clone(), folder.path().to_path_buf()]).expect("photos");
        assert_eq!(files, [missing, folder.path().join("a.jpg"), folder.path().join("b.PNG")]);
        let empty = tempfile::tempdir().expect("a folder");
        assert!(expand(&[empty.path().to_path_buf()]).is_err());
    }

    #[test]
    fn a_photo_is_set_upright_and_loses_alpha() {
        let mut image = image::RgbaImage::new(2, 1);
        image.put_pixel(0, 0, image::Rgba([10, 20, 30, 0]));
        image.put_pixel(1, 0, image::Rgba([40, 50, 60, 255]));
        let photo = upright(DynamicImage::ImageRgba8(image), 6).expect("a photo");
        assert_eq!((photo.size(), photo.pixels()), ((2, 1), &[10, 20, 30, 40, 50, 60][..]));
    }
}
