//! Measures one model, for `cargo xtask bench`: `bench MODE PLUGIN MODEL PHOTO [KEY=VALUE]...`, one JSON line.
//!
//! MODE `ratio` finds the engine's best batch, then runs raw forward passes and explain calls in turn, as many
//! passes each, so that a machine whose speed drifts does not bend the ratio; it also says what share of the
//! explain calls was spent outside of the engine. MODE `batches` only looks for the best batch. MODE `forward`
//! and MODE `explain` do one of the two alone, for the peak memory of a process that does nothing else.
//!
//! Keys are options of the method, and some of this program: `method` (score-cam where it does not say), `threads`,
//! `device` (needed for a GPU), `batch` (images a pass, of `forward` and `explain`), `rounds`, and `backend.KEY` for
//! settings of the backend. The backend is the plugin's, whichever the model's manifest names.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use scorecam::{Host, Model, ModelRequest};
use scorecam_bench::{Moved, Timed};
use scorecam_core::{BatchRule, Explanation, Options, Request, Result, Targets, Tensor, TensorView, explain};
use scorecam_tests::only_backend;
use serde_json::{Value, json};

type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Batches that are tried for the fastest raw pass.
const BATCHES: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// The same on a GPU, which one image keeps busy for a moment only.
const GPU_BATCHES: [usize; 7] = [1, 8, 16, 32, 64, 128, 256];
/// Passes of each batch in a round of the search for the fastest.
const TRIAL: usize = 32;
const GPU_TRIAL: usize = 512;
/// How often explain and raw passes are run in turn, where `rounds` does not say.
const ROUNDS: usize = 5;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, plugin, model, photo, set @ ..] = &arguments[..] else {
        return Err("usage: bench ratio|batches|forward|explain PLUGIN MODEL PHOTO [KEY=VALUE]...".into());
    };
    let bench = Bench::new(plugin, model, photo, Settings::read(set)?)?;
    let result = match mode.as_str() {
        "ratio" => bench.ratio()?,
        "batches" => bench.batches()?,
        "forward" => bench.forward()?,
        "explain" => bench.explained()?,
        other => return Err(format!("mode {other:?} is unknown").into()),
    };
    println_line(&result)?;
    Ok(())
}

fn println_line(value: &Value) -> std::io::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{value}")
}

/// What the keys say.
#[derive(Default)]
struct Settings {
    threads: Option<usize>,
    device: Option<String>,
    batch: Option<usize>,
    rounds: Option<usize>,
    backend: Vec<(String, String)>,
    /// The method's id.
    method: String,
    options: Vec<(String, String)>,
}

impl Settings {
    fn read(pairs: &[String]) -> Outcome<Self> {
        let mut settings = Self { method: "score-cam".into(), ..Self::default() };
        for pair in pairs {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("{pair:?} is not of the form KEY=VALUE"))?;
            match (key, key.strip_prefix("backend.")) {
                ("threads", _) => settings.threads = Some(value.parse()?),
                ("device", _) => settings.device = Some(value.into()),
                ("batch", _) => settings.batch = Some(value.parse()?),
                ("method", _) => settings.method = value.into(),
                ("rounds", _) => settings.rounds = Some(value.parse()?),
                (_, Some(key)) => settings.backend.push((key.into(), value.into())),
                _ => settings.options.push((key.into(), value.into())),
            }
        }
        Ok(settings)
    }

    fn on_gpu(&self) -> bool {
        !matches!(self.device.as_deref(), None | Some("cpu"))
    }

    /// Which batches are tried for the fastest pass, and with how many passes each.
    fn trials(&self) -> (&'static [usize], usize) {
        if self.on_gpu() { (&GPU_BATCHES, GPU_TRIAL) } else { (&BATCHES, TRIAL) }
    }
}

struct Bench {
    host: Host,
    model: Model,
    input: Tensor,
    options: Options,
    settings: Settings,
}

/// One explain call.
struct Explained {
    explanation: Explanation,
    seconds: f64,
    /// Seconds of it within the engine.
    engine: f64,
    moved: Moved,
}

impl Bench {
    fn new(plugin: &str, model: &str, photo: &str, settings: Settings) -> Outcome<Self> {
        let host = Host::new()?;
        host.load_plugin(&PathBuf::from(plugin))?;
        let model = host.load_model(ModelRequest {
            path: model.into(),
            backend: only_backend(&host),
            device: settings.device.clone(),
            threads: settings.threads,
            settings: settings.backend.iter().cloned().collect(),
            ..Default::default()
        })?;
        let rgb = image::open(photo)?.to_rgb8();
        let size = (rgb.height() as usize, rgb.width() as usize);
        let photo = scorecam_core::image::Photo::from_rgb8(size, rgb.into_raw())?;
        let input = model.preprocess()?.0.apply(&photo)?.input;
        let options = host.method(&settings.method)?.info().resolve(None, &settings.options)?;
        Ok(Self { host, model, input, options, settings })
    }

    fn explain(&self, batch_size: Option<usize>) -> Result<Explained> {
        let method = self.host.method(&self.settings.method)?;
        let model = Timed::new(self.model.backend());
        let request = Request {
            input: Arc::new(self.input.clone()),
            reference: None,
            targets: Targets::Top(1),
            layer: self.model.layer(),
            options: &self.options,
            batch_size,
            progress: None,
            time_up: None,
            previous: None,
        };
        let start = Instant::now();
        let explanation = explain(&model, method.as_ref(), request)?;
        let seconds = start.elapsed().as_secs_f64();
        let (engine, moved) = model.found();
        Ok(Explained { explanation, seconds, engine, moved })
    }

    /// Seconds for `passes` raw passes in batches of `batch`, nothing prepared in between. What is left over counts as
    /// its part of a whole batch: engines on GPUs prepare anew for another size. On a GPU one more batch
    /// goes first, uncounted, since the engine may prepare in it.
    fn raw(&self, passes: usize, batch: usize) -> Result<f64> {
        let batch = match self.model.info().batch {
            BatchRule::Fixed(n) => n,
            BatchRule::Any { .. } => batch,
        };
        let mut shape = self.input.shape().to_vec();
        shape[0] = batch;
        let images: Vec<f32> = std::iter::repeat_n(self.input.data(), batch).flatten().copied().collect();
        let forward = || self.model.backend().forward(TensorView::new(&shape, &images)?, &[]);
        if self.settings.on_gpu() {
            forward()?;
        }
        let start = Instant::now();
        let batches = passes.div_ceil(batch);
        (0..batches).try_for_each(|_| forward().map(drop))?;
        Ok(start.elapsed().as_secs_f64() * passes as f64 / (batches * batch) as f64)
    }

    fn rounds(&self) -> usize {
        self.settings.rounds.unwrap_or(ROUNDS).max(1)
    }

    /// Milliseconds a raw pass for each batch that the model takes: the median of some rounds in turn.
    fn by_batch(&self) -> Result<Vec<(usize, f64)>> {
        let (tried, trial) = self.settings.trials();
        let batches = match self.model.info().batch {
            BatchRule::Fixed(n) => vec![n],
            BatchRule::Any { .. } => tried.to_vec(),
        };
        let mut times = vec![Vec::new(); batches.len()];
        // In turn, so that a machine whose speed drifts does not choose. Not on a GPU, where engines plan anew for each
        // size.
        let mut turns: Vec<usize> = (0..=self.rounds()).flat_map(|_| 0..batches.len()).collect();
        if self.settings.on_gpu() {
            turns.sort_unstable();
        }
        for i in turns {
            times[i].push(self.raw(trial, batches[i])? * 1e3 / trial as f64);
        }
        // The first round only warms up.
        let time = |times: Vec<f64>| median(times[1..].to_vec());
        Ok(batches.into_iter().zip(times.into_iter().map(time)).collect())
    }

    fn batches(&self) -> Result<Value> {
        let times = self.by_batch()?;
        Ok(json!(times.iter().map(|(b, ms)| (b.to_string(), json!(ms))).collect::<serde_json::Map<_, _>>()))
    }

    fn ratio(&self) -> Result<Value> {
        let times = self.by_batch()?;
        let best = times.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(1, |t| t.0);
        let Explained { explanation: first, moved, .. } = self.explain(self.settings.batch)?;
        let mut rounds = Vec::new();
        for _ in 0..self.rounds() {
            rounds.push((self.raw(first.passes, best)?, self.explain(self.settings.batch)?));
        }
        let middle = |of: &dyn Fn(&(f64, Explained)) -> f64| median(rounds.iter().map(of).collect());
        Ok(json!({
            "layer": first.layer,
            "passes": first.passes,
            "channels": measure(&first, "channels"),
            "best_batch": best,
            "raw_seconds": middle(&|(raw, _)| *raw),
            "explain_seconds": middle(&|(_, e)| e.seconds),
            "ratio": middle(&|(raw, e)| e.seconds / raw),
            "outside_engine": middle(&|(_, e)| 1.0 - e.engine / e.seconds),
            "moved_mb": moved.really.bytes() as f64 / 1e6,
            "whole_mb": moved.whole.bytes() as f64 / 1e6,
        }))
    }

    fn forward(&self) -> Result<Value> {
        let batch = match self.model.info().batch {
            BatchRule::Fixed(n) => n,
            BatchRule::Any { preferred } => self.settings.batch.unwrap_or(preferred),
        };
        self.raw(4 * batch, batch)?;
        Ok(json!({ "peak_mb": peak_mb() }))
    }

    fn explained(&self) -> Result<Value> {
        let explained = self.explain(self.settings.batch)?;
        Ok(json!({
            "passes": explained.explanation.passes,
            "seconds": explained.seconds,
            "outside_engine": 1.0 - explained.engine / explained.seconds,
            "peak_mb": peak_mb(),
        }))
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
