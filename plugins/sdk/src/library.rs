//! Opening shared libraries: plugins by the host, runtimes by a plugin.
//!
//! The file is checked before the system's loader opens it: mapping a truncated file kills the process with SIGBUS
//! inside the loader, where it cannot be caught. Damage inside a complete file can still crash the loader; open files
//! of unknown origin in a separate process.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::path::Path;

use libloading::Library;
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{Endianness, ReadCache, ReadRef, elf};
use scorecam_core::{Error, ErrorKind, Result};

/// Rejects paths that are not files and, if libraries are ELF files, files that are not ELF or are truncated. The error
/// describes the problem, and the caller adds the file's name; only headers are read.
pub fn check_library_file(path: &Path) -> Result<()> {
    let io = |e: std::io::Error| Error::io(e.to_string());
    // Asked before it is opened: to open a named pipe would wait until somebody writes into it.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(wrong("it is not a file"));
    }
    let file = File::open(path).map_err(io)?;
    if cfg!(target_os = "linux") { check_elf(&ReadCache::new(file)) } else { Ok(()) }
}

/// Opens a library for the life of the process: it is never closed, so its addresses cannot dangle. The error describes
/// the problem, and the caller adds the file's name.
///
/// All symbols are bound at once, so that an incompatible library fails here and not during a call, and none of them is
/// visible to libraries opened later.
///
/// # Safety
/// Loading runs the library's initializers, which must be trusted.
pub unsafe fn open_library(path: &Path) -> Result<ManuallyDrop<Library>> {
    check_library_file(path)?;
    if program_is_static() {
        return Err(wrong(
            "the program is linked statically (-static), so it cannot open libraries: link it without -static, or \
             use an engine in the program itself",
        ));
    }
    // SAFETY: as the caller promises.
    let library = unsafe { bind_now(path) }.map_err(|e| {
        let cause = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
        wrong(&format!("it cannot be loaded: {cause}"))
    })?;
    Ok(ManuallyDrop::new(library))
}

/// # Safety
/// Like [`open_library`].
#[cfg(unix)]
unsafe fn bind_now(path: &Path) -> std::result::Result<Library, libloading::Error> {
    use libloading::os::unix::{Library as Unix, RTLD_LOCAL, RTLD_NOW};
    // SAFETY: as the caller promises.
    unsafe { Unix::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(Library::from)
}

/// # Safety
/// Like [`open_library`].
#[cfg(not(unix))]
unsafe fn bind_now(path: &Path) -> std::result::Result<Library, libloading::Error> {
    // SAFETY: as the caller promises.
    unsafe { Library::new(path) }
}

/// Whether the program runs without the system's loader. glibc's `dlopen` exists even then, but loads a second libc
/// into the process, which crashes. With a loader, the program or its libc names it (`PT_INTERP`), however the program
/// was started.
#[cfg(target_os = "linux")]
fn program_is_static() -> bool {
    /// Sets the flag that `found` points to when a program or library names a loader.
    unsafe extern "C" fn look(
        info: *mut libc::dl_phdr_info,
        _: usize,
        found: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: the system hands over a whole description of a library that is loaded.
        let info = unsafe { &*info };
        if info.dlpi_phdr.is_null() {
            return 0;
        }
        // SAFETY: so many headers are mapped there, for as long as the library is loaded.
        let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let names_a_loader = headers.iter().any(|header| header.p_type == libc::PT_INTERP);
        // SAFETY: the caller's flag, which nothing else uses meanwhile.
        unsafe { *found.cast::<bool>() |= names_a_loader };
        libc::c_int::from(names_a_loader)
    }
    let mut found = false;
    // SAFETY: the function takes what it is called with, and the flag outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
    !found
}

#[cfg(not(target_os = "linux"))]
fn program_is_static() -> bool {
    false
}

/// Every segment's extent and the table of sections must lie within the file.
fn check_elf<'a, R: ReadRef<'a>>(data: R) -> Result<()> {
    let length = data.len().map_err(|()| wrong("its length is unknown"))?;
    let cut_off = || wrong(&format!("it is truncated: the file has only {length} bytes"));
    if data.read_bytes_at(0, 4).ok() != Some(&elf::ELFMAG[..]) {
        return Err(wrong("it is not a shared library"));
    }
    let class = data.read_bytes_at(4, 1).map_err(|()| cut_off())?;
    if class == [elf::ELFCLASS32.0] {
        return Err(wrong("it is built for 32-bit programs, but this program is 64-bit"));
    }
    let header = elf::FileHeader64::<Endianness>::parse(data).map_err(|_| damaged("header"))?;
    let endian = header.endian().map_err(|_| damaged("header"))?;
    let machine = header.e_machine(endian);
    if MACHINE.is_some_and(|ours| machine != ours) {
        let here = std::env::consts::ARCH;
        return Err(wrong(&format!("it is built for another CPU than {here} (ELF machine {})", machine.0)));
    }
    if header.e_type(endian) != elf::ET_DYN {
        return Err(wrong("it is not a shared library"));
    }
    // The table of sections stands at a file's end, so it tells of a cut that no segment reaches.
    header.section_headers(endian, data).map_err(|_| cut_off())?;
    for segment in header.program_headers(endian, data).map_err(|_| cut_off())? {
        let end = segment.p_offset(endian).checked_add(segment.p_filesz(endian));
        if end.is_none_or(|end| end > length) {
            return Err(cut_off());
        }
    }
    Ok(())
}

/// The number that ELF files of this processor bear, where it is known here.
const MACHINE: Option<elf::Machine> = if cfg!(target_arch = "x86_64") {
    Some(elf::EM_X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(elf::EM_AARCH64)
} else {
    None
};

fn damaged(part: &str) -> Error {
    wrong(&format!("it is damaged: its ELF {part} is invalid"))
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Plugin, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_was_cut_off_anywhere_is_refused() {
        let whole = std::fs::read(std::env::current_exe().expect("a program")).expect("its bytes");
        assert!(check_elf(&whole[..]).is_ok());
        for kept in [0, 3, 16, 63, 64, 200, whole.len() / 2] {
            assert!(check_elf(&whole[..kept]).is_err(), "{kept} bytes");
        }
    }
}
