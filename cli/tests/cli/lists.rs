//! What there is to choose from, as the program lists it.

use super::{golden, scorecam, stdout, toy_plugin};

#[test]
fn what_there_is_can_be_listed() {
    toy_plugin();
    let run = |args: &[&str]| stdout(&scorecam().args(args).output().expect("it runs"));
    let check = |text: &str, expected: &[&str]| {
        for word in expected {
            assert!(text.contains(word), "{word:?} is not in:\n{text}");
        }
    };
    check(&run(&["layers", "--model", &golden("plain.toy")]), &["features", "default", "16x8x8"]);
    check(
        &run(&["plugins"]),
        &["score-cam", "built in", "toy", "layout verified", "offers masked, run-from, gradients"],
    );
    check(&run(&["methods"]), &["score-cam", "official", "OPTION", "PRESET"]);
    check(&run(&["methods"]), &["grad-cam", "needs gradients", "captum"]);
    check(&run(&["explain", "--help"]), &["Examples:", "--class", "top:5", "Method:", "Output:"]);
    check(&run(&["--version"]), &[env!("CARGO_PKG_VERSION")]);
    assert!(!run(&["--help"]).contains("__check"));
}

#[test]
fn layers_are_listed_where_the_manifest_names_a_wrong_one() {
    toy_plugin();
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = folder.path().join("wrong.toml");
    let text = format!("[model]\nfile = {:?}\nlayer = \"layer5\"\n", golden("plain.toy"));
    std::fs::write(&manifest, text).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = scorecam();
        command.args(arguments).arg("--model").arg(&manifest);
        command.output().expect("it runs")
    };
    let listed = run(&["layers"]);
    let errors = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert!(stdout(&listed).lines().any(|line| line.starts_with("features ")), "{}", stdout(&listed));
    assert!(errors.contains("the model has no layer \"layer5\""), "{errors}");
    // What needs the layer says where its name came from, and shows the right ones.
    let input = golden("input-3x32x32.npy");
    for (more, from) in
        [(&[][..], "model.layer of its manifest"), (&["--layer", "layer6"], "layer \"layer6\"")]
    {
        let refused = run(&[&["explain", &input][..], more].concat());
        let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1));
        assert!(errors.contains(from) && errors.contains("features"), "{errors}");
        assert_eq!(errors.contains("manifest"), more.is_empty(), "{errors}");
    }
}
