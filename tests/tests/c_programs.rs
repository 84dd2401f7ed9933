//! C and C++ programs build against the header without a warning, and get the map that the command line gets.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam_tests::{
    Language, compiler, fetched, golden, library, link_shared, link_static, photo_as_ppm, raw_f32, read_npy,
    root, run, scorecam,
};

/// Language and version, with the program in it.
type Program = (Language, &'static str, &'static str);

const PROGRAMS: [Program; 2] = [(Language::C, "c11", "explain.c"), (Language::Cpp, "c++17", "explain.cpp")];

/// The class that is explained: Egyptian cat.
const CLASS: &str = "285";

/// Builds a program of `tests/c`.
fn build((language, standard, source): Program, out: &Path, link: &[String]) -> PathBuf {
    let binary = out.join(source.replace('.', "_"));
    let mut command = compiler(language, standard);
    run(command.arg(root().join("tests/c").join(source)).arg("-o").arg(&binary).args(link));
    binary
}

/// The photo that is explained.
fn photo(out: &Path) -> PathBuf {
    photo_as_ppm(&fetched("photos/chelsea.png"), out)
}

#[test]
fn c_and_cpp_get_the_map_of_the_command_line() {
    let out = tempfile::tempdir().expect("a folder");
    let (plugin, model) = (library("scorecam_onnx_cpu"), fetched("models/squeezenet1_1.toml"));
    let photo = photo(out.path());
    let map = out.path().join("map.npy");
    let mut cli = scorecam();
    cli.arg("explain").arg(&photo).arg("--model").arg(&model).arg("--plugin").arg(&plugin);
    run(cli.args(["--class", CLASS, "--map"]).arg(&map));
    let expected = read_npy(&map);

    for program in PROGRAMS {
        let binary = build(program, out.path(), &link_shared());
        let raw = out.path().join("map.raw");
        let printed = run(Command::new(&binary).arg(&plugin).arg(&model).arg(&photo).arg(CLASS).arg(&raw));
        assert!(printed.contains("features"), "{}: the layers are listed:\n{printed}", program.2);
        assert_eq!(raw_f32(&raw), expected.data(), "{}", program.2);
    }
}

#[test]
fn the_static_library_serves_a_c_program() {
    let out = tempfile::tempdir().expect("a folder");
    let binary = build(PROGRAMS[0], out.path(), &link_static());
    let raw = out.path().join("map.raw");
    let model = golden("toy/plain.toy");
    let photo = photo(out.path());
    run(Command::new(&binary).arg(library("scorecam_toy")).arg(model).arg(photo).arg("3").arg(&raw));
    assert_eq!(raw_f32(&raw).len(), 32 * 32);
}

#[cfg(target_os = "linux")]
#[test]
fn children_of_fork_explain_where_the_parent_has_loaded_no_model() {
    let out = tempfile::tempdir().expect("a folder");
    let binary = build((Language::C, "c11", "fork.c"), out.path(), &link_shared());
    for (plugin, model) in [
        ("scorecam_toy", golden("toy/plain.toy")),
        ("scorecam_onnx_cpu", fetched("models/squeezenet1_1.onnx")),
    ] {
        let printed = run(Command::new(&binary).arg(library(plugin)).arg(model));
        assert_eq!(printed, "2 children, equal maps\n", "{plugin}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_static_program_gets_an_error_where_it_would_open_a_plugin() {
    let out = tempfile::tempdir().expect("a folder");
    let photo = photo(out.path());
    for kind in ["-static", "-static-pie"] {
        let mut link = link_static();
        link.push(kind.into());
        let binary = build(PROGRAMS[0], out.path(), &link);
        let mut program = Command::new(&binary);
        program.arg(library("scorecam_toy")).arg(golden("toy/plain.toy")).arg(&photo).arg("3");
        let output = program.arg(out.path().join("map.raw")).output().expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), errors.trim().lines().count()), (Some(1), 1), "{kind}: {errors}");
        for part in ["libscorecam_toy", "linked statically (-static)", "link it without -static"] {
            assert!(errors.contains(part), "{kind}: {errors}");
        }
    }
}

#[test]
fn a_c_program_uses_what_is_beside_a_plain_explain_call() {
    let out = tempfile::tempdir().expect("a folder");
    let mut link = link_shared();
    link.push("-lm".into());
    let binary = build((Language::C, "c11", "complete.c"), out.path(), &link);
    let plugins = library("scorecam_toy");
    let plugins = plugins.parent().expect("a folder of plugins");
    let mut command = Command::new(binary);
    command.arg(golden("toy/plain.toy")).env("SCORECAM_PLUGIN_PATH", plugins);
    assert_eq!(run(&mut command), "complete\n");
}

#[test]
fn a_c_program_reads_the_measures_of_the_command_line() {
    let out = tempfile::tempdir().expect("a folder");
    let binary = build(PROGRAMS[0], out.path(), &link_static());
    let (plugin, model, photo) = (library("scorecam_toy"), golden("toy/plain.toy"), photo(out.path()));
    for (method, set) in [("score-cam", "select=all"), ("score-cam-adaptive", "passes=8")] {
        let mut cli = scorecam();
        cli.arg("explain").arg(&photo).arg("--model").arg(&model).arg("--plugin").arg(&plugin);
        let json = out.path().join("results.json");
        run(cli.args(["--class", "3", "--method", method, "--set", set, "--json"]).arg(&json));
        let report = std::fs::read_to_string(&json).expect("the report");
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        let report = &report["results"][0];
        let measures = report["measures"].as_object().expect("measures by name");
        let expected: BTreeMap<&str, f64> =
            measures.iter().map(|(name, v)| (name.as_str(), v.as_f64().expect("a number"))).collect();
        assert_eq!(expected.contains_key("estimated-error"), method == "score-cam-adaptive", "{report}");

        let (name, value) = set.split_once('=').expect("an option");
        let mut program = Command::new(&binary);
        program.arg(&plugin).arg(&model).arg(&photo).arg("3").arg(out.path().join("map.raw"));
        let printed = run(program.args([method, name, value]));
        let read = printed.lines().filter_map(|line| line.strip_prefix("measure ")?.split_once(' '));
        let read: BTreeMap<&str, f64> =
            read.map(|(name, value)| (name, value.parse().expect("a number"))).collect();
        assert_eq!(read, expected, "{method}");
        assert!(printed.contains(&format!(" passes {}\n", report["passes"])), "{method}: {printed}");
    }
}

#[test]
fn a_c_program_gets_grad_cam_or_the_reason_why_not() {
    let out = tempfile::tempdir().expect("a folder");
    let binary = build((Language::C, "c11", "grad_cam.c"), out.path(), &link_static());
    let mut command = Command::new(&binary);
    command.arg(library("scorecam_toy")).arg(golden("toy/wide.toy")).arg(golden("toy/slopes.toy"));
    let printed = run(&mut command);
    let refused =
        "refused: method \"grad-cam\" needs gradients or run-from, which backend \"toy\" does not offer for ";
    assert!(printed.starts_with(refused) && printed.ends_with("targets 2 passes 3\n"), "{printed}");
}
