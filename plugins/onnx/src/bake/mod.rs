//! Explanations as part of a model: its own file with a map as one more output, in plain ONNX operators.
//!
//! The map is Recipro-CAM's by raw scores: what each cell of the layer leads to by itself, brought to [0, 1]. Where the model
//! ends in pooling and a linear layer, in either order, that map follows from the classifier's weights, as in CAM, and
//! costs next to nothing ([`Ending`]). Else the part behind the layer is there once more, on a batch of the layer's cells,
//! with the weights of the first; what is added stands behind the model's own bytes, which stay as they are.

mod drawing;
mod ending;
mod masked;

use std::collections::HashMap;
use std::path::Path;

use prost::Message;
use scorecam_core::{Bake, BatchRule, Error, Inputs, ModelBackend, Result, Tensor, TensorView, ensure};

use crate::cut::Cut;
use crate::element::Element;
use crate::graph::Network;
use crate::joined::layer_shape;
use crate::model::OnnxModel;
use crate::proto::{FLOAT, Graph, INT64, Value};
use crate::tap::{Tap, Taps};
use crate::wire::{Content, rewritten};

use self::drawing::Drawing;
use self::ending::Ending;

/// The names of the map, of the class that it is for, and of the tensors between.
const MAP: &str = "saliency_map";
const CLASS: &str = "saliency_class";
const OWN: &str = "saliency/";

/// The first version of ONNX's operators that has all that are written here.
const LEAST_VERSION: i64 = 11;

/// protobuf's own limit of one message.
const MOST_BYTES: usize = i32::MAX as usize;

impl OnnxModel {
    /// The model's file as `what` changes it.
    pub(crate) fn baked(&self, layer: &str, what: Bake<'_>, path: &Path) -> Result<Vec<u8>> {
        let place = self.place(layer)?;
        self.check_folder(path)?;
        let bytes = self.spec.file.read_again()?;
        let baked = match what {
            Bake::Tap => self.tapped(&bytes, place)?,
            Bake::Head => self.head_of(&bytes, place)?,
            Bake::Masked => self.masking(&bytes)?,
            Bake::Map { grid, cells } => self.with_map(&bytes, place, (grid, cells))?,
        };
        ensure!(
            baked.len() <= MOST_BYTES,
            unsupported,
            "the model would have {} bytes, but an ONNX file holds at most 2 GB; save it with its weights in \
             another file first \
             (onnx.save_model with save_as_external_data)",
            baked.len()
        );
        self.try_out(baked)
    }

    /// An error where weights in other files would not be found from `path`.
    fn check_folder(&self, path: &Path) -> Result<()> {
        let Some(folder) = self.spec.file.external_data_folder() else { return Ok(()) };
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let same = matches!((parent.canonicalize(), folder.canonicalize()), (Ok(a), Ok(b)) if a == b);
        ensure!(
            same,
            invalid,
            "the model keeps its weights in other files; write the new one beside them, into {}",
            folder.display()
        );
        Ok(())
    }

    /// The layer is an output already, or becomes one.
    fn tapped(&self, bytes: &[u8], layer: usize) -> Result<Vec<u8>> {
        let taps = self.described.taps_of_layer(layer);
        let output = |name: &String| Value { name: name.clone(), kind: None };
        let graph =
            Graph { nodes: taps.nodes, outputs: taps.names.iter().map(output).collect(), ..Graph::default() };
        extended(bytes, &graph, &[])
    }

    fn head_of(&self, bytes: &[u8], layer: usize) -> Result<Vec<u8>> {
        let outputs: Vec<String> = self.info().outputs.iter().map(|o| o.name.clone()).collect();
        let cut = self.described.cut(layer, &outputs);
        self.no_way_around(layer, &cut)?;
        let (name, shape) = (&self.info().layers[layer].name, layer_shape(self.info(), layer));
        let tap = self.described.tap(layer);
        let input = Value::tensor(&tap.output(name), self.layer_element(layer)?.number(), Some(shape));
        cut.written(bytes, &[input], &Vec::from_iter(tap.back(name)))
    }

    /// An error where what lies behind a layer needs more of the image than the layer.
    fn no_way_around(&self, layer: usize, cut: &Cut<'_>) -> Result<()> {
        match (cut.around.first(), cut.reads_image) {
            (None, false) => Ok(()),
            (Some(name), _) => Err(self.bypassed(layer, name)),
            (None, true) => Err(self.bypassed(layer, &self.ports.image.name)),
        }
    }

    /// The tensors that bypass a layer, whose batch comes first: a head on many cells needs them once for each.
    fn ways_around<'c>(&self, layer: usize, cut: &Cut<'c>) -> Result<Vec<&'c str>> {
        if cut.reads_image {
            return Err(self.bypassed(layer, &self.ports.image.name));
        }
        let is_listed = |name: &str| self.info().layers.iter().any(|l| l.name == name);
        match cut.around.iter().find(|name| !is_listed(name)) {
            None => Ok(cut.around.clone()),
            Some(name) => Err(self.bypassed(layer, name)),
        }
    }

    /// The error where `tensor` leads around a layer, with the nearest layer before it around which none does.
    fn bypassed(&self, layer: usize, tensor: &str) -> Error {
        let layers = &self.info().layers;
        let ends: Vec<String> = self.info().outputs.iter().map(|o| o.name.clone()).collect();
        let holds_all = |&i: &usize| {
            let cut = self.described.cut(i, &ends);
            layers[i].preference > 0 && cut.around.is_empty() && !cut.reads_image
        };
        let other = (0..layer).rev().find(holds_all);
        let other = other.map(|i| format!(", such as {:?}", layers[i].name)).unwrap_or_default();
        Error::unsupported(format!(
            "tensor {tensor:?} bypasses layer {:?}; choose a layer that all paths go through{other}",
            layers[layer].name
        ))
    }

    /// The element type of a layer as it is tapped.
    fn layer_element(&self, layer: usize) -> Result<Element> {
        let name = self.described.tap_name(layer);
        let session = self.session(&[layer], self.info().batch.size(1))?;
        let found = session.output_types().find(|(output, _)| *output == name).and_then(|(_, kind)| kind);
        let none = || Error::internal(format!("the type of layer {name:?} is unknown"));
        Ok(Element::of_runtime(found.ok_or_else(none)?.0))
    }

    fn with_map(
        &self,
        bytes: &[u8],
        layer: usize,
        (grid, cells): ([usize; 2], TensorView<'_>),
    ) -> Result<Vec<u8>> {
        let graph = self.described.graph();
        let version = crate::proto::Model::decode(bytes).map_err(|_| crate::wire::damaged())?;
        let version = version.operator_sets.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
        let version = version.map_or(1, |set| set.version);
        ensure!(
            version >= LEAST_VERSION,
            unsupported,
            "the model uses version {version} of ONNX's operators, and a map needs {LEAST_VERSION}; convert it with \
             onnx.version_converter"
        );
        let taken = |name: &str| {
            let values = graph.inputs.iter().chain(&graph.outputs).map(|v| v.name.as_str());
            values
                .chain(graph.nodes.iter().flat_map(|n| n.outputs.iter().map(String::as_str)))
                .any(|n| n == name)
        };
        ensure!(!taken(MAP) && !taken(CLASS), invalid, "the model has a tensor {MAP:?} or {CLASS:?} already");
        let output = self.info().score_output()?;
        let network = Network::new(graph);
        let scores = before_softmax(&network, &output.name);
        let name = self.info().layers[layer].name.as_str();
        // By the classifier's weights only where maps lie as a runtime reshapes them.
        let is_plain = *self.described.tap(layer) == Tap::Itself && are_rows(cells, grid);
        let ending = Ending::find(&network, scores, name, graph).filter(|_| is_plain);
        let mut drawn = Drawing::new(version);
        let class = drawn.class(scores)?;
        let map = match &ending {
            Some(ending) => drawn.by_weights(ending, name, &class, grid)?,
            None => {
                let ends = [scores];
                let cut = self.described.cut(layer, &ends);
                let around = self.ways_around(layer, &cut)?;
                let read = (self.described.tap(layer), self.layer_element(layer)?);
                let tensor = drawn.alone(name, read, (cells, &self.info().layers[layer].shape))?;
                let mut names = HashMap::from([(name, tensor)]);
                for name in around {
                    names.insert(name, drawn.repeated(name, grid)?);
                }
                let found = drawn.copied(bytes, &network, (&cut, name, names), scores)?;
                drawn.scores_of_cells(&found, &class, grid)?
            }
        };
        drawn.normalized(&map, grid)?;
        let batch = self.info().batch.fixed();
        let graph = Graph {
            inputs: vec![Value::tensor(CLASS, INT64, Some(vec![Some(1)]))],
            outputs: vec![Value::tensor(MAP, FLOAT, Some(vec![batch, Some(grid[0]), Some(grid[1])]))],
            ..Graph::default()
        };
        extended(bytes, &graph, &drawn.fields.0)
    }

    /// The model, which the runtime opens and runs once.
    fn try_out(&self, mut baked: Vec<u8>) -> Result<Vec<u8>> {
        let advice = match self.info().batch {
            BatchRule::Fixed(n) => format!(
                ", because it takes {n} at a time, but the rest of the model must run each of the layer's cells; \
                 export it with a variable batch size"
            ),
            BatchRule::Any { .. } => String::new(),
        };
        let of_model = |e: Error| e.context(format!("the new model does not run{advice}"));
        let session = self.spec.open_plain(&mut baked, &Taps::default()).map_err(of_model)?;
        let reads: Vec<String> = session.input_types().map(|(name, _)| name.to_owned()).collect();
        let [_, c, h, w] = self.ports.image.shape;
        let (Some(c), Some(h), Some(w)) = (c, h, w) else { return Ok(baked) };
        if !reads.contains(&self.ports.image.name) {
            return Ok(baked);
        }
        let zeros = Tensor::zeros([self.info().batch.size(1), c, h, w])?;
        let outputs: Vec<String> = session.output_types().map(|(name, _)| name.to_owned()).collect();
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let inputs = Inputs::of(zeros.view());
        let own = ((inputs.images, self.ports.image.element), inputs.others);
        self.ports.with(own, vec![], |_| true, |given| session.run_raw(given, &outputs)).map_err(of_model)?;
        Ok(baked)
    }
}

/// Whether cell i of a grid stays at place i behind one axis of channels: maps [K, h, w], row by row.
fn are_rows(cells: TensorView<'_>, [height, width]: [usize; 2]) -> bool {
    let count = height * width;
    cells.shape() == [count, 1, height, width] && (0..count).all(|i| cells.data()[i * count + i] == 1.0)
}

/// The tensor that a softmax or sigmoid at the end makes scores of.
fn before_softmax<'g>(network: &Network<'g>, output: &'g str) -> &'g str {
    let mut name = output;
    while let Some(node) = network.producer(name).map(|p| network.node(p)) {
        match (node.is_one_of("Softmax LogSoftmax Sigmoid Identity"), node.inputs.first()) {
            (true, Some(input)) => name = input,
            _ => break,
        }
    }
    name
}

/// `model` with what `graph` holds at the end of its own, after `fields` of a graph.
fn extended(model: &[u8], graph: &Graph, fields: &[u8]) -> Result<Vec<u8>> {
    let added = graph.encode_to_vec();
    rewritten(model, &|field, out| match (field.number, field.content) {
        (7, Content::Bytes(own)) => out.message(7, &[own, fields, &added].concat()),
        _ => out.same(field),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_rows_only_where_each_stays_at_its_own_place() {
        let alone = |places: [usize; 6]| {
            let mut cells = vec![0.0; 36];
            places.iter().enumerate().for_each(|(cell, place)| cells[cell * 6 + place] = 1.0);
            cells
        };
        let rows = alone([0, 1, 2, 3, 4, 5]);
        let columns = alone([0, 2, 4, 1, 3, 5]);
        let check =
            |shape: &[usize], cells: &[f32]| are_rows(TensorView::new(shape, cells).expect("cells"), [2, 3]);
        assert!(check(&[6, 1, 2, 3], &rows));
        assert!(
            !check(&[6, 1, 3, 2], &rows) && !check(&[6, 2, 3, 1], &rows) && !check(&[6, 1, 2, 3], &columns)
        );
    }
}
