//! Gaussian filters, which blur photos and masks.

use nalgebra::DMatrix;

use crate::tensor::{gathered, room_for};
use crate::{Result, Tensor, TensorView};

/// The value of a Gaussian of deviation `sigma` at a distance, 1 at its center.
fn bell(distance: isize, sigma: f64) -> f64 {
    (-0.5 * (distance as f64 / sigma).powi(2)).exp()
}

/// An image [1, C, H, W] under a Gaussian of `sigma` pixels, cut at three sigma, edges mirrored without repeating them.
pub(crate) fn blur(image: TensorView<'_>, sigma: f64) -> Result<Tensor> {
    let [_, c, h, w] = image.dims("the image")?;
    let radius = (3.0 * sigma).ceil() as isize;
    let sum: f64 = (-radius..=radius).map(|d| bell(d, sigma)).sum();
    let kernel: Vec<f64> = (-radius..=radius).map(|d| bell(d, sigma) / sum).collect();
    let mut out = room_for(&[1, c, h, w])?;
    for plane in image.data().chunks_exact(h * w) {
        let plane = gathered(&[h, w], plane.iter().map(|&v| f64::from(v)))?;
        let rows = blur_rows(&plane, w, &kernel)?;
        let columns = blur_rows(&transpose(&rows, w)?, h, &kernel)?;
        out.extend(transpose(&columns, h)?.iter().map(|&v| v as f32));
    }
    Tensor::new([1, c, h, w], out)
}

fn blur_rows(plane: &[f64], width: usize, kernel: &[f64]) -> Result<Vec<f64>> {
    let radius = kernel.len() as isize / 2;
    let value = |row: &[f64], x: usize| -> f64 {
        kernel.iter().zip(x as isize - radius..).map(|(k, at)| k * row[mirror(at, width)]).sum()
    };
    let rows = plane.chunks_exact(width);
    gathered(&[rows.len(), width], rows.flat_map(|row| (0..width).map(move |x| value(row, x))))
}

/// Folds a position back into 0..n at both ends, as often as it takes.
fn mirror(at: isize, n: usize) -> usize {
    let period = (2 * n as isize - 2).max(1);
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

fn transpose(plane: &[f64], width: usize) -> Result<Vec<f64>> {
    gathered(&[plane.len()], (0..width).flat_map(|x| plane[x..].iter().step_by(width).copied()))
}

/// The matrix that blurs `n` cells in a row under a Gaussian of one cell, cut at three; edges share what lies beyond.
pub(crate) fn blur_matrix(n: usize) -> DMatrix<f64> {
    let near = |i: usize, j: usize| {
        let distance = i.abs_diff(j) as isize;
        if distance <= 3 { bell(distance, 1.0) } else { 0.0 }
    };
    let mut rows = DMatrix::from_fn(n, n, near);
    rows.row_iter_mut().for_each(|mut row| {
        let sum = row.sum();
        row /= sum;
    });
    rows
}
