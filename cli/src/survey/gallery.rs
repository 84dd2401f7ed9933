//! [`Gallery`]: the pictures of a report until it is written. The worst photo comes first, and which one that is shows at the
//! end; so pictures wait in a file without a name, which vanishes with the program however it ends.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use scorecam::{Error, Photo, Result};
use scorecam_report::{BoundingBox, Map, Picture};

use super::pictures::thumbnail;

/// A map as PNG, and the part of the photo that it covers; all of it where there is none.
pub(crate) type Layer = (Vec<u8>, Option<[f64; 4]>);

/// Pictures on disk.
pub(crate) struct Gallery(File);

/// One photo's pictures.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    size: (u32, u32),
    picture: Place,
    maps: Vec<(Place, Option<[f64; 4]>)>,
    boxes: Vec<BoundingBox>,
}

/// Where bytes lie in the file: the first one, and how many.
#[derive(Debug, Clone, Copy)]
struct Place(u64, u64);

impl Gallery {
    pub(crate) fn new() -> Result<Self> {
        let file = tempfile::tempfile();
        file.map(Self)
            .map_err(|e| Error::io(format!("cannot create a temporary file for the report's pictures: {e}")))
    }

    /// Keeps a photo, its maps and its boxes.
    pub(crate) fn keep(&self, photo: &Photo, layers: Vec<Layer>, boxes: Vec<BoundingBox>) -> Result<Kept> {
        let picture = self.put(&thumbnail(photo)?)?;
        let maps = layers.into_iter().map(|(png, area)| Ok((self.put(&png)?, area)));
        // A photo's sides have 16 bits.
        let size = (photo.width() as u32, photo.height() as u32);
        Ok(Kept { size, picture, maps: maps.collect::<Result<_>>()?, boxes })
    }

    /// The card of a photo, with all that can be seen and without a word.
    pub(crate) fn card(&self, kept: &Kept) -> io::Result<scorecam_report::Photo> {
        let map = |&(place, area): &(Place, Option<[f64; 4]>)| {
            Ok(Map { picture: self.picture(place)?, area, ..Map::default() })
        };
        Ok(scorecam_report::Photo {
            size: kept.size,
            picture: self.picture(kept.picture)?,
            maps: kept.maps.iter().map(map).collect::<io::Result<_>>()?,
            boxes: kept.boxes.clone(),
            ..scorecam_report::Photo::default()
        })
    }

    fn put(&self, bytes: &[u8]) -> Result<Place> {
        let failed = |e| Error::io(format!("the temporary file with the report's pictures: {e}"));
        let first = (&self.0).seek(SeekFrom::End(0)).map_err(failed)?;
        (&self.0).write_all(bytes).map_err(failed)?;
        Ok(Place(first, bytes.len() as u64))
    }

    fn picture(&self, Place(first, length): Place) -> io::Result<Picture> {
        (&self.0).seek(SeekFrom::Start(first))?;
        let mut bytes = Vec::new();
        (&self.0).take(length).read_to_end(&mut bytes)?;
        Picture::new(bytes)
    }
}
