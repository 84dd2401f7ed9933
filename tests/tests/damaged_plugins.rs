//! Damaged libraries: flipped bytes, and files beside sound plugins in the search path.
//!
//! What a flipped byte does to the system's loader cannot be known beforehand, so no outcome is golden here. What
//! must hold is that `scorecam check` always ends by itself, with its whole table and 0 or 1.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use scorecam::Host;
use scorecam_core::ErrorKind;
use scorecam_tests::{Ended, Language, compiler, golden, library, root, run, scorecam};

/// Numbers without any order, the same for a seed on every run.
struct Numbers(u64);

impl Numbers {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }
}

/// A small plugin in C, stripped, so that most of its bytes mean something.
fn sound(folder: &Path) -> Vec<u8> {
    let path = folder.join("sound.so");
    let mut command = compiler(Language::C, "c11");
    command.args(["-shared", "-fPIC", "-s", "-D_DEFAULT_SOURCE"]);
    run(command.arg(root().join("tests/hostile/spoiled.c")).arg("-o").arg(&path));
    std::fs::read(&path).expect("it was built")
}

/// Where the tables of an ELF file of 64 bits lie: the header, the program headers, the dynamic section and its
/// symbols, and anything else.
fn regions(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let number = |at: usize, size: usize| {
        bytes[at..at + size].iter().rev().fold(0usize, |number, &byte| number << 8 | usize::from(byte))
    };
    let (headers, count) = (number(32, 8), number(56, 2));
    let segments = (0..count).map(|i| headers + 56 * i);
    let of_kind = |kind: usize| {
        let found = segments.clone().find(|&at| number(at, 4) == kind).expect("a segment of the kind");
        number(found + 8, 8)..number(found + 8, 8) + number(found + 32, 8)
    };
    let (first_load, dynamic) = (of_kind(1), of_kind(2));
    vec![0..64, headers..headers + 56 * count, dynamic, first_load, 0..bytes.len()]
}

/// Some bytes of one region changed, by the seed.
fn damaged(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut numbers = Numbers::new(seed);
    let regions = regions(whole);
    let region = &regions[seed as usize % regions.len()];
    let mut bytes = whole.to_vec();
    for _ in 0..1 + numbers.below(4) {
        bytes[region.start + numbers.below(region.len())] ^= 1 << numbers.below(8);
    }
    bytes
}

/// Checks a damaged file; whether the loader or the plugin crashed or hung.
fn check(folder: &Path, whole: &[u8], seed: u64) -> bool {
    let path = folder.join(format!("damaged{seed}.so"));
    std::fs::write(&path, damaged(whole, seed)).expect("the folder is writable");
    let mut command = scorecam();
    command.args(["check", "--time-limit", "5"]).arg(&path);
    let ended = Ended::of(&mut command, Duration::from_secs(120));
    let how = ended.how();
    assert!(how == "ended with 0" || how == "ended with 1", "seed {seed}: {how}\n{}", ended.stderr);
    assert_eq!(ended.stdout.lines().count(), 12, "seed {seed}: the table is whole:\n{}", ended.stdout);
    std::fs::remove_file(&path).expect("it was written");
    ended.stdout.contains("  crashed  ") || ended.stdout.contains("  timed out  ")
}

fn sweep(seeds: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = sound(folder.path());
    let (next, crashes) = (AtomicU64::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let crashed = check(folder.path(), &whole, seed);
                    crashes.fetch_add(usize::from(crashed), Ordering::Relaxed);
                }
            });
        }
    });
    // The sweep is worth something only if some of the damage is felt.
    let crashes = crashes.into_inner() as u64;
    assert!(crashes > 0 && crashes < seeds, "{crashes} of {seeds} damaged files crashed or hung a check");
}

#[test]
fn check_outlives_damaged_libraries() {
    sweep(60);
}

#[test]
#[ignore = "long: cargo xtask soak"]
fn check_outlives_two_thousand_damaged_libraries() {
    sweep(2000);
}

/// The name by which a host finds a plugin in a folder.
fn found_as(name: &str) -> String {
    format!("{}scorecam_{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}

#[test]
fn what_cannot_be_loaded_does_not_keep_the_others_from_loading() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| -> PathBuf { folder.path().join(found_as(name)) };
    let toy = library("scorecam_toy");
    let whole = std::fs::read(&toy).expect("the plugin");
    std::fs::write(path("a_text"), "this is a text\n").expect("written");
    std::fs::write(path("b_empty"), "").expect("written");
    std::fs::write(path("c_half"), &whole[..whole.len() / 2]).expect("written");
    std::fs::create_dir(path("d_folder")).expect("made");
    run(std::process::Command::new("mkfifo").arg(path("e_pipe")));
    std::os::unix::fs::symlink(path("f_link"), path("f_link")).expect("made");
    std::fs::copy(&toy, path("g_toy")).expect("copied");
    std::fs::copy(&toy, path("h_again")).expect("copied");

    // Beside, because the variable of the search path belongs to the whole process.
    let host = Host::beside(Some(folder.path().to_path_buf())).expect("a host");
    let failures: Vec<String> = host
        .discover()
        .into_iter()
        .filter(|e| matches!(e.kind(), ErrorKind::Plugin | ErrorKind::Io))
        .map(|e| e.to_string())
        .filter(|text| text.starts_with(&format!("plugin {}", folder.path().display())))
        .collect();
    let words = [
        "not a shared library",
        "not a shared library",
        "truncated",
        "not a file",
        "not a file",
        "symbolic",
        "taken",
    ];
    assert_eq!(failures.len(), words.len(), "{failures:#?}");
    for (failure, word) in failures.iter().zip(words) {
        assert!(failure.contains(word), "{failure} does not say {word:?}");
    }
    let loaded = host.plugins().into_iter().filter_map(|p| p.path);
    let loaded: Vec<PathBuf> = loaded.filter(|p| p.starts_with(folder.path())).collect();
    assert_eq!(loaded, [path("g_toy")]);

    let mut command = scorecam();
    command.arg("explain").arg(golden("toy/input-3x32x32.npy")).arg("--model").arg(golden("toy/plain.toy"));
    let map = folder.path().join("map.npy");
    command.env("SCORECAM_PLUGIN_PATH", folder.path()).arg("--map").arg(&map);
    let ended = Ended::of(&mut command, Duration::from_secs(60));
    assert_eq!(ended.how(), "ended with 0", "{}", ended.stderr);
    assert!(map.exists());
}
