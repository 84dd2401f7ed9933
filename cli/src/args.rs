//! The command line, with the checks that need no file.
//!
//! Values that only a model or a method can check (layers, labels, options) are passed on as text.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use scorecam::{Fuse, Range};
use scorecam_core::Form;
use scorecam_core::image::Colormap;

use crate::compare::{self, CompareArgs};
use crate::debug::{self, DebugArgs};
use crate::evaluate::{self, EvaluateArgs};
use crate::located::LocateArgs;
use crate::sanity::{self, SanityArgs};
use crate::survey;

/// Shows which parts of a photo a network bases a class on (Score-CAM and related methods).
#[derive(Debug, Parser)]
#[command(name = "scorecam", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Explain photos: a saliency map for each class
    #[command(after_help = EXAMPLES)]
    Explain(Box<ExplainArgs>),
    /// Measure the quality of maps over a set of photos: faithfulness to the model, localization of the object
    #[command(after_help = evaluate::EXAMPLES)]
    Evaluate(Box<EvaluateArgs>),
    /// Compare the maps of two models, backends or methods over a set of photos
    #[command(after_help = compare::EXAMPLES)]
    Compare(Box<CompareArgs>),
    /// Compare the predicted class with the expected one: both maps, where their evidence lies, and its effect on the
    /// score
    #[command(after_help = debug::EXAMPLES)]
    Debug(Box<DebugArgs>),
    /// Check that maps depend on the trained weights: they must change when the weights are random
    #[command(after_help = sanity::EXAMPLES)]
    Sanity(Box<SanityArgs>),
    /// List a model's layers that can be explained
    Layers(LayersArgs),
    /// Write a model that returns a map as one of its outputs, in any runtime
    ///
    /// The new model has one more output, saliency_map [N, h, w], for its top class, or for the class in its optional
    /// input saliency_class if the runtime supports optional inputs. It is the map of recipro-cam with preset
    /// openvino-xai; networks that end in pooling and a linear layer need no further forward pass for it.
    Bake(BakeArgs),
    /// List the plugins and the folders that are searched for them
    Plugins(PluginsArgs),
    /// List the methods with their options and presets
    Methods(PluginsArgs),
    /// Validate a plugin; each check runs in its own process
    ///
    /// The table has a line for every check that fails, crashes, ends its process or times out; the exit status is
    /// then 1.
    Check(CheckArgs),
    #[command(name = "__check", hide = true)]
    CheckOne(CheckOneArgs),
}

const EXAMPLES: &str = "\
Examples:
  The top class, drawn over the photo:
    scorecam explain cat.jpg --model net.onnx --overlay cat-map.png

  Two classes by name, and their maps as numbers:
    scorecam explain cat.jpg --model net.toml --class tabby \\
        --class 'remote control' --map maps.npy

  The top five classes of each photo in a folder, with out/results.json:
    scorecam explain photos/ --model net.toml --class top:5 --out out

  All photos of a folder tree; the same command resumes an interrupted run:
    scorecam explain photos/ --recursive --model net.toml --out out \\
        --skip-existing

  The result of the authors' code, for an input tensor from elsewhere:
    scorecam explain input.npy --model net.onnx --preset official --map map.npy

A TOML file beside the model, of the same name, sets its preprocessing (mean,
deviation, crop, channel order) and class names: see docs/manifest.md.
scorecam layers, methods and plugins list the available choices.";

const WHAT: &str = "What to explain";

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// Photos, folders of photos, or .npy files with f32 input tensors [C, H, W], used without preprocessing
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Walk folders recursively; --out mirrors the folder tree
    #[arg(long, help_heading = WHAT)]
    pub(crate) recursive: bool,
    /// The sample values of black and white in photos of more than 8 bits: 0..4095 for 12-bit data [default: 0..65535]
    #[arg(long, value_name = "LOW..HIGH", help_heading = WHAT, allow_hyphen_values = true)]
    pub(crate) range: Option<Range>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The layer to explain, or several separated by commas, whose maps are fused [default: the manifest's, or the last
    /// one with spatial extent]
    #[arg(long, value_name = "NAME[,NAME]", help_heading = WHAT)]
    pub(crate) layer: Option<String>,
    /// A class by number or label, several numbers (1,2,3), or the top K (top:K); may be repeated
    #[arg(long = "class", value_name = "N|LABEL|top:K", default_value = "top:1", help_heading = WHAT, allow_hyphen_values = true)]
    pub(crate) classes: Vec<ClassArg>,
    /// A target other than a class: not:NAME, value, contrast:A-B, like:PHOTO, region:MASK, region:predicted, boxes,
    /// box:NUMBER, box:X0,Y0,X1,Y1 (docs/targets.md); may be repeated [default: the boxes of a detector, the predicted
    /// region of a segmentation model]
    #[arg(long = "target", value_name = "TARGET", conflicts_with = "classes", help_heading = WHAT, allow_hyphen_values = true)]
    pub(crate) targets: Vec<String>,
    /// The minimum score of the detections to explain, 0 to 1
    #[arg(long, value_name = "F", default_value_t = 0.25, value_parser = share, help_heading = WHAT)]
    pub(crate) min_score: f64,
    #[command(flatten)]
    pub(crate) how: MethodArgs,
    #[command(flatten)]
    pub(crate) locate: LocateArgs,
    #[command(flatten)]
    pub(crate) outputs: OutputArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// The model's file or its manifest (.toml)
    #[arg(long, value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// The backend that runs the model, or auto: the best available one for the file [default: the manifest's, or auto]
    #[arg(long, value_name = "ID")]
    pub(crate) backend: Option<String>,
    #[command(flatten)]
    pub(crate) plugins: PluginFiles,
    /// Threads for the backend, at most 1024 [default: all cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// The device by number or name ("cpu", "cuda:1") [default: the backend's]
    #[arg(long, value_name = "N")]
    pub(crate) device: Option<String>,
    /// A setting of the backend; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) backend_set: Vec<(String, String)>,
    /// The layout of the layer's tensor, if it cannot be inferred: nchw, nhwc, or tokens=BEFORE+ROWSxCOLUMNS, such as
    /// tokens=1+14x14 (one class token, then a grid)
    #[arg(long, value_name = "GRID")]
    pub(crate) layer_grid: Option<Form>,
}

#[derive(Debug, Args)]
pub(crate) struct PluginFiles {
    /// A plugin, or a folder of plugins, to load first; may be repeated
    #[arg(long = "plugin", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Method")]
pub(crate) struct MethodArgs {
    /// The method, or auto for a cheap map: recipro-cam, or another cheap method that the model supports
    #[arg(long, value_name = "ID", default_value = "score-cam")]
    pub(crate) method: String,
    /// A named set of the method's options
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<String>,
    /// An option of the method, which overrides the preset's; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
    /// A second photo or tensor, for options that need a reference
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,
    /// How to fuse the maps of several layers: mean, max or product
    #[arg(long, value_name = "HOW", default_value = "mean")]
    pub(crate) fuse: Fuse,
    /// Average the maps of the image and of its mirror image, for twice the forward passes
    #[arg(long)]
    pub(crate) augment: bool,
    /// Masked images per forward pass, at most 4096 [default: the fastest size for the model]
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Time limit for the forward passes of a photo; at the limit, score-cam-adaptive and rise return the map of the
    /// passes so far, other methods fail [default: no limit]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) time_limit: Option<f64>,
    /// Treat the inputs as frames of a video, in order: score-cam-adaptive starts from its result for the previous frame
    #[arg(long, conflicts_with = "jobs")]
    pub(crate) warm: bool,
    /// Photos to process concurrently (1 to 64); their masks share the model's batches
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) jobs: u8,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Write the map: f32 [H, W], or [targets, H, W] for several classes or targets; - for standard output
    #[arg(long, value_name = "OUT.npy", value_parser = npy_path)]
    pub(crate) map: Option<PathBuf>,
    /// Write the standard error of each value of the map, f32 at the model's input size, for methods that estimate it,
    /// such as rise
    #[arg(long, value_name = "OUT.npy", value_parser = errors_path)]
    pub(crate) errors: Option<PathBuf>,
    /// The size of maps: input for the model's input, photo for the photo, with 0 outside the crop
    #[arg(long, value_name = "SIZE", default_value = "input")]
    pub(crate) map_size: MapSize,
    /// Write the photo with the map over it; several classes or targets write one OUT-CLASS.png each
    #[arg(long, value_name = "OUT.png", value_parser = png_path)]
    pub(crate) overlay: Option<PathBuf>,
    /// Write the results of this run as JSON; - for standard output
    #[arg(long, value_name = "OUT.json")]
    pub(crate) json: Option<PathBuf>,
    /// Write a report: one HTML page with the photos, whose maps can be switched and faded
    #[arg(long, value_name = "OUT.html", value_parser = survey::html_path)]
    pub(crate) report: Option<PathBuf>,
    /// Write the map, overlays and results of each input to this folder, which is created if missing; results.json
    /// keeps the results of earlier runs
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Skip inputs whose results are already in --out; resumes an interrupted run
    #[arg(long, requires = "out", conflicts_with = "overwrite")]
    pub(crate) skip_existing: bool,
    /// Replace files in --out that scorecam did not write, and results made with other settings
    #[arg(long, requires = "out")]
    pub(crate) overwrite: bool,
    /// Colormap of overlays: viridis, turbo, jet, inferno or gray
    #[arg(long, value_name = "NAME", default_value = "viridis")]
    pub(crate) colormap: Colormap,
    /// Opacity of the colors over the photo, 0 to 1
    #[arg(long, value_name = "F", default_value_t = 0.5, value_parser = opacity, allow_hyphen_values = true)]
    pub(crate) opacity: f32,
}

/// The size of the maps that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum MapSize {
    Input,
    Photo,
}

#[derive(Debug, Args)]
pub(crate) struct LayersArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Explain this photo at each of the five most promising layers, and rank their maps by the share of the class score
    /// that each map preserves
    #[arg(long, value_name = "PHOTO")]
    pub(crate) rank: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BakeArgs {
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The file to write
    #[arg(short, long, value_name = "OUT.onnx")]
    pub(crate) output: PathBuf,
    /// The layer of the map [default: the manifest's, or the last one whose every cell reaches the score]
    #[arg(long, value_name = "NAME")]
    pub(crate) layer: Option<String>,
    /// Instead of a map, add this layer as an output
    #[arg(long, value_name = "LAYER", conflicts_with_all = ["layer", "head"])]
    pub(crate) tap: Option<String>,
    /// Instead of a map, write the part of the model after this layer
    #[arg(long, value_name = "LAYER", conflicts_with = "layer")]
    pub(crate) head: Option<String>,
    /// Instead of a map, write the model with the masking built in: its inputs are an image, small masks and the
    /// upsampling mode
    #[arg(long, conflicts_with_all = ["layer", "tap", "head"])]
    pub(crate) masked: bool,
    /// Replace an existing file
    #[arg(long)]
    pub(crate) overwrite: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PluginsArgs {
    #[command(flatten)]
    pub(crate) plugins: PluginFiles,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The plugin's file
    #[arg(value_name = "PLUGIN")]
    pub(crate) plugin: PathBuf,
    /// Also load this model and run it, with the plugin's backend or for the plugin's methods
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Time limit per check
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) time_limit: u64,
}

#[derive(Debug, Args)]
pub(crate) struct CheckOneArgs {
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) of: CheckArgs,
}

/// A number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "give a number from 0 to 1".into())
}

fn seconds(text: &str) -> Result<f64, String> {
    let number =
        text.parse::<f64>().ok().filter(|&n| n > 0.0 && std::time::Duration::try_from_secs_f64(n).is_ok());
    number.ok_or_else(|| "give a number of seconds above 0".into())
}

/// One value of `--class`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClassArg {
    /// `top:K`.
    Top(usize),
    /// `7` or `1,2,3`.
    Numbers(Vec<usize>),
    /// Anything else; the model's labels decide.
    Label(String),
}

/// As typed.
impl fmt::Display for ClassArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top(k) => write!(f, "top:{k}"),
            Self::Numbers(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(usize::to_string).collect();
                f.write_str(&numbers.join(","))
            }
            Self::Label(label) => f.write_str(label),
        }
    }
}

impl FromStr for ClassArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(k) = text.strip_prefix("top:") {
            let k = k.parse().map_err(|_| format!("top: takes a whole number, such as top:5, not {k:?}"))?;
            return Ok(Self::Top(k));
        }
        if text.trim().is_empty() {
            return Err("give a number, a label or top:K".into());
        }
        let numbers: Result<Vec<usize>, _> = text.split(',').map(|n| n.trim().parse()).collect();
        Ok(numbers.map_or_else(|_| Self::Label(text.to_owned()), Self::Numbers))
    }
}

pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("give KEY=VALUE".into()),
    }
}

fn errors_path(text: &str) -> Result<PathBuf, String> {
    match text {
        "-" => Err("standard output takes the map alone; give a name that ends in .npy".into()),
        text => npy_path(text),
    }
}

fn npy_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(e) if !e.eq_ignore_ascii_case("npy") => {
            Err("maps are .npy; give a name that ends in .npy, or - for standard output".into())
        }
        _ => Ok(path),
    }
}

fn png_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(e) if e.eq_ignore_ascii_case("png") => Ok(path),
        _ => Err("overlays are PNG; give a name that ends in .png".into()),
    }
}

fn opacity(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(v) if (0.0..=1.0).contains(&v) => Ok(v),
        _ => Err("give a number from 0 to 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_whole() {
        Cli::command().debug_assert();
    }

    #[test]
    fn classes_are_numbers_labels_or_the_best() {
        let check = |text: &str, expected: Option<ClassArg>| {
            assert_eq!(text.parse::<ClassArg>().ok(), expected, "{text:?}");
        };
        check("7", Some(ClassArg::Numbers(vec![7])));
        check("1,2, 3", Some(ClassArg::Numbers(vec![1, 2, 3])));
        check("top:5", Some(ClassArg::Top(5)));
        check("top:0", Some(ClassArg::Top(0)));
        check("tabby", Some(ClassArg::Label("tabby".into())));
        check("tabby, tabby cat", Some(ClassArg::Label("tabby, tabby cat".into())));
        check("-1", Some(ClassArg::Label("-1".into())));
        check("top:", None);
        check("top:x", None);
        check("top:-1", None);
        check(" ", None);
    }

    #[test]
    fn settings_need_a_key_and_an_equals_sign() {
        let check = |text: &str, expected: Option<(&str, &str)>| {
            let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
            assert_eq!(key_value(text).ok(), expected, "{text:?}");
        };
        check("a=b", Some(("a", "b")));
        check("a=b=c", Some(("a", "b=c")));
        check("a=", Some(("a", "")));
        check("a", None);
        check("=b", None);
    }
}
