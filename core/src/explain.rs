//! [`explain`]: one image, one model, one method, one [`Explanation`].
//!
//! The flow is straight: check, one forward pass for scores and activations, choose targets, let the method
//! work through a [`Study`], check what it returned. Decoding comes before and drawing after; see
//! [`crate::image`].

use std::collections::BTreeSet;

use crate::scores::{self, ClassScore};
use crate::study::{CountedModel, check_finite};
use crate::{
    BatchRule, CamMethod, Error, Forward, Given, ModelBackend, Monitor, Options, OutputActivation, Report,
    Result, Stage, Study, Tensor, TensorView,
};

/// Which classes to explain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// These classes, in this order.
    Classes(Vec<usize>),
    /// The classes with the highest scores, the highest first.
    Top(usize),
}

/// What to explain, and how.
pub struct Request<'a> {
    /// The preprocessed input, [1, C, H, W].
    pub input: TensorView<'a>,
    /// Another image of the same shape, for options that compare with one.
    pub reference: Option<TensorView<'a>>,
    /// Which classes to explain; all of them come from the same passes.
    pub targets: Targets,
    /// The target layer; the model's default when `None`.
    pub layer: Option<&'a str>,
    /// The method's options, from [`crate::MethodInfo::resolve`].
    pub options: &'a Options,
    /// Images a pass, at most [`BatchRule::MOST`]; the model's preference when `None`.
    pub batch_size: Option<usize>,
    /// What the model applies to its scores, when the caller knows better than the backend.
    pub output_activation: Option<OutputActivation>,
    /// Told of each batch, on the calling thread; breaking off cancels.
    pub progress: &'a Report<'a>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The target layer.
    pub layer: String,
    /// The explained classes, in the order of the maps.
    pub targets: Vec<Target>,
    /// One saliency map for each target, [targets, H, W].
    pub maps: Tensor,
    /// Images run through the model, the first one included.
    pub passes: usize,
    /// Numbers that the method reports, by name.
    pub measures: Vec<(String, f64)>,
    /// What the user should know, a line each.
    pub warnings: Vec<String>,
}

/// An explained class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The class's index.
    pub class: usize,
    /// Its probability on the unmasked input, 0 to 1; where the model gives a number of its own, that number.
    pub score: f64,
    /// The model's raw output for it.
    pub output: f32,
}

/// Explains the decision of `model` on one input; blocks until done. May be called from several threads.
pub fn explain(
    model: &dyn ModelBackend,
    method: &dyn CamMethod,
    request: &Request<'_>,
) -> Result<Explanation> {
    let shape = check_input(model, request)?;
    method.info().check_needs(model.info())?;
    let monitor = Monitor::new(request.progress);
    let counted = CountedModel::new(model, &monitor);
    let batch_size = batch_size(model, request.batch_size)?;
    let layer = &find_layer(&counted, request)?;

    monitor.enter(Stage::Forward)?;
    let forward = counted.forward(request.input, &[layer])?;
    let activations = spatial_activations(&forward, layer)?;
    let mut warnings = model.remarks();
    let output_activation = resolve_activation(model, request, forward.scores.item(0), &mut warnings);
    let targets = choose_targets(&request.targets, forward.scores.item(0), output_activation)?;

    monitor.enter(Stage::Passes)?;
    let given = Given {
        input: request.input,
        reference: request.reference,
        activations,
        layer,
        scores: forward.scores.item(0),
        output_activation,
        targets: &targets,
        batch_size,
    };
    let output = method.explain(&Study::new(model, &monitor, given), request.options)?;
    check_maps(&output.maps, targets.len(), &method.info().id)?;
    warnings.extend(output.warnings);
    warnings.extend(crate::flat::warning(&output.maps, &given, request.options));
    monitor.enter(Stage::Done)?;

    tracing::debug!(layer, passes = monitor.passes(), ?shape, "explained");
    Ok(Explanation {
        layer: layer.clone(),
        targets: targets.iter().map(|&class| target(class, &given)).collect(),
        maps: output.maps,
        passes: monitor.passes(),
        measures: output.measures,
        warnings,
    })
}

/// The target layer. Of a layer that is not listed the model itself is asked, since it may know why: a backend's
/// own words say more than a list of others. That is a pass like any other, counted and of a size that it takes.
fn find_layer(model: &CountedModel<'_>, request: &Request<'_>) -> Result<String> {
    let unknown = match model.info().layer(request.layer) {
        Ok(layer) => return Ok(layer.name.clone()),
        Err(unknown) => unknown,
    };
    let asked = request.layer.map(|name| model.forward(request.input, &[name]));
    Err(asked.and_then(Result::err).unwrap_or(unknown))
}

fn check_input(model: &dyn ModelBackend, request: &Request<'_>) -> Result<[usize; 4]> {
    let shape: [usize; 4] = request.input.dims("the input")?;
    if shape[0] != 1 || shape.contains(&0) {
        return Err(Error::invalid(format!(
            "the input has shape {shape:?}; one image [1, C, H, W] is needed"
        )));
    }
    // An engine may trust its own description, and read as many values as it says.
    let wanted = &model.info().input.shape;
    let fits = |(wanted, is): (&Option<usize>, &usize)| wanted.is_none_or(|n| n == *is);
    if wanted.len() == shape.len() && !wanted.iter().zip(&shape).skip(1).all(fits) {
        let sizes = wanted[1..].iter().map(|n| n.map_or("any".into(), |n| n.to_string()));
        let sizes = sizes.collect::<Vec<String>>().join(", ");
        return Err(Error::invalid(format!("the model takes [N, {sizes}]; the input has shape {shape:?}")));
    }
    let finite = |t: TensorView<'_>, what: &str| {
        check_finite(t.data(), || what.to_owned()).map_err(|e| Error::invalid(e.to_string()))
    };
    finite(request.input, "the input")?;
    if let Some(reference) = request.reference {
        if reference.shape() != request.input.shape() {
            return Err(Error::invalid(format!(
                "the reference image has shape {:?}, the input {shape:?}; they must be equal",
                reference.shape()
            )));
        }
        finite(reference, "the reference image")?;
    }
    Ok(shape)
}

fn spatial_activations<'a>(forward: &'a Forward, layer: &str) -> Result<TensorView<'a>> {
    let activations = forward
        .activations
        .first()
        .ok_or_else(|| Error::plugin(format!("the backend returned no activations for layer {layer:?}")))?;
    match activations.shape() {
        [1, k, h, w] if *k > 0 && h * w > 1 => Ok(activations.view()),
        shape => Err(Error::invalid(format!(
            "layer {layer:?} has activations of shape {shape:?}; a saliency map needs [1, K, h, w] with more than one cell"
        ))),
    }
}

fn resolve_activation(
    model: &dyn ModelBackend,
    request: &Request<'_>,
    scores: &[f32],
    warnings: &mut Vec<String>,
) -> OutputActivation {
    let known = request.output_activation.unwrap_or(OutputActivation::Unknown);
    if known != OutputActivation::Unknown {
        return known;
    }
    match model.info().output_activation {
        OutputActivation::Unknown if scores::sum_to_one(scores) => {
            warnings.push(
                "the model's output sums to 1, so it is taken as softmax probabilities; \
                 say what it is with output.activation in the manifest"
                    .into(),
            );
            OutputActivation::Softmax
        }
        OutputActivation::Unknown => OutputActivation::None,
        OutputActivation::Softmax => {
            warnings.push(
                "the model ends in softmax: its output is used as it is, softmax is not applied again".into(),
            );
            OutputActivation::Softmax
        }
        declared => declared,
    }
}

fn choose_targets(targets: &Targets, scores: &[f32], applied: OutputActivation) -> Result<Vec<usize>> {
    let classes = scores.len();
    match targets {
        Targets::Classes(list) if list.is_empty() => Err(Error::invalid("no class was given to explain")),
        Targets::Classes(list) => {
            let mut seen = BTreeSet::new();
            for c in list {
                if *c >= classes {
                    let last = classes - 1;
                    return Err(Error::invalid(format!(
                        "class {c} is out of range; the model has classes 0 to {last}"
                    )));
                }
                // So there are never more maps than the model has classes.
                if !seen.insert(c) {
                    return Err(Error::invalid(format!("class {c} was given twice; give each class once")));
                }
            }
            Ok(list.clone())
        }
        Targets::Top(k) if *k == 0 || *k > classes => {
            Err(Error::invalid(format!("top {k} classes were asked for; the model has 1 to {classes}")))
        }
        Targets::Top(k) => {
            let mut order: Vec<usize> = (0..classes).collect();
            match applied.is_one_value() {
                // Unasked, a value is explained and not its other side.
                true => order.reverse(),
                false => order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a])),
            }
            order.truncate(*k);
            Ok(order)
        }
    }
}

pub(crate) fn batch_size(model: &dyn ModelBackend, wanted: Option<usize>) -> Result<usize> {
    match (wanted, model.info().batch) {
        (Some(0), _) => Err(Error::invalid("batch size 0 was asked for; at least 1 is needed")),
        (Some(n), _) if n > BatchRule::MOST => {
            Err(Error::invalid(format!("batch size {n} was asked for; {} is the most", BatchRule::MOST)))
        }
        (_, BatchRule::Fixed(n)) => Ok(n),
        (Some(n), _) => Ok(n),
        (None, BatchRule::Any { preferred }) => Ok(preferred.max(1)),
    }
}

fn check_maps(maps: &Tensor, targets: usize, method: &str) -> Result<()> {
    match maps.shape() {
        [n, h, w] if *n == targets && *h > 0 && *w > 0 => {
            check_finite(maps.data(), || format!("the map of method {method:?}"))
                .map_err(|e| Error::new(crate::ErrorKind::Plugin, e.to_string()))
        }
        shape => Err(Error::plugin(format!(
            "method {method:?} returned maps of shape {shape:?} for {targets} targets"
        ))),
    }
}

fn target(class: usize, given: &Given<'_>) -> Target {
    Target {
        class,
        score: scores::class_score(ClassScore::Softmax, given.output_activation, given.scores, class),
        output: given.scores[class],
    }
}
