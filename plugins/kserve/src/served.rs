//! What a server says of a model, as the pipeline wants it: which input takes images, which output holds class
//! scores, which outputs are layers.

use scorecam_core::{
    Abilities, BatchRule, Candidate, Error, InputInfo, LayerInfo, Layout, ModelConfig, ModelInfo,
    OutputActivation, OutputInfo, Result, bail, choose_output, ensure, written,
};

use crate::element::Element;
use crate::file::KserveFile;
use crate::message::{Described, Metadata};

/// Images of a batch when the caller does not say. A request has as many of them as its bytes allow.
const PREFERRED_BATCH: usize = 16;
/// Numbers of channels that images have.
const CHANNELS: [usize; 3] = [1, 3, 4];

/// The input that takes images.
#[derive(Debug, Clone)]
pub(crate) struct ImageInput {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) layout: Layout,
}

/// A tensor that the model gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) element: Element,
    pub(crate) shape: Vec<Option<usize>>,
    /// Whether it has a row for each image.
    pub(crate) per_image: bool,
}

/// A model as it is served.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) image: ImageInput,
    pub(crate) outputs: Vec<Output>,
    pub(crate) info: ModelInfo,
}

/// Lengths of axes, `None` for any.
pub(crate) fn axes(shape: &[i64]) -> Vec<Option<usize>> {
    shape.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect()
}

impl Served {
    /// Of what a server describes, as file and caller want it.
    pub(crate) fn new(metadata: &Metadata, file: &KserveFile, config: &ModelConfig) -> Result<Self> {
        if metadata.inputs.is_empty() || metadata.outputs.is_empty() {
            bail!(
                model,
                "the server does not describe the inputs and outputs of model {:?}; list them in the server's \
                 configuration of the model",
                file.model
            );
        }
        let (image, input) = image_input(metadata, file, config)?;
        let fixed = input.shape[0];
        let outputs = outputs(metadata, fixed);
        let scores = scores(&outputs, file, config);
        let layers = layers(&outputs, scores.as_ref().ok().copied(), file, config)?;
        let info = ModelInfo {
            input,
            other_inputs: Vec::new(),
            outputs: outputs.iter().map(Output::info).collect(),
            scores,
            default_layer: None,
            layers,
            batch: fixed.map_or(BatchRule::Any { preferred: PREFERRED_BATCH }, BatchRule::Fixed),
            abilities: Abilities { masked: true, run_from: file.head.is_some(), ..Abilities::NONE },
        };
        Ok(Self { image, outputs, info })
    }
}

/// The one of `outputs` called `name`.
pub(crate) fn find<'o>(outputs: &'o [Output], name: &str) -> Result<&'o Output> {
    let names = || outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ");
    let missing =
        || Error::not_found(format!("output {name:?} is not in the served model; outputs: {}", names()));
    outputs.iter().find(|output| output.name == name).ok_or_else(missing)
}

impl Output {
    fn info(&self) -> OutputInfo {
        OutputInfo {
            element: self.element.element_type(),
            per_image: self.per_image,
            ..OutputInfo::new(&self.name, self.shape.clone(), OutputActivation::Unknown)
        }
    }

    fn may_be_layer(&self) -> bool {
        self.per_image && self.element.is_float() && matches!(self.shape.len(), 3 | 4)
    }
}

fn image_input(
    metadata: &Metadata,
    file: &KserveFile,
    config: &ModelConfig,
) -> Result<(ImageInput, InputInfo)> {
    let name = config.input.as_deref().or(file.input.as_deref());
    let names = || metadata.inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ");
    let described = match (name, metadata.inputs.as_slice()) {
        (Some(name), inputs) => inputs.iter().find(|input| input.name == name).ok_or_else(|| {
            Error::not_found(format!("input {name:?} is not in the served model; inputs: {}", names()))
        })?,
        (None, inputs) => &inputs[0],
    };
    let count = metadata.inputs.len();
    ensure!(
        count == 1,
        unsupported,
        "the served model has {count} inputs ({}); it must have one image input",
        names()
    );
    let Described { name, datatype, shape } = described;
    let element = Element::named(datatype).filter(|element| element.can_hold_pixels()).ok_or_else(|| {
        Error::unsupported(format!(
            "input {name:?} is {datatype:.16}; images are sent as FP32, FP16, BF16, FP64 or UINT8"
        ))
    })?;
    let Ok([n, a, b, c]) = <[Option<usize>; 4]>::try_from(axes(shape)) else {
        let shape = written(&axes(shape));
        bail!(unsupported, "input {name:?} has shape {shape}; it must be an image batch with four axes");
    };
    let may_be_channels = |n: Option<usize>| n.is_some_and(|n| CHANNELS.contains(&n));
    let likely = if may_be_channels(c) && !may_be_channels(a) { Layout::Nhwc } else { Layout::Nchw };
    let layout = config.layout.unwrap_or(likely);
    let [channels, mut height, mut width] = match layout {
        Layout::Nchw => [a, b, c],
        Layout::Nhwc => [c, a, b],
    };
    if let Some((h, w)) = config.input_size {
        if h == 0 || w == 0 || height.is_some_and(|n| n != h) || width.is_some_and(|n| n != w) {
            let shape = written(&[n, channels, height, width]);
            bail!(invalid, "input {name:?} takes {shape}; the given input size is {h} x {w}");
        }
        (height, width) = (Some(h), Some(w));
    }
    let info = InputInfo {
        element: element.element_type(),
        ..InputInfo::image(name, vec![n, channels, height, width])
    };
    Ok((ImageInput { name: name.clone(), element, layout }, info))
}

/// The outputs whose numbers are read; texts are left out.
pub(crate) fn outputs(metadata: &Metadata, fixed: Option<usize>) -> Vec<Output> {
    let of = |described: &Described| {
        let shape = axes(&described.shape);
        let per_image = shape.first().is_some_and(|n| n.is_none() || *n == fixed);
        Some(Output {
            name: described.name.clone(),
            element: Element::named(&described.datatype)?,
            shape,
            per_image,
        })
    };
    metadata.outputs.iter().filter_map(of).collect()
}

/// Which of the outputs holds class scores: the one that is named, or the one that looks like it and is no layer.
fn scores(outputs: &[Output], file: &KserveFile, config: &ModelConfig) -> Result<usize> {
    let name = config.output.as_deref().or(file.scores.as_deref());
    let is_layer =
        |o: &Output| name.is_none() && file.layers.as_ref().is_some_and(|all| all.contains(&o.name));
    let places: Vec<usize> = (0..outputs.len()).filter(|&i| !is_layer(&outputs[i])).collect();
    let candidate = |&i: &usize| {
        let Output { name, element, shape, .. } = &outputs[i];
        Candidate { name, shape: Some(shape.clone()), element: (element.name(), element.is_float()) }
    };
    let candidates: Vec<Candidate<'_>> = places.iter().map(candidate).collect();
    let chosen = places[choose_output(&candidates, name)?];
    let Output { name, element, .. } = &outputs[chosen];
    ensure!(
        element.is_float(),
        unsupported,
        "output {name:?} is {}; class scores must be floating-point numbers",
        element.name()
    );
    Ok(chosen)
}

/// The outputs that are layers. The last one recommends itself most.
fn layers(
    outputs: &[Output],
    scores: Option<usize>,
    file: &KserveFile,
    config: &ModelConfig,
) -> Result<Vec<LayerInfo>> {
    let all = outputs.iter().enumerate().filter(|(i, o)| o.may_be_layer() && Some(*i) != scores);
    let mut names: Vec<&str> = match &file.layers {
        Some(layers) => layers.iter().map(String::as_str).collect(),
        None => all.map(|(_, output)| output.name.as_str()).collect(),
    };
    for layer in config.layers(|name| outputs.iter().any(|output| output.name == name)) {
        if !names.contains(&layer) {
            names.push(layer);
        }
    }
    let layer = |(i, name): (usize, &&str)| {
        let Some(output) = outputs.iter().find(|output| output.name == **name) else {
            let known = outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ");
            bail!(
                not_found,
                "layer {name:?} is not an output of served model {:?} (outputs: {known}); scorecam bake \
                 --model MODEL.onnx --tap {name} --output TAPPED.onnx writes a model with it as an \
                 output; serve that one instead",
                file.model
            );
        };
        if !output.may_be_layer() {
            let (shape, element) = (written(&output.shape), output.element.name());
            bail!(
                unsupported,
                "layer {name:?} is {element} {shape}; a layer has three or four axes, the batch first"
            );
        }
        Ok(LayerInfo {
            preference: i as u32 + 1,
            ..LayerInfo::new(*name, "output", output.shape[1..].to_vec())
        })
    };
    names.iter().enumerate().map(layer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(name: &str, datatype: &str, shape: &[i64]) -> Described {
        Described { name: name.into(), datatype: datatype.into(), shape: shape.to_vec() }
    }

    fn served(
        inputs: &[Described],
        outputs: &[Described],
        lines: &str,
        config: &ModelConfig,
    ) -> Result<Served> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.kserve");
        let text = format!("endpoints = [\"grpc://localhost:1\"]\nmodel = \"m\"\n{lines}");
        std::fs::write(&path, text).expect("written");
        let metadata = Metadata { inputs: inputs.to_vec(), outputs: outputs.to_vec() };
        Served::new(&metadata, &KserveFile::read(&path)?, config)
    }

    #[test]
    fn a_description_says_what_is_image_scores_and_layer() {
        let image = [described("x", "FP32", &[-1, 3, 32, 48])];
        let outputs = [
            described("deep", "FP32", &[-1, 8, 4, 6]),
            described("logits", "FP32", &[-1, 10]),
            described("names", "BYTES", &[-1]),
        ];
        let found = served(&image, &outputs, "", &ModelConfig::default()).expect("a model");
        assert_eq!(found.info.input.shape, [None, Some(3), Some(32), Some(48)]);
        assert_eq!(found.info.scores, Ok(1));
        assert_eq!(found.info.layers.len(), 1);
        assert_eq!(found.info.layers[0].shape, [Some(8), Some(4), Some(6)]);
        assert_eq!(found.info.batch, BatchRule::Any { preferred: PREFERRED_BATCH });
        let last = [described("x", "UINT8", &[4, 32, 48, 3])];
        let found = served(&last, &[described("logits", "FP16", &[4, 10])], "", &ModelConfig::default());
        let found = found.expect("a model");
        assert_eq!((found.image.layout, found.info.batch), (Layout::Nhwc, BatchRule::Fixed(4)));
        assert_eq!(found.info.input.shape, [Some(4), Some(3), Some(32), Some(48)]);
    }

    #[test]
    fn a_description_that_does_not_do_is_refused_in_one_line() {
        let image = described("x", "FP32", &[-1, 3, 32, 32]);
        let logits = described("logits", "FP32", &[-1, 10]);
        let check = |inputs: &[Described], lines: &str, layer: Option<&str>, expected: &str| {
            let config = ModelConfig { layer: layer.map(str::to_owned), ..Default::default() };
            let error = served(inputs, std::slice::from_ref(&logits), lines, &config)
                .expect_err(expected)
                .to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        };
        let one = std::slice::from_ref(&image);
        check(one, "", Some("conv9"), "--tap conv9 --output TAPPED.onnx");
        check(one, "layers = [\"conv9\"]", None, "--tap conv9 --output TAPPED.onnx");
        check(one, "layers = [\"logits\"]", None, "FP32 [N, 10]; a layer has three or four axes");
        check(&[], "", None, "does not describe the inputs and outputs of model \"m\"");
        check(&[image.clone(), described("y", "FP32", &[1])], "", None, "has 2 inputs (x, y)");
        check(one, "input = \"z\"", None, "input \"z\" is not in the served model; inputs: x");
        check(&[described("x", "BYTES", &[-1])], "", None, "input \"x\" is BYTES");
        check(&[described("x", "FP32", &[-1, 4])], "", None, "input \"x\" has shape [N, 4]");
    }
}
