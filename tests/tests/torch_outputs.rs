//! TorchScript models with several outputs: each is described for what it is, and a call computes and gives those that are
//! wanted and no others.
//!
//! The detectors are those of `tests/golden/targets/make_torch_detectors.py`; `targets.rs` compares what is made of them.

use std::path::PathBuf;

use scorecam::{ErrorKind, Host, Model, ModelRequest, Tensor};
use scorecam_core::{
    BatchRule, ElementType, Inputs, MaskedRequest, ModelBackend, OutputInfo, TensorView, Upsample, written,
};
use scorecam_tests::{golden, pairs, read_npy, refused, torch_host, torch_model};

const SIZE: [usize; 2] = [32, 32];

fn file(name: &str) -> PathBuf {
    let form = golden("torch/forms").join(format!("{name}.pt"));
    if form.is_file() { form } else { golden("targets/torch").join(format!("{name}.pt")) }
}

fn load(host: &Host, name: &str) -> Model {
    torch_model(host, &file(name), SIZE, None).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// With settings of the backend, in a manifest.
fn load_with(host: &Host, name: &str, settings: &[(&str, &str)]) -> Model {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.toml");
    let text = format!("[model]\nfile = {:?}\n[input]\nsize = {SIZE:?}\n", file(name));
    std::fs::write(&path, text).expect("written");
    let request = ModelRequest {
        path,
        backend: Some("libtorch".into()),
        threads: Some(1),
        settings: pairs(settings),
        ..Default::default()
    };
    host.load_model(request).unwrap_or_else(|e| panic!("{name} with {settings:?}: {e}"))
}

/// The image of the detectors' golden values, as many times as asked for, each darker than the one before.
fn images(n: usize) -> Tensor {
    let image = read_npy(&golden("targets/models/input.npy"));
    let values = (0..n).flat_map(|i| image.data().iter().map(move |v| v / (1.0 + i as f32)));
    Tensor::new([n, 3, 32, 32], values.collect()).expect("a batch")
}

fn outputs(model: &dyn ModelBackend, batch: &Tensor, wanted: &[&str]) -> Vec<Tensor> {
    model.forward(&Inputs::of(batch.view()), wanted).unwrap_or_else(|e| panic!("{wanted:?}: {e}"))
}

fn far(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn outputs_are_described_for_what_they_are() {
    let host = torch_host();
    let in_words = |o: &OutputInfo| {
        let rows = if o.per_image { "" } else { " of all images" };
        format!("{} {} {}{rows}", o.name, o.element, written(&o.shape))
    };
    for (name, expected) in [
        ("ssd_tuple", &["0 f32 [N, 64, 4]", "1 f32 [N, 64, 5]"][..]),
        ("detr", &["logits f32 [N, 10, 5]", "pred_boxes f32 [N, 10, 4]"]),
        ("detr_list", &["0 f32 [N, 10, 4]", "1 f32 [N, 10, 5]"]),
        ("detr_nested", &["0 f32 [N, 5]", "1.boxes f32 [N, 10, 4]", "1.logits f32 [N, 10, 5]"]),
        (
            "kept",
            &[
                "boxes f32 [N, 4] of all images",
                "labels i64 [N] of all images",
                "scores f32 [N] of all images",
            ],
        ),
        (
            "kept_of_each",
            &[
                "0.boxes f32 [N, 4] of all images",
                "0.labels i64 [N] of all images",
                "0.scores f32 [N] of all images",
            ],
        ),
        ("with_boxes_by_name", &["boxes f32 [N, 64, 4]", "class i64 [N]", "scores f32 [N, 5]"]),
        ("with_others", &["0 f32 [N, 5]"]),
    ] {
        let model = load(&host, name);
        let info = model.engine().info();
        assert_eq!(info.outputs.iter().map(in_words).collect::<Vec<_>>(), expected, "{name}");
        assert!(matches!(info.batch, BatchRule::Any { .. }), "{name}: {:?}", info.batch);
    }
    let scores = |name: &str| load(&host, name).info().scores.clone();
    for name in ["ssd_tuple", "detr", "detr_list", "kept", "kept_of_each"] {
        refused(
            scores(name),
            ErrorKind::Unsupported,
            &["none of the model's outputs looks like class scores"],
        );
    }
    assert_eq!(scores("detr_nested").map(|o| o.name), Ok("0".into()));
    assert_eq!(scores("with_others").map(|o| o.name), Ok("0".into()));
    let named = torch_model(&host, &file("with_others"), SIZE, Some("2"));
    refused(named, ErrorKind::Unsupported, &["with_others.pt", "output \"2\" is Int"]);
}

#[test]
fn a_call_gives_what_is_wanted_in_its_order() {
    let host = torch_host();
    for (name, [first, second]) in
        [("ssd_tuple", ["0", "1"]), ("detr", ["logits", "pred_boxes"]), ("kept", ["labels", "boxes"])]
    {
        let (model, batch) = (load(&host, name), images(2));
        let engine = model.engine();
        let alone = [first, second].map(|output| outputs(engine, &batch, &[output]).remove(0));
        let found = outputs(engine, &batch, &[second, "features", first, second]);
        assert_eq!(found[1].shape(), [2, 12, 8, 8], "{name}");
        // One of these ran on the frozen graph, the other as it was exported.
        for (found, alone) in [(&found[0], &alone[1]), (&found[2], &alone[0]), (&found[3], &alone[1])] {
            assert!(far(found, alone) < 1e-4, "{name}");
        }
        let both = outputs(engine, &batch, &[second, first]);
        assert!(far(&both[0], &alone[1]) < 1e-4 && far(&both[1], &alone[0]) < 1e-4, "{name}");
    }
}

#[test]
fn what_is_not_wanted_is_not_computed() {
    let host = torch_host();
    for settings in [&[][..], &[("optimization", "none")], &[("memory_format", "channels_last")]] {
        let model = load_with(&host, "fails_beside", settings);
        let engine = model.engine();
        let bright = Tensor::new([1, 3, 32, 32], vec![101.0; 3072]).expect("an image");
        let inputs = Inputs::of(bright.view());
        refused(engine.forward(&inputs, &["place"]), ErrorKind::Model, &["out of bounds"]);
        refused(engine.forward(&inputs, &["scores", "place"]), ErrorKind::Model, &["out of bounds"]);
        let scores = outputs(engine, &bright, &["scores"]);
        let with_layer = outputs(engine, &bright, &["scores", "trunk"]);
        assert!(far(&scores[0], &with_layer[0]) < 1e-3, "{settings:?}");
        let maps = with_layer[1].view();
        let from = engine.run_from(&inputs, "trunk", maps, &["scores"]).expect("runs");
        assert!(far(&from[0], &scores[0]) < 1e-3, "{settings:?}");
        engine.gradients(&inputs, "trunk", &[("scores", scores[0].view())]).expect("differentiates");
    }
}

#[test]
fn whole_numbers_and_empty_lists_are_read() {
    let host = torch_host();
    let model = load(&host, "kept");
    let engine = model.engine();
    assert_eq!(engine.info().outputs[1].element, ElementType::new(0, 64));
    let wanted = ["boxes", "scores", "labels"];
    let found = outputs(engine, &images(1), &wanted);
    assert_eq!([found[0].shape(), found[1].shape(), found[2].shape()], [&[7, 4][..], &[7], &[7]]);
    assert!(found[2].data().iter().all(|label| [0.0, 1.0, 2.0, 3.0].contains(label)));
    // Of several images in one list, in their order.
    let two = outputs(engine, &images(2), &wanted);
    assert_eq!(two[2].data()[..7], *found[2].data());
    // Somewhere on the way from the image to its negative nothing is kept.
    let none = (0..40).find_map(|i| {
        let scale = 1.0 - i as f32 * 0.25;
        let values = images(1).data().iter().map(|v| v * scale).collect();
        let found = outputs(engine, &Tensor::new([1, 3, 32, 32], values).expect("an image"), &wanted);
        found[1].data().is_empty().then_some(found)
    });
    let none = none.expect("an image without detections");
    assert_eq!([none[0].shape(), none[1].shape(), none[2].shape()], [&[0, 4][..], &[0], &[0]]);
}

#[test]
fn masked_images_give_all_outputs_batch_by_batch() {
    let host = torch_host();
    let masks = Tensor::new([5, 2, 2], (0..20).map(|i| (i * 7 % 11) as f32 / 10.0).collect()).expect("masks");
    for (name, wanted, batch_size) in [
        ("ssd_tuple", &["1", "0"][..], 2),
        ("detr_list", &["0", "1", "0"], 4),
        ("detr_nested", &["1.logits", "0"], 2),
        // Of a list nobody can tell whose its rows are: a pass for each image.
        ("kept", &["scores", "labels"], 1),
    ] {
        let (model, image) = (load(&host, name), images(1));
        let engine = model.engine();
        let request = MaskedRequest {
            inputs: Inputs::of(image.view()),
            fill: None,
            masks: masks.view(),
            cuts: &[],
            image_of_mask: &[],
            upsample: Upsample::HalfPixel,
            batch_size,
        };
        let collect = |run: &dyn Fn(&mut scorecam_core::EachBatch<'_>) -> scorecam::Result<()>| {
            let mut batches = Vec::new();
            let mut each = |n: usize, tensors: &[TensorView<'_>]| {
                batches.push((n, tensors.iter().map(TensorView::to_tensor).collect::<Vec<_>>()));
                Ok(())
            };
            run(&mut each).unwrap_or_else(|e| panic!("{name}: {e}"));
            batches
        };
        let own = collect(&|each| engine.masked(&request, wanted, each));
        let plain = collect(&|each| request.on_cpu(engine, wanted, each));
        assert_eq!(own.len(), plain.len(), "{name}");
        for ((n, own), (m, plain)) in own.iter().zip(&plain) {
            assert_eq!((n, own.len()), (m, wanted.len()), "{name}");
            assert!(own.iter().zip(plain).all(|(a, b)| far(a, b) < 1e-4), "{name}");
        }
    }
}

#[test]
fn runs_from_a_layer_and_gradients_take_several_outputs() {
    let host = torch_host();
    for (name, [first, second]) in
        [("ssd_tuple", ["0", "1"]), ("detr_list", ["0", "1"]), ("kept_of_each", ["0.boxes", "0.scores"])]
    {
        let (model, image) = (load(&host, name), images(1));
        let (engine, inputs) = (model.engine(), Inputs::of(image.view()));
        let found = outputs(engine, &image, &[first, second, "features"]);
        let from = engine.run_from(&inputs, "features", found[2].view(), &[second, first]).expect(name);
        assert!(far(&from[0], &found[1]) < 1e-4 && far(&from[1], &found[0]) < 1e-4, "{name}");

        let ones = |tensor: &Tensor| {
            Tensor::new(tensor.shape().to_vec(), vec![1.0; tensor.data().len()]).expect("a cotangent")
        };
        let (a, b) = (ones(&found[0]), ones(&found[1]));
        let slopes = |cotangents: &[(&str, TensorView<'_>)]| {
            engine.gradients(&inputs, "features", cotangents).unwrap_or_else(|e| panic!("{name}: {e}"))
        };
        let both = slopes(&[(first, a.view()), (second, b.view())]);
        let (of_a, of_b) = (slopes(&[(first, a.view())]), slopes(&[(second, b.view())]));
        let sum = of_a.data().iter().zip(of_b.data()).map(|(a, b)| a + b).collect();
        assert!(far(&both, &Tensor::new(both.shape().to_vec(), sum).expect("a sum")) < 1e-4, "{name}");
        // Softmaxes of SSD sum to 1, so theirs has no slope; boxes have.
        assert!(of_a.data().iter().any(|v| v.abs() > 1e-3), "{name}");
    }
    let (model, image) = (load(&host, "kept"), images(1));
    let (engine, inputs) = (model.engine(), Inputs::of(image.view()));
    let found = outputs(engine, &image, &["labels", "scores"]);
    let (labels, scores) = (("labels", found[0].view()), ("scores", found[1].view()));
    let of_scores = engine.gradients(&inputs, "features", &[scores]).expect("scores have a derivative");
    assert_eq!(engine.gradients(&inputs, "features", &[labels, scores]), Ok(of_scores), "labels have none");
    let of_labels = engine.gradients(&inputs, "features", &[labels]);
    refused(of_labels, ErrorKind::Model, &["features", "has a derivative"]);
    let wrong = engine.gradients(&inputs, "features", &[("boxes", found[1].view())]);
    refused(wrong, ErrorKind::InvalidArgument, &["\"boxes\"", "[7]", "[N, 4]"]);
    let unknown = engine.gradients(&inputs, "features", &[("other", found[1].view())]);
    refused(unknown, ErrorKind::NotFound, &["\"other\"", "boxes, labels, scores"]);
}

#[test]
fn settings_change_no_output_by_more_than_they_promise() {
    let host = torch_host();
    for (name, wanted) in [("ssd_tuple", ["0", "1"]), ("detr", ["logits", "pred_boxes"])] {
        let exact = outputs(load(&host, name).engine(), &images(2), &wanted);
        for (settings, promised) in [
            (&[("precision", "f16")][..], 2e-2),
            (&[("memory_format", "channels_last")], 1e-5),
            (&[("memory_format", "contiguous")], 1e-5),
            (&[("optimization", "none")], 1e-5),
        ] {
            let model = load_with(&host, name, settings);
            let found = outputs(model.engine(), &images(2), &wanted);
            for (found, exact) in found.iter().zip(&exact) {
                assert!(far(found, exact) <= promised, "{name} {settings:?}: {}", far(found, exact));
            }
            let unmeasured = model.remarks().iter().any(|remark| remark.contains("was not measured"));
            assert_eq!(unmeasured, promised == 2e-2, "{name} {settings:?}");
        }
    }
}
