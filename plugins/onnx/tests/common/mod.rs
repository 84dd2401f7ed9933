//! Small ONNX models, written by the tests themselves.
//!
//! The structs are a writer's view of onnx.proto3, independent of the reader in `src/proto.rs`, so that the
//! two check each other. Weights come from a fixed sequence: a model is the same on every run.
#![allow(dead_code, reason = "each test file uses its own part of this module")]

use std::path::{Path, PathBuf};

use prost::Message;
use scorecam_core::{
    BackendLoader, Forward, Inputs, MaskedRequest, ModelBackend, ModelConfig, ModelView, Result, Tensor,
    TensorView, ViewOptions,
};
use scorecam_onnx::OnnxLoader;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Model {
    #[prost(int64, tag = "1")]
    pub(crate) ir_version: i64,
    #[prost(message, optional, tag = "7")]
    pub(crate) graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    pub(crate) opset_import: Vec<Opset>,
    #[prost(message, repeated, tag = "25")]
    pub(crate) functions: Vec<Function>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Function {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, repeated, tag = "4")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "5")]
    pub(crate) output: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) node: Vec<Node>,
    #[prost(message, repeated, tag = "9")]
    pub(crate) opset_import: Vec<Opset>,
    #[prost(string, tag = "10")]
    pub(crate) domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Opset {
    #[prost(string, tag = "1")]
    pub(crate) domain: String,
    #[prost(int64, tag = "2")]
    pub(crate) version: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Graph {
    #[prost(message, repeated, tag = "1")]
    pub(crate) node: Vec<Node>,
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) initializer: Vec<Weights>,
    #[prost(message, repeated, tag = "11")]
    pub(crate) input: Vec<Value>,
    #[prost(message, repeated, tag = "12")]
    pub(crate) output: Vec<Value>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) value_info: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, repeated, tag = "1")]
    pub(crate) input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub(crate) output: Vec<String>,
    #[prost(string, tag = "4")]
    pub(crate) op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub(crate) attribute: Vec<Attribute>,
    #[prost(string, tag = "7")]
    pub(crate) domain: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(float, tag = "2")]
    pub(crate) float: f32,
    #[prost(int64, tag = "3")]
    pub(crate) int: i64,
    #[prost(float, repeated, tag = "7")]
    pub(crate) floats: Vec<f32>,
    #[prost(int64, repeated, tag = "8")]
    pub(crate) ints: Vec<i64>,
    /// Which of the values counts: 1 the float, 2 the integer, 6 the floats, 7 the integers.
    #[prost(int32, tag = "20")]
    pub(crate) kind: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Weights {
    #[prost(int64, repeated, tag = "1")]
    pub(crate) dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub(crate) data_type: i32,
    #[prost(string, tag = "8")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub(crate) raw_data: Vec<u8>,
    #[prost(message, repeated, tag = "13")]
    pub(crate) external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    pub(crate) data_location: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Kind {
    #[prost(message, optional, tag = "1")]
    pub(crate) tensor: Option<TensorKind>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TensorKind {
    #[prost(int32, tag = "1")]
    pub(crate) elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) shape: Option<Shape>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Shape {
    #[prost(message, repeated, tag = "1")]
    pub(crate) dim: Vec<Dim>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Dim {
    #[prost(int64, optional, tag = "1")]
    pub(crate) value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub(crate) param: Option<String>,
}

pub(crate) const F32: i32 = 1;
pub(crate) const I64: i32 = 7;
pub(crate) const F16: i32 = 10;

/// A tensor type; an axis of 0 is free, and named after its place.
pub(crate) fn value(name: &str, elem_type: i32, shape: &[i64]) -> Value {
    let dim = shape.iter().enumerate().map(|(i, &d)| match d {
        0 => Dim { value: None, param: Some(format!("axis{i}")) },
        d => Dim { value: Some(d), param: None },
    });
    let shape = Some(Shape { dim: dim.collect() });
    Value { name: name.into(), kind: Some(Kind { tensor: Some(TensorKind { elem_type, shape }) }) }
}

/// A node; inputs are separated by spaces, two of which leave one out.
pub(crate) fn node(op_type: &str, inputs: &str, output: &str, attribute: Vec<Attribute>) -> Node {
    Node {
        input: if inputs.is_empty() { vec![] } else { inputs.split(' ').map(String::from).collect() },
        output: vec![output.into()],
        op_type: op_type.into(),
        attribute,
        domain: String::new(),
    }
}

/// An attribute that is a float.
pub(crate) fn float(name: &str, float: f32) -> Attribute {
    Attribute { name: name.into(), float, kind: 1, ..Attribute::default() }
}

/// A model under construction.
#[derive(Clone, Default)]
pub(crate) struct Net {
    pub(crate) graph: Graph,
    pub(crate) functions: Vec<Function>,
}

impl Net {
    /// A net whose one input is `input`, f32, of `shape`.
    pub(crate) fn new(shape: &[i64]) -> Self {
        let graph = Graph { name: "net".into(), input: vec![value("input", F32, shape)], ..Graph::default() };
        Self { graph, functions: vec![] }
    }

    /// Adds a node; inputs are separated by spaces.
    pub(crate) fn node(self, op_type: &str, inputs: &str, output: &str) -> Self {
        self.node_with(op_type, inputs, output, &[])
    }

    /// Adds a node with attributes that are lists of integers.
    pub(crate) fn node_with(
        mut self,
        op_type: &str,
        inputs: &str,
        output: &str,
        ints: &[(&str, &[i64])],
    ) -> Self {
        let attribute = ints.iter().map(|(name, ints)| Attribute {
            name: (*name).into(),
            ints: ints.to_vec(),
            kind: 7,
            ..Attribute::default()
        });
        self.graph.node.push(node(op_type, inputs, output, attribute.collect()));
        self
    }

    /// Adds a node with one attribute.
    pub(crate) fn node_having(mut self, op_type: &str, inputs: &str, output: &str, one: Attribute) -> Self {
        self.graph.node.push(node(op_type, inputs, output, vec![one]));
        self
    }

    /// Adds f32 weights.
    pub(crate) fn weights(mut self, name: &str, dims: &[i64]) -> Self {
        let count = dims.iter().product::<i64>() as usize;
        let raw_data = sequence(count, name.len() as u32).iter().flat_map(|v| v.to_le_bytes()).collect();
        self.graph.initializer.push(Weights {
            dims: dims.to_vec(),
            data_type: F32,
            name: name.into(),
            raw_data,
            ..Weights::default()
        });
        self
    }

    /// Adds a constant list of integers, such as the shape for a Reshape.
    pub(crate) fn integers(mut self, name: &str, values: &[i64]) -> Self {
        let raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let dims = vec![values.len() as i64];
        self.graph.initializer.push(Weights {
            dims,
            data_type: I64,
            name: name.into(),
            raw_data,
            ..Weights::default()
        });
        self
    }

    /// A convolution of 3 x 3 that keeps the size, with its weights.
    pub(crate) fn conv(self, input: &str, output: &str, channels: (i64, i64)) -> Self {
        let weights = format!("{output}.weight");
        self.weights(&weights, &[channels.1, channels.0, 3, 3]).node_with(
            "Conv",
            &format!("{input} {weights}"),
            output,
            &[("kernel_shape", &[3, 3]), ("pads", &[1, 1, 1, 1])],
        )
    }

    /// Averages `input` of `channels` over its cells and classifies: tensors `gap`, `flat`, `logits`.
    pub(crate) fn head(self, input: &str, channels: i64, classes: i64) -> Self {
        self.node("GlobalAveragePool", input, "gap")
            .node("Flatten", "gap", "flat")
            .weights("fc.weight", &[channels, classes])
            .node("MatMul", "flat fc.weight", "logits")
    }

    /// Declares an output.
    pub(crate) fn output(mut self, name: &str, shape: &[i64]) -> Self {
        self.graph.output.push(value(name, F32, shape));
        self
    }

    /// The model's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut opset_import = vec![Opset { domain: String::new(), version: 13 }];
        opset_import.extend(self.functions.iter().map(|f| Opset { domain: f.domain.clone(), version: 1 }));
        let (graph, functions) = (Some(self.graph.clone()), self.functions.clone());
        Model { ir_version: 8, graph, opset_import, functions }.encode_to_vec()
    }

    /// Writes the model as `folder/name`.
    pub(crate) fn save(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.bytes()).expect("the temporary folder can be written");
        path
    }
}

/// conv1 (8 maps), relu1, conv2 (6 maps), relu2, head with 5 classes; 8 x 8 input.
pub(crate) fn classifier(batch: i64) -> Net {
    Net::new(&[batch, 3, 8, 8])
        .conv("input", "conv1", (3, 8))
        .node("Relu", "conv1", "relu1")
        .conv("relu1", "conv2", (8, 6))
        .node("Relu", "conv2", "relu2")
        .head("relu2", 6, 5)
        .output("logits", &[batch, 5])
}

/// Values in [-0.5, 0.5), equal for equal seeds.
pub(crate) fn sequence(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 24) as f32 - 0.5
    };
    std::iter::repeat_with(next).take(count).collect()
}

pub(crate) fn image(shape: [usize; 4], seed: u32) -> Tensor {
    Tensor::new(shape, sequence(shape.iter().product(), seed)).expect("the length is that of the shape")
}

pub(crate) fn config(path: &Path) -> ModelConfig {
    ModelConfig { path: path.into(), threads: Some(1), ..ModelConfig::default() }
}

pub(crate) fn load(config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
    OnnxLoader::cpu().load(config)
}

/// The raw class scores, and the raw tensors of the layers `taps`.
pub(crate) fn forward(model: &dyn ModelBackend, images: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
    let scores = model.info().score_output()?.name.as_str();
    let mut found = model.forward(&Inputs::of(images), &[&[scores], taps].concat())?;
    let activations = found.split_off(1);
    Ok(Forward { scores: found.remove(0), activations })
}

/// The raw class scores of masked images; `on_batch` gets the number of masks of each batch.
pub(crate) fn masked(
    model: &dyn ModelBackend,
    request: &MaskedRequest<'_>,
    on_batch: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Tensor> {
    let scores = model.info().score_output()?.name.as_str();
    let (mut all, mut item, mut rows) = (Vec::new(), vec![0], 0);
    model.masked(request, &[scores], &mut |_, tensors| {
        all.extend_from_slice(tensors[0].data());
        item = tensors[0].shape()[1..].to_vec();
        rows += tensors[0].shape()[0];
        on_batch(tensors[0].shape()[0])
    })?;
    Tensor::new([&[rows], item.as_slice()].concat(), all)
}

/// A model behind its view, as a host has it.
pub(crate) fn viewed(config: &ModelConfig) -> ModelView<Box<dyn ModelBackend>> {
    ModelView::new(load(config).expect("the model loads"), &ViewOptions::default()).expect("it has a view")
}

/// The message of a load that must fail.
pub(crate) fn refusal(config: &ModelConfig) -> String {
    match load(config) {
        Ok(model) => panic!("{config:?} was loaded: {:?}", model.info()),
        Err(error) => error.to_string(),
    }
}
