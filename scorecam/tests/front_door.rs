//! What the front door offers beside a plain explain call: class scores, models in memory, maps of the photo's size, time limits.

use std::path::PathBuf;
use std::time::Duration;

use scorecam::{
    ErrorKind, ExplainOptions, Explainer, Host, Image, Manifest, Model, ModelRequest, OutputKind, Overlay,
    Photo, Targets,
};

scorecam_plugin::plugin_table! { static TOY = [backend: scorecam_toy::ToyLoader]; }

fn host() -> Host {
    let host = Host::new().expect("a host");
    // SAFETY: a static table of this version.
    unsafe { host.add_plugin(&raw const TOY) }.expect("a plugin of the program itself");
    host
}

fn toy() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/toy/plain.toy").into()
}

fn photo(height: usize, width: usize) -> Image {
    let pixels = (0..height * width * 3).map(|i| (i * i % 251) as u8).collect();
    Photo::from_rgb8((height, width), pixels).expect("a photo").into()
}

fn explained(host: &Host, model: &Model, options: &ExplainOptions, image: &Image) -> scorecam::Explanation {
    Explainer::new(host, model, options)
        .and_then(|explainer| explainer.explain(image))
        .expect("an explanation")
}

#[test]
fn classes_are_scored_without_a_map() {
    let host = host();
    let model = host.load_model(toy()).expect("a model");
    let (kind, classes) = (model.output_kind(), model.class_count().expect("a fixed number of classes"));
    assert_eq!(kind, OutputKind::Classes);
    let found = model.classify(&photo(40, 32)).expect("class scores");
    assert_eq!((found.scores.len(), found.outputs.len()), (classes, classes));
    let options = ExplainOptions { targets: Targets::Top(classes), ..Default::default() };
    for target in explained(&host, &model, &options, &photo(40, 32)).targets {
        let class = target.class.expect("a class");
        assert_eq!(
            (found.scores[class], found.outputs[class]),
            (target.score, target.output),
            "class {class}"
        );
    }
}

#[test]
fn a_model_and_its_manifest_may_be_in_memory() {
    let host = host();
    let classes = host.load_model(toy()).expect("a model").class_count().expect("a number of classes");
    let names: Vec<String> = (0..classes).map(|class| format!("\"name {class}\"")).collect();
    let text = format!("[model]\nlabels = [{}]\n[input]\nmean = [0.5]\nfit = \"crop\"\n", names.join(", "));
    let manifest = Manifest::parse(&text).expect("a manifest");
    let bytes = std::fs::read(toy()).expect("the model's bytes");
    let request = ModelRequest {
        path: "net.toy".into(),
        bytes: Some(bytes.clone()),
        manifest: Some(manifest.clone()),
        ..Default::default()
    };
    let in_memory = host.load_model(request.clone()).expect("a model in memory");
    let from_file = ModelRequest { path: toy(), manifest: Some(manifest), ..Default::default() };
    let from_file = host.load_model(from_file).expect("a model from its file");
    let image = photo(50, 40);
    let maps = [&in_memory, &from_file].map(|model| explained(&host, model, &Default::default(), &image));
    assert_eq!(maps[0].maps, maps[1].maps);
    let label = maps[0].targets[0].label.as_deref().expect("a label");
    assert_eq!(in_memory.class(label).ok(), maps[0].targets[0].class);
    assert_eq!(in_memory.name(), "net.toy");

    let without_ending = ModelRequest { path: "net".into(), ..request };
    let error = host.load_model(without_ending).err().expect("no format");
    assert!(error.to_string().contains("net.onnx"), "{error}");
}

#[test]
fn labels_in_a_manifest_are_counted() {
    let manifest = Manifest::parse("[model]\nlabels = [\"one\"]\n").expect("a manifest");
    let request = ModelRequest { path: toy(), manifest: Some(manifest), ..Default::default() };
    let error = host().load_model(request).err().expect("too few names");
    assert!(error.to_string().contains("model.labels of the manifest has 1 names"), "{error}");
}

#[test]
fn a_map_has_the_photos_size_and_is_0_where_the_model_did_not_look() {
    let host = host();
    for (fit, height, width) in [("crop", 40, 80), ("letterbox", 80, 40), ("squash", 33, 47)] {
        let manifest = Manifest::parse(&format!("[input]\nfit = \"{fit}\"\n")).expect("a manifest");
        let request = ModelRequest { path: toy(), manifest: Some(manifest), ..Default::default() };
        let model = host.load_model(request).expect("a model");
        let found = explained(&host, &model, &Default::default(), &photo(height, width));
        let (map, placement) =
            (found.photo_map(0, (height, width)).expect("a map"), found.placement.expect("a photo"));
        assert_eq!(map.shape(), [height, width]);
        let own = found.map(0).expect("a map");
        let [rows, columns] = [own.shape()[0], own.shape()[1]];
        for y in 0..height {
            for x in 0..width {
                let expected =
                    expected_at(&own, (rows, columns), placement.to_input((x as f64 + 0.5, y as f64 + 0.5)));
                let is = map.data()[y * width + x];
                let seen = placement.photo_part();
                let inside = (x as f64 + 0.5 - seen.x) * (seen.x + seen.width - x as f64 - 0.5) >= 0.0
                    && (y as f64 + 0.5 - seen.y) * (seen.y + seen.height - y as f64 - 0.5) >= 0.0;
                let wanted = if inside { expected } else { 0.0 };
                assert!((is - wanted).abs() < 1e-5, "{fit} at {x}, {y}: {is}, not {wanted}");
            }
        }
    }
}

/// The map between its cells at a point (x, y) of the input, which has the map's size.
fn expected_at(map: &scorecam::TensorView<'_>, (rows, columns): (usize, usize), (x, y): (f64, f64)) -> f32 {
    let axis = |at: f64, cells: usize| {
        let at = (at - 0.5).clamp(0.0, cells as f64 - 1.0);
        (at as usize, (at as usize + 1).min(cells - 1), (at - at.floor()) as f32)
    };
    let ((top, bottom, down), (left, right, across)) = (axis(y, rows), axis(x, columns));
    let row = |y: usize| {
        let [a, b] = [left, right].map(|x| map.data()[y * columns + x]);
        a + (b - a) * across
    };
    row(top) + (row(bottom) - row(top)) * down
}

#[test]
fn a_time_limit_leaves_the_scores() {
    let host = host();
    let model = host.load_model(toy()).expect("a model");
    let options = ExplainOptions { time_limit: Some(Duration::from_nanos(1)), ..Default::default() };
    let found = explained(&host, &model, &options, &photo(32, 32));
    let why = found.late.as_deref().expect("no map");
    assert!(why.contains("time limit") && found.maps.shape()[0] == 0 && found.targets.len() == 1, "{why}");
    // Whoever asks for the map gets the reason.
    let drawn = photo(32, 32).into_photo().expect("a photo");
    let refused = [
        found.map(0).map(|_| ()).expect_err("no map"),
        found.photo_map(0, (32, 32)).map(|_| ()).expect_err("no map of the photo"),
        found.overlay(0, &drawn, &Overlay::default()).map(|_| ()).expect_err("no overlay"),
    ];
    for error in refused {
        assert!(error.kind() == ErrorKind::Deadline && error.to_string().contains(why), "{error}");
    }
    let options = ExplainOptions { time_limit: Some(Duration::MAX), ..Default::default() };
    assert_eq!(explained(&host, &model, &options, &photo(32, 32)).late, None);
}

#[test]
fn a_layer_that_the_manifest_names_wrongly_is_said_to_be_its_own() {
    let manifest = Manifest::parse("[model]\nlayer = \"none\"\n").expect("a manifest");
    let request = ModelRequest { path: toy(), manifest: Some(manifest), ..Default::default() };
    let error = host().load_model(request.clone()).err().expect("no such layer");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("model.layer of its manifest"), "{error}");
    let model = host().load_model(ModelRequest { any_layer: true, ..request }).expect("any layer will do");
    assert_eq!((model.layer(), model.manifest_layer()), (None, Some("none")));
}

#[test]
fn auto_is_the_cheapest_method_that_the_model_allows() {
    let host = host();
    let golden =
        |name: &str| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/toy")).join(name);
    let id = |file: PathBuf, options: ExplainOptions| {
        let model = host.load_model(file).expect("a model");
        Explainer::new(&host, &model, &options).map(|explainer| explainer.method().id.clone())
    };
    let auto = || ExplainOptions { method: scorecam::AUTO.into(), ..Default::default() };
    assert_eq!(id(golden("heads.toy"), auto()), Ok("recipro-cam".into()));
    assert_eq!(id(golden("plain.toy"), auto()), Ok("score-cam-adaptive".into()));
    let folder = tempfile::tempdir().expect("a folder");
    let flat = folder.path().join("flat.toy");
    let text = std::fs::read_to_string(golden("plain.toy")).expect("a model");
    std::fs::write(&flat, text.replace("map_size = [8, 8]\n", "spatial = false\n")).expect("written");
    assert_eq!(id(flat.clone(), auto()), Ok("rise".into()));
    let named = ExplainOptions { layer: Some("nowhere".into()), ..auto() };
    assert_eq!(id(flat, named).expect_err("no such layer").kind(), ErrorKind::NotFound);
    let preset = ExplainOptions { preset: Some("official".into()), ..auto() };
    let error = id(golden("plain.toy"), preset).expect_err("a preset of no method").to_string();
    assert!(error.contains("takes no preset or options"), "{error}");
}
