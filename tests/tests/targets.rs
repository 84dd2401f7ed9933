//! What is asked of a model beside a class: values and maps are those of numpy, detections those of its readers.
//!
//! The models, inputs and numbers are those of `tests/golden/targets`, made there by scripts that share no code with this
//! project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use scorecam::{
    ErrorKind, ExplainOptions, Explainer, Explanation, Host, Image, Kept, Manifest, Model, ModelRequest,
    Overlay, Result, Tensor,
};
use scorecam_core::{Abilities, Inputs, ModelBackend, ModelInfo, NamedTensor};
use scorecam_tests::{fetched, golden, library, read_npy, refused, run, scorecam, torch_host};
use serde::Deserialize;

const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Index {
    cases: Vec<Row>,
    #[serde(default)]
    detections: Vec<Detections>,
}

/// A target of a model.
#[derive(Deserialize)]
struct Row {
    name: String,
    model: String,
    /// The `[output]` table.
    manifest: String,
    layer: String,
    input: String,
    target: String,
    value: f32,
    /// For each raw output the derivative of the value.
    #[serde(default)]
    cotangents: BTreeMap<String, Numbers>,
    #[serde(default)]
    maps: Vec<Expected>,
    /// Of Grad-CAM, on TorchScript.
    map: Option<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    method: String,
    preset: String,
    set: Vec<String>,
    offset: usize,
    shape: [usize; 2],
    stride: usize,
}

/// Numbers in a file of many.
#[derive(Deserialize)]
struct Numbers {
    offset: usize,
    shape: Vec<usize>,
}

/// What a detector sees on its input: x0, y0, x1, y1, class and score of each detection.
#[derive(Deserialize)]
struct Detections {
    name: String,
    model: String,
    manifest: String,
    input: String,
    detections: Vec<[f64; 6]>,
}

fn file(name: &str) -> PathBuf {
    golden("targets").join(name)
}

fn index(name: &str) -> Index {
    let text = std::fs::read_to_string(file(name)).expect("the index is readable");
    serde_json::from_str(&text).expect("the index has its form")
}

fn onnx_host() -> Host {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    host
}

/// Loads a model with a manifest of its own, written to a folder.
fn load(host: &Host, (model, output): (&str, &str), layer: Option<&str>) -> Result<Model> {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("model.toml");
    let layer = layer.map_or(String::new(), |layer| format!("layer = {layer:?}\n"));
    let size = if model.ends_with(".pt") { "[input]\nsize = [32, 32]\n" } else { "" };
    let text = format!("[model]\nfile = {:?}\n{layer}{size}{output}", file(model));
    std::fs::write(&manifest, text).expect("written");
    host.load_model(ModelRequest::from(manifest.as_path()))
}

/// The words of a target whose files lie in the golden folder.
fn words(target: &str) -> String {
    target.replace("models/", &format!("{}/", file("models").display()))
}

fn explain(host: &Host, model: &Model, options: ExplainOptions, input: &Path) -> Result<Explanation> {
    Explainer::new(host, model, &options)?.explain(&Image::from(read_npy(input)))
}

/// How far a map lies from the numbers that begin at its offset.
fn distance(found: &Explanation, expected: &Expected, all: &Tensor) -> f32 {
    let [height, width] = expected.shape;
    assert_eq!(found.maps.shape()[1..], [height, width]);
    let map = found.maps.item(0);
    let rows = (0..height).step_by(expected.stride);
    let kept = rows.flat_map(|y| (0..width).step_by(expected.stride).map(move |x| map[y * width + x]));
    let expected = &all.data()[expected.offset..];
    kept.zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// What is wrong with one row, if anything.
fn check((host, model): (&Host, &Model), row: &Row, expected: &Expected, all: &Tensor) -> Result<(), String> {
    let option = |set: &String| set.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let options = ExplainOptions {
        method: expected.method.clone(),
        preset: Some(expected.preset.clone()),
        set: expected.set.iter().filter_map(option).collect(),
        ask: vec![words(&row.target)],
        ..ExplainOptions::default()
    };
    let found = explain(host, model, options, &file(&row.input)).map_err(|e| e.to_string())?;
    let target = &found.targets[0];
    let value = (target.output - row.value).abs();
    if value > TOLERANCE * row.value.abs().max(1.0) {
        return Err(format!("its value is {}, not {}", target.output, row.value));
    }
    match distance(&found, expected, all) {
        far if far <= TOLERANCE => Ok(()),
        far => Err(format!("its map is off by {far}")),
    }
}

fn check_all(host: &Host, rows: &[Row], all: &Tensor) {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for row in rows {
        let model = load(host, (&row.model, &row.manifest), Some(&row.layer));
        let model = model.unwrap_or_else(|e| panic!("{}: {e}", row.name));
        for expected in row.maps.iter().chain(&row.map) {
            checked += 1;
            if let Err(why) = check((host, &model), row, expected, all) {
                wrong.push(format!("{} by {} {}: {why}", row.name, expected.method, expected.preset));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {checked} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn score_cam_of_every_target_is_that_of_numpy() {
    let index = index("cases.json");
    assert!(index.cases.len() > 80, "{} cases", index.cases.len());
    check_all(&onnx_host(), &index.cases, &read_npy(&file("maps.npy")));
}

#[test]
fn grad_cam_of_targets_is_that_of_pytorch() {
    let index = index("torch.json");
    assert_eq!(index.cases.len(), 17);
    check_all(&torch_host(), &index.cases, &read_npy(&file("torch/values.npy")));
}

/// Tuples, lists, dicts and what is in each other, and lists of detections whose number depends on the image.
#[test]
fn detectors_that_return_several_tensors_are_explained_on_torchscript() {
    let (host, index) = (torch_host(), index("torch_detectors.json"));
    assert_eq!((index.cases.len(), index.detections.len()), (32, 5));
    check_all(&host, &index.cases, &read_npy(&file("torch/detectors.npy")));
    check_detections(&host, &index.detections);
}

type Cotangents = Arc<Mutex<BTreeMap<String, Tensor>>>;

/// A model that runs by another, and keeps the cotangents that it is given.
struct Recorder {
    model: Model,
    info: ModelInfo,
    given: Cotangents,
}

impl ModelBackend for Recorder {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        self.model.engine().forward(inputs, wanted)
    }

    fn gradients(&self, _: &Inputs<'_>, _: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        let mut given = self.given.lock().expect("no test panicked");
        given.extend(cotangents.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.to_tensor())));
        Tensor::zeros([1, 12, 8, 8])
    }
}

#[test]
fn the_derivative_of_every_target_is_that_of_finite_differences() {
    let (host, index, all) = (onnx_host(), index("cases.json"), read_npy(&file("cotangents.npy")));
    let (mut checked, mut wrong) = (0, Vec::new());
    for row in index.cases.iter().filter(|row| !row.target.starts_with("class:")) {
        let model = load(&host, (&row.model, &row.manifest), Some("features")).expect(&row.name);
        let info = model.engine().info().clone();
        let info = ModelInfo { abilities: Abilities { gradients: true, ..Abilities::NONE }, ..info };
        let given = Cotangents::default();
        let recorder = Recorder { model, info, given: Arc::clone(&given) };
        let manifest = Manifest::parse(&format!("[model]\nlayer = \"features\"\n{}", row.manifest));
        let recorded = Model::from_engine(recorder, &manifest.expect("a manifest")).expect(&row.name);
        let options = ExplainOptions {
            method: "grad-cam".into(),
            ask: vec![words(&row.target)],
            ..ExplainOptions::default()
        };
        let found = explain(&host, &recorded, options, &file(&row.input));
        let is_flat = row.cotangents.values().all(|numbers| {
            let count = numbers.shape.iter().product();
            all.data()[numbers.offset..][..count].iter().all(|v| *v == 0.0)
        });
        if is_flat {
            refused(found, ErrorKind::Unsupported, &["has no derivative there", "candidate:", "score-cam"]);
            continue;
        }
        found.expect(&row.name);
        let given = given.lock().expect("no thread panicked");
        for (output, numbers) in &row.cotangents {
            let expected = &all.data()[numbers.offset..][..numbers.shape.iter().product()];
            let far =
                given[output].data().iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            checked += 1;
            if far > 1e-5 || given[output].shape() != numbers.shape {
                wrong.push(format!("{}: {output} is off by {far}", row.name));
            }
        }
    }
    assert!(wrong.is_empty() && checked > 70, "{} of {checked} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// With a pass for each mask the adaptive method gives the exact map.
#[test]
fn the_adaptive_method_explains_every_target() {
    let (host, index, all) = (onnx_host(), index("cases.json"), read_npy(&file("maps.npy")));
    for row in index.cases.iter().filter(|row| !row.target.starts_with("class:")) {
        let model = load(&host, (&row.model, &row.manifest), Some(&row.layer)).expect("loads");
        let expected = &row.maps[0];
        let set = expected.set.iter().filter_map(|s| s.split_once('='));
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = ExplainOptions {
            method: "score-cam-adaptive".into(),
            set: set.chain([("passes".to_owned(), "4096".to_owned())]).collect(),
            ask: vec![words(&row.target)],
            ..ExplainOptions::default()
        };
        let found = explain(&host, &model, options, &file(&row.input)).expect(&row.name);
        let far = distance(&found, expected, &all);
        assert!(far <= TOLERANCE, "{}: {far}", row.name);
    }
}

#[test]
fn detections_are_those_that_numpy_reads() {
    let index = index("cases.json");
    assert_eq!(index.detections.len(), 10);
    check_detections(&onnx_host(), &index.detections);
}

fn check_detections(host: &Host, rows: &[Detections]) {
    for row in rows {
        let model = load(host, (&row.model, &row.manifest), Some("features")).expect(&row.name);
        // A map of each of many boxes is not the point.
        let options = ExplainOptions {
            set: vec![("select".into(), "std".into()), ("select_count".into(), "1".into())],
            ask: vec!["boxes".into()],
            ..ExplainOptions::default()
        };
        let found = explain(host, &model, options, &file(&row.input)).expect(&row.name);
        assert_eq!(found.targets.len(), row.detections.len(), "{}", row.name);
        for (i, (target, expected)) in found.targets.iter().zip(&row.detections).enumerate() {
            let seen = target.detection.expect("a detector's target has a box");
            let (rect, class) = (seen.rect, target.class.expect("a detection has a class") as f64);
            let is = [rect.x, rect.y, rect.x + rect.width, rect.y + rect.height, class, seen.score];
            let far = is.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(far < 1e-4, "{} {i}: {is:?}, not {expected:?}", row.name);
            assert_eq!(target.text, format!("box:{i}"));
        }
        assert_eq!(found.passes, 2, "{}: all boxes share their passes", row.name);
    }
}

/// A real segmenter on a photo: the number is the mean over what it sees, and a mask of that in the photo's pixels means
/// the same region.
#[test]
fn a_photo_is_explained_by_what_a_real_segmenter_sees_in_it() {
    let host = onnx_host();
    let model = host.load_model(ModelRequest::from(fetched("models/u2netp.toml").as_path())).expect("loads");
    let photo = Image::open(fetched("photos/chelsea.png")).expect("a photo");
    let explained = |target: &str| {
        let options = ExplainOptions {
            set: vec![("select".into(), "std".into()), ("select_count".into(), "4".into())],
            ask: vec![target.to_owned()],
            ..ExplainOptions::default()
        };
        let explainer = Explainer::new(&host, &model, &options).expect(target);
        let input = model.prepare(&photo).expect("an input");
        (explainer.explain(&photo).expect(target), input)
    };
    let (found, input) = explained("region:predicted");
    let rows = model.backend().rows(input.tensor.view(), &["1959"], &[]).expect("a pass");
    let map = rows.outputs[0].data();
    let seen: Vec<f32> = map.iter().copied().filter(|&v| v > 0.5).collect();
    assert!((40_000..80_000).contains(&seen.len()), "{} of {} cells hold the cat", seen.len(), map.len());
    let mean = seen.iter().sum::<f32>() / seen.len() as f32;
    assert!((found.targets[0].output - mean).abs() < 1e-4, "{} is not {mean}", found.targets[0].output);

    let size = photo.photo().expect("a photo").size();
    let mask = image::GrayImage::from_fn(size.1 as u32, size.0 as u32, |x, y| {
        let cell = |at: u32, side: usize| ((f64::from(at) + 0.5) / side as f64 * 320.0) as usize;
        image::Luma([if map[cell(y, size.0) * 320 + cell(x, size.1)] > 0.5 { 255 } else { 0 }])
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cat.png");
    mask.save(&file).expect("written");
    let (masked, _) = explained(&format!("region:{}", file.display()));
    assert!((masked.targets[0].output - mean).abs() < 0.01, "{} is not {mean}", masked.targets[0].output);

    // The outline of the region is drawn.
    let photo = photo.photo().expect("a photo");
    let bare = Overlay::default()
        .render(photo, found.map(0).expect("a map"), &found.placement_on(size))
        .expect("drawn");
    assert_ne!(found.overlay(0, photo, &Overlay::default()).expect("drawn").pixels(), bare.pixels());
}

/// Intersection over union of two boxes x0, y0, x1, y1.
fn overlap(a: [f64; 4], b: [f64; 4]) -> f64 {
    let side = |i: usize| (a[i + 2].min(b[i + 2]) - a[i].max(b[i])).max(0.0);
    let area = |r: [f64; 4]| (r[2] - r[0]) * (r[3] - r[1]);
    let common = side(0) * side(1);
    common / (area(a) + area(b) - common)
}

/// The cup in coffee.png with its handle, measured by hand.
const CUP: [f64; 4] = [171.0, 17.0, 409.0, 307.0];

/// A real detector on a photo: detections and maps are those of numpy (`make_real.py`), and the box holds the object.
#[test]
fn a_real_detector_finds_the_cup_and_its_map_is_that_of_numpy() {
    let (host, index, all) = (onnx_host(), index("real.json"), read_npy(&file("real.npy")));
    let (row, expected) = (&index.cases[0], &index.detections[0].detections);
    let model = host.load_model(ModelRequest::from(fetched(&row.model).as_path())).expect("loads");
    let photo = Image::open(fetched(&row.input)).expect("a photo");
    assert_eq!(row.maps.len(), 2);
    for map in &row.maps {
        let set = map.set.iter().filter_map(|set| set.split_once('='));
        let options = ExplainOptions {
            preset: Some(map.preset.clone()),
            set: set.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            ask: vec!["boxes".into()],
            layer: Some(row.layer.clone()),
            ..ExplainOptions::default()
        };
        let explainer = Explainer::new(&host, &model, &options).expect("options");
        let found = explainer.explain(&photo).expect("a map");
        assert_eq!((found.targets.len(), expected.len()), (1, 1));
        let target = &found.targets[0];
        let seen = target.detection.expect("a box");
        let rect = [seen.rect.x, seen.rect.y, seen.rect.x + seen.rect.width, seen.rect.y + seen.rect.height];
        let is = [&rect[..], &[target.class.expect("a class") as f64, seen.score]].concat();
        let far = is.iter().zip(&expected[0]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-2, "{is:?}, not {expected:?}");
        assert!(overlap(rect, CUP) > 0.8, "{rect:?} is not the cup");
        assert_eq!((target.text.as_str(), target.label.as_deref()), ("box:0", Some("Coffee cup")));
        assert!((target.output - row.value).abs() < TOLERANCE);
        let far = distance(&found, map, &all);
        assert!(far <= TOLERANCE, "{}: the map is off by {far}", map.preset);
    }
}

#[test]
fn the_program_says_what_was_asked_of_a_real_detector_and_draws_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (json, overlay) = (folder.path().join("r.json"), folder.path().join("o.png"));
    let [x0, y0, x1, y1] = CUP;
    let target = format!("box:{x0},{y0},{x1},{y1}:Coffee cup");
    let mut command = scorecam();
    command.arg("explain").arg(fetched("photos/coffee.png")).args([
        "--set",
        "select=std",
        "--set",
        "select_count=4",
    ]);
    command.arg("--model").arg(fetched("models/ssd_mobilenet_v2.toml")).args(["--target", &target]);
    run(command.arg("--json").arg(&json).arg("--overlay").arg(&overlay));
    let text = std::fs::read_to_string(&json).expect("the results");
    let results: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let said = &results["results"][0]["targets"][0];
    assert_eq!(
        (said["target"].as_str(), said["label"].as_str()),
        (Some(&target[..]), Some("Coffee cup")),
        "{said}"
    );
    // The box that the detector sees, which is a bit larger, times how much its class is the likeliest.
    let value = said["output"].as_f64().expect("a number");
    assert!(value > 0.8 && value < 0.95, "{value}");
    assert_eq!(said["overlay"].as_str(), overlay.to_str());
    let (drawn, photo) =
        (image::open(&overlay).expect("a picture"), image::open(fetched("photos/coffee.png")));
    assert_eq!((drawn.width(), drawn.height()), (600, 400));
    assert_ne!(drawn.into_rgb8(), photo.expect("a photo").into_rgb8());
}

/// `--skip-existing` goes by the masks that targets name, too.
#[test]
fn a_photo_is_explained_anew_when_a_mask_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let photo = image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([(x * 8) as u8, (y * 8) as u8, 90]));
    photo.save(at("a.png")).expect("written");
    let model = format!("[model]\nfile = {:?}\nlayer = \"features\"\n", file("models/segments.onnx"));
    std::fs::write(at("segments.toml"), model).expect("written");
    let mask = |side: u32| {
        let inside = |x, y| image::Luma([if x < side && y < side { 255 } else { 0 }]);
        image::GrayImage::from_fn(32, 32, inside).save(at("mask.png")).expect("written");
    };
    let is_explained = || {
        let mut command = scorecam();
        command.current_dir(folder.path()).args([
            "explain",
            "a.png",
            "--model",
            "segments.toml",
            "--out",
            "out",
        ]);
        command.arg("--plugin").arg(library("scorecam_onnx_cpu")).arg("--skip-existing");
        run(command.args(["--target", "region:mask.png:1"])).lines().any(|line| line == "a.png")
    };
    mask(8);
    assert!(is_explained() && !is_explained());
    mask(20);
    assert!(is_explained() && !is_explained());
}

#[test]
fn a_target_that_cannot_be_gets_one_line() {
    let host = onnx_host();
    let model = |file: &str, output: &str| {
        load(&host, (&format!("models/{file}.onnx"), output), Some("features")).expect(file)
    };
    let yolo = model("yolov5", "[output]\nkind = \"detections\"\nformat = \"yolov5\"\n");
    let (segments, classes) = (model("segments", ""), model("classes", ""));
    let embedding = model("embedding", "[output]\nkind = \"embedding\"\n");
    let check = |model: &Model, target: &str, kind, words_of: &[&str]| {
        let options = ExplainOptions { ask: vec![words(target)], ..ExplainOptions::default() };
        refused(explain(&host, model, options, &file("models/input.npy")), kind, words_of);
    };
    use ErrorKind::{InvalidArgument, Io, NotFound, Unsupported};
    check(&yolo, "box:99", NotFound, &["box 99 does not exist", "boxes 0 to", "with a score above 0.25"]);
    check(&yolo, "box:900,900,910,910", NotFound, &["matches no box", "its detections", "class 0 at"]);
    check(&yolo, "box:5,5,1,1", InvalidArgument, &["5,5,1,1", "X0 < X1"]);
    check(&yolo, "box:1,1,9,9:4", InvalidArgument, &["class 4 is out of range", "4 classes"]);
    check(&yolo, "candidate:64", InvalidArgument, &["candidate 64", "the detector has 64"]);
    check(&yolo, "class:1", Unsupported, &["list of vectors"]);
    check(&segments, "region:predicted:7", InvalidArgument, &["class 7 is out of range", "4 classes"]);
    check(&segments, "region:models/none.png", Io, &["none.png"]);
    let folder = tempfile::tempdir().expect("a folder");
    let small = folder.path().join("small.png");
    image::GrayImage::new(24, 16).save(&small).expect("written");
    let target = format!("region:{}", small.display());
    check(&segments, &target, InvalidArgument, &["mask is 24 x 16 pixels", "must be equal"]);
    let black = folder.path().join("black.png");
    image::GrayImage::new(32, 32).save(&black).expect("written");
    check(&segments, &format!("region:{}", black.display()), NotFound, &["is empty", "predicts class"]);
    check(&segments, "box:0", Unsupported, &["do not look like those of a known detector", "output.format"]);
    check(&embedding, "like:models/none.png", Io, &["none.png"]);
    check(&classes, "value", InvalidArgument, &["several values", "class:NUMBER"]);
    check(&classes, "contrast:3", NotFound, &["\"3\" is not CLASS-CLASS"]);
    check(&classes, "contrast:3-9", InvalidArgument, &["class 9 is out of range", "0 to 6"]);
    check(&classes, "not:7", InvalidArgument, &["class 7 is out of range"]);
    check(&classes, "weather", InvalidArgument, &["none of class:NAME"]);
    let logits = model("yolov5_logits", "[output]\nkind = \"detections\"\nformat = \"yolov5\"\n");
    check(&logits, "box:0", InvalidArgument, &["not probabilities", "output.activated = false"]);
    let nothing = ExplainOptions {
        ask: vec!["boxes".into()],
        detections: Kept { score: 0.999, ..Kept::default() },
        ..ExplainOptions::default()
    };
    let found = explain(&host, &yolo, nothing, &file("models/input.npy"));
    refused(found, NotFound, &["no detection with a score above 0.999", "--min-score"]);
}
