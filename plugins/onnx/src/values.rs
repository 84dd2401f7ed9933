//! Tensors as ONNX Runtime's values, and back.

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use ort::memory::Allocator;
use ort::value::{
    DynTensor, DynValue, DynValueRef, PrimitiveTensorElementType, Tensor as OrtTensor, TensorElementType,
    TensorRef,
};
use scorecam_core::{Error, Result, Tensor, bail};

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
            "onnxruntime has not enough memory for a batch; use a smaller batch size: {}",
            e.message()
        ))
    })
}

/// How a tensor of one image becomes that of several equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It is the same for any number of images.
    Same,
    /// Along this axis all of it comes again for each image.
    Whole(usize),
    /// Along this axis each of its elements comes as often as there are images, one beside the other.
    Each(usize),
}

impl Repeat {
    /// How `one` becomes `two`, which two equal images gave; none where neither way leads to it.
    pub(crate) fn of(one: &DynValue, two: &DynValue) -> Option<Self> {
        let (short, long) = (shape_of(one)?, shape_of(two)?);
        if short == long {
            return Some(Self::Same);
        }
        let axis = short.iter().zip(&long).position(|(short, long)| short != long)?;
        let near = |repeat: &Self| repeat.apply(one, 2).is_ok_and(|made| are_near(&made, two));
        [Self::Whole(axis), Self::Each(axis)].into_iter().find(near)
    }

    /// The axis that grows with the number of images.
    pub(crate) fn axis(self) -> Option<usize> {
        match self {
            Self::Same => None,
            Self::Whole(axis) | Self::Each(axis) => Some(axis),
        }
    }

    /// The tensor for `n` images.
    pub(crate) fn apply(self, one: &DynValue, n: usize) -> Result<DynValue> {
        match one.dtype().tensor_type() {
            Some(TensorElementType::Float32) => self.typed::<f32>(one, n),
            Some(TensorElementType::Float16) => self.typed::<f16>(one, n),
            Some(TensorElementType::Bfloat16) => self.typed::<bf16>(one, n),
            Some(TensorElementType::Float64) => self.typed::<f64>(one, n),
            Some(TensorElementType::Int64) => self.typed::<i64>(one, n),
            Some(TensorElementType::Int32) => self.typed::<i32>(one, n),
            Some(TensorElementType::Int8) => self.typed::<i8>(one, n),
            Some(TensorElementType::Uint8) => self.typed::<u8>(one, n),
            Some(TensorElementType::Bool) => self.typed::<bool>(one, n),
            other => bail!(unsupported, "a tensor of type {other:?} cannot be given to a part of the model"),
        }
    }

    fn typed<T: PrimitiveTensorElementType + std::fmt::Debug + Copy + 'static>(
        self,
        one: &DynValue,
        n: usize,
    ) -> Result<DynValue> {
        let (shape, data) = one.try_extract_tensor::<T>().map_err(refused)?;
        let mut shape = shape.to_vec();
        // `Whole` repeats runs that begin at its axis, `Each` those that begin behind it.
        let run = |from: usize| shape[from..].iter().product::<i64>().max(1) as usize;
        let (axis, run) = match self {
            Self::Same => (None, data.len().max(1)),
            Self::Whole(axis) => (Some(axis), run(axis)),
            Self::Each(axis) => (Some(axis), run(axis + 1)),
        };
        let times = axis.map_or(1, |_| n);
        if let Some(axis) = axis {
            shape[axis] *= n as i64;
        }
        let data: Vec<T> =
            data.chunks(run).flat_map(|run| std::iter::repeat_n(run, times)).flatten().copied().collect();
        Ok(OrtTensor::from_array((shape, data)).map_err(refused)?.into_dyn())
    }
}

fn shape_of(value: &DynValue) -> Option<Vec<i64>> {
    value.dtype().tensor_shape().map(|shape| shape.to_vec())
}

/// Whether two tensors of numbers differ by rounding at most.
fn are_near(a: &DynValue, b: &DynValue) -> bool {
    let (Ok(a), Ok(b)) = (read(a, ""), read(b, "")) else { return false };
    let largest = b.data().iter().fold(1e-6f32, |most, v| most.max(v.abs()));
    a.shape() == b.shape() && a.data().iter().zip(b.data()).all(|(a, b)| (a - b).abs() <= 1e-2 * largest)
}

/// The shape and the numbers of an output of f32, where they lie; none where it is of another type.
pub(crate) fn borrowed(value: &DynValue) -> Option<(Vec<usize>, &[f32])> {
    let (shape, data) = value.try_extract_tensor::<f32>().ok()?;
    let shape = shape.iter().map(|&length| usize::try_from(length).ok()).collect::<Option<_>>()?;
    Some((shape, data))
}

/// The output [n, ...] that a pass of `n` images returned; of one image it may lack the batch axis.
pub(crate) fn raw_output(name: &str, n: usize, output: Tensor) -> Result<Tensor> {
    match output.shape() {
        [rows, ..] if *rows == n => Ok(output),
        shape if n == 1 => {
            let shape = [&[1], shape].concat();
            output.reshape(shape)
        }
        shape => Err(Error::model(format!(
            "output {name:?} has shape {shape:?} for {n} images; it must have one row per image"
        ))),
    }
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
        Some(TensorElementType::Int8) => numbers(value, name, |data| each(data, |v: i8| v.into())),
        Some(TensorElementType::Bool) => numbers(value, name, |data| each(data, |v: bool| v.into())),
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
    Error::internal(format!("ONNX Runtime does not support this tensor: {}", e.message()))
}
