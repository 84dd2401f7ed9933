//! The golden cases of `tests/golden`: how their index reads, and how far a map is from the expected one.

use std::path::Path;

use scorecam_core::{Tensor, TensorView};
use serde::Deserialize;

use crate::golden;

/// `toy.json` or `onnx.json`.
#[derive(Debug, Deserialize)]
pub struct CaseFile {
    /// The rows.
    pub cases: Vec<GoldenMap>,
    /// For real models, how their input is cut out of the photo.
    #[serde(default)]
    pub inputs: std::collections::BTreeMap<String, Crop>,
    /// For real models, the photo's name.
    pub photo: Option<serde_json::Value>,
}

/// One row.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenMap {
    /// What a failure is reported as.
    pub name: String,
    /// The method's id.
    #[serde(default = "score_cam")]
    pub method: String,
    /// The model's file in `tests/golden`, or the key of a real model.
    pub model: String,
    /// The input's file, or the key of a crop.
    pub input: String,
    /// The reference image's file.
    pub reference: Option<String>,
    /// The target layer, or several.
    pub layer: String,
    /// How maps of several layers become one.
    #[serde(default = "mean")]
    pub fuse: String,
    /// Whether the mirrored image is explained, too.
    #[serde(default)]
    pub augment: bool,
    /// The class.
    pub class: usize,
    /// The model's own output for the class on the unmasked input.
    pub output: f64,
    /// The preset.
    pub preset: String,
    /// Options, as `key=value`.
    pub set: Vec<String>,
    /// The largest difference that a cell may have.
    pub tolerance: f64,
    /// Where the expected map is.
    pub expected: Expected,
    /// Where the expected standard errors are, of methods that estimate them.
    pub errors: Option<Expected>,
}

fn mean() -> String {
    "mean".into()
}

fn score_cam() -> String {
    "score-cam".into()
}

/// A map inside a file of many: rows and columns 0, `stride`, 2 `stride`, ...
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    file: String,
    offset: usize,
    /// Height and width of the whole map.
    pub shape: [usize; 2],
    stride: usize,
}

/// A square cut out of a photo without resizing: (value - mean) / scale on pixels of 0 to 255.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// The first column of the photo that is in it.
    pub left: u32,
    top: u32,
    side: u32,
    order: String,
    mean: [f32; 3],
    scale: f32,
}

impl CaseFile {
    /// Reads an index of `tests/golden`.
    pub fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(golden(name)).expect("the index is readable");
        serde_json::from_str(&text).expect("the index has its form")
    }
}

impl GoldenMap {
    /// The options as pairs.
    pub fn options(&self) -> Vec<(String, String)> {
        let pair = |s: &String| s.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        self.set.iter().map(|s| pair(s).expect("an option reads key=value")).collect()
    }
}

impl Crop {
    /// The model's input, [1, 3, side, side].
    pub fn tensor(&self, photo: &Path) -> Tensor {
        let photo = image::open(photo).expect("the photo decodes").to_rgb8();
        let side = self.side as usize;
        let mut data = Vec::with_capacity(3 * side * side);
        for channel in 0..3 {
            let source = if self.order == "bgr" { 2 - channel } else { channel };
            for y in 0..self.side {
                let value = |x| f32::from(photo.get_pixel(self.left + x, self.top + y)[source]);
                data.extend((0..self.side).map(|x| (value(x) - self.mean[channel]) / self.scale));
            }
        }
        Tensor::new([1, 3, side, side], data).expect("the crop has its shape")
    }
}

/// Reads an f32 `.npy` file; [C, H, W] becomes [1, C, H, W].
pub fn read_npy(path: &Path) -> Tensor {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = npyz::NpyFile::new(&bytes[..]).expect("an npy header");
    let mut shape: Vec<usize> = file.shape().iter().map(|&n| n as usize).collect();
    if shape.len() == 3 {
        shape.insert(0, 1);
    }
    Tensor::new(shape, file.into_vec::<f32>().expect("f32 values")).expect("length and shape agree")
}

/// The largest difference of `map` [H, W] from the expected map, over the cells that are kept.
pub fn difference(map: TensorView<'_>, expected: &Expected) -> f64 {
    assert_eq!(map.shape(), expected.shape, "the map's size");
    let kept = read_npy(&golden(&expected.file));
    let kept = &kept.data()[expected.offset..];
    let [height, width] = expected.shape;
    let cells = (0..height)
        .step_by(expected.stride)
        .flat_map(|y| (0..width).step_by(expected.stride).map(move |x| y * width + x));
    cells
        .zip(kept)
        .map(|(cell, want)| (f64::from(map.data()[cell]) - f64::from(*want)).abs())
        .fold(0.0, f64::max)
}
