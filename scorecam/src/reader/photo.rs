//! Photo files, decoded within limits and turned upright.

use std::io::{BufRead, Read, Seek, SeekFrom};

use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use jxl_oxide::integration::JxlDecoder;
use jxl_oxide::{AllocTracker, JxlImage};
use scorecam_core::image::{Photo, PixelBuffer, PixelFormat, Samples};
use scorecam_core::{Error, Result};

use super::formats::{self, Format};
use super::jpeg_end::{self, Scans};
use super::{Range, Reader, samples, tiff_tags};
use crate::Image;

/// The assumed maximum of bytes per decoded pixel: four channels of 16 bits.
const PIXEL_BYTES: u64 = 8;
/// JPEG XL is decoded in f32, several copies of it.
const JPEG_XL_BYTES: u64 = 64;

impl Reader {
    /// Decodes a photo. Its decoder gets 8 bytes of memory per pixel (64 for JPEG XL), so a small file that claims to
    /// be a large photo is rejected before any allocation; and it starts only if there is enough memory for its maximum
    /// need.
    pub fn read_photo(&self, mut file: impl BufRead + Seek) -> Result<Image> {
        let failed = |e: std::io::Error| Error::io(e.to_string());
        let length = file.seek(SeekFrom::End(0)).map_err(failed)?;
        file.rewind().map_err(failed)?;
        let mut start = Vec::new();
        file.by_ref().take(formats::START as u64).read_to_end(&mut start).map_err(failed)?;
        file.rewind().map_err(failed)?;
        match formats::format_of(&start)? {
            Format::JpegXl => {
                self.check_jpeg_xl(&mut file, length)?;
                file.rewind().map_err(failed)?;
                let decoder = JxlDecoder::new(file).map_err(broken)?;
                // The decoder turns the photo itself, and EXIF counts for nothing in this format.
                self.decode(decoder, Needs { pixel: JPEG_XL_BYTES, rest: 0 }, |_| 1)
            }
            Format::Image(ImageFormat::Tiff) => {
                tiff_tags::check_tags(&mut file)?;
                let decoded = self.decode_image(&mut file, ImageFormat::Tiff, Needs::of_tiff(length));
                decoded.map_err(|e| {
                    if e.to_string().ends_with(CUT_OFF) { e } else { tiff_tags::named(e, &mut file) }
                })
            }
            Format::Image(ImageFormat::Jpeg) => {
                let scans = jpeg_end::check_end(&mut file)?;
                self.decode_image(&mut file, ImageFormat::Jpeg, Needs::of_jpeg(scans, length))
            }
            Format::Image(ImageFormat::WebP | ImageFormat::Gif) => {
                let format = image::guess_format(&start).map_err(broken)?;
                self.decode_image(&mut file, format, Needs { pixel: PIXEL_BYTES, rest: length })
            }
            Format::Image(format) => self.decode_image(&mut file, format, Needs { pixel: 0, rest: 0 }),
        }
    }

    fn decode_image(&self, file: impl BufRead + Seek, format: ImageFormat, needs: Needs) -> Result<Image> {
        let mut reader = ImageReader::with_format(file, format);
        reader.limits(self.limits(PIXEL_BYTES));
        // Some decoders read the whole file before they tell the size.
        let held = self.hold(needs.rest)?;
        let decoder = reader.into_decoder().map_err(broken)?;
        drop(held);
        // A photo whose EXIF block is broken is shown upright by every viewer; so it is here.
        self.decode(decoder, needs, |d| d.orientation().map_or(1, image::metadata::Orientation::to_exif))
    }

    fn decode<D: ImageDecoder>(
        &self,
        mut decoder: D,
        needs: Needs,
        orientation: impl FnOnce(&mut D) -> u8,
    ) -> Result<Image> {
        decoder.set_limits(self.limits(needs.pixel.max(PIXEL_BYTES))).map_err(broken)?;
        let (width, height) = decoder.dimensions();
        let pixels = u64::from(width) * u64::from(height);
        if pixels > self.max_pixels as u64 {
            return Err(Error::invalid(format!(
                "the photo has {width}x{height} pixels; at most {} are allowed; scale it down first",
                self.max_pixels
            )));
        }
        let color = decoder.color_type();
        // The photo itself, 3 bytes a pixel, is made beside the decoded samples.
        let bytes = pixels * (needs.pixel + u64::from(color.bytes_per_pixel()) + 3) + needs.rest;
        let _held = self.hold(bytes)?;
        let orientation = orientation(&mut decoder);
        let mut buffer = Buffer::for_samples(decoder.total_bytes(), color)?;
        decoder.read_image(buffer.bytes_mut()).map_err(broken)?;
        finish(buffer, ((height as usize, width as usize), color, orientation), self.range)
    }

    /// Rejects a truncated JPEG XL file, which its decoder would silently turn into a coarse picture.
    fn check_jpeg_xl(&self, file: impl Read, length: u64) -> Result<()> {
        let _held = self.hold(2 * length)?;
        let limit = usize::try_from(self.max_pixels as u64 * JPEG_XL_BYTES).unwrap_or(usize::MAX);
        let builder = JxlImage::builder().alloc_tracker(AllocTracker::with_limit(limit));
        let image = builder.read(file).map_err(|e| Error::io(format!("{BROKEN}: {e}")))?;
        if image.is_loading_done() { Ok(()) } else { Err(Error::io(format!("{BROKEN}: {CUT_OFF}"))) }
    }

    fn limits(&self, pixel_bytes: u64) -> Limits {
        let mut limits = Limits::default();
        limits.max_alloc = Some(self.max_pixels as u64 * pixel_bytes);
        limits.max_image_width = Some(Photo::MAX_SIDE as u32);
        limits.max_image_height = Some(Photo::MAX_SIDE as u32);
        limits
    }
}

const BROKEN: &str = "the photo cannot be decoded";
const CUT_OFF: &str = "the file is cut off; copy it again";

fn broken(error: image::ImageError) -> Error {
    match error {
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::io(format!("{BROKEN}: {CUT_OFF}"))
        }
        other => Error::io(format!("{BROKEN}: {other}")),
    }
}

/// A decoder's memory besides the samples that it returns.
#[derive(Clone, Copy)]
struct Needs {
    /// Bytes a pixel.
    pixel: u64,
    /// Bytes, however large the photo is.
    rest: u64,
}

impl Needs {
    /// The file in a growing vector; and where rows cannot be finished one by one, two bytes a coefficient.
    fn of_jpeg(scans: Scans, length: u64) -> Self {
        let is_buffered = scans.is_progressive || scans.count > 1;
        Self { pixel: if is_buffered { PIXEL_BYTES } else { 0 }, rest: length * 2 }
    }

    /// The samples once more, and a strip, which may be the whole of it.
    fn of_tiff(length: u64) -> Self {
        Self { pixel: 2 * PIXEL_BYTES, rest: length }
    }
}

/// Decoded samples, in the alignment of their type.
enum Buffer {
    U8(Vec<u8>),
    U16(Vec<u16>),
    F32(Vec<f32>),
}

impl Buffer {
    fn for_samples(bytes: u64, color: ColorType) -> Result<Self> {
        match color.bytes_per_pixel() / color.channel_count() {
            1 => zeros(bytes, 0u8).map(Self::U8),
            2 => zeros(bytes, 0u16).map(Self::U16),
            4 => zeros(bytes, 0f32).map(Self::F32),
            _ => Err(Error::unsupported(format!("photos with pixels of type {color:?} are not supported"))),
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::U8(samples) => samples,
            Self::U16(samples) => bytemuck::cast_slice_mut(samples),
            Self::F32(samples) => bytemuck::cast_slice_mut(samples),
        }
    }
}

fn zeros<T: Clone>(bytes: u64, zero: T) -> Result<Vec<T>> {
    let no_memory = || Error::io(format!("not enough memory for a photo of {} MiB", bytes.div_ceil(1 << 20)));
    let length = usize::try_from(bytes).map_err(|_| no_memory())? / size_of::<T>();
    let mut samples = Vec::new();
    samples.try_reserve_exact(length).map_err(|_| no_memory())?;
    samples.resize(length, zero);
    Ok(samples)
}

/// Samples of a photo of a size (height, width), a color type and an EXIF orientation as an upright photo.
fn finish(
    mut buffer: Buffer,
    (size, color, orientation): ((usize, usize), ColorType, u8),
    range: Option<Range>,
) -> Result<Image> {
    let format = match color {
        ColorType::L8 | ColorType::L16 => PixelFormat::Gray,
        ColorType::La8 | ColorType::La16 => PixelFormat::GrayAlpha,
        ColorType::Rgb8 | ColorType::Rgb16 | ColorType::Rgb32F => PixelFormat::Rgb,
        ColorType::Rgba8 | ColorType::Rgba16 | ColorType::Rgba32F => PixelFormat::Rgba,
        other => {
            return Err(Error::unsupported(format!(
                "photos with pixels of type {other:?} are not supported"
            )));
        }
    };
    let warning = match (&mut buffer, range) {
        (Buffer::U8(_), Some(range)) => Some(format!("--range {range} has no effect on an 8-bit photo")),
        (Buffer::U16(samples), Some(range)) => {
            range.spread_u16(samples);
            None
        }
        (Buffer::F32(samples), Some(range)) => {
            range.spread_f32(samples);
            None
        }
        (Buffer::U16(samples), None) => samples::narrow_warning(brightest(samples, format)),
        (Buffer::U8(_) | Buffer::F32(_), None) => None,
    };
    let photo = match (buffer, orientation) {
        // The usual photo needs no copy.
        (Buffer::U8(samples), 1) if format == PixelFormat::Rgb => Photo::from_rgb8(size, samples)?,
        (Buffer::U8(samples), _) => upright(Samples::U8(&samples), size, format, orientation)?,
        (Buffer::U16(samples), _) => upright(Samples::U16(&samples), size, format, orientation)?,
        (Buffer::F32(samples), _) => upright(Samples::F32(&samples), size, format, orientation)?,
    };
    Ok(Image { warnings: Vec::from_iter(warning), ..Image::from(photo) })
}

/// The maximum sample except alpha.
fn brightest(samples: &[u16], format: PixelFormat) -> u16 {
    let channels = format.channels();
    let colors =
        if matches!(format, PixelFormat::GrayAlpha | PixelFormat::Rgba) { channels - 1 } else { channels };
    samples.chunks_exact(channels).flat_map(|pixel| &pixel[..colors]).copied().max().unwrap_or(0)
}

fn upright(
    samples: Samples<'_>,
    size: (usize, usize),
    format: PixelFormat,
    orientation: u8,
) -> Result<Photo> {
    Photo::from_pixels(&PixelBuffer { orientation, ..PixelBuffer::packed(samples, size, format) })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let pixel = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 5) as u8, (x * y) as u8]);
        let mut bytes = Cursor::new(Vec::new());
        image::RgbImage::from_fn(67, 45, pixel).write_to(&mut bytes, format).expect("an encoder");
        bytes.into_inner()
    }

    fn read(bytes: &[u8]) -> Result<Image> {
        Reader::default().read_photo(Cursor::new(bytes))
    }

    #[test]
    fn a_photo_is_set_upright_and_loses_alpha() {
        let samples = Buffer::U8(vec![10, 20, 30, 0, 40, 50, 60, 255]);
        let photo = finish(samples, ((1, 2), ColorType::Rgba8, 6), None)
            .expect("a photo")
            .into_photo()
            .expect("a photo");
        assert_eq!((photo.size(), photo.pixels()), ((2, 1), &[10, 20, 30, 40, 50, 60][..]));
    }

    #[test]
    fn a_photo_that_is_cut_off_is_refused_in_every_format() {
        use ImageFormat::{Bmp, Gif, Jpeg, Png, Pnm, Tiff, WebP};
        for format in [Png, Jpeg, WebP, Bmp, Tiff, Gif, Pnm] {
            let whole = encoded(format);
            assert_eq!(read(&whole).expect("whole").photo().map(Photo::size), Some((45, 67)), "{format:?}");
            for part in [2, 4, 8] {
                let cut = &whole[..whole.len() - whole.len() / part];
                assert!(read(cut).is_err(), "{format:?} without its last 1/{part}");
            }
            let trailing = [&whole[..], &[0; 300]].concat();
            assert!(read(&trailing).is_ok(), "{format:?} with trailing bytes");
        }
    }

    #[test]
    fn sixteen_bits_are_warned_of_and_spread() {
        let samples = || Buffer::U16(vec![0, 4095, 4096, 65535]);
        let color = ((1, 2), ColorType::La16, 1);
        let decoded = finish(samples(), color, None).expect("a photo");
        assert!(decoded.warnings.is_empty(), "a pixel is brighter: {:?}", decoded.warnings);
        let dark = || Buffer::U16(vec![0, 65535, 4095, 65535]);
        let decoded = finish(dark(), color, None).expect("a photo");
        assert!(decoded.warnings[0].contains("--range 0..4095"), "{:?}", decoded.warnings);
        assert_eq!(decoded.photo().expect("a photo").pixels(), [0, 0, 0, 16, 16, 16]);
        let range = Some("0..4095".parse().expect("a range"));
        let decoded = finish(dark(), color, range).expect("a photo");
        assert_eq!(
            (decoded.photo().expect("a photo").pixels(), decoded.warnings.len()),
            (&[0, 0, 0, 255, 255, 255][..], 0)
        );
        let decoded = finish(Buffer::U8(vec![7]), ((1, 1), ColorType::L8, 1), range).expect("a photo");
        assert_eq!(decoded.photo().expect("a photo").pixels(), [7; 3]);
        assert!(decoded.warnings[0].contains("no effect on an 8-bit photo"), "{:?}", decoded.warnings);
    }

    /// A panicking decoder must fail the photo, not the program.
    #[test]
    fn a_damaged_photo_is_an_error_and_no_panic() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/tests/photos");
        // A linear congruential generator (Knuth's MMIX): the same damage every time.
        let mut state = 7u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for name in ["lossless.jxl", "lossy.jxl", "progressive.jpg", "big.tif"] {
            let whole = std::fs::read(folder.join(name)).expect("a photo");
            for _ in 0..300 {
                let mut bytes = whole.clone();
                for _ in 0..=random(4) {
                    let at = random(bytes.len());
                    bytes[at] = random(256) as u8;
                }
                let reader = Reader::with_max_pixels(1 << 16);
                reader.read_photo(Cursor::new(bytes)).map(drop).unwrap_or_default();
            }
        }
    }
}
