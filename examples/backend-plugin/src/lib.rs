//! Template of a backend plugin: backend `brightness`, whose network is simple enough to check by eye.
//!
//! Build and use it:
//!
//! ```text
//! cargo build --release
//! echo 4 > four.bright
//! scorecam explain cat.jpg --model four.bright --overlay cat.png \
//!     --plugin target/release/libscorecam_example_backend.so
//! ```
//!
//! A model is a file `name.bright` that contains the number of classes, 1 to 8. The "network" divides an image of 3 x
//! 64 x 64 into a grid of 8 x 8 cells. Its one layer, `cells`, holds the mean of each color in each cell. The picture's
//! columns are divided among the classes, from left to right, and a class's score is the brightness of its columns. To
//! add your own runtime, change [`Brightness::load`] and [`BrightnessModel::forward`]; the rest stays the same.

use scorecam_plugin::{
    Abilities, BackendLoader, BatchRule, Error, InputInfo, Inputs, LayerInfo, ModelBackend, ModelConfig, ModelInfo,
    OutputActivation, OutputInfo, Result, Tensor,
};

const CHANNELS: usize = 3;
/// Height and width of the input.
const SIDE: usize = 64;
/// Cells in each direction.
const GRID: usize = 8;
/// Pixels of a cell in each direction.
const CELL: usize = SIDE / GRID;

// This makes the library a plugin.
scorecam_plugin::export_plugin! {
    backend: Brightness,
}

/// The runtime: it turns files into models.
struct Brightness;

impl BackendLoader for Brightness {
    fn id(&self) -> &str {
        "brightness"
    }

    fn version(&self) -> &str {
        env!("CARGO_PKG_VERSION")
    }

    fn extensions(&self) -> &[&str] {
        &["bright"]
    }

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        // Unknown settings must not be ignored silently.
        if let Some(key) = config.settings.keys().next() {
            return Err(Error::not_found(format!("setting {key:?} is unknown; this backend has none")));
        }
        let name = config.path.display();
        let text = std::fs::read_to_string(&config.path)
            .map_err(|e| Error::io(format!("cannot read {name}: {e}")))?;
        match text.trim().parse() {
            Ok(classes @ 1..=GRID) => Ok(Box::new(BrightnessModel::new(classes))),
            _ => Err(Error::model(format!("{name} does not hold a number of classes from 1 to {GRID}"))),
        }
    }
}

/// A loaded model. Several threads may call it concurrently, so a runtime that does not support this needs a lock here.
struct BrightnessModel {
    info: ModelInfo,
    classes: usize,
}

impl BrightnessModel {
    fn new(classes: usize) -> Self {
        let layer = LayerInfo::maps("cells", "MeanPool", vec![Some(CHANNELS), Some(GRID), Some(GRID)]);
        let info = ModelInfo {
            // `None` is an axis of variable length: here the batch.
            input: InputInfo::image("image", vec![None, Some(CHANNELS), Some(SIDE), Some(SIDE)]),
            other_inputs: Vec::new(),
            outputs: vec![OutputInfo::new("scores", vec![None, Some(classes)], OutputActivation::None)],
            // Class scores are read from the first output.
            scores: Ok(0),
            layers: vec![layer],
            default_layer: Some(0),
            batch: BatchRule::Any { preferred: 16 },
            abilities: Abilities::default(),
        };
        Self { info, classes }
    }

    /// Scores [classes] of one image's cells [C, GRID, GRID]: the mean over the columns of each class.
    fn scores(&self, cells: &[f32]) -> Vec<f32> {
        let (mut sums, mut counts) = (vec![0.0; self.classes], vec![0.0; self.classes]);
        for (i, value) in cells.iter().enumerate() {
            let class = (i % GRID) * self.classes / GRID;
            sums[class] += value;
            counts[class] += 1.0;
        }
        sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect()
    }
}

impl ModelBackend for BrightnessModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let batch = inputs.images;
        // Shapes and names come from the caller, so validate them before indexing.
        let [images, channels, height, width] = batch.dims("the batch")?;
        if [channels, height, width] != [CHANNELS, SIDE, SIDE] {
            return Err(Error::invalid(format!(
                "the batch has shape {:?}; the model takes [any, {CHANNELS}, {SIDE}, {SIDE}]",
                batch.shape()
            )));
        }
        for name in wanted.iter().filter(|name| **name != "scores") {
            self.info.layer(Some(name))?;
        }
        let (mut cells, mut scores) = (Vec::new(), Vec::new());
        for image in 0..images {
            let of_image = mean_of_cells(batch.item(image));
            scores.extend(self.scores(&of_image));
            cells.extend(of_image);
        }
        let scores = Tensor::new([images, self.classes], scores)?;
        let cells = Tensor::new([images, CHANNELS, GRID, GRID], cells)?;
        Ok(wanted.iter().map(|name| if *name == "scores" { scores.clone() } else { cells.clone() }).collect())
    }
}

/// The layer `cells`: the mean of each cell of an image [C, SIDE, SIDE], as [C, GRID, GRID].
fn mean_of_cells(image: &[f32]) -> Vec<f32> {
    let mut cells = vec![0.0; CHANNELS * GRID * GRID];
    for (i, pixel) in image.iter().enumerate() {
        let (x, y, channel) = (i % SIDE, i / SIDE % SIDE, i / (SIDE * SIDE));
        cells[(channel * GRID + y / CELL) * GRID + x / CELL] += pixel / (CELL * CELL) as f32;
    }
    cells
}
