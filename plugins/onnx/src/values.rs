//! Tensors as ONNX Runtime's values, and back.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::memory::Allocator;
use ort::value::{DynTensor, DynValue, DynValueRef, Tensor as OrtTensor, TensorElementType, TensorRef};
use scorecam_core::{Error, Result, Tensor};

use crate::mask_graph::Element;

/// An input: borrowed where the element types agree.
pub(crate) enum Input<'a> {
    Full(TensorRef<'a, f32>),
    Half(OrtTensor<f16>),
    Indices(TensorRef<'a, i64>),
}

impl<'a> Input<'a> {
    /// An input of `shape` in the element type that the model takes.
    pub(crate) fn of(element: Element, shape: &[usize], data: &'a [f32]) -> Result<Self> {
        let shape: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
        match element {
            Element::F32 => TensorRef::from_array_view((shape, data)).map(Self::Full),
            Element::F16 => {
                let mut half = vec![f16::ZERO; data.len()];
                half.convert_from_f32_slice(data);
                OrtTensor::from_array((shape, half)).map(Self::Half)
            }
        }
        .map_err(refused)
    }

    /// A list of indices.
    pub(crate) fn indices(indices: &'a [i64]) -> Result<Self> {
        TensorRef::from_array_view((vec![indices.len() as i64], indices)).map(Self::Indices).map_err(refused)
    }

    /// For a call.
    pub(crate) fn value(&self) -> DynValueRef<'_> {
        match self {
            Self::Full(value) => value.view().into_dyn(),
            Self::Half(value) => value.view().into_dyn(),
            Self::Indices(value) => value.view().into_dyn(),
        }
    }
}

/// A place for a tensor of `shape` in the memory of `allocator`.
pub(crate) fn place(allocator: &Allocator, element: Element, shape: &[usize]) -> Result<DynTensor> {
    let shape: Vec<i64> = shape.iter().map(|&d| d as i64).collect();
    let kind = match element {
        Element::F32 => TensorElementType::Float32,
        Element::F16 => TensorElementType::Float16,
    };
    DynTensor::new(allocator, kind, shape).map_err(|e| {
        Error::model(format!(
            "onnxruntime has no memory for a batch; give a smaller batch size: {}",
            e.message()
        ))
    })
}

/// Copies an output, f32 or f16, out of the runtime's memory.
pub(crate) fn read(value: &DynValue, name: &str) -> Result<Tensor> {
    let wrong = |e: ort::Error| {
        Error::unsupported(format!("output {name:?} is not a tensor of f32: {}", e.message()))
    };
    let (shape, data) = match value.dtype().tensor_type() {
        Some(TensorElementType::Float16) => {
            let (shape, data) = value.try_extract_tensor::<f16>().map_err(wrong)?;
            (shape, data.to_f32_vec())
        }
        _ => {
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(wrong)?;
            (shape, data.to_vec())
        }
    };
    let shape = shape.iter().map(|&d| usize::try_from(d)).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| Error::model(format!("output {name:?} has a negative length")))?;
    Tensor::new(shape, data)
}

fn refused(e: ort::Error) -> Error {
    Error::internal(format!("onnxruntime takes no such tensor: {}", e.message()))
}
