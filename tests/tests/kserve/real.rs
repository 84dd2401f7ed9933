//! Real networks on MLServer, a server that is none of ours, with ONNX Runtime behind it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use scorecam::{ExplainOptions, Explainer, Explanation, Host, Image, Model, ModelRequest, Photo};
use scorecam_core::Bake;
use scorecam_tests::{Ended, cache, fetched, library, root};

const GRPC: usize = 1;
const HTTP: usize = 0;

/// The interpreter of an environment with MLServer, made when it is first wanted.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let environment = cache().join("kserve/environment");
        let python = environment.join("bin/python");
        let run = |program: &Path, arguments: &[&str]| {
            let ended = Ended::of(Command::new(program).args(arguments), Duration::from_secs(1200));
            let well = ended.status.is_some_and(|status| status.success());
            assert!(well, "{arguments:?}: {} {}", ended.how(), ended.stderr);
        };
        let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
        run(Path::new("python3"), &["-m", "venv", &text(&environment)]);
        let list = root().join("tests/kserve/requirements.txt");
        run(&python, &["-m", "pip", "install", "--quiet", "-r", &text(&list)]);
        python
    })
}

/// MLServer with some models; dropped, it is killed.
struct MlServer {
    process: Child,
    /// HTTP, gRPC, metrics.
    ports: [u16; 3],
    _folder: tempfile::TempDir,
}

impl MlServer {
    fn start(models: &[(&str, PathBuf)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.each_ref().map(|listener| listener.local_addr().expect("an address").port());
        drop(listeners);
        let [http, grpc, metrics] = ports;
        let settings = format!(
            "{{\"host\": \"127.0.0.1\", \"http_port\": {http}, \"grpc_port\": {grpc}, \"metrics_port\": {metrics}, \
             \"parallel_workers\": 0, \"debug\": false}}"
        );
        fs::write(folder.path().join("settings.json"), settings).expect("written");
        for (name, path) in models {
            let of_model = folder.path().join(name);
            fs::create_dir(&of_model).expect("a folder");
            let settings = format!(
                "{{\"name\": {name:?}, \"implementation\": \"onnx_runtime.OnnxModel\", \
                 \"parameters\": {{\"uri\": {path:?}}}}}"
            );
            fs::write(of_model.join("model-settings.json"), settings).expect("written");
        }
        let log = fs::File::create(folder.path().join("log.txt")).expect("a file");
        let mut command = Command::new(python().with_file_name("mlserver"));
        command.arg("start").arg(folder.path());
        command.env("PYTHONPATH", root().join("tests/kserve")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let mut server = Self { process: command.spawn().expect("MLServer starts"), ports, _folder: folder };
        server.wait();
        server
    }

    /// Waits until both ports are served.
    fn wait(&mut self) {
        let begun = Instant::now();
        let log = self._folder.path().join("log.txt");
        while self.ports[..2].iter().any(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            let log = || fs::read_to_string(&log).unwrap_or_default();
            assert!(self.process.try_wait().expect("ours").is_none(), "MLServer has ended: {}", log());
            assert!(begun.elapsed() < Duration::from_secs(120), "MLServer does not answer: {}", log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn endpoint(&self, port: usize) -> String {
        format!("{}://127.0.0.1:{}", if port == GRPC { "grpc" } else { "http" }, self.ports[port])
    }

    /// By SIGKILL, as a machine that fails would.
    fn kill(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for MlServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn host() -> Host {
    let host = Host::new().expect("the built-in methods register");
    for plugin in ["scorecam_kserve", "scorecam_onnx_cpu"] {
        host.load_plugin(&library(plugin)).expect("the plugin loads");
    }
    host
}

/// A network with its layer tapped and its head, and the model as `onnx-cpu` loads it.
struct Network {
    folder: tempfile::TempDir,
    name: &'static str,
    manifest: String,
    own: Model,
}

impl Network {
    fn new(host: &Host, name: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = fetched(&format!("models/{name}.toml"));
        let request = ModelRequest { path: manifest.clone(), threads: Some(1), ..Default::default() };
        let own = host.load_model(request).expect("the model loads");
        for (what, file) in
            [(Bake::Tap, "tapped.onnx"), (Bake::Head, "head.onnx"), (Bake::Masked, "masked.onnx")]
        {
            let path = folder.path().join(file);
            fs::write(&path, own.engine().bake("features", what, &path).expect("a model")).expect("written");
        }
        let manifest = fs::read_to_string(manifest).expect("a text").replace("backend = \"onnx-cpu\"\n", "");
        let manifest = manifest.replace(&format!("{name}.onnx"), "served.kserve");
        let labels = format!("labels = {:?}", fetched("models/imagenet_classes_1000.txt"));
        let manifest = manifest.replace("labels = \"imagenet_classes_1000.txt\"", &labels);
        Self { folder, name, manifest, own }
    }

    fn models(&self) -> [(&'static str, PathBuf); 3] {
        [("net", "tapped"), ("net-head", "head"), ("net-masked", "masked")]
            .map(|(name, file)| (name, self.folder.path().join(format!("{file}.onnx"))))
    }

    /// The model as it is served at some endpoints.
    fn served(&self, host: &Host, endpoints: &[String], lines: &str) -> Model {
        let path = self.folder.path().join("served.kserve");
        let text = format!("endpoints = {endpoints:?}\nmodel = \"net\"\nhead = \"net-head\"\n{lines}");
        fs::write(path, text).expect("written");
        let path = self.folder.path().join("served.toml");
        fs::write(&path, &self.manifest).expect("written");
        let request = ModelRequest { path, ..Default::default() };
        host.load_model(request).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }
}

fn explain(host: &Host, model: &Model, method: &str) -> Explanation {
    let set = match method {
        "score-cam-adaptive" => vec![("passes".to_owned(), "64".to_owned())],
        _ => Vec::new(),
    };
    let options =
        ExplainOptions { method: method.into(), set, batch_size: Some(16), ..ExplainOptions::default() };
    let pixels = image::open(fetched("photos/chelsea.png")).expect("a photo").into_rgb8();
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let photo = Photo::from_rgb8((width, height), pixels.into_raw()).expect("a photo");
    let explainer = Explainer::new(host, model, &options).unwrap_or_else(|e| panic!("{method}: {e}"));
    explainer.explain(&Image::from(photo)).unwrap_or_else(|e| panic!("{method}: {e}"))
}

/// Bytes that went over the loopback interface since the machine started, headers included.
fn loopback() -> u64 {
    let interfaces = fs::read_to_string("/proc/net/dev").expect("a system with its network interfaces");
    let line =
        interfaces.lines().find_map(|line| line.trim().strip_prefix("lo:")).expect("a loopback interface");
    line.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).expect("a number")
}

fn difference(a: &Explanation, b: &Explanation) -> f32 {
    assert_eq!(a.maps.shape(), b.maps.shape());
    a.maps.data().iter().zip(b.maps.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
#[ignore = "long: cargo xtask soak"]
fn maps_of_a_real_server_are_those_of_onnx_cpu() {
    let host = host();
    for name in ["squeezenet1_1", "efficientnet_lite0"] {
        let network = Network::new(&host, name);
        let server = MlServer::start(&network.models());
        // Of the last explanation, an exact one.
        let mut sent = 0;
        for port in [GRPC, HTTP] {
            let model = network.served(&host, &[server.endpoint(port)], "");
            for method in ["recipro-cam", "score-cam-adaptive", "score-cam"] {
                let (begun, before) = (Instant::now(), loopback());
                let found = explain(&host, &model, method);
                sent = loopback() - before;
                let off = difference(&found, &explain(&host, &network.own, method));
                println!(
                    "{name}, {}, {method}: off by {off:e}, {} passes, {sent} bytes, {:.1} s for both",
                    server.endpoint(port),
                    found.passes,
                    begun.elapsed().as_secs_f64()
                );
                assert!(off <= 1e-5, "{name}, {method}: off by {off}");
            }
        }
        let model = network.served(&host, &[server.endpoint(GRPC)], "masked = \"net-masked\"\n");
        let (begun, before) = (Instant::now(), loopback());
        let found = explain(&host, &model, "score-cam");
        let masked = loopback() - before;
        let off = difference(&found, &explain(&host, &network.own, "score-cam"));
        println!(
            "{name}, masks on the server: off by {off:e}, {} passes, {masked} bytes, {:.1?} for both",
            found.passes,
            begun.elapsed()
        );
        assert!(off <= 1e-5, "{name}, masks on the server: off by {off}");
        assert!(masked < sent / 10, "{name}: {masked} bytes with masks, {sent} with images");
    }
}

#[test]
#[ignore = "long: cargo xtask soak"]
fn a_server_that_is_killed_in_the_middle_changes_no_bit() {
    let host = host();
    let network = Network::new(&host, "squeezenet1_1");
    let (stays, mut goes) = (MlServer::start(&network.models()), MlServer::start(&network.models()));
    let model = network.served(&host, &[goes.endpoint(GRPC), stays.endpoint(GRPC)], "");
    let begun = Instant::now();
    let expected = explain(&host, &model, "score-cam");
    let whole = begun.elapsed();
    let (begun, found) = std::thread::scope(|scope| {
        let begun = Instant::now();
        let work = scope.spawn(|| explain(&host, &model, "score-cam"));
        std::thread::sleep(whole / 3);
        goes.kill();
        (begun, work.join().expect("no panic"))
    });
    println!("{whole:.1?} with two servers, {:.1?} with one killed in the middle", begun.elapsed());
    assert_eq!(found.maps, expected.maps);
}
