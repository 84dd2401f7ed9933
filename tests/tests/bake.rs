//! Models that give a map by themselves: what `scorecam bake` writes is run like any model, and gives recipro-cam's map.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use scorecam::{ErrorKind, ExplainOptions, Explainer, Host, Model, ModelRequest, Targets, Tensor};
use scorecam_core::{Bake, Inputs, noise};
use scorecam_tests::{Ended, cache, fetched, golden, library, read_npy, root, scorecam};

fn host() -> Host {
    let host = Host::new().expect("a host");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin");
    host
}

fn load(host: &Host, path: &Path, layer: Option<&str>) -> Model {
    let layer = layer.map(str::to_owned);
    let request = ModelRequest { path: path.into(), layer, ..ModelRequest::default() };
    host.load_model(request).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Noise, in the shape of `n` different images.
fn images(model: &Model, n: usize) -> Tensor {
    let axes = &model.info().input.shape[1..];
    let shape: Vec<usize> = axes.iter().zip([3, 32, 32]).map(|(axis, usual)| axis.unwrap_or(usual)).collect();
    let shape = [&[n], shape.as_slice()].concat();
    let count: usize = shape.iter().product();
    Tensor::new(shape, (0..count).map(noise).collect()).expect("images")
}

fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Bakes a model and compares its map with recipro-cam's, for several images and another class than the best.
fn check(host: &Host, path: &Path, folder: &Path) {
    let name = path.display();
    let model = load(host, path, None);
    let layer = model.info().layer(model.layer()).expect("a layer").name.clone();
    let out = folder.join("baked.onnx");
    std::fs::write(&out, model.bake_map(&layer, &out).unwrap_or_else(|e| panic!("{name}: {e}")))
        .expect("written");
    let baked = load(host, &out, Some(&layer));
    let n = model.info().batch.size(3);
    let images = images(&model, n);
    let found =
        baked.engine().forward(&Inputs::of(images.view()), &["saliency_map"]).expect("maps").remove(0);
    for i in 0..n {
        let shape = [&[1], &images.shape()[1..]].concat();
        let image = Tensor::new(shape, images.item(i).to_vec()).expect("an image");
        let options = ExplainOptions {
            method: "recipro-cam".into(),
            preset: Some("openvino-xai".into()),
            targets: Targets::Top(1),
            ..ExplainOptions::default()
        };
        let expected =
            Explainer::new(host, &model, &options).and_then(|e| e.explain(&image.into())).expect("a map");
        let off = difference(found.item(i), expected.maps.data());
        assert!(off <= 1e-5, "{name}, image {i}: off by {off}");
    }
}

#[test]
fn a_baked_model_gives_the_map_of_recipro_cam() {
    let (host, folder) = (host(), tempfile::tempdir().expect("a folder"));
    let small = [
        "vit",
        "vit_registers",
        "vit_token_behind",
        "swin_cells",
        "mixer",
        "convnext",
        "qdq",
        "f16_inside",
        "hybrid",
    ];
    let small = small.map(|name| golden("forms/models").join(format!("{name}.onnx")));
    let real =
        ["efficientnet_lite0.onnx", "squeezenet1_1.onnx"].map(|name| fetched(&format!("models/{name}")));
    small.iter().chain(&real).for_each(|path| check(&host, path, folder.path()));
}

/// Pooling and a linear layer need no second run of anything: what is added is small, and holds no weights.
#[test]
fn plain_endings_cost_next_to_nothing() {
    let (host, folder) = (host(), tempfile::tempdir().expect("a folder"));
    for name in ["efficientnet_lite0.onnx", "squeezenet1_1.onnx"] {
        let path = fetched(&format!("models/{name}"));
        let model = load(&host, &path, None);
        let baked = model.bake_map("features", &folder.path().join(name)).expect("a model");
        let added = baked.len() - std::fs::metadata(&path).expect("a file").len() as usize;
        assert!(added < 4096, "{name} grew by {added} bytes");
    }
}

#[test]
fn layers_are_tapped_and_heads_written() {
    let (host, folder) = (host(), tempfile::tempdir().expect("a folder"));
    let model = load(&host, &fetched("models/efficientnet_lite0.onnx"), None);
    let images = images(&model, 2);
    let own = model.engine().forward(&Inputs::of(images.view()), &["logits", "features"]).expect("a pass");
    let out = folder.path().join("tapped.onnx");
    std::fs::write(&out, model.engine().bake("features", Bake::Tap, &out).expect("a model"))
        .expect("written");
    let tapped = load(&host, &out, Some("features"));
    assert!(tapped.engine().info().outputs.iter().any(|o| o.name == "features"));
    let found = tapped.engine().forward(&Inputs::of(images.view()), &["features"]).expect("a pass");
    assert_eq!(found[0], own[1]);
    let head = model.engine().bake("features", Bake::Head, &folder.path().join("head.onnx")).expect("a head");
    assert!(head.len() < 6 << 20, "the classifier alone has {} bytes", head.len());
    let out = folder.path().join("head.onnx");
    std::fs::write(&out, head).expect("written");
    let head = load(&host, &out, None);
    let found = head.engine().forward(&Inputs::of(own[1].view()), &["logits"]).expect("a pass");
    assert!(difference(found[0].data(), own[0].data()) < 1e-4);
}

/// ONNX's checker, ONNX Runtime's Python package and OpenVINO have no part of ours.
#[test]
#[ignore = "long: cargo xtask soak"]
fn other_runtimes_give_the_same_map() {
    let (host, folder) = (host(), tempfile::tempdir().expect("a folder"));
    let environment = cache().join("bake/environment");
    let python = environment.join("bin/python");
    let run = |program: &Path, arguments: &[&str]| {
        let ended = Ended::of(Command::new(program).args(arguments), Duration::from_secs(1200));
        assert!(ended.status.is_some_and(|s| s.success()), "{arguments:?}: {} {}", ended.how(), ended.stderr);
    };
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let scripts = root().join("tests/bake");
    run(Path::new("python3"), &["-m", "venv", &text(&environment)]);
    run(&python, &["-m", "pip", "install", "--quiet", "-r", &text(&scripts.join("requirements.txt"))]);
    let small = ["vit", "swin_cells", "qdq"].map(|name| golden("forms/models").join(format!("{name}.onnx")));
    let real =
        ["efficientnet_lite0.onnx", "squeezenet1_1.onnx"].map(|name| fetched(&format!("models/{name}")));
    for path in small.iter().chain(&real) {
        let model = load(&host, path, None);
        let layer = model.info().layer(model.layer()).expect("a layer").name.clone();
        let [input, baked, out] =
            ["images.npy", "baked.onnx", "maps.npy"].map(|name| folder.path().join(name));
        std::fs::write(&baked, model.bake_map(&layer, &baked).expect("a model")).expect("written");
        let images = images(&model, 2);
        write_npy(&input, &images);
        run(&python, &[&text(&scripts.join("run.py")), &text(&input), &text(&baked), &text(&out)]);
        let found = read_npy(&out);
        let own = load(&host, &baked, Some(&layer));
        let expected = own.engine().forward(&Inputs::of(images.view()), &["saliency_map"]).expect("maps");
        let off = difference(found.data(), expected[0].data());
        assert!(off <= 1e-5, "{}: off by {off}", path.display());
    }
}

fn write_npy(path: &Path, tensor: &Tensor) {
    let shape = tensor.shape().iter().map(|&axis| axis.to_string()).collect::<Vec<_>>().join(", ");
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    let header = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(tensor.data().iter().flat_map(|v| v.to_le_bytes()));
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn what_has_no_map_is_refused_with_a_way_out() {
    let (host, folder) = (host(), tempfile::tempdir().expect("a folder"));
    let refused = |name: &str, layer: Option<&str>, words: &str| {
        let model = load(&host, &golden("forms/models").join(format!("{name}.onnx")), layer);
        let layer = model.info().layer(model.layer()).expect("a layer").name.clone();
        let error = model.bake_map(&layer, &folder.path().join("x.onnx")).expect_err(words);
        assert!(error.to_string().contains(words), "{name}: {error}");
        error.kind()
    };
    let unsupported = ErrorKind::Unsupported;
    assert_eq!(refused("logit", None, "one value per image"), unsupported);
    assert_eq!(refused("branch", None, "a loop or branch, \"If\""), unsupported);
    assert_eq!(refused("any_size", None, "give input.size in a manifest"), ErrorKind::InvalidArgument);
    assert_eq!(
        refused("external_weights", None, "write the new one beside them"),
        ErrorKind::InvalidArgument
    );
    refused("fixed_4", None, "export it with a variable batch size");
    let model = load(&host, &golden("forms/models/vit.onnx"), None);
    let inner = model.info().layers.iter().find(|l| l.operator == "Softmax").map(|l| l.name.clone());
    if let Some(layer) = inner {
        assert!(model.engine().bake(&layer, Bake::Head, &folder.path().join("x.onnx")).is_err());
    }
}

#[test]
fn the_program_writes_over_nothing_unasked() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("net.onnx");
    std::fs::copy(golden("forms/models/vit.onnx"), &model).expect("a copy");
    let run = |out: &PathBuf, more: &[&str]| {
        let mut command = scorecam();
        command.arg("bake").args(["--plugin".as_ref(), library("scorecam_onnx_cpu").as_os_str()]);
        command.arg("--model").arg(&model).arg("-o").arg(out).args(more).current_dir(root());
        Ended::of(&mut command, Duration::from_secs(60))
    };
    let out = folder.path().join("out.onnx");
    assert_eq!(run(&out, &[]).error(), None);
    let first = std::fs::read(&out).expect("written");
    let again = run(&out, &[]);
    assert!(again.error().is_some_and(|e| e.contains("already exists")), "{}", again.how());
    assert_eq!(run(&out, &["--overwrite", "--tap", "norm"]).error(), None);
    assert_ne!(std::fs::read(&out).expect("written"), first);
    let own = run(&model, &["--overwrite"]);
    assert!(own.error().is_some_and(|e| e.contains("is the model itself")), "{}", own.how());
}
