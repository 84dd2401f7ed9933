//! A process that explains on request: ours, or another tool behind `bench/peers/peer.py`.
//!
//! A line of JSON each way. The process stays until it is dropped, so tools can take turns without loading their
//! model again, and the peak memory that it reports is its own alone. What it prints on standard error goes into
//! a file, whose last line says why it died, should it.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use xtask::failure::{Failure, Outcome, While};

use crate::device::Device;
use crate::nvidia;

/// Our backends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ours {
    /// onnx-cpu, and onnx-cuda on a GPU.
    OnnxRuntime,
    Libtorch,
}

impl Ours {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Ours::OnnxRuntime => "ONNX Runtime",
            Ours::Libtorch => "libtorch",
        }
    }

    /// The plugin's library.
    fn library(self, device: Device) -> String {
        let name = match self {
            Ours::OnnxRuntime if device.is_gpu() => "onnx_cuda",
            Ours::OnnxRuntime => "onnx_cpu",
            Ours::Libtorch => "libtorch",
        };
        format!("{DLL_PREFIX}scorecam_{name}{DLL_SUFFIX}")
    }
}

/// How the processes are started.
pub(crate) struct Workers<'a> {
    /// Where cargo has put our programs and plugins.
    pub(crate) release: PathBuf,
    /// The cache that our plugins find their runtimes in.
    pub(crate) cache: &'a Path,
    pub(crate) threads: usize,
    pub(crate) device: Device,
    /// The folder of libtorch, where it is not that of the cache.
    pub(crate) libtorch: Option<&'a Path>,
    /// Where they leave their messages.
    pub(crate) folder: PathBuf,
}

impl Workers<'_> {
    /// Our own, with a backend's plugin and a model's manifest.
    pub(crate) fn ours(&self, backend: Ours, manifest: &Path) -> Outcome<Worker> {
        let mut command = Command::new(self.release.join(format!("bench_worker{EXE_SUFFIX}")));
        command.arg(self.threads.to_string()).arg(self.device.to_string());
        command.arg(self.release.join(backend.library(self.device))).arg(manifest);
        // Only the runtime of the cache is the one whose version is told.
        command.env("SCORECAM_CACHE", self.cache).env_remove("ORT_DYLIB_PATH");
        if let Some(libtorch) = self.libtorch {
            command.env("LIBTORCH", libtorch);
        }
        self.start(command, "scorecam", "try `scorecam explain` with the same model")
    }

    /// Starts a prepared program. `name` stands for it in errors, and `advice` says there what to do.
    pub(crate) fn start(&self, mut command: Command, name: &str, advice: &'static str) -> Outcome<Worker> {
        let log = tempfile::Builder::new().prefix("messages-").tempfile_in(&self.folder);
        let log = log.and_then(|file| file.keep().map_err(Into::into));
        let (file, log) = log.doing(|| format!("write into {}", self.folder.display()))?;
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut child = pipes.spawn().doing(|| format!("start {name}"))?;
        let broken = || Failure::new(format!("{name} was started without pipes"));
        let asks = child.stdin.take().ok_or_else(broken)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(broken)?);
        let on_gpu = self.device.is_gpu();
        Ok(Worker { name: name.to_owned(), advice, on_gpu, child, asks, answers, log })
    }
}

/// One such process.
pub(crate) struct Worker {
    name: String,
    advice: &'static str,
    on_gpu: bool,
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
    log: PathBuf,
}

/// What an explain request gave.
pub(crate) struct Explained {
    pub(crate) seconds: f64,
    /// How many of them the engine took, where the process tells.
    pub(crate) engine_seconds: Option<f64>,
    pub(crate) passes: u64,
    /// Runs of the part of the network behind the layer.
    pub(crate) head_passes: u64,
    pub(crate) peak_mb: Option<f64>,
    pub(crate) device_mb: Option<f64>,
    pub(crate) channels: Option<u64>,
    pub(crate) estimated_error: Option<f64>,
}

impl Worker {
    /// Makes the model's input of a photo, and returns the class that the model sees in it.
    pub(crate) fn prepare(&mut self, photo: &Path, input: &Path) -> Outcome<u64> {
        let answer = self.ask(&json!({ "do": "prepare", "photo": photo, "input": input }))?;
        answer["class"].as_u64().ok_or_else(|| self.odd("no class"))
    }

    /// The best classes that the model sees in a photo, the best first.
    pub(crate) fn ranked(&mut self, photo: &Path) -> Outcome<Vec<u64>> {
        let answer = self.ask(&json!({ "do": "rank", "photo": photo }))?;
        let classes = answer["classes"].as_array().ok_or_else(|| self.odd("no classes"))?;
        Ok(classes.iter().filter_map(Value::as_u64).collect())
    }

    /// Runs an explain request.
    pub(crate) fn explain(&mut self, request: &Value) -> Outcome<Explained> {
        let answer = self.ask(request)?;
        let measure = |name: &str| answer["measures"][name].as_f64();
        Ok(Explained {
            seconds: answer["seconds"].as_f64().ok_or_else(|| self.odd("no seconds"))?,
            engine_seconds: answer["engine_seconds"].as_f64(),
            passes: answer["passes"].as_u64().ok_or_else(|| self.odd("no passes"))?,
            head_passes: measure("head-passes").map_or(0, |passes| passes as u64),
            peak_mb: answer["peak_mb"].as_f64(),
            device_mb: answer["device_mb"].as_f64().or_else(|| self.held_of_gpu()),
            channels: measure("channels").map(|channels| channels as u64),
            estimated_error: measure("estimated-error"),
        })
    }

    /// Milliseconds per image of bare passes in batches of `batch`.
    pub(crate) fn forward(&mut self, input: &Path, batch: u64, passes: u64) -> Outcome<f64> {
        let request = json!({ "do": "forward", "input": input, "batch": batch, "passes": passes });
        let answer = self.ask(&request)?;
        let facts = answer["seconds"].as_f64().zip(answer["passes"].as_f64());
        facts.map(|(seconds, passes)| 1000.0 * seconds / passes).ok_or_else(|| self.odd("no seconds"))
    }

    /// What the process holds of a GPU, for one that does not tell itself. Engines keep what they once took, so
    /// after an explain call this is its peak.
    fn held_of_gpu(&self) -> Option<f64> {
        if self.on_gpu { nvidia::held_by(self.child.id()) } else { None }
    }

    /// The processor time that the process has taken so far, in seconds, where the system tells: unlike the time that
    /// passes, it does not grow with what else the machine does.
    pub(crate) fn processor_seconds(&self) -> Option<f64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let nanoseconds = threads.flatten().filter_map(|thread| {
            let times = fs::read_to_string(thread.path().join("schedstat")).ok()?;
            times.split_whitespace().next()?.parse::<u64>().ok()
        });
        // A process that is there has a thread.
        Some(nanoseconds.sum::<u64>()).filter(|sum| *sum > 0).map(|sum| sum as f64 / 1e9)
    }

    fn ask(&mut self, request: &Value) -> Outcome<Value> {
        let asked = writeln!(self.asks, "{request}").is_ok();
        let mut line = String::new();
        let answered = asked && self.answers.read_line(&mut line).is_ok_and(|length| length > 0);
        if !answered {
            return Err(self.died());
        }
        let answer: Value = serde_json::from_str(&line).map_err(|_| self.odd(line.trim()))?;
        match answer["error"].as_str() {
            Some(why) => Err(Failure::new(format!("{} failed: {why}; {}", self.name, self.advice))),
            None => Ok(answer),
        }
    }

    fn odd(&self, what: &str) -> Failure {
        Failure::new(format!("{} gave an answer that is not understood: {what}", self.name))
    }

    /// Why the process is no more, from its own last words.
    fn died(&mut self) -> Failure {
        let status = self.child.wait().map_or_else(|cause| cause.to_string(), |status| status.to_string());
        let messages = fs::read(&self.log).unwrap_or_default();
        let messages = String::from_utf8_lossy(&messages);
        let last = messages.lines().rev().map(str::trim).find(|line| !line.is_empty());
        let last = last.unwrap_or("it left no message");
        Failure::new(format!("{} ended ({status}): {last}; {}", self.name, self.advice))
    }
}

impl Drop for Worker {
    /// A worker that hangs in a request is not waited for.
    fn drop(&mut self) {
        // Either fails only when the process is gone, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_ends_or_fails_is_named_with_its_reason_and_advice() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let workers = Workers {
            release: here.into(),
            cache: here,
            threads: 1,
            device: Device::Cpu,
            libtorch: None,
            folder: here.into(),
        };
        let check = |script: &str, expected: &str| {
            let mut command = Command::new("python3");
            command.args(["-c", script]);
            let mut worker = workers.start(command, "the peer", "leave it out").unwrap();
            let failure = worker.explain(&json!({})).err().unwrap().to_string();
            assert!(failure.starts_with("the peer ") && failure.contains(expected), "{failure}");
            assert!(!failure.contains('\n'), "{failure}");
        };
        let mut command = Command::new("python3");
        command.args(["-c", "sum(range(10**7)); print('{}', flush=True); input()"]);
        let mut busy = workers.start(command, "the peer", "leave it out").unwrap();
        assert!(busy.explain(&json!({})).is_err());
        assert!(!cfg!(target_os = "linux") || busy.processor_seconds().unwrap() > 0.01);
        check("import no_such_module", "No module named 'no_such_module'; leave it out");
        check("input(); print('{\"error\": \"no memory\"}')", "failed: no memory; leave it out");
        check("input(); print('no JSON')", "not understood: no JSON");
        check("input(); print('{}')", "not understood: no seconds");
    }
}
