//! The program as a user meets it, on the toy plugin: what it computes, writes and says.
//!
//! The toy plugin lies beside the program in the build folder (`cargo build -p scorecam-toy`), where the
//! program finds it by itself.

mod collisions;
mod compare;
mod debug;
mod evaluate;
mod explain_report;
mod lists;
mod located;
mod photos;
mod results_folder;
mod sanity;

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn golden(name: &str) -> String {
    format!("{}/../tests/golden/toy/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn scorecam() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("scorecam"));
    command.env_remove("SCORECAM_PLUGIN_PATH").env_remove("SCORECAM_LOG");
    command
}

fn toy_plugin() -> PathBuf {
    let name = format!("{}scorecam_toy{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let path = assert_cmd::cargo::cargo_bin!("scorecam").with_file_name(name);
    assert!(path.exists(), "{} is missing; run cargo build -p scorecam-toy", path.display());
    path
}

/// `scorecam explain` on the plain toy model, with more arguments.
fn explain(input: &str, more: &[&str]) -> Output {
    let model = golden("plain.toy");
    scorecam().args(["explain", input, "--model", &model]).args(more).output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).expect("JSON")
}

fn read_npy(path: &Path) -> (Vec<u64>, Vec<f32>) {
    let npy = npyz::NpyFile::new(std::fs::File::open(path).expect("a map")).expect("an npy file");
    (npy.shape().to_vec(), npy.into_vec().expect("f32"))
}

fn write_npy<T: npyz::AutoSerialize + Copy>(path: &Path, shape: &[u64], values: &[T]) {
    use npyz::WriterBuilder;
    let file = std::fs::File::create(path).expect("a file");
    let mut npy =
        npyz::WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().expect("npy");
    npy.extend(values.iter().copied()).expect("values");
    npy.finish().expect("an end");
}

fn write_photo(path: &Path, width: u32, height: u32) {
    let pixel = |x: u32, y: u32| image::Rgb([(x * 7) as u8, (y * 5) as u8, (x * y) as u8]);
    image::RgbImage::from_fn(width, height, pixel).save(path).expect("a photo");
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn every_golden_map_of_the_toy_models_comes_out_of_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(golden("../toy.json")).expect("the cases");
    let cases: Value = serde_json::from_str(&text).expect("JSON");
    let word = |case: &Value, key: &str| case[key].as_str().unwrap_or_default().to_owned();
    for case in cases["cases"].as_array().expect("cases") {
        let name = word(case, "name");
        let map = folder.path().join("map.npy");
        let file = |key: &str| golden(&format!("../{}", word(case, key)));
        let mut command = scorecam();
        command.args(["explain", &file("input"), "--model", &file("model"), "--layer", &word(case, "layer")]);
        let method = case["method"].as_str().unwrap_or("score-cam");
        command.args([
            "--method",
            method,
            "--preset",
            &word(case, "preset"),
            "--class",
            &case["class"].to_string(),
        ]);
        command.arg("--map").arg(&map);
        for pair in case["set"].as_array().expect("options") {
            let text = match pair.as_array() {
                Some(pair) => {
                    format!("{}={}", pair[0].as_str().expect("key"), pair[1].as_str().expect("value"))
                }
                None => pair.as_str().expect("key=value").to_owned(),
            };
            command.args(["--set", &text]);
        }
        if let Some(fuse) = case["fuse"].as_str() {
            command.args(["--fuse", fuse]);
        }
        if case["augment"] == true {
            command.arg("--augment");
        }
        if !case["reference"].is_null() {
            command.args(["--reference", &file("reference")]);
        }
        stdout(&command.output().expect("it runs"));

        let expected = &case["expected"];
        let (shape, values) = read_npy(&map);
        let number = |v: &Value| v.as_u64().expect("a number") as usize;
        let wanted: Vec<u64> =
            expected["shape"].as_array().expect("shape").iter().map(|d| number(d) as u64).collect();
        let (_, all) = read_npy(Path::new(&golden(&format!("../{}", word(expected, "file")))));
        let (offset, stride) = (number(&expected["offset"]), number(&expected["stride"]));
        assert_eq!(shape, wanted, "{name}");
        let sampled: Vec<f32> = values.iter().copied().step_by(stride).collect();
        let tolerance = case["tolerance"].as_f64().expect("a tolerance");
        for (i, (a, b)) in sampled.iter().zip(&all[offset..offset + sampled.len()]).enumerate() {
            assert!(f64::from((a - b).abs()) <= tolerance, "{name}: {a} is not {b} at {i}");
        }
    }
}

#[test]
fn several_classes_share_passes_and_one_map_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (map, overlay) = (folder.path().join("m.npy"), folder.path().join("o.png"));
    let files = ["--map", map.to_str().expect("a path"), "--overlay", overlay.to_str().expect("a path")];
    let input = golden("input-3x32x32.npy");
    let run = |class: &[&str]| json(&explain(&input, &[&files[..], class, &["--json", "-"]].concat()));
    let one = run(&["--class", "3"]);
    assert_eq!(read_npy(&map).0, [32, 32]);
    assert_eq!(names_in(folder.path()), ["m.npy", "o.png"]);
    std::fs::remove_file(&overlay).expect("removed");
    let several = run(&["--class", "3,1", "--class", "2"]);
    assert_eq!(read_npy(&map).0, [3, 32, 32]);
    assert_eq!(names_in(folder.path()), ["m.npy", "o-1.png", "o-2.png", "o-3.png"]);
    assert_eq!(one["results"][0]["passes"], several["results"][0]["passes"]);
    let classes: Vec<u64> = several["results"][0]["targets"]
        .as_array()
        .expect("targets")
        .iter()
        .filter_map(|t| t["class"].as_u64())
        .collect();
    assert_eq!(classes, [3, 1, 2]);
}

#[test]
fn auto_is_a_method_that_the_model_allows() {
    let input = golden("input-3x32x32.npy");
    let found = json(&explain(&input, &["--method", "auto", "--json", "-"]));
    assert_eq!(found["results"][0]["method"], "score-cam-adaptive", "{found}");
    let refused = explain(&input, &["--method", "auto", "--set", "passes=3"]);
    let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && stderr.contains("takes no preset or options"), "{stderr}");
}

#[test]
fn a_folder_goes_into_a_folder_and_one_bad_photo_does_not_stop_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photos, out) = (folder.path().join("photos"), folder.path().join("new/out"));
    std::fs::create_dir(&photos).expect("a folder");
    write_photo(&photos.join("a.png"), 40, 30);
    write_photo(&photos.join("c.png"), 1, 1);
    std::fs::write(photos.join("b.png"), "no photo").expect("a file");
    let path = |p: &Path| p.to_str().expect("a path").to_owned();
    let output = explain(&path(&photos), &["--out", &path(&out), "--class", "2"]);
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        stderr.lines().filter(|l| l.starts_with("error: ") && l.contains("b.png")).count(),
        1,
        "{stderr}"
    );
    // What holds for every photo is said once.
    assert_eq!(stderr.matches("the preprocessing for").count(), 1, "{stderr}");
    assert_eq!(names_in(&out), ["a-2.png", "a.npy", "c-2.png", "c.npy", "results.json"]);
    let text = std::fs::read_to_string(out.join("results.json")).expect("results");
    let run: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(run["results"].as_array().map(Vec::len), Some(2));
    assert_eq!(run["errors"].as_array().map(Vec::len), Some(1));
    let first = &run["results"][0];
    assert_eq!(first["backend"], "toy");
    assert_eq!(first["preset"], "official");
    assert!(first["seconds"]["total"].as_f64() > first["seconds"]["forward"].as_f64());
    let overlay = image::open(out.join("a-2.png")).expect("an overlay");
    assert_eq!((overlay.width(), overlay.height()), (40, 30));
}

#[test]
fn photos_at_work_at_once_give_what_they_give_one_by_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(at("photos")).expect("a folder");
    for (name, width) in [("a", 40), ("b", 400), ("d", 33), ("e", 1), ("f", 60), ("g", 35)] {
        write_photo(&folder.path().join(format!("photos/{name}.png")), width, 37);
    }
    for bad in ["photos/c.png", "photos/h.png"] {
        std::fs::write(at(bad), "no photo").expect("a file");
    }
    // 16 masks a photo: with a batch of 7, each but the first shares one. A fixed batch runs whole.
    let fixed =
        std::fs::read_to_string(golden("plain.toy")).expect("the model") + "batch = 7\nabilities = []\n";
    std::fs::write(at("fixed.toy"), fixed).expect("a model");
    for model in [golden("plain.toy"), at("fixed.toy")] {
        let run = |jobs: &str| {
            let out = at(&format!("out-{jobs}"));
            let mut command = scorecam();
            command.args(["explain", &at("photos"), "--model", &model, "--batch-size", "7", "--jobs", jobs]);
            let output = command.args(["--class", "1,2", "--out", &out]).output().expect("it runs");
            assert_eq!(output.status.code(), Some(1));
            let mut files = Vec::new();
            for name in names_in(Path::new(&out)).into_iter().filter(|n| n != "results.json") {
                files.push((std::fs::read(Path::new(&out).join(&name)).expect("a file"), name));
            }
            let text = std::fs::read_to_string(Path::new(&out).join("results.json")).expect("results");
            let mut results: Value = serde_json::from_str(&text.replace(&out, "out")).expect("JSON");
            for result in results["results"].as_array_mut().expect("results") {
                result["seconds"].take();
            }
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&out, "out");
            // How long each took is all that differs.
            let said =
                text(&output.stdout).lines().filter(|l| !l.contains(" passes in ")).collect::<String>();
            (files, results, said, text(&output.stderr))
        };
        let alone = run("1");
        let inputs = |list: &Value| -> Vec<String> {
            let list = list.as_array().expect("a list");
            list.iter()
                .map(|r| r["input"].as_str().expect("an input")[at("photos").len() + 1..].into())
                .collect()
        };
        assert_eq!(inputs(&alone.1["results"]), ["a.png", "b.png", "d.png", "e.png", "f.png", "g.png"]);
        assert_eq!(inputs(&alone.1["errors"]), ["c.png", "h.png"]);
        assert_eq!(alone.0.len(), 6 * 3);
        for jobs in ["2", "3", "9"] {
            assert_eq!(run(jobs), alone, "{jobs} jobs on {model}");
        }
    }
}

#[test]
fn a_photo_turned_by_exif_is_seen_upright() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("turned.jpg");
    write_photo(&path, 40, 30);
    // An APP1 segment whose only entry says "rotate by 90 degrees", after the SOI marker.
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let mut bytes = std::fs::read(&path).expect("a photo");
    bytes.splice(2..2, exif.iter().copied());
    std::fs::write(&path, bytes).expect("a photo");
    let overlay = folder.path().join("o.png");
    stdout(&explain(path.to_str().expect("a path"), &["--overlay", overlay.to_str().expect("a path")]));
    let drawn = image::open(&overlay).expect("an overlay");
    assert_eq!((drawn.width(), drawn.height()), (30, 40));
}

/// A folder of broken files, from which nothing may come but one line.
struct BadInputs {
    folder: tempfile::TempDir,
    names: Vec<String>,
}

impl BadInputs {
    fn new() -> Self {
        let mut bad = Self { folder: tempfile::tempdir().expect("a folder"), names: Vec::new() };
        let write = |name: &str, bytes: &[u8]| std::fs::write(bad.at(name), bytes).expect("a file");
        write_photo(Path::new(&bad.at("good.png")), 64, 64);
        let whole = std::fs::read(bad.at("good.png")).expect("a photo");
        write("cut.png", &whole[..whole.len() / 2]);
        write("text.png", b"no photo");
        write("text.so", b"no library");
        write("text.npy", b"no tensor");
        write("unknown.toy", b"colour = 3\n");
        let tensor = std::fs::read(golden("input-3x32x32.npy")).expect("a tensor");
        write("cut.npy", &tensor[..tensor.len() / 2]);
        let at = |name: &str| PathBuf::from(bad.at(name));
        write_npy(&at("nan.npy"), &[3, 32, 32], &[f32::NAN; 3 * 32 * 32]);
        write_npy(&at("f64.npy"), &[3, 32, 32], &[0.5f64; 3 * 32 * 32]);
        write_npy(&at("flat.npy"), &[32, 32], &[0.5f32; 32 * 32]);
        write_npy(&at("small.npy"), &[3, 8, 8], &[0.5f32; 3 * 8 * 8]);
        bad.names = names_in(bad.folder.path());
        bad
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path").to_owned()
    }

    /// The run must end with `status` and one line "error: ..." that contains `expected`, and leave no file.
    fn check(&self, input: &str, model: &str, more: &[&str], status: i32, expected: &str) {
        let mut command = scorecam();
        command.args(["explain", input, "--model", model, "--map", &self.at("map.npy")]).args(more);
        let output = command.output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{expected:?}: {stderr}");
        let errors: Vec<&str> = stderr.lines().filter(|l| !l.starts_with("warning: ")).collect();
        assert!(errors[0].starts_with("error: ") && errors[0].contains(expected), "{expected:?}: {stderr}");
        // Wrong usage gets the usage after its line.
        assert!(status == 2 || errors.len() == 1, "{stderr}");
        assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(names_in(self.folder.path()), self.names, "{expected:?}");
    }
}

#[test]
fn an_input_that_cannot_be_used_gets_one_line_and_no_file() {
    let (bad, toy) = (BadInputs::new(), golden("plain.toy"));
    bad.check(&bad.at("missing.png"), &toy, &[], 1, "missing.png");
    bad.check(&bad.at("missing.npy"), &toy, &[], 1, "missing.npy");
    bad.check(&bad.at("cut.png"), &toy, &[], 1, "cut.png: the photo cannot be decoded");
    bad.check(&bad.at("text.png"), &toy, &[], 1, "text.png: it is neither a photo");
    bad.check(&bad.at("text.so"), &toy, &[], 1, "text.so: it is neither a photo");
    bad.check("/dev/zero", &toy, &[], 1, "/dev/zero: it is not a file");
    bad.check(&bad.at("text.npy"), &toy, &[], 1, "text.npy: the .npy file cannot be read");
    bad.check(&bad.at("cut.npy"), &toy, &[], 1, "cut.npy: the .npy file is cut off");
    bad.check(&bad.at("nan.npy"), &toy, &[], 1, "nan.npy: the input: value NaN at index 0");
    bad.check(&bad.at("f64.npy"), &toy, &[], 1, "f64.npy: the tensor has dtype '<f8'");
    bad.check(&bad.at("flat.npy"), &toy, &[], 1, "flat.npy: the tensor has shape [32, 32]");
    bad.check(&bad.at("small.npy"), &toy, &[], 1, "small.npy");
}

#[test]
fn a_run_that_cannot_be_done_gets_one_line_and_no_file() {
    let (bad, good, toy) = (BadInputs::new(), golden("input-3x32x32.npy"), golden("plain.toy"));
    let (missing, other, overlay) = (bad.at("missing.png"), bad.at("no/map.npy"), bad.at("no/o.png"));
    bad.check(&good, &bad.at("missing.toy"), &[], 1, "missing.toy does not exist");
    bad.check(&good, &bad.at("unknown.toy"), &[], 1, "colour");
    bad.check(&good, &bad.at("good.png"), &[], 1, "no backend loads files like");
    bad.check(&good, &toy, &["--backend", "tpu"], 1, "backend \"tpu\" is unknown");
    bad.check(&good, &toy, &["--preset", "best"], 1, "no preset \"best\"");
    bad.check(&good, &toy, &["--method", "magic"], 1, "method \"magic\" is unknown");
    bad.check(&good, &toy, &["--set", "colour=red"], 1, "no option \"colour\"");
    bad.check(&good, &toy, &["--layer", "layer5"], 1, "layer \"layer5\" is not in the model");
    bad.check(&good, &toy, &["--class", "10"], 1, "class 10 is out of range");
    bad.check(&good, &toy, &["--class", "tabby"], 1, "class \"tabby\" is not a number");
    bad.check(&good, &toy, &["--class", "top:0"], 1, "top K must be between 1 and 10");
    bad.check(&good, &toy, &["--batch-size", "0"], 1, "batch size must be at least 1");
    bad.check(&good, &toy, &["--threads", "0"], 1, "threads must be between 1 and 1024, got 0");
    bad.check(&good, &toy, &["--threads", "1025"], 1, "threads must be between 1 and 1024, got 1025");
    bad.check(&good, &toy, &["--backend-set", "a=b"], 1, "\"a\"");
    bad.check(&good, &toy, &["--plugin", &bad.at("text.so")], 1, "text.so: it is not a shared library");
    bad.check(&good, &toy, &["--plugin", &bad.at("none.so")], 1, "none.so");
    bad.check(
        &good,
        &toy,
        &["--reference", &bad.at("small.npy")],
        1,
        "the reference image has shape [1, 3, 8, 8]",
    );
    bad.check(&good, &toy, &["--reference", &missing], 1, "reference: ");
    bad.check(&good, &toy, &["--json", &other], 1, "does not exist, make it first");
    bad.check(&good, &toy, &["--overlay", &overlay], 1, "does not exist, make it first");
    bad.check(&good, &toy, &["--out", &bad.at("good.png/x")], 1, "cannot make folder");
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let (bad, good, toy) = (BadInputs::new(), golden("input-3x32x32.npy"), golden("plain.toy"));
    let missing = bad.at("missing.png");
    bad.check(&good, &toy, &["--overlay", "o.jpg"], 2, "--overlay");
    bad.check(&good, &toy, &["--set", "key"], 2, "KEY=VALUE");
    bad.check(&good, &toy, &["--range", "9..1"], 2, "0..4095");
    bad.check(&good, &toy, &["--skip-existing"], 2, "required arguments");
    bad.check(&good, &toy, &["--overwrite"], 2, "required arguments");
    bad.check(&good, &toy, &["--class", "top:x"], 2, "top: takes a whole number");
    bad.check(&good, &toy, &["--class", "top:2", "--class", "3"], 2, "--class top:K cannot be combined");
    bad.check(&good, &toy, &["--opacity", "2"], 2, "0 to 1");
    bad.check(&good, &toy, &["--colormap", "pink"], 2, "viridis");
    bad.check(&good, &toy, &["--batch-size", "-1"], 2, "-1");
    bad.check(&good, &toy, &[&missing], 2, "--out DIR");
}

#[test]
fn standard_errors_are_written_where_the_method_estimates_them() {
    toy_plugin();
    let work = tempfile::tempdir().expect("a folder");
    let file = work.path().join("errors.npy");
    let run = |method: &str, set: &str| {
        let mut program = scorecam();
        program.arg("explain").arg(golden("input-3x32x32.npy")).args(["--model", &golden("plain.toy")]);
        program.args(["--method", method, "--set", set, "--errors"]).arg(&file);
        program.output().expect("it runs")
    };
    let refused = run("score-cam", "select=all");
    let line = "method \"score-cam\" estimates no standard errors; remove --errors, or use --method rise";
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(1) && text.contains(line) && !file.exists(), "{text}");
    let found = run("rise", "passes=30");
    let text = stdout(&found);
    assert!(
        text.contains("rise, preset official on toy: 31 passes") && text.contains("standard error at most"),
        "{text}"
    );
    // A header of 128 bytes and a value for each pixel.
    assert_eq!(std::fs::metadata(&file).expect("a file").len(), 128 + 32 * 32 * 4);
}

#[test]
fn a_plugin_is_checked_in_processes_of_its_own() {
    let run = |path: &Path| scorecam().arg("check").arg(path).output().expect("it runs");
    let good = run(&toy_plugin());
    let table = stdout(&good);
    assert_eq!(table.lines().filter(|l| l.contains("  ok  ")).count(), 11, "{table}");
    let bad = run(Path::new(&golden("plain.toy")));
    let table = String::from_utf8_lossy(&bad.stdout).into_owned();
    assert_eq!(bad.status.code(), Some(1));
    let found = |what: &str| table.lines().any(|l| l.contains(what));
    assert!(found("not a shared library") && found("failed") && found("not run"), "{table}");
}

#[test]
fn a_plugin_is_checked_with_a_model() {
    let run = |model: &str, more: &[&str]| {
        let mut command = scorecam();
        command.arg("check").arg(toy_plugin()).args(["--model", model]).args(more);
        command.output().expect("it runs")
    };
    let table = stdout(&run(&golden("plain.toy"), &["--time-limit", "60"]));
    assert_eq!(table.lines().filter(|l| l.contains("  ok  ")).count(), 20, "{table}");
    let missing = run(&golden("missing.toy"), &[]);
    let table = String::from_utf8_lossy(&missing.stdout).into_owned();
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(table.lines().filter(|l| l.contains("  ok  ")).count(), 11, "{table}");
    assert!(table.contains("missing.toy does not exist"), "{table}");
    assert_eq!(run(&golden("plain.toy"), &["--time-limit", "0"]).status.code(), Some(2));
}

#[test]
fn progress_is_silent_in_a_pipe() {
    let output = explain(&golden("input-3x32x32.npy"), &[]);
    assert!(stdout(&output).contains("passes in"));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(unix)]
#[test]
fn no_name_of_a_file_and_no_label_steers_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (input, model, manifest) = (at("in\u{1b}[2J.npy"), at("m\u{1b}[31m.toy"), at("m.toml"));
    std::fs::copy(golden("input-3x32x32.npy"), &input).expect("copied");
    std::fs::copy(golden("plain.toy"), &model).expect("copied");
    std::fs::write(at("labels.txt"), "a \u{1b}[2Jcat\n".repeat(10)).expect("written");
    let text = "[model]\nfile = \"m\\u001b[31m.toy\"\nlabels = \"labels.txt\"\n";
    std::fs::write(&manifest, text).expect("written");
    let photo = at("photo\u{1b}[2J.png");
    write_photo(Path::new(&photo), 40, 40);
    let mut shown = String::new();
    // Summaries, warnings, tables and errors.
    for arguments in [
        ["explain", &input, "--model", &manifest, "--class", "top:1"],
        ["explain", &photo, "--model", &model, "--class", "top:1"],
        ["layers", "--model", &model, "--backend", "toy", "--threads=1"],
        ["explain", &input, "--model", &at("no\u{1b}[2J.toy"), "--class", "top:1"],
    ] {
        let output = scorecam().args(arguments).output().expect("it runs");
        shown += &String::from_utf8_lossy(&output.stdout);
        shown += &String::from_utf8_lossy(&output.stderr);
    }
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    for part in
        ["in\\u{1b}[2J.npy", " a \\u{1b}[2Jcat", "warning: ", "m\\u{1b}[31m.toy is unknown", "error: "]
    {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
}
