//! Tensors and shapes on the way out.

use std::ffi::c_void;

use scorecam_core::{Error, Result, Tensor, TensorView};

use crate::abi::{SCORECAM_MAX_RANK, scorecam_outputs, scorecam_shape, scorecam_tensor};

/// The C form of a shape; free sizes become 0.
pub(crate) fn shape_of(sizes: impl ExactSizeIterator<Item = Option<usize>>) -> Result<scorecam_shape> {
    let mut shape = scorecam_shape { rank: sizes.len() as u32, ..Default::default() };
    if sizes.len() > SCORECAM_MAX_RANK {
        let rank = sizes.len();
        return Err(Error::unsupported(format!(
            "a shape of {rank} axes was met; {SCORECAM_MAX_RANK} is the most"
        )));
    }
    shape.sizes.iter_mut().zip(sizes).for_each(|(to, size)| *to = size.unwrap_or(0) as u64);
    Ok(shape)
}

/// The C form of a borrowed tensor, or of none.
pub(crate) fn tensor_of(tensor: Option<TensorView<'_>>) -> Result<scorecam_tensor> {
    let Some(tensor) = tensor else {
        return Ok(scorecam_tensor { data: std::ptr::null(), shape: scorecam_shape::default() });
    };
    let shape = shape_of(tensor.shape().iter().map(|&n| Some(n)))?;
    Ok(scorecam_tensor { data: tensor.data().as_ptr(), shape })
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
    if outputs.is_null() {
        return Err(Error::invalid("outputs is NULL; the caller must give a place for them"));
    }
    let views = tensors.iter().map(|t| tensor_of(Some(t.view()))).collect::<Result<Vec<_>>>()?;
    let owned = Box::new(Owned { _tensors: tensors, views });
    let result = scorecam_outputs {
        tensors: owned.views.as_ptr(),
        count: owned.views.len() as u64,
        owner: Box::into_raw(owned).cast(),
        release: Some(release),
    };
    // SAFETY: not NULL, and writable as the caller promises.
    unsafe { outputs.write(result) };
    Ok(())
}

unsafe extern "C" fn release(owner: *mut c_void) {
    if !owner.is_null() {
        // SAFETY: `owner` came from `hand_over`, and is released once.
        drop(unsafe { Box::from_raw(owner.cast::<Owned>()) });
    }
}
