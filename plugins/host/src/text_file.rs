//! Reading the small text files that stand beside a model: its manifest and its labels.
//!
//! They come from the same strangers as the model, so a pipe that never ends and a file of gigabytes are refused
//! before they are read.

use std::path::Path;

use scorecam_core::{Error, Result};

/// The most bytes that such a file may have: room for a million labels.
const MOST_BYTES: u64 = 16 << 20;

/// The text in a file; the error leaves its name to the caller.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let io = |e: std::io::Error| Error::io(e.to_string());
    // Asked before it is opened: to open a named pipe would wait until somebody writes into it.
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(Error::io("it is not a file"));
    }
    if metadata.len() > MOST_BYTES {
        return Err(Error::invalid(format!("it has {} bytes; {MOST_BYTES} is the most", metadata.len())));
    }
    std::fs::read_to_string(path).map_err(io)
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
        check(&large, "it has 16777217 bytes; 16777216 is the most");
        check(folder.path(), "it is not a file");
        check(&folder.path().join("missing"), "No such file");
    }
}
