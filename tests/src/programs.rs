//! C and C++ programs of the tests: how they are compiled, linked and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::places::{built, library};

/// What a source is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// C, by the compiler that `CC` names, or cc.
    C,
    /// C++, by the compiler that `CXX` names, or c++.
    Cpp,
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository")
}

/// A compiler at a language version ("c11", "c++17"), with every warning an error and the headers in reach.
pub fn compiler(language: Language, standard: &str) -> Command {
    let (variable, usual) = match language {
        Language::C => ("CC", "cc"),
        Language::Cpp => ("CXX", "c++"),
    };
    let program = std::env::var(variable).ok().filter(|p| !p.is_empty()).unwrap_or_else(|| usual.into());
    compiler_named(&program, standard)
}

/// As [`compiler`], for a compiler by name.
pub fn compiler_named(program: &str, standard: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(format!("-std={standard}")).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"]);
    command.arg("-I").arg(root().join("include"));
    command
}

/// What links a program to the shared library of this build, which is found again when it runs.
pub fn link_shared() -> Vec<String> {
    let folder = library("scorecam").parent().expect("a folder").display().to_string();
    vec![format!("-L{folder}"), "-lscorecam".into(), format!("-Wl,-rpath,{folder}")]
}

/// What links a program to the static library of this build.
pub fn link_static() -> Vec<String> {
    vec![built("libscorecam.a").display().to_string(), "-lpthread".into(), "-ldl".into(), "-lm".into()]
}

/// Runs a command and returns what it printed; panics with its errors when it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{errors}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The program `scorecam` of this build.
pub fn scorecam() -> Command {
    Command::new(built(&format!("scorecam{}", std::env::consts::EXE_SUFFIX)))
}

/// The text of a header with those that it includes by quotes in its place, without the begin values of C++ at fields.
pub fn header(path: &Path) -> String {
    fn add(path: &Path, seen: &mut Vec<PathBuf>, text: &mut String) {
        if seen.iter().any(|other| other == path) {
            return;
        }
        seen.push(path.to_path_buf());
        for line in std::fs::read_to_string(path).expect("the header").lines() {
            let included = line.strip_prefix("#include \"").and_then(|rest| rest.split('"').next());
            match included {
                Some(name) => add(&path.parent().unwrap_or(Path::new("")).join(name), seen, text),
                None => {
                    let declaration =
                        line.strip_suffix(");").and_then(|line| line.split_once(" SCORECAM_DEFAULT("));
                    text.push_str(
                        &declaration.map_or_else(|| format!("{line}\n"), |(field, _)| format!("{field};\n")),
                    );
                }
            }
        }
    }
    let mut text = String::new();
    add(path, &mut Vec::new(), &mut text);
    text
}

/// A photo of the cache as a P6 PPM, which C programs can read themselves.
pub fn photo_as_ppm(photo: &Path, folder: &Path) -> PathBuf {
    let path = folder.join("photo.ppm");
    let photo = image::open(photo).expect("the photo decodes").to_rgb8();
    let header = format!("P6\n{} {}\n255\n", photo.width(), photo.height());
    std::fs::write(&path, [header.as_bytes(), photo.as_raw()].concat()).expect("the folder is writable");
    path
}

/// A file of raw f32 in the machine's byte order.
pub fn raw_f32(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).expect("the program wrote its map");
    bytes.chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])).collect()
}

/// Builds a Rust example as a stranger would: copied elsewhere, with the paths to this repository changed; the folder
/// of what is built. The lock file and the target folder are this repository's, so that nothing is fetched or built twice.
pub fn build_example(name: &str) -> PathBuf {
    let elsewhere = tempfile::Builder::new().prefix("another workspace ").tempdir().expect("a folder");
    let example = root().join("examples").join(name);
    let manifest = std::fs::read_to_string(example.join("Cargo.toml")).expect("the example's manifest");
    let relative = "path = \"../../";
    assert!(manifest.contains(relative), "the example depends on a crate of this repository");
    let absolute = format!("path = \"{}/", root().display());
    std::fs::write(elsewhere.path().join("Cargo.toml"), manifest.replace(relative, &absolute))
        .expect("written");
    std::fs::create_dir(elsewhere.path().join("src")).expect("a folder");
    let source = if example.join("src/main.rs").exists() { "src/main.rs" } else { "src/lib.rs" };
    std::fs::copy(example.join(source), elsewhere.path().join(source)).expect("copied");
    std::fs::copy(root().join("Cargo.lock"), elsewhere.path().join("Cargo.lock")).expect("copied");

    let target = root().join("target").join("templates");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet"])
        .current_dir(elsewhere.path())
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", "-Dwarnings")
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("debug")
}
