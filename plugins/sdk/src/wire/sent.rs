//! Tensors and shapes on the way out.

use std::ffi::c_void;

use scorecam_core::{ElementType, NamedTensor, Result, Tensor, TensorView, bail, ensure};

use super::text::Texts;
use crate::abi::{self, SCORECAM_MAX_RANK, scorecam_outputs, scorecam_shape, scorecam_tensor};

/// The memory that every tensor is in.
pub(crate) const CPU: abi::scorecam_device = abi::scorecam_device { kind: abi::SCORECAM_DEVICE_CPU, id: 0 };

/// The C form of an element type.
pub(crate) fn dtype_of(element: ElementType) -> abi::scorecam_data_type {
    let ElementType { code, bits, lanes } = element;
    abi::scorecam_data_type { code, bits, lanes }
}

/// The C form of a shape; free sizes become 0.
pub(crate) fn shape_of(sizes: impl ExactSizeIterator<Item = Option<usize>>) -> Result<scorecam_shape> {
    let mut shape = scorecam_shape { rank: sizes.len() as u32, ..Default::default() };
    if sizes.len() > SCORECAM_MAX_RANK {
        let rank = sizes.len();
        bail!(unsupported, "a shape has {rank} axes; at most {SCORECAM_MAX_RANK} are allowed");
    }
    shape.sizes.iter_mut().zip(sizes).for_each(|(to, size)| *to = size.unwrap_or(0) as u64);
    Ok(shape)
}

/// The C form of a borrowed tensor, or of none.
pub(crate) fn tensor_of(tensor: Option<TensorView<'_>>) -> Result<scorecam_tensor> {
    let Some(tensor) = tensor else {
        return Ok(a_tensor(std::ptr::null(), scorecam_shape::default()));
    };
    let shape = shape_of(tensor.shape().iter().map(|&n| Some(n)))?;
    Ok(a_tensor(tensor.data().as_ptr().cast(), shape))
}

fn a_tensor(data: *const c_void, shape: scorecam_shape) -> scorecam_tensor {
    scorecam_tensor { data, device: CPU, dtype: dtype_of(ElementType::F32), reserved: 0, shape }
}

/// The C form of borrowed tensors with names, which `texts` keeps.
pub(crate) fn named_of(
    tensors: &[NamedTensor<'_>],
    texts: &mut Texts,
) -> Result<Vec<abi::scorecam_named_tensor>> {
    let named = |(name, tensor): &NamedTensor<'_>| {
        Ok(abi::scorecam_named_tensor { name: texts.keep(name), tensor: tensor_of(Some(*tensor))? })
    };
    tensors.iter().map(named).collect()
}

/// Tensors in a box that the caller releases.
struct Owned {
    _tensors: Vec<Tensor>,
    views: Vec<scorecam_tensor>,
}

/// Moves tensors into `outputs`.
///
/// # Safety
/// `outputs` is NULL or writable.
pub(crate) unsafe fn hand_over(tensors: Vec<Tensor>, outputs: *mut scorecam_outputs) -> Result<()> {
    ensure!(!outputs.is_null(), invalid, "outputs is NULL; it must point to the result");
    let views = tensors.iter().map(|t| tensor_of(Some(t.view()))).collect::<Result<Vec<_>>>()?;
    let owned = Box::new(Owned { _tensors: tensors, views });
    let result = scorecam_outputs {
        tensors: owned.views.as_ptr(),
        count: owned.views.len() as u64,
        owner: Box::into_raw(owned).cast(),
        release: Some(release::<Owned>),
    };
    // SAFETY: not NULL, and writable as the caller promises.
    unsafe { outputs.write(result) };
    Ok(())
}

/// Frees the `T` that was handed over in a box.
pub(crate) unsafe extern "C" fn release<T>(owner: *mut c_void) {
    if !owner.is_null() {
        // SAFETY: `owner` came from `hand_over`, and is released once.
        drop(unsafe { Box::from_raw(owner.cast::<T>()) });
    }
}
