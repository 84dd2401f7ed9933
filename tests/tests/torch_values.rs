//! The libtorch backend computes what Python's PyTorch does: scores, activations, gradients, and runs from an
//! inner layer, on small networks of every shape that TorchScript allows and on torchvision's ResNet-18.
//!
//! The expected values were made with eager modules and hooks; `tests/golden/torch/README.md` says how.

use std::collections::BTreeMap;

use scorecam::{Host, Model};
use scorecam_core::{ErrorKind, Tensor, TensorView, ViewedModel};
use scorecam_tests::{fetched, golden, read_npy, torch_host, torch_model};
use serde::Deserialize;

#[derive(Deserialize)]
struct Index {
    tolerance: f64,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    cases: Vec<GoldenMap>,
}

#[derive(Deserialize)]
struct Input {
    name: String,
    shape: [usize; 4],
    cell: usize,
    sum: f64,
    last: f32,
}

#[derive(Deserialize)]
struct Output {
    model: String,
    input: String,
    scores: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct GoldenMap {
    name: String,
    model: String,
    input: String,
    layer: String,
    class: usize,
    scores: Values,
    activation: Values,
    gradient: Values,
    scores_from_half: Values,
}

/// A tensor in a file of many, of which every `stride`-th row and column is kept.
#[derive(Deserialize)]
struct Values {
    file: String,
    offset: usize,
    shape: Vec<usize>,
    stride: usize,
    sum: f64,
    abs_sum: f64,
}

fn index() -> Index {
    let text = std::fs::read_to_string(golden("torch.json")).expect("the index is readable");
    serde_json::from_str(&text).expect("the index has its form")
}

/// The inputs by name, made by the generator that the index's README describes.
fn inputs(index: &Index) -> BTreeMap<&str, Tensor> {
    index.inputs.iter().map(|input| (input.name.as_str(), made(input))).collect()
}

fn made(input: &Input) -> Tensor {
    let [n, c, height, width] = input.shape;
    let mut state = 1u64;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as f32 - 128.0
    };
    let (rows, columns) = (height / input.cell, width / input.cell);
    let coarse: Vec<f32> = (0..n * c * rows * columns).map(|_| draw() / 64.0).collect();
    let values: Vec<f32> = (0..n * c * height * width)
        .map(|i| {
            let (plane, y, x) = (i / (height * width), i / width % height, i % width);
            coarse[(plane * rows + y / input.cell) * columns + x / input.cell] + draw() / 512.0
        })
        .collect();
    let sum: f64 = values.iter().map(|&v| f64::from(v)).sum();
    assert_eq!((sum, values.last()), (input.sum, Some(&input.last)), "input {}", input.name);
    Tensor::new(input.shape, values).expect("a batch")
}

/// The model of a row: models that return more than one tensor are asked for their scores.
fn load(host: &Host, model: &str, size: [usize; 2]) -> Model {
    let path = match model.strip_prefix("torch/") {
        Some(_) => golden(model),
        None => fetched(&format!("models/{model}")),
    };
    let output = ["dict", "named_tuple"]
        .iter()
        .any(|kind| model.contains(kind))
        .then_some("logits")
        .or(model.ends_with("/tuple.pt").then_some("0"));
    torch_model(host, &path, size, output).unwrap_or_else(|e| panic!("{model}: {e}"))
}

/// The largest difference as a part of the largest magnitude, and of the sums over all values.
fn far(found: &Tensor, wanted: &Values) -> f64 {
    assert_eq!(found.shape(), wanted.shape);
    let file = read_npy(&golden(&wanted.file));
    let kept = &file.data()[wanted.offset..];
    let (height, width) = match wanted.shape[..] {
        [.., height, width] if wanted.stride > 1 => (height, width),
        _ => (1, found.data().len()),
    };
    let cells = (0..found.data().len()).filter(|i| {
        (i / width % height).is_multiple_of(wanted.stride) && (i % width).is_multiple_of(wanted.stride)
    });
    let largest = found.data().iter().fold(0.0f64, |m, &v| m.max(f64::from(v).abs()));
    let cell = cells.zip(kept).map(|(i, want)| (f64::from(found.data()[i]) - f64::from(*want)).abs());
    let cell = cell.fold(0.0, f64::max) / largest.max(f64::MIN_POSITIVE);
    let sum: f64 = found.data().iter().map(|&v| f64::from(v)).sum();
    let abs_sum: f64 = found.data().iter().map(|&v| f64::from(v).abs()).sum();
    let sums = (sum - wanted.sum).abs().max((abs_sum - wanted.abs_sum).abs()) / wanted.abs_sum.max(1.0);
    cell.max(sums)
}

#[test]
fn scores_are_those_of_python() {
    let (index, host) = (index(), torch_host());
    let inputs = inputs(&index);
    for row in &index.outputs {
        let input = &inputs[row.input.as_str()];
        let model = load(&host, &row.model, [input.shape()[2], input.shape()[3]]);
        let found =
            model.backend().forward(input.view(), &[]).unwrap_or_else(|e| panic!("{}: {e}", row.model));
        for (i, wanted) in row.scores.iter().enumerate() {
            let largest = wanted.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for (a, b) in found.scores.item(i).iter().zip(wanted) {
                assert!(
                    (a - b).abs() <= 1e-5 * largest.max(1.0),
                    "{} on {}: {a}, not {b}",
                    row.model,
                    row.input
                );
            }
        }
    }
}

#[test]
fn activations_and_gradients_are_those_of_python() {
    let (index, host) = (index(), torch_host());
    let inputs = inputs(&index);
    let mut whole = Vec::new();
    for case in &index.cases {
        let input = &inputs[case.input.as_str()];
        let model = load(&host, &case.model, [input.shape()[2], input.shape()[3]]);
        let backend = model.backend();
        let name = &case.name;
        let check = |what: &str, found: &Tensor, wanted: &Values| {
            let far = far(found, wanted);
            assert!(far <= index.tolerance, "{name}: {what} differs by {far}");
        };
        let forward = backend.forward(input.view(), &[&case.layer]).unwrap_or_else(|e| panic!("{name}: {e}"));
        check("scores", &forward.scores, &case.scores);
        check("activation", &forward.activations[0], &case.activation);
        let gradient = backend.gradients(input.view(), &case.layer, case.class);
        check("gradient", &gradient.unwrap_or_else(|e| panic!("{name}: {e}")), &case.gradient);
        let mut half = forward.activations[0].clone();
        half.data_mut().iter_mut().for_each(|v| *v *= 0.5);
        match run_from(backend, input.view(), (&case.layer, half.view())) {
            Some(scores) => check("scores from half the activation", &scores, &case.scores_from_half),
            None => whole.push(name.as_str()),
        }
    }
    // A residual connection leads past these.
    let inside = [
        "inplace conv2",
        "inplace norm",
        "settings joined.conv",
        "resnet18_random layer4.1.conv2",
        "resnet18_random layer4.1.bn2",
    ];
    assert_eq!(whole, inside, "layers at which the model can't be cut");
}

/// Scores from an inner layer; `None` where the model can't be cut there, which is told in one line.
fn run_from(
    backend: &dyn ViewedModel,
    image: TensorView<'_>,
    (layer, activations): (&str, TensorView<'_>),
) -> Option<Tensor> {
    match backend.run_from(image, layer, activations) {
        Ok(scores) => Some(scores),
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::Unsupported);
            assert!(e.to_string().contains("can't be cut"), "{e}");
            None
        }
    }
}
