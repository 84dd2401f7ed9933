//! A shared library's file, looked at before the system's loader gets it.

use std::path::PathBuf;
use std::sync::LazyLock;

use scorecam_plugin::check_library_file;
use tempfile::TempDir;

use crate::check_refusal;

/// One file for all inputs; a fuzzer calls from one thread.
static FILE: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plugin.so");
    (folder, path)
});

/// What is accepted on Linux is an ELF file that holds every segment that its headers name.
pub fn check(bytes: &[u8]) -> bool {
    let path = &FILE.1;
    std::fs::write(path, bytes).expect("the folder is writable");
    if let Err(error) = check_library_file(path) {
        return check_refusal(&error);
    }
    if cfg!(target_os = "linux") {
        assert!(bytes.starts_with(b"\x7fELF") && bytes.len() >= 64, "too short for a header");
        check_segments(bytes);
    }
    true
}

/// Reads the program headers anew, by the offsets of the ELF specification alone.
fn check_segments(bytes: &[u8]) {
    let big_endian = bytes[5] == 2;
    let number = |at: usize, length: usize| {
        let field = &bytes[at..at + length];
        let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if big_endian { field.iter().fold(0, fold) } else { field.iter().rev().fold(0, fold) }
    };
    let (table, size, count) = (number(0x20, 8), number(0x36, 2), number(0x38, 2));
    // 0xffff stands for a count that has no room in 16 bits; no plugin has that many segments.
    for i in (0..count).take_while(|_| table > 0 && count < 0xffff) {
        let header = usize::try_from(table + i * size).expect("an accepted table lies in the file");
        let (offset, length) = (number(header + 8, 8), number(header + 32, 8));
        let end = offset.checked_add(length);
        assert!(end.is_some_and(|end| end <= bytes.len() as u64), "segment {i}: {offset} + {length}");
    }
}
