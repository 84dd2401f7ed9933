//! Small pictures of photos and their maps, kept in the folder of results for the report.

use std::path::{Path, PathBuf};

use scorecam::{Error, Result};
use scorecam_report::{BoundingBox, BoxKind, Map, Picture};
use serde::{Deserialize, Serialize};

use super::work::Found;
use crate::output::{self, Existing};
use crate::plan::make_folder;
use crate::survey;

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
        self.save("photo.jpg", &survey::thumbnail(photo)?)?;
        for (i, map) in found.maps.iter().enumerate() {
            self.save(&format!("{i}.png"), &survey::colored(map)?)?;
        }
        let (height, width) = photo.size();
        let size = (width as u32, height as u32);
        let whole = [0.0, 0.0, width as f64, height as f64];
        let area = survey::area(found.input.placement.as_ref()).unwrap_or(whole);
        let about = serde_json::to_vec(&About { size, area, boxes });
        self.save("about.json", &about.map_err(|e| Error::internal(format!("a photo's data: {e}")))?)
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

/// A box as the report draws it.
pub(super) fn drawn(corners: [f64; 4], kind: BoxKind, map: Option<usize>) -> BoundingBox {
    survey::drawn(corners, (kind, map), "")
}

/// A map of the report without its values.
pub(super) fn layer(label: &str, picture: Picture, area: [f64; 4]) -> Map {
    Map { label: label.into(), picture, area: Some(area), ..Map::default() }
}
