//! How many bytes the calls of a model move between a host and its device.
//!
//! Computed from the shapes of what is asked and answered, not measured: no engine tells such a number over the ABI.
//! What an engine moves besides (the model when it is loaded, copies of its own) is not in it. On a processor nothing
//! is moved at all, and the number says what a device would get.

use scorecam_core::{BatchRule, Forward, MaskedScores, Result, Tensor, TensorView};

/// Bytes to a device and back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To the device.
    pub up: u64,
    /// Back from it.
    pub down: u64,
}

impl Traffic {
    /// A pass: its batch goes up, scores and tapped activations come down.
    pub fn of_forward(batch: &TensorView<'_>, answer: &Forward) -> Self {
        let taps: u64 = answer.activations.iter().map(|tap| bytes(tap.data())).sum();
        Self { up: bytes(batch.data()), down: bytes(answer.scores.data()) + taps }
    }

    /// A pass from one tensor to another, as of the part behind a layer or of a gradient.
    pub fn between(given: &TensorView<'_>, answer: &Tensor) -> Self {
        Self { up: bytes(given.data()), down: bytes(answer.data()) }
    }

    /// Masked scores where the device makes the masked images: images and fill go up once, and for each mask its few
    /// cells, and the index of its image where there are several.
    pub fn of_masks(request: &MaskedScores<'_>, scores: &Tensor) -> Self {
        let fill = request.fill.map_or(0, |fill| bytes(fill.data()));
        let masks = bytes(request.masks.data()) + size_of_val(request.cuts) as u64;
        let masks = masks + 4 * request.image_of_mask.len() as u64;
        Self { up: bytes(request.images.data()) + fill + masks, down: bytes(scores.data()) }
    }

    /// The same scores where the host makes the masked images: each goes up whole, and a model that fixes its batch
    /// gets the last one filled up.
    pub fn of_masked_images(request: &MaskedScores<'_>, scores: &Tensor, rule: BatchRule) -> Result<Self> {
        let ([_, channels, height, width], [masks, ..]) = request.dims()?;
        let images = match rule {
            BatchRule::Fixed(n) => masks.next_multiple_of(n.max(1)),
            BatchRule::Any { .. } => masks,
        };
        let score = bytes(scores.data()) / masks.max(1) as u64;
        let image = 4 * (channels * height * width) as u64;
        Ok(Self { up: images as u64 * image, down: images as u64 * score })
    }

    /// Both ways.
    pub fn bytes(&self) -> u64 {
        self.up + self.down
    }
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.up += other.up;
        self.down += other.down;
    }
}

fn bytes(values: &[f32]) -> u64 {
    size_of_val(values) as u64
}
