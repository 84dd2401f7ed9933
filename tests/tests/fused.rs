//! Several layers and mirrored images: what a mirror must not change, and what is refused.

use std::path::Path;

use scorecam::{
    ErrorKind, ExplainOptions, Explainer, Explanation, Fuse, Host, Image, Model, ModelRequest, Result, Tensor,
};
use scorecam_tests::{fetched, golden, library, read_npy, refused, run, scorecam, toy_host};

fn onnx_host() -> Host {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    host
}

fn explain(host: &Host, model: &Model, options: ExplainOptions, input: &Tensor) -> Result<Explanation> {
    Explainer::new(host, model, &options)?.explain(&Image::from(input.clone()))
}

/// Each row from right to left.
fn mirrored(tensor: &Tensor) -> Tensor {
    let width = *tensor.shape().last().expect("rows");
    let values = tensor.data().chunks(width).flat_map(|row| row.iter().rev().copied()).collect();
    Tensor::new(tensor.shape(), values).expect("the same shape")
}

/// The mirrored file of a mask, in `folder`.
fn mirrored_mask(mask: &Path, folder: &Path) -> String {
    let path = folder.join("mirrored.png");
    image::open(mask).expect("a mask").fliph().save(&path).expect("written");
    path.display().to_string()
}

/// The mean over an image and its mirror image is the same whichever of the two is given, where the target is mirrored, too.
#[test]
fn targets_are_mirrored_with_the_image() {
    let (host, folder) = (onnx_host(), tempfile::tempdir().expect("a folder"));
    let (input, mask) = (read_npy(&golden("targets/models/input.npy")), golden("targets/models/blocks.png"));
    let width = *input.shape().last().expect("columns") as f64;
    let (region, flipped) = (mask.display().to_string(), mirrored_mask(&mask, folder.path()));
    let a_box = |x0: f64, x1: f64| format!("box:{x0},8.5,{x1},17.5:0");
    let rows = [
        ("classes", "", "contrast:3-5".to_owned(), "contrast:3-5".to_owned()),
        (
            "segments",
            "[output]\nkind = \"segments\"\n",
            format!("region:{region}:2"),
            format!("region:{flipped}:2"),
        ),
        (
            "yolov5",
            "[output]\nkind = \"detections\"\nformat = \"yolov5\"\n",
            a_box(14.0, 26.5),
            a_box(width - 26.5, width - 14.0),
        ),
    ];
    for (model, output, target, mirror_target) in rows {
        let manifest = folder.path().join("model.toml");
        let file = golden(&format!("targets/models/{model}.onnx"));
        std::fs::write(&manifest, format!("[model]\nfile = {file:?}\n{output}")).expect("written");
        let model = host.load_model(manifest.as_path()).expect("it loads");
        let explained = |target: &str, augment: bool, input: &Tensor| {
            let set = [("final", "none"), ("post_relu", "false")];
            let options = ExplainOptions {
                ask: vec![target.to_owned()],
                set: set.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
                layer: Some("features".into()),
                augment,
                ..ExplainOptions::default()
            };
            explain(&host, &model, options, input).unwrap_or_else(|e| panic!("{target}: {e}"))
        };
        let (one, two) =
            (explained(&target, true, &input), explained(&mirror_target, true, &mirrored(&input)));
        let back = mirrored(&two.maps);
        let scale = one.maps.data().iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let apart = |a: &Tensor, b: &Tensor| {
            let pairs = a.data().iter().zip(b.data());
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) / scale
        };
        assert!(apart(&one.maps, &back) < 1e-4, "{target}: {}", apart(&one.maps, &back));
        let plain = explained(&target, false, &input);
        assert!(
            apart(&one.maps, &plain.maps) > 1e-3,
            "{target}: the mirror image tells something of its own"
        );
        assert_eq!(one.targets[0].output, plain.targets[0].output);
        let names = one.measures.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert!(names.contains(&"channels") && names.contains(&"mirrored channels"), "{names:?}");
    }
}

#[test]
fn what_cannot_be_fused_is_one_line() {
    let host = toy_host();
    let model = host.load_model(golden("toy/plain.toy")).expect("it loads");
    let input = read_npy(&golden("toy/input-3x32x32.npy"));
    let of = |layer: &str, set: &[(&str, &str)]| {
        let set = set.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let options = ExplainOptions { layer: Some(layer.into()), set, ..ExplainOptions::default() };
        explain(&host, &model, options, &input)
    };
    let both = of("relu1,features", &[]).expect("a map");
    assert_eq!(both.layer, "relu1,features");
    refused(of("relu1, features,relu1", &[]), ErrorKind::InvalidArgument, &["\"relu1\" was given twice"]);
    refused(of("relu1,nowhere", &[]), ErrorKind::NotFound, &["\"nowhere\""]);
    let host = onnx_host();
    let model = host.load_model(fetched("models/squeezenet1_1.onnx")).expect("it loads");
    let options = ExplainOptions {
        method: "eigen-cam".into(),
        layer: Some("fire5,features".into()),
        set: vec![("output".into(), "layer".into())],
        ..ExplainOptions::default()
    };
    let sizes = explain(&host, &model, options, &Tensor::zeros([1, 3, 227, 227]).expect("an image"));
    let words = ["\"fire5\" is 28 x 28", "\"features\" 14 x 14", "output=input"];
    refused(sizes, ErrorKind::InvalidArgument, &words);
    refused("sum".parse::<Fuse>(), ErrorKind::InvalidArgument, &["\"sum\"", "mean, max or product"]);
}

/// A model that is loaded for several layers runs in parts that end at these; one that is loaded for one of them does not.
#[test]
fn layers_named_at_load_give_the_maps_of_each() {
    let host = onnx_host();
    let (squeezenet, vit) = (fetched("models/squeezenet1_1.onnx"), golden("forms/models/vit_registers.onnx"));
    let rows = [
        (squeezenet, ["fire7", "fire8", "features"], [1, 3, 227, 227]),
        (vit, ["b0.mid", "b0.out", "b1.ln1"], [1, 3, 32, 32]),
    ];
    for (path, layers, shape) in rows {
        let load = |layer: &str| {
            let layer = Some(layer.to_owned());
            host.load_model(ModelRequest { layer, ..path.as_path().into() }).expect("it loads")
        };
        let input = Tensor::new(
            shape,
            (0..shape.iter().product()).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>(),
        );
        let input = input.expect("an image");
        let all = layers.join(",");
        let (together, first) = (load(&all), load(layers[0]));
        let map = |model: &Model, layer: Option<&str>| {
            let options = ExplainOptions {
                method: "recipro-cam".into(),
                layer: layer.map(str::to_owned),
                set: vec![("output".into(), "input".into())],
                ..ExplainOptions::default()
            };
            explain(&host, model, options, &input).unwrap_or_else(|e| panic!("{layer:?}: {e}"))
        };
        // Named at load, the layers need not be named again.
        let (fused, later) = (map(&together, None), map(&first, Some(&all)));
        assert_eq!(fused.layer, all);
        let each = layers.map(|layer| map(&together, Some(layer)).maps);
        for (place, found) in fused.maps.data().iter().enumerate() {
            let mean = each.iter().map(|map| map.data()[place]).sum::<f32>() / 3.0;
            assert!((found - mean).abs() < 1e-6, "{all}: {found} where the mean is {mean}");
            assert!((found - later.maps.data()[place]).abs() < 1e-4, "{all}");
        }
    }
}

#[test]
fn a_candidate_has_no_mirror_image() {
    let (host, folder) = (onnx_host(), tempfile::tempdir().expect("a folder"));
    let manifest = folder.path().join("model.toml");
    let file = golden("targets/models/yolov5.onnx");
    std::fs::write(&manifest, format!("[model]\nfile = {file:?}\nlayer = \"features\"\n")).expect("written");
    let model = host.load_model(manifest.as_path()).expect("it loads");
    let options =
        ExplainOptions { ask: vec!["candidate:21".into()], augment: true, ..ExplainOptions::default() };
    let input = read_npy(&golden("targets/models/input.npy"));
    refused(explain(&host, &model, options, &input), ErrorKind::Unsupported, &["no mirror image"]);
}

/// Each of several layers begins with what it learned itself of the frame before.
#[test]
fn frames_of_several_layers_begin_with_their_own() {
    let host = toy_host();
    let model = host.load_model(golden("toy/plain.toy")).expect("it loads");
    let image = Image::from(read_npy(&golden("toy/input-3x32x32.npy")));
    let maps = |layer: &str, after: bool| {
        let set = vec![("passes".to_owned(), "9".to_owned())];
        let method = "score-cam-adaptive".to_owned();
        let options = ExplainOptions { method, set, layer: Some(layer.into()), ..ExplainOptions::default() };
        let explainer = Explainer::new(&host, &model, &options).expect("an explainer");
        let first = explainer.explain(&image).expect("a map");
        if after { explainer.explain_next(&image, &first).expect("a map").maps } else { first.maps }
    };
    let (one, two) = (maps("relu1", true), maps("features", true));
    assert_ne!(one, maps("relu1", false), "something was learned");
    let mean = one.data().iter().zip(two.data()).map(|(a, b)| (a + b) / 2.0);
    assert!(maps("relu1,features", true).data().iter().zip(mean).all(|(a, b)| (a - b).abs() < 1e-6));
}

/// By the program, whose results say which layers they are of.
#[test]
fn the_program_fuses_layers() {
    let folder = tempfile::tempdir().expect("a folder");
    let explain = |more: &[&str], map: &str| {
        let mut command = scorecam();
        command
            .arg("explain")
            .arg(golden("toy/input-3x32x32.npy"))
            .arg("--model")
            .arg(golden("toy/plain.toy"));
        command.arg("--plugin").arg(library("scorecam_toy")).arg("--map").arg(folder.path().join(map));
        run(command.args(more));
        read_npy(&folder.path().join(map))
    };
    let printed = |layer: &str, more: &[&str]| explain(&[&["--layer", layer], more].concat(), "map.npy");
    let (a, b) = (printed("relu1", &[]), printed("features", &[]));
    let fused = printed("relu1,features", &["--fuse", "product"]);
    let product = a.data().iter().zip(b.data()).map(|(a, b)| a * b);
    assert!(fused.data().iter().zip(product).all(|(a, b)| (a - b).abs() < 1e-6));
    let augmented = printed("features", &["--augment"]);
    assert_ne!(augmented.data(), b.data());
    let mut warm = scorecam();
    warm.arg("explain").arg(golden("toy/input-3x32x32.npy")).arg("--model").arg(golden("toy/plain.toy"));
    warm.arg("--plugin").arg(library("scorecam_toy")).arg("--warm");
    let refused = warm.output().expect("it runs");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("--warm needs --method score-cam-adaptive"), "{said}");
    run(warm.args(["--method", "score-cam-adaptive"]));
}
