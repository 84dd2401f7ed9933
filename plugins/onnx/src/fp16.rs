//! A model in f16: the same model with the floating-point tensors of its file turned from f32 to f16.
//!
//! The file is walked field by field ([`crate::wire`]), so nothing of it has to be known but what changes: weights,
//! constants, declared types, and types that operators name. Everything else is copied byte for byte.
//! Operators of which it is known that inputs must stay f32 are refused by name rather than guessed at; what else has
//! no form in f16 the runtime refuses by its types.
//!
//! Numbers beyond the range of f16 become its greatest: most are bounds that say "none", and an infinity would make
//! a NaN of the first 0 that it meets. A single number that would become 0 becomes the smallest above it, because
//! such a number keeps a divisor from being 0. Whether a model bears the rest is what its trial image tells.
//!
//! Field numbers are those of onnx.proto3, which every ONNX version has kept.

use half::f16;
use scorecam_core::{Error, Result, bail};

use crate::proto::{FLOAT, FLOAT16};
use crate::wire::{Content, DEEPEST, Writer, damaged, fields, rewritten, text};

/// Operators with inputs that the standard wants in f32, or whose result in f16 would mean something else.
const KEPT_IN_F32: &str = "Resize Upsample QuantizeLinear DequantizeLinear DynamicQuantizeLinear \
    QLinearConv QLinearMatMul RandomNormal RandomUniform NonMaxSuppression Celu MelWeightMatrix";

/// The bytes of `model` with f16 in the place of f32, inputs and outputs included.
pub(crate) fn in_half_precision(model: &[u8]) -> Result<Vec<u8>> {
    rewritten(model, &|field, out| match (field.number, field.content) {
        (7, Content::Bytes(graph)) => out.message(7, &in_graph(graph, 0)?),
        (25, Content::Bytes(function)) => out.message(25, &in_function(function)?),
        _ => out.same(field),
    })
}

/// A `FunctionProto`: a part of the graph under a name of its own.
fn in_function(function: &[u8]) -> Result<Vec<u8>> {
    rewritten(function, &|field, out| match (field.number, field.content) {
        (7, Content::Bytes(node)) => out.message(7, &in_node(node, 0)?),
        (11, Content::Bytes(attribute)) => out.message(11, &in_attribute(attribute, "", 0)?),
        (12, Content::Bytes(value)) => out.message(12, &in_value(value)?),
        _ => out.same(field),
    })
}

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

const ADVICE: &str = "precision f16 is not possible: use f32 or tf32";

fn in_node(node: &[u8], depth: usize) -> Result<Vec<u8>> {
    let operator = text(node, 4)?;
    if KEPT_IN_F32.split(' ').any(|kept| kept == operator) {
        return Err(Error::unsupported(format!("it has the operator {operator}; {ADVICE}")));
    }
    let mut out = Writer(rewritten(node, &|field, out| match (field.number, field.content) {
        (5, Content::Bytes(attribute)) => out.message(5, &in_attribute(attribute, &operator, depth)?),
        _ => out.same(field),
    })?);
    // What it fills with when it does not say: a 0 of f32.
    if operator == "ConstantOfShape" && fields(node)?.iter().all(|f| f.number != 5) {
        out.message(5, &value_attribute(&[1], &f16::ZERO.to_le_bytes())?)?;
    }
    Ok(out.0)
}

/// Tensors and floats in attributes (constants), graphs in them (branches, loops), and types that they name.
fn in_attribute(attribute: &[u8], operator: &str, depth: usize) -> Result<Vec<u8>> {
    let name = text(attribute, 1)?;
    let of_call = !text(attribute, 21)?.is_empty();
    match (operator, name.as_str()) {
        ("Constant", "value_float" | "value_floats") | ("Cast", "to") if of_call => {
            bail!(unsupported, "its functions take {name} of a {operator} from their callers; {ADVICE}")
        }
        ("Constant", "value_float") => {
            // A number that is not written is 0.
            let values = halves(attribute, 2)?;
            return value_attribute(&[], values.last_chunk::<2>().unwrap_or(&[0; 2]));
        }
        ("Constant", "value_floats") => {
            let values = halves(attribute, 7)?;
            return value_attribute(&[values.len() / size_of::<f16>()], &values);
        }
        _ => {}
    }
    let is_type = matches!((operator, name.as_str()), ("Cast", "to") | (_, "dtype" | "output_datatype"));
    rewritten(attribute, &|field, out| match (field.number, field.content) {
        (3, Content::Number(named)) if is_type && named == FLOAT as u64 => out.number(3, FLOAT16 as u64),
        (5 | 10, Content::Bytes(tensor)) => out.message(field.number, &in_tensor(tensor)?),
        (6 | 11, Content::Bytes(graph)) => out.message(field.number, &in_graph(graph, depth + 1)?),
        (14 | 15, Content::Bytes(kind)) => out.message(field.number, &in_type(kind, 0)?),
        (22 | 23, _) => Err(Error::unsupported(format!("it has sparse constants; {ADVICE}"))),
        _ => out.same(field),
    })
}

/// The attribute `value`: a tensor of f16 numbers.
fn value_attribute(shape: &[usize], values: &[u8]) -> Result<Vec<u8>> {
    const TENSOR: u64 = 4;
    let mut tensor = Writer::default();
    shape.iter().try_for_each(|&length| tensor.number(1, length as u64))?;
    tensor.number(2, FLOAT16 as u64)?;
    tensor.message(RAW, values)?;
    let mut attribute = Writer::default();
    attribute.message(1, b"value")?;
    attribute.message(5, &tensor.0)?;
    attribute.number(20, TENSOR)?;
    Ok(attribute.0)
}

/// A `ValueInfoProto`: f32 tensors become f16.
fn in_value(value: &[u8]) -> Result<Vec<u8>> {
    rewritten(value, &|field, out| match (field.number, field.content) {
        (2, Content::Bytes(kind)) => out.message(2, &in_type(kind, 0)?),
        _ => out.same(field),
    })
}

/// A `TypeProto`: of a tensor, or of what holds tensors (a sequence, a map, an optional one).
fn in_type(kind: &[u8], depth: usize) -> Result<Vec<u8>> {
    if depth > DEEPEST {
        return Err(damaged());
    }
    let in_tensor_type = |kind: &[u8]| {
        rewritten(kind, &|field, out| match (field.number, field.content) {
            (1, Content::Number(element)) if element == FLOAT as u64 => out.number(1, FLOAT16 as u64),
            _ => out.same(field),
        })
    };
    let in_holder = |holder: &[u8], of: u32| {
        rewritten(holder, &|field, out| match field.content {
            Content::Bytes(kind) if field.number == of => out.message(of, &in_type(kind, depth + 1)?),
            _ => out.same(field),
        })
    };
    rewritten(kind, &|field, out| match (field.number, field.content) {
        (1, Content::Bytes(tensor)) => out.message(1, &in_tensor_type(tensor)?),
        (4 | 9, Content::Bytes(holder)) => out.message(field.number, &in_holder(holder, 1)?),
        (5, Content::Bytes(map)) => out.message(5, &in_holder(map, 2)?),
        _ => out.same(field),
    })
}

/// A `TensorProto`: values of f32, however they are written, become raw f16.
fn in_tensor(tensor: &[u8]) -> Result<Vec<u8>> {
    let fields = fields(tensor)?;
    let is_float =
        fields.iter().any(|f| f.number == 2 && matches!(f.content, Content::Number(n) if n == FLOAT as u64));
    if !is_float {
        return Ok(tensor.to_vec());
    }
    let mut out = Writer::default();
    for field in &fields {
        match (field.number, field.content) {
            (2, _) => out.number(2, FLOAT16 as u64)?,
            (14, Content::Number(1)) => bail!(unsupported, "it keeps weights in another file; {ADVICE}"),
            (FLOATS | RAW, _) => {}
            _ => out.same(field)?,
        }
    }
    let values = [halves(tensor, FLOATS)?, halves(tensor, RAW)?].concat();
    out.message(RAW, &values)?;
    Ok(out.0)
}

/// Fields of a `TensorProto`: f32 values, and the bytes of values of any type.
const FLOATS: u32 = 4;
const RAW: u32 = 9;

/// The f32 values in field `number` of a message, together or one by one, as the bytes of f16 numbers.
fn halves(message: &[u8], number: u32) -> Result<Vec<u8>> {
    let mut values: Vec<f32> = Vec::new();
    for field in fields(message)?.iter().filter(|field| field.number == number) {
        match field.content {
            Content::Four(value) => values.push(f32::from_le_bytes(value)),
            Content::Bytes(packed) => match packed.as_chunks::<4>() {
                (packed, []) => values.extend(packed.iter().map(|&value| f32::from_le_bytes(value))),
                _ => return Err(damaged()),
            },
            _ => return Err(damaged()),
        }
    }
    let alone = values.len() == 1;
    Ok(values.into_iter().flat_map(|value| half(value, alone).to_le_bytes()).collect())
}

/// The nearest number of f16 that is finite where `value` is, and not 0 where a number that stands alone is not.
fn half(value: f32, alone: bool) -> f16 {
    if !value.is_finite() {
        return f16::from_f32(value);
    }
    match f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32())) {
        near if alone && near == f16::ZERO && value != 0.0 => {
            f16::MIN_POSITIVE_SUBNORMAL.copysign(f16::from_f32(value))
        }
        near => near,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_finite_and_what_guards_a_divisor_stays_above_0() {
        for (value, alone, expected) in [
            (1.5, false, 1.5),
            (f32::MAX, false, 65504.0),
            (-1e9, true, -65504.0),
            (f32::NEG_INFINITY, false, f32::NEG_INFINITY),
            (1e-10, false, 0.0),
            (1e-10, true, f16::MIN_POSITIVE_SUBNORMAL.to_f32()),
            (-1e-10, true, -f16::MIN_POSITIVE_SUBNORMAL.to_f32()),
            (0.0, true, 0.0),
        ] {
            assert_eq!(half(value, alone).to_f32(), expected, "{value}, alone: {alone}");
        }
        assert!(half(f32::NAN, true).is_nan());
    }

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
