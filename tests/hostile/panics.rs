//! A plugin in Rust that panics in the function that the variable `SPOIL` names; a sound one without it. It
//! exports a backend, whose models are any files `*.spoiled`, and a method.
#![allow(missing_docs, reason = "its symbols are the plugin's, not a library's")]

use scorecam_plugin::{
    Abilities, BackendLoader, BatchRule, CamMethod, Error, InputInfo, Inputs, LayerInfo, MethodInfo,
    MethodOutput, ModelBackend, ModelConfig, ModelInfo, Options, OutputActivation, OutputInfo, Result, Study,
    Tensor, Work,
};

fn panic_in(place: &str) {
    if std::env::var("SPOIL").is_ok_and(|wanted| wanted == format!("panic in {place}")) {
        panic!("on purpose, in {place}\nand with a second line");
    }
}

struct Loader;

impl BackendLoader for Loader {
    fn id(&self) -> &str {
        panic_in("id");
        "panics"
    }

    fn version(&self) -> &str {
        "1.0"
    }

    fn extensions(&self) -> &[&str] {
        &["spoiled"]
    }

    fn abilities(&self) -> Abilities {
        Abilities::NONE
    }

    fn load(&self, config: &ModelConfig) -> Result<Box<dyn ModelBackend>> {
        if !std::fs::read(&config.path).is_ok_and(|bytes| bytes == b"sound\n") {
            return Err(Error::model("the first line is not \"sound\""));
        }
        panic_in("load");
        scorecam_plugin::tracing::warn!(file = ?config.path.file_name(), "it panics when asked to");
        let shape = |axes: &[usize]| axes.iter().map(|&n| (n > 0).then_some(n)).collect();
        Ok(Box::new(Model(ModelInfo {
            input: InputInfo::image("input", shape(&[0, 1, 6, 6])),
            other_inputs: Vec::new(),
            outputs: vec![OutputInfo::new("scores", shape(&[0, 4]), OutputActivation::None)],
            scores: Ok(0),
            layers: vec![LayerInfo::maps("maps", "Conv", shape(&[2, 3, 3]))],
            default_layer: Some(0),
            batch: BatchRule::Any { preferred: 2 },
            abilities: Abilities::NONE,
        })))
    }
}

struct Model(ModelInfo);

impl ModelBackend for Model {
    fn info(&self) -> &ModelInfo {
        panic_in("info");
        &self.0
    }

    fn forward(&self, inputs: &Inputs<'_>, wanted: &[&str]) -> Result<Vec<Tensor>> {
        let batch = inputs.images;
        panic_in("forward");
        let images = batch.shape()[0];
        let tensor = |name: &&str| match *name {
            "scores" => Tensor::zeros([images, 4]),
            _ => Tensor::new([images, 2, 3, 3], (0..images * 18).map(|i| i as f32).collect()),
        };
        wanted.iter().map(tensor).collect()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        panic_in("drop");
    }
}

struct Method(MethodInfo);

impl Method {
    fn new() -> Self {
        panic_in("construction");
        Self(MethodInfo {
            id: "panics".into(),
            version: "1.0".into(),
            summary: "panics on purpose".into(),
            options: Vec::new(),
            presets: Vec::new(),
            needs: Abilities::NONE,
            needs_layer: true,
        })
    }
}

impl CamMethod for Method {
    fn info(&self) -> &MethodInfo {
        &self.0
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, _: &'s Options) -> Work<'s> {
        Box::pin(async move {
            panic_in("explain");
            let [_, _, height, width] = study.context.input.view().dims("the input")?;
            Ok(MethodOutput {
                maps: Tensor::zeros([study.context.targets.len(), height, width])?,
                errors: None,
                measures: Vec::new(),
                warnings: Vec::new(),
            })
        })
    }
}

scorecam_plugin::export_plugin! {
    backend: Loader,
    method: Method::new(),
}
