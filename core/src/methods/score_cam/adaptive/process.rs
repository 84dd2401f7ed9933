//! [`Process`]: a Gaussian process over the masks, as far as it depends on which masks are scored and not on
//! their scores.
//!
//! The one thing that it does is to take a mask as scored ([`Process::observe`]), which adds a column to a
//! partial Cholesky factor of the kernel's matrix: variances shrink at once, and means follow from the scores
//! when there are some. A mask's own deviation from the smooth function (the nugget) is revealed with its score,
//! so what is not known of an unscored mask is the process's variance and the nugget.

use nalgebra::{Cholesky, DMatrix, DMatrixView, DVector};

use super::space::Space;

/// How far a score reaches, and how much of it is a mask's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kernel {
    /// In units of the median squared distance.
    pub(super) width: f64,
    /// The variance that is a mask's own, relative to that of the process.
    pub(super) nugget: f64,
}

const WIDTHS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
const NUGGETS: [f64; 4] = [1e-4, 1e-3, 1e-2, 1e-1];

impl Kernel {
    /// Before anything is known.
    pub(super) const FIRST: Self = Self { width: 2.0, nugget: 1e-2 };

    /// The covariance at a squared distance: rational quadratic, which needs no exponential.
    fn at(self, distance: f64) -> f64 {
        let base = 1.0 + distance / (2.0 * self.width);
        1.0 / (base * base)
    }

    /// The kernel whose leave-one-out errors on the `picked` masks are least; `values` are one vector a target.
    /// Only neighbours of `now` are tried when it is given.
    pub(super) fn fitted(space: &Space, picked: &[usize], values: &[DVector<f64>], now: Option<Self>) -> Self {
        let n = picked.len();
        let columns: Vec<DVector<f64>> = picked.iter().map(|&m| space.distances_to(m)).collect();
        let distances = DMatrix::from_fn(n, n, |i, j| columns[j][picked[i]]);
        let near = |list: &[f64], value: f64, now: f64| list.len() > 1 && (value / now).ln().abs() < 2.4;
        let tried = WIDTHS.iter().flat_map(|&width| NUGGETS.map(|nugget| Self { width, nugget }));
        let tried = tried.filter(|k| {
            now.is_none_or(|now| {
                (k.width / now.width).ln().abs() < 0.7 && near(&NUGGETS, k.nugget, now.nugget)
            })
        });
        let errors = tried.filter_map(|kernel| Some((kernel, kernel.left_out_error(&distances, values)?)));
        errors.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(Self::FIRST, |(kernel, _)| kernel)
    }

    /// The mean squared error with which each value is predicted from all others, summed over targets.
    fn left_out_error(self, distances: &DMatrix<f64>, values: &[DVector<f64>]) -> Option<f64> {
        let mut covariance = distances.map(|d| self.at(d));
        (0..covariance.nrows()).for_each(|i| covariance[(i, i)] += self.nugget);
        let inverse = Cholesky::new(covariance)?.inverse();
        let error = |values: &DVector<f64>| {
            let left_out = (&inverse * values).component_div(&inverse.diagonal());
            left_out.norm_squared() / values.norm_squared().max(f64::MIN_POSITIVE)
        };
        Some(values.iter().map(error).sum())
    }
}

/// What follows from the masks that were observed. Variances are relative to the process's own.
pub(super) struct Process<'a> {
    space: &'a Space,
    pub(super) kernel: Kernel,
    /// The masks observed, in order.
    pub(super) observed: Vec<usize>,
    /// One column of N values an observed mask: what it tells of every mask.
    factor: Vec<f64>,
    /// The diagonal of the factor.
    pivots: Vec<f64>,
    /// What is not known of each mask, its nugget aside.
    pub(super) variance: DVector<f64>,
    /// The kernel between all masks and the strong ones.
    to_strong: DMatrix<f64>,
}

impl<'a> Process<'a> {
    pub(super) fn new(space: &'a Space, kernel: Kernel, observed: &[usize]) -> Self {
        let mut process = Self {
            space,
            kernel,
            observed: Vec::new(),
            factor: Vec::new(),
            pivots: Vec::new(),
            variance: DVector::repeat(space.count(), 1.0),
            to_strong: space.to_strong.map(|d| kernel.at(d)),
        };
        observed.iter().for_each(|&m| {
            process.observe(m);
        });
        process
    }

    /// Takes mask `m` as scored; returns the new column of the factor.
    pub(super) fn observe(&mut self, m: usize) -> DVector<f64> {
        let mut column = self.space.distances_to(m).map(|d| self.kernel.at(d));
        let factor = self.factor();
        let known: DVector<f64> = factor.row(m).transpose();
        column.gemv(-1.0, &factor, &known, 1.0);
        let pivot = (column[m].max(0.0) + self.kernel.nugget).sqrt();
        column /= pivot;
        self.variance.zip_apply(&column, |variance, c| *variance = (*variance - c * c).max(0.0));
        self.factor.extend(column.iter());
        self.pivots.push(pivot);
        self.observed.push(m);
        column
    }

    fn factor(&self) -> DMatrixView<'_, f64> {
        DMatrixView::from_slice(&self.factor, self.space.count(), self.pivots.len())
    }

    /// The process's mean at every mask given `values` of the observed ones, and its own variance as `values`
    /// have it.
    pub(super) fn mean(&self, values: &DVector<f64>) -> (DVector<f64>, f64) {
        let factor = self.factor();
        let mut white: DVector<f64> = values.clone();
        for i in 0..white.len() {
            let known: f64 = (0..i).map(|k| factor[(self.observed[i], k)] * white[k]).sum();
            white[i] = (white[i] - known) / self.pivots[i];
        }
        let scale = white.norm_squared() / white.len() as f64;
        (factor * white, scale)
    }

    /// The covariance with the strong masks, times `maps` of theirs [strong, cells]: [N, cells].
    pub(super) fn spread(&self, maps: &DMatrix<f64>) -> DMatrix<f64> {
        let factor = self.factor();
        let strong = factor.select_rows(&self.space.strong);
        &self.to_strong * maps - factor * strong.tr_mul(maps)
    }

    /// The trace of `maps' * covariance * maps` over the masks `of`, whose rows `maps` has, nuggets included.
    pub(super) fn trace(&self, of: &[usize], maps: &DMatrix<f64>) -> f64 {
        let rows = self.factor().select_rows(of);
        let mut prior = 0.0;
        for (i, &m) in of.iter().enumerate() {
            let distances = self.space.distances_to(m);
            let kernel = DVector::from_iterator(of.len(), of.iter().map(|&o| self.kernel.at(distances[o])));
            prior += maps.tr_mul(&kernel).dot(&maps.row(i).transpose());
        }
        let known = rows.tr_mul(maps).norm_squared();
        (prior - known).max(0.0) + self.kernel.nugget * maps.norm_squared()
    }
}
