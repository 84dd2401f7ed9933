//! `scorecam sanity`: maps of a model whose weights are drawn anew, layer by layer.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::{golden, scorecam, write_photo};

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn sanity(data: &Path, model: &str, more: &[&str]) -> Output {
    scorecam().arg("sanity").arg(data).args(["--model", model]).args(more).output().expect("it runs")
}

fn photos(folder: &Path, count: u32) {
    (0..count).for_each(|i| write_photo(&folder.join(format!("{i}.png")), 40 + 3 * i, 64));
}

/// What a run writes as JSON.
fn found(data: &Path, more: &[&str]) -> Value {
    let output = sanity(data, &golden("plain.toy"), &[&["--json", "-"], more].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)))
}

#[test]
fn a_cascade_ends_with_a_verdict_from_all_photos() {
    let folder = tempfile::tempdir().expect("a folder");
    photos(folder.path(), 4);
    let page = folder.path().join("page.html");
    let report = page.to_str().expect("UTF-8");
    let output = sanity(folder.path(), &golden("plain.toy"), &["--method", "score-cam", "--report", report]);
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    for (line, words) in
        lines[1..4].iter().zip(["1              head", "2              from conv2 on", "3              all"])
    {
        assert!(line.starts_with(words), "{text}");
    }
    assert!(
        lines[4].contains("different photos, mean") && text.contains("note: random weights in only the last"),
        "{text}"
    );
    let verdict = lines.iter().find(|line| line.starts_with("passed: ") || line.starts_with("failed: "));
    assert_eq!(output.status.success(), verdict.is_some_and(|line| line.starts_with("passed")), "{text}");
    let page = fs::read_to_string(page).expect("a page");
    for words in ["Similarity by random layers", "from conv2 on (2)", "3.png", "trained"] {
        assert!(page.contains(words), "{words} is not in the report");
    }
}

#[test]
fn numbers_are_those_of_each_photo_and_of_the_seed() {
    let folder = tempfile::tempdir().expect("a folder");
    photos(folder.path(), 3);
    let one = found(folder.path(), &["--method", "eigen-cam", "--seed", "5"]);
    assert_eq!(one, found(folder.path(), &["--method", "eigen-cam", "--seed", "5"]));
    assert_ne!(one["stages"], found(folder.path(), &["--method", "eigen-cam", "--seed", "6"])["stages"]);
    assert_eq!(one["layers"], serde_json::json!(["conv1", "conv2", "head"]));
    assert_eq!(one["different_photos"]["pairs"], 3);
    // Eigen-CAM reads activations alone, which do not depend on the classifier.
    let first = &one["stages"][0];
    assert_eq!((&first["name"], &first["layers"]), (&"head".into(), &serde_json::json!([2, 3])));
    assert!(first["photos"].as_array().is_some_and(|all| all.iter().all(|s| s["spearman"] == 1.0)));
    let last = &one["stages"][2];
    let values: Vec<f64> = last["photos"]
        .as_array()
        .expect("photos")
        .iter()
        .filter_map(|similarity| similarity["spearman"].as_f64())
        .collect();
    assert!(values.iter().all(|value| value.abs() < 1.0), "{values:?}");
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    assert!((last["mean"]["spearman"]["mean"].as_f64().expect("a mean") - mean).abs() < 1e-12);
}

#[test]
fn layers_one_at_a_time_draw_what_they_draw_in_a_cascade() {
    let folder = tempfile::tempdir().expect("a folder");
    photos(folder.path(), 2);
    let of = |order| found(folder.path(), &["--method", "score-cam", "--order", order]);
    let (cascade, independent) = (of("cascade"), of("independent"));
    assert_eq!(cascade["stages"][0]["photos"], independent["stages"][0]["photos"], "the last layer alone");
    assert_eq!(independent["stages"][2]["layers"], serde_json::json!([0, 1]));
    assert_eq!(independent["verdict"], Value::Null);
}

#[test]
fn one_photo_is_undecided_and_few_are_taken_evenly() {
    let folder = tempfile::tempdir().expect("a folder");
    photos(folder.path(), 6);
    let one = found(&folder.path().join("0.png"), &["--method", "eigen-cam"]);
    assert_eq!(one["verdict"], "undecided");
    let some = found(folder.path(), &["--method", "eigen-cam", "--photos", "3"]);
    let names: Vec<&str> =
        some["photos"].as_array().expect("photos").iter().filter_map(|p| p["photo"].as_str()).collect();
    assert_eq!(names, ["0.png", "2.png", "4.png"]);
}

#[test]
fn a_photo_that_fails_is_named_and_the_others_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    photos(folder.path(), 2);
    fs::write(folder.path().join("broken.png"), b"\x89PNG\r\n\x1a\n").expect("written");
    let output = sanity(folder.path(), &golden("plain.toy"), &["--method", "eigen-cam", "--json", "-"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("broken.png"), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&found["failed"][0]["photo"], found["photos"].as_array().map(Vec::len)),
        (&"broken.png".into(), Some(2))
    );
}

#[test]
fn wrong_settings_are_refused_before_the_first_pass() {
    let folder = tempfile::tempdir().expect("a folder");
    photos(folder.path(), 2);
    for (more, words) in [
        (["--draw", "guessed"], "choose one of matched, permuted, initial"),
        (["--method", "no-cam"], "no-cam"),
        (["--stages", "1"], "1 is not in 2.."),
    ] {
        let output = sanity(folder.path(), &golden("plain.toy"), &more);
        assert!(!output.status.success() && stderr(&output).contains(words), "{}", stderr(&output));
    }
}
