//! [`Image`]: a photo, or the input tensor of a model.

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
    /// [C, H, W] or [1, C, H, W]). Errors name the file. [`crate::Reader`] adds limits and serves many threads.
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

    /// Converts the image into its photo, like [`Self::photo`].
    pub fn into_photo(self) -> Option<Photo> {
        match self.content {
            Content::Photo(photo) => Some(photo),
            Content::Tensor(_) => None,
        }
    }

    /// Remarks of the decoder, one line each. Explanations of the image include them in their warnings.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl From<Photo> for Image {
    fn from(photo: Photo) -> Self {
        Self { content: Content::Photo(photo), warnings: Vec::new() }
    }
}

/// A tensor [1, C, H, W] is used unchanged as the model's input. A tensor that is [1, H, W, C] for the model is
/// transposed, with a warning in the explanation.
impl From<Tensor> for Image {
    fn from(tensor: Tensor) -> Self {
        Self { content: Content::Tensor(tensor), warnings: Vec::new() }
    }
}

/// The input of a model.
#[derive(Debug, Clone)]
pub struct Input {
    /// The tensor [1, C, H, W].
    pub tensor: Arc<Tensor>,
    /// The placement of the photo; `None` for a tensor.
    pub placement: Option<Placement>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
}

impl Model {
    /// Converts an image to the model's input: preprocesses a photo, keeps a tensor unchanged. May be called from any
    /// thread.
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

    /// The scores of all classes in one forward pass, without a map. May be called from any thread.
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
