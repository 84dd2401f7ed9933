//! [`Image`]: a photo, or a tensor that is the model's input already.

#[cfg(feature = "files")]
use std::path::Path;

use scorecam_core::Tensor;
use scorecam_core::image::Photo;

/// An image to explain.
///
/// ```
/// use scorecam::{Image, Photo};
///
/// let gray = Photo::from_rgb8((2, 3), vec![128; 2 * 3 * 3])?;
/// assert_eq!(Image::from(gray).photo().map(Photo::width), Some(3));
/// # Ok::<(), scorecam::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Image {
    pub(crate) content: Content,
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Photo(Photo),
    Tensor(Tensor),
}

impl Image {
    /// Reads a photo (PNG, JPEG, JPEG XL, WebP, BMP, TIFF, GIF, PNM), or a tensor from a `.npy` file (little-endian f32,
    /// [C, H, W] or [1, C, H, W]). An error names the file. [`crate::Reader`] has limits and many threads.
    #[cfg(feature = "files")]
    pub fn open(path: impl AsRef<Path>) -> scorecam_core::Result<Self> {
        crate::Reader::default().read(path.as_ref())
    }

    /// The photo, unless the image is a tensor.
    pub fn photo(&self) -> Option<&Photo> {
        match &self.content {
            Content::Photo(photo) => Some(photo),
            Content::Tensor(_) => None,
        }
    }

    /// As [`Self::photo`], the photo alone.
    pub fn into_photo(self) -> Option<Photo> {
        match self.content {
            Content::Photo(photo) => Some(photo),
            Content::Tensor(_) => None,
        }
    }

    /// Remarks of the decoder, a line each. Explanations of the image repeat them among their warnings.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl From<Photo> for Image {
    fn from(photo: Photo) -> Self {
        Self { content: Content::Photo(photo), warnings: Vec::new() }
    }
}

/// A tensor [1, C, H, W] is the model's input as it is. One that is [1, H, W, C] for the model is turned, and a warning of
/// the explanation says so.
impl From<Tensor> for Image {
    fn from(tensor: Tensor) -> Self {
        Self { content: Content::Tensor(tensor), warnings: Vec::new() }
    }
}
