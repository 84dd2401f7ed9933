//! The arguments of `scorecam sanity`.

use std::path::PathBuf;

use clap::Args;
use scorecam::evaluation::{SanityOptions, SanityOrder};
use scorecam::{Error, ExplainOptions, WeightDraw};

use crate::args::ModelArgs;
use crate::evaluate::MethodArg;
use crate::survey::FindingsArgs;

pub(crate) const EXAMPLES: &str = "\
Examples:
  Check whether maps change as the weights become random:
    scorecam sanity photos/ --model net.onnx --report sanity.html

  Check all layers, with a method of a few passes per map:
    scorecam sanity photos/ --model net.onnx --method recipro-cam --stages 100

  Randomize one layer at a time, by shuffling its trained weights:
    scorecam sanity photos/ --model net.onnx --order independent \\
        --draw permuted --json sanity.json

The exit status is 1 if the method failed or a photo was left out.";

const WHAT: &str = "What to check";

#[derive(Debug, Args)]
pub(crate) struct SanityArgs {
    /// Photos: a folder, a dataset as in scorecam evaluate, or one photo, which gets no verdict
    #[arg(value_name = "DATA")]
    pub(crate) data: PathBuf,
    /// Walk folders recursively
    #[arg(long, help_heading = WHAT)]
    pub(crate) recursive: bool,
    /// Number of photos, spread evenly over all
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..), help_heading = WHAT)]
    pub(crate) photos: u32,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// The method, optionally with a preset and options, such as score-cam:torchcam
    #[arg(long, value_name = "ID[:PRESET][,KEY=VALUE]", default_value = "score-cam", help_heading = WHAT)]
    pub(crate) method: MethodArg,
    /// The layer to explain [default: the manifest's, or the last one whose every cell reaches the score]
    #[arg(long, value_name = "NAME", help_heading = WHAT)]
    pub(crate) layer: Option<String>,
    /// A target instead of the predicted class of the trained model, as in scorecam explain
    #[arg(long, value_name = "TARGET", help_heading = WHAT, allow_hyphen_values = true)]
    pub(crate) target: Option<String>,
    /// The source of random weights: matched (normal, with the mean and deviation of the trained ones), permuted (the
    /// trained ones, shuffled) or initial (PyTorch's initialization)
    #[arg(long, value_name = "HOW", default_value = "matched", value_parser = draw, help_heading = "Random weights")]
    pub(crate) draw: WeightDraw,
    /// The seed of the random weights
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Random weights")]
    pub(crate) seed: u64,
    /// The layers to randomize together: cascade (the last one, the last two, ..., all) or independent (one at a time;
    /// without a verdict)
    #[arg(long, value_name = "ORDER", default_value = "cascade", help_heading = "Random weights")]
    pub(crate) order: Order,
    /// Number of stages (sets of random layers), at most
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..), help_heading = "Random weights")]
    pub(crate) stages: u32,
    /// Images per forward pass, at most 4096 [default: the fastest size for the model]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub(crate) batch_size: Option<usize>,
    #[command(flatten)]
    pub(crate) findings: FindingsArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Order {
    Cascade,
    Independent,
}

impl SanityArgs {
    /// The settings of each explanation.
    pub(crate) fn how(&self) -> ExplainOptions {
        ExplainOptions {
            method: self.method.id.clone(),
            preset: self.method.preset.clone(),
            set: self.method.set.clone(),
            ask: self.target.clone().into_iter().collect(),
            layer: self.layer.clone(),
            batch_size: self.batch_size,
            ..ExplainOptions::default()
        }
    }

    pub(crate) fn options(&self) -> SanityOptions {
        SanityOptions {
            draw: self.draw,
            seed: self.seed,
            order: match self.order {
                Order::Cascade => SanityOrder::Cascade,
                Order::Independent => SanityOrder::Independent,
            },
            stages: self.stages as usize,
        }
    }
}

fn draw(text: &str) -> Result<WeightDraw, String> {
    text.parse().map_err(|e: Error| e.to_string())
}
