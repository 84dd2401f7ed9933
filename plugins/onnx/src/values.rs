//! Tensors as ONNX Runtime's values, and back.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use ort::memory::Allocator;
use ort::value::{
    DynTensor, DynValue, DynValueRef, PrimitiveTensorElementType, Tensor as OrtTensor, TensorElementType,
    TensorRef,
};
use scorecam_core::{Error, Result, Tensor};

use crate::element::Element;

/// An input: borrowed where the element types agree.
pub(crate) enum Input<'a> {
    Full(TensorRef<'a, f32>),
    Indices(TensorRef<'a, i64>),
    Owned(DynTensor),
}

impl<'a> Input<'a> {
    /// An input of `shape` in the element type that the model takes.
    pub(crate) fn of(element: Element, shape: &[usize], data: &'a [f32]) -> Result<Self> {
        if element == Element::F32 {
            return TensorRef::from_array_view((lengths(shape), data)).map(Self::Full).map_err(refused);
        }
        Self::converted(element, shape, data.iter().map(|&v| f64::from(v)))
    }

    /// An input of numbers, each converted to the element type; whole numbers are rounded and stay in range.
    pub(crate) fn converted(
        element: Element,
        shape: &[usize],
        data: impl Iterator<Item = f64>,
    ) -> Result<Self> {
        // A float becomes a whole number within its range by `as`.
        match element {
            Element::F32 => owned(shape, data.map(|v| v as f32)),
            Element::F16 => owned(shape, data.map(f16::from_f64)),
            Element::BF16 => owned(shape, data.map(bf16::from_f64)),
            Element::F64 => owned(shape, data),
            Element::U8 => owned(shape, data.map(|v| v.round() as u8)),
            Element::I8 => owned(shape, data.map(|v| v.round() as i8)),
            Element::I32 => owned(shape, data.map(|v| v.round() as i32)),
            Element::I64 => owned(shape, data.map(|v| v.round() as i64)),
            Element::BOOL => owned(shape, data.map(|v| v != 0.0)),
            _ => Err(Error::unsupported(format!("no tensor of {element} can be given"))),
        }
    }

    /// A list of indices.
    pub(crate) fn indices(indices: &'a [i64]) -> Result<Self> {
        TensorRef::from_array_view((vec![indices.len() as i64], indices)).map(Self::Indices).map_err(refused)
    }

    /// For a call.
    pub(crate) fn value(&self) -> DynValueRef<'_> {
        match self {
            Self::Full(value) => value.view().into_dyn(),
            Self::Indices(value) => value.view().into_dyn(),
            Self::Owned(value) => value.view().into_dyn(),
        }
    }
}

fn owned<'a, T: PrimitiveTensorElementType + std::fmt::Debug + Clone + 'static>(
    shape: &[usize],
    data: impl Iterator<Item = T>,
) -> Result<Input<'a>> {
    let tensor = OrtTensor::from_array((lengths(shape), data.collect::<Vec<T>>())).map_err(refused)?;
    Ok(Input::Owned(tensor.upcast()))
}

fn lengths(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&d| d as i64).collect()
}

/// A place for a tensor of `shape` in the memory of `allocator`.
pub(crate) fn place(allocator: &Allocator, element: Element, shape: &[usize]) -> Result<DynTensor> {
    let kind = match element {
        Element::F16 => TensorElementType::Float16,
        _ => TensorElementType::Float32,
    };
    DynTensor::new(allocator, kind, lengths(shape)).map_err(|e| {
        Error::model(format!(
            "onnxruntime has no memory for a batch; give a smaller batch size: {}",
            e.message()
        ))
    })
}

/// Copies an output of numbers out of the runtime's memory, as f32.
pub(crate) fn read(value: &DynValue, name: &str) -> Result<Tensor> {
    match value.dtype().tensor_type() {
        Some(TensorElementType::Float16) => numbers(value, name, <[f16]>::to_f32_vec),
        Some(TensorElementType::Bfloat16) => numbers(value, name, <[bf16]>::to_f32_vec),
        Some(TensorElementType::Float64) => numbers(value, name, |data| each(data, |v: f64| v as f32)),
        Some(TensorElementType::Int64) => numbers(value, name, |data| each(data, |v: i64| v as f32)),
        Some(TensorElementType::Int32) => numbers(value, name, |data| each(data, |v: i32| v as f32)),
        Some(TensorElementType::Uint8) => numbers(value, name, |data| each(data, |v: u8| v.into())),
        _ => numbers(value, name, <[f32]>::to_vec),
    }
}

fn each<T: Copy>(data: &[T], number: impl Fn(T) -> f32) -> Vec<f32> {
    data.iter().map(|&v| number(v)).collect()
}

fn numbers<T: PrimitiveTensorElementType>(
    value: &DynValue,
    name: &str,
    convert: impl Fn(&[T]) -> Vec<f32>,
) -> Result<Tensor> {
    let (shape, data) = value
        .try_extract_tensor::<T>()
        .map_err(|e| Error::unsupported(format!("output {name:?} cannot be read: {}", e.message())))?;
    let shape = shape.iter().map(|&d| usize::try_from(d)).collect::<Result<Vec<_>, _>>();
    let shape = shape.map_err(|_| Error::model(format!("output {name:?} has a negative length")))?;
    Tensor::new(shape, convert(data))
}

fn refused(e: ort::Error) -> Error {
    Error::internal(format!("onnxruntime takes no such tensor: {}", e.message()))
}
