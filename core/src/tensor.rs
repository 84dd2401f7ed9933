//! Dense, row-major f32 tensors, whose length always equals the product of their shape.
//!
//! Images and batches are [N, C, H, W], activations [N, K, h, w], class scores [N, classes], masks
//! [M, h, w]. This module computes nothing; it only keeps shape and data consistent.

use crate::{Error, Result};

/// The number of elements of a shape; an error where it overflows or exceeds what memory can address.
pub fn element_count(shape: &[usize]) -> Result<usize> {
    shape
        .iter()
        .try_fold(1usize, |product, &d| product.checked_mul(d))
        .filter(|&n| n <= isize::MAX as usize / size_of::<f32>())
        .ok_or_else(|| Error::invalid(format!("shape {shape:?} has more elements than memory can address")))
}

/// An owned tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// Wraps `data`; an error if its length is not the product of `shape`.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self> {
        let shape = shape.into();
        check_length(&shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// A tensor of zeros; an error if it cannot be allocated.
    pub fn zeros(shape: impl Into<Vec<usize>>) -> Result<Self> {
        let shape = shape.into();
        let mut data = room_for(&shape)?;
        data.resize(element_count(&shape)?, 0.0);
        Ok(Self { shape, data })
    }

    /// The length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// All elements, the last axis fastest.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All elements, mutably.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Converts the tensor into its elements.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// A view of the whole tensor.
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, data: &self.data }
    }

    /// Item `i` along the first axis. Panics if there is none, like indexing.
    pub fn item(&self, i: usize) -> &[f32] {
        self.view().item(i)
    }

    /// The same elements with another shape of the same length.
    pub fn reshape(self, shape: impl Into<Vec<usize>>) -> Result<Self> {
        Self::new(shape, self.data)
    }
}

/// A borrowed tensor; cheap to copy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorView<'a> {
    shape: &'a [usize],
    data: &'a [f32],
}

impl<'a> TensorView<'a> {
    /// Borrows `data`; an error if its length is not the product of `shape`.
    pub fn new(shape: &'a [usize], data: &'a [f32]) -> Result<Self> {
        check_length(shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// The length of each axis.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// All elements, the last axis fastest.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// The shape, if there are exactly `R` axes; otherwise an error with the tensor's name `what`.
    pub fn dims<const R: usize>(&self, what: &str) -> Result<[usize; R]> {
        self.shape
            .try_into()
            .map_err(|_| Error::invalid(format!("{what} has shape {:?}; {R} axes were expected", self.shape)))
    }

    /// Item `i` along the first axis. Panics if there is none, like indexing.
    pub fn item(&self, i: usize) -> &'a [f32] {
        let n: usize = self.shape[1..].iter().product();
        &self.data[i * n..][..n]
    }

    /// Item `i` along the first axis, as a tensor of the other axes. Panics if there is none, like indexing.
    pub fn at(&self, i: usize) -> Self {
        Self { shape: &self.shape[1..], data: self.item(i) }
    }

    /// An owned copy.
    pub fn to_tensor(&self) -> Tensor {
        Tensor { shape: self.shape.to_vec(), data: self.data.to_vec() }
    }

    /// An owned copy of a tensor with an untrusted size; an error if there is not enough memory.
    pub fn try_to_tensor(&self) -> Result<Tensor> {
        let data = gathered(self.shape, self.data.iter().copied())?;
        Ok(Tensor { shape: self.shape.to_vec(), data })
    }
}

/// The one tensor that a run gave.
pub(crate) fn only(tensors: Vec<Tensor>) -> Result<Tensor> {
    tensors.into_iter().next().ok_or_else(|| Error::model("the model was run on no image"))
}

/// An empty vector with room for the elements of `shape`. Use it for every size from a caller, a file or a plugin,
/// because other failed allocations abort the process.
pub(crate) fn room_for<T>(shape: &[usize]) -> Result<Vec<T>> {
    let mut room = Vec::new();
    reserve(&mut room, shape)?;
    Ok(room)
}

/// Room for the elements of `shape` in an empty vector, which may have had other values before.
pub(crate) fn reserve<T>(room: &mut Vec<T>, shape: &[usize]) -> Result<()> {
    room.try_reserve_exact(element_count(shape)?).map_err(|_| no_memory::<T>(shape))
}

/// Adds `values` to a vector whose length is not known before; an error where there is no memory for it.
pub(crate) fn append<T: Copy>(all: &mut Vec<T>, values: &[T]) -> Result<()> {
    all.try_reserve(values.len()).map_err(|_| no_memory::<T>(&[all.len().saturating_add(values.len())]))?;
    all.extend_from_slice(values);
    Ok(())
}

/// `values`, as many as `shape` has, in a vector of their own; see [`room_for`].
pub(crate) fn gathered<T>(shape: &[usize], values: impl Iterator<Item = T>) -> Result<Vec<T>> {
    let mut all = room_for(shape)?;
    all.extend(values);
    Ok(all)
}

fn no_memory<T>(shape: &[usize]) -> Error {
    let bytes = shape.iter().fold(size_of::<T>(), |product, &d| product.saturating_mul(d));
    Error::invalid(format!(
        "not enough memory for {} MiB of shape {shape:?}; take a smaller image, output or batch, or fewer classes",
        bytes.div_ceil(1 << 20)
    ))
}

fn check_length(shape: &[usize], len: usize) -> Result<()> {
    ensure!(element_count(shape)? == len, invalid, "shape {shape:?} does not fit {len} elements");
    Ok(())
}
