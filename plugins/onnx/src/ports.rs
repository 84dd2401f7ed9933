//! Where images go in and class scores come out: the model's input and output, chosen and checked.
//!
//! Callers always speak NCHW. [`ImageInput`] knows which order the model wants and turns a batch into it.

use std::borrow::Cow;
use std::collections::HashSet;

use scorecam_core::{BatchRule, Error, Layout, ModelConfig, Result, Tensor, TensorInfo, TensorView};

use crate::proto::{self, FLOAT};

/// The model's one input.
pub(crate) struct ImageInput {
    pub(crate) name: String,
    /// [N, C, H, W] whatever the model's own order; `None` where any length will do.
    pub(crate) shape: [Option<usize>; 4],
    pub(crate) layout: Layout,
}

impl ImageInput {
    /// Finds the input in `graph`; an error where it is not one image batch of f32.
    pub(crate) fn find(graph: &proto::Graph, config: &ModelConfig) -> Result<Self> {
        let value = choose_input(graph, config.input.as_deref())?;
        let name = value.name.as_str();
        let shape = tensor_shape(value, "input")?;
        let shape = shape.unwrap_or_else(|| vec![None; 4]);
        let Ok([n, a, b, c]) = <[Option<usize>; 4]>::try_from(shape.as_slice()) else {
            return Err(Error::unsupported(format!(
                "input {name:?} has shape {}; an image batch of four axes is needed",
                Free(&shape)
            )));
        };
        let (channels, height, width) = match config.layout {
            Layout::Nchw => (a, b, c),
            Layout::Nhwc => (c, a, b),
        };
        let mut input =
            Self { name: name.into(), shape: [n, channels, height, width], layout: config.layout };
        if let Some(size) = config.input_size {
            input.fix_size(size)?;
        }
        Ok(input)
    }

    fn fix_size(&mut self, (height, width): (usize, usize)) -> Result<()> {
        let [_, _, h, w] = self.shape;
        if height == 0 || width == 0 || h.is_some_and(|h| h != height) || w.is_some_and(|w| w != width) {
            return Err(Error::invalid(format!(
                "input {:?} wants {}; the input size that was given is {height} x {width}",
                self.name,
                Free(&self.shape)
            )));
        }
        self.shape[2..].copy_from_slice(&[Some(height), Some(width)]);
        Ok(())
    }

    /// The batch that the export allows, as far as the input tells.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        self.shape[0]
    }

    pub(crate) fn tensor_info(&self) -> TensorInfo {
        TensorInfo { name: self.name.clone(), shape: self.shape.to_vec() }
    }

    /// An error unless `batch` is what the model wants.
    pub(crate) fn check(&self, batch: &TensorView<'_>, rule: BatchRule) -> Result<()> {
        let n = match rule {
            BatchRule::Fixed(n) => Some(n),
            BatchRule::Any { .. } => self.shape[0],
        };
        self.check_shape(batch, n)
    }

    /// An error unless `images`, of any number, are of the size that the model wants.
    pub(crate) fn check_images(&self, images: &TensorView<'_>) -> Result<()> {
        self.check_shape(images, None)
    }

    fn check_shape(&self, batch: &TensorView<'_>, n: Option<usize>) -> Result<()> {
        let given = batch.shape();
        let [_, c, h, w] = self.shape;
        let wanted = [n, c, h, w];
        let fits =
            |(&given, wanted): (&usize, &Option<usize>)| given > 0 && wanted.is_none_or(|w| w == given);
        match given.len() == wanted.len() && given.iter().zip(&wanted).all(fits) {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "input {:?} wants {}; the tensor is {given:?}",
                self.name,
                Free(&wanted)
            ))),
        }
    }

    /// Shape and elements of `batch`, which must have four axes, in the model's own order.
    pub(crate) fn arrange<'b>(&self, batch: TensorView<'b>) -> Result<([usize; 4], Cow<'b, [f32]>)> {
        let [n, c, h, w] = batch.dims("batch")?;
        Ok(match self.layout {
            Layout::Nchw => ([n, c, h, w], Cow::Borrowed(batch.data())),
            Layout::Nhwc => ([n, h, w, c], Cow::Owned(swap_axes(batch.data(), c, h * w))),
        })
    }
}

/// An activation [N, h, w, K] as [N, K, h, w].
pub(crate) fn channels_first(activation: Tensor) -> Result<Tensor> {
    let [n, h, w, k] = activation.view().dims("activation")?;
    Tensor::new([n, k, h, w], swap_axes(activation.data(), h * w, k))
}

/// Items of `rows` x `columns`, each transposed.
fn swap_axes(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut swapped = Vec::with_capacity(data.len());
    // A shape with an axis of 0 has no elements to swap.
    for item in data.chunks_exact((rows * columns).max(1)) {
        for column in 0..columns {
            swapped.extend(item[column..].iter().step_by(columns));
        }
    }
    swapped
}

/// The output called `name`, or the first one; an error where it cannot hold class scores.
pub(crate) fn find_output<'g>(graph: &'g proto::Graph, name: Option<&str>) -> Result<&'g proto::Value> {
    let names = || graph.outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ");
    let value = match name {
        Some(name) => graph.outputs.iter().find(|o| o.name == name).ok_or_else(|| {
            Error::not_found(format!("output {name:?} is not in the model; outputs: {}", names()))
        })?,
        None => graph.outputs.first().ok_or_else(|| Error::model("the model has no output"))?,
    };
    tensor_shape(value, "output")?;
    Ok(value)
}

/// [N, classes] from the `shape` of an output; an error that names the output where it holds something else.
pub(crate) fn scores_shape(name: &str, shape: &[Option<usize>]) -> Result<[Option<usize>; 2]> {
    match *shape {
        [n, classes] => Ok([n, classes]),
        [n, classes, h, w] if h.is_none_or(|h| h == 1) && w.is_none_or(|w| w == 1) => Ok([n, classes]),
        _ => Err(Error::unsupported(format!(
            "output {name:?} has shape {}; class scores [N, classes] are needed: name the output that holds them",
            Free(shape)
        ))),
    }
}

/// The scores [n, classes] that a pass of `n` images returned.
pub(crate) fn scores(name: &str, n: usize, output: Tensor) -> Result<Tensor> {
    let shape: Vec<Option<usize>> = output.shape().iter().copied().map(Some).collect();
    match scores_shape(name, &shape)? {
        [Some(rows), Some(classes)] if rows == n => output.reshape([n, classes]),
        _ => Err(Error::model(format!(
            "output {name:?} has shape {} for {n} images; one row for each was expected",
            Free(&shape)
        ))),
    }
}

fn choose_input<'g>(graph: &'g proto::Graph, name: Option<&str>) -> Result<&'g proto::Value> {
    // Models of old format versions list their weights among the inputs.
    let weights: HashSet<&str> = graph.initializers.iter().map(|i| i.name.as_str()).collect();
    let inputs: Vec<_> = graph.inputs.iter().filter(|i| !weights.contains(i.name.as_str())).collect();
    let names = inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ");
    let chosen = name.map(|name| {
        inputs
            .iter()
            .find(|i| i.name == name)
            .ok_or_else(|| Error::not_found(format!("input {name:?} is not in the model; inputs: {names}")))
    });
    let chosen = chosen.transpose()?;
    match (&inputs[..], chosen) {
        ([only], _) => Ok(only),
        ([], _) => Err(Error::model("the model has no input")),
        _ => Err(Error::unsupported(format!(
            "the model has {} inputs ({names}); only models with one input, the image batch, can be run: export it \
             with the others as constants",
            inputs.len()
        ))),
    }
}

/// The shape that the file declares, if any; an error where the tensor is none of f32.
fn tensor_shape(value: &proto::Value, role: &str) -> Result<Option<Vec<Option<usize>>>> {
    let Some(kind) = &value.kind else { return Ok(None) };
    let Some(tensor) = &kind.tensor else {
        return Err(Error::unsupported(format!("{role} {:?} is not a tensor", value.name)));
    };
    match tensor.element {
        FLOAT | 0 => Ok(tensor.shape.as_ref().map(lengths)),
        element => Err(Error::unsupported(format!(
            "{role} {:?} is {}; only f32 is supported: export the model in f32",
            value.name,
            element_name(element)
        ))),
    }
}

/// The lengths of a declared shape; names and numbers below 1 are free.
pub(crate) fn lengths(shape: &proto::Shape) -> Vec<Option<usize>> {
    shape.axes.iter().map(|a| a.length.and_then(|l| usize::try_from(l).ok()).filter(|&l| l > 0)).collect()
}

fn element_name(element: i32) -> String {
    let known =
        ["", "f32", "u8", "i8", "u16", "i16", "i32", "i64", "string", "bool", "f16", "f64", "u32", "u64"];
    match usize::try_from(element).ok().and_then(|e| known.get(e)) {
        Some(name) => (*name).into(),
        None if element == 16 => "bf16".into(),
        None => format!("of ONNX element type {element}"),
    }
}

/// Writes a shape as `[N, 3, 224, 224]`, free axes as `N` (the first) and `?`.
struct Free<'a>(&'a [Option<usize>]);

impl std::fmt::Display for Free<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let axis = |(i, length): (usize, &Option<usize>)| match length {
            Some(length) => length.to_string(),
            None if i == 0 => "N".into(),
            None => "?".into(),
        };
        write!(f, "[{}]", self.0.iter().enumerate().map(axis).collect::<Vec<_>>().join(", "))
    }
}
