//! What each map costs: one photo, explained a few times by each method, beside bare passes of the same engine.
//!
//! Times are those of the processor where the system tells, so that they hold on a machine that does something else, too.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::json;
use xtask::failure::Outcome;

use super::Stage;
use super::plan::{self, Method, Model};
use super::report::Cost;
use crate::peers::report::median;
use crate::peers::worker::{Ours, Worker};

/// Times that something is run at most, after one that is not counted; the median counts.
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
        let pass = time(&mut worker, |worker| worker.forward(&input, 1, 1).map(drop))?;
        for method in methods {
            let set: BTreeMap<&str, &str> = method.set.iter().copied().collect();
            let request = json!({
                "do": "explain", "input": input, "class": class, "map": map, "method": method.id, "set": set,
            });
            let mut head_passes = 0;
            let seconds = time(&mut worker, |worker| {
                head_passes = worker.explain(&request)?.head_passes;
                Ok(())
            })?;
            let cost = Cost { head_passes, times_a_pass: seconds / pass, milliseconds: 1000.0 * seconds };
            println!(
                "  {:<36}{:>10.1} ms {:>9.1} passes",
                method.title, cost.milliseconds, cost.times_a_pass
            );
            costs.insert(method.title.to_owned(), cost);
        }
    }
    Ok(costs)
}

/// The median of the times, in seconds, that something takes in a process.
fn time(worker: &mut Worker, mut run: impl FnMut(&mut Worker) -> Outcome) -> Outcome<f64> {
    let (mut times, begun) = (Vec::new(), Instant::now());
    // The first run makes what the next ones use.
    for number in 0..=RUNS {
        let (start, before) = (Instant::now(), worker.processor_seconds());
        run(worker)?;
        let spent = before.zip(worker.processor_seconds()).map(|(before, after)| after - before);
        let spent = spent.unwrap_or_else(|| start.elapsed().as_secs_f64());
        let is_long = begun.elapsed().as_secs_f64() > LONG_SECONDS;
        if number > 0 || is_long {
            times.push(spent);
        }
        if is_long {
            break;
        }
    }
    Ok(median(times))
}
