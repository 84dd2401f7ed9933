//! The layers of a model that can be explained: which, of what shape, and which one when none is named.
//!
//! Listed are the f32 tensors of four axes, batch first, that lie between the image and the scores: their
//! channels are the maps that a saliency map is made of. Shapes come from the file where it tells them, else
//! from ONNX Runtime's own inference, else from one trial pass on zeros. Channels-last tensors (outside of
//! the transpositions that TensorFlow's exporter leaves) are listed as [K, h, w] like all others.

use std::collections::HashMap;

use ort::value::TensorElementType;
use scorecam_core::{LayerInfo, Layout, ModelConfig, Result};

use crate::file;
use crate::graph::{Network, NodeSet};
use crate::mask_graph::Element;
use crate::ports::{ImageInput, find_output, lengths};
use crate::proto::{self, FLOAT};
use crate::session::{Session, SessionSpec};
use crate::values::Input;

type Shape = Vec<Option<usize>>;

/// What is known of a tensor's type.
#[derive(Debug, Clone, PartialEq)]
enum Known {
    /// f32; the shape may be unknown in whole or in part.
    Float(Option<Shape>),
    /// A sequence, or a tensor of another element type.
    Other,
}

/// What a look at the whole model found.
pub(crate) struct Survey {
    pub(crate) layers: Vec<LayerInfo>,
    /// For each layer, how its tensor is laid out.
    pub(crate) layouts: Vec<Layout>,
    pub(crate) default_layer: Option<usize>,
    /// Shape of the scores output; `None` when nothing tells before the first pass.
    pub(crate) scores: Option<Shape>,
    /// The batch that the graph works for, where a trial found that it is not free as declared.
    pub(crate) found_batch: Option<usize>,
}

/// Lists the layers between `input` and `output`.
pub(crate) fn survey(
    spec: &SessionSpec,
    (graph, bytes): (&proto::Graph, &mut Vec<u8>),
    input: &ImageInput,
    output: &str,
) -> Result<Survey> {
    let mut outline = Outline::new(graph, input, output);
    let is_unclear = |(_, name): &(usize, &str)| is_unclear(outline.types.get(*name), output == *name);
    let mut found_batch = None;
    if outline.names.iter().any(is_unclear) {
        found_batch = complete(spec, bytes, (graph, &outline.names), input, &mut outline.types)?;
    }
    Ok(outline.list(found_batch))
}

/// The layers of the model in `bytes` as far as they tell it themselves, without a runtime: those of undeclared
/// type are missing. `config` chooses input and output as it does when a model is loaded, and its path names
/// the model in errors.
pub fn declared_layers(bytes: &[u8], config: &ModelConfig) -> Result<Vec<LayerInfo>> {
    let graph = file::parse(&config.path, bytes)?;
    file::check_external_data(&config.path, &graph)?;
    let input = ImageInput::find(&graph, config)?;
    let output = find_output(&graph, config.output.as_deref())?;
    Ok(Outline::new(&graph, &input, &output.name).list(None).layers)
}

/// What lies between the image and the scores, and what is known of it so far.
struct Outline<'g> {
    graph: &'g proto::Graph,
    input: &'g ImageInput,
    output: &'g str,
    network: Network<'g>,
    path: NodeSet,
    /// Every tensor on the way, with the node that makes it.
    names: Vec<(usize, &'g str)>,
    types: HashMap<String, Known>,
}

impl<'g> Outline<'g> {
    fn new(graph: &'g proto::Graph, input: &'g ImageInput, output: &'g str) -> Self {
        let network = Network::new(graph);
        let path = network.between(&input.name, output);
        let names = (0..graph.nodes.len())
            .filter(|&i| path.contains(i))
            .flat_map(|i| graph.nodes[i].outputs.iter().map(move |o| (i, o.as_str())))
            .filter(|(_, name)| !name.is_empty())
            .collect();
        Self { graph, input, output, network, path, names, types: declared(graph) }
    }

    fn list(&self, found_batch: Option<usize>) -> Survey {
        let batch = self.input.fixed_batch().or(found_batch);
        let scores = match self.types.get(self.output) {
            Some(Known::Float(shape)) => shape.clone(),
            _ => None,
        };
        let layout_of = self.network.layouts(&self.input.name, self.input.layout);
        let mut survey = Survey { layers: vec![], layouts: vec![], default_layer: None, scores, found_batch };
        let mut node_of_layer = vec![];
        for &(node, name) in &self.names {
            let Some(Known::Float(Some(shape))) = self.types.get(name) else { continue };
            let &[n, a, b, c] = shape.as_slice() else { continue };
            if n.is_some() && n != batch {
                continue;
            }
            let layout = layout_of.get(name).copied().unwrap_or_default();
            let shape = match layout {
                Layout::Nchw => vec![a, b, c],
                Layout::Nhwc => vec![c, a, b],
            };
            let operator = self.graph.nodes[node].operator.clone();
            survey.layers.push(LayerInfo { name: name.into(), operator, shape });
            survey.layouts.push(layout);
            node_of_layer.push(node);
        }
        survey.default_layer = default_layer(&self.network, &self.path, &survey, &node_of_layer);
        survey
    }
}

/// The last layer with spatial extent before the classifier.
///
/// Where no classifier can be told, maps of as many channels as there are classes are taken for the
/// classifier's own and passed over, unless there are no others.
fn default_layer(network: &Network<'_>, path: &NodeSet, survey: &Survey, nodes: &[usize]) -> Option<usize> {
    let last = |set: &NodeSet, passed_over: Option<usize>| {
        survey.layers.iter().zip(nodes).rposition(|(layer, &node)| {
            set.contains(node)
                && network.computes(node)
                && layer.has_spatial_extent()
                && (passed_over.is_none() || layer.shape[0] != passed_over)
        })
    };
    let classes = survey.scores.as_ref().and_then(|s| s.get(1).copied().flatten());
    network
        .before_classifier(path)
        .and_then(|set| last(&set, None))
        .or_else(|| last(path, classes))
        .or_else(|| last(path, None))
}

/// The types that the file declares.
fn declared(graph: &proto::Graph) -> HashMap<String, Known> {
    let typed = |value: &proto::Value| {
        let known = match value.kind.as_ref()?.tensor.as_ref() {
            Some(tensor) if tensor.element == FLOAT => Known::Float(tensor.shape.as_ref().map(lengths)),
            _ => Known::Other,
        };
        Some((value.name.clone(), known))
    };
    graph.value_infos.iter().chain(&graph.outputs).filter_map(typed).collect()
}

/// Whether the runtime must be asked before a tensor can be listed, or passed over. Of an output, the number
/// of classes must be known; of a layer, all but the batch. ONNX Runtime says "no axes" for a shape that it
/// could not infer.
fn is_unclear(known: Option<&Known>, is_output: bool) -> bool {
    match known {
        None | Some(Known::Float(None)) => true,
        Some(Known::Other) => false,
        Some(Known::Float(Some(shape))) => {
            shape.is_empty() || (is_output || shape.len() == 4) && shape.iter().skip(1).any(Option::is_none)
        }
    }
}

/// Fills in what the file does not tell. Returns the batch that the graph insists on, when a trial pass
/// showed that it does.
fn complete(
    spec: &SessionSpec,
    bytes: &mut Vec<u8>,
    (graph, names): (&proto::Graph, &[(usize, &str)]),
    input: &ImageInput,
    types: &mut HashMap<String, Known>,
) -> Result<Option<usize>> {
    let is_output = |name: &str| graph.outputs.iter().any(|o| o.name == name);
    let taps: Vec<&str> = names.iter().map(|(_, name)| *name).filter(|name| !is_output(name)).collect();
    let session = spec.open_plain(bytes, &taps)?;
    for (name, kind) in session.output_types() {
        let known = match kind {
            Some((TensorElementType::Float32, shape)) => Known::Float(Some(shape)),
            _ => Known::Other,
        };
        types.insert(name.into(), known);
    }
    let unclear: Vec<&str> = names
        .iter()
        .map(|(_, name)| *name)
        .filter(|name| is_unclear(types.get(*name), is_output(name)))
        .collect();
    match input.shape {
        [n, Some(c), Some(h), Some(w)] if !unclear.is_empty() => {
            trial(&session, (input, [n.unwrap_or(0), c, h, w]), &unclear, types)
        }
        _ => Ok(None),
    }
}

/// One pass on zeros. A free batch is tried with two images, which tells the batch axis from a constant one;
/// some exports declare it free and yet reshape to a batch of one, so one image is tried next.
fn trial(
    session: &Session,
    (input, shape): (&ImageInput, [usize; 4]),
    names: &[&str],
    types: &mut HashMap<String, Known>,
) -> Result<Option<usize>> {
    let [n, c, h, w] = shape;
    let run = |n: usize| {
        let zeros = scorecam_core::Tensor::zeros([n, c, h, w])?;
        let (shape, data) = input.arrange(zeros.view())?;
        let image = Input::of(Element::F32, &shape, &data)?;
        session.run(&[(&input.name, image.value())], names)
    };
    let (outputs, batch, found) = match n {
        0 => match run(2) {
            Ok(outputs) => (outputs, 2, None),
            // The second failure, if there is one, is the one to report: it concerns a smaller demand.
            Err(_) => (run(1)?, 1, Some(1)),
        },
        n => (run(n)?, n, None),
    };
    for (name, output) in names.iter().zip(outputs) {
        let mut shape: Shape = output.shape().iter().copied().map(Some).collect();
        if n == 0 && shape.first() == Some(&Some(batch)) {
            shape[0] = None;
        }
        types.insert((*name).into(), Known::Float(Some(shape)));
    }
    Ok(found)
}
