//! Every input that fuzzing begins with and every one that it ever failed on, on any compiler.

#![allow(clippy::print_stdout, reason = "the name of the input belongs to the output of a failure")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use scorecam_fuzz::TARGETS;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The files of a folder, with their bytes; none where there is no folder.
fn inputs(kind: &str, target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder(kind).join(target)) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).expect("an input"))).collect()
}

/// Runs one target; the name of the input stands in the test's output when a property does not hold.
fn replay(target: &str) {
    let (_, check) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    let mut accepted = 0;
    let seeds = inputs("corpus", target);
    for (path, bytes) in seeds.iter().chain(&inputs("crashes", target)) {
        println!("{}", path.display());
        accepted += usize::from(check(bytes));
    }
    assert!(accepted > 0, "no input of {target} is accepted, so nothing behind the first check is tested");
    for (path, bytes) in &seeds {
        // A prime step reaches every field of a header in some seed, and is quick.
        for at in (0..bytes.len().min(2000)).step_by(7) {
            println!("{} cut or changed at byte {at}", path.display());
            check(&bytes[..at]);
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            check(&changed);
        }
    }
}

macro_rules! replayed {
    ($($target:ident),+ $(,)?) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target));
        })+

        #[test]
        fn every_target_is_replayed_and_fuzzed() {
            let known: BTreeSet<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(BTreeSet::from([$(stringify!($target)),+]), known);
            let names = |name: &str| -> BTreeSet<String> {
                let stem = |path: PathBuf| path.file_stem().expect("a name").to_string_lossy().into_owned();
                let entries = std::fs::read_dir(folder(name)).expect("a folder");
                entries.map(|entry| stem(entry.expect("an entry").path())).collect()
            };
            let known: BTreeSet<String> = known.into_iter().map(str::to_owned).collect();
            assert_eq!(names("corpus"), known);
            assert_eq!(names("libfuzzer/targets"), known);
            assert!(names("crashes").iter().all(|name| known.contains(name) || name == "README"));
            assert!(names("dictionaries").is_subset(&known));
        }
    };
}

replayed!(c_api, c_plugin, library, manifest, npy, onnx, photo, torch_file);
