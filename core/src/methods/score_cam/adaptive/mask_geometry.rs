//! [`MaskGeometry`]: masks as points whose distances tell how alike their scores will be, and maps as vectors in which
//! the error of a weighted sum is measured.
//!
//! Both live on a grid of at most 14 x 14 cells, whatever the layer's size, so that no step costs more for a
//! larger layer. Single precision holds what is needed of them and halves what a step costs; so that it holds any
//! model's values, both are relative to the greatest.

use nalgebra::{DMatrix, DVector};

use super::super::Setup;
use super::super::options::Combine;
use crate::Result;
use crate::filters::blur_matrix;
use crate::tensor::{gathered, room_for};

/// Cells along a side of the grid on which masks are compared and errors measured.
const FINE: usize = 14;
/// Cells along a side of the grid on which the gain of a pass is measured.
const COARSE: usize = 7;
/// How many masks count as strong.
const STRONG: usize = 256;
/// How much a cell counts in distances: the energy that all maps have there, to this power.
const CELL_POWER: f64 = 0.5;

/// What is known of the masks before any is scored, N of them.
pub(super) struct MaskGeometry {
    /// The masks, blurred by one cell, each cell weighted and about its mean, [N, cells].
    points: DMatrix<f32>,
    squares: DVector<f32>,
    /// The median squared distance between strong masks, which is the unit of distance.
    unit: f32,
    /// What the weight of a mask multiplies, but for a factor: the sum of its channels' maps, [cells, N].
    pub(super) maps: DMatrix<f32>,
    /// The strong masks' maps on the coarse grid, [strong, cells].
    pub(super) coarse: DMatrix<f32>,
    /// The squared norm of each column of `maps`.
    pub(super) energy: Vec<f32>,
    /// The masks with the most energy, the strongest first.
    pub(super) strong: Vec<usize>,
    /// Distances of all masks to the strong ones, [N, strong].
    pub(super) to_strong: DMatrix<f32>,
}

impl MaskGeometry {
    pub(super) fn new(setup: &Setup<'_>) -> Result<Self> {
        let grid = Grid::new(setup.maps.size, FINE);
        // The matrices below cannot fail to be allocated, so it is seen beforehand whether there is room for them.
        drop(room_for::<f32>(&[setup.plan.count(), 4 * STRONG + 8 * grid.cells()])?);
        let maps = maps_of_masks(setup, &grid)?;
        let points = points(setup, &grid, &maps)?;
        Ok(Self::placed(points, &maps, &grid))
    }

    /// Masks at `points` whose weights multiply `maps` on `grid`, both with one column a mask.
    fn placed(mut points: DMatrix<f64>, maps: &DMatrix<f64>, grid: &Grid) -> Self {
        // About their mean: differences of large values would be lost in single precision.
        let mean = points.column_mean();
        points.column_iter_mut().for_each(|mut point| point -= &mean);
        let (points, maps) = (relative(&points), relative(maps));
        let count = points.ncols();
        let energy: Vec<f32> = maps.column_iter().map(|map| map.norm_squared()).collect();
        let mut strong: Vec<usize> = (0..count).collect();
        strong.sort_by(|&a, &b| energy[b].total_cmp(&energy[a]));
        strong.truncate(STRONG);

        let squares = DVector::from_iterator(count, points.column_iter().map(|p| p.norm_squared()));
        let coarse_grid = Grid::new(grid.size, COARSE);
        let mut coarse = DMatrix::zeros(strong.len(), coarse_grid.cells());
        for (row, &m) in strong.iter().enumerate() {
            let sums = coarse_grid.sums(maps.column(m).as_slice());
            coarse.row_mut(row).iter_mut().zip(sums).for_each(|(cell, v)| *cell = v as f32);
        }
        let mut geometry = Self {
            points: points.transpose(),
            squares,
            unit: 1.0,
            maps,
            coarse,
            energy,
            strong,
            to_strong: DMatrix::zeros(0, 0),
        };
        geometry.to_strong = geometry.distances(&geometry.strong);
        geometry.scale();
        geometry
    }

    /// The number of masks.
    pub(super) fn count(&self) -> usize {
        self.squares.len()
    }

    /// Squared distances of all masks to `some`, in units of the median: [N, some].
    pub(super) fn distances(&self, some: &[usize]) -> DMatrix<f32> {
        // Transposed first: the product of plain matrices is the fast one.
        let mut distances = &self.points * self.points.select_rows(some).transpose();
        self.complete(&mut distances, &self.squares, some);
        distances
    }

    /// The same of only `these` to `some`: [these, some].
    pub(super) fn distances_of(&self, these: &[usize], some: &[usize]) -> DMatrix<f32> {
        let mut distances = self.points.select_rows(these) * self.points.select_rows(some).transpose();
        self.complete(&mut distances, &self.squares.select_rows(these), some);
        distances
    }

    /// Makes squared distances of products of points; `squares` are the rows'.
    fn complete(&self, products: &mut DMatrix<f32>, squares: &DVector<f32>, columns: &[usize]) {
        for (mut column, &m) in products.column_iter_mut().zip(columns) {
            let own = self.squares[m];
            column.zip_apply(squares, |product, square| {
                *product = (own + square - 2.0 * *product).max(0.0) / self.unit;
            });
        }
    }

    /// Makes the median distance between strong masks the unit.
    fn scale(&mut self) {
        let pairs = self.strong.iter().enumerate().flat_map(|(i, &m)| (0..i).map(move |j| (m, j)));
        let mut distances: Vec<f32> = pairs.map(|at| self.to_strong[at]).collect();
        let middle = distances.len() / 2;
        let unit = match distances.is_empty() {
            true => 0.0,
            false => *distances.select_nth_unstable_by(middle, f32::total_cmp).1,
        };
        if unit > 0.0 {
            self.unit = unit;
            self.to_strong /= unit;
        }
    }

    /// A few strong masks, each in the middle of others (k-medoids).
    pub(super) fn medoids(&self, count: usize) -> Vec<usize> {
        let all = 0..self.strong.len();
        let mut distances = self.to_strong.select_rows(&self.strong);
        distances.apply(|d| *d = d.sqrt());
        let distance = |a: usize, b: usize| distances[(a, b)];
        let mut nearest = vec![f32::INFINITY; self.strong.len()];
        let mut chosen: Vec<usize> = Vec::new();
        for _ in 0..count.min(self.strong.len()) {
            let left = |&m: &usize| all.clone().map(|i| nearest[i].min(distance(i, m))).sum::<f32>();
            let best = all.clone().filter(|m| !chosen.contains(m)).min_by(|a, b| left(a).total_cmp(&left(b)));
            let Some(best) = best else { break };
            chosen.push(best);
            nearest.iter_mut().enumerate().for_each(|(i, d)| *d = d.min(distance(i, best)));
        }
        chosen.into_iter().map(|m| self.strong[m]).collect()
    }
}

/// For each mask the sum of the maps that its weight multiplies, on `grid`: [cells, N].
fn maps_of_masks(setup: &Setup<'_>, grid: &Grid) -> Result<DMatrix<f64>> {
    let (count, cells) = (setup.plan.count(), grid.cells());
    let zeros = gathered(&[count, cells], std::iter::repeat_n(0.0, count * cells))?;
    let mut maps: DMatrix<f64> = DMatrix::from_vec(cells, count, zeros);
    for (map, channel) in setup.maps.iter().zip(&setup.plan.channels) {
        let Some(mask) = channel.mask.filter(|_| channel.weighted) else { continue };
        let map =
            if setup.options.combine == Combine::Normalized { setup.plan.masks.item(mask) } else { map };
        let sums = grid.sums(map);
        maps.column_mut(mask).iter_mut().zip(sums).for_each(|(sum, v)| *sum += v);
    }
    Ok(maps)
}

/// The masks on `grid`, blurred by one cell and weighted by the energy of `maps` in each cell: [cells, N].
fn points(setup: &Setup<'_>, grid: &Grid, maps: &DMatrix<f64>) -> Result<DMatrix<f64>> {
    let energies = maps.component_mul(maps).column_sum();
    let mean = energies.mean();
    let weights =
        energies.map(|energy| if mean > 0.0 { (energy / mean).powf(CELL_POWER / 2.0) } else { 0.0 });
    let (count, cells) = (setup.plan.count(), grid.cells());
    let masks = (0..count).flat_map(|m| grid.blurred(grid.sums(setup.plan.masks.item(m))));
    let mut points = DMatrix::from_vec(cells, count, gathered(&[count, cells], masks)?);
    points.column_iter_mut().for_each(|mut point| point.component_mul_assign(&weights));
    Ok(points)
}

/// `values` as multiples of the greatest magnitude among them.
fn relative(values: &DMatrix<f64>) -> DMatrix<f32> {
    let greatest = values.amax();
    values.map(|v| if greatest > 0.0 { (v / greatest) as f32 } else { 0.0 })
}

/// Cells of a layer gathered into no more than a number of cells a side.
struct Grid {
    /// Height and width of what is gathered.
    from: (usize, usize),
    /// Cells along each side of one gathered cell.
    span: (usize, usize),
    size: (usize, usize),
    /// What blurs down and along.
    blurs: (DMatrix<f64>, DMatrix<f64>),
}

impl Grid {
    fn new(from: (usize, usize), most: usize) -> Self {
        let span = (from.0.div_ceil(most), from.1.div_ceil(most));
        let size = (from.0.div_ceil(span.0), from.1.div_ceil(span.1));
        Self { from, span, size, blurs: (blur_matrix(size.0), blur_matrix(size.1)) }
    }

    fn cells(&self) -> usize {
        self.size.0 * self.size.1
    }

    /// The sum of the values in each gathered cell.
    fn sums(&self, values: &[f32]) -> Vec<f64> {
        let mut sums = vec![0.0; self.cells()];
        let bands = values.chunks(self.from.1 * self.span.0);
        for (band, sums) in bands.zip(sums.chunks_mut(self.size.1)) {
            for row in band.chunks(self.from.1) {
                let cells =
                    row.chunks(self.span.1).map(|cell| cell.iter().copied().map(f64::from).sum::<f64>());
                sums.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
            }
        }
        sums
    }

    /// The gathered cells blurred by one cell along each side.
    fn blurred(&self, sums: Vec<f64>) -> Vec<f64> {
        let (down, along) = &self.blurs;
        let rows = DMatrix::from_vec(self.size.1, self.size.0, sums);
        (along * rows * down.transpose()).data.into()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Masks anywhere on a line of cells and maps that vary, from a fixed sequence.
    pub(in super::super) fn random(count: usize, cells: usize) -> MaskGeometry {
        random_from(0.0, count, cells)
    }

    /// The same with every value of a mask greater by `offset`.
    fn random_from(offset: f64, count: usize, cells: usize) -> MaskGeometry {
        let mut state = 7u64;
        let mut next = |_, _| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f64 / (1u64 << 24) as f64
        };
        let points = DMatrix::from_fn(cells, count, &mut next);
        let maps = DMatrix::from_fn(cells, count, &mut next);
        MaskGeometry::placed(points.add_scalar(offset), &maps, &Grid::new((1, cells), FINE))
    }

    #[test]
    fn cells_are_gathered_without_loss() {
        let check = |from: (usize, usize), size: (usize, usize)| {
            let grid = Grid::new(from, FINE);
            assert_eq!(grid.size, size, "{from:?}");
            let values: Vec<f32> = (0..from.0 * from.1).map(|i| (i % 13) as f32).collect();
            let mut expected = vec![0.0; size.0 * size.1];
            for y in 0..from.0 {
                for x in 0..from.1 {
                    let cell = (y / from.0.div_ceil(FINE)) * size.1 + x / from.1.div_ceil(FINE);
                    expected[cell] += f64::from(values[y * from.1 + x]);
                }
            }
            assert_eq!(grid.sums(&values), expected, "{from:?}");
            let even = grid.blurred(vec![3.0; grid.cells()]);
            assert!(even.iter().all(|v| (v - 3.0).abs() < 1e-12), "{from:?}: a blur keeps what is even");
        };
        check((7, 7), (7, 7));
        check((14, 14), (14, 14));
        check((15, 14), (8, 14));
        check((20, 20), (10, 10));
        check((1, 30), (1, 10));
        check((30, 1), (10, 1));
        check((1, 2), (1, 2));
        check((200, 3), (14, 3));
    }

    #[test]
    fn the_median_distance_is_one_and_all_distances_agree() {
        let geometry = random(60, 6);
        let masks: Vec<usize> = (0..60).collect();
        let all = geometry.distances_of(&masks, &masks);
        assert_eq!(geometry.distances(&masks), all);
        for (i, j) in (0..60).flat_map(|i| (0..60).map(move |j| (i, j))) {
            let apart = (geometry.points.row(i) - geometry.points.row(j)).norm_squared() / geometry.unit;
            assert!((all[(i, j)] - apart).abs() < 1e-5, "{i}, {j}");
        }
        let mut pairs: Vec<f32> =
            (0..60).flat_map(|i| (0..i).map(move |j| (i, j))).map(|at| all[at]).collect();
        pairs.sort_by(f32::total_cmp);
        assert!((pairs[pairs.len() / 2] - 1.0).abs() < 1e-5);
        let far = random_from(1e5, 60, 6).distances(&masks);
        assert!((&far - &all).amax() < 1e-4, "what all masks have in common is no distance");
        let medoids = geometry.medoids(9);
        assert_eq!(medoids.iter().collect::<std::collections::BTreeSet<_>>().len(), 9, "{medoids:?}");
    }
}
