//! The arguments of `scorecam debug`.

use std::path::PathBuf;

use clap::Args;
use scorecam::evaluation::Fill;

use super::part::PartArg;
use crate::args::{ModelArgs, share};
use crate::evaluate::MethodArg;
use crate::survey::FindingsArgs;

pub(crate) const EXAMPLES: &str = "\
Examples:
  Why does the model misclassify a photo?
    scorecam debug dog.jpg --model net.toml --expected 'golden retriever' \\
        --report dog.html

  What are right and wrong decisions based on? With boxes from a COCO file:
    scorecam debug val.json --model net.toml --report bias.html

  Does the model use a watermark in the bottom tenth of the photos?
    scorecam debug photos-by-class/ --model net.toml \\
        --region 0%,90%,100%,100%

The exit status is 1 if photos or annotations were left out.
docs/evaluation.md explains the figures and the layouts of data.";

const WHAT: &str = "What to debug";

#[derive(Debug, Args)]
pub(crate) struct DebugArgs {
    /// Photos with their classes: a folder with one folder per class, a COCO .json, a folder with Pascal VOC .xml, or a
    /// .csv; with --expected a photo or a folder
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Walk folders recursively
    #[arg(long, help_heading = WHAT)]
    pub(crate) recursive: bool,
    /// The class of photos without an annotation, by number or label
    #[arg(long, value_name = "N|LABEL", help_heading = WHAT)]
    pub(crate) expected: Option<String>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The method, optionally with a preset and options, such as score-cam:torchcam
    #[arg(long, value_name = "ID[:PRESET][,KEY=VALUE]", default_value = "score-cam", help_heading = WHAT)]
    pub(crate) method: MethodArg,
    /// The layer to explain [default: the manifest's, or the last one whose every cell reaches the score]
    #[arg(long, value_name = "NAME", help_heading = WHAT)]
    pub(crate) layer: Option<String>,
    /// A part of every photo that should not matter, such as a watermark: a mask of the photos' size, white on the part, or a
    /// box in pixels or percent of the photo
    #[arg(long, value_name = "MASK|X0,Y0,X1,Y1", allow_hyphen_values = true, help_heading = WHAT)]
    pub(crate) region: Option<PartArg>,
    /// The width of the border whose evidence is measured, as a share of the shorter side; 0 for none
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = border, help_heading = WHAT)]
    pub(crate) border: f64,
    /// The fill of removed parts, in the model's normalized input: zero, mean, blur or a number
    #[arg(long, value_name = "FILL", default_value = "zero", allow_hyphen_values = true, help_heading = WHAT)]
    pub(crate) fill: Fill,
    /// The threshold for the parts that only one of the two maps covers, as a share of a map's maximum
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share, help_heading = WHAT)]
    pub(crate) threshold: f64,
    /// Images per forward pass, at most 4096 [default: the fastest size for the model]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) batch_size: Option<usize>,
    #[command(flatten)]
    pub(crate) findings: FindingsArgs,
}

fn border(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=0.5).contains(number));
    number.ok_or_else(|| "give a share from 0 to 0.5".into())
}
