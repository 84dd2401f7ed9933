//! The normal form of photos in this module: upright, 8 bits, RGB, without gaps.

use std::fmt;

use crate::{Error, Result};

use super::pixels::Grid;
use super::resize::{self, Window};
use super::{Filter, PixelBuffer, Samples};

/// An upright 8-bit RGB photo; its pixels are [height, width, 3], red first.
#[derive(Clone, PartialEq, Eq)]
pub struct Photo {
    size: (usize, usize),
    pub(super) pixels: Vec<u8>,
}

impl Photo {
    /// The maximum length of a side.
    pub const MAX_SIDE: usize = 65_535;
    /// The maximum number of pixels: 2^29, which is 1.5 GiB of memory per photo.
    pub const MAX_PIXELS: usize = 1 << 29;

    /// Copies and converts a caller's pixels; this is the only copy.
    ///
    /// Orientation is applied, alpha ignored, gray replicated. 16-bit samples become the nearest of 256 levels, round(v
    /// / 257); f32 samples round(255 v). An error if the size is 0 or over the limits, the strides exceed the data, or
    /// an f32 sample is not within 0..1.
    pub fn from_pixels(buffer: &PixelBuffer<'_>) -> Result<Self> {
        let grid = buffer.grid()?;
        let mut photo = Self::black(grid.size)?;
        match buffer.data {
            Samples::U8(data) => convert((data, Some), &grid, &mut photo),
            Samples::U16(data) => convert((data, rounded), &grid, &mut photo),
            Samples::F32(data) => convert((data, level), &grid, &mut photo),
        }?;
        Ok(photo)
    }

    /// Takes the pixels of a photo of `size` (height, width) that is already upright 8-bit RGB.
    pub fn from_rgb8(size: (usize, usize), pixels: Vec<u8>) -> Result<Self> {
        let needed = 3 * Self::check_size(size)?;
        if pixels.len() != needed {
            return Err(Error::invalid(format!(
                "photo of {}x{} pixels needs {needed} bytes of RGB; the buffer has {} bytes",
                size.1,
                size.0,
                pixels.len()
            )));
        }
        Ok(Self { size, pixels })
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.size.1
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.size.0
    }

    /// (height, width).
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// All pixels, row by row, three bytes each.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Converts the photo into its pixels.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// The photo resized to `size` (height, width), like Pillow's `Image.resize`.
    pub fn resize(&self, size: (usize, usize), filter: Filter) -> Result<Self> {
        Self::check_size(size)?;
        let pixels = resize::resize::<3>(self, &Window::whole(size), filter)?;
        Ok(Self { size, pixels })
    }

    /// The number of pixels of a photo of `size`; an error if there are none or too many.
    pub(super) fn check_size(size: (usize, usize)) -> Result<usize> {
        let (height, width) = size;
        let sides = 1..=Self::MAX_SIDE;
        if !sides.contains(&height) || !sides.contains(&width) {
            let limit = Self::MAX_SIDE;
            bail!(invalid, "photo of {width}x{height} pixels; each side must be 1 to {limit}");
        }
        // Two sides of 16 bits: the product fits 32.
        let pixels = width as u64 * height as u64;
        match pixels <= Self::MAX_PIXELS as u64 {
            true => Ok(pixels as usize),
            false => Err(Error::invalid(format!(
                "photo of {width}x{height} has {pixels} pixels; at most {} are allowed; scale it down first",
                Self::MAX_PIXELS
            ))),
        }
    }

    /// A black photo.
    pub(super) fn black(size: (usize, usize)) -> Result<Self> {
        let pixels = Self::check_size(size)?;
        // Only 32-bit machines can fail the product, and there the allocation would fail as well.
        let pixels =
            resize::zeroed(pixels.saturating_mul(3), || format!("a photo of {}x{} pixels", size.1, size.0))?;
        Ok(Self { size, pixels })
    }

    /// A copy; unlike `clone`, it returns an error if there is not enough memory.
    pub(super) fn copy(&self) -> Result<Self> {
        let mut photo = Self::black(self.size)?;
        photo.pixels.copy_from_slice(&self.pixels);
        Ok(photo)
    }

    pub(super) fn row(&self, y: usize) -> &[[u8; 3]] {
        &self.pixels.as_chunks().0[y * self.size.1..][..self.size.1]
    }

    pub(super) fn row_mut(&mut self, y: usize) -> &mut [[u8; 3]] {
        &mut self.pixels.as_chunks_mut().0[y * self.size.1..][..self.size.1]
    }
}

/// A photo's bytes would fill a log, so only its size is shown.
impl fmt::Debug for Photo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Photo").field("size", &self.size).finish_non_exhaustive()
    }
}

fn rounded(sample: u16) -> Option<u8> {
    Some(((u32::from(sample) + 128) / 257) as u8)
}

/// The 8-bit level of a brightness from 0 to 1.
fn level(brightness: f32) -> Option<u8> {
    let level = (brightness * 255.0).round();
    (0.0..=255.0).contains(&level).then_some(level as u8)
}

/// The side of the blocks in which a transposed photo is read: a cache holds 64 rows, but not 20000.
const BLOCK: usize = 64;

fn convert<T: Copy + fmt::Display>(
    (data, to_u8): (&[T], impl Fn(T) -> Option<u8>),
    grid: &Grid,
    photo: &mut Photo,
) -> Result<()> {
    let (height, width) = grid.size;
    let block = if grid.transposed { BLOCK } else { width };
    for top in (0..height).step_by(BLOCK) {
        for left in (0..width).step_by(block) {
            let right = width.min(left + block);
            for y in top..height.min(top + BLOCK) {
                for (x, out) in (left..right).zip(&mut photo.row_mut(y)[left..right]) {
                    let offset = grid.offset(x, y);
                    for (out, channel) in out.iter_mut().zip(grid.rgb) {
                        let sample = data[offset + channel];
                        *out =
                            to_u8(sample).ok_or_else(|| not_a_brightness(sample, grid.pixel_at(offset)))?;
                    }
                }
            }
        }
    }
    Ok(())
}

#[cold]
fn not_a_brightness(sample: impl fmt::Display, (x, y): (usize, usize)) -> Error {
    Error::invalid(format!(
        "sample {sample} at x {x}, y {y} is not within 0..1; f32 photos are 0 to 1, divide 0..255 by 255"
    ))
}
