//! [`Network`]: a model's graph as paths from the image to the scores.
//!
//! Nothing here runs the model; everything is told from the nodes. A file may hold them in any order, which is sorted
//! first. Tensors that depend on the image by its shape alone lie on no path.

use std::collections::{HashMap, HashSet};

use crate::proto::{self, Node};

/// Operators that hand on their first input's values as they are, in another shape at most.
pub(crate) const PASS_THROUGH: &str = "Identity Flatten Reshape Squeeze Unsqueeze Dropout Cast Transpose";
/// Operators that hold learned weights where one of their inputs is a constant.
const WEIGHTED: &str = "Gemm MatMul Conv ConvTranspose Einsum MatMulInteger ConvInteger QLinearConv \
    QLinearMatMul FusedGemm FusedMatMul FusedConv QGemm DynamicQuantizeMatMul MatMulIntegerToFloat \
    MatMulNBits GemmFloat8 NhwcConv NhwcFusedConv";
/// Operators whose result depends on the shape of their input alone.
const OF_SHAPE: &str = "Shape Size";

/// A model's graph with the producer of each tensor.
pub(crate) struct Network<'g> {
    /// In an order in which they can run.
    nodes: Vec<&'g Node>,
    /// For each of these its place in the file.
    places: Vec<usize>,
    producer: HashMap<&'g str, usize>,
}

/// The nodes that a tensor depends on, or that depend on it, by index.
#[derive(Clone)]
pub(crate) struct NodeSet(Vec<bool>);

impl NodeSet {
    pub(crate) fn contains(&self, node: usize) -> bool {
        self.0.get(node).copied().unwrap_or(false)
    }
}

impl<'g> Network<'g> {
    pub(crate) fn new(graph: &'g proto::Graph) -> Self {
        let places = sorted(&graph.nodes);
        let nodes: Vec<&Node> = places.iter().map(|&place| &graph.nodes[place]).collect();
        let producer = producers(nodes.iter().copied());
        Self { nodes, places, producer }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn node(&self, i: usize) -> &'g Node {
        self.nodes[i]
    }

    /// The place of a node in the file.
    pub(crate) fn place(&self, i: usize) -> usize {
        self.places[i]
    }

    /// The node that makes a tensor.
    pub(crate) fn producer(&self, tensor: &str) -> Option<usize> {
        self.producer.get(tensor).copied()
    }

    /// The tensors [N, K, h, w] that are read for the mean of each of their maps alone.
    pub(crate) fn pooled(&self) -> HashSet<&'g str> {
        let (means, others): (Vec<&Node>, _) = self.nodes.iter().partition(|node| node.is_mean_of_cells());
        let others: HashSet<&str> = others.iter().flat_map(|node| node.reads()).collect();
        means
            .iter()
            .filter_map(|node| node.reads().first().copied())
            .filter(|t| !others.contains(t))
            .collect()
    }

    /// The nodes on which `tensors` depend.
    fn behind<'t>(&self, tensors: impl IntoIterator<Item = &'t str>) -> NodeSet {
        let mut seen = vec![false; self.nodes.len()];
        let mut open: Vec<usize> = tensors.into_iter().filter_map(|t| self.producer(t)).collect();
        while let Some(i) = open.pop() {
            if !std::mem::replace(&mut seen[i], true) {
                open.extend(self.nodes[i].reads().iter().filter_map(|t| self.producer.get(t)));
            }
        }
        NodeSet(seen)
    }

    /// The nodes whose values change with those of `input`.
    pub(crate) fn after(&self, input: &str) -> NodeSet {
        self.reached(input, OF_SHAPE)
    }

    /// The nodes that cannot run before `input` is there, be it for its shape alone.
    pub(crate) fn waiting_for(&self, input: &str) -> NodeSet {
        self.reached(input, "")
    }

    /// The nodes to which a path leads from `input`, by no node of these operators.
    fn reached(&self, input: &str, but: &str) -> NodeSet {
        let mut reached: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for (i, node) in self.nodes.iter().enumerate() {
            let is_reached = |t: &&str| *t == input || self.producer(t).is_some_and(|p| p < i && reached[p]);
            let depends = !node.is_one_of(but) && node.reads().iter().any(is_reached);
            reached.push(depends);
        }
        NodeSet(reached)
    }

    /// The nodes whose values change with `input` and change one of `outputs`.
    pub(crate) fn between<'t>(&self, input: &str, outputs: impl IntoIterator<Item = &'t str>) -> NodeSet {
        let (mut set, after) = (self.behind(outputs), self.after(input));
        set.0.iter_mut().zip(&after.0).for_each(|(on_path, &depends)| *on_path &= depends);
        set
    }

    /// The nodes that come before the classifier: before the last layer with learned weights among `path`. Where a
    /// network ends in a convolution whose maps are averaged into scores (SqueezeNet), that convolution is the
    /// classifier. `None` when no node holds weights.
    pub(crate) fn before_classifier(&self, path: &NodeSet) -> Option<NodeSet> {
        let classifier =
            (0..self.nodes.len()).rev().find(|&i| path.contains(i) && self.holds_weights(i, path))?;
        let mut set = self.behind(self.nodes[classifier].reads());
        set.0.iter_mut().zip(&path.0).for_each(|(before, &on_path)| *before &= on_path);
        Some(set)
    }

    /// The nodes that come before all last layers with learned weights on the way to `outputs`: of a detector with several
    /// heads, what these have in common.
    pub(crate) fn before_heads<'t>(
        &self,
        path: &NodeSet,
        outputs: impl IntoIterator<Item = &'t str>,
    ) -> Option<NodeSet> {
        let mut seen = vec![false; self.nodes.len()];
        let mut open: Vec<usize> = outputs.into_iter().filter_map(|t| self.producer(t)).collect();
        let mut common: Option<NodeSet> = None;
        while let Some(i) = open.pop() {
            if !path.contains(i) || std::mem::replace(&mut seen[i], true) {
                continue;
            }
            if !self.holds_weights(i, path) {
                open.extend(self.nodes[i].reads().iter().filter_map(|t| self.producer.get(t)));
                continue;
            }
            let mut behind = self.behind(self.nodes[i].reads());
            let others = common.as_ref().unwrap_or(path);
            behind.0.iter_mut().zip(&others.0).for_each(|(before, &of_all)| *before &= of_all);
            common = Some(behind);
        }
        common
    }

    /// Whether a node multiplies by something that does not depend on the image, itself or in a graph of its own.
    pub(crate) fn holds_weights(&self, i: usize, path: &NodeSet) -> bool {
        let node = self.nodes[i];
        let is_constant = |t: &String| !t.is_empty() && self.producer(t).is_none_or(|p| !path.contains(p));
        let of_itself = node.is_one_of(WEIGHTED) && node.inputs.iter().skip(1).any(is_constant);
        of_itself || node.graphs().any(|graph| graph.nodes.iter().any(|n| n.is_one_of(WEIGHTED)))
    }

    /// Whether a node looks at its input's shape alone.
    pub(crate) fn is_of_shape(&self, node: usize) -> bool {
        self.nodes[node].is_one_of(OF_SHAPE)
    }

    /// Whether a node computes something, rather than handing on what another one computed.
    pub(crate) fn computes(&self, node: usize) -> bool {
        !self.nodes[node].is_one_of(PASS_THROUGH)
    }

    /// Whether a node makes a linear projection of tokens, with or without a bias: what attention works with, and no one
    /// looks at.
    pub(crate) fn projects(&self, i: usize, path: &NodeSet) -> bool {
        let node = self.nodes[i];
        let mut of_image = node.inputs.iter().filter_map(|t| self.producer(t)).filter(|&p| path.contains(p));
        match node.operator.as_str() {
            "MatMul" | "FusedMatMul" | "Gemm" => self.holds_weights(i, path),
            "Add" => match (of_image.next(), of_image.next()) {
                (Some(product), None) => {
                    self.projects(product, path) && self.nodes[product].operator != "Add"
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// The tensors on `path` through which all that the scores know of the image's cells passes: without one of them, nothing
    /// leads from these to `output`. `reads` says whether a node reads all cells of a tensor.
    pub(crate) fn bottlenecks(
        &self,
        path: &NodeSet,
        (input, output): (&str, &str),
        reads: impl Fn(&Node, &str) -> bool,
    ) -> HashSet<&'g str> {
        let on_path = || (0..self.nodes.len()).filter(|&i| path.contains(i));
        // Tensors by the place of their last reader; what nobody reads is not alive at all.
        let mut last_read: HashMap<&str, usize> = HashMap::from([(output, usize::MAX)]);
        for i in on_path() {
            for tensor in self.nodes[i].reads() {
                let carries = tensor == input || self.producer(tensor).is_some_and(|p| path.contains(p));
                if carries && tensor != output && reads(self.nodes[i], tensor) {
                    last_read.insert(tensor, i);
                }
            }
        }
        let mut ends: HashMap<usize, usize> = HashMap::new();
        last_read.values().for_each(|&end| *ends.entry(end).or_default() += 1);
        let mut alive = usize::from(last_read.contains_key(input));
        let mut found = HashSet::new();
        for i in on_path() {
            alive -= ends.get(&i).copied().unwrap_or(0).min(alive);
            let made: Vec<&str> = self.nodes[i].outputs.iter().map(String::as_str).collect();
            let made: Vec<&'g str> = made.into_iter().filter(|t| last_read.contains_key(t)).collect();
            alive += made.len();
            if let ([tensor], 1) = (made.as_slice(), alive) {
                found.insert(*tensor);
            }
        }
        found
    }
}

/// The place of the node that makes each tensor.
fn producers<'g>(nodes: impl IntoIterator<Item = &'g Node>) -> HashMap<&'g str, usize> {
    let outputs = |(i, node): (usize, &'g Node)| node.outputs.iter().map(move |o| (o.as_str(), i));
    nodes.into_iter().enumerate().flat_map(outputs).filter(|(output, _)| !output.is_empty()).collect()
}

/// The places of the nodes in an order in which each comes behind those that it reads from; those that are in such an
/// order stay as they are.
fn sorted(nodes: &[Node]) -> Vec<usize> {
    let producer = producers(nodes);
    let mut order = Vec::with_capacity(nodes.len());
    // 0 for a node that was not seen, 1 for one whose inputs are being ordered, 2 for one in the order.
    let mut state = vec![0u8; nodes.len()];
    for start in 0..nodes.len() {
        let mut open = vec![start];
        while let Some(&i) = open.last() {
            let reads = nodes[i].reads();
            let missing = reads.iter().filter_map(|t| producer.get(t)).find(|&&p| state[p] == 0 && p != i);
            state[i] = state[i].max(1);
            match missing {
                Some(&p) => open.push(p),
                None => {
                    open.pop();
                    // A broken graph may have cycles, whose nodes come as they stand.
                    if std::mem::replace(&mut state[i], 2) != 2 {
                        order.push(i);
                    }
                }
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `operator inputs -> outputs` a line.
    fn graph(text: &str) -> proto::Graph {
        let node = |line: &str| {
            let (left, right) = line.split_once("->").expect("a node");
            let mut words = left.split_whitespace().map(str::to_owned);
            Node {
                operator: words.next().expect("an operator"),
                inputs: words.collect(),
                outputs: right.split_whitespace().map(str::to_owned).collect(),
                ..Node::default()
            }
        };
        proto::Graph { nodes: text.trim().lines().map(node).collect(), ..proto::Graph::default() }
    }

    #[test]
    fn nodes_are_sorted_only_where_they_must_be() {
        let of = |text: &str| {
            let graph = graph(text);
            Network::new(&graph).nodes.iter().map(|n| n.outputs[0].clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("A x -> a\nB x -> b\nC a b -> c"), ["a", "b", "c"]);
        assert_eq!(of("C b -> c\nA x -> a\nB a -> b"), ["a", "b", "c"]);
        assert_eq!(of("A b -> a\nB a -> b").len(), 2, "a cycle ends");
    }

    #[test]
    fn bottlenecks_are_what_every_path_goes_through() {
        let graph = graph(
            "Conv x w -> stem\nRelu stem -> act\nConv act w2 -> branch\nAdd stem branch -> sum\nShape sum -> n\n\
             LayerNorm sum -> norm\nGather norm -> token\nGemm token w3 -> y",
        );
        let network = Network::new(&graph);
        let path = network.between("x", ["y"]);
        let mut found: Vec<_> = network.bottlenecks(&path, ("x", "y"), |_, _| true).into_iter().collect();
        found.sort_unstable();
        assert_eq!(found, ["norm", "stem", "sum", "token", "y"]);
    }

    #[test]
    fn the_classifier_is_the_last_product_with_a_constant() {
        let check = |text: &str, expected: &[&str]| {
            let graph = graph(text);
            let network = Network::new(&graph);
            let before = network.before_classifier(&network.between("x", ["y"])).expect("a classifier");
            let names = (0..network.len())
                .filter(|&i| before.contains(i))
                .map(|i| network.node(i).outputs[0].as_str());
            assert_eq!(names.collect::<Vec<_>>(), expected, "{text}");
        };
        check("Conv x w -> a\nEinsum a w2 -> y", &["a"]);
        check("Conv x w -> a\nMatMulInteger a w2 -> b\nCast b -> y", &["a"]);
        check("Conv x w -> a\nConv a w2 -> b\nMatMul b a -> y", &["a"]);
    }
}
