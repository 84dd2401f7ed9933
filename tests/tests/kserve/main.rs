//! Models on servers of the Open Inference Protocol: the same maps as here, whatever happens on the way.
//!
//! `faults` runs against a server of these tests that answers late, wrongly or not at all; `real` against MLServer,
//! which is somebody else's, with real networks.
#![allow(clippy::print_stdout, reason = "long tests tell what they measured")]

mod faults;
mod real;
mod refusals;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use scorecam::{ExplainOptions, Explanation, Host, Model, ModelRequest, Result, Tensor};
use scorecam_core::noise;
use scorecam_tests::{explained, library, pairs};

use server::FaultServer;

/// A host with the backends `kserve` and `toy`.
fn host() -> Host {
    let host = Host::new().expect("the built-in methods register");
    for plugin in ["scorecam_kserve", "scorecam_toy"] {
        host.load_plugin(&library(plugin)).expect("the plugin loads");
    }
    host
}

/// A toy model of many maps, so that there are many requests.
const TOY: &str = "channels = 3\nsize = [32, 32]\nmaps = 96\nmap_size = [8, 8]\nclasses = 10\nseed = 7\n\
                   abilities = [\"run-from\"]\n";

/// A folder with a toy model, and the model itself.
struct Toy {
    folder: tempfile::TempDir,
    model: Arc<Model>,
}

impl Toy {
    fn new(host: &Host) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.toy");
        std::fs::write(&path, TOY).expect("written");
        let request = ModelRequest { path, layer: Some("features".into()), ..Default::default() };
        let model = Arc::new(host.load_model(request).expect("the toy model loads"));
        Self { folder, model }
    }

    /// A `.kserve` file for these servers; `scheme` is "grpc" or "http", `lines` follow.
    fn file(&self, scheme: &str, servers: &[&FaultServer], lines: &str) -> PathBuf {
        let endpoints: Vec<String> = servers.iter().map(|s| format!("{scheme}://{}", s.address)).collect();
        self.file_of(&endpoints, lines)
    }

    fn file_of(&self, endpoints: &[String], lines: &str) -> PathBuf {
        let path = self.folder.path().join("m.kserve");
        std::fs::write(&path, format!("endpoints = {endpoints:?}\nmodel = \"m\"\n{lines}")).expect("written");
        path
    }
}

fn load(host: &Host, path: &Path) -> Result<Model> {
    host.load_model(ModelRequest { path: path.into(), layer: Some("features".into()), ..Default::default() })
}

/// Noise in the shape of an image [1, C, H, W].
fn image(shape: [usize; 4]) -> Tensor {
    let count: usize = shape.iter().product();
    Tensor::new(shape, (0..count).map(noise).collect()).expect("an image")
}

fn explain(host: &Host, model: &Model, method: &str) -> Result<Explanation> {
    // Of its thousands of passes, some dozens.
    let set = if method == "rise" { pairs(&[("passes", "64")]) } else { Vec::new() };
    let options =
        ExplainOptions { method: method.into(), set, batch_size: Some(16), ..ExplainOptions::default() };
    explained(host, model, &options, &image([1, 3, 32, 32]))
}
