//! Histograms of oriented gradients (Dalal and Triggs, 2005), which depend on the edges of a map and not on its values.

use super::SaliencyMap;

const CELL: usize = 16;
const BINS: usize = 9;
const BLOCK: usize = 3;

/// The histograms of a map as scikit-image's `hog` makes them: central differences that are zero at the border, cells of
/// 16 x 16 pixels with 9 bins over 180 degrees, blocks of 3 x 3 cells normalized by L2-Hys. None for maps of less than
/// 48 x 48 pixels, which have no block.
pub fn hog(map: &SaliencyMap) -> Option<Vec<f64>> {
    let (rows, columns) = (map.size().0 / CELL, map.size().1 / CELL);
    if rows < BLOCK || columns < BLOCK {
        return None;
    }
    let cells: Vec<[f64; BINS]> =
        (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))).map(|at| histogram(map, at)).collect();
    let block = |y: usize, x: usize| -> Vec<f64> {
        (y..y + BLOCK).flat_map(|y| cells[y * columns + x..][..BLOCK].concat()).collect()
    };
    let corners = (0..=rows - BLOCK).flat_map(|y| (0..=columns - BLOCK).map(move |x| (y, x)));
    Some(corners.flat_map(|(y, x)| l2_hys(block(y, x))).collect())
}

/// The mean gradient of a cell by its direction.
fn histogram(map: &SaliencyMap, (row, column): (usize, usize)) -> [f64; BINS] {
    let mut bins = [0.0; BINS];
    for y in row * CELL..(row + 1) * CELL {
        for x in column * CELL..(column + 1) * CELL {
            let (dx, dy) = gradient(map, y, x);
            let angle = dy.atan2(dx).to_degrees().rem_euclid(180.0);
            // An angle just below 0 rounds to 180.
            let bin = ((angle / (180.0 / BINS as f64)) as usize).min(BINS - 1);
            // hypot would need a newer glibc.
            bins[bin] += (dx * dx + dy * dy).sqrt();
        }
    }
    bins.map(|sum| sum / (CELL * CELL) as f64)
}

/// The differences of a pixel's neighbors; 0 in a direction in which it has but one.
fn gradient(map: &SaliencyMap, y: usize, x: usize) -> (f64, f64) {
    let ((height, width), values) = (map.size(), map.values());
    let i = y * width + x;
    let dx = if x > 0 && x + 1 < width { values[i + 1] - values[i - 1] } else { 0.0 };
    let dy = if y > 0 && y + 1 < height { values[i + width] - values[i - width] } else { 0.0 };
    (dx, dy)
}

/// Scaled to length 1, clipped at 0.2 and scaled again.
fn l2_hys(block: Vec<f64>) -> Vec<f64> {
    let scaled = |block: Vec<f64>| -> Vec<f64> {
        let norm = (block.iter().map(|v| v * v).sum::<f64>() + 1e-10).sqrt();
        block.iter().map(|v| v / norm).collect()
    };
    scaled(scaled(block).into_iter().map(|v| v.min(0.2)).collect())
}
