//! What a backend offers beyond running forward, through the tables of a loaded plugin.

use scorecam::{Model, ModelRequest};
use scorecam_core::{Error, ErrorKind, MaskedScores, Tensor, Upsample};
use scorecam_tests::{golden, read_npy, toy_host};

const EVERYTHING: &str = "abilities = [\"masked\", \"run-from\", \"gradients\"]\n";

fn load(extra: &str) -> Model {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.toy");
    let plain = std::fs::read_to_string(golden("toy/plain.toy")).expect("the toy model is readable");
    std::fs::write(&path, format!("{plain}\n{extra}")).expect("the folder is writable");
    toy_host().load_model(ModelRequest { path, ..Default::default() }).expect("the model loads")
}

fn input() -> Tensor {
    read_npy(&golden("toy/input-3x32x32.npy"))
}

fn masks() -> Tensor {
    let values = (0..5 * 4 * 4).map(|i| (i * 7 % 16) as f32 / 15.0).collect();
    Tensor::new([5, 4, 4], values).expect("5 masks")
}

fn masked(model: &Model, on_batch: &dyn Fn(usize) -> Result<(), Error>) -> Result<Tensor, Error> {
    let (image, fill, masks) = (input(), Tensor::zeros([1, 3, 32, 32])?, masks());
    model.backend().masked_scores(&MaskedScores {
        images: image.view(),
        fill: Some(fill.view()),
        masks: masks.view(),
        cuts: &[],
        image_of_mask: &[0; 5],
        upsample: Upsample::Bicubic,
        batch_size: 2,
        on_batch,
    })
}

#[test]
fn a_backend_that_masks_by_itself_gives_the_scores_of_the_default() {
    let (own, default) = (load(EVERYTHING), load(""));
    assert!(own.info().abilities.masked && !default.info().abilities.masked);
    let scores = |model| masked(model, &|_| Ok(())).expect("the masks are scored");
    let (own, default) = (scores(&own), scores(&default));
    assert_eq!(own.shape(), default.shape());
    for (a, b) in own.data().iter().zip(default.data()) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
}

#[test]
fn a_callback_s_error_comes_back_as_it_was() {
    for extra in [EVERYTHING, ""] {
        let model = load(extra);
        let error =
            masked(&model, &|_| Err(Error::unsupported("enough, says the test"))).expect_err("stopped");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Unsupported, "enough, says the test")
        );
    }
}

#[test]
fn running_from_a_layer_gives_the_scores_of_the_whole() {
    let model = load(EVERYTHING);
    let whole = model.backend().forward(input().view(), &["features"]).expect("it runs");
    let head = model
        .backend()
        .run_from(input().view(), "features", whole.activations[0].view())
        .expect("it runs from there");
    assert_eq!(head, whole.scores);
}

#[test]
fn gradients_are_the_slope_of_the_score() {
    let model = load(EVERYTHING);
    let whole = model.backend().forward(input().view(), &["features"]).expect("it runs");
    let gradients = model.backend().gradients(input().view(), "features", 3).expect("it differentiates");
    assert_eq!(gradients.shape(), whole.activations[0].shape());
    let (cell, step) = (11, 0.5f32);
    let mut moved = whole.activations[0].clone();
    moved.data_mut()[cell] += step;
    let scores =
        model.backend().run_from(input().view(), "features", moved.view()).expect("it runs from there");
    let slope = (scores.data()[3] - whole.scores.data()[3]) / step;
    assert!((slope - gradients.data()[cell]).abs() < 1e-3, "{slope} and {}", gradients.data()[cell]);
}

#[test]
fn an_ability_that_is_not_offered_is_refused_by_name() {
    let model = load("");
    let activations = Tensor::zeros([1, 16, 8, 8]).expect("a tensor");
    let from =
        model.backend().run_from(input().view(), "features", activations.view()).expect_err("not offered");
    let gradients = model.backend().gradients(input().view(), "features", 3).expect_err("not offered");
    for error in [from, gradients] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("toy"), "{error}");
    }
}
