//! [`Ending`]: ends of networks whose scores are sums over the cells of a layer.

use crate::graph::{Network, PASS_THROUGH};
use crate::proto;

/// An end of a network whose scores are sums over cells.
pub(super) enum Ending<'g> {
    /// Pooling, then a linear layer of these weights; `true` where classes are rows of them.
    Linear(&'g str, bool),
    /// A map [N, classes, h, w] for each class, then pooling.
    Maps(&'g str),
}

impl<'g> Ending<'g> {
    /// The end behind `layer`, where it is such a one.
    pub(super) fn find(
        network: &Network<'g>,
        scores: &'g str,
        layer: &str,
        graph: &proto::Graph,
    ) -> Option<Self> {
        let node = |name: &str| network.producer(name).map(|p| network.node(p));
        let is_weight = |name: &str| graph.initializers.iter().any(|i| i.name == name);
        // A bias is the same for each cell.
        let mut name = scores;
        if let Some(add) = node(name).filter(|n| n.operator == "Add" && n.inputs.len() == 2) {
            let [a, b] = [add.inputs[0].as_str(), add.inputs[1].as_str()];
            name = if is_weight(b) {
                a
            } else if is_weight(a) {
                b
            } else {
                name
            };
        }
        let linear = node(name).filter(|n| n.is_one_of("Gemm MatMul") && n.inputs.len() >= 2);
        if let Some(linear) =
            linear.filter(|n| is_weight(&n.inputs[1]) && n.integer("transA").unwrap_or(0) == 0)
        {
            let is_default = linear
                .attributes
                .iter()
                .all(|a| matches!(a.name.as_str(), "transA" | "transB") || a.is_one());
            let pooled = pooled(network, &linear.inputs[0])?;
            let by_rows = linear.integer("transB") == Some(1);
            return (is_default && pooled == layer).then_some(Self::Linear(&linear.inputs[1], by_rows));
        }
        let maps = pooled(network, scores)?;
        // From the layer on, each cell goes its own way.
        let mut name = maps;
        while name != layer {
            let node = node(name)?;
            let is_own = match node.operator.as_str() {
                "Conv" => {
                    let ones = |of: &str| node.integers(of).is_none_or(|all| all.iter().all(|&v| v == 1));
                    let kernel = node.integers("kernel_shape")?;
                    let is_padded = node.integers("pads").is_some_and(|all| all.iter().any(|&v| v != 0));
                    kernel.iter().all(|&v| v == 1) && ones("strides") && !is_padded
                }
                _ => node.is_one_of(
                    "Relu Clip LeakyRelu Sigmoid HardSwish HardSigmoid BatchNormalization Identity Dropout",
                ),
            };
            name = if is_own { node.inputs.first()? } else { return None };
        }
        Some(Self::Maps(maps))
    }
}

/// The tensor [N, K, h, w] whose mean over cells `name` is, in whichever shape.
fn pooled<'g>(network: &Network<'g>, name: &'g str) -> Option<&'g str> {
    let mut name = name;
    loop {
        let node = network.node(network.producer(name)?);
        let source = node.inputs.first()?;
        match node.operator.as_str() {
            _ if node.is_mean_of_cells() => return Some(source),
            operator
                if PASS_THROUGH.split(' ').any(|o| o == operator)
                    && !matches!(operator, "Transpose" | "Cast") =>
            {
                name = source;
            }
            _ => return None,
        }
    }
}
