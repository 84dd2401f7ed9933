//! What a model applies to its scores, told from the operators that make them.

use scorecam_core::OutputActivation;

use crate::graph::{Network, NodeSet, PASS_THROUGH};

/// Operators that make logits.
const LOGITS: &str = "Gemm FusedGemm QGemm MatMul FusedMatMul MatMulInteger MatMulIntegerToFloat \
    MatMulNBits Einsum Conv FusedConv QLinearConv QLinearMatMul DynamicQuantizeMatMul";
/// Operators that choose, join or mix what they get: probabilities stay probabilities.
const MIXING: &str = "Add Sub Sum Mean Mul Div Concat Split Slice Gather Clip Max Min ReduceMean ReduceMax \
    AveragePool GlobalAveragePool MaxPool GlobalMaxPool";
/// Those of them that make scores of classes from scores of places.
const AVERAGING: &str = "ReduceMean AveragePool GlobalAveragePool";

/// What is applied to the tensor `output`; `path` leads from the image to it.
///
/// The walk back from the output ends at softmax, sigmoid or a layer with weights. Where it branches, all branches must
/// end alike; where it meets anything else it ends without an answer.
pub(crate) fn output_activation<'g>(
    network: &Network<'g>,
    path: &NodeSet,
    output: &'g str,
) -> OutputActivation {
    walk(network, path, output, network.len())
}

fn walk<'g>(
    network: &Network<'g>,
    path: &NodeSet,
    mut tensor: &'g str,
    mut steps: usize,
) -> OutputActivation {
    use OutputActivation::{None as Logits, Sigmoid, Softmax, UnitLength, Unknown};
    // A broken graph is stopped by the count.
    while steps > 0 {
        steps -= 1;
        let Some(i) = network.producer(tensor) else { return Unknown };
        let node = network.node(i);
        let of_image: Vec<&str> = node
            .inputs
            .iter()
            .map(String::as_str)
            .filter(|t| network.producer(t).is_some_and(|p| path.contains(p)))
            .collect();
        let operator = node.operator.as_str();
        match operator {
            "Softmax" => return Softmax,
            "Sigmoid" | "HardSigmoid" => return Sigmoid,
            "LpNormalization" => return UnitLength,
            _ if is_divided_by_length(network, node, &of_image) => return UnitLength,
            // Probabilities may be averaged by any of these; logits made by them are looked for behind them.
            _ if node.is_one_of(MIXING) && !of_image.is_empty() => {
                let mut found = of_image.iter().map(|t| walk(network, path, t, steps / of_image.len()));
                let first = found.next().unwrap_or(Unknown);
                let joined = found.fold(first, joined);
                // An average of class scores per place is one of logits, unless a probability is behind it.
                let is_average = joined == Unknown && node.is_one_of(AVERAGING);
                return if is_average { Logits } else { joined };
            }
            _ if node.is_one_of(LOGITS) => return Logits,
            "DequantizeLinear" | "QuantizeLinear" => match node.inputs.first() {
                Some(input) => tensor = input,
                None => return Unknown,
            },
            _ if node.is_one_of(PASS_THROUGH) => match node.inputs.first() {
                Some(input) => tensor = input,
                None => return Unknown,
            },
            _ => return Unknown,
        }
    }
    Unknown
}

/// What comes of two that meet: probabilities of different kinds, as in p(object) p(class | object), are no distribution.
fn joined(a: OutputActivation, b: OutputActivation) -> OutputActivation {
    use OutputActivation::{Sigmoid, Softmax, Unknown};
    match (a, b) {
        (Softmax, Sigmoid) | (Sigmoid, Softmax) => Sigmoid,
        (a, b) if a == b => a,
        _ => Unknown,
    }
}

/// Whether a node divides a tensor by its own length, as embeddings are scaled.
fn is_divided_by_length(network: &Network<'_>, node: &crate::proto::Node, of_image: &[&str]) -> bool {
    if node.operator != "Div" || of_image.len() != 2 {
        return false;
    }
    let mut divisor = of_image[1];
    // Between them lie what keeps the divisor from 0 and what gives it the other's shape.
    for _ in 0..4 {
        let Some(node) = network.producer(divisor).map(|i| network.node(i)) else { return false };
        match node.operator.as_str() {
            "ReduceL2" => return true,
            "Clip" | "Expand" | "Unsqueeze" | "Add" | "Max" | "Identity" => match node.inputs.first() {
                Some(input) => divisor = input,
                None => return false,
            },
            _ => return false,
        }
    }
    false
}
