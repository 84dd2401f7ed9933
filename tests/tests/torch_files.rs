//! What the libtorch backend makes of files: which outputs and layers a model offers, what is refused and with
//! which words.

use std::path::{Path, PathBuf};

use scorecam::{ErrorKind, ExplainOptions, Explanation, Host, Model, ModelRequest, Result, Tensor};
use scorecam_core::{BatchRule, OutputActivation};
use scorecam_tests::{built, explained, fetched, golden, refused, torch_host, torch_model};

const SIZE: [usize; 2] = [16, 16];

fn small(name: &str) -> PathBuf {
    golden("torch").join(name)
}

fn explain_zeros(host: &Host, model: &Model, method: &str, layer: Option<&str>) -> Result<Explanation> {
    let input = Tensor::new([1, 3, 16, 16], (0..3 * 256).map(|i| (i % 7) as f32 - 3.0).collect())?;
    let layer = layer.map(str::to_owned);
    let options = ExplainOptions { method: method.into(), layer, ..ExplainOptions::default() };
    explained(host, model, &options, &input)
}

#[test]
fn layers_are_the_modules_by_their_dotted_paths() {
    let host = torch_host();
    let model =
        torch_model(&host, &fetched("models/resnet18_random.ts.pt"), [224, 224], None).expect("loads");
    let info = model.info();
    let names: Vec<&str> = info.layers.iter().map(|l| l.name.as_str()).collect();
    assert!(!names.contains(&"layer4.1.relu"), "a module that is called twice can't be tapped");
    let place = |name| names.iter().position(|n| *n == name).unwrap_or_else(|| panic!("{name} in {names:?}"));
    let order =
        ["conv1", "bn1", "relu", "maxpool", "layer1.0.conv1", "layer4.1.conv2", "layer4.1", "layer4", "fc"];
    assert!(order.map(place).is_sorted(), "{names:?}");
    let layer = &info.layers[info.default_layer.expect("a default layer")];
    assert_eq!((layer.name.as_str(), layer.operator.as_str()), ("layer4", "Sequential"));
    assert_eq!(layer.shape, [Some(512), Some(7), Some(7)]);
    assert_eq!(info.input.shape, [None, Some(3), Some(224), Some(224)]);
    assert_eq!(info.scores.as_ref().expect("scores").shape, [None, Some(1000)]);
    assert_eq!(info.scores.as_ref().expect("scores").applied, OutputActivation::None);
    // Pooled maps are the same evidence in less detail.
    let model = torch_model(&host, &small("plain.pt"), SIZE, None).expect("loads");
    assert_eq!(model.info().layer(None).map(|l| l.name.as_str()), Ok("relu2"));
}

#[test]
fn a_trace_tells_its_input_size_and_batch() {
    let host = torch_host();
    let load = |name| host.load_model(ModelRequest { path: small(name), ..Default::default() });
    let model = load("plain.pt").expect("a traced model needs no manifest");
    assert_eq!(model.info().input.shape, [None, Some(3), Some(16), Some(16)]);
    let fixed = load("fixed_batch.pt").expect("loads");
    assert_eq!(fixed.info().batch, BatchRule::Fixed(2));
    explain_zeros(&host, &fixed, "score-cam", None).expect("a batch is filled up");
    explain_zeros(&host, &fixed, "grad-cam", None).expect("a batch is filled up");
    refused(
        load("plain_scripted.pt"),
        ErrorKind::InvalidArgument,
        &["plain_scripted.pt", "size = [height, width]"],
    );
}

#[test]
fn what_the_graph_ends_in_is_seen() {
    let host = torch_host();
    for (name, ending) in [
        ("plain.pt", OutputActivation::None),
        ("softmax.pt", OutputActivation::Softmax),
        ("softmax_call.pt", OutputActivation::Softmax),
    ] {
        let model = torch_model(&host, &small(name), SIZE, None).expect("loads");
        assert_eq!(model.info().scores.as_ref().expect("scores").applied, ending, "{name}");
    }
}

#[test]
fn inputs_of_other_forms_are_found_by_trial() {
    let host = torch_host();
    for (name, channels) in [("grey.pt", 1), ("half_frozen.pt", 3), ("counts.pt", 3)] {
        let model = torch_model(&host, &small(name), SIZE, None).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(model.info().input.shape, [None, Some(channels), Some(16), Some(16)], "{name}");
        let batch = Tensor::zeros([2, channels, 16, 16]).expect("a batch");
        let scores =
            model.backend().forward(batch.view(), &[]).unwrap_or_else(|e| panic!("{name}: {e}")).scores;
        assert!(scores.data().iter().all(|v| v.is_finite()), "{name}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("channels_last.toml");
    let file = small("channels_last.pt");
    let text = format!(
        "[model]\nfile = {file:?}\nbackend = \"libtorch\"\n[input]\nsize = {SIZE:?}\nlayout = \"nhwc\"\n"
    );
    std::fs::write(&manifest, text).expect("the manifest is written");
    let model = host.load_model(ModelRequest { path: manifest, ..Default::default() }).expect("loads");
    assert_eq!(model.info().input.shape, [None, Some(3), Some(16), Some(16)], "tensors stay [N, C, H, W]");
    explain_zeros(&host, &model, "score-cam", Some("relu2")).expect("a map");
    let segments = torch_model(&host, &small("segments.pt"), SIZE, None).expect("loads");
    let why = segments.info().scores.clone();
    refused(why, ErrorKind::Unsupported, &["[N, 8, 8, 8]", "a score per pixel"]);
    let found = explain_zeros(&host, &segments, "score-cam", None).expect("a map of a region");
    assert_eq!(found.targets[0].text, "region:predicted");
}

#[test]
fn settings_in_ifs_hide_no_layers_and_shape_checks_no_cuts() {
    let host = torch_host();
    let model = torch_model(&host, &small("settings.pt"), SIZE, None).expect("loads");
    let names: Vec<&str> = model.info().layers.iter().map(|l| l.name.as_str()).collect();
    assert!(names.contains(&"joined.conv") && names.contains(&"single.conv"), "{names:?}");
    // What an identity hands on is not its own: the model uses it past the identity, too.
    let model = torch_model(&host, &small("writes_in_place.pt"), SIZE, None).expect("loads");
    let handed = Tensor::zeros([1, 6, 16, 16]).expect("activations");
    let image = Tensor::zeros([1, 3, 16, 16]).expect("an image");
    refused(
        model.backend().run_from(image.view(), "hand_on", handed.view()),
        ErrorKind::Unsupported,
        &["hand_on", "past it"],
    );
    model
        .backend()
        .run_from(image.view(), "block", handed.view())
        .expect("everything passes through the block");
}

#[test]
fn several_outputs_are_chosen_by_name() {
    let host = torch_host();
    let load = |name: &str, output| torch_model(&host, &small(name), SIZE, output);
    for (name, output) in
        [("tuple.pt", "0"), ("named_tuple.pt", "logits"), ("dict.pt", "logits"), ("dict_traced.pt", "logits")]
    {
        let model = load(name, Some(output)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(model.info().scores.as_ref().expect("scores").name, output);
        explain_zeros(&host, &model, "score-cam", Some("relu2")).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (name, outputs) in [
        ("tuple.pt", "0 (f32 [N, 5]), 1 (f32 [N, 3])"),
        ("named_tuple.pt", "aux (f32 [N, 3]), logits (f32 [N, 5])"),
        ("dict.pt", "logits (f32 [N, 5]), aux (f32 [N, 3])"),
        ("dict_traced.pt", "logits (f32 [N, 5]), aux (f32 [N, 3])"),
    ] {
        let model = load(name, None).expect("which output has the scores is asked by classes alone");
        let unclear = ErrorKind::Unsupported;
        refused(model.info().scores.clone(), unclear, &[outputs, "output.name"]);
        refused(explain_zeros(&host, &model, "score-cam", Some("relu2")), unclear, &[outputs, "output.name"]);
    }
    for (name, output, outputs) in [
        ("tuple.pt", "2", "0 (f32 [N, 5]), 1 (f32 [N, 3])"),
        // Fields that have names are known by these.
        ("named_tuple.pt", "0", "aux (f32 [N, 3]), logits (f32 [N, 5])"),
        ("named_tuple.pt", "scores", "aux (f32 [N, 3]), logits (f32 [N, 5])"),
        ("dict.pt", "scores", "logits (f32 [N, 5]), aux (f32 [N, 3])"),
        ("plain.pt", "scores", "output (f32 [N, 5])"),
    ] {
        let words = [name, &format!("output {output:?} is not in the model; outputs: {outputs}")];
        refused(load(name, Some(output)), ErrorKind::NotFound, &words);
    }
    refused(load("two_inputs.pt", None), ErrorKind::Model, &["two_inputs.pt", "second input"]);
}

#[test]
fn modules_that_cannot_be_tapped_are_refused_with_the_reason() {
    let host = torch_host();
    let rows = [
        ("twice.pt", "shared", "called 2 times"),
        ("twice_scripted.pt", "relu1", "called 2 times"),
        ("branches.pt", "wide", "inside an if"),
        ("many_tensors_scripted.pt", "split", "not one tensor"),
        ("many_tensors_scripted.pt", "pyramid", "not one tensor"),
        ("plain.pt", "conv9", "layers with spatial extent"),
    ];
    for (name, layer, why) in rows {
        let model = torch_model(&host, &small(name), SIZE, None).unwrap_or_else(|e| panic!("{name}: {e}"));
        let kind = if layer == "conv9" { ErrorKind::NotFound } else { ErrorKind::InvalidArgument };
        // Named for the call, and named when the model is loaded.
        refused(explain_zeros(&host, &model, "score-cam", Some(layer)), kind, &[layer, why]);
        let request = ModelRequest { path: small(name), layer: Some(layer.into()), ..Default::default() };
        if !name.contains("scripted") && !name.contains("branches") {
            refused(host.load_model(request), kind, &[layer, why]);
        }
    }
    for name in ["mlp.pt", "plain_frozen.pt"] {
        let model = torch_model(&host, &small(name), SIZE, None).expect("loads");
        let found = explain_zeros(&host, &model, "score-cam", None);
        refused(found, ErrorKind::InvalidArgument, &["no layer", "spatial extent"]);
    }
}

#[test]
fn files_that_are_no_torchscript_are_named_for_what_they_are() {
    let host = torch_host();
    let load = |path: &Path| {
        host.load_model(ModelRequest {
            path: path.into(),
            backend: Some("libtorch".into()),
            ..Default::default()
        })
    };
    for (name, what) in [
        ("state_dict.pth", "a checkpoint"),
        ("state_dict_old.pth", "Python pickle"),
        ("whole_module.pth", "a checkpoint"),
        ("exported.pt2", ".pt2"),
    ] {
        refused(load(&small(name)), ErrorKind::Model, &[name, what, "torch.jit.trace"]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let whole = std::fs::read(small("plain.pt")).expect("a model");
    for kept in [0, 2, 100, whole.len() / 2, whole.len() - 1] {
        let path = folder.path().join("cut.pt");
        std::fs::write(&path, &whole[..kept]).expect("written");
        refused(load(&path), ErrorKind::Model, &["cut.pt"]);
    }
    // Whole as an archive, spoiled inside.
    let mut spoiled = whole.clone();
    let code = whole.windows(7).position(|w| w == b"forward").expect("the code");
    spoiled[code..code + 7].copy_from_slice(b"f(rward");
    let path = folder.path().join("spoiled.pt");
    std::fs::write(&path, &spoiled).expect("written");
    refused(load(&path), ErrorKind::Model, &["spoiled.pt"]);
    refused(load(&folder.path().join("missing.pt")), ErrorKind::Io, &["missing.pt"]);
    refused(load(folder.path()), ErrorKind::Io, &["folder"]);
}

#[test]
fn wrong_sizes_devices_and_settings_are_refused() {
    let host = torch_host();
    let plain = small("plain.pt");
    let with = |change: &dyn Fn(&mut ModelRequest)| {
        let mut request = ModelRequest { path: plain.clone(), ..Default::default() };
        change(&mut request);
        host.load_model(request)
    };
    let device = |name: &'static str| with(&|r| r.device = Some(name.into()));
    let unsupported = ErrorKind::Unsupported;
    refused(device("cuda"), unsupported, &["\"cuda\"", "only for the CPU"]);
    refused(device("cuda:7"), unsupported, &["\"cuda:7\""]);
    refused(device("tpu"), unsupported, &["\"tpu\"", "cuda:N"]);
    device("cpu").expect("the CPU is always there");
    let set =
        |key: &'static str, value: &'static str| with(&|r| drop(r.settings.insert(key.into(), value.into())));
    refused(set("speed", "1"), ErrorKind::NotFound, &["\"speed\"", "optimization"]);
    refused(set("optimization", "some"), ErrorKind::InvalidArgument, &["\"some\"", "none, all"]);
    refused(set("runtime", "/nowhere"), ErrorKind::InvalidArgument, &["/nowhere", "already runs"]);
    refused(with(&|r| r.threads = Some(0)), ErrorKind::InvalidArgument, &["threads"]);

    let size = |size| torch_model(&host, &plain, size, None);
    let wrong = torch_model(&host, &small("mlp.pt"), [5, 5], None);
    refused(wrong, ErrorKind::Model, &["mlp.pt", "[3, 5, 5]", "input.size", "shapes cannot be multiplied"]);
    // oneDNN's pooling takes no such size, PyTorch's does: the model runs as it was exported.
    size([5, 5]).expect("loads");
    // On a machine without a GPU this file loads, and fails when its code names the GPU.
    torch_model(&host, &small("cuda_weights.pt"), SIZE, None).expect("weights move to the CPU");
    refused(torch_model(&host, &small("cuda_code.pt"), SIZE, None), ErrorKind::Model, &["cuda_code.pt"]);

    let model = size(SIZE).expect("loads");
    let small = Tensor::zeros([1, 3, 8, 8]).expect("a tensor");
    refused(
        model.backend().forward(small.view(), &[]),
        ErrorKind::InvalidArgument,
        &["[N, 3, 16, 16]", "[1, 3, 8, 8]"],
    );
    let right = Tensor::zeros([1, 3, 16, 16]).expect("a tensor");
    refused(
        model.backend().gradients(right.view(), "relu2", 99),
        ErrorKind::InvalidArgument,
        &["99", "5 classes"],
    );
}

#[test]
fn optimisation_changes_no_map_by_more_than_rounding() {
    let host = torch_host();
    for name in ["plain.pt", "inplace.pt", "twice.pt", "modifies_input.pt"] {
        let load = |optimization: &str| {
            let settings = [("optimization".to_owned(), optimization.to_owned())].into();
            host.load_model(ModelRequest { path: small(name), settings, ..Default::default() })
                .expect("loads")
        };
        let maps =
            |model: &Model| explain_zeros(&host, model, "score-cam", Some("conv1")).expect("a map").maps;
        let (all, none) = (maps(&load("all")), maps(&load("none")));
        let far = all.data().iter().zip(none.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-4, "{name}: {far}");
    }
}

/// In a process of its own, which may have 3 GB of addresses: the first convolution's result alone has 4 GB.
#[cfg(target_os = "linux")]
#[test]
fn running_out_of_memory_is_an_error_and_no_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("large.toml");
    let file = fetched("models/resnet18_random.ts.pt");
    let text = format!("[model]\nfile = {file:?}\nbackend = \"libtorch\"\n[input]\nsize = [8192, 8192]\n");
    std::fs::write(&manifest, text).expect("the manifest is written");
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 3000000 && exec \"$0\" layers --model \"$1\""])
        .args([built("scorecam").as_os_str(), manifest.as_os_str()])
        .output()
        .expect("sh is there");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("out of memory") && message.trim_end().lines().count() == 1, "{message}");
}
