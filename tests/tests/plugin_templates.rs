//! The template plugins build in a workspace of their own and work in the host and in the program.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use scorecam_core::{Explanation, Request, Targets, Tensor, explain};
use scorecam_host::{Host, ModelRequest, Proof};
use scorecam_tests::{golden, library, read_npy, root, scorecam, toy_host};

/// Builds `examples/NAME-plugin` as a stranger would: copied elsewhere, with the path to the SDK changed.
/// The lock file and the target folder are this repository's, so that nothing is fetched or built twice.
fn build_template(name: &str) -> PathBuf {
    let elsewhere = tempfile::Builder::new().prefix("another workspace ").tempdir().expect("a folder");
    let example = root().join("examples").join(format!("{name}-plugin"));
    let manifest = std::fs::read_to_string(example.join("Cargo.toml")).expect("the template's manifest");
    let relative = "\"../../plugins/sdk\"";
    assert!(manifest.contains(relative), "the template depends on {relative}");
    let sdk = format!("{:?}", root().join("plugins").join("sdk"));
    std::fs::write(elsewhere.path().join("Cargo.toml"), manifest.replace(relative, &sdk)).expect("written");
    std::fs::create_dir(elsewhere.path().join("src")).expect("a folder");
    std::fs::copy(example.join("src/lib.rs"), elsewhere.path().join("src/lib.rs")).expect("copied");
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
    let (prefix, suffix) = (std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    target.join("debug").join(format!("{prefix}scorecam_example_{name}{suffix}"))
}

/// Explains the best class with the method's defaults, or with a preset of its.
fn explain_top(host: &Host, model: &Path, method: &str, preset: Option<&str>, input: &Tensor) -> Explanation {
    let model = host.load_model(&ModelRequest { path: model.into(), ..Default::default() }).expect("loads");
    let method = host.method(method).expect("the method is known");
    let options = method.info().resolve(preset, &[]).expect("the options resolve");
    let request = Request {
        input: input.view(),
        reference: None,
        targets: Targets::Top(1),
        layer: None,
        options: &options,
        batch_size: None,
        output_activation: None,
        progress: &|_| ControlFlow::Continue(()),
    };
    explain(model.backend(), method.as_ref(), &request).expect("the explanation")
}

fn assert_layout_verified(host: &Host, plugin: &Path) {
    let plugin = plugin.canonicalize().expect("the plugin exists");
    let record = host.plugins().into_iter().find(|p| p.path.as_ref() == Some(&plugin)).expect("registered");
    assert_eq!(record.proof, Proof::LayoutVerified);
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

#[test]
fn the_method_template_works_from_another_workspace() {
    let plugin = build_template("method");
    let (model, input) = (golden("toy/plain.toy"), golden("toy/input-3x32x32.npy"));
    let host = toy_host();
    host.load_plugin(&plugin).expect("the template loads");
    assert_layout_verified(&host, &plugin);

    let tensor = read_npy(&input);
    let smooth = explain_top(&host, &model, "mean-activation", None, &tensor);
    assert_eq!((smooth.maps.shape(), smooth.passes), (&[1, 32, 32][..], 1));
    assert_eq!(range(smooth.maps.data()), (0.0, 1.0));
    let cells = explain_top(&host, &model, "mean-activation", Some("cells"), &tensor);
    // A cell of 4 x 4 pixels has one value.
    assert_eq!(cells.maps.data()[0], cells.maps.data()[3 * 32 + 3]);
    assert_ne!(cells.maps.data(), smooth.maps.data());

    let work = tempfile::tempdir().expect("a folder");
    let plugins = [plugin.as_path(), &library("scorecam_toy")];
    let map = map_of_program(work.path(), &input, &model, "mean-activation", &plugins);
    assert_eq!((map.shape(), map.data()), (&[32, 32][..], smooth.maps.data()));
}

#[test]
fn the_backend_template_works_from_another_workspace() {
    let plugin = build_template("backend");
    let host = Host::new(None).expect("the built-in methods register");
    host.load_plugin(&plugin).expect("the template loads");
    assert_layout_verified(&host, &plugin);

    let work = tempfile::tempdir().expect("a folder");
    let model = work.path().join("four.bright");
    std::fs::write(&model, "4\n").expect("written");
    // Red lies at the right edge, green at the left; dim blue is everywhere.
    let pixel = |i: usize| match (i / (64 * 64), i % 64) {
        (0, 48..) => 1.0,
        (1, ..8) => 0.5,
        (2, x) => 0.1 + x as f32 / 640.0,
        _ => 0.0,
    };
    let input = Tensor::new([1, 3, 64, 64], (0..3 * 64 * 64).map(pixel).collect()).expect("a tensor");
    let found = explain_top(&host, &model, "score-cam", None, &input);
    assert_eq!((found.targets[0].class, found.layer.as_str()), (3, "cells"));
    // One pass for the image, and one for each colour's mask.
    assert_eq!((found.maps.shape(), found.passes), (&[1, 64, 64][..], 4));
    let (left, right) = (found.maps.data()[32 * 64 + 12], found.maps.data()[32 * 64 + 60]);
    assert!(right > left, "the bright edge {right} explains the class better than {left}");

    let file = work.path().join("input.npy");
    write_npy(&file, &input);
    let map = map_of_program(work.path(), &file, &model, "score-cam", &[&plugin]);
    assert_eq!((map.shape(), map.data()), (&[64, 64][..], found.maps.data()));
}
