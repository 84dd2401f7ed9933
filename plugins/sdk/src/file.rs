//! Reading untrusted files.
//!
//! The file at a path can change between two accesses, and system files (`/proc`) have no length and no end. So the
//! length is read from the opened file, and no more than that is read.

use std::fs::{self, File, Metadata};
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// The bytes of a file, and its metadata when it was opened. [`ErrorKind::FileTooLarge`] if it has more than `most`
/// bytes, [`ErrorKind::InvalidData`] if it is longer than its reported length. The caller adds the file's name to
/// errors.
pub fn read_file(path: &Path, most: u64) -> Result<(Vec<u8>, Metadata)> {
    // Asked before it is opened: to open a named pipe would wait until somebody writes into it.
    check_kind(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    check_kind(&metadata)?;
    let length = metadata.len();
    if length > most {
        return Err(Error::new(
            ErrorKind::FileTooLarge,
            format!("it has {length} bytes; at most {most} are allowed"),
        ));
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX).saturating_add(1))?;
    if file.take(length.saturating_add(1)).read_to_end(&mut bytes)? as u64 > length {
        let text = format!("it is longer than its reported length of {length} bytes");
        return Err(Error::new(ErrorKind::InvalidData, text));
    }
    Ok((bytes, metadata))
}

fn check_kind(metadata: &Metadata) -> Result<()> {
    if metadata.is_file() { Ok(()) } else { Err(Error::new(ErrorKind::InvalidInput, "it is not a file")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_the_length_and_the_limit_say() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "seven b").expect("written");
        let check = |path: &Path, most, expected: &str| {
            let said = read_file(path, most).map(|(bytes, _)| String::from_utf8_lossy(&bytes).into_owned());
            let said = said.unwrap_or_else(|e| e.to_string());
            assert!(said.contains(expected), "{said}");
        };
        check(&file, 7, "seven b");
        check(&file, 6, "it has 7 bytes; at most 6 are allowed");
        check(folder.path(), 7, "it is not a file");
        check(&folder.path().join("missing"), 7, "No such file");
        if cfg!(target_os = "linux") {
            // A file by its kind, and of no length.
            check(Path::new("/proc/self/maps"), 7, "it is longer than its reported length of 0 bytes");
        }
    }
}
