//! The GStreamer element, found by GST_PLUGIN_PATH alone and run by gst-launch-1.0.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use scorecam_tests::{Ended, Language, golden, library, root, run};

use crate::{Build, python};

const ELEMENT: Build<'_> = Build {
    language: Language::C,
    sources: &["gstreamer/scorecamoverlay.c", "gstreamer/explainer.c"],
    modules: &["gstreamer-video-1.0"],
    link: &[
        "-shared",
        "-fPIC",
        "-lgstvideo-1.0",
        "-lgstbase-1.0",
        "-lgstreamer-1.0",
        "-lgobject-2.0",
        "-lglib-2.0",
    ],
};

/// What drives the element as an application does.
const DRIVER: Build<'_> = Build {
    language: Language::C,
    sources: &["../tests/vision/overlay_element.c", "gstreamer/explainer.c"],
    modules: &["gstreamer-check-1.0", "gstreamer-controller-1.0"],
    link: &["-lgstcheck-1.0", "-lgstcontroller-1.0", "-lgstreamer-1.0", "-lgobject-2.0", "-lglib-2.0"],
};

/// A width whose RGB rows GStreamer pads.
const WIDTH: usize = 66;
const HEIGHT: usize = 50;

/// A program of GStreamer that sees the element, and keeps its registry in `folder` instead of the user's.
fn gst(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    let element = ELEMENT.once(&ONCE, "libgstscorecam.so");
    command
        .env("GST_PLUGIN_PATH", element.parent().expect("a folder"))
        .env("GST_REGISTRY", folder.join("registry.bin"));
    command
}

/// The words of a pipeline of eight frames in a format, through `element`, to packed RGB in a file.
fn pipeline(format: &str, element: &[String], file: &Path) -> Vec<String> {
    let source = "videotestsrc num-buffers=8 pattern=ball !";
    let format = format!("video/x-raw,format={format},width={WIDTH},height={HEIGHT},framerate=10/1");
    let words = source.split(' ').map(str::to_owned).chain([format]).chain(element.iter().cloned());
    let sink = format!("! videoconvert ! video/x-raw,format=RGB ! filesink location={}", file.display());
    words.chain(sink.split(' ').map(str::to_owned)).collect()
}

/// The element with the toy's model and more properties.
fn element(properties: &[&str]) -> Vec<String> {
    let given = [
        "!".to_owned(),
        "scorecamoverlay".into(),
        format!("plugin={}", library("scorecam_toy").display()),
        format!("model={}", golden("toy/plain.toy").display()),
    ];
    given.into_iter().chain(properties.iter().map(|&p| p.to_owned())).collect()
}

/// A file of GStreamer's RGB frames without the padding of rows.
fn packed(path: &Path) -> Vec<u8> {
    let stride = (3 * WIDTH).next_multiple_of(4);
    let bytes = std::fs::read(path).expect("frames");
    assert_eq!(bytes.len(), 8 * stride * HEIGHT, "eight frames");
    bytes.chunks(stride).flat_map(|row| &row[..3 * WIDTH]).copied().collect()
}

#[test]
fn frames_are_what_the_c_api_draws() {
    let out = tempfile::tempdir().expect("a folder");
    let (plain, drawn) = (out.path().join("plain.raw"), out.path().join("drawn.raw"));
    run(gst("gst-launch-1.0", out.path()).arg("-q").args(pipeline("RGB", &[], &plain)));
    let (input, expected) = (out.path().join("in.rgb"), out.path().join("expected.rgb"));
    std::fs::write(&input, packed(&plain)).expect("the folder is writable");
    let mut script = python(&root().join("tests/vision/overlay_frames.py"));
    script.arg(library("scorecam_toy")).arg(golden("toy/plain.toy")).arg(&input).arg(&expected);
    run(script.args([WIDTH, HEIGHT, 3].map(|n| n.to_string())).arg("0.75"));
    let expected = std::fs::read(expected).expect("frames");
    assert_ne!(packed(&plain), expected);

    for format in ["RGB", "BGR", "RGBx", "BGRx", "RGBA", "BGRA"] {
        let overlay = element(&["every=3", "opacity=0.75"]);
        let mut launch = gst("gst-launch-1.0", out.path());
        let printed = run(launch.arg("-m").args(pipeline(format, &overlay, &drawn)));
        assert!(packed(&drawn) == expected, "{format}: a frame is not as drawn by the C API");
        let reported = printed.matches("scorecam, class=(guint64)").count();
        assert_eq!(reported, 3, "frames 0, 3 and 6 were explained:\n{printed}");
    }
}

#[test]
fn a_live_source_goes_on_while_a_frame_is_explained() {
    let out = tempfile::tempdir().expect("a folder");
    let file = out.path().join("live.raw");
    let overlay = element(&["every=2", "async=true", "class=3"]);
    let mut words = pipeline("RGB", &overlay, &file);
    words.insert(1, "is-live=true".into());
    let printed = run(gst("gst-launch-1.0", out.path()).arg("-m").args(words));
    assert_eq!(packed(&file).len(), 8 * 3 * WIDTH * HEIGHT);
    assert!(printed.contains("scorecam, class=(guint64)3"), "{printed}");
}

/// Runs a test of the program that drives the element, with a model of the toy's.
fn drive(test: &str, model: &Path) {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    let out = tempfile::tempdir().expect("a folder");
    let mut command = gst(&DRIVER.once(&ONCE, "overlay_element").display().to_string(), out.path());
    let ended = Ended::of(command.arg(test).arg(library("scorecam_toy")).arg(model), Duration::from_secs(60));
    assert!(ended.status.is_some_and(|status| status.success()), "{test}:\n{}", ended.stderr);
}

#[test]
fn opacity_follows_a_control_source() {
    drive("opacity_is_controlled", &golden("toy/plain.toy"));
}

#[test]
fn a_flushing_seek_brings_a_new_map_and_waits_for_none() {
    drive("flush_forgets_the_map", &golden("toy/plain.toy"));
    let out = tempfile::tempdir().expect("a folder");
    let slow = out.path().join("slow.toy");
    let plain = std::fs::read_to_string(golden("toy/plain.toy")).expect("a model");
    std::fs::write(&slow, plain + "\nbatch = 1\ndelay_ms = 300\n").expect("the folder is writable");
    drive("flush_gives_up", &slow);
}

#[test]
fn an_explainer_that_has_ended_stays_so() {
    drive("end_is_final", &golden("toy/plain.toy"));
}

#[test]
fn what_is_wrong_is_the_elements_error() {
    let out = tempfile::tempdir().expect("a folder");
    for (property, words) in [
        ("model=nowhere.toy", "nowhere.toy does not exist"),
        ("plugin=nowhere.so", "nowhere.so"),
        ("class=zebra", "zebra"),
        ("layer=attic", "layer \"attic\""),
        ("options=select", "option \"select\" is not of the form name=value"),
        ("options=select=std,colour=7", "has no option \"colour\""),
        ("method=no-cam", "no-cam"),
        ("colormap=beige", "beige"),
    ] {
        let mut launch = gst("gst-launch-1.0", out.path());
        let words_of = pipeline("RGB", &element(&[property]), &out.path().join("never.raw"));
        // gst-launch-1.0 itself now and then misses that a pipeline failed while it prerolled, and waits for
        // ever; with `identity error-after=1` in this element's place it does the same.
        let ended = Ended::of(launch.args(words_of), Duration::from_secs(20));
        let errors = ended.stderr;
        assert!(ended.status.is_none_or(|status| !status.success()), "{property}:\n{errors}");
        let line = errors.lines().find(|l| l.starts_with("ERROR: from element")).unwrap_or_default();
        assert!(line.contains("scorecamoverlay0") && line.contains(words), "{property}:\n{errors}");
    }
}

#[test]
fn gst_inspect_lists_the_properties() {
    let out = tempfile::tempdir().expect("a folder");
    let printed = run(gst("gst-inspect-1.0", out.path()).arg("scorecamoverlay"));
    let properties = [
        "model", "plugin", "layer", "class", "method", "options", "colormap", "opacity", "threads", "every",
        "async",
    ];
    for property in properties {
        assert!(printed.contains(&format!("\n  {property:<20}: ")), "{property}:\n{printed}");
    }
}
