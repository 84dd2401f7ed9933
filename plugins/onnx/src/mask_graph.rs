//! The graph that makes masked images on the device: a small ONNX model of our own, in front of the user's.
//!
//! Every upsampling of a preset is a separable linear operator, so a small mask [h, w] becomes one of the image's
//! size by two matrix products, `rows * mask * columns`, whose matrices core gives ([`Upsampler::row_matrix`]).
//! They are inputs like the masks: one graph serves all modes and sizes. Images and fill go to the device once,
//! and what crosses the bus for each batch are small masks and, for several images, which image each one covers.
//!
//! [`Upsampler::row_matrix`]: scorecam_core::Upsampler::row_matrix

use prost::Message;
use scorecam_core::Layout;

use crate::element::Element;
use crate::proto::{
    Attribute, Axis, FLOAT, FLOAT16, Graph, INT64, Kind, Model, Node, OperatorSet, Shape, TensorKind, Value,
};

/// Preprocessed images, [I, C, H, W].
pub(crate) const IMAGES: &str = "images";
/// What shows where a mask is 0, [I, C, H, W].
pub(crate) const FILL: &str = "fill";
/// Small masks, [N, 1, h, w], or rank maps, [R, 1, H, W].
pub(crate) const MASKS: &str = "masks";
/// For each cut the index of its rank map, [N].
pub(crate) const MAP_OF_CUT: &str = "map_of_cut";
/// For each cut the number of pixels that it takes away, [N, 1, 1, 1].
pub(crate) const COUNTS: &str = "counts";
/// For each mask the index of its image, [N].
pub(crate) const IMAGE_OF_MASK: &str = "image_of_mask";
/// [H, h]
pub(crate) const ROWS: &str = "rows";
/// [w, W]
pub(crate) const COLUMNS: &str = "columns";
/// Masked images as the model wants them, [N, C, H, W] or [N, H, W, C].
pub(crate) const MASKED: &str = "masked";

/// The format and the operators are older than any runtime that is opened here.
const IR_VERSION: i64 = 8;
const OPERATORS: i64 = 13;

/// What kind of masked images are wanted: each kind is a graph of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MaskGraph {
    pub(crate) masks: Masks,
    pub(crate) images: Images,
    pub(crate) fill: Fill,
    pub(crate) layout: Layout,
    pub(crate) element: Element,
}

/// How masks are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Masks {
    /// Small ones are upsampled.
    Small,
    /// Rank maps are cut.
    Cuts,
}

/// How many images the masks cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Images {
    /// One, which is broadcast.
    One,
    /// Several; indices choose.
    Several,
}

/// What shows where a mask is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Zeros.
    Zeros,
    /// The fill's own pixels.
    Pixels,
}

/// ONNX's number of the element type of masked images, f32 or f16.
fn number(element: Element) -> i32 {
    if element == Element::F16 { FLOAT16 } else { FLOAT }
}

impl MaskGraph {
    /// The graph as the bytes of an ONNX model.
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut drawn = Drawing::default();
        let mask = self.mask(&mut drawn);
        let image = self.chosen(&mut drawn, IMAGES);
        let mut masked = match self.fill {
            Fill::Zeros => drawn.node("Mul", &[&mask, &image]),
            // As a step from the fill to the image, which needs no constant 1.
            Fill::Pixels => {
                let fill = self.chosen(&mut drawn, FILL);
                let step = drawn.node("Sub", &[&image, &fill]);
                let part = drawn.node("Mul", &[&mask, &step]);
                drawn.node("Add", &[&fill, &part])
            }
        };
        if self.layout == Layout::Nhwc {
            masked = drawn.node("Transpose", &[&masked]);
            let (name, integers) = ("perm".into(), vec![0, 2, 3, 1]);
            drawn.attribute(Attribute { name, integers, kind: Attribute::INTS, ..Attribute::default() });
        }
        if self.element == Element::F16 {
            masked = drawn.node("Cast", &[&masked]);
            drawn.attribute(Attribute::of_integer("to", FLOAT16.into()));
        }
        drawn.bytes(&masked, self.inputs(), value(MASKED, number(self.element), Some(4)))
    }

    /// The masks [N, 1, H, W].
    fn mask(self, drawn: &mut Drawing) -> String {
        match self.masks {
            Masks::Small => {
                let wide = drawn.node("MatMul", &[ROWS, MASKS]);
                drawn.node("MatMul", &[&wide, COLUMNS])
            }
            Masks::Cuts => {
                let ranks = drawn.node("Gather", &[MASKS, MAP_OF_CUT]);
                let stays = drawn.node("GreaterOrEqual", &[&ranks, COUNTS]);
                let mask = drawn.node("Cast", &[&stays]);
                drawn.attribute(Attribute::of_integer("to", FLOAT.into()));
                mask
            }
        }
    }

    /// The images, or those among several that the masks cover.
    fn chosen(self, drawn: &mut Drawing, images: &str) -> String {
        match self.images {
            Images::One => images.into(),
            Images::Several => drawn.node("Gather", &[images, IMAGE_OF_MASK]),
        }
    }

    fn inputs(self) -> Vec<Value> {
        let mut inputs = vec![value(IMAGES, FLOAT, Some(4)), value(MASKS, FLOAT, Some(4))];
        inputs.extend(match self.masks {
            Masks::Small => [value(ROWS, FLOAT, Some(2)), value(COLUMNS, FLOAT, Some(2))],
            Masks::Cuts => [value(MAP_OF_CUT, INT64, Some(1)), value(COUNTS, FLOAT, Some(4))],
        });
        if self.fill == Fill::Pixels {
            inputs.push(value(FILL, FLOAT, Some(4)));
        }
        if self.images == Images::Several {
            inputs.push(value(IMAGE_OF_MASK, INT64, Some(1)));
        }
        inputs
    }
}

/// A graph that hands on its input, for tensors that are to lie on the device.
pub(crate) fn copying_graph() -> Vec<u8> {
    let mut drawn = Drawing::default();
    let copy = drawn.node("Identity", &[IMAGES]);
    drawn.bytes(&copy, vec![value(IMAGES, FLOAT, None)], value(MASKED, FLOAT, None))
}

/// Nodes of one output each, in the order in which they run.
#[derive(Default)]
struct Drawing {
    nodes: Vec<Node>,
}

impl Drawing {
    /// Adds a node and returns its output's name.
    fn node(&mut self, operator: &str, inputs: &[&str]) -> String {
        let output = format!("{}_{}", operator.to_lowercase(), self.nodes.len());
        self.nodes.push(Node {
            inputs: inputs.iter().map(|&i| i.into()).collect(),
            outputs: vec![output.clone()],
            operator: operator.into(),
            ..Node::default()
        });
        output
    }

    /// Gives the last node an attribute.
    fn attribute(&mut self, attribute: Attribute) {
        if let Some(node) = self.nodes.last_mut() {
            node.attributes.push(attribute);
        }
    }

    /// The model of these nodes, with `result`, the output of the last one, as its own.
    fn bytes(mut self, result: &str, inputs: Vec<Value>, output: Value) -> Vec<u8> {
        for output in self.nodes.iter_mut().flat_map(|node| &mut node.outputs).filter(|o| *o == result) {
            *output = MASKED.into();
        }
        let (name, outputs) = ("masked_images".into(), vec![output]);
        let graph = Graph { name, nodes: self.nodes, inputs, outputs, ..Graph::default() };
        let operator_sets = vec![OperatorSet { domain: String::new(), version: OPERATORS }];
        Model { ir_version: IR_VERSION, graph: Some(graph), operator_sets, functions: Vec::new() }
            .encode_to_vec()
    }
}

/// A tensor of free lengths; without a rank, of any.
fn value(name: &str, element: i32, rank: Option<usize>) -> Value {
    let shape = rank.map(|rank| Shape { axes: vec![Axis::default(); rank] });
    let tensor = TensorKind { element, shape };
    Value { name: name.into(), kind: Some(Kind { tensor: Some(tensor) }) }
}
