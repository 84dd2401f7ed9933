//! Reading the text files that come with a model or with photos: manifests, labels and annotations.
//!
//! They are untrusted, so pipes that never end and files of gigabytes are rejected before they are read.

use std::io::ErrorKind;
use std::path::Path;

use scorecam_core::{Error, Result};
use scorecam_plugin::read_file;

/// The maximum size of such a file in bytes: room for a million labels.
const MOST_BYTES: u64 = 16 << 20;

/// The text in a file; the caller adds the file's name to errors.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_bytes(path, MOST_BYTES)?).map_err(|_| Error::invalid("it is not UTF-8"))
}

/// The bytes of a file of at most `most` bytes; the caller adds the file's name to errors.
pub(crate) fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let read = read_file(path, most).map_err(|e| match e.kind() {
        ErrorKind::FileTooLarge => Error::invalid(e.to_string()),
        _ => Error::io(e.to_string()),
    });
    Ok(read?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_files_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |path: &Path, expected: &str| {
            let said = read_text(path).unwrap_or_else(|e| e.to_string());
            assert!(said.contains(expected), "{said}");
        };
        let (small, large) = (folder.path().join("small"), folder.path().join("large"));
        std::fs::write(&small, "a text").expect("written");
        std::fs::File::create(&large).and_then(|f| f.set_len(MOST_BYTES + 1)).expect("made");
        check(&small, "a text");
        check(&large, "it has 16777217 bytes; at most 16777216 are allowed");
        check(folder.path(), "it is not a file");
        check(&folder.path().join("missing"), "No such file");
        std::fs::write(&small, [0xff]).expect("written");
        check(&small, "it is not UTF-8");
        #[cfg(target_os = "linux")]
        check(Path::new("/proc/self/maps"), "it is longer than its reported length of 0 bytes");
    }
}
