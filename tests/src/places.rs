//! Where things lie.

use std::path::{Path, PathBuf};

use scorecam::{Host, Model, ModelRequest};
use scorecam_core::{ErrorKind, Result};

/// A file of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// A file that the build has put into the folder of this profile; panics with the command that makes it.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test program has a path");
    // target/PROFILE/deps/TEST
    let profile = test.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
    let path = profile.join(name);
    assert!(path.exists(), "{} is missing; run cargo xtask test, or cargo build --workspace", path.display());
    path
}

/// A shared library of this workspace, by the name of its crate with underscores.
pub fn library(name: &str) -> PathBuf {
    built(&format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX))
}

/// The cache that `cargo xtask fetch` fills.
pub fn cache() -> PathBuf {
    let variable = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    variable("SCORECAM_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|p| p.join("scorecam")))
        .or_else(|| variable("HOME").map(|p| p.join(".cache").join("scorecam")))
        .expect("HOME is set")
}

/// A fetched file; panics with the command that fetches it.
pub fn fetched(name: &str) -> PathBuf {
    let path = cache().join(name);
    assert!(path.exists(), "{} is missing; run cargo xtask fetch", path.display());
    path
}

/// The device on which the tests of `onnx-cuda` run: this machine's GPU, or the processor where there is none, which
/// leaves everything but the GPU to be tested.
pub fn cuda_or_cpu() -> &'static str {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cuda")).expect("the plugin loads");
    let path = fetched("models/squeezenet1_1.onnx");
    let request = ModelRequest { path, backend: Some("onnx-cuda".into()), ..Default::default() };
    match host.load_model(request) {
        Ok(_) => "cuda:0",
        // A GPU that is there and does not work is a failure, and no reason to test something else.
        Err(e) => {
            match host.backends_here(None).into_iter().find(|b| b.id == "onnx-cuda").map(|b| b.readiness) {
                Some(Ok(_)) => panic!("onnx-cuda says that it is ready, and yet: {e}"),
                _ => "cpu",
            }
        }
    }
}

/// The device on which the tests of `libtorch` run: this machine's GPU where the libtorch at hand can use it, or the
/// processor.
pub fn torch_cuda_or_cpu() -> &'static str {
    let path = fetched("models/squeezenet1_1.ts.pt");
    let device = Some("cuda:0".to_owned());
    let request = ModelRequest { path, device, backend: Some("libtorch".into()), ..Default::default() };
    match torch_host().load_model(request) {
        Ok(_) => "cuda:0",
        // No CUDA in this libtorch, or no GPU that it can use.
        Err(e) if e.kind() == ErrorKind::Unsupported => "cpu",
        Err(e) => panic!("libtorch can use this machine's GPU, and yet: {e}"),
    }
}

/// A host with the libtorch backend.
pub fn torch_host() -> Host {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_libtorch")).expect("the libtorch plugin loads");
    host
}

/// A TorchScript model with a manifest that says its input size, and which of its outputs are the scores.
/// One thread, so that equal inputs give equal bits.
pub fn torch_model(host: &Host, path: &Path, size: [usize; 2], output: Option<&str>) -> Result<Model> {
    let folder = tempfile::tempdir().expect("a folder");
    let output = output.map_or(String::new(), |name| format!("[output]\nname = {name:?}\n"));
    let manifest = format!("[model]\nfile = {path:?}\n[input]\nsize = {size:?}\nscale = 1.0\n{output}");
    let file = folder.path().join("model.toml");
    std::fs::write(&file, manifest).expect("the manifest is written");
    host.load_model(ModelRequest {
        path: file,
        backend: Some("libtorch".into()),
        threads: Some(1),
        ..Default::default()
    })
}

/// A host with the toy backend.
pub fn toy_host() -> Host {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_toy")).expect("the toy plugin loads");
    host
}

/// The id of the backend that a host got from a plugin; `None` where there is none.
pub fn only_backend(host: &Host) -> Option<String> {
    let plugins = host.plugins().into_iter().filter(|plugin| plugin.path.is_some());
    let mut backends = plugins.flat_map(|plugin| plugin.items).filter(|item| !item.extensions.is_empty());
    backends.next().map(|backend| backend.id)
}
