//! How a user without this repository gets a runtime: plugins find the ones that `pip` installs, and no message asks for
//! a command of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam_tests::{cache, fetched, library, root, run, scorecam};

/// The program with one plugin, an empty cache and nothing set that names a runtime.
fn layers(plugin: &str, model: &Path) -> Command {
    let mut command = scorecam();
    for variable in ["ORT_DYLIB_PATH", "LIBTORCH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        command.env_remove(variable);
    }
    command.env("SCORECAM_CACHE", "/nonexistent").arg("layers").arg("--model").arg(model);
    command.arg("--plugin").arg(library(plugin));
    command
}

/// A Python environment that holds `file` at `path` of its packages.
fn environment(path: &str, file: &Path) -> tempfile::TempDir {
    let environment = tempfile::tempdir().expect("a folder");
    let place = environment.path().join("lib/python3.11/site-packages").join(path);
    fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
    std::os::unix::fs::symlink(file, place).expect("a link");
    environment
}

fn check(plugin: &str, model: &Path, environment: &Path, missing: &str) {
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        let listed = run(layers(plugin, model).env(variable, environment));
        assert!(listed.contains("features"), "{variable}: {listed}");
    }
    let output = layers(plugin, model).output().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), errors.trim().lines().count()), (Some(1), 1), "{errors}");
    assert!(errors.contains(missing) && errors.contains("VIRTUAL_ENV"), "{errors}");
}

#[test]
fn onnx_cpu_finds_the_onnxruntime_of_pip() {
    let library = fetched("onnxruntime-1.32.0/libonnxruntime.so.1.32.0");
    let model = fetched("models/squeezenet1_1.onnx");
    // Later versions serve as well, under the names that they have.
    for name in ["libonnxruntime.so.1.32.0", "libonnxruntime.so.1.99.0"] {
        let environment = environment(&format!("onnxruntime/capi/{name}"), &library);
        let missing = "run \"pip install onnxruntime==1.32.0\"";
        check("scorecam_onnx_cpu", &model, environment.path(), missing);
    }
}

#[test]
fn libtorch_finds_the_torch_of_pip() {
    let environment = environment("torch", &cache().join("libtorch-2.13.0"));
    let missing = "run \"pip install torch==2.13.0\"";
    check("scorecam_libtorch", &fetched("models/squeezenet1_1.ts.pt"), environment.path(), missing);
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|e| e == "rs" || e == "cpp" || e == "h") => {
                found.push(path)
            }
            false => {}
        }
    }
}

#[test]
fn no_message_asks_for_a_command_of_the_repository() {
    let plugins =
        ["sdk", "onnx", "onnx-cpu", "onnx-cuda", "libtorch"].map(|name| format!("plugins/{name}/src"));
    let others = ["core", "scorecam", "ffi", "cli"].map(|name| format!("{name}/src"));
    let mut found = Vec::new();
    let engine = ["plugins/libtorch/engine/src", "plugins/libtorch/engine/cpp"].map(str::to_owned);
    plugins.iter().chain(&others).chain(&engine).for_each(|folder| sources(&root().join(folder), &mut found));
    assert!(found.len() > 150, "only {} sources", found.len());
    for file in found {
        let text = fs::read_to_string(&file).expect("a source");
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!line.contains("cargo "), "{}: {}", file.display(), line.trim());
        }
    }
}
