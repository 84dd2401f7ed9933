//! `score-cam-adaptive` on a real model: how near its maps are to the exact ones, and that its own estimate of the
//! error is no smaller than the error.

use scorecam::{ExplainOptions, Explainer, Explanation, Host, Image, Model, ModelRequest, Targets, Tensor};
use scorecam_tests::{CaseFile, explained, fetched, library, pairs};

/// One photo under one model.
struct Photo<'a> {
    host: &'a Host,
    model: &'a Model,
    input: Tensor,
}

impl Photo<'_> {
    fn explain(&self, method: &str, set: &[(&str, &str)]) -> Explanation {
        let options = ExplainOptions { method: method.into(), set: pairs(set), ..ExplainOptions::default() };
        explained(self.host, self.model, &options, &self.input).expect("a map")
    }
}

fn estimated(found: &Explanation) -> f64 {
    let measure = found.measures.iter().find(|(name, _)| name == "estimated-error");
    measure.expect("the method measures its error").1
}

fn correlation(a: &Explanation, b: &Explanation) -> f64 {
    let about_mean = |found: &Explanation| {
        let values: Vec<f64> = found.maps.data().iter().map(|&v| f64::from(v)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.into_iter().map(move |v| v - mean).collect::<Vec<_>>()
    };
    let (a, b) = (about_mean(a), about_mean(b));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

/// How far `found` is from `exact`, relative to its norm.
fn error(found: &Explanation, exact: &Explanation) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let pairs = found.maps.data().iter().zip(exact.maps.data());
    let far = norm(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b)));
    far / norm(&mut exact.maps.data().iter().map(|&v| f64::from(v)))
}

fn squeezenet() -> (Host, Model) {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    let path = fetched("models/squeezenet1_1.onnx");
    let model = host.load_model(ModelRequest { path, ..Default::default() }).expect("the model loads");
    (host, model)
}

/// Four frames of a camera that moves over a photo.
#[test]
fn a_frame_is_nearer_after_the_one_before() {
    let (host, model) = squeezenet();
    let options = ExplainOptions {
        method: "score-cam-adaptive".into(),
        set: pairs(&[("passes", "32")]),
        targets: Targets::Classes(vec![285]),
        ..ExplainOptions::default()
    };
    let explainer = Explainer::new(&host, &model, &options).expect("an explainer");
    let mut before: Option<Explanation> = None;
    let (mut cold, mut warm) = (0.0, 0.0);
    for step in 0..4 {
        let mut crop = CaseFile::read("onnx.json").inputs["squeezenet1_1"].clone();
        crop.left += 6 * step;
        let image = Image::from(crop.tensor(&fetched("photos/chelsea.png")));
        let alone = explainer.explain(&image).expect("a map");
        if let Some(before) = &before {
            let exact = ExplainOptions { method: "score-cam".into(), set: vec![], ..options.clone() };
            let exact = Explainer::new(&host, &model, &exact).and_then(|e| e.explain(&image)).expect("a map");
            let next = explainer.explain_next(&image, before).expect("a map");
            (cold, warm) = (cold + error(&alone, &exact), warm + error(&next, &exact));
            assert_eq!(next.passes, alone.passes);
        }
        before = Some(alone);
    }
    assert!(warm < cold, "{warm} after the frame before, {cold} alone");
}

#[test]
fn few_passes_give_nearly_the_exact_map_and_know_how_nearly() {
    let (host, model) = squeezenet();
    let crop = &CaseFile::read("onnx.json").inputs["squeezenet1_1"];
    let (mut covered, mut seen) = (0, Vec::new());
    for name in ["chelsea", "coffee", "camera"] {
        let input = crop.tensor(&fetched(&format!("photos/{name}.png")));
        let photo = Photo { host: &host, model: &model, input };
        let exact = photo.explain("score-cam", &[]);
        let top = photo.explain("score-cam", &[("select", "std"), ("select_count", "64")]);
        for (passes, least) in [(64, 0.98), (128, 0.995)] {
            let found = photo.explain("score-cam-adaptive", &[("passes", &passes.to_string())]);
            assert_eq!(found.passes, 1 + passes, "{name}");
            let near = correlation(&found, &exact);
            assert!(near >= least, "{name} in {passes} passes: {near}");
            let of_top = correlation(&top, &exact);
            assert!(near > of_top, "{name}: {near}, and {of_top} of 64 channels by deviation");
            let (reported, is) = (estimated(&found), error(&found, &exact));
            covered += usize::from(reported >= is);
            seen.push(format!("{name} in {passes} passes: {is:.4}, estimated {reported:.4}"));
        }
    }
    assert!(covered >= 5, "{}", seen.join("\n"));
}
