//! Measures of given maps.

use pyo3::prelude::*;
use scorecam::evaluation::{
    BoundingBox, EvaluateOptions, Evaluator, MEASURES, Needs, Protocol, SaliencyMap, Subject, Truth,
};
use scorecam::{Explainer, Input, Model, Targets};
use scorecam_core::image::Placement;
use scorecam_core::{Error, Result, Tensor, Upsample, Upsampler};

use crate::call::report;
use crate::host::host;
use crate::images::Image;
use crate::request::Wanted;

/// What is asked, as `scorecam._evaluate` says it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Question {
    /// The target in words.
    target: String,
    measures: Vec<String>,
    protocol: String,
    options: Vec<(String, String)>,
    /// Boxes of the object, (x0, y0, x1, y1) in pixels of the photo.
    boxes: Vec<[f64; 4]>,
    mask: Option<Py<Image>>,
    /// How each map was made, where it was explained.
    made: Vec<Option<Wanted>>,
    batch_size: Option<usize>,
}

/// A curve: how many pixels were changed, and the score at each point.
type CurveWords = (Vec<usize>, Vec<f64>);

/// The score, the passes, and per map its values by name and its two curves.
pub(crate) type Evaluated = (f64, usize, Vec<(Vec<(String, f64)>, Option<CurveWords>, Option<CurveWords>)>);

impl Question {
    pub(crate) fn evaluate(
        &self,
        (model, image): (&Model, &scorecam::Image),
        maps: &Tensor,
        progress: Option<&Py<PyAny>>,
    ) -> Result<Evaluated> {
        let input = model.prepare(image)?;
        let maps = saliency(maps, &input)?;
        let truth = self.truth(&input)?;
        let evaluator = Evaluator::new(model, self.options()?);
        let explainers = self.made.iter().map(|made| self.explainer(model, made.as_ref()));
        let explainers = explainers.collect::<Result<Vec<_>>>()?;
        let again = |index: usize, tensor: Tensor| -> Result<Option<SaliencyMap>> {
            let Some(explainer) = explainers.get(index).and_then(Option::as_ref) else { return Ok(None) };
            let found = explainer.explain_reporting(&tensor.into(), None, |now| report(None, now))?;
            found.saliency(0).map(Some)
        };
        let subject = Subject { input: &input, target: &self.target, truth: truth.as_ref() };
        let found = evaluator.evaluate_with(&subject, &maps, &again, |now| report(progress, now))?;
        let curve = |curve: &scorecam::evaluation::Curve| (curve.counts().to_vec(), curve.scores().to_vec());
        let one = |map: &scorecam::evaluation::MeasuredMap| {
            let values = map.values.iter().map(|(measure, value)| (measure.to_string(), *value)).collect();
            (values, map.deletion.as_ref().map(curve), map.insertion.as_ref().map(curve))
        };
        Ok((found.score, found.passes, found.maps.iter().map(one).collect()))
    }

    fn options(&self) -> Result<EvaluateOptions> {
        let mut protocol = Protocol::preset(&self.protocol)?;
        self.options.iter().try_for_each(|(option, value)| protocol.set(option, value))?;
        let mut options =
            EvaluateOptions { protocol, batch_size: self.batch_size, ..EvaluateOptions::default() };
        if !self.measures.is_empty() {
            options.measures = self.measures.iter().map(|name| name.parse()).collect::<Result<_>>()?;
        }
        Ok(options)
    }

    fn truth(&self, input: &Input) -> Result<Option<Truth>> {
        let placement = placement(input)?;
        if let Some(mask) = &self.mask {
            let mask =
                mask.get().0.photo().ok_or_else(|| Error::invalid("a mask must be a photo, not a tensor"))?;
            return Truth::of_mask(mask, &placement).map(Some);
        }
        if self.boxes.is_empty() {
            return Ok(None);
        }
        let boxes: Vec<BoundingBox> = self.boxes.iter().map(|&sides| sides.into()).collect();
        Truth::of_boxes(boxes, &placement).map(Some)
    }

    /// Makes the maps of further inputs as one map was made, for the target that is asked about.
    fn explainer<'m>(&self, model: &'m Model, made: Option<&Wanted>) -> Result<Option<Explainer<'m>>> {
        let Some(made) = made else { return Ok(None) };
        let mut options = made.options()?;
        (options.targets, options.ask) = (Targets::Top(1), vec![self.target.clone()]);
        Explainer::new(host()?, model, &options).map(Some)
    }
}

fn placement(input: &Input) -> Result<Placement> {
    let [_, _, height, width] = input.tensor.view().dims("the input")?;
    Ok(input.placement.unwrap_or_else(|| Placement::whole((height, width), (height, width))))
}

/// The maps at the size of the input; smaller ones are resized.
fn saliency(maps: &Tensor, input: &Input) -> Result<Vec<SaliencyMap>> {
    let [count, height, width] = maps.view().dims("the tensor of maps")?;
    let [_, _, rows, columns] = input.tensor.view().dims("the input")?;
    let (own, size) = ((height, width), (rows, columns));
    let upsampler = if own == size { None } else { Some(Upsampler::new(Upsample::HalfPixel, own, size)?) };
    let one = |index: usize| match &upsampler {
        None => SaliencyMap::new(maps.item(index), size),
        Some(upsampler) => {
            let values: Vec<f64> = maps.item(index).iter().map(|&value| f64::from(value)).collect();
            let values: Vec<f32> = upsampler.resize(&values)?.iter().map(|&value| value as f32).collect();
            SaliencyMap::new(&values, size)
        }
    };
    (0..count).map(one).collect()
}

/// Every measure: (name, summary, whether more of it is better, needs).
#[pyfunction]
pub(crate) fn measures() -> Vec<(&'static str, &'static str, Option<bool>, &'static str)> {
    let one = |info: &scorecam::evaluation::MeasureInfo| {
        let needs = match info.needs {
            Needs::Nothing => "nothing",
            Needs::Passes => "passes",
            Needs::Explanations => "explanations",
            Needs::Truth => "truth",
        };
        (info.name, info.summary, info.higher_is_better, needs)
    };
    MEASURES.iter().map(one).collect()
}
