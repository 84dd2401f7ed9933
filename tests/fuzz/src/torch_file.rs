//! A TorchScript file, recognized by the names in its zip archive.

use std::io::Cursor;
use std::path::Path;

use scorecam_libtorch_rlib::file::check_content;

use crate::check_refusal;

/// What is accepted is an archive in which the members of TorchScript are named.
pub fn check(bytes: &[u8]) -> bool {
    match check_content(Path::new("fuzz.pt"), Cursor::new(bytes)) {
        Err(error) => check_refusal(&error),
        Ok(()) => {
            let holds = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
            assert!(bytes.starts_with(b"PK\x03\x04"), "not an archive");
            assert!(holds(b"code/") && holds(b"constants.pkl"), "not TorchScript");
            true
        }
    }
}
