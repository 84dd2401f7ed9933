//! Files out: maps, overlays and JSON, whole or not at all.
//!
//! Each is a `WholeFile`. A file that is there already is replaced where that was asked for, and otherwise an error.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use npyz::WriterBuilder;
use scorecam_core::image::Photo;
use scorecam_core::{Error, Result, TensorView};
pub(crate) use scorecam_report::Existing;
use scorecam_report::WholeFile;

/// How the names of files begin that are being written.
pub(crate) const TEMPORARY: &str = WholeFile::TEMPORARY;

/// Where the files of one input go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Destinations {
    pub(crate) map: MapTo,
    pub(crate) overlay: Overlays,
}

/// Where a map goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum MapTo {
    /// Nowhere.
    #[default]
    Nowhere,
    /// To standard output.
    StandardOutput,
    /// To the file that the user named.
    Named(PathBuf),
    /// To a file of the output folder.
    InFolder(PathBuf),
}

impl MapTo {
    /// The file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Nowhere | Self::StandardOutput => None,
            Self::Named(path) | Self::InFolder(path) => Some(path),
        }
    }

    /// The file, where it is one of the output folder.
    pub(crate) fn in_folder(&self) -> Option<&Path> {
        self.path().filter(|_| matches!(self, Self::InFolder(_)))
    }
}

/// Where overlays go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Overlays {
    /// Nowhere.
    #[default]
    None,
    /// To the file that the user named; with the class in the name when there are several.
    Named(PathBuf),
    /// To files of the output folder, always with the class in the name.
    InFolder(PathBuf),
}

impl Overlays {
    /// Whether they go into the output folder.
    pub(crate) fn are_in_folder(&self) -> bool {
        matches!(self, Self::InFolder(_))
    }

    /// The file for one of so many targets, for which `part` stands in the name.
    pub(crate) fn of_target(&self, part: &str, targets: usize) -> Option<PathBuf> {
        match self {
            Self::None => None,
            Self::Named(path) if targets == 1 => Some(path.clone()),
            Self::Named(path) | Self::InFolder(path) => Some(with_part(path, part)),
        }
    }
}

/// What stands for a target other than a class in a file's name: its words with hyphens.
pub(crate) fn part_of(words: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    words.chars().map(plain).take(80).collect()
}

/// Writes a tensor as f32 `.npy`.
pub(crate) fn write_npy(path: &Path, tensor: TensorView<'_>, existing: Existing) -> Result<()> {
    write(path, existing, |file| npy(file, tensor))
}

/// Writes a tensor as f32 `.npy` to standard output.
pub(crate) fn print_npy(tensor: TensorView<'_>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = npy(&mut out, tensor).and_then(|()| out.flush());
    written.map_err(|e| Error::io(format!("cannot write to standard output: {e}")))
}

fn npy(file: &mut dyn Write, tensor: TensorView<'_>) -> io::Result<()> {
    let shape: Vec<u64> = tensor.shape().iter().map(|&d| d as u64).collect();
    let mut npy = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    npy.extend(tensor.data().iter().copied())?;
    npy.finish()
}

/// Writes a photo as PNG.
pub(crate) fn write_png(path: &Path, photo: &Photo, existing: Existing) -> Result<()> {
    // A photo's sides have 16 bits.
    let (width, height) = (photo.width() as u32, photo.height() as u32);
    write(path, existing, |file| {
        PngEncoder::new(file)
            .write_image(photo.pixels(), width, height, image::ExtendedColorType::Rgb8)
            .map_err(|e| match e {
                image::ImageError::IoError(e) => e,
                other => io::Error::other(other),
            })
    })
}

/// Writes bytes to a new file, or over one that is there.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8], existing: Existing) -> Result<()> {
    write(path, existing, |file| file.write_all(bytes))
}

/// Writes a text, over what is there.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    write(path, Existing::Replaced, |file| file.write_all(text.as_bytes()))
}

/// An error when a file at `path` could not be written, so that a long run does not end in one.
pub(crate) fn check_writable(path: &Path) -> Result<()> {
    WholeFile::create(path, Existing::Replaced).map(drop).map_err(|e| cannot_write(path, &e))
}

/// `out.png` with a class: `out-281.png`.
fn with_part(path: &Path, part: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_os_string();
    name.push(format!("-{part}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

fn write(
    path: &Path,
    existing: Existing,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let written = WholeFile::create(path, existing).and_then(|mut file| {
        content(&mut file)?;
        file.commit()
    });
    written.map_err(|e| cannot_write(path, &e))
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    let help = match error.kind() {
        io::ErrorKind::AlreadyExists => "; move it, choose another --out, or give --overwrite",
        _ => "",
    };
    Error::io(format!("cannot write {}: {error}{help}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_goes_before_the_ending() {
        let check =
            |path: &str, expected: &str| assert_eq!(with_part(Path::new(path), "7"), Path::new(expected));
        check("a/out.png", "a/out-7.png");
        check("a.b.png", "a.b-7.png");
        check("out", "out-7");
    }

    #[test]
    fn a_file_is_replaced_whole_or_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.json");
        write_text(&path, "old").expect("written");
        let failed = write(&path, Existing::Replaced, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(failed.is_err_and(|e| e.to_string().ends_with("x.json: the disk is full")));
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), "old");
        write_text(&path, "new").expect("written");
        let failed = write(&path, Existing::Kept, |file| file.write_all(b"newer"));
        assert!(
            failed.is_err_and(|e| e.to_string().contains("x.json: a file of that name appeared meanwhile"))
        );
        assert_eq!(std::fs::read_to_string(&path).expect("the file"), "new");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_said_before_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let check = |path: PathBuf, expected: &str| {
            let error = check_writable(&path).expect_err("not writable").to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(folder.path().join("no/x.npy"), "/no does not exist, make it first");
        check(folder.path().to_path_buf(), "it is a folder");
    }
}
