//! The example in Rust explains a folder: it builds outside of this workspace, and does what the program does.

use std::fs;
use std::process::Command;

use scorecam_tests::{build_example, fetched, library, root, run, scorecam};

#[test]
fn the_example_draws_what_the_program_draws() {
    let program = build_example("rust").join("explain-folder");
    let source = fs::read_to_string(root().join("examples/rust/src/main.rs")).expect("the example");
    assert!(source.lines().count() <= 40, "the example is a page");
    let folder = tempfile::tempdir().expect("a folder");
    let [photos, own, other] = ["photos", "own", "other"].map(|name| folder.path().join(name));
    for path in [&photos, &own] {
        fs::create_dir(path).expect("a folder");
    }
    fs::copy(fetched("photos/chelsea.png"), photos.join("cat.png")).expect("copied");
    fs::write(photos.join("text.txt"), "no photo").expect("written");
    let model = fetched("models/efficientnet_lite0.toml");
    let plugins = library("scorecam_onnx_cpu").parent().expect("a folder").to_owned();

    let mut example = Command::new(&program);
    example.env("SCORECAM_PLUGIN_PATH", &plugins).arg(&model).args([&photos, &own]);
    let output = example.output().expect("the example starts");
    let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
    assert!(output.status.success(), "{error}");
    assert!(out.contains("cat.png: tiger cat (0."), "{out}");
    assert!(error.contains("text.txt: ") && error.lines().count() == 1, "{error}");

    run(scorecam()
        .arg("explain")
        .arg(photos.join("cat.png"))
        .arg("--model")
        .arg(&model)
        .arg("--out")
        .arg(&other));
    let pixels = |path: &std::path::Path| image::open(path).expect("a picture").to_rgb8();
    let drawn = fs::read_dir(&other).expect("results").map(|e| e.expect("an entry").path());
    let drawn = drawn.filter(|path| path.extension().is_some_and(|e| e == "png")).collect::<Vec<_>>();
    assert_eq!(drawn.len(), 1, "{drawn:?}");
    assert!(pixels(&own.join("cat.png")) == pixels(&drawn[0]), "the pictures differ");
}
