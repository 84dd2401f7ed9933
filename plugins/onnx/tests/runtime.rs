//! Where ONNX Runtime is looked for. One test, in steps: a process has one runtime and one environment.

mod common;

use std::path::Path;

use common::{classifier, config, refusal};
use scorecam_core::{BackendLoader, ModelConfig};
use scorecam_onnx::{OnnxLoader, RuntimeRelease};

fn with_runtime(model: &Path, runtime: &Path) -> ModelConfig {
    let settings = [("runtime".to_owned(), runtime.display().to_string())].into();
    ModelConfig { settings, ..config(model) }
}

fn check(config: &ModelConfig, expected: &[&str]) {
    let message = refusal(config);
    for part in expected {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn a_wrong_library_is_named_with_its_cause_and_the_right_one_is_kept() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = classifier(0).save(folder.path(), "m.onnx");
    let file = |name: &str| folder.path().join(name);

    check(&with_runtime(&model, &file("absent.so")), &["setting \"runtime\" names", "absent.so"]);
    std::fs::write(file("text.so"), "no library").expect("the folder can be written");
    check(&with_runtime(&model, &file("text.so")), &["text.so cannot be opened as a library: "]);

    let nowhere = RuntimeRelease { cache_folder: "no-such-folder", ..RuntimeRelease::CPU };
    let loader = OnnxLoader::cpu().with_release(nowhere).with_plugin_folder(folder.path());
    if ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"].iter().all(|name| std::env::var_os(name).is_none()) {
        let error =
            loader.load(&config(&model)).map(|m| m.info().clone()).expect_err("no runtime").to_string();
        assert!(error.contains(&folder.path().display().to_string()), "{error}");
        assert!(
            error.contains("no-such-folder") && error.contains("\"pip install onnxruntime==1.32.0\""),
            "{error}"
        );
        assert!(!error.contains('\n'), "{error}");
    }

    // What failed above must not stand in the way of what follows.
    common::load(&config(&model)).expect("ONNX Runtime is in the cache (cargo xtask fetch onnxruntime)");
    check(&with_runtime(&model, &file("text.so")), &["this process already runs", "text.so"]);
    loader.load(&config(&model)).expect("the runtime that is open serves every loader of this process");
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_cut_short_is_refused_before_the_system_maps_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = classifier(0).save(folder.path(), "m.onnx");
    let program = std::env::current_exe().and_then(std::fs::read).expect("the test is a program");
    for length in [16, 100, program.len() / 4] {
        let cut = folder.path().join("cut.so");
        std::fs::write(&cut, &program[..length]).expect("the folder can be written");
        let settings = [("runtime".to_owned(), cut.display().to_string())].into();
        let message = refusal(&ModelConfig { settings, ..config(&model) });
        assert!(message.contains("cut.so"), "{message}");
        let reported = ["cannot be opened as a library", "already runs"].iter().any(|t| message.contains(t));
        assert!(reported, "{message}");
    }
}
