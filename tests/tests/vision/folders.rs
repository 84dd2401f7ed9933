//! A newcomer's first programs: a folder of photos in C, and in C++ with OpenCV.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use scorecam_tests::{Language, fetched, library, photo_as_ppm, root, run, scorecam};

use crate::{Build, picture};

const C: Build<'_> =
    Build { language: Language::C, sources: &["c/explain_folder.c"], modules: &[], link: &[] };

const CPP: Build<'_> = Build {
    language: Language::Cpp,
    sources: &["cpp/explain_folder.cpp"],
    modules: &["opencv4"],
    link: &["-lopencv_imgcodecs", "-lopencv_core", "-pthread"],
};

fn program(language: Language) -> Command {
    static ONCE: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    let mut command = Command::new(match language {
        Language::C => C.once(&ONCE[0], "explain_folder_c"),
        Language::Cpp => CPP.once(&ONCE[1], "explain_folder_cpp"),
    });
    command.env("SCORECAM_PLUGIN_PATH", library("scorecam_onnx_cpu").parent().expect("a folder of plugins"));
    command.arg(fetched("models/squeezenet1_1.toml"));
    command
}

/// Two photos and a file that is none, each as `extension`.
fn photos(folder: &Path, extension: &str) -> PathBuf {
    let photos = folder.join("photos");
    std::fs::create_dir(&photos).expect("a folder");
    for name in ["chelsea", "coffee"] {
        let photo = fetched(&format!("photos/{name}.png"));
        let photo = if extension == "ppm" { photo_as_ppm(&photo, folder) } else { photo };
        std::fs::copy(photo, photos.join(name).with_extension(extension)).expect("copied");
    }
    std::fs::write(photos.join("text").with_extension(extension), "no photo").expect("written");
    photos
}

fn texts(output: &Output) -> [String; 2] {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned())
}

/// The three likeliest classes of both photos, in lines `PATH: SCORE CLASS...`.
fn assert_classes(out: &str) {
    let cat = [(0.5198, "Egyptian cat"), (0.3053, "tiger cat"), (0.1573, "tabby, tabby cat")];
    let cup = [(0.9979, "espresso"), (0.0007, "cup"), (0.0003, "coffee mug")];
    for (photo, classes) in [("chelsea", cat), ("coffee", cup)] {
        let lines =
            out.lines().filter_map(|line| line.split_once(": ").filter(|(path, _)| path.contains(photo)));
        let found = lines.filter_map(|(_, said)| said.split_once(' '));
        let found: Vec<(f64, &str)> =
            found.filter_map(|(score, name)| Some((score.parse().ok()?, name))).collect();
        assert_eq!(found.len(), classes.len(), "{photo}: {out}");
        for ((score, name), (expected, class)) in found.iter().zip(classes) {
            assert!((score - expected).abs() < 1e-3 && name.starts_with(class), "{photo}: {score} {name}");
        }
    }
}

#[test]
fn the_program_in_c_explains_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = photos(folder.path(), "ppm");
    let output = program(Language::C).arg(&photos).output().expect("it starts");
    let [out, errors] = texts(&output);
    assert!(output.status.success(), "{errors}");
    assert_classes(&out);
    assert_eq!(out.lines().filter(|line| line.ends_with(" of 227x227")).count(), 6, "{out}");
    assert!(errors.contains("text.ppm: ") && errors.lines().count() == 1, "{errors}");

    let late = program(Language::C).arg(&photos).arg("0.000001").output().expect("it starts");
    let [out, _] = texts(&late);
    assert_classes(&out);
    assert_eq!(
        out.lines().filter(|line| line.contains("; no map was made: the time limit")).count(),
        6,
        "{out}"
    );
}

#[test]
fn the_program_in_cpp_explains_a_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = photos(folder.path(), "png");
    let [own, late, expected] = ["own", "late", "expected.png"].map(|name| folder.path().join(name));
    [&own, &late].iter().for_each(|path| std::fs::create_dir(path).expect("a folder"));
    let out = run(program(Language::Cpp).arg(&photos).arg(&own));
    assert_classes(&out);
    assert!(out.contains("text.png: the matrix is empty") && !out.contains("late"), "{out}");
    assert_eq!(std::fs::read_dir(&own).expect("the pictures").count(), 2);

    let mut cli = scorecam();
    cli.arg("explain")
        .arg(photos.join("chelsea.png"))
        .arg("--model")
        .arg(fetched("models/squeezenet1_1.toml"));
    run(cli.arg("--overlay").arg(&expected));
    assert!(picture(&own.join("chelsea.png")) == picture(&expected), "it is not the command line's overlay");

    let out = run(program(Language::Cpp).arg(&photos).arg(&late).arg("0.000001"));
    assert_classes(&out);
    assert_eq!(out.matches(": late, there is no map\n").count(), 2, "{out}");
    assert_eq!(std::fs::read_dir(&late).expect("the pictures").count(), 0);
}

/// As newcomers wrote them before there was `explain_many`, a time limit and `photo_of`, they had 103 and 67 lines.
#[test]
fn programs_of_a_newcomer_are_short() {
    for (file, most) in [("c/explain_folder.c", 100), ("cpp/explain_folder.cpp", 62)] {
        let text = std::fs::read_to_string(root().join("examples").join(file)).expect("an example");
        assert!(text.lines().count() <= most, "{file} has {} lines", text.lines().count());
    }
}
