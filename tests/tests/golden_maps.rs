//! Every preset and every option of every method gives the map of the independent numpy implementation.

use std::path::PathBuf;

use scorecam::{ExplainOptions, Explanation, Host, Model, ModelRequest, Targets, Tensor};
use scorecam_tests::{
    CaseFile, GoldenMap, difference, explained, fetched, golden, library, read_npy, torch_host, toy_host,
};

/// A host, and what is before a method's id: nothing for the built-in methods.
type Methods<'a> = (&'a Host, &'a str);

fn run((host, door): Methods<'_>, model: &Model, case: &GoldenMap, input: &Tensor) -> Explanation {
    let options = ExplainOptions {
        method: format!("{door}{}", case.method),
        preset: Some(case.preset.clone()),
        set: case.options(),
        targets: Targets::Classes(vec![case.class]),
        layer: Some(case.layer.clone()),
        fuse: case.fuse.parse().expect("a way to fuse maps"),
        augment: case.augment,
        batch_size: None,
        reference: case.reference.as_ref().map(|r| read_npy(&golden(r)).into()),
        ..ExplainOptions::default()
    };
    explained(host, model, &options, input).unwrap_or_else(|e| panic!("{}: {e}", case.name))
}

/// What is wrong with one case, if anything.
fn check(methods: Methods<'_>, model: &Model, case: &GoldenMap, input: &Tensor) -> Option<String> {
    let explanation = run(methods, model, case, input);
    let output = (f64::from(explanation.targets[0].output) - case.output).abs();
    if output > 1e-3 * case.output.abs().max(1.0) {
        return Some(format!("{}: the model's output differs by {output}", case.name));
    }
    let map = explanation.maps.reshape(case.expected.shape).expect("one map of the expected size");
    let far = difference(map.view(), &case.expected);
    if let Some(expected) = &case.errors {
        let errors = explanation.errors.expect("standard errors").reshape(expected.shape);
        let far = difference(errors.expect("errors of one map").view(), expected);
        if far > case.tolerance {
            return Some(format!("{}: standard errors differ by {far}", case.name));
        }
    } else if explanation.errors.is_some() != (case.method == "rise") {
        return Some(format!("{}: standard errors where there should be none, or none", case.name));
    }
    (far > case.tolerance).then(|| format!("{}: {far} is more than {}", case.name, case.tolerance))
}

fn report(wrong: Vec<String>, all: usize) {
    assert!(all > 0, "the index has no cases");
    assert!(wrong.is_empty(), "{} of {all} maps differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn check_toy(methods: Methods<'_>) {
    let file = CaseFile::read("toy.json");
    let wrong = file.cases.iter().filter_map(|case| {
        let model =
            methods.0.load_model(golden(&case.model)).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        check(methods, &model, case, &read_npy(&golden(&case.input)))
    });
    report(wrong.collect(), file.cases.len());
}

#[test]
fn toy_maps_equal_the_independent_implementation() {
    check_toy((&toy_host(), ""));
}

/// The plugin holds the built-in methods, and is called through its tables.
#[test]
fn toy_maps_of_a_method_plugin_equal_the_independent_implementation() {
    let host = toy_host();
    host.load_plugin(&library("scorecam_mirror")).expect("the plugin loads");
    check_toy((&host, "mirror-"));
}

/// The cases of real models, on the files that `path` gives for a model's name.
fn check_real(host: &Host, path: impl Fn(&str) -> PathBuf) {
    let file = CaseFile::read("onnx.json");
    let photo = fetched("photos/chelsea.png");
    let mut wrong = Vec::new();
    for (key, crop) in &file.inputs {
        let path = path(&key.replace('-', "_"));
        let model = host.load_model(ModelRequest { path, ..Default::default() }).expect("the model loads");
        let input = crop.tensor(&photo);
        let cases = file.cases.iter().filter(|c| c.model == *key);
        wrong.extend(cases.filter_map(|case| check((host, ""), &model, case, &input)));
    }
    report(wrong, file.cases.len());
}

/// One after the other: two runtimes that share the cores take more than twice as long.
#[test]
fn real_maps_equal_the_independent_implementation() {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    check_real(&host, |name| fetched(&format!("models/{name}.onnx")));
    check_real(&torch_host(), |name| fetched(&format!("models/{name}.ts.pt")));
}
