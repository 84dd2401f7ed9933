//! A model's file: read, told apart from what is no model, and parsed.
//!
//! People hand over web pages saved by a failed download, pointers left by Git LFS and checkpoints of other
//! frameworks; each is named for what it is. Weights that lie in other files are looked for here, so that a
//! missing one is reported by its name and not by the runtime's.
//!
//! The bytes are not kept: a model of 500 MB would cost them for its whole life. A session for another set
//! of layers reads the file again, and refuses it when it has changed since.

use std::fs::Metadata;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use prost::Message;
use scorecam_core::{Error, RandomWeights, Result, ensure};
use scorecam_plugin::read_file;

use crate::proto;
use crate::reduced::with_axes;
use crate::wire::DEEPEST;
use crate::{external_constants, functions, weights};

/// protobuf's own limit of one message; larger models keep their weights in files beside them.
const MOST_BYTES: u64 = i32::MAX as u64;

/// ONNX Runtime's own operators on tensors whose channels lie in blocks, as many as a CPU computes at once.
const BLOCKED_DOMAIN: &str = "com.microsoft.nchwc";

/// An ONNX model on disk.
#[derive(Debug)]
pub(crate) struct ModelFile {
    path: PathBuf,
    /// What the file was when the model was loaded.
    stamp: (u64, Option<SystemTime>),
    external: External,
    has_functions: bool,
    random: Option<RandomWeights>,
}

/// A model's file, parsed.
pub(crate) struct Parsed {
    pub(crate) graph: proto::Graph,
    pub(crate) bytes: Vec<u8>,
}

/// What a model's file holds.
pub(crate) struct Contents {
    pub(crate) graph: proto::Graph,
    /// Whether parts of the graph are functions of its own.
    pub(crate) has_functions: bool,
}

/// What lies in other files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct External {
    weights: bool,
    /// Tensors in attributes of nodes.
    constants: bool,
}

impl ModelFile {
    /// Reads and parses the file; the bytes are handed back for the first sessions.
    pub(crate) fn open(path: &Path, random: Option<RandomWeights>) -> Result<(Self, Parsed)> {
        let name = path.display();
        ensure!(!path.is_dir(), io, "model {name} is a folder; give the .onnx file in it");
        let (bytes, metadata) = read(path)?;
        let Contents { mut graph, has_functions } = parse(path, &bytes)?;
        let external = check_external_data(path, &graph)?;
        let file = Self { path: path.into(), stamp: stamp(&metadata), external, has_functions, random };
        let bytes = file.completed(bytes)?;
        if has_functions {
            graph = parse(path, &bytes)?.graph;
        }
        Ok((file, Parsed { graph, bytes }))
    }

    /// The bytes with local functions in the place of their calls, and with constants that lie in other files inside (the
    /// runtime finds weights there itself, constants not); with random weights where these were asked for.
    fn completed(&self, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
        let of_file = |e: Error| e.context(format!("model {}", self.path.display()));
        if self.has_functions {
            bytes = functions::inlined(&bytes).map_err(of_file)?.unwrap_or(bytes);
        }
        if self.external.constants {
            bytes = external_constants::inlined(&bytes, self.folder()).map_err(of_file)?;
        }
        if let Some(random) = &self.random {
            let graph = parse(&self.path, &bytes)?.graph;
            let layers = weights::layers(&graph).map_err(of_file)?;
            bytes = weights::drawn(&bytes, &layers, random).map_err(of_file)?;
        }
        Ok(bytes)
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    /// The file, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that external weights are relative to; `None` when the model holds all of its weights.
    pub(crate) fn external_data_folder(&self) -> Option<PathBuf> {
        self.external.weights.then(|| self.folder().to_path_buf())
    }

    /// The bytes once more; an error when the file is not what it was.
    pub(crate) fn read_again(&self) -> Result<Vec<u8>> {
        let (bytes, metadata) = read(&self.path)?;
        if stamp(&metadata) != self.stamp {
            let name = self.path.display();
            return Err(Error::io(format!("model {name} was changed after it was loaded; load it again")));
        }
        self.completed(bytes)
    }
}

/// A model's bytes, and what its file was while they were read.
fn read(path: &Path) -> Result<(Vec<u8>, Metadata)> {
    let failed = |e: io::Error| match e.kind() {
        io::ErrorKind::FileTooLarge => {
            Error::model(format!("model {} is not an ONNX model: {e}", path.display()))
        }
        _ => Error::io(format!("cannot read model {}: {e}", path.display())),
    };
    read_file(path, MOST_BYTES).map_err(failed)
}

/// The graph of a model; `path` names it in errors.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Contents> {
    let name = path.display();
    if let Some(what) = known_stranger(bytes) {
        return Err(Error::model(format!("model {name} is {what}, not an ONNX model")));
    }
    let model = proto::Model::decode(bytes).map_err(|e| {
        // Every exporter writes the version of the format first: field 1, a varint.
        let what = match bytes.first() {
            Some(0x08) => "is truncated or damaged; fetch or export it again",
            _ => "is not an ONNX model",
        };
        Error::model(format!("model {name} {what} (protobuf: {e})"))
    })?;
    let mut graph = model.graph.filter(|g| !g.nodes.is_empty()).ok_or_else(|| {
        Error::model(format!("model {name} is not an ONNX model, or is truncated: it has no graph"))
    })?;
    if graph.nodes.iter().any(|node| node.domain == BLOCKED_DOMAIN) {
        return Err(Error::unsupported(format!(
            "model {name} was optimized for one kind of CPU by ONNX Runtime (operators of {BLOCKED_DOMAIN}): its \
             layers do not have the layout of maps, and its results on another CPU are wrong; use the original model, or save it with the optimization level \"extended\""
        )));
    }
    with_axes(&mut graph, bytes).map_err(|e| e.context(format!("model {name}")))?;
    Ok(Contents { graph, has_functions: !model.functions.is_empty() })
}

fn stamp(metadata: &Metadata) -> (u64, Option<SystemTime>) {
    // A file system without times leaves the length alone to tell a change.
    (metadata.len(), metadata.modified().ok())
}

/// What a file that is certainly no ONNX model is instead.
fn known_stranger(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let known: [(&[u8], &[u8], _); 7] = [
        (text, b"<", "a web page or XML"),
        (text, b"{", "JSON"),
        (text, b"[", "JSON"),
        (bytes, b"version https://git-lfs", "a Git LFS pointer (run \"git lfs pull\")"),
        (bytes, b"PK\x03\x04", "a zip archive, as TorchScript and PyTorch checkpoints are"),
        (bytes, b"\x80\x02", "a Python pickle, as old PyTorch checkpoints are"),
        (bytes, b"\x89HDF", "HDF5, as Keras models are"),
    ];
    if let Some((.., what)) = known.iter().find(|(of, start, _)| of.starts_with(start)) {
        return Some(what);
    }
    match bytes.get(4..8) {
        Some(b"ORTM") => Some("in ONNX Runtime's own ORT format, which cannot be tapped"),
        Some(b"TFL3") => Some("a TensorFlow Lite model"),
        _ if bytes.is_empty() => Some("empty"),
        _ => None,
    }
}

/// What lies in other files; an error when one of those files is missing or out of place.
pub(crate) fn check_external_data(model: &Path, graph: &proto::Graph) -> Result<External> {
    let mut external = External::default();
    check_graph(model, graph, &mut external, 0)?;
    Ok(external)
}

fn check_graph(model: &Path, graph: &proto::Graph, external: &mut External, depth: usize) -> Result<()> {
    ensure!(depth <= DEEPEST, model, "model {} has endlessly nested graphs", model.display());
    let sparse = graph.sparse_initializers.iter().filter_map(|s| s.values.as_ref());
    for initializer in graph.initializers.iter().chain(sparse) {
        // The runtime looks for weights of inner graphs as for constants.
        let found = is_external(model, initializer)?;
        external.weights |= found && depth == 0;
        external.constants |= found && depth > 0;
    }
    for attribute in graph.nodes.iter().flat_map(|node| &node.attributes) {
        if let Some(tensor) = &attribute.tensor {
            external.constants |= is_external(model, tensor)?;
        }
        for graph in attribute.graph.as_deref().into_iter().chain(&attribute.graphs) {
            check_graph(model, graph, external, depth + 1)?;
        }
    }
    Ok(())
}

fn is_external(model: &Path, tensor: &proto::Initializer) -> Result<bool> {
    let Some(location) = tensor.external_file() else { return Ok(false) };
    let stays_inside =
        Path::new(location).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    if !stays_inside || location.is_empty() {
        return Err(Error::model(format!(
            "model {} keeps the weights {:?} in {location:?}, which is not a file below its own folder",
            model.display(),
            tensor.name
        )));
    }
    let file = model.parent().unwrap_or(Path::new("")).join(location);
    match file.is_file() {
        true => Ok(true),
        false => Err(Error::io(format!(
            "model {} keeps its weights in {}, which does not exist; put it beside the model",
            model.display(),
            file.display()
        ))),
    }
}
