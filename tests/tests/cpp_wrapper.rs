//! `scorecam.hpp` does what it says: programs that assert it, built in each of its modes and run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam_tests::{compiler_named, golden, library, link_shared, read_npy, root, run, scorecam};

/// Failures are thrown; returned, in a program that has exceptions; returned, in one that has none.
const MODES: [(&str, &[&str]); 3] = [
    ("throws", &[]),
    ("results", &["-DSCORECAM_NO_EXCEPTIONS"]),
    ("results-bare", &["-fno-exceptions", "-fno-rtti"]),
];

/// Compiles a source of `tests/c` into an object; asserts stay on.
fn object(compiler: &str, source: &str, mode: usize, folder: &Path) -> PathBuf {
    let (name, flags) = MODES[mode];
    let path = folder.join(format!("{source}.{name}.o"));
    let mut command = compiler_named(compiler, "c++17");
    command.args(["-Wshadow", "-Wconversion"]).args(flags);
    run(command.arg("-c").arg(root().join("tests/c").join(source)).arg("-o").arg(&path));
    path
}

/// Links objects and runs the program on the toy plugin and a model.
fn check(compiler: &str, objects: &[&PathBuf], folder: &Path) {
    let binary = folder.join("program");
    run(Command::new(compiler).args(objects).arg("-o").arg(&binary).args(link_shared()).arg("-lpthread"));
    let mut program = Command::new(&binary);
    program.arg(library("scorecam_toy")).arg(golden("toy/plain.toy"));
    assert_eq!(run(&mut program), "all holds\n", "{objects:?}");
}

fn check_modes(compiler: &str, modes: &[usize], mixed: &[(usize, usize)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |source| -> Vec<PathBuf> {
        modes.iter().map(|&mode| object(compiler, source, mode, folder.path())).collect()
    };
    let (handles, engines) = (of("wrapper.cpp"), of("wrapper_engine.cpp"));
    let same = (0..modes.len()).map(|mode| (mode, mode));
    for (a, b) in same.chain(mixed.iter().copied()) {
        check(compiler, &[&handles[a], &engines[b]], folder.path());
    }
}

#[test]
fn gcc_builds_it_in_every_mode_and_with_two_in_one_program() {
    check_modes("g++", &[0, 1, 2], &[(0, 1), (2, 0)]);
}

#[test]
fn clang_builds_it_with_exceptions_and_without() {
    check_modes("clang++", &[0, 2], &[(1, 0)]);
}

/// Where OpenCV's headers are, which are not held to our warnings.
fn opencv() -> Vec<String> {
    let flags = run(Command::new("pkg-config").args(["--cflags-only-I", "opencv4"]));
    flags.split_whitespace().map(|flag| flag.replacen("-I", "-isystem", 1)).collect()
}

#[test]
fn what_would_dangle_or_mislead_does_not_compile() {
    let source = root().join("tests/c/wrapper_misuse.cpp");
    let text = std::fs::read_to_string(&source).expect("the source");
    let (gcc, clang) = (("g++", "-fmax-errors=0"), ("clang++", "-ferror-limit=0"));
    for ((compiler, limit), mode, name) in
        [(gcc, 0, "throws"), (gcc, 2, "results"), (clang, 0, "throws"), (clang, 1, "results")]
    {
        let mut command = compiler_named(compiler, "c++17");
        command.args(["-fsyntax-only", limit]).args(opencv()).args(MODES[mode].1).arg(&source);
        let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        let refused: BTreeSet<usize> = errors.lines().filter_map(|line| error_line(line, &source)).collect();
        let marks = ["// refused".to_owned(), format!("// refused in {name}")];
        let marked = |line: &str| marks.iter().any(|mark| line.ends_with(mark.as_str()));
        let wanted: BTreeSet<usize> =
            (1..).zip(text.lines()).filter(|(_, line)| marked(line)).map(|(at, _)| at).collect();
        assert!(wanted.len() > 10 && refused == wanted, "{compiler} {name}: {refused:?}\n{errors}");
    }
}

/// The line of `source` that a message calls an error.
fn error_line(message: &str, source: &Path) -> Option<usize> {
    let place = message.strip_prefix(source.to_str()?)?.strip_prefix(':')?;
    place.contains(" error: ").then(|| place.split(':').next()?.parse().ok()).flatten()
}

#[test]
fn matrices_of_opencv_go_in_and_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = folder.path().join("program");
    let mut command = compiler_named("g++", "c++17");
    command.arg(root().join("tests/c/wrapper_opencv.cpp")).args(opencv());
    run(command.arg("-o").arg(&binary).args(link_shared()).arg("-lopencv_core"));
    let mut program = Command::new(&binary);
    program.arg(library("scorecam_toy")).arg(golden("toy/plain.toy"));
    assert_eq!(run(&mut program), "all holds\n");
}

#[test]
fn the_example_explains_a_photo() {
    let folder = tempfile::tempdir().expect("a folder");
    let (binary, photo) = (folder.path().join("explain_photo"), folder.path().join("photo.ppm"));
    let pixels: Vec<u8> = (0..3 * 40 * 30u32).map(|i| (i * i / 7) as u8).collect();
    std::fs::write(&photo, [b"P6\n40 30\n255\n", pixels.as_slice()].concat()).expect("written");
    let mut command = compiler_named("g++", "c++17");
    command.arg(root().join("examples/cpp/explain_photo.cpp"));
    run(command.arg("-o").arg(&binary).args(link_shared()));
    let overlay = folder.path().join("overlay.ppm");
    let mut program = Command::new(&binary);
    program.arg(library("scorecam_toy")).arg(golden("toy/plain.toy")).arg(&photo).arg(&overlay);
    let printed = run(&mut program);
    assert_eq!(printed.lines().filter(|line| line.contains("of 32x32")).count(), 3, "{printed}");
    let drawn = std::fs::read(&overlay).expect("the overlay");
    assert!(drawn.starts_with(b"P6\n40 30\n255\n") && drawn.len() == 13 + pixels.len());
    assert_ne!(&drawn[13..], pixels);
}

/// A picture of so many channels as P6 or P5.
fn netpbm(path: &Path, (width, height): (u32, u32), samples: &[u8]) {
    let kind = if samples.len() == (3 * width * height) as usize { "P6" } else { "P5" };
    std::fs::write(path, [format!("{kind}\n{width} {height}\n255\n").as_bytes(), samples].concat())
        .expect("written");
}

/// A model that sees a crop of a wide photo, such a photo, and a mask that reaches out of the crop.
fn model_photo_and_mask(folder: &Path) -> [PathBuf; 3] {
    let [model, photo, mask] = ["crop.toml", "photo.ppm", "mask.pgm"].map(|name| folder.join(name));
    let file = golden("toy/plain.toy");
    let manifest = format!("[model]\nfile = {file:?}\n[input]\nfit = \"crop\"\ncrop_fraction = 1.0\n");
    std::fs::write(&model, manifest).expect("written");
    let pixels: Vec<u8> = (0..3 * 96 * 64u32).map(|i| (i * i / 7) as u8).collect();
    let white = (0..96 * 64u32).map(|i| if i % 96 < 50 && i / 96 > 9 { 255 } else { 0 });
    netpbm(&photo, (96, 64), &pixels);
    netpbm(&mask, (96, 64), &white.collect::<Vec<u8>>());
    [model, photo, mask]
}

#[test]
fn boxes_and_regions_are_those_of_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let [model, photo, mask] = model_photo_and_mask(folder.path());
    let (binary, map) = (folder.path().join("located"), folder.path().join("map.npy"));
    let mut command = compiler_named("g++", "c++17");
    command.args(["-Wshadow", "-Wconversion"]).arg(root().join("tests/c/located.cpp"));
    run(command.arg("-o").arg(&binary).args(link_shared()));
    let mut program = Command::new(&binary);
    program.arg(library("scorecam_toy")).args([&model, &photo, &mask]).arg("0.9");
    let printed = run(&mut program);
    let numbers = |line: &str| -> Vec<f64> { line.split(' ').filter_map(|word| word.parse().ok()).collect() };
    let lines = |kind: &str| -> Vec<Vec<f64>> {
        printed.lines().filter(|line| line.starts_with(kind)).map(numbers).collect()
    };

    let json = folder.path().join("results.json");
    let mut cli = scorecam();
    cli.arg("explain").arg(&photo).arg("--model").arg(&model).arg("--plugin");
    cli.arg(library("scorecam_toy")).args(["--boxes", "0.9", "--box-areas", "all", "--region"]).arg(&mask);
    run(cli.arg("--json").arg(&json).args(["--map-size", "photo", "--map"]).arg(&map));
    let text = std::fs::read_to_string(&json).expect("the results");
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let target = &found["results"][0]["targets"][0];
    let list = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().expect("a list").iter().map(|v| v.as_f64().expect("a number")).collect()
    };
    let energies = list(&target["box_energies"]);
    let boxes = target["boxes"].as_array().expect("boxes").iter().zip(&energies);
    let boxes: Vec<Vec<f64>> =
        boxes.map(|(rect, &energy)| list(rect).into_iter().chain([energy]).collect()).collect();
    assert!(boxes.len() > 1, "several boxes: {target}");
    // JSON's digits may be read to the next number but one.
    let are_equal = |found: &[Vec<f64>], expected: &[Vec<f64>]| {
        let pairs = || found.iter().zip(expected);
        let near = |(found, expected): (&f64, &f64)| (found - expected).abs() < 1e-12;
        found.len() == expected.len() && pairs().all(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(near))
    };
    assert!(are_equal(&lines("box "), &boxes), "{:?}, expected {boxes:?}", lines("box "));
    let on = &target["on_region"];
    let expected = [&on["energy"], &on["lift"]].map(|v| v.as_f64().expect("a number"));
    let pointing = if on["pointing"] == true { 1.0 } else { 0.0 };
    let expected = [vec![expected[0], expected[1], pointing]];
    assert!(are_equal(&lines("region "), &expected), "{:?}, expected {expected:?}", lines("region "));
    let values: Vec<f32> = printed.lines().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(values, read_npy(&map).data());
}

#[test]
fn the_gate_passes_alarms_or_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let [model, photo, _] = model_photo_and_mask(folder.path());
    let binary = folder.path().join("evidence_gate");
    let mut command = compiler_named("g++", "c++17");
    command.arg(root().join("examples/cpp/evidence_gate.cpp"));
    run(command.arg("-o").arg(&binary).args(link_shared()));
    let gate = |least: &str, part: [&str; 4]| {
        let mut program = Command::new(&binary);
        program.arg(library("scorecam_toy")).args([&model, &photo]).arg(least).args(part);
        let output = program.output().expect("it runs");
        let printed = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&printed).into_owned())
    };
    let left = ["0", "0", "48", "64"];
    let (status, printed) = gate("0", left);
    let share = printed.strip_prefix("on the part: ").and_then(|rest| rest.split(',').next());
    let share: f64 = share.and_then(|share| share.parse().ok()).expect("a share");
    assert!(status == Some(0) && share > 0.0 && share < 1.0, "{printed}");
    assert!(printed.contains("\nevidence at ") && printed.ends_with("\npass\n"), "{printed}");
    for (least, part, expected, words) in [
        (share - 0.01, left, 0, "pass"),
        (share + 0.01, left, 1, "alarm: too little of the evidence"),
        (0.0, ["0", "0", "9", "64"], 2, "the object lies outside the model's input"),
        (0.0, ["48", "0", "0", "64"], 2, "a box is left, top, right and bottom edge"),
    ] {
        let (status, printed) = gate(&least.to_string(), part);
        assert!(status == Some(expected) && printed.contains(words), "{least} {part:?}: {printed}");
    }
}
