//! What pytorch-grad-cam and Microsoft's D-RISE give for an array is what a target here gives, by the formula in
//! `tests/golden/targets/peers.json`: the peers' own code made the numbers, `peers.py` beside it keeps them.

use std::path::{Path, PathBuf};

use scorecam::{ExplainOptions, Explainer, Host, Image, Manifest, Model, Result, Tensor, TensorView};
use scorecam_core::target::{Boxes, BoxesWanted, Detector, DetectorOutputs, Format, Kept, Question};
use scorecam_core::{
    Abilities, BatchRule, Error, InputInfo, Inputs, LayerInfo, ModelBackend, ModelInfo, OutputActivation,
    OutputInfo,
};
use scorecam_tests::golden;
use serde_json::Value;

const TOLERANCE: f64 = 1e-5;

/// A model that gives arrays by name, whatever the image: `second` for an image that is not black, where there is one.
struct Arrays {
    info: ModelInfo,
    outputs: Vec<(String, Tensor)>,
    second: Option<Tensor>,
}

impl Arrays {
    /// `outputs` with their shapes; whether the first axis is the batch goes for all. Images have `side` pixels each way.
    fn new(outputs: Vec<(String, Tensor)>, per_image: bool, side: usize) -> Self {
        let info = |(name, tensor): &(String, Tensor)| OutputInfo {
            per_image,
            ..OutputInfo::new(
                name,
                tensor.shape().iter().copied().map(Some).collect(),
                OutputActivation::None,
            )
        };
        let sides = [Some(3), Some(side), Some(side)];
        let is_scores = outputs.len() == 1 && outputs[0].1.shape().len() == 2;
        let info = ModelInfo {
            input: InputInfo::image("image", [&[Some(1)][..], &sides].concat()),
            other_inputs: Vec::new(),
            outputs: outputs.iter().map(info).collect(),
            scores: if is_scores {
                Ok(0)
            } else {
                Err(Error::unsupported("none of the outputs holds class scores"))
            },
            layers: vec![LayerInfo::maps("image", "Input", sides.to_vec())],
            default_layer: Some(0),
            batch: BatchRule::Fixed(1),
            abilities: Abilities::NONE,
        };
        Self { info, outputs, second: None }
    }
}

impl ModelBackend for Arrays {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let is_black = inputs.images.data().iter().all(|v| *v == 0.0);
        let tensor = |name: &&str| match self.outputs.iter().find(|(own, _)| own == name) {
            None => Ok(inputs.images.to_tensor()),
            Some((_, first)) => Ok(self.second.as_ref().filter(|_| !is_black).unwrap_or(first).clone()),
        };
        wanted.iter().map(tensor).collect::<Result<_, Error>>()
    }
}

/// Numbers of JSON in rows, with `axes` of length 1 before those that they have.
fn tensor(value: &Value, axes: usize) -> Tensor {
    let (mut shape, mut at) = (vec![1; axes], value);
    while let Some(list) = at.as_array() {
        shape.push(list.len());
        at = &list[0];
    }
    fn flat(value: &Value, numbers: &mut Vec<f32>) {
        match value.as_array() {
            Some(list) => list.iter().for_each(|value| flat(value, numbers)),
            None => numbers.push(value.as_f64().expect("a number") as f32),
        }
    }
    let mut numbers = Vec::new();
    flat(value, &mut numbers);
    Tensor::new(shape, numbers).expect("as many numbers as the axes say")
}

fn text<'r>(row: &'r Value, key: &str) -> &'r str {
    row[key].as_str().expect("words")
}

fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().expect("a number")
}

/// The number that a target in words has in a model that gives the row's arrays.
fn asked(row: &Value, folder: &Path) -> f64 {
    let (arrays, words) = (&row["arrays"], text(row, "target"));
    let one = |name: &str| vec![(name.to_owned(), tensor(&arrays[name], 1))];
    let (engine, output, words) = match words.split_once(':') {
        Some(("like", _)) => {
            let second = Some(tensor(&arrays["B"], 1));
            let reference = save(folder, "B.png", image::GrayImage::from_pixel(32, 32, image::Luma([255])));
            (
                Arrays { second, ..Arrays::new(one("A"), true, 32) },
                "kind = \"embedding\"",
                format!("like:{reference}"),
            )
        }
        Some(("region", _)) => {
            let mask = tensor(&arrays["mask"], 0);
            let bright = mask.data().iter().map(|v| if *v > 0.0 { 255 } else { 0 }).collect();
            let mask = image::GrayImage::from_raw(4, 4, bright).expect("4 x 4 cells");
            let mask = save(folder, "mask.png", mask);
            (Arrays::new(one("maps"), true, 4), "kind = \"segments\"", words.replace("MASK", &mask))
        }
        Some(("box", _)) => {
            let outputs =
                ["boxes", "labels", "scores"].map(|name| (name.to_owned(), tensor(&arrays[name], 0)));
            let output = "kind = \"detections\"\nformat = \"boxes-scores\"\nboxes = \"boxes\"\nlabels = \"labels\"\n\
                          class_scores = \"scores\"";
            (Arrays::new(outputs.to_vec(), false, 32), output, words.to_owned())
        }
        _ if words.starts_with("value") => {
            (Arrays::new(one("y"), true, 32), "kind = \"value\"", words.to_owned())
        }
        _ => (Arrays::new(one("y"), true, 32), "", words.to_owned()),
    };
    let manifest =
        Manifest::parse(&format!("[input]\nmean = [0]\nstd = [1]\n[output]\n{output}")).expect("a manifest");
    let side = engine.info.input.shape[2].expect("a length");
    let model = Model::from_engine(engine, &manifest).expect(&words);
    let options = ExplainOptions { ask: vec![words.clone()], ..ExplainOptions::default() };
    let host = Host::new().expect("the built-in methods register");
    let explainer = Explainer::new(&host, &model, &options).expect(&words);
    let black = Tensor::zeros([1, 3, side, side]).expect("an image");
    f64::from(explainer.explain(&Image::from(black)).expect(&words).targets[0].output)
}

fn save(folder: &Path, name: &str, picture: image::GrayImage) -> String {
    let path: PathBuf = folder.join(name);
    picture.save(&path).expect("written");
    path.display().to_string()
}

/// The number of a box on other rows than those that it was found in, and the objectness that it was found with.
fn of_masked(row: &Value) -> (f64, f64) {
    let (unmasked, masked) = (tensor(&row["arrays"]["unmasked"], 0), tensor(&row["arrays"]["masked"], 0));
    let detector =
        Detector::new(Format::Yolov5, DetectorOutputs::one("output"), (32, 32)).expect("a detector");
    let place = text(row, "target").strip_prefix("box:").expect("a box");
    let sides: Vec<f64> = place.split(',').map(|side| side.parse().expect("a number")).collect();
    let wanted = match *sides {
        [x0, y0, x1, y1] => BoxesWanted::At([x0, y0, x1, y1], None),
        _ => BoxesWanted::Index(sides[0] as usize),
    };
    let kept = Kept { score: 0.0, overlap: 1.0, ..Kept::default() };
    let boxes = Boxes { detector, kept, wanted, text: place.to_owned() };
    let asked = boxes.targets(&[unmasked.view()]).expect("it is there");
    let value = |rows: TensorView<'_>| asked[0].target.value(&[rows]).expect("a number");
    // Without a mask the same box is found, so that its objectness is all that is left of the product.
    (value(masked.view()), value(unmasked.view()))
}

fn softmax(y: &Tensor) -> Vec<f64> {
    let powers: Vec<f64> = y.data().iter().map(|v| f64::from(*v).exp()).collect();
    powers.iter().map(|power| power / powers.iter().sum::<f64>()).collect()
}

/// The peer's number by the row's formula, made of ours; none where the formula says that the two mean something else.
fn by_formula(row: &Value, ours: f64, objectness: Option<f64>) -> Option<f64> {
    let y = || tensor(&row["arrays"]["y"], 1);
    let formula = text(row, "formula");
    Some(match formula {
        "ours" => ours,
        "softmax of the class scores" => softmax(&y())[2],
        "ours + log(softmax(y)[2])" => ours + softmax(&y())[2].ln(),
        "ours * number of the mask's cells" => {
            ours * f64::from(tensor(&row["arrays"]["mask"], 0).data().iter().sum::<f32>())
        }
        "ours * objectness of the target" => ours * objectness.expect("a box was found"),
        _ if formula.starts_with("IoU + score = 1 + ours") => 1.0 + ours,
        _ => return None,
    })
}

#[test]
fn peers_give_the_same_numbers_by_their_formulas() {
    let json = std::fs::read_to_string(golden("targets/peers.json")).expect("the numbers are readable");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let rows = json["rows"].as_array().expect("rows");
    let folder = tempfile::tempdir().expect("a folder");
    let mut compared = 0;
    for row in rows {
        let name = format!("{} and {}", text(row, "peer_code"), text(row, "target"));
        let (found, objectness) = match row["arrays"].get("masked") {
            Some(_) => {
                let (found, objectness) = of_masked(row);
                (found, Some(objectness))
            }
            None => (asked(row, folder.path()), None),
        };
        let expected = number(row, "ours");
        assert!((found - expected).abs() < TOLERANCE, "{name}: {found}, not {expected}");
        if let Some(by_formula) = by_formula(row, found, objectness) {
            let peer = number(row, "peer");
            assert!((by_formula - peer).abs() < TOLERANCE, "{name}: {by_formula}, not the peer's {peer}");
            compared += 1;
        }
    }
    // Four formulas say that a peer's target is another one.
    assert_eq!((rows.len(), compared), (19, 15));
}
