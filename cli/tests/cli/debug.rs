//! `scorecam debug`: predicted against expected classes. What it says is computed here again from maps that `scorecam explain`
//! writes, and from scores of inputs from which the test has removed the part itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::{golden, json, read_npy, scorecam, stdout, write_npy, write_photo};

fn debug(data: &Path, more: &[&str]) -> Output {
    let model = golden("plain.toy");
    let mut command = scorecam();
    command.arg("debug").arg(data).args(["--model", &model]).args(more);
    command.output().expect("it runs")
}

fn found(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
        panic!("{e}: {}", String::from_utf8_lossy(&output.stderr));
    })
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

/// The class that the model predicts, its score, and those of class 5.
fn predicted(input: &Path) -> (u64, f64, f64) {
    let run = |class: &str| {
        let mut command = scorecam();
        command.arg("explain").arg(input).args([
            "--model",
            &golden("plain.toy"),
            "--class",
            class,
            "--json",
            "-",
        ]);
        json(&command.output().expect("it runs"))["results"][0]["targets"][0].clone()
    };
    let (best, other_score) = (run("top:1"), run("5"));
    (best["class"].as_u64().expect("a class"), number(&best["score"]), number(&other_score["score"]))
}

/// The map of a photo, 32 x 32.
fn map_of(photo: &Path, class: u64) -> Vec<f64> {
    let file = photo.with_extension("npy");
    let mut command = scorecam();
    command.arg("explain").arg(photo).args([
        "--model",
        &golden("plain.toy"),
        "--class",
        &class.to_string(),
        "--map",
    ]);
    stdout(&command.arg(&file).output().expect("it runs"));
    let values = read_npy(&file).1;
    fs::remove_file(file).expect("removed");
    values.into_iter().map(f64::from).collect()
}

/// A photo of the model's own size, so that a pixel of it is a pixel of the input, and the input: the values over 255.
fn photo_and_input(folder: &Path) -> (PathBuf, Vec<f32>) {
    let path = folder.join("photo.png");
    write_photo(&path, 32, 32);
    let rgb = image::open(&path).expect("a photo").to_rgb8();
    let plane = |c: usize| rgb.pixels().map(move |pixel| f32::from(pixel[c]) / 255.0).collect::<Vec<_>>();
    (path, [plane(0), plane(1), plane(2)].concat())
}

#[test]
fn the_scores_without_a_part_are_those_of_an_input_from_which_it_was_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photo, input) = photo_and_input(folder.path());
    let (best, score, other_score) = predicted(&photo);
    assert_ne!(best, 5, "the test needs a wrong prediction");
    // A box, a border of a tenth of 32 pixels, which holds the centers of the outer 3 pixels, and what replaces them.
    let is_in_box = |x: usize, y: usize| (4..20).contains(&x) && (8..30).contains(&y);
    let is_in_border = |x: usize, y: usize| x < 3 || y < 3 || x >= 29 || y >= 29;
    let mean = |c: usize| input[c * 1024..][..1024].iter().sum::<f32>() / 1024.0;
    let fills = [("zero", [0.0; 3]), ("0.25", [0.25; 3]), ("mean", [mean(0), mean(1), mean(2)])];
    for (fill, values) in fills {
        let more = ["--expected", "5", "--region", "4,8,20,30", "--fill", fill, "--json", "-"];
        let output = debug(&photo, &more);
        assert_eq!(output.status.code(), Some(0), "{}", words(&output));
        let run = found(&output);
        let result = &run["results"][0];
        assert_eq!((&result["right"], &result["predicted"]["class"]), (&false.into(), &best.into()));
        assert!((number(&result["predicted"]["score"]) - score).abs() < 1e-6);
        assert!((number(&result["expected"]["score"]) - other_score).abs() < 1e-6);
        let check = |part: &str, is_inside: &dyn Fn(usize, usize) -> bool| {
            let changed = |is_alone: bool| {
                let path = folder.path().join("changed.npy");
                let keeps = |i: usize| is_inside(i % 1024 % 32, i % 1024 / 32) == is_alone;
                let image: Vec<f32> =
                    (0..3072).map(|i| if keeps(i) { input[i] } else { values[i / 1024] }).collect();
                write_npy(&path, &[3, 32, 32], &image);
                let run = |class: u64| {
                    let mut command = scorecam();
                    command.arg("explain").arg(&path).args(["--model", &golden("plain.toy"), "--json", "-"]);
                    command.args(["--method", "eigen-cam", "--class", &class.to_string()]);
                    number(&json(&command.output().expect("it runs"))["results"][0]["targets"][0]["score"])
                };
                [run(best), run(5)]
            };
            let on = &result["parts"][part];
            for (i, kind) in ["predicted", "expected"].into_iter().enumerate() {
                let (without, alone) = (number(&on[kind]["without"]), number(&on[kind]["alone"]));
                assert!((without - changed(false)[i]).abs() < 1e-5, "{fill} {part} {kind}: {on}");
                assert!((alone - changed(true)[i]).abs() < 1e-5, "{fill} {part} {kind}: {on}");
            }
        };
        check("region", &is_in_box);
        check("border", &is_in_border);
        assert!(result["parts"].get("object").is_none() && result["parts"].get("background").is_none());
    }
}

#[test]
fn the_evidence_on_parts_and_what_only_one_map_has_are_those_of_the_maps() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photo, _) = photo_and_input(folder.path());
    let (best, ..) = predicted(&photo);
    let data = folder.path().join("boxes.csv");
    fs::write(&data, "file,class,x0,y0,x1,y1\nphoto.png,5,4,8,20,30\n").expect("annotations");
    let report = folder.path().join("report.html").display().to_string();
    let run = found(&debug(&data, &["--threshold", "0.4", "--json", "-", "--report", &report]));
    let result = &run["results"][0];
    let (of_best, of_other) = (map_of(&photo, best), map_of(&photo, 5));
    let is_object = |i: usize| (4..20).contains(&(i % 32)) && (8..30).contains(&(i / 32));
    for (kind, map) in [("predicted", &of_best), ("expected", &of_other)] {
        let total: f64 = map.iter().sum();
        let energy = (0..1024).filter(|&i| is_object(i)).map(|i| map[i]).sum::<f64>() / total;
        let on = |part: &str| &result["parts"][part][kind];
        assert!((number(&on("object")["energy"]) - energy).abs() < 1e-9);
        assert!((number(&on("background")["energy"]) - (1.0 - energy)).abs() < 1e-9);
        let share = 16.0 * 22.0 / 1024.0;
        assert!((number(&on("object")["lift"]) - energy / share).abs() < 1e-9);
        assert_eq!(
            on("object")["without"],
            on("background")["alone"],
            "the object is all but its background"
        );
        assert_eq!(on("object")["alone"], on("background")["without"]);
    }
    let stretched = |map: &[f64]| {
        let (low, high) = map.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        map.iter().map(|v| (v - low) / (high - low)).collect::<Vec<_>>()
    };
    let (one, other) = (stretched(&of_best), stretched(&of_other));
    let greatest = one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!((number(&result["difference"]["greatest"]) - greatest).abs() < 1e-9);
    let only = |a: &[f64], b: &[f64]| {
        let alone = (0..1024).filter(|&i| a[i] >= 0.4 && b[i] < 0.4);
        let alone: Vec<usize> = alone.collect();
        let bounds = |of: &dyn Fn(usize) -> usize| {
            (alone.iter().map(|&i| of(i)).min(), alone.iter().map(|&i| of(i) + 1).max())
        };
        (alone.len() as f64 / 1024.0, bounds(&|i| i % 32), bounds(&|i| i / 32))
    };
    for (key, (share, across, down)) in
        [("only_predicted", only(&one, &other)), ("only_expected", only(&other, &one))]
    {
        let said = &result["difference"][key];
        assert!((number(&said["share"]) - share).abs() < 1e-6, "{key}: {said} {share}");
        // All boxes together reach as far as all pixels do.
        let boxes = said["boxes"].as_array().expect("boxes");
        let edge = |at: usize| boxes.iter().map(move |b| number(&b[at]) as usize);
        assert_eq!((edge(0).min(), edge(2).max()), across, "{key}: {said}");
        assert_eq!((edge(1).min(), edge(3).max()), down, "{key}: {said}");
    }
    let page = fs::read_to_string(report).expect("a page");
    for expected in ["photo.png</h3>", "difference", "Confusions", "object: energy"] {
        assert!(page.contains(expected), "{expected}");
    }
}

#[test]
fn right_predictions_are_summed_up_apart_from_wrong_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["a.png", "b.png", "c.png", "d.png"];
    for (i, name) in names.iter().enumerate() {
        write_photo(&folder.path().join(name), 32 + 16 * i as u32, 40);
    }
    let best = names.map(|name| predicted(&folder.path().join(name)).0);
    // Two photos are annotated with what the model predicts. The last one shows two classes, of which one is predicted.
    let other = |i: usize| (best[i] + 1) % 10;
    let text = format!(
        "file,class,x0,y0,x1,y1\na.png,{},1,1,20,20\nb.png,{},1,1,20,20\nc.png,{},5,5,30,30\nd.png,{},1,1,9,9\nd.png,{},9,9,40,40\n",
        best[0],
        other(1),
        other(2),
        other(3),
        best[3]
    );
    let data = folder.path().join("boxes.csv");
    fs::write(&data, text).expect("annotations");
    let run = found(&debug(&data, &["--json", "-"]));
    assert_eq!((&run["photos"], &run["right"], &run["left_out"]), (&4.into(), &2.into(), &0.into()));
    let results = run["results"].as_array().expect("results");
    let right: Vec<bool> = results.iter().map(|r| r["right"].as_bool().expect("a flag")).collect();
    assert_eq!(right, [false, false, true, true], "wrong ones come first");
    assert!(number(&results[0]["predicted"]["score"]) >= number(&results[1]["predicted"]["score"]));
    let by_name = |name: &str| results.iter().find(|r| r["photo"] == name).expect("a photo");
    // The box of the class that is predicted: 31 x 31 of 80 x 40 pixels, whose centers lie in a part of 32 x 32.
    let share = number(&by_name("d.png")["parts"]["object"]["share"]);
    let pixels = |low: f64, high: f64, side: f64| {
        (0..32).filter(|&i| (low..high).contains(&((f64::from(i) + 0.5) / 32.0 * side))).count()
    };
    assert_eq!(share, (pixels(9.0, 40.0, 80.0) * pixels(9.0, 40.0, 40.0)) as f64 / 1024.0);
    for (group, members) in [("right", ["a.png", "d.png"]), ("wrong", ["b.png", "c.png"])] {
        for key in ["energy", "lift", "without", "alone"] {
            let mean = members.map(|name| number(&by_name(name)["parts"]["object"]["predicted"][key]));
            let said = &run["evidence"][group]["object"][key];
            assert!((number(&said["mean"]) - (mean[0] + mean[1]) / 2.0).abs() < 1e-12, "{group} {key}");
            assert_eq!(said["photos"], 2);
            // Of two values, means of resamples are one of them or the mean: the interval ends at both.
            assert!((number(&said["low"]) - mean[0].min(mean[1])).abs() < 1e-12);
            assert!((number(&said["high"]) - mean[0].max(mean[1])).abs() < 1e-12);
        }
    }
    assert!(run["evidence"]["expected"]["object"]["energy"]["mean"].is_number());

    let text = stdout(&debug(&data, &[]));
    for expected in [
        "right (2)",
        "wrong: predicted class (2)",
        "object: energy",
        "wrong predictions:",
        "4 photos, 2 predicted right; ",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[test]
fn a_folder_by_class_and_a_band_of_every_photo() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("photos");
    for (class, width) in [("1", 40), ("3", 64)] {
        fs::create_dir_all(data.join(class)).expect("a folder");
        write_photo(&data.join(class).join("x.png"), width, 50);
    }
    let run = found(&debug(&data, &["--region", "0%,75%,100%,100%", "--border", "0", "--json", "-"]));
    assert_eq!(run["photos"], 2);
    for result in run["results"].as_array().expect("results") {
        assert_eq!(result["parts"]["region"]["share"], 0.25, "a quarter of every photo, whatever its size");
        assert!(result["parts"].get("border").is_none());
    }
}

#[test]
fn what_cannot_be_looked_into_is_named_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let photo = |name: &str| folder.path().join(name);
    ["a.png", "b.png", "c.png", "d.png"].iter().for_each(|name| write_photo(&photo(name), 32, 32));
    image::GrayImage::new(32, 32).save(photo("d_mask.png")).expect("a mask");
    let data = photo("data.csv");
    let text = "file,class,x0,y0,x1,y1,mask\na.png,3,1,1,9,9,\nb.png,,,,,,\nc.png,12,1,1,9,9,\nd.png,3,,,,,d_mask.png\n";
    fs::write(&data, text).expect("annotations");
    let output = debug(&data, &["--json", "-"]);
    assert_eq!(output.status.code(), Some(1));
    let run = found(&output);
    assert_eq!((&run["photos"], &run["left_out"]), (&1.into(), &3.into()));
    let said = words(&output);
    for expected in [
        "error: b.png: the photo has no annotated class; annotate it, or give the class of all photos with --expected",
        "error: c.png: class 12 is out of range; the model has classes 0 to 9",
        "d_mask.png: the object lies outside the model's input; it is empty or cropped away",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }

    let alone = photo("a.png");
    for (data, more, status, expected) in [
        (
            &data,
            &["--expected", "3"][..],
            1,
            "--expected is for photos without an annotated class, but a.png",
        ),
        (&alone, &[], 1, "the photo has no annotated class"),
        (&alone, &["--expected", "tabby"], 1, "tabby"),
        (
            &alone,
            &["--expected", "3", "--region", "40,0,50,9"],
            1,
            "--region: the object lies outside the model's input",
        ),
        (&alone, &["--expected", "3", "--region", "20,0,10%,9"], 1, "is empty on a photo of 32x32 pixels"),
        (&alone, &["--expected", "3", "--region", "9,9,5,20"], 2, "a box is X0,Y0,X1,Y1 with X0 below X1"),
        (&alone, &["--expected", "3", "--border", "0.7"], 2, "give a share from 0 to 0.5"),
        (&alone, &["--expected", "3", "--fill", "noise"], 2, "zero, mean, blur or a number"),
        (&photo("none.png"), &["--expected", "3"], 1, "none.png"),
    ] {
        let output = debug(data, more);
        assert_eq!(output.status.code(), Some(status), "{more:?}: {}", words(&output));
        assert!(words(&output).contains(expected), "{more:?}: {}", words(&output));
    }
}
