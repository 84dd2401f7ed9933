//! The model manifest: a TOML file beside a model with the information that the model file lacks.
//!
//! Every key is optional; an unknown one is an error that names the key and the line. A manifest comes with its model,
//! possibly from an untrusted source, and is read automatically: it may name files to read, but never code to run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use scorecam_core::image::{Color, Filter, Fit, Preprocess};
use scorecam_core::{Error, Form, InputInfo, IsRegression, Layout, OutputActivation, Result, bail};
use serde::Deserialize;

use crate::text_file::read_text;

/// The settings with libraries for a backend to open: only the caller may give them, never a manifest.
const SETTINGS_OF_CODE: [&str; 3] = ["runtime", "cuda", "operators"];

/// A parsed manifest. The page `docs/manifest.md` has an example for each kind of model.
///
/// ```
/// let manifest = scorecam::Manifest::parse("[input]\nmean = [0.5]\nstd = [0.5]\n")?;
/// let preprocess = manifest.preprocess(Some((384, 384)))?;
/// assert_eq!((preprocess.size, preprocess.scale), ((384, 384), 1.0 / 255.0));
/// # Ok::<(), scorecam_core::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manifest {
    /// The model itself.
    pub model: ModelSection,
    /// Its image input.
    pub input: InputSection,
    /// The values of its inputs other than the image, by name. Each of these inputs needs one.
    pub inputs: BTreeMap<String, InputValue>,
    /// Its class scores.
    pub output: OutputSection,
    /// Settings of the backend, as `key = "value"`, except those that name code. The backend reports unknown ones.
    pub settings: BTreeMap<String, String>,
    /// The base folder of its relative paths: its own, or the current folder for a manifest that is not a file.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// `[model]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSection {
    /// The model's file or folder, relative to the manifest. Required if the manifest itself is loaded, ignored if it
    /// is read because it lies beside the model.
    pub file: Option<PathBuf>,
    /// The backend's id, or `auto`. Default `auto`: the best one that is available for the file.
    pub backend: Option<String>,
    /// The layer to explain. Default: the last one before the classifier whose every cell reaches the score.
    pub layer: Option<String>,
    /// The layout of that layer, or of the default layer: `nchw`, `nhwc`, `ncwh`, `nwhc`, or tokens of a grid of rows x
    /// columns, such as `tokens=1+14x14`; see [`Form`]. Default: inferred from the graph or by trial passes.
    pub layer_grid: Option<String>,
    /// The names of the classes: a list, or a file with one name per class, relative to the manifest; UTF-8, at most 16
    /// MiB. Default: none, so classes have only numbers.
    pub labels: Option<LabelSource>,
}

/// The source of class names.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "this takes the path of a file with one name per line, or a list of names")]
pub enum LabelSource {
    /// In a file.
    File(PathBuf),
    /// In the manifest.
    Names(Vec<String>),
}

/// `[input]`: value = (pixel * scale - mean) / std, for pixels from 0 to 255.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputSection {
    /// The image input's name. Default: the only input, or the only one with three or four axes.
    pub name: Option<String>,
    /// Height and width in pixels, 1 to [`Preprocess::MAX_SIDE`] each. Default: the model's own; required for photos if
    /// the model's input size is variable.
    pub size: Option<[usize; 2]>,
    /// The order of the model's own axes, `nchw` or `nhwc`. Default: inferred from the input's shape.
    pub layout: Option<String>,
    /// The channels in the model's order: `rgb`, `bgr` or `gray`. Default `gray` for a model of one channel, else `rgb`.
    pub color: Option<String>,
    /// Factor of the pixels, applied first. Default 1/255; 1 for a model that takes 8-bit pixels, if neither `mean` nor
    /// `std` is given.
    pub scale: Option<f32>,
    /// One number, or one per channel in the model's order, in units of pixel * scale. Default 0.
    pub mean: Option<Vec<f32>>,
    /// One number, or one per channel in the model's order, in units of pixel * scale; not 0. Default 1.
    pub std: Option<Vec<f32>>,
    /// `bilinear`, `bicubic`, `nearest` or `lanczos`. Default `bilinear`.
    pub resize: Option<String>,
    /// `squash`, `crop` or `letterbox`; see [`Fit`]. Default `squash`.
    pub fit: Option<String>,
    /// The part of the resized side that `fit = "crop"` keeps, [`Fit::MIN_FRACTION`] to 1; an error with another fit.
    /// Default 0.875.
    pub crop_fraction: Option<f64>,
}

/// The value of an input other than the image, the same for every image. The model determines shape and element type.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "this takes a number, a list of numbers, or the path of a .npy file")]
pub enum InputValue {
    /// One number for all elements.
    Number(f64),
    /// The elements for one image, repeated for each image of a batch, or all elements.
    Numbers(Vec<f64>),
    /// A `.npy` file of f32, f64 or i64 with the elements, relative to the manifest; at most 8 MiB.
    File(PathBuf),
}

/// `[output]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutputSection {
    /// The output's name. Default: the only output, or the only one whose shape looks like class scores.
    pub name: Option<String>,
    /// The activation that the model itself applies: `none`, `softmax` or `sigmoid`. Default: inferred from the graph,
    /// or from the values on trial images; one value per image counts as a logit.
    pub activation: Option<String>,
    /// `classes`, `value` for a model whose one number per image is not a score, such as an age, `detections`,
    /// `segments` or `embedding`. Default: `classes` if an output looks like class scores, else inferred from the
    /// outputs' shapes.
    pub kind: Option<String>,
    /// The format of detections: `yolov5`, `yolov8`, `end-to-end`, `ssd`, `detr`, `boxes-scores` or `fastestdet`; see
    /// [`scorecam_core::target::Format`]. Default: inferred from the outputs' names and shapes.
    pub format: Option<String>,
    /// The output with boxes, or with everything. Default: the output of that name, or the only one.
    pub boxes: Option<String>,
    /// The output with class probabilities, logits or scores, if the format has one.
    pub class_scores: Option<String>,
    /// The output with class numbers, if the format has one.
    pub labels: Option<String>,
    /// Whether a detector's scores are already probabilities. Default: yes, except for DETR.
    pub activated: Option<bool>,
    /// The form of boxes: `xyxy`, `cxcywh` or `xywh`. Default: the format's usual form.
    pub box_form: Option<String>,
    /// `pixels` of the model's input, or `relative` to its width and height. Default: the format's usual scale.
    pub box_scale: Option<String>,
}

impl Manifest {
    /// Reads a manifest; errors name the file, the line and the key.
    pub fn read(path: &Path) -> Result<Self> {
        let text = read_text(path).map_err(|e| e.context(format!("manifest {}", path.display())))?;
        let manifest = Self::parse(&text).map_err(|e| e.context(format!("manifest {}", path.display())))?;
        Ok(Self { folder: path.parent().unwrap_or(Path::new("")).to_path_buf(), ..manifest })
    }

    /// Reads a manifest's text; errors name the line and the key.
    pub fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(0, |s| text[..s.start.min(text.len())].matches('\n').count() + 1);
            Error::invalid(format!("line {line}: {}", e.message()))
        })?;
        manifest.preprocess(None)?;
        manifest.activation()?;
        manifest.layout()?;
        manifest.layer_form()?;
        manifest.is_regression()?;
        manifest.check_settings()?;
        Ok(manifest)
    }

    fn check_settings(&self) -> Result<()> {
        match SETTINGS_OF_CODE.iter().find(|key| self.settings.contains_key(**key)) {
            None => Ok(()),
            Some(key) => Err(Error::invalid(format!(
                "settings.{key} names a library, which is not allowed in a manifest; give it with --backend-set \
                 {key}=PATH or in scorecam_model_options.settings"
            ))),
        }
    }

    /// Whether the manifest specifies the normalization of photos.
    pub(crate) fn normalises(&self) -> bool {
        self.input.scale.is_some() || self.input.mean.is_some() || self.input.std.is_some()
    }

    /// The preprocessing of photos for a model; the manifest overrides the model's size and number of channels.
    pub(crate) fn preprocess_for(&self, input: &InputInfo) -> Result<Preprocess> {
        let (channels, size) = match input.shape[..] {
            [_, channels, Some(h), Some(w)] => (channels, Some((h, w))),
            [_, channels, ..] => (channels, None),
            _ => (None, None),
        };
        let mut preprocess = self.preprocess(size)?;
        if channels == Some(1) && self.input.color.is_none() {
            preprocess.color = Color::Gray;
        }
        if input.takes_bytes() && !self.normalises() {
            preprocess.scale = 1.0;
        }
        Ok(preprocess)
    }

    /// The values of inputs other than the image, as settings of the backend.
    pub(crate) fn input_settings(&self) -> Result<BTreeMap<String, String>> {
        let setting = |(name, value): (&String, &InputValue)| {
            let text = match value {
                InputValue::Number(number) => number.to_string(),
                InputValue::Numbers(numbers) => {
                    numbers.iter().map(f64::to_string).collect::<Vec<_>>().join(",")
                }
                InputValue::File(file) => {
                    let path = self.folder.join(file);
                    let path = path.to_str().ok_or_else(|| {
                        Error::invalid(format!("inputs.{name}: the path {} is not UTF-8", path.display()))
                    })?;
                    format!("npy:{path}")
                }
            };
            Ok((format!("input.{name}"), text))
        };
        self.inputs.iter().map(setting).collect()
    }

    /// The preprocessing of photos, at the manifest's size or at `size`.
    pub fn preprocess(&self, size: Option<(usize, usize)>) -> Result<Preprocess> {
        let input = &self.input;
        let plain = Preprocess::default();
        let mut fit = parsed::<Fit>("input.fit", &input.fit)?.unwrap_or(plain.fit);
        match (&mut fit, input.crop_fraction) {
            (Fit::Crop { fraction }, Some(given)) => *fraction = given,
            (_, Some(_)) => bail!(invalid, "input.crop_fraction is given, but input.fit is not \"crop\""),
            _ => {}
        }
        let preprocess = Preprocess {
            size: input.size.map(|[h, w]| (h, w)).or(size).unwrap_or(plain.size),
            color: parsed::<Color>("input.color", &input.color)?.unwrap_or(plain.color),
            scale: input.scale.unwrap_or(plain.scale),
            mean: input.mean.clone().unwrap_or(plain.mean),
            std: input.std.clone().unwrap_or(plain.std),
            filter: parsed::<Filter>("input.resize", &input.resize)?.unwrap_or(plain.filter),
            fit,
        };
        preprocess.check()?;
        Ok(preprocess)
    }

    /// The activation that the model applies to its scores, if the manifest specifies it.
    pub fn activation(&self) -> Result<Option<OutputActivation>> {
        match self.output.activation.as_deref() {
            None => Ok(None),
            Some("none") => Ok(Some(OutputActivation::None)),
            Some("softmax") => Ok(Some(OutputActivation::Softmax)),
            Some("sigmoid") => Ok(Some(OutputActivation::Sigmoid)),
            Some(other) => Err(Error::invalid(format!(
                "output.activation is {other:?}; it must be none, softmax or sigmoid"
            ))),
        }
    }

    /// The layout of the layer to explain, if the manifest specifies it.
    pub fn layer_form(&self) -> Result<Option<Form>> {
        parsed("model.layer_grid", &self.model.layer_grid)
    }

    /// Whether a single output value is a number other than a score.
    pub fn is_regression(&self) -> Result<IsRegression> {
        match self.output.kind.as_deref() {
            None | Some("classes") => Ok(IsRegression::No),
            Some("value") => Ok(IsRegression::Yes),
            Some("detections" | "segments" | "embedding") => Ok(IsRegression::No),
            Some(other) => Err(Error::invalid(format!(
                "output.kind is {other:?}; it must be classes, value, detections, segments or embedding"
            ))),
        }
    }

    /// The order of the model's axes; inferred from its shape if the manifest does not specify it.
    pub fn layout(&self) -> Result<Option<Layout>> {
        match self.input.layout.as_deref() {
            None => Ok(None),
            Some("nchw") => Ok(Some(Layout::Nchw)),
            Some("nhwc") => Ok(Some(Layout::Nhwc)),
            Some(other) => Err(Error::invalid(format!("input.layout is {other:?}; it must be nchw or nhwc"))),
        }
    }
}

fn parsed<T: std::str::FromStr<Err = Error>>(key: &str, text: &Option<String>) -> Result<Option<T>> {
    text.as_deref().map(|t| t.parse::<T>().map_err(|e| e.context(key))).transpose()
}
