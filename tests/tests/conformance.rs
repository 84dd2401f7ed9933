//! What every backend owes the pipeline, as one suite: run on the toy backend, ONNX Runtime and libtorch.
//!
//! A backend of yours is checked by one more row: a host that has loaded it, a model, an input, and a method's
//! options that keep the number of passes small.

use std::ops::ControlFlow;
use std::path::PathBuf;

use scorecam::{
    Error, ErrorKind, ExplainOptions, Explainer, Explanation, Host, Model, ModelRequest, Progress, Result,
    Targets, Tensor, TensorView,
};
use scorecam_tests::{
    cuda_or_cpu, fetched, golden, library, only_backend, pairs, read_npy, torch_cuda_or_cpu, torch_host,
    toy_host,
};

/// One backend under test.
struct Subject<'a> {
    host: Host,
    path: PathBuf,
    device: Option<&'a str>,
    input: Tensor,
    /// Options of score-cam.
    set: &'a [(&'a str, &'a str)],
    /// Layers to explain; each has spatial extent.
    layers: Vec<&'a str>,
    /// How far scores, relative to the largest, and cells of maps may move with the batch size.
    tolerance: f32,
}

/// What one explain call varies.
#[derive(Clone)]
struct Call<'a> {
    targets: Targets,
    layer: Option<&'a str>,
    batch: Option<usize>,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self { targets: Targets::Top(2), layer: None, batch: None }
    }
}

impl Subject<'_> {
    fn load(&self) -> Model {
        // One thread, so that equal inputs give equal bits.
        let request = ModelRequest {
            path: self.path.clone(),
            threads: Some(1),
            backend: only_backend(&self.host),
            device: self.device.map(str::to_owned),
            ..Default::default()
        };
        self.host.load_model(request).expect("the model loads")
    }

    fn explain(&self, model: &Model, call: &Call<'_>) -> Result<Explanation> {
        self.explain_input(model, call, self.input.view(), &|_| ControlFlow::Continue(()))
    }

    fn explain_input(
        &self,
        model: &Model,
        call: &Call<'_>,
        input: TensorView<'_>,
        progress: &dyn Fn(Progress) -> ControlFlow<()>,
    ) -> Result<Explanation> {
        let options = ExplainOptions {
            set: pairs(self.set),
            targets: call.targets.clone(),
            layer: call.layer.map(str::to_owned),
            batch_size: call.batch,
            ..ExplainOptions::default()
        };
        let explainer = Explainer::new(&self.host, model, &options)?;
        explainer.explain_reporting(&input.to_tensor().into(), None, progress)
    }
}

fn conformance(subject: &Subject<'_>) {
    let model = subject.load();
    let plain = subject.explain(&model, &Call::default()).expect("the explanation");
    assert_eq!(subject.explain(&model, &Call::default()).expect("again"), plain, "the same call twice");
    assert_eq!(subject.explain(&subject.load(), &Call::default()).expect("again"), plain, "loaded anew");

    scores_do_not_depend_on_the_batch(subject, &model);
    maps_do_not_depend_on_the_batch(subject, &model, &plain);
    listed_shapes_are_those_of_activations(subject, &model);
    targets_do_not_disturb_each_other(subject, &model, &plain);
    threads_do_not_disturb_each_other(subject, &model);
    cancelling_leaves_the_model_alive(subject, &model, &plain);
    wrong_calls_are_refused(subject, &model);
    assert_eq!(subject.explain(&model, &Call::default()).expect("still"), plain, "after all of this");
}

fn assert_near(a: &[f32], b: &[f32], tolerance: f32, what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far <= tolerance, "{what}: {far} is more than {tolerance}");
}

fn scores_do_not_depend_on_the_batch(subject: &Subject<'_>, model: &Model) {
    const IMAGES: usize = 16;
    let mut shape = subject.input.shape().to_vec();
    shape[0] = IMAGES;
    let dimmed = |i: usize| subject.input.data().iter().map(move |v| v * (1.0 - i as f32 / 20.0));
    let images = Tensor::new(shape, (0..IMAGES).flat_map(dimmed).collect()).expect("a batch");
    let run = |tensor: &Tensor| model.backend().forward(tensor.view(), &[]).expect("a pass").scores;
    let together = run(&images);
    for i in [0, 1, IMAGES - 1] {
        let single = Tensor::new(subject.input.shape(), images.item(i).to_vec()).expect("an image");
        let alone = run(&single);
        let largest = alone.data().iter().fold(0.0, |m: f32, v| m.max(v.abs()));
        assert_near(together.item(i), alone.data(), subject.tolerance * largest, "scores in a batch");
    }
}

fn maps_do_not_depend_on_the_batch(subject: &Subject<'_>, model: &Model, plain: &Explanation) {
    for batch in [1, 3, 16] {
        let call = Call { batch: Some(batch), ..Call::default() };
        let found = subject.explain(model, &call).expect("the explanation");
        assert_eq!((found.passes, &found.layer), (plain.passes, &plain.layer));
        let what = format!("maps at batch size {batch}");
        assert_near(found.maps.data(), plain.maps.data(), subject.tolerance, &what);
    }
}

/// A free axis (`None`) fits any length.
fn listed_shapes_are_those_of_activations(subject: &Subject<'_>, model: &Model) {
    let info = model.info();
    for name in &subject.layers {
        let layer = info.layer(Some(name)).expect("the layer is listed");
        let forward = model.backend().forward(subject.input.view(), &[name]).expect("a pass");
        let [activations] = &forward.activations[..] else { panic!("one tap gives one tensor") };
        assert_eq!(activations.shape()[0], 1);
        let pairs = layer.shape.iter().zip(&activations.shape()[1..]);
        let fits = layer.shape.len() + 1 == activations.shape().len()
            && pairs.clone().all(|(listed, is)| listed.is_none_or(|n| n == *is));
        assert!(fits, "layer {name:?}: {:?} is listed, {:?} came", layer.shape, activations.shape());
    }
    let taps = &subject.layers[..];
    let all = model.backend().forward(subject.input.view(), taps).expect("a pass with every tap");
    for (i, tap) in taps.iter().enumerate() {
        let alone = model.backend().forward(subject.input.view(), &[tap]).expect("a pass");
        assert_near(all.activations[i].data(), alone.activations[0].data(), 1e-3, tap);
    }
}

fn targets_do_not_disturb_each_other(subject: &Subject<'_>, model: &Model, plain: &Explanation) {
    let classes: Vec<usize> = plain.targets.iter().filter_map(|t| t.class).collect();
    let reversed = Targets::Classes(classes.iter().rev().copied().collect());
    let both = subject.explain(model, &Call { targets: reversed, ..Call::default() }).expect("both");
    for (i, &class) in classes.iter().enumerate() {
        let call = Call { targets: Targets::Classes(vec![class]), ..Call::default() };
        let alone = subject.explain(model, &call).expect("one target");
        assert_eq!(alone.maps.item(0), plain.maps.item(i), "class {class} alone");
        assert_eq!(alone.maps.item(0), both.maps.item(classes.len() - 1 - i), "class {class} in reverse");
        assert_eq!(alone.passes, plain.passes, "more targets cost no passes");
    }
}

fn threads_do_not_disturb_each_other(subject: &Subject<'_>, model: &Model) {
    let call = |layer| Call { layer: Some(layer), ..Call::default() };
    let wanted: Vec<Explanation> =
        subject.layers.iter().map(|l| subject.explain(model, &call(l)).expect("one thread")).collect();
    // A model that has never run is harder on a backend that prepares itself at first use.
    let fresh = subject.load();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let i = thread % wanted.len();
            let (wanted, layer, fresh) = (&wanted[i], subject.layers[i], &fresh);
            scope.spawn(move || {
                let found = subject.explain(fresh, &call(layer)).expect("one of eight threads");
                assert_eq!(found, *wanted, "layer {layer:?} on thread {thread}");
            });
        }
    });
}

fn cancelling_leaves_the_model_alive(subject: &Subject<'_>, model: &Model, plain: &Explanation) {
    for limit in [0, 1, 3] {
        let progress = |p: Progress| match p.passes >= limit {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let call = Call { batch: Some(2), ..Call::default() };
        let found = subject.explain_input(model, &call, subject.input.view(), &progress);
        check(found, ErrorKind::Cancelled, "cancelled");
    }
    assert_eq!(subject.explain(model, &Call::default()).expect("after cancelling"), *plain);
}

/// The error has this kind, is one line, and contains the word.
fn check<T>(result: Result<T>, kind: ErrorKind, word: &str) {
    let error: Error = result.err().unwrap_or_else(|| panic!("no error; {word:?} was expected"));
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    assert!(message.contains(word) && !message.contains('\n'), "{word:?} is not in the line: {message}");
}

fn wrong_calls_are_refused(subject: &Subject<'_>, model: &Model) {
    let scores = model.backend().forward(subject.input.view(), &[]).expect("a pass").scores;
    let classes = scores.data().len();
    let classes_of = |list: &[usize]| Targets::Classes(list.to_vec());
    let invalid = ErrorKind::InvalidArgument;
    let rows = [
        (Call { layer: Some("no-such"), ..Call::default() }, ErrorKind::NotFound, "\"no-such\"".to_owned()),
        (
            Call { targets: classes_of(&[0, classes]), ..Call::default() },
            invalid,
            format!("class {classes} "),
        ),
        (Call { targets: classes_of(&[]), ..Call::default() }, invalid, "no class".into()),
        (Call { targets: Targets::Top(0), ..Call::default() }, invalid, "top K must be between 1 and".into()),
        (
            Call { targets: Targets::Top(classes + 1), ..Call::default() },
            invalid,
            format!("between 1 and {classes}"),
        ),
        (Call { batch: Some(0), ..Call::default() }, invalid, "batch size must be at least 1".into()),
    ];
    for (call, kind, word) in &rows {
        check(subject.explain(model, call), *kind, word);
    }
    let with = |input: &Tensor| {
        subject.explain_input(model, &Call::default(), input.view(), &|_| ControlFlow::Continue(()))
    };
    let mut nan = subject.input.clone();
    nan.data_mut()[7] = f32::NAN;
    check(with(&nan), invalid, "NaN at index 7");
    let [_, c, h, w] = subject.input.view().dims("the input").expect("an image");
    for shape in [vec![1, c, h + 1, w], vec![1, c + 1, h, w], vec![2, c, h, w], vec![c, h, w]] {
        let wrong = Tensor::zeros(shape.clone()).expect("a tensor");
        check(with(&wrong), invalid, &format!("{shape:?}"));
    }
}

fn toy(file: &str, input: &str) -> Subject<'static> {
    Subject {
        host: toy_host(),
        path: golden(&format!("toy/{file}.toy")),
        device: None,
        input: read_npy(&golden(&format!("toy/input-{input}.npy"))),
        set: &[],
        layers: vec!["conv1", "relu1", "conv2", "features"],
        tolerance: 0.0,
    }
}

#[test]
fn the_toy_backend_conforms() {
    for (file, input) in [("plain", "3x32x32"), ("hard", "3x32x32"), ("wide", "3x24x40"), ("grey", "1x28x28")]
    {
        let subject = toy(file, input);
        let model = subject.load();
        let listed: Vec<&str> = model.info().layers.iter().map(|l| l.name.as_str()).collect();
        assert_eq!(listed, subject.layers, "the toy is tapped at every layer that it lists");
        conformance(&subject);
    }
}

/// A backend on ONNX Runtime with SqueezeNet.
fn onnx(plugin: &str, device: Option<&'static str>) {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library(plugin)).expect("the plugin loads");
    let path = fetched("models/squeezenet1_1.onnx");
    let pixel = |i: usize| ((i * 7919 % 1009) as f32 / 1009.0 - 0.5) * 200.0;
    let input = Tensor::new([1, 3, 227, 227], (0..3 * 227 * 227).map(pixel).collect()).expect("a tensor");
    // A manifest beside the model may name another backend.
    let backend = only_backend(&host);
    let device_name = device.map(str::to_owned);
    let request = ModelRequest { path: path.clone(), backend, device: device_name, ..Default::default() };
    let model = host.load_model(request).expect("loads");
    let spatial = model.info().layers.iter().filter(|l| l.has_spatial_extent()).rev();
    let layers: Vec<&str> = spatial.map(|l| l.name.as_str()).take(3).collect();
    let set = &[("select", "list"), ("select_list", "0,3,5,8,13,21,34,55")];
    conformance(&Subject { host, path, device, input, set, layers, tolerance: 1e-4 });
}

#[test]
fn the_onnx_backend_conforms() {
    onnx("scorecam_onnx_cpu", None);
}

#[test]
fn the_onnx_backend_for_gpus_conforms() {
    onnx("scorecam_onnx_cuda", Some(cuda_or_cpu()));
}

#[test]
fn the_libtorch_backend_conforms() {
    let device = Some(torch_cuda_or_cpu());
    let pixel = |i: usize| ((i * 7919 % 1009) as f32 / 1009.0 - 0.5) * 4.0;
    let input = Tensor::new([1, 3, 224, 224], (0..3 * 224 * 224).map(pixel).collect()).expect("a tensor");
    conformance(&Subject {
        host: torch_host(),
        path: fetched("models/resnet18_random.ts.pt"),
        device,
        input,
        set: &[("select", "list"), ("select_list", "0,3,5,8,13,21,34,55")],
        layers: vec!["layer4", "layer4.1.conv2", "layer2"],
        tolerance: 1e-4,
    });
    // Every activation here is overwritten by what follows it.
    let pixel = |i: usize| (i * 31 % 101) as f32 / 50.0 - 1.0;
    let input = Tensor::new([1, 3, 16, 16], (0..3 * 16 * 16).map(pixel).collect()).expect("a tensor");
    let path = golden("torch/inplace.pt");
    let layers = vec!["norm", "conv2"];
    conformance(&Subject { host: torch_host(), path, device, input, set: &[], layers, tolerance: 1e-4 });
}

#[test]
fn only_distinct_live_masks_cost_a_pass() {
    // Each row: the model, its input, and how many of its maps are flat or equal to another.
    for (file, input, maps, saved) in
        [("plain", "3x32x32", 16, 0), ("hard", "3x32x32", 24, 4 + 2 + 5), ("wide", "3x24x40", 16, 0)]
    {
        let subject = toy(file, input);
        let model = subject.load();
        let forward = model.backend().forward(subject.input.view(), &["features"]).expect("a pass");
        let maps_of: Vec<&[f32]> = {
            let cells = forward.activations[0].shape()[2..].iter().product();
            forward.activations[0].data().chunks_exact(cells).collect()
        };
        assert_eq!(maps_of.len(), maps);
        let live = maps_of.iter().filter(|map| map.iter().any(|v| *v != map[0])).count();
        let found = subject.explain(&model, &Call::default()).expect("the explanation");
        let flat_by_chance = maps - live - if file == "hard" { 2 + 5 } else { 0 };
        assert_eq!(found.passes, 1 + maps - saved - flat_by_chance, "{file}: the first pass and one a mask");
    }
}
