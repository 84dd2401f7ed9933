//! `scorecam.bake/1` as [`scorecam_core::ModelBackend::bake`].

use std::ffi::{CString, c_void};
use std::path::Path;

use scorecam_core::{Bake, Error, Result};

use crate::abi;
use crate::wire::{caught, check, empty_message, tensor_of};

/// More than any file of a format that is known: ONNX ends at 2 GB.
const MOST: usize = 1 << 32;

/// What `write` fills.
struct Written {
    bytes: Vec<u8>,
    error: Option<Error>,
}

/// The file that a model makes.
///
/// # Safety
/// `model` is one whose interface the table is.
pub(crate) unsafe fn run(
    table: &abi::scorecam_bake,
    model: *mut c_void,
    (layer, what, path): (&str, Bake<'_>, &Path),
) -> Result<Vec<u8>> {
    let run = table.run.ok_or_else(|| Error::plugin("its bake table lacks the function run"))?;
    let layer = CString::new(layer).map_err(|_| Error::invalid("the layer's name has a NUL in it"))?;
    let unreadable = || Error::invalid(format!("path {} is not UTF-8, or has a NUL in it", path.display()));
    let path = path.to_str().and_then(|path| CString::new(path).ok()).ok_or_else(unreadable)?;
    let (number, [height, width], cells) = match what {
        Bake::Map { grid, cells } => (abi::SCORECAM_BAKE_MAP, grid, Some(cells)),
        Bake::Tap => (abi::SCORECAM_BAKE_TAP, [0, 0], None),
        Bake::Head => (abi::SCORECAM_BAKE_HEAD, [0, 0], None),
        Bake::Masked => (abi::SCORECAM_BAKE_MASKED, [0, 0], None),
    };
    let mut written = Written { bytes: Vec::new(), error: None };
    let request = abi::scorecam_bake_request {
        struct_size: size_of::<abi::scorecam_bake_request>() as u32,
        what: number,
        layer: layer.as_ptr(),
        path: path.as_ptr(),
        grid_height: height as u64,
        grid_width: width as u64,
        cells: tensor_of(cells)?,
        context: (&raw mut written).cast(),
        write: Some(write),
    };
    let mut why = empty_message();
    // SAFETY: every pointer is valid for the call; the model belongs to the table.
    let status = unsafe { run(model, &raw const request, &raw mut why) };
    match written.error {
        Some(error) => Err(error),
        None => check(status, &why, "bake").map(|()| written.bytes),
    }
}

unsafe extern "C" fn write(context: *mut c_void, data: *const u8, length: u64) -> i32 {
    // SAFETY: the context is that of the call under way, which nobody else uses meanwhile.
    let written = unsafe { &mut *context.cast::<Written>() };
    let body = || {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if data.is_null() && length > 0 || length.saturating_add(written.bytes.len()) > MOST {
            return Err(Error::plugin(format!("its model of at least {length} bytes is too large")));
        }
        written.bytes.try_reserve(length).map_err(|_| Error::internal("not enough memory for the model"))?;
        if length > 0 {
            // SAFETY: as many bytes as the length says, by the contract of `write`.
            written.bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(data, length) });
        }
        Ok(())
    };
    match caught(body).and_then(|taken| taken) {
        Ok(()) => abi::SCORECAM_OK,
        Err(error) => {
            written.error = Some(error);
            abi::SCORECAM_ERR_PLUGIN
        }
    }
}
