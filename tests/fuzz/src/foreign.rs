//! Memory as a caller or a plugin in C lends it, made of a fuzzer's bytes.
//!
//! Every block is an allocation of its own of exactly the length that the code under test is told, so that the
//! address sanitizer sees the first byte that is read beyond it. What is lent lives as long as [`Lent`].

use std::ffi::{CStr, c_char};
use std::ptr;

use arbitrary::Unstructured;

/// The longest string that is read; one of this length without a NUL is a refusal.
const MAX_STRING: usize = scorecam_plugin::abi::SCORECAM_MAX_STRING;
/// The largest struct of a newer caller.
const MAX_STRUCT: usize = 4096;

/// One of a fuzzer's numbers, 0 when there are none left.
pub(crate) fn byte(input: &mut Unstructured<'_>) -> u8 {
    input.arbitrary().unwrap_or(0)
}

/// A number that is small, or at the end of some range, or anything.
pub(crate) fn number(input: &mut Unstructured<'_>) -> u64 {
    const ENDS: [u64; 8] = [0, 1, 0xffff, 0x1_0000, u32::MAX as u64, 1 << 62, i64::MAX as u64, u64::MAX];
    match byte(input) {
        small @ 0..=199 => u64::from(small),
        end @ 200..=231 => ENDS[usize::from(end) % ENDS.len()],
        _ => input.arbitrary().unwrap_or(0),
    }
}

/// Blocks of memory that are lent to the code under test.
#[derive(Default)]
pub(crate) struct Lent(Vec<Box<[u8]>>);

impl Lent {
    /// A block; its address stays the same when `self` moves.
    pub(crate) fn block(&mut self, bytes: Vec<u8>) -> *mut u8 {
        // An empty block has no address of its own, and must not be read at all.
        let mut block = bytes.into_boxed_slice();
        let first = block.as_mut_ptr();
        self.0.push(block);
        first
    }

    /// NULL, one of the known strings, any bytes up to a NUL, or a string that does not end.
    pub(crate) fn text(&mut self, input: &mut Unstructured<'_>, known: &[&CStr]) -> *const c_char {
        match usize::from(byte(input)) {
            0 => ptr::null(),
            255 => self.block(vec![b'a'; MAX_STRING]).cast_const().cast(),
            254 => {
                let length = usize::from(byte(input)).min(input.len());
                let mut bytes = input.bytes(length).unwrap_or_default().to_vec();
                bytes.push(0);
                self.block(bytes).cast_const().cast()
            }
            choice => {
                let bytes = known
                    .get((choice - 1) % known.len().max(1))
                    .map_or(&b"\0"[..], |t| t.to_bytes_with_nul());
                self.block(bytes.to_vec()).cast_const().cast()
            }
        }
    }

    /// An array of `repr(C)` items.
    ///
    /// # Safety
    /// `T` has no padding.
    pub(crate) unsafe fn array<T>(&mut self, items: &[T]) -> *const T {
        // SAFETY: without padding, every byte of the items is set.
        let bytes = unsafe { std::slice::from_raw_parts(items.as_ptr().cast::<u8>(), size_of_val(items)) };
        let first = self.block(bytes.to_vec()).cast_const().cast::<T>();
        if items.is_empty() { ptr::null() } else { first }
    }

    /// A struct that begins with its size, in exactly as many bytes as it says: whole, cut off, longer with
    /// a tail of zeros or of something else, or of a size that must be refused by the size alone.
    ///
    /// # Safety
    /// `T` is `repr(C)`, begins with `struct_size: u32` and has no padding.
    pub(crate) unsafe fn versioned<T>(&mut self, input: &mut Unstructured<'_>, value: T) -> *mut T {
        let whole = size_of::<T>();
        let (size, tail) = match byte(input) {
            0..=199 => (whole, 0),
            cut @ 200..=219 => (whole.saturating_sub(usize::from(cut - 200) * 8), 0),
            longer @ 220..=229 => (whole + usize::from(longer - 219) * 8, 0),
            longer @ 230..=239 => (whole + usize::from(longer - 229) * 8, byte(input)),
            _ => (usize::from(input.arbitrary::<u16>().unwrap_or(0)) % (2 * MAX_STRUCT), 0),
        };
        // The size itself can always be read.
        let length = size.max(4);
        let mut bytes = vec![0; length];
        // SAFETY: without padding, every byte of the value is set.
        let known = unsafe { std::slice::from_raw_parts((&raw const value).cast::<u8>(), whole) };
        let shared = length.min(whole);
        bytes[..shared].copy_from_slice(&known[..shared]);
        bytes[..4].copy_from_slice(&(size as u32).to_ne_bytes());
        if let Some(last) = bytes[shared..].last_mut() {
            *last = tail;
        }
        self.block(bytes).cast()
    }
}
