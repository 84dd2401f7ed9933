//! A model that makes its masked images itself: its inputs are an image, small masks and the upsampling.
//!
//! The nodes that make them stand before the model's own, and what they make has the name of its image input, which is an
//! input no more. So nothing else of the file changes. A server that runs this gets one image and small masks in place of
//! as many masked images.

use prost::Message;
use scorecam_core::{BatchRule, Layout, ModelBackend, Result, ensure};

use crate::element::Element;
use crate::model::OnnxModel;
use crate::proto::{Attribute, FLOAT, Node, Value};
use crate::wire::{Content, Writer, fields, rewritten, text};

/// The inputs: an image [1, C, H, W], masks [M, 1, h, w], the upsampling as matrices [H, h] and [w, W].
const INPUTS: [&str; 4] = ["saliency_image", "saliency_masks", "saliency_rows", "saliency_columns"];
/// The tensors between.
const WIDE: &str = "saliency/wide";
const MASK: &str = "saliency/mask";
const MASKED: &str = "saliency/masked";

impl OnnxModel {
    /// The model's file with masked images made in it.
    pub(super) fn masking(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        let image = &self.ports.image;
        let taken = |value: &Value| INPUTS.contains(&value.name.as_str());
        let graph = self.described.graph();
        ensure!(!graph.inputs.iter().any(taken), invalid, "the model has a tensor {:?} already", INPUTS[0]);
        ensure!(
            matches!(self.info().batch, BatchRule::Any { .. }) && image.has_batch,
            unsupported,
            "the model has a fixed batch size, but the number of masks varies; export it with a variable batch size"
        );
        ensure!(
            image.element == Element::F32,
            unsupported,
            "the model takes images in {}, but masked images are in f32; export it in f32",
            image.element
        );
        rewritten(bytes, &|field, out| match (field.number, field.content) {
            (7, Content::Bytes(graph)) => out.message(7, &self.masking_graph(graph)?),
            _ => out.same(field),
        })
    }

    fn masking_graph(&self, graph: &[u8]) -> Result<Vec<u8>> {
        let image = &self.ports.image;
        let mut out = Writer::default();
        for node in nodes(&image.name, image.layout) {
            out.message(1, &node.encode_to_vec())?;
        }
        for field in fields(graph)? {
            let is_image = match (field.number, &field.content) {
                (11, Content::Bytes(content)) => text(content, 1)? == image.name,
                _ => false,
            };
            if is_image {
                let [_, channels, height, width] = image.shape;
                let shapes = [
                    [Some(1), channels, height, width].to_vec(),
                    vec![None, Some(1), None, None],
                    vec![height, None],
                    vec![None, width],
                ];
                for (name, shape) in INPUTS.into_iter().zip(shapes) {
                    out.message(11, &Value::tensor(name, FLOAT, Some(shape)).encode_to_vec())?;
                }
            } else {
                out.same(&field)?;
            }
        }
        Ok(out.0)
    }
}

/// What makes masked images, of the name and order of axes that the model wants.
fn nodes(name: &str, layout: Layout) -> Vec<Node> {
    let [image, masks, rows, columns] = INPUTS;
    let node = |operator: &str, inputs: [&str; 2], output: &str| Node {
        operator: operator.into(),
        inputs: inputs.map(str::to_owned).to_vec(),
        outputs: vec![output.into()],
        ..Node::default()
    };
    let masked = if layout == Layout::Nchw { name } else { MASKED };
    let mut all = vec![
        node("MatMul", [rows, masks], WIDE),
        node("MatMul", [WIDE, columns], MASK),
        node("Mul", [MASK, image], masked),
    ];
    if layout == Layout::Nhwc {
        let (perm, integers) = ("perm".into(), vec![0, 2, 3, 1]);
        all.push(Node {
            operator: "Transpose".into(),
            inputs: vec![MASKED.into()],
            outputs: vec![name.into()],
            attributes: vec![Attribute {
                name: perm,
                integers,
                kind: Attribute::INTS,
                ..Attribute::default()
            }],
            ..Node::default()
        });
    }
    all
}
