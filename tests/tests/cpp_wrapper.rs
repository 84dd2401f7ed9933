//! `scorecam.hpp` does what it says: programs that assert it, built in each of its modes and run.

use std::collections::BTreeSet;
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
