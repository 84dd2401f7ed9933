//! A manifest is read when its model is loaded, and by no photo.

use scorecam::{ExplainOptions, ModelRequest};
use scorecam_tests::{explained, golden, read_npy, toy_host};

#[test]
fn a_photo_reads_the_manifest_never() {
    let folder = tempfile::tempdir().expect("a folder");
    let [file, manifest] = ["plain.toy", "plain.toml"].map(|name| folder.path().join(name));
    std::fs::copy(golden("toy/plain.toy"), &file).expect("copied");
    std::fs::write(&manifest, "[model]\nfile = \"plain.toy\"\nlayer = \"conv2\"\n").expect("written");
    let host = toy_host();
    let model = host.load_model(ModelRequest::from(manifest.as_path())).expect("loads");
    let explain = || {
        let input = read_npy(&golden("toy/input-3x32x32.npy"));
        explained(&host, &model, &ExplainOptions::default(), &input).expect("an explanation")
    };
    let before = explain();
    std::fs::remove_file(&manifest).expect("removed");
    std::fs::remove_file(&file).expect("removed");
    let after = explain();
    assert_eq!((before.layer.as_str(), before.maps.data()), ("conv2", after.maps.data()));
}
