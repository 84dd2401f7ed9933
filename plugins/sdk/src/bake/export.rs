//! [`scorecam_core::ModelBackend::bake`] as `scorecam.bake/1`.

use std::ffi::c_void;
use std::path::Path;

use scorecam_core::{Bake, Error, Result};

use crate::abi::{self, scorecam_message};
use crate::backend::export::exported;
use crate::wire::{checked_struct, guard, kind_of_status, read, view};

/// The table of every model.
pub(crate) static TABLE: abi::scorecam_bake =
    abi::scorecam_bake { struct_size: size_of::<abi::scorecam_bake>() as u32, reserved: 0, run: Some(run) };

unsafe extern "C" fn run(
    model: *mut c_void,
    request: *const abi::scorecam_bake_request,
    why: *mut scorecam_message,
) -> i32 {
    // SAFETY: model, request and what it leads to are valid by the contract of `run`.
    let body = || unsafe {
        let (model, request) = (&exported(model)?.model, checked_struct(request, "request")?);
        let write = request.write.ok_or_else(|| Error::invalid("request.write is NULL; it is required"))?;
        let layer = read(request.layer, "layer")?;
        let path = Path::new(read(request.path, "path")?);
        let made = match request.what {
            abi::SCORECAM_BAKE_MAP => {
                let side =
                    |side: u64| usize::try_from(side).map_err(|_| Error::invalid("the grid is too large"));
                let grid: Result<[usize; 2]> = Ok([side(request.grid_height)?, side(request.grid_width)?]);
                let cells = view(&raw const request.cells, "cells")?;
                model.bake(layer, Bake::Map { grid: grid?, cells: cells.view() }, path)?
            }
            abi::SCORECAM_BAKE_TAP => model.bake(layer, Bake::Tap, path)?,
            abi::SCORECAM_BAKE_HEAD => model.bake(layer, Bake::Head, path)?,
            abi::SCORECAM_BAKE_MASKED => model.bake(layer, Bake::Masked, path)?,
            other => return Err(Error::invalid(format!("request.what is {other}, which is unknown"))),
        };
        match write(request.context, made.as_ptr(), made.len() as u64) {
            abi::SCORECAM_OK => Ok(()),
            status => Err(Error::new(kind_of_status(status), "the model could not be written")),
        }
    };
    // SAFETY: `why` is NULL or a message of the caller's.
    unsafe { guard(why, body) }
}
