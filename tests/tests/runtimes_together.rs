//! Two builds of ONNX Runtime and libtorch in one process, whichever comes first, on the same networks: they agree, and
//! neither disturbs the other while both explain from several threads.
//!
//! A process has one order of loading, so each order runs in a process of its own: this test program starts
//! itself again with the order in a variable.

use std::process::Command;

use scorecam::{ExplainOptions, Explanation, Host, Model, ModelRequest, Targets, Tensor};
use scorecam_tests::{CaseFile, cuda_or_cpu, explained, fetched, library, pairs, torch_cuda_or_cpu};

const ORDER: &str = "SCORECAM_TEST_ORDER";
/// The device of each plugin, with commas between: found out by the first process, which loads models for it.
const DEVICES: &str = "SCORECAM_TEST_DEVICES";
/// Each with its backend's id, and what its models are called.
const PLUGINS: [(&str, &str, &str); 3] = [
    ("scorecam_onnx_cpu", "onnx-cpu", "onnx"),
    ("scorecam_onnx_cuda", "onnx-cuda", "onnx"),
    ("scorecam_libtorch", "libtorch", "ts.pt"),
];
/// Every preset computes its masks from the same maps; so few of them keep the test short.
const CHANNELS: &str = "0,3,5,8,13,21,34,55,89,144,233";

/// A network by each backend, on the GPU where there is one.
fn load(host: &Host, name: &str, (plugin, backend, extension): (&str, &str, &str)) -> Model {
    let devices = std::env::var(DEVICES).expect("the first process names the devices");
    let place = PLUGINS.iter().position(|known| known.0 == plugin).expect("a plugin of this test");
    let request = ModelRequest {
        path: fetched(&format!("models/{name}.{extension}")),
        backend: Some(backend.into()),
        device: devices.split(',').nth(place).map(str::to_owned),
        ..Default::default()
    };
    host.load_model(request).unwrap_or_else(|e| panic!("{name} by {backend}: {e}"))
}

fn run(host: &Host, model: &Model, options: &ExplainOptions, input: &Tensor) -> Explanation {
    explained(host, model, options, input).expect("an explanation")
}

fn difference(a: &Explanation, b: &Explanation) -> f32 {
    a.maps.data().iter().zip(b.maps.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn all_explain(host: &Host) {
    let file = CaseFile::read("onnx.json");
    let photo = fetched("photos/chelsea.png");
    let info = host.method("score-cam").expect("the method is built in").info().clone();
    for (key, crop) in &file.inputs {
        let name = key.replace('-', "_");
        let models = PLUGINS.map(|plugin| load(host, &name, plugin));
        let input = crop.tensor(&photo);
        for preset in &info.presets {
            let options = ExplainOptions {
                preset: Some(preset.name.clone()),
                set: pairs(&[("select", "list"), ("select_list", CHANNELS)]),
                targets: Targets::Classes(vec![282, 285]),
                ..ExplainOptions::default()
            };
            let maps = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..2 * models.len())
                    .map(|i| {
                        let (model, options, input) = (&models[i % models.len()], &options, &input);
                        scope.spawn(move || run(host, model, options, input))
                    })
                    .collect();
                threads.into_iter().map(|t| t.join().expect("no panic")).collect::<Vec<_>>()
            });
            let scale = maps[0].maps.data().iter().fold(1.0f32, |m, v| m.max(v.abs()));
            for (i, (_, backend, _)) in PLUGINS.iter().enumerate() {
                let far = difference(&maps[0], &maps[i]) / scale;
                assert!(far <= 1e-3, "{key}, preset {}: {far} between {backend} and onnx-cpu", preset.name);
                let apart = difference(&maps[i], &maps[i + models.len()]) / scale;
                assert!(
                    apart < 1e-5,
                    "{key}, preset {}: {apart} between two threads on {backend}",
                    preset.name
                );
            }
        }
    }
}

#[test]
fn all_runtimes_explain_side_by_side_in_either_order() {
    if let Ok(order) = std::env::var(ORDER) {
        let host = Host::new().expect("the built-in methods register");
        let mut plugins = PLUGINS;
        if order == "libtorch first" {
            plugins.reverse();
        }
        for plugin in plugins {
            host.load_plugin(&library(plugin.0)).expect("the plugin loads");
            // A plugin opens its runtime with its first model.
            load(&host, "squeezenet1_1", plugin);
        }
        return all_explain(&host);
    }
    let devices = ["cpu", cuda_or_cpu(), torch_cuda_or_cpu()].join(",");
    for order in ["onnx first", "libtorch first"] {
        let program = std::env::current_exe().expect("the test is a program");
        let mut again = Command::new(program);
        let status = again.env(ORDER, order).env(DEVICES, &devices).status().expect("it starts again");
        assert!(status.success(), "{order}: {status}");
    }
}
