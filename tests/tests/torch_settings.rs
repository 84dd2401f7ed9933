//! The settings of the libtorch backend: another precision, memory format or number of batches in flight gives the
//! same map, within what the setting promises, and a wrong one is told what there is.
//!
//! Everything runs on the CPU, where f16 is slow and batches run one after the other; the code is the GPU's.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use scorecam::{Error, ErrorKind, ExplainOptions, Explanation, Host, Model, ModelRequest, Targets, Tensor};
use scorecam_core::{MaskedScores, Upsample};
use scorecam_tests::{CaseFile, explained, fetched, golden, pairs, torch_host};

/// What f16 may change of a map whose values reach 1, made of as few masks as here. Measured: SqueezeNet 0.0002,
/// EfficientNet-Lite0 0.02.
const HALF: f32 = 3e-2;
/// So few maps keep the tests short.
const CHANNELS: &str = "0,3,5,8,13,21,34,55,89,144,233";

fn try_load(host: &Host, path: &Path, settings: &[(&str, &str)]) -> scorecam_core::Result<Model> {
    host.load_model(ModelRequest {
        path: path.into(),
        threads: Some(1),
        settings: settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..Default::default()
    })
}

fn load(host: &Host, path: &Path, settings: &[(&str, &str)]) -> Model {
    try_load(host, path, settings).unwrap_or_else(|e| panic!("{} with {settings:?}: {e}", path.display()))
}

fn fetched_model(name: &str) -> PathBuf {
    fetched(&format!("models/{name}.ts.pt"))
}

fn run(host: &Host, model: &Model, input: &Tensor) -> Explanation {
    let options = ExplainOptions {
        set: pairs(&[("select", "list"), ("select_list", CHANNELS)]),
        targets: Targets::Classes(vec![282, 285]),
        ..ExplainOptions::default()
    };
    explained(host, model, &options, input).expect("an explanation")
}

/// The greatest difference of two tensors, as a part of the greatest magnitude of the first, at least 1.
fn far(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.shape(), b.shape());
    let scale = a.data().iter().fold(1.0f32, |most, v| most.max(v.abs()));
    a.data().iter().zip(b.data()).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / scale
}

#[test]
fn settings_change_no_map_by_more_than_they_promise() {
    let host = torch_host();
    let photo = fetched("photos/chelsea.png");
    let inputs: Vec<(String, Tensor)> = CaseFile::read("onnx.json")
        .inputs
        .iter()
        .map(|(key, crop)| (key.replace('-', "_"), crop.tensor(&photo)))
        .collect();
    for (name, input) in &inputs {
        let path = fetched_model(name);
        let exact = run(&host, &load(&host, &path, &[]), input);
        for (settings, promised) in [
            (&[("precision", "f16")][..], HALF),
            (&[("memory_format", "contiguous")], 1e-5),
            (&[("memory_format", "channels_last")], 1e-5),
            // The same passes in the same order: the same bits.
            (&[("in_flight", "2")], 0.0),
        ] {
            let found = run(&host, &load(&host, &path, settings), input);
            let far = far(&exact.maps, &found.maps);
            assert!(far <= promised, "{name} with {settings:?}: {far}");
        }
    }
}

/// Small masks and what they are laid over: for a model that takes [3, 16, 16].
struct MaskedFixture {
    images: Tensor,
    masks: Tensor,
    image_of: Vec<u32>,
}

impl MaskedFixture {
    fn new(masks: usize) -> Self {
        let values = |n: usize, step: usize| (0..n).map(|i| (i * step % 101) as f32 / 50.0 - 1.0).collect();
        Self {
            images: Tensor::new([2, 3, 16, 16], values(2 * 3 * 256, 31)).expect("images"),
            masks: Tensor::new([masks, 4, 4], values(masks * 16, 17)).expect("masks"),
            image_of: (0..masks as u32).map(|m| m * 7 % 2).collect(),
        }
    }

    fn scores(
        &self,
        model: &Model,
        on_batch: &dyn Fn(usize) -> scorecam_core::Result<()>,
    ) -> scorecam_core::Result<Tensor> {
        model.backend().masked_scores(&MaskedScores {
            images: self.images.view(),
            masks: self.masks.view(),
            cuts: &[],
            image_of_mask: &self.image_of,
            fill: None,
            upsample: Upsample::HalfPixel,
            batch_size: 4,
            on_batch,
        })
    }
}

#[test]
fn batches_in_flight_are_reported_in_order_and_stop_when_reported() {
    let host = torch_host();
    for (name, sizes) in [("plain.pt", vec![4, 4, 4, 1]), ("fixed_batch.pt", vec![2, 2, 2, 2, 2, 2, 1])] {
        let path = golden("torch").join(name);
        let fixture = MaskedFixture::new(13);
        let mut one_by_one = None;
        for in_flight in ["1", "2"] {
            let model = load(&host, &path, &[("in_flight", in_flight)]);
            let reported = RefCell::new(Vec::new());
            let tell = |n| {
                reported.borrow_mut().push(n);
                Ok(())
            };
            let scores = fixture.scores(&model, &tell).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(*reported.borrow(), sizes, "{name}, {in_flight} in flight");
            assert_eq!(one_by_one.get_or_insert(scores.clone()), &scores, "{name}, {in_flight} in flight");
            let stop = |n| {
                reported.borrow_mut().push(n);
                if reported.borrow().len() < sizes.len() + 2 { Ok(()) } else { Err(Error::cancelled()) }
            };
            let stopped = fixture.scores(&model, &stop).expect_err("cancelled");
            assert_eq!(stopped.kind(), ErrorKind::Cancelled);
            assert_eq!(reported.borrow().len(), sizes.len() + 2, "nothing is reported after the cancel");
            let none = MaskedFixture::new(0).scores(&model, &tell);
            assert!(none.is_err() || none.is_ok_and(|scores| scores.data().is_empty()), "{name}: no masks");
        }
    }
}

#[test]
fn models_of_every_form_run_with_every_setting() {
    let host = torch_host();
    let fixture = MaskedFixture::new(5);
    for name in [
        "plain.pt",
        "softmax.pt",
        "inplace.pt",
        "settings.pt",
        "plain_scripted.pt",
        "half_frozen.pt",
        "counts.pt",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = folder.path().join("model.toml");
        let file = golden("torch").join(name);
        let text = format!("[model]\nfile = {file:?}\nbackend = \"libtorch\"\n[input]\nsize = [16, 16]\n");
        std::fs::write(&manifest, text).expect("the manifest is written");
        let scores = |settings: &[(&str, &str)]| {
            let found = fixture.scores(&load(&host, &manifest, settings), &|_| Ok(()));
            found.unwrap_or_else(|e| panic!("{name} with {settings:?}: {e}"))
        };
        let exact = scores(&[]);
        for (settings, promised) in [
            (&[("precision", "f16")][..], 5e-3),
            (&[("precision", "f16"), ("memory_format", "contiguous")], 5e-3),
            (&[("memory_format", "channels_last")], 1e-5),
            (&[("in_flight", "2")], 0.0),
        ] {
            let far = far(&exact, &scores(settings));
            assert!(far <= promised, "{name} with {settings:?}: {far}");
        }
    }
}

#[test]
fn wrong_settings_are_refused_with_what_there_is() {
    let host = torch_host();
    let plain = golden("torch/plain.pt");
    for (settings, kind, words) in [
        (
            &[("speed", "1")][..],
            ErrorKind::NotFound,
            "runtime, optimization, precision, memory_format, in_flight",
        ),
        (&[("precision", "half")], ErrorKind::InvalidArgument, "\"half\"; give one of: f32, tf32, f16"),
        (&[("precision", "tf32")], ErrorKind::Unsupported, "which only GPUs have; on device \"cpu\" use f32"),
        (&[("memory_format", "nhwc")], ErrorKind::InvalidArgument, "auto, contiguous, channels_last"),
        (&[("in_flight", "0")], ErrorKind::InvalidArgument, "give one of: 1, 2"),
        (
            &[("precision", "f16"), ("optimization", "none")],
            ErrorKind::InvalidArgument,
            "setting \"precision\" changes the optimized graph",
        ),
    ] {
        let error = try_load(&host, &plain, settings).err().expect("refused");
        let message = error.to_string();
        assert_eq!(error.kind(), kind, "{message}");
        assert!(message.contains(words) && !message.contains('\n'), "{message}");
    }
}
