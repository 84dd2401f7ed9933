//! TorchScript models whose tensors are no plain maps or class scores are read for what they are: tokens, maps with channels
//! last, one value an image, several outputs, and results that depend on the batch.
//!
//! Models and maps are those of `tests/golden/torch/forms`, made there by PyTorch and numpy; `forms.py` says how.

use std::path::PathBuf;

use scorecam::{ErrorKind, ExplainOptions, Explanation, Host, Model, ModelRequest, Result, Tensor};
use scorecam_core::{BatchRule, Meaning, OutputActivation};
use scorecam_tests::{explained, golden, read_npy, refused, torch_host, torch_model};
use serde::Deserialize;

const SIZE: [usize; 2] = [32, 32];
const TOLERANCE: f32 = 1e-4;

/// A row of `forms.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    model: String,
    layer: String,
    /// How the layer lies, in the words of `--layer-grid`.
    grid: String,
    /// Its axes behind the batch.
    shape: Vec<usize>,
    method: String,
    class: usize,
    score: f64,
    /// The index of the expected map.
    map: usize,
}

fn file(name: &str) -> PathBuf {
    golden("torch/forms").join(format!("{name}.pt"))
}

fn load(host: &Host, name: &str) -> Model {
    torch_model(host, &file(name), SIZE, None).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn image() -> Tensor {
    read_npy(&golden("torch/forms/image.npy"))
}

fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(golden("torch/forms.json")).expect("the index is readable");
    serde_json::from_str(&text).expect("the index has its form")
}

fn explain(host: &Host, model: &Model, method: &str, layer: Option<&str>) -> Result<Explanation> {
    let layer = layer.map(str::to_owned);
    let options = ExplainOptions { method: method.into(), layer, ..ExplainOptions::default() };
    explained(host, model, &options, &image())
}

/// The largest difference of two rows of values.
fn far(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn maps_are_those_of_python() {
    let (host, rows, maps) = (torch_host(), rows(), read_npy(&golden("torch/forms/maps.npy")));
    let mut unasked = "";
    for row in &rows {
        let model = load(&host, &row.model);
        let name = format!("{} of {} {}", row.method, row.model, row.layer);
        let layers = model.all_raw_layers().expect(&name);
        let raw = layers.iter().find(|l| l.name == row.layer).expect(&name);
        let shape: Vec<_> = row.shape.iter().copied().map(Some).collect();
        assert_eq!(raw.shape, shape, "{name}");
        match raw.meaning {
            Meaning::Map(form) => assert_eq!(form.to_string(), row.grid, "{name}"),
            meaning => panic!("{name} is {meaning:?}"),
        }
        // The layer of a model's first row is the one to take unasked.
        let is_first = std::mem::replace(&mut unasked, &row.model) != row.model;
        let layer = (!is_first || row.model == "vit_two_first").then_some(row.layer.as_str());
        let found = explain(&host, &model, &row.method, layer).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((&found.layer, found.targets[0].class), (&row.layer, Some(row.class)), "{name}");
        let scores = model.backend().forward(image().view(), &[]).expect(&name).scores;
        let score = f64::from(scores.data()[row.class]);
        assert!((score - row.score).abs() < 1e-5, "{name}: {score}");
        let apart = far(found.maps.data(), maps.item(0).chunks(SIZE[0] * SIZE[1]).nth(row.map).expect(&name));
        assert!(apart <= TOLERANCE, "{name} is {apart} from the expected map");
    }
}

#[test]
fn an_attention_is_never_taken_unasked() {
    let host = torch_host();
    for name in ["vit", "vit_scripted", "swin"] {
        let model = load(&host, name);
        let inside = |name: &str| name.contains("softmax") || name.contains("drop");
        let layers = model.raw_layers();
        let preferred = layers.iter().filter(|l| inside(&l.name) && l.preference > 0);
        assert_eq!(preferred.map(|l| &l.name).collect::<Vec<_>>(), Vec::<&String>::new(), "{name}");
    }
    let model = load(&host, "vit");
    let layers = model.all_raw_layers().expect("a look at all layers");
    let scores = layers.iter().find(|l| l.name.ends_with("softmax")).expect("attention scores");
    assert_eq!(
        (scores.meaning, scores.shape.as_slice()),
        (Meaning::NoMap, &[Some(2), Some(17), Some(17)][..])
    );
    let found = explain(&host, &model, "score-cam", Some(&scores.name));
    refused(found, ErrorKind::InvalidArgument, &["softmax", "no map of the image"]);
}

#[test]
fn tokens_go_both_ways_through_the_view() {
    let host = torch_host();
    for (name, layer) in
        [("vit", "blocks.0"), ("vit", "norm"), ("vit_two_first", "blocks.0"), ("swin", "stage1")]
    {
        let model = load(&host, name);
        let (backend, image) = (model.backend(), image());
        let whole = backend.forward(image.view(), &[layer]).expect("it runs");
        let maps = &whole.activations[0];
        let back = backend.run_from(image.view(), layer, maps.view()).expect("it runs from there");
        assert!(far(back.data(), whole.scores.data()) < 1e-5, "{name} {layer}");
        if name == "swin" || layer == "norm" {
            continue;
        }
        // A step along the gradient changes the score by its square.
        let class = 2;
        let slopes = backend.gradients(image.view(), layer, class).expect("it differentiates");
        assert_eq!(slopes.shape(), maps.shape());
        let square: f32 = slopes.data().iter().map(|v| v * v).sum();
        let (step, mut moved) = (0.01 / square.sqrt(), maps.clone());
        moved.data_mut().iter_mut().zip(slopes.data()).for_each(|(v, slope)| *v += step * slope);
        let after = backend.run_from(image.view(), layer, moved.view()).expect("it runs");
        let gained = after.data()[class] - whole.scores.data()[class];
        assert!((gained - step * square).abs() < 0.05 * step * square, "{name} {layer}: {gained}");
    }
}

#[test]
fn one_value_has_two_sides() {
    let host = torch_host();
    for (name, applied) in
        [("one_logit", OutputActivation::Binary), ("one_probability", OutputActivation::Probability)]
    {
        let model = load(&host, name);
        assert_eq!(model.info().scores.as_ref().expect("scores").applied, applied, "{name}");
        assert_eq!(model.info().scores.as_ref().expect("scores").shape, [None, Some(2)], "{name}");
        let both = Tensor::new([2, 3, 32, 32], [image().data(), image().data()].concat()).expect("a batch");
        let slopes = |class| model.backend().gradients(both.view(), "trunk", class).expect("a gradient");
        let (against, own) = (slopes(0), slopes(1));
        let negated: Vec<f32> = against.data().iter().map(|v| -v).collect();
        assert_eq!(own.data(), negated, "{name}");
        assert!(own.data().iter().any(|v| *v != 0.0), "{name}");
    }
}

#[test]
fn the_output_that_looks_like_class_scores_is_chosen() {
    let host = torch_host();
    for (name, output) in [("with_boxes", "1"), ("with_boxes_by_name", "scores")] {
        let model = load(&host, name);
        assert_eq!(model.info().scores.as_ref().expect("scores").name, output);
        assert_eq!(model.info().scores.as_ref().expect("scores").shape, [None, Some(5)]);
        let named = torch_model(&host, &file(name), SIZE, Some(output)).expect("loads");
        assert_eq!(named.info(), model.info());
        let boxes = if name == "with_boxes" { "0" } else { "boxes" };
        let words = ["[N, 64, 4]", "a list of vectors"];
        let of_boxes = torch_model(&host, &file(name), SIZE, Some(boxes)).expect("loads");
        refused(of_boxes.info().scores.clone(), ErrorKind::Unsupported, &words);
        refused(explain(&host, &of_boxes, "score-cam", Some("trunk")), ErrorKind::Unsupported, &words);
        // Scores are not made of the boxes' maps, which come last.
        let layer =
            |name: &str| model.raw_layers().iter().find(|l| l.name == name).expect("a layer").preference;
        assert!(layer("boxes") == 0 && layer("trunk") > 0);
    }
    let words = ["\"class\" is i64", "floating-point numbers"];
    let labels = torch_model(&host, &file("with_boxes_by_name"), SIZE, Some("class"));
    refused(labels, ErrorKind::Unsupported, &words);
}

#[test]
fn models_that_depend_on_the_batch_run_one_image_at_a_time() {
    let host = torch_host();
    for name in ["norm_of_batch", "norm_in_training"] {
        let model = load(&host, name);
        assert_eq!(model.info().batch, BatchRule::Fixed(1), "{name}");
        let remarks = model.remarks().join("\n");
        assert!(remarks.contains("depends on the rest of its batch"), "{name}: {remarks}");
    }
    // Scripts ask for their mode, and are run in evaluation mode whatever they were saved in.
    for name in ["norm_in_training_scripted", "dropout_in_training_scripted"] {
        let model = load(&host, name);
        assert!(matches!(model.info().batch, BatchRule::Any { .. }), "{name}");
        assert_eq!(model.remarks(), Vec::<String>::new(), "{name}");
    }
    let remarks = load(&host, "dropout_in_training").remarks().join("\n");
    assert!(remarks.contains("returns different results for equal images"), "{remarks}");
}

#[test]
fn what_holds_no_class_scores_is_refused_by_what_it_looks_like() {
    let host = torch_host();
    let model = load(&host, "embedding");
    refused(model.info().scores.clone(), ErrorKind::Unsupported, &["scaled to length 1"]);
    refused(explain(&host, &model, "score-cam", None), ErrorKind::Unsupported, &["scaled to length 1"]);
}

#[test]
fn a_trace_tells_the_order_of_axes() {
    let host = torch_host();
    let request = ModelRequest { path: file("takes_channels_last"), ..Default::default() };
    let model = host.load_model(request).expect("loads");
    assert_eq!(model.info().input.shape, [None, Some(3), Some(32), Some(32)]);
    assert_eq!(model.info().layer(None).map(|l| l.name.as_str()), Ok("trunk"));
}
