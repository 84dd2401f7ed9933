//! [`WholeFile`]: a file that is there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// What becomes of a file that is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replaced,
    /// It stays, and nothing is written.
    Kept,
}

/// A file that is written beside its target under a temporary name, and gets the name that was asked for when it is
/// complete ([`WholeFile::commit`]). Dropped before, it vanishes, so a program that is stopped or a disk that is full
/// leaves nothing half-written. A link is followed, a device or pipe written to directly.
#[derive(Debug)]
pub struct WholeFile {
    target: PathBuf,
    existing: Existing,
    open: Open,
}

#[derive(Debug)]
enum Open {
    Beside(BufWriter<NamedTempFile>),
    Directly(BufWriter<File>),
}

impl WholeFile {
    /// How the names of files begin that are being written.
    pub const TEMPORARY: &str = ".scorecam-";

    /// Begins a file; an error where its folder does not exist or cannot be written to.
    pub fn create(path: &Path, existing: Existing) -> io::Result<Self> {
        let (target, open) = match replaced(path) {
            Some(target) => {
                let file = beside(&target)?;
                (target, Open::Beside(BufWriter::new(file)))
            }
            None if existing == Existing::Kept => return Err(in_the_way()),
            None => {
                let file = OpenOptions::new().write(true).open(path)?;
                (path.to_path_buf(), Open::Directly(BufWriter::new(file)))
            }
        };
        Ok(Self { target, existing, open })
    }

    /// Ends the file and gives it its name.
    pub fn commit(mut self) -> io::Result<()> {
        self.flush()?;
        let Open::Beside(file) = self.open else { return Ok(()) };
        let file = file.into_inner().map_err(|e| e.into_error())?;
        let named = match self.existing {
            Existing::Replaced => file.persist(&self.target),
            Existing::Kept => file.persist_noclobber(&self.target),
        };
        named.map(drop).map_err(|e| match e.error.kind() {
            io::ErrorKind::AlreadyExists => in_the_way(),
            _ => e.error,
        })
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.open {
            Open::Beside(file) => file.write(bytes).map_err(without_path),
            Open::Directly(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.open {
            Open::Beside(file) => file.flush().map_err(without_path),
            Open::Directly(file) => file.flush(),
        }
    }
}

/// The file that a new one takes the place of, links resolved; `None` for a device or pipe, which that would destroy.
fn replaced(path: &Path) -> Option<PathBuf> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() && !found.is_dir() => None,
        Ok(_) => Some(path.canonicalize().unwrap_or_else(|_| path.to_path_buf())),
        Err(_) => Some(path.to_path_buf()),
    }
}

fn in_the_way() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "a file of that name appeared meanwhile")
}

/// A temporary file in the folder of `path`; it vanishes unless it is persisted.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    if path.is_dir() {
        return Err(io::Error::other("it is a folder"));
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.exists() {
        return Err(io::Error::other(format!("folder {} does not exist, make it first", folder.display())));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(WholeFile::TEMPORARY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any program's files: the user's umask decides.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder).map_err(without_path)
}

/// The system's own words: the name of a temporary file means nothing to the user.
fn without_path(error: io::Error) -> io::Error {
    error.raw_os_error().map(io::Error::from_raw_os_error).unwrap_or_else(|| io::Error::from(error.kind()))
}
