//! Tables, structs and lists of the other side: checked before they are followed.

use std::ffi::CStr;

use scorecam_core::{Error, Result, ensure};

use super::guard::call;
use crate::abi::scorecam_message;

/// The table behind an interface id.
///
/// # Safety
/// As for [`checked_struct`]: every table behind an interface id begins with its size.
pub(crate) unsafe fn checked_table<'a, T>(table: *const std::ffi::c_void, id: &CStr) -> Result<&'a T> {
    // SAFETY: as the caller promises.
    unsafe { checked_struct(table.cast(), &format!("interface {}", id.to_string_lossy())) }
}

/// The most bytes that a struct of a newer version may have; more is memory that was never set.
const MAX_STRUCT: usize = 4096;

/// A struct of a plugin that begins with its size: not NULL, aligned, of sufficient size.
///
/// # Safety
/// `given` is NULL or leads to as many readable bytes as the size in its first four says, valid for `'a`.
pub(crate) unsafe fn checked_struct<'a, T>(given: *const T, what: &str) -> Result<&'a T> {
    ensure!(!given.is_null(), plugin, "its {what} is NULL");
    ensure!(given.is_aligned(), plugin, "its {what} is not aligned for its type");
    // SAFETY: four bytes are readable; no reference to the whole is made before the size is known.
    let size = unsafe { given.cast::<u32>().read() };
    check_size(size, size_of::<T>(), what)?;
    // SAFETY: not NULL, aligned, of sufficient size, and valid for `'a` as the caller promises.
    Ok(unsafe { &*given })
}

/// Calls the function `describe` of a table, and checks what it leads to.
///
/// # Safety
/// `describe` makes its place lead to a `T` that is valid for `'a`, as far as its size says.
pub(crate) unsafe fn described<'a, T>(
    what: &str,
    describe: impl FnOnce(*mut *const T, *mut scorecam_message) -> i32,
) -> Result<&'a T> {
    let mut place = std::ptr::null();
    call("describe", |why| describe(&raw mut place, why))?;
    // SAFETY: as the caller promises.
    unsafe { checked_struct(place, what) }
}

pub(crate) fn check_size(size: u32, wanted: usize, what: &str) -> Result<()> {
    match size as usize {
        size if size > MAX_STRUCT => {
            Err(Error::plugin(format!("its {what} has struct_size {size}; it must be at most {MAX_STRUCT}")))
        }
        size if size >= wanted => Ok(()),
        size => {
            Err(Error::plugin(format!("its {what} has struct_size {size}; it must be at least {wanted}")))
        }
    }
}

/// As [`slice`], of at most `most` items: a count beyond that is a lie, and following it would end the process.
///
/// # Safety
/// As for [`slice`].
pub(crate) unsafe fn list<'a, T>(items: *const T, count: u64, most: u64, what: &str) -> Result<&'a [T]> {
    match count <= most {
        // SAFETY: as the caller promises.
        true => unsafe { slice(items, count, what) },
        false => Err(Error::plugin(format!("{what} has {count} items; at most {most} are allowed"))),
    }
}

/// A slice of `count` items, empty when `count` is 0; `what` names it in errors.
///
/// # Safety
/// `items` is NULL or points to `count` readable items that outlive `'a`.
pub(crate) unsafe fn slice<'a, T>(items: *const T, count: u64, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    let count = usize::try_from(count).ok().filter(|&n| n <= isize::MAX as usize / size_of::<T>().max(1));
    match count {
        Some(_) if items.is_null() => Err(Error::plugin(format!("{what} is NULL but not empty"))),
        Some(_) if !items.is_aligned() => Err(Error::plugin(format!("{what} is not aligned for its type"))),
        // SAFETY: not NULL, aligned, within the address space, and readable as the caller promises.
        Some(count) => Ok(unsafe { std::slice::from_raw_parts(items, count) }),
        None => Err(Error::plugin(format!("{what} has more items than memory can address"))),
    }
}
