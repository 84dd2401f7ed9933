//! `scorecam compare`: two models or methods over photos. Similarities are computed here again, by other formulas, from the maps
//! that `scorecam explain` writes.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use super::{golden, read_npy, scorecam, stdout, write_npy, write_photo};

const SECOND: &str = "channels = 3\nsize = [32, 32]\nmaps = 16\nmap_size = [8, 8]\nclasses = 10\nseed = 11\n";

fn compare(data: &Path, more: &[&str]) -> Output {
    let model = golden("plain.toy");
    let mut command = scorecam();
    command.arg("compare").arg(data).args(["--model", &model]).args(more);
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

/// A folder with photos, and another model.
fn photos(folder: &Path, count: u32) -> (std::path::PathBuf, String) {
    let data = folder.join("photos");
    fs::create_dir(&data).expect("a folder");
    (0..count).for_each(|i| write_photo(&data.join(format!("{i}.png")), 40 + 9 * i, 37));
    let model = folder.join("second.toy");
    fs::write(&model, SECOND).expect("a model");
    (data, model.display().to_string())
}

/// The map of a photo as `explain` writes it.
fn map_of(photo: &Path, (model, class): (&str, &str), more: &[&str]) -> (Vec<u64>, Vec<f64>) {
    let file = photo.with_extension("npy");
    let mut command = scorecam();
    command
        .arg("explain")
        .arg(photo)
        .args(["--model", model, "--class", class, "--map"])
        .arg(&file)
        .args(more);
    stdout(&command.output().expect("it runs"));
    let (shape, values) = read_npy(&file);
    fs::remove_file(file).expect("removed");
    (shape, values.into_iter().map(f64::from).collect())
}

/// Pearson's correlation as the mean of products of standard scores.
fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let standard = |values: &[f64]| {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        values.iter().map(|v| (v - mean) / deviation).collect::<Vec<_>>()
    };
    standard(a).iter().zip(standard(b)).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64
}

/// Ranks by counting: the values below, and half of the others that are equal.
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |v: &f64| {
        let below = values.iter().filter(|other| *other < v).count() as f64;
        below + values.iter().filter(|other| *other == v).count() as f64 / 2.0
    };
    values.iter().map(rank).collect()
}

#[test]
fn similarities_of_two_models_are_those_of_the_maps_that_explain_writes_and_the_worst_come_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, second) = photos(folder.path(), 4);
    let report = folder.path().join("report.html").display().to_string();
    let output = compare(&data, &["--with-model", &second, "--json", "-", "--report", &report]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let run = found(&output);
    assert_eq!((&run["photos"], &run["errors"]), (&Value::from(4), &Value::from(Vec::<Value>::new())));
    assert_eq!((&run["first"]["name"], &run["second"]["name"]), (&"plain.toy".into(), &"second.toy".into()));
    let results = run["results"].as_array().expect("results");
    let number = |result: &Value, key: &str| result["similarity"][key].as_f64().expect("a similarity");
    assert!(results.iter().map(|r| number(r, "pearson")).is_sorted(), "{results:?}");
    assert!(number(&results[0], "pearson") < number(&results[3], "pearson"), "the photos differ");
    for result in results {
        let photo = Path::new(result["file"].as_str().expect("a file")).to_path_buf();
        let target =
            result["target"].as_str().and_then(|target| target.strip_prefix("class:")).expect("a class");
        assert_eq!(result["predicted"][0]["class"].to_string(), target, "that of the first one");
        let (_, first) = map_of(&photo, (&golden("plain.toy"), target), &[]);
        let (_, other) = map_of(&photo, (&second, target), &[]);
        assert!((number(result, "pearson") - pearson(&first, &other)).abs() < 1e-9);
        assert!((number(result, "spearman") - pearson(&ranks(&first), &ranks(&other))).abs() < 1e-9);
        let same = result["predicted"][0]["class"] == result["predicted"][1]["class"];
        assert_eq!(result["agree"], same);
        assert!(result["similarity"]["ssim"].is_number() && result["similarity"].get("hog").is_none());
    }
    let least = number(&results[0], "pearson");
    let mean = results.iter().map(|r| number(r, "pearson")).sum::<f64>() / 4.0;
    let all = &run["similarity"]["pearson"];
    assert_eq!(all["least"].as_f64(), Some(least));
    assert!((all["mean"]["mean"].as_f64().expect("a mean") - mean).abs() < 1e-12);
    assert!(
        (all["median"].as_f64().expect("a median")
            - (number(&results[1], "pearson") + number(&results[2], "pearson")) / 2.0)
            .abs()
            < 1e-12
    );

    let page = fs::read_to_string(&report).expect("a page");
    let places: Vec<usize> = results
        .iter()
        .map(|r| page.find(&format!("{}</h3>", r["photo"].as_str().expect("a name"))).expect("a card"))
        .collect();
    assert!(places.is_sorted(), "the worst photo comes first: {places:?}");
    assert!(page.contains("difference") && page.contains("Similarity of the photos"));
    assert_eq!(
        super::names_in(folder.path()),
        ["photos", "report.html", "second.toy"],
        "nothing is left behind"
    );
}

#[test]
fn a_model_is_like_itself_and_less_than_the_limit_is_status_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, second) = photos(folder.path(), 3);
    let itself = compare(&data, &["--with-backend", "toy", "--least", "0.999999"]);
    let text = stdout(&itself);
    assert!(text.contains("no photo is below --least 0.999999 by pearson"), "{text}");
    assert!(text.contains("3 photos, the same prediction on 3 of 3; "), "{text}");

    let other = compare(&data, &["--with-model", &second, "--least", "0.999999", "--measure", "spearman"]);
    assert_eq!(other.status.code(), Some(1), "{}", words(&other));
    let text = String::from_utf8_lossy(&other.stdout).into_owned();
    assert!(text.contains("3 photos are below --least 0.999999 by spearman:"), "{text}");
    assert!(["0.png", "1.png", "2.png"].iter().all(|name| text.contains(name)), "{text}");

    // One is below, which the limit names.
    let run = found(&compare(&data, &["--with-model", &second, "--json", "-"]));
    let of = |i: usize| run["results"][i]["similarity"]["pearson"].as_f64().expect("a similarity");
    let limit = ((of(0) + of(1)) / 2.0).to_string();
    let gate = compare(&data, &["--with-model", &second, "--least", &limit, "--json", "-"]);
    assert_eq!(gate.status.code(), Some(1));
    let enough: Vec<Value> =
        found(&gate)["results"].as_array().expect("results").iter().map(|r| r["enough"].clone()).collect();
    assert_eq!(enough, [false, true, true]);
}

#[test]
fn two_methods_are_compared_on_one_model() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, _) = photos(folder.path(), 2);
    let photo = data.join("1.png");
    let run = found(&compare(&photo, &["--with-method", "eigen-cam", "--json", "-"]));
    assert_eq!((&run["first"]["name"], &run["second"]["name"]), (&"score-cam".into(), &"eigen-cam".into()));
    assert_eq!(run["photos"], 1, "a photo is data, too");
    let result = &run["results"][0];
    let class = result["predicted"][0]["class"].to_string();
    let (_, first) = map_of(&photo, (&golden("plain.toy"), &class), &[]);
    let (_, other) = map_of(&photo, (&golden("plain.toy"), &class), &["--method", "eigen-cam"]);
    let found = result["similarity"]["pearson"].as_f64().expect("a similarity");
    assert!((found - pearson(&first, &other)).abs() < 1e-9);
    // Annotations are no reason to look at a photo twice.
    let data = folder.path().join("data.csv");
    fs::write(&data, "file,class\nphotos/1.png,3\nphotos/1.png,4\nphotos/0.png,3\n").expect("annotations");
    let twice = self::found(&compare(&data, &["--with-method", "eigen-cam", "--json", "-"]));
    let mut names: Vec<&str> =
        twice["results"].as_array().expect("results").iter().filter_map(|r| r["photo"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["photos/0.png", "photos/1.png"]);
    // The class that was asked for.
    let run = self::found(&compare(&photo, &["--with-layer", "relu1", "--class", "3", "--json", "-"]));
    assert_eq!((&run["results"][0]["target"], &run["second"]["name"]), (&"class:3".into(), &"relu1".into()));
}

/// The value between the centers of the four nearest pixels, by their areas.
fn bilinear(values: &[f64], (height, width): (usize, usize), (y, x): (f64, f64)) -> f64 {
    let (y, x) = (y.clamp(0.0, height as f64 - 1.0), x.clamp(0.0, width as f64 - 1.0));
    let mut sum = 0.0;
    for (i, &value) in values.iter().enumerate() {
        let near = |at: f64, i: usize| (1.0 - (at - i as f64).abs()).max(0.0);
        sum += value * near(y, i / width) * near(x, i % width);
    }
    sum
}

#[test]
fn models_of_different_sizes_are_compared_where_both_see_the_photo() {
    let folder = tempfile::tempdir().expect("a folder");
    let photo = folder.path().join("photo.png");
    write_photo(&photo, 64, 48);
    let model = |name: &str, size: &str, maps: &str, fit: &str| {
        let file = folder.path().join(format!("{name}.toy"));
        let text =
            format!("channels = 3\nsize = {size}\nmaps = 16\nmap_size = {maps}\nclasses = 10\nseed = 7\n");
        fs::write(&file, text).expect("a model");
        fs::write(file.with_extension("toml"), format!("[input]\nfit = {fit}\n")).expect("a manifest");
        file.display().to_string()
    };
    let (whole, middle) = (
        model("whole", "[32, 32]", "[8, 8]", "\"squash\""),
        model("middle", "[16, 24]", "[4, 6]", "\"crop\"\ncrop_fraction = 0.75"),
    );
    let output = scorecam()
        .arg("compare")
        .arg(&photo)
        .args(["--model", &whole, "--with-model", &middle, "--class", "2", "--json", "-"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let run = found(&output);
    let (shape, first) = map_of(&photo, (&whole, "2"), &[]);
    let (other_shape, other) = map_of(&photo, (&middle, "2"), &[]);
    assert_eq!((shape, other_shape), (vec![32, 32], vec![16, 24]));
    // The crop is the middle 48 x 32 pixels of the photo, of which it makes 24 x 16; the first model makes 24 x 21 of them.
    let (rows, columns) = (16, 24);
    let mut one = Vec::new();
    for i in 0..rows * columns {
        let (y, x) = ((i / columns) as f64 + 0.5, (i % columns) as f64 + 0.5);
        let (photo_y, photo_x) = (8.0 + y / rows as f64 * 32.0, 8.0 + x / columns as f64 * 48.0);
        one.push(bilinear(&first, (32, 32), (photo_y / 48.0 * 32.0 - 0.5, photo_x / 64.0 * 32.0 - 0.5)));
    }
    let found = run["results"][0]["similarity"]["pearson"].as_f64().expect("a similarity");
    assert!((found - pearson(&one, &other)).abs() < 1e-6, "{found} {}", pearson(&one, &other));
}

#[test]
fn what_cannot_be_compared_is_named_and_one_bad_photo_stops_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, second) = photos(folder.path(), 2);
    let other_classes = folder.path().join("other.toy");
    fs::write(&other_classes, SECOND.replace("classes = 10", "classes = 7")).expect("a model");
    let other_classes = other_classes.display().to_string();
    let photo = data.join("0.png").display().to_string();
    for (more, status, expected) in [
        (&[][..], 1, "there is nothing to compare with; give --with-model"),
        (&["--with-model", &other_classes], 1, "plain.toy has 10 classes and "),
        (&["--with-model", &second, "--class", "12"], 1, "class 12 is out of range"),
        (&["--with-model", &second, "--measure", "ssmi"], 2, "give pearson, spearman, ssim or hog"),
        (&["--with-model", &second, "--measure", "hog"], 1, "32 x 32 pixels are too small for hog"),
        (&["--with-model", &second, "--least", "2"], 2, "give a number from -1 to 1"),
        (&["--with-method", "nothing"], 1, "method \"nothing\""),
        (&["--with-method", "eigen-cam", "--report", "page.txt"], 2, "reports are HTML"),
        (&["--with-method", "eigen-cam", "--json", &photo], 1, "would replace a photo of this run"),
        (&["--with-model", &second, "--json", &second], 1, "would replace the model"),
    ] {
        let output = compare(&data, more);
        assert_eq!(output.status.code(), Some(status), "{more:?}: {}", words(&output));
        assert!(words(&output).contains(expected), "{more:?}: {}", words(&output));
    }
    assert!(image::open(&photo).is_ok(), "it is as it was");

    fs::write(data.join("bad.png"), "no photo").expect("a file");
    let output = compare(&data, &["--with-model", &second, "--json", "-"]);
    assert_eq!(output.status.code(), Some(1));
    let run = found(&output);
    assert_eq!((&run["photos"], &run["left_out"]), (&2.into(), &1.into()));
    assert_eq!(run["errors"][0]["photo"], "bad.png");
    assert_eq!(words(&output).lines().filter(|line| line.starts_with("error: bad.png: ")).count(), 1);

    // A tensor has no photo, so its maps must have one size.
    let tensor = folder.path().join("input.npy");
    write_npy(&tensor, &[3, 32, 32], &(0..3 * 1024).map(|i| (i % 97) as f32 / 97.0).collect::<Vec<_>>());
    let report = folder.path().join("tensor.html").display().to_string();
    let run = found(&compare(&tensor, &["--with-model", &second, "--json", "-", "--report", &report]));
    assert_eq!(run["photos"], 1);
    assert!(fs::read_to_string(report).expect("a page").contains("input.npy"));
}
