//! Which names lead to one file: through links, through `..`, from the folder that the program runs in.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// A path without links and `..`, from the root. Its last parts may not exist yet.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    if let Ok(known) = path.canonicalize() {
        return known;
    }
    let mut done = PathBuf::new();
    for part in std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).components() {
        match part {
            // What is before it has no links any more, so its parent is the one that is meant.
            Component::ParentDir => {
                done.pop();
            }
            part => {
                done.push(part);
                done = done.canonicalize().unwrap_or(done);
            }
        }
    }
    done
}

/// A path as text that is another one for each name of a file in a folder, whatever bytes it has. A link is an entry
/// of its own, as photos are that all lead into one store.
pub(crate) fn key(path: &Path) -> String {
    let place = match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => resolved(&Path::new(".").join(folder)).join(name),
        _ => resolved(path),
    };
    place.to_str().map_or_else(|| format!("{place:?}"), str::to_owned)
}

/// Files, each with what it is, that are found by any of their names.
#[derive(Default)]
pub(crate) struct Files {
    by_path: HashMap<PathBuf, Named>,
    /// Hard links: device and number of the file.
    by_number: HashMap<(u64, u64), Named>,
}

/// A file as the user named it, and what it is to the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) path: PathBuf,
    pub(crate) what: &'static str,
}

impl Files {
    /// Adds a file under all its names.
    pub(crate) fn add(&mut self, path: &Path, what: &'static str) {
        let named = Named { path: path.to_path_buf(), what };
        if let Some(number) = number(path) {
            self.by_number.entry(number).or_insert_with(|| named.clone());
        }
        self.by_path.entry(resolved(path)).or_insert(named);
    }

    /// The file that `path` leads to, if it was added.
    pub(crate) fn find(&self, path: &Path) -> Option<&Named> {
        let known = self.by_path.get(&resolved(path));
        known.or_else(|| self.by_number.get(&number(path)?))
    }
}

#[cfg(unix)]
fn number(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    // A folder or a device may be written to by many; only a file is replaced.
    metadata.is_file().then(|| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn number(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_each_of_its_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/b")).expect("a folder");
        std::fs::write(at("a/photo"), "").expect("a file");
        std::fs::write(at("other"), "").expect("a file");
        std::os::unix::fs::symlink("a/photo", at("soft")).expect("a link");
        std::os::unix::fs::symlink(at("a/b"), at("b")).expect("a link");
        std::fs::hard_link(at("a/photo"), at("hard")).expect("a link");
        let mut files = Files::default();
        files.add(&at("a/photo"), "an input");
        files.add(&at("a/new"), "a map");
        // `b/..` is `a`, since `b` is a link.
        for name in ["a/photo", "a/../a/./photo", "soft", "hard", "b/../photo"] {
            assert_eq!(files.find(&at(name)).map(|named| named.what), Some("an input"), "{name}");
        }
        for name in ["a/new", "b/../new", "none/../a/new"] {
            assert_eq!(files.find(&at(name)).map(|named| named.what), Some("a map"), "{name}");
        }
        assert_eq!(key(&at("b/../photo")), key(&at("a/photo")));
        assert_ne!(key(&at("soft")), key(&at("a/photo")));
        for name in ["other", "photo", "a/b", "b/photo", "a/newer"] {
            assert_eq!(files.find(&at(name)), None, "{name}");
        }
    }
}
