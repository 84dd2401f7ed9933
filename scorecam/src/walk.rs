//! The input files in the user's folders, and the files that are skipped.
//!
//! No file is skipped silently: skipped files are counted by kind, for one line in the output.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use scorecam_core::{Error, Result};

/// The extensions of photos in a folder; the format of a file that is given itself comes from its content.
pub const PHOTO_ENDINGS: [&str; 15] = [
    "png", "jpg", "jpeg", "jfif", "jxl", "webp", "bmp", "tif", "tiff", "gif", "pbm", "pgm", "ppm", "pnm",
    "pam",
];

/// The maximum number of extensions in a line.
const NAMED_ENDINGS: usize = 6;

/// The depth of the search for photos in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Only the folder itself.
    Folder,
    /// Also all folders below it. Links to folders are not followed, because they may form a cycle.
    Tree,
}

/// How to walk folders.
#[derive(Clone, Copy)]
pub struct Walk<'a> {
    /// The depth.
    pub depth: Depth,
    /// Whether a file is a result of this program, and therefore not an input.
    pub is_own: &'a dyn Fn(&Path) -> bool,
    /// The folder of results, which is walked only if it is given itself.
    pub results: Option<&'a Path>,
}

/// An input file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The file.
    pub path: PathBuf,
    /// Its folder relative to the user's folder; empty for a file directly in it, and for a file that was given itself.
    pub below: PathBuf,
}

/// The inputs, and the files that were skipped in each folder.
#[derive(Debug, Default)]
pub struct Found {
    /// The inputs in order, with each folder replaced by its photos, sorted by path.
    pub sources: Vec<Source>,
    /// A line for each of the user's folders in which files were skipped.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// Finds the input files. A missing file is kept and fails alone, so that the others are explained; a folder without
/// photos, or one that cannot be read, is an error.
pub fn expand(inputs: &[PathBuf], walk: &Walk<'_>) -> Result<Found> {
    let mut found = Found::default();
    for input in inputs {
        if !input.is_dir() {
            found.sources.push(Source { path: input.clone(), below: PathBuf::new() });
            continue;
        }
        let (mut photos, passed_over) = walk.photos_in(input)?;
        if photos.is_empty() {
            return Err(no_photos(input, &passed_over));
        }
        let passed_over = passed_over.to_string();
        found.sources.append(&mut photos);
        if !passed_over.is_empty() {
            found.passed_over.push((input.clone(), passed_over));
        }
    }
    Ok(found)
}

/// The error of a folder without photos.
pub(crate) fn no_photos(folder: &Path, passed_over: &PassedOver) -> Error {
    let (endings, passed_over) = (PHOTO_ENDINGS.join(", "), passed_over.to_string());
    let rest = if passed_over.is_empty() { String::new() } else { format!(" ({passed_over})") };
    Error::not_found(format!(
        "folder {} has no photos{rest}; files that end in {endings} count",
        folder.display()
    ))
}

/// Whether a file has one of the extensions `endings`, ignoring case.
pub(crate) fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|e| endings.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

impl<'a> Walk<'a> {
    /// A walk in which no file is a result of this program.
    pub fn new(depth: Depth) -> Self {
        Self { depth, is_own: &|_| false, results: None }
    }

    /// A folder's photos, sorted by path.
    pub(crate) fn photos_in(&self, root: &Path) -> Result<(Vec<Source>, PassedOver)> {
        self.files_in(root, &PHOTO_ENDINGS)
    }

    /// A folder's files with some extensions, sorted by path.
    pub(crate) fn files_in(&self, root: &Path, endings: &[&str]) -> Result<(Vec<Source>, PassedOver)> {
        let (mut files, mut passed_over) = (Vec::new(), PassedOver::default());
        let mut waiting = vec![PathBuf::new()];
        while let Some(below) = waiting.pop() {
            let folder = if below.as_os_str().is_empty() { root.to_path_buf() } else { root.join(&below) };
            let failed = |e: std::io::Error| Error::io(format!("folder {}: {e}", folder.display()));
            for entry in std::fs::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let path = entry.path();
                let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
                match entry.file_type().map_err(failed)? {
                    _ if is_hidden => passed_over.hidden += 1,
                    kind if kind.is_dir() && self.is_walked(&path) => {
                        waiting.push(below.join(entry.file_name()))
                    }
                    _ if path.is_dir() => passed_over.folders += 1,
                    _ if (self.is_own)(&path) => passed_over.own += 1,
                    _ if has_ending(&path, endings) && path.is_file() => {
                        files.push(Source { path, below: below.clone() });
                    }
                    _ => passed_over.add_file(&path),
                }
            }
        }
        files.sort();
        Ok((files, passed_over))
    }

    /// The folders in a folder, sorted, without hidden ones and the folder of results. Links to folders are included.
    pub(crate) fn folders_in(&self, root: &Path) -> Result<Vec<PathBuf>> {
        let failed = |e: std::io::Error| Error::io(format!("folder {}: {e}", root.display()));
        let mut folders = Vec::new();
        for entry in std::fs::read_dir(root).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let (path, is_hidden) = (entry.path(), entry.file_name().as_encoded_bytes().starts_with(b"."));
            if !is_hidden && path.is_dir() && !self.is_results(&path) {
                folders.push(path);
            }
        }
        folders.sort();
        Ok(folders)
    }

    fn is_walked(&self, folder: &Path) -> bool {
        self.depth == Depth::Tree && !self.is_results(folder)
    }

    fn is_results(&self, folder: &Path) -> bool {
        self.results.is_some_and(|results| {
            let both = (results.canonicalize(), folder.canonicalize());
            matches!(both, (Ok(results), Ok(folder)) if results == folder)
        })
    }
}

/// The skipped contents of a folder.
#[derive(Debug, Default)]
pub(crate) struct PassedOver {
    pub(crate) folders: usize,
    files: usize,
    /// The number of files per extension, in lower case.
    endings: BTreeMap<String, usize>,
    hidden: usize,
    own: usize,
}

impl PassedOver {
    /// Adds the counts of another folder.
    pub(crate) fn add(&mut self, other: Self) {
        self.folders += other.folders;
        self.files += other.files;
        self.hidden += other.hidden;
        self.own += other.own;
        for (ending, count) in other.endings {
            *self.endings.entry(ending).or_default() += count;
        }
    }

    fn add_file(&mut self, path: &Path) {
        self.files += 1;
        let ending = path.extension().map(|e| format!(".{}", e.to_string_lossy().to_lowercase()));
        *self.endings.entry(ending.unwrap_or_else(|| "no ending".into())).or_default() += 1;
    }

    /// The extensions, the most frequent first.
    fn endings(&self) -> String {
        let mut endings: Vec<_> = self.endings.iter().collect();
        endings.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let mut names: Vec<&str> =
            endings.iter().take(NAMED_ENDINGS).map(|(name, _)| name.as_str()).collect();
        if endings.len() > NAMED_ENDINGS {
            names.push("others");
        }
        names.join(", ")
    }
}

/// `skipped: 1 folder, 10 files (.heic, .avif)`; empty if there are none.
impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |n: usize, one: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {one}s")),
        };
        let files = counted(self.files, "file").map(|files| format!("{files} ({})", self.endings()));
        let parts = [
            counted(self.folders, "folder"),
            files,
            counted(self.hidden, "hidden file"),
            counted(self.own, "result").map(|results| format!("{results} of an earlier run")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { Ok(()) } else { write!(f, "skipped: {}", parts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(depth: Depth) -> Walk<'static> {
        Walk { depth, is_own: &|path| path.ends_with("own.png"), results: None }
    }

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("deeper.png/still")).expect("a folder");
        let names = "b.PNG a.jpg notes.txt map.npy c IMG.HEIC d.heic ._a.jpg .hidden.png own.png deeper.png/x.png \
                     deeper.png/still/y.png";
        for name in names.split_whitespace() {
            std::fs::write(folder.path().join(name), "").expect("a file");
        }
        folder
    }

    fn paths(found: &Found, root: &Path) -> Vec<(String, String)> {
        let relative = |source: &Source| {
            let path = source.path.strip_prefix(root).unwrap_or(&source.path);
            (path.display().to_string(), source.below.display().to_string())
        };
        found.sources.iter().map(relative).collect()
    }

    fn check(found: &Found, root: &Path, expected: &[(&str, &str)], passed_over: &str) {
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(paths(found, root), expected);
        assert_eq!(found.passed_over, [(root.to_path_buf(), passed_over.to_owned())]);
    }

    #[test]
    fn a_folder_stands_for_its_photos_by_name_and_the_rest_is_counted() {
        let folder = tree();
        let root = folder.path();
        let inputs = [PathBuf::from("missing.png"), root.to_path_buf()];
        let found = expand(&inputs, &walk(Depth::Folder)).expect("photos");
        let expected = [("missing.png", ""), ("a.jpg", ""), ("b.PNG", "")];
        let rest = "skipped: 1 folder, 5 files (.heic, .npy, .txt, no ending), 2 hidden files, 1 result of an \
                    earlier run";
        check(&found, root, &expected, rest);
        let empty = tempfile::tempdir().expect("a folder");
        std::fs::write(empty.path().join("x.heic"), "").expect("a file");
        let error =
            expand(&[empty.path().to_path_buf()], &walk(Depth::Folder)).expect_err("no photos").to_string();
        assert!(error.contains("has no photos (skipped: 1 file (.heic)); files that end in png"), "{error}");
    }

    #[test]
    fn a_tree_is_walked_but_not_through_links_nor_into_the_results() {
        let folder = tree();
        let root = folder.path();
        #[cfg(unix)]
        std::os::unix::fs::symlink(root, root.join("round")).expect("a link");
        let found = expand(&[root.to_path_buf()], &walk(Depth::Tree)).expect("photos");
        let all = [
            ("a.jpg", ""),
            ("b.PNG", ""),
            ("deeper.png/still/y.png", "deeper.png/still"),
            ("deeper.png/x.png", "deeper.png"),
        ];
        let rest = "5 files (.heic, .npy, .txt, no ending), 2 hidden files, 1 result of an earlier run";
        let links = if cfg!(unix) { "1 folder, " } else { "" };
        check(&found, root, &all, &format!("skipped: {links}{rest}"));
        let still = root.join("deeper.png/../deeper.png/still");
        let walk = Walk { results: Some(&still), ..walk(Depth::Tree) };
        let found = expand(&[root.to_path_buf()], &walk).expect("photos");
        assert_eq!(found.sources.len(), 3, "{found:?}");
    }
}
