//! [`Drawing`]: the nodes and constants that are added to a model.

use std::collections::HashMap;

use prost::Message;
use scorecam_core::{Error, Result, TensorView, bail};

use super::ending::Ending;
use super::{CLASS, MAP, OWN};
use crate::cut::Cut;
use crate::element::Element;
use crate::graph::Network;
use crate::proto::{Attribute, FLOAT, INT64, Node};
use crate::tap::Tap;
use crate::wire::{Content, Writer, damaged, fields, messages, rewritten};

/// The version of operators from which on ReduceMin and ReduceMax take their axes as an input.
const AXES_ARE_INPUT: i64 = 18;

/// Nodes and tensors being added.
pub(super) struct Drawing {
    /// Of the model's operators.
    version: i64,
    /// Fields of a graph, in the order in which its nodes run.
    pub(super) fields: Writer,
    count: usize,
}

impl Drawing {
    pub(super) fn new(version: i64) -> Self {
        Self { version, fields: Writer::default(), count: 0 }
    }

    fn name(&mut self, of: &str) -> String {
        self.count += 1;
        format!("{OWN}{}_{}", of.to_lowercase(), self.count)
    }

    /// Adds a node with one output, whose name it returns.
    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Setting<'_>)],
    ) -> Result<String> {
        let output = self.name(operator);
        self.node_to(&output, operator, inputs, attributes)?;
        Ok(output)
    }

    fn node_to(
        &mut self,
        output: &str,
        operator: &str,
        inputs: &[&str],
        attributes: &[(&str, Setting<'_>)],
    ) -> Result<()> {
        let attribute = |(name, value): &(&str, Setting<'_>)| {
            let (integer, integers, kind) = match value {
                Setting::One(integer) => (*integer, vec![], Attribute::INT),
                Setting::Many(all) => (0, all.to_vec(), Attribute::INTS),
            };
            Attribute { name: (*name).into(), integer, integers, kind, ..Attribute::default() }
        };
        let node = Node {
            operator: operator.into(),
            inputs: inputs.iter().map(|&i| i.into()).collect(),
            outputs: vec![output.into()],
            attributes: attributes.iter().map(attribute).collect(),
            ..Node::default()
        };
        self.fields.message(1, &node.encode_to_vec())
    }

    /// A constant, of values as they lie in memory.
    fn tensor(&mut self, name: &str, element: i32, shape: &[usize], raw: &[u8]) -> Result<()> {
        let mut tensor = Writer::default();
        shape.iter().try_for_each(|&axis| tensor.number(1, axis as u64))?;
        tensor.number(2, element as u64)?;
        tensor.message(8, name.as_bytes())?;
        tensor.message(9, raw)?;
        self.fields.message(5, &tensor.0)
    }

    /// A constant of whole numbers.
    fn whole(&mut self, values: &[i64]) -> Result<String> {
        let name = self.name("whole");
        let raw: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(&name, INT64, &[values.len()], &raw)?;
        Ok(name)
    }

    fn reshaped(&mut self, tensor: &str, shape: &[i64]) -> Result<String> {
        let shape = self.whole(shape)?;
        self.node("Reshape", &[tensor, &shape], &[])
    }

    /// The class of each image, [N, 1]: the one that is asked for, or the best.
    pub(super) fn class(&mut self, scores: &str) -> Result<String> {
        self.tensor(CLASS, INT64, &[1], &(-1i64).to_le_bytes())?;
        let along = ("axis", Setting::One(1));
        let scores = self.node("Flatten", &[scores], &[along])?;
        let best = self.node("ArgMax", &[&scores], &[along, ("keepdims", Setting::One(1))])?;
        let zero = self.whole(&[0])?;
        let is_best = self.node("Less", &[CLASS, &zero], &[])?;
        self.node("Where", &[&is_best, &best, CLASS], &[])
    }

    /// The map by the classifier's own weights, [N, cells].
    pub(super) fn by_weights(
        &mut self,
        ending: &Ending<'_>,
        layer: &str,
        class: &str,
        [h, w]: [usize; 2],
    ) -> Result<String> {
        let cells = (h * w) as i64;
        let map = match ending {
            Ending::Linear(weights, by_rows) => {
                let row = if *by_rows {
                    self.node("Gather", &[weights, class], &[("axis", Setting::One(0))])?
                } else {
                    let column = self.node("Gather", &[weights, class], &[("axis", Setting::One(1))])?;
                    self.node("Transpose", &[&column], &[("perm", Setting::Many(&[1, 2, 0]))])?
                };
                let maps = self.reshaped(layer, &[0, 0, cells])?;
                self.node("MatMul", &[&row, &maps], &[])?
            }
            Ending::Maps(maps) => {
                let shape = self.whole(&[1, 1, h as i64, w as i64])?;
                let class = self.reshaped(class, &[-1, 1, 1, 1])?;
                let class = self.node("Expand", &[&class, &shape], &[])?;
                self.node("GatherElements", &[maps, &class], &[("axis", Setting::One(1))])?
            }
        };
        self.reshaped(&map, &[-1, cells])
    }

    /// The layer's tensor once for each cell, with that cell alone: [N * cells, ...].
    pub(super) fn alone(
        &mut self,
        layer: &str,
        (tap, element): (&Tap, Element),
        (cells, shape): (TensorView<'_>, &[Option<usize>]),
    ) -> Result<String> {
        let mut masks = self.name("cells");
        let raw: Vec<u8> = cells.data().iter().flat_map(|v| v.to_le_bytes()).collect();
        self.tensor(&masks, FLOAT, cells.shape(), &raw)?;
        if element != Element::F32 {
            masks = self.node("Cast", &[&masks], &[("to", Setting::One(i64::from(element.number())))])?;
        }
        // An axis of which the model does not tell the length is one of the cells, all of which are known.
        let length = |(axis, &known): (&Option<usize>, &usize)| axis.unwrap_or(known) as i64;
        let axes: Vec<i64> = shape.iter().zip(&cells.shape()[1..]).map(length).collect();
        let own = match tap {
            Tap::Itself => layer.to_owned(),
            Tap::Dequantized([scale, zero]) => self.node("DequantizeLinear", &[layer, scale, zero], &[])?,
        };
        let one = self.reshaped(&own, &[&[-1, 1], axes.as_slice()].concat())?;
        let all = self.node("Mul", &[&one, &masks], &[])?;
        let all = self.reshaped(&all, &[&[-1], axes.as_slice()].concat())?;
        match tap {
            Tap::Itself => Ok(all),
            Tap::Dequantized([scale, zero]) => self.node("QuantizeLinear", &[&all, scale, zero], &[]),
        }
    }

    /// A tensor [N, ...] once for each cell: [N * cells, ...].
    pub(super) fn repeated(&mut self, tensor: &str, [h, w]: [usize; 2]) -> Result<String> {
        let [zero, one] = [0, 1].map(|value| (value, self.name("scalar")));
        for (value, name) in [&zero, &one] {
            self.tensor(name, INT64, &[], &i64::to_le_bytes(*value))?;
        }
        let shape = self.node("Shape", &[tensor], &[])?;
        let count = self.node("Gather", &[&shape, &zero.1], &[])?;
        let places = self.node("Range", &[&zero.1, &count, &one.1], &[])?;
        let places = self.reshaped(&places, &[-1, 1])?;
        let counts = self.whole(&[1, (h * w) as i64])?;
        let places = self.node("Expand", &[&places, &counts], &[])?;
        let places = self.reshaped(&places, &[-1])?;
        self.node("Gather", &[tensor, &places], &[])
    }

    /// The model's nodes behind the layer once more, with other tensors in the place of those that are keys of `names`; the
    /// copy of the scores.
    pub(super) fn copied<'n>(
        &mut self,
        bytes: &[u8],
        network: &Network<'n>,
        (cut, layer, mut names): (&Cut<'_>, &str, HashMap<&'n str, String>),
        scores: &str,
    ) -> Result<String> {
        let waiting = network.waiting_for(layer);
        let again: Vec<usize> =
            (0..network.len()).filter(|&i| cut.has(network.place(i)) && waiting.contains(i)).collect();
        if let Some(node) = again.iter().map(|&i| network.node(i)).find(|n| n.graphs().next().is_some()) {
            bail!(
                unsupported,
                "layer {layer:?} is followed by a loop or branch, {:?}, which cannot be copied",
                node.operator
            );
        }
        for name in again.iter().flat_map(|&i| &network.node(i).outputs).filter(|name| !name.is_empty()) {
            names.insert(name, format!("{OWN}{name}"));
        }
        let model = fields(bytes)?;
        let graphs = messages(&model, 7)?;
        let graph = fields(graphs.last().copied().unwrap_or_default())?;
        let nodes = messages(&graph, 1)?;
        for i in again {
            let node = nodes.get(network.place(i)).ok_or_else(damaged)?;
            let node = rewritten(node, &|field, out| match (field.number, field.content) {
                (1..=3, Content::Bytes(name)) => {
                    let name = std::str::from_utf8(name).map_err(|_| damaged())?;
                    let own = match field.number {
                        3 => format!("{OWN}{name}"),
                        _ => names.get(name).cloned().unwrap_or_else(|| name.to_owned()),
                    };
                    out.message(field.number, own.as_bytes())
                }
                _ => out.same(field),
            })?;
            self.fields.message(1, &node)?;
        }
        names.remove(scores).ok_or_else(|| Error::internal("the scores do not depend on the layer"))
    }

    /// The score of each cell, [N, cells], from those of all classes, [N * cells, classes].
    pub(super) fn scores_of_cells(
        &mut self,
        scores: &str,
        class: &str,
        [h, w]: [usize; 2],
    ) -> Result<String> {
        let cells = (h * w) as i64;
        let along = ("axis", Setting::One(1));
        let scores = self.node("Flatten", &[scores], &[along])?;
        let shape = self.whole(&[1, cells])?;
        let class = self.node("Expand", &[class, &shape], &[])?;
        let class = self.reshaped(&class, &[-1, 1])?;
        let found = self.node("GatherElements", &[&scores, &class], &[along])?;
        self.reshaped(&found, &[-1, cells])
    }

    /// Brings a map [N, cells] to [0, 1], as the output.
    pub(super) fn normalized(&mut self, map: &str, [h, w]: [usize; 2]) -> Result<()> {
        let map = self.node("Cast", &[map], &[("to", Setting::One(i64::from(FLOAT)))])?;
        let (least, most) = (self.extreme("ReduceMin", &map)?, self.extreme("ReduceMax", &map)?);
        let range = self.node("Sub", &[&most, &least], &[])?;
        // A map without range is 0 everywhere.
        let tiny = self.name("tiny");
        self.tensor(&tiny, FLOAT, &[1], &f32::MIN_POSITIVE.to_le_bytes())?;
        let range = self.node("Max", &[&range, &tiny], &[])?;
        let above = self.node("Sub", &[&map, &least], &[])?;
        let map = self.node("Div", &[&above, &range], &[])?;
        let shape = self.whole(&[-1, h as i64, w as i64])?;
        self.node_to(MAP, "Reshape", &[&map, &shape], &[])
    }

    /// The least or greatest value of each image's cells, [N, 1].
    fn extreme(&mut self, reduce: &str, map: &str) -> Result<String> {
        if self.version < AXES_ARE_INPUT {
            return self.node(reduce, &[map], &[("axes", Setting::Many(&[1]))]);
        }
        let axes = self.whole(&[1])?;
        self.node(reduce, &[map, &axes], &[])
    }
}

/// The value of an attribute.
#[derive(Clone, Copy)]
enum Setting<'a> {
    One(i64),
    Many(&'a [i64]),
}
