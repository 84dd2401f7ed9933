//! Small pictures of photos and their maps, kept in the folder of results for the report.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use scorecam::evaluation::SaliencyMap;
use scorecam::{Error, Photo, Placement, Rect, Result};
use scorecam_core::image::{Colormap, Filter};
use scorecam_report::{BoundingBox, BoxKind, Map, Picture};
use serde::{Deserialize, Serialize};

use super::work::Found;
use crate::output::{self, Existing};
use crate::plan::make_folder;

/// The longer side of a photo in the report, and the quality of its JPEG.
const SIDE: (usize, u8) = (480, 80);

/// What the report needs to know of a photo beside its pictures.
#[derive(Serialize, Deserialize)]
pub(super) struct About {
    /// Width and height.
    pub(super) size: (u32, u32),
    /// The part of the photo that maps cover.
    pub(super) area: [f64; 4],
    /// Annotated boxes.
    pub(super) boxes: Vec<[f64; 4]>,
}

/// The pictures of one photo.
pub(super) struct Pictures(PathBuf);

impl Pictures {
    /// Those with this number.
    pub(super) fn of(folder: &Path, id: usize) -> Self {
        Self(folder.join("pictures").join(format!("{id:06}")))
    }

    /// Writes them; nothing where a tensor was measured.
    pub(super) fn write(&self, found: &Found, boxes: Vec<[f64; 4]>) -> Result<()> {
        let Some(photo) = &found.photo else { return Ok(()) };
        make_folder(&self.0)?;
        let (height, width) = photo.size();
        let longer = height.max(width).max(1);
        let side = |n: usize| if longer > SIDE.0 { (n * SIDE.0 / longer).max(1) } else { n };
        let small = photo.resize((side(height), side(width)), Filter::Bilinear)?;
        self.save("photo.jpg", &jpeg(&small)?)?;
        for (i, map) in found.maps.iter().enumerate() {
            output::write_png(&self.0.join(format!("{i}.png")), &colored(map)?, Existing::Replaced)?;
        }
        let size = (width as u32, height as u32);
        let part = found.input.placement.as_ref().map_or_else(|| whole(size), Placement::photo_part);
        let area = [part.x, part.y, part.x + part.width, part.y + part.height];
        let about = serde_json::to_vec(&About { size, area, boxes });
        self.save("about.json", &about.map_err(|e| Error::internal(format!("what a photo is: {e}")))?)
    }

    fn save(&self, name: &str, bytes: &[u8]) -> Result<()> {
        output::write_bytes(&self.0.join(name), bytes, Existing::Replaced)
    }

    /// What is known of the photo.
    pub(super) fn about(&self) -> std::io::Result<About> {
        Ok(serde_json::from_slice(&std::fs::read(self.0.join("about.json"))?)?)
    }

    pub(super) fn photo(&self) -> std::io::Result<Picture> {
        Picture::new(std::fs::read(self.0.join("photo.jpg"))?)
    }

    pub(super) fn map(&self, i: usize) -> std::io::Result<Picture> {
        Picture::new(std::fs::read(self.0.join(format!("{i}.png")))?)
    }
}

fn whole((width, height): (u32, u32)) -> Rect {
    Rect { x: 0.0, y: 0.0, width: width.into(), height: height.into() }
}

fn jpeg(photo: &Photo) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let (width, height) = (photo.width() as u32, photo.height() as u32);
    JpegEncoder::new_with_quality(&mut bytes, SIDE.1)
        .write_image(photo.pixels(), width, height, ExtendedColorType::Rgb8)
        .map_err(|e| Error::internal(format!("a picture for the report: {e}")))?;
    Ok(bytes)
}

fn colored(map: &SaliencyMap) -> Result<Photo> {
    let colors = map.normalized().values().iter().flat_map(|&v| Colormap::Turbo.rgb(v as f32)).collect();
    Photo::from_rgb8(map.size(), colors)
}

/// A box as the report draws it.
pub(super) fn drawn(corners: [f64; 4], kind: BoxKind, map: Option<usize>) -> BoundingBox {
    BoundingBox { corners, label: String::new(), kind, map }
}

/// A map of the report without its values.
pub(super) fn layer(label: &str, picture: Picture, area: [f64; 4]) -> Map {
    Map { label: label.into(), picture, area: Some(area), ..Map::default() }
}
