//! What each map costs: one photo, explained a few times by each method, beside bare passes of the same engine.

use std::collections::BTreeMap;

use serde_json::json;
use xtask::failure::Outcome;

use super::Stage;
use super::plan::{self, Method, Model};
use super::report::Cost;
use crate::peers::report::median;
use crate::peers::worker::{Explained, Ours, Worker};

/// Bare passes, one image each: the time of one is their median.
const PASSES: usize = 25;
/// How often an explanation is made at most, after one that is not counted.
const RUNS: usize = 25;
/// No further run is begun after this time. What takes longer runs once.
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
            worker.forward(&input, 1, 1)?;
            let passes = (0..PASSES).map(|_| worker.forward(&input, 1, 1)).collect::<Outcome<_>>()?;
            let pass = median(passes);
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
    let mut times = Vec::new();
    while times.is_empty() || times.len() < RUNS && times.iter().sum::<f64>() < LONG_SECONDS {
        times.push(worker.explain(request)?.seconds);
    }
    Ok(Explained { seconds: median(times), ..first })
}
