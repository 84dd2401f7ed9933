//! The linear system behind the imputation of pixels: a Laplacian of eight neighbors over the removed pixels of an image,
//! with the pixels that remain as its boundary. Neighbors at sides weigh 2, at corners 1, and none outside the image.
//!
//! It is symmetric, and positive definite as soon as one pixel remains, so conjugate gradients solve it. A multigrid
//! V-cycle preconditions them: a sweep of Gauss-Seidel forward, a correction by the same Laplacian on a grid of half the
//! width and height, and a sweep backward. So the number of steps, about 16, hardly grows with the number of pixels. The
//! steps are computed in f32, which halves the memory that each of them moves; the residual of what they find is computed
//! in f64, and they start again from there.
//!
//! Vectors cover the whole grid and a border of one pixel. They are zero wherever no pixel is removed, so that a sum over
//! neighbors needs no condition.

use std::ops::{Add, Mul, Range, Sub};

use crate::Result;
use crate::tensor::gathered;

/// How a pixel lies between cells of twice its size: the shares of its own cell, of the nearest one beside it, of the
/// nearest one above or below, and of the one across.
const SHARES: [f32; 4] = [9.0 / 16.0, 3.0 / 16.0, 3.0 / 16.0, 1.0 / 16.0];

/// Channels that are solved for together, which cost little more than one.
pub(super) const LANES: usize = 4;
/// A number of each channel.
type Lanes<T> = [T; LANES];

/// The residual at which the solution counts as found, relative to the right side, and the one at which steps in f32 end.
const PRECISION: [f64; 2] = [1e-9, 3e-5];
/// The most rounds of steps in f32, and the most steps of a round.
const MAX_STEPS: [usize; 2] = [100, 1000];

/// The linear system of the removed pixels of an image.
pub(super) struct System {
    /// On the image's own grid, then on grids of half the width and height each.
    levels: Vec<Level>,
}

impl System {
    /// The system of the `removed` pixels of an image of `width`. An error where memory is short.
    pub(super) fn new(removed: &[bool], width: usize) -> Result<Self> {
        let mut grid = Grid { removed: gathered(&[removed.len()], removed.iter().copied())?, width };
        let mut levels = vec![Level::new(&grid)?];
        while let Some(coarse) = grid.coarser()? {
            levels.push(Level::new(&coarse)?);
            grid = coarse;
        }
        Ok(Self { levels })
    }

    /// Replaces the removed pixels of up to [`LANES`] planes.
    pub(super) fn solve(&self, planes: &mut [f32]) -> Result<()> {
        let level = &self.levels[0];
        let (mut solution, mut product) = (level.zeros::<f64>(), level.zeros::<f64>());
        let mut residual = level.right_side(planes);
        let mut scratch = Scratch::new(&self.levels);
        let limit = norms(level.dot(&residual, &residual)).map(|norm| PRECISION[0] * norm);
        for _ in 0..MAX_STEPS[0] {
            let norm = norms(level.dot(&residual, &residual));
            // A plane that is done stays as it is, so that it does not depend on the others.
            let scale = lanes(|l| if norm[l] > limit[l] { norm[l] } else { 0.0 });
            if scale == [0.0; LANES] {
                level.write(&solution, planes);
                return Ok(());
            }
            let right =
                |i: usize| lanes(|l| if scale[l] > 0.0 { (residual[i][l] / scale[l]) as f32 } else { 0.0 });
            self.conjugate_gradients(right, &mut scratch);
            let found = &scratch.solution;
            level.multiply(found, &mut product);
            level.removed().for_each(|i| {
                solution[i] = lanes(|l| solution[i][l] + scale[l] * f64::from(found[i][l]));
                residual[i] = lanes(|l| residual[i][l] - scale[l] * product[i][l]);
            });
        }
        bail!(
            internal,
            "the imputation of an image did not converge; report this, with the image and its map"
        )
    }

    /// Solves for `right`, each channel of norm 1 or 0, from zero.
    fn conjugate_gradients(&self, right: impl Fn(usize) -> Lanes<f32>, scratch: &mut Scratch) {
        let level = &self.levels[0];
        let Scratch { solution, residual, direction, product, cycle } = scratch;
        [&mut *solution, &mut *direction].into_iter().for_each(|vector| vector.fill([0.0; LANES]));
        level.removed().for_each(|i| residual[i] = right(i));
        let mut slope = [0.0; LANES];
        for _ in 0..MAX_STEPS[1] {
            let norm = norms(level.dot(residual, residual));
            let is_open = norm.map(|norm| norm > PRECISION[1]);
            if !is_open.contains(&true) {
                return;
            }
            let of_open = |a: &Lanes<f64>, b: &Lanes<f64>| {
                lanes(|l| if is_open[l] && b[l] != 0.0 { (a[l] / b[l]) as f32 } else { 0.0 })
            };
            let scaled = self.precondition(residual, cycle);
            let next = level.dot(residual, scaled);
            let turn = of_open(&next, &slope);
            slope = next;
            level.removed().for_each(|i| direction[i] = lanes(|l| scaled[i][l] + turn[l] * direction[i][l]));
            level.multiply(direction, product);
            let step = of_open(&slope, &level.dot(direction, product));
            level.removed().for_each(|i| {
                solution[i] = lanes(|l| solution[i][l] + step[l] * direction[i][l]);
                residual[i] = lanes(|l| residual[i][l] - step[l] * product[i][l]);
            });
        }
    }

    /// One V-cycle from zero.
    fn precondition<'s>(&self, residual: &[Lanes<f32>], cycle: &'s mut [Cycle]) -> &'s [Lanes<f32>] {
        cycle[0].right.copy_from_slice(residual);
        for (i, level) in self.levels.iter().enumerate() {
            let [fine, coarse @ ..] = &mut cycle[i..] else { continue };
            level.forward(fine);
            if let Some(coarse) = coarse.first_mut() {
                level.restrict(&fine.found, (&self.levels[i + 1], &mut coarse.right));
            }
        }
        for (i, level) in self.levels.iter().enumerate().rev() {
            let [fine, coarse @ ..] = &mut cycle[i..] else { continue };
            if let Some(coarse) = coarse.first() {
                level.correct(&mut fine.found, (&self.levels[i + 1], &coarse.found));
            }
            level.backward(fine);
        }
        &cycle[0].found
    }
}

/// The system on one grid.
struct Level {
    size: (usize, usize),
    /// The removed pixels as places in vectors, in reading order: each run lies in one row, as long as it can be.
    runs: Vec<Range<usize>>,
    /// The weights of all neighbors inside the image, and one over it, by place.
    weights: Vec<(f32, f32)>,
}

/// The vectors of the steps.
struct Scratch {
    solution: Vec<Lanes<f32>>,
    residual: Vec<Lanes<f32>>,
    direction: Vec<Lanes<f32>>,
    product: Vec<Lanes<f32>>,
    /// Of each level.
    cycle: Vec<Cycle>,
}

/// The vectors of a level in a V-cycle.
struct Cycle {
    right: Vec<Lanes<f32>>,
    found: Vec<Lanes<f32>>,
}

impl Scratch {
    fn new(levels: &[Level]) -> Self {
        let [solution, residual, direction, product] = [(); 4].map(|()| levels[0].zeros());
        let cycle = levels.iter().map(|level| Cycle { right: level.zeros(), found: level.zeros() });
        Self { solution, residual, direction, product, cycle: cycle.collect() }
    }
}

impl Level {
    fn new(grid: &Grid) -> Result<Self> {
        let size = (grid.height(), grid.width);
        let mut level = Self { size, runs: Vec::new(), weights: Vec::new() };
        level.weights = gathered(&[level.room()], std::iter::repeat_n((0.0, 0.0), level.room()))?;
        for (y, row) in grid.removed.chunks_exact(grid.width.max(1)).enumerate() {
            for x in (0..grid.width).filter(|&x| row[x]) {
                let place = (y + 1) * level.stride() + x + 1;
                match level.runs.last_mut() {
                    Some(run) if run.end == place => run.end += 1,
                    _ => level.runs.push(place..place + 1),
                }
                let [down, across] = [(y, size.0), (x, size.1)].map(|(at, end)| around(at, end));
                let weight = 2.0 * (down + across) + down * across;
                level.weights[place] = (weight, weight.recip());
            }
        }
        Ok(level)
    }

    /// Places in a row of a vector.
    fn stride(&self) -> usize {
        self.size.1 + 2
    }

    fn room(&self) -> usize {
        (self.size.0 + 2) * self.stride()
    }

    fn pixel(&self, place: usize) -> usize {
        (place / self.stride() - 1) * self.size.1 + place % self.stride() - 1
    }

    fn removed(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().cloned().flatten()
    }

    fn zeros<T: Default + Copy>(&self) -> Vec<Lanes<T>> {
        vec![[T::default(); LANES]; self.room()]
    }

    /// What the pixels that remain add to the equations.
    fn right_side(&self, planes: &[f32]) -> Vec<Lanes<f64>> {
        let (mut known, mut right) = (self.zeros::<f32>(), self.zeros::<f64>());
        for (lane, plane) in planes.chunks_exact((self.size.0 * self.size.1).max(1)).enumerate() {
            let rows =
                known.chunks_exact_mut(self.stride()).skip(1).zip(plane.chunks_exact(self.size.1.max(1)));
            rows.for_each(|(row, plane)| {
                row[1..].iter_mut().zip(plane).for_each(|(to, &value)| to[lane] = value)
            });
        }
        self.removed().for_each(|i| known[i] = [0.0; LANES]);
        self.multiply(&known, &mut right);
        self.removed().for_each(|i| right[i] = right[i].map(|sum| -sum));
        right
    }

    fn write(&self, solution: &[Lanes<f64>], planes: &mut [f32]) {
        for (lane, plane) in planes.chunks_exact_mut((self.size.0 * self.size.1).max(1)).enumerate() {
            self.removed().for_each(|place| plane[self.pixel(place)] = solution[place][lane] as f32);
        }
    }

    /// In f32 along a run, in f64 beyond it.
    fn dot<T: Number>(&self, a: &[Lanes<T>], b: &[Lanes<T>]) -> Lanes<f64> {
        self.runs.iter().fold([0.0; LANES], |sum, run| {
            let pairs = a[run.clone()].iter().zip(&b[run.clone()]);
            let of_run = pairs.fold([T::default(); LANES], |sum, (a, b)| lanes(|l| sum[l] + a[l] * b[l]));
            lanes(|l| sum[l] + of_run[l].into())
        })
    }

    /// The three rows around a run, each with the pixel before it and the one behind it.
    fn rows<'x, T>(&self, x: &'x [T], run: &Range<usize>) -> [&'x [T]; 3] {
        [run.start - self.stride(), run.start, run.start + self.stride()]
            .map(|start| &x[start - 1..start + run.len() + 1])
    }

    fn multiply<T: Number>(&self, x: &[Lanes<f32>], out: &mut [Lanes<T>]) {
        for run in &self.runs {
            let [above, own, below] = self.rows(x, run).map(|row| row.windows(3));
            let rows = above.zip(own).zip(below);
            let out = out[run.clone()].iter_mut().zip(&self.weights[run.clone()]);
            for ((out, (weight, _)), ((above, own), below)) in out.zip(rows) {
                let [above, below] = [above, below].map(across::<T>);
                *out = lanes(|l| {
                    let beside = T::from(own[0][l]) + T::from(own[2][l]);
                    T::from(*weight) * T::from(own[1][l]) - ((beside + beside) + (above[l] + below[l]))
                });
            }
        }
    }

    /// A sweep of Gauss-Seidel from zero, so that later neighbors do not count yet.
    fn forward(&self, Cycle { right, found }: &mut Cycle) {
        for run in &self.runs {
            let (before, own) = found.split_at_mut(run.start);
            let above = before[run.start - self.stride() - 1..].windows(3);
            let given = right[run.clone()].iter().zip(&self.weights[run.clone()]);
            let mut last = [0.0; LANES];
            for ((own, above), (given, (_, inverse))) in own.iter_mut().zip(above).zip(given) {
                let above = across::<f32>(above);
                // The sum that does not wait for the pixel before comes first.
                last = lanes(|l| (given[l] + above[l]) * inverse + last[l] * (2.0 * inverse));
                *own = last;
            }
        }
    }

    fn backward(&self, Cycle { right, found }: &mut Cycle) {
        for run in self.runs.iter().rev() {
            let (before, own) = found.split_at_mut(run.start);
            let (own, behind) = own.split_at_mut(run.len());
            let above = before[run.start - self.stride() - 1..][..run.len() + 2].windows(3);
            let below = behind[self.stride() - run.len() - 1..][..run.len() + 2].windows(3);
            let given = right[run.clone()].iter().zip(&self.weights[run.clone()]);
            let rows = above.zip(below).zip(given).rev();
            let mut last = [0.0; LANES];
            for (k, ((above, below), (given, (_, inverse)))) in (0..run.len()).rev().zip(rows) {
                let [above, below] = [above, below].map(across::<f32>);
                let left = if k > 0 { own[k - 1] } else { [0.0; LANES] };
                let sum = lanes(|l| (given[l] + 2.0 * left[l]) + (above[l] + below[l]));
                last = lanes(|l| sum[l] * inverse + last[l] * (2.0 * inverse));
                own[k] = last;
            }
        }
    }

    /// The residual that [`Self::forward`] leaves, which is the weight of later neighbors, summed over cells.
    fn restrict(&self, found: &[Lanes<f32>], (coarse, right): (&Level, &mut [Lanes<f32>])) {
        right.fill([0.0; LANES]);
        self.with_cells(coarse, |i, cells| {
            let below = across::<f32>(&found[i + self.stride() - 1..][..3]);
            let left = lanes(|l| 2.0 * found[i + 1][l] + below[l]);
            for (cell, share) in cells.into_iter().zip(SHARES) {
                right[cell] = lanes(|l| right[cell][l] + share * left[l]);
            }
        });
    }

    /// Adds the solution of the next level.
    fn correct(&self, found: &mut [Lanes<f32>], (coarse, of_cells): (&Level, &[Lanes<f32>])) {
        let [own, beside, above, across] = SHARES;
        self.with_cells(coarse, |i, cells| {
            let [a, b, c, d] = cells.map(|cell| of_cells[cell]);
            let added = lanes(|l| (own * a[l] + beside * b[l]) + (above * c[l] + across * d[l]));
            found[i] = lanes(|l| found[i][l] + added[l]);
        });
    }

    /// Calls `f` with each removed pixel and the cells that have [`SHARES`] in it, all as places. A cell outside the image leaves
    /// its share to the one inside.
    fn with_cells(&self, coarse: &Level, mut f: impl FnMut(usize, [usize; 4])) {
        let beside = |at: usize, end: usize| {
            let other = if at.is_multiple_of(2) { (at / 2).wrapping_sub(1) } else { at / 2 + 1 };
            if other < end { other } else { at / 2 }
        };
        for run in &self.runs {
            let (y, left) = (run.start / self.stride() - 1, run.start % self.stride() - 1);
            let row = |y: usize| (y + 1) * coarse.stride() + 1;
            let (own, other) = (row(y / 2), row(beside(y, coarse.size.0)));
            for (i, x) in run.clone().zip(left..) {
                let (column, next) = (x / 2, beside(x, coarse.size.1));
                f(i, [own + column, own + next, other + column, other + next]);
            }
        }
    }
}

/// Which pixels of a grid are removed.
struct Grid {
    removed: Vec<bool>,
    width: usize,
}

impl Grid {
    fn height(&self) -> usize {
        self.removed.len() / self.width.max(1)
    }

    /// The grid whose cells are two by two pixels; a cell is removed where all its pixels are. None without such a cell.
    fn coarser(&self) -> Result<Option<Self>> {
        let (height, width) = (self.height().div_ceil(2), self.width.div_ceil(2));
        let mut removed = gathered(&[height, width], std::iter::repeat_n(true, height * width))?;
        for pixel in (0..self.removed.len()).filter(|&pixel| !self.removed[pixel]) {
            removed[pixel / self.width / 2 * width + pixel % self.width / 2] = false;
        }
        let is_of_use = removed.len() < self.removed.len() && removed.contains(&true);
        Ok(is_of_use.then_some(Self { removed, width }))
    }
}

/// What a vector holds.
trait Number:
    Copy + Default + From<f32> + Into<f64> + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self>
{
}

impl<T> Number for T where
    T: Copy + Default + From<f32> + Into<f64> + Add<Output = T> + Sub<Output = T> + Mul<Output = T>
{
}

/// How many of the two neighbors along an axis are inside.
fn around(at: usize, end: usize) -> f32 {
    f32::from(u8::from(at > 0)) + f32::from(u8::from(at + 1 < end))
}

fn norms(squares: Lanes<f64>) -> Lanes<f64> {
    squares.map(f64::sqrt)
}

#[inline(always)]
fn lanes<T>(of: impl FnMut(usize) -> T) -> Lanes<T> {
    std::array::from_fn(of)
}

/// The weight of three pixels of a row in an equation of the next row or the last.
#[inline(always)]
fn across<T: Number>(row: &[Lanes<f32>]) -> Lanes<T> {
    lanes(|l| (T::from(row[1][l]) + T::from(row[1][l])) + (T::from(row[0][l]) + T::from(row[2][l])))
}
