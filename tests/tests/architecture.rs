//! The rules of the house that a compiler does not enforce: who depends on whom, where unsafe code may
//! stand, and how long a file may be. The docs explain them; this fails when they no longer hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cargo_metadata::{MetadataCommand, Package};

/// Each crate, and which crates of this workspace it depends on, dev-dependencies included.
const EDGES: &[(&str, &[&str])] = &[
    ("scorecam-core", &[]),
    ("scorecam-plugin", &["scorecam-core"]),
    // Its examples run on the toy backend.
    ("scorecam", &["scorecam-core", "scorecam-plugin", "scorecam-toy"]),
    ("scorecam-onnx", &["scorecam-core", "scorecam-plugin"]),
    ("scorecam-onnx-cpu", &["scorecam-onnx", "scorecam-plugin"]),
    ("scorecam-onnx-cuda", &["scorecam-onnx", "scorecam-plugin"]),
    ("scorecam-libtorch", &["scorecam-plugin"]),
    // A workspace of its own, since it is linked to libtorch.
    ("scorecam-libtorch-engine", &["scorecam-plugin"]),
    ("scorecam-kserve", &["scorecam-core", "scorecam-plugin"]),
    ("scorecam-toy", &["scorecam-core", "scorecam-plugin"]),
    ("scorecam-ffi", &["scorecam-core", "scorecam"]),
    ("scorecam-report", &[]),
    ("scorecam-cli", &["scorecam-core", "scorecam", "scorecam-report"]),
    // Its wheel has the ONNX backend in it.
    ("scorecam-python", &["scorecam-core", "scorecam", "scorecam-plugin", "scorecam-onnx"]),
    ("xtask", &[]),
];
/// May depend on every other crate, and none but each other on them.
const TESTS: &[&str] = &[
    "scorecam-tests",
    "scorecam-mirror",
    "scorecam-bench",
    "scorecam-fuzz",
    "scorecam-c-api",
    "scorecam-libtorch-rlib",
];

/// Folders in which unsafe code may stand.
/// Those of `tests/fuzz` play the part of callers and plugins in C.
const UNSAFE_HOMES: &[&str] = &[
    "plugins/sdk",
    "scorecam",
    "plugins/onnx",
    "plugins/onnx-cuda",
    "plugins/libtorch",
    "ffi",
    // Registers a table of its own.
    "python/src/host.rs",
    "tests/fuzz/src",
];

const MAX_LINES: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository")
}

/// The manifests of all workspaces that make up the product.
const WORKSPACES: &[&str] = &["Cargo.toml", "plugins/libtorch/engine/Cargo.toml"];

fn packages() -> Vec<Package> {
    let of = |manifest: &&str| {
        let mut command = MetadataCommand::new();
        command.manifest_path(root().join(manifest)).no_deps().other_options(["--offline".to_owned()]);
        command.exec().expect("cargo metadata").packages
    };
    WORKSPACES.iter().flat_map(of).collect()
}

/// Every Rust source outside of build folders, relative to the root, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let (mut folders, mut found) = (vec![root().to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).expect("a text");
                found.push((path.strip_prefix(root()).expect("below the root").to_path_buf(), text));
            }
        }
    }
    assert!(found.len() > 50, "only {} sources were found", found.len());
    found
}

/// Whether a line holds the keyword outside of comments and strings.
fn has_unsafe_code(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let outside_strings: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    outside_strings.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

#[test]
fn crates_depend_on_each_other_only_as_designed() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    let known: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).chain(TESTS.iter().copied()).collect();
    assert_eq!(ours, known, "the workspace's crates and those of this test");
    for package in &packages {
        let edges = package.dependencies.iter().map(|d| d.name.as_str()).filter(|d| ours.contains(d));
        let edges: BTreeSet<&str> = edges.collect();
        match EDGES.iter().find(|(name, _)| *name == package.name.as_str()) {
            Some((name, wanted)) => assert_eq!(edges, wanted.iter().copied().collect(), "{name} depends on"),
            None => assert!(TESTS.contains(&package.name.as_str())),
        }
    }
}

#[test]
fn core_knows_no_runtime_and_no_loader() {
    let packages = packages();
    let core = packages.iter().find(|p| p.name.as_str() == "scorecam-core").expect("core");
    for stranger in ["libloading", "ort", "tch", "abi_stable", "libc"] {
        assert!(core.dependencies.iter().all(|d| d.name != stranger), "core depends on {stranger}");
    }
    let lib = std::fs::read_to_string(root().join("core/src/lib.rs")).expect("core's first file");
    assert!(lib.lines().any(|line| line == "#![forbid(unsafe_code)]"), "core forbids unsafe code");
}

#[test]
fn unsafe_code_stays_where_it_belongs() {
    assert!(has_unsafe_code("    unsafe { f() }") && has_unsafe_code("#[unsafe(no_mangle)]"));
    assert!(!has_unsafe_code("// unsafe") && !has_unsafe_code("f(\"unsafe\") #![forbid(unsafe_code)]"));
    for (path, text) in sources() {
        let allowed = UNSAFE_HOMES.iter().any(|home| path.starts_with(home));
        if let Some(line) = text.lines().position(has_unsafe_code).filter(|_| !allowed) {
            panic!("{}:{} has unsafe code; it belongs into {UNSAFE_HOMES:?}", path.display(), line + 1);
        }
    }
}

#[test]
fn no_source_is_too_long_to_read() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines; split it", path.display());
    }
}
