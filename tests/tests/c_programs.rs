//! C and C++ programs build against the header without a warning, and get the map that the command line gets.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam_tests::{built, fetched, library, read_npy};

/// Compilers and language versions, with the program for each.
const PROGRAMS: [(&str, &str, &str, &str); 2] =
    [("CC", "cc", "c11", "explain.c"), ("CXX", "c++", "c++17", "explain.cpp")];

/// The class that is explained: Egyptian cat.
const CLASS: &str = "285";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn compiler(variable: &str, usual: &str, standard: &str) -> Command {
    let program = std::env::var(variable).ok().filter(|p| !p.is_empty()).unwrap_or_else(|| usual.into());
    let mut command = Command::new(program);
    command.arg(format!("-std={standard}")).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg("-I").arg(root().join("include"));
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Builds a program of `tests/c` against the shared or the static library.
fn build(program: (&str, &str, &str, &str), out: &Path, link: &[&str]) -> PathBuf {
    let (variable, usual, standard, source) = program;
    let binary = out.join(source.replace('.', "_"));
    let mut command = compiler(variable, usual, standard);
    command.arg(root().join("tests/c").join(source)).arg("-o").arg(&binary).args(link);
    run(&mut command);
    binary
}

/// The photo as a P6 PPM, which the programs read themselves.
fn photo_as_ppm(out: &Path) -> PathBuf {
    let path = out.join("photo.ppm");
    let photo = image::open(fetched("photos/chelsea.png")).expect("the photo decodes").to_rgb8();
    let header = format!("P6\n{} {}\n255\n", photo.width(), photo.height());
    std::fs::write(&path, [header.as_bytes(), photo.as_raw()].concat()).expect("the folder is writable");
    path
}

fn raw_f32(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("the program wrote its map");
    bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn c_and_cpp_get_the_map_of_the_command_line() {
    let out = tempfile::tempdir().expect("a folder");
    let (plugin, model) = (library("scorecam_onnx_cpu"), fetched("models/squeezenet1_1.toml"));
    let photo = photo_as_ppm(out.path());
    let map = out.path().join("map.npy");
    let mut cli = Command::new(built(&format!("scorecam{}", std::env::consts::EXE_SUFFIX)));
    cli.arg("explain").arg(&photo).arg("--model").arg(&model).arg("--plugin").arg(&plugin);
    run(cli.args(["--class", CLASS, "--map"]).arg(&map));
    let expected = read_npy(&map);

    let folder = library("scorecam").parent().expect("a folder").display().to_string();
    let link = [format!("-L{folder}"), "-lscorecam".into(), format!("-Wl,-rpath,{folder}")];
    let link: Vec<&str> = link.iter().map(String::as_str).collect();
    for program in PROGRAMS {
        let binary = build(program, out.path(), &link);
        let raw = out.path().join("map.raw");
        let printed = run(Command::new(&binary).arg(&plugin).arg(&model).arg(&photo).arg(CLASS).arg(&raw));
        assert!(printed.contains("features"), "{}: the layers are listed:\n{printed}", program.3);
        assert_eq!(raw_f32(&raw), expected.data(), "{}", program.3);
    }
}

#[test]
fn the_static_library_serves_a_c_program() {
    let out = tempfile::tempdir().expect("a folder");
    let archive = built("libscorecam.a").display().to_string();
    let binary = build(PROGRAMS[0], out.path(), &[&archive, "-lpthread", "-ldl", "-lm"]);
    let raw = out.path().join("map.raw");
    let model = scorecam_tests::golden("toy/plain.toy");
    let photo = photo_as_ppm(out.path());
    run(Command::new(&binary).arg(library("scorecam_toy")).arg(model).arg(photo).arg("3").arg(&raw));
    assert_eq!(raw_f32(&raw).len(), 32 * 32);
}

#[test]
fn a_c_program_gets_grad_cam_or_the_reason_why_not() {
    let out = tempfile::tempdir().expect("a folder");
    let archive = built("libscorecam.a").display().to_string();
    let program = ("CC", "cc", "c11", "grad_cam.c");
    let binary = build(program, out.path(), &[&archive, "-lpthread", "-ldl", "-lm"]);
    let model = |name| scorecam_tests::golden(name);
    let mut command = Command::new(&binary);
    command.arg(library("scorecam_toy")).arg(model("toy/wide.toy")).arg(model("toy/slopes.toy"));
    let printed = run(&mut command);
    let refused = "refused: method \"grad-cam\" needs gradients, which backend \"toy\" does not offer for ";
    assert!(printed.starts_with(refused) && printed.ends_with("targets 2 passes 3\n"), "{printed}");
}

#[test]
fn headers_compile_alone_and_twice() {
    for header in ["scorecam.h", "scorecam_plugin.h"] {
        for (variable, usual, standards) in
            [("CC", "cc", &["c11", "c17"][..]), ("CXX", "c++", &["c++11", "c++17", "c++20"])]
        {
            for standard in standards {
                let out = tempfile::tempdir().expect("a folder");
                let source = out.path().join(if variable == "CC" { "twice.c" } else { "twice.cpp" });
                let text =
                    format!("#include \"{header}\"\n#include \"{header}\"\nint main(void) {{ return 0; }}\n");
                std::fs::write(&source, text).expect("the folder is writable");
                run(compiler(variable, usual, standard).arg("-fsyntax-only").arg(&source));
            }
        }
    }
}
