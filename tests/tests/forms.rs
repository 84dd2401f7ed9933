//! Models as people have them are read for what they are: their layers, their outputs, their inputs and their batches.
//!
//! The models, inputs and maps are those of `tests/golden/forms`, made there by a script that knows each model and runs it
//! one image at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use scorecam::{
    Error, ExplainOptions, Explainer, Explanation, Host, Image, Model, ModelRequest, Photo, Result, Targets,
    Tensor,
};
use scorecam_core::Meaning;
use scorecam_tests::{golden, library, read_npy};
use serde::Deserialize;

/// One row of `cases.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// The model or the manifest to open.
    open: String,
    /// Whether `layer` is named in the request; else it must be chosen unasked.
    #[serde(default)]
    named: bool,
    /// The layer that is named where none is expected.
    ask: Option<String>,
    /// What the caller says of the layer's axes.
    layer_grid: Option<String>,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    #[serde(default = "usual_input")]
    input: String,
    /// The class that is asked for; the one with the highest score where there is none.
    target: Option<usize>,
    /// Options of the method.
    #[serde(default)]
    set: Vec<String>,
    /// Words of the error; none where the model is explained.
    #[serde(default)]
    refused: Vec<String>,
    layer: Option<String>,
    /// How the layer lies, in the words of `--layer-grid`.
    grid: Option<String>,
    class: Option<usize>,
    score: Option<f64>,
    /// Words that are among the warnings.
    #[serde(default)]
    remarks: Vec<String>,
    size: Option<[usize; 2]>,
    tolerance: Option<f64>,
    /// Where the map's values begin, of every second row and column.
    offset: Option<usize>,
    /// Whether the map is 0 everywhere.
    #[serde(default)]
    zeros: bool,
    /// Whether nothing but the remarks is certain.
    #[serde(default)]
    random: bool,
    /// Whether the model changes by its own passes, so that only the first map of a session is certain.
    #[serde(default)]
    drifts: bool,
}

fn usual_input() -> String {
    "x.npy".into()
}

fn file(name: &str) -> PathBuf {
    golden("forms/models").join(name)
}

impl Row {
    fn load(&self, host: &Host) -> Result<Model> {
        host.load_model(ModelRequest {
            path: file(&self.open),
            layer: self.ask.clone().or(self.layer.clone().filter(|_| self.named)),
            layer_form: self.layer_grid.as_ref().map(|grid| grid.parse().expect("a layer grid")),
            settings: self.settings.clone(),
            ..Default::default()
        })
    }

    fn input(&self) -> Image {
        let path = file(&self.input);
        match path.extension().is_some_and(|e| e == "png") {
            true => photo(&path).into(),
            false => read_npy(&path).into(),
        }
    }

    fn explain(&self, host: &Host, model: &Model, batch_size: usize) -> Result<Explanation> {
        let option = |s: &String| s.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        let options = ExplainOptions {
            set: self.set.iter().map(|s| option(s).expect("an option reads key=value")).collect(),
            targets: self.target.map_or(Targets::Top(1), |class| Targets::Classes(vec![class])),
            batch_size: Some(batch_size),
            ..ExplainOptions::default()
        };
        Explainer::new(host, model, &options)?.explain(&self.input())
    }
}

fn photo(path: &Path) -> Photo {
    let pixels = image::open(path).expect("the photo decodes").to_rgb8();
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    Photo::from_rgb8((width, height), pixels.into_raw()).expect("a photo")
}

/// What is wrong with one row, if anything.
fn check(host: &Host, row: &Row, maps: &Tensor) -> Result<(), String> {
    let explained = row.load(host).and_then(|model| {
        let explanation = row.explain(host, &model, 16)?;
        Ok((model, explanation))
    });
    let (model, found) = match (explained, row.refused.as_slice()) {
        (Ok(explained), []) => explained,
        // What has no class scores may have a region or boxes; of its classes it says why there are none.
        (Ok((model, _)), words) if model.info().scores.is_err() => {
            let ask = vec!["class:0".to_owned()];
            let options = ExplainOptions { ask, ..ExplainOptions::default() };
            let explained = Explainer::new(host, &model, &options).and_then(|e| e.explain(&row.input()));
            return check_words(words, &explained.err().ok_or("its class 0 is explained")?);
        }
        (Ok((_, found)), _) => return Err(format!("it is explained by layer {}", found.layer)),
        (Err(error), []) => return Err(format!("it is refused: {error}")),
        (Err(error), words) => return check_words(words, &error),
    };
    check_layer(row, &model, &found)?;
    let missing = row.remarks.iter().find(|words| !found.warnings.iter().any(|w| w.contains(*words)));
    if let Some(words) = missing {
        return Err(format!("no warning says {words:?}: {:?}", found.warnings));
    }
    if row.random {
        return Ok(());
    }
    let target = &found.targets[0];
    if target.class != row.class {
        return Err(format!("class {:?}, not {:?}", target.class, row.class));
    }
    let (score, tolerance) = (row.score.expect("a score"), row.tolerance.unwrap_or(1e-4));
    if (target.score - score).abs() > tolerance.max(1e-4 * score.abs()) {
        return Err(format!("score {}, not {score}", target.score));
    }
    check_map(row, &found.maps, maps)?;
    if row.drifts {
        return Ok(());
    }
    // The same with another number of images a pass.
    let alone = row.explain(host, &model, 1).map_err(|e| format!("one image a pass: {e}"))?;
    check_map(row, &alone.maps, maps).map_err(|e| format!("one image a pass: {e}"))
}

fn check_words(words: &[String], error: &Error) -> Result<(), String> {
    let text = error.to_string();
    match words.iter().find(|words| !text.contains(words.as_str())) {
        None => Ok(()),
        Some(missing) => Err(format!("the refusal does not say {missing:?}: {text}")),
    }
}

fn check_layer(row: &Row, model: &Model, found: &Explanation) -> Result<(), String> {
    if Some(&found.layer) != row.layer.as_ref() {
        return Err(format!("layer {}, not {:?}", found.layer, row.layer));
    }
    let meaning = model.raw_layers().iter().find(|l| l.name == found.layer).map(|l| l.meaning);
    match (meaning, &row.grid) {
        (Some(Meaning::Map(form)), Some(grid)) if form.to_string() == *grid => Ok(()),
        (meaning, grid) => Err(format!("layer {} is {meaning:?}, not {grid:?}", found.layer)),
    }
}

fn check_map(row: &Row, found: &Tensor, maps: &Tensor) -> Result<(), String> {
    if row.zeros {
        return match found.data().iter().all(|&v| v == 0.0) {
            true => Ok(()),
            false => Err("the map is not 0 everywhere".into()),
        };
    }
    let [height, width] = row.size.expect("a size");
    if found.shape() != [1, height, width] {
        return Err(format!("the map has shape {:?}", found.shape()));
    }
    let wanted = &maps.data()[row.offset.expect("a place")..];
    let cells = (0..height).step_by(2).flat_map(|y| (0..width).step_by(2).map(move |x| y * width + x));
    let apart = cells.zip(wanted).map(|(cell, want)| (found.data()[cell] - want).abs());
    let far = f64::from(apart.fold(0.0, f32::max));
    match far <= row.tolerance.expect("a tolerance") {
        true => Ok(()),
        false => Err(format!("the map is {far} from the expected one")),
    }
}

#[test]
fn models_of_all_forms_are_read_for_what_they_are() {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    let text = std::fs::read_to_string(golden("forms/cases.json")).expect("the index is readable");
    let rows: Vec<Row> = serde_json::from_str(&text).expect("the index has its form");
    let maps = read_npy(&golden("forms/maps.npy"));
    assert!(rows.len() > 100, "the index has {} rows", rows.len());
    let wrong = |row: &Row| check(&host, row, &maps).err().map(|e| format!("{}: {e}", row.name));
    let wrong: Vec<String> = rows.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{} of {} rows are wrong:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Behind the last attention of these models the class token alone reaches a score, which methods that run from the layer
/// or follow its gradients would make an empty map of.
#[test]
fn every_cell_of_a_default_layer_reaches_the_score() {
    let host = Host::new().expect("the built-in methods register");
    host.load_plugin(&library("scorecam_onnx_cpu")).expect("the plugin loads");
    for name in ["vit", "vit_registers", "vit_wide", "vit_old_norm", "vit_contrib", "vit_8_bits"] {
        let path = golden(&format!("forms/models/{name}.onnx"));
        let model = host.load_model(ModelRequest { path, ..ModelRequest::default() });
        let model = model.unwrap_or_else(|e| panic!("{name}: {e}"));
        let input = match name {
            "vit_wide" => "wide.npy",
            _ => "x.npy",
        };
        let options = ExplainOptions { method: "recipro-cam".into(), ..ExplainOptions::default() };
        let image = read_npy(&golden(&format!("forms/models/{input}")));
        let found = Explainer::new(&host, &model, &options).and_then(|e| e.explain(&Image::from(image)));
        let found = found.unwrap_or_else(|e| panic!("{name}: {e}"));
        let cells: BTreeSet<u32> = found.maps.data().iter().map(|v| v.to_bits()).collect();
        assert!(cells.len() > 50, "{name}: the map has {} different values", cells.len());
    }
}
