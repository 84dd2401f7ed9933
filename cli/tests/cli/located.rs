//! `scorecam explain --boxes`, `--coco` and `--region`: where the evidence lies, in pixels of the photo.

use std::fs;

use scorecam::walk::{Depth, Walk};
use serde_json::Value;

use super::{explain, golden, json, scorecam, stdout, write_npy, write_photo};

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
        ("photo.png", small.as_str(), 1, "small.png: the mask has 8x8 pixels, its photo 32x32"),
        ("photo.png", &small, 1, "photo.png: --region: "),
        ("photo.png", &black, 1, "the object lies outside the model's input"),
        ("photo.png", &text, 1, "text.png"),
        ("photo.png", "40,0,50,9", 1, "the object lies outside the model's input"),
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

/// The COCO file of a run over two photos, one in a folder below and wide, and the folder with all of it.
fn coco_of_two(more: &[&str]) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = folder.path().join("photos/below");
    fs::create_dir_all(&photos).expect("a folder");
    write_photo(&folder.path().join("photos/a.png"), 64, 96);
    write_photo(&photos.join("b.png"), 80, 32);
    // Classes of odd numbers share a label.
    let label =
        |class: usize| if class.is_multiple_of(2) { format!("thing {class}") } else { "double".into() };
    let labels: Vec<String> = (0..10).map(label).collect();
    let crop = "[input]\nfit = \"crop\"\ncrop_fraction = 1.0\n";
    let manifest = format!("[model]\nfile = {:?}\nlabels = {labels:?}\n{crop}", golden("plain.toy"));
    fs::write(folder.path().join("net.toml"), manifest).expect("a manifest");
    let mut command = scorecam();
    command.args(["explain", "photos", "--recursive", "--model", "net.toml", "--coco", "boxes.json"]);
    command
        .args(["--boxes", "0.6", "--box-areas", "all", "--class", "top:2"])
        .args(more)
        .current_dir(&folder);
    stdout(&command.output().expect("it runs"));
    let file = fs::read_to_string(folder.path().join("boxes.json")).expect("a COCO file");
    (folder, serde_json::from_str(&file).expect("JSON"))
}

#[test]
fn boxes_of_a_run_are_one_coco_file_and_the_same_as_its_json() {
    let (folder, coco) = coco_of_two(&["--json", "results.json"]);
    let results = fs::read_to_string(folder.path().join("results.json")).expect("results");
    let results: Value = serde_json::from_str(&results).expect("JSON");
    let expected_images = serde_json::json!([
        { "id": 1, "file_name": "photos/a.png", "width": 64, "height": 96 },
        { "id": 2, "file_name": "photos/below/b.png", "width": 80, "height": 32 },
    ]);
    assert_eq!(coco["images"], expected_images);
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let number = |value: &Value| value.as_f64().expect("a number");
    let mut expected = Vec::new();
    for (image, result) in (1..).zip(list(&results["results"])) {
        for target in list(&result["targets"]) {
            for (corners, energy) in list(&target["boxes"]).iter().zip(list(&target["box_energies"])) {
                let [x0, y0, x1, y1] = [0, 1, 2, 3].map(|i| number(&corners[i]));
                assert!((0.0..=1.0).contains(&number(&energy)), "{energy}");
                expected.push(serde_json::json!({
                    "id": expected.len() + 1, "image_id": image, "category_id": target["class"],
                    "bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0,
                    "score": target["score"], "energy": energy,
                }));
            }
        }
    }
    assert!(expected.len() > 4, "several boxes of each photo: {coco}");
    assert_eq!(coco["annotations"], Value::from(expected));
    // Labels that lead to another class, or to several, would be read as that.
    for category in list(&coco["categories"]) {
        let (id, name) = (&category["id"], category["name"].as_str().expect("a name"));
        let class = id.as_u64().expect("a class");
        assert_eq!(name, if class.is_multiple_of(2) { format!("thing {class}") } else { class.to_string() });
    }
}

#[test]
fn a_coco_file_of_boxes_is_data_for_evaluation() {
    let (folder, coco) = coco_of_two(&[]);
    let path = folder.path().join("boxes.json");
    let walk = Walk { depth: Depth::Folder, is_own: &|_| false, results: None };
    let data = scorecam::Dataset::open(&path, &walk).expect("a dataset");
    assert_eq!((data.form, data.problem_count), (scorecam::dataset::Form::Coco, 0), "{:?}", data.problems);
    let boxes: usize = data.samples.iter().map(|sample| sample.boxes.len()).sum();
    assert_eq!(Some(boxes), coco["annotations"].as_array().map(Vec::len));
    assert_eq!(data.samples.len(), 4, "two classes of two photos");

    // The map's own largest box is among what was found, so it fits entirely.
    let mut command = scorecam();
    command.args([
        "evaluate",
        "boxes.json",
        "--model",
        "net.toml",
        "--measures",
        "iou",
        "--threshold",
        "0.6",
    ]);
    command.args(["--baselines", "none", "--out", "out"]).current_dir(&folder);
    let printed = stdout(&command.output().expect("it runs"));
    assert!(printed.contains("score-cam  1.000 ±0.000") && printed.contains("4 photos, "), "{printed}");
}

#[test]
fn a_coco_file_is_whole_and_of_photos() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    ["a.png", "b.png"].iter().for_each(|name| write_photo(folder.path().join(name).as_path(), 32, 40));
    write_npy(folder.path().join("input.npy").as_path(), &[3, 32, 32], &[0.5f32; 3 * 1024]);
    let coco = at("boxes.json");
    let run = |inputs: &[&str], more: &[&str]| {
        let mut command = scorecam();
        command
            .arg("explain")
            .args(inputs.iter().map(|name| at(name)))
            .args(["--model", &golden("plain.toy")]);
        command.args(more).output().expect("it runs")
    };
    let names = || {
        let file: Value = serde_json::from_slice(&fs::read(&coco).expect("a file")).expect("JSON");
        let images = file["images"].as_array().expect("images").iter();
        images.map(|image| image["file_name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let boxes = ["--boxes", "0.5", "--coco", coco.as_str()];

    // A photo that is given twice is there once; a tensor is told apart, and the photos are written all the same.
    let output = run(&["b.png", "input.npy", "a.png", "b.png"], &boxes);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("input.npy: --coco needs photos"), "{words}");
    assert_eq!(names(), ["b.png", "a.png"]);

    // Of a run into a folder, photos whose results are there already are in it, too.
    let out = at("out");
    let kept = [&boxes[..], &["--out", &out, "--skip-existing"]].concat();
    stdout(&run(&["b.png"], &kept));
    assert_eq!(names(), ["b.png"]);
    stdout(&run(&["a.png", "b.png"], &kept));
    assert_eq!(names(), ["a.png", "b.png"]);
    fs::remove_file(&coco).expect("a file");
    stdout(&run(&["a.png", "b.png"], &kept));
    assert_eq!(names(), ["a.png", "b.png"], "nothing was explained");

    // What cannot be written is said before the work, and nothing is left behind.
    let nowhere = at("none/boxes.json");
    for (more, expected) in [
        (&["--boxes", "0.5", "--coco", nowhere.as_str()][..], "none does not exist"),
        (&["--boxes", "0.5", "--coco", "boxes.txt"], "COCO files are .json"),
        (&["--coco", coco.as_str()], "--boxes"),
        (&["--boxes", "0.5", "--coco", coco.as_str(), "--json", coco.as_str()], "are the same file"),
    ] {
        let output = run(&["a.png"], more);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains(expected), "{more:?}: {words}");
    }
    let output = run(&["boxes.json", "a.png"], &boxes);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("would replace an input of this run"), "{words}");
    assert_eq!(names(), ["a.png", "b.png"], "it is as it was");
}
