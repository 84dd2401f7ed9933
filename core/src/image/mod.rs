//! From a decoded photo to a model's input, and from a saliency map back onto the photo.
//!
//! The caller decodes photos: a [`PixelBuffer`] describes pixels in memory, in the formats of decoders and cameras.
//! [`Photo::from_pixels`] converts them to upright 8-bit RGB, [`Preprocess`] makes the model's input tensor, and
//! reports with a [`Placement`] which part of the photo the model saw; [`Overlay`] uses that to draw a map over the
//! photo. Everything is resized as 8-bit pixels with Pillow's arithmetic, because most models were trained with it, and
//! a difference of one gray level in the input is visible in the map.
//!
//! All types are plain values without shared state, and every function may run on many threads at once. Sizes are
//! (height, width), as in [N, C, H, W]; positions are x to the right and y down, in pixels, with the first pixel's
//! center at (0.5, 0.5).

mod annotate;
mod colormap;
mod overlay;
mod photo;
mod pixels;
mod placement;
mod preprocess;
mod resize;
mod turbo;

pub use colormap::Colormap;
pub use overlay::Overlay;
pub use photo::Photo;
pub use pixels::{PixelBuffer, PixelFormat, PixelLayout, Samples};
pub use placement::{Placement, Rect};
pub use preprocess::{Color, Fit, Prepared, Preprocess};
pub use resize::Filter;

use crate::{Error, Result};

/// Finds a value by its name; "grey" and "gray" are equivalent.
pub(crate) fn by_name<T: Clone>(
    what: &str,
    name: &str,
    all: &[T],
    name_of: impl Fn(&T) -> &'static str,
) -> Result<T> {
    let same = |known: &str| known.replace("grey", "gray") == name.replace("grey", "gray");
    all.iter().find(|value| same(name_of(value))).cloned().ok_or_else(|| {
        let known = all.iter().map(&name_of).collect::<Vec<_>>().join(", ");
        Error::invalid(format!("{what} {name:?} does not exist; choose one of {known}"))
    })
}
