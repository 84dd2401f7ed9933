//! How an inner tensor becomes an output: as it is, or through a node of our own that makes f32 maps of it.

use crate::element::Element;
use crate::graph::Network;
use crate::proto::Node;

/// How one layer is tapped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tap {
    /// As it is.
    Itself,
    /// Dequantized with the scale and zero point of these names.
    Dequantized([String; 2]),
}

/// What makes the outputs of a session: names of tensors, and the nodes that make some of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taps {
    pub(crate) names: Vec<String>,
    pub(crate) nodes: Vec<Node>,
}

impl Taps {
    /// Adds a layer, unless it is an output of the graph as it is.
    pub(crate) fn add(&mut self, layer: &str, tap: &Tap, is_output: bool) {
        let (name, node) = (tap.output(layer), tap.node(layer));
        if node.is_some() || !is_output {
            self.names.push(name);
        }
        self.nodes.extend(node);
    }
}

impl Tap {
    /// How the tensor `name` is tapped; `None` where it cannot be read as f32 maps.
    pub(crate) fn of(network: &Network<'_>, name: &str, element: Element) -> Option<Self> {
        match element {
            _ if element.is_float() => Some(Self::Itself),
            Element::U8 | Element::I8 => quantization(network, name).map(Self::Dequantized),
            _ => None,
        }
    }

    /// The name of the output that a layer has.
    pub(crate) fn output(&self, layer: &str) -> String {
        match self {
            Self::Itself => layer.into(),
            _ => format!("{layer}/scorecam"),
        }
    }

    /// What makes the output of a layer's tensor.
    fn node(&self, layer: &str) -> Option<Node> {
        self.between("DequantizeLinear", layer.into(), self.output(layer))
    }

    /// What makes a layer's tensor of one that is given in the place of the output.
    pub(crate) fn back(&self, layer: &str) -> Option<Node> {
        self.between("QuantizeLinear", self.output(layer), layer.into())
    }

    /// The tensors that these nodes read beside the layer's own.
    pub(crate) fn reads(&self) -> &[String] {
        match self {
            Self::Itself => &[],
            Self::Dequantized(names) => names,
        }
    }

    fn between(&self, operator: &str, from: String, to: String) -> Option<Node> {
        let Self::Dequantized([scale, zero]) = self else { return None };
        let inputs = vec![from, scale.clone(), zero.clone()];
        Some(Node { operator: operator.into(), inputs, outputs: vec![to], ..Node::default() })
    }
}

/// The names of scale and zero point by which an 8-bit tensor stands for numbers.
fn quantization(network: &Network<'_>, name: &str) -> Option<[String; 2]> {
    let mut tensor = name;
    // Between a tensor and its quantization lie operators that hand it on.
    for _ in 0..network.len() {
        let node = network.node(network.producer(tensor)?);
        let of = |scale: usize| {
            let named = |i: usize| node.inputs.get(i).filter(|name| !name.is_empty()).cloned();
            Some([named(scale)?, named(scale + 1)?])
        };
        let operator = node.operator.as_str();
        let last_pair = |extra: usize| node.inputs.len().checked_sub(2 + extra);
        return match operator {
            "QuantizeLinear" => of(1),
            "QLinearConv" | "QLinearMatMul" => of(6),
            "QLinearAdd" | "QLinearMul" => of(6),
            "QGemm" => of(7),
            "QLinearConcat" => of(0),
            "QLinearSigmoid" | "QLinearLeakyRelu" | "QLinearGlobalAveragePool" | "QLinearAveragePool" => {
                last_pair(0).and_then(of)
            }
            "MaxPool" | "Reshape" | "Transpose" | "Flatten" | "Squeeze" | "Unsqueeze" | "Identity"
            | "Relu" => {
                tensor = node.inputs.first()?;
                continue;
            }
            _ => None,
        };
    }
    None
}
