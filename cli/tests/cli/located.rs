//! `scorecam explain --boxes` and `--region`: where the evidence lies, in pixels of the photo.

use std::fs;

use super::{explain, golden, json, scorecam, write_npy, write_photo};

#[test]
fn boxes_and_energy_are_those_of_the_map_and_in_pixels_of_the_photo() {
    let folder = tempfile::tempdir().expect("a folder");
    let photo = folder.path().join("photo.png");
    write_photo(&photo, 64, 96);
    let photo = photo.display().to_string();
    let found = |more: &[&str]| {
        json(&explain(&photo, &[&["--json", "-"], more].concat()))["results"][0]["targets"][0].clone()
    };
    let plain = found(&[]);
    assert!(
        plain.get("boxes").is_none() && plain.get("on_region").is_none(),
        "what was not asked is not said: {plain}"
    );

    let whole = found(&["--boxes", "0"]);
    assert_eq!(
        whole["boxes"],
        serde_json::json!([[0.0, 0.0, 64.0, 96.0]]),
        "every pixel has at least nothing"
    );
    let largest = found(&["--boxes", "0.6"])["boxes"].clone();
    let all = found(&["--boxes", "0.6", "--box-areas", "all"])["boxes"].clone();
    assert_eq!((largest.as_array().map(Vec::len), &all[0]), (Some(1), &largest[0]));
    let [x0, y0, x1, y1] = [0, 1, 2, 3].map(|i| largest[0][i].as_f64().expect("a number"));
    assert!(
        (0.0..64.0).contains(&x0)
            && x0 < x1
            && x1 <= 64.0
            && (0.0..96.0).contains(&y0)
            && y0 < y1
            && y1 <= 96.0
    );

    let region = |more: &[&str]| found(more)["on_region"].clone();
    let on = |x0: &str| region(&["--region", x0])["energy"].as_f64().expect("an energy");
    assert!((on("0,0,64,96") - 1.0).abs() < 1e-12);
    assert!((on("0,0,32,96") + on("32,0,64,96") - 1.0).abs() < 1e-6, "two halves are the whole");
    // A mask of the left half is the same as its box.
    let mask = folder.path().join("mask.png");
    image::GrayImage::from_fn(64, 96, |x, _| image::Luma([if x < 32 { 255 } else { 0 }]))
        .save(&mask)
        .expect("a mask");
    let by_mask = region(&["--region", &mask.display().to_string()]);
    assert_eq!(by_mask, region(&["--region", "0,0,32,96"]));
    let lift = by_mask["lift"].as_f64().expect("a lift");
    assert!((lift - 2.0 * by_mask["energy"].as_f64().expect("an energy")).abs() < 1e-6);
}

#[test]
fn too_little_evidence_on_the_region_is_an_alarm() {
    let folder = tempfile::tempdir().expect("a folder");
    let photo = folder.path().join("photo.png");
    write_photo(&photo, 32, 32);
    let photo = photo.display().to_string();
    let ask =
        |least: &str| explain(&photo, &["--region", "0,0,16,32", "--least-energy", least, "--json", "-"]);
    let energy =
        json(&ask("0"))["results"][0]["targets"][0]["on_region"]["energy"].as_f64().expect("an energy");
    let output = ask(&(energy + 0.01).to_string());
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the results are there");
    assert_eq!(found["results"][0]["targets"][0]["on_region"]["enough"], false);
}

#[test]
fn a_region_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    write_photo(folder.path().join("photo.png").as_path(), 32, 32);
    write_photo(folder.path().join("small.png").as_path(), 8, 8);
    image::GrayImage::new(32, 32).save(at("black.png")).expect("a mask");
    write_npy(folder.path().join("input.npy").as_path(), &[3, 32, 32], &[0.5f32; 3 * 1024]);
    fs::write(at("text.png"), "no picture").expect("a file");
    let (model, small, black, text) = (golden("plain.toy"), at("small.png"), at("black.png"), at("text.png"));
    for (input, region, status, expected) in [
        ("photo.png", small.as_str(), 1, "the mask has 8x8 pixels, its photo 32x32"),
        ("photo.png", &black, 1, "the model sees nothing of the object"),
        ("photo.png", &text, 1, "text.png"),
        ("photo.png", "40,0,50,9", 1, "the model sees nothing of the object"),
        ("photo.png", "9,9,5,20", 2, "a box is X0,Y0,X1,Y1 with X0 below X1"),
        ("input.npy", "0,0,9,9", 1, "--region is a part of a photo; a tensor has none"),
    ] {
        let output = scorecam()
            .args(["explain", &at(input), "--model", &model, "--region", region])
            .output()
            .expect("it runs");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(status) && words.contains(expected), "{region}: {words}");
    }
    // A picture that the run reads is never written over.
    let photo = at("photo.png");
    let output = explain(&photo, &["--region", &black, "--overlay", &black]);
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
