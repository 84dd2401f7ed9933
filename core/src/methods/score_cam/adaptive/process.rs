//! [`Process`]: a Gaussian process over the masks, as far as it depends on which masks are scored and not on
//! their scores.
//!
//! The one thing that it does is to take a mask as scored ([`Process::observe`]), which adds a column to a
//! partial Cholesky factor of the kernel's matrix: variances shrink at once, and means follow from the scores
//! when there are some. A mask's own deviation from the smooth function (the nugget) is revealed with its score,
//! so what is not known of an unscored mask is the process's variance and the nugget.
//!
//! All is in single precision but the choice of a kernel. A Cholesky factor is exact for a matrix that is off by
//! rounding errors, and even the smallest nugget is tens of these.

use nalgebra::{Cholesky, DMatrix, DMatrixView, DVector, DVectorView};

use super::mask_geometry::MaskGeometry;
use crate::Result;
use crate::tensor::{append, room_for};

/// Masks whose covariances with all others are held at a time.
const BLOCK: usize = 256;

/// How far a score reaches, and how much of it is a mask's own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kernel {
    /// In units of the median squared distance.
    pub(super) width: f32,
    /// The variance that is a mask's own, relative to that of the process.
    pub(super) nugget: f32,
}

/// Values about their mean which are less than this come of rounding: they are logarithms, or parts of the scores' range.
const LEAST_VALUE: f64 = 1e-6;

/// Each half the next, so that a covariance at one width is the square of that at the next.
const WIDTHS: [f32; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
const NUGGETS: [f32; 4] = [1e-4, 1e-3, 1e-2, 1e-1];

impl Kernel {
    /// Before anything is known.
    pub(super) const FIRST: Self = Self { width: 2.0, nugget: 1e-2 };

    const WIDEST: Self = Self { width: WIDTHS[WIDTHS.len() - 1], ..Self::FIRST };

    /// The covariance at a squared distance.
    fn at(self, distance: f32) -> f32 {
        (-distance / self.width).exp()
    }

    /// The kernel that explains `values` best, one vector a target; `distances` are those between their masks.
    /// Only neighbors of `now` are tried when it is given.
    fn fitted(distances: &DMatrix<f32>, values: &[DVector<f64>], now: Option<Self>) -> Self {
        let all = WIDTHS.iter().flat_map(|&width| NUGGETS.map(|nugget| Self { width, nugget }));
        let tried = all.filter(|kernel| now.is_none_or(|now| kernel.is_next_to(now)));
        let misfits = tried.filter_map(|kernel| Some((kernel, kernel.misfit(distances, values)?)));
        misfits.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(Self::FIRST, |(kernel, _)| kernel)
    }

    /// The covariances at this width of those at the greatest: squares, which cost less than exponentials.
    fn narrowed(self, widest: &DMatrix<f32>) -> DMatrix<f32> {
        let mut covariances = widest.clone();
        for _ in WIDTHS.iter().filter(|&&width| width > self.width) {
            covariances.apply(|c| *c *= *c);
        }
        covariances
    }

    /// Whether both numbers are at most one place from the other's in their lists.
    fn is_next_to(self, other: Self) -> bool {
        let place = |list: &[f32], value: f32| list.iter().position(|&v| v == value).unwrap_or(0);
        let near = |list: &[f32], a: f32, b: f32| place(list, a).abs_diff(place(list, b)) <= 1;
        near(&WIDTHS, self.width, other.width) && near(&NUGGETS, self.nugget, other.nugget)
    }

    /// How badly values are explained: the logarithm of the error with which each is predicted from all others,
    /// plus how improbable all are together, both for one value. Either alone chooses worse (measured).
    fn misfit(self, distances: &DMatrix<f32>, values: &[DVector<f64>]) -> Option<f64> {
        let n = distances.nrows();
        let mut covariance = distances.map(|d| f64::from(self.at(d)));
        (0..n).for_each(|i| covariance[(i, i)] += f64::from(self.nugget));
        let factor = Cholesky::new(covariance)?;
        let log_determinant = 2.0 * factor.l_dirty().diagonal().map(f64::ln).sum();
        let precisions = precisions(factor.l_dirty());
        let misfit = |values: &DVector<f64>| {
            let whitened = factor.solve(values);
            let log_mean = |sum: f64| (sum / n as f64).max(f64::MIN_POSITIVE).ln();
            let left_out = whitened.component_div(&precisions);
            log_mean(left_out.norm_squared()) + log_mean(whitened.dot(values)) + log_determinant / n as f64
        };
        Some(values.iter().map(misfit).sum())
    }
}

/// The diagonal of the inverse of a matrix with this Cholesky factor, of which only the lower triangle is read:
/// the squared norms of the columns of the factor's inverse.
fn precisions(factor: &DMatrix<f64>) -> DVector<f64> {
    let n = factor.nrows();
    DVector::from_fn(n, |i, _| {
        let mut column = DVector::zeros(n - i);
        column[0] = 1.0;
        factor.view_range(i.., i..).solve_lower_triangular_mut(&mut column);
        column.norm_squared()
    })
}

/// What follows from the masks that were observed. Variances are relative to the process's own.
pub(super) struct Process<'a> {
    geometry: &'a MaskGeometry,
    pub(super) kernel: Kernel,
    /// The masks observed, in order.
    pub(super) observed: Vec<usize>,
    /// The distances of all masks to each observed one, [N, observed] by columns.
    distances: Vec<f32>,
    /// What each observed mask tells of every mask, [N, observed] by columns.
    factor: Vec<f32>,
    /// The diagonal of the factor.
    pivots: Vec<f32>,
    /// What is not known of each mask, its nugget aside.
    pub(super) variance: DVector<f32>,
    /// The kernel between all masks and the strong ones, and the same at the greatest width.
    to_strong: DMatrix<f32>,
    to_strong_widest: DMatrix<f32>,
}

impl<'a> Process<'a> {
    /// Nothing is observed.
    pub(super) fn new(geometry: &'a MaskGeometry) -> Self {
        let mut process = Self {
            geometry,
            kernel: Kernel::FIRST,
            observed: Vec::new(),
            distances: Vec::new(),
            factor: Vec::new(),
            pivots: Vec::new(),
            variance: DVector::zeros(0),
            to_strong: DMatrix::zeros(0, 0),
            to_strong_widest: geometry.to_strong.map(|d| Kernel::WIDEST.at(d)),
        };
        process.follow(Kernel::FIRST);
        process
    }

    /// Takes mask `m` as scored; returns the new column of the factor.
    pub(super) fn observe(&mut self, m: usize) -> Result<DVector<f32>> {
        let distances = self.geometry.distances(&[m]);
        append(&mut self.distances, distances.as_slice())?;
        self.observed.push(m);
        self.factorise()
    }

    /// Takes the last `count` observed masks as not scored after all.
    pub(super) fn forget(&mut self, count: usize) -> Result<()> {
        let left = self.observed.len() - count;
        self.observed.truncate(left);
        self.distances.truncate(left * self.geometry.count());
        self.follow(self.kernel);
        (0..left).try_for_each(|_| self.factorise().map(|_| ()))
    }

    /// Chooses the kernel that explains `values` best, one vector of observed values a target; only neighbors of
    /// the present one are tried if `near`.
    pub(super) fn fit(&mut self, values: &[DVector<f64>], near: bool) -> Result<()> {
        let n = self.observed.len();
        // Equal values fit every kernel; the one that claims most would win by rounding errors.
        let telling: Vec<_> = values.iter().filter(|values| values.amax() >= LEAST_VALUE).cloned().collect();
        if telling.is_empty() {
            return Ok(());
        }
        let among =
            DMatrix::from_fn(n, n, |i, j| self.distances[j * self.geometry.count() + self.observed[i]]);
        let kernel = Kernel::fitted(&among, &telling, near.then_some(self.kernel));
        if kernel == self.kernel {
            return Ok(());
        }
        self.follow(kernel);
        (0..n).try_for_each(|_| self.factorise().map(|_| ()))
    }

    /// Takes `kernel` for its own, and nothing as factorised.
    fn follow(&mut self, kernel: Kernel) {
        self.kernel = kernel;
        self.factor.clear();
        self.pivots.clear();
        self.variance = DVector::repeat(self.geometry.count(), 1.0);
        self.to_strong = kernel.narrowed(&self.to_strong_widest);
    }

    /// Adds the factor's column of the first observed mask that has none.
    fn factorise(&mut self) -> Result<DVector<f32>> {
        let (at, count) = (self.pivots.len(), self.geometry.count());
        let m = self.observed[at];
        let distances = DVectorView::from_slice(&self.distances[at * count..][..count], count);
        let mut column = distances.map(|d| self.kernel.at(d));
        let factor = self.factor();
        let known: DVector<f32> = factor.row(m).transpose();
        column.gemv(-1.0, &factor, &known, 1.0);
        let pivot = (column[m].max(0.0) + self.kernel.nugget).sqrt();
        column /= pivot;
        self.variance.zip_apply(&column, |variance, c| *variance = (*variance - c * c).max(0.0));
        append(&mut self.factor, column.as_slice())?;
        self.pivots.push(pivot);
        Ok(column)
    }

    fn factor(&self) -> DMatrixView<'_, f32> {
        DMatrixView::from_slice(&self.factor, self.geometry.count(), self.pivots.len())
    }

    /// The process's mean at every mask given `values` of the observed ones, and its own variance as `values`
    /// have it and one more that is off by a unit, or by the share `open` of its square.
    pub(super) fn mean(&self, values: &DVector<f64>, open: f64) -> (DVector<f32>, f32) {
        let factor = self.factor();
        let mut white: DVector<f32> = values.map(|v| v as f32);
        for i in 0..white.len() {
            let known: f32 = (0..i).map(|k| factor[(self.observed[i], k)] * white[k]).sum();
            white[i] = (white[i] - known) / self.pivots[i];
        }
        // Nothing follows from a few equal scores.
        let scale = (white.norm_squared() + open as f32) / (white.len() + 1) as f32;
        (factor * white, scale)
    }

    /// The covariance with the strong masks, times `maps` of theirs [strong, cells]: [N, cells].
    pub(super) fn spread(&self, maps: &DMatrix<f32>) -> DMatrix<f32> {
        let factor = self.factor();
        let strong = factor.select_rows(&self.geometry.strong).transpose();
        &self.to_strong * maps - factor * (strong * maps)
    }

    /// The trace of `maps * covariance * maps'`, nuggets included, where `maps` [cells, masks] are those of some
    /// `masks`.
    pub(super) fn trace(&self, masks: &[usize], maps: &DMatrix<f32>) -> Result<f32> {
        let count = masks.len();
        drop(room_for::<f32>(&[count, self.pivots.len()])?);
        let known = self.factor().select_rows(masks);
        // In blocks, so that memory grows as the factor has, and not with N squared; each pair of masks once.
        let block = |start: usize| {
            let length = BLOCK.min(count - start);
            let distances = self.geometry.distances_of(&masks[start..], &masks[start..start + length]);
            let mut covariance = distances.map(|d| self.kernel.at(d));
            covariance.gemm(-1.0, &known.rows_range(start..), &known.rows(start, length).transpose(), 1.0);
            let within = maps.columns(start, length);
            let beyond = maps.columns_range(start + length..) * covariance.rows_range(length..);
            within.dot(&(within * covariance.rows(0, length) + 2.0 * beyond))
        };
        let sum: f32 = (0..count).step_by(BLOCK).map(block).sum();
        Ok(sum.max(0.0) + self.kernel.nugget * maps.norm_squared())
    }
}

#[cfg(test)]
mod tests {
    use super::super::mask_geometry::tests::random;
    use nalgebra::allocator::Allocator;
    use nalgebra::{DefaultAllocator, Dim, Dyn, OMatrix};

    use super::*;

    /// More masks than are held at a time, so that blocks have to meet.
    const COUNT: usize = 2 * BLOCK + 30;
    const OBSERVED: [usize; 7] = [3, 140, 7, 300, 541, 12, 255];

    /// The covariance of all masks without their own variances.
    fn dense(geometry: &MaskGeometry, kernel: Kernel) -> DMatrix<f64> {
        let all: Vec<usize> = (0..geometry.count()).collect();
        geometry.distances(&all).map(|d| f64::from(kernel.at(d)))
    }

    /// What is left of it when the observed masks are known, and what their values have to be multiplied by.
    fn given(geometry: &MaskGeometry, process: &Process<'_>) -> (DMatrix<f64>, DMatrix<f64>) {
        let prior = dense(geometry, process.kernel);
        let to_observed = prior.select_columns(&process.observed);
        let n = process.observed.len();
        let among = to_observed.select_rows(&process.observed)
            + DMatrix::identity(n, n) * f64::from(process.kernel.nugget);
        let gain = &to_observed * among.try_inverse().expect("positive definite");
        (&prior - &gain * to_observed.transpose(), gain)
    }

    fn near<C: Dim>(found: &OMatrix<f32, Dyn, C>, exact: &OMatrix<f64, Dyn, C>, (what, size): (&str, f64))
    where
        DefaultAllocator: Allocator<Dyn, C>,
    {
        let off = (found.map(f64::from) - exact).amax();
        assert!(off < 1e-5 * size, "{what}: {off}");
    }

    fn observing(geometry: &MaskGeometry) -> Process<'_> {
        let mut process = Process::new(geometry);
        OBSERVED.iter().for_each(|&m| assert_eq!(process.observe(m).expect("memory").len(), COUNT));
        process
    }

    /// One value an observed mask.
    fn values() -> DVector<f64> {
        DVector::from_fn(OBSERVED.len(), |i, _| (i as f64 * 1.7).sin())
    }

    #[test]
    fn what_is_observed_tells_what_dense_algebra_says() {
        let geometry = random(COUNT, 5);
        let check = |process: &Process<'_>| {
            let (left, gain) = given(&geometry, process);
            near(&process.variance, &left.diagonal(), ("variance", 1.0));
            near(&process.mean(&values(), 1.0).0, &(gain * values()), ("mean", 1.0));
            // Not the observed masks, as in an estimate: of them all but nothing is left.
            let open: Vec<usize> = (0..COUNT).filter(|m| !OBSERVED.contains(m)).collect();
            let maps = geometry.maps.select_columns(&open);
            let exact = maps.map(f64::from);
            let among = left.select_rows(&open).select_columns(&open);
            let trace = (&exact * among * exact.transpose()).trace()
                + f64::from(process.kernel.nugget) * exact.norm_squared();
            let found = f64::from(process.trace(&open, &maps).expect("memory"));
            assert!((found / trace - 1.0).abs() < 5e-5, "{:?}: trace {found}, not {trace}", process.kernel);
            let strong = left.select_columns(&geometry.strong);
            let maps = geometry.maps.select_columns(&geometry.strong).transpose();
            // A difference of two sums over the strong masks, each as large as the maps together.
            let size = f64::from(maps.row_sum().amax());
            near(&process.spread(&maps), &(strong * maps.map(f64::from)), ("spread", size));
        };
        let mut process = observing(&geometry);
        check(&process);
        process.fit(&[values()], false).expect("memory");
        check(&process);
        process.observe(77).expect("memory");
        let (left, _) = given(&geometry, &process);
        near(&process.variance, &left.diagonal(), ("one more after the fit", 1.0));
    }

    #[test]
    fn the_width_that_values_have_is_found() {
        let geometry = random(120, 4);
        for width in [0.5, 2.0, 8.0] {
            // Values of a process of this width, from a fixed sequence.
            let covariance =
                dense(&geometry, Kernel { width, nugget: 0.0 }) + DMatrix::identity(120, 120) * 1e-3;
            let factor = Cholesky::new(covariance).expect("positive definite").l();
            let draw = |target: usize| {
                let noise = |i: usize, _| {
                    let (a, b) = ((i * 7919 + target * 104_729) % 1009, (i * 6007 + target * 1299) % 997);
                    (-2.0 * ((a as f64 + 0.5) / 1009.0).ln()).sqrt()
                        * (std::f64::consts::TAU * b as f64 / 997.0).cos()
                };
                &factor * DVector::from_fn(120, noise)
            };
            let values: Vec<_> = (1..5).map(draw).collect();
            let mut process = Process::new(&geometry);
            (0..120).for_each(|m| assert!(process.observe(m).is_ok()));
            process.fit(&values, false).expect("memory");
            let found = process.kernel.width;
            assert!((0.5..=2.0).contains(&(found / width)), "{found} instead of {width}");
        }
    }
}
