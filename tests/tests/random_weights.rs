//! Models with random weights: which layers have weights, and what changes where some of them are drawn anew.

use std::ops::Range;
use std::path::{Path, PathBuf};

use scorecam::{Host, Model, ModelRequest, RandomWeights, Tensor, WeightDraw};
use scorecam_core::{Inputs, noise};
use scorecam_tests::{fetched, golden, library};

fn host() -> Host {
    let host = Host::new().expect("a host");
    for plugin in ["scorecam_toy", "scorecam_onnx_cpu", "scorecam_libtorch"] {
        host.load_plugin(&library(plugin)).expect("the plugin");
    }
    host
}

fn load(host: &Host, path: &Path, random: Option<(WeightDraw, u64, Range<usize>)>) -> Model {
    let random = random.map(|(draw, seed, layers)| RandomWeights { draw, seed, layers });
    let request = ModelRequest { path: path.into(), random, threads: Some(2), ..ModelRequest::default() };
    host.load_model(request).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The output and the default layer's activations of an image of noise.
fn pass(model: &Model) -> [Tensor; 2] {
    let shape: Vec<usize> = model.info().input.shape.iter().map(|axis| axis.unwrap_or(1)).collect();
    let count: usize = shape.iter().product();
    let image = Tensor::new(shape, (0..count).map(noise).collect()).expect("an image");
    let layer = model.info().layer(model.layer()).expect("a layer").name.clone();
    let engine = model.engine();
    let output = engine.info().score_output().expect("scores").name.clone();
    let found = engine.forward(&Inputs::of(image.view()), &[&output, &layer]).expect("a pass");
    found.try_into().expect("two tensors")
}

/// One model of each kind, with the number of its layers with weights, counted by hand or by another program.
fn models() -> [(PathBuf, usize); 5] {
    [
        (golden("toy/plain.toy"), 3),
        (fetched("models/efficientnet_lite0.onnx"), 50),
        (fetched("models/squeezenet1_1.onnx"), 26),
        (fetched("models/squeezenet1_1.ts.pt"), 26),
        (fetched("models/resnet18_random.ts.pt"), 41),
    ]
}

#[test]
fn random_weights_change_what_lies_behind_them_and_nothing_before() {
    let host = host();
    for (path, count) in models() {
        let name = path.display();
        let trained = load(&host, &path, None);
        let layers = trained.weights().expect("layers with weights");
        assert_eq!(layers.len(), count, "{name}: {layers:?}");
        let [scores, activations] = pass(&trained);
        let random = |layers| pass(&load(&host, &path, Some((WeightDraw::Matched, 1, layers))));
        let [last_scores, last_activations] = random(count - 1..count);
        assert_eq!(last_activations, activations, "{name}: the last layer lies behind the target layer");
        assert_ne!(last_scores, scores, "{name}");
        let [all_scores, all_activations] = random(0..count);
        assert!(all_activations != activations && all_scores != scores, "{name}");
        assert!(all_scores.data().iter().all(|value| value.is_finite()), "{name}");
        assert_eq!(random(0..count), [all_scores.clone(), all_activations], "{name}: equal seeds");
        let [others, _] = pass(&load(&host, &path, Some((WeightDraw::Matched, 2, 0..count))));
        assert_ne!(others, all_scores, "{name}: another seed");
    }
}

#[test]
fn every_draw_gives_another_model_that_runs() {
    let host = host();
    for (path, count) in models() {
        let scores: Vec<Tensor> = WeightDraw::ALL
            .into_iter()
            .map(|draw| {
                let [scores, _] = pass(&load(&host, &path, Some((draw, 1, count / 2..count))));
                assert!(scores.data().iter().all(|value| value.is_finite()), "{} {draw:?}", path.display());
                scores
            })
            .collect();
        assert!(scores[0] != scores[1] && scores[1] != scores[2], "{}", path.display());
    }
}

#[test]
fn layers_that_a_model_lacks_are_refused() {
    let host = host();
    for (path, count) in models() {
        let random = RandomWeights { draw: WeightDraw::Matched, seed: 0, layers: 0..count + 1 };
        let request = ModelRequest { path: path.clone(), random: Some(random), ..ModelRequest::default() };
        let error = host.load_model(request).err().expect("an error").to_string();
        assert!(error.contains(&format!("the model has {count} layers with weights")), "{error}");
    }
}
