//! The layers of a model that can be explained: which, what is known of their axes, and which one to take unasked.
//!
//! Listed are the tensors of three or four axes, batch first, that lie between the image and the scores. Types come from
//! the file where it tells them, else from ONNX Runtime's own inference, else from one trial pass on zeros. What their axes
//! are comes from the graph ([`crate::axes`]) as far as it tells; core finds out the rest.

use std::collections::{HashMap, HashSet};

use scorecam_core::{
    Candidate, Error, LayerInfo, Meaning, ModelConfig, OutputActivation, Result, Tensor, choose_output,
};

use crate::applied::output_activation;
use crate::axes::AxesOf;
use crate::cells::Cells;
use crate::element::Element;
use crate::file;
use crate::graph::{Network, NodeSet};
use crate::model::Ports;
use crate::ports::{self, ImageInput};
use crate::proto::{self, Node};
use crate::session::{Session, SessionSpec};
use crate::tap::{Tap, Taps};

type Shape = Vec<Option<usize>>;

/// What is known of a tensor's type.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    /// `None` for what is no tensor.
    element: Option<Element>,
    /// Unknown in whole or in part.
    shape: Option<Shape>,
}

/// What a look at the whole model found.
pub(crate) struct ModelLayers {
    pub(crate) layers: Vec<LayerInfo>,
    /// For each layer, how it is made an output.
    pub(crate) taps: Vec<Tap>,
    /// The index of the most preferred layer.
    pub(crate) default_layer: Option<usize>,
    /// The tensors that are outputs.
    pub(crate) outputs: Vec<Output>,
    /// Index of the one that holds scores, or why there is none.
    pub(crate) scores: Result<usize>,
    /// The batch that the graph works for, where a trial found that it is not free as declared.
    pub(crate) found_batch: Option<usize>,
    /// Whether batch normalization is left in training mode on the way.
    pub(crate) trains: bool,
}

/// An output of the model.
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) element: Element,
    /// As far as it is known.
    pub(crate) shape: Option<Shape>,
    pub(crate) applied: OutputActivation,
}

/// A parsed model to survey.
pub(crate) struct Surveyed<'g> {
    pub(crate) graph: &'g proto::Graph,
    pub(crate) input: &'g ImageInput,
    pub(crate) output: Option<&'g str>,
}

/// Lists the layers of a model.
pub(crate) fn survey(model: &Surveyed<'_>, mut runtime: Runtime<'_>) -> Result<ModelLayers> {
    let mut outline = Outline::new(model);
    let is_unclear = runtime.distrusts || outline.is_unclear();
    let found_batch = if is_unclear { outline.complete(&mut runtime)? } else { None };
    outline.list(found_batch)
}

/// What completes types: the runtime, on the model's bytes.
pub(crate) struct Runtime<'a> {
    pub(crate) spec: &'a SessionSpec,
    pub(crate) bytes: &'a mut Vec<u8>,
    /// Whether the file's own types were found to be wrong.
    pub(crate) distrusts: bool,
    pub(crate) ports: &'a Ports,
}

/// The layers of the model in `bytes` as far as they tell it themselves, without a runtime: those of undeclared
/// type are missing. `config` chooses input and output as it does when a model is loaded, and its path names
/// the model in errors.
pub fn declared_layers(bytes: &[u8], config: &ModelConfig) -> Result<Vec<LayerInfo>> {
    let graph = file::parse(&config.path, bytes)?.graph;
    file::check_external_data(&config.path, &graph)?;
    let input = ImageInput::find(&ports::inputs(&graph), config)?;
    let surveyed = Surveyed { graph: &graph, input: &input, output: config.output.as_deref() };
    Ok(Outline::new(&surveyed).list(None)?.layers)
}

/// What lies between the image and the outputs, and what is known of it so far.
struct Outline<'g> {
    model: &'g Surveyed<'g>,
    network: Network<'g>,
    /// Every tensor on the way to an output, with the node that makes it.
    names: Vec<(usize, &'g str)>,
    types: HashMap<String, Known>,
}

impl<'g> Outline<'g> {
    fn new(model: &'g Surveyed<'g>) -> Self {
        let network = Network::new(model.graph);
        let path = network.between(&model.input.name, model.graph.outputs.iter().map(|o| o.name.as_str()));
        let names = (0..network.len())
            .filter(|&i| path.contains(i))
            .flat_map(|i| network.node(i).outputs.iter().map(move |o| (i, o.as_str())))
            .filter(|(_, name)| !name.is_empty())
            .collect();
        Self { model, network, names, types: declared(model.graph) }
    }

    fn is_output(&self, name: &str) -> bool {
        self.model.graph.outputs.iter().any(|o| o.name == name)
    }

    /// Whether the runtime must be asked before all tensors can be listed, or passed over.
    fn is_unclear(&self) -> bool {
        self.names.iter().any(|(_, name)| self.is_tensor_unclear(name))
    }

    fn is_tensor_unclear(&self, name: &str) -> bool {
        let Some(Known { element: Some(element), shape }) = self.types.get(name) else {
            return !self.types.contains_key(name);
        };
        let Some(shape) = shape else { return true };
        // ONNX Runtime says "no axes" for a shape that it could not infer. A batch that is fixed inside while the input's is
        // free was left behind by somebody who freed it.
        let is_stale = self.model.input.fixed_batch().is_none() && matches!(shape[..], [Some(_), _, ..]);
        let has_open_axis = shape.iter().skip(1).any(Option::is_none);
        let counts = element.is_float() && (self.is_output(name) || shape.len() == 4);
        shape.is_empty() || is_stale || counts && has_open_axis
    }

    /// Fills in what the file does not tell. Returns the batch that the graph insists on, when a trial pass showed that
    /// it does.
    fn complete(&mut self, runtime: &mut Runtime<'_>) -> Result<Option<usize>> {
        let tapped = self.names.iter().filter(|(_, name)| !self.is_output(name));
        let taps = Taps { names: tapped.map(|(_, name)| (*name).to_owned()).collect(), nodes: Vec::new() };
        for (name, kind) in runtime.spec.open_plain(runtime.bytes, &taps)?.output_types() {
            let (element, shape) = kind.unzip();
            self.types.insert(name.into(), Known { element: element.map(Element::of_runtime), shape });
        }
        let is_tried = |name: &&str| self.must_be_tried(name, runtime.distrusts);
        let unclear: Vec<&str> = self.names.iter().map(|(_, name)| *name).filter(is_tried).collect();
        let ([n, channels, Some(h), Some(w)], false) = (self.model.input.shape, unclear.is_empty()) else {
            return Ok(None);
        };
        let shapes = Shapes::open(runtime, &unclear)?;
        let trial = |c: usize, types: &mut HashMap<String, Known>| {
            trial(n, (&unclear, &|n| shapes.in_pass([n, c, h, w])), types)
        };
        match channels {
            Some(c) => trial(c, &mut self.types),
            // Where the file does not even say how many channels an image has, a trial may fail.
            None => Ok(USUAL_CHANNELS.iter().find_map(|&c| trial(c, &mut self.types).ok()).flatten()),
        }
    }

    /// Whether a tensor's shape is to be looked at in a pass: where it is unclear, or where no shape is trusted.
    fn must_be_tried(&self, name: &str, distrusts: bool) -> bool {
        let is_float = self.types.get(name).is_some_and(|t| t.element.is_some_and(Element::is_float));
        is_float && (distrusts || self.is_tensor_unclear(name))
    }

    fn list(&self, found_batch: Option<usize>) -> Result<ModelLayers> {
        let input = self.model.input;
        let outputs = self.outputs(input);
        let scores = self.scores(&outputs);
        if self.model.output.is_some() {
            // What the caller named wrongly is refused here, since another output would not be what was meant.
            scores.clone()?;
        }
        // Without scores, all that leads to any numbers counts.
        let ends: Vec<&str> = match &scores {
            Ok(chosen) => vec![outputs[*chosen].name.as_str()],
            Err(_) => outputs.iter().filter(|o| o.element.is_float()).map(|o| o.name.as_str()).collect(),
        };
        let path = self.network.between(&input.name, ends.iter().copied());
        let mut listing = Listing {
            outline: self,
            axes: AxesOf::follow(&self.network, &input.name, input.layout),
            batch: input.fixed_batch().or(found_batch),
            layers: vec![],
            nodes: vec![],
            taps: vec![],
        };
        listing.list(&path);
        if let Ok(chosen) = scores {
            listing.prefer(&path, &outputs[chosen]);
        } else {
            listing.prefer_common(&path, &ends);
        }
        let most = |i: &usize| (listing.layers[*i].preference, *i);
        let preferred = (0..listing.layers.len()).filter(|&i| listing.layers[i].preference > 0);
        Ok(ModelLayers {
            default_layer: preferred.max_by_key(most),
            scores,
            found_batch,
            trains: (0..self.network.len())
                .any(|i| path.contains(i) && self.network.node(i).integer("training_mode") == Some(1)),
            layers: listing.layers,
            taps: listing.taps,
            outputs,
        })
    }

    /// The outputs that are tensors.
    fn outputs(&self, input: &ImageInput) -> Vec<Output> {
        let output = |value: &proto::Value| {
            let (element, shape) = self.candidate(value);
            let path = self.network.between(&input.name, [value.name.as_str()]);
            let applied = output_activation(&self.network, &path, &value.name);
            Output { name: value.name.clone(), element, shape, applied }
        };
        self.model.graph.outputs.iter().map(output).collect()
    }

    /// Which of the outputs holds class scores.
    fn scores(&self, outputs: &[Output]) -> Result<usize> {
        let words: Vec<String> = outputs.iter().map(|o| o.element.to_string()).collect();
        let candidate = |(output, word)| {
            let Output { name, element, shape, .. }: &Output = output;
            Candidate { name, shape: shape.clone(), element: (word, element.is_float()) }
        };
        let candidates: Vec<Candidate<'_>> =
            outputs.iter().zip(words.iter().map(String::as_str)).map(candidate).collect();
        let chosen = choose_output(&candidates, self.model.output)?;
        let Output { name, element, .. } = &outputs[chosen];
        match element.is_float() {
            true => Ok(chosen),
            false => Err(Error::unsupported(format!(
                "output {name:?} is {element}; class scores must be floating-point numbers"
            ))),
        }
    }

    /// The element type and shape of an output, as far as they are known.
    fn candidate(&self, output: &proto::Value) -> (Element, Option<Shape>) {
        match self.types.get(&output.name) {
            Some(Known { element: Some(element), shape }) => (*element, shape.clone()),
            Some(Known { element: None, .. }) => (Element::NONE, None),
            None => (Element::F32, None),
        }
    }
}

/// A list of layers being made.
struct Listing<'o, 'g> {
    outline: &'o Outline<'g>,
    axes: AxesOf<'g>,
    batch: Option<usize>,
    layers: Vec<LayerInfo>,
    /// For each layer the node that makes it.
    nodes: Vec<usize>,
    taps: Vec<Tap>,
}

impl<'g> Listing<'_, 'g> {
    fn list(&mut self, path: &NodeSet) {
        let mut families: HashMap<&str, usize> = HashMap::new();
        let pooled = self.outline.network.pooled();
        for &(node, name) in self.outline.names.iter().filter(|(node, _)| path.contains(*node)) {
            let Some(Known { element: Some(element), shape: Some(shape) }) = self.outline.types.get(name)
            else {
                continue;
            };
            let (Some((first, rest)), 3 | 4) = (shape.split_first(), shape.len()) else { continue };
            if first.is_some() && *first != self.batch {
                continue;
            }
            let network = &self.outline.network;
            let Some(tap) = Tap::of(network, name, *element) else { continue };
            let meaning = self.axes.meaning(name, shape.len());
            let operator = network.node(node).operator.clone();
            let mut layer = LayerInfo { meaning, ..LayerInfo::new(name, operator, rest.to_vec()) };
            layer.pooled = shape.len() == 4 && !self.outline.is_output(name) && pooled.contains(name);
            if meaning == Meaning::Unknown {
                layer.like = families.get(self.axes.family(name)).copied();
                families.entry(self.axes.family(name)).or_insert(self.layers.len());
            }
            self.layers.push(layer);
            self.nodes.push(node);
            self.taps.push(tap);
        }
    }

    /// Sets the preference of each layer: the last one before the classifier comes first, among those through which all
    /// of the image passes, and whose every cell reaches the scores.
    fn prefer(&mut self, path: &NodeSet, output: &Output) {
        let network = &self.outline.network;
        let shape_of = |tensor: &str| self.outline.types.get(tensor)?.shape.as_deref();
        let cells = Cells::follow(network, path, &output.name, &shape_of);
        let classes = output.shape.as_ref().and_then(|s| s.get(1).copied().flatten());
        let before = network.before_classifier(path);
        let ends = (self.outline.model.input.name.as_str(), output.name.as_str());
        let bottlenecks =
            network.bottlenecks(path, ends, |node, tensor| cells.are_read_by(node, tensor, &shape_of));
        let progress = self.progress(before.as_ref().unwrap_or(path));
        let listed: HashSet<String> = self.layers.iter().map(|layer| layer.name.clone()).collect();
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let node = self.nodes[i];
            let source = network.node(node).inputs.first();
            // Tokens without the class token are the norm's before them, which has a name that says more.
            let drops = network.node(node).operator == "Slice" && layer.shape.len() == 2;
            let hands_on =
                (drops || !network.computes(node)) && source.is_some_and(|source| listed.contains(source));
            let may_have_extent = layer.meaning == Meaning::Unknown || layer.has_spatial_extent();
            // Maps of as many channels as there are classes are the classifier's own where none can be told.
            let is_classifiers =
                before.is_none() && classes.is_some() && layer.shape.first() == Some(&classes);
            let is_before = before.as_ref().unwrap_or(path).contains(node);
            if is_before && !hands_on && may_have_extent && !is_classifiers && progress[i] >= LEAST_PROGRESS {
                let is_through = bottlenecks.contains(layer.name.as_str());
                let tier = match layer.meaning {
                    // An attention that pools maps is part of the classifier.
                    Meaning::Map(_) if is_through && progress[i] >= NEARLY_ALL => 4,
                    _ if is_through && !network.projects(node, path) => 3,
                    _ if is_through => 2,
                    _ if !cells.all_of(&layer.name) => 1,
                    _ => 0,
                };
                layer.preference = (tier << 24) + i as u32 + 1;
            }
        }
    }

    /// Where there are no class scores: the last maps that all of the model's heads are made of come first.
    fn prefer_common(&mut self, path: &NodeSet, ends: &[&str]) {
        let network = &self.outline.network;
        let Some(common) = network.before_heads(path, ends.iter().copied()) else { return };
        for (i, layer) in self.layers.iter_mut().enumerate() {
            let node = self.nodes[i];
            if common.contains(node) && network.computes(node) && layer.has_spatial_extent() {
                layer.preference = i as u32 + 1;
            }
        }
    }

    /// For each layer, the part of the nodes with weights on its way that come before it; only those count whose result
    /// has cells.
    fn progress(&self, before: &NodeSet) -> Vec<f64> {
        let network = &self.outline.network;
        let has_cells = |i: usize| {
            let shapes =
                network.node(i).outputs.iter().filter_map(|o| self.outline.types.get(o)?.shape.as_ref());
            shapes.into_iter().any(|s| s.iter().skip(1).filter(|n| **n != Some(1)).count() >= 2)
        };
        let weighted: Vec<usize> = (0..network.len())
            .filter(|&i| before.contains(i) && network.holds_weights(i, before) && has_cells(i))
            .collect();
        let count = |node: usize| weighted.iter().filter(|&&w| w <= node).count() as f64;
        self.nodes
            .iter()
            .map(|&node| count(node) / weighted.len().max(1) as f64)
            .map(|p| if weighted.is_empty() { 1.0 } else { p })
            .collect()
    }
}

/// The least part of the weights that lies before a layer that is taken unasked: what comes earlier is a stem.
const LEAST_PROGRESS: f64 = 0.5;
/// The part of the weights before maps behind which nothing but their pooling comes.
const NEARLY_ALL: f64 = 0.94;

/// Channels of the image where the file does not say, as they are tried.
const USUAL_CHANNELS: [usize; 2] = [3, 1];

/// The types that the file declares.
fn declared(graph: &proto::Graph) -> HashMap<String, Known> {
    let typed = |value: &proto::Value| {
        let tensor = value.kind.as_ref()?.tensor.as_ref();
        let element = tensor.map(|tensor| Element::of_number(tensor.element));
        Some((value.name.clone(), Known { element, shape: value.shape() }))
    };
    graph.value_infos.iter().chain(&graph.outputs).filter_map(typed).collect()
}

/// A session that gives the shapes of tensors, and none of the tensors: all of them at once take many times the room of the
/// model.
struct Shapes<'a> {
    session: Session,
    ports: &'a Ports,
    outputs: Vec<String>,
}

impl<'a> Shapes<'a> {
    fn open(runtime: &mut Runtime<'a>, names: &[&str]) -> Result<Self> {
        let outputs: Vec<String> = names.iter().map(|name| format!("{name}/scorecam/shape")).collect();
        let shape = |(name, output): (&&str, &String)| Node {
            operator: "Shape".into(),
            inputs: vec![(*name).to_owned()],
            outputs: vec![output.clone()],
            ..Node::default()
        };
        let nodes = names.iter().zip(&outputs).map(shape).collect();
        let session = runtime.spec.open_plain(runtime.bytes, &Taps { names: outputs.clone(), nodes })?;
        Ok(Self { session, ports: runtime.ports, outputs })
    }

    /// Those in a pass on zeros of this shape.
    fn in_pass(&self, shape: [usize; 4]) -> Result<Vec<Shape>> {
        let zeros = Tensor::zeros(shape)?;
        let outputs: Vec<&str> = self.outputs.iter().map(String::as_str).collect();
        let found = self.ports.run(&self.session, (zeros.view(), self.ports.image.element), &outputs)?;
        Ok(found
            .iter()
            .map(|shape| shape.data().iter().map(|&length| Some(length as usize)).collect())
            .collect())
    }
}

/// One pass on zeros. A free batch is tried with two images, which tells the batch axis from a constant one;
/// some exports declare it free and yet reshape to a batch of one, so one image is tried next.
fn trial(
    n: Option<usize>,
    (names, shapes): (&[&str], &dyn Fn(usize) -> Result<Vec<Shape>>),
    types: &mut HashMap<String, Known>,
) -> Result<Option<usize>> {
    let (shapes, batch, found) = match n {
        None => match shapes(2) {
            Ok(shapes) => (shapes, 2, None),
            // The second failure, if there is one, is the one to report: it concerns a smaller demand.
            Err(_) => (shapes(1)?, 1, Some(1)),
        },
        Some(n) => (shapes(n)?, n, None),
    };
    for (name, mut shape) in names.iter().zip(shapes) {
        if n.is_none() && shape.first() == Some(&Some(batch)) {
            shape[0] = None;
        }
        if let Some(known) = types.get_mut(*name) {
            known.shape = Some(shape);
        }
    }
    Ok(found)
}
