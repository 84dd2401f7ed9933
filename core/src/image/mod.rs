//! From a decoded photo to a model's input, and from a saliency map back onto the photo.
//!
//! Decoding is the caller's: a [`PixelBuffer`] describes pixels that already lie in memory, in the formats
//! that decoders and cameras give. [`Photo::from_pixels`] makes them upright 8-bit RGB, [`Preprocess`] makes
//! the tensor that a model was trained on, and says with a [`Placement`] which part of the photo the model
//! saw; [`Overlay`] uses that to lay a map over the photo. Everything is resized on 8-bit pixels with
//! Pillow's own arithmetic, because that is what the weights of most models were trained behind, and a
//! gray level of difference at the input is a visible one in the map.
//!
//! Nothing here keeps state: all types are plain values, and every function may run on many threads at once.
//! Sizes are (height, width), as in [N, C, H, W]; positions are x to the right and y down, in pixels, with
//! the first pixel's centre at (0.5, 0.5).

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

/// Finds a value by its name; "grey" and "gray" are one word.
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
