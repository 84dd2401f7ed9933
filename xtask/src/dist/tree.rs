//! The files of an installation, by their paths below a prefix, and how they get there.
//!
//! An installer shares its folder with others: it replaces its own files and touches no other. Everything is first
//! written to a hidden folder inside the prefix, so a full disk is met before anything has changed; then each
//! file is renamed into place, which no reader ever sees half done, not even one that runs the old file.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome, While};

/// One thing to install.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// A copy of this file, which may be run.
    Program(PathBuf),
    /// A copy of this file.
    File(PathBuf),
    /// A file with this text.
    Text(String),
    /// A symbolic link to a path that is relative to its folder.
    Link(String),
}

/// Permissions of programs and folders, and of all other files.
pub(crate) const OPEN: u32 = 0o755;
pub(crate) const READABLE: u32 = 0o644;

impl Node {
    pub(crate) fn mode(&self) -> u32 {
        match self {
            Node::Program(_) => OPEN,
            _ => READABLE,
        }
    }

    fn bytes(&self) -> Outcome<u64> {
        match self {
            Node::Program(file) | Node::File(file) => {
                fs::metadata(file).map(|facts| facts.len()).doing(|| format!("read {}", file.display()))
            }
            Node::Text(text) => Ok(text.len() as u64),
            Node::Link(_) => Ok(0),
        }
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        match self {
            Node::Program(file) | Node::File(file) => drop(fs::copy(file, path)?),
            Node::Text(text) => fs::write(path, text)?,
            Node::Link(to) => return symbolic_link(to, path),
        }
        set_mode(path, self.mode())
    }
}

/// Nodes by their paths, which are relative and have forward slashes. They come out in one order, whatever
/// order they were added in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, Node>);

impl Tree {
    pub(crate) fn add(&mut self, path: impl Into<String>, node: Node) {
        self.0.insert(path.into(), node);
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(path, node)| (path.as_str(), node))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How much disk the files take.
    pub(crate) fn bytes(&self) -> Outcome<u64> {
        self.0.values().map(Node::bytes).sum()
    }

    /// Puts everything below a folder, which need not exist.
    pub(crate) fn install(&self, prefix: &Path) -> Outcome {
        let prefix =
            std::path::absolute(prefix).doing(|| format!("make {} an absolute path", prefix.display()))?;
        let room = self.bytes()?;
        let made = first_missing(&prefix);
        let outcome = self.place(&prefix).map_err(|(path, cause)| cannot_write(&path, &cause, room));
        if let (Err(_), Some(made)) = (&outcome, made) {
            remove_empty(&prefix, &made);
        }
        outcome
    }

    fn place(&self, prefix: &Path) -> Result<(), (PathBuf, io::Error)> {
        let at = |path: &Path| {
            let path = path.to_path_buf();
            move |cause| (path, cause)
        };
        fs::create_dir_all(prefix).map_err(at(prefix))?;
        for path in self.0.keys().map(|path| prefix.join(path)) {
            check_way(prefix, &path).map_err(|(path, kind)| (path, kind.into()))?;
        }
        let staging =
            tempfile::Builder::new().prefix(".scorecam-staging-").tempdir_in(prefix).map_err(at(prefix))?;
        for (path, node) in &self.0 {
            let staged = staging.path().join(path);
            let wanted = prefix.join(path);
            fs::create_dir_all(staged.parent().unwrap_or(staging.path())).map_err(at(&wanted))?;
            node.write(&staged).map_err(at(&wanted))?;
        }
        for path in self.0.keys() {
            let wanted = prefix.join(path);
            fs::create_dir_all(wanted.parent().unwrap_or(prefix)).map_err(at(&wanted))?;
            fs::rename(staging.path().join(path), &wanted).map_err(at(&wanted))?;
        }
        staging.close().map_err(at(prefix))
    }
}

/// Fails where a folder stands in the place of a file, or a file in that of a folder: a rename would find out
/// after others have happened.
fn check_way(prefix: &Path, path: &Path) -> Result<(), (PathBuf, ErrorKind)> {
    // A link to a folder is replaced as a link, like any file.
    if fs::symlink_metadata(path).is_ok_and(|there| there.is_dir()) {
        return Err((path.to_path_buf(), ErrorKind::IsADirectory));
    }
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != prefix) {
        if fs::metadata(folder).is_ok_and(|there| !there.is_dir()) {
            return Err((folder.to_path_buf(), ErrorKind::NotADirectory));
        }
    }
    Ok(())
}

/// The one line for a file that can't be written.
pub(crate) fn cannot_write(path: &Path, cause: &io::Error, room: u64) -> Failure {
    let advice = match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            format!("free {} MB there, or choose a folder on another disk", room.div_ceil(1_000_000))
        }
        ErrorKind::IsADirectory | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            "something else is in the way: move it, or choose another folder".to_owned()
        }
        _ => "choose a folder that you can write, or become a user who can".to_owned(),
    };
    Failure::new(format!("can't write {}: {cause}; {advice}", path.display()))
}

/// The outermost folder that making `path` would make.
fn first_missing(path: &Path) -> Option<PathBuf> {
    let missing = path.ancestors().take_while(|folder| fs::symlink_metadata(folder).is_err());
    missing.last().map(Path::to_path_buf)
}

/// Removes `path` and what holds it, up to `outermost`, as far as nobody has put anything there.
fn remove_empty(path: &Path, outermost: &Path) {
    for folder in path.ancestors().take_while(|folder| folder.starts_with(outermost)) {
        // One that was never made, or that someone else uses by now, stays as it is.
        if fs::remove_dir(folder).is_err_and(|cause| cause.kind() != ErrorKind::NotFound) {
            return;
        }
    }
}

#[cfg(unix)]
fn symbolic_link(to: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(to, path)
}

#[cfg(not(unix))]
fn symbolic_link(_: &str, _: &Path) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

/// What is installed is for everyone, whatever the permissions were where it was built.
#[cfg(unix)]
pub(crate) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
pub(crate) fn set_mode(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.add("lib/a.so.1", Node::Text("new".into()));
        tree.add("lib/a.so", Node::Link("a.so.1".into()));
        tree.add("bin/a", Node::Program(std::env::current_exe().unwrap()));
        tree
    }

    fn all_below(folder: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => found.extend(all_below(&entry.path()).iter().map(|below| format!("{name}/{below}"))),
                false => found.push(name),
            }
        }
        found.sort();
        found
    }

    #[test]
    fn its_own_files_are_replaced_and_others_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("some/prefix");
        fs::create_dir_all(prefix.join("lib")).unwrap();
        fs::write(prefix.join("lib/other"), "other").unwrap();
        fs::write(prefix.join("lib/a.so"), "an old file, no link").unwrap();
        for _ in 0..2 {
            tree().install(&prefix).unwrap();
            assert_eq!(all_below(&prefix), ["bin/a", "lib/a.so", "lib/a.so.1", "lib/other"]);
            assert_eq!(fs::read_to_string(prefix.join("lib/a.so")).unwrap(), "new");
            assert_eq!(fs::read_to_string(prefix.join("lib/other")).unwrap(), "other");
        }
        let mode = |path: &str| fs::metadata(prefix.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bin/a"), mode("lib/a.so.1")), (0o755, 0o644));
    }

    #[test]
    fn a_failure_leaves_nothing_and_says_what_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let check = |prefix: &str, expected: &str| {
            let before = all_below(folder.path());
            let failure = tree().install(&folder.path().join(prefix)).unwrap_err().to_string();
            assert!(failure.contains(expected) && !failure.contains('\n'), "{failure}");
            assert_eq!(all_below(folder.path()), before, "{prefix}");
        };
        fs::write(folder.path().join("file"), "").unwrap();
        check("file", "choose another folder");
        check("file/prefix", "file/prefix: Not a directory");
        fs::create_dir_all(folder.path().join("folder/lib/a.so.1/deep")).unwrap();
        check("folder", "folder/lib/a.so.1: is a directory; something else is in the way");
        fs::create_dir_all(folder.path().join("mixed")).unwrap();
        fs::write(folder.path().join("mixed/lib"), "").unwrap();
        check("mixed", "mixed/lib: not a directory; something else is in the way");
        let mut broken = tree();
        broken.add("lib/gone", Node::File(folder.path().join("gone")));
        assert!(broken.install(&folder.path().join("new/prefix")).is_err());
        assert!(!folder.path().join("new").exists());
    }

    #[test]
    fn a_failure_takes_back_the_folders_that_it_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut broken = tree();
        // A name that no file system takes.
        broken.add(format!("lib/{}", "n".repeat(300)), Node::Text(String::new()));
        assert!(broken.install(&folder.path().join("new/prefix")).is_err());
        assert!(!folder.path().join("new").exists());
    }

    #[test]
    fn a_full_disk_says_how_much_to_free() {
        let failure = cannot_write(Path::new("/p/lib/a"), &ErrorKind::StorageFull.into(), 41_000_001);
        let expected =
            "can't write /p/lib/a: no storage space; free 42 MB there, or choose a folder on another disk";
        assert_eq!(failure.to_string(), expected);
    }
}
