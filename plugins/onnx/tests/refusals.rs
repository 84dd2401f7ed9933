//! What bad input gets: one line that names the thing, the value and what to do.

mod common;

use std::path::Path;

use common::{F32, I64, Net, classifier, config, forward, image, load, refusal, value};
use scorecam_core::{ErrorKind, ModelConfig};

fn check(config: &ModelConfig, expected: &[&str]) {
    let message = refusal(config);
    assert!(!message.contains('\n'), "{message:?} has several lines");
    for part in expected {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn files_that_are_no_models_are_named_for_what_they_are() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = classifier(0).bytes();
    let path = folder.path().join("m.onnx");
    for (bytes, expected) in [
        (&b""[..], "is empty"),
        (b"<!DOCTYPE html><html></html>", "is a web page"),
        (b"\n <html>", "is a web page"),
        (b"PK\x03\x04rest", "zip archive, as TorchScript"),
        (b"\x80\x02pickle", "Python pickle"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"\x18\0\0\0ORTMxx", "ORT format"),
        (b"{\"a\": 1}", "is JSON"),
        (b"\xff\xfe\xfd\xfc random", "is not an ONNX model"),
        (&good[..good.len() - 20], "is truncated or damaged"),
        (&good[..2], "it has no graph"),
    ] {
        std::fs::write(&path, bytes).expect("the folder can be written");
        check(&config(&path), &["m.onnx", expected]);
    }
    check(&config(folder.path()), &["is a folder"]);
    check(&config(Path::new("nowhere/m.onnx")), &["cannot read model nowhere/m.onnx"]);
}

#[test]
fn a_model_that_the_runtime_refuses_is_reported_with_its_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let net = Net::new(&[0, 3, 8, 8]).node("NoSuchOperator", "input", "logits").output("logits", &[0, 5]);
    check(&config(&net.save(folder.path(), "m.onnx")), &["onnxruntime cannot load", "NoSuchOperator"]);
}

#[test]
fn inputs_and_outputs_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let save = |net: &Net| net.save(folder.path(), "m.onnx");
    let mut two = classifier(0);
    two.graph.input.push(value("mask", F32, &[0, 1]));
    let path = save(&two);
    check(&config(&path), &["inputs other than the image \"input\": mask", "input.mask=VALUE"]);
    check(&ModelConfig { input: Some("mask".into()), ..config(&path) }, &["input \"mask\" has shape [N, 1]"]);
    check(&ModelConfig { input: Some("x".into()), ..config(&path) }, &["input \"x\" is not", "input, mask"]);

    let path = save(&classifier(0));
    check(&ModelConfig { output: Some("y".into()), ..config(&path) }, &["output \"y\" is not", "logits"]);
    check(
        &ModelConfig { input_size: Some((9, 8)), ..config(&path) },
        &["input \"input\" takes [N, 3, 8, 8]", "9 x 8"],
    );
    check(&ModelConfig { threads: Some(0), ..config(&path) }, &["threads is 0"]);
    check(&ModelConfig { device: Some("cuda:0".into()), ..config(&path) }, &["device \"cuda:0\"", "\"cpu\""]);

    let mut whole = classifier(0);
    whole.graph.input[0] = value("input", I64, &[0, 3, 8, 8]);
    check(&config(&save(&whole)), &["input \"input\" is i64; images are given as f32"]);
    let flat =
        Net::new(&[0, 192]).weights("w", &[192, 5]).node("MatMul", "input w", "y").output("y", &[0, 5]);
    check(&config(&save(&flat)), &["input \"input\" has shape [N, 192]", "four axes"]);
}

#[test]
fn settings_that_are_not_known_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = classifier(0).save(folder.path(), "m.onnx");
    let with = |key: &str, value: &str| ModelConfig {
        settings: [(key.to_owned(), value.to_owned())].into(),
        ..config(&path)
    };
    check(&with("treads", "2"), &["onnx-cpu", "\"treads\" is unknown", "runtime, optimization"]);
    check(&with("arena", "maybe"), &["\"arena\" is \"maybe\"", "on or off"]);
    for (key, value) in [("arena", "off"), ("optimization", "basic"), ("spinning", "off")] {
        load(&with(key, value)).expect("a known setting");
    }
}

#[test]
fn batches_and_taps_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = load(&config(&classifier(0).save(folder.path(), "m.onnx"))).expect("the model loads");
    for (shape, text) in
        [([1, 3, 4, 4], "[1, 3, 4, 4]"), ([1, 1, 8, 8], "[1, 1, 8, 8]"), ([0, 3, 8, 8], "[0, 3, 8, 8]")]
    {
        let error = forward(&*model, image(shape, 1).view(), &[]).expect_err("a wrong shape");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert_eq!(error.to_string(), format!("input \"input\" must be [N, 3, 8, 8]; the tensor is {text}"));
    }
    let error = forward(&*model, image([1, 3, 8, 8], 1).view(), &["relu9"]).expect_err("a wrong name");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("layer \"relu9\" is not in the model"), "{error}");
}
