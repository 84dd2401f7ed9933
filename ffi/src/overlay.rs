//! `scorecam_explanation_overlay`: a map over its photo, into the caller's buffer.

use std::ffi::c_char;

use scorecam::abi::scorecam_status;
use scorecam_core::image::{Colormap, Overlay, Photo};

use crate::explanation::scorecam_explanation;
use crate::export::{Failure, Result, export};
use crate::handles;
use crate::image::{read_image, scorecam_image};
use crate::read;

/// How to draw a map. Start with `SCORECAM_OVERLAY_OPTIONS_INIT`: target 0, viridis, opacity 0.5.
#[repr(C)]
pub struct scorecam_overlay_options {
    /// `sizeof(scorecam_overlay_options)`.
    pub struct_size: u32,
    /// Opacity of the map's colors: 0 (only the photo) to 1 (only the map).
    pub opacity: f32,
    /// The index of the target to draw.
    pub target: u64,
    /// "viridis", "turbo", "jet", "inferno" or "gray"; NULL for viridis.
    pub colormap: *const c_char,
    /// Bytes from one row of the output to the next; 0 for rows without gaps.
    pub row_stride: u64,
}
read::versioned!(scorecam_overlay_options = "SCORECAM_OVERLAY_OPTIONS_INIT");

/// Draws a map over its photo, as 8-bit red, green and blue, at the photo's upright size: an orientation of 5 to 8
/// swaps width and height. `photo` is the explained photo; for a tensor, any photo is allowed, and the input counts as
/// the whole photo. `options` may be NULL. `SCORECAM_ERR_BUFFER_TOO_SMALL`: nothing was written, and the message gives
/// the number of bytes needed. `SCORECAM_ERR_DEADLINE`: there are no maps, because the time limit expired.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_overlay(
    out: *mut u8,
    out_size: usize,
    explanation: *const scorecam_explanation,
    photo: *const scorecam_image,
    options: *const scorecam_overlay_options,
) -> scorecam_status {
    export!({
        read::check_pointer(out, "out")?;
        let explanation = handles::get(explanation)?;
        // SAFETY: as the caller promises.
        let options = unsafe { read::read_optional(options, "options") }?;
        // SAFETY: as the caller promises.
        let Some(photo) = (unsafe { read_image(photo, "photo") })?.into_photo() else {
            return Err(Failure::invalid("photo is a tensor; an overlay needs a photo"));
        };
        let target = options.as_ref().map_or(0, |o| o.target);
        let stride = options.as_ref().map_or(0, |o| o.row_stride);
        let rows = Rows::new(&photo, stride, out_size)?;
        // SAFETY: as the caller promises.
        let overlay = options.map(|o| unsafe { read_overlay(&o) }).transpose()?.unwrap_or_default();
        let drawn = explanation.found.overlay(explanation.index(target)?, &photo, &overlay)?;
        for (y, row) in drawn.pixels().chunks_exact(rows.length).enumerate() {
            // SAFETY: `Rows::new` checked that the last row ends within `out_size` bytes, which are writable;
            // `drawn` is memory of our own.
            unsafe { out.add(y * rows.stride).copy_from_nonoverlapping(row.as_ptr(), row.len()) };
        }
        Ok(())
    })
}

/// # Safety
/// The colormap's name is NULL or ends with NUL.
unsafe fn read_overlay(options: &scorecam_overlay_options) -> Result<Overlay> {
    // SAFETY: as the caller promises.
    let colormap = match unsafe { read::optional_text(options.colormap, "options.colormap") }? {
        Some(name) => name.parse()?,
        None => Colormap::default(),
    };
    Ok(Overlay { colormap, opacity: options.opacity })
}

/// How the result lies in the caller's buffer, in bytes.
struct Rows {
    length: usize,
    stride: usize,
}

impl Rows {
    fn new(photo: &Photo, stride: u64, out_size: usize) -> Result<Self> {
        let (height, width) = photo.size();
        let length = 3 * width;
        let stride = match usize::try_from(stride) {
            Ok(0) => length,
            Ok(stride) if stride >= length => stride,
            _ => {
                return Err(Failure::invalid(format!(
                    "options.row_stride is {stride}; a row of {width} pixels has {length} bytes"
                )));
            }
        };
        let needed = (height - 1).checked_mul(stride).and_then(|n| n.checked_add(length));
        match needed {
            Some(needed) if needed <= out_size => Ok(Self { length, stride }),
            needed => Err(Failure::too_small(format!(
                "out has {out_size} bytes; the overlay of {width}x{height} pixels needs {}",
                needed.map_or("more than memory can hold".into(), |n| n.to_string())
            ))),
        }
    }
}
