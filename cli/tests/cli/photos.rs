//! Photos as users have them: cut off, too large, too dark, and in formats that are not read.
//!
//! `photos/make.py` says where the files come from.

use super::*;

fn photo(name: &str) -> String {
    format!("{}/tests/photos/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The photo as it was decoded: an overlay of which nothing is seen.
fn decoded(input: &str, more: &[&str]) -> (image::RgbImage, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let overlay = folder.path().join("o.png");
    let arguments = ["--opacity", "0", "--overlay", overlay.to_str().expect("a path")];
    let output = explain(input, &[&arguments, more].concat());
    stdout(&output);
    (
        image::open(&overlay).expect("an overlay").to_rgb8(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// The one line about an input that cannot be read.
fn refused(input: &str) -> String {
    let output = explain(input, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{input}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{input}: {stderr}");
    stderr
}

#[test]
fn every_format_shows_the_same_photo() {
    let (expected, _) = decoded(&photo("gradient.png"), &[]);
    let exact = ["lossless.jxl", "big.tif"];
    for name in
        ["baseline.jpg", "progressive.jpg", "restarts.jpg", "mpf.jpg", "lossy.jxl"].into_iter().chain(exact)
    {
        let (found, _) = decoded(&photo(name), &[]);
        assert_eq!(found.dimensions(), (24, 16), "{name}");
        let worst = found.iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).max().expect("pixels");
        let allowed = if exact.contains(&name) { 0 } else { 24 };
        assert!(worst <= allowed, "{name} is off by {worst}");
    }
}

#[test]
fn a_photo_that_is_cut_off_is_refused_and_trailing_bytes_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["baseline.jpg", "progressive.jpg", "restarts.jpg", "lossless.jxl", "lossy.jxl", "big.tif"] {
        let whole = std::fs::read(photo(name)).expect("a photo");
        let path = folder.path().join(name);
        let input = path.to_str().expect("a path");
        for length in [whole.len() - 1, whole.len() * 3 / 4, whole.len() / 2] {
            std::fs::write(&path, &whole[..length]).expect("written");
            assert!(refused(input).contains("the file is cut off"), "{name} of {length} bytes");
        }
        std::fs::write(&path, [&whole[..], b"more of it"].concat()).expect("written");
        stdout(&explain(input, &[]));
    }
    // The second picture of a file is none of ours.
    let both = std::fs::read(photo("mpf.jpg")).expect("a photo");
    let path = folder.path().join("first.jpg");
    std::fs::write(&path, &both[..both.len() - 100]).expect("written");
    stdout(&explain(path.to_str().expect("a path"), &[]));
}

#[test]
fn a_format_that_is_not_read_is_named_with_the_way_out() {
    for (name, words) in [
        ("photo.heic", "HEIC is not supported; convert the photo to PNG, for example with heif-convert"),
        ("photo.avif", "AVIF is not supported; convert the photo to PNG, for example with avifdec"),
        ("jpeg.tif", "it is a TIFF file with JPEG compression and YCbCr colors; save it as PNG"),
    ] {
        let said = refused(&photo(name));
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn twelve_bits_in_sixteen_are_warned_of_and_spread() {
    let file = photo("twelve-bits.tif");
    let (dark, said) = decoded(&file, &[]);
    assert!(said.contains("give --range 0..4095"), "{said}");
    assert!(dark.iter().all(|&level| level < 16));
    let (bright, said) = decoded(&file, &["--range", "0..4080"]);
    assert!(!said.contains("--range"), "{said}");
    assert_eq!(bright, decoded(&photo("gradient.png"), &[]).0);
    let (_, said) = decoded(&photo("gradient.png"), &["--range", "0..100"]);
    assert!(said.contains("--range 0..100 has no effect on an 8-bit photo"), "{said}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_photo_larger_than_memory_fails_alone() {
    toy_plugin();
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("photos")).expect("a folder");
    let large = image::GrayImage::from_pixel(20000, 20000, image::Luma([90]));
    large.save(at("photos/b.png")).expect("a photo");
    large.save(at("photos/c.bmp")).expect("a photo");
    drop(large);
    for name in ["a", "d", "e"] {
        write_photo(&at(&format!("photos/{name}.png")), 40, 30);
    }
    // A progressive file that claims to be as large.
    let mut bytes = std::fs::read(photo("progressive.jpg")).expect("a photo");
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc2]).expect("a frame");
    bytes[frame + 5..frame + 9].copy_from_slice(&[0x4e, 0x20, 0x4e, 0x20]);
    std::fs::write(at("photos/f.jpg"), bytes).expect("written");

    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v 1000000 && exec \"$0\" \"$@\""]);
    command.arg(assert_cmd::cargo::cargo_bin!("scorecam")).arg("explain").arg(at("photos"));
    command.args(["--model", &golden("plain.toy"), "--class", "2", "--out"]).arg(at("out"));
    let output = command.output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let errors: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("warning: ")).collect();
    let [errors @ .., sum] = &errors[..] else { panic!("nothing was written") };
    assert_eq!((errors.len(), *sum), (3, "note: 3 explained, 3 failed"), "{stderr}");
    for (error, name) in errors.iter().zip(["b.png", "c.bmp", "f.jpg"]) {
        assert!(error.contains(name) && error.contains("not enough memory: up to"), "{stderr}");
    }
    let maps = ["a-2.png", "a.npy", "d-2.png", "d.npy", "e-2.png", "e.npy", "results.json"];
    assert_eq!(names_in(&at("out")), maps);
}

#[test]
fn a_map_of_zeros_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("flat.toy");
    let flat = std::fs::read_to_string(golden("plain.toy")).expect("the model") + "flat_maps = 16\n";
    std::fs::write(&model, flat).expect("written");
    let mut command = scorecam();
    command
        .args(["explain", &golden("input-3x32x32.npy"), "--class", "1", "--json", "-", "--model"])
        .arg(&model);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let reason = "the map of class 1 is 0 everywhere: no channel of layer \"features\" varies over the image";
    assert!(said.contains(reason), "{said}");
    let warnings = json(&output)["results"][0]["warnings"].to_string();
    assert!(warnings.contains("is 0 everywhere"), "{warnings}");
}
