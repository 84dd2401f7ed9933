//! The `.toy` file: its keys, their defaults and limits.
//!
//! Every number is checked here, once, so that the network may index and allocate without further thought.

use std::io::ErrorKind;
use std::path::Path;

use scorecam_core::{Error, Result, bail, ensure};
use scorecam_plugin::read_file;
use serde::Deserialize;

/// Real `.toy` files have a dozen lines; anything longer is some other file.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// Longest side, most channels, maps and classes: keeps all products far inside 64 bits.
const MAX_LENGTH: usize = 1 << 16;
/// Most weights in one layer, and most elements of one image or activation.
const MAX_ELEMENTS: usize = 1 << 24;

/// The keys of a `.toy` file. The first five and `seed` are required; unknown keys are errors.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToyFile {
    /// C, the channels of the input.
    pub channels: usize,
    /// H and W of the input.
    pub size: [usize; 2],
    /// K, the activation maps of every layer.
    pub maps: usize,
    /// h and w of the maps, which divide H and W; may be left out only when `spatial` is false.
    pub map_size: Option<[usize; 2]>,
    /// The number of class scores.
    pub classes: usize,
    /// What all weights are made from.
    pub seed: u64,
    /// How many images one pass takes: "any", or exactly this number.
    #[serde(default)]
    pub batch: Batch,
    /// What is applied to the logits before they are returned.
    #[serde(default)]
    pub ending: Ending,
    /// The last this many maps of `features` are zero everywhere.
    #[serde(default)]
    pub flat_maps: usize,
    /// This many maps before the flat ones are 0.75 everywhere.
    #[serde(default)]
    pub constant_maps: usize,
    /// This many maps before the constant ones are 2 or 1/2 times one of the first: equal after normalization.
    #[serde(default)]
    pub duplicate_maps: usize,
    /// False: activations are [N, K] and no layer has spatial extent.
    #[serde(default = "yes")]
    pub spatial: bool,
    /// True: any height and width that `map_size` patches divide will do, and shapes report them as free.
    #[serde(default)]
    pub free_size: bool,
    /// True: every score is NaN.
    #[serde(default)]
    pub nan: bool,
    /// After this many images, passes fail.
    pub fail_after: Option<usize>,
    /// Milliseconds slept before each batch.
    #[serde(default)]
    pub delay_ms: u64,
    /// Abilities to offer; none by default.
    #[serde(default)]
    pub abilities: Vec<Ability>,
}

/// How many images one pass takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "toml::Value")]
pub enum Batch {
    /// Any number.
    #[default]
    Any,
    /// Exactly this many.
    Fixed(usize),
}

impl TryFrom<toml::Value> for Batch {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        match &value {
            toml::Value::String(word) if word == "any" => Ok(Batch::Any),
            toml::Value::Integer(n) if (1..=4096).contains(n) => Ok(Batch::Fixed(*n as usize)),
            _ => Err(format!("batch is {value}; give \"any\" or a number from 1 to 4096")),
        }
    }
}

/// What the model applies to its logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Nothing.
    #[default]
    Logits,
    /// Softmax over the classes.
    Softmax,
    /// Sigmoid of each class.
    Sigmoid,
}

/// An ability that the model offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    /// Makes masked images itself.
    Masked,
    /// Runs on from any of its layers.
    RunFrom,
    /// Differentiates the scores.
    Gradients,
}

fn yes() -> bool {
    true
}

impl ToyFile {
    /// Reads and checks a file; the error names the file, the line and the key.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.display();
        let (bytes, _) = read_file(path, MAX_FILE_BYTES).map_err(|e| match e.kind() {
            ErrorKind::FileTooLarge => Error::model(format!("{name} is not a toy model: {e}")),
            _ => Error::io(format!("cannot read {name}: {e}")),
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Error::model(format!("{name} is not text, so it is not a toy model")))?;
        Self::parse(&text).map_err(|e| e.context(name))
    }

    /// Reads and checks the text of a file.
    pub fn parse(text: &str) -> Result<Self> {
        let file: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|s| text.get(..s.start)).unwrap_or_default();
            Error::model(format!("line {}: {}", before.matches('\n').count() + 1, e.message()))
        })?;
        file.check()?;
        Ok(file)
    }

    /// Height and width of the maps.
    pub fn cells(&self) -> [usize; 2] {
        self.map_size.unwrap_or([1, 1])
    }

    /// Height and width of the patch of the input that one cell of a map sees.
    pub fn patch(&self) -> [usize; 2] {
        let cells = self.cells();
        [self.size[0] / cells[0], self.size[1] / cells[1]]
    }

    /// Maps that are neither flat nor constant nor copies.
    pub fn own_maps(&self) -> usize {
        self.maps - self.flat_maps - self.constant_maps - self.duplicate_maps
    }

    /// Whether the file asks for `ability`.
    pub fn offers(&self, ability: Ability) -> bool {
        self.abilities.contains(&ability)
    }

    fn check(&self) -> Result<()> {
        let [height, width] = self.size;
        for (key, value) in [
            ("channels", self.channels),
            ("size", height.min(width)),
            ("size", height.max(width)),
            ("maps", self.maps),
            ("classes", self.classes),
        ] {
            ensure!((1..=MAX_LENGTH).contains(&value), model, "{key} is {value}; give 1 to {MAX_LENGTH}");
        }
        self.check_map_size()?;
        self.check_special_maps()?;
        let taps = [self.channels, self.patch()[0], self.patch()[1]];
        let products: [(&str, &[usize]); 4] = [
            ("the input", &[self.channels, height, width]),
            ("one activation", &[self.maps, self.cells()[0], self.cells()[1]]),
            ("conv1", &[self.maps, taps[0], taps[1], taps[2]]),
            ("the classifier", &[self.classes, self.maps]),
        ];
        for (what, lengths) in products {
            let elements = lengths.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
            if elements.is_none_or(|n| n > MAX_ELEMENTS) {
                let text = format!("{what} of shape {lengths:?} has more than {MAX_ELEMENTS} elements");
                return Err(Error::model(format!("{text}; make the model smaller")));
            }
        }
        Ok(())
    }

    fn check_map_size(&self) -> Result<()> {
        let ([height, width], cells) = (self.size, self.map_size);
        match cells {
            None if self.spatial => Err(Error::model("map_size is missing; give the maps' height and width")),
            Some(cells) if !self.spatial && cells != [1, 1] => Err(Error::model(format!(
                "map_size is {cells:?} while spatial is false; leave map_size out or give [1, 1]"
            ))),
            Some([h, w]) if h == 0 || w == 0 || height % h != 0 || width % w != 0 => bail!(
                model,
                "map_size [{h}, {w}] does not divide size [{height}, {width}]; each patch must be whole"
            ),
            _ if self.free_size && !self.spatial => {
                Err(Error::model("free_size is true while spatial is false; a dense network has one size"))
            }
            _ => Ok(()),
        }
    }

    fn check_special_maps(&self) -> Result<()> {
        let special = [self.flat_maps, self.constant_maps, self.duplicate_maps];
        let asked = special.iter().try_fold(0usize, |sum, &n| sum.checked_add(n));
        let least = usize::from(self.duplicate_maps > 0);
        if asked.is_none_or(|n| n.saturating_add(least) > self.maps) {
            return Err(Error::model(format!(
                "flat_maps, constant_maps and duplicate_maps are {special:?}, which leaves none of {} maps \
                 to copy; ask for fewer",
                self.maps
            )));
        }
        Ok(())
    }
}
