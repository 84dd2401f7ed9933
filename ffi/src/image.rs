//! `scorecam_image`: pixels or a tensor in the caller's memory.

use std::ffi::c_void;

use scorecam_core::image::{Photo, PixelBuffer, PixelFormat, PixelLayout, Samples};

use scorecam::{Image, TensorView};

use crate::export::{Failure, Result};
use crate::read;

/// `scorecam_image.kind`: a photo, preprocessed as the model's manifest specifies.
pub const SCORECAM_IMAGE_PHOTO: u32 = 0;
/// `scorecam_image.kind`: the model's input, f32 [C, H, W] without gaps, used unchanged.
pub const SCORECAM_IMAGE_TENSOR: u32 = 1;

/// `scorecam_image.format`: red, green, blue.
pub const SCORECAM_PIXELS_RGB: u32 = 0;
/// `scorecam_image.format`: blue, green, red, the order of OpenCV.
pub const SCORECAM_PIXELS_BGR: u32 = 1;
/// `scorecam_image.format`: red, green, blue, alpha; alpha is ignored.
pub const SCORECAM_PIXELS_RGBA: u32 = 2;
/// `scorecam_image.format`: blue, green, red, alpha; alpha is ignored.
pub const SCORECAM_PIXELS_BGRA: u32 = 3;
/// `scorecam_image.format`: gray.
pub const SCORECAM_PIXELS_GRAY: u32 = 4;
/// `scorecam_image.format`: gray, alpha; alpha is ignored.
pub const SCORECAM_PIXELS_GRAY_ALPHA: u32 = 5;

/// `scorecam_image.sample_type`: uint8_t, 0 to 255.
pub const SCORECAM_SAMPLES_U8: u32 = 0;
/// `scorecam_image.sample_type`: uint16_t in native byte order, 0 to 65535.
pub const SCORECAM_SAMPLES_U16: u32 = 1;
/// `scorecam_image.sample_type`: float; 0 to 1 in a photo, any finite value in a tensor.
pub const SCORECAM_SAMPLES_F32: u32 = 2;

/// `scorecam_image.layout`: interleaved channels.
pub const SCORECAM_LAYOUT_HWC: u32 = 0;
/// `scorecam_image.layout`: one plane per channel.
pub const SCORECAM_LAYOUT_CHW: u32 = 1;

/// A photo or a tensor in the caller's memory, which is read only during the call. Start with `SCORECAM_IMAGE_INIT` (a
/// packed 8-bit RGB photo) or `SCORECAM_TENSOR_INIT`, then set `data`, `data_size`, `width` and `height`.
#[repr(C)]
pub struct scorecam_image {
    /// `sizeof(scorecam_image)`.
    pub struct_size: u32,
    /// One of `SCORECAM_IMAGE_*`.
    pub kind: u32,
    /// The first sample of the first row, aligned for its type.
    pub data: *const c_void,
    /// The number of readable bytes at `data`.
    pub data_size: u64,
    /// Pixels per row: 1 to 65535.
    pub width: u64,
    /// Rows: 1 to 65535.
    pub height: u64,
    /// Bytes from one row to the next; 0 for rows without gaps, and for tensors.
    pub row_stride: u64,
    /// Bytes from one plane to the next in CHW; 0 for planes without gaps, and for tensors.
    pub plane_stride: u64,
    /// One of `SCORECAM_PIXELS_*`; ignored for tensors.
    pub format: u32,
    /// One of `SCORECAM_SAMPLES_*`; f32 for tensors.
    pub sample_type: u32,
    /// One of `SCORECAM_LAYOUT_*`; CHW for tensors.
    pub layout: u32,
    /// EXIF orientation of a photo, 1 (upright) to 8; 0 counts as 1.
    pub orientation: u32,
    /// Channels of a tensor; ignored for photos.
    pub channels: u32,
    /// Must be 0.
    pub reserved: u32,
}
read::versioned!(scorecam_image = "SCORECAM_IMAGE_INIT or SCORECAM_TENSOR_INIT");

/// Reads an image; `what` is the argument's name.
///
/// # Safety
/// `given` is NULL or a struct of the size that it says, whose `data` leads to `data_size` bytes that stay
/// as they are for the call.
pub(crate) unsafe fn read_image(given: *const scorecam_image, what: &str) -> Result<Image> {
    // SAFETY: as the caller promises.
    let image = unsafe { read::read_struct(given, what) }?;
    if image.reserved != 0 {
        return Err(Failure::invalid(format!("{what}.reserved is {}; it must be 0", image.reserved)));
    }
    match image.kind {
        // SAFETY: as the caller promises.
        SCORECAM_IMAGE_PHOTO => unsafe { photo(&image, what) }.map(Image::from),
        // SAFETY: as the caller promises.
        SCORECAM_IMAGE_TENSOR => unsafe { tensor(&image, what) },
        kind => Err(unknown(what, "kind", kind)),
    }
}

/// # Safety
/// As for [`read_image`].
unsafe fn photo(image: &scorecam_image, what: &str) -> Result<Photo> {
    let (data, size) = (image.data, image.data_size);
    // SAFETY: `data_size` bytes are readable, as the caller promises; `samples` checks the rest.
    let data = unsafe {
        match image.sample_type {
            SCORECAM_SAMPLES_U8 => Samples::U8(samples(data, size, what)?),
            SCORECAM_SAMPLES_U16 => Samples::U16(samples(data, size, what)?),
            SCORECAM_SAMPLES_F32 => Samples::F32(samples(data, size, what)?),
            other => return Err(unknown(what, "sample_type", other)),
        }
    };
    let buffer = PixelBuffer {
        data,
        width: number(image.width, what, "width")?,
        height: number(image.height, what, "height")?,
        format: format(image.format, what)?,
        layout: match image.layout {
            SCORECAM_LAYOUT_HWC => PixelLayout::Interleaved,
            SCORECAM_LAYOUT_CHW => PixelLayout::Planar,
            other => return Err(unknown(what, "layout", other)),
        },
        row_stride: number(image.row_stride, what, "row_stride")?,
        plane_stride: number(image.plane_stride, what, "plane_stride")?,
        // What is over 255 is no orientation either, and named in full.
        orientation: match u8::try_from(image.orientation) {
            Ok(0) => 1,
            Ok(orientation) => orientation,
            Err(_) => return Err(unknown(what, "orientation", image.orientation)),
        },
    };
    Photo::from_pixels(&buffer).map_err(|e| e.context(what).into())
}

/// # Safety
/// As for [`read_image`].
unsafe fn tensor(image: &scorecam_image, what: &str) -> Result<Image> {
    let plain = image.row_stride == 0 && image.plane_stride == 0 && image.orientation <= 1;
    if image.sample_type != SCORECAM_SAMPLES_F32 || image.layout != SCORECAM_LAYOUT_CHW || !plain {
        return Err(Failure::invalid(format!(
            "{what} is a tensor, which is f32 in CHW without strides or orientation; set it to SCORECAM_TENSOR_INIT"
        )));
    }
    let shape = [
        1,
        image.channels as usize,
        number(image.height, what, "height")?,
        number(image.width, what, "width")?,
    ];
    // SAFETY: `data_size` bytes are readable, as the caller promises; `samples` checks the rest.
    let all: &[f32] = unsafe { samples(image.data, image.data_size, what) }?;
    let count = scorecam_core::element_count(&shape)?;
    let [_, c, h, w] = shape;
    if count == 0 {
        return Err(Failure::invalid(format!("{what} has shape [{c}, {h}, {w}]; no size may be 0")));
    }
    let data = all.get(..count).ok_or_else(|| {
        let (needed, given) = (count.saturating_mul(size_of::<f32>()), image.data_size);
        Failure::invalid(format!("{what} [{c}, {h}, {w}] needs {needed} bytes; data_size is {given}"))
    })?;
    Ok(TensorView::new(&shape, data)?.try_to_tensor()?.into())
}

/// As many whole samples as lie in `size` bytes.
///
/// # Safety
/// `data` is NULL or leads to `size` bytes that stay as they are for `'a`; any bits are a `T`.
unsafe fn samples<'a, T>(data: *const c_void, size: u64, what: &str) -> Result<&'a [T]> {
    let count = size / size_of::<T>() as u64;
    if count == 0 {
        return Err(Failure::invalid(format!(
            "{what}.data_size is {size}; it must be the number of bytes in data"
        )));
    }
    // SAFETY: as the caller promises.
    unsafe { read::array(data.cast::<T>(), count, &format!("{what}.data")) }
}

fn format(format: u32, what: &str) -> Result<PixelFormat> {
    Ok(match format {
        SCORECAM_PIXELS_RGB => PixelFormat::Rgb,
        SCORECAM_PIXELS_BGR => PixelFormat::Bgr,
        SCORECAM_PIXELS_RGBA => PixelFormat::Rgba,
        SCORECAM_PIXELS_BGRA => PixelFormat::Bgra,
        SCORECAM_PIXELS_GRAY => PixelFormat::Gray,
        SCORECAM_PIXELS_GRAY_ALPHA => PixelFormat::GrayAlpha,
        other => return Err(unknown(what, "format", other)),
    })
}

fn number(value: u64, what: &str, field: &str) -> Result<usize> {
    usize::try_from(value)
        .map_err(|_| Failure::invalid(format!("{what}.{field} is {value}, which is too large")))
}

fn unknown(what: &str, field: &str, value: u32) -> Failure {
    Failure::invalid(format!("{what}.{field} is {value}, which is not a valid value; see scorecam.h"))
}
