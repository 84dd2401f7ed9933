//! The few fields of ONNX's protobuf messages that this crate reads and writes.
//!
//! Fields that are not named here, weights above all, are skipped without a copy when a model is read, and a
//! user's model is never written back from these structs, because what they do not name would be lost. What is
//! written is small and our own: the graph that makes masks ([`crate::mask_graph`]), and [`output_appendix`]:
//! protobuf messages merge when their bytes follow one another, so a few bytes behind a model's own make inner
//! tensors outputs, and ONNX Runtime infers their types.
//!
//! Field numbers are those of onnx.proto3, which every ONNX version has kept.

use prost::Message;

/// The type of a tensor of 32-bit floats (`TensorProto.FLOAT`).
pub(crate) const FLOAT: i32 = 1;
/// `TensorProto.INT64`.
pub(crate) const INT64: i32 = 7;
/// `TensorProto.FLOAT16`.
pub(crate) const FLOAT16: i32 = 10;
/// `TensorProto.EXTERNAL`: the weights lie in another file.
const EXTERNAL: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Model {
    #[prost(int64, tag = "1")]
    pub(crate) ir_version: i64,
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) operator_sets: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "25")]
    pub(crate) functions: Vec<Function>,
}

/// A part of the graph under a name of its own (`FunctionProto`), put in the place of its calls by [`crate::functions`].
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Function {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

/// The version of the operators that a model uses; an empty domain is ONNX's own.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct OperatorSet {
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub(crate) nodes: Vec<Node>,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializers: Vec<Initializer>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) inputs: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) outputs: Vec<Value>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) value_infos: Vec<Value>,
    #[prost(message, repeated, tag = "15")]
    pub(crate) sparse_initializers: Vec<SparseInitializer>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) inputs: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) outputs: Vec<String>,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) operator: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) attributes: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
}

impl Node {
    /// The inner graphs of If, Loop and Scan.
    pub(crate) fn graphs(&self) -> impl Iterator<Item = &Graph> {
        self.attributes.iter().flat_map(|a| a.graph.as_deref().into_iter().chain(&a.graphs))
    }

    /// Every tensor that the node reads, those that its inner graphs (If, Loop) capture included.
    pub(crate) fn reads(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.inputs.iter().map(String::as_str).collect();
        for graph in self.graphs() {
            names.extend(graph.nodes.iter().flat_map(Node::reads));
            names.extend(graph.outputs.iter().map(|o| o.name.as_str()));
        }
        names
    }

    /// Whether it makes the mean of each map of its first input [N, K, h, w].
    pub(crate) fn is_mean_of_cells(&self) -> bool {
        match self.operator.as_str() {
            // Another domain may have another order of axes, as the runtime's own for channels last has.
            _ if !matches!(self.domain.as_str(), "" | "ai.onnx") => false,
            "GlobalAveragePool" => true,
            "ReduceMean" => {
                matches!(self.integers("axes"), Some([2, 3] | [3, 2] | [-1, -2] | [-2, -1]))
            }
            _ => false,
        }
    }

    /// Whether its operator is one of `operators`, which are separated by blanks.
    pub(crate) fn is_one_of(&self, operators: &str) -> bool {
        operators.split(' ').any(|operator| operator == self.operator)
    }

    /// The integer that the attribute `name` holds.
    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        self.attributes.iter().find(|a| a.name == name).map(|a| a.integer)
    }

    /// The list of integers that the attribute `name` holds.
    pub(crate) fn integers(&self, name: &str) -> Option<&[i64]> {
        self.attributes.iter().find(|a| a.name == name).map(|a| a.integers.as_slice())
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(float, tag = "2")]
    pub(crate) float: f32,
    #[prost(int64, tag = "3")]
    pub(crate) integer: i64,
    #[prost(message, optional, boxed, tag = "5")]
    pub(crate) tensor: Option<Box<Initializer>>,
    #[prost(message, optional, boxed, tag = "6")]
    pub(crate) graph: Option<Box<Graph>>,
    #[prost(int64, repeated, tag = "8")]
    pub(crate) integers: Vec<i64>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) graphs: Vec<Graph>,
    /// Which of the values counts, one of `AttributeProto.AttributeType`.
    #[prost(int32, tag = "20")]
    pub(crate) kind: i32,
}

impl Attribute {
    /// `AttributeType.INT`.
    pub(crate) const INT: i32 = 2;
    /// `AttributeType.FLOAT`.
    const FLOAT: i32 = 1;
    /// `AttributeType.INTS`.
    pub(crate) const INTS: i32 = 7;

    /// An integer with a name.
    pub(crate) fn of_integer(name: &str, integer: i64) -> Self {
        Self { name: name.into(), integer, kind: Self::INT, ..Self::default() }
    }

    /// A list of integers with a name.
    pub(crate) fn of_integers(name: &str, integers: Vec<i64>) -> Self {
        Self { name: name.into(), integers, kind: Self::INTS, ..Self::default() }
    }

    /// Whether it is the number 1.0.
    pub(crate) fn is_one(&self) -> bool {
        self.kind == Self::FLOAT && self.float == 1.0
    }
}

/// A `TensorProto` without its values.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Initializer {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(crate) data_type: i32,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "13")]
    pub(crate) external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    pub(crate) data_location: i32,
}

impl Initializer {
    /// The file, relative to the model's folder, that holds the values; `None` when the model itself does.
    pub(crate) fn external_file(&self) -> Option<&str> {
        if self.data_location != EXTERNAL {
            return None;
        }
        self.external_data.iter().find(|e| e.key == "location").map(|e| e.value.as_str())
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SparseInitializer {
    #[prost(message, optional, tag = "1")]
    pub(crate) values: Option<Initializer>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

/// A `ValueInfoProto`: the name and type of a tensor.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) kind: Option<Kind>,
}

impl Value {
    /// The lengths of its axes, where the file declares them; names and numbers below 1 are free.
    pub(crate) fn shape(&self) -> Option<Vec<Option<usize>>> {
        let shape = self.kind.as_ref()?.tensor.as_ref()?.shape.as_ref()?;
        let length = |axis: &Axis| axis.length.and_then(|l| usize::try_from(l).ok()).filter(|&l| l > 0);
        Some(shape.axes.iter().map(length).collect())
    }
}

impl Value {
    /// A tensor of this element type, and of this shape where it is known.
    pub(crate) fn tensor(name: &str, element: i32, shape: Option<Vec<Option<usize>>>) -> Self {
        let axis = |length: Option<usize>| Axis { length: length.map(|l| l as i64) };
        let shape = shape.map(|axes| Shape { axes: axes.into_iter().map(axis).collect() });
        Self { name: name.into(), kind: Some(Kind { tensor: Some(TensorKind { element, shape }) }) }
    }
}

/// A `TypeProto`; `tensor` is `None` for sequences and maps.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Kind {
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor: Option<TensorKind>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorKind {
    #[prost(int32, tag = "1")]
    pub(crate) element: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub(crate) axes: Vec<Axis>,
}

/// The length of one axis; free when it has a name or nothing.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Axis {
    #[prost(int64, optional, tag = "1")]
    pub(crate) length: Option<i64>,
}

/// The bytes that, behind those of a model, add `nodes` to its graph and make the tensors `names` outputs of it.
pub(crate) fn output_appendix<'a>(names: impl IntoIterator<Item = &'a str>, nodes: Vec<Node>) -> Vec<u8> {
    let outputs = names.into_iter().map(|name| Value { name: name.into(), kind: None }).collect();
    Model { graph: Some(Graph { nodes, outputs, ..Graph::default() }), ..Model::default() }.encode_to_vec()
}
