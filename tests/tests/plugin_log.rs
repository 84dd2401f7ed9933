//! What plugins log reaches their user: by `tracing` in Rust, by `scorecam::log` in C++, and what ONNX Runtime warns of.

use std::path::{Path, PathBuf};
use std::time::Duration;

use scorecam_tests::{Ended, Language, built, compiler, root, run, scorecam};

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("the folder is writable");
    path
}

/// A tensor of so many channels and pixels as a `.npy` file.
fn npy(folder: &Path, [channels, side]: [usize; 2]) -> PathBuf {
    let header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({channels}, {side}, {side}), }}");
    let header = format!("{header:<117}\n");
    let mut bytes =
        [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes()].concat();
    bytes.extend((0..channels * side * side).flat_map(|i| (i as f32).to_le_bytes()));
    write(folder, "input.npy", bytes)
}

/// What the program writes to standard error at a level of the log.
fn log(level: Option<&str>, [input, model, plugin]: [&Path; 3], method: &str) -> String {
    let mut command = scorecam();
    command.arg("explain").arg(input).arg("--model").arg(model).arg("--plugin").arg(plugin);
    command.args(["--method", method]).env_remove("SCORECAM_LOG").env_remove("SCORECAM_PLUGIN_PATH");
    command.envs(level.map(|level| ("SCORECAM_LOG", level)));
    let ended = Ended::of(&mut command, Duration::from_secs(60));
    assert_eq!(ended.how(), "ended with 0", "{}", ended.stderr);
    ended.stderr
}

#[test]
fn a_warning_of_a_plugin_in_rust_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, model) = (npy(folder.path(), [1, 6]), write(folder.path(), "sound.spoiled", "sound\n"));
    let plugin = built("examples/libpanics.so");
    let line = "panics: it panics when asked to file=Some(\"sound.spoiled\")";
    for (level, is_seen) in
        [(Some("warn"), true), (Some("scorecam=debug"), true), (Some("error"), false), (None, false)]
    {
        let seen = log(level, [&input, &model, &plugin], "score-cam");
        assert_eq!(seen.contains(line), is_seen, "{level:?}:\n{seen}");
    }
}

#[test]
fn a_warning_of_a_plugin_in_cpp_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, model) = (npy(folder.path(), [2, 4]), write(folder.path(), "none.faulty", "none"));
    let plugin = folder.path().join("faults.so");
    let source = root().join("tests/c/plugin_faults.cpp");
    let mut command = compiler(Language::Cpp, "c++17");
    run(command.args(["-shared", "-fPIC"]).arg(source).arg("-o").arg(&plugin));
    let files = [input.as_path(), &model, &plugin];
    assert!(log(Some("warn"), files, "stops").contains("WARN scorecam::plugin: stops: it is about to stop"));
    assert!(!log(Some("error"), files, "stops").contains("about to stop"));
}
