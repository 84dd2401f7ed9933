//! [`Described`]: what a model's description says, and how each of its layers is tapped.

use scorecam_core::{
    BatchRule, Error, InputInfo, MAX_RANK, Meaning, ModelConfig, ModelInfo, OutputInfo, Result, Tensor, fits,
};

use crate::cut::Cut;
use crate::element::Element;
use crate::extras::Extra;
use crate::graph::Network;
use crate::layers::{ModelLayers, Output};
use crate::model::Ports;
use crate::ports::ImageInput;
use crate::proto;
use crate::session::{Session, SessionSpec};
use crate::tap::{Tap, Taps};

/// A model's description, and the taps of its layers.
pub(crate) struct Described {
    info: ModelInfo,
    /// For each layer, how it is tapped.
    taps: Vec<Tap>,
    /// Outputs of the graph itself, which need no tap.
    outputs: Vec<String>,
    /// The layers that will be explained, as far as they are known, sorted.
    main_taps: Vec<usize>,
    trains: bool,
    /// The image input's name, and the graph, whose parts behind layers are models of their own.
    image: String,
    graph: proto::Graph,
}

impl Described {
    pub(crate) fn new(
        (survey, graph): (ModelLayers, &proto::Graph),
        (spec, image, extras): (&SessionSpec, &ImageInput, &[Extra]),
        config: &ModelConfig,
    ) -> Result<Self> {
        let ModelLayers { layers, taps, default_layer, outputs, scores, found_batch, trains } = survey;
        let batch = match image.fixed_batch().or(found_batch).or(trains.then_some(1)) {
            Some(n) => BatchRule::Fixed(n),
            None => BatchRule::Any { preferred: spec.device.preferred_batch },
        };
        let names = outputs.iter().map(|o| o.name.clone()).collect();
        let scores = scores.map(|i| outputs[i].name.clone());
        let mut outputs: Vec<OutputInfo> = outputs.into_iter().filter_map(|o| described(o, batch)).collect();
        let scores = scores.and_then(|name| {
            let place = outputs.iter().position(|o| o.name == name);
            let deep = || Error::unsupported(format!("output {name:?} has more than {MAX_RANK} axes"));
            place.ok_or_else(deep)
        });
        // Class scores have a row for each image, whatever the file declares.
        scores.iter().for_each(|&i| outputs[i].per_image = true);
        let info = ModelInfo {
            input: image.input_info(),
            other_inputs: extras.iter().map(Extra::input_info).collect::<Vec<InputInfo>>(),
            outputs,
            scores,
            layers,
            default_layer,
            batch,
            abilities: spec.device.abilities(),
        };
        // A hint that names no layer is not refused here: whoever explains names the layer again.
        let place = |name: &str| info.layers.iter().position(|layer| layer.name == name);
        let hinted = config.layers(|name| place(name).is_some());
        let mut main_taps: Vec<usize> = hinted.into_iter().filter_map(place).collect();
        if main_taps.is_empty() {
            main_taps.extend(default_layer);
        }
        main_taps.sort_unstable();
        main_taps.dedup();
        let (image, graph) = (image.name.clone(), graph.clone());
        Ok(Self { info, taps, outputs: names, main_taps, trains, image, graph })
    }

    pub(crate) fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The names of the graph's outputs.
    pub(crate) fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// The layers that the main session is tapped at.
    pub(crate) fn main_taps(&self) -> &[usize] {
        &self.main_taps
    }

    /// Whether passes from each of these layers are made with a session that is tapped at all of them.
    pub(crate) fn is_run_from(&self, layers: &[usize]) -> bool {
        layers.len() == 1 || layers == self.main_taps
    }

    /// Whether trial passes could not lead to another layer than that of the main session.
    pub(crate) fn is_main_certain(&self) -> bool {
        self.main_taps
            .iter()
            .all(|&tap| matches!(self.info.layers[tap].meaning, Meaning::Map(_) | Meaning::NoMap))
    }

    /// Whether a pass gives another shape of a main layer than the file declares: then the file's shapes are left over from
    /// before the model was changed.
    pub(crate) fn is_stale(
        &self,
        main: Option<&Session>,
        (ports, element): (&Ports, Element),
    ) -> Result<bool> {
        // In training mode a pass changes those after it.
        let (Some(session), false) = (main, self.trains || self.main_taps.is_empty()) else {
            return Ok(false);
        };
        let shape: Option<Vec<usize>> = ports.image.shape.iter().copied().map(|n| n.or(Some(1))).collect();
        let (Some(shape), true) = (shape, ports.image.shape[1..].iter().all(Option::is_some)) else {
            return Ok(false);
        };
        let zeros = Tensor::zeros(shape)?;
        let names: Vec<String> = self.main_taps.iter().map(|&tap| self.tap_name(tap)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = ports.run(session, (zeros.view(), element), &names)?;
        let declared = self.main_taps.iter().map(|&tap| &self.info.layers[tap].shape);
        Ok(declared.zip(&found).any(|(declared, found)| !fits(declared, &found.shape()[1..])))
    }

    /// Whether one pass can differ from the next, so that parts of the model must not have sessions of their own.
    pub(crate) fn is_unsteady(&self) -> bool {
        let is_random = |node: &proto::Node| match node.operator.as_str() {
            // The third input says whether it is in training mode.
            "Dropout" => node.inputs.len() > 2,
            operator => operator.starts_with("Random") || ["Bernoulli", "Multinomial"].contains(&operator),
        };
        self.trains || self.graph.nodes.iter().any(is_random)
    }

    /// What a user should know of how the model runs.
    pub(crate) fn remark(&self) -> Option<&'static str> {
        self.trains.then_some(
            "batch normalization is left in training mode, so results depend on the rest of a batch, and in ONNX \
             Runtime on previous passes: each image gets its own pass; export the model in evaluation mode",
        )
    }

    /// Whether passes with these taps look at what the axes of layers are: of several, and not of those that are explained.
    pub(crate) fn is_look(&self, layers: &[usize]) -> bool {
        let is_unknown = |&layer: &usize| self.info.layers[layer].meaning == Meaning::Unknown;
        layers.len() > 1 && !self.are_main(layers) && layers.iter().any(is_unknown)
    }

    /// Whether the main session is tapped at all of these layers.
    pub(crate) fn are_main(&self, layers: &[usize]) -> bool {
        layers.iter().all(|layer| self.main_taps.contains(layer))
    }

    /// The taps for the layers `layers`. Where the model will be run from them, what leads around them is tapped, too.
    pub(crate) fn taps(&self, layers: &[usize]) -> Taps {
        let mut taps = Taps::default();
        for &layer in layers {
            let name = &self.info.layers[layer].name;
            taps.add(name, &self.taps[layer], self.outputs.contains(name));
        }
        for &layer in layers.iter().filter(|_| self.is_run_from(layers)) {
            for name in self.cut(layer, &self.outputs).around {
                if !self.outputs.iter().any(|o| o == name) && !taps.names.iter().any(|t| t == name) {
                    taps.names.push(name.to_owned());
                }
            }
        }
        taps
    }

    /// The tap of one layer, and nothing beside it.
    pub(crate) fn taps_of_layer(&self, layer: usize) -> Taps {
        let mut taps = Taps::default();
        let name = &self.info.layers[layer].name;
        taps.add(name, &self.taps[layer], self.outputs.contains(name));
        taps
    }

    /// The model's graph.
    pub(crate) fn graph(&self) -> &proto::Graph {
        &self.graph
    }

    /// The part of the model that makes `outputs` of a layer.
    pub(crate) fn cut<'s>(&'s self, layer: usize, outputs: &'s [impl AsRef<str>]) -> Cut<'s> {
        let outputs: Vec<&str> = outputs.iter().map(AsRef::as_ref).collect();
        let needed: Vec<&str> = self.taps[layer].reads().iter().map(String::as_str).collect();
        let name = &self.info.layers[layer].name;
        Cut::new(&Network::new(&self.graph), (name, &self.image), (&outputs, &needed))
    }

    /// The part of the model up to the layer `to` and to what its head, `rest`, reads beside it: from the image on, or from
    /// another layer, of which the head is given.
    pub(crate) fn part<'s>(
        &'s self,
        from: Option<(usize, &Cut<'s>)>,
        (to, rest): (usize, &Cut<'s>),
    ) -> Cut<'s> {
        let name = |layer: usize| self.info.layers[layer].name.as_str();
        let all = || self.outputs.iter().map(String::as_str).collect();
        let mut outputs: Vec<&str> = from.map_or_else(all, |(_, head)| head.outputs.clone());
        outputs.retain(|output| !rest.outputs.contains(output));
        let ends = from.map(|(layer, _)| layer).into_iter().chain([to]);
        let reads = ends.flat_map(|layer| self.taps[layer].reads()).map(String::as_str);
        let needed: Vec<&str> =
            [name(to)].into_iter().chain(reads).chain(rest.around.iter().copied()).collect();
        let given = from.map_or_else(Vec::new, |(_, head)| head.around.clone());
        let from = (from.map(|(layer, _)| name(layer)), self.image.as_str(), given.as_slice());
        Cut::between(&Network::new(&self.graph), from, (outputs, &needed))
    }

    /// How a layer is tapped.
    pub(crate) fn tap(&self, layer: usize) -> &Tap {
        &self.taps[layer]
    }

    /// The name of the output that a layer has in a session that taps it.
    pub(crate) fn tap_name(&self, layer: usize) -> String {
        self.taps[layer].output(&self.info.layers[layer].name)
    }

    /// Those of `layers` that are no outputs of the graph itself, sorted.
    pub(crate) fn needed(&self, layers: &[usize]) -> Vec<usize> {
        let is_tapped = |&layer: &usize| {
            self.taps[layer] != Tap::Itself || !self.outputs.contains(&self.info.layers[layer].name)
        };
        let mut needed: Vec<usize> = layers.iter().copied().filter(is_tapped).collect();
        needed.sort_unstable();
        needed.dedup();
        needed
    }
}

/// The description of an output; none for what is no tensor, or has more axes than can be described.
fn described(output: Output, batch: BatchRule) -> Option<OutputInfo> {
    let Output { name, element, shape, applied } = output;
    let (shape, per_image) = match (shape, batch) {
        _ if element == Element::NONE => return None,
        (None, _) => (vec![None, None], true),
        // Of one image a tensor need not have a batch axis.
        (Some(shape), BatchRule::Fixed(1))
            if shape.first() != Some(&Some(1)) && shape.first() != Some(&None) =>
        {
            ([vec![Some(1)], shape].concat(), true)
        }
        (Some(shape), _) if shape.is_empty() => (vec![None], false),
        // An axis of any length is the batch where that is free, and detections where it is not.
        (Some(shape), BatchRule::Any { .. }) => (shape.clone(), shape[0].is_none()),
        (Some(shape), BatchRule::Fixed(n)) => (shape.clone(), shape[0] == Some(n)),
    };
    let element = element.element_type();
    (shape.len() <= MAX_RANK).then(|| OutputInfo {
        element,
        per_image,
        ..OutputInfo::new(name, shape, applied)
    })
}
