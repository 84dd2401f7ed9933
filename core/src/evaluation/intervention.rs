//! [`intervene`]: scores of an image without a region, and with the region alone. A map shows where the evidence seems
//! to lie; these two passes show whether the decision changes without it.

use std::rc::Rc;
use std::sync::Arc;

use super::faithfulness::stacked;
use super::{Fill, Region};
use crate::ask::{Ask, Desk, MaskedImages};
use crate::driver::{Driver, Task};
use crate::explain::{FirstPass, batch_size, check_input, first_pass, first_pass_by_targets};
use crate::progress::Monitor;
use crate::scores::class_score;
use crate::target::Targets;
use crate::tensor::only;
use crate::{ClassScore, Error, Explained, Report, Result, Stage, Tensor, Upsample, ViewedModel};

/// Regions to remove from one image, and the targets to score.
pub struct InterventionRequest<'a> {
    /// The preprocessed input, [1, C, H, W].
    pub input: Arc<Tensor>,
    /// The targets; all are scored in the same passes.
    pub targets: Targets,
    /// The regions, of the input's size [H, W].
    pub regions: &'a [Region],
    /// The values that replace removed pixels.
    pub fill: Fill,
    /// The definition of a class's score.
    pub score: ClassScore,
    /// Images per pass; the model's preference when `None`.
    pub batch_size: Option<usize>,
    /// Receives a report after each batch, on the calling thread; breaking off cancels.
    pub progress: Option<Box<Report<'a>>>,
}

/// The scores of an image and of its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Interventions {
    /// The targets, chosen on the unchanged image.
    pub targets: Vec<Explained>,
    /// The score of each target on the unchanged image.
    pub scores: Vec<f64>,
    /// For each region.
    pub regions: Vec<Intervention>,
    /// Images run through the model, the unchanged one included: 1, and 2 for each region.
    pub passes: usize,
}

/// The scores of all targets on two parts of an image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Intervention {
    /// Without the region.
    pub without: Vec<f64>,
    /// With the region alone.
    pub alone: Vec<f64>,
}

/// Scores an image without each region, and with each region alone; blocks until done. Thread-safe.
///
/// Removed pixels are replaced in the model's normalized input, whole pixels and all channels. Compare both scores: a
/// region may be necessary but not sufficient. A hole is itself a shape that a model may recognize, so try more than
/// one [`Fill`].
///
/// The error kind is invalid-argument for an input or target that the model does not accept, or for a region of another
/// size; cancelled if `progress` broke off.
///
/// ```
#[doc = include_str!("../../doc/channels.rs")]
/// use scorecam_core::evaluation::*;
///
/// let model = ModelView::new(Channels::new(), &ViewOptions::default())?;
/// let mut input = Tensor::zeros([1, 3, 8, 8])?;
/// input.data_mut()[64 + 9] = 64.0; // one green pixel, in row 1 and column 1
/// let found = intervene(
///     &model,
///     InterventionRequest {
///         input: input.into(),
///         targets: Targets::Classes(vec![1]),
///         regions: &[Region::of_boxes(&[[0.0, 0.0, 4.0, 4.0].into()], (8, 8))?],
///         fill: Fill::ZERO,
///         score: ClassScore::Logit,
///         batch_size: None,
///         progress: None,
///     },
/// )?;
/// assert_eq!(found.scores, [1.0]);
/// assert_eq!(found.regions[0], Intervention { without: vec![0.0], alone: vec![1.0] });
/// # Ok::<(), scorecam_core::Error>(())
/// ```
pub fn intervene(model: &dyn ViewedModel, mut request: InterventionRequest<'_>) -> Result<Interventions> {
    check_input(model, &request.input)?;
    let [_, _, height, width] = request.input.view().dims("the input")?;
    if let Some(region) = request.regions.iter().find(|region| region.size() != (height, width)) {
        let (h, w) = region.size();
        bail!(invalid, "a region is of {h} x {w} pixels; the model's input has {height} x {width}");
    }
    let batch_size = batch_size(model, request.batch_size)?;
    let desk = Rc::new(Desk::new(Monitor::new(request.progress.take(), None), None));
    let work = intervene_on(model, request, batch_size, Rc::clone(&desk));
    let mut driver = Driver::new(model);
    driver.add(Task::new(0, desk, batch_size, work));
    let ended = || Err(Error::internal("an intervention has ended without a result"));
    driver.next(true).map_or_else(ended, |(_, found)| found)
}

async fn intervene_on<'a>(
    model: &'a dyn ViewedModel,
    request: InterventionRequest<'a>,
    batch_size: usize,
    desk: Rc<Desk<'a>>,
) -> Result<Interventions> {
    let InterventionRequest { input, targets, regions, fill, score, .. } = request;
    desk.monitor.enter(Stage::Forward)?;
    let first = match &targets {
        Targets::Asked(question) => first_pass_by_targets(&input, question.as_ref(), None, &desk).await?,
        classes => first_pass(model, &input, (classes, None), (&desk, &mut Vec::new())).await?,
    };
    let FirstPass { scores, output_activation, targets, explained, .. } = first;
    let of = |row: &[f32]| -> Vec<f64> {
        targets.iter().map(|&column| class_score(score, output_activation, row, column)).collect()
    };
    desk.monitor.enter(Stage::Passes)?;
    let mut found = Vec::with_capacity(regions.len());
    if !regions.is_empty() {
        let rows = desk.ask(Ask::Masked(masked(&input, (regions, fill), batch_size)?)).await;
        let rows = only(rows?)?;
        found.extend(
            (0..regions.len())
                .map(|i| Intervention { without: of(rows.item(2 * i)), alone: of(rows.item(2 * i + 1)) }),
        );
    }
    desk.monitor.enter(Stage::Done)?;
    Ok(Interventions {
        targets: explained,
        scores: of(&scores),
        regions: found,
        passes: desk.monitor.passes(),
    })
}

/// For each region the image without it, then with it alone.
fn masked(
    input: &Arc<Tensor>,
    (regions, fill): (&[Region], Fill),
    batch_size: usize,
) -> Result<MaskedImages> {
    let [_, _, height, width] = input.view().dims("the input")?;
    let kept = |i: usize| {
        let (region, is_alone) = (&regions[i / 2], i % 2 == 1);
        let mask = region.inside().iter().map(|&inside| f32::from(u8::from(inside == is_alone)));
        Tensor::new([height, width], mask.collect::<Vec<_>>())
    };
    Ok(MaskedImages {
        images: Arc::clone(input),
        // Without a fill removed pixels are zero.
        fill: (fill != Fill::ZERO).then(|| fill.of(input.view()).map(Arc::new)).transpose()?,
        masks: Arc::new(stacked((0..2 * regions.len()).map(kept), (height, width))?),
        cuts: Vec::new(),
        image_of_mask: Vec::new(),
        // They have the size of the image.
        upsample: Upsample::Nearest,
        batch_size,
    })
}
