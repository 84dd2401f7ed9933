//! Wrong, damaged and missing files: each is refused with the right kind and one line that names the culprit.

use std::path::{Path, PathBuf};

use scorecam::{ErrorKind, ExplainOptions, Explanation, Host, Model, ModelRequest, Result, Targets};
use scorecam_tests::{explained, fetched, golden, library, pairs, read_npy, refused, run, toy_host};
use tempfile::TempDir;

const PLAIN: &str = "channels = 3\nsize = [32, 32]\nmaps = 16\nmap_size = [8, 8]\nclasses = 10\nseed = 7\n";

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).expect("written");
    path
}

fn load(host: &Host, path: &Path) -> Result<Model> {
    host.load_model(ModelRequest { path: path.into(), ..Default::default() })
}

fn explain_with(
    host: &Host,
    model: &Model,
    set: &[(&str, &str)],
    batch: Option<usize>,
) -> Result<Explanation> {
    let options = ExplainOptions {
        set: pairs(set),
        targets: Targets::Classes(vec![2, 5]),
        batch_size: batch,
        ..ExplainOptions::default()
    };
    explained(host, model, &options, &read_npy(&golden("toy/input-3x32x32.npy")))
}

#[test]
fn models_that_are_missing_cut_off_or_something_else_are_refused() {
    let host = Host::new().expect("a host");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    let folder = folder();
    let whole = std::fs::read(fetched("models/squeezenet1_1.onnx")).expect("a model");
    let missing = folder.path().join("missing.onnx");
    refused(load(&host, &missing), ErrorKind::Io, &["missing.onnx", "does not exist"]);
    let rows: &[(&str, &[u8], &str)] = &[
        ("empty.onnx", b"", "empty"),
        ("cut100.onnx", &whole[..100], "truncated"),
        ("cuthalf.onnx", &whole[..whole.len() / 2], "truncated"),
        ("cutlast.onnx", &whole[..whole.len() - 1], "truncated"),
        ("garbage.onnx", &[0xa5; 4096], "not an ONNX model"),
        ("page.onnx", b"<html>not found</html>", "web page"),
    ];
    for (name, bytes, word) in rows {
        refused(load(&host, &write(&folder, name, bytes)), ErrorKind::Model, &[name, word]);
    }
    let stranger = write(&folder, "model.xyz", "?");
    refused(load(&host, &stranger), ErrorKind::NotFound, &["model.xyz", "onnx-cpu"]);
    let toy = toy_host();
    refused(
        load(&toy, &write(&folder, "bytes.toy", [0xff; 64])),
        ErrorKind::Model,
        &["bytes.toy", "not text"],
    );
    let wrong = write(&folder, "wrong.toy", format!("{PLAIN}colour = 3\n"));
    refused(load(&toy, &wrong), ErrorKind::Model, &["wrong.toy", "colour", "line 7"]);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_before_it_is_opened() {
    let (host, folder) = (toy_host(), folder());
    let pipe = folder.path().join("pipe.toy");
    run(std::process::Command::new("mkfifo").arg(&pipe));
    refused(load(&host, &pipe), ErrorKind::Io, &["pipe.toy", "neither a file nor a folder"]);
    let named = write(&folder, "named.toml", "[model]\nfile = \"pipe.toy\"\n");
    refused(load(&host, &named), ErrorKind::Io, &["pipe.toy", "neither a file nor a folder"]);
    write(&folder, "m.toy", PLAIN);
    let labels = write(&folder, "labels.toml", "[model]\nfile = \"m.toy\"\nlabels = \"pipe.toy\"\n");
    refused(load(&host, &labels), ErrorKind::Io, &["labels file", "pipe.toy", "not a file"]);
}

#[test]
fn files_that_are_no_whole_plugin_are_refused() {
    let folder = folder();
    let whole = std::fs::read(library("scorecam_toy")).expect("the plugin");
    let host = Host::new().expect("a host");
    for kept in [0, 3, 20, 64, 1000, whole.len() / 4, whole.len() / 2] {
        let name = format!("cut{kept}.so");
        refused(
            host.load_plugin(&write(&folder, &name, &whole[..kept])),
            ErrorKind::Plugin,
            &["plugin", &name],
        );
    }
    let text = write(&folder, "readme.so", "this is a text\n");
    refused(host.load_plugin(&text), ErrorKind::Plugin, &["readme.so", "not a shared library"]);
    refused(host.load_plugin(folder.path()), ErrorKind::Io, &["the folder has no plugins", "scorecam_NAME"]);
    let missing = folder.path().join("missing.so");
    refused(host.load_plugin(&missing), ErrorKind::Io, &["missing.so"]);
    assert_eq!(host.plugins().len(), 1, "only the built-in methods are registered");
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_that_is_no_plugin_is_refused_by_the_symbol_it_lacks() {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("this process's maps");
    let libc = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|p| p.contains("libc.so"));
    let libc = libc.expect("the C library is loaded");
    let host = Host::new().expect("a host");
    refused(host.load_plugin(Path::new(libc)), ErrorKind::Plugin, &["libc.so", "scorecam_plugin_entry"]);
}

#[test]
fn an_id_that_is_taken_is_refused_and_its_owner_is_named() {
    let host = toy_host();
    let folder = folder();
    let first = library("scorecam_toy").canonicalize().expect("the plugin");
    let copy = folder.path().join(first.file_name().expect("a name"));
    std::fs::copy(&first, &copy).expect("copied");
    let words = [&copy.display().to_string(), "\"toy\"", &first.display().to_string()];
    refused(host.load_plugin(&copy), ErrorKind::Plugin, &words.map(|w| w as &str));
    host.load_plugin(&first).expect("the same file again does nothing");
    assert_eq!(host.plugins().len(), 2);
}

#[test]
fn a_wrong_manifest_is_refused_by_key_and_value() {
    let host = toy_host();
    let folder = folder();
    write(&folder, "m.toy", PLAIN);
    let rows: &[(&str, ErrorKind, &[&str])] = &[
        ("[model]\nfile = \"m.toy\"\nlayr = \"x\"\n", ErrorKind::InvalidArgument, &["layr", "line 3"]),
        ("[modle]\nfile = \"m.toy\"\n", ErrorKind::InvalidArgument, &["modle", "line 1"]),
        ("[model]\nfile = 5\n", ErrorKind::InvalidArgument, &["line 2"]),
        ("[model\n", ErrorKind::InvalidArgument, &["line 1"]),
        ("[input]\nsize = [32, 32]\n", ErrorKind::InvalidArgument, &["model.file"]),
        ("[input]\nsize = [0, 32]\n", ErrorKind::InvalidArgument, &["0"]),
        ("[input]\nlayout = \"hwc\"\n", ErrorKind::InvalidArgument, &["input.layout", "\"hwc\""]),
        ("[input]\ncolor = \"cmyk\"\n", ErrorKind::InvalidArgument, &["input.color", "cmyk"]),
        ("[input]\nstd = [0.0]\n", ErrorKind::InvalidArgument, &["std"]),
        ("[input]\ncrop_fraction = 0.5\n", ErrorKind::InvalidArgument, &["input.crop_fraction"]),
        ("[output]\nactivation = \"relu\"\n", ErrorKind::InvalidArgument, &["output.activation", "\"relu\""]),
        (
            "[settings]\nruntime = \"/evil.so\"\n",
            ErrorKind::InvalidArgument,
            &["settings.runtime", "--backend-set runtime=PATH", "scorecam_model_options.settings"],
        ),
        (
            "[settings]\ncuda = \"/evil\"\n",
            ErrorKind::InvalidArgument,
            &["settings.cuda", "which is not allowed in a manifest"],
        ),
        ("[model]\nfile = \"n.toy\"\n", ErrorKind::Io, &["n.toy", "does not exist"]),
        ("[model]\nfile = \"m.toy\"\nlabels = \"names.txt\"\n", ErrorKind::Io, &["labels", "names.txt"]),
        ("[model]\nfile = \"m.toy\"\nbackend = \"tpu\"\n", ErrorKind::NotFound, &["\"tpu\"", "toy"]),
        ("[model]\nfile = \"m.toy\"\nlayer = \"conv9\"\n", ErrorKind::NotFound, &["\"conv9\"", "features"]),
        ("[model]\nfile = \"m.toy\"\n[settings]\nspeed = \"9\"\n", ErrorKind::NotFound, &["\"speed\""]),
    ];
    for (text, kind, words) in rows {
        let path = write(&folder, "manifest.toml", text);
        refused(load(&host, &path), *kind, words);
    }
    for (i, (text, ..)) in rows.iter().enumerate().take(12) {
        let path = write(&folder, &format!("m{i}.toml"), text);
        refused(load(&host, &path), ErrorKind::InvalidArgument, &[&path.display().to_string()]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_goes_on_beyond_its_length_is_refused() {
    let (host, folder) = (toy_host(), folder());
    write(&folder, "m.toy", PLAIN);
    let endless = "it is longer than its reported length of 0 bytes";
    let labels = write(&folder, "l.toml", "[model]\nfile = \"m.toy\"\nlabels = \"/proc/self/maps\"\n");
    refused(load(&host, &labels), ErrorKind::Io, &["labels file /proc/self/maps", endless]);
    let model = write(&folder, "f.toml", "[model]\nfile = \"/proc/self/maps\"\nbackend = \"toy\"\n");
    refused(load(&host, &model), ErrorKind::Io, &["/proc/self/maps", endless]);
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    let text = "[model]\nfile = \"/proc/self/maps\"\nbackend = \"onnx-cpu\"\n";
    refused(load(&host, &write(&folder, "o.toml", text)), ErrorKind::Io, &["/proc/self/maps", endless]);
    let huge = folder.path().join("huge.onnx");
    std::fs::File::create(&huge).and_then(|file| file.set_len(1 << 31)).expect("made");
    refused(
        load(&host, &huge),
        ErrorKind::Model,
        &["huge.onnx is not an ONNX model", "it has 2147483648 bytes"],
    );
}

#[test]
fn control_characters_of_files_reach_no_message() {
    let (host, folder) = (toy_host(), folder());
    write(&folder, "m.toy", PLAIN);
    // As many names as the model has classes.
    write(&folder, "names.txt", format!("cat\n\u{1b}[2Jdog\u{9b}\n{}", "other\n".repeat(8)));
    let named = "[model]\nfile = \"m.toy\"\nlabels = \"names.txt\"\n";
    let model = load(&host, &write(&folder, "named.toml", named)).expect("the model loads");
    assert_eq!([0, 1].map(|class| model.label(class)), [Some("cat"), Some("\\u{1b}[2Jdog\\u{9b}")]);
    let wrong = "[model]\nfile = \"m.toy\"\nlabels = \"\\u001b[2Jx\"\n";
    refused(
        load(&host, &write(&folder, "wrong.toml", wrong)),
        ErrorKind::Io,
        &["/\\u{1b}[2Jx: No such file"],
    );
}

#[test]
fn no_more_threads_are_asked_for_than_any_machine_has_use_for() {
    let host = toy_host();
    let with = |threads| {
        let request =
            ModelRequest { path: golden("toy/plain.toy"), threads: Some(threads), ..Default::default() };
        host.load_model(request)
    };
    for threads in [0, 1025, u32::MAX as usize] {
        refused(with(threads), ErrorKind::InvalidArgument, &["threads must be between 1 and 1024, got"]);
    }
    with(1024).expect("the most");
}

#[test]
fn models_that_cannot_be_explained_say_why() {
    let host = toy_host();
    let folder = folder();
    let rows = [
        (
            "dense",
            PLAIN.replace("map_size = [8, 8]\n", "spatial = false\n"),
            ErrorKind::InvalidArgument,
            "spatial",
        ),
        ("nan", format!("{PLAIN}nan = true\n"), ErrorKind::Model, "not finite"),
        ("failing", format!("{PLAIN}fail_after = 5\n"), ErrorKind::Model, "fail_after"),
    ];
    for (name, text, kind, word) in rows {
        let model = load(&host, &write(&folder, &format!("{name}.toy"), text)).expect("the model loads");
        refused(explain_with(&host, &model, &[], Some(2)), kind, &[word]);
    }
}

#[test]
fn a_model_that_ends_in_softmax_is_warned_of_and_explained_alike() {
    let host = toy_host();
    let explained = |name: &str, score: &str| {
        let model = load(&host, &golden(name)).expect("the model loads");
        explain_with(&host, &model, &[("score", score)], None).expect("the explanation")
    };
    let (logits, softmax) = (explained("toy/plain.toy", "softmax"), explained("toy/softmax.toy", "softmax"));
    assert!(logits.warnings.is_empty(), "{:?}", logits.warnings);
    assert!(softmax.warnings.iter().any(|w| w.contains("softmax")), "{:?}", softmax.warnings);
    for (a, b) in logits.maps.data().iter().zip(softmax.maps.data()) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
}

#[test]
fn a_fixed_batch_gives_the_map_of_a_free_one() {
    let host = toy_host();
    let folder = folder();
    let free = load(&host, &write(&folder, "free.toy", PLAIN)).expect("the model loads");
    let fixed = load(&host, &write(&folder, "fixed.toy", format!("{PLAIN}batch = 4\n"))).expect("loads");
    let wanted = explain_with(&host, &free, &[], None).expect("the explanation");
    for batch in [None, Some(1), Some(3), Some(64)] {
        assert_eq!(explain_with(&host, &fixed, &[], batch).expect("the explanation"), wanted, "{batch:?}");
    }
    let text = write(&folder, "text.toy", format!("{PLAIN}batch = \"4\"\n"));
    refused(load(&host, &text), ErrorKind::Model, &["text.toy", "batch", "\"4\"", "line 7"]);
}
