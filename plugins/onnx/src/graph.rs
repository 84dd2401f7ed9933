//! Questions about a model's graph: what produces a tensor, what lies between the image and the scores,
//! where the classifier begins, what the model applies to its scores, and how tensors are laid out.
//!
//! Nothing here runs the model; everything is told from the nodes, which ONNX keeps in an order in which
//! they can run.

use std::collections::HashMap;

use scorecam_core::{Layout, OutputActivation};

use crate::proto;

/// Operators that hand on their first input's values as they are, in another shape at most.
const PASS_THROUGH: [&str; 8] =
    ["Identity", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Dropout", "Cast", "Transpose"];
/// Operators that hold learned weights, one of which is the classifier.
const WEIGHTED: [&str; 5] = ["Gemm", "MatMul", "Conv", "ConvTranspose", "FusedGemm"];
/// Operators that are defined on channels-first tensors alone.
const CHANNELS_FIRST: [&str; 12] = [
    "Conv",
    "ConvTranspose",
    "MaxPool",
    "AveragePool",
    "LpPool",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "BatchNormalization",
    "InstanceNormalization",
    "LRN",
    "DepthToSpace",
    "SpaceToDepth",
];

/// A model's graph with the producer of each tensor.
pub(crate) struct Network<'g> {
    nodes: &'g [proto::Node],
    producer: HashMap<&'g str, usize>,
}

/// The nodes that a tensor depends on, or that depend on it, by index.
pub(crate) struct NodeSet(Vec<bool>);

impl NodeSet {
    pub(crate) fn contains(&self, node: usize) -> bool {
        self.0.get(node).copied().unwrap_or(false)
    }
}

impl<'g> Network<'g> {
    pub(crate) fn new(graph: &'g proto::Graph) -> Self {
        let mut producer = HashMap::new();
        for (i, node) in graph.nodes.iter().enumerate() {
            producer.extend(node.outputs.iter().filter(|o| !o.is_empty()).map(|o| (o.as_str(), i)));
        }
        Self { nodes: &graph.nodes, producer }
    }

    /// The nodes on which `tensors` depend.
    fn behind<'t>(&self, tensors: impl IntoIterator<Item = &'t str>) -> NodeSet {
        let mut seen = vec![false; self.nodes.len()];
        let mut open: Vec<usize> =
            tensors.into_iter().filter_map(|t| self.producer.get(t).copied()).collect();
        while let Some(i) = open.pop() {
            if !std::mem::replace(&mut seen[i], true) {
                open.extend(self.nodes[i].reads().iter().filter_map(|t| self.producer.get(t)));
            }
        }
        NodeSet(seen)
    }

    /// The nodes whose values change with `input` and change `output`.
    pub(crate) fn between(&self, input: &str, output: &str) -> NodeSet {
        let mut set = self.behind([output]);
        let mut reached: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let is_reached = |t: &&str| self.producer.get(t).is_some_and(|&p| p < i && reached[p]);
            let reads = node.reads();
            let depends = reads.contains(&input) || reads.iter().any(is_reached);
            reached.push(depends);
            set.0[i] &= depends;
        }
        set
    }

    /// The nodes that come before the classifier that makes `output`: before the last layer with learned
    /// weights among `path`. Where a network ends in a convolution whose maps are averaged into scores
    /// (SqueezeNet), that convolution is the classifier. `None` when no node holds weights.
    pub(crate) fn before_classifier(&self, path: &NodeSet) -> Option<NodeSet> {
        let classifier = (0..self.nodes.len())
            .rev()
            .find(|&i| path.contains(i) && WEIGHTED.contains(&self.nodes[i].operator.as_str()))?;
        let mut set = self.behind(self.nodes[classifier].reads());
        set.0.iter_mut().zip(&path.0).for_each(|(before, &on_path)| *before &= on_path);
        Some(set)
    }

    /// Whether a node computes something, rather than handing on what another one computed.
    pub(crate) fn computes(&self, node: usize) -> bool {
        !PASS_THROUGH.contains(&self.nodes[node].operator.as_str())
    }

    /// What the model applies to its scores, told by the operator that makes them.
    pub(crate) fn output_activation(&self, output: &str) -> OutputActivation {
        let mut tensor = output;
        // A graph without cycles ends this walk; a broken one is stopped by the count.
        for _ in 0..self.nodes.len() {
            let Some(node) = self.producer.get(tensor).map(|&i| &self.nodes[i]) else { break };
            match node.operator.as_str() {
                "Softmax" => return OutputActivation::Softmax,
                "Sigmoid" => return OutputActivation::Sigmoid,
                "Gemm" | "FusedGemm" | "MatMul" | "Add" | "Conv" | "GlobalAveragePool" | "AveragePool"
                | "ReduceMean" => return OutputActivation::None,
                operator if PASS_THROUGH.contains(&operator) => match node.inputs.first() {
                    Some(input) => tensor = input,
                    None => break,
                },
                _ => break,
            }
        }
        OutputActivation::Unknown
    }

    /// How the axes of each tensor that depends on `input` are ordered, as far as it is channels-last.
    ///
    /// ONNX convolutions are channels-first whatever the model's input is; exporters put transpositions
    /// around them, and what lies outside of those is channels-last.
    pub(crate) fn layouts(&self, input: &'g str, layout: Layout) -> HashMap<&'g str, Layout> {
        let mut layouts = HashMap::from([(input, layout)]);
        for node in self.nodes {
            let operator = node.operator.as_str();
            let inherited = node.inputs.iter().find_map(|t| layouts.get(t.as_str()).copied());
            let layout = match (operator, node.integers("perm")) {
                ("Transpose", Some([0, 3, 1, 2])) => Some(Layout::Nchw),
                ("Transpose", Some([0, 2, 3, 1])) => Some(Layout::Nhwc),
                _ if CHANNELS_FIRST.contains(&operator) => Some(Layout::Nchw),
                _ => inherited,
            };
            if let Some(layout) = layout {
                layouts.extend(node.outputs.iter().map(|o| (o.as_str(), layout)));
            }
        }
        layouts
    }
}
