//! ONNX Runtime and libtorch in one process, whichever comes first, on the same networks: they agree, and
//! neither disturbs the other while both explain from several threads.
//!
//! A process has one order of loading, so each order runs in a process of its own: this test program starts
//! itself again with the order in a variable.

use std::ops::ControlFlow;
use std::process::Command;

use scorecam_core::{Explanation, Options, Request, Targets, Tensor, explain};
use scorecam_host::{Host, Model, ModelRequest};
use scorecam_tests::{CaseFile, fetched, library};

const ORDER: &str = "SCORECAM_TEST_ORDER";
const PLUGINS: [&str; 2] = ["scorecam_onnx_cpu", "scorecam_libtorch"];
/// Every preset computes its masks from the same maps; so few of them keep the test short.
const CHANNELS: &str = "0,3,5,8,13,21,34,55,89,144,233";

fn load(host: &Host, name: &str) -> Model {
    let request = ModelRequest { path: fetched(&format!("models/{name}")), ..Default::default() };
    host.load_model(&request).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn run(host: &Host, model: &Model, (method, options): (&str, &Options), input: &Tensor) -> Explanation {
    let request = Request {
        input: input.view(),
        reference: None,
        targets: Targets::Classes(vec![282, 285]),
        layer: model.layer(),
        options,
        batch_size: None,
        output_activation: model.output_activation(),
        progress: &|_| ControlFlow::Continue(()),
    };
    let method = host.method(method).expect("the method is built in");
    explain(model.backend(), method.as_ref(), &request).expect("an explanation")
}

fn difference(a: &Explanation, b: &Explanation) -> f32 {
    a.maps.data().iter().zip(b.maps.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn both_explain(host: &Host) {
    let file = CaseFile::read("onnx.json");
    let photo = fetched("photos/chelsea.png");
    let info = host.method("score-cam").expect("the method is built in").info().clone();
    for (key, crop) in &file.inputs {
        let name = key.replace('-', "_");
        let models = [load(host, &format!("{name}.onnx")), load(host, &format!("{name}.ts.pt"))];
        let input = crop.tensor(&photo);
        for preset in &info.presets {
            let set =
                [("select", "list"), ("select_list", CHANNELS)].map(|(k, v)| (k.to_owned(), v.to_owned()));
            let options = info.resolve(Some(&preset.name), &set).expect("the options resolve");
            let maps = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..4)
                    .map(|i| {
                        let (model, options, input) = (&models[i % 2], &options, &input);
                        scope.spawn(move || run(host, model, ("score-cam", options), input))
                    })
                    .collect();
                threads.into_iter().map(|t| t.join().expect("no panic")).collect::<Vec<_>>()
            });
            let scale = maps[0].maps.data().iter().fold(1.0f32, |m, v| m.max(v.abs()));
            let far = difference(&maps[0], &maps[1]) / scale;
            assert!(far <= 1e-3, "{key}, preset {}: {far} between the runtimes", preset.name);
            assert!(difference(&maps[0], &maps[2]) / scale < 1e-5, "{key}: onnx-cpu on two threads");
            assert!(difference(&maps[1], &maps[3]) / scale < 1e-5, "{key}: libtorch on two threads");
        }
    }
}

#[test]
fn both_runtimes_explain_side_by_side_in_either_order() {
    if let Ok(order) = std::env::var(ORDER) {
        let host = Host::new(None).expect("the built-in methods register");
        let first = usize::from(order == "libtorch first");
        for plugin in [PLUGINS[first], PLUGINS[1 - first]] {
            host.load_plugin(&library(plugin)).expect("the plugin loads");
            // A plugin opens its runtime with its first model.
            let name =
                if plugin == "scorecam_libtorch" { "squeezenet1_1.ts.pt" } else { "squeezenet1_1.onnx" };
            load(&host, name);
        }
        return both_explain(&host);
    }
    for order in ["onnx first", "libtorch first"] {
        let program = std::env::current_exe().expect("the test is a program");
        let status = Command::new(program).env(ORDER, order).status().expect("it starts again");
        assert!(status.success(), "{order}: {status}");
    }
}
