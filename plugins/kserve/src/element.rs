//! [`Element`]: the protocol's datatypes, and numbers of f32 to and from their bytes (little-endian).

use bytes::Bytes;
use half::{bf16, f16};
use scorecam_core::{ElementType, Error, Result};

/// A datatype of the protocol whose numbers are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Bool,
    U8,
    I8,
    I32,
    I64,
    F16,
    Bf16,
    F32,
    F64,
}

/// The protocol's name, and DLPack's code and bits.
const KNOWN: [(Element, &str, u8, u8); 9] = [
    (Element::Bool, "BOOL", 6, 8),
    (Element::U8, "UINT8", 1, 8),
    (Element::I8, "INT8", 0, 8),
    (Element::I32, "INT32", 0, 32),
    (Element::I64, "INT64", 0, 64),
    (Element::F16, "FP16", 2, 16),
    (Element::Bf16, "BF16", 4, 16),
    (Element::F32, "FP32", 2, 32),
    (Element::F64, "FP64", 2, 64),
];

impl Element {
    /// The datatype of that name; `None` for one whose tensors are not read (BYTES).
    pub(crate) fn named(name: &str) -> Option<Self> {
        KNOWN.iter().find(|(_, known, ..)| *known == name).map(|(element, ..)| *element)
    }

    /// The protocol's name.
    pub(crate) fn name(self) -> &'static str {
        KNOWN[self as usize].1
    }

    pub(crate) fn element_type(self) -> ElementType {
        let (.., code, bits) = KNOWN[self as usize];
        ElementType::new(code, bits)
    }

    /// Bytes of one number.
    pub(crate) fn bytes(self) -> usize {
        usize::from(KNOWN[self as usize].3 / 8)
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// Whether an image of this type can be sent.
    pub(crate) fn can_hold_pixels(self) -> bool {
        self.is_float() || self == Self::U8
    }

    /// The bytes of `values`; of a type that can hold pixels. Numbers of 8 bits are rounded and kept within 0 to 255.
    pub(crate) fn encode(self, values: impl ExactSizeIterator<Item = f32>) -> Result<Bytes> {
        fn all<const N: usize>(
            values: impl ExactSizeIterator<Item = f32>,
            number: impl Fn(f32) -> [u8; N],
        ) -> Result<Bytes> {
            let mut bytes = Vec::new();
            let length = values.len().checked_mul(N);
            let reserved = length.is_some_and(|n| bytes.try_reserve_exact(n).is_ok());
            if !reserved {
                return Err(Error::internal(format!(
                    "not enough memory for a tensor of {} numbers",
                    values.len()
                )));
            }
            values.for_each(|value| bytes.extend_from_slice(&number(value)));
            Ok(bytes.into())
        }
        match self {
            Self::F32 => all(values, f32::to_le_bytes),
            Self::F64 => all(values, |v| f64::from(v).to_le_bytes()),
            Self::F16 => all(values, |v| f16::from_f32(v).to_le_bytes()),
            Self::Bf16 => all(values, |v| bf16::from_f32(v).to_le_bytes()),
            Self::U8 => all(values, |v| [v.round().clamp(0.0, 255.0) as u8]),
            _ => Err(Error::unsupported(format!("a tensor of {} cannot be sent", self.name()))),
        }
    }

    /// The numbers of `bytes`, appended to `values`, which has room for them.
    pub(crate) fn decode(self, bytes: &[u8], values: &mut Vec<f32>) {
        fn all<const N: usize>(bytes: &[u8], values: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
            values.extend(bytes.as_chunks::<N>().0.iter().map(|bytes| number(*bytes)));
        }
        match self {
            Self::F32 => all(bytes, values, f32::from_le_bytes),
            Self::F64 => all(bytes, values, |b| f64::from_le_bytes(b) as f32),
            Self::F16 => all(bytes, values, |b| f16::from_le_bytes(b).to_f32()),
            Self::Bf16 => all(bytes, values, |b| bf16::from_le_bytes(b).to_f32()),
            Self::I64 => all(bytes, values, |b| i64::from_le_bytes(b) as f32),
            Self::I32 => all(bytes, values, |b| i32::from_le_bytes(b) as f32),
            Self::I8 => all(bytes, values, |[b]| f32::from(b as i8)),
            Self::U8 => all(bytes, values, |[b]| f32::from(b)),
            Self::Bool => all(bytes, values, |[b]| f32::from(u8::from(b != 0))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_datatype_is_in_the_place_of_its_number_and_keeps_numbers() {
        for (i, (element, name, ..)) in KNOWN.iter().enumerate() {
            assert_eq!((*element as usize, Element::named(name)), (i, Some(*element)));
            let given = [0.0, 1.0, 200.0];
            let Ok(bytes) = element.encode(given.iter().copied()) else {
                assert!(!element.can_hold_pixels());
                continue;
            };
            assert_eq!(bytes.len(), 3 * element.bytes());
            let mut found = Vec::new();
            element.decode(&bytes, &mut found);
            assert_eq!(found, given, "{name}");
        }
        let pixels = Element::U8.encode([-3.0, 1.5, 300.0].into_iter()).expect("bytes");
        assert_eq!(pixels[..], [0, 2, 255]);
        for (element, bytes, expected) in [
            (Element::I64, (-7i64).to_le_bytes().to_vec(), -7.0),
            (Element::I32, (-7i32).to_le_bytes().to_vec(), -7.0),
            (Element::I8, vec![0xf9], -7.0),
            (Element::Bool, vec![3], 1.0),
        ] {
            let mut found = Vec::new();
            element.decode(&bytes, &mut found);
            assert_eq!(found, [expected], "{element:?}");
        }
        assert_eq!(Element::named("BYTES"), None);
    }
}
