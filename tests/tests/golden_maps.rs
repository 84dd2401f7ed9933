//! Every preset and every option of every method gives the map of the independent numpy implementation.

use std::ops::ControlFlow;
use std::path::PathBuf;

use scorecam_core::{Explanation, Request, Targets, Tensor, explain};
use scorecam_host::{Host, Model, ModelRequest};
use scorecam_tests::{Case, CaseFile, difference, fetched, golden, library, read_npy, torch_host, toy_host};

fn run(host: &Host, model: &Model, case: &Case, input: &Tensor) -> Explanation {
    let method = host.method(&case.method).expect("the method is built in");
    let options = method.info().resolve(Some(&case.preset), &case.options()).expect("the options resolve");
    let reference = case.reference.as_ref().map(|r| read_npy(&golden(r)));
    let request = Request {
        input: input.view(),
        reference: reference.as_ref().map(Tensor::view),
        targets: Targets::Classes(vec![case.class]),
        layer: Some(&case.layer),
        options: &options,
        batch_size: None,
        output_activation: None,
        progress: &|_| ControlFlow::Continue(()),
    };
    explain(model.backend(), method.as_ref(), &request).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

/// What is wrong with one case, if anything.
fn check(host: &Host, model: &Model, case: &Case, input: &Tensor) -> Option<String> {
    let explanation = run(host, model, case, input);
    let output = (f64::from(explanation.targets[0].output) - case.output).abs();
    if output > 1e-3 * case.output.abs().max(1.0) {
        return Some(format!("{}: the model's output differs by {output}", case.name));
    }
    let map = explanation.maps.reshape(case.expected.shape).expect("one map of the expected size");
    let far = difference(map.view(), &case.expected);
    (far > case.tolerance).then(|| format!("{}: {far} is more than {}", case.name, case.tolerance))
}

fn report(wrong: Vec<String>, all: usize) {
    assert!(all > 0, "the index has no cases");
    assert!(wrong.is_empty(), "{} of {all} maps differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn toy_maps_equal_the_independent_implementation() {
    let host = toy_host();
    let file = CaseFile::read("toy.json");
    let wrong = file.cases.iter().filter_map(|case| {
        let request = ModelRequest { path: golden(&case.model), ..Default::default() };
        let model = host.load_model(&request).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        check(&host, &model, case, &read_npy(&golden(&case.input)))
    });
    report(wrong.collect(), file.cases.len());
}

/// The cases of real models, on the files that `path` gives for a model's name.
fn check_real(host: &Host, path: impl Fn(&str) -> PathBuf) {
    let file = CaseFile::read("onnx.json");
    let photo = fetched("photos/chelsea.png");
    let mut wrong = Vec::new();
    for (key, crop) in &file.inputs {
        let path = path(&key.replace('-', "_"));
        let model = host.load_model(&ModelRequest { path, ..Default::default() }).expect("the model loads");
        let input = crop.tensor(&photo);
        let cases = file.cases.iter().filter(|c| c.model == *key);
        wrong.extend(cases.filter_map(|case| check(host, &model, case, &input)));
    }
    report(wrong, file.cases.len());
}

/// One after the other: two runtimes that share the cores take more than twice as long.
#[test]
fn real_maps_equal_the_independent_implementation() {
    let host = Host::new(None).expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    check_real(&host, |name| fetched(&format!("models/{name}.onnx")));
    check_real(&torch_host(), |name| fetched(&format!("models/{name}.ts.pt")));
}
