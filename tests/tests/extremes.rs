//! Photos of extreme sizes, and places that cannot be written, through the program.

use std::path::Path;
use std::process::{Command, Output};

use scorecam_tests::{built, golden, library};

fn explain(input: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(built(&format!("scorecam{}", std::env::consts::EXE_SUFFIX)));
    command.arg("explain").arg(input).arg("--model").arg(golden("toy/plain.toy"));
    command.arg("--plugin").arg(library("scorecam_toy")).args(arguments);
    command.output().expect("the program runs")
}

#[test]
fn photos_of_one_pixel_and_of_400_megapixels_are_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    for (width, height) in [(1, 1), (1, 5000), (20000, 20000)] {
        let photo = folder.path().join(format!("{width}x{height}.png"));
        image::GrayImage::from_pixel(width, height, image::Luma([90]))
            .save(&photo)
            .expect("room for the photo");
        let map = folder.path().join("map.npy");
        let output = explain(&photo, &["--map", map.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{width}x{height}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::remove_file(&map).expect("the map was written");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_one_line_and_leaves_nothing() {
    let input = golden("toy/input-3x32x32.npy");
    for flag in ["--map", "--json"] {
        let output = explain(&input, &[flag, "/dev/full"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{flag}: {text}");
        let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains("/dev/full"), "{flag}: {text}");
    }
}
