//! Tensors on both sides: core's are f32 on the CPU, libtorch's lie on the model's device.

use scorecam_plugin::{Error, Layout, Result, Tensor, TensorView};
use tch::{Device, Kind, TchError};

use crate::shim::cause;

/// A copy of `tensor` on `device`. A copy, because a model may write into its input.
pub(crate) fn to_device(tensor: TensorView<'_>, device: Device) -> Result<tch::Tensor> {
    let shape: Vec<i64> = tensor.shape().iter().map(|&n| n as i64).collect();
    tch::Tensor::f_from_slice(tensor.data())
        .and_then(|flat| flat.f_view(shape.as_slice()))
        .and_then(|t| t.f_to_device_(device, Kind::Float, false, false))
        .map_err(failed)
}

/// A batch [N, C, H, W] in the order of axes that a model wants.
pub(crate) fn arranged(batch: &tch::Tensor, layout: Layout) -> Result<tch::Tensor> {
    match layout {
        Layout::Nchw => Ok(batch.shallow_clone()),
        Layout::Nhwc => batch.f_permute([0, 2, 3, 1]).and_then(|t| t.f_contiguous()).map_err(failed),
    }
}

/// The order of axes that three lengths tell: channels are one, three or four.
pub(crate) fn likely_layout([first, _, last]: [usize; 3]) -> Layout {
    let may_be_channels = |n: usize| matches!(n, 1 | 3 | 4);
    match may_be_channels(last) && !may_be_channels(first) {
        true => Layout::Nhwc,
        false => Layout::Nchw,
    }
}

/// The values of `tensor` as f32, in row-major order.
pub(crate) fn from_device(tensor: &tch::Tensor) -> Result<Tensor> {
    let mut result = Tensor::zeros(shape_of(tensor))?;
    let dense = tensor
        .f_to_device_(Device::Cpu, Kind::Float, false, false)
        .and_then(|t| t.f_contiguous())
        .map_err(failed)?;
    let count = result.data().len();
    dense.f_copy_data(result.data_mut(), count).map_err(failed)?;
    Ok(result)
}

/// The shape of a tensor of libtorch.
pub(crate) fn shape_of(tensor: &tch::Tensor) -> Vec<usize> {
    tensor.size().iter().map(|&n| n as usize).collect()
}

/// libtorch's own error as ours.
pub(crate) fn failed(error: TchError) -> Error {
    Error::model(cause(&error.to_string()))
}
