//! Photos that share batches get the maps that each gets alone, across the plugin boundary and on a real engine.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorecam::{Host, Model, ModelRequest, Result, Targets, Tensor, TensorView};
use scorecam_core::{Explanation, Forward, MaskedScores, Request, ViewInfo, ViewedModel, explain_many};
use scorecam_tests::{CaseFile, fetched, golden, library, pairs, read_npy, toy_host};

/// A model with the photos that it is to explain.
struct Folder {
    host: Host,
    model: Model,
    photos: Vec<Tensor>,
    method: &'static str,
    set: Vec<(String, String)>,
    batch_size: usize,
}

/// A model that counts the batches that it runs, but for those in which its backend masks images itself.
struct Counting<'a>(&'a dyn ViewedModel, AtomicUsize);

impl ViewedModel for Counting<'_> {
    fn info(&self) -> &ViewInfo {
        self.0.info()
    }

    fn forward(&self, batch: TensorView<'_>, taps: &[&str]) -> Result<Forward> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.forward(batch, taps)
    }

    fn masked_scores(&self, request: &MaskedScores<'_>) -> Result<Tensor> {
        match self.info().abilities.masked {
            true => self.0.masked_scores(request),
            false => request.on_cpu(self),
        }
    }
}

impl Folder {
    fn explain(&self, at_once: usize) -> Vec<Explanation> {
        self.explain_counted(at_once).0
    }

    /// The explanations, and how many batches were run for them.
    fn explain_counted(&self, at_once: usize) -> (Vec<Explanation>, usize) {
        let model = Counting(self.model.backend(), AtomicUsize::new(0));
        let method = self.host.method(self.method).expect("the method is built in");
        let options = method.info().resolve(None, &self.set).expect("the options resolve");
        let requests = self.photos.iter().map(|photo| {
            Ok(Request {
                input: Arc::new(photo.clone()),
                reference: None,
                targets: Targets::Top(1),
                layer: self.model.layer(),
                options: &options,
                batch_size: Some(self.batch_size),
                progress: None,
                time_up: None,
                previous: None,
            })
        });
        let mut found = vec![None; self.photos.len()];
        explain_many(&model, method.as_ref(), requests, at_once, |position, result| {
            found[position] = Some(result.expect("an explanation"));
            ControlFlow::Continue(())
        });
        (found.into_iter().map(|e| e.expect("explained")).collect(), model.1.into_inner())
    }
}

#[test]
fn toy_photos_that_share_batches_get_the_bits_of_those_that_do_not() {
    let host = toy_host();
    let folder = tempfile::tempdir().expect("a folder");
    let plain = std::fs::read_to_string(golden("toy/plain.toy")).expect("the model");
    let photo = read_npy(&golden("toy/input-3x32x32.npy"));
    let photos = (0..7).map(|i| {
        let dimmed = photo.data().iter().map(|v| v * (1.0 - 0.1 * i as f32)).collect();
        Tensor::new(photo.shape(), dimmed).expect("a photo")
    });
    let photos: Vec<Tensor> = photos.collect();
    for (name, more) in [("own", ""), ("default", "abilities = []"), ("fixed", "abilities = []\nbatch = 7")] {
        let path = folder.path().join(format!("{name}.toy"));
        std::fs::write(&path, format!("{plain}\n{more}\n")).expect("a model");
        for (method, option, value) in [
            ("score-cam", "fill", "zero"),
            ("score-cam", "fill", "blur"),
            // Its masks depend on the scores of those before, and come a few at a time.
            ("score-cam-adaptive", "passes", "11"),
            ("score-cam-adaptive", "error", "0.3"),
        ] {
            let model = host.load_model(ModelRequest { path: path.clone(), ..Default::default() });
            let set = vec![(option.to_owned(), value.to_owned())];
            let model = model.expect("the model loads");
            let folder =
                Folder { host: toy_host(), model, photos: photos.clone(), method, set, batch_size: 7 };
            let alone = folder.explain(1);
            assert_eq!(folder.explain(3), alone, "{name}, {method} {option}={value}");
            assert_eq!(folder.explain(5), alone, "{name}, {method} {option}={value}");
        }
    }
}

#[test]
fn a_folder_runs_as_many_batches_as_its_masks_fill() {
    let host = toy_host();
    let folder = tempfile::tempdir().expect("a folder");
    let plain = std::fs::read_to_string(golden("toy/plain.toy")).expect("the model");
    let path = folder.path().join("fixed.toy");
    std::fs::write(&path, format!("{plain}\nabilities = []\nbatch = 16\n")).expect("a model");
    let model = host.load_model(ModelRequest { path, ..Default::default() }).expect("the model loads");
    let photos = vec![read_npy(&golden("toy/input-3x32x32.npy")); 8];
    let set = pairs(&[("select", "std"), ("select_count", "4")]);
    let folder = Folder { host, model, photos, method: "score-cam", set, batch_size: 16 };
    // Each photo has a first pass of its own and four masks.
    for (at_once, expected) in [(1, 8 + 8), (2, 8 + 4), (4, 8 + 2), (8, 8 + 2)] {
        assert_eq!(folder.explain_counted(at_once).1, expected, "{at_once} at once");
    }
}

#[test]
fn onnx_photos_that_share_batches_get_the_maps_of_those_that_do_not() {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    let path = fetched("models/squeezenet1_1.onnx");
    let model = host.load_model(ModelRequest { path, ..Default::default() }).expect("the model loads");
    let crop = &CaseFile::read("onnx.json").inputs["squeezenet1_1"];
    let photos = ["chelsea", "coffee", "chelsea"].map(|p| crop.tensor(&fetched(&format!("photos/{p}.png"))));
    let set = pairs(&[("select", "std"), ("select_count", "5")]);
    let photos = photos.to_vec();
    let folder = Folder { host, model, photos, method: "score-cam", set, batch_size: 4 };
    let (alone, shared) = (folder.explain(1), folder.explain(3));
    for (a, b) in alone.iter().zip(&shared) {
        assert_eq!((a.targets[0].class, a.passes), (b.targets[0].class, b.passes));
        for (a, b) in a.maps.data().iter().zip(b.maps.data()) {
            assert!((a - b).abs() <= 1e-6, "{a} alone, {b} in company");
        }
    }
    assert_eq!(folder.explain(3), shared, "equal runs give equal bits");
}
