//! SHA-256 in lower-case hex, of bytes, of a file, and of a folder with all it holds.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// The hash of some bytes.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The hash of a file's contents.
pub(crate) fn file(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hasher.finalize())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// One hash over the names and contents of all files below a folder. Empty folders, times and permissions
/// don't count.
///
/// It is the hash of a list with a line `HASH  PATH` for each file in the order of the paths, so inside the
/// folder this gives the same: `find * -type f | LC_ALL=C sort | xargs sha256sum | sha256sum`.
pub(crate) fn folder(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    gather(root, "", &mut files)?;
    files.sort_unstable();
    let mut hasher = Sha256::new();
    for path in &files {
        hasher.update(format!("{}  {path}\n", file(&root.join(path))?));
    }
    Ok(hex(&hasher.finalize()))
}

/// Adds the paths of all files below `folder`, relative to where the walk began, with forward slashes.
fn gather(folder: &Path, prefix: &str, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // A name that is not Unicode is none of ours; replaced characters make the file count as missing.
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            gather(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_the_hash_that_sha256sum_gives_its_list() {
        let root = tempfile::tempdir().unwrap();
        // `a-b` sorts before `a/c` as text, and after it as a path.
        fs::create_dir_all(root.path().join("a/empty")).unwrap();
        for (path, contents) in [("a/c", "2"), ("a-b", "1"), ("b", "")] {
            fs::write(root.path().join(path), contents).unwrap();
        }
        let line = |path, contents: &str| format!("{}  {path}\n", bytes(contents.as_bytes()));
        let list = line("a-b", "1") + &line("a/c", "2") + &line("b", "");
        assert_eq!(folder(root.path()).unwrap(), bytes(list.as_bytes()));
    }
}
