//! What a model's file is, by its first bytes and by the names in its archive.
//!
//! PyTorch writes four things that go by `.pt` or `.pth`, and only one is a program that runs without Python.
//! The others are told apart here, with the one step that makes a TorchScript file of them.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use scorecam_plugin::{Error, Result, bail};
use zip::ZipArchive;
use zip::read::{ArchiveOffset, Config};

const EXPORT: &str = "export it with torch.jit.trace(model, example).save(path)";

/// Refuses what is not a TorchScript file, and says what it is.
pub(crate) fn check(path: &Path) -> Result<()> {
    let name = path.display();
    let unreadable = |e: std::io::Error| Error::io(format!("cannot read model {name}: {e}"));
    if fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Err(Error::io(format!("model {name} is a folder; give the .pt file in it")));
    }
    check_content(path, BufReader::new(File::open(path).map_err(unreadable)?))
}

/// As `check`, of what is in a file; `path` names it in errors.
pub fn check_content(path: &Path, mut file: impl Read + Seek) -> Result<()> {
    let name = path.display();
    let mut start = Vec::new();
    (&mut file)
        .take(64)
        .read_to_end(&mut start)
        .and_then(|_| file.rewind())
        .map_err(|e| Error::io(format!("cannot read model {name}: {e}")))?;
    if !start.starts_with(b"PK\x03\x04") {
        let what = stranger(&start);
        return Err(Error::model(format!("model {name} is {what}, not a TorchScript file; {EXPORT}")));
    }
    // The archive begins with the file. Where it is searched for, sound files are found damaged.
    let names = ZipArchive::with_config(Config { archive_offset: ArchiveOffset::Known(0) }, file)
        .and_then(|archive| archive.file_names().map(|n| Ok(n?.into_owned())).collect::<Result<Vec<_>, _>>())
        .map_err(|e| {
            let text = format!("model {name} is truncated or damaged; fetch or export it again (zip: {e})");
            Error::model(text)
        })?;
    match other_archive(&names) {
        None => Ok(()),
        Some(what) => bail!(model, "model {name} is {what}, not a TorchScript file; {EXPORT}"),
    }
}

/// What an archive is that is no TorchScript. Names in an archive stand below one folder that has the archive's name.
fn other_archive(names: &[String]) -> Option<&'static str> {
    let (mut code, mut constants, mut pickle, mut exported) = (false, false, false, false);
    for name in names {
        let inner = name.split_once('/').map_or(name.as_str(), |(_, inner)| inner);
        code |= inner.starts_with("code/");
        constants |= inner == "constants.pkl";
        pickle |= inner == "data.pkl";
        exported |= inner == "archive_format" || name.ends_with("serialized_exported_program.json");
    }
    match (code && constants, exported, pickle) {
        (true, _, _) => None,
        (_, true, _) => Some("a .pt2 archive of torch.export"),
        (_, _, true) => Some("a checkpoint (a state dict or a pickled module, without a program)"),
        _ => Some("a zip archive that PyTorch did not write"),
    }
}

/// What a file that is no archive is.
fn stranger(start: &[u8]) -> &'static str {
    let text = start.trim_ascii_start();
    match start {
        [] => "empty",
        [0x80, 2..=5, ..] => "a Python pickle, as old checkpoints are",
        [0x89, b'H', b'D', b'F', ..] => "HDF5, as Keras models are",
        _ if text.starts_with(b"<") => "a web page or XML",
        _ if text.starts_with(b"version https://git-lfs") => "a Git LFS pointer (run \"git lfs pull\")",
        [0x08, ..] => "an ONNX model or another protobuf",
        _ => "of an unknown format",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(path: &Path, names: &[&str]) {
        let mut zip = zip::ZipWriter::new(File::create(path).expect("a file"));
        for name in names {
            zip.start_file(*name, SimpleFileOptions::default()).expect("a member");
            zip.write_all(&[7; 100]).expect("its bytes");
        }
        zip.finish().expect("an archive");
    }

    #[test]
    fn what_pytorch_writes_is_distinguished() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.pt");
        archive(&path, &["m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"]);
        assert_eq!(check(&path), Ok(()));
        for (names, expected) in [
            (&["m/data.pkl", "m/data/0", "m/version"][..], "a checkpoint"),
            (&["m/archive_format", "m/models/model.json"], ".pt2"),
            (&["readme.txt"], "PyTorch did not write"),
        ] {
            archive(&path, names);
            let message = check(&path).expect_err("no TorchScript").to_string();
            assert!(message.contains(expected) && message.contains("torch.jit.trace"), "{message}");
        }
    }

    /// PyTorch ends every archive with ZIP64's records as well.
    fn with_zip64_records(archive: &[u8]) -> Vec<u8> {
        let end = archive.len() - 22;
        let number = |at: usize, bytes: usize| {
            archive[end + at..][..bytes].iter().rev().fold(0u64, |sum, &byte| sum << 8 | u64::from(byte))
        };
        let (count, size, start) = (number(10, 2), number(12, 4), number(16, 4));
        let record = [&b"PK\x06\x06"[..], &44u64.to_le_bytes(), &[30, 3, 45, 0], &[0; 8]].concat();
        let numbers = [count, count, size, start].map(u64::to_le_bytes).concat();
        let locator =
            [&b"PK\x06\x07"[..], &[0; 4], &(end as u64).to_le_bytes(), &1u32.to_le_bytes()].concat();
        [&archive[..end], &record, &numbers, &locator, &archive[end..]].concat()
    }

    #[test]
    fn archives_of_every_size_are_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.pt");
        for count in (1..2000).step_by(397) {
            let names: Vec<String> =
                (0..count).map(|i| format!(".20371-levit_128s.trace/data/{i}")).collect();
            let program = ["m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"];
            archive(&path, &names.iter().map(String::as_str).chain(program).collect::<Vec<_>>());
            let bytes = with_zip64_records(&fs::read(&path).expect("an archive"));
            fs::write(&path, bytes).expect("written");
            assert_eq!(check(&path), Ok(()), "{count} tensors");
        }
    }

    #[test]
    fn other_files_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.pt");
        for (bytes, expected) in [
            (&b""[..], "empty"),
            (b"\x80\x02\x8a\x0a", "pickle"),
            (b"<!doctype html>", "a web page"),
            (b"\x08\x07\x12", "ONNX"),
            (b"hello", "unknown format"),
        ] {
            fs::write(&path, bytes).expect("a file");
            let message = check(&path).expect_err("no TorchScript").to_string();
            assert!(message.contains(expected) && message.contains("m.pt"), "{message}");
        }
        assert!(check(folder.path()).expect_err("a folder").to_string().contains("is a folder"));
        assert!(check(Path::new("nowhere.pt")).expect_err("nothing").to_string().contains("nowhere.pt"));
    }

    #[test]
    fn an_archive_that_was_cut_off_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.pt");
        archive(&path, &["m/data.pkl", "m/code/__torch__.py", "m/constants.pkl"]);
        let whole = fs::read(&path).expect("its bytes");
        for kept in [5, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..kept]).expect("a file");
            let message = check(&path).expect_err("cut off").to_string();
            assert!(message.contains("truncated"), "{kept} bytes: {message}");
        }
    }
}
