//! A model in f16: the same model with the floating-point tensors of its file turned from f32 to f16.
//!
//! The file is walked field by field as protobuf lays it out, so nothing of it has to be known but what changes:
//! weights, constants, declared types and the target of casts. Everything else is copied byte for byte. Operators
//! whose inputs must stay f32 are refused by name rather than guessed at.
//!
//! Field numbers are those of onnx.proto3, which every ONNX version has kept.

use half::f16;
use scorecam_core::{Error, Result};

use crate::proto::{FLOAT, FLOAT16};

/// Operators with inputs that the standard wants in f32, or whose result in f16 would mean something else.
const KEPT_IN_F32: &[&str] = &[
    "Resize",
    "Upsample",
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "RandomNormal",
    "RandomUniform",
];

/// The bytes of `model` with f16 in the place of f32, inputs and outputs included.
pub(crate) fn in_half_precision(model: &[u8]) -> Result<Vec<u8>> {
    rewritten(model, &|field, out| match (field.number, field.content) {
        (7, Content::Bytes(graph)) => out.message(7, &in_graph(graph, 0)?),
        _ => out.same(field),
    })
}

/// Graphs may lie in graphs, as branches and loops; more than so deep no exporter goes.
const DEEPEST: usize = 32;

fn in_graph(graph: &[u8], depth: usize) -> Result<Vec<u8>> {
    if depth > DEEPEST {
        return Err(damaged());
    }
    rewritten(graph, &|field, out| match (field.number, field.content) {
        (1, Content::Bytes(node)) => out.message(1, &in_node(node, depth)?),
        (5, Content::Bytes(tensor)) => out.message(5, &in_tensor(tensor)?),
        (11..=13, Content::Bytes(value)) => out.message(field.number, &in_value(value)?),
        (15, _) => Err(Error::unsupported(format!("it has sparse weights; {ADVICE}"))),
        _ => out.same(field),
    })
}

const ADVICE: &str = "precision f16 can't be made of it: use f32 or tf32";

fn in_node(node: &[u8], depth: usize) -> Result<Vec<u8>> {
    let operator = text(node, 4)?;
    if KEPT_IN_F32.contains(&operator.as_str()) {
        return Err(Error::unsupported(format!("it has the operator {operator}; {ADVICE}")));
    }
    let is_cast = operator == "Cast";
    rewritten(node, &|field, out| match (field.number, field.content) {
        (5, Content::Bytes(attribute)) => out.message(5, &in_attribute(attribute, is_cast, depth)?),
        _ => out.same(field),
    })
}

/// Tensors in attributes (constants), graphs in them (branches, loops), and the target of a cast.
fn in_attribute(attribute: &[u8], of_cast: bool, depth: usize) -> Result<Vec<u8>> {
    let is_target = of_cast && text(attribute, 1)? == "to";
    rewritten(attribute, &|field, out| match (field.number, field.content) {
        (3, Content::Number(target)) if is_target && target == FLOAT as u64 => out.number(3, FLOAT16 as u64),
        (5 | 10, Content::Bytes(tensor)) => out.message(field.number, &in_tensor(tensor)?),
        (6 | 11, Content::Bytes(graph)) => out.message(field.number, &in_graph(graph, depth + 1)?),
        _ => out.same(field),
    })
}

/// A `ValueInfoProto`: f32 tensors become f16.
fn in_value(value: &[u8]) -> Result<Vec<u8>> {
    let in_tensor_type = |kind: &[u8]| {
        rewritten(kind, &|field, out| match (field.number, field.content) {
            (1, Content::Number(element)) if element == FLOAT as u64 => out.number(1, FLOAT16 as u64),
            _ => out.same(field),
        })
    };
    let in_type = |kind: &[u8]| {
        rewritten(kind, &|field, out| match (field.number, field.content) {
            (1, Content::Bytes(tensor)) => out.message(1, &in_tensor_type(tensor)?),
            _ => out.same(field),
        })
    };
    rewritten(value, &|field, out| match (field.number, field.content) {
        (2, Content::Bytes(kind)) => out.message(2, &in_type(kind)?),
        _ => out.same(field),
    })
}

/// A `TensorProto`: values of f32, however they are written, become raw f16.
fn in_tensor(tensor: &[u8]) -> Result<Vec<u8>> {
    const FLOATS: u32 = 4;
    const RAW: u32 = 9;
    let fields = fields(tensor)?;
    let is_float =
        fields.iter().any(|f| f.number == 2 && matches!(f.content, Content::Number(n) if n == FLOAT as u64));
    if !is_float {
        return Ok(tensor.to_vec());
    }
    let mut out = Writer::default();
    let mut values: Vec<u8> = Vec::new();
    for field in &fields {
        match (field.number, field.content) {
            (2, _) => out.number(2, FLOAT16 as u64)?,
            (14, Content::Number(1)) => {
                return Err(Error::unsupported(format!("it keeps weights in another file; {ADVICE}")));
            }
            (FLOATS | RAW, Content::Bytes(floats)) => {
                let (floats, rest) = floats.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(damaged());
                }
                values
                    .extend(floats.iter().flat_map(|&v| f16::from_f32(f32::from_le_bytes(v)).to_le_bytes()));
            }
            // Values that are not packed stand one by one.
            (FLOATS, Content::Four(value)) => {
                values.extend(f16::from_f32(f32::from_le_bytes(value)).to_le_bytes());
            }
            _ => out.same(field)?,
        }
    }
    out.message(RAW, &values)?;
    Ok(out.0)
}

/// One field of a message.
#[derive(Clone, Copy)]
struct Field<'m> {
    number: u32,
    content: Content<'m>,
    /// Number and content as they stand in the file.
    whole: &'m [u8],
}

/// What a field holds, by its wire type.
#[derive(Clone, Copy)]
enum Content<'m> {
    Number(u64),
    Four([u8; 4]),
    Eight,
    Bytes(&'m [u8]),
}

/// A message being written.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn same(&mut self, field: &Field<'_>) -> Result<()> {
        self.0.extend_from_slice(field.whole);
        Ok(())
    }

    fn number(&mut self, number: u32, value: u64) -> Result<()> {
        prost::encoding::encode_varint(u64::from(number) << 3, &mut self.0);
        prost::encoding::encode_varint(value, &mut self.0);
        Ok(())
    }

    fn message(&mut self, number: u32, bytes: &[u8]) -> Result<()> {
        prost::encoding::encode_varint(u64::from(number) << 3 | 2, &mut self.0);
        prost::encoding::encode_varint(bytes.len() as u64, &mut self.0);
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// The message with each field replaced by what `change` writes for it.
fn rewritten(message: &[u8], change: &dyn Fn(&Field<'_>, &mut Writer) -> Result<()>) -> Result<Vec<u8>> {
    let mut out = Writer(Vec::with_capacity(message.len()));
    fields(message)?.iter().try_for_each(|field| change(field, &mut out))?;
    Ok(out.0)
}

/// The text in field `number`, empty where there is none.
fn text(message: &[u8], number: u32) -> Result<String> {
    let found = fields(message)?.into_iter().rfind(|f| f.number == number);
    Ok(match found.map(|f| f.content) {
        Some(Content::Bytes(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    })
}

fn fields(mut rest: &[u8]) -> Result<Vec<Field<'_>>> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let before = rest;
        let key = varint(&mut rest)?;
        let content = match key & 7 {
            0 => Content::Number(varint(&mut rest)?),
            1 => {
                take(&mut rest, 8)?;
                Content::Eight
            }
            2 => {
                let length = usize::try_from(varint(&mut rest)?).map_err(|_| damaged())?;
                Content::Bytes(take(&mut rest, length)?)
            }
            5 => Content::Four(take(&mut rest, 4)?.try_into().map_err(|_| damaged())?),
            _ => return Err(damaged()),
        };
        let number = u32::try_from(key >> 3).map_err(|_| damaged())?;
        let whole = &before[..before.len() - rest.len()];
        found.push(Field { number, content, whole });
    }
    Ok(found)
}

fn varint(rest: &mut &[u8]) -> Result<u64> {
    prost::encoding::decode_varint(rest).map_err(|_| damaged())
}

fn take<'m>(rest: &mut &'m [u8], length: usize) -> Result<&'m [u8]> {
    let (taken, left) = rest.split_at_checked(length).ok_or_else(damaged)?;
    *rest = left;
    Ok(taken)
}

fn damaged() -> Error {
    Error::model("it is truncated or damaged; fetch or export it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_that_nest_without_end_are_refused() {
        let mut graph = Writer::default();
        for _ in 0..5000 {
            let (mut attribute, mut node, mut outer) =
                (Writer::default(), Writer::default(), Writer::default());
            attribute.message(11, &graph.0).expect("written");
            node.message(5, &attribute.0).expect("written");
            outer.message(1, &node.0).expect("written");
            graph = outer;
        }
        let mut model = Writer::default();
        model.message(7, &graph.0).expect("written");
        let message = in_half_precision(&model.0).expect_err("too deep").to_string();
        assert!(message.contains("damaged"), "{message}");
    }
}
