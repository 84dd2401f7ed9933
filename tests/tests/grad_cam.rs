//! Grad-CAM through the tables of a loaded plugin: its passes, and the backends that it refuses. That its maps
//! are right is told by the golden maps.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use scorecam::{
    ErrorKind, ExplainOptions, Explainer, Explanation, Host, Model, ModelRequest, Progress, Result, Targets,
};
use scorecam_tests::{built, fetched, golden, library, read_npy, toy_host};

fn load(host: &Host, path: PathBuf) -> Model {
    host.load_model(ModelRequest { path, ..Default::default() }).expect("the model loads")
}

fn run(
    (host, model): (&Host, &Model),
    targets: Targets,
    progress: &dyn Fn(Progress) -> ControlFlow<()>,
) -> Result<Explanation> {
    let options = ExplainOptions { method: "grad-cam".into(), targets, ..ExplainOptions::default() };
    let input = read_npy(&golden("toy/input-3x24x40.npy"));
    Explainer::new(host, model, &options)?.explain_reporting(&input.into(), None, progress)
}

fn go_on(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn one_forward_pass_and_one_gradient_pass_a_target_are_counted_and_reported() {
    let host = toy_host();
    let model = load(&host, golden("toy/slopes.toy"));
    let seen = Mutex::new(Vec::new());
    let note = |p: Progress| {
        seen.lock().expect("no test panicked").push((p.passes, p.expected));
        ControlFlow::Continue(())
    };
    let found = run((&host, &model), Targets::Top(3), &note).expect("three maps");
    assert_eq!((found.passes, found.maps.shape()), (4, &[3, 24, 40][..]));
    let seen = seen.into_inner().expect("no test panicked");
    for passes in 2..=4 {
        assert!(seen.contains(&(passes, 4)), "pass {passes} of 4 is not in {seen:?}");
    }
    for (i, target) in found.targets.iter().enumerate() {
        let alone = run((&host, &model), Targets::Classes(target.class.into_iter().collect()), &go_on)
            .expect("one map");
        assert_eq!((alone.maps.data(), alone.passes), (found.maps.item(i), 2), "{}", target.text);
    }
}

#[test]
fn cancelling_between_gradient_passes_leaves_the_model_alive() {
    let host = toy_host();
    let model = load(&host, golden("toy/slopes.toy"));
    let whole = run((&host, &model), Targets::Top(3), &go_on).expect("three maps");
    for limit in 0..4 {
        let stop = |p: Progress| match p.passes >= limit {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let error = run((&host, &model), Targets::Top(3), &stop).expect_err("cancelled");
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{limit}: {error}");
    }
    assert_eq!(run((&host, &model), Targets::Top(3), &go_on).expect("after cancelling"), whole);
}

#[test]
fn threads_and_fixed_batches_do_not_change_a_map() {
    let host = toy_host();
    let model = load(&host, golden("toy/slopes.toy"));
    let whole = run((&host, &model), Targets::Top(2), &go_on).expect("two maps");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert_eq!(run((&host, &model), Targets::Top(2), &go_on).expect("on a thread"), whole);
            });
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fixed.toy");
    let text = std::fs::read_to_string(golden("toy/slopes.toy")).expect("the toy model is readable");
    std::fs::write(&path, format!("{text}batch = 3\n")).expect("the folder is writable");
    let fixed = run((&host, &load(&host, path)), Targets::Top(2), &go_on).expect("two maps");
    assert_eq!(fixed.maps, whole.maps);
}

#[test]
fn a_backend_without_gradients_is_refused_and_those_with_them_are_named() {
    let check = |model: PathBuf, plugins: &[&str], line: &str| {
        let mut program = Command::new(built(&format!("scorecam{}", std::env::consts::EXE_SUFFIX)));
        program.arg("explain").arg(golden("toy/input-3x24x40.npy")).arg("--model").arg(model);
        for plugin in plugins {
            program.arg("--plugin").arg(library(plugin));
        }
        let output = program.args(["--method", "layer-cam"]).output().expect("the program runs");
        let reported = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{reported}");
        assert!(
            reported.starts_with(&format!("error: {line}")) && reported.lines().count() == 1,
            "{reported}"
        );
    };
    check(
        fetched("models/squeezenet1_1.onnx"),
        &["scorecam_onnx_cpu", "scorecam_toy"],
        "method \"layer-cam\" needs gradients, which backend \"onnx-cpu\" does not offer; \
         backends that offer it: toy (.toy)",
    );
    let plain = golden("toy/plain.toy");
    check(
        plain.clone(),
        &["scorecam_toy"],
        &format!(
            "method \"layer-cam\" needs gradients, which backend \"toy\" does not offer for {}; ",
            plain.display()
        ),
    );
}
