//! The arguments of `scorecam compare`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use scorecam::evaluation::Similarity;
use scorecam::{AUTO, Model};

use crate::args::{ModelArgs, key_value};
use crate::evaluate::MethodArg;
use crate::survey::FindingsArgs;

pub(crate) const EXAMPLES: &str = "\
Examples:
  Gate a quantized model: fail if it relies on other evidence:
    scorecam compare photos/ --model net.onnx --with-model net-int8.onnx \\
        --least 0.9

  Before and after training, with a report that starts with the greatest
  differences:
    scorecam compare photos/ --model before.pt --with-model after.pt \\
        --report training.html

  One model on two backends:
    scorecam compare photos/ --model net.onnx --backend onnx-cpu \\
        --with-backend onnx-cuda --measure spearman --least 0.99

  Two methods on one model:
    scorecam compare photos/ --model net.onnx --method score-cam \\
        --with-method recipro-cam

The exit status is 1 if a photo is below --least or was left out.";

const WHAT: &str = "What to compare";

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// A photo, a folder, or a dataset as in scorecam evaluate
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Walk folders recursively
    #[arg(long, help_heading = WHAT)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The method, optionally with a preset and options, such as score-cam:torchcam
    #[arg(long, value_name = "ID[:PRESET][,KEY=VALUE]", default_value = "score-cam", help_heading = WHAT)]
    pub(crate) method: MethodArg,
    /// The layer to explain [default: the manifest's, or the last one whose every cell reaches the score]
    #[arg(long, value_name = "NAME", help_heading = WHAT)]
    pub(crate) layer: Option<String>,
    /// The class whose maps are compared, by number or label [default: the first model's prediction]
    #[arg(long, value_name = "N|LABEL", help_heading = WHAT)]
    pub(crate) class: Option<String>,
    /// A target instead of a class, as in scorecam explain
    #[arg(long, value_name = "TARGET", conflicts_with = "class", help_heading = WHAT, allow_hyphen_values = true)]
    pub(crate) target: Option<String>,
    #[command(flatten)]
    pub(crate) with: WithArgs,
    /// Images per forward pass, at most 4096 [default: the fastest size for the model]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) batch_size: Option<usize>,
    /// The similarity that sorts photos: pearson, spearman, ssim or hog
    #[arg(long, value_name = "NAME", default_value = "pearson", help_heading = "Similarity")]
    pub(crate) measure: Likeness,
    /// The minimum similarity, -1 to 1; photos below it are listed, and the exit status is 1
    #[arg(long, value_name = "F", value_parser = least, allow_hyphen_values = true, help_heading = "Similarity")]
    pub(crate) least: Option<f64>,
    #[command(flatten)]
    pub(crate) findings: FindingsArgs,
}

/// The second side. Every option that is not given is that of the first side; with another model file this holds only
/// for the method and the number of threads.
#[derive(Debug, Args)]
#[command(next_help_heading = "Compared with")]
pub(crate) struct WithArgs {
    /// Another model's file or manifest; it does not share the first one's backend, device, settings or layer
    #[arg(id = "with-model", long = "with-model", value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Another backend
    #[arg(id = "with-backend", long = "with-backend", value_name = "ID")]
    pub(crate) backend: Option<String>,
    /// Another device
    #[arg(id = "with-device", long = "with-device", value_name = "N")]
    pub(crate) device: Option<String>,
    /// Another setting of the backend; may be repeated
    #[arg(id = "with-backend-set", long = "with-backend-set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) backend_set: Vec<(String, String)>,
    /// Another layer
    #[arg(id = "with-layer", long = "with-layer", value_name = "NAME")]
    pub(crate) layer: Option<String>,
    /// Another method
    #[arg(id = "with-method", long = "with-method", value_name = "ID[:PRESET][,KEY=VALUE]")]
    pub(crate) method: Option<MethodArg>,
}

impl WithArgs {
    /// Whether the second side needs a model of its own in memory.
    pub(crate) fn is_loaded(&self) -> bool {
        self.model.is_some()
            || self.backend.is_some()
            || self.device.is_some()
            || !self.backend_set.is_empty()
    }

    /// Whether there is anything to compare with.
    pub(crate) fn is_given(&self) -> bool {
        self.is_loaded() || self.layer.is_some() || self.method.is_some()
    }
}

impl CompareArgs {
    /// How to load the second side's model; `first` is the model of the first side.
    pub(crate) fn other_model(&self, first: &Model) -> (ModelArgs, Option<String>) {
        let (one, with) = (&self.model, &self.with);
        let is_same = with.model.is_none();
        let own = |other: &Option<String>, first: &Option<String>| {
            other.clone().or_else(|| first.clone().filter(|_| is_same))
        };
        let mut backend = own(&with.backend, &one.backend);
        // Otherwise another device could change the choice of the backend.
        if is_same && backend.as_deref().is_none_or(|id| id == AUTO) {
            backend = Some(first.backend_id().to_owned());
        }
        // Settings belong to a backend.
        let is_kept = is_same && with.backend.is_none();
        let mut settings: Vec<_> = one.backend_set.iter().filter(|_| is_kept).cloned().collect();
        settings.extend(with.backend_set.iter().cloned());
        let model = ModelArgs {
            model: with.model.clone().unwrap_or_else(|| one.model.clone()),
            backend,
            plugins: crate::args::PluginFiles { files: Vec::new() },
            threads: one.threads,
            device: own(&with.device, &one.device),
            backend_set: settings,
            layer_grid: one.layer_grid.filter(|_| is_same && with.layer.is_none()),
        };
        (model, own(&with.layer, &self.layer))
    }
}

/// A similarity of two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    Pearson,
    Spearman,
    Ssim,
    Hog,
}

impl Likeness {
    pub(crate) const ALL: [Self; 4] = [Self::Pearson, Self::Spearman, Self::Ssim, Self::Hog];

    pub(crate) fn name(self) -> &'static str {
        ["pearson", "spearman", "ssim", "hog"][self as usize]
    }

    /// A description in one line.
    pub(crate) fn summary(self) -> &'static str {
        match self {
            Self::Pearson => "linear correlation of the values",
            Self::Spearman => "correlation of the order of pixels",
            Self::Ssim => "structural similarity, windows of 7 x 7 pixels",
            Self::Hog => "linear correlation of histograms of edges, for maps of at least 48 x 48 pixels",
        }
    }

    pub(crate) fn of(self, found: &Similarity) -> Option<f64> {
        match self {
            Self::Pearson => Some(found.pearson),
            Self::Spearman => Some(found.spearman),
            Self::Ssim => found.ssim,
            Self::Hog => found.hog,
        }
    }
}

impl FromStr for Likeness {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|known| known.name() == text);
        found.ok_or_else(|| "give pearson, spearman, ssim or hog".into())
    }
}

fn least(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (-1.0..=1.0).contains(number));
    number.ok_or_else(|| "give a number from -1 to 1".into())
}
