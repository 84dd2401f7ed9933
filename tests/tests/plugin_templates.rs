//! The template plugins, in Rust, C and C++, build away from this repository and work in the host and in the
//! program; so does what the C++ helper makes of a plugin that fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam::{ErrorKind, ExplainOptions, Explanation, Host, ModelRequest, Proof, Tensor};
use scorecam_core::Readiness;
use scorecam_tests::{
    build_example, compiler_named, explained, golden, library, read_npy, root, run, scorecam, toy_host,
};

/// The plugin that `examples/NAME-plugin` makes.
fn build_template(name: &str) -> PathBuf {
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    build_example(&format!("{name}-plugin")).join(format!("{prefix}scorecam_example_{name}{suffix}"))
}

/// Explains the best class with the method's defaults, or with a preset of its.
fn explain_top(host: &Host, model: &Path, method: &str, preset: Option<&str>, input: &Tensor) -> Explanation {
    let model = host.load_model(ModelRequest { path: model.into(), ..Default::default() }).expect("loads");
    let options = ExplainOptions {
        method: method.into(),
        preset: preset.map(str::to_owned),
        ..ExplainOptions::default()
    };
    explained(host, &model, &options, input).expect("the explanation")
}

/// Compiles a plugin of one C or C++ source with a compiler, as the head of each template says.
fn compile_plugin(compiler: &str, source: &Path, flags: &[&str], folder: &Path) -> PathBuf {
    let standard = if source.extension().is_some_and(|e| e == "c") { "c11" } else { "c++17" };
    let name = source.file_stem().expect("a name").to_string_lossy();
    let path = folder.join(format!("lib{name}_{compiler}{}.so", flags.len()));
    let mut command = compiler_named(compiler, standard);
    command.args(["-Wshadow", "-Wconversion", "-O2", "-shared", "-fPIC"]).args(flags);
    run(command.arg(source).arg("-o").arg(&path));
    path
}

/// The C and the C++ template by each compiler.
fn c_and_cpp_templates(folder: &Path) -> Vec<PathBuf> {
    let [c, cpp] = ["c", "cpp"].map(|name| root().join("examples").join(format!("{name}-plugin")));
    let script = format!("-Wl,--version-script={}", cpp.join("plugin.map").display());
    let c = ["gcc", "clang"]
        .map(|name| compile_plugin(name, &c.join("brightness.c"), &["-fvisibility=hidden"], folder));
    let cpp =
        ["g++", "clang++"].map(|name| compile_plugin(name, &cpp.join("brightness.cpp"), &[&script], folder));
    c.into_iter().chain(cpp).collect()
}

fn assert_proof(host: &Host, plugin: &Path, proof: Proof) {
    let plugin = plugin.canonicalize().expect("the plugin exists");
    let record = host.plugins().into_iter().find(|p| p.path.as_ref() == Some(&plugin)).expect("registered");
    assert_eq!(record.proof, proof);
}

/// A model of 4 classes for backend `brightness`.
fn bright_model(folder: &Path) -> PathBuf {
    let model = folder.join("four.bright");
    std::fs::write(&model, "4\n").expect("written");
    model
}

/// Red lies at the right edge, green at the left; dim blue is everywhere.
fn bright_input() -> Tensor {
    let pixel = |i: usize| match (i / (64 * 64), i % 64) {
        (0, 48..) => 1.0,
        (1, ..8) => 0.5,
        (2, x) => 0.1 + x as f32 / 640.0,
        _ => 0.0,
    };
    Tensor::new([1, 3, 64, 64], (0..3 * 64 * 64).map(pixel).collect()).expect("a tensor")
}

/// A host without plugins but this one.
fn host_with(plugin: &Path) -> Host {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(plugin).unwrap_or_else(|e| panic!("{}: {e}", plugin.display()));
    host
}

/// The map that the program writes for `input` with these plugins, beside `work`.
fn map_of_program(work: &Path, input: &Path, model: &Path, method: &str, plugins: &[&Path]) -> Tensor {
    let map = work.join("map.npy");
    let mut command = scorecam();
    command.arg("explain").arg(input).arg("--model").arg(model).args(["--method", method]);
    plugins.iter().for_each(|plugin| {
        command.arg("--plugin").arg(plugin);
    });
    let output = command.arg("--map").arg(&map).output().expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read_npy(&map)
}

fn write_npy(path: &Path, tensor: &Tensor) {
    use npyz::WriterBuilder;
    let shape: Vec<u64> = tensor.shape().iter().map(|&n| n as u64).collect();
    let file = std::fs::File::create(path).expect("created");
    let options = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file);
    let mut writer = options.begin_nd().expect("a header");
    writer.extend(tensor.data().iter().copied()).expect("values");
    writer.finish().expect("written");
}

fn range(map: &[f32]) -> (f32, f32) {
    map.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(lo, hi), &v| (lo.min(v), hi.max(v)))
}

/// Explains `toy/plain.toy` by a template's method, and compares with the map that numpy makes.
fn assert_golden(plugin: &Path, method: &str, set: &[(&str, &str)], passes: usize) {
    let (model, input) = (golden("toy/plain.toy"), golden("toy/input-3x32x32.npy"));
    let host = toy_host();
    host.load_plugin(plugin).expect("the template loads");
    let loaded = host.load_model(ModelRequest { path: model.clone(), ..Default::default() }).expect("loads");
    let options = ExplainOptions {
        method: method.into(),
        set: set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..ExplainOptions::default()
    };
    let found = explained(&host, &loaded, &options, &read_npy(&input)).expect("the explanation");
    let expected = read_npy(&golden(&format!("templates/{method}.npy")));
    let differences = found.maps.data().iter().zip(expected.data()).map(|(a, b)| (a - b).abs());
    let farthest = differences.fold(0.0, f32::max);
    assert!(found.maps.data().len() == expected.data().len() && farthest < 1e-4, "{method}: {farthest}");
    assert_eq!(found.passes, passes, "{method}");
}

#[test]
fn the_method_template_works_from_another_workspace() {
    let plugin = build_template("method");
    let host = toy_host();
    host.load_plugin(&plugin).expect("the template loads");
    assert_proof(&host, &plugin, Proof::LayoutVerified);
    assert_golden(&plugin, "my-eigen-cam", &[], 1);

    let (model, input) = (golden("toy/plain.toy"), golden("toy/input-3x32x32.npy"));
    let work = tempfile::tempdir().expect("a folder");
    let plugins = [plugin.as_path(), &library("scorecam_toy")];
    let map = map_of_program(work.path(), &input, &model, "my-eigen-cam", &plugins);
    assert_eq!((map.shape(), range(map.data())), (&[32, 32][..], (0.0, 1.0)));
}

#[test]
fn the_method_template_in_cpp_makes_the_masks_of_rise() {
    let work = tempfile::tempdir().expect("a folder");
    let folder = root().join("examples/cpp-method-plugin");
    let script = format!("-Wl,--version-script={}", folder.join("plugin.map").display());
    for compiler in ["g++", "clang++"] {
        let plugin = compile_plugin(compiler, &folder.join("rise.cpp"), &[&script], work.path());
        let set = [("masks", "48"), ("cells", "4"), ("keep", "0.4"), ("seed", "3")];
        assert_golden(&plugin, "my-rise", &set, 49);
    }
}

#[test]
fn method_templates_pass_the_check_though_they_hold_no_backend() {
    let work = tempfile::tempdir().expect("a folder");
    let folder = root().join("examples/cpp-method-plugin");
    let script = format!("-Wl,--version-script={}", folder.join("plugin.map").display());
    let rise = compile_plugin("g++", &folder.join("rise.cpp"), &[&script], work.path());
    for (plugin, method) in [(build_template("method"), "eigen-cam"), (rise, "rise")] {
        let check =
            |more: &[&str]| run(scorecam().arg("check").arg(&plugin).args(["--time-limit", "60"]).args(more));
        let passed = |table: &str| table.lines().filter(|line| line.contains("  ok  ")).count();
        let alone = check(&[]);
        assert!(passed(&alone) == 11 && alone.contains("it has no backends"), "{alone}");
        let model = golden("toy/plain.toy").display().to_string();
        let explained = check(&["--model", &model]);
        assert!(passed(&explained) == 20 && explained.contains(&format!("{method}: ")), "{explained}");
    }
}

#[test]
fn method_templates_are_short() {
    for file in ["method-plugin/src/lib.rs", "cpp-method-plugin/rise.cpp"] {
        let text = std::fs::read_to_string(root().join("examples").join(file)).expect("a template");
        let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let lines = text.lines().filter(code).count();
        assert!(lines < 60, "{file} has {lines} lines");
    }
}

#[test]
fn the_backend_template_works_from_another_workspace() {
    let plugin = build_template("backend");
    let host = host_with(&plugin);
    assert_proof(&host, &plugin, Proof::LayoutVerified);

    let work = tempfile::tempdir().expect("a folder");
    let (model, input) = (bright_model(work.path()), bright_input());
    let found = explain_top(&host, &model, "score-cam", None, &input);
    assert_eq!((found.targets[0].class, found.layer.as_str()), (Some(3), "cells"));
    // One pass for the image, and one for each color's mask.
    assert_eq!((found.maps.shape(), found.passes), (&[1, 64, 64][..], 4));
    let (left, right) = (found.maps.data()[32 * 64 + 12], found.maps.data()[32 * 64 + 60]);
    assert!(right > left, "the bright edge {right} explains the class better than {left}");

    let file = work.path().join("input.npy");
    write_npy(&file, &input);
    let map = map_of_program(work.path(), &file, &model, "score-cam", &[&plugin]);
    assert_eq!((map.shape(), map.data()), (&[64, 64][..], found.maps.data()));

    // The other languages' templates are the same network.
    for plugin in c_and_cpp_templates(work.path()) {
        let host = host_with(&plugin);
        assert_proof(&host, &plugin, Proof::VersionChecked);
        let same = explain_top(&host, &model, "score-cam", None, &input);
        assert_eq!((same.targets[0].class, same.passes), (Some(3), 4), "{}", plugin.display());
        assert_eq!(same.maps.data(), found.maps.data(), "{}", plugin.display());
    }
}

#[test]
fn templates_in_c_and_cpp_pass_the_check_and_export_the_entry_alone() {
    let work = tempfile::tempdir().expect("a folder");
    for plugin in c_and_cpp_templates(work.path()) {
        let table = run(scorecam().arg("check").arg(&plugin));
        assert!(table.contains("backend brightness") && table.contains("empty model"), "{table}");
        let symbols = run(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(&plugin));
        let names: Vec<_> = symbols.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["scorecam_plugin_entry"], "{}", plugin.display());
    }
}

#[test]
fn the_method_of_the_cpp_template_shows_each_cell() {
    let work = tempfile::tempdir().expect("a folder");
    let plugin = c_and_cpp_templates(work.path()).pop().expect("four plugins");
    let host = host_with(&plugin);
    let found = explain_top(&host, &bright_model(work.path()), "mean-cells", None, &bright_input());
    assert_eq!(
        (found.maps.shape(), found.passes, range(found.maps.data())),
        (&[1, 64, 64][..], 1, (0.0, 1.0))
    );
    // A cell of 8 x 8 pixels has one value.
    assert_eq!(found.maps.data()[48], found.maps.data()[7 * 64 + 55]);
    assert_ne!(found.maps.data()[47], found.maps.data()[48]);
}

#[test]
fn nothing_leaves_a_cpp_plugin_but_a_status_and_a_message() {
    use ErrorKind::{Internal, Plugin, Unsupported};
    let work = tempfile::tempdir().expect("a folder");
    let source = root().join("tests/c/plugin_faults.cpp");
    let returned = [
        ("error", Unsupported, "the model is of another kind"),
        ("ok-status", Internal, "a failure that claims to be none"),
        ("null", Plugin, "load returned no engine"),
        ("remarks", Unsupported, "the model is of another kind"),
    ];
    let thrown = [
        ("std", Internal, "the weights are gone"),
        ("memory", Internal, "memory ran out"),
        ("number", Internal, "an exception that is not a std::exception was caught"),
    ];
    let modes: [(&[&str], Vec<_>); 2] =
        [(&[], [&returned[..], &thrown].concat()), (&["-fno-exceptions", "-fno-rtti"], returned.to_vec())];
    for (flags, faults) in modes {
        let plugin = compile_plugin("g++", &source, flags, work.path());
        let host = host_with(&plugin);
        let model = work.path().join("model.faulty");
        let ready = |device| host.backends_for("faulty", device).remove(0).readiness;
        assert_eq!(ready(None), Ok(Readiness::on_accelerator("an adder")), "{flags:?}");
        for (fault, kind, message) in faults {
            // A class that returns no engine has an answer all the same.
            if fault != "null" {
                let error = ready(Some(fault)).expect_err("not ready");
                assert!(error.kind() == kind && error.to_string().contains(message), "{fault}: {error}");
            }
            std::fs::write(&model, fault).expect("written");
            let loaded = host.load_model(ModelRequest { path: model.clone(), ..Default::default() });
            let error = loaded.err().unwrap_or_else(|| panic!("{fault} {flags:?} loads"));
            assert_eq!(error.kind(), kind, "{fault} {flags:?}: {error}");
            assert!(error.to_string().contains(message), "{fault} {flags:?}: {error}");
        }
        std::fs::write(&model, "none").expect("written");
        one_more_pass(&host, &model);
        // What its study refuses comes to the method as an error that it can catch.
        let input = Tensor::new([1, 2, 4, 4], vec![0.5; 32]).expect("a tensor");
        let stopped = explain_top(&host, &model, "stops", None, &input);
        assert!(stopped.warnings.iter().any(|w| w == "stopped by 3"), "{flags:?} {:?}", stopped.warnings);
    }
}

/// The method of `plugin_faults.cpp`: its pass is counted, its options and preset arrive, and it reports.
fn one_more_pass(host: &Host, model: &Path) {
    let values: Vec<f32> = (0..2 * 4 * 4).map(|i| i as f32 / 32.0).collect();
    let input = Tensor::new([1, 2, 4, 4], values.clone()).expect("a tensor");
    for (preset, factor) in [(None, 0.5), (Some("double"), 2.0)] {
        let found = explain_top(host, model, "one-more-pass", preset, &input);
        let expected: Vec<f32> = values[16..].iter().map(|v| v * factor).collect();
        assert_eq!((found.targets[0].class, found.passes), (Some(1), 2));
        assert_eq!((found.maps.shape(), found.maps.data()), (&[1, 4, 4][..], expected.as_slice()));
        for warning in ["the scores were 1", "it only adds", "it adds up in no order"] {
            assert!(found.warnings.iter().any(|w| w == warning), "{warning}: {:?}", found.warnings);
        }
    }
}
