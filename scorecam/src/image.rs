//! [`Image`]: a photo, or a tensor that is the model's input already.

#[cfg(feature = "files")]
use std::path::Path;

use std::sync::Arc;

use scorecam_core::image::{Photo, Placement};
use scorecam_core::{ClassScores, Result, Tensor, classify};

use crate::Model;

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
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
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

/// An image as the model takes it.
#[derive(Debug, Clone)]
pub struct Input {
    /// The tensor [1, C, H, W].
    pub tensor: Arc<Tensor>,
    /// Where the photo lies in it; `None` for an image that was a tensor.
    pub placement: Option<Placement>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
}

impl Model {
    /// The image as the model takes it: a photo preprocessed, a tensor as it is. Any thread.
    pub fn prepare(&self, image: &Image) -> Result<Input> {
        let mut warnings = image.warnings.clone();
        let (tensor, placement) = match &image.content {
            Content::Photo(photo) => {
                let (preprocess, warning) = self.preprocess()?;
                warnings.extend(warning.map(str::to_owned));
                let prepared = preprocess.apply(photo)?;
                (prepared.input, Some(prepared.placement))
            }
            Content::Tensor(tensor) => {
                let (tensor, warning) = self.arrange(tensor.clone())?;
                warnings.extend(warning);
                (tensor, None)
            }
        };
        Ok(Input { tensor: Arc::new(tensor), placement, warnings })
    }

    /// The scores of all classes in one pass, without a map. Any thread.
    ///
    /// ```
    #[doc = include_str!("../doc/toy_model.md")]
    /// use scorecam::{Image, Photo};
    ///
    /// let photo = Photo::from_rgb8((32, 32), vec![200; 32 * 32 * 3])?;
    /// let found = model.classify(&Image::from(photo))?;
    /// assert!((found.scores.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    /// # Ok::<(), scorecam::Error>(())
    /// ```
    pub fn classify(&self, image: &Image) -> Result<ClassScores> {
        let Input { tensor, mut warnings, .. } = self.prepare(image)?;
        let found = classify(self.backend(), tensor)?;
        warnings.extend(found.warnings);
        Ok(ClassScores { warnings, ..found })
    }
}
