//! The places where a plugin searches for its runtime: beside itself, in the cache of the project's commands, and among
//! the packages of an active Python environment, into which `pip` installs runtimes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the library or program that contains this code: for a plugin, the plugin's. `None` if the system does
/// not report it.
///
/// Only the operating system's loader knows it: it is queried for the file with the address of a function of this
/// crate, which every plugin links.
pub fn own_folder() -> Option<PathBuf> {
    file_of_this_code().and_then(|file| file.parent().map(PathBuf::from))
}

/// The folder in which the project's commands keep fetched files, which need not exist: `$SCORECAM_CACHE`, else
/// `scorecam` in the platform's cache folder.
pub fn cache_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    if let Some(cache) = env::var_os("SCORECAM_CACHE").filter(|v| !v.is_empty()) {
        return Some(cache.into());
    }
    let platform = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library/Caches"))
    } else {
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
    };
    platform.map(|p| p.join("scorecam"))
}

/// The folders of an active Python environment (`VIRTUAL_ENV`, `CONDA_PREFIX`) for a package, sorted by name: one per
/// Python version in it. The package need not be installed.
pub fn python_package(name: &str) -> Vec<PathBuf> {
    let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(env::var_os);
    environments.map(PathBuf::from).flat_map(|environment| package_in(&environment, name)).collect()
}

/// The folders of a package in one environment: on Linux and macOS, and on Windows.
fn package_in(environment: &Path, name: &str) -> Vec<PathBuf> {
    let pythons = fs::read_dir(environment.join("lib")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> =
        pythons.map(|python| python.path().join("site-packages").join(name)).collect();
    folders.push(environment.join("Lib/site-packages").join(name));
    folders.retain(|folder| folder.parent().is_some_and(Path::is_dir));
    folders.sort();
    folders
}

#[cfg(unix)]
fn file_of_this_code() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::os::unix::ffi::OsStrExt;

    let mut place = std::mem::MaybeUninit::<libc::Dl_info>::uninit();
    let address = own_folder as *const libc::c_void;
    // SAFETY: the address is that of a function, and `place` has room for what dladdr writes.
    if unsafe { libc::dladdr(address, place.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: dladdr reported success, so it filled `place`.
    let file = unsafe { place.assume_init() }.dli_fname;
    if file.is_null() {
        return None;
    }
    // SAFETY: the loader keeps the name, which ends in NUL, for as long as the library is loaded, and the
    // library that is running now is loaded.
    let name = unsafe { CStr::from_ptr(file) };
    std::fs::canonicalize(OsStr::from_bytes(name.to_bytes())).ok()
}

#[cfg(windows)]
fn file_of_this_code() -> Option<PathBuf> {
    use std::ffi::{OsString, c_void};
    use std::os::windows::ffi::OsStringExt;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleExW(flags: u32, address: *const c_void, module: *mut *mut c_void) -> i32;
        fn GetModuleFileNameW(module: *mut c_void, name: *mut u16, capacity: u32) -> u32;
    }
    /// The address says which module is meant, and no reference to it is taken.
    const FROM_ADDRESS_UNCOUNTED: u32 = 4 | 2;

    let mut module = std::ptr::null_mut();
    // SAFETY: the address is that of a function, and `module` is a place for one pointer.
    if unsafe { GetModuleHandleExW(FROM_ADDRESS_UNCOUNTED, own_folder as *const c_void, &mut module) } == 0 {
        return None;
    }
    let mut name = vec![0u16; 32768];
    // SAFETY: the module is the one that is running, and `name` has the capacity that is passed.
    let length = unsafe { GetModuleFileNameW(module, name.as_mut_ptr(), name.len() as u32) } as usize;
    (length > 0 && length < name.len()).then(|| OsString::from_wide(&name[..length]).into())
}

#[cfg(not(any(unix, windows)))]
fn file_of_this_code() -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_package_is_looked_for_in_each_python_of_an_environment() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let package = |python: &str| folder.path().join("lib").join(python).join("site-packages/torch");
        for python in ["python3.12", "python3.11"] {
            std::fs::create_dir_all(package(python)).expect("a folder");
        }
        std::fs::create_dir_all(folder.path().join("lib/pkgconfig")).expect("a folder of something else");
        let found = super::package_in(folder.path(), "torch");
        assert_eq!(found, [package("python3.11"), package("python3.12")]);
    }

    #[test]
    fn code_in_a_program_is_in_the_programs_folder() {
        let program = std::env::current_exe().and_then(std::fs::canonicalize).expect("the test is a program");
        assert_eq!(super::own_folder().as_deref(), program.parent());
    }
}
