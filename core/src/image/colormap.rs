//! Colors for saliency maps.

use crate::{Result, TensorView};

use super::Photo;
use super::overlay::clamped;
use super::turbo::TURBO;

/// A scale of colors from 0 (no evidence) to 1 (maximum).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Colormap {
    /// Dark blue, green, yellow; uniform in brightness, readable in print and for color-blind readers.
    #[default]
    Viridis,
    /// A rainbow without jet's false edges, published by Google.
    Turbo,
    /// The rainbow of most published CAM figures, in Matplotlib's definition.
    Jet,
    /// Black, red, yellow, near white.
    Inferno,
    /// Black to white.
    Gray,
}

named!(Colormap of "colormap":
    Viridis = "viridis", Turbo = "turbo", Jet = "jet", Inferno = "inferno", Gray = "gray");

impl Colormap {
    /// The color of a value, red first; values are clamped to 0..1, and NaN counts as 0.
    pub fn rgb(self, value: f32) -> [u8; 3] {
        let value = if value.is_nan() { 0.0 } else { f64::from(value.clamp(0.0, 1.0)) };
        match self {
            Self::Viridis => colorous::VIRIDIS.eval_continuous(value).as_array(),
            Self::Turbo => between(&TURBO, value),
            Self::Inferno => colorous::INFERNO.eval_continuous(value).as_array(),
            Self::Jet => JET.map(|segments| (255.0 * along(segments, value)).round() as u8),
            Self::Gray => [(255.0 * value).round() as u8; 3],
        }
    }

    /// A map [h, w] as a picture, one pixel per cell. Values are clamped to 0..1; NaN and an empty map are errors.
    pub fn paint(self, map: TensorView<'_>) -> Result<Photo> {
        let ([height, width], values) = clamped(map)?;
        let mut picture = Photo::black((height, width))?;
        let palette = self.palette();
        for (y, row) in values.chunks_exact(width).enumerate() {
            for (&value, out) in row.iter().zip(picture.row_mut(y)) {
                *out = palette[shade(value)];
            }
        }
        Ok(picture)
    }

    /// The colors of [`SHADES`] values, evenly spaced.
    pub(super) fn palette(self) -> Vec<[u8; 3]> {
        (0..SHADES).map(|i| self.rgb(i as f32 / (SHADES - 1) as f32)).collect()
    }
}

/// Four for each 8-bit gray level: the steepest colormaps still pass smoothly, and a cache holds them all.
const SHADES: usize = 1024;

/// The index of a value of 0..1 in a palette.
pub(super) fn shade(value: f32) -> usize {
    ((value * (SHADES - 1) as f32 + 0.5) as usize).min(SHADES - 1)
}

/// Matplotlib's segments of jet, (position, intensity), for red, green and blue.
const JET: [&[(f64, f64)]; 3] = [
    &[(0.0, 0.0), (0.35, 0.0), (0.66, 1.0), (0.89, 1.0), (1.0, 0.5)],
    &[(0.0, 0.0), (0.125, 0.0), (0.375, 1.0), (0.64, 1.0), (0.91, 0.0), (1.0, 0.0)],
    &[(0.0, 0.5), (0.11, 1.0), (0.34, 1.0), (0.65, 0.0), (1.0, 0.0)],
];

/// The color at `value` of 0..1 in a table that spans it, interpolated.
fn between(table: &[[u8; 3]; 256], value: f64) -> [u8; 3] {
    let position = value * 255.0;
    let first = (position as usize).min(254);
    let share = position - first as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
    std::array::from_fn(|channel| mix(table[first][channel], table[first + 1][channel]))
}

/// The intensity at `value` on a line through `points`, which span 0..1.
fn along(points: &[(f64, f64)], value: f64) -> f64 {
    let segment = points.windows(2).find(|pair| value <= pair[1].0);
    let (&(x0, y0), &(x1, y1)) = match segment {
        Some(pair) => (&pair[0], &pair[1]),
        None => (&points[points.len() - 1], &(2.0, points[points.len() - 1].1)),
    };
    y0 + (y1 - y0) * (value - x0) / (x1 - x0)
}
