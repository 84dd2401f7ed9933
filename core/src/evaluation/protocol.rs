//! [`Protocol`]: all settings of drop, insertion and deletion, and the published protocols.

use super::{AreaRule, Drop, Fill, Mask, Points, Ties};
use crate::methods::choices::SCORE;
use crate::{ClassScore, Result, image};

/// The settings of the faithfulness measures. The default is the Score-CAM paper's protocol. The paper does not specify
/// whether kept pixels are weighted (here they are) or whether the base is zeros or ones (here zeros).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Protocol {
    /// The score of a class.
    pub score: ClassScore,
    /// The part of the image that is kept for drop, increase and gain.
    pub mask: Mask,
    /// The form of the drop.
    pub drop: Drop,
    /// The points of both curves.
    pub points: Points,
    /// The base that deletion ends in.
    pub deletion: Fill,
    /// The base that insertion begins with.
    pub insertion: Fill,
    /// The order of equal pixels, in masks and curves.
    pub ties: Ties,
    /// The rule for the area under a curve.
    pub area: AreaRule,
}

const PAPER: Protocol = Protocol {
    score: ClassScore::Softmax,
    mask: Mask::Top(0.5),
    drop: Drop::Relative(0.0),
    points: Points::Floor(100),
    deletion: Fill::ZERO,
    insertion: Fill::ZERO,
    ties: Ties::First,
    area: AreaRule::Fraction,
};
const SOFT: Protocol = Protocol { mask: Mask::Soft, ..PAPER };

impl Default for Protocol {
    fn default() -> Self {
        PAPER
    }
}

/// A published protocol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProtocolPreset {
    /// The name ("paper").
    pub name: &'static str,
    /// A description in one line.
    pub summary: &'static str,
    /// The settings; those of `grad-cam++` for measures that the original does not have.
    pub protocol: Protocol,
}

/// The published protocols, the default first.
pub const PROTOCOLS: [ProtocolPreset; 7] = [
    ProtocolPreset {
        name: "paper",
        summary: "the Score-CAM paper, tables 1 and 3: half of the pixels muted, steps of one percent",
        protocol: PAPER,
    },
    ProtocolPreset {
        name: "grad-cam++",
        summary: "Grad-CAM++: the image times the whole map",
        protocol: SOFT,
    },
    ProtocolPreset {
        name: "rise",
        summary: "RISE's evaluation.py: curves only, eight rows a step, insertion into the blurred image",
        protocol: Protocol {
            points: Points::Rows(8),
            insertion: Fill::Blur,
            ties: Ties::Last,
            area: AreaRule::Uniform,
            ..SOFT
        },
    },
    ProtocolPreset {
        name: "torchcam",
        summary: "torch-cam's ClassificationMetric, and its curves of 20 steps",
        protocol: Protocol { drop: Drop::Relative(1e-7), points: Points::Ceil(20), ..SOFT },
    },
    ProtocolPreset {
        name: "pytorch-grad-cam",
        summary: "pytorch-grad-cam: the absolute drop of the logit; it measures ROAD in the place of curves",
        protocol: Protocol { score: ClassScore::Logit, drop: Drop::Absolute, ..SOFT },
    },
    ProtocolPreset {
        name: "openvino-xai",
        summary: "OpenVINO XAI: 30 steps; it masks before preprocessing, so give black as the fill to equal it",
        protocol: Protocol { points: Points::Floor(30), area: AreaRule::Uniform, ..SOFT },
    },
    ProtocolPreset {
        name: "xplique",
        summary: "Xplique: the logit and 10 steps; it takes the map's magnitude, so give it one without negative values",
        protocol: Protocol {
            score: ClassScore::Logit,
            drop: Drop::Relative(1e-8),
            points: Points::Floor(10),
            ties: Ties::Last,
            area: AreaRule::Uniform,
            ..SOFT
        },
    },
];

impl Protocol {
    /// The options of [`Protocol::set`].
    pub const OPTIONS: [&str; 8] =
        ["score", "mask", "drop", "points", "deletion", "insertion", "ties", "area"];

    /// The protocol with this name; otherwise an error that lists [`PROTOCOLS`].
    pub fn preset(name: &str) -> Result<Self> {
        Ok(image::by_name("evaluation preset", name, &PROTOCOLS, |preset| preset.name)?.protocol)
    }

    /// Sets one of [`Protocol::OPTIONS`] from text, as in `("mask", "top:0.5")`; an error that lists the choices if the
    /// option or the value does not exist.
    pub fn set(&mut self, option: &str, value: &str) -> Result<()> {
        match option {
            "score" => self.score = image::by_name("score", value, SCORE, |(name, _)| name)?.1,
            "mask" => self.mask = value.parse()?,
            "drop" => self.drop = value.parse()?,
            "points" => self.points = value.parse()?,
            "deletion" => self.deletion = value.parse()?,
            "insertion" => self.insertion = value.parse()?,
            "ties" => self.ties = value.parse()?,
            "area" => self.area = value.parse()?,
            _ => bail!(
                not_found,
                "evaluation option {option:?} does not exist; choose one of {}",
                Self::OPTIONS.join(", ")
            ),
        }
        Ok(())
    }

    /// The value of each of [`Protocol::OPTIONS`] as text, in their order.
    pub fn words(&self) -> [(&'static str, String); 8] {
        let score = SCORE.iter().find(|(_, score)| *score == self.score).map_or("", |(name, _)| name);
        let values = [
            score.to_owned(),
            self.mask.to_string(),
            self.drop.to_string(),
            self.points.to_string(),
            self.deletion.to_string(),
            self.insertion.to_string(),
            self.ties.name().to_owned(),
            self.area.name().to_owned(),
        ];
        let mut values = values.into_iter();
        Self::OPTIONS.map(|option| (option, values.next().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_preset_set_it_again() {
        for preset in PROTOCOLS {
            let mut protocol = Protocol { mask: Mask::Binary(0.25), insertion: Fill::Value(-1.5), ..PAPER };
            for (option, value) in preset.protocol.words() {
                protocol.set(option, &value).expect(option);
            }
            assert_eq!(protocol, preset.protocol, "{}", preset.name);
            assert_eq!(Protocol::preset(preset.name), Ok(preset.protocol));
        }
        assert_eq!(Protocol::default(), PROTOCOLS[0].protocol);
    }

    #[test]
    fn an_option_that_does_not_exist_lists_the_choices() {
        for (option, value, expected) in [
            ("score", "probability", "softmax, logit, sigmoid"),
            ("mask", "tap", "soft, top:SHARE or binary:SHARE"),
            ("mask", "top:1.5", "soft, top:SHARE or binary:SHARE"),
            ("mask", "soft:0.5", "soft, top:SHARE"),
            ("mask", "top:half", "soft, top:SHARE"),
            ("drop", "relative:-1", "relative, relative:EPS or absolute"),
            ("points", "floor", "floor:STEPS, ceil:STEPS or rows:ROWS"),
            ("points", "ceil:0", "1 to 1000000"),
            ("points", "rows:2.5", "1 to 1000000"),
            ("deletion", "black", "zero, mean, blur or a number"),
            ("insertion", "nan", "zero, mean, blur or a number"),
            ("ties", "middle", "first, last"),
            ("area", "sum", "fraction, uniform"),
            ("steps", "5", "score, mask, drop, points, deletion, insertion, ties, area"),
        ] {
            let error = Protocol::default().set(option, value).expect_err(value).to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = Protocol::preset("papers").expect_err("no preset").to_string();
        assert!(
            error.contains("paper, grad-cam++, rise, torchcam, pytorch-grad-cam, openvino-xai, xplique"),
            "{error}"
        );
    }
}
