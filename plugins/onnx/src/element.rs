//! [`Element`]: the types of numbers in tensors, by ONNX's numbers for them.

use std::fmt;

use ort::value::TensorElementType;
use scorecam_core::{ElementType, Error, Result};

use crate::proto;

/// An element type of a tensor, by ONNX's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Element(i32);

/// ONNX's number, the name, and DLPack's code and bits.
const KNOWN: [(i32, &str, u8, u8); 14] = [
    (1, "f32", 2, 32),
    (2, "u8", 1, 8),
    (3, "i8", 0, 8),
    (4, "u16", 1, 16),
    (5, "i16", 0, 16),
    (6, "i32", 0, 32),
    (7, "i64", 0, 64),
    (8, "string", 3, 0),
    (9, "bool", 6, 8),
    (10, "f16", 2, 16),
    (11, "f64", 2, 64),
    (12, "u32", 1, 32),
    (13, "u64", 1, 64),
    (16, "bf16", 4, 16),
];

impl Element {
    pub(crate) const F32: Self = Self(1);
    pub(crate) const U8: Self = Self(2);
    pub(crate) const I8: Self = Self(3);
    pub(crate) const I32: Self = Self(6);
    pub(crate) const I64: Self = Self(7);
    pub(crate) const BOOL: Self = Self(9);
    pub(crate) const F16: Self = Self(10);
    pub(crate) const F64: Self = Self(11);
    pub(crate) const BF16: Self = Self(16);
    /// What holds no numbers that are read here.
    pub(crate) const NONE: Self = Self(-1);

    /// Of ONNX's number; 0, which is none, stands for f32.
    pub(crate) fn of_number(number: i32) -> Self {
        if number == 0 { Self::F32 } else { Self(number) }
    }

    /// Of the runtime's type; [`Self::NONE`] where no tensor of it is read.
    pub(crate) fn of_runtime(kind: TensorElementType) -> Self {
        let element = Self(ort::sys::ONNXTensorElementDataType::from(kind) as i32);
        let is_read =
            element.is_float() || matches!(element, Self::U8 | Self::I8 | Self::I32 | Self::I64 | Self::BOOL);
        if is_read { element } else { Self::NONE }
    }

    /// ONNX's number.
    pub(crate) fn number(self) -> i32 {
        self.0
    }

    /// Of an input or output; an error where it is no tensor.
    pub(crate) fn of(value: &proto::Value, role: &str) -> Result<Self> {
        match &value.kind {
            None => Ok(Self::F32),
            Some(proto::Kind { tensor: Some(tensor) }) => Ok(Self::of_number(tensor.element)),
            Some(_) => Err(Error::unsupported(format!("{role} {:?} is not a tensor", value.name))),
        }
    }

    /// The type by DLPack's numbers.
    pub(crate) fn element_type(self) -> ElementType {
        let (code, bits) = self.known().map_or((3, 0), |(_, _, code, bits)| (*code, *bits));
        ElementType::new(code, bits)
    }

    fn known(self) -> Option<&'static (i32, &'static str, u8, u8)> {
        KNOWN.iter().find(|(number, ..)| *number == self.0)
    }

    /// Whether it is a floating-point type.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16 | Self::F64)
    }

    /// Whether images can be given in it.
    pub(crate) fn can_hold_pixels(self) -> bool {
        self.is_float() || self == Self::U8
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some((_, name, ..)) => f.write_str(name),
            None => write!(f, "of ONNX element type {}", self.0),
        }
    }
}
