//! Models of every form that exports take: what is listed, what runs, and that runs agree.

mod common;

use common::{F32, Net, classifier, config, forward, image, load, value};
use scorecam_core::{BatchRule, LayerInfo, Layout, ModelBackend, OutputActivation, Tensor, ViewedModel};

fn names(model: &dyn ModelBackend) -> Vec<&str> {
    model.info().layers.iter().map(|l| l.name.as_str()).collect()
}

fn default_layer(model: &dyn ModelBackend) -> Option<&str> {
    default_of(&model.info().layers, model.info().default_layer)
}

fn default_of(layers: &[LayerInfo], default: Option<usize>) -> Option<&str> {
    default.map(|i| layers[i].name.as_str())
}

fn check_default(net: &Net, expected: Option<&str>) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = load(&config(&net.save(folder.path(), "m.onnx"))).expect("the model loads");
    assert_eq!(default_layer(&*model), expected, "of {:?}", names(&*model));
}

#[test]
fn shapes_come_from_the_runtime_where_the_file_tells_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = load(&config(&classifier(0).save(folder.path(), "m.onnx"))).expect("the model loads");
    let info = model.info();
    assert_eq!(names(&*model), ["conv1", "relu1", "conv2", "relu2", "gap"]);
    assert_eq!(info.layers[3].shape, [Some(6), Some(8), Some(8)]);
    assert_eq!(info.layers[3].operator, "Relu");
    assert_eq!(info.layers[4].shape, [Some(6), Some(1), Some(1)]);
    assert_eq!(default_layer(&*model), Some("relu2"));
    assert_eq!(info.input.shape, [None, Some(3), Some(8), Some(8)]);
    assert_eq!(info.outputs[0].shape, [None, Some(5)]);
    assert_eq!(info.outputs[0].applied, OutputActivation::None);
    assert!(matches!(info.batch, BatchRule::Any { .. }));
}

#[test]
fn declared_shapes_are_taken_as_they_are() {
    let mut net = classifier(0);
    for (name, shape) in [("conv1", [0, 8, 8, 8]), ("relu1", [0, 8, 8, 8]), ("conv2", [0, 6, 8, 8])] {
        net.graph.value_info.push(value(name, F32, &shape));
    }
    net.graph.value_info.push(value("relu2", F32, &[0, 6, 8, 8]));
    net.graph.value_info.push(value("gap", F32, &[0, 6, 1, 1]));
    net.graph.value_info.push(value("flat", F32, &[0, 6]));
    check_default(&net, Some("relu2"));
}

#[test]
fn the_default_layer_is_before_the_classifier() {
    // The classifier is a convolution whose maps are averaged.
    let fully_convolutional = Net::new(&[0, 3, 8, 8])
        .conv("input", "conv1", (3, 8))
        .node("Relu", "conv1", "features")
        .conv("features", "conv2", (8, 5))
        .node("Relu", "conv2", "class_maps")
        .node("GlobalAveragePool", "class_maps", "gap")
        .node("Flatten", "gap", "logits")
        .output("logits", &[0, 5]);
    check_default(&fully_convolutional, Some("features"));
    // As many channels as classes, by chance: still features, for a classifier follows.
    let square = Net::new(&[0, 3, 8, 8])
        .conv("input", "conv1", (3, 5))
        .node("Relu", "conv1", "relu1")
        .head("relu1", 5, 5)
        .output("logits", &[0, 5]);
    check_default(&square, Some("relu1"));
    // Dropout and the like only hand on what a layer computed.
    let dropout = Net::new(&[0, 3, 8, 8])
        .conv("input", "conv1", (3, 4))
        .node("Relu", "conv1", "relu1")
        .node("Identity", "relu1", "same")
        .head("same", 4, 5)
        .output("logits", &[0, 5]);
    check_default(&dropout, Some("relu1"));
    // A second branch that the scores do not depend on is no candidate.
    let branch = classifier(0).conv("relu2", "aux", (6, 9));
    check_default(&branch, Some("relu2"));
    let flat = Net::new(&[0, 3, 8, 8])
        .node("Flatten", "input", "flat")
        .weights("fc.weight", &[192, 5])
        .node("MatMul", "flat fc.weight", "logits")
        .output("logits", &[0, 5]);
    check_default(&flat, None);
}

#[test]
fn the_output_activation_is_reported_by_its_producer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (operator, expected) in [
        ("Softmax", OutputActivation::Softmax),
        ("Sigmoid", OutputActivation::Sigmoid),
        ("Tanh", OutputActivation::Unknown),
    ] {
        let mut net = classifier(0).node(operator, "logits", "act").node("Identity", "act", "scores");
        net.graph.output.clear();
        let path = net.output("scores", &[0, 5]).save(folder.path(), "m.onnx");
        let model = load(&config(&path)).expect("the model loads");
        assert_eq!(model.info().outputs[0].applied, expected, "{operator}");
    }
}

#[test]
fn a_fixed_batch_is_reported_and_enforced() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = load(&config(&classifier(1).save(folder.path(), "m.onnx"))).expect("the model loads");
    assert_eq!(model.info().batch, BatchRule::Fixed(1));
    assert_eq!(default_layer(&*model), Some("relu2"));
    assert!(forward(&*model, image([1, 3, 8, 8], 1).view(), &["relu2"]).is_ok());
    let error = forward(&*model, image([2, 3, 8, 8], 1).view(), &[]).expect_err("two images").to_string();
    assert_eq!(error, "input \"input\" must be [1, 3, 8, 8]; the tensor is [2, 3, 8, 8]");
}

#[test]
fn a_batch_that_is_free_in_name_only_is_found_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A target shape that is computed hides from inference what only a trial pass then tells.
    let net = Net::new(&[0, 3, 8, 8])
        .conv("input", "conv1", (3, 4))
        .integers("constant", &[1, 4, 8, 8])
        .node("Abs", "constant", "shape")
        .node("Reshape", "conv1 shape", "same")
        .head("same", 4, 5)
        .output("logits", &[0, 0]);
    let model = load(&config(&net.save(folder.path(), "m.onnx"))).expect("the model loads");
    assert_eq!(model.info().batch, BatchRule::Fixed(1));
    assert_eq!(model.info().outputs[0].shape[1], Some(5));
    assert_eq!(model.info().layer(Some("same")).expect("it is listed").shape, [Some(4), Some(8), Some(8)]);
    assert!(forward(&*model, image([1, 3, 8, 8], 1).view(), &["same"]).is_ok());
}

#[test]
fn free_sizes_are_set_by_the_configuration() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut net = classifier(0);
    net.graph.input[0] = value("input", F32, &[0, 3, 0, 0]);
    let path = net.save(folder.path(), "m.onnx");
    let free = load(&config(&path)).expect("the model loads");
    assert_eq!(free.info().layers[3].shape, [Some(6), None, None]);
    assert_eq!(default_layer(&*free), Some("relu2"));
    assert!(forward(&*free, image([1, 3, 10, 12], 1).view(), &[]).is_ok());

    let set = scorecam_core::ModelConfig { input_size: Some((10, 12)), ..config(&path) };
    let set = load(&set).expect("the model loads");
    assert_eq!(set.info().layers[3].shape, [Some(6), Some(10), Some(12)]);
    assert_eq!(set.info().input.shape, [None, Some(3), Some(10), Some(12)]);
    assert!(forward(&*set, image([1, 3, 8, 8], 1).view(), &[]).is_err());
}

#[test]
fn channels_last_models_take_and_give_channels_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let net = Net::new(&[0, 8, 6, 3])
        .node_with("Transpose", "input", "chw", &[("perm", &[0, 3, 1, 2])])
        .conv("chw", "conv1", (3, 8))
        .node("Relu", "conv1", "relu1")
        .conv("relu1", "conv2", (8, 6))
        .node_with("Transpose", "conv2", "hwc", &[("perm", &[0, 2, 3, 1])])
        .node("Relu", "hwc", "relu_hwc")
        .node_with("ReduceMean", "relu_hwc", "mean", &[("axes", &[1, 2])])
        .integers("axes", &[1, 2])
        .node("Squeeze", "mean axes", "flat")
        .weights("fc.weight", &[6, 5])
        .node("MatMul", "flat fc.weight", "logits")
        .output("logits", &[0, 5]);
    let path = net.save(folder.path(), "last.onnx");
    let last = scorecam_core::ModelConfig { layout: Some(Layout::Nhwc), ..config(&path) };
    let last = common::viewed(&last);
    assert_eq!(last.info().input.shape, [None, Some(3), Some(8), Some(6)]);
    assert_eq!(default_of(&last.info().layers, last.info().default_layer), Some("relu_hwc"));
    let layer = last.info().layer(Some("relu_hwc")).expect("it is listed");
    assert_eq!(layer.shape, [Some(6), Some(8), Some(6)]);

    let x = image([2, 3, 8, 6], 3);
    let got = last.forward(x.view(), &["relu_hwc", "conv2"]).expect("it runs");
    assert_eq!(got.activations[0].shape(), [2, 6, 8, 6]);
    let relu: Vec<f32> = got.activations[1].data().iter().map(|v| v.max(0.0)).collect();
    assert_eq!(got.activations[0].data(), relu);
}

#[test]
fn weights_in_another_file_are_found_beside_the_model() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let inside = load(&config(&classifier(0).save(folder.path(), "inside.onnx"))).expect("the model loads");
    let mut net = classifier(0);
    let mut data = vec![];
    for weights in &mut net.graph.initializer {
        let entry = |key: &str, value: String| common::Entry { key: key.into(), value };
        weights.external_data = vec![
            entry("location", "weights.bin".into()),
            entry("offset", data.len().to_string()),
            entry("length", weights.raw_data.len().to_string()),
        ];
        weights.data_location = 1;
        data.append(&mut weights.raw_data);
    }
    let path = net.save(folder.path(), "outside.onnx");
    let missing = common::refusal(&config(&path));
    assert!(missing.contains("weights.bin, which does not exist"), "{missing}");
    std::fs::write(folder.path().join("weights.bin"), data).expect("the folder can be written");
    let outside = load(&config(&path)).expect("the model loads");
    let x = image([3, 3, 8, 8], 5);
    let taps = ["relu1", "relu2"];
    let (a, b) = (
        forward(&*inside, x.view(), &taps).expect("runs"),
        forward(&*outside, x.view(), &taps).expect("runs"),
    );
    assert_eq!((a.scores, a.activations), (b.scores, b.activations));

    net.graph.initializer[0].external_data[0].value = "../weights.bin".into();
    let outer = common::refusal(&config(&net.save(folder.path(), "outer.onnx")));
    assert!(outer.contains("is not a file below its own folder"), "{outer}");
}

#[test]
fn scores_with_trailing_axes_of_one_are_squeezed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let net = Net::new(&[0, 3, 8, 8])
        .conv("input", "conv1", (3, 4))
        .node("Relu", "conv1", "relu1")
        .conv("relu1", "conv2", (4, 5))
        .node("GlobalAveragePool", "conv2", "scores")
        .output("scores", &[0, 5, 1, 1]);
    let model = common::viewed(&config(&net.save(folder.path(), "m.onnx")));
    assert_eq!(model.info().scores.as_ref().expect("scores").shape, [None, Some(5)]);
    assert_eq!(default_of(&model.info().layers, model.info().default_layer), Some("relu1"));
    // The output is itself a tensor of four axes, so it may be tapped like any other.
    let pass = model.forward(image([2, 3, 8, 8], 1).view(), &["scores", "conv2", "scores"]).expect("it runs");
    assert_eq!(pass.scores.shape(), [2, 5]);
    assert_eq!(pass.activations[0].shape(), [2, 5, 1, 1]);
    assert_eq!(pass.activations[0].data(), pass.scores.data());
    assert_eq!(pass.activations[0], pass.activations[2]);
}

#[test]
fn one_model_serves_many_threads_and_any_taps_bit_for_bit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = classifier(0).save(folder.path(), "m.onnx");
    let model = load(&scorecam_core::ModelConfig { threads: Some(2), ..config(&path) }).expect("loads");
    let sets: [&[&str]; 6] =
        [&[], &["relu2"], &["relu1"], &["conv1", "conv2"], &["gap"], &["relu2", "conv1", "relu1"]];
    let inputs: Vec<Tensor> = (1..5).map(|n| image([n, 3, 8, 8], n as u32)).collect();
    let run = |x: &Tensor, taps: &[&str]| {
        let pass = forward(&*model, x.view(), taps).expect("it runs");
        (pass.scores, pass.activations)
    };
    let expected: Vec<Vec<_>> = inputs.iter().map(|x| sets.iter().map(|t| run(x, t)).collect()).collect();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (expected, inputs, run, sets) = (&expected, &inputs, &run, &sets);
            scope.spawn(move || {
                for turn in 0..48 {
                    let (i, s) = ((turn + thread) % inputs.len(), (turn * 5 + thread) % sets.len());
                    assert_eq!(run(&inputs[i], sets[s]), expected[i][s], "input {i}, taps {:?}", sets[s]);
                }
            });
        }
    });
}

#[test]
fn a_model_changed_on_disk_is_not_mixed_with_the_one_loaded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = classifier(0).save(folder.path(), "m.onnx");
    let model = load(&config(&path)).expect("the model loads");
    classifier(1).save(folder.path(), "m.onnx");
    let x = image([2, 3, 8, 8], 1);
    assert!(forward(&*model, x.view(), &["relu2"]).is_ok(), "what is open stays open");
    let error = forward(&*model, x.view(), &["relu1"]).expect_err("another file").to_string();
    assert!(error.contains("was changed after it was loaded"), "{error}");
}
