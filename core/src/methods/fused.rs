//! [`Fused`]: a method's maps of several layers, and of the mirrored image, fused into one.
//!
//! Maps of early layers are sharp, those of late layers class-specific, so they complement each other: the mean keeps
//! evidence from any layer, the product evidence from all. The part of a map that changes when the image is mirrored is
//! accidental, and the mean with the mirrored image's map halves it (pytorch-grad-cam's `aug_smooth` does the same with
//! other changes of the image).
//!
//! Maps are fused as the method returns them, usually within 0 and 1, and the result is not normalized again: a product
//! below 1 everywhere means that the layers agree nowhere.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::ask::Ask;
use crate::explain::{check_maps, spatial_activations};
use crate::{CamMethod, Error, MethodInfo, MethodOutput, Options, Result, Study, StudyContext, Tensor, Work};

/// How the maps of several layers become one, value by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fuse {
    /// Their mean.
    #[default]
    Mean,
    /// The greatest.
    Max,
    /// Their product.
    Product,
}

impl fmt::Display for Fuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Product => "product",
        })
    }
}

impl FromStr for Fuse {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "mean" => Ok(Self::Mean),
            "max" => Ok(Self::Max),
            "product" => Ok(Self::Product),
            _ => Err(Error::invalid(format!("fuse is {text:?}; it must be mean, max or product"))),
        }
    }
}

/// A method that looks at several layers, or at the mirrored image too.
pub struct Fused {
    /// The method.
    pub method: Arc<dyn CamMethod>,
    /// The layers, of which the first is that of the study; none where the method needs none.
    pub layers: Vec<String>,
    /// How their maps become one.
    pub fuse: Fuse,
    /// Whether the result is the mean with the mirrored image's map.
    pub augment: bool,
}

impl CamMethod for Fused {
    fn info(&self) -> &MethodInfo {
        self.method.info()
    }

    fn check(&self, options: &Options) -> Result<()> {
        self.method.check(options)
    }

    fn explain<'s>(&'s self, study: &'s Study<'_>, options: &'s Options) -> Work<'s> {
        Box::pin(async move {
            let others = self.layers.get(1..).unwrap_or_default();
            let mut contexts = vec![Arc::clone(&study.context)];
            if !others.is_empty() {
                contexts.extend(passed(study, &study.context, others).await?);
            }
            let mut parts = vec![self.by_layers(study, contexts, options).await?];
            if self.augment {
                parts.push(self.mirrored(study, options).await?);
            }
            fused(Fuse::Mean, &["", "mirrored "], parts)
        })
    }
}

impl Fused {
    /// The map of all layers for one view of the image.
    async fn by_layers(
        &self,
        study: &Study<'_>,
        contexts: Vec<Arc<StudyContext>>,
        options: &Options,
    ) -> Result<MethodOutput> {
        let mut parts = Vec::new();
        for context in contexts {
            let output = self.method.explain(&study.of(context), options).await?;
            check_maps(&output, study.context.targets.len(), &self.info().id)?;
            parts.push(output);
        }
        let names: Vec<String> = self.layers.iter().map(|layer| format!("{layer} ")).collect();
        fused(self.fuse, &names.iter().map(String::as_str).collect::<Vec<_>>(), parts)
    }

    /// The map of the mirrored image, mirrored back. Targets that stand somewhere in the image are mirrored with it.
    async fn mirrored(&self, study: &Study<'_>, options: &Options) -> Result<MethodOutput> {
        let targets = study.targets();
        let mirrored = targets.as_ref().map(|targets| targets.mirrored().map(Arc::new)).transpose()?;
        study.read_by(mirrored);
        let context = StudyContext {
            input: Arc::new(flipped(&study.context.input)?),
            reference: study.context.reference.as_deref().map(flipped).transpose()?.map(Arc::new),
            ..StudyContext::clone(&study.context)
        };
        let contexts = passed(study, &context, &self.layers).await?;
        let output = self.by_layers(study, contexts, options).await?;
        study.read_by(targets);
        let errors = output.errors.as_ref().map(flipped).transpose()?;
        Ok(MethodOutput { maps: flipped(&output.maps)?, errors, ..output })
    }
}

/// `context` with what one more pass gives for each of `layers`; a single one where there are no layers.
async fn passed(
    study: &Study<'_>,
    context: &StudyContext,
    layers: &[String],
) -> Result<Vec<Arc<StudyContext>>> {
    let ask = Ask::Forward { images: Arc::clone(&context.input), taps: layers.to_vec() };
    let mut tensors = study.ask(ask).await?.into_iter();
    let scores = tensors.next().map(Tensor::into_data).unwrap_or_default();
    let by_layer = |layer: &str, activations| {
        let (layer, scores) = (layer.to_owned(), scores.clone());
        Arc::new(StudyContext { activations, layer, scores, ..context.clone() })
    };
    if layers.is_empty() {
        return Ok(vec![by_layer("", Arc::clone(&context.activations))]);
    }
    let mut of = |layer: &String| {
        let activations = spatial_activations(tensors.next(), Some(layer))?;
        Ok(by_layer(layer, Arc::new(activations)))
    };
    layers.iter().map(&mut of).collect()
}

/// Several outputs as one. The numbers that each reports keep its name before theirs, and a remark is made once.
fn fused(fuse: Fuse, names: &[&str], mut parts: Vec<MethodOutput>) -> Result<MethodOutput> {
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let maps: Vec<&Tensor> = parts.iter().map(|part| &part.maps).collect();
    let sizes = maps.iter().map(|map| &map.shape()[1..]);
    if let Some((other, name)) = sizes.zip(names).find(|(size, _)| **size != maps[0].shape()[1..]) {
        let (first, size) = (names[0].trim_end(), &maps[0].shape()[1..]);
        bail!(
            invalid,
            "the map of layer {first:?} is {} x {}, and that of {:?} {} x {}; only maps of one size can be fused, \
             as with output=input",
            size[0],
            size[1],
            name.trim_end(),
            other[0],
            other[1]
        );
    }
    let errors: Option<Vec<&Tensor>> = parts.iter().map(|part| part.errors.as_ref()).collect();
    let count = parts.len() as f32;
    let errors = match errors.filter(|_| fuse == Fuse::Mean) {
        // Each view of the image has draws of its own.
        Some(errors) => Some(by_value(&errors, |values| values.map(|v| v * v).sum::<f32>().sqrt() / count)?),
        None => None,
    };
    let maps = by_value(&maps, |values| match fuse {
        Fuse::Mean => values.sum::<f32>() / count,
        Fuse::Max => values.fold(f32::NEG_INFINITY, f32::max),
        Fuse::Product => values.product(),
    })?;
    let mut output = MethodOutput { maps, errors, measures: Vec::new(), warnings: Vec::new() };
    for (part, name) in parts.into_iter().zip(names) {
        output.measures.extend(part.measures.into_iter().map(|(measure, v)| (format!("{name}{measure}"), v)));
        let new = part.warnings.into_iter().filter(|warning| !output.warnings.contains(warning));
        let new: Vec<String> = new.collect();
        output.warnings.extend(new);
    }
    Ok(output)
}

/// A tensor of what `value` makes of the values in one place of all `tensors`, which have one shape.
fn by_value(tensors: &[&Tensor], value: impl Fn(&mut dyn Iterator<Item = f32>) -> f32) -> Result<Tensor> {
    let mut made = Tensor::zeros(tensors[0].shape())?;
    for (i, v) in made.data_mut().iter_mut().enumerate() {
        *v = value(&mut tensors.iter().map(|tensor| tensor.data()[i]));
    }
    Ok(made)
}

/// The tensor with each row from right to left.
fn flipped(tensor: &Tensor) -> Result<Tensor> {
    let mut flipped = tensor.view().try_to_tensor()?;
    let width = flipped.shape().last().copied().unwrap_or(1);
    flipped.data_mut().chunks_exact_mut(width.max(1)).for_each(<[f32]>::reverse);
    Ok(flipped)
}
