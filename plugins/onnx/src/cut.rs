//! [`Cut`]: what of a model lies behind a layer, written as a model of its own.
//!
//! A cut goes through one tensor. What leads around it (a residual path, a mask) becomes a further input, to be taken from
//! the image's own pass; what depends on no image (weights, positions) is computed behind the cut as it was before it. The
//! model's file is copied field by field without the nodes and weights that are not needed, so nothing else of it is lost.

use std::collections::HashSet;

use prost::Message;
use scorecam_core::Result;

use crate::graph::Network;
use crate::proto::{Graph, Initializer, Node, Value};
use crate::wire::{Content, Writer, messages, rewritten, text};

/// A model's part behind a tensor, or before some, or between.
#[derive(Default)]
pub(crate) struct Cut<'g> {
    /// By place in the file, whether a node is part of it.
    nodes: Vec<bool>,
    /// The tensors that it reads: weights and inputs among them.
    reads: HashSet<&'g str>,
    /// The tensors that it takes from the part before the cut, beside that of the layer.
    pub(crate) around: Vec<&'g str>,
    /// Whether it reads the image itself, and not its shape alone.
    pub(crate) reads_image: bool,
    /// Whether it has convolutions.
    pub(crate) convolves: bool,
    /// The outputs that depend on the tensor.
    pub(crate) outputs: Vec<&'g str>,
}

impl<'g> Cut<'g> {
    /// The part of `network` that makes `outputs` of `tensor` and of what `needed` names.
    pub(crate) fn new(
        network: &Network<'g>,
        (tensor, image): (&'g str, &str),
        (outputs, needed): (&[&'g str], &[&'g str]),
    ) -> Self {
        let (waiting, of_image) = (network.waiting_for(tensor), network.after(image));
        let waits = |name: &&&str| network.producer(name).is_some_and(|p| waiting.contains(p));
        let outputs: Vec<&str> = outputs.iter().filter(waits).copied().collect();
        let bypasses =
            |name: &str| network.producer(name).is_some_and(|p| of_image.contains(p) && !waiting.contains(p));
        Self::followed(network, (Some(tensor), image, bypasses), (outputs, needed))
    }

    /// The part of `network` that makes those `outputs` of the graph, and what `needed` names: of its inputs, or where it
    /// begins at a `tensor`, of that and of what is `given` beside it.
    pub(crate) fn between(
        network: &Network<'g>,
        (tensor, image, given): (Option<&str>, &str, &[&str]),
        (outputs, needed): (Vec<&'g str>, &[&'g str]),
    ) -> Self {
        let is_given = |name: &str| given.contains(&name);
        let needed: Vec<&str> = needed.iter().filter(|name| !is_given(name)).copied().collect();
        Self::followed(network, (tensor, image, is_given), (outputs, &needed))
    }

    /// What `outputs` and `needed` depend on, followed back to `tensor`, to inputs, and to tensors that are given.
    fn followed(
        network: &Network<'g>,
        (tensor, image, is_given): (Option<&str>, &str, impl Fn(&str) -> bool),
        (outputs, needed): (Vec<&'g str>, &[&'g str]),
    ) -> Self {
        let mut cut = Self { nodes: vec![false; network.len()], ..Self::default() };
        let mut open = [outputs.as_slice(), needed].concat();
        cut.outputs = outputs;
        while let Some(name) = open.pop() {
            if tensor == Some(name) || !cut.reads.insert(name) {
                continue;
            }
            match network.producer(name) {
                _ if is_given(name) => cut.around.push(name),
                None => {}
                Some(p) => {
                    let reads = network.node(p).reads();
                    cut.reads_image |= reads.contains(&image) && !network.is_of_shape(p);
                    cut.convolves |= network.node(p).operator.contains("Conv");
                    cut.nodes[network.place(p)] = true;
                    open.extend(reads);
                }
            }
        }
        cut
    }

    /// The share of the weights of `graph` that it reads.
    pub(crate) fn share_of_weights(&self, graph: &Graph) -> f64 {
        let count = |weights: &Initializer| weights.dims.iter().map(|&n| n as f64).product::<f64>();
        let listed = graph.initializers.iter().map(|weights| (&weights.name, count(weights)));
        let constants = graph.nodes.iter().filter(|node| node.operator == "Constant").flat_map(|node| {
            let tensors = node.attributes.iter().filter_map(|attribute| attribute.tensor.as_deref());
            node.outputs.iter().zip(tensors.map(count))
        });
        let (mut own, mut all) = (0.0, 0.0);
        for (name, count) in listed.chain(constants) {
            all += count;
            own += if self.reads(name) { count } else { 0.0 };
        }
        own / f64::max(all, 1.0)
    }

    /// Whether the node in this place of the file is part of it.
    pub(crate) fn has(&self, place: usize) -> bool {
        self.nodes.get(place).copied().unwrap_or(false)
    }

    /// Whether a tensor is read behind the cut.
    pub(crate) fn reads(&self, name: &str) -> bool {
        self.reads.contains(name)
    }

    /// The bytes of a model that has this part of `model` alone, with `inputs` beside those of the model's own that it
    /// reads, and `nodes` before its own.
    pub(crate) fn written(&self, model: &[u8], inputs: &[Value], nodes: &[Node]) -> Result<Vec<u8>> {
        rewritten(model, &|field, out| match (field.number, field.content) {
            (7, Content::Bytes(graph)) => out.message(7, &self.graph(graph, inputs, nodes)?),
            _ => out.same(field),
        })
    }

    fn graph(&self, graph: &[u8], inputs: &[Value], nodes: &[Node]) -> Result<Vec<u8>> {
        let mut place = 0;
        let mut out = Writer::default();
        for field in crate::wire::fields(graph)? {
            let Content::Bytes(content) = field.content else {
                out.same(&field)?;
                continue;
            };
            let stays = match field.number {
                1 => {
                    place += 1;
                    self.has(place - 1)
                }
                5 => self.reads(&text(content, 8)?),
                15 => {
                    let values = messages(&crate::wire::fields(content)?, 1)?;
                    values
                        .first()
                        .map(|values| text(values, 8))
                        .transpose()?
                        .is_some_and(|name| self.reads(&name))
                }
                11 => self.reads(&text(content, 1)?),
                12 => self.outputs.contains(&text(content, 1)?.as_str()),
                13 => !inputs.iter().any(|input| text(content, 1).is_ok_and(|name| name == input.name)),
                _ => true,
            };
            if stays {
                out.same(&field)?;
            }
        }
        nodes.iter().try_for_each(|node| out.message(1, &node.encode_to_vec()))?;
        inputs.iter().try_for_each(|input| out.message(11, &input.encode_to_vec()))?;
        Ok(out.0)
    }
}
