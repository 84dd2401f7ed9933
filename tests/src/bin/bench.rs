//! Measures one model, for `cargo xtask bench`: `bench MODE PLUGIN MODEL PHOTO [KEY=VALUE]...`, one JSON line.
//!
//! MODE `ratio` runs raw forward passes and explain calls in turn, as many passes each, so that a machine
//! whose speed drifts does not bend the ratio. MODE `forward` and MODE `explain` do one of the two alone, for
//! the peak memory of a process that does nothing else.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use scorecam_core::{BatchRule, Explanation, Options, Request, Result, Targets, Tensor, TensorView, explain};
use scorecam_host::{Host, Model, ModelRequest};
use serde_json::{Value, json};

/// Batches that are tried for the fastest raw pass.
const BATCHES: [usize; 5] = [1, 4, 8, 16, 32];
/// How often explain and raw passes are run in turn.
const ROUNDS: usize = 5;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, plugin, model, photo, set @ ..] = &arguments[..] else {
        return Err("usage: bench ratio|forward|explain PLUGIN MODEL PHOTO [KEY=VALUE]...".into());
    };
    let set: Vec<(String, String)> =
        set.iter().filter_map(|s| s.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let bench = Bench::new(plugin, model, photo, &set)?;
    let result = match mode.as_str() {
        "ratio" => bench.ratio()?,
        "forward" => bench.forward()?,
        "explain" => bench.explained()?,
        other => return Err(format!("mode {other:?} is not known").into()),
    };
    println_line(&result)?;
    Ok(())
}

fn println_line(value: &Value) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{value}")
}

struct Bench {
    host: Host,
    model: Model,
    input: Tensor,
    options: Options,
}

impl Bench {
    fn new(
        plugin: &str,
        model: &str,
        photo: &str,
        set: &[(String, String)],
    ) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        let host = Host::new(None)?;
        host.load_plugin(&PathBuf::from(plugin))?;
        let model = host.load_model(&ModelRequest { path: model.into(), ..Default::default() })?;
        let rgb = image::open(photo)?.to_rgb8();
        let size = (rgb.height() as usize, rgb.width() as usize);
        let photo = scorecam_core::image::Photo::from_rgb8(size, rgb.into_raw())?;
        let input = model.prepare(&photo)?.input;
        let options = host.method("score-cam")?.info().resolve(None, set)?;
        Ok(Self { host, model, input, options })
    }

    fn explain(&self) -> Result<(Explanation, f64)> {
        let method = self.host.method("score-cam")?;
        let request = Request {
            input: self.input.view(),
            reference: None,
            targets: Targets::Top(1),
            layer: self.model.layer(),
            options: &self.options,
            batch_size: None,
            output_activation: self.model.output_activation(),
            progress: &|_| ControlFlow::Continue(()),
        };
        let start = Instant::now();
        let explanation = explain(self.model.backend(), method.as_ref(), &request)?;
        Ok((explanation, start.elapsed().as_secs_f64()))
    }

    /// Seconds for `passes` raw passes in batches of `batch`, nothing prepared in between.
    fn raw(&self, passes: usize, batch: usize) -> Result<f64> {
        let mut shape = self.input.shape().to_vec();
        shape[0] = batch;
        let images: Vec<f32> = std::iter::repeat_n(self.input.data(), batch).flatten().copied().collect();
        let start = Instant::now();
        let mut done = 0;
        while done < passes {
            let n = batch.min(passes - done);
            shape[0] = n;
            let items = &images[..n * self.input.data().len()];
            self.model.backend().forward(TensorView::new(&shape, items)?, &[])?;
            done += n;
        }
        Ok(start.elapsed().as_secs_f64())
    }

    fn ratio(&self) -> Result<Value> {
        let batches = match self.model.info().batch {
            BatchRule::Fixed(n) => vec![n],
            BatchRule::Any { .. } => BATCHES.to_vec(),
        };
        let (first, _) = self.explain()?;
        let passes = first.passes;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let raw: Vec<f64> = batches.iter().map(|&b| self.raw(passes, b)).collect::<Result<_>>()?;
            rounds.push((raw, self.explain()?.1));
        }
        let mean = |i: usize| median(rounds.iter().map(|(raw, _)| raw[i]).collect());
        let best = (0..batches.len()).min_by(|&a, &b| mean(a).total_cmp(&mean(b))).unwrap_or(0);
        Ok(json!({
            "layer": first.layer,
            "passes": passes,
            "channels": measure(&first, "channels"),
            "best_batch": batches[best],
            "raw_seconds": mean(best),
            "explain_seconds": median(rounds.iter().map(|(_, s)| *s).collect()),
            "ratio": median(rounds.iter().map(|(raw, s)| s / raw[best]).collect()),
        }))
    }

    fn forward(&self) -> Result<Value> {
        let batch = match self.model.info().batch {
            BatchRule::Fixed(n) => n,
            BatchRule::Any { preferred } => preferred,
        };
        self.raw(4 * batch, batch)?;
        Ok(json!({ "peak_mb": peak_mb() }))
    }

    fn explained(&self) -> Result<Value> {
        let (explanation, _) = self.explain()?;
        Ok(json!({ "passes": explanation.passes, "peak_mb": peak_mb() }))
    }
}

fn measure(explanation: &Explanation, name: &str) -> Option<f64> {
    explanation.measures.iter().find(|(n, _)| n == name).map(|(_, value)| *value)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The most memory that this process has held, where the system tells.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok().map(|kb| kb / 1024.0)
}
