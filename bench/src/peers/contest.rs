//! The speed part: one model and one photo, and every tool in its turn.
//!
//! Machines get faster and slower while one measures. So each run of another tool has a run of ours just before
//! it, and a ratio is made of such pairs. Each tool is a process of its own that has loaded the model and warmed
//! up before its first run, and it is gone before the next one starts: only ours of the same map is there with it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xtask::failure::Outcome;

use super::maps::Map;
use super::plan::{self, BUDGETED, BUDGETS, Batch, Budgeted, Model, OFFICIAL, Origin, OurMap, Peer, Program};
use super::report::{Engine, Kind, Measured, Row, median};
use super::worker::{Explained, Ours, Worker, Workers};
use crate::environment::Environments;

/// Batches that are tried for the fastest pass, and the images of each try.
const TRIED: ([u64; 5], u64) = ([1, 4, 8, 16, 32], 32);
/// The same on a GPU, which one image keeps busy for a moment only.
const TRIED_ON_GPU: ([u64; 5], u64) = ([1, 16, 32, 64, 128], 512);
/// Images that a tool is warmed up with.
const WARMING: u64 = 16;
/// What takes longer than this runs in the first round only.
const LONG_SECONDS: f64 = 20.0;
/// What takes less than this runs in more rounds, since a moment of the machine is as long.
const SHORT_SECONDS: f64 = 0.5;
const SHORT_ROUNDS: usize = 25;

/// What to do when another tool fails.
const ADVICE: &str = "make its environment anew (--environment with another folder, or without it), or take it out of \
                      bench/src/peers/plan.rs";

/// One model's contest.
pub(crate) struct Contest<'a> {
    pub(crate) workers: &'a Workers<'a>,
    pub(crate) environments: &'a Environments,
    pub(crate) model: &'a Model,
    /// Where the model's files lie.
    pub(crate) models: &'a Path,
    pub(crate) photo: &'a Path,
    pub(crate) rounds: usize,
    pub(crate) engines: Engines,
}

/// Which of our engines take part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engines {
    OnnxRuntime,
    /// The engine of libtorch has been built, too.
    Both,
}

impl Contest<'_> {
    /// Runs every tool that computes one of these maps.
    pub(crate) fn run(&self, maps: &[OurMap]) -> Outcome<Measured> {
        println!("\n{}", self.model.name);
        let input = self.file("input.npy");
        // A process of its own, since reading a photo has nothing to do with what explaining takes.
        let class = self.ours(Ours::OnnxRuntime)?.prepare(self.photo, &input)?;
        let engines = self.engines(&input)?;
        let best = engines.last().map_or(1, |torch| torch.best().0);
        let turn = Turn { input: &input, class, best };
        let (mut rows, mut channels) = (Vec::new(), 0);
        for &map in maps {
            let peers: Vec<&Peer> = self.peers().filter(|peer| peer.map == map).collect();
            if peers.is_empty() {
                continue;
            }
            let mut ours = self.exact((Ours::OnnxRuntime, Kind::Reference), map, &turn)?;
            let beside = self.beside((&mut ours, map), &peers, &turn)?;
            channels = channels.max(ours.channels);
            rows.push(ours.row(None)?);
            rows.extend(beside);
        }
        let photo = self.photo.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (model, layer) = (self.model.name.to_owned(), self.model.layer.to_owned());
        Ok(Measured { model, layer, channels, photo, class, engines, rows })
    }

    fn peers(&self) -> impl Iterator<Item = &'static Peer> {
        plan::peers_of(self.model, self.workers.device)
    }

    /// Everything that makes the same map as `ours`, or one of fewer passes instead of it.
    fn beside(
        &self,
        (ours, map): (&mut Contender, OurMap),
        peers: &[&Peer],
        turn: &Turn<'_>,
    ) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        for peer in peers {
            let mut peer = self.peer(peer, turn)?;
            self.repeat(&mut peer, Some(ours))?;
            rows.push(peer.row(Some(&ours.map()?))?);
        }
        if map != OFFICIAL {
            return Ok(rows);
        }
        if self.engines == Engines::Both {
            let mut libtorch = self.exact((Ours::Libtorch, Kind::Ours), OFFICIAL, turn)?;
            self.repeat(&mut libtorch, None)?;
            rows.push(libtorch.row(Some(&ours.map()?))?);
        }
        for (way, budget) in BUDGETED.iter().flat_map(|way| BUDGETS.map(|budget| (way, budget))) {
            let mut fewer = self.budgeted(way, budget, turn)?;
            self.repeat(&mut fewer, None)?;
            rows.push(fewer.row(Some(&ours.map()?))?);
        }
        Ok(rows)
    }

    /// All rounds of one tool, each with a run of `ours` before it.
    fn repeat(&self, tool: &mut Contender, mut ours: Option<&mut Contender>) -> Outcome {
        let rounds = if self.model.origin == Origin::Random { 1 } else { self.rounds };
        for round in 0.. {
            let longest = tool.seconds.iter().copied().fold(0.0, f64::max);
            let is_short = round > 0 && ours.is_some() && longest < SHORT_SECONDS;
            let rounds = if is_short { rounds.max(SHORT_ROUNDS) } else { rounds };
            if round >= rounds || longest > LONG_SECONDS {
                break;
            }
            let before = ours.as_mut().map(|ours| ours.run()).transpose()?;
            let seconds = tool.run()?;
            if round == 0 && rounds > 1 && seconds < SHORT_SECONDS && before.is_some() {
                // A first explanation may still make what the next ones use.
                tool.seconds.clear();
                continue;
            }
            tool.ratios.extend(before.map(|before| seconds / before));
        }
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.workers.folder.join(format!("{}-{name}", self.model.name))
    }

    fn ours(&self, backend: Ours) -> Outcome<Worker> {
        let ending = if backend == Ours::Libtorch { "ts.toml" } else { "toml" };
        self.workers.ours(backend, &self.model_file(ending))
    }

    fn theirs(&self, program: Program, title: &str) -> Outcome<Worker> {
        let (environment, tool, file) = match program {
            Program::PyTorch(tool) => (&self.environments.pytorch, tool, self.model_file("ts.pt")),
            Program::OpenVino(tool) => (&self.environments.openvino, tool, self.model_file("onnx")),
        };
        let mut command = environment.script("peer.py");
        command.arg(tool).arg(self.workers.threads.to_string());
        match program {
            Program::PyTorch(_) => {
                command.arg(self.model.name).arg(file).arg(self.workers.device.to_string())
            }
            Program::OpenVino(_) => command.arg(self.model.layer).arg(file),
        };
        self.workers.start(command, title, ADVICE)
    }

    fn model_file(&self, ending: &str) -> PathBuf {
        self.models.join(format!("{}.{ending}", self.model.name))
    }

    /// What a bare pass costs; PyTorch comes last.
    fn engines(&self, input: &Path) -> Outcome<Vec<Engine>> {
        let mut tried = vec![(Ours::OnnxRuntime.title(), self.ours(Ours::OnnxRuntime)?)];
        if self.engines == Engines::Both {
            tried.push((Ours::Libtorch.title(), self.ours(Ours::Libtorch)?));
        }
        if plan::runs_on_openvino(self.model, self.workers.device) {
            tried.push(("OpenVINO", self.theirs(Program::OpenVino("f32"), "OpenVINO")?));
        }
        tried.push(("PyTorch", self.theirs(Program::PyTorch("loop"), "PyTorch")?));
        let mut found: Vec<Engine> = tried
            .iter()
            .map(|(name, _)| Engine { engine: (*name).to_owned(), batches: Vec::new() })
            .collect();
        let (batches, images) = if self.workers.device.is_gpu() { TRIED_ON_GPU } else { TRIED };
        for batch in batches {
            for (engine, (name, worker)) in found.iter_mut().zip(&mut tried) {
                worker.forward(input, batch, batch)?;
                let first = worker.forward(input, batch, images)?;
                let fastest = worker.forward(input, batch, images)?.min(first);
                println!("  {name:<44}{fastest:>9.2} ms a pass in batches of {batch}");
                engine.batches.push((batch, fastest));
            }
        }
        Ok(found)
    }

    /// Our exact map.
    fn exact(&self, (backend, kind): (Ours, Kind), map: OurMap, turn: &Turn<'_>) -> Outcome<Contender> {
        let title = format!("**scorecam**, {}", backend.title());
        let how = json!({ "method": map.method, "preset": map.preset, "set": {} });
        let mut ours = self.contender(self.ours(backend)?, Row::new(title, kind, &map.name()), turn, &how)?;
        if map.method != OFFICIAL.method {
            // The part behind the layer is a model of its own, which the first explanation loads.
            ours.worker.explain(&ours.request)?;
        }
        Ok(ours)
    }

    fn peer(&self, peer: &Peer, turn: &Turn<'_>) -> Outcome<Contender> {
        let batch = match peer.batch {
            Batch::Own => None,
            Batch::Best => Some(turn.best),
        };
        let title =
            batch.map_or(peer.title.to_owned(), |batch| format!("{}, batches of {batch}", peer.title));
        let worker = self.theirs(peer.program, &title)?;
        let row = Row::new(title, Kind::Peer, &peer.map.name());
        self.contender(worker, row, turn, &json!({ "batch": batch }))
    }

    fn budgeted(&self, way: &Budgeted, budget: u64, turn: &Turn<'_>) -> Outcome<Contender> {
        let how = json!({ "method": way.method, "preset": OFFICIAL.preset, "set": way.options(budget) });
        let row = Row::new(format!("**scorecam**, {} {budget}", way.title), Kind::Ours, &OFFICIAL.name());
        self.contender(self.ours(Ours::OnnxRuntime)?, row, turn, &how)
    }

    fn contender(&self, mut worker: Worker, row: Row, turn: &Turn<'_>, how: &Value) -> Outcome<Contender> {
        let named: String = row.tool.chars().chain(row.map.chars()).filter(|c| c.is_alphanumeric()).collect();
        let place = self.file(&format!("{named}.npy"));
        let mut request = json!({ "do": "explain", "input": turn.input, "class": turn.class, "map": place });
        if let (Some(request), Some(how)) = (request.as_object_mut(), how.as_object()) {
            request.extend(how.clone());
        }
        if self.workers.device.is_gpu() {
            // A whole explanation: engines choose their kernels with the first batch of each size.
            worker.explain(&request)?;
        } else {
            // In its own batches: larger ones would be seen in the peak of memory.
            worker.forward(turn.input, how["batch"].as_u64().unwrap_or(1), WARMING)?;
        }
        Ok(Contender { row, worker, request, place, seconds: vec![], ratios: vec![], channels: 0 })
    }
}

/// What all tools are given alike.
struct Turn<'a> {
    input: &'a Path,
    class: u64,
    /// PyTorch's fastest batch.
    best: u64,
}

/// A tool that is ready to run, and what it has done so far.
struct Contender {
    row: Row,
    worker: Worker,
    request: Value,
    /// Where its map goes.
    place: PathBuf,
    seconds: Vec<f64>,
    /// Its seconds by those of our run just before.
    ratios: Vec<f64>,
    channels: u64,
}

impl Contender {
    fn run(&mut self) -> Outcome<f64> {
        let Explained { seconds, passes, head_passes, peak_mb, device_mb, channels, estimated_error, .. } =
            self.worker.explain(&self.request)?;
        self.seconds.push(seconds);
        self.channels = channels.unwrap_or(self.channels);
        self.row = Row { passes, head_passes, peak_mb, device_mb, estimated_error, ..self.row.clone() };
        let tool = format!("{} ({})", self.row.tool.replace("**", ""), self.row.map);
        println!("  {tool:<68}{seconds:>9.4} s {passes:>5} passes {head_passes:>5} of the head");
        Ok(seconds)
    }

    fn map(&self) -> Outcome<Map> {
        Map::read(&self.place)
    }

    /// What it has done, compared with an exact map. Its process ends.
    fn row(self, exact: Option<&Map>) -> Outcome<Row> {
        let distance = exact.map(|exact| self.map()?.distance_from(exact)).transpose()?;
        let (runs, seconds) = (self.seconds.len(), median(self.seconds));
        let times_ours = (!self.ratios.is_empty()).then(|| median(self.ratios));
        Ok(Row { seconds, runs, times_ours, distance, ..self.row })
    }
}
