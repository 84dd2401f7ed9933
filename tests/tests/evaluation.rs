//! Measures that ask a model equal the independent numpy implementation, on the toy network and on EfficientNet-Lite0.

use std::ops::ControlFlow;
use std::sync::Arc;

use scorecam::evaluation::{
    EvaluationRequest, Faithfulness, Measures, PROTOCOLS, Protocol, Road, SaliencyMap, evaluate,
};
use scorecam::{Host, Model, Targets, Tensor};
use scorecam_tests::{CaseFile, fetched, golden, library, read_npy, torch_host, toy_host};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    peaks: std::collections::BTreeMap<String, Vec<[f64; 3]>>,
    percentiles: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: String,
    class: usize,
    map: String,
    preset: String,
    score: f64,
    kept: f64,
    drop: Option<f64>,
    increase: bool,
    gain: Option<f64>,
    areas: [f64; 2],
    deletion: Vec<f64>,
    insertion: Vec<f64>,
    road: Option<[f64; 3]>,
}

/// The greatest of pyramids around points, of whole numbers, as make_evaluation_passes.py has it.
fn pyramid((height, width): (usize, usize), peaks: &[[f64; 3]]) -> SaliencyMap {
    let side = |share: f64, n: usize| (share * n as f64) as i64;
    let value = |i: usize| {
        let (y, x) = ((i / width) as i64, (i % width) as i64);
        let from = |&[py, px, reach]: &[f64; 3]| {
            side(reach, height.min(width)) - (y - side(py, height)).abs() - (x - side(px, width)).abs()
        };
        peaks.iter().map(from).max().unwrap_or(0).max(0) as f32 / 64.0
    };
    let values: Vec<f32> = (0..height * width).map(value).collect();
    SaliencyMap::new(&values, (height, width)).expect("a map")
}

fn golden_cases() -> Golden {
    let text = std::fs::read_to_string(golden("evaluation_passes.json")).expect("the golden file");
    serde_json::from_str(&text).expect("the golden file is JSON")
}

fn measured(model: &Model, input: &Tensor, golden: &Golden, case: &Case) -> (f64, Faithfulness, usize) {
    let (height, width) = (input.shape()[2], input.shape()[3]);
    // Beside another map, so that each finds its own scores.
    let maps =
        [pyramid((height, width), &golden.peaks[&case.map]), pyramid((height, width), &[[0.9, 0.1, 0.5]])];
    let road = Road { percentiles: golden.percentiles.clone(), noise: 0.0, ..Road::default() };
    let measures = Measures { road: case.road.map(|_| road), ..Measures::default() };
    let request = EvaluationRequest {
        input: Arc::new(input.clone()),
        target: Targets::Classes(vec![case.class]),
        maps: if case.model == "toy" { &maps } else { &maps[..1] },
        protocol: Protocol::preset(&case.preset).expect("a preset"),
        measures: &measures,
        batch_size: None,
        progress: None,
    };
    let mut found = evaluate(model.backend(), request).unwrap_or_else(|e| panic!("{}: {e}", case.preset));
    (found.score, found.maps.swap_remove(0), found.passes)
}

/// What is wrong with one case, if anything. Scores of another engine are near those of the golden file's, not equal.
fn check((model, tolerance): (&Model, f64), input: &Tensor, golden: &Golden, case: &Case) -> Vec<String> {
    let (score, found, _) = measured(model, input, golden, case);
    let protocol = Protocol::preset(&case.preset).expect("a preset");
    let (deletion, insertion) = (found.deletion.expect("a curve"), found.insertion.expect("a curve"));
    let mut numbers = vec![
        ("score", Some(score), Some(case.score)),
        ("kept", found.kept, Some(case.kept)),
        ("drop", found.drop, case.drop),
        ("gain", found.gain, case.gain),
        ("area of deletion", Some(deletion.area(protocol.area)), Some(case.areas[0])),
        ("area of insertion", Some(insertion.area(protocol.area)), Some(case.areas[1])),
        ("increase", found.increase.map(f64::from), Some(f64::from(case.increase))),
    ];
    let curves = [("deletion", &deletion, &case.deletion), ("insertion", &insertion, &case.insertion)];
    for (name, curve, expected) in curves {
        assert_eq!(curve.scores().len(), expected.len(), "{} {name}", case.preset);
        numbers
            .extend(curve.scores().iter().zip(expected).map(|(&is, &wanted)| (name, Some(is), Some(wanted))));
    }
    if let Some([combined, most, least]) = case.road {
        let road = found.road.expect("ROAD");
        numbers.push(("road", Some(road.combined), Some(combined)));
        numbers.push(("most first", Some(road.most_first), Some(most)));
        numbers.push(("least first", Some(road.least_first), Some(least)));
    }
    let is_near = |is: Option<f64>, wanted: Option<f64>| match (is, wanted) {
        (Some(is), Some(wanted)) => (is - wanted).abs() <= tolerance * wanted.abs().max(1.0),
        (is, wanted) => is == wanted,
    };
    let wrong = numbers.into_iter().filter(|&(_, is, wanted)| !is_near(is, wanted));
    wrong
        .map(|(what, is, wanted)| {
            format!("{} {} {}: {what} {is:?}, not {wanted:?}", case.model, case.map, case.preset)
        })
        .collect()
}

fn check_all(name: &str, model: (&Model, f64), input: &Tensor) {
    let golden = golden_cases();
    let cases: Vec<&Case> = golden.cases.iter().filter(|case| case.model == name).collect();
    assert!(PROTOCOLS.iter().all(|preset| cases.iter().any(|case| case.preset == preset.name)));
    let wrong: Vec<String> = cases.iter().flat_map(|case| check(model, input, &golden, case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn toy_model(host: &Host) -> (Model, Tensor) {
    let model = host.load_model(golden("toy/plain.toy")).expect("the model loads");
    (model, read_npy(&golden("toy/input-3x32x32.npy")))
}

#[test]
fn scores_of_changed_toy_images_equal_the_independent_implementation() {
    let (model, input) = toy_model(&toy_host());
    check_all("toy", (&model, 1e-6), &input);
}

#[test]
fn scores_of_changed_photos_equal_the_independent_implementation() {
    let host = Host::new().expect("a host");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    let model = host.load_model(fetched("models/efficientnet_lite0.toml")).expect("the model loads");
    let crop = &CaseFile::read("onnx.json").inputs["efficientnet-lite0"];
    check_all("efficientnet-lite0", (&model, 1e-6), &crop.tensor(&fetched("photos/chelsea.png")));
}

/// libtorch makes the images of curves on its own device.
#[test]
fn scores_of_changed_photos_on_libtorch_are_those_of_onnx_runtime() {
    let path = fetched("models/efficientnet_lite0.ts.toml");
    let model = torch_host().load_model(path).expect("the model loads");
    let crop = &CaseFile::read("onnx.json").inputs["efficientnet-lite0"];
    check_all("efficientnet-lite0", (&model, 1e-4), &crop.tensor(&fetched("photos/chelsea.png")));
}

/// Both ends of all curves are scored once: the photo, and the base of both.
#[test]
fn what_maps_share_is_scored_once() {
    let (model, input) = toy_model(&toy_host());
    let maps = [pyramid((32, 32), &[[0.4, 0.6, 1.0]]), pyramid((32, 32), &[[0.9, 0.1, 0.5]])];
    let passes = |preset: &str, maps: &[SaliencyMap], measures: &Measures| {
        let request = EvaluationRequest {
            input: Arc::new(input.clone()),
            target: Targets::Top(1),
            maps,
            protocol: Protocol::preset(preset).expect("a preset"),
            measures,
            batch_size: None,
            progress: None,
        };
        evaluate(model.backend(), request).expect("an evaluation").passes
    };
    let all = Measures::default();
    assert_eq!(passes("paper", &[], &all), 1);
    assert_eq!(
        passes("paper", &maps[..1], &all),
        1 + 1 + 2 * 99 + 1,
        "the photo, its part, inner points, the base"
    );
    assert_eq!(passes("paper", &maps, &all), 1 + 2 + 2 * 2 * 99 + 1);
    assert_eq!(passes("rise", &maps, &all), 1 + 2 + 2 * 2 * 3 + 2, "insertion has a base of its own");
    let drop = Measures { deletion: false, insertion: false, ..all.clone() };
    assert_eq!(passes("paper", &maps, &drop), 1 + 2);
    let insertion = Measures { drop: false, deletion: false, ..all };
    assert_eq!(passes("rise", &maps, &insertion), 1 + 2 * 3 + 1);
}

#[test]
fn maps_of_another_size_are_refused_and_a_call_can_be_cancelled() {
    let (model, input) = toy_model(&toy_host());
    let measures = Measures::default();
    let maps = [pyramid((32, 32), &[[0.4, 0.6, 1.0]])];
    let small = [pyramid((16, 32), &[[0.4, 0.6, 1.0]])];
    let request = |maps| EvaluationRequest {
        input: Arc::new(input.clone()),
        target: Targets::Top(1),
        maps,
        protocol: Protocol::default(),
        measures: &measures,
        batch_size: Some(8),
        progress: None,
    };
    let error = evaluate(model.backend(), request(&small)).expect_err("another size").to_string();
    assert!(error.contains("a saliency map has 16 x 32 pixels; the model's input has 32 x 32"), "{error}");
    let mut cancelled = request(&maps);
    cancelled.progress = Some(Box::new(|progress| match progress.passes > 20 {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }));
    let error = evaluate(model.backend(), cancelled).expect_err("cancelled");
    assert_eq!(error.kind(), scorecam::ErrorKind::Cancelled);
}
