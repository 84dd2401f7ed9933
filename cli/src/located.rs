//! Where the evidence lies: the boxes of maps, and how much of them is on a part of the photo.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use scorecam::evaluation::{Areas, BoundingBox, BoxOptions, Truth};
use scorecam::{Explanation, Input, Photo, Placement, Reader, Rect, Result};
use scorecam_core::{bail, ensure};
use serde::{Deserialize, Serialize};

use crate::args::share;

#[derive(Debug, Args)]
#[command(next_help_heading = "Where the evidence lies")]
pub(crate) struct LocateArgs {
    /// Find the box around each map's pixels of at least this share of the map's maximum, in pixels of the photo (0.15
    /// in the Grad-CAM paper, 0.2 in the CAM paper)
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) boxes: Option<f64>,
    /// The connected areas that get a box: largest or all
    #[arg(long, value_name = "WHICH", default_value = "largest", requires = "boxes")]
    pub(crate) box_areas: Areas,
    /// Write the boxes of all photos as one COCO file, with their scores
    #[arg(long, value_name = "OUT.json", requires = "boxes", value_parser = coco_path)]
    pub(crate) coco: Option<PathBuf>,
    /// Report the share of each map on a part of the photo: a mask of the photo's size, white on the part, or a box in
    /// pixels of the photo
    #[arg(long, value_name = "MASK|X0,Y0,X1,Y1", allow_hyphen_values = true)]
    pub(crate) region: Option<RegionArg>,
    /// The minimum share of a map on --region, 0 to 1; below it, the exit status is 1
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "region")]
    pub(crate) least_energy: Option<f64>,
}

/// A part of a photo, as typed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RegionArg {
    Mask(PathBuf),
    Box([f64; 4]),
}

impl FromStr for RegionArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[x0, y0, x1, y1]) if x0 < x1 && y0 < y1 => Ok(Self::Box([x0, y0, x1, y1])),
            Some(_) => {
                Err("a box is X0,Y0,X1,Y1 with X0 below X1 and Y0 below Y1, such as 10,20,110,90".into())
            }
            None => Ok(Self::Mask(text.into())),
        }
    }
}

impl std::fmt::Display for RegionArg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mask(path) => path.display().fmt(f),
            Self::Box([x0, y0, x1, y1]) => write!(f, "{x0},{y0},{x1},{y1}"),
        }
    }
}

/// Where the evidence for one target lies.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Located {
    /// Boxes of the map, the largest area first: x0, y0, x1, y1 in pixels of the photo, or of the input if the input was
    /// a tensor.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) boxes: Option<Vec<[f64; 4]>>,
    /// The share of the map in each box, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) box_energies: Option<Vec<f64>>,
    /// Width and height of the photo that the boxes are of; none where a tensor was explained.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) photo_size: Option<[usize; 2]>,
    /// What is on the region.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) on_region: Option<OnRegion>,
}

/// How much of a map is on a region; null where a map has no positive value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OnRegion {
    /// The share of the map, 0 to 1.
    pub(crate) energy: Option<f64>,
    /// The energy by the region's share of the model's input: 1 for a map that is uninformative.
    pub(crate) lift: Option<f64>,
    /// Whether the map's greatest pixel is on it.
    pub(crate) pointing: Option<bool>,
    /// Whether it is as much as --least-energy asks for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) enough: Option<bool>,
}

impl LocateArgs {
    /// Where the maps of all targets of a photo lie; empty places where nothing was asked.
    pub(crate) fn located(
        &self,
        reader: &Reader,
        (input, found): (&Input, &Explanation),
    ) -> Result<Vec<Located>> {
        ensure!(
            self.coco.is_none() || input.placement.is_some(),
            invalid,
            "--coco needs photos; remove the tensor, or use --json"
        );
        let truth = self.region.as_ref().map(|region| truth(region, reader, input)).transpose()?;
        let one = |i: usize| {
            let boxes = self.boxes.map(|threshold| {
                let options = BoxOptions { threshold, areas: self.box_areas, ..BoxOptions::default() };
                Ok(found
                    .map_boxes(i, options)?
                    .into_iter()
                    .map(|found| (<[f64; 4]>::from(found.bounds), found.energy))
                    .unzip())
            });
            let (boxes, box_energies) = boxes.transpose()?.unzip();
            let size = input.placement.as_ref().map(Placement::photo_size).filter(|_| boxes.is_some());
            let photo_size = size.map(|(height, width)| [width, height]);
            let on_region = truth.as_ref().map(|truth| self.on_region(truth, (found, i))).transpose()?;
            Ok(Located { boxes, box_energies, photo_size, on_region })
        };
        (0..found.targets.len()).map(one).collect()
    }

    fn on_region(&self, truth: &Truth, (found, i): (&Explanation, usize)) -> Result<OnRegion> {
        let evidence = found.evidence(i, truth)?;
        let enough = self.least_energy.map(|least| evidence.energy.is_some_and(|energy| energy >= least));
        Ok(OnRegion {
            energy: evidence.energy,
            lift: evidence.lift,
            pointing: Some(evidence.pointing),
            enough,
        })
    }
}

impl Located {
    /// Each box with the share of the map in it.
    pub(crate) fn boxes_with_energy(&self) -> impl Iterator<Item = (&[f64; 4], f64)> {
        self.boxes.iter().flatten().zip(self.box_energies.iter().flatten().copied())
    }

    /// The picture with the boxes.
    pub(crate) fn drawn(&self, mut picture: Photo) -> Photo {
        for &[x0, y0, x1, y1] in self.boxes.iter().flatten() {
            picture = picture.boxed(&Rect { x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, "");
        }
        picture
    }

    /// For a reader at a terminal.
    pub(crate) fn words(&self) -> String {
        let boxes = self.boxes.as_ref().map(|boxes| {
            let each = boxes.iter().map(|b| b.map(|at| format!("{at:.0}")).join(","));
            format!(
                "  boxes {}\n",
                if boxes.is_empty() { "none".into() } else { each.collect::<Vec<_>>().join(" ") }
            )
        });
        let region = self.on_region.as_ref().map(|on| {
            let shown =
                |value: Option<f64>| value.map_or_else(|| "none".into(), |value| format!("{value:.3}"));
            let enough = if on.enough == Some(false) { ": below --least-energy" } else { "" };
            format!("  on the region: energy {}, lift {}{enough}\n", shown(on.energy), shown(on.lift))
        });
        boxes.unwrap_or_default() + &region.unwrap_or_default()
    }
}

fn coco_path(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.extension() {
        Some(e) if e.eq_ignore_ascii_case("json") => Ok(path),
        _ => Err("COCO files are .json; give a name that ends in .json".into()),
    }
}

fn truth(region: &RegionArg, reader: &Reader, input: &Input) -> Result<Truth> {
    let Some(placement) = &input.placement else {
        bail!(invalid, "--region is a part of a photo; a tensor has none");
    };
    match region {
        RegionArg::Box(corners) => Truth::of_boxes(vec![BoundingBox::from(*corners)], placement),
        RegionArg::Mask(path) => {
            let image = reader.read(path)?;
            let Some(mask) = image.photo() else {
                bail!(invalid, "{}: a mask must be a photo, not a tensor", path.display())
            };
            Truth::of_mask(mask, placement).map_err(|e| e.context(path.display()))
        }
    }
    .map_err(|e| e.context("--region"))
}
