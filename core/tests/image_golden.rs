//! Resizing and fitting, against pictures that Pillow made: `golden/make_resize_goldens.py` says how.
//!
//! Each file of `golden/resize` and `golden/fit` is a test; its name says the source, what was done, the
//! filter and the size.

use std::fs;
use std::path::{Path, PathBuf};

use scorecam_core::image::{Color, Filter, Fit, Photo, Preprocess};

fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder)
}

/// Height, width and samples of a binary PPM or PGM as Pillow writes it.
fn read(path: &Path) -> ((usize, usize), Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    let mut lines = bytes.splitn(4, |&b| b == b'\n');
    let mut text = || String::from_utf8(lines.next().unwrap().to_vec()).unwrap();
    let (magic, size, _) = (text(), text(), text());
    let (width, height) = size.split_once(' ').unwrap();
    let size = (height.parse().unwrap(), width.parse().unwrap());
    let samples = lines.next().unwrap().to_vec();
    assert_eq!(samples.len(), size.0 * size.1 * if magic == "P5" { 1 } else { 3 });
    (size, samples)
}

fn source(name: &str) -> Photo {
    let (size, pixels) = read(&golden("resize").join(name).with_extension("ppm"));
    Photo::from_rgb8(size, pixels).unwrap()
}

/// Files of a folder whose name has `parts` parts, with those parts.
fn goldens(folder: &str, parts: usize) -> Vec<(PathBuf, Vec<String>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(golden(folder)).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let names: Vec<String> = stem.split('-').map(str::to_owned).collect();
        if names.len() == parts {
            found.push((path, names));
        }
    }
    found.sort();
    found
}

/// Lanczos goes through the platform's sine, the rest is the same arithmetic everywhere.
fn check(path: &Path, filter: Filter, got: &[u8], expected: &[u8]) {
    let allowed = if filter == Filter::Lanczos { 1 } else { 0 };
    assert_eq!(got.len(), expected.len(), "{}", path.display());
    let worst = got.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(worst <= allowed, "{}: differs by {worst} gray levels", path.display());
}

#[test]
fn resize_equals_pillow() {
    let files = goldens("resize", 3);
    assert_eq!(files.len(), 48);
    for (path, parts) in files {
        let filter: Filter = parts[1].parse().unwrap();
        let (size, expected) = read(&path);
        check(&path, filter, source(&parts[0]).resize(size, filter).unwrap().pixels(), &expected);
    }
}

#[test]
fn crop_letterbox_and_gray_equal_torchvision_and_pillow() {
    let files = goldens("fit", 4);
    assert_eq!(files.len(), 96);
    for (path, parts) in files {
        let (size, expected) = read(&path);
        let filter: Filter = parts[2].parse().unwrap();
        let (fit, color) = match parts[1].as_str() {
            "crop75" => (Fit::Crop { fraction: 0.75 }, Color::Rgb),
            "crop100" => (Fit::Crop { fraction: 1.0 }, Color::Rgb),
            "letterbox" => (Fit::LETTERBOX, Color::Rgb),
            "gray" => (Fit::Squash, Color::Gray),
            other => panic!("{other} in {}", path.display()),
        };
        let preprocess = Preprocess { size, color, scale: 1.0, filter, fit, ..Preprocess::default() };
        let input = preprocess.apply(&source(&parts[0])).unwrap().input;
        let channels = color.channels();
        assert_eq!(input.shape(), [1, channels, size.0, size.1]);
        let area = size.0 * size.1;
        let pixel = |i: usize| input.data()[i % channels * area + i / channels] as u8;
        let got: Vec<u8> = (0..expected.len()).map(pixel).collect();
        check(&path, filter, &got, &expected);
    }
}
