//! The axes of ReduceMean, which are an attribute up to opset 17 and an input from opset 18 on.

use std::collections::{HashMap, HashSet};

use prost::Message;
use scorecam_core::Result;

use crate::proto::{Attribute, Graph, INT64};
use crate::wire::{damaged, fields, messages, text};

/// The most bytes of a tensor of axes; weights are not looked into.
const MOST_BYTES: usize = 1024;

/// A `TensorProto` of integers.
#[derive(Clone, PartialEq, Message)]
struct Integers {
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(int64, repeated, tag = "7")]
    numbers: Vec<i64>,
    #[prost(bytes = "vec", tag = "9")]
    raw: Vec<u8>,
}

/// Gives each ReduceMean of `graph` whose axes are a constant of `model`, the file's bytes, the attribute of earlier opsets, so
/// that everything else needs to know one form only. The file stays as it is.
pub(crate) fn with_axes(graph: &mut Graph, model: &[u8]) -> Result<()> {
    let axes_of = |(i, node): (usize, &crate::proto::Node)| {
        let axes = node.inputs.get(1).filter(|_| node.operator == "ReduceMean")?;
        Some((i, axes.clone()))
    };
    let wanted: Vec<(usize, String)> = graph.nodes.iter().enumerate().filter_map(axes_of).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let known = constants(model, &wanted.iter().map(|(_, name)| name.as_str()).collect())?;
    for (i, name) in &wanted {
        if let Some(axes) = known.get(name) {
            graph.nodes[*i].attributes.push(Attribute::of_integers("axes", axes.clone()));
        }
    }
    Ok(())
}

/// Those of the tensors `wanted` that are integers in the file: initializers, and values of Constant nodes.
fn constants(model: &[u8], wanted: &HashSet<&str>) -> Result<HashMap<String, Vec<i64>>> {
    let mut found = HashMap::new();
    for graph in messages(&fields(model)?, 7)? {
        let graph = fields(graph)?;
        let initializers = messages(&graph, 5)?.into_iter().map(|tensor| Ok((text(tensor, 8)?, tensor)));
        for named in initializers.chain(of_nodes(&messages(&graph, 1)?)) {
            let (name, tensor) = named?;
            if wanted.contains(name.as_str())
                && let Some(values) = integers(tensor)?
            {
                found.insert(name, values);
            }
        }
    }
    Ok(found)
}

/// The tensors of Constant nodes, by the name of their output.
fn of_nodes<'m>(nodes: &[&'m [u8]]) -> impl Iterator<Item = Result<(String, &'m [u8])>> {
    nodes.iter().filter_map(|node| of_node(node).transpose())
}

fn of_node(node: &[u8]) -> Result<Option<(String, &[u8])>> {
    if text(node, 4)? != "Constant" {
        return Ok(None);
    }
    let attributes = messages(&fields(node)?, 5)?;
    let Some(value) = attributes.first() else { return Ok(None) };
    let tensors = messages(&fields(value)?, 5)?;
    let name = text(node, 2)?;
    Ok(tensors.first().map(|tensor| (name, *tensor)))
}

fn integers(tensor: &[u8]) -> Result<Option<Vec<i64>>> {
    if tensor.len() > MOST_BYTES {
        return Ok(None);
    }
    let Integers { data_type, numbers, raw } = Integers::decode(tensor).map_err(|_| damaged())?;
    let values = if raw.is_empty() {
        numbers
    } else {
        raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect()
    };
    Ok((data_type == INT64).then_some(values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Model, Node};
    use crate::wire::Writer;

    fn node(operator: &str, inputs: &[&str], output: &str) -> Node {
        let inputs = inputs.iter().map(|&name| name.into()).collect();
        Node { operator: operator.into(), inputs, outputs: vec![output.into()], ..Node::default() }
    }

    /// A tensor of two axes, as raw data or as a list.
    fn axes(name: &str, is_raw: bool) -> Vec<u8> {
        let (numbers, raw) = ([2i64, 3], [2i64, 3].map(i64::to_le_bytes).concat());
        let integers = Integers {
            data_type: INT64,
            numbers: if is_raw { vec![] } else { numbers.to_vec() },
            raw: if is_raw { raw } else { vec![] },
        };
        let mut tensor = Writer(integers.encode_to_vec());
        tensor.message(8, name.as_bytes()).expect("a name");
        tensor.0
    }

    #[test]
    fn axes_that_are_a_constant_become_an_attribute() {
        let nodes = ["list", "raw", "node", "computed"]
            .map(|axes| node("ReduceMean", &["maps", axes], &format!("mean {axes}")));
        let graph = Graph { nodes: nodes.into(), ..Graph::default() };
        let mut constant = Writer(node("Constant", &[], "node").encode_to_vec());
        let mut value = Writer::default();
        value.message(5, &axes("", true)).expect("a tensor");
        constant.message(5, &value.0).expect("an attribute");
        let mut bytes = Writer(graph.encode_to_vec());
        bytes.message(1, &constant.0).expect("a node");
        [false, true].into_iter().zip(["list", "raw"]).for_each(|(is_raw, name)| {
            bytes.message(5, &axes(name, is_raw)).expect("a tensor");
        });
        let mut model = Writer::default();
        model.message(7, &bytes.0).expect("a graph");
        let mut graph = Model::decode(model.0.as_slice()).expect("a model").graph.expect("a graph");
        with_axes(&mut graph, &model.0).expect("axes");
        let is_mean = |node: &Node| node.is_mean_of_cells();
        assert_eq!(graph.nodes.iter().map(is_mean).collect::<Vec<_>>(), [true, true, true, false, false]);
    }
}
