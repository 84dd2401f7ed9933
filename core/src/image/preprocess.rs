//! Preprocessing: from a photo to a model's input tensor.
//!
//! The three usual fits: squash (plain resize), crop (torchvision's `Resize` and `CenterCrop`, for classifiers) and
//! letterbox (for detectors). Rounding follows the originals, because a shift by a pixel shifts the map. Pixels are
//! resized as 8-bit numbers; scale, mean and deviation are applied afterwards, once per gray level instead of once per
//! pixel.

use std::str::FromStr;

use crate::{Error, Result, Tensor};

use super::resize::{self, Window};
use super::{Filter, Photo, Placement, Rect, by_name};

/// The channels of a model's input and their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Color {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red: for models trained with OpenCV or Caffe.
    Bgr,
    /// One channel: Pillow's `convert("L")` (ITU-R 601-2), made before the photo is resized.
    Gray,
}

named!(Color of "color": Rgb = "rgb", Bgr = "bgr", Gray = "gray");

impl Color {
    /// The number of channels.
    pub fn channels(self) -> usize {
        self.sources().len()
    }

    /// For each channel of the input, the channel of the resized picture.
    fn sources(self) -> &'static [usize] {
        match self {
            Self::Rgb => &[0, 1, 2],
            Self::Bgr => &[2, 1, 0],
            Self::Gray => &[0],
        }
    }
}

/// The fit of a photo of one shape into an input of another.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fit {
    /// Resized to the input's size, without keeping the proportions.
    #[default]
    Squash,
    /// Resized to cover floor(size / fraction), then center-cropped. For a square input this is torchvision's
    /// `Resize(floor(size / fraction))` and `CenterCrop(size)`.
    Crop {
        /// The kept fraction of the covered size, [`Fit::MIN_FRACTION`] to 1; 0.875 is 224 of 256.
        fraction: f64,
    },
    /// Resized to fit inside and centered; the rest is filled.
    Letterbox {
        /// The gray level of the padding, before scale, mean and deviation.
        pad: u8,
    },
}

impl Fit {
    /// The minimum fraction of a crop.
    pub const MIN_FRACTION: f64 = 0.01;
    /// The center crop of most classifiers' tests: 0.875.
    pub const CROP: Fit = Fit::Crop { fraction: 0.875 };
    /// The letterbox with the gray of the YOLO family: 114.
    pub const LETTERBOX: Fit = Fit::Letterbox { pad: 114 };

    /// The name in manifests and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Squash => "squash",
            Self::Crop { .. } => "crop",
            Self::Letterbox { .. } => "letterbox",
        }
    }
}

/// The fit with this name and its usual number, [`Fit::CROP`] or [`Fit::LETTERBOX`].
impl FromStr for Fit {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        by_name("fit", name, &[Self::Squash, Self::CROP, Self::LETTERBOX], |f| f.name())
    }
}

/// A model's preprocessing: `(pixel * scale - mean) / std`, with pixels from 0 to 255.
///
/// ```
/// use scorecam_core::image::{Filter, Fit, Photo, Preprocess};
/// let imagenet = Preprocess {
///     mean: vec![0.485, 0.456, 0.406],
///     std: vec![0.229, 0.224, 0.225],
///     filter: Filter::Bicubic,
///     fit: Fit::CROP,
///     ..Preprocess::default()
/// };
/// let photo = Photo::from_rgb8((2, 3), vec![128; 18]).unwrap();
/// assert_eq!(imagenet.apply(&photo).unwrap().input.shape(), [1, 3, 224, 224]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocess {
    /// Height and width of the input, 1 to [`Preprocess::MAX_SIDE`] each. Default (224, 224).
    pub size: (usize, usize),
    /// The channels. Default RGB.
    pub color: Color,
    /// The factor of pixels. Default 1 / 255.
    pub scale: f32,
    /// The number to subtract: one, or one per channel in the model's order. Default 0.
    pub mean: Vec<f32>,
    /// The divisor: one number, or one per channel in the model's order. Default 1.
    pub std: Vec<f32>,
    /// The filter for resizing. Default bilinear.
    pub filter: Filter,
    /// The fit. Default squash.
    pub fit: Fit,
}

impl Default for Preprocess {
    fn default() -> Self {
        Self {
            size: (224, 224),
            color: Color::default(),
            scale: 1.0 / 255.0,
            mean: vec![0.0],
            std: vec![1.0],
            filter: Filter::default(),
            fit: Fit::default(),
        }
    }
}

/// A model's input, and the part of the photo that it shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// [1, C, H, W].
    pub input: Tensor,
    /// The placement of the input on the photo.
    pub placement: Placement,
}

impl Preprocess {
    /// The maximum side of an input.
    pub const MAX_SIDE: usize = 16_384;

    /// Makes the model's input from a photo; errors are those of [`Preprocess::check`], and insufficient memory.
    pub fn apply(&self, photo: &Photo) -> Result<Prepared> {
        let levels = self.levels()?;
        let plan = self.plan(photo.size());
        let picture = match self.color {
            Color::Gray => resize::resize::<1>(photo, &plan.window, self.filter),
            Color::Rgb | Color::Bgr => resize::resize::<3>(photo, &plan.window, self.filter),
        }?;
        let (height, width) = self.size;
        let channels = levels.len();
        let mut input = Tensor::zeros([1, channels, height, width])?;
        let (top, left) = plan.at;
        let columns = plan.window.size.1;
        for (c, plane) in input.data_mut().chunks_exact_mut(height * width).enumerate() {
            if let Fit::Letterbox { pad } = self.fit {
                plane.fill(levels[c][usize::from(pad)]);
            }
            let source = self.color.sources()[c];
            for (pixels, row) in
                picture.chunks_exact(columns * channels).zip(plane.chunks_exact_mut(width).skip(top))
            {
                for (pixel, out) in pixels.chunks_exact(channels).zip(&mut row[left..][..columns]) {
                    *out = levels[c][usize::from(pixel[source])];
                }
            }
        }
        Ok(Prepared { input, placement: plan.placement })
    }

    /// Rejects a size, number or length that is out of range, for early errors in a manifest.
    pub fn check(&self) -> Result<()> {
        self.levels().map(drop)
    }

    /// For each channel, the values of the 256 gray levels.
    fn levels(&self) -> Result<Vec<[f32; 256]>> {
        let (height, width) = self.size;
        let sides = 1..=Self::MAX_SIDE;
        if !sides.contains(&height) || !sides.contains(&width) {
            let limit = Self::MAX_SIDE;
            bail!(invalid, "input size {height}x{width}; each side must be 1 to {limit}");
        }
        if let Fit::Crop { fraction } = self.fit
            && !(Fit::MIN_FRACTION..=1.0).contains(&fraction)
        {
            let least = Fit::MIN_FRACTION;
            return Err(Error::invalid(format!("crop fraction {fraction}; it must be {least} to 1")));
        }
        let mean = self.per_channel("mean", &self.mean)?;
        let std = self.per_channel("std", &self.std)?;
        if let Some(c) = std.iter().position(|&s| s == 0.0) {
            bail!(invalid, "std of channel {c} is 0; the input is divided by it, give 1 for none");
        }
        let level = |c: usize| std::array::from_fn(|v| (v as f32 * self.scale - mean[c]) / std[c]);
        let levels: Vec<[f32; 256]> = (0..mean.len()).map(level).collect();
        match levels.iter().flatten().all(|v| v.is_finite()) {
            true => Ok(levels),
            false => Err(Error::invalid(format!(
                "scale {}, mean {:?} and std {:?} make infinite inputs of 0..255; give smaller numbers",
                self.scale, self.mean, self.std
            ))),
        }
    }

    /// One finite number for each channel.
    fn per_channel(&self, what: &str, given: &[f32]) -> Result<Vec<f32>> {
        let channels = self.color.channels();
        if let Some(bad) = given.iter().find(|v| !v.is_finite()) {
            return Err(Error::invalid(format!("{what} has the value {bad}; it must be finite")));
        }
        match given.len() {
            1 => Ok(vec![given[0]; channels]),
            n if n == channels => Ok(given.to_vec()),
            n => bail!(invalid, "{what} has {n} numbers; {} needs 1 or {channels}", self.color.name()),
        }
    }

    /// How a photo of `photo` (height, width) gets into the input; the numbers were checked before.
    fn plan(&self, photo: (usize, usize)) -> Plan {
        match self.fit {
            Fit::Squash => {
                let placement = Placement::whole(photo, self.size);
                Plan { window: Window::whole(self.size), at: (0, 0), placement }
            }
            Fit::Crop { fraction } => self.plan_crop(photo, fraction),
            Fit::Letterbox { .. } => self.plan_letterbox(photo),
        }
    }

    fn plan_crop(&self, photo: (usize, usize), fraction: f64) -> Plan {
        let covered = |side: usize| ((side as f64 / fraction).floor() as u64).max(side as u64);
        let (height, width) = (covered(self.size.0), covered(self.size.1));
        let (h, w) = (photo.0 as u64, photo.1 as u64);
        // The side that just covers gets its size exactly, the other one is longer and rounded down.
        let whole = if height * w >= width * h { (height, height * w / h) } else { (width * h / w, width) };
        // Half a pixel goes to the even side, as Python's round() has it in torchvision's CenterCrop.
        let centred = |whole: u64, part: usize| ((whole - part as u64) as f64 / 2.0).round_ties_even() as u64;
        let corner = (centred(whole.0, self.size.0), centred(whole.1, self.size.1));
        let (scale_x, scale_y) = (w as f64 / whole.1 as f64, h as f64 / whole.0 as f64);
        let part = Rect {
            x: corner.1 as f64 * scale_x,
            y: corner.0 as f64 * scale_y,
            width: self.size.1 as f64 * scale_x,
            height: self.size.0 as f64 * scale_y,
        };
        let placement = Placement::cropped(photo, part, self.size);
        Plan { window: Window { whole, corner, size: self.size }, at: (0, 0), placement }
    }

    fn plan_letterbox(&self, photo: (usize, usize)) -> Plan {
        let (height, width) = self.size;
        let ratio = (height as f64 / photo.0 as f64).min(width as f64 / photo.1 as f64);
        let fitted =
            |side: usize, limit: usize| ((side as f64 * ratio).round_ties_even() as usize).clamp(1, limit);
        let size = (fitted(photo.0, height), fitted(photo.1, width));
        // An odd pixel of padding goes to the right and to the bottom.
        let (top, left) = ((height - size.0) / 2, (width - size.1) / 2);
        let part = Rect { x: left as f64, y: top as f64, width: size.1 as f64, height: size.0 as f64 };
        let placement = Placement::padded(photo, self.size, part);
        Plan { window: Window::whole(size), at: (top, left), placement }
    }
}

/// What is resized, and where in the input (top, left) it goes.
struct Plan {
    window: Window,
    at: (usize, usize),
    placement: Placement,
}
