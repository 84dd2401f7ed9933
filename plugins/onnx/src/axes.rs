//! What the axes of tensors are, as far as the graph tells: followed from the image, node by node.
//!
//! Operators that are defined on channels-first maps keep them so, transpositions turn them around, and elementwise
//! operators keep what they get. A reshape hides what its axes are: what comes of it is unknown, and core's trial passes
//! find out. They need to look at one tensor of a family only: elementwise operators, norms and products with
//! weights change no axis but the last, so all tensors between two reshapes are read alike.

use std::collections::HashMap;

use scorecam_core::{Form, Layout, Meaning};

use crate::graph::Network;
use crate::proto::Node;

/// Operators that are defined on channels-first tensors alone.
const CHANNELS_FIRST: &str = "Conv ConvTranspose ConvInteger FusedConv QLinearConv MaxPool AveragePool \
    LpPool GlobalAveragePool GlobalMaxPool GlobalLpPool QLinearAveragePool QLinearGlobalAveragePool \
    BatchNormalization InstanceNormalization GroupNormalization LRN DepthToSpace SpaceToDepth PRelu";
/// Operators whose result has other axes than their inputs, or axes in an order that is not told here.
const HIDING: &str = "Reshape Flatten Expand Tile Einsum Gemm FusedGemm QGemm If Loop Scan ScatterND \
    ScatterElements GatherND GatherElements Compress OneHot";
/// Operators that change no axis, whatever their first input is, or the last one only.
pub(crate) const ALIKE: &str = "Add Sub Mul Div Pow Sqrt Erf Relu LeakyRelu Elu Selu Celu Gelu Tanh Sigmoid \
    HardSigmoid HardSwish Mish Softplus Softsign Exp Log Neg Abs Clip Min Max Where Cast Identity Dropout \
    LayerNormalization RMSNormalization LpNormalization SimplifiedLayerNormalization SkipLayerNormalization \
    FastGelu BiasGelu QuickGelu QuantizeLinear DequantizeLinear Softmax Reciprocal ThresholdedRelu";

/// What is known of a tensor's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axes {
    ChannelsFirst,
    ChannelsLast,
    /// Attention scores and the like.
    NoMap,
}

/// What is known of the axes of tensors.
pub(crate) struct AxesOf<'g> {
    known: HashMap<&'g str, Axes>,
    /// For each tensor the first one of its family.
    families: HashMap<&'g str, &'g str>,
}

impl<'g> AxesOf<'g> {
    /// Of the tensors that depend on `input`, whose axes lie as `layout` says.
    pub(crate) fn follow(network: &Network<'g>, input: &'g str, layout: Layout) -> Self {
        let of_input = match layout {
            Layout::Nchw => Axes::ChannelsFirst,
            Layout::Nhwc => Axes::ChannelsLast,
        };
        let mut axes =
            Self { known: HashMap::from([(input, of_input)]), families: HashMap::from([(input, input)]) };
        let after = network.after(input);
        for i in (0..network.len()).filter(|&i| after.contains(i)) {
            axes.take_in(network.node(i), |tensor| {
                tensor == input || network.producer(tensor).is_some_and(|p| after.contains(p))
            });
        }
        axes
    }

    fn take_in(&mut self, node: &'g Node, depends: impl Fn(&str) -> bool) {
        let of_image: Vec<&str> = node.inputs.iter().map(String::as_str).filter(|t| depends(t)).collect();
        let axes = self.result(node, &of_image);
        let family = self.family_of_result(node, &of_image);
        for output in node.outputs.iter().map(String::as_str) {
            match axes {
                Some(axes) => self.known.insert(output, axes),
                None => self.known.remove(output),
            };
            self.families.insert(output, family.unwrap_or(output));
        }
    }

    /// The axes of what a node makes.
    fn result(&self, node: &Node, of_image: &[&str]) -> Option<Axes> {
        let operator = node.operator.as_str();
        let known = || of_image.iter().filter_map(|t| self.known.get(t).copied());
        // What meets a map elementwise lies as the map does.
        let mut maps = known().filter(|axes| *axes != Axes::NoMap);
        let agreed = match maps.next() {
            Some(first) => Some(first).filter(|first| maps.all(|other| other == *first)),
            None => known().next(),
        };
        match operator {
            "Transpose" => transposed(agreed, node.integers("perm")),
            "MatMul" | "FusedMatMul" if of_image.len() > 1 => Some(Axes::NoMap),
            "MatMul" | "FusedMatMul" | "MatMulInteger" | "MatMulNBits" | "DynamicQuantizeMatMul" => {
                agreed.filter(|axes| *axes == Axes::ChannelsLast)
            }
            "NhwcConv" | "NhwcFusedConv" | "NhwcMaxPool" => Some(Axes::ChannelsLast),
            _ if node.is_one_of(HIDING) => None,
            _ if node.integer("channels_last") == Some(1) => agreed,
            _ if node.is_one_of(CHANNELS_FIRST) => agreed.filter(|axes| *axes == Axes::ChannelsFirst),
            // Channels-last networks roll maps by slices that are joined again: what is between is shifted.
            "Slice" | "Pad" if agreed == Some(Axes::ChannelsLast) => Some(Axes::NoMap),
            // Others roll them by indices, which along the channels only sorts these.
            "Gather" => agreed.map(|axes| match (axes, node.integer("axis").unwrap_or(0)) {
                (Axes::ChannelsFirst, 2 | 3 | -2 | -1) | (Axes::ChannelsLast, 1 | 2 | -3 | -2) => Axes::NoMap,
                (axes, _) => axes,
            }),
            "Split" => agreed.filter(|axes| *axes != Axes::ChannelsLast),
            _ if node.domain.is_empty() || node.domain.starts_with("com.microsoft") => agreed,
            _ => None,
        }
    }

    /// The family that a node's result belongs to, where it is that of one of its inputs.
    fn family_of_result(&self, node: &Node, of_image: &[&str]) -> Option<&'g str> {
        let with_weights = matches!(node.operator.as_str(), "MatMul" | "FusedMatMul")
            && of_image.len() == 1
            && node.inputs.first().map(String::as_str) == of_image.first().copied();
        (with_weights || node.is_one_of(ALIKE))
            .then(|| of_image.iter().find_map(|t| self.families.get(t).copied()))
            .flatten()
    }

    /// The meaning of a tensor of so many axes, the batch included.
    pub(crate) fn meaning(&self, tensor: &str, rank: usize) -> Meaning {
        match (self.known.get(tensor), rank) {
            (Some(Axes::ChannelsFirst), 4) => Meaning::Map(Form::MAPS),
            (Some(Axes::ChannelsLast), 4) => Meaning::Map(Form::CHANNELS_LAST),
            (Some(Axes::NoMap), 4) => Meaning::NoMap,
            _ => Meaning::Unknown,
        }
    }

    /// The first tensor of the family to which `tensor` belongs.
    pub(crate) fn family(&self, tensor: &'g str) -> &'g str {
        self.families.get(tensor).copied().unwrap_or(tensor)
    }
}

fn transposed(axes: Option<Axes>, order: Option<&[i64]>) -> Option<Axes> {
    match (axes?, order?) {
        (Axes::NoMap, _) => Some(Axes::NoMap),
        (same, [0, 1, 2, 3]) => Some(same),
        (Axes::ChannelsFirst, [0, 2, 3, 1]) => Some(Axes::ChannelsLast),
        (Axes::ChannelsLast, [0, 3, 1, 2]) => Some(Axes::ChannelsFirst),
        _ => None,
    }
}
