//! Cases of `tests/golden/evaluation.json`; `make_evaluation.py` beside it says what they hold.

use std::fs;
use std::path::Path;

use scorecam_core::Tensor;
use scorecam_core::evaluation::{BoundingBox, Protocol, Region, SaliencyMap};
use serde_json::Value;

pub(crate) struct Golden(Value);

impl Golden {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/evaluation.json");
        let text = fs::read(path).expect("the golden file");
        Self(serde_json::from_slice(&text).expect("JSON"))
    }

    pub(crate) fn cases(&self) -> Vec<Case<'_>> {
        let cases = self.0["cases"].as_array().expect("cases");
        cases.iter().map(|case| Case { golden: &self.0, case }).collect()
    }
}

pub(crate) struct Case<'a> {
    golden: &'a Value,
    case: &'a Value,
}

impl Case<'_> {
    pub(crate) fn measure(&self) -> &str {
        self.text_of("measure")
    }

    /// The arguments, for a message.
    pub(crate) fn text(&self) -> String {
        let mut case = self.case.clone();
        case.as_object_mut().expect("an object").remove("expected");
        case.to_string()
    }

    /// All expected numbers in one row, and the tolerance.
    pub(crate) fn expected(&self) -> (Vec<Option<f64>>, f64) {
        (flat(&self.case["expected"]), self.case["tolerance"].as_f64().expect("a tolerance"))
    }

    pub(crate) fn argument(&self, name: &str) -> &Value {
        &self.case[name]
    }

    pub(crate) fn text_of(&self, name: &str) -> &str {
        self.case[name].as_str().unwrap_or_else(|| panic!("{} has no {name}", self.text()))
    }

    pub(crate) fn number(&self, name: &str) -> f64 {
        self.case[name].as_f64().unwrap_or_else(|| panic!("{} has no {name}", self.text()))
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<f64> {
        numbers(&self.case[name])
    }

    /// Pairs of numbers.
    pub(crate) fn pairs(&self, name: &str) -> Vec<(f64, f64)> {
        self.numbers(name).chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
    }

    pub(crate) fn map(&self, argument: &str) -> SaliencyMap {
        self.map_called(self.text_of(argument))
    }

    pub(crate) fn map_called(&self, name: &str) -> SaliencyMap {
        let map = &self.golden["maps"][name];
        SaliencyMap::new(&singles(map), size(map)).expect(name)
    }

    pub(crate) fn region(&self) -> Region {
        self.region_called(self.text_of("region"))
    }

    pub(crate) fn region_called(&self, name: &str) -> Region {
        let region = &self.golden["regions"][name];
        if region["mask"].is_null() {
            return Region::of_boxes(&boxes(&region["boxes"]), size(region)).expect(name);
        }
        let mask = numbers(&region["mask"]).into_iter().map(|v| v == 1.0).collect();
        Region::of_mask(mask, size(region)).expect(name)
    }

    pub(crate) fn image(&self) -> Tensor {
        let image = &self.golden["images"][self.text_of("image")];
        let shape: Vec<usize> = numbers(&image["shape"]).into_iter().map(|n| n as usize).collect();
        Tensor::new(shape, singles(image)).expect("an image")
    }

    /// The case's preset with what the case sets.
    pub(crate) fn protocol(&self) -> Protocol {
        let mut protocol = match self.case["preset"].as_str() {
            Some(name) => Protocol::preset(name).expect(name),
            None => Protocol::default(),
        };
        for pair in self.case["set"].as_array().into_iter().flatten() {
            let [option, value] = [0, 1].map(|i| pair[i].as_str().expect("a word"));
            protocol.set(option, value).expect(value);
        }
        protocol
    }
}

/// Boxes from rows of four numbers.
pub(crate) fn boxes(rows: &Value) -> Vec<BoundingBox> {
    numbers(rows).chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]].into()).collect()
}

fn size(value: &Value) -> (usize, usize) {
    let size = numbers(&value["size"]);
    (size[0] as usize, size[1] as usize)
}

/// The values of a map or an image.
fn singles(value: &Value) -> Vec<f32> {
    let parts = value["parts"].as_f64().expect("a divisor");
    numbers(&value["values"]).into_iter().map(|v| (v / parts) as f32).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    flat(value).into_iter().map(|v| v.expect("a number")).collect()
}

/// All numbers of nested lists in their order; words are left out.
fn flat(value: &Value) -> Vec<Option<f64>> {
    match value {
        Value::Array(rows) => rows.iter().flat_map(flat).collect(),
        Value::Object(rows) => rows.values().flat_map(flat).collect(),
        Value::String(_) => Vec::new(),
        value => vec![value.as_f64()],
    }
}
