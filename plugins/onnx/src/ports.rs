//! Where images go in: the model's image input, chosen and checked, and the order and type that it wants.
//!
//! Callers always speak NCHW in f32. [`ImageInput`] knows what the model wants and turns a batch into it.

use std::borrow::Cow;
use std::collections::HashSet;

use scorecam_core::{Error, InputInfo, Layout, ModelConfig, Result, TensorView, bail, ensure, fits, written};

use crate::element::Element;
use crate::proto;

/// The model's image input.
pub(crate) struct ImageInput {
    pub(crate) name: String,
    /// [N, C, H, W] whatever the model's own order; `None` where any length will do.
    pub(crate) shape: [Option<usize>; 4],
    pub(crate) layout: Layout,
    pub(crate) element: Element,
    /// Whether the model has a batch axis; where it has none it takes one image.
    pub(crate) has_batch: bool,
}

/// Numbers of channels that images have.
const CHANNELS: [usize; 3] = [1, 3, 4];

impl ImageInput {
    /// Finds the input among `inputs`; an error where it is no image batch.
    pub(crate) fn find(inputs: &[&proto::Value], config: &ModelConfig) -> Result<Self> {
        let value = choose(inputs, config.input.as_deref())?;
        let name = value.name.as_str();
        let element = Element::of(value, "input")?;
        if !element.can_hold_pixels() {
            bail!(unsupported, "input {name:?} is {element}; images are given as f32, f16, bf16, f64 or u8");
        }
        let shape = value.shape().unwrap_or_else(|| vec![None; 4]);
        let refused = || {
            Error::unsupported(format!(
                "input {name:?} has shape {}; it must be an image batch with four axes, or one image with three",
                written(&shape)
            ))
        };
        let (n, axes) = match shape[..] {
            [n, a, b, c] => (n, [a, b, c]),
            [a, b, c] => (Some(1), [a, b, c]),
            _ => return Err(refused()),
        };
        let layout = config.layout.unwrap_or_else(|| likely_layout(axes));
        let [channels, height, width] = match (layout, axes) {
            (Layout::Nchw, axes) => axes,
            (Layout::Nhwc, [h, w, c]) => [c, h, w],
        };
        let has_batch = shape.len() == 4;
        let shape = [n, channels, height, width];
        let mut input = Self { name: name.into(), shape, layout, element, has_batch };
        if let Some(size) = config.input_size {
            input.fix_size(size)?;
        }
        Ok(input)
    }

    fn fix_size(&mut self, (height, width): (usize, usize)) -> Result<()> {
        let [_, _, h, w] = self.shape;
        if height == 0 || width == 0 || h.is_some_and(|h| h != height) || w.is_some_and(|w| w != width) {
            return Err(Error::invalid(format!(
                "input {:?} takes {}; the given input size is {height} x {width}",
                self.name,
                written(&self.shape)
            )));
        }
        self.shape[2..].copy_from_slice(&[Some(height), Some(width)]);
        Ok(())
    }

    /// The batch that the export allows, as far as the input tells.
    pub(crate) fn fixed_batch(&self) -> Option<usize> {
        self.shape[0]
    }

    pub(crate) fn input_info(&self) -> InputInfo {
        let element = self.element.element_type();
        InputInfo { element, ..InputInfo::image(&self.name, self.shape.to_vec()) }
    }

    /// Whether the model takes batches of f32, which graphs of our own can make.
    pub(crate) fn is_plain(&self) -> bool {
        self.has_batch && self.element == Element::F32
    }

    /// An error unless `batch` is of the size that the model wants, and of `n` images where that is given.
    pub(crate) fn check(&self, batch: &TensorView<'_>, n: Option<usize>) -> Result<()> {
        let given = batch.shape();
        let [_, c, h, w] = self.shape;
        let (wanted, name) = ([n, c, h, w], &self.name);
        let is_right = fits(&wanted, given) && !given.contains(&0);
        ensure!(is_right, invalid, "input {name:?} must be {}; the tensor is {given:?}", written(&wanted));
        Ok(())
    }

    /// Shape and elements of `batch`, which must have four axes, in the model's own order.
    pub(crate) fn arrange<'b>(&self, batch: TensorView<'b>) -> Result<(Vec<usize>, Cow<'b, [f32]>)> {
        let [n, c, h, w] = batch.dims("batch")?;
        let (shape, data) = match self.layout {
            Layout::Nchw => ([n, c, h, w], Cow::Borrowed(batch.data())),
            Layout::Nhwc => ([n, h, w, c], Cow::Owned(swap_axes(batch.data(), c, h * w))),
        };
        Ok((shape[usize::from(!self.has_batch)..].to_vec(), data))
    }
}

/// The order of axes that three lengths tell: channels are one, three or four.
fn likely_layout([first, _, last]: [Option<usize>; 3]) -> Layout {
    let may_be_channels = |n: Option<usize>| n.is_some_and(|n| CHANNELS.contains(&n));
    if may_be_channels(last) && !may_be_channels(first) { Layout::Nhwc } else { Layout::Nchw }
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

/// The inputs of a graph. Models of old format versions list their weights among them.
pub(crate) fn inputs(graph: &proto::Graph) -> Vec<&proto::Value> {
    let weights: HashSet<&str> = graph.initializers.iter().map(|i| i.name.as_str()).collect();
    graph.inputs.iter().filter(|i| !weights.contains(i.name.as_str())).collect()
}

/// The input called `name`, the only one, or the only one that may be an image.
fn choose<'g>(inputs: &[&'g proto::Value], name: Option<&str>) -> Result<&'g proto::Value> {
    let names = || inputs.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) = name {
        let chosen = inputs.iter().find(|i| i.name == name);
        return chosen.copied().ok_or_else(|| {
            Error::not_found(format!("input {name:?} is not in the model; inputs: {}", names()))
        });
    }
    let may_be_image = |i: &&proto::Value| i.shape().is_none_or(|s| matches!(s.len(), 3 | 4));
    let images: Vec<&proto::Value> = inputs.iter().copied().filter(may_be_image).collect();
    match (inputs, images.as_slice()) {
        ([], _) => Err(Error::model("the model has no input")),
        ([only], _) | (_, [only]) => Ok(only),
        _ => Err(Error::invalid(format!(
            "the model has {} inputs ({}); name the image with input.name in a manifest",
            inputs.len(),
            names()
        ))),
    }
}
