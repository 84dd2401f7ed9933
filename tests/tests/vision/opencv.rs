//! cv::dnn as the engine, and videos.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use scorecam_tests::{Language, cache, fetched, golden, library, raw_f32, read_npy, root, run, scorecam};

use crate::{Build, assert_one_line, fail, option, picture};

const DNN: Build<'_> = Build {
    language: Language::Cpp,
    sources: &["opencv-dnn/explain_dnn.cpp", "opencv-dnn/dnn_engine.cpp"],
    modules: &["opencv4"],
    link: &["-lopencv_dnn", "-lopencv_imgcodecs", "-lopencv_core", "-pthread"],
};

const VIDEO: Build<'_> = Build {
    language: Language::Cpp,
    sources: &["opencv-video/overlay_video.cpp"],
    modules: &["opencv4"],
    link: &["-lopencv_videoio", "-lopencv_core", "-pthread"],
};

const BOXES: Build<'_> = Build {
    language: Language::Cpp,
    sources: &["opencv-boxes/explain_boxes.cpp"],
    modules: &["opencv4"],
    link: &["-lopencv_imgcodecs", "-lopencv_core"],
};

fn explain_dnn() -> &'static Path {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    DNN.once(&ONCE, "explain_dnn")
}

/// SqueezeNet's manifest with the layer in cv::dnn's words.
fn dnn_manifest(folder: &Path) -> PathBuf {
    let manifest = std::fs::read_to_string(fetched("models/squeezenet1_1.toml")).expect("a manifest");
    let labels = format!("{:?}", cache().join("models/imagenet_classes_1000.txt"));
    let changed =
        manifest.replace("\"features\"", "\"fire9\"").replace("\"imagenet_classes_1000.txt\"", &labels);
    let path = folder.join("squeezenet_dnn.toml");
    std::fs::write(&path, changed).expect("the folder is writable");
    path
}

#[test]
fn cv_dnn_gets_the_map_of_onnx_cpu() {
    let out = tempfile::tempdir().expect("a folder");
    let photo = fetched("photos/chelsea.png");
    let (overlay, map, expected) =
        (out.path().join("dnn.png"), out.path().join("dnn.f32"), out.path().join("onnx.npy"));
    // The second layer feeds a Concat: it is what cv::dnn's fusion would leave unwritten.
    for (dnn_layer, onnx_layer, maps) in
        [("fire9", "features", None), ("fire9_expand3x3_relu", "fire9_expand3x3_relu", Some("16"))]
    {
        let mut dnn = Command::new(explain_dnn());
        dnn.arg(fetched("models/squeezenet1_1.onnx")).arg(&photo).arg("--size=227");
        dnn.arg(option("manifest", dnn_manifest(out.path()))).arg(option("class", "Egyptian cat"));
        dnn.arg(option("layer", dnn_layer)).arg(option("overlay", &overlay)).arg(option("map", &map));
        let mut onnx = scorecam();
        onnx.arg("explain").arg(&photo).arg("--model").arg(fetched("models/squeezenet1_1.toml"));
        onnx.arg("--plugin")
            .arg(library("scorecam_onnx_cpu"))
            .args(["--class", "285", "--layer", onnx_layer]);
        if let Some(maps) = maps {
            dnn.arg(option("maps", maps));
            onnx.args(["--set", "select=std", "--set", &format!("select_count={maps}")]);
        }
        let printed = run(&mut dnn);
        assert!(printed.contains("layer fire9 Concat [512, 14, 14] default\n"), "{printed}");
        assert!(printed.contains("class 285 (Egyptian cat), score 0.5"), "{printed}");
        run(onnx.arg("--map").arg(&expected));
        let (found, expected) = (raw_f32(&map), read_npy(&expected));
        assert_eq!(found.len(), expected.data().len());
        let worst = found.iter().zip(expected.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-3, "{dnn_layer}: maps differ by {worst}");
    }
    let (photo, overlay) = (picture(&photo), picture(&overlay));
    assert_eq!(photo.dimensions(), overlay.dimensions());
    assert_ne!(photo, overlay);
}

#[test]
fn each_box_of_a_detector_is_drawn() {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    let program = BOXES.once(&ONCE, "explain_boxes");
    let out = tempfile::tempdir().expect("a folder");
    let manifest = out.path().join("detector.toml");
    let detector = golden("targets/models/yolov5.onnx");
    let text = format!(
        "[model]\nfile = {detector:?}\nlayer = \"features\"\n[input]\nsize = [32, 32]\nfit = \"letterbox\"\n"
    );
    std::fs::write(&manifest, text).expect("written");
    let photo = fetched("photos/chelsea.png");
    let mut command = Command::new(program);
    command.arg(&manifest).arg(&photo).arg(out.path().join("box"));
    command.env("SCORECAM_PLUGIN_PATH", library("scorecam_onnx_cpu").parent().expect("a folder"));
    let printed = run(&mut command);
    let boxes = printed.lines().filter(|line| line.starts_with("box:")).count();
    assert!(boxes > 1 && printed.contains(" at ") && printed.ends_with("passes\n"), "{printed}");
    let photo = picture(&photo);
    for i in 0..boxes {
        let drawn = picture(&out.path().join(format!("box-{i}.png")));
        assert_eq!(drawn.dimensions(), photo.dimensions(), "{printed}");
        assert_ne!(drawn, photo);
    }
    // As many passes as for one box.
    let mut one = scorecam();
    one.arg("explain").arg(fetched("photos/chelsea.png")).arg("--model").arg(&manifest);
    one.args(["--target", "box:0"]).arg("--json").arg(out.path().join("one.json"));
    run(&mut one);
    let one = std::fs::read_to_string(out.path().join("one.json")).expect("results");
    let passes: usize =
        printed.lines().last().and_then(|l| l.split(' ').next()?.parse().ok()).expect("passes");
    assert!(one.contains(&format!("\"passes\": {passes},")), "{passes} in {one}");
}

#[test]
fn cv_dnn_explains_without_a_manifest() {
    let mut command = Command::new(explain_dnn());
    command.arg(fetched("models/squeezenet1_1.onnx")).arg(fetched("photos/chelsea.png"));
    let printed = run(command.args(["--size=227", "--maps=4", "--class=285", "--layer=fire9"]));
    // The model was trained on pixels of another scale than 0 to 1, so the score is small.
    assert!(
        printed.contains("class 285 (no label)") && printed.contains("; layer fire9, 5 passes"),
        "{printed}"
    );
    assert!(printed.contains("layer fire9 Concat [512, 14, 14]\n"), "layers are of the size:\n{printed}");
}

#[test]
fn the_page_has_the_names_of_cv_dnn() {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    let link = &["-lopencv_dnn", "-lopencv_core"];
    let program =
        Build { sources: &["../tests/vision/dnn_layers.cpp"], link, ..DNN }.once(&ONCE, "dnn_layers");
    let printed = run(Command::new(program).arg(fetched("models/squeezenet1_1.onnx")));
    let page = std::fs::read_to_string(root().join("docs/toolchains.md")).expect("the page");
    // The node's name; that of its output is nowhere.
    assert!(printed.lines().any(|name| name == "onnx_node!fire9"), "{printed}");
    assert!(printed.lines().all(|name| name != "features" && name != "fire9"), "{printed}");
    assert!(page.contains("`onnx_node!fire9`"), "docs/toolchains.md");
}

#[test]
fn threads_share_a_cv_dnn_engine() {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    let sources = &["../tests/vision/dnn_threads.cpp", "opencv-dnn/dnn_engine.cpp"];
    let program = Build { sources, ..DNN }.once(&ONCE, "dnn_threads");
    let out = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(program);
    command.arg(fetched("models/squeezenet1_1.onnx")).arg(fetched("photos/chelsea.png"));
    run(command.arg(dnn_manifest(out.path())));
}

#[test]
fn what_cv_dnn_refuses_is_one_line() {
    let photo = fetched("photos/camera.png");
    let errors = fail(Command::new(explain_dnn()).arg("nowhere.onnx").arg(&photo));
    assert_one_line(&errors, &["nowhere.onnx"]);
    let mut wrong_layer = Command::new(explain_dnn());
    wrong_layer.arg(fetched("models/squeezenet1_1.onnx")).arg(&photo).arg("--size=227");
    let errors = fail(wrong_layer.arg(option("manifest", fetched("models/squeezenet1_1.toml"))));
    assert_one_line(&errors, &["\"features\"", "fire9"]);
}

/// Runs a pipeline of GStreamer's own elements.
fn launch(pipeline: &str) {
    run(Command::new("gst-launch-1.0").arg("-q").args(pipeline.split(' ')));
}

/// A video of a moving ball: MJPG, 160x120.
fn ball(folder: &Path, frames: usize) -> PathBuf {
    let path = folder.join("ball.avi");
    let format = "video/x-raw,format=BGR,width=160,height=120,framerate=12/1";
    let source = format!("videotestsrc num-buffers={frames} pattern=ball ! {format}");
    launch(&format!("{source} ! jpegenc ! avimux ! filesink location={}", path.display()));
    path
}

/// The frames of a video, decoded to RGB.
fn frames(video: &Path) -> Vec<Vec<u8>> {
    let raw = video.with_extension("rgb");
    let source = format!("filesrc location={} ! avidemux ! jpegdec ! videoconvert", video.display());
    launch(&format!("{source} ! video/x-raw,format=RGB ! filesink location={}", raw.display()));
    std::fs::read(raw).expect("frames").chunks(160 * 120 * 3).map(<[u8]>::to_vec).collect()
}

fn overlay_video(input: &Path, output: &Path) -> Command {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(VIDEO.once(&ONCE, "overlay_video"));
    command.arg(input).arg(golden("toy/plain.toy")).arg(output);
    command.arg(option("plugin", library("scorecam_toy")));
    command
}

#[test]
fn a_video_shows_one_map_until_the_next() {
    let out = tempfile::tempdir().expect("a folder");

    let (input, output) = (ball(out.path(), 24), out.path().join("out.avi"));
    let mut command = overlay_video(&input, &output);
    // The map alone, so that frames with one map are equal whatever moves below it.
    let printed = run(command.args(["--every=8", "--opacity=1", "--class=3"]));
    assert!(printed.contains("24 frames in ") && printed.contains("; 3 maps of "), "{printed}");
    let (before, after) = (frames(&input), frames(&output));
    assert_eq!((before.len(), after.len()), (24, 24));
    assert!(before.iter().zip(&after).all(|(a, b)| a.len() == b.len() && a != b));
    for (i, pair) in after.windows(2).enumerate() {
        assert_eq!(pair[0] == pair[1], (i + 1) % 8 != 0, "frames {i} and {}", i + 1);
    }
}

#[test]
fn each_frame_has_a_map_where_heads_run() {
    let out = tempfile::tempdir().expect("a folder");
    let (input, output) = (ball(out.path(), 24), out.path().join("out.avi"));
    let of = |model: &str| {
        static ONCE: OnceLock<PathBuf> = OnceLock::new();
        let mut command = Command::new(VIDEO.once(&ONCE, "overlay_video_each"));
        command.arg(&input).arg(golden(model)).arg(&output).arg(option("plugin", library("scorecam_toy")));
        command
    };
    let printed = run(&mut of("toy/heads.toy"));
    assert!(printed.contains("; 24 maps of 24 passes"), "{printed}");
    // The second frame begins with what the first one told, and every mask is scored all the same.
    let printed = run(of("toy/plain.toy").args(["--method=score-cam-adaptive", "--every=12"]));
    assert!(printed.contains("; 2 maps of "), "{printed}");
}

#[test]
fn frames_go_on_while_one_is_explained() {
    let out = tempfile::tempdir().expect("a folder");

    let (input, output) = (ball(out.path(), 480), out.path().join("out.avi"));
    let mut command = overlay_video(&input, &output);
    let printed = run(command.args(["--every=8", "--opacity=1", "--class=3", "--async", "--frames=400"]));
    let (before, after) = (frames(&input), frames(&output));
    assert_eq!(after.len(), 400);
    assert!(printed.contains("400 frames in ") && !printed.contains("; 0 maps"), "{printed}");
    assert!(!printed.contains("frame 0: "), "the first frame waits for nothing:\n{printed}");
    // What has no map yet is the input, coded once more.
    let apart = |i: usize| {
        let pairs = before[i].iter().zip(&after[i]);
        pairs.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / before[i].len() as f64
    };
    assert!(apart(0) < 3.0 && apart(399) > 30.0, "{} {}", apart(0), apart(399));
}

#[test]
fn a_video_that_is_missing_is_one_line() {
    let out = tempfile::tempdir().expect("a folder");

    let output = out.path().join("out.avi");
    let errors = fail(&mut overlay_video(&out.path().join("nowhere.avi"), &output));
    assert_one_line(&errors, &["nowhere.avi can't be opened"]);
}
