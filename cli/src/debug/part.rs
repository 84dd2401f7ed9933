//! The parts of a photo whose evidence is measured.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use scorecam::evaluation::{Region, Truth};
use scorecam::{Input, Photo, Placement, Reader, Result};
use scorecam_core::{bail, ensure};

/// A part of a photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The annotated objects of the class.
    Object,
    /// All but these.
    Background,
    /// A frame along the edge.
    Border,
    /// What the user named.
    Region,
}

impl Part {
    pub(super) const ALL: [Self; 4] = [Self::Object, Self::Background, Self::Border, Self::Region];

    pub(super) fn name(self) -> &'static str {
        ["object", "background", "border", "region"][self as usize]
    }
}

/// A part of every photo, as it is typed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PartArg {
    Mask(PathBuf),
    /// Left, top, right and bottom.
    Box([Edge; 4]),
}

/// Where an edge of a box lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Edge {
    Pixels(f64),
    Percent(f64),
}

impl Edge {
    /// In pixels of a side of so many.
    fn of(self, side: usize) -> f64 {
        match self {
            Self::Pixels(at) => at,
            Self::Percent(share) => share / 100.0 * side as f64,
        }
    }
}

impl FromStr for Edge {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).ok_or(());
        match text.trim().strip_suffix('%') {
            Some(share) => number(share).map(Self::Percent),
            None => number(text).map(Self::Pixels),
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pixels(at) => write!(f, "{at}"),
            Self::Percent(share) => write!(f, "{share}%"),
        }
    }
}

impl FromStr for PartArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let edges: Result<Vec<Edge>, ()> = text.split(',').map(str::parse).collect();
        let refused =
            "a box is X0,Y0,X1,Y1 with X0 below X1 and Y0 below Y1, such as 10,20,110,90 or 0%,90%,100%,100%";
        let is_below = |low, high| match (low, high) {
            (Edge::Pixels(low), Edge::Pixels(high)) | (Edge::Percent(low), Edge::Percent(high)) => low < high,
            // The photo decides.
            _ => true,
        };
        match edges.as_deref() {
            Ok(&[x0, y0, x1, y1]) if is_below(x0, x1) && is_below(y0, y1) => Ok(Self::Box([x0, y0, x1, y1])),
            Ok(_) => Err(refused.into()),
            Err(()) => Ok(Self::Mask(text.into())),
        }
    }
}

/// What the user named, ready for any photo.
pub(super) enum Named {
    Mask { file: PathBuf, mask: Photo },
    Box([Edge; 4]),
}

impl Named {
    pub(super) fn new(part: &PartArg, reader: &Reader) -> Result<Self> {
        match part {
            PartArg::Box(edges) => Ok(Self::Box(*edges)),
            PartArg::Mask(file) => {
                let image = reader.read(file).map_err(|e| e.context("--region"))?;
                let Some(mask) = image.into_photo() else {
                    bail!(invalid, "--region: {}: a mask must be a photo, not a tensor", file.display())
                };
                Ok(Self::Mask { file: file.clone(), mask })
            }
        }
    }

    /// Where it lies on a photo; an error where the model sees nothing of it.
    pub(super) fn on(&self, input: &Input) -> Result<Truth> {
        let Some(placement) = &input.placement else {
            bail!(invalid, "--region is a part of a photo; a tensor has none");
        };
        let (height, width) = placement.photo_size();
        let found = match self {
            Self::Mask { file, mask } => {
                Truth::of_mask(mask, placement).map_err(|e| e.context(file.display()))
            }
            Self::Box([x0, y0, x1, y1]) => {
                let corners = [x0.of(width), y0.of(height), x1.of(width), y1.of(height)];
                ensure!(
                    corners[0] < corners[2] && corners[1] < corners[3],
                    invalid,
                    "--region {x0},{y0},{x1},{y1} is empty on a photo of {width}x{height} pixels"
                );
                Truth::of_boxes(vec![corners.into()], placement)
            }
        };
        found.map_err(|e| e.context("--region"))
    }
}

/// The parts of a photo that there are, each with its pixels in the model's input.
pub(super) fn parts(
    input: &Input,
    (object, region): (Option<&Truth>, Option<&Truth>),
    border: f64,
) -> Result<Vec<(Part, Region)>> {
    let mut parts = Vec::new();
    if let Some(object) = object {
        parts.push((Part::Object, object.region.clone()));
        parts.push((Part::Background, object.region.rest()));
    }
    if border > 0.0 {
        let [_, _, height, width] = input.tensor.view().dims("the input")?;
        let size = (height, width);
        let placement = input.placement.unwrap_or_else(|| Placement::whole(size, size));
        parts.push((Part::Border, Region::frame(&placement, border)?));
    }
    parts.extend(region.map(|region| (Part::Region, region.region.clone())));
    // An object that fills the photo leaves no background, a thin border no pixel.
    parts.retain(|(_, region)| region.count() > 0);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_box_in_pixels_or_percent_or_a_mask() {
        let check = |text: &str, expected: Result<PartArg, ()>| {
            assert_eq!(text.parse::<PartArg>().map_err(drop), expected, "{text}");
        };
        let (pixels, percent) = (Edge::Pixels, Edge::Percent);
        check("1,2,30,4.5", Ok(PartArg::Box([pixels(1.0), pixels(2.0), pixels(30.0), pixels(4.5)])));
        check(
            "0%, 90%, 100%,100%",
            Ok(PartArg::Box([percent(0.0), percent(90.0), percent(100.0), percent(100.0)])),
        );
        check("0,90%,12,100%", Ok(PartArg::Box([pixels(0.0), percent(90.0), pixels(12.0), percent(100.0)])));
        // The photo decides whether 50 pixels are less than a tenth.
        check("50,0,10%,9", Ok(PartArg::Box([pixels(50.0), pixels(0.0), percent(10.0), pixels(9.0)])));
        check("9,9,5,20", Err(()));
        check("0%,9%,5%,9%", Err(()));
        check("1,2,3", Err(()));
        check("mask.png", Ok(PartArg::Mask("mask.png".into())));
        check("1,2,3,x", Ok(PartArg::Mask("1,2,3,x".into())));
    }
}
