//! Plain C and Python through the header.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use scorecam_tests::{
    Language, compiler, fetched, golden, library, photo_as_ppm, read_npy, root, run, scorecam,
};

use crate::{Build, assert_one_line, fail, picture, python};

const C: Build<'_> =
    Build { language: Language::C, sources: &["c/explain_photo.c"], modules: &[], link: &[] };

fn explain_photo() -> &'static Path {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    C.once(&ONCE, "explain_photo")
}

/// The toy's model with labels.
fn manifest(folder: &Path) -> PathBuf {
    let labels = "ant,emmet\nbee\ncrab\ndove\neel\nfox\ngnat\nhen\nibis\njay\n";
    std::fs::write(folder.join("labels.txt"), labels).expect("the folder is writable");
    let path = folder.join("toy.toml");
    let text = format!("[model]\nfile = {:?}\nlabels = \"labels.txt\"\n", golden("toy/plain.toy"));
    std::fs::write(&path, text).expect("the folder is writable");
    path
}

#[test]
fn c_and_python_draw_what_the_command_line_draws() {
    let out = tempfile::tempdir().expect("a folder");
    let photo = photo_as_ppm(&fetched("photos/chelsea.png"), out.path());
    let (model, expected) = (manifest(out.path()), out.path().join("cli.png"));
    let mut cli = scorecam();
    cli.arg("explain").arg(&photo).arg("--model").arg(&model).arg("--plugin").arg(library("scorecam_toy"));
    run(cli.args(["--class", "3", "--overlay"]).arg(&expected));
    let script = root().join("examples/python/explain_photo.py");
    for (mut command, class) in [(Command::new(explain_photo()), "3"), (python(&script), "dove")] {
        let overlay = out.path().join("overlay.ppm");
        let printed =
            run(command.arg(library("scorecam_toy")).arg(&model).arg(&photo).arg(&overlay).arg(class));
        assert!(printed.starts_with("class 3 (dove), score 0."), "{printed}");
        assert!(picture(&overlay) == picture(&expected), "{command:?}: not the command line's overlay");
        std::fs::remove_file(&overlay).expect("the overlay is there");
    }
}

#[test]
fn c_and_python_say_what_is_wrong_in_one_line() {
    let out = tempfile::tempdir().expect("a folder");
    let photo = photo_as_ppm(&fetched("photos/chelsea.png"), out.path());
    let text = out.path().join("text.ppm");
    std::fs::write(&text, "P5 2 2 255 abcd").expect("the folder is writable");
    let program = explain_photo();
    let script = root().join("examples/python/explain_photo.py");
    let (model, missing) = (golden("toy/plain.toy"), PathBuf::from("nowhere.toml"));
    for (model, photo, words) in [
        (&missing, &photo, "nowhere.toml does not exist"),
        (&model, &text, "text.ppm is no P6 PPM of 8 bits"),
    ] {
        for mut command in [Command::new(program), python(&script)] {
            command.arg(library("scorecam_toy")).arg(model).arg(photo).arg(out.path().join("out.ppm"));
            assert_one_line(&fail(&mut command), &[words]);
        }
    }
}

#[test]
fn pythons_definitions_are_the_headers() {
    let out = tempfile::tempdir().expect("a folder");
    let check = out.path().join("check.cpp");
    let printed = run(&mut python(&root().join("examples/python/header_check.py")));
    assert!(printed.matches("static_assert").count() > 100, "{printed}");
    let accepted = |text: &str| {
        std::fs::write(&check, text).expect("the folder is writable");
        let mut compile = compiler(Language::Cpp, "c++17");
        compile.arg("-fsyntax-only").arg(&check).output().expect("the compiler starts").status.success()
    };
    assert!(accepted(&printed), "scorecam.py is not as scorecam.h; run header_check.py to see where");
    // A size, a type and a signature that have drifted are found.
    for (right, wrong) in [
        ("offsetof(scorecam_image, width) == 24", "offsetof(scorecam_image, width) == 16"),
        ("same<decltype(scorecam_target::score), double>", "same<decltype(scorecam_target::score), float>"),
        (
            "int32_t (*)(scorecam_explanation_info *, scorecam_explanation *)",
            "int32_t (*)(scorecam_model_info *, scorecam_explanation *)",
        ),
    ] {
        assert!(printed.contains(right), "no {right} in {printed}");
        assert!(!accepted(&printed.replace(right, wrong)), "{wrong} went unnoticed");
    }
}

#[test]
fn python_uses_the_library_as_a_program_would() {
    let out = tempfile::tempdir().expect("a folder");
    let (detector, input) = (out.path().join("yolov5.toml"), out.path().join("input.raw"));
    let model = golden("targets/models/yolov5.onnx");
    let manifest =
        format!("[model]\nfile = {model:?}\nlayer = \"features\"\n[output]\nformat = \"yolov5\"\n");
    std::fs::write(&detector, manifest).expect("the folder is writable");
    let values = read_npy(&golden("targets/models/input.npy"));
    let bytes: Vec<u8> = values.data().iter().flat_map(|value| value.to_ne_bytes()).collect();
    std::fs::write(&input, bytes).expect("the folder is writable");
    let mut script = python(&root().join("tests/vision/python_api.py"));
    script.arg(library("scorecam_toy")).arg(golden("toy/plain.toy")).arg(library("scorecam_onnx_cpu"));
    let printed = run(script.arg(&detector).arg(&input));
    assert_eq!(printed, "right\n");
}
