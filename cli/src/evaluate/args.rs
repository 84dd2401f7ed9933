//! The arguments of `scorecam evaluate`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use scorecam::evaluation::{Measure, SetMeasure};

use crate::args::{ModelArgs, key_value};

pub(crate) const EXAMPLES: &str = "\
Examples:
  Compare the faithfulness of two methods on photos without annotations:
    scorecam evaluate photos/ --model net.onnx --method score-cam \\
        --method recipro-cam --out quality

  Measure localization, with boxes from a COCO file:
    scorecam evaluate val.json --model net.toml --method score-cam \\
        --measures energy,lift,iou,max-box-acc,pxap --out quality

  Compare with another tool's maps, photo.npy for photo.jpg:
    scorecam evaluate photos/ --model net.onnx --method score-cam \\
        --map-from theirs=maps/ --out quality

To resume an interrupted run, repeat the command.
docs/evaluation.md describes the measures and the layouts of data.";

const WHAT: &str = "What to evaluate";

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// Photos with or without annotations: a folder, a folder with one folder per class, a COCO .json, a folder with
    /// Pascal VOC .xml, or a .csv with the columns file, class, x0, y0, x1, y1, mask
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Walk folders recursively
    #[arg(long, help_heading = WHAT)]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// A method, optionally with a preset and options, such as score-cam:torchcam or score-cam-adaptive,passes=64; may
    /// be repeated [default: score-cam]
    #[arg(long = "method", value_name = "ID[:PRESET][,KEY=VALUE]", help_heading = WHAT)]
    pub(crate) methods: Vec<MethodArg>,
    /// Maps from .npy files at the model's input size: one file, or a folder with NAME.npy for each photo; may be
    /// repeated
    #[arg(long = "map-from", value_name = "[NAME=]PATH", help_heading = WHAT)]
    pub(crate) maps_from: Vec<MapFrom>,
    /// Trivial maps for comparison: sum, center, edges, random; or none [default: all]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = WHAT)]
    pub(crate) baselines: Vec<String>,
    /// The class whose map is measured: the annotated or the predicted one [default: the annotated one if there is one]
    #[arg(long, value_name = "WHICH", help_heading = WHAT)]
    pub(crate) class: Option<WhichClass>,
    /// A target instead of a class, as in scorecam explain
    #[arg(long, value_name = "TARGET", conflicts_with = "class", help_heading = WHAT, allow_hyphen_values = true)]
    pub(crate) target: Option<String>,
    /// The layer to explain [default: the manifest's, or the last one whose every cell reaches the score]
    #[arg(long, value_name = "NAME", help_heading = WHAT)]
    pub(crate) layer: Option<String>,
    /// The measures, or all: drop, increase, gain, deletion, insertion, road, adcc, complexity, entropy, gini, sensitivity,
    /// energy, lift, pointing, rank, roc, iou; over the whole set max-box-acc, max-box-acc-v2, pxap [default:
    /// drop,increase,deletion,insertion,energy,lift,pointing,roc,iou]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Measures")]
    pub(crate) measures: Vec<MeasureArg>,
    /// The published variant of drop and curves: paper, grad-cam++, rise, torchcam, pytorch-grad-cam, openvino-xai or xplique
    #[arg(long, value_name = "NAME", default_value = "paper", help_heading = "Measures")]
    pub(crate) protocol: String,
    /// A setting that overrides the protocol's: score, mask, drop, points, deletion, insertion, ties, area; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value, help_heading = "Measures")]
    pub(crate) protocol_set: Vec<(String, String)>,
    /// The threshold of a map's box, as a share of the map's maximum
    #[arg(long, value_name = "F", default_value_t = 0.15, help_heading = "Measures")]
    pub(crate) threshold: f64,
    /// Images per forward pass, at most 4096 [default: the fastest size for the model]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) batch_size: Option<usize>,
    /// The folder of results: evaluation.jsonl with a line per photo, summary.json and report.html
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: PathBuf,
    /// Photos in the report, at most; the first ones are taken
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Output")]
    pub(crate) pictures: usize,
    /// Start over if the folder holds results of other settings
    #[arg(long, help_heading = "Output")]
    pub(crate) overwrite: bool,
}

impl EvaluateArgs {
    /// The measures over the whole set.
    pub(crate) fn set_measures(&self) -> Vec<SetMeasure> {
        let is_asked = |measure: &SetMeasure| {
            self.measures
                .iter()
                .any(|asked| matches!(asked, MeasureArg::All) || *asked == MeasureArg::Set(*measure))
        };
        SetMeasure::ALL.into_iter().filter(is_asked).collect()
    }
}

/// A method, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MethodArg {
    /// The name in tables.
    pub(crate) text: String,
    pub(crate) id: String,
    pub(crate) preset: Option<String>,
    pub(crate) set: Vec<(String, String)>,
}

impl FromStr for MethodArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let first = parts.next().unwrap_or_default();
        let (id, preset) =
            first.split_once(':').map_or((first, None), |(id, preset)| (id, Some(preset.into())));
        if id.is_empty() {
            return Err("give a method's id, such as score-cam or score-cam:torchcam".into());
        }
        let set = parts.map(key_value).collect::<Result<_, _>>()?;
        Ok(Self { text: text.into(), id: id.into(), preset, set })
    }
}

/// Maps of another tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MapFrom {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

impl FromStr for MapFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name.to_owned(), PathBuf::from(path)),
            None => (text.trim_end_matches(['/', '\\']).to_owned(), PathBuf::from(text)),
        };
        match name.is_empty() || path.as_os_str().is_empty() {
            true => Err("give a folder or a .npy file, such as theirs=maps/".into()),
            false => Ok(Self { name, path }),
        }
    }
}

/// A measure, or all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MeasureArg {
    All,
    One(Measure),
    /// A measure of a whole set.
    Set(SetMeasure),
}

impl FromStr for MeasureArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            text => match (text.parse(), text.parse()) {
                (Ok(measure), _) => Ok(Self::One(measure)),
                (_, Ok(measure)) => Ok(Self::Set(measure)),
                (Err(e), _) => {
                    let e: scorecam::Error = e;
                    Err(format!("{e}, {}", SetMeasure::ALL.map(SetMeasure::name).join(", ")))
                }
            },
        }
    }
}

/// The class whose map is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WhichClass {
    /// The annotated class; photos without one are skipped.
    Expected,
    /// The class with the highest score.
    Predicted,
}
