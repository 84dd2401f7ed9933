//! `scorecam.hpp` does what it says: programs that assert it, built in each of its modes and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam_tests::{compiler_named, golden, library, link_shared, root, run};

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

#[test]
fn matrices_of_opencv_go_in_and_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = folder.path().join("program");
    let flags = run(Command::new("pkg-config").args(["--cflags-only-I", "opencv4"]));
    // OpenCV's own headers are not held to our warnings.
    let flags = flags.split_whitespace().map(|flag| flag.replacen("-I", "-isystem", 1));
    let mut command = compiler_named("g++", "c++17");
    command.arg(root().join("tests/c/wrapper_opencv.cpp")).args(flags);
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
