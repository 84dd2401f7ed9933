//! Constants of nodes, and weights of inner graphs, that lie in other files: written into the model's bytes.
//!
//! ONNX Runtime is told a folder for the weights of the main graph; it looks for other tensors relative to a model's path,
//! which a model that is read from memory does not have.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use scorecam_core::{Error, Result, bail};

use crate::wire::{Content, DEEPEST, Writer, damaged, fields, messages, rewritten, text};

/// The most bytes of one constant.
const MOST: u64 = 1 << 30;

/// The bytes of `model` with such tensors inside; their files lie in `folder`, as was checked before.
pub(crate) fn inlined(model: &[u8], folder: &Path) -> Result<Vec<u8>> {
    rewritten(model, &|field, out| match (field.number, field.content) {
        (7, Content::Bytes(graph)) => out.message(7, &in_graph(graph, folder, 0)?),
        _ => out.same(field),
    })
}

fn in_graph(graph: &[u8], folder: &Path, depth: usize) -> Result<Vec<u8>> {
    if depth > DEEPEST {
        return Err(damaged());
    }
    rewritten(graph, &|field, out| match (field.number, field.content) {
        (1, Content::Bytes(node)) => out.message(1, &in_node(node, folder, depth)?),
        (5, Content::Bytes(tensor)) if depth > 0 => out.message(5, &in_tensor(tensor, folder)?),
        _ => out.same(field),
    })
}

fn in_node(node: &[u8], folder: &Path, depth: usize) -> Result<Vec<u8>> {
    let in_attribute = |attribute: &[u8]| {
        rewritten(attribute, &|field, out| match (field.number, field.content) {
            (5 | 10, Content::Bytes(tensor)) => out.message(field.number, &in_tensor(tensor, folder)?),
            (6 | 11, Content::Bytes(graph)) => {
                out.message(field.number, &in_graph(graph, folder, depth + 1)?)
            }
            _ => out.same(field),
        })
    };
    rewritten(node, &|field, out| match (field.number, field.content) {
        (5, Content::Bytes(attribute)) => out.message(5, &in_attribute(attribute)?),
        _ => out.same(field),
    })
}

/// A `TensorProto`; where its values are in another file, they are read and written as its raw data.
fn in_tensor(tensor: &[u8], folder: &Path) -> Result<Vec<u8>> {
    const RAW: u32 = 9;
    let fields = fields(tensor)?;
    let is_external = fields.iter().any(|f| f.number == 14 && matches!(f.content, Content::Number(1)));
    if !is_external {
        return Ok(tensor.to_vec());
    }
    let (mut location, mut offset, mut length) = (String::new(), 0u64, None);
    for entry in messages(&fields, 13)? {
        let value = text(entry, 2)?;
        match text(entry, 1)?.as_str() {
            "location" => location = value,
            "offset" => offset = value.parse().map_err(|_| damaged())?,
            "length" => length = Some(value.parse::<u64>().map_err(|_| damaged())?),
            _ => {}
        }
    }
    let mut out = Writer::default();
    fields.iter().filter(|f| !matches!(f.number, 13 | 14)).try_for_each(|field| out.same(field))?;
    out.message(RAW, &read(&folder.join(location), offset, length)?)?;
    Ok(out.0)
}

/// A part of a file, to its end where no length is given.
fn read(path: &Path, offset: u64, length: Option<u64>) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::io(format!("cannot read weights {}: {e}", path.display()));
    let mut file = File::open(path).map_err(failed)?;
    let all = file.metadata().map_err(failed)?.len();
    let left = all.saturating_sub(offset);
    let length = length.unwrap_or(left);
    if length > left || length > MOST {
        bail!(model, "weights file {} has {all} bytes; {length} from {offset} on are needed", path.display());
    }
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
