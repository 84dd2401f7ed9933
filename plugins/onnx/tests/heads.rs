//! A model is run from its inner layers: with a layer's own activations put in their place, it gives its own outputs.

use std::path::{Path, PathBuf};

mod common;

use scorecam_core::{
    BackendLoader, ErrorKind, Inputs, LayerInfo, ModelBackend, ModelConfig, Result, Tensor, TensorView,
};
use scorecam_onnx::OnnxLoader;

/// Inputs beside the image of models that have such, by the model's name.
const INPUTS: &[(&str, &str, &str)] = &[
    ("switch", "input.training", "0"),
    ("two_inputs", "input.meta", "0.25,-1"),
    ("whole_numbers", "input.meta", "1,3"),
    ("scalar_input", "input.meta", "0.5"),
];

/// Models that give other numbers in each pass.
const RANDOM: [&str; 4] = ["batch_norm_in_training", "dropout_in_training", "random", "random_tokens"];

fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(folder)
}

fn models(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).expect("a folder of models");
    let mut models: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    models.retain(|path| path.extension().is_some_and(|e| e == "onnx"));
    models.sort();
    models
}

fn load(path: &Path) -> Result<Box<dyn ModelBackend>> {
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let mut config = ModelConfig { path: path.into(), ..ModelConfig::default() };
    let given = INPUTS.iter().filter(|(model, ..)| *model == name);
    config.settings.extend(given.map(|(_, input, value)| ((*input).to_owned(), (*value).to_owned())));
    OnnxLoader::cpu().load(&config)
}

/// Noise, in the shape of `n` equal images.
fn images(model: &dyn ModelBackend, n: usize) -> Tensor {
    let shape: Vec<usize> = model.info().input.shape[1..]
        .iter()
        .zip([3, 96, 96])
        .map(|(axis, usual)| axis.unwrap_or(usual))
        .collect();
    let values: usize = shape.iter().product();
    let mut state = 7u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let one: Vec<f32> = (0..values).map(|_| noise()).collect();
    Tensor::new([&[n], shape.as_slice()].concat(), one.repeat(n)).expect("images")
}

/// Rows of `tensor`, of which each is that of the first image.
fn rows(tensor: &Tensor, n: usize) -> Tensor {
    let shape = [&[n], &tensor.shape()[1..]].concat();
    Tensor::new(shape, tensor.item(0).repeat(n)).expect("rows")
}

fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.shape(), b.shape());
    let largest = b.data().iter().fold(1.0f32, |most, v| most.max(v.abs()));
    a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
}

/// The mean of each map of maps [N, K, h, w], [N, K, 1, 1].
fn means(maps: &Tensor) -> Tensor {
    let [n, k, h, w] = maps.view().dims("maps").expect("four axes");
    let mean = |map: &[f32]| (map.iter().map(|&v| f64::from(v)).sum::<f64>() / map.len() as f64) as f32;
    Tensor::new([n, k, 1, 1], maps.data().chunks_exact(h * w).map(mean).collect::<Vec<_>>()).expect("means")
}

/// Runs `model` from every so many of its layers, alone and, where it takes batches, three at a time, and from the means of
/// those that are pooled. Returns what went wrong, how many layers there are, and from how many means it ran.
fn check(name: &str, model: &dyn ModelBackend, every: usize) -> (Vec<String>, usize, usize) {
    let info = model.info();
    let is_per_image = info.outputs.iter().all(|o| o.per_image);
    let outputs: Vec<&str> = info.outputs.iter().map(|o| o.name.as_str()).collect();
    let forward = |n: usize, wanted: &[&str]| model.forward(&Inputs::of(images(model, n).view()), wanted);
    let own = info.batch.size(1);
    // Numbers of few bits are rounded otherwise where operators are fused otherwise.
    let tolerance = if name.contains("16") || name.contains("8_bits") { 2e-3 } else { 1e-5 };
    let alone = forward(own, &outputs).unwrap_or_else(|e| panic!("{name}: {e}"));
    let near = |found: &[Tensor], n: usize| {
        let expected =
            |own| if n == own { alone.clone() } else { alone.iter().map(|own| rows(own, n)).collect() };
        let off = found.iter().zip(&expected(own)).map(|(a, b)| difference(a, b)).fold(0.0, f32::max);
        (off <= tolerance).then_some(()).ok_or(off)
    };
    // Some models declare a batch free that is not.
    let is_free = is_per_image
        && info.batch.size(3) == 3
        && forward(3, &outputs).is_ok_and(|found| near(&found, 3).is_ok());
    let one = images(model, 1);
    let (mut wrong, mut pooled) = (Vec::new(), 0);
    let is_chosen = |(i, layer): &(usize, &LayerInfo)| i % every == 0 || layer.pooled;
    for (_, layer) in info.layers.iter().rev().enumerate().filter(is_chosen) {
        let activations = forward(own, &[&layer.name]).unwrap_or_else(|e| panic!("{name}: {e}")).remove(0);
        if activations.shape()[0] != own {
            // Its first axis is that of images and windows in one, which no view reads.
            continue;
        }
        for n in if is_free { vec![1, 3] } else { vec![own] } {
            let whole = rows(&activations, n);
            let means = layer.pooled.then(|| means(&whole));
            pooled += usize::from(layer.pooled);
            for given in [Some(whole), means].into_iter().flatten() {
                match model.run_from(&Inputs::of(one.view()), &layer.name, given.view(), &outputs) {
                    Err(error) => {
                        wrong.push(format!("{name} from {} {:?}: {error}", layer.operator, layer.name));
                    }
                    Ok(from) => wrong.extend(near(&from, n).err().map(|off| {
                        let (shape, layer) = (given.shape(), &layer.name);
                        format!("{name} from {layer:?}, {n} at a time in {shape:?}: off by {off}")
                    })),
                }
            }
        }
    }
    (wrong, info.layers.len(), pooled)
}

#[test]
fn small_models_of_every_form_run_from_their_layers() {
    let (mut wrong, mut layers, mut pooled) = (Vec::new(), 0, 0);
    for path in [models(&golden("forms/models")), models(&golden("targets/models"))].concat() {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        if RANDOM.contains(&name.as_str()) {
            continue;
        }
        // Models that are refused when they are loaded have tests of their own.
        let Ok(model) = load(&path) else { continue };
        let found = check(&name, model.as_ref(), 5);
        wrong.extend(found.0);
        layers += found.1;
        pooled += found.2;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(layers > 1000 && pooled > 10, "{layers} layers, {pooled} of them pooled");
}

/// Every layer of the small models, of those that tests fetch, and of the models in the folder `HEADS`, where there is one.
#[test]
#[ignore = "long: cargo xtask soak"]
fn models_run_from_every_layer() {
    let fetched = std::env::var("SCORECAM_CACHE").map(|cache| Path::new(&cache).join("models"));
    let named = std::env::var("HEADS").map(PathBuf::from);
    let folders = [golden("forms/models"), golden("targets/models")].into_iter().chain(fetched).chain(named);
    let mut wrong = Vec::new();
    for path in folders.flat_map(|folder| models(&folder)) {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        if let (Ok(model), false) = (load(&path), RANDOM.contains(&name.as_str())) {
            wrong.extend(check(&name, model.as_ref(), 1).0);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each output has a path of its own around the layer.
#[test]
fn outputs_that_are_asked_for_in_turn_have_each_its_own_paths_around_a_layer() {
    let folder = tempfile::tempdir().expect("a folder");
    let net = common::Net::new(&[0, 3, 8, 8])
        .conv("input", "layer", (3, 4))
        .conv("input", "left", (3, 4))
        .conv("input", "right", (3, 4))
        .node("Add", "layer left", "one_maps")
        .node("Mul", "layer right", "two_maps")
        .node("GlobalAveragePool", "one_maps", "one")
        .node("GlobalAveragePool", "two_maps", "two")
        .output("one", &[0, 4, 1, 1])
        .output("two", &[0, 4, 1, 1]);
    let model = load(&net.save(folder.path(), "two.onnx")).expect("a model");
    let image = images(model.as_ref(), 1);
    let wanted = ["layer", "one", "two"];
    let own = model.forward(&Inputs::of(image.view()), &wanted).expect("a pass");
    for (output, own_value) in [("one", &own[1]), ("two", &own[2]), ("one", &own[1])] {
        let given = rows(&own[0], 3);
        let found =
            model.run_from(&Inputs::of(image.view()), "layer", given.view(), &[output]).expect(output);
        assert!(difference(&found[0], &rows(own_value, 3)) < 1e-5, "{output}");
    }
}

/// Large activations are run a few at a time, and each gets the row that it gets alone.
#[test]
fn many_activations_give_what_each_gives_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let net = common::Net::new(&[0, 3, 96, 96])
        .conv("input", "layer", (3, 32))
        .conv("input", "beside", (3, 32))
        .node("Mul", "layer beside", "maps")
        .node("GlobalAveragePool", "maps", "pooled")
        // Without axes: of a single image its own axis goes, too.
        .node("Squeeze", "pooled", "means")
        .output("means", &[0, 32]);
    // Of four at a time, one is left.
    let count = 9;
    let model = load(&net.save(folder.path(), "large.onnx")).expect("a model");
    let image = images(model.as_ref(), 1);
    let own = model.forward(&Inputs::of(image.view()), &["layer"]).expect("a pass").remove(0);
    let scaled = (1..=count).flat_map(|i| own.data().iter().map(move |v| v * i as f32)).collect();
    let scaled = Tensor::new([count, 32, 96, 96], scaled).expect("activations");
    let run = |activations: TensorView<'_>| {
        let found = model.run_from(&Inputs::of(image.view()), "layer", activations, &["means"]);
        found.expect("outputs").remove(0)
    };
    let together = run(scaled.view());
    assert_eq!(together.shape(), [count, 32]);
    for i in 0..count {
        let alone = run(TensorView::new(&[1, 32, 96, 96], scaled.item(i)).expect("a view"));
        assert!(
            together.item(i).iter().zip(alone.data()).all(|(a, b)| (a - b).abs() < 1e-5 * b.abs().max(1.0))
        );
    }
}

#[test]
fn what_does_not_fit_a_layer_is_refused() {
    let model = load(&golden("forms/models/vit.onnx")).expect("a model");
    let one = images(model.as_ref(), 1);
    let layer = model.info().layers[0].name.clone();
    let output = model.info().outputs[0].name.clone();
    let refused = |layer: &str, shape: &[usize], output: &str, words: &str| {
        let given = Tensor::zeros(shape).expect("zeros");
        let error = model.run_from(&Inputs::of(one.view()), layer, given.view(), &[output]).expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
        error.kind()
    };
    let invalid = ErrorKind::InvalidArgument;
    assert_eq!(refused(&layer, &[1, 2, 3], &output, "; the tensor is [1, 2, 3]"), invalid);
    assert_eq!(
        refused("nowhere", &[1, 2, 3], &output, "layer \"nowhere\" is not in the model"),
        ErrorKind::NotFound
    );
    let right: Vec<usize> =
        [Some(1)].iter().chain(&model.info().layers[0].shape).map(|axis| axis.unwrap_or(1)).collect();
    assert_eq!(
        refused(&layer, &right, "nothing", "output \"nothing\" is not in the model"),
        ErrorKind::NotFound
    );
}
