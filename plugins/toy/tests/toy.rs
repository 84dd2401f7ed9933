//! The toy backend through core's traits: what a host sees of it.

use std::path::PathBuf;

use scorecam_core::{
    BackendLoader, BatchRule, Cut, ErrorKind, Forward, Inputs, MaskedRequest, ModelBackend, ModelConfig,
    OutputActivation, Result, Tensor, TensorView, Upsample,
};
use scorecam_toy::{ToyFile, ToyLoader, ToyModel};

const PLAIN: &str = "channels = 3\nsize = [32, 32]\nmaps = 16\nmap_size = [8, 8]\nclasses = 10\nseed = 7\n";
const LAYERS: [&str; 4] = ["conv1", "relu1", "conv2", "features"];

fn model(more: &str) -> ToyModel {
    ToyModel::new(ToyFile::parse(&format!("{PLAIN}{more}")).unwrap(), None).unwrap()
}

/// A batch of `n` different images in exact steps of 1/64.
fn batch(n: usize, size: [usize; 3]) -> Tensor {
    let count = n * size.iter().product::<usize>();
    let data = (0..count).map(|i| ((i * 37 % 101) as f32 - 50.0) / 64.0).collect();
    Tensor::new([n, size[0], size[1], size[2]], data).unwrap()
}

fn images(n: usize) -> Tensor {
    batch(n, [3, 32, 32])
}

fn forward(model: &dyn ModelBackend, images: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
    let mut found = model.forward(&Inputs::of(images), &[&["scores"], taps].concat())?;
    let activations = found.split_off(1);
    Ok(Forward { scores: found.remove(0), activations })
}

fn run_from(model: &ToyModel, layer: &str, activations: TensorView<'_>) -> Result<Tensor> {
    let image = images(1);
    model
        .run_from(&Inputs::of(image.view()), layer, activations, &["scores"])
        .map(|mut found| found.remove(0))
}

/// The derivative of the score of `class` of one image.
fn gradient(model: &ToyModel, layer: &str, class: usize) -> Result<Tensor> {
    let (image, mut cotangent) = (images(1), Tensor::zeros([1, 10])?);
    cotangent.data_mut()[class] = 1.0;
    model.gradients(&Inputs::of(image.view()), layer, &[("scores", cotangent.view())])
}

/// The kind and text of the error of `result`.
fn failure<T>(result: Result<T>) -> (ErrorKind, String) {
    let error = result.err().expect("an error");
    (error.kind(), error.to_string())
}

#[test]
fn the_network_equals_its_numpy_twin() {
    // Sums over the bits of all activations, and the scores, as tests/golden/toy.py computes them.
    let check = |name: &str, bits: [u64; 4], scores: &[f32]| {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/golden/toy/{name}.toy"));
        let model = ToyLoader.load(&ModelConfig { path, ..ModelConfig::default() }).unwrap();
        let size = [1, 2, 3].map(|axis| model.info().input.shape[axis].unwrap());
        let result = forward(&model, batch(1, size).view(), &LAYERS).unwrap();
        let sums = result.activations.iter().map(|a| a.data().iter().map(|v| u64::from(v.to_bits())).sum());
        assert_eq!(sums.collect::<Vec<u64>>(), bits, "{name}");
        let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-6 * b.abs().max(1.0);
        assert!(result.scores.data().iter().zip(scores).all(close), "{name}: {:?}", result.scores);
        assert_eq!(result.scores.shape(), [1, scores.len()]);
    };
    check(
        "plain",
        [0x1e8_c187_0e00, 0x87_cafe_e800, 0x1e8_f839_c7da, 0x88_675d_32ef],
        &[
            3.0242178, -2.3281455, -3.4884982, 6.050534, 3.3816097, 3.905021, 0.9762255, -2.465369,
            -5.9178095, 0.06402404,
        ],
    );
    check(
        "hard",
        [0x2ef_aeae_5180, 0xc1_dfbc_4d00, 0x34f_c301_a6d7, 0x93_6aad_ee6f],
        &[
            -0.827904, 4.0149703, -1.4364668, 5.267279, -3.0396554, 2.7279916, -5.135196, -9.540749,
            3.2766347, 4.6834464,
        ],
    );
    check(
        "softmax",
        [0x1e8_c187_0e00, 0x87_cafe_e800, 0x1e8_f839_c7da, 0x88_675d_32ef],
        &[
            0.038979,
            0.00018464129,
            5.7862082e-05,
            0.80379075,
            0.05572422,
            0.09404996,
            0.0050280425,
            0.00016096573,
            5.097504e-06,
            0.0020194582,
        ],
    );
    check(
        "sigmoid",
        [0x1e8_c187_0e00, 0x87_cafe_e800, 0x1e8_f839_c7da, 0x88_675d_32ef],
        &[
            0.9536563,
            0.08881863,
            0.029641269,
            0.99764895,
            0.9671248,
            0.9802571,
            0.72635865,
            0.07832188,
            0.002683866,
            0.51600057,
        ],
    );
    check(
        "wide",
        [0xfa_f00b_e300, 0x34_fe98_7400, 0xe3_4985_d0a0, 0x41_274d_bb71],
        &[0.7878192, -6.3553276, 2.416916, -1.6170706, -0.41665253, 0.41480482, -1.2210664, 4.440114],
    );
    check(
        "grey",
        [0x127_06d2_5f00, 0x46_1545_9500, 0x117_7151_9840, 0x4e_118f_370f],
        &[-0.56788206, -1.8764664, 1.7806423, 2.4843383, 1.4899501],
    );
}

#[test]
fn scores_do_not_depend_on_the_batch() {
    let (model, all) = (model(""), images(5));
    let together = forward(&model, all.view(), &LAYERS).unwrap();
    for i in 0..5 {
        let one = Tensor::new([1, 3, 32, 32], all.item(i).to_vec()).unwrap();
        let alone = forward(&model, one.view(), &LAYERS).unwrap();
        assert_eq!(alone.scores.data(), together.scores.item(i));
        for (a, b) in alone.activations.iter().zip(&together.activations) {
            assert_eq!(a.data(), b.item(i));
        }
    }
}

#[test]
fn flat_constant_and_equal_maps_are_what_the_file_says() {
    let model = model("duplicate_maps = 3\nconstant_maps = 2\nflat_maps = 4\n");
    let features = forward(&model, images(1).view(), &["features"]).unwrap().activations.remove(0);
    let map = |k: usize| &features.data()[k * 64..][..64];
    let scaled = |k: usize, scale: f32| map(k).iter().map(|v| v * scale).collect::<Vec<_>>();
    assert_eq!((map(7), map(8), map(9)), (&*scaled(0, 2.0), &*scaled(1, 0.5), &*scaled(2, 2.0)));
    assert!((10..12).all(|k| map(k) == [0.75; 64]) && (12..16).all(|k| map(k) == [0.0; 64]));
}

#[test]
fn the_description_follows_the_file() {
    let info = |more: &str| model(more).info().clone();
    let plain = info("");
    assert_eq!(plain.input.shape, [None, Some(3), Some(32), Some(32)]);
    assert_eq!(plain.layers.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), LAYERS);
    assert_eq!(plain.layer(None).unwrap().name, "features");
    assert_eq!(plain.layers[0].shape, [Some(16), Some(8), Some(8)]);
    assert_eq!(plain.outputs[0].applied, OutputActivation::None);
    assert!(!plain.abilities.masked && !plain.abilities.run_from && !plain.abilities.gradients);
    let fixed = info("batch = 4\nending = \"sigmoid\"\nabilities = [\"run-from\"]\n");
    assert_eq!((fixed.batch, fixed.input.shape[0]), (BatchRule::Fixed(4), Some(4)));
    assert_eq!(fixed.outputs[0].applied, OutputActivation::Sigmoid);
    assert!(fixed.abilities.run_from && !fixed.abilities.gradients);
    assert_eq!(info("free_size = true\n").layers[3].shape, [Some(16), None, None]);
    let dense = ToyFile::parse(&format!("{}spatial = false\n", PLAIN.replace("map_size = [8, 8]\n", "")));
    let dense = ToyModel::new(dense.unwrap(), None).unwrap();
    assert_eq!((dense.info().default_layer, &dense.info().layers[3].shape), (None, &vec![Some(16)]));
    assert_eq!(forward(&dense, images(2).view(), &["relu1"]).unwrap().activations[0].shape(), [2, 16]);
}

#[test]
fn a_free_size_takes_any_multiple_of_the_patch() {
    let model = model("free_size = true\n");
    let result = forward(&model, batch(1, [3, 16, 48]).view(), &["features"]).unwrap();
    assert_eq!(result.activations[0].shape(), [1, 16, 4, 12]);
    assert!(failure(forward(&model, batch(1, [3, 18, 48]).view(), &[])).1.contains("multiple of the patch"));
}

#[test]
fn run_from_a_layer_gives_the_scores_of_the_whole() {
    for layer in LAYERS {
        let model = model("abilities = [\"run-from\"]\nending = \"softmax\"\n");
        let whole = forward(&model, images(3).view(), &[layer]).unwrap();
        let rest = run_from(&model, layer, whole.activations[0].view()).unwrap();
        assert_eq!(rest, whole.scores, "from {layer}");
        let wrong = Tensor::zeros([1, 16, 8, 4]).unwrap();
        assert_eq!(failure(run_from(&model, layer, wrong.view())).0, ErrorKind::InvalidArgument);
    }
}

#[test]
fn gradients_equal_differences_of_the_scores() {
    let step = 1.0 / 256.0;
    let endings = ["logits", "sigmoid", "softmax"];
    for (ending, layer) in endings.into_iter().flat_map(|ending| LAYERS.map(|layer| (ending, layer))) {
        let model = model(&format!("abilities = [\"run-from\", \"gradients\"]\nending = \"{ending}\"\n"));
        let start = forward(&model, images(1).view(), &[layer]).unwrap().activations.remove(0);
        let gradient = gradient(&model, layer, 4).unwrap();
        assert_eq!(gradient.shape(), start.shape());
        let steepest = gradient.data().iter().fold(0.0, |m: f64, g| m.max(f64::from(g.abs())));
        let mut compared = 0;
        for cell in (0..1024).step_by(41) {
            // Next to a kink of a ReLU a difference is no derivative, so the smaller step must agree first.
            let difference = |step: f32| {
                let at = |sign: f32| {
                    let mut moved = start.clone();
                    moved.data_mut()[cell] += sign * step;
                    f64::from(run_from(&model, layer, moved.view()).unwrap().data()[4])
                };
                (at(1.0) - at(-1.0)) / f64::from(2.0 * step)
            };
            let (coarse, fine) = (difference(step), difference(step / 2.0));
            if (coarse - fine).abs() < 0.03 * steepest {
                let given = f64::from(gradient.data()[cell]);
                compared += 1;
                assert!(
                    (given - fine).abs() < 0.05 * steepest,
                    "{ending} {layer} cell {cell}: {given} and {fine}"
                );
            }
        }
        assert!(compared > 20, "{ending} {layer}: {compared} cells");
    }
}

#[test]
fn own_masked_scores_equal_the_default() {
    let masks = batch(7, [1, 8, 5]).reshape([7, 8, 5]).unwrap();
    let (pictures, fill) = (images(3), Tensor::new([3, 3, 32, 32], vec![0.25; 9216]).unwrap());
    let ranks = (0..2048).map(|i| if i < 1024 { i } else { 2047 - i } as f32).collect::<Vec<_>>();
    let ranks = Tensor::new([2, 32, 32], ranks).unwrap();
    let cuts: Vec<Cut> = (0..7).map(|m| Cut { map: m % 2, count: m * 170 }).collect();
    let cases = ["", "batch = 3\n"].into_iter().flat_map(|batch| Upsample::ALL.map(|mode| (batch, mode)));
    let cases = cases.flat_map(|case| [(case, &masks, &[][..]), (case, &ranks, &cuts[..])]);
    for ((fixed, upsample), masks, cuts) in cases {
        let request = MaskedRequest {
            inputs: Inputs::of(pictures.view()),
            fill: Some(fill.view()),
            masks: masks.view(),
            cuts,
            image_of_mask: &[0, 1, 2, 0, 1, 2, 0],
            upsample,
            batch_size: 4,
        };
        let scores = |model: ToyModel| {
            let mut all = Vec::new();
            let mut each = |_: usize, tensors: &[TensorView<'_>]| {
                assert_eq!(tensors[1].shape()[1..], [16, 8, 8], "the layer comes along");
                all.extend_from_slice(tensors[0].data());
                Ok(())
            };
            model.masked(&request, &["scores", "relu1"], &mut each).unwrap();
            Tensor::new([7, 10], all).unwrap()
        };
        let own = scores(model(&format!("{fixed}abilities = [\"masked\"]\n")));
        let default = scores(model(fixed));
        let apart = own.data().iter().zip(default.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-5, "{upsample:?} {fixed}: {apart}");
    }
}

#[test]
fn faults_come_when_the_file_says() {
    let forward_of = |model: &ToyModel, n: usize| forward(model, images(n).view(), &[]);
    assert!(forward_of(&model("nan = true\n"), 1).unwrap().scores.data().iter().all(|s| s.is_nan()));
    let failing = model("fail_after = 5\n");
    assert!(forward_of(&failing, 3).is_ok() && forward_of(&failing, 2).is_ok());
    assert_eq!(failure(forward_of(&failing, 1)).0, ErrorKind::Model);
    assert_eq!(failing.images_run(), 6);
    assert!(failure(forward_of(&model("batch = 4\n"), 3)).1.contains("batch of 3"));
    let started = std::time::Instant::now();
    assert!(forward_of(&model("delay_ms = 20\n"), 1).is_ok());
    assert!(started.elapsed().as_millis() >= 20);
    let plain = model("");
    let layer = forward(&plain, images(1).view(), &["conv9"]);
    assert_eq!(failure(layer).0, ErrorKind::NotFound);
    assert!(failure(forward(&plain, batch(1, [1, 32, 32]).view(), &[])).1.contains("[1, 1, 32, 32]"));
    assert_eq!(failure(gradient(&plain, "conv1", 0)).0, ErrorKind::Unsupported);
    assert_eq!(failure(run_from(&plain, "conv1", images(1).view())).0, ErrorKind::Unsupported);
}

#[test]
fn a_slow_pass_ends_when_its_caller_cancels() {
    let (slow, image) = (model("delay_ms = 60000\n"), images(1));
    let inputs = Inputs { cancelled: &|| true, ..Inputs::of(image.view()) };
    assert_eq!(failure(slow.forward(&inputs, &["scores"])).0, ErrorKind::Cancelled);
}

#[test]
fn a_cotangent_weighs_the_gradients_of_its_classes() {
    let (model, image) = (model("abilities = [\"gradients\"]\nending = \"softmax\"\n"), images(1));
    let of = |cotangent: &Tensor| {
        model.gradients(&Inputs::of(image.view()), "relu1", &[("scores", cotangent.view())])
    };
    let mut both = Tensor::zeros([1, 10]).unwrap();
    (both.data_mut()[2], both.data_mut()[7]) = (2.0, -0.5);
    let (both, two, seven) =
        (of(&both).unwrap(), gradient(&model, "relu1", 2).unwrap(), gradient(&model, "relu1", 7).unwrap());
    let sums = two.data().iter().zip(seven.data()).map(|(a, b)| 2.0 * a - 0.5 * b);
    assert!(both.data().iter().zip(sums).all(|(is, sum)| (is - sum).abs() < 1e-6));
    assert!(failure(of(&Tensor::zeros([1, 9]).unwrap())).1.contains("the output has [1, 10]"));
    let named = model.gradients(&Inputs::of(image.view()), "relu1", &[("boxes", image.view())]);
    assert!(failure(named).1.contains("cotangents are for [\"boxes\"]"));
}

#[test]
fn wrong_files_are_reported_in_one_line() {
    let check = |text: String, expected: &str| {
        let (kind, line) = failure(ToyFile::parse(&text));
        assert!(line.contains(expected) && !line.contains('\n'), "{line:?} lacks {expected:?}");
        assert_eq!(kind, ErrorKind::Model);
    };
    check(format!("{PLAIN}colour = 1\n"), "line 7: unknown field `colour`");
    check("channels = 3\n".into(), "missing field");
    check(format!("{PLAIN}batch = 0\n"), "batch is 0");
    check(format!("{PLAIN}ending = \"relu\"\n"), "line 7: unknown variant `relu`");
    check(format!("{PLAIN}flat_maps = 17\n"), "ask for fewer");
    check(format!("{PLAIN}flat_maps = 15\nduplicate_maps = 1\nconstant_maps = 1\n"), "ask for fewer");
    check(PLAIN.replace("[8, 8]", "[8, 9]"), "does not divide");
    check(PLAIN.replace("[8, 8]", "[0, 8]"), "does not divide");
    check(PLAIN.replace("map_size = [8, 8]", ""), "map_size is missing");
    check(format!("{PLAIN}spatial = false\n"), "while spatial is false");
    check(PLAIN.replace("channels = 3", "channels = 0"), "channels is 0");
    check(PLAIN.replace("maps = 16", "maps = 60000").replace("[8, 8]", "[32, 32]"), "make the model smaller");
    check("\u{7f}ELF".into(), "line 1");
}

#[test]
fn the_loader_refuses_what_it_cannot_honour() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.toy");
    std::fs::write(&path, PLAIN).unwrap();
    let plain = ModelConfig { path, ..ModelConfig::default() };
    assert!(ToyLoader.load(&ModelConfig { input_size: Some((32, 32)), ..plain.clone() }).is_ok());
    let check =
        |config: ModelConfig, kind| assert_eq!(failure(ToyLoader.load(&config)).0, kind, "{config:?}");
    check(ModelConfig { path: folder.path().join("none.toy"), ..plain.clone() }, ErrorKind::Io);
    check(ModelConfig { input_size: Some((64, 64)), ..plain.clone() }, ErrorKind::InvalidArgument);
    check(ModelConfig { input: Some("image".into()), ..plain.clone() }, ErrorKind::NotFound);
    check(ModelConfig { output: Some("boxes".into()), ..plain.clone() }, ErrorKind::NotFound);
    check(ModelConfig { device: Some("cuda:0".into()), ..plain.clone() }, ErrorKind::Unsupported);
    check(
        ModelConfig { settings: [("speed".into(), "9".into())].into(), ..plain.clone() },
        ErrorKind::NotFound,
    );
    let binary = folder.path().join("binary.toy");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    check(ModelConfig { path: binary, ..plain }, ErrorKind::Model);
}
