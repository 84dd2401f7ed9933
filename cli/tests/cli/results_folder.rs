//! What an output folder keeps over several runs, over a tree of photos, and when a run is killed.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(photos: &[&str]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for (i, name) in photos.iter().enumerate() {
            let path = folder.at(&format!("photos/{name}"));
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            write_photo(&path, 40 + i as u32, 30);
        }
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, model: &str, arguments: &[&str]) -> Command {
        let mut command = scorecam();
        command
            .current_dir(self.0.path())
            .args(["explain", "--model", model, "--out", "out"])
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(&golden("plain.toy"), arguments).output().expect("it runs")
    }

    fn results(&self) -> Value {
        let text = std::fs::read_to_string(self.at("out/results.json")).expect("results");
        serde_json::from_str(&text).expect("JSON")
    }

    /// The inputs of the results or errors, in their order.
    fn inputs(&self, list: &str) -> Vec<String> {
        let results = self.results();
        let list = results[list].as_array().cloned().unwrap_or_default();
        list.iter().map(|entry| entry["input"].as_str().expect("an input").to_owned()).collect()
    }

    fn times(&self) -> BTreeMap<String, SystemTime> {
        let time = |name: String| {
            let metadata = std::fs::metadata(self.at("out").join(&name)).expect("a file");
            (name, metadata.modified().expect("a time"))
        };
        names_in(&self.at("out")).into_iter().map(time).collect()
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_second_run_into_a_folder_adds_to_the_first() {
    let folder = Folder::new(&["a.png", "b.png", "c.png"]);
    std::fs::write(folder.at("photos/c.png"), "no photo").expect("written");
    stdout(&folder.run(&["photos/b.png"]));
    let first = folder.results()["results"][0].clone();
    assert_eq!(folder.run(&["photos/a.png", "photos/c.png"]).status.code(), Some(1));
    assert_eq!(folder.inputs("results"), ["photos/b.png", "photos/a.png"]);
    assert_eq!(folder.inputs("errors"), ["photos/c.png"]);
    assert_eq!(folder.results()["results"][0], first);
    // An input that is explained anew, from wherever it is named, has one result; one that works has no error.
    write_photo(&folder.at("photos/c.png"), 33, 33);
    let whole = folder.at("photos/c.png").display().to_string();
    stdout(&folder.run(&["./photos/../photos/b.png", &whole]));
    assert_eq!(folder.inputs("results"), ["photos/a.png", "./photos/../photos/b.png", whole.as_str()]);
    assert!(folder.inputs("errors").is_empty());
    assert!(!folder.at("out/results.jsonl").exists());
    // A photo of the same name from elsewhere gets another one.
    std::fs::create_dir(folder.at("more")).expect("a folder");
    write_photo(&folder.at("more/a.png"), 31, 31);
    stdout(&folder.run(&["more/a.png"]));
    assert!(folder.at("out/a-2.npy").exists());
    assert_eq!(folder.inputs("results").len(), 4);
}

#[test]
fn a_result_made_in_another_way_is_not_replaced_unasked() {
    let folder = Folder::new(&["a.png", "b.png"]);
    stdout(&folder.run(&["photos/a.png", "--class", "1"]));
    let before = folder.times();
    for (more, words) in [
        (
            &["--class", "2"][..],
            "has results of photos/a.png made with class \"1\"; this run has class \"2\"; choose another",
        ),
        (&["--class", "1", "--preset", "paper"], "made with no preset; this run has preset \"paper\""),
        (&["--class", "1", "--colormap", "jet"], "made with colormap \"viridis\""),
        (&["--class", "2", "--skip-existing"], "made with class \"1\""),
    ] {
        let output = folder.run(&[&["photos"], more].concat());
        assert!(output.status.code() == Some(1) && stderr(&output).contains(words), "{}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
    }
    assert_eq!(folder.times(), before);
    // Other inputs may be explained in another way; and what is asked for is done, without stale overlays.
    stdout(&folder.run(&["photos/b.png", "--class", "2"]));
    stdout(&folder.run(&["photos/a.png", "--class", "3", "--overwrite"]));
    assert_eq!(names_in(&folder.at("out")), ["a-3.png", "a.npy", "b-2.png", "b.npy", "results.json"]);
}

#[test]
fn a_tree_keeps_its_shape_and_what_is_passed_over_is_said() {
    let folder = Folder::new(&["a.png", "x/a.png", "x/y/b.png", ".hidden.png"]);
    for name in ["photo.heic", "other.HEIC", "photo.avif", "._a.png"] {
        std::fs::write(folder.at("photos").join(name), "").expect("written");
    }
    let plain = folder.run(&["photos"]);
    let note = "note: photos: skipped: 1 folder, 3 files (.heic, .avif), 2 hidden files\n";
    assert!(stderr(&plain).contains(note), "{}", stderr(&plain));
    assert_eq!(folder.inputs("results"), ["photos/a.png"]);

    let tree = folder.run(&["photos", "--recursive"]);
    assert!(stderr(&tree).contains("note: photos: skipped: 3 files (.heic, .avif), 2 hidden files\n"));
    assert_eq!(folder.inputs("results"), ["photos/a.png", "photos/x/a.png", "photos/x/y/b.png"]);
    for map in ["out/a.npy", "out/x/a.npy", "out/x/y/b.npy"] {
        assert!(folder.at(map).exists(), "{map}");
    }
    // Results within the tree are none of its photos.
    let within = |more: &[&str]| {
        let mut command = scorecam();
        command.current_dir(folder.at("photos")).args(["explain", ".", "--recursive", "--out", "x/out"]);
        command.args(["--model", &golden("plain.toy")]).args(more).output().expect("it runs")
    };
    stdout(&within(&[]));
    stdout(&within(&[]));
    let text = std::fs::read_to_string(folder.at("photos/x/out/results.json")).expect("results");
    let results: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(results["results"].as_array().map(Vec::len), Some(3));
    assert!(
        stderr(&within(&["--skip-existing"]))
            .contains("note: skipped: 3 inputs whose results are already in x/out/results.json")
    );
}

#[cfg(unix)]
#[test]
fn links_are_inputs_of_their_own_and_an_input_given_twice_is_one() {
    let folder = Folder::new(&["a.png"]);
    std::os::unix::fs::symlink("a.png", folder.at("photos/link.png")).expect("a link");
    let output = folder.run(&["photos", "photos/../photos/a.png", "photos/link.png"]);
    assert!(stderr(&output).contains("note: skipped: 2 duplicate inputs\n"), "{}", stderr(&output));
    assert_eq!(folder.inputs("results"), ["photos/a.png", "photos/link.png"]);
    let done = folder.run(&["photos", "--skip-existing"]);
    assert!(stderr(&done).contains("skipped: 2 inputs whose results are"), "{}", stderr(&done));
}

#[test]
fn inputs_that_are_done_are_passed_over_until_they_change() {
    let folder = Folder::new(&["a.png", "b.png"]);
    std::fs::write(folder.at("photos/c.png"), "no photo").expect("written");
    folder.run(&["photos"]);
    let before = folder.times();
    let again = || {
        let output = folder.run(&["photos", "--skip-existing"]);
        let summary = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            summary.lines().filter(|line| line.starts_with("photos/")).map(str::to_owned).collect::<Vec<_>>(),
            stderr(&output),
        )
    };
    // What failed is tried again.
    write_photo(&folder.at("photos/c.png"), 50, 50);
    let (explained, said) = again();
    assert_eq!(explained, ["photos/c.png"]);
    assert!(
        said.contains("note: skipped: 2 inputs whose results are already in out/results.json\n"),
        "{said}"
    );
    assert_eq!(folder.inputs("results"), ["photos/a.png", "photos/b.png", "photos/c.png"]);
    assert!(folder.inputs("errors").is_empty());
    let after = folder.times();
    assert!(before.iter().all(|(name, time)| name == "results.json" || after[name] == *time));
    assert!(again().0.is_empty());
    // A file that is gone, and a photo that has changed.
    std::fs::remove_file(folder.at("out/b.npy")).expect("removed");
    assert_eq!(again().0, ["photos/b.png"]);
    write_photo(&folder.at("photos/a.png"), 60, 20);
    assert_eq!(again().0, ["photos/a.png"]);
    assert_eq!(folder.inputs("results").len(), 3);
}

#[test]
fn inputs_are_explained_anew_when_the_photo_of_a_target_changes() {
    let folder = Folder::new(&["a.png"]);
    write_photo(&folder.at("other.png"), 32, 32);
    let run = || {
        let output = folder.run(&["photos", "--target", "like:other.png", "--skip-existing"]);
        stdout(&output).lines().any(|line| line == "photos/a.png")
    };
    assert!(run() && !run());
    write_photo(&folder.at("other.png"), 33, 33);
    assert!(run() && !run());
}

/// The lines of results in the journal of a run.
fn lines(folder: &Folder) -> usize {
    let text = std::fs::read_to_string(folder.at("out/results.jsonl")).unwrap_or_default();
    text.lines().filter(|line| line.starts_with("{\"result\"")).count()
}

/// A run over the photos of a folder that has explained three of them and goes on.
fn started(folder: &Folder) -> std::process::Child {
    let slow = std::fs::read_to_string(golden("plain.toy")).expect("the model") + "delay_ms = 40\n";
    std::fs::write(folder.at("slow.toy"), slow).expect("written");
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("scorecam"));
    command.current_dir(folder.0.path()).env_remove("SCORECAM_PLUGIN_PATH");
    command.args([
        "explain",
        "photos",
        "--model",
        "slow.toy",
        "--out",
        "out",
        "--jobs",
        "2",
        "--batch-size",
        "4",
    ]);
    let silent = std::process::Stdio::null;
    let child = command.stdout(silent()).stderr(silent()).spawn().expect("it starts");
    let began = std::time::Instant::now();
    while lines(folder) < 3 {
        assert!(began.elapsed() < Duration::from_secs(60), "it goes on");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_run_that_is_killed_loses_the_photos_at_work_and_goes_on_later() {
    let names = ["a.png", "b.png", "c.png", "d.png", "e.png", "f.png", "g.png", "h.png"];
    let folder = Folder::new(&names);
    let mut child = started(&folder);
    // Two runs do not write into one folder.
    let second = folder.command("slow.toy", &["photos"]).output().expect("it runs");
    assert!(
        stderr(&second).starts_with("error: another run is writing to folder out"),
        "{}",
        stderr(&second)
    );
    // SIGKILL.
    child.kill().expect("it was alive");
    child.wait().expect("it is dead");
    let done = lines(&folder);
    assert!((3..names.len()).contains(&done), "{done}");
    // A line that was being written, and files of a photo that was at work.
    let journal = std::fs::read_to_string(folder.at("out/results.jsonl")).expect("lines");
    std::fs::write(folder.at("out/h.npy"), "half").expect("written");
    std::fs::write(folder.at("out/.scorecam-x7y"), "half").expect("written");
    let torn = "{\"writing\":{\"files\":[\"h-1.png\",\"h.npy\"]}}\n{\"result\":{\"inp";
    std::fs::write(folder.at("out/results.jsonl"), journal + torn).expect("written");
    let before = folder.times();

    let output = folder.command("slow.toy", &["photos", "--skip-existing"]).output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains(&format!("skipped: {done} inputs whose results are already in")), "{done}: {said}");
    let after = folder.times();
    let kept = before.iter().filter(|(name, time)| after.get(*name) == Some(time) && name.ends_with(".npy"));
    assert!(kept.count() >= done);
    let expected: Vec<String> = names.iter().map(|name| format!("photos/{name}")).collect();
    assert_eq!(folder.inputs("results"), expected);
    assert!(!folder.at("out/results.jsonl").exists());
    assert!(read_npy(&folder.at("out/h.npy")).0 == [32, 32]);
    assert!(
        names_in(&folder.at("out")).iter().all(|name| !name.starts_with('.')),
        "nothing half-written is left"
    );
}
