//! No file that a run reads is one that it writes, and nothing of a user's is replaced unasked.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// A folder of a user's files.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = Self(folder);
        for name in ["photos", "out", "model"] {
            std::fs::create_dir(files.at(name)).expect("a folder");
        }
        write_photo(Path::new(&files.at("photos/cat.png")), 40, 30);
        std::fs::copy(golden("input-3x32x32.npy"), files.at("photos/cat.npy")).expect("copied");
        std::fs::copy(golden("plain.toy"), files.at("model/net.toy")).expect("copied");
        std::fs::write(files.at("model/labels.npy"), "a\n".repeat(10)).expect("written");
        let manifest = "[model]\nfile = \"net.toy\"\nlabels = \"labels.npy\"\n";
        std::fs::write(files.at("model/net.toml"), manifest).expect("written");
        std::fs::copy(toy_plugin(), files.at("model/plugin")).expect("copied");
        files
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("a path").to_owned()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = scorecam();
        command.current_dir(self.0.path()).arg("explain").args(arguments);
        if !arguments.contains(&"--model") {
            command.args(["--model", "model/net.toml"]);
        }
        command.output().expect("it runs")
    }

    /// All files and what is in them.
    fn all(&self) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.0.path().to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        all.insert(path.display().to_string(), std::fs::read(&path).expect("a file"));
                    }
                }
            }
        }
        all
    }

    /// The run is refused with one line that has all words, and nothing has changed.
    fn refused(&self, arguments: &[&str], words: &[&str]) {
        let before = self.all();
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().filter(|line| !line.starts_with("note: ")).count(), 1, "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
        }
        assert!(self.all() == before, "{arguments:?} changed files");
    }
}

#[cfg(unix)]
#[test]
fn an_output_that_is_a_file_of_the_run_is_refused_by_any_of_its_names() {
    let files = Files::new();
    std::os::unix::fs::symlink(files.at("photos/cat.png"), files.at("soft.png")).expect("a link");
    std::fs::hard_link(files.at("photos/cat.npy"), files.at("hard.npy")).expect("a link");
    std::os::unix::fs::symlink(files.at("photos"), files.at("out/elsewhere")).expect("a link");
    let (photo, tensor) = ("photos/cat.png", "photos/cat.npy");
    let whole = files.at(photo);
    for (arguments, words) in [
        (
            &[photo, "--overlay", photo][..],
            &["--overlay photos/cat.png would replace an input of this run photos/cat.png"][..],
        ),
        (&[photo, "--overlay", "soft.png"], &["soft.png", "photos/cat.png"]),
        (&[photo, "--overlay", "out/elsewhere/../photos/cat.png"], &["out/elsewhere/../photos/cat.png"]),
        (&[photo, "--overlay", &whole], &["an input of this run photos/cat.png"]),
        (&["soft.png", "--overlay", photo], &["an input of this run soft.png"]),
        (&[tensor, "--map", tensor], &["--map photos/cat.npy would replace"]),
        (&[tensor, "--map", "hard.npy"], &["hard.npy", "photos/cat.npy"]),
        (&[tensor, "--json", "model/net.toy"], &["--json model/net.toy", "the model's file"]),
        (&[tensor, "--json", "model/net.toml"], &["the model model/net.toml"]),
        (&[tensor, "--model", "model/net.toy", "--json", "model/net.toml"], &["the model's manifest"]),
        (&[tensor, "--map", "model/labels.npy"], &["the model's labels"]),
        (&[tensor, "--plugin", "model/plugin", "--json", "model/plugin"], &["a plugin model/plugin"]),
        (&[photo, "--reference", tensor, "--map", tensor], &["the reference photos/cat.npy"]),
        (
            &[photo, "--target", "like:photos/cat.npy", "--map", tensor],
            &["--map photos/cat.npy would replace a target's file photos/cat.npy"],
        ),
        (
            &[tensor, "--target", "region:photos/cat.png", "--overlay", "out/elsewhere/cat.png"],
            &["--overlay out/elsewhere/cat.png would replace a target's file photos/cat.png"],
        ),
        (
            &[tensor, "--target", "region:photos/cat.png:4", "--overlay", photo],
            &["a target's file photos/cat.png"],
        ),
        (&[tensor, "--out", "photos"], &["map photos/cat.npy would replace an input of this run"]),
        (&[photo, "--reference", tensor, "--out", "photos"], &["map photos/cat.npy", "the reference"]),
        (&[tensor, "--map", "x", "--json", "./x"], &["--map x and --json ./x are the same file"]),
        (
            &[tensor, "--json", "out/cat.npy", "--out", "out"],
            &["--json out/cat.npy and map out/cat.npy are the same file"],
        ),
        (
            &[tensor, "--json", "out/results.json", "--out", "out"],
            &["--json out/results.json and the record out/results.json are the same file"],
        ),
        (
            &[tensor, "--overlay", "o.png", "--class", "1,2", "--json", "o-2.png"],
            &["an overlay o-2.png and --json o-2.png are the same file"],
        ),
        (&[tensor, "--map", "-", "--json", "-"], &["both write to standard output"]),
    ] {
        files.refused(arguments, words);
    }
}

#[test]
fn a_photo_that_an_overlay_could_replace_is_refused_before_the_run() {
    let files = Files::new();
    std::fs::remove_file(files.at("photos/cat.npy")).expect("removed");
    write_photo(Path::new(&files.at("photos/cat-0.png")), 32, 32);
    for out in ["photos", "photos/", "out/../photos"] {
        files.refused(
            &["photos", "--out", out],
            &["cat-0.png would replace an input of this run photos/cat-0.png"],
        );
    }
    files.refused(&["photos", "--out", "photos", "--class", "3,0"], &["cat-0.png"]);
    files.refused(&["photos/cat.png", "photos/cat-0.png", "--out", "photos", "--overwrite"], &["cat-0.png"]);
    let overlay = [
        "photos/cat.png",
        "--reference",
        "photos/cat-0.png",
        "--overlay",
        "photos/cat.png",
        "--class",
        "top:2",
    ];
    files.refused(&overlay, &["cat-0.png", "the reference"]);
    // So is what targets and boxes may be called.
    for (name, arguments) in [
        ("cat-not-3.png", &["--target", "not:3", "--out", "photos"][..]),
        ("cat-4.png", &["--target", "class:4", "--out", "photos"]),
        ("cat-box-12.png", &["--target", "boxes", "--out", "photos"]),
        ("cat-box-12.png", &["--target", "boxes", "--overlay", "photos/cat.png"]),
        ("o-box-0.png", &["--overlay", "photos/o.png"]),
        (
            "o-region-predicted.png",
            &["--target", "value", "--target", "region:predicted", "--overlay", "photos/o.png"],
        ),
    ] {
        let at = files.at(&format!("photos/{name}"));
        write_photo(Path::new(&at), 32, 32);
        let input = if arguments.contains(&"photos/cat.png") { "photos/cat.npy" } else { "photos/cat.png" };
        std::fs::copy(golden("input-3x32x32.npy"), files.at("photos/cat.npy")).expect("copied");
        let reference = format!("photos/{name}");
        let arguments = [&[input, "--reference", &reference], arguments].concat();
        files.refused(&arguments, &[name, "would replace the reference"]);
        std::fs::remove_file(at).expect("removed");
        std::fs::remove_file(files.at("photos/cat.npy")).expect("removed");
    }
    // Class 2 cannot come to be cat-0.png; the photos stay what they are.
    let before = files.all();
    stdout(&files.run(&["photos", "--out", "photos", "--class", "2"]));
    let after = files.all();
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)));
    let names = names_in(Path::new(&files.at("photos")));
    assert_eq!(
        names,
        ["cat-0-2.png", "cat-0.npy", "cat-0.png", "cat-2.png", "cat.npy", "cat.png", "results.json"]
    );
    // Its results are no photos of the next run.
    let output = files.run(&["photos", "--out", "photos", "--class", "2"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("4 results of an earlier run"), "{said}");
    assert_eq!(names_in(Path::new(&files.at("photos"))), names);
}

#[test]
fn files_in_the_output_folder_that_are_a_users_stay() {
    for (name, class, words) in [
        ("cat.npy", "2", "out/cat.npy already exists and is not listed in out/results.json"),
        ("cat-2.png", "2", "cat-2.png already exists"),
        ("cat-7.png", "top:1", "cat-7.png already exists"),
    ] {
        let files = Files::new();
        let path = files.at(&format!("out/{name}"));
        std::fs::write(&path, "mine").expect("written");
        files.refused(&["photos/cat.png", "--out", "out", "--class", class], &[words]);
        stdout(&files.run(&["photos/cat.png", "--out", "out", "--class", class, "--overwrite"]));
        // An overlay of another class is in nobody's way.
        assert_eq!(std::fs::read(&path).expect("a file") == b"mine", class == "top:1", "{name}");
    }
    let files = Files::new();
    std::fs::write(files.at("out/results.json"), "[1, 2, 3]").expect("written");
    files.refused(
        &["photos/cat.png", "--out", "out"],
        &["out/results.json is not a results file of scorecam"],
    );
    std::fs::remove_file(files.at("out/results.json")).expect("removed");
    std::fs::write(files.at("out/cat-03.png"), "mine").expect("written");
    std::fs::write(files.at("out/other-3.png"), "mine").expect("written");
    stdout(&files.run(&["photos/cat.png", "--out", "out"]));
}

#[test]
fn a_map_goes_to_standard_output_or_to_a_file_that_says_what_it_is() {
    let input = golden("input-3x32x32.npy");
    let folder = tempfile::tempdir().expect("a folder");
    let map = folder.path().join("m.npy");
    stdout(&explain(&input, &["--map", map.to_str().expect("a path")]));
    let output = explain(&input, &["--map", "-"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout == std::fs::read(&map).expect("a map"), "the bytes are those of the file");
    for name in ["o.csv", "o.png"] {
        let output = explain(&input, &["--map", name]);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("give a name that ends in .npy, or - for standard output"), "{stderr}");
    }
}
