//! What trial passes tell, tried on a small network whose every answer is known.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{Form, Meaning, ModelView, ViewOptions};
use crate::{
    Abilities, BatchRule, Error, InputInfo, Inputs, LayerInfo, ModelBackend, ModelInfo, OutputActivation,
    OutputInfo, Result, Tensor, TensorView, ViewedModel,
};

/// How the network treats a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Batch {
    Free,
    /// It declares any number and fails on more than one.
    OneOnly,
    /// The first image of a batch changes the scores of all.
    Dependent,
    /// Each pass gives other scores.
    Random,
    /// It takes three images.
    OfThree,
}

/// Averages of the image's channels over the cells of a grid, mixed into `CHANNELS` maps, and class scores from these.
struct Small {
    info: ModelInfo,
    /// How the layer's tensor lies; none where it has nothing of the image.
    form: Option<Form>,
    batch: Batch,
    ending: fn(&mut [f32]),
    passes: AtomicU32,
}

const CHANNELS: usize = 5;
const CLASSES: usize = 6;

impl Small {
    fn new(form: &str, raw: &[usize], image: [usize; 2]) -> Self {
        let axes = raw.iter().copied().map(Some).collect();
        let layer =
            LayerInfo { meaning: Meaning::Unknown, preference: 1, ..LayerInfo::new("layer", "Add", axes) };
        let info = ModelInfo {
            input: InputInfo::image("x", vec![None, Some(3), Some(image[0]), Some(image[1])]),
            other_inputs: Vec::new(),
            outputs: vec![OutputInfo::new("y", vec![None, Some(CLASSES)], OutputActivation::Unknown)],
            scores: Ok(0),
            layers: vec![layer],
            default_layer: None,
            batch: BatchRule::Any { preferred: 16 },
            abilities: Abilities::NONE,
        };
        let form = (form != "none").then(|| form.parse().expect("a form"));
        Self { info, form, batch: Batch::Free, ending: |_| (), passes: AtomicU32::new(0) }
    }

    fn vit() -> Self {
        Self::new("tokens=1+4x4", &[17, CHANNELS], [32, 32])
    }

    fn with_batch(batch: Batch) -> Self {
        let mut model = Self::vit();
        if batch == Batch::OfThree {
            model.info.batch = BatchRule::Fixed(3);
        }
        Self { batch, ..model }
    }

    fn ending_in(ending: fn(&mut [f32])) -> Self {
        Self { ending, ..Self::vit() }
    }

    /// The maps [K, h, w] of an image [C, H, W].
    fn maps(&self, image: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
        let (h, w) = (self.info.input.shape[2].unwrap_or(0), self.info.input.shape[3].unwrap_or(0));
        let average = |c: usize, y: usize, x: usize| -> f32 {
            let rows = y * h / height..(y + 1) * h / height;
            let columns = x * w / width..(x + 1) * w / width;
            let count = (rows.len() * columns.len()) as f32;
            let sum: f32 = rows
                .flat_map(|r| columns.clone().map(move |s| (r, s)))
                .map(|(r, s)| image[(c * h + r) * w + s])
                .sum();
            sum / count
        };
        let mut maps = Vec::new();
        for k in 0..CHANNELS {
            for y in 0..height {
                maps.extend(
                    (0..width).map(|x| (0..3).map(|c| wave(3 * k + c) * average(c, y, x)).sum::<f32>()),
                );
            }
        }
        maps
    }

    fn item(&self, image: &[f32]) -> Result<(Vec<f32>, Vec<f32>)> {
        let axes: Vec<usize> = self.info.layers[0].shape.iter().flatten().copied().collect();
        let shape = [&[1], axes.as_slice()].concat();
        let mut raw = Tensor::zeros(shape)?;
        let Some(form) = self.form else { return Ok((raw.data().to_vec(), vec![image[0]; CLASSES])) };
        let view = form.view(&axes).expect("the form fits");
        let [k, h, w] = view.shape();
        let maps = self.maps(image, [h, w]);
        view.put_back(TensorView::new(&[1, k, h, w], &maps)?, &mut raw);
        let score = |class: usize| maps.iter().enumerate().map(|(i, v)| v * wave(7 * i + class)).sum::<f32>();
        Ok((raw.data().to_vec(), (0..CLASSES).map(score).collect()))
    }
}

/// Weights that are unlike each other.
fn wave(i: usize) -> f32 {
    (i as f32 * 2.3 + 0.7).sin()
}

impl ModelBackend for Small {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let batch = inputs.images;
        let [n, ..] = batch.dims::<4>("batch")?;
        if self.batch == Batch::OneOnly && n != 1 || self.batch == Batch::OfThree && n != 3 {
            return Err(Error::model(format!("{n} images")));
        }
        let pass = self.passes.fetch_add(1, Ordering::Relaxed);
        let (mut raw, mut scores) = (Vec::new(), Vec::new());
        for i in 0..n {
            let (layer, mut item) = self.item(batch.item(i))?;
            let shift = match self.batch {
                Batch::Dependent => batch.item(0).iter().sum::<f32>() / 100.0,
                Batch::Random => wave(pass as usize + 9 * i),
                _ => 0.0,
            };
            item.iter_mut().for_each(|score| *score += shift);
            (self.ending)(&mut item);
            raw.extend(layer);
            scores.extend(item);
        }
        let axes: Vec<usize> = self.info.layers[0].shape.iter().flatten().copied().collect();
        let raw = Tensor::new([&[n], axes.as_slice()].concat(), raw)?;
        let scores = Tensor::new([n, CLASSES], scores)?;
        Ok(wanted.iter().map(|name| if *name == "y" { scores.clone() } else { raw.clone() }).collect())
    }
}

fn viewed(model: Small) -> Result<ModelView<Small>> {
    ModelView::new(model, &ViewOptions::default())
}

#[test]
fn a_layer_is_read_by_where_patches_show_in_it() {
    let check = |form: &str, raw: &[usize], image: [usize; 2]| {
        let view = viewed(Small::new(form, raw, image)).expect("a view");
        let expected = Meaning::Map(form.parse().expect("a form"));
        assert_eq!(view.raw_layers()[0].meaning, expected, "{form} in {raw:?}");
        assert_eq!(view.info().default_layer, Some(0), "{form}");
    };
    check("nchw", &[5, 8, 8], [32, 32]);
    check("nhwc", &[8, 8, 5], [32, 32]);
    check("ncwh", &[5, 8, 4], [32, 64]);
    check("nwhc", &[8, 8, 5], [32, 32]);
    check("nchw", &[5, 7, 7], [28, 28]);
    check("tokens=0+4x4", &[16, 5], [32, 32]);
    check("tokens=0+8x4", &[32, 5], [64, 32]);
    check("tokens=1+14x14", &[197, 5], [56, 56]);
    check("tokens=2+14x14", &[198, 5], [56, 56]);
    check("tokens=5+16x16", &[261, 5], [64, 64]);
    check("tokens=1+4x4:channels-first", &[5, 17], [32, 32]);
    check("tokens=0+4x4:columns-first", &[16, 5], [32, 32]);
    check("tokens=1+6x6:channels-first:columns-first", &[5, 37], [48, 48]);
    // A token behind the cells.
    check("tokens=0+4x4", &[17, 5], [32, 32]);
    check("tokens=0+14x14", &[197, 5], [56, 56]);
}

#[test]
fn a_layer_that_shows_no_patches_stays_unknown() {
    let check = |form: &str, raw: &[usize], meaning: Meaning| {
        let view = viewed(Small::new(form, raw, [32, 32])).expect("a view");
        assert_eq!((view.raw_layers()[0].meaning, view.info().default_layer), (meaning, None), "{form}");
        let image = Tensor::zeros([1, 3, 32, 32]).expect("an image");
        let error = view.forward(image.view(), &["layer"]).expect_err("it is not certain").to_string();
        assert!(error.contains("uncertain") && error.contains("--layer-grid"), "{error}");
    };
    check("none", &[17, 5], Meaning::Unknown);
    check("none", &[5, 8, 8], Meaning::Unknown);
    // Grids of so few cells are not told from chance.
    check("tokens=0+2x2", &[4, 5], Meaning::Unknown);
}

#[test]
fn what_the_caller_says_of_a_layer_counts_more() {
    let said = |form: &str| ViewOptions { form: Some(form.parse().expect("a form")), ..Default::default() };
    let layers = vec!["layer".to_owned()];
    let options = ViewOptions { layers: layers.clone(), ..said("tokens=2x2") };
    let view = ModelView::new(Small::new("none", &[4, 5], [32, 32]), &options).expect("a view");
    let image = Tensor::zeros([1, 3, 32, 32]).expect("an image");
    let maps = view.forward(image.view(), &["layer"]).expect("maps").activations;
    assert_eq!(maps[0].shape(), [1, 5, 2, 2]);
    let check = |model: Small, options: ViewOptions, expected: &str| {
        let error = ModelView::new(model, &options).err().expect(expected).to_string();
        assert!(error.contains(expected), "{error}");
    };
    let options = ViewOptions { layers, ..said("tokens=5x5") };
    check(
        Small::vit(),
        options,
        "layer \"layer\" has shape [N, 17, 5], which layer grid tokens=0+5x5 does not fit",
    );
    let nothing = Small::new("none", &[4, 5], [32, 32]);
    check(nothing, said("tokens=2x2"), "was given without a layer");
}

#[test]
fn batches_are_run_as_the_model_can_take_them() {
    let check = |batch: Batch, rule: BatchRule, remark: &str| {
        let view = viewed(Small::with_batch(batch)).expect("a view");
        assert_eq!(view.info().batch, rule, "{remark}");
        let remarks = view.remarks().join("\n");
        assert_eq!(remarks.is_empty(), remark.is_empty(), "{remarks}");
        assert!(remarks.contains(remark), "{remarks}");
    };
    check(Batch::Free, BatchRule::Any { preferred: 16 }, "");
    check(Batch::OneOnly, BatchRule::Fixed(1), "runs only single images");
    check(Batch::Dependent, BatchRule::Fixed(1), "depends on the rest of its batch");
    check(Batch::Random, BatchRule::Any { preferred: 16 }, "returns different results for equal images");
    check(Batch::OfThree, BatchRule::Fixed(3), "");
}

#[test]
fn nothing_is_certain_of_a_model_of_random_numbers() {
    for rule in [BatchRule::Any { preferred: 16 }, BatchRule::Fixed(1)] {
        let mut model = Small::with_batch(Batch::Random);
        model.info.batch = rule;
        let view = viewed(model).expect("a view");
        assert_eq!((view.info().batch, view.raw_layers()[0].meaning), (rule, Meaning::Unknown));
        assert!(view.remarks().join("\n").contains("returns different results for equal images"));
    }
}

#[test]
fn values_of_outputs_tell_what_was_applied() {
    let check = |ending: fn(&mut [f32]), expected| {
        let view = viewed(Small::ending_in(ending)).expect("a view");
        assert_eq!(view.info().scores.as_ref().expect("scores").applied, expected);
        assert_eq!(view.remarks().is_empty(), expected == OutputActivation::Unknown);
    };
    check(|_| (), OutputActivation::Unknown);
    check(|row| row.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())), OutputActivation::Sigmoid);
    check(
        |row| {
            row.iter_mut().for_each(|v| *v = (*v / 10.0).exp());
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|v| *v /= sum);
        },
        OutputActivation::Softmax,
    );
    let scaled = Small::ending_in(|row| {
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        row.iter_mut().for_each(|v| *v /= length);
    });
    let view = viewed(scaled).expect("a view");
    let error = view.info().scores.clone().expect_err("an embedding").to_string();
    assert!(error.contains("looks like an embedding"), "{error}");
}

#[test]
fn a_model_that_fails_on_a_trial_is_viewed_as_it_is_described() {
    let mut model = Small::with_batch(Batch::OfThree);
    model.info.batch = BatchRule::Fixed(2);
    let view = viewed(model).expect("a view");
    assert_eq!((view.info().batch, view.raw_layers()[0].meaning), (BatchRule::Fixed(2), Meaning::Unknown));
    let remarks = view.remarks().join("\n");
    assert!(remarks.contains("did not run on a trial image") && remarks.contains("2 images"), "{remarks}");
}
