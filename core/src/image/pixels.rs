//! A caller's pixels in memory, and their layout.
//!
//! A [`PixelBuffer`] is validated once, as a whole: [`PixelBuffer::grid`] converts it into offsets that all lie inside
//! the data, so that the loops which read it need no more checks.

use crate::{Error, Result};

use super::Photo;

/// The samples of a photo in memory.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Samples<'a> {
    /// 0 to 255.
    U8(&'a [u8]),
    /// 0 to 65535, in native byte order.
    U16(&'a [u16]),
    /// 0 to 1; any other value, including NaN, is an error that names the pixel.
    F32(&'a [f32]),
}

impl Samples<'_> {
    /// The number of samples, and the bytes of one.
    fn extent(&self) -> (usize, usize) {
        match self {
            Self::U8(data) => (data.len(), 1),
            Self::U16(data) => (data.len(), 2),
            Self::F32(data) => (data.len(), 4),
        }
    }
}

/// The channels of a pixel and their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PixelFormat {
    /// One channel, which is replicated to three.
    Gray,
    /// Gray, then alpha.
    GrayAlpha,
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red: OpenCV's order.
    Bgr,
    /// Red, green, blue, alpha.
    Rgba,
    /// Blue, green, red, alpha.
    Bgra,
}

impl PixelFormat {
    /// The number of channels, alpha included.
    pub fn channels(self) -> usize {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }

    /// Which channels hold red, green and blue.
    fn rgb(self) -> [usize; 3] {
        match self {
            Self::Gray | Self::GrayAlpha => [0, 0, 0],
            Self::Rgb | Self::Rgba => [0, 1, 2],
            Self::Bgr | Self::Bgra => [2, 1, 0],
        }
    }
}

/// The layout of the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PixelLayout {
    /// Interleaved channels: HWC.
    #[default]
    Interleaved,
    /// One plane per channel: CHW.
    Planar,
}

/// A borrowed photo in one of the usual forms.
///
/// Alpha is ignored, not blended, as in Pillow's `convert("RGB")`.
///
/// ```
/// use scorecam_core::image::{Photo, PixelBuffer, PixelFormat, Samples};
/// let bgr = [255, 0, 0, 0, 0, 255];
/// let buffer = PixelBuffer::packed(Samples::U8(&bgr), (1, 2), PixelFormat::Bgr);
/// let photo = Photo::from_pixels(&PixelBuffer { orientation: 2, ..buffer }).unwrap();
/// assert_eq!(photo.pixels(), [255, 0, 0, 0, 0, 255]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct PixelBuffer<'a> {
    /// The samples, from the first one of the first row.
    pub data: Samples<'a>,
    /// Pixels per row, 1 to [`Photo::MAX_SIDE`].
    pub width: usize,
    /// Rows, 1 to [`Photo::MAX_SIDE`].
    pub height: usize,
    /// The channels.
    pub format: PixelFormat,
    /// Their layout.
    pub layout: PixelLayout,
    /// Bytes from one row to the next, a multiple of the size of a sample; 0 for rows without gaps.
    pub row_stride: usize,
    /// Bytes from one plane to the next, a multiple of the size of a sample; 0 for planes without gaps. It may be
    /// smaller than a plane, for channels that alternate row by row; it is ignored for interleaved channels.
    pub plane_stride: usize,
    /// EXIF orientation, 1 (upright) to 8; the photo is rotated and mirrored accordingly.
    pub orientation: u8,
}

impl<'a> PixelBuffer<'a> {
    /// An upright, interleaved photo of `size` (height, width) without gaps.
    pub fn packed(data: Samples<'a>, size: (usize, usize), format: PixelFormat) -> Self {
        Self {
            data,
            width: size.1,
            height: size.0,
            format,
            layout: PixelLayout::Interleaved,
            row_stride: 0,
            plane_stride: 0,
            orientation: 1,
        }
    }

    /// Checks everything but the values of the samples.
    pub(super) fn grid(&self) -> Result<Grid> {
        Photo::check_size((self.height, self.width))?;
        if !(1..=8).contains(&self.orientation) {
            let given = self.orientation;
            bail!(invalid, "orientation {given} is not an EXIF orientation; give 1 (upright) to 8");
        }
        let channels = self.format.channels();
        let (pixel, row_length) = match self.layout {
            PixelLayout::Interleaved => (channels, self.width * channels),
            PixelLayout::Planar => (1, self.width),
        };
        let row = self.stride("row", self.row_stride, row_length)?.unwrap_or(row_length);
        // A stride that is never taken may be any number; the arithmetic below must not meet it.
        let row = if self.height == 1 { row_length } else { row };
        let channel = match self.layout {
            PixelLayout::Planar if channels > 1 => self
                .stride("plane", self.plane_stride, row_length)?
                .or_else(|| row.checked_mul(self.height))
                .ok_or_else(|| self.too_short(None))?,
            _ => 1,
        };
        let last = [(self.height - 1, row), (self.width - 1, pixel), (channels - 1, channel)]
            .iter()
            .try_fold(0usize, |sum, &(n, step)| sum.checked_add(n.checked_mul(step)?));
        match last {
            Some(last) if last < self.data.extent().0 => Ok(self.oriented(row, pixel, channel)),
            _ => Err(self.too_short(last)),
        }
    }

    /// A stride in samples, none where it is not given.
    fn stride(&self, which: &str, bytes: usize, least: usize) -> Result<Option<usize>> {
        let size = self.data.extent().1;
        if bytes == 0 {
            return Ok(None);
        }
        if !bytes.is_multiple_of(size) {
            bail!(invalid, "{which} stride of {bytes} bytes is not a multiple of a sample's {size} bytes");
        }
        if bytes / size < least {
            return Err(Error::invalid(format!(
                "{which} stride of {bytes} bytes is less than a row's {} bytes; give bytes, or 0 for no gaps",
                least * size
            )));
        }
        Ok(Some(bytes / size))
    }

    fn too_short(&self, last: Option<usize>) -> Error {
        let (length, size) = self.data.extent();
        let needed = last.and_then(|last| last.checked_add(1)?.checked_mul(size));
        let needed = needed.map_or("more than memory can hold".to_owned(), |n| format!("{n} bytes"));
        Error::invalid(format!(
            "photo of {}x{} pixels, {} channels, row stride {}, plane stride {} needs {needed}; \
             the buffer has {} bytes",
            self.width,
            self.height,
            self.format.channels(),
            self.row_stride,
            self.plane_stride,
            length * size
        ))
    }

    /// The walk over the samples that visits the pixels in the order of the upright photo.
    fn oriented(&self, row: usize, pixel: usize, channel: usize) -> Grid {
        let flip_x = matches!(self.orientation, 2 | 3 | 7 | 8);
        let flip_y = matches!(self.orientation, 3 | 4 | 6 | 7);
        let transposed = self.orientation >= 5;
        let along = |flip: bool, n: usize, step: usize| {
            if flip { ((n - 1) * step, -(step as isize)) } else { (0, step as isize) }
        };
        let (start_x, step_x) = along(flip_x, self.width, pixel);
        let (start_y, step_y) = along(flip_y, self.height, row);
        let (size, step_x, step_y) = match transposed {
            true => ((self.width, self.height), step_y, step_x),
            false => ((self.height, self.width), step_x, step_y),
        };
        let rgb = self.format.rgb().map(|c| c * channel);
        Grid { size, origin: start_x + start_y, step_x, step_y, rgb, transposed, row, pixel }
    }
}

/// Where the samples of an upright photo lie in a checked buffer; every offset it gives is inside.
pub(super) struct Grid {
    /// Height and width of the upright photo.
    pub(super) size: (usize, usize),
    /// Offsets of red, green and blue from a pixel's first sample.
    pub(super) rgb: [usize; 3],
    /// The upright photo's rows are the buffer's columns.
    pub(super) transposed: bool,
    origin: usize,
    step_x: isize,
    step_y: isize,
    row: usize,
    pixel: usize,
}

impl Grid {
    /// The offset of the first sample of pixel (x, y) of the upright photo.
    pub(super) fn offset(&self, x: usize, y: usize) -> usize {
        self.origin.wrapping_add_signed(x as isize * self.step_x + y as isize * self.step_y)
    }

    /// The pixel of the buffer, as the caller counts, whose first sample is at `offset`.
    pub(super) fn pixel_at(&self, offset: usize) -> (usize, usize) {
        (offset % self.row / self.pixel, offset / self.row)
    }
}
