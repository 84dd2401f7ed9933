//! Trained weights replaced by random ones, in the model's bytes.
//!
//! The layers with weights are the nodes whose weights are tensors of the file, in the order in which they run. A weight
//! may lie behind nodes that only move or convert it. One that two nodes share belongs to the later one. All other bytes of
//! the file stay as they are.

use std::collections::HashMap;

use half::{bf16, f16};
use prost::Message;
use scorecam_core::{Error, RandomWeights, Result, WeightRole, bail, ensure};

use crate::element::Element;
use crate::graph::{Network, PASS_THROUGH};
use crate::proto::{Graph, Initializer, Node};
use crate::wire::{Content, Writer, damaged, fields, rewritten, text};

/// Operators on numbers of 8 bits and less, of which no random ones of the same kind can be drawn.
const QUANTIZED: &str = "QLinearConv QLinearMatMul ConvInteger MatMulInteger QGemm DynamicQuantizeMatMul \
    MatMulIntegerToFloat MatMulNBits GemmFloat8 DequantizeLinear";

/// A layer with weights.
pub(crate) struct WeightedLayer {
    pub(crate) name: String,
    /// The tensors of the file that hold its weights, in the order of its inputs.
    tensors: Vec<(String, WeightRole)>,
}

/// A tensor of the file.
struct Stored<'g> {
    name: &'g str,
    tensor: &'g Initializer,
    /// Whether its last two axes change places on the way to the node.
    is_turned: bool,
}

/// The layers with weights of a graph, in the order in which they run; an error that names a node whose weights cannot be
/// replaced.
pub(crate) fn layers(graph: &Graph) -> Result<Vec<WeightedLayer>> {
    let network = Network::new(graph);
    let tensors = graph.initializers.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut found = Vec::new();
    let mut owner = HashMap::new();
    for i in 0..network.len() {
        let node = network.node(i);
        let name = match node.name.as_str() {
            "" => format!("{}_{}", node.operator, network.place(i)),
            name => name.to_owned(),
        };
        let mut own = Vec::new();
        for &(input, kind) in inputs(node) {
            let Some(stored) = stored(&network, &tensors, (node, input)).map_err(|e| e.context(&name))?
            else {
                continue;
            };
            owner.insert(stored.name.to_owned(), found.len());
            own.push((stored.name.to_owned(), role(node, (input, kind), &stored)));
        }
        if !own.is_empty() {
            found.push(WeightedLayer { name, tensors: own });
        }
    }
    for (i, layer) in found.iter_mut().enumerate() {
        layer.tensors.retain(|(name, _)| owner.get(name) == Some(&i));
    }
    found.retain(|layer: &WeightedLayer| !layer.tensors.is_empty());
    ensure!(!found.is_empty(), unsupported, "the model has no layer whose weights are in its file");
    Ok(found)
}

/// What an input of a node does with its weights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Factor,
    Scale,
    Offset,
    Variance,
}

/// The inputs of a node that may hold weights.
fn inputs(node: &Node) -> &'static [(usize, Kind)] {
    use Kind::{Factor, Offset, Scale, Variance};
    if node.is_one_of("Conv ConvTranspose Gemm FusedConv FusedGemm NhwcConv NhwcFusedConv") {
        &[(1, Factor), (2, Factor)]
    } else if node.is_one_of("MatMul FusedMatMul Einsum") {
        &[(0, Factor), (1, Factor)]
    } else if node.is_one_of("BatchNormalization") {
        &[(1, Scale), (2, Offset), (3, Offset), (4, Variance)]
    } else if node.is_one_of("InstanceNormalization LayerNormalization GroupNormalization") {
        &[(1, Scale), (2, Offset)]
    } else if node.is_one_of(QUANTIZED) {
        // Found, so that it is refused.
        &[(0, Factor), (1, Factor), (2, Factor), (3, Factor)]
    } else {
        &[]
    }
}

/// The tensor of the file that an input holds the numbers of; none where it depends on something else.
fn stored<'g>(
    network: &Network<'g>,
    tensors: &HashMap<&'g str, &'g Initializer>,
    (node, input): (&'g Node, usize),
) -> Result<Option<Stored<'g>>> {
    let quantized = || {
        Error::unsupported(
            "its weights are quantized and cannot be randomized; give the model before quantization",
        )
    };
    let Some(mut name) = node.inputs.get(input).filter(|name| !name.is_empty()).map(String::as_str) else {
        return Ok(None);
    };
    let mut is_turned = false;
    let tensor = loop {
        if let Some(tensor) = tensors.get(name) {
            break *tensor;
        }
        let Some(node) = network.producer(name).map(|p| network.node(p)) else { return Ok(None) };
        if node.is_one_of("Constant") {
            match node.attributes.iter().find(|a| a.name == "value").and_then(|a| a.tensor.as_deref()) {
                Some(tensor) => break tensor,
                None => return Ok(None),
            }
        }
        let from = node.inputs.first().map(String::as_str);
        match from {
            Some(from) if node.is_one_of("DequantizeLinear") && tensors.contains_key(from) => {
                return Err(quantized());
            }
            Some(from) if node.is_one_of(PASS_THROUGH) => {
                is_turned ^= node.is_one_of("Transpose");
                name = from;
            }
            _ => return Ok(None),
        }
    };
    let element = Element::of_number(tensor.data_type);
    if node.is_one_of(QUANTIZED) {
        return Err(quantized());
    }
    if !element.is_float() {
        return Ok(None);
    }
    ensure!(
        tensor.external_file().is_none(),
        unsupported,
        "its weights are in another file, but only weights inside the model file can be randomized; save the model \
         with its weights inside (onnx.save_model without save_as_external_data)"
    );
    Ok(Some(Stored { name, tensor, is_turned }))
}

fn role(node: &Node, (input, kind): (usize, Kind), stored: &Stored<'_>) -> WeightRole {
    match kind {
        Kind::Scale => WeightRole::Scale,
        Kind::Offset => WeightRole::Offset,
        Kind::Variance => WeightRole::Variance,
        Kind::Factor => WeightRole::Factor { fan_in: fan_in(node, input, stored) },
    }
}

/// Products for each output of a layer whose weights are `stored`; of a bias, whose own shape does not say it, its length.
fn fan_in(node: &Node, input: usize, stored: &Stored<'_>) -> usize {
    let axes: Vec<usize> = stored.tensor.dims.iter().map(|&n| usize::try_from(n).unwrap_or(1)).collect();
    let (rows, columns) = match axes[..] {
        [.., rows, columns] if stored.is_turned => (columns, rows),
        [.., rows, columns] => (rows, columns),
        [length] => (length, length),
        [] => (1, 1),
    };
    match (node.is_one_of("Gemm FusedGemm"), node.is_one_of("MatMul FusedMatMul Einsum")) {
        (true, _) if node.integer("transB").unwrap_or(0) == 0 => rows,
        (true, _) => columns,
        (_, true) if input == 1 => rows,
        (_, true) => columns,
        // Of a convolution [outputs, inputs, ...].
        _ => axes.iter().skip(1).product::<usize>().max(1),
    }
}

/// The bytes of a model with random weights.
pub(crate) fn drawn(model: &[u8], layers: &[WeightedLayer], random: &RandomWeights) -> Result<Vec<u8>> {
    random.check(layers.len())?;
    let mut places: HashMap<&str, ((usize, usize), WeightRole)> = HashMap::new();
    for layer in random.layers.clone() {
        let mut of_layer = None;
        for (i, (name, role)) in layers[layer].tensors.iter().enumerate() {
            // A bias is drawn as the weights of its layer are.
            let role = match (*role, of_layer) {
                (WeightRole::Factor { .. }, Some(first)) => first,
                (role, _) => role,
            };
            of_layer = of_layer.or(Some(role));
            places.insert(name, ((layer, i), role));
        }
    }
    let redraw = |name: &str, tensor: &[u8]| match places.get(name) {
        Some(&(place, role)) => {
            with_values(tensor, &|trained| random.drawn(place, role, trained)).map_err(|e| e.context(name))
        }
        None => Ok(tensor.to_vec()),
    };
    let in_node = |node: &[u8]| {
        let constant = text(node, 4)? == "Constant";
        let output = text(node, 2)?;
        match constant && places.contains_key(output.as_str()) {
            false => Ok(node.to_vec()),
            true => rewritten(node, &|field, out| match (field.number, field.content) {
                (5, Content::Bytes(attribute)) => {
                    let changed = rewritten(attribute, &|field, out| match (field.number, field.content) {
                        (5, Content::Bytes(tensor)) => out.message(5, &redraw(&output, tensor)?),
                        _ => out.same(field),
                    })?;
                    out.message(5, &changed)
                }
                _ => out.same(field),
            }),
        }
    };
    rewritten(model, &|field, out| match (field.number, field.content) {
        (7, Content::Bytes(graph)) => {
            let graph = rewritten(graph, &|field, out| match (field.number, field.content) {
                (1, Content::Bytes(node)) => out.message(1, &in_node(node)?),
                (5, Content::Bytes(tensor)) => out.message(5, &redraw(&text(tensor, 8)?, tensor)?),
                _ => out.same(field),
            })?;
            out.message(7, &graph)
        }
        _ => out.same(field),
    })
}

/// The values of a `TensorProto`, in whichever of its fields they are.
#[derive(Clone, PartialEq, Message)]
struct Values {
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    floats: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    halves: Vec<i32>,
    #[prost(bytes = "vec", tag = "9")]
    raw: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    doubles: Vec<f64>,
}

/// A `TensorProto` with the values that `change` makes of its own.
fn with_values(tensor: &[u8], change: &dyn Fn(&[f64]) -> Vec<f64>) -> Result<Vec<u8>> {
    const VALUES: [u32; 4] = [4, 5, 9, 10];
    let values = Values::decode(tensor).map_err(|_| damaged())?;
    let changed = change(&numbers(&values)?);
    let mut out = Writer::default();
    fields(tensor)?.iter().filter(|f| !VALUES.contains(&f.number)).try_for_each(|field| out.same(field))?;
    out.message(9, &raw(values.data_type, &changed)?)?;
    Ok(out.0)
}

fn numbers(values: &Values) -> Result<Vec<f64>> {
    let bits = |half: &i32| *half as u16;
    let pairs = || values.raw.as_chunks::<2>().0.iter();
    Ok(match (Element::of_number(values.data_type), values.raw.is_empty()) {
        (Element::F32, true) => values.floats.iter().map(|&v| v.into()).collect(),
        (Element::F32, false) => {
            values.raw.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect()
        }
        (Element::F64, true) => values.doubles.clone(),
        (Element::F64, false) => values.raw.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        (Element::F16, true) => values.halves.iter().map(|v| f16::from_bits(bits(v)).into()).collect(),
        (Element::F16, false) => pairs().map(|&b| f16::from_le_bytes(b).into()).collect(),
        (Element::BF16, true) => values.halves.iter().map(|v| bf16::from_bits(bits(v)).into()).collect(),
        (Element::BF16, false) => pairs().map(|&b| bf16::from_le_bytes(b).into()).collect(),
        (other, _) => bail!(unsupported, "its weights are {other:?}, which cannot be randomized"),
    })
}

fn raw(data_type: i32, values: &[f64]) -> Result<Vec<u8>> {
    Ok(match Element::of_number(data_type) {
        Element::F64 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        Element::F16 => values.iter().flat_map(|&v| f16::from_f64(v).to_le_bytes()).collect(),
        Element::BF16 => values.iter().flat_map(|&v| bf16::from_f64(v).to_le_bytes()).collect(),
        _ => values.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use scorecam_core::WeightDraw;

    use super::*;
    use crate::proto::{Attribute, Model};

    /// A tensor's description with its values behind it, as one message.
    fn tensor(name: &str, dims: &[i64], values: Values) -> Vec<u8> {
        let described = Initializer {
            name: name.into(),
            dims: dims.to_vec(),
            data_type: values.data_type,
            ..Initializer::default()
        };
        [described.encode_to_vec(), values.encode_to_vec()].concat()
    }

    fn floats(n: usize) -> Values {
        Values { data_type: 1, floats: (0..n).map(|i| i as f32).collect(), ..Values::default() }
    }

    fn node(operator: &str, inputs: &[&str], output: &str) -> Node {
        Node {
            operator: operator.into(),
            inputs: inputs.iter().map(|&name| name.into()).collect(),
            outputs: vec![output.into()],
            ..Node::default()
        }
    }

    /// A model of these nodes and tensors.
    fn model(nodes: &[Node], tensors: &[Vec<u8>]) -> Vec<u8> {
        let mut graph = Writer(Graph { nodes: nodes.to_vec(), ..Graph::default() }.encode_to_vec());
        tensors.iter().for_each(|tensor| graph.message(5, tensor).expect("written"));
        let mut model = Writer::default();
        model.message(7, &graph.0).expect("written");
        model.0
    }

    fn graph_of(model: &[u8]) -> Graph {
        Model::decode(model).expect("a model").graph.expect("a graph")
    }

    fn random(draw: WeightDraw, layers: std::ops::Range<usize>) -> RandomWeights {
        RandomWeights { draw, seed: 3, layers }
    }

    /// The values of each tensor of a model's graph, by name.
    fn values_of(model: &[u8]) -> HashMap<String, Vec<f64>> {
        let graph = fields(model).map(|f| messages_of(&f, 7)).expect("fields");
        let tensors = fields(graph[0]).map(|f| messages_of(&f, 5).into_iter().map(<[u8]>::to_vec).collect());
        let tensors: Vec<Vec<u8>> = tensors.expect("fields");
        let read = |tensor: &Vec<u8>| {
            let values = Values::decode(tensor.as_slice()).expect("values");
            (text(tensor, 8).expect("a name"), numbers(&values).expect("numbers"))
        };
        tensors.iter().map(read).collect()
    }

    fn messages_of<'m>(fields: &[crate::wire::Field<'m>], number: u32) -> Vec<&'m [u8]> {
        crate::wire::messages(fields, number).expect("messages")
    }

    fn example() -> Vec<u8> {
        let half = |n: usize| Values {
            data_type: 10,
            halves: (0..n).map(|i| i32::from(f16::from_f32(i as f32).to_bits())).collect(),
            ..Values::default()
        };
        let raw = Values {
            data_type: 1,
            raw: (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect(),
            ..Values::default()
        };
        model(
            &[
                node("Conv", &["x", "kernel", "bias"], "a"),
                node("BatchNormalization", &["a", "scale", "offset", "mean", "variance"], "b"),
                node("Transpose", &["wide"], "wide/turned"),
                node("MatMul", &["b", "wide/turned"], "c"),
                node("Gemm", &["c", "half"], "d"),
                node("Add", &["d", "offset"], "y"),
            ],
            &[
                tensor("kernel", &[4, 2, 3, 3], floats(72)),
                tensor("bias", &[4], floats(4)),
                tensor("scale", &[4], floats(4)),
                tensor("offset", &[4], floats(4)),
                tensor("mean", &[4], floats(4)),
                tensor("variance", &[4], floats(4)),
                tensor("wide", &[3, 2], raw),
                tensor("half", &[3, 5], half(15)),
            ],
        )
    }

    #[test]
    fn layers_are_nodes_with_weights_of_the_file_in_the_order_in_which_they_run() {
        let found = layers(&graph_of(&example())).expect("layers");
        let names: Vec<&str> = found.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["Conv_0", "BatchNormalization_1", "MatMul_3", "Gemm_4"]);
        let role = |layer: usize, i: usize| found[layer].tensors[i].1;
        assert_eq!(role(0, 0), WeightRole::Factor { fan_in: 18 });
        assert_eq!((role(1, 0), role(1, 3)), (WeightRole::Scale, WeightRole::Variance));
        // [3, 2] turned is [2, 3], of which a product runs over the rows.
        assert_eq!(role(2, 0), WeightRole::Factor { fan_in: 2 });
        assert_eq!(role(3, 0), WeightRole::Factor { fan_in: 3 });
    }

    #[test]
    fn a_tensor_that_two_layers_share_belongs_to_the_later_one() {
        let shared = [node("Conv", &["x", "kernel"], "a"), node("Conv", &["a", "kernel"], "y")];
        let found = layers(&graph_of(&model(&shared, &[tensor("kernel", &[2, 2, 1, 1], floats(4))])));
        let names: Vec<String> = found.expect("layers").into_iter().map(|layer| layer.name).collect();
        assert_eq!(names, ["Conv_1"]);
    }

    #[test]
    fn only_the_layers_that_are_asked_for_change_and_all_else_stays() {
        let model = example();
        let found = layers(&graph_of(&model)).expect("layers");
        let changed = drawn(&model, &found, &random(WeightDraw::Permuted, 2..4)).expect("a model");
        assert_eq!(graph_of(&changed), graph_of(&model));
        let (before, after) = (values_of(&model), values_of(&changed));
        for (name, trained) in &before {
            let is_asked = ["wide", "half"].contains(&name.as_str());
            assert_eq!(&after[name] != trained, is_asked, "{name}");
            let mut sorted = after[name].clone();
            sorted.sort_by(f64::total_cmp);
            assert_eq!(&sorted, trained, "{name}: permuted values are the trained ones");
        }
    }

    #[test]
    fn initial_weights_keep_within_the_bound_of_their_layer() {
        let model = example();
        let found = layers(&graph_of(&model)).expect("layers");
        let after = values_of(&drawn(&model, &found, &random(WeightDraw::Initial, 0..4)).expect("a model"));
        let bound = |name: &str| after[name].iter().fold(0f64, |most, value| most.max(value.abs()));
        for (name, fan_in) in [("kernel", 18f64), ("bias", 18.0), ("wide", 2.0), ("half", 3.0)] {
            assert!(bound(name) > 0.0 && bound(name) <= 1.001 / fan_in.sqrt(), "{name} {}", bound(name));
        }
        assert_eq!((&after["scale"], &after["mean"]), (&vec![1.0; 4], &vec![0.0; 4]));
    }

    #[test]
    fn a_constant_node_holds_weights_too() {
        let mut constant = node("Constant", &[], "kernel");
        constant.attributes.push(Attribute {
            name: "value".into(),
            tensor: Some(Box::new(Initializer {
                dims: vec![2, 2, 1, 1],
                data_type: 1,
                ..Initializer::default()
            })),
            ..Attribute::default()
        });
        let model = model(&[constant, node("Conv", &["x", "kernel"], "y")], &[]);
        let found = layers(&graph_of(&model)).expect("layers");
        assert_eq!(found[0].tensors[0].0, "kernel");
        // It has no values here; that they are written into the attribute is tried with a real model.
        drawn(&model, &found, &random(WeightDraw::Matched, 0..1)).expect("a model");
    }

    #[test]
    fn weights_that_cannot_be_drawn_are_refused_by_the_name_of_their_node() {
        let check = |nodes: &[Node], tensors: &[Vec<u8>], words: &str| {
            let error = layers(&graph_of(&model(nodes, tensors))).err().expect(words).to_string();
            assert!(error.contains(words), "{error}");
        };
        let bytes = Values { data_type: 3, raw: vec![1; 4], ..Values::default() };
        check(
            &[
                node("DequantizeLinear", &["w8", "scale"], "w"),
                Node { name: "last".into(), ..node("Conv", &["x", "w"], "y") },
            ],
            &[tensor("w8", &[2, 2, 1, 1], bytes)],
            "quantized",
        );
        check(&[node("Relu", &["x"], "y")], &[], "no layer whose weights are in its file");
        let outside =
            Initializer { name: "w".into(), data_type: 1, data_location: 1, ..Initializer::default() };
        let outside = Initializer {
            external_data: vec![crate::proto::Entry { key: "location".into(), value: "w.bin".into() }],
            ..outside
        };
        check(
            &[node("Conv", &["x", "w"], "y")],
            &[outside.encode_to_vec()],
            "Conv_0: its weights are in another file",
        );
    }
}
