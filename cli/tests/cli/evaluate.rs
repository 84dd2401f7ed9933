//! `scorecam evaluate`: maps of methods, of other tools and of nobody, measured over photos.

use std::fs;
use std::path::Path;
use std::process::{Command as Process, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{explain, golden, names_in, scorecam, stdout, write_npy, write_photo};

fn evaluate(data: &Path, out: &Path, more: &[&str]) -> Output {
    evaluate_by(&golden("plain.toy"), (data, out), more)
}

fn evaluate_by(model: &str, (data, out): (&Path, &Path), more: &[&str]) -> Output {
    let mut command = scorecam();
    command.arg("evaluate").arg(data).args(["--model", model, "--out"]).arg(out).args(more);
    command.output().expect("it runs")
}

/// What a run prints before the line of its time.
fn table(output: &Output) -> String {
    stdout(output)
        .lines()
        .take_while(|line| !line.contains(" passes in "))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn photos(folder: &Path, count: u32) {
    (0..count).for_each(|i| write_photo(&folder.join(format!("{i:03}.png")), 32 + i % 7, 40));
}

fn summary(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("summary.json")).expect("a summary")).expect("JSON")
}

#[test]
fn maps_of_methods_and_baselines_are_measured_over_photos() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("photos"), folder.path().join("out"));
    fs::create_dir(&data).expect("a folder");
    photos(&data, 4);
    let more = ["--method", "score-cam", "--method", "eigen-cam", "--measures", "all", "--pictures", "3"];
    let printed = table(&evaluate(&data, &out, &more));
    for words in [
        "score-cam ",
        "eigen-cam ",
        "sum ",
        "center ",
        "edges ",
        "random ",
        "drop ↓",
        "insertion ↑",
        "adcc ↑",
    ] {
        assert!(printed.contains(words), "{printed}");
    }
    assert!(!printed.contains("iou"), "without annotations there is no truth: {printed}");
    assert_eq!(names_in(&out), ["evaluation.jsonl", "pictures", "report.html", "summary.json"]);
    assert_eq!(names_in(&out.join("pictures")).len(), 3);
    let found = summary(&out);
    assert_eq!((found["photos"].as_u64(), found["maps"][0]["map"].as_str()), (Some(4), Some("score-cam")));
    let mean = |map: usize, measure: &str| found["maps"][map]["mean"][measure]["mean"].as_f64();
    assert!(mean(0, "drop").is_some_and(|drop| (0.0..=1.0).contains(&drop)));
    assert!(
        mean(0, "sensitivity").is_some() && mean(2, "sensitivity").is_none(),
        "no method makes a baseline again"
    );
    let page = fs::read_to_string(out.join("report.html")).expect("a page");
    assert!(
        page.contains("000.png") && page.contains("Deletion") && !page.contains("http://"),
        "{}",
        page.len()
    );
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("photos");
    fs::create_dir(&data).expect("a folder");
    photos(&data, 200);
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    let more = [
        "--method",
        "score-cam",
        "--method",
        "eigen-cam",
        "--pictures",
        "5",
        "--protocol-set",
        "points=floor:10",
    ];
    let expected = table(&evaluate(&data, &whole, &more));

    let model = golden("plain.toy");
    let mut child = Process::new(assert_cmd::cargo::cargo_bin!("scorecam"))
        .arg("evaluate")
        .arg(&data)
        .args(["--model", &model, "--out"])
        .arg(&killed)
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let lines = || fs::read_to_string(killed.join("evaluation.jsonl")).map_or(0, |text| text.lines().count());
    let began = Instant::now();
    while lines() < 20 {
        assert!(began.elapsed() < Duration::from_secs(120), "{} lines", lines());
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().expect("SIGKILL");
    child.wait().expect("an end");
    let before = lines();
    assert!(before < 201, "it was killed in the middle");
    // As a kill in the middle of a write leaves it.
    let path = killed.join("evaluation.jsonl");
    let mut text = fs::read(&path).expect("results");
    text.extend_from_slice(b"{\"sample\":\"torn in a character \xc3");
    fs::write(&path, text).expect("a torn line");
    assert_eq!(table(&evaluate(&data, &killed, &more)), expected);
    assert_eq!(lines(), 201);

    let other = evaluate(&data, &killed, &["--method", "eigen-cam"]);
    let words = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        !other.status.success()
            && words.contains("contains results from other settings; choose another --out"),
        "{words}"
    );
    assert_eq!(lines(), 201, "what is there stays");
}

/// What `evaluation.jsonl` holds of a sample last: the number of its pictures, and how many lines it has.
fn pictures_and_lines(out: &Path, sample: &str) -> (Option<u64>, usize) {
    let text = fs::read_to_string(out.join("evaluation.jsonl")).expect("results");
    let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let lines: Vec<Value> = lines.filter(|line| line["sample"] == sample).collect();
    (lines.last().and_then(|line| line["measured"]["pictures"].as_u64()), lines.len())
}

#[test]
fn a_photo_that_changed_is_measured_anew_and_one_that_came_takes_nobodys_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("photos"), folder.path().join("out"));
    fs::create_dir(&data).expect("a folder");
    photos(&data, 2);
    let more = ["--method", "eigen-cam", "--measures", "gini"];
    stdout(&evaluate(&data, &out, &more));
    assert_eq!(pictures_and_lines(&out, "000.png"), (Some(0), 1));
    assert_eq!(pictures_and_lines(&out, "001.png"), (Some(1), 1));

    write_photo(&data.join("000-before.png"), 50, 50);
    write_photo(&data.join("001.png"), 60, 40);
    stdout(&evaluate(&data, &out, &more));
    assert_eq!(pictures_and_lines(&out, "000.png"), (Some(0), 1), "it is as it was");
    assert_eq!(pictures_and_lines(&out, "000-before.png"), (Some(2), 1));
    assert_eq!(pictures_and_lines(&out, "001.png"), (Some(3), 2), "it has changed");
    assert_eq!(summary(&out)["photos"], 3);
}

#[test]
fn annotations_say_where_the_object_is_and_bad_ones_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("boxes.csv"), folder.path().join("out"));
    photos(folder.path(), 3);
    let text = "file,class,x0,y0,x1,y1\n000.png,3,2,2,20,20\n001.png,4,0,0,33,40\nmissing.png,3,1,1,5,5\n002.png,99,1,1,9,9\n";
    fs::write(&data, text).expect("annotations");
    let output = evaluate(&data, &out, &["--baselines", "center"]);
    let (words, printed) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    assert!(!output.status.success(), "something was left out");
    assert!(words.contains("boxes.csv:4: ") && words.contains("missing.png"), "{words}");
    assert!(words.contains("002.png: class 99 is out of range; the model has classes 0 to 9"), "{words}");
    assert!(
        printed.contains("lift ↑") && printed.contains("2 photos, ") && printed.contains("2 left out"),
        "{printed}"
    );
    let mean = &summary(&out)["maps"][1]["mean"];
    assert_eq!(mean["pointing"]["mean"], 1.0, "the center lies in both boxes: {mean}");
    assert_eq!(mean["lift"]["photos"], 2);
}

#[test]
fn maps_of_another_tool_are_measured_like_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("photos"), folder.path().join("out"));
    let maps = folder.path().join("maps");
    [&data, &maps].into_iter().for_each(|folder| fs::create_dir(folder).expect("a folder"));
    photos(&data, 2);
    for name in ["000", "001"] {
        let photo = data.join(format!("{name}.png")).display().to_string();
        let map = maps.join(format!("{name}.npy")).display().to_string();
        stdout(&explain(&photo, &["--map", &map]));
    }
    let from = format!("theirs={}", maps.display());
    let more = ["--map-from", &from, "--baselines", "none", "--measures", "drop,deletion,insertion,gini"];
    stdout(&evaluate(&data, &out, &more));
    let found = summary(&out);
    assert_eq!(found["maps"][1]["map"], "theirs");
    assert_eq!(found["maps"][0]["mean"], found["maps"][1]["mean"], "they are our own maps");

    write_npy(&maps.join("001.npy"), &[16, 32], &[0.5f32; 512]);
    let other = evaluate(&data, &folder.path().join("other"), &more);
    let words = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        !other.status.success()
            && words.contains("the map has shape [16, 32]; the model's input has 32 x 32"),
        "{words}"
    );
}

#[test]
fn what_cannot_be_evaluated_is_refused_before_the_first_photo() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("photos"), folder.path().join("out"));
    fs::create_dir(&data).expect("a folder");
    photos(&data, 1);
    for (more, expected) in [
        (&["--measures", "drops"][..], "measure \"drops\" is unknown; measures: drop, increase"),
        (&["--measures", "drops"], "iou, max-box-acc, max-box-acc-v2, pxap"),
        (&["--protocol", "papers"], "paper, grad-cam++, rise"),
        (&["--protocol-set", "mask=tap"], "soft, top:SHARE or binary:SHARE"),
        (&["--baselines", "middle"], "baseline \"middle\" is unknown; give sum, center"),
        (&["--method", "score-cam,steps"], "give KEY=VALUE"),
        (&["--method", "nothing"], "method \"nothing\""),
        (&["--method", "score-cam", "--method", "score-cam"], "two maps have the name \"score-cam\""),
        (&["--threshold", "2"], "--threshold must be above 0 and at most 1, got 2"),
    ] {
        let output = evaluate(&data, &out, more);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains(expected), "{more:?}: {words}");
        assert!(!out.join("evaluation.jsonl").exists(), "{more:?}");
    }
    fs::create_dir_all(&out).expect("a folder");
    fs::write(out.join("report.html"), "somebody's").expect("a file");
    let output = evaluate(&data, &out, &[]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && words.contains("report.html already exists and no evaluation wrote it"),
        "{words}"
    );
    assert_eq!(fs::read_to_string(out.join("report.html")).expect("a file"), "somebody's");
}

/// The photos of evaluation_sets.json with their maps and boxes, in a folder; and what is expected of them.
fn set_of_photos(folder: &Path) -> Value {
    let text = fs::read_to_string(golden("../evaluation_sets.json")).expect("the oracle's values");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    fs::create_dir(folder.join("maps")).expect("a folder");
    let mut lines = "file,class,x0,y0,x1,y1\n".to_owned();
    for (i, photo) in found["photos"].as_array().expect("photos").iter().enumerate() {
        let [width, height] = [0, 1].map(|i| photo["size"][i].as_u64().expect("a size") as u32);
        write_photo(&folder.join(format!("{i}.png")), width, height);
        let values = photo["map"].as_array().expect("a map").iter();
        let values: Vec<f32> = values.map(|v| v.as_f64().expect("a number") as f32 / 256.0).collect();
        write_npy(&folder.join(format!("maps/{i}.npy")), &[32, 32], &values);
        for corners in photo["boxes"].as_array().expect("boxes") {
            let corners = corners.as_array().expect("a box").iter().map(Value::to_string);
            lines += &format!("{i}.png,3,{}\n", corners.collect::<Vec<_>>().join(","));
        }
    }
    fs::write(folder.join("boxes.csv"), lines).expect("annotations");
    let crop = "[input]\nfit = \"crop\"\ncrop_fraction = 1.0\n";
    let manifest = format!("[model]\nfile = {:?}\n{crop}", golden("plain.toy"));
    fs::write(folder.join("crop.toml"), manifest).expect("a manifest");
    found
}

#[test]
fn measures_of_the_whole_set_equal_the_oracle_also_after_an_interruption() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = set_of_photos(folder.path());
    let (data, out) = (folder.path().join("boxes.csv"), folder.path().join("out"));
    let from = format!("theirs={}", folder.path().join("maps").display());
    let more = ["--map-from", &from, "--method", "eigen-cam", "--baselines", "center", "--measures"];
    let more = [&more[..], &["gini,pxap,max-box-acc,max-box-acc-v2"]].concat();
    let model = folder.path().join("crop.toml").display().to_string();
    let run = |data: &Path, out: &Path, more: &[&str]| evaluate_by(&model, (data, out), more);
    let printed = table(&run(&data, &out, &more));
    let found = summary(&out)["over_all_photos"].clone();
    assert_eq!((&found[0]["map"], &found[2]["map"]), (&"eigen-cam".into(), &"center".into()));
    let theirs = &found[1]["values"];
    for measure in ["max-box-acc", "max-box-acc-v2", "pxap"] {
        let value = &theirs[measure];
        let thresholds = value["thresholds"].as_array().expect("thresholds").iter();
        let numbers = std::iter::once(&value["value"]).chain(thresholds);
        let numbers: Vec<f64> = numbers.map(|number| number.as_f64().expect("a number")).collect();
        let wanted = expected[measure].as_array().expect("values").iter();
        let wanted: Vec<f64> = wanted.map(|number| number.as_f64().expect("a number")).collect();
        assert_eq!(numbers.len(), wanted.len(), "{measure}: {value}");
        let is_equal = numbers.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(is_equal, "{measure}: {numbers:?}, expected {wanted:?}");
        assert_eq!(value["images"], 5);
    }
    assert!(printed.contains("max-box-acc ↑") && printed.contains(" at 0.37"), "{printed}");
    let page = fs::read_to_string(out.join("report.html")).expect("a page");
    assert!(page.contains("Over all photos") && page.contains("best at IoU 0.7"), "{}", page.len());

    // As a kill leaves it: the last two photos are not there, nor the summary.
    let path = out.join("evaluation.jsonl");
    let text = fs::read_to_string(&path).expect("results");
    let kept: Vec<&str> = text.lines().take(4).collect();
    fs::write(&path, kept.join("\n") + "\n{\"sample\":\"4.p").expect("a part of it");
    fs::remove_file(out.join("summary.json")).expect("the summary");
    assert_eq!(table(&run(&data, &out, &more)), printed);
    assert_eq!(summary(&out)["over_all_photos"], found);

    // Photos without annotations have no such values.
    let (photos, other) = (folder.path(), folder.path().join("other"));
    let lines = fs::read_to_string(&data).expect("annotations");
    fs::write(photos.join("some.csv"), lines.replace("4.png,3,0,0,32,32", "4.png,3,,,,"))
        .expect("annotations");
    let printed = table(&run(&photos.join("some.csv"), &other, &more));
    assert_eq!(summary(&other)["over_all_photos"][0]["values"]["pxap"]["images"], 4, "{printed}");
    let none = ["--measures", "pxap", "--baselines", "none", "--method", "eigen-cam"];
    fs::write(photos.join("none.csv"), "file,class\n0.png,3\n").expect("annotations");
    let printed = table(&run(&photos.join("none.csv"), &folder.path().join("none"), &none));
    assert!(!printed.contains("pxap"), "{printed}");
}
