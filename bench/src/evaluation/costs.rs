//! What each map costs: one photo, explained a few times by each method, beside bare passes of the same engine.

use std::collections::BTreeMap;

use serde_json::json;
use xtask::failure::Outcome;

use super::Stage;
use super::plan::{self, Method, Model};
use super::report::Cost;
use crate::peers::report::median;
use crate::peers::worker::{Explained, Ours, Worker};

/// Bare passes, one image each, whose mean is the time of one.
const PASSES: u64 = 24;
/// Times that an explanation is made, after one that is not counted.
const RUNS: usize = 3;
/// Explanations that take longer are made once.
const LONG_SECONDS: f64 = 2.0;

/// By the titles of the methods.
pub(super) fn measure(stage: &Stage<'_>, model: &Model) -> Outcome<BTreeMap<String, Cost>> {
    println!("\n{}: costs", model.name);
    let workers = stage.workers();
    let mut costs = BTreeMap::new();
    let onnx: Vec<&Method> = plan::methods_of(model).collect();
    let libtorch: Vec<&Method> = plan::gradient_methods().collect();
    for (backend, ending, methods) in
        [(Ours::OnnxRuntime, "toml", onnx), (Ours::Libtorch, "ts.toml", libtorch)]
    {
        let mut worker = workers.ours(backend, &stage.manifest(model, ending))?;
        let input = stage.folder.join(format!("{}-costs.npy", model.name));
        let class = worker.prepare(&stage.photo(), &input)?;
        let map = stage.folder.join(format!("{}-costs-map.npy", model.name));
        for method in methods {
            let set: BTreeMap<&str, &str> = method.set.iter().copied().collect();
            let request = json!({
                "do": "explain", "input": input, "class": class, "map": map, "method": method.id, "set": set,
            });
            worker.forward(&input, 1, PASSES)?;
            let pass = worker.forward(&input, 1, PASSES)?;
            let Explained { seconds, head_passes, passes, .. } = explained(&mut worker, &request)?;
            let milliseconds = 1000.0 * seconds;
            println!(
                "  {:<36}{milliseconds:>10.1} ms {passes:>5} passes {head_passes:>5} of the head",
                method.title
            );
            let cost = Cost { head_passes, times_a_pass: milliseconds / pass, milliseconds };
            costs.insert(method.title.to_owned(), cost);
        }
    }
    Ok(costs)
}

/// The first run, with the median of the times of the next ones.
fn explained(worker: &mut Worker, request: &serde_json::Value) -> Outcome<Explained> {
    let first = worker.explain(request)?;
    if first.seconds > LONG_SECONDS {
        return Ok(first);
    }
    let times = (0..RUNS).map(|_| Ok(worker.explain(request)?.seconds)).collect::<Outcome<Vec<_>>>()?;
    Ok(Explained { seconds: median(times), ..first })
}
