//! Photos and tensors from files.
//!
//! A [`Reader`] decodes a photo within limits and the available memory, and turns it upright by its EXIF orientation;
//! core does the rest (alpha, gray, 16 bits). A `.npy` tensor is the model's input itself: any conversion would be a
//! guess, so only little-endian f32 in C order is accepted, and the error names any other type.

mod formats;
mod jpeg_end;
mod memory;
mod photo;
mod samples;
mod tensor;
mod tiff_tags;

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use scorecam_core::image::Photo;
use scorecam_core::{Error, Result};

pub use memory::Held;
pub use samples::Range;
pub use tensor::{read_array, read_tensor};

use crate::Image;

/// Reads inputs. Several threads may use it concurrently.
pub struct Reader {
    range: Option<Range>,
    max_pixels: usize,
    memory: memory::Memory,
}

impl Default for Reader {
    fn default() -> Self {
        Self { range: None, max_pixels: Photo::MAX_PIXELS, memory: memory::Memory::default() }
    }
}

impl Reader {
    /// A reader that uses `range`, if given, as black and white of photos with more than 8 bits.
    pub fn with_range(range: Option<Range>) -> Self {
        Self { range, ..Self::default() }
    }

    /// A reader for photos of at most `max_pixels` pixels.
    pub fn with_max_pixels(max_pixels: usize) -> Self {
        Self { max_pixels, ..Self::default() }
    }

    /// Reads a photo, or a tensor if the extension is `.npy`.
    pub fn read(&self, path: &Path) -> Result<Image> {
        let named = |e: Error| e.context(path.display());
        // A pipe or device could keep the program waiting for ever, or never end.
        let metadata = std::fs::metadata(path).map_err(|e| named(Error::io(e.to_string())))?;
        if !metadata.is_file() {
            return Err(named(Error::io("it is not a file")));
        }
        let file = File::open(path).map_err(|e| named(Error::io(e.to_string())))?;
        let (file, length) = (BufReader::new(file), metadata.len());
        if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy")) {
            read_tensor(file, length).map(Image::from).map_err(named)
        } else {
            self.read_photo(file).map_err(named)
        }
    }

    /// Claims `bytes` of memory for work on a photo whose failed allocations would abort the process. Waits for other
    /// claims if too little is available; an error if there is too little without them.
    pub fn hold(&self, bytes: u64) -> Result<Held<'_>> {
        self.memory.hold(bytes)
    }
}
