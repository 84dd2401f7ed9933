//! The caller's memory: strings, arrays, and structs that may be older or newer than this library.
//!
//! What can be told is checked (NULL, alignment, lengths, UTF-8, the size a struct says it has); that a
//! pointer leads to what it says is the caller's word, and the `unsafe` of each function here. A struct
//! begins with `struct_size`: what an older caller does not have reads as zero, what a newer caller has and
//! this library does not know must be zero.

use std::ffi::c_char;
use std::{mem, ptr, slice};

use scorecam::abi::{SCORECAM_MAX_STRING, scorecam_option};

use crate::export::{Failure, Result};
use crate::handles::{self, Handle};

/// A C struct of the caller.
///
/// # Safety
/// The type is `repr(C)`, begins with `struct_size: u32`, has no padding, and all zeros are a value of it.
pub(crate) unsafe trait Versioned: Sized {
    /// Its name in C.
    const NAME: &'static str;
    /// Its `_INIT` macro.
    const INIT: &'static str;
}

/// Declares structs to be [`Versioned`], with the name of the type.
macro_rules! versioned {
    ($($type:ident = $init:literal),+ $(,)?) => {$(
        // SAFETY: repr(C), struct_size first, fields of integers, floats, pointers and optional functions,
        // ordered so that no padding is left.
        unsafe impl $crate::read::Versioned for $type {
            const NAME: &'static str = stringify!($type);
            const INIT: &'static str = $init;
        }
    )+};
}
pub(crate) use versioned;

/// The most bytes that a struct of a newer caller may have; more is memory that was never set.
const MAX_STRUCT: usize = 4096;

/// A struct as this library knows it, or an error when `given` is NULL; `what` is the argument's name.
///
/// # Safety
/// `given` is NULL or leads to as many readable bytes as the `struct_size` in them says.
pub(crate) unsafe fn read_struct<T: Versioned>(given: *const T, what: &str) -> Result<T> {
    // SAFETY: as the caller promises.
    let size = unsafe { struct_size(given, what) }?;
    let known = mem::size_of::<T>();
    if size > known {
        // SAFETY: `size` bytes are readable, and `known` is less.
        let tail = unsafe { slice::from_raw_parts(given.cast::<u8>().add(known), size - known) };
        if let Some(at) = tail.iter().position(|&b| b != 0) {
            return Err(Failure::invalid(format!(
                "{what}: {} has a field at byte {} that this version does not know; set it to 0 or use a newer \
                 library",
                T::NAME,
                known + at
            )));
        }
    }
    let mut value = mem::MaybeUninit::<T>::zeroed();
    // SAFETY: the smaller of both sizes is readable and writable; zeros complete a value of `T`.
    unsafe {
        ptr::copy_nonoverlapping(given.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), size.min(known));
        Ok(value.assume_init())
    }
}

/// A struct, or `None` when `given` is NULL.
///
/// # Safety
/// As for [`read_struct`].
pub(crate) unsafe fn read_optional<T: Versioned>(given: *const T, what: &str) -> Result<Option<T>> {
    // SAFETY: as the caller promises.
    (!given.is_null()).then(|| unsafe { read_struct(given, what) }).transpose()
}

/// Fills as much of the caller's struct as it has; what it has beyond `value` becomes zero. Its
/// `struct_size` stays.
///
/// # Safety
/// `out` is NULL or leads to as many writable bytes as the `struct_size` in them says.
pub(crate) unsafe fn write_struct<T: Versioned>(out: *mut T, value: T) -> Result<()> {
    // SAFETY: as the caller promises.
    let size = unsafe { struct_size(out, "out") }?;
    let (known, first) = (mem::size_of::<T>(), mem::size_of::<u32>());
    let shared = size.min(known);
    let (from, to) = ((&raw const value).cast::<u8>(), out.cast::<u8>());
    // SAFETY: `size` bytes are writable and at least `first`; `value` has `known` bytes.
    unsafe {
        ptr::copy_nonoverlapping(from.add(first), to.add(first), shared - first);
        ptr::write_bytes(to.add(shared), 0, size - shared);
    }
    Ok(())
}

/// # Safety
/// `given` is NULL or leads to four readable bytes.
unsafe fn struct_size<T: Versioned>(given: *const T, what: &str) -> Result<usize> {
    if given.is_null() {
        return Err(Failure::invalid(format!("{what} is NULL; give a {} set to {}", T::NAME, T::INIT)));
    }
    // SAFETY: four bytes are readable; they need not be aligned.
    let size = unsafe { given.cast::<u32>().read_unaligned() } as usize;
    if !(8..=MAX_STRUCT).contains(&size) {
        return Err(Failure::invalid(format!(
            "{what}: {}.struct_size is {size}; set the struct to {} before its fields",
            T::NAME,
            T::INIT
        )));
    }
    let step = mem::align_of::<T>();
    if !size.is_multiple_of(step) {
        // No version ends there: the last field would be cut, and half a pointer leads nowhere.
        return Err(Failure::invalid(format!(
            "{what}: {}.struct_size is {size}, which is not a multiple of {step}; set the struct to {} before its \
             fields",
            T::NAME,
            T::INIT
        )));
    }
    Ok(size)
}

/// Writes a result; an error when `out` is NULL or not aligned.
///
/// # Safety
/// `out` is NULL or leads to a writable `T`.
pub(crate) unsafe fn write<T>(out: *mut T, value: T, what: &str) -> Result<()> {
    check_pointer(out, what)?;
    // SAFETY: as the caller promises; aligned as just checked.
    unsafe { out.write(value) };
    Ok(())
}

/// Writes to `out` what `of` takes from the object behind `handle`.
///
/// # Safety
/// As for [`write`].
pub(crate) unsafe fn write_from<H: Handle, T>(
    out: *mut T,
    handle: *const H,
    of: impl FnOnce(&H::Object) -> Result<T>,
) -> Result<()> {
    let value = of(&*handles::get(handle)?)?;
    // SAFETY: as the caller promises.
    unsafe { write(out, value, "out") }
}

/// The place that an index of the caller means among `count`; `what` and `there_are` are for the error.
pub(crate) fn place(index: u64, count: usize, what: &str, there_are: &str) -> Result<usize> {
    let place = usize::try_from(index).ok().filter(|&i| i < count);
    place.ok_or_else(|| Failure::invalid(format!("{what} {index} is out of range; {there_are} {count}")))
}

/// An error when `pointer` is NULL or not aligned.
pub(crate) fn check_pointer<T>(pointer: *const T, what: &str) -> Result<()> {
    if pointer.is_null() {
        return Err(Failure::invalid(format!("{what} is NULL")));
    }
    if !pointer.is_aligned() {
        let needed = mem::align_of::<T>();
        return Err(Failure::invalid(format!("{what} is not aligned to {needed} bytes")));
    }
    Ok(())
}

/// A string; an error when it is NULL, too long or not UTF-8.
///
/// # Safety
/// `text` is NULL or ends with NUL, and stays as it is for `'a`.
pub(crate) unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    // SAFETY: as the caller promises.
    unsafe { bounded_text(text, SCORECAM_MAX_STRING, what) }
}

/// The text of a file, which may be longer than other strings; `None` for NULL.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn long_text<'a>(text: *const c_char, what: &str) -> Result<Option<&'a str>> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { bounded_text(text, MAX_FILE_TEXT, what) }).transpose()
}

/// The most bytes of a file's text.
const MAX_FILE_TEXT: usize = 16 << 20;

/// # Safety
/// As for [`text`].
unsafe fn bounded_text<'a>(text: *const c_char, most: usize, what: &str) -> Result<&'a str> {
    if text.is_null() {
        return Err(Failure::invalid(format!("{what} is NULL")));
    }
    let bytes = text.cast::<u8>();
    // SAFETY: no byte behind the first NUL is looked at.
    let length = (0..most).find(|&i| unsafe { bytes.add(i).read() } == 0);
    let length =
        length.ok_or_else(|| Failure::invalid(format!("{what} does not end within {most} bytes")))?;
    // SAFETY: `length` bytes were just read.
    let bytes = unsafe { slice::from_raw_parts(bytes, length) };
    str::from_utf8(bytes).map_err(|e| Failure::invalid(format!("{what} is not UTF-8: {e}")))
}

/// A string, or `None` for NULL.
///
/// # Safety
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(given: *const c_char, what: &str) -> Result<Option<&'a str>> {
    // SAFETY: as the caller promises.
    (!given.is_null()).then(|| unsafe { text(given, what) }).transpose()
}

/// An array; NULL is right when there are no elements.
///
/// # Safety
/// `first` is NULL or leads to `count` elements that stay as they are for `'a`.
pub(crate) unsafe fn array<'a, T>(first: *const T, count: u64, what: &str) -> Result<&'a [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    check_pointer(first, what)?;
    let count = usize::try_from(count).ok();
    let fits = |n: &usize| n.checked_mul(mem::size_of::<T>()).is_some_and(|b| b <= isize::MAX as usize);
    let count = count
        .filter(fits)
        .ok_or_else(|| Failure::invalid(format!("{what} has more elements than memory can hold")))?;
    // SAFETY: as the caller promises; aligned and of possible size as just checked.
    Ok(unsafe { slice::from_raw_parts(first, count) })
}

/// Names and values.
///
/// # Safety
/// `first` is NULL or leads to `count` options whose strings end with NUL.
pub(crate) unsafe fn options(
    first: *const scorecam_option,
    count: u64,
    what: &str,
) -> Result<Vec<(String, String)>> {
    // SAFETY: as the caller promises.
    let given = unsafe { array(first, count, what) }?;
    let pair = |option: &scorecam_option| {
        // SAFETY: as the caller promises.
        let name = unsafe { text(option.name, &format!("a name in {what}")) }?;
        // SAFETY: as above.
        let value = unsafe { text(option.value, &format!("the value of {name:?} in {what}")) }?;
        Ok((name.to_owned(), value.to_owned()))
    };
    given.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct sized {
        struct_size: u32,
        a: u32,
        b: u64,
    }
    versioned!(sized = "SIZED_INIT");

    /// What the library makes of a struct of `size` bytes, of which the first 16 are `sized` with a 7 and an 8.
    fn read(size: u32, tail: u8) -> Result<(u32, u64)> {
        let mut memory = [0u64; 4];
        let known = sized { struct_size: size, a: 7, b: 8 };
        // SAFETY: 32 bytes are there, and `size` is never more where it is not refused.
        unsafe {
            memory.as_mut_ptr().cast::<sized>().write(known);
            memory.as_mut_ptr().cast::<u8>().add(31).write(tail);
            read_struct(memory.as_ptr().cast::<sized>(), "it").map(|s| (s.a, s.b))
        }
    }

    #[test]
    fn a_struct_may_be_older_or_newer() {
        assert_eq!(read(16, 1), Ok((7, 8)));
        assert_eq!(read(8, 1), Ok((7, 0)));
        assert_eq!(read(24, 1), Ok((7, 8)));
        assert_eq!(read(32, 0), Ok((7, 8)));
        assert!(read(32, 1).unwrap_err().message.contains("byte 31"));
        for size in [0, 1, 7, 9, 12, 31, MAX_STRUCT as u32 + 1, u32::MAX] {
            assert!(read(size, 0).unwrap_err().message.contains("SIZED_INIT"), "{size}");
        }
    }

    #[test]
    fn a_result_fills_what_the_caller_has() {
        let value = || sized { struct_size: 16, a: 1, b: 2 };
        let mut out = [sized { struct_size: 8, a: 9, b: 9 }; 2];
        // SAFETY: the struct says 8 bytes, which are there.
        unsafe { write_struct(out.as_mut_ptr(), value()) }.unwrap();
        assert_eq!(out[0], sized { struct_size: 8, a: 1, b: 9 });
        out[0].struct_size = 24;
        // SAFETY: the struct says 24 bytes, and 32 are there.
        unsafe { write_struct(out.as_mut_ptr(), value()) }.unwrap();
        assert_eq!(out, [sized { struct_size: 24, a: 1, b: 2 }, sized { struct_size: 0, a: 0, b: 9 }]);
    }

    #[test]
    fn strings_and_arrays_are_checked() {
        let long = [b'a'; SCORECAM_MAX_STRING];
        // SAFETY: strings end with NUL or with the limit; arrays that are read are there.
        unsafe {
            assert_eq!(text(c"grün".as_ptr(), "it"), Ok("grün"));
            assert_eq!(text(ptr::null(), "it").unwrap_err().message, "it is NULL");
            assert!(text(c"\xff".as_ptr(), "it").unwrap_err().message.contains("UTF-8"));
            assert!(text(long.as_ptr().cast(), "it").unwrap_err().message.contains("4096"));
            assert_eq!(optional_text(ptr::null(), "it"), Ok(None));
            assert_eq!(array(ptr::null::<u64>(), 0, "it"), Ok(&[][..]));
            assert_eq!(array([1u64, 2].as_ptr(), 2, "it"), Ok(&[1, 2][..]));
            assert!(array(ptr::null::<u64>(), 1, "it").is_err());
            assert!(array([1u64].as_ptr(), u64::MAX, "it").is_err());
            let odd = [1u64, 2].as_ptr().cast::<u8>().add(1).cast::<u64>();
            assert!(array(odd, 1, "it").unwrap_err().message.contains("aligned"));
        }
    }
}
