//! [`Element`]: the types of numbers in tensors, by ONNX's numbers for them.

use std::fmt;

use scorecam_core::{ElementType, Error, Result};

use crate::proto;

/// An element type of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    Bf16,
    F64,
    U8,
    I8,
    I32,
    I64,
    Bool,
    /// Another one, by ONNX's number.
    Other(i32),
}

impl Element {
    /// Of ONNX's number; 0, which is none, stands for f32.
    pub(crate) fn of_number(number: i32) -> Self {
        match number {
            0 | 1 => Self::F32,
            2 => Self::U8,
            3 => Self::I8,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            16 => Self::Bf16,
            other => Self::Other(other),
        }
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
        match self {
            Self::F32 => ElementType::F32,
            Self::F16 => ElementType::new(2, 16),
            Self::Bf16 => ElementType::new(4, 16),
            Self::F64 => ElementType::new(2, 64),
            Self::U8 => ElementType::U8,
            Self::I8 => ElementType::new(0, 8),
            Self::I32 => ElementType::new(0, 32),
            Self::I64 => ElementType::new(0, 64),
            Self::Bool => ElementType::new(6, 8),
            // Whole numbers that have no name here, or none at all.
            Self::Other(4) => ElementType::new(1, 16),
            Self::Other(5) => ElementType::new(0, 16),
            Self::Other(12) => ElementType::new(1, 32),
            Self::Other(13) => ElementType::new(1, 64),
            Self::Other(_) => ElementType::new(3, 0),
        }
    }

    /// Whether it is a floating-point type.
    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16 | Self::F64)
    }

    /// Whether images can be given in it.
    pub(crate) fn can_hold_pixels(self) -> bool {
        self.is_float() || self == Self::U8
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::F64 => "f64",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::Bool => "bool",
            Self::Other(4) => "u16",
            Self::Other(5) => "i16",
            Self::Other(8) => "string",
            Self::Other(12) => "u32",
            Self::Other(13) => "u64",
            Self::Other(number) => return write!(f, "of ONNX element type {number}"),
        })
    }
}
