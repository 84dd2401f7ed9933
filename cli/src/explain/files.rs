//! The files of one explained input: its maps, standard errors and overlays.

use std::path::{Path, PathBuf};

use scorecam::{Explanation, Held, Overlay, Photo, Result, Tensor, TensorView};
use scorecam_core::bail;

use super::{Ready, Work};
use crate::args::MapSize;
use crate::located::Located;
use crate::output::{self, Destinations, Existing, MapTo};

/// Bytes a pixel for an overlay and its PNG, which is made in memory.
const ENCODING_BYTES: u64 = 8;

impl Work<'_> {
    pub(super) fn write_files(
        &self,
        to: &Destinations,
        overlays: &[Option<PathBuf>],
        (ready, found, located): (&Ready, &Explanation, &[Located]),
    ) -> Result<()> {
        let in_folder = |path: &Path| {
            self.plan.folder.as_ref().map_or(Existing::Replaced, |folder| folder.existing(path))
        };
        // Overlays come first: whoever sees the map's file finds the pictures there, too.
        for (i, path) in overlays.iter().enumerate() {
            let Some(path) = path else { continue };
            let existing = if to.overlay.are_in_folder() { in_folder(path) } else { Existing::Replaced };
            let (picture, _held) = self.draw(ready, (found, i))?;
            let picture = located[i].drawn(picture);
            output::write_png(path, &picture, existing)?;
        }
        if let Some(path) = &self.args.outputs.errors {
            self.write_errors(path, found)?;
        }
        let photo = ready.photo.as_ref().filter(|_| self.args.outputs.map_size == MapSize::Photo);
        let resized =
            photo.filter(|_| !matches!(to.map, MapTo::Nowhere)).map(|photo| at_size_of(photo, found));
        let maps = resized.transpose()?;
        let maps = maps.as_ref().unwrap_or(&found.maps);
        let map = without_one(maps)?;
        match &to.map {
            MapTo::Nowhere => Ok(()),
            MapTo::StandardOutput => output::print_npy(map),
            MapTo::Named(path) => output::write_npy(path, map, Existing::Replaced),
            MapTo::InFolder(path) => output::write_npy(path, map, in_folder(path)),
        }
    }

    fn write_errors(&self, path: &Path, found: &Explanation) -> Result<()> {
        let Some(errors) = &found.errors else {
            bail!(
                unsupported,
                "method {:?} estimates no standard errors; remove --errors, or use --method rise",
                self.explainer.method().id
            );
        };
        output::write_npy(path, without_one(errors)?, Existing::Replaced)
    }

    /// The photo with the map over it; for a tensor, of which there is no photo, the map's colors alone. The claim is
    /// for what it takes to encode the picture.
    fn draw(&self, ready: &Ready, (found, i): (&Explanation, usize)) -> Result<(Photo, Held<'_>)> {
        let outputs = &self.args.outputs;
        let map = found.map(i)?;
        let pixels = ready.photo.as_ref().map_or(map.data().len(), |photo| photo.width() * photo.height());
        let held = self.reader.hold(ENCODING_BYTES * pixels as u64)?;
        let picture = match &ready.photo {
            Some(photo) => {
                let overlay = Overlay { colormap: outputs.colormap, opacity: outputs.opacity };
                found.overlay(i, photo, &overlay)
            }
            None => outputs.colormap.paint(map),
        };
        Ok((picture?, held))
    }
}

/// Maps [targets, H, W]; that of a single target as [H, W].
fn without_one(maps: &Tensor) -> Result<TensorView<'_>> {
    let shape = if maps.shape()[0] == 1 { &maps.shape()[1..] } else { maps.shape() };
    TensorView::new(shape, maps.data())
}

/// The maps of all targets at the size of the photo.
fn at_size_of(photo: &Photo, found: &Explanation) -> Result<Tensor> {
    let (height, width) = photo.size();
    let mut maps = Tensor::zeros([found.targets.len(), height, width])?;
    for (i, out) in maps.data_mut().chunks_exact_mut(height * width).enumerate() {
        out.copy_from_slice(found.photo_map(i, photo.size())?.data());
    }
    Ok(maps)
}
