//! Tensors and shapes on the way in. A shape is compared with what was asked for before any data is read.

use std::mem::MaybeUninit;

use scorecam_core::{ElementType, Error, Result, Tensor, TensorView, bail, element_count, ensure, fits};

use super::guard::call;
use super::sent::{CPU, dtype_of};
use super::table::slice;
use super::text::read;
use crate::abi::{self, SCORECAM_MAX_RANK, scorecam_outputs, scorecam_shape, scorecam_tensor};

/// The sizes of a shape.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    sizes: [usize; SCORECAM_MAX_RANK],
    rank: usize,
}

impl Sizes {
    pub(crate) fn read(shape: &scorecam_shape, what: &str) -> Result<Self> {
        let rank = shape.rank as usize;
        if rank == 0 || rank > SCORECAM_MAX_RANK {
            bail!(plugin, "{what} has rank {rank}; it must be between 1 and {SCORECAM_MAX_RANK}");
        }
        let mut sizes = [0; SCORECAM_MAX_RANK];
        for (to, &from) in sizes.iter_mut().zip(&shape.sizes[..rank]) {
            *to = usize::try_from(from).map_err(|_| Error::plugin(format!("{what} has a size of {from}")))?;
        }
        Ok(Self { sizes, rank })
    }

    pub(crate) fn as_slice(&self) -> &[usize] {
        &self.sizes[..self.rank]
    }

    /// The sizes, 0 read as free.
    pub(crate) fn or_free(self) -> Vec<Option<usize>> {
        self.as_slice().iter().map(|&n| (n > 0).then_some(n)).collect()
    }
}

/// The most values of a result: 16 GiB. Nobody has the memory to have made more.
const MOST_VALUES: usize = 1 << 32;

/// A borrowed tensor with room for its own shape.
pub(crate) struct BorrowedTensor<'a> {
    sizes: Sizes,
    data: &'a [f32],
}

impl<'a> BorrowedTensor<'a> {
    pub(crate) fn view(&self) -> TensorView<'_> {
        // The length was computed from these very sizes; an empty view cannot be reached.
        TensorView::new(self.sizes.as_slice(), self.data).expect("length and shape agree by construction")
    }

    /// A copy of a tensor that a callee made; an error when it has more values than a result can have.
    pub(crate) fn to_tensor(&self, what: &str) -> Result<Tensor> {
        let shape = self.sizes.as_slice();
        let mut data = Vec::new();
        if self.data.len() > MOST_VALUES || data.try_reserve_exact(self.data.len()).is_err() {
            return Err(Error::plugin(format!(
                "{what} has shape {shape:?}, for which there is not enough memory"
            )));
        }
        data.extend_from_slice(self.data);
        Tensor::new(shape, data)
    }
}

/// Borrows a tensor; `what` names it in errors.
///
/// # Safety
/// `tensor` is NULL or points to a tensor whose `data` is NULL or holds as many values as its shape says, all
/// valid for `'a`.
pub(crate) unsafe fn view<'a>(tensor: *const scorecam_tensor, what: &str) -> Result<BorrowedTensor<'a>> {
    // SAFETY: as the caller promises.
    let tensor = unsafe { tensor.as_ref() }.ok_or_else(|| Error::invalid(format!("{what} is NULL")))?;
    let sizes = Sizes::read(&tensor.shape, what)?;
    check_not_empty(sizes.as_slice(), what)?;
    // SAFETY: as the caller promises.
    unsafe { borrowed(tensor, sizes, what) }
}

fn check_not_empty(sizes: &[usize], what: &str) -> Result<()> {
    ensure!(!sizes.contains(&0), plugin, "{what} has shape {sizes:?}, which is empty");
    Ok(())
}

/// # Safety
/// As for [`view`]; `sizes` are the tensor's.
unsafe fn borrowed<'a>(tensor: &scorecam_tensor, sizes: Sizes, what: &str) -> Result<BorrowedTensor<'a>> {
    check_kind(tensor, what)?;
    let count = element_count(sizes.as_slice()).map_err(|e| e.context(what))?;
    // SAFETY: as the caller promises.
    let data = unsafe { slice(tensor.data.cast::<f32>(), count as u64, what) }?;
    Ok(BorrowedTensor { sizes, data })
}

/// An error unless a tensor is of f32 on the CPU.
fn check_kind(tensor: &scorecam_tensor, what: &str) -> Result<()> {
    if tensor.dtype == dtype_of(ElementType::F32) && tensor.device == CPU {
        return Ok(());
    }
    let element = element_of(tensor.dtype);
    let place = match tensor.device {
        CPU => "the CPU".to_owned(),
        abi::scorecam_device { kind: abi::SCORECAM_DEVICE_CUDA, id } => format!("cuda:{id}"),
        abi::scorecam_device { kind, id } => format!("device {kind}:{id}"),
    };
    Err(Error::plugin(format!("{what} is {element} on {place}; it must be f32 on the CPU")))
}

/// The element type of its C form.
pub(crate) fn element_of(dtype: abi::scorecam_data_type) -> ElementType {
    let abi::scorecam_data_type { code, bits, lanes } = dtype;
    ElementType { code, bits, lanes }
}

/// The tensors of a list, one for each of `expected`.
///
/// # Safety
/// As for [`view`], for each of them.
pub(crate) unsafe fn views<'a>(
    (tensors, count): (*const scorecam_tensor, u64),
    expected: &[Expected],
    who: &str,
) -> Result<Vec<BorrowedTensor<'a>>> {
    if count != expected.len() as u64 {
        let expected = expected.len();
        return Err(Error::plugin(format!("{who} returned {count} tensors instead of {expected}")));
    }
    // SAFETY: as the caller promises.
    let tensors = unsafe { slice(tensors, count, "its list of tensors") }?;
    let what = format!("a tensor of {who}");
    let viewed = tensors.iter().zip(expected).map(|(tensor, expected)| {
        let sizes = Sizes::read(&tensor.shape, &what)?;
        expected.check(sizes.as_slice(), &what)?;
        // SAFETY: as the caller promises.
        unsafe { borrowed(tensor, sizes, &what) }
    });
    viewed.collect()
}

/// Tensors with names.
///
/// # Safety
/// `tensors` is NULL or leads to `count` of them, whose names and tensors are valid for `'a`.
pub(crate) unsafe fn named_views<'a>(
    (tensors, count): (*const abi::scorecam_named_tensor, u64),
    what: &str,
) -> Result<Vec<(&'a str, BorrowedTensor<'a>)>> {
    // SAFETY: as the caller promises.
    let tensors = unsafe { slice(tensors, count, what) }?;
    // SAFETY: as the caller promises.
    let one = |named: &abi::scorecam_named_tensor| unsafe {
        let name = read(named.name, "the name of a tensor")?;
        Ok((name, view(&raw const named.tensor, &format!("tensor {name:?}"))?))
    };
    tensors.iter().map(one).collect()
}

/// As [`view`], with NULL data as `None`.
///
/// # Safety
/// As for [`view`].
pub(crate) unsafe fn optional_view<'a>(
    tensor: *const scorecam_tensor,
    what: &str,
) -> Result<Option<BorrowedTensor<'a>>> {
    // SAFETY: as the caller promises.
    if unsafe { tensor.as_ref() }.is_none_or(|t| t.data.is_null()) {
        return Ok(None);
    }
    // SAFETY: as the caller promises.
    unsafe { view(tensor, what) }.map(Some)
}

/// The sizes of a tensor that is asked for, `None` where any is right. They are compared before the data is
/// looked at: an engine that mistakes its own shapes is found out, and nothing is read behind what it made.
pub(crate) enum Expected {
    /// Any at all but an empty one.
    Any,
    /// No axis is empty.
    Of(Vec<Option<usize>>),
    /// An axis of any length may be empty, as where nothing was detected.
    OrEmpty(Vec<Option<usize>>),
}

impl Expected {
    fn check(&self, sizes: &[usize], what: &str) -> Result<()> {
        let wanted = match self {
            Self::Any => return check_not_empty(sizes, what),
            Self::Of(wanted) => {
                check_not_empty(sizes, what)?;
                wanted
            }
            Self::OrEmpty(wanted) => wanted,
        };
        if fits(wanted, sizes) {
            return Ok(());
        }
        let wanted: Vec<String> =
            wanted.iter().map(|n| n.map_or("any".to_owned(), |n| n.to_string())).collect();
        Err(Error::plugin(format!("{what} has shape {sizes:?}; it must be [{}]", wanted.join(", "))))
    }
}

/// Calls a function that fills outputs, and takes the `expected` tensors from them: copies, and releases what the callee
/// made, whether or not it is right.
///
/// # Safety
/// `run` calls a function of a table, which fills the outputs where it returns `SCORECAM_OK`.
pub(crate) unsafe fn taken(
    expected: &[Expected],
    who: &str,
    run: impl FnOnce(*mut scorecam_outputs, *mut abi::scorecam_message) -> i32,
) -> Result<Vec<Tensor>> {
    // SAFETY: all fields of the outputs are valid when zero.
    let mut outputs: scorecam_outputs = unsafe { MaybeUninit::zeroed().assume_init() };
    call(who, |why| run(&raw mut outputs, why))?;
    // SAFETY: as the caller promises.
    let copied = unsafe { views((outputs.tensors, outputs.count), expected, who) };
    let what = format!("a tensor of {who}");
    let copied = copied.and_then(|views| views.iter().map(|v| v.to_tensor(&what)).collect());
    if let Some(release) = outputs.release {
        // SAFETY: called once, after the last look at the tensors.
        unsafe { release(outputs.owner) };
    }
    copied
}
