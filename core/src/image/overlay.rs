//! A saliency map, drawn over its photo.
//!
//! The map is sampled where each pixel of the photo lies in the model's input, so crop and letterbox need
//! no cases of their own. It is interpolated a row at a time and colored from a table: the cost is a few
//! operations for each pixel, and the only large allocation is the picture that is returned.

use crate::{Error, Result, Tensor, TensorView};

use super::colormap::shade;
use super::{Colormap, Photo, Placement};

/// How to draw a map over a photo.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlay {
    /// The colors. Default viridis.
    pub colormap: Colormap,
    /// The opacity of the colors, 0 (only the photo) to 1 (only the map). Default 0.5.
    pub opacity: f32,
}

impl Default for Overlay {
    fn default() -> Self {
        Self { colormap: Colormap::default(), opacity: 0.5 }
    }
}

impl Overlay {
    /// The photo with the map over it: `(1 - opacity) * photo + opacity * color`.
    ///
    /// `map` [h, w] covers the whole model input, at any resolution; it is resized to the photo bilinearly with
    /// half-pixel centers. Values are clamped to 0..1. Outside the model's input (around a center crop) the photo stays
    /// unchanged; a letterbox's padding is not shown. An error if the opacity is not within 0..1, the map is empty or
    /// has a NaN, or `placement` is for a photo of another size.
    pub fn render(&self, photo: &Photo, map: TensorView<'_>, placement: &Placement) -> Result<Photo> {
        ensure!((0.0..=1.0).contains(&self.opacity), invalid, "opacity {} is not within 0..1", self.opacity);
        if placement.photo_size() != photo.size() {
            let ((h, w), (height, width)) = (placement.photo_size(), photo.size());
            return Err(Error::invalid(format!(
                "the map is of a photo of {w}x{h} pixels, this one has {width}x{height}; give the same photo"
            )));
        }
        let (cells, values) = clamped(map)?;
        let mut out = photo.copy()?;
        let blend = Blend::new(self);
        spread(placement, (cells, &values), |y, x, values| {
            for (pixel, value) in out.row_mut(y)[x..].iter_mut().zip(values) {
                *pixel = blend.apply(*pixel, value);
            }
        });
        Ok(out)
    }
}

impl Placement {
    /// A `map` [h, w] of the whole model input, at any resolution, resized to the photo bilinearly with half-pixel
    /// centers: [height, width], 0 where the photo lies outside the model's input. Values are not changed otherwise.
    pub fn on_photo(&self, map: TensorView<'_>) -> Result<Tensor> {
        let (height, width) = self.photo_size();
        let cells = checked(map)?;
        let mut out = Tensor::zeros([height, width])?;
        spread(self, (cells, map.data()), |y, x, values| {
            out.data_mut()[y * width + x..].iter_mut().zip(values).for_each(|(out, value)| *out = value);
        });
        Ok(out)
    }
}

/// Calls `row` for each row of the photo that the model saw: with its number, its first column and the values from there on.
fn spread(
    placement: &Placement,
    ([rows, columns], values): ([usize; 2], &[f32]),
    mut row: impl FnMut(usize, usize, &mut dyn Iterator<Item = f32>),
) {
    let (part, filled, input) = (placement.photo_part(), placement.input_part(), placement.input_size());
    let (height, width) = placement.photo_size();
    let across = Axis { part: (part.x, part.width), filled: (filled.x, filled.width), input: input.1 };
    let down = Axis { part: (part.y, part.height), filled: (filled.y, filled.height), input: input.0 };
    let (across, down) = (across.line(width, columns), down.line(height, rows));
    let mut line = vec![0.0; columns];
    for (i, spot) in down.spots.iter().enumerate() {
        spot.mix_rows(values, &mut line);
        row(down.first + i, across.first, &mut across.spots.iter().map(|spot| spot.mix(&line)));
    }
}

/// The size and values of a map, each clamped to 0..1; an error for an empty map and for NaN.
pub(super) fn clamped(map: TensorView<'_>) -> Result<([usize; 2], Vec<f32>)> {
    Ok((checked(map)?, map.data().iter().map(|v| v.clamp(0.0, 1.0)).collect()))
}

/// The height and width of a map; an error for an empty map and for NaN.
fn checked(map: TensorView<'_>) -> Result<[usize; 2]> {
    let size @ [height, width] = map.dims::<2>("the saliency map")?;
    if height == 0 || width == 0 {
        bail!(invalid, "the saliency map is empty, {height}x{width}; give at least one cell");
    }
    if let Some(at) = map.data().iter().position(|v| v.is_nan()) {
        let (y, x) = (at / width, at % width);
        bail!(invalid, "the saliency map has NaN at row {y}, column {x}; explain again");
    }
    Ok(size)
}

/// One axis of a placement: (start, length) in the photo and in the input, and the input's length.
struct Axis {
    part: (f64, f64),
    filled: (f64, f64),
    input: usize,
}

impl Axis {
    /// The pixels, of `pixels` in all, whose center the model saw, on a map of `cells` cells.
    fn line(&self, pixels: usize, cells: usize) -> Line {
        let (start, length) = self.part;
        let first = ((start - 0.5).ceil().max(0.0) as usize).min(pixels);
        let end = ((start + length - 0.5).ceil().max(0.0) as usize).clamp(first, pixels);
        let spot = |pixel: usize| {
            let input = self.filled.0 + (pixel as f64 + 0.5 - start) / length * self.filled.1;
            Spot::new(input / self.input as f64 * cells as f64 - 0.5, cells)
        };
        Line { first, spots: (first..end).map(spot).collect() }
    }
}

/// The pixels of one axis that show the map, from `first` on.
struct Line {
    first: usize,
    spots: Vec<Spot>,
}

/// Two neighboring cells of the map, and the second one's share.
struct Spot {
    cells: [usize; 2],
    share: f32,
}

impl Spot {
    fn new(position: f64, cells: usize) -> Self {
        let position = position.clamp(0.0, cells as f64 - 1.0);
        let cell = position as usize;
        Self { cells: [cell, (cell + 1).min(cells - 1)], share: (position - cell as f64) as f32 }
    }

    fn mix(&self, line: &[f32]) -> f32 {
        let [a, b] = self.cells.map(|cell| line[cell]);
        a + (b - a) * self.share
    }

    /// The row of the map at this spot, into `line`.
    fn mix_rows(&self, map: &[f32], line: &mut [f32]) {
        let [a, b] = self.cells.map(|row| &map[row * line.len()..][..line.len()]);
        for (out, (a, b)) in line.iter_mut().zip(a.iter().zip(b)) {
            *out = a + (b - a) * self.share;
        }
    }
}

/// Colors with the opacity worked in, as integers with 16 bits behind the point.
struct Blend {
    palette: Vec<[u32; 3]>,
    photo: u32,
}

impl Blend {
    const ONE: u32 = 1 << 16;

    fn new(overlay: &Overlay) -> Self {
        let colour = (overlay.opacity * Self::ONE as f32).round() as u32;
        let share = |rgb: [u8; 3]| rgb.map(|v| u32::from(v) * colour + Self::ONE / 2);
        Self {
            palette: overlay.colormap.palette().into_iter().map(share).collect(),
            photo: Self::ONE - colour,
        }
    }

    fn apply(&self, photo: [u8; 3], value: f32) -> [u8; 3] {
        let colour = self.palette[shade(value)];
        std::array::from_fn(|c| ((u32::from(photo[c]) * self.photo + colour[c]) >> 16) as u8)
    }
}
