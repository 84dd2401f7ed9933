//! Where this library lies, so that plugins beside it are found.

use std::path::PathBuf;

/// The folder of the file that this code was loaded from: the shared library, or the program when it is
/// linked in. `None` where the system cannot tell.
#[cfg(unix)]
pub(crate) fn folder() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
    use std::os::unix::ffi::OsStrExt;
    use std::ptr;

    /// `Dl_info` of dlfcn.h, the same on every Unix.
    #[repr(C)]
    struct Found {
        file: *const c_char,
        base: *mut c_void,
        symbol: *const c_char,
        address: *mut c_void,
    }

    unsafe extern "C" {
        fn dladdr(address: *const c_void, found: *mut Found) -> c_int;
    }

    let here: fn() -> Option<PathBuf> = folder;
    let mut found =
        Found { file: ptr::null(), base: ptr::null_mut(), symbol: ptr::null(), address: ptr::null_mut() };
    // SAFETY: dladdr only compares the address, and writes the four fields of `found`.
    let known = unsafe { dladdr(here as *const c_void, &mut found) };
    if known == 0 || found.file.is_null() {
        return None;
    }
    // SAFETY: the loader's own name of the file, kept while the file is loaded, as this code is.
    let file = unsafe { CStr::from_ptr(found.file) };
    let file = PathBuf::from(OsStr::from_bytes(file.to_bytes())).canonicalize().ok()?;
    file.parent().map(PathBuf::from)
}

/// The folder of this library is not asked for here; the program's own folder is searched all the same.
#[cfg(not(unix))]
pub(crate) fn folder() -> Option<PathBuf> {
    None
}
