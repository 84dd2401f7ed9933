//! The layers of a model: the results of its module calls, what the graph tells of their axes, and which one to take
//! unasked.
//!
//! Shapes come from a trial pass. What the axes of a result are, the graph tells where an unbroken chain of operators leads
//! from the image to it; core finds out the rest.

use std::collections::HashMap;

use scorecam_plugin::{Form, LayerInfo, Meaning, Result};
use tch::Tensor;

use crate::shim::{Axes, Call, Module, Traits};
use crate::tensors::shape_of;

/// What a rank of preference weighs, so that it comes before the order of the layers.
const RANK: u32 = 1 << 24;
/// Calls that one trial pass taps, so that a large model's activations are not all in memory at once.
const TAPS_A_PASS: usize = 32;
/// The most axes that an activation may have.
const MAX_RANK: usize = 4;
/// The least part of the weights that lies before a layer that is taken unasked: what comes earlier is a stem.
const LEAST_PROGRESS: f64 = 0.5;

/// What a look at all module calls found.
#[derive(Default)]
pub(crate) struct Listing {
    pub(crate) layers: Vec<LayerInfo>,
    /// For each layer the index of its call.
    pub(crate) calls: Vec<usize>,
    /// Modules that are in the model and can't be tapped, with the reason.
    pub(crate) refused: Vec<(String, String)>,
}

/// What passes with taps showed.
#[derive(Default)]
pub(crate) struct Looked {
    /// For each call that can be tapped its index, and the axes of its result behind the batch, or why that holds no
    /// activations.
    calls: Vec<(usize, Result<Vec<usize>, String>)>,
    /// The shape of each output.
    pub(crate) outputs: Vec<Vec<usize>>,
}

/// Looks at all calls and at `outputs` by passes on `batch`, of so many images.
pub(crate) fn look(module: &Module, (batch, images): (&Tensor, usize), outputs: &[usize]) -> Result<Looked> {
    let calls = module.calls();
    let tappable: Vec<usize> = (0..calls.len()).filter(|&i| calls[i].refusal.is_none()).collect();
    let no_call = tappable.is_empty().then_some(&[][..]);
    let mut looked = Looked::default();
    for (i, group) in tappable.chunks(TAPS_A_PASS).chain(no_call).enumerate() {
        let outputs = if i == 0 { outputs } else { &[] };
        let mut found = module.taps(outputs, group)?.run(batch)?;
        let results = found.split_off(outputs.len());
        looked.outputs.extend(found.iter().map(shape_of));
        let axes = results.iter().map(|result| activation_axes(result, images));
        looked.calls.extend(group.iter().copied().zip(axes));
    }
    Ok(looked)
}

/// Lists the layers that a look showed. `outputs` are those that are explained, of `classes` elements.
pub(crate) fn list(
    module: &Module,
    looked: Looked,
    channels_last: bool,
    (outputs, classes): (&[usize], usize),
) -> Result<Listing> {
    let (calls, all_traits) = (module.calls(), module.traits(channels_last, outputs)?);
    let (mut listing, mut traits, mut families) = (Listing::default(), vec![], HashMap::new());
    for (i, axes) in looked.calls {
        match axes {
            Err(why) => listing.refused.push((calls[i].path.clone(), why)),
            Ok(axes) => {
                let mut layer = layer(&calls[i], &axes, all_traits[i]);
                if let (Meaning::Unknown, Some((_, same))) = (layer.meaning, layer.shape.split_last()) {
                    let family = (all_traits[i].family, same.to_vec());
                    layer.like = families.get(&family).copied();
                    families.entry(family).or_insert(listing.layers.len());
                }
                listing.layers.push(layer);
                listing.calls.push(i);
                traits.push(all_traits[i]);
            }
        }
    }
    listing.refused.extend(calls.into_iter().filter_map(|call| Some((call.path, call.refusal?))));
    prefer(&mut listing.layers, &traits, classes);
    Ok(listing)
}

impl Listing {
    /// Prefers other layers of tokens to those of which few tokens reach the outputs, as behind the last attention of a
    /// network that reads its class token alone. `gradient` gives the derivative for one image, or for several, with respect
    /// to the result of a call.
    pub(crate) fn pass_over_unread(&mut self, gradient: impl Fn(usize) -> Result<Tensor>) {
        let of_tokens: Vec<usize> =
            (0..self.layers.len()).filter(|&i| self.layers[i].preference > 0 && self.has_tokens(i)).collect();
        let best = self.layers.iter().max_by_key(|layer| layer.preference);
        if best.is_none_or(|layer| layer.shape.len() != 2) {
            return;
        }
        // A model of which there is no derivative keeps its order.
        let is_read = |i: usize| gradient(self.calls[i]).map_or(true, |slopes| !reaches_by_few(&slopes));
        let Some(&last) = of_tokens.last().filter(|&&last| !is_read(last)) else { return };
        // What lies behind a layer of which few tokens are read is read no more.
        let unread = of_tokens.partition_point(|&i| i != last && is_read(i));
        for &i in &of_tokens[unread..] {
            self.layers[i].preference &= RANK - 1;
        }
    }

    fn has_tokens(&self, i: usize) -> bool {
        self.layers[i].meaning == Meaning::Unknown && self.layers[i].shape.len() == 2
    }

    /// The index of the most preferred layer.
    pub(crate) fn default_layer(&self) -> Option<usize> {
        let preferred = (0..self.layers.len()).filter(|&i| self.layers[i].preference > 0);
        preferred.max_by_key(|&i| self.layers[i].preference)
    }
}

/// Whether slopes [N, T, K] or [N, K, T] are 0 but for few tokens.
fn reaches_by_few(slopes: &Tensor) -> bool {
    let along = |axis: i64, other: i64| -> Option<bool> {
        let reached = slopes.f_ne(0.0).ok()?.f_any_dims([0, other].as_slice(), false).ok()?;
        let count = i64::try_from(reached.f_sum(tch::Kind::Int64).ok()?).ok()?;
        Some(count > 0 && 2 * count < slopes.size()[axis as usize])
    };
    [(1, 2), (2, 1)].into_iter().any(|(axis, other)| along(axis, other).unwrap_or(false))
}

/// The layer of a call whose result has `axes` behind the batch.
fn layer(call: &Call, axes: &[usize], traits: Traits) -> LayerInfo {
    let meaning = match (traits.axes, axes.len()) {
        (_, 1) => Meaning::NoMap,
        (Axes::ChannelsFirst, 3) => Meaning::Map(Form::MAPS),
        (Axes::ChannelsLast, 3) => Meaning::Map(Form::CHANNELS_LAST),
        (Axes::NoMap, 3) => Meaning::NoMap,
        _ => Meaning::Unknown,
    };
    let axes = axes.iter().copied().map(Some).collect();
    LayerInfo { meaning, ..LayerInfo::new(call.path.clone(), call.kind.clone(), axes) }
}

/// The axes behind the batch of a call's result for `n` images; why it can't serve as activations where it can't.
fn activation_axes(result: &Tensor, n: usize) -> Result<Vec<usize>, String> {
    let shape = shape_of(result);
    if !result.is_floating_point() {
        return Err("its result is not of floating-point numbers".into());
    }
    if shape.first() != Some(&n) || shape.len() < 2 || shape.len() > MAX_RANK || shape.contains(&0) {
        return Err(format!(
            "its result has shape {shape:?} for {n} images; it must have 2 to {MAX_RANK} axes, the batch first"
        ));
    }
    Ok(shape[1..].to_vec())
}

/// Sets the preference of each layer: of those out of which the outputs are made, the last one before the classifier comes
/// first. Maps (not tokens) of as many channels as there are classes are taken for the classifier's own, pooled maps show what
/// came before them with less detail, and projections of tokens are what attention works with; these come last.
fn prefer(layers: &mut [LayerInfo], traits: &[Traits], classes: usize) {
    let progress = progress(layers, traits);
    for (i, layer) in layers.iter_mut().enumerate() {
        let is_of_tokens = layer.shape.len() == 2;
        let is_classifiers = !is_of_tokens && may_have_channels(layer, classes);
        let is_projection = is_of_tokens && layer.operator == "Linear";
        let rank: u32 = match (is_classifiers, is_projection || layer.operator.contains("Pool")) {
            (false, false) => 2,
            (false, true) => 1,
            (true, _) => 0,
        };
        if traits[i].makes_outputs && may_have_extent(layer) && progress[i] >= LEAST_PROGRESS {
            layer.preference = rank * RANK + i as u32 + 1;
        }
    }
}

fn may_have_extent(layer: &LayerInfo) -> bool {
    match layer.meaning {
        Meaning::Unknown => layer.shape.iter().filter(|length| **length != Some(1)).count() > 1,
        _ => layer.has_spatial_extent(),
    }
}

fn may_have_channels(layer: &LayerInfo, count: usize) -> bool {
    let [first, last] = [layer.shape.first(), layer.shape.last()].map(|axis| axis == Some(&Some(count)));
    match layer.meaning {
        Meaning::Map(Form::MAPS) => first,
        Meaning::Map(_) => last,
        _ => first || last,
    }
}

/// For each layer, the part of the modules with weights that come before it or are it; only those count whose result has
/// cells.
fn progress(layers: &[LayerInfo], traits: &[Traits]) -> Vec<f64> {
    let is_weighted =
        |i: usize| traits[i].has_weights && traits[i].makes_outputs && may_have_extent(&layers[i]);
    let total = (0..layers.len()).filter(|&i| is_weighted(i)).count();
    let mut before = 0;
    let part = |i: usize| {
        before += usize::from(is_weighted(i));
        if total == 0 { 1.0 } else { before as f64 / total as f64 }
    };
    (0..layers.len()).map(part).collect()
}
