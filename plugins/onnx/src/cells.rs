//! [`Cells`]: the tensors whose every cell reaches the scores.
//!
//! A transformer with a class token reads that token alone at its end, so behind the last attention the other tokens reach
//! no score: a map of them would be empty, or of activations that nothing learned from. Followed from the scores
//! backward, node by node; an operator that is not known here counts as one that mixes all of its input.

use std::collections::HashMap;

use crate::axes::ALIKE;
use crate::graph::{Network, NodeSet};
use crate::proto::Node;

/// Operators that normalize the axes from `axis` on, the last one where they don't say.
const NORMS: &str = "LayerNormalization RMSNormalization SimplifiedLayerNormalization SkipLayerNormalization \
    LpNormalization";
/// Operators whose rows are made of the same rows of their first input.
const OF_ROWS: &str = "MatMul MatMulInteger MatMulNBits DynamicQuantizeMatMul";

/// What the scores use of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Chosen places along an axis.
    Places(usize),
    All,
}

impl Use {
    fn with(self, other: Self) -> Self {
        if self == other { self } else { Self::All }
    }
}

/// The lengths of a tensor's axes, batch first, where they are known.
pub(crate) type ShapeOf<'a> = dyn Fn(&str) -> Option<&'a [Option<usize>]> + 'a;

/// What the scores use of each tensor.
pub(crate) struct Cells<'g> {
    uses: HashMap<&'g str, Use>,
}

impl<'g> Cells<'g> {
    /// Of the tensors on `path`, which leads to `output`.
    pub(crate) fn follow(
        network: &Network<'g>,
        path: &NodeSet,
        output: &'g str,
        shape_of: &ShapeOf<'_>,
    ) -> Self {
        let mut cells = Self { uses: HashMap::from([(output, Use::All)]) };
        for i in (0..network.len()).rev().filter(|&i| path.contains(i)) {
            let node = network.node(i);
            for tensor in node.reads() {
                if let Some(used) = cells.used_by(node, tensor, shape_of) {
                    let used = cells.uses.get(tensor).map_or(used, |other| other.with(used));
                    cells.uses.insert(tensor, used);
                }
            }
        }
        cells
    }

    /// Whether all cells of a tensor reach the scores.
    pub(crate) fn all_of(&self, tensor: &str) -> bool {
        self.uses.get(tensor) == Some(&Use::All)
    }

    /// Whether a node reads all cells of `tensor` for the scores.
    pub(crate) fn are_read_by(&self, node: &Node, tensor: &str, shape_of: &ShapeOf<'_>) -> bool {
        self.used_by(node, tensor, shape_of) == Some(Use::All)
    }

    /// What a node uses of a tensor that it reads; nothing where no score depends on the node.
    fn used_by(&self, node: &Node, tensor: &str, shape_of: &ShapeOf<'_>) -> Option<Use> {
        // The scale of a quantization is of all cells, but tells next to nothing of any.
        let counts = if node.operator == "DynamicQuantizeLinear" { 1 } else { node.outputs.len() };
        let outputs = node.outputs.iter().take(counts);
        let used = outputs.filter_map(|output| self.uses.get(output.as_str()).copied()).reduce(Use::with)?;
        let shapes = node.outputs.first().and_then(|output| Some((shape_of(tensor)?, shape_of(output)?)));
        let places = shapes.and_then(|(from, to)| match used {
            Use::All => chosen(node, tensor, (from, to)),
            Use::Places(axis) => kept(node, tensor, (from, to), axis),
        });
        Some(places.map_or(Use::All, Use::Places))
    }
}

type Shape<'a> = &'a [Option<usize>];

/// The axis along which a node chooses places of `tensor`, if it does.
fn chosen(node: &Node, tensor: &str, (from, to): (Shape<'_>, Shape<'_>)) -> Option<usize> {
    if node.inputs.first().map(String::as_str) != Some(tensor) {
        return None;
    }
    let is_one =
        |axis: usize| from.len() == to.len() && to.get(axis) == Some(&Some(1)) && from[axis] != Some(1);
    match node.operator.as_str() {
        "Gather" => {
            let axis = counted(node.integer("axis").unwrap_or(0), from.len())?;
            (to.len() + 1 == from.len() || is_one(axis)).then_some(axis)
        }
        "Slice" => (1..from.len()).find(|&axis| is_one(axis)),
        _ => None,
    }
}

/// The axis of `tensor` of which a node needs the places that are used along `axis` of its result, and no others.
fn kept(node: &Node, tensor: &str, (from, to): (Shape<'_>, Shape<'_>), axis: usize) -> Option<usize> {
    let operator = node.operator.as_str();
    let is_first = node.inputs.first().map(String::as_str) == Some(tensor);
    // Tensors that meet elementwise have their last axes in common.
    let aligned = || (axis + from.len()).checked_sub(to.len()).filter(|&own| from.get(own) == to.get(axis));
    let before = |end: i64| counted(end, to.len()).filter(|&end| axis < end).and_then(|_| aligned());
    match operator {
        "Transpose" => usize::try_from(*node.integers("perm")?.get(axis)?).ok(),
        "ReduceMean" if is_first && node.integer("keepdims") != Some(0) => {
            let axes = node.integers("axes")?;
            let is_reduced = axes.iter().any(|&reduced| counted(reduced, from.len()) == Some(axis));
            (!is_reduced).then_some(axis)
        }
        "Concat" => {
            let joined = counted(node.integer("axis")?, to.len())?;
            (joined != axis).then_some(axis)
        }
        // The axes that a reshape leaves where they are.
        "Reshape" => {
            let (same, end) = (from.get(..=axis)?, from.get(1..=axis)?);
            (same == to.get(..=axis)? && end.iter().all(Option::is_some)).then_some(axis)
        }
        // Of softmax up to opset 12, which has another default, nothing is known here without the attribute.
        "Softmax" | "LogSoftmax" => before(node.integer("axis")?),
        _ if node.is_one_of(NORMS) => before(node.integer("axis").unwrap_or(-1)),
        _ if node.is_one_of(OF_ROWS) => before(-1).filter(|_| is_first),
        _ if node.is_one_of(ALIKE) || operator == "DynamicQuantizeLinear" => aligned(),
        _ => None,
    }
}

/// An axis of so many, which may be counted from the end.
fn counted(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < rank)
}
