//! [`principal`]: the eigenvector of the greatest eigenvalue, by the method of Lanczos; and [`Reduce`], weighted maps as one.
//!
//! Neither the matrix nor the other eigenvectors are made: a product with a vector is all that is needed of it, and some
//! twenty of them are enough for what activation maps are.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::choices::{choice, pick, spec};
use super::map::Map;
use crate::noise::Draws;
use crate::tensor::{append, gathered};
use crate::{OptionSpec, Options, Result, Study};

/// The most products. Nearer than this no two leading eigenvalues can be told apart, and any mixture will do.
const MOST_STEPS: usize = 256;
/// How far, relative to the eigenvalue, the result may be from an eigenvector.
const EXACT: f64 = 1e-13;

/// Activation maps as a matrix [cells, K], each channel about its mean where `centered`.
pub(super) fn channels(study: &Study<'_>, centered: bool) -> Result<(DMatrix<f64>, (usize, usize))> {
    let [k, h, w] = study.context.layer_shape()?;
    let values = study.context.activations.data().iter().map(|&v| f64::from(v));
    let mut channels = DMatrix::from_vec(h * w, k, gathered(&[k, h, w], values)?);
    if centered {
        channels.column_iter_mut().for_each(|mut channel| {
            let mean = channel.mean();
            channel.add_scalar_mut(-mean);
        });
    }
    Ok((channels, (h, w)))
}

/// How weighted maps become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reduce {
    Sum,
    Principal,
}

const REDUCE: &[(&str, Reduce)] = &[("sum", Reduce::Sum), ("principal", Reduce::Principal)];

impl Reduce {
    /// The option of methods that weight maps.
    pub(super) fn spec() -> OptionSpec {
        spec(
            "reduce",
            choice(REDUCE),
            "sum",
            "how weighted maps are combined: their sum, or their first principal component, which is smoother \
             (eigen smoothing)",
        )
    }

    pub(super) fn read(options: &Options) -> Result<Self> {
        pick(options, "reduce", REDUCE)
    }

    /// One map of `maps` of `size`, each with its weight.
    pub(super) fn apply<'a>(
        self,
        size: (usize, usize),
        maps: impl Iterator<Item = (&'a [f32], f64)>,
    ) -> Result<Map> {
        match self {
            Self::Sum => Map::weighted_sum(size, maps),
            Self::Principal => {
                common(size, maps.map(|(map, weight)| map.iter().map(move |&v| f64::from(v) * weight)))
            }
        }
    }
}

/// The first principal component of weighted maps, each about its mean, as pytorch-grad-cam's `eigen_smooth` has it; it grows
/// with the maps' sum.
pub(super) fn common<I: Iterator<Item = f64>>(
    size: (usize, usize),
    maps: impl Iterator<Item = I>,
) -> Result<Map> {
    let cells = size.0 * size.1;
    let mut values = Vec::new();
    for map in maps {
        let mut column = gathered(&[cells], map)?;
        let mean = column.iter().sum::<f64>() / cells as f64;
        column.iter_mut().for_each(|v| *v -= mean);
        append(&mut values, &column)?;
    }
    if values.is_empty() {
        return Map::weighted_sum(size, std::iter::empty());
    }
    let maps = DMatrix::from_vec(cells, values.len() / cells, values);
    let component = principal(&maps.column_sum(), |v| &maps * maps.tr_mul(v));
    Ok(Map { size, values: component.data.into() })
}

/// The square root of the greatest eigenvalue of the symmetric matrix of `n` rows that `product` multiplies by, times its
/// eigenvector: the first principal component of what the matrix compares. Its sign is free, and such that it grows with
/// `rising`.
pub(super) fn principal(
    rising: &DVector<f64>,
    product: impl Fn(&DVector<f64>) -> DVector<f64>,
) -> DVector<f64> {
    let (value, vector) = lanczos(rising.len(), product);
    let agrees = vector.dot(rising);
    let is_clear = agrees.abs() > 1e-9 * rising.norm();
    let sign = if is_clear { agrees } else { vector[vector.iamax()] }.signum();
    vector * (sign * value.max(0.0).sqrt())
}

/// The greatest eigenvalue with its eigenvector, of length 1.
fn lanczos(n: usize, product: impl Fn(&DVector<f64>) -> DVector<f64>) -> (f64, DVector<f64>) {
    let draws = Draws::new(0);
    let mut basis: Vec<DVector<f64>> = vec![DVector::from_fn(n, |i, _| draws.normal(i)).normalize()];
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    loop {
        let Some(last) = basis.last() else { return (0.0, DVector::zeros(n)) };
        let mut next = product(last);
        diagonal.push(next.dot(last));
        // Twice, since what rounding leaves of the others would grow.
        for _ in 0..2 {
            basis.iter().for_each(|known| next.axpy(-next.dot(known), known, 1.0));
        }
        let rest = next.norm();
        let (value, weights) = greatest(&diagonal, &beside);
        let left = rest * weights[weights.len() - 1].abs();
        if left <= EXACT * value.abs() || rest == 0.0 || basis.len() >= n.min(MOST_STEPS) {
            let sum = |mut sum: DVector<f64>, (known, weight): (&DVector<f64>, &f64)| {
                sum.axpy(*weight, known, 1.0);
                sum
            };
            return (value, basis.iter().zip(weights.iter()).fold(DVector::zeros(n), sum));
        }
        beside.push(rest);
        basis.push(next / rest);
    }
}

/// The greatest eigenvalue, with its eigenvector, of the symmetric matrix with these numbers on and beside its diagonal.
fn greatest(diagonal: &[f64], beside: &[f64]) -> (f64, DVector<f64>) {
    let mut matrix = DMatrix::from_diagonal(&DVector::from_column_slice(diagonal));
    for (i, &v) in beside.iter().enumerate() {
        matrix[(i, i + 1)] = v;
        matrix[(i + 1, i)] = v;
    }
    let found = SymmetricEigen::new(matrix);
    let place = found.eigenvalues.imax();
    (found.eigenvalues[place], found.eigenvectors.column(place).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The component of a matrix with these eigenvalues, in a basis without zeros, beside that of all eigenvectors.
    fn check(values: &[f64]) {
        let n = values.len();
        let draws = Draws::new(5);
        let basis = DMatrix::from_fn(n, n, |i, j| draws.normal(i * n + j)).qr().q();
        let matrix = &basis * DMatrix::from_diagonal(&DVector::from_column_slice(values)) * basis.transpose();
        let rising = DVector::from_element(n, 1.0);
        let found = principal(&rising, |v| &matrix * v);
        let best = DVector::from_column_slice(values).imax();
        let expected = basis.column(best) * values[best].max(0.0).sqrt();
        let expected = if expected.dot(&rising) < 0.0 { -expected } else { expected };
        assert!((&found - expected).norm() < 1e-9 * found.norm().max(1.0), "{values:?}");
    }

    #[test]
    fn the_greatest_eigenvalue_is_found_whatever_the_others_are() {
        check(&[3.0]);
        check(&[0.0, 0.0, 2.0]);
        check(&[1.0, -5.0, 4.0, 0.5]);
        check(&[-1.0, -2.0, -3.0]);
        let many: Vec<f64> = (0..120).map(|i| f64::from(i * 37 % 120)).collect();
        check(&many);
        let near: Vec<f64> = (0..60).map(|i| 1.0 - 1e-3 * f64::from(i)).collect();
        check(&near);
    }

    #[test]
    fn the_sign_follows_what_rises_and_else_the_farthest_cell() {
        let axis = DVector::from_vec(vec![0.6, -0.8]);
        let product = |v: &DVector<f64>| &axis * axis.dot(v);
        let check = |rising: [f64; 2], expected: [f64; 2]| {
            let found = principal(&DVector::from_column_slice(&rising), product);
            assert!((found - DVector::from_column_slice(&expected)).norm() < 1e-12, "{rising:?}");
        };
        check([1.0, 0.0], [0.6, -0.8]);
        check([0.0, 1.0], [-0.6, 0.8]);
        check([0.8, 0.6], [-0.6, 0.8]);
        check([0.0, 0.0], [-0.6, 0.8]);
    }
}
