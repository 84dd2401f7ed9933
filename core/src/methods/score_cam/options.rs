//! The options of Score-CAM: their description for callers, and their typed form for the steps.

use super::smoothing::{self, Smoothing};
use crate::methods::choices::{choice, number, pick, pick_upsample, spec, upsample};
use crate::methods::finish::Finish;
use crate::methods::scoring::Scoring;
use crate::{Error, OptionKind, OptionSpec, Options, Result, Study, Upsample};

/// What is subtracted from every score.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Baseline {
    None,
    Zero,
    Input,
    Image,
    Fill,
}

/// How scores become weights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WeightNorm {
    None,
    Softmax,
    Relu,
    One,
}

/// Which extremes normalize a mask: those of the small map or those of the upsampled one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NormStage {
    After,
    Before,
}

/// `(a - min) / (max - min)` or `a / (max - min)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Norm {
    MinMax,
    Range,
}

/// What becomes of a map whose cells are all equal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flat {
    /// Its weight is 0.
    Skip,
    /// Its mask is 0 everywhere.
    Zero,
    /// It is normalized like any other; a range of 0 counts as 1.
    Keep,
}

/// Which channels take part.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Select {
    All,
    TopByStd(usize),
    TopByMax(usize),
    List(Vec<usize>),
}

/// Which maps are combined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Combine {
    Raw,
    Upsampled,
    Normalized,
}

/// How weighted maps become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduce {
    Sum,
    Max,
    Principal,
}

/// Every choice, read and typed.
pub(super) struct ScoreCamOptions {
    pub(super) scoring: Scoring,
    pub(super) baseline: Baseline,
    pub(super) weight_norm: WeightNorm,
    pub(super) upsample: Upsample,
    pub(super) norm_stage: NormStage,
    pub(super) norm: Norm,
    pub(super) eps: f64,
    pub(super) flat: Flat,
    pub(super) pre_relu: bool,
    pub(super) select: Select,
    pub(super) combine: Combine,
    pub(super) reduce: Reduce,
    pub(super) bias: f64,
    pub(super) smoothing: Smoothing,
    pub(super) finish: Finish,
}

/// The words of each choice, next to what they mean; descriptions and reading are both made from these.
/// Numbers and lists that an option of their own gives are filled in by [`ScoreCamOptions::read`].
const BASELINE: &[(&str, Baseline)] = &[
    ("none", Baseline::None),
    ("zero", Baseline::Zero),
    ("input", Baseline::Input),
    ("image", Baseline::Image),
    ("fill", Baseline::Fill),
];
const WEIGHT_NORM: &[(&str, WeightNorm)] = &[
    ("none", WeightNorm::None),
    ("softmax", WeightNorm::Softmax),
    ("relu", WeightNorm::Relu),
    ("one", WeightNorm::One),
];
const NORM_STAGE: &[(&str, NormStage)] = &[("after", NormStage::After), ("before", NormStage::Before)];
const NORM: &[(&str, Norm)] = &[("minmax", Norm::MinMax), ("range", Norm::Range)];
const FLAT: &[(&str, Flat)] = &[("skip", Flat::Skip), ("zero", Flat::Zero), ("keep", Flat::Keep)];
const SELECT: &[(&str, Select)] = &[
    ("all", Select::All),
    ("std", Select::TopByStd(0)),
    ("max", Select::TopByMax(0)),
    ("list", Select::List(Vec::new())),
];
const COMBINE: &[(&str, Combine)] =
    &[("raw", Combine::Raw), ("upsampled", Combine::Upsampled), ("normalized", Combine::Normalized)];
const REDUCE: &[(&str, Reduce)] =
    &[("sum", Reduce::Sum), ("max", Reduce::Max), ("principal", Reduce::Principal)];

/// The description of every option; the defaults are those of the authors' code.
pub(super) fn specs() -> Vec<OptionSpec> {
    let mut specs = Scoring::specs();
    specs.extend([
        spec(
            "baseline",
            choice(BASELINE),
            "none",
            "image whose score is subtracted: a zero image, the unmasked input, the reference image, fill alone",
        ),
        spec(
            "weight_norm",
            choice(WEIGHT_NORM),
            "none",
            "how scores become weights; softmax is over channels, one ignores the scores",
        ),
        spec("upsample", upsample(), "half-pixel", "how to resize masks and upsampled maps"),
        spec(
            "norm_stage",
            choice(NORM_STAGE),
            "after",
            "whether masks are normalized after or before upsampling",
        ),
        spec(
            "norm",
            choice(NORM),
            "minmax",
            "how masks are normalized: (a - min) / (max - min), or a / (max - min)",
        ),
        spec("eps", number(0.0, 1.0), "0", "added to max - min of a mask"),
        spec(
            "flat",
            choice(FLAT),
            "skip",
            "a map whose cells are all equal: weight 0, a zero mask, or normalized like any other",
        ),
        spec("pre_relu", OptionKind::Flag, "false", "rectify the activation maps first"),
        spec(
            "select",
            choice(SELECT),
            "all",
            "channels to use: all, the select_count with the greatest deviation or maximum, or select_list",
        ),
        spec(
            "select_count",
            OptionKind::Integer { min: 1, max: i64::from(u32::MAX) },
            "10",
            "number of channels for select=std and select=max",
        ),
        spec("select_list", OptionKind::Text, "", "the channels of select=list, such as 3,17,4"),
        spec(
            "combine",
            choice(COMBINE),
            "upsampled",
            "maps to weight: the layer's, upsampled ones, or the masks",
        ),
        spec(
            "reduce",
            choice(REDUCE),
            "sum",
            "how weighted maps are combined: their sum, their maximum in each pixel, or their first principal \
             component",
        ),
        spec("bias", number(-1e6, 1e6), "0", "added to the combined map"),
    ]);
    specs.extend(smoothing::specs());
    specs.extend(Finish::specs(Upsample::HalfPixel));
    specs
}

impl ScoreCamOptions {
    pub(super) fn read(options: &Options) -> Result<Self> {
        Ok(Self {
            scoring: Scoring::read(options)?,
            baseline: pick(options, "baseline", BASELINE)?,
            weight_norm: pick(options, "weight_norm", WEIGHT_NORM)?,
            upsample: pick_upsample(options, "upsample")?,
            norm_stage: pick(options, "norm_stage", NORM_STAGE)?,
            norm: pick(options, "norm", NORM)?,
            eps: options.parse("eps")?,
            flat: pick(options, "flat", FLAT)?,
            pre_relu: options.parse("pre_relu")?,
            select: match pick(options, "select", SELECT)? {
                Select::TopByStd(_) => Select::TopByStd(options.parse("select_count")?),
                Select::TopByMax(_) => Select::TopByMax(options.parse("select_count")?),
                Select::List(_) => Select::List(channel_list(options.text("select_list")?)?),
                other => other,
            },
            combine: pick(options, "combine", COMBINE)?,
            reduce: pick(options, "reduce", REDUCE)?,
            bias: options.parse("bias")?,
            smoothing: Smoothing::read(options)?,
            finish: Finish::read(options)?,
        })
    }

    /// What a user should know about these options on this model.
    pub(super) fn warnings(&self, study: &Study<'_>) -> Vec<String> {
        let uses_scores = self.weight_norm != WeightNorm::One;
        let mut warnings: Vec<String> =
            self.scoring.warning(study).filter(|_| uses_scores).into_iter().collect();
        if !uses_scores {
            warnings.push("weight_norm=one ignores the scores: the map is the same for every class".into());
        }
        warnings
    }
}

fn channel_list(text: &str) -> Result<Vec<usize>> {
    let wrong =
        || Error::invalid(format!("option select_list is {text:?}; it must list channels, such as 3,17,4"));
    text.split(',').map(|c| c.trim().parse().map_err(|_| wrong())).collect()
}
