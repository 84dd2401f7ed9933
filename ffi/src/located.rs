//! Where the evidence lies: `scorecam_explanation_boxes` and `scorecam_explanation_region`.

use scorecam::abi::scorecam_status;
use scorecam::evaluation::{Areas, BoundingBox, BoxOptions, Evidence, MapBox, Truth};

use crate::explanation::{ExplanationObject, scorecam_explanation};
use crate::export::{Failure, Result, export};
use crate::handles;
use crate::image::{read_image, scorecam_image};
use crate::read;

/// `scorecam_box_options.areas`: the box around the largest connected area.
pub const SCORECAM_BOXES_LARGEST: u32 = 0;
/// `scorecam_box_options.areas`: a box around each connected area, the largest area first.
pub const SCORECAM_BOXES_ALL: u32 = 1;

/// How to derive boxes from a map. Start with `SCORECAM_BOX_OPTIONS_INIT`: the largest area, threshold 0.15.
#[repr(C)]
pub struct scorecam_box_options {
    /// `sizeof(scorecam_box_options)`.
    pub struct_size: u32,
    /// One of `SCORECAM_BOXES_*`.
    pub areas: u32,
    /// The minimum value of a pixel in an area, as a share of the map's maximum, 0 to 1: 0.15 in the Grad-CAM paper,
    /// 0.2 in the CAM paper.
    pub threshold: f64,
}
read::versioned!(scorecam_box_options = "SCORECAM_BOX_OPTIONS_INIT");

/// A box.
#[repr(C)]
pub struct scorecam_box {
    /// Left, top, right and bottom edges in pixels of the photo, or of the input if a tensor was explained.
    pub rect: [f64; 4],
    /// The share of the map inside the box, 0 to 1; ignored in boxes passed to the library.
    pub energy: f64,
}

/// A part of the photo: boxes or a mask. Start with `SCORECAM_REGION_INIT`.
#[repr(C)]
pub struct scorecam_region {
    /// `sizeof(scorecam_region)`.
    pub struct_size: u32,
    /// Must be 0.
    pub reserved: u32,
    /// Boxes in pixels of the photo, whose union is the region; they may extend beyond the photo. NULL with a mask.
    pub boxes: *const scorecam_box,
    /// The number of boxes; 0 with a mask.
    pub box_count: u64,
    /// A mask of the explained photo's size, white on the region: above half of the maximum value. NULL with boxes.
    pub mask: *const scorecam_image,
}
read::versioned!(scorecam_region = "SCORECAM_REGION_INIT");

/// The relation of a map to a region. All numbers are finite.
#[repr(C)]
pub struct scorecam_evidence {
    /// `sizeof(scorecam_evidence)`.
    pub struct_size: u32,
    /// Usually 1; 0 for a map without positive values, whose `energy` and `lift` are 0.
    pub has_energy: u32,
    /// The share of the map's positive values that lies on the region, 0 to 1.
    pub energy: f64,
    /// The region's share of the model's input, above 0 and at most 1: the energy of an uninformative map.
    pub share: f64,
    /// `energy` divided by `share`: 1 for an uninformative map.
    pub lift: f64,
    /// The share of the map's top N pixels on the region, where N is the region's number of pixels, 0 to 1.
    pub rank_accuracy: f64,
    /// The probability that a pixel on the region is above one outside it, 0 to 1; 0.5 if the region is the whole
    /// input.
    pub roc_area: f64,
    /// 1 if a maximum of the map lies on the region, else 0.
    pub pointing: u64,
}
read::versioned!(scorecam_evidence = "SCORECAM_EVIDENCE_INIT");

/// The boxes around the high values in the map of target `index`, in pixels of the photo, with the model's crop or
/// letterbox undone. At most `capacity` boxes are written to `boxes`, the largest area first; `*count` is set to the
/// total number, 0 for a map that is flat or lies in the padding. `boxes` may be NULL to query the number; `options`
/// may be NULL. `SCORECAM_ERR_DEADLINE`: there are no maps.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_boxes(
    boxes: *mut scorecam_box,
    capacity: u64,
    count: *mut u64,
    explanation: *const scorecam_explanation,
    index: u64,
    options: *const scorecam_box_options,
) -> scorecam_status {
    export!({
        read::check_pointer(count, "count")?;
        if !boxes.is_null() {
            read::check_pointer(boxes, "boxes")?;
        }
        let explanation = handles::get(explanation)?;
        // SAFETY: as the caller promises.
        let options = unsafe { read::read_optional(options, "options") }?;
        let options = options.as_ref().map(box_options).transpose()?.unwrap_or_default();
        let found = explanation.found.map_boxes(explanation.index(index)?, options)?;
        let room = if boxes.is_null() { 0 } else { usize::try_from(capacity).unwrap_or(usize::MAX) };
        for (place, found) in found.iter().take(room).enumerate() {
            // SAFETY: `capacity` boxes are writable, as the caller promises, and `boxes` is aligned.
            unsafe { boxes.add(place).write(scorecam_box::from(found)) };
        }
        // SAFETY: as the caller promises.
        unsafe { read::write(count, found.len() as u64, "count") }
    })
}

/// Measures the map of target `index` on a part of the photo: compare `energy` or `lift` with a limit to verify that a
/// decision is based on that part. Set `out` to `SCORECAM_EVIDENCE_INIT` first. For a tensor, boxes are in pixels of
/// the input, and a mask may have any size. `SCORECAM_ERR_INVALID_ARGUMENT`: the region lies outside the model's input.
/// `SCORECAM_ERR_DEADLINE`: there are no maps.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn scorecam_explanation_region(
    out: *mut scorecam_evidence,
    explanation: *const scorecam_explanation,
    index: u64,
    region: *const scorecam_region,
) -> scorecam_status {
    export!({
        let explanation = handles::get(explanation)?;
        // SAFETY: as the caller promises.
        let region = unsafe { read::read_struct(region, "region") }?;
        let index = explanation.index(index)?;
        explanation.found.map(index)?;
        // SAFETY: as the caller promises.
        let truth = unsafe { read_region(&region, &explanation) }?;
        let evidence = explanation.found.evidence(index, &truth)?;
        // SAFETY: as the caller promises.
        unsafe { read::write_struct(out, scorecam_evidence::from(&evidence)) }
    })
}

fn box_options(given: &scorecam_box_options) -> Result<BoxOptions> {
    let areas = match given.areas {
        SCORECAM_BOXES_LARGEST => Areas::Largest,
        SCORECAM_BOXES_ALL => Areas::All,
        other => {
            return Err(Failure::invalid(format!(
                "options.areas is {other}; give SCORECAM_BOXES_LARGEST or SCORECAM_BOXES_ALL"
            )));
        }
    };
    if !(0.0..=1.0).contains(&given.threshold) {
        return Err(Failure::invalid(format!(
            "options.threshold is {}; it must be from 0 to 1",
            given.threshold
        )));
    }
    Ok(BoxOptions { threshold: given.threshold, areas, ..BoxOptions::default() })
}

/// # Safety
/// The boxes and the mask are as [`scorecam_explanation_region`] demands.
unsafe fn read_region(region: &scorecam_region, explanation: &ExplanationObject) -> Result<Truth> {
    if region.reserved != 0 {
        return Err(Failure::invalid(format!("region.reserved is {}; it must be 0", region.reserved)));
    }
    // SAFETY: as the caller promises.
    let boxes = unsafe { read::array(region.boxes, region.box_count, "region.boxes") }?;
    if boxes.is_empty() == region.mask.is_null() {
        return Err(Failure::invalid("region has boxes and a mask, or neither; give one of them"));
    }
    let found = &explanation.found;
    if region.mask.is_null() {
        let boxes = boxes.iter().enumerate().map(bounds).collect::<Result<_>>()?;
        let truth = Truth::of_boxes(boxes, &found.placement_of_input());
        return truth.map_err(|e| e.context("region.boxes").into());
    }
    // SAFETY: as the caller promises.
    let Some(mask) = unsafe { read_image(region.mask, "region.mask") }?.into_photo() else {
        return Err(Failure::invalid("region.mask is a tensor; a mask must be a photo"));
    };
    Truth::of_mask(&mask, &found.placement_on(mask.size())).map_err(|e| e.context("region.mask").into())
}

fn bounds((place, given): (usize, &scorecam_box)) -> Result<BoundingBox> {
    let [x0, y0, x1, y1] = given.rect;
    match given.rect.iter().all(|edge| edge.is_finite()) && x0 < x1 && y0 < y1 {
        true => Ok(given.rect.into()),
        false => Err(Failure::invalid(format!(
            "region.boxes[{place}] is {x0} {y0} {x1} {y1}; a box is left, top, right and bottom edge, with an area"
        ))),
    }
}

impl From<&MapBox> for scorecam_box {
    fn from(found: &MapBox) -> Self {
        Self { rect: found.bounds.into(), energy: found.energy }
    }
}

impl From<&Evidence> for scorecam_evidence {
    fn from(found: &Evidence) -> Self {
        Self {
            struct_size: size_of::<Self>() as u32,
            has_energy: u32::from(found.energy.is_some()),
            energy: found.energy.unwrap_or_default(),
            share: found.share,
            lift: found.lift.unwrap_or_default(),
            rank_accuracy: found.rank_accuracy,
            roc_area: found.roc_area.unwrap_or(0.5),
            pointing: u64::from(found.pointing),
        }
    }
}
