//! The backend for NVIDIA's GPUs. Where there is a GPU, all of this runs on it; elsewhere on the processor, by the
//! same plugin and the same build of ONNX Runtime: the same graph makes the masks, and only the device is another.

use std::fs;
use std::path::Path;
use std::process::Command;

use scorecam::{ErrorKind, ExplainOptions, Explanation, Host, Model, ModelRequest, Targets, Tensor};
use scorecam_tests::{
    CaseFile, Language, compiler, cuda_or_cpu, explained, fetched, library, pairs, root, run, scorecam,
};

/// Every preset computes its masks from the same maps; so few of them keep the test short.
const CHANNELS: &str = "0,3,5,8,13,21,34,55,89,144,233";

fn host() -> Host {
    let host = Host::new().expect("the built-in methods register");
    for plugin in ["scorecam_onnx_cpu", "scorecam_onnx_cuda"] {
        host.load_plugin(&library(plugin)).expect("the plugin loads");
    }
    host
}

/// A model by a backend, on a device, with settings.
fn load(host: &Host, name: &str, (backend, device): (&str, &str), settings: &[(&str, &str)]) -> Model {
    let request = ModelRequest {
        path: fetched(&format!("models/{name}.onnx")),
        backend: Some(backend.into()),
        device: Some(device.into()),
        settings: settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        ..Default::default()
    };
    host.load_model(request).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn explain(host: &Host, model: &Model, options: &ExplainOptions, input: &Tensor) -> Explanation {
    explained(host, model, options, input).expect("an explanation")
}

/// The largest difference of two maps, by the largest cell of the first.
fn difference(a: &Explanation, b: &Explanation) -> f32 {
    let scale = a.maps.data().iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let far = a.maps.data().iter().zip(b.maps.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    far / scale
}

/// Calls `check` with the name of each network and each preset, and with what to explain.
fn for_all(host: &Host, mut check: impl FnMut(&str, &str, &ExplainOptions, &Tensor)) {
    let file = CaseFile::read("onnx.json");
    let [photo, other] = ["photos/chelsea.png", "photos/coffee.png"].map(fetched);
    let method = host.method("score-cam").expect("the method is built in");
    for (key, crop) in &file.inputs {
        for preset in &method.info().presets {
            let options = ExplainOptions {
                preset: Some(preset.name.clone()),
                set: pairs(&[("select", "list"), ("select_list", CHANNELS)]),
                targets: Targets::Classes(vec![282, 285]),
                batch_size: Some(4),
                reference: Some(crop.tensor(&other).into()),
                ..ExplainOptions::default()
            };
            check(&key.replace('-', "_"), &preset.name, &options, &crop.tensor(&photo));
        }
    }
}

#[test]
fn every_preset_gives_the_map_of_the_processor() {
    let (host, device) = (host(), cuda_or_cpu());
    let bound = if device == "cpu" { 1e-5 } else { 1e-3 };
    for_all(&host, |name, preset, options, input| {
        let models = [("onnx-cpu", "cpu"), ("onnx-cuda", device)].map(|on| load(&host, name, on, &[]));
        let [plain, found] = models.map(|model| explain(&host, &model, options, input));
        assert_eq!(plain.passes, found.passes);
        let far = difference(&plain, &found);
        assert!(far <= bound, "{name}, preset {preset}: {far} between onnx-cpu and onnx-cuda on {device}");
    });
}

#[test]
fn half_precision_is_near_and_says_what_it_costs() {
    let (host, device) = (host(), cuda_or_cpu());
    for_all(&host, |name, preset, options, input| {
        if preset != "official" {
            return;
        }
        let full = explain(&host, &load(&host, name, ("onnx-cpu", "cpu"), &[]), options, input);
        let half = load(&host, name, ("onnx-cuda", device), &[("precision", "f16")]);
        let half = explain(&host, &half, options, input);
        let far = difference(&full, &half);
        assert!(far > 0.0 && far < 2e-2, "{name}: {far} between f32 and f16");
        let said = half.warnings.iter().any(|w| w.starts_with("precision f16: on a trial image"));
        assert!(said, "{name}: {:?}", half.warnings);
    });
}

#[test]
fn without_a_gpu_the_error_says_what_is_missing_and_what_to_do() {
    let refusal = |device: Option<&str>| {
        let request = ModelRequest {
            path: fetched("models/squeezenet1_1.onnx"),
            backend: Some("onnx-cuda".into()),
            device: device.map(str::to_owned),
            ..Default::default()
        };
        let error = host().load_model(request).err().unwrap_or_else(|| panic!("{device:?} was loaded"));
        assert!(!error.to_string().contains('\n'), "{error}");
        (error.kind(), error.to_string())
    };
    let (kind, message) = refusal(Some("rocm:0"));
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(message.contains("\"rocm:0\" is not served by onnx-cuda"), "{message}");
    let (kind, message) = refusal(Some("cuda:4096"));
    assert_eq!(kind, ErrorKind::Unsupported);
    assert!(message.contains("NVIDIA driver") || message.contains("no GPU 4096"), "{message}");
    if cuda_or_cpu() == "cpu" {
        let (_, message) = refusal(None);
        let helps = ["use the backend onnx-cpu", "pip install ", "install a driver"];
        assert!(helps.iter().any(|help| message.contains(help)), "{message}");
    }
}

/// A driver that starts with `init`, serves CUDA `version` and has `count` GPUs, where the system's loader finds it
/// first.
fn driver(folder: &Path, (init, version, count): (i32, i32, i32)) {
    let mut command = compiler(Language::C, "c11");
    command.args(["-shared", "-fPIC", "-fvisibility=default"]);
    command.args([format!("-DINIT={init}"), format!("-DVERSION={version}"), format!("-DCOUNT={count}")]);
    run(command.arg(root().join("tests/c/cuda_driver.c")).arg("-o").arg(folder.join("libcuda.so.1")));
}

/// `scorecam` with the driver of a folder, which is the cache, too.
fn with_driver(folder: &Path) -> Command {
    let mut command = scorecam();
    command.env("LD_LIBRARY_PATH", folder).env("SCORECAM_CACHE", folder);
    for elsewhere in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        command.env_remove(elsewhere);
    }
    command
}

/// What `scorecam plugins` says of onnx-cuda.
fn listed(folder: &Path) -> String {
    let text = run(with_driver(folder).arg("plugins"));
    let line = text.lines().skip_while(|l| !l.starts_with("backends on this machine")).find(|l| {
        let mut words = l.split_whitespace();
        words.next() == Some("onnx-cuda")
    });
    line.unwrap_or_else(|| panic!("onnx-cuda is not listed: {text}")).trim().to_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn a_driver_is_asked_what_it_is_before_anything_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let runtime = "onnxruntime-gpu-1.31.1/libonnxruntime.so.1.31.1";
    let check = |said: (i32, i32, i32), expected: &[&str]| {
        driver(folder, said);
        let line = listed(folder);
        expected.iter().for_each(|part| assert!(line.contains(part), "{said:?}: {line} does not say {part}"));
    };
    check((100, 13_000, 1), &["not ready", "finds no GPU", "use the backend onnx-cpu"]);
    check((0, 13_000, 0), &["not ready", "finds no GPU"]);
    check((804, 13_000, 1), &["not ready", "does not start (cuInit: error 804)", "nvidia-smi"]);
    check((0, 12_040, 1), &["not ready", "supports CUDA 12.4, but 13.0 is required", "580"]);
    // Only whether they are there is looked at, so empty files will do for CUDA's libraries.
    let names =
        ["cudart.so.13", "cublasLt.so.13", "cublas.so.13", "curand.so.10", "nvrtc.so.13", "cudnn.so.9"];
    fs::create_dir(folder.join("cuda-13")).expect("the folder is writable");
    for name in names {
        fs::write(folder.join(format!("cuda-13/lib{name}")), "").expect("the folder is writable");
    }
    check((0, 13_000, 2), &["not ready", "ONNX Runtime", "run \"pip install onnxruntime-gpu==1.31.1\""]);
    let place = folder.join(runtime);
    fs::create_dir(place.parent().expect("a folder")).expect("the folder is writable");
    std::os::unix::fs::symlink(fetched(runtime), &place).expect("the folder is writable");
    check((0, 13_020, 2), &["ready", "Test Card One, 24 GiB, driver for CUDA 13.2"]);

    let explain = |device: &str| {
        let mut command = with_driver(folder);
        command.arg("explain").arg(fetched("photos/chelsea.png")).arg("--backend").arg("onnx-cuda");
        command.arg("--model").arg(fetched("models/squeezenet1_1.onnx")).arg("--device").arg(device);
        let output = command.output().expect("it starts");
        assert!(!output.status.success(), "there is no such card");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let message = explain("cuda:7");
    assert!(message.contains("no GPU 7; the last one of this machine is \"cuda:1\""), "{message}");
    // The empty files are opened now.
    let message = explain("cuda:1");
    assert!(
        message.contains("libcudart.so.13") && message.contains("pip install nvidia-cuda-runtime"),
        "{message}"
    );
}
