//! Explains on request, for `cargo xtask bench`: `bench_worker THREADS DEVICE PLUGIN MODEL`.
//!
//! Each line on standard input is a request, and each gets a line on standard output, both JSON. A process that
//! stays lets whoever asks take turns between several tools without paying for start and loading again, and the
//! peak memory that it reports is that of one model and one kind of request. `bench/peers/peer.py` answers the
//! same requests with other tools.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use npyz::WriterBuilder;
use scorecam::{Host, Model, ModelRequest};
use scorecam_bench::Timed;
use scorecam_core::{Request, Targets, Tensor, TensorView, explain};
use scorecam_tests::only_backend;
use serde::Deserialize;
use serde_json::{Value, json};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Order {
    /// Turn a photo into the model's input, [C, H, W] as .npy, and tell the class that the model sees.
    Prepare { photo: PathBuf, input: PathBuf },
    /// Tell the classes that the model sees in a photo, the best first.
    Rank { photo: PathBuf },
    /// Explain a class.
    Explain(ExplainOrder),
    /// Run `passes` images in batches of `batch` through the model, and nothing else.
    Forward { input: PathBuf, batch: usize, passes: usize },
}

#[derive(Deserialize)]
struct ExplainOrder {
    input: PathBuf,
    class: usize,
    /// Where the map goes, as .npy.
    map: PathBuf,
    method: String,
    /// The method's own choice, where none is named.
    preset: Option<String>,
    set: BTreeMap<String, String>,
}

/// Classes that a photo is told to show.
const RANKED: usize = 5;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [threads, device, plugin, model] = &arguments[..] else {
        return Err("usage: bench_worker THREADS DEVICE PLUGIN MODEL".into());
    };
    let worker = Worker::new((threads.parse()?, device), plugin, model)?;
    for line in std::io::stdin().lock().lines() {
        let answer = serde_json::from_str(&line?)
            .map_err(Into::into)
            .and_then(|order| worker.answer(order))
            .unwrap_or_else(|why| json!({ "error": why.to_string() }));
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

struct Worker {
    host: Host,
    model: Model,
}

impl Worker {
    fn new((threads, device): (usize, &str), plugin: &str, model: &str) -> Outcome<Self> {
        let host = Host::new()?;
        host.load_plugin(&PathBuf::from(plugin))?;
        let request = ModelRequest {
            path: model.into(),
            // Whichever the manifest names: the same model runs on a processor and on a GPU.
            backend: only_backend(&host),
            threads: Some(threads),
            device: Some(device.into()),
            ..Default::default()
        };
        let model = host.load_model(request)?;
        Ok(Self { host, model })
    }

    fn answer(&self, order: Order) -> Outcome<Value> {
        match order {
            Order::Prepare { photo, input } => self.prepare(&photo, &input),
            Order::Rank { photo } => self.rank(&photo),
            Order::Explain(order) => self.explain(&order),
            Order::Forward { input, batch, passes } => self.forward(&read(&input)?, batch, passes),
        }
    }

    fn prepare(&self, photo: &Path, place: &Path) -> Outcome<Value> {
        let input = self.input(photo)?;
        let class = self.ranked(&input)?.first().copied();
        write(place, &input.shape()[1..], input.data())?;
        Ok(json!({ "class": class, "version": env!("CARGO_PKG_VERSION") }))
    }

    fn rank(&self, photo: &Path) -> Outcome<Value> {
        let classes = self.ranked(&self.input(photo)?)?;
        Ok(json!({ "classes": &classes[..classes.len().min(RANKED)] }))
    }

    fn input(&self, photo: &Path) -> Outcome<Tensor> {
        let rgb = image::open(photo).map_err(|e| format!("{}: {e}", photo.display()))?.to_rgb8();
        let size = (rgb.height() as usize, rgb.width() as usize);
        let photo = scorecam_core::image::Photo::from_rgb8(size, rgb.into_raw())?;
        Ok(self.model.preprocess()?.0.apply(&photo)?.input)
    }

    /// All classes, the best first.
    fn ranked(&self, input: &Tensor) -> Outcome<Vec<usize>> {
        let scores = self.model.backend().forward(input.view(), &[])?.scores;
        let scores = scores.data();
        let mut classes: Vec<usize> = (0..scores.len()).collect();
        classes.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        Ok(classes)
    }

    fn explain(&self, order: &ExplainOrder) -> Outcome<Value> {
        let input = read(&order.input)?;
        let method = self.host.method(&order.method)?;
        let set: Vec<(String, String)> = order.set.clone().into_iter().collect();
        let options = method.info().resolve(order.preset.as_deref(), &set)?;
        let request = Request {
            input: Arc::new(input),
            reference: None,
            targets: Targets::Classes(vec![order.class]),
            layer: self.model.layer(),
            options: &options,
            batch_size: None,
            progress: None,
            time_up: None,
            previous: None,
        };
        let model = Timed::new(self.model.backend());
        let start = Instant::now();
        let explanation = explain(&model, method.as_ref(), request)?;
        let seconds = start.elapsed().as_secs_f64();
        let (engine, _) = model.found();
        write(&order.map, &explanation.maps.shape()[1..], explanation.maps.data())?;
        let measures: BTreeMap<_, _> = explanation.measures.into_iter().collect();
        let passes = explanation.passes;
        Ok(json!({
            "seconds": seconds,
            "engine_seconds": engine,
            "passes": passes,
            "peak_mb": peak_mb(),
            "measures": measures,
        }))
    }

    fn forward(&self, input: &Tensor, batch: usize, passes: usize) -> Outcome<Value> {
        let mut shape = input.shape().to_vec();
        shape[0] = batch;
        let images: Vec<f32> = std::iter::repeat_n(input.data(), batch).flatten().copied().collect();
        let start = Instant::now();
        for _ in 0..passes.div_ceil(batch) {
            self.model.backend().forward(TensorView::new(&shape, &images)?, &[])?;
        }
        let passes = passes.next_multiple_of(batch);
        Ok(json!({ "seconds": start.elapsed().as_secs_f64(), "passes": passes, "peak_mb": peak_mb() }))
    }
}

/// A [C, H, W] file as a batch of one.
fn read(place: &Path) -> Outcome<Tensor> {
    let npy = npyz::NpyFile::new(std::io::BufReader::new(std::fs::File::open(place)?))?;
    let shape = npy.shape().iter().map(|&n| usize::try_from(n)).collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::new([vec![1], shape].concat(), npy.into_vec::<f32>()?)?)
}

fn write(place: &Path, shape: &[usize], values: &[f32]) -> Outcome<()> {
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    let file = std::io::BufWriter::new(std::fs::File::create(place)?);
    let mut npy = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
    npy.extend(values)?;
    npy.finish()?;
    Ok(())
}

/// The most memory that this process has held, where the system tells.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").trim().parse::<f64>().ok().map(|kb| kb / 1024.0)
}
