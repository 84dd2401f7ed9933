//! Masked images made by the graph in front of a model: the path of GPUs, run on ONNX Runtime's CPU provider.
//!
//! The networks here hand on their input as class scores, so what is compared are the masked images themselves,
//! pixel for pixel, with those that core makes.

mod common;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use common::{
    Attribute, F32, Function, Net, Opset, classifier, config, float, forward, image, load, masked, node,
    sequence, value,
};
use ort::memory::AllocationDevice;
use scorecam_core::{
    BackendLoader, Cut, Error, ErrorKind, Inputs, Layout, MaskedRequest, ModelBackend, ModelConfig,
    Readiness, Result, Tensor, TensorView, Upsample,
};
use scorecam_onnx::{Accelerator, Device, DeviceMemory, Masks, OnnxLoader, RuntimeRelease, Settings, ort};

/// The masks of one request: more than two batches, and an odd rest.
const MASKS: usize = 11;
const BATCH: usize = 4;

/// Makes masks by the graph, batch after batch.
struct InTurn;

/// Takes the CPU's memory for that of an accelerator: batches of planned sizes, two under way at a time.
struct InFlight;

impl Accelerator for InTurn {
    fn readiness(&self, _: Option<&str>) -> Result<Readiness> {
        Ok(Readiness::on_cpu())
    }

    fn device(&self, _: &ModelConfig, _: &Settings) -> Result<Device> {
        Ok(Device { masks: Masks::OnDevice, ..Device::cpu() })
    }
}

impl Accelerator for InFlight {
    fn readiness(&self, _: Option<&str>) -> Result<Readiness> {
        Ok(Readiness::on_accelerator("the CPU in disguise"))
    }

    fn device(&self, _: &ModelConfig, _: &Settings) -> Result<Device> {
        let memory = Some(DeviceMemory { kind: AllocationDevice::CPU, index: 0 });
        Ok(Device { masks: Masks::OnDevice, memory, ..Device::cpu() })
    }
}

fn in_turn() -> OnnxLoader {
    OnnxLoader::accelerated("graph", RuntimeRelease::CPU, &InTurn)
}

fn in_flight() -> OnnxLoader {
    OnnxLoader::accelerated("graph", RuntimeRelease::CPU, &InFlight)
}

/// Its scores are its input.
fn handing_on(folder: &Path, shape: &[i64]) -> PathBuf {
    let cells = shape[1..].iter().product();
    let net = Net::new(shape).node("Flatten", "input", "pixels").output("pixels", &[shape[0], cells]);
    net.save(folder, "handing_on.onnx")
}

/// What a request is made of.
struct MaskedFixture {
    images: Tensor,
    fill: Option<Tensor>,
    masks: Tensor,
    cuts: Vec<Cut>,
    image_of_mask: Vec<u32>,
    upsample: Upsample,
}

impl MaskedFixture {
    fn new(images: usize, fill: bool, upsample: Upsample) -> Self {
        let shape = [images, 3, 24, 17];
        let image_of_mask = if images == 1 { vec![] } else { (0..MASKS as u32).map(|m| m * 5 % 3).collect() };
        Self {
            images: image(shape, 1),
            fill: fill.then(|| image(shape, 2)),
            masks: Tensor::new([MASKS, 5, 7], sequence(MASKS * 35, 3)).expect("of that length"),
            cuts: vec![],
            image_of_mask,
            upsample,
        }
    }

    /// Cuts of two rank maps: one in reading order, one backwards.
    fn of_cuts(images: usize, fill: bool) -> Self {
        let pixels = 24 * 17;
        let ranks = (0..pixels).chain((0..pixels).rev()).map(|rank| rank as f32).collect::<Vec<_>>();
        let cut = |m: u32| Cut { map: m % 2, count: m * pixels as u32 / 10 };
        Self {
            masks: Tensor::new([2, 24, 17], ranks).expect("of that length"),
            cuts: (0..MASKS as u32).map(cut).collect(),
            ..Self::new(images, fill, Upsample::Nearest)
        }
    }

    fn request(&self) -> MaskedRequest<'_> {
        MaskedRequest {
            inputs: Inputs::of(self.images.view()),
            fill: self.fill.as_ref().map(Tensor::view),
            masks: self.masks.view(),
            cuts: &self.cuts,
            image_of_mask: &self.image_of_mask,
            upsample: self.upsample,
            batch_size: BATCH,
        }
    }
}

fn largest_difference(a: TensorView<'_>, b: TensorView<'_>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Runs the fixture by the graph and by core, and compares; `batches` are those in turn and those in flight.
fn compare(fixture: &MaskedFixture, config: &ModelConfig, batches: (&[usize], &[usize])) {
    let wanted = masked(&*load(config).expect("the model loads"), &fixture.request(), &mut |_| Ok(()));
    let wanted = wanted.expect("core makes them");
    for (loader, batches) in [(in_turn(), batches.0), (in_flight(), batches.1)] {
        let model = loader.load(config).expect("the model loads");
        assert!(model.info().abilities.masked);
        let seen = RefCell::new(vec![]);
        let mut note = |n: usize| {
            seen.borrow_mut().push(n);
            Ok(())
        };
        let found = masked(&*model, &fixture.request(), &mut note).expect("the graph makes them");
        let far = largest_difference(found.view(), wanted.view());
        let what = (fixture.upsample, fixture.images.shape()[0], fixture.fill.is_some(), config.layout);
        assert!(far <= 1e-5, "{what:?}: {far} between the graph's masked images and core's");
        assert_eq!(*seen.borrow(), batches, "{what:?}: the masks of each batch, in order");
    }
}

#[test]
fn the_graph_makes_the_masked_images_that_core_makes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = handing_on(folder.path(), &[0, 3, 24, 17]);
    for (images, fill) in [(1, false), (3, true)] {
        compare(&MaskedFixture::of_cuts(images, fill), &config(&path), (&[4, 4, 3], &[4, 4, 3]));
    }
    for upsample in Upsample::ALL {
        for images in [1, 3] {
            for fill in [false, true] {
                compare(
                    &MaskedFixture::new(images, fill, upsample),
                    &config(&path),
                    (&[4, 4, 3], &[4, 4, 3]),
                );
            }
        }
    }
}

#[test]
fn a_model_of_channels_last_gets_them_in_its_own_order() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = handing_on(folder.path(), &[0, 24, 17, 3]);
    let config = ModelConfig { layout: Some(Layout::Nhwc), ..config(&path) };
    for (images, fill) in [(1, false), (3, true)] {
        compare(&MaskedFixture::new(images, fill, Upsample::HalfPixel), &config, (&[4, 4, 3], &[4, 4, 3]));
    }
}

#[test]
fn a_fixed_batch_is_filled_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = handing_on(folder.path(), &[5, 3, 24, 17]);
    for fill in [false, true] {
        compare(&MaskedFixture::new(1, fill, Upsample::Bicubic), &config(&path), (&[5, 5, 1], &[5, 5, 1]));
    }
}

#[test]
fn one_mask_and_one_image_are_enough() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = handing_on(folder.path(), &[0, 3, 24, 17]);
    let mut fixture = MaskedFixture::new(1, false, Upsample::HalfPixel);
    fixture.masks = Tensor::new([1, 1, 1], vec![0.25]).expect("of that length");
    fixture.image_of_mask = vec![0];
    compare(&fixture, &config(&path), (&[1], &[1]));
}

#[test]
fn what_is_left_over_does_not_cost_a_whole_batch() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = handing_on(folder.path(), &[0, 3, 24, 17]);
    let mut fixture = MaskedFixture::new(1, false, Upsample::HalfPixel);
    fixture.masks = Tensor::new([5, 5, 7], sequence(5 * 35, 3)).expect("of that length");
    compare(&fixture, &config(&path), (&[4, 1], &[4, 1]));
}

#[test]
fn sizes_whose_scores_are_not_those_of_one_image_are_halved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let to_float = Attribute { name: "to".into(), int: F32.into(), kind: 2, ..Attribute::default() };
    // From three images on all scores are off, as where an engine takes another precision for larger batches.
    let net = Net::new(&[0, 3, 24, 17])
        .node("Shape", "input", "shape")
        .integers("first", &[0])
        .node("Gather", "shape first", "count")
        .node_having("Cast", "count", "images", to_float)
        .node_having("Constant", "", "two", float("value_float", 2.0))
        .node("Sub", "images two", "beyond")
        .node("Relu", "beyond", "late")
        .node_having("Constant", "", "little", float("value_float", 1e-2))
        .node("Mul", "late little", "off")
        .node("Flatten", "input", "pixels")
        .node("Add", "pixels off", "scores")
        .output("scores", &[0, 3 * 24 * 17]);
    let path = net.save(folder.path(), "off.onnx");
    let fixture = MaskedFixture::new(1, false, Upsample::HalfPixel);
    let exact = handing_on(folder.path(), &[0, 3, 24, 17]);
    let exact =
        masked(&*load(&config(&exact)).expect("the model loads"), &fixture.request(), &mut |_| Ok(()));
    let exact = exact.expect("scores");
    let model = in_flight().load(&config(&path)).expect("the model loads");
    for _ in 0..2 {
        let seen = RefCell::new(vec![]);
        let mut note = |n: usize| {
            seen.borrow_mut().push(n);
            Ok(())
        };
        let found = masked(&*model, &fixture.request(), &mut note).expect("scores");
        assert_eq!(*seen.borrow(), [2, 2, 2, 2, 2, 1]);
        assert!(largest_difference(found.view(), exact.view()) <= 1e-5);
    }
}

#[test]
fn a_batch_size_of_0_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fixture = MaskedFixture::new(1, false, Upsample::HalfPixel);
    for shape in [[0, 3, 24, 17], [5, 3, 24, 17]] {
        let path = handing_on(folder.path(), &shape);
        for loader in [in_turn(), in_flight()] {
            let model = loader.load(&config(&path)).expect("the model loads");
            let request = MaskedRequest { batch_size: 0, ..fixture.request() };
            let error = masked(&*model, &request, &mut |_| Ok(())).expect_err("no images at all");
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        }
    }
}

#[test]
fn a_request_that_is_cancelled_ends_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = handing_on(folder.path(), &[0, 3, 24, 17]);
    let fixture = MaskedFixture::new(1, false, Upsample::HalfPixel);
    for loader in [in_turn(), in_flight()] {
        let model = loader.load(&config(&path)).expect("the model loads");
        let calls = RefCell::new(0);
        let mut cancel = |_| {
            *calls.borrow_mut() += 1;
            Err(Error::cancelled())
        };
        let error = masked(&*model, &fixture.request(), &mut cancel).expect_err("it was cancelled");
        assert_eq!((error.kind(), *calls.borrow()), (ErrorKind::Cancelled, 1));
    }
}

#[test]
fn images_that_do_not_fit_the_model_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = handing_on(folder.path(), &[0, 3, 24, 18]);
    let fixture = MaskedFixture::new(1, false, Upsample::HalfPixel);
    let model = in_turn().load(&config(&path)).expect("the model loads");
    let error = masked(&*model, &fixture.request(), &mut |_| Ok(())).expect_err("another width").to_string();
    assert!(error.contains("[N, 3, 24, 18]") && error.contains("[1, 3, 24, 17]"), "{error}");
}

fn in_precision(path: &Path, precision: &str) -> ModelConfig {
    ModelConfig { settings: [("precision".into(), precision.into())].into(), ..config(path) }
}

#[test]
fn a_model_in_f16_gives_nearly_the_same() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut net = classifier(0);
    // A declared inner tensor must change its type with the others.
    net.graph.value_info.push(value("relu2", F32, &[0, 6, 8, 8]));
    let path = net.save(folder.path(), "m.onnx");
    let full = load(&config(&path)).expect("the model loads");
    assert!(full.remarks().is_empty());
    let half = in_flight().load(&in_precision(&path, "f16")).expect("the model loads in f16");
    let [remark] = &half.remarks()[..] else { panic!("one remark, not {:?}", half.remarks()) };
    assert!(remark.starts_with("precision f16: ") && remark.contains(" % of their range"), "{remark}");
    assert_eq!(full.info().layers, half.info().layers, "a caller sees f32 whatever runs");
    let batch = image([3, 3, 8, 8], 4);
    let pass = |model: &dyn ModelBackend| forward(model, batch.view(), &["relu2"]).expect("a pass");
    let (a, b) = (pass(&*full), pass(&*half));
    let far = largest_difference(a.scores.view(), b.scores.view());
    assert!(far > 0.0 && far < 2e-3, "{far} between scores of f16 and f32");
    assert!(largest_difference(a.activations[0].view(), b.activations[0].view()) < 2e-3);
    let masks = Tensor::new([MASKS, 2, 2], sequence(MASKS * 4, 5)).expect("of that length");
    let shown = image([1, 3, 8, 8], 6);
    let request = MaskedRequest {
        inputs: Inputs::of(shown.view()),
        fill: None,
        masks: masks.view(),
        cuts: &[],
        image_of_mask: &[],
        upsample: Upsample::HalfPixel,
        batch_size: BATCH,
    };
    let scores = |model: &dyn ModelBackend| masked(model, &request, &mut |_| Ok(())).expect("scores");
    let far = largest_difference(scores(&*full).view(), scores(&*half).view());
    assert!(far > 0.0 && far < 2e-3, "{far} between masked scores of f16 and f32");
}

#[test]
fn constants_and_types_that_operators_name_turn_to_f16_with_the_weights() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let floats = Attribute {
        name: "value_floats".into(),
        floats: vec![1.5, 1.0, 0.5, 2.0, 1.0, 3.0],
        kind: 6,
        ..Attribute::default()
    };
    let dtype = Attribute { name: "dtype".into(), int: F32.into(), kind: 2, ..Attribute::default() };
    let mut net = Net::new(&[0, 3, 8, 8])
        .conv("input", "conv1", (3, 6))
        .node_having("Constant", "", "low", float("value_float", 0.0))
        // "None", as exporters write it: far beyond f16.
        .node_having("Constant", "", "high", float("value_float", f32::MAX))
        .node("Clip", "conv1 low high", "clipped")
        .node("GlobalAveragePool", "clipped", "gap")
        .node("Flatten", "gap", "flat")
        .node_having("Constant", "", "gains", floats)
        .node("Mul", "flat gains", "gained")
        .integers("side", &[6, 6])
        .node("ConstantOfShape", "side", "zeros")
        .node_having("EyeLike", "zeros", "one", dtype)
        .node("Add", "one zeros", "matrix")
        .node("MatMul", "gained matrix", "turned")
        .node("Twice", "turned", "logits")
        .output("logits", &[0, 6]);
    net.graph.node.last_mut().expect("nodes").domain = "local".into();
    net.functions.push(Function {
        name: "Twice".into(),
        domain: "local".into(),
        input: vec!["x".into()],
        output: vec!["y".into()],
        node: vec![
            node("Constant", "", "two", vec![float("value_float", 2.0)]),
            node("Mul", "x two", "y", vec![]),
        ],
        opset_import: vec![Opset { domain: String::new(), version: 13 }],
    });
    let path = net.save(folder.path(), "m.onnx");
    let full = load(&config(&path)).expect("the model loads");
    let half = in_turn().load(&in_precision(&path, "f16")).expect("the model loads in f16");
    let batch = image([2, 3, 8, 8], 4);
    let scores = |model: &dyn ModelBackend| forward(model, batch.view(), &[]).expect("a pass").scores;
    let far = largest_difference(scores(&*full).view(), scores(&*half).view());
    assert!(far > 0.0 && far < 2e-3, "{far} between scores of f16 and f32");
}

#[test]
fn a_model_of_free_size_is_tried_at_a_usual_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let check = |net: &Net, expected: &str| {
        let half = in_turn().load(&in_precision(&net.save(folder.path(), "m.onnx"), "f16"));
        let remarks = half.expect("the model loads in f16").remarks();
        assert!(matches!(&remarks[..], [one] if one.contains(expected)), "{remarks:?}");
    };
    let mut any = classifier(0);
    any.graph.input[0] = value("input", F32, &[0, 3, 0, 0]);
    check(&any, "% of their range");
    let only_8_x_8 = Net::new(&[0, 3, 0, 0])
        .node("Relu", "input", "relu")
        .node("Flatten", "relu", "pixels")
        .weights("fc", &[192, 5])
        .node("MatMul", "pixels fc", "logits")
        .output("logits", &[0, 5]);
    check(&only_8_x_8, "was not measured");
}

#[test]
fn what_cannot_run_in_f16_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let resized = Net::new(&[1, 3, 8, 8])
        .integers("sizes", &[1, 3, 16, 16])
        .node("Resize", "input   sizes", "wide")
        .node("Flatten", "wide", "pixels")
        .output("pixels", &[1, 768]);
    let path = resized.save(folder.path(), "m.onnx");
    let error = in_turn().load(&in_precision(&path, "f16")).map(|_| ()).expect_err("no f16").to_string();
    assert!(error.contains("m.onnx") && error.contains("Resize") && error.contains("tf32"), "{error}");
}
