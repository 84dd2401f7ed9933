//! A model behind the C tables is the model before them: what goes into each function comes out on the other side.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use scorecam_plugin::plugin::ImportedPlugin;
use scorecam_plugin::{
    Abilities, BackendLoader, BatchRule, Cut, EachBatch, ElementType, Error, ErrorKind, InputInfo, Inputs,
    LayerInfo, MaskedRequest, ModelBackend, ModelConfig, ModelInfo, NamedTensor, OutputActivation,
    OutputInfo, Result, Tensor, TensorView, Upsample,
};

/// A model with an input, an output and a layer of each sort; every answer holds what was asked.
struct Echo(ModelInfo);

fn info() -> ModelInfo {
    let free = |rest: &[usize]| std::iter::once(None).chain(rest.iter().copied().map(Some)).collect();
    ModelInfo {
        input: InputInfo { element: ElementType::U8, ..InputInfo::image("image", free(&[3, 2, 2])) },
        other_inputs: vec![
            InputInfo {
                name: "im_info".into(),
                shape: free(&[3]),
                element: ElementType::F32,
                per_image: true,
            },
            InputInfo {
                name: "threshold".into(),
                shape: vec![Some(1)],
                element: ElementType::new(2, 64),
                per_image: false,
            },
        ],
        outputs: vec![
            OutputInfo::new("sum", free(&[1]), OutputActivation::Sigmoid),
            OutputInfo {
                element: ElementType::new(0, 64),
                ..OutputInfo::new("deep", vec![None; 8], OutputActivation::None)
            },
            OutputInfo {
                per_image: false,
                ..OutputInfo::new("found", vec![None, Some(6)], OutputActivation::None)
            },
        ],
        scores: Err(Error::invalid("two outputs may be class scores: sum, deep; name one")),
        layers: vec![
            LayerInfo {
                preference: 3,
                pooled: true,
                ..LayerInfo::maps("first", "Conv", vec![Some(2), None, None])
            },
            LayerInfo { like: Some(0), ..LayerInfo::new("tokens", "Add", vec![Some(5), Some(4)]) },
        ],
        default_layer: Some(0),
        batch: BatchRule::Any { preferred: 3 },
        abilities: Abilities { masked: true, run_from: true, gradients: true, ..Abilities::NONE },
    }
}

impl Echo {
    fn answer(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        inputs.check_cancelled()?;
        let n = inputs.images.shape()[0];
        let tensor = |name: &&str| match *name {
            "sum" => {
                let item = inputs.images.data().len() / n.max(1);
                Tensor::new([n, 1], inputs.images.data().chunks(item).map(|i| i.iter().sum()).collect())
            }
            "deep" => Tensor::new([n, 1, 1, 1, 1, 1, 1, 1], vec![8.0; n]),
            "im_info" | "threshold" => {
                let found = inputs.others.iter().find(|(other, _)| other == name);
                found
                    .map(|(_, tensor)| tensor.to_tensor())
                    .ok_or_else(|| Error::not_found("no such input came"))
            }
            // One detection for each two images.
            "found" => Tensor::zeros([n / 2, 6]),
            "tokens" => Tensor::new([n, 5, 4], vec![6.0; n * 20]),
            name => Err(Error::not_found(format!("there is no {name}"))),
        };
        wanted.iter().map(tensor).collect()
    }
}

impl ModelBackend for Echo {
    fn info(&self) -> &ModelInfo {
        &self.0
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        self.answer(inputs, wanted)
    }

    fn run_from(
        &self,
        inputs: &Inputs<'_>,
        layer: &str,
        activations: TensorView<'_>,
        wanted: &[&str],
    ) -> Result<Vec<Tensor>> {
        assert_eq!(layer, "tokens");
        inputs.check_cancelled()?;
        assert_eq!(wanted, ["activations"]);
        Ok(vec![activations.to_tensor()])
    }

    fn gradients(&self, inputs: &Inputs<'_>, layer: &str, cotangents: &[NamedTensor<'_>]) -> Result<Tensor> {
        inputs.check_cancelled()?;
        assert_eq!(layer, "first");
        let all: Vec<f32> = cotangents.iter().flat_map(|(_, tensor)| tensor.data().to_vec()).collect();
        let ranks: usize = cotangents.iter().map(|(name, tensor)| name.len() * tensor.shape().len()).sum();
        Tensor::new([1, 2, 1, 1], vec![all.iter().sum(), ranks as f32])
    }
}

struct EchoLoader;

impl BackendLoader for EchoLoader {
    fn id(&self) -> &str {
        "echo"
    }
    fn version(&self) -> &str {
        "1"
    }
    fn extensions(&self) -> &[&str] {
        &["echo"]
    }
    fn abilities(&self) -> Abilities {
        info().abilities
    }
    fn load(&self, _: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        Ok(Box::new(Echo(info())))
    }
}

scorecam_plugin::plugin_table! { static ECHO = [backend: EchoLoader]; }

fn imported() -> impl ModelBackend {
    // SAFETY: the table is static and of this version.
    let plugin = unsafe { ImportedPlugin::new(&raw const ECHO) }.unwrap();
    plugin
        .backend(0)
        .unwrap()
        .load(&ModelConfig { path: "model.echo".into(), ..ModelConfig::default() })
        .unwrap()
}

fn images(n: usize) -> Tensor {
    Tensor::new([n, 3, 2, 2], (0..n * 12).map(|i| (i / 12) as f32 + 1.0).collect()).unwrap()
}

#[test]
fn the_description_is_the_same() {
    let (mut found, mut expected) = (imported().info().clone(), info());
    let why = |info: &mut ModelInfo| std::mem::replace(&mut info.scores, Ok(0)).unwrap_err().to_string();
    let (found_why, expected_why) = (why(&mut found), why(&mut expected));
    assert!(found_why.contains(&expected_why), "{found_why}");
    assert_eq!(found, expected);
}

#[test]
fn what_is_wanted_comes_in_order_and_other_inputs_arrive() {
    let model = imported();
    let images = images(2);
    let sizes = Tensor::new([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let threshold = Tensor::new([1], vec![0.25]).unwrap();
    let others = [("im_info", sizes.view()), ("threshold", threshold.view())];
    let inputs = Inputs { others: &others, ..Inputs::of(images.view()) };
    let wanted = ["tokens", "deep", "sum", "threshold", "im_info", "sum", "found"];
    let found = model.forward(&inputs, &wanted).unwrap();
    assert_eq!(found.len(), wanted.len());
    assert_eq!((found[0].shape(), found[0].data()[39]), (&[2, 5, 4][..], 6.0));
    assert_eq!(found[1].shape(), [2, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(found[2].data(), [12.0, 24.0]);
    assert_eq!((&found[3], &found[4], &found[5]), (&threshold, &sizes, &found[2]));
    assert_eq!(found[6].shape(), [1, 6], "not per image");
    assert!(model.forward(&inputs, &[]).unwrap().is_empty());
}

#[test]
fn the_callers_wish_to_end_arrives() {
    let model = imported();
    let images = images(1);
    let asked = Cell::new(0);
    let cancelled = || {
        asked.set(asked.get() + 1);
        true
    };
    let inputs = Inputs { cancelled: &cancelled, ..Inputs::of(images.view()) };
    let error = model.forward(&inputs, &["sum"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(asked.get(), 1, "each question of the plugin is one of the caller");
    let cotangent = Tensor::new([1, 1], vec![1.0]).unwrap();
    let error = model.gradients(&inputs, "first", &[("sum", cotangent.view())]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn masked_passes_come_batch_by_batch_and_end_with_the_error_of_each() {
    let model = imported();
    let images = images(2);
    let sizes = Tensor::new([2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let masks = Tensor::new([5, 1, 1], vec![0.0, 1.0, 0.5, 1.0, 0.5]).unwrap();
    let others = [("im_info", sizes.view())];
    let request = MaskedRequest {
        inputs: Inputs { others: &others, ..Inputs::of(images.view()) },
        fill: None,
        masks: masks.view(),
        cuts: &[],
        image_of_mask: &[0, 0, 0, 1, 1],
        upsample: Upsample::HalfPixel,
        batch_size: 2,
    };
    let (mut rows, mut sums, mut tags) = (Vec::new(), Vec::new(), Vec::new());
    let mut each = |masks: usize, tensors: &[TensorView<'_>]| {
        rows.push(masks);
        sums.extend_from_slice(tensors[0].data());
        tags.extend(tensors[1].data().chunks(3).map(|row| row[0]));
        Ok(())
    };
    model.masked(&request, &["sum", "im_info"], &mut each).unwrap();
    assert_eq!(rows, [2, 2, 1]);
    assert_eq!(sums, [0.0, 12.0, 6.0, 24.0, 12.0]);
    assert_eq!(tags, [1.0, 1.0, 1.0, 4.0, 4.0], "a row of an input per image goes with its image");

    let ranks = Tensor::new([1, 2, 2], vec![3.0, 0.0, 1.0, 2.0]).unwrap();
    let cuts = [0, 1, 4].map(|count| Cut { map: 0, count });
    let cut = MaskedRequest { masks: ranks.view(), cuts: &cuts, image_of_mask: &[0, 1, 1], ..request };
    let mut sums = Vec::new();
    let mut each = |_: usize, tensors: &[TensorView<'_>]| {
        sums.extend_from_slice(tensors[0].data());
        Ok(())
    };
    model.masked(&cut, &["sum"], &mut each).unwrap();
    assert_eq!(sums, [12.0, 18.0, 0.0], "of images of ones and of twos");
    let cuts = [Cut { map: 1, count: 0 }];
    let error =
        model.masked(&MaskedRequest { cuts: &cuts, ..cut }, &["sum"], &mut |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("rank map 1 of a cut is out of range; there are 1"), "{error}");

    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let mut each: Box<EachBatch<'_>> = Box::new(move |_: usize, _: &[TensorView<'_>]| {
        *counted.lock().unwrap() += 1;
        Err(Error::not_found("that was enough"))
    });
    let error = model.masked(&request, &["sum"], &mut each).unwrap_err();
    assert_eq!((error.kind(), *calls.lock().unwrap()), (ErrorKind::NotFound, 1), "{error}");
    assert!(error.to_string().contains("that was enough"), "{error}");
}

#[test]
fn a_layer_is_entered_and_differentiated() {
    let model = imported();
    let images = images(1);
    let inputs = Inputs::of(images.view());
    let activations = Tensor::new([3, 5, 4], (0..60).map(|i| i as f32).collect()).unwrap();
    let found = model.run_from(&inputs, "tokens", activations.view(), &["activations"]).unwrap();
    assert_eq!(found, [activations]);

    let (sum, deep) =
        (Tensor::new([1, 1], vec![2.0]).unwrap(), Tensor::new([1, 1, 1, 1, 1, 1, 1, 1], vec![3.0]).unwrap());
    let found = model.gradients(&inputs, "first", &[("sum", sum.view()), ("deep", deep.view())]).unwrap();
    assert_eq!((found.shape(), found.data()), (&[1, 2, 1, 1][..], &[5.0, (3 * 2 + 4 * 8) as f32][..]));
}
