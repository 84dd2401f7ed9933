//! [`Reading`]: the outputs of a model that targets read: boxes, segmentation maps, embeddings.

use scorecam_core::target::{BoxForm, BoxScale, Detector, DetectorOutputs, Format, Segments};
use scorecam_core::{Error, ModelInfo, OutputActivation, Result, written};

use crate::manifest::OutputSection;
use crate::{Manifest, Model};

/// The interpretation of a model's outputs other than class scores, or the error that explains why there is none.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    detector: Result<Detector>,
    segments: Result<Segments>,
    /// Whether the output is certainly a segmentation map: according to the manifest, or because each class has a map.
    surely_segments: bool,
    embedding: Result<String>,
}

impl Reading {
    /// The interpretation from the manifest, or else inferred from names and shapes. An error if the manifest
    /// contradicts the model.
    pub(crate) fn of(info: &ModelInfo, manifest: &Manifest) -> Result<Self> {
        let output = &manifest.output;
        let kind = output.kind.as_deref();
        let detector = detector(info, output);
        let segments = named(info, output).and_then(|name| segments(info, (&name, manifest)));
        let embedding = named(info, output);
        let wanted = match kind {
            Some("detections") => detector.as_ref().err(),
            Some("segments") => segments.as_ref().err(),
            Some("embedding") => embedding.as_ref().err(),
            _ => None,
        };
        match wanted {
            Some(error) => Err(error.clone()),
            None => {
                let axes =
                    named(info, output).ok().and_then(|name| info.outputs.iter().find(|o| o.name == name));
                let has_a_map_per_class = axes.is_some_and(|output| output.shape.len() == 4);
                let surely_segments = kind == Some("segments") || has_a_map_per_class;
                Ok(Self { detector, segments, surely_segments, embedding })
            }
        }
    }
}

/// The kind of a model's output, from its manifest or inferred from the outputs' names and shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Class scores.
    Classes,
    /// One number per image, such as an age.
    Value,
    /// Boxes.
    Detections,
    /// A class per cell of a map.
    Segments,
    /// An embedding, a vector to compare with another image's.
    Embedding,
    /// Another kind of output.
    Other,
}

impl Model {
    /// The kind of the model's output, which determines the default target.
    pub fn output_kind(&self) -> OutputKind {
        match &self.info().scores {
            Ok(scores) if scores.applied == OutputActivation::Value => OutputKind::Value,
            Ok(_) => OutputKind::Classes,
            Err(_) if self.reading().detector.is_ok() => OutputKind::Detections,
            Err(_) if self.surely_segments() => OutputKind::Segments,
            Err(_) if self.reading().embedding.is_ok() => OutputKind::Embedding,
            Err(_) => OutputKind::Other,
        }
    }

    /// The number of classes, if the model has class scores and their number is fixed.
    pub fn class_count(&self) -> Option<usize> {
        self.info().scores.as_ref().ok()?.shape.get(1).copied().flatten()
    }

    /// The model as a detector, on inputs of `size` (height, width).
    pub(crate) fn detector(&self, size: (usize, usize)) -> Result<Detector> {
        self.reading().detector.clone().map(|detector| detector.at(size))
    }

    /// The output with a segmentation map.
    pub(crate) fn segments(&self) -> Result<&Segments> {
        self.reading().segments.as_ref().map_err(Clone::clone)
    }

    /// The same, if it is certain enough to be a default target.
    pub(crate) fn surely_segments(&self) -> bool {
        self.reading().surely_segments && self.reading().segments.is_ok()
    }

    /// The output to compare with a reference image's.
    pub(crate) fn embedding(&self) -> Result<&str> {
        self.reading().embedding.as_deref().map_err(Clone::clone)
    }

    /// 1 if the model has one value per image, else an error.
    pub(crate) fn only_value(&self) -> Result<f64> {
        let scores = self.info().scores.as_ref().map_err(Clone::clone)?;
        match scores.applied.is_one_value() {
            true => Ok(1.0),
            false => Err(Error::invalid(format!(
                "output {:?} has several values per image; choose one with class:NUMBER",
                scores.name
            ))),
        }
    }
}

/// The output of a target with one output: the manifest's, that with class scores, or the only one.
fn named(info: &ModelInfo, output: &OutputSection) -> Result<String> {
    let listed =
        || info.outputs.iter().map(|o| format!("{} {}", o.name, written(&o.shape))).collect::<Vec<_>>();
    let none = || {
        let outputs = listed().join(", ");
        Error::invalid(format!(
            "the model has several outputs: {outputs}; name one with output.name in a manifest"
        ))
    };
    match &output.name {
        Some(name) => Ok(name.clone()),
        None => match (info.score_output(), info.outputs.as_slice()) {
            (Ok(scores), _) => Ok(scores.name.clone()),
            (_, [only]) => Ok(only.name.clone()),
            _ => Err(none()),
        },
    }
}

fn segments(info: &ModelInfo, (name, manifest): (&str, &Manifest)) -> Result<Segments> {
    let output = info.outputs.iter().find(|o| o.name == name);
    let shape = output.map(|o| o.shape.as_slice()).unwrap_or_default();
    let applied = manifest.activation()?.or(output.map(|o| o.applied));
    let threshold = if applied == Some(OutputActivation::Sigmoid) { 0.5 } else { 0.0 };
    let found = || Segments { output: name.to_owned(), threshold };
    let is_map = |axes: &[Option<usize>]| axes.iter().all(|n| n.is_none_or(|n| n > 1));
    match shape {
        [_, classes, h, w] if is_map(&[*h, *w]) && *classes != Some(0) => Ok(found()),
        [_, h, w] if is_map(&[*h, *w]) => Ok(found()),
        other => Err(Error::unsupported(format!(
            "output {name:?} has shape {}, which is not a segmentation map [N, C, H, W] or [N, H, W]; name another one with \
             output.name in a manifest",
            written(other)
        ))),
    }
}

fn detector(info: &ModelInfo, output: &OutputSection) -> Result<Detector> {
    let shapes: Vec<(&str, &[Option<usize>])> = info
        .outputs
        .iter()
        .map(|o| (o.name.as_str(), if o.per_image { o.shape.get(1..).unwrap_or(&[]) } else { &o.shape }))
        .collect();
    let guess = Format::of(&shapes);
    let format = output.format.as_deref().map(str::parse::<Format>).transpose()?;
    let unknown = || {
        let outputs = info.outputs.iter().map(|o| format!("{} {}", o.name, written(&o.shape)));
        let outputs = outputs.collect::<Vec<_>>().join(", ");
        Error::unsupported(format!(
            "the outputs {outputs} do not look like those of a known detector; specify them with output.format in a \
             manifest"
        ))
    };
    let is_said = format.is_some();
    let (format, guessed) = match (format, guess) {
        (Some(format), Some((guess, outputs))) if guess == format => (format, Some(outputs)),
        (Some(format), _) => (format, None),
        (None, Some((guess, outputs))) => (guess, Some(outputs)),
        (None, None) => return Err(unknown()),
    };
    let guessed = guessed.or_else(|| {
        let [only] = info.outputs.as_slice() else { return None };
        Some(DetectorOutputs { boxes: only.name.clone(), scores: None, labels: None })
    });
    let boxes = output.boxes.clone().or(output.name.clone());
    let boxes = boxes.or(guessed.as_ref().map(|g| g.boxes.clone())).ok_or_else(|| {
        Error::invalid(
            "the model has several outputs; name the one that holds boxes with output.boxes in a manifest",
        )
    })?;
    let outputs = DetectorOutputs {
        boxes,
        scores: output.class_scores.clone().or(guessed.as_ref().and_then(|g| g.scores.clone())),
        labels: output.labels.clone().or(guessed.and_then(|g| g.labels)),
    };
    for name in [Some(&outputs.boxes), outputs.scores.as_ref(), outputs.labels.as_ref()].into_iter().flatten()
    {
        if !info.outputs.iter().any(|o| o.name == *name) {
            let known = info.outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::not_found(format!("output {name:?} is not in the model; outputs: {known}")));
        }
    }
    let detector = Detector::new(format, outputs, (0, 0))?;
    let detector = detector.activated(output.activated).boxes(box_form(output)?, box_scale(output)?);
    Ok(if is_said { detector } else { detector.guessed() })
}

fn box_form(output: &OutputSection) -> Result<Option<BoxForm>> {
    match output.box_form.as_deref() {
        None => Ok(None),
        Some("xyxy") => Ok(Some(BoxForm::Corners)),
        Some("cxcywh") => Ok(Some(BoxForm::Center)),
        Some("xywh") => Ok(Some(BoxForm::CornerSize)),
        Some(other) => {
            Err(Error::invalid(format!("output.box_form is {other:?}; it must be xyxy, cxcywh or xywh")))
        }
    }
}

fn box_scale(output: &OutputSection) -> Result<Option<BoxScale>> {
    match output.box_scale.as_deref() {
        None => Ok(None),
        Some("pixels") => Ok(Some(BoxScale::Pixels)),
        Some("relative") => Ok(Some(BoxScale::Relative)),
        Some(other) => {
            Err(Error::invalid(format!("output.box_scale is {other:?}; it must be pixels or relative")))
        }
    }
}
